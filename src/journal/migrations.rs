//! State that an older program wrote, brought to today's layout: one function for each step between two schemas, on
//! plain JSON, so that none of today's types has to know how things were. A step writes down what the program of that
//! time meant, and never changes again.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use super::record::State;

type Object = Map<String, Value>;

/// Reads the body of a state file of an older schema.
///
/// # Errors
/// Fails where it is not what a program of that schema wrote.
pub(super) fn migrated(schema: u32, body: &str) -> serde_json::Result<State> {
    let mut body: Value = serde_json::from_str(body)?;
    let services = body.get_mut("services").and_then(Value::as_object_mut);
    for service in services.into_iter().flat_map(Map::values_mut) {
        let Some(service) = service.as_object_mut() else {
            continue;
        };
        if schema < 2 {
            one_to_two(service);
        }
        if schema < 3 {
            two_to_three(service);
        }
        // Schema 4 adds what was counted on days that are over, and schema 5 counts halves of days: they are counted anew.
        service.remove("days");
    }
    serde_json::from_value(body)
}

/// Schema 2 says since when a memory is whole, and what people were told. A memory of schema 1 was whole, and nobody is
/// told now of what ended long ago.
fn one_to_two(service: &mut Object) {
    let begun = |rollback: &Object| -> Option<DateTime<Utc>> {
        rollback.get("begun_at")?.as_str()?.parse().ok()
    };
    let newest = objects(service, "rollbacks")
        .filter_map(|it| begun(it))
        .max();
    service.insert(
        "ledger".to_owned(),
        json!({
            "read_at": newest.unwrap_or_default(),
            "source": "the state of an older version",
        }),
    );
    for rollback in objects(service, "rollbacks") {
        let phase = rollback.get("phase").and_then(Value::as_str);
        let told = match phase {
            Some("awaiting" | "begun" | "proposed" | "verifying") => json!(["started"]),
            Some(_) | None => json!([
                "approval_needed",
                "approval_half_time",
                "approval_expired",
                "rejected",
                "started",
                "recovered",
                "ineffective",
                "failed",
                "superseded",
            ]),
        };
        rollback.insert("told".to_owned(), told);
    }
}

/// Schema 3 holds every step of a rollback in the order of the walk, those that are still to be taken too, in the place
/// of an order that Argo CD's part alone knew. It leaves nothing out that has its usual value, writes a level that is
/// not known as null, and calls things by other names.
fn two_to_three(service: &mut Object) {
    rename(service, "ledger", "recovered_from");
    rename(service, "sighting", "series_seen");
    rename(service, "telling", "notifications");
    for rollback in objects(service, "rollbacks") {
        with_all_steps(rollback);
        fill(
            rollback,
            json!({
                "subject": "",
                "goes_back": {},
                "told": [],
                "outage": false,
                "worse": false,
            }),
        );
        for goes_back in object(rollback, "goes_back") {
            fill(
                goes_back,
                json!({ "tip_state": "", "keeps": [], "undone": [] }),
            );
        }
    }
    fill(service, json!({ "notifications": {} }));
    for notifications in object(service, "notifications") {
        rename(notifications, "told", "last_told");
        fill(
            notifications,
            json!({ "outbox": [], "last_told": {}, "places": {}, "counters": {} }),
        );
        for told in object(notifications, "last_told") {
            no_word_for_nothing(told, "");
            let nothing = json!({ "held": [], "blind_runs": 0, "blind": false, "back": [], "violated": false });
            fill(told, nothing);
        }
        for counters in object(notifications, "counters") {
            fill(
                counters,
                json!({ "rollbacks": {}, "held": {}, "runs": {}, "failures": {} }),
            );
        }
        for item in objects(notifications, "outbox") {
            rename(item, "to", "channels");
            for news in object(item, "news") {
                for standing in object(news, "standing") {
                    no_word_for_nothing(standing, "unknown");
                    fill(standing, json!({ "offenders": [] }));
                }
                for rollback in object(news, "rollback") {
                    fill(rollback, json!({ "also": [], "worse": false }));
                }
            }
        }
    }
}

/// Puts the steps that were not taken into the list. What was to be asked of Argo CD said which there are; a step that
/// was taken stays one also where it gave way to another.
fn with_all_steps(rollback: &mut Object) {
    let mut order = None;
    for operation in object(rollback, "argocd") {
        order = operation.remove("order");
        rename(operation, "bad", "bad_revisions");
    }
    let walk: &[&str] = match order.as_ref().and_then(Value::as_str) {
        Some("revert_first") => &["gitops_revert", "argocd_sync", "verify"],
        Some("roll_back_first") => &["argocd_rollback", "gitops_revert", "argocd_sync", "verify"],
        Some("roll_back_only") => &["argocd_rollback", "argocd_sync", "verify"],
        Some(_) | None => &["gitops_revert", "verify"],
    };
    let begun_at = rollback.get("begun_at").cloned().unwrap_or_default();
    let Some(taken) = rollback.get_mut("steps").and_then(Value::as_array_mut) else {
        return;
    };
    let mut steps = Vec::new();
    for kind in ["argocd_rollback", "gitops_revert", "argocd_sync", "verify"] {
        match taken.iter().position(|step| step["step"] == kind) {
            Some(place) => steps.push(taken.remove(place)),
            None if walk.contains(&kind) => steps.push(json!({
                "step": kind,
                "state": "planned",
                "at": begun_at,
                "detail": "",
            })),
            None => {}
        }
    }
    // What no program of that schema wrote is left for the reader to refuse.
    steps.append(taken);
    *taken = steps;
}

/// Writes a level that is not there as null instead of as a word.
fn no_word_for_nothing(object: &mut Object, word: &str) {
    if object.get("level").is_none_or(|level| level == word) {
        object.insert("level".to_owned(), Value::Null);
    }
}

fn rename(object: &mut Object, before: &str, after: &str) {
    if let Some(value) = object.remove(before) {
        object.insert(after.to_owned(), value);
    }
}

/// Writes out what a file left out because it had its usual value.
fn fill(object: &mut Object, usual: Value) {
    let usual = usual.as_object().cloned().unwrap_or_default();
    for (key, value) in usual {
        object.entry(key).or_insert(value);
    }
}

/// Returns the object of that name, where there is one.
fn object<'a>(of: &'a mut Object, key: &str) -> impl Iterator<Item = &'a mut Object> {
    let object = of.get_mut(key).and_then(Value::as_object_mut);
    object.into_iter()
}

/// Returns the objects in the list of that name.
fn objects<'a>(of: &'a mut Object, key: &str) -> impl Iterator<Item = &'a mut Object> {
    let list = of.get_mut(key).and_then(Value::as_array_mut);
    list.into_iter().flatten().filter_map(Value::as_object_mut)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

    use super::*;
    use crate::journal::ServiceState;

    /// Returns the steps of a rollback of schema 2 and what is left of its order.
    fn steps(argocd: Value, taken: &[&str]) -> Vec<String> {
        let at = "2026-11-01T10:00:01Z";
        let step = |step| json!({ "step": step, "state": "failed", "at": at, "detail": "why" });
        let taken: Vec<Value> = taken.iter().map(step).collect();
        let mut rollback = json!({
            "begun_at": "2026-11-01T10:00:00Z",
            "argocd": argocd,
            "steps": taken,
        });
        let rollback = rollback.as_object_mut().unwrap();
        with_all_steps(rollback);
        assert_eq!(rollback["argocd"].get("order"), None);
        let steps = rollback["steps"].as_array().unwrap();
        let story = |step: &Value| {
            let [step, state, at] = ["step", "state", "at"].map(|key| step[key].as_str());
            let seconds = at
                .unwrap()
                .trim_end_matches('Z')
                .rsplit_once(':')
                .unwrap()
                .1;
            format!("{} {} {seconds}", step.unwrap(), state.unwrap())
        };
        steps.iter().map(story).collect()
    }

    #[test]
    fn whole_days_of_schema_4_are_dropped_and_counted_anew_in_halves() {
        let mut service = serde_json::to_value(ServiceState::default()).unwrap();
        service["days"] = json!({
            "question": "0123456789abcdef",
            "first": 20_700,
            "days": [[1200.0, 12.0, 24.0], [null, null, 0.0]],
            "overlap_seconds": 3600,
            "before_total": 50.0,
            "before_bad": 1.0,
        });
        let body = json!({ "services": { "shop/checkout": service } }).to_string();
        let state = migrated(4, &body).unwrap();
        assert_eq!(
            state.services.values().next(),
            Some(&ServiceState::default())
        );
    }

    #[test]
    fn an_order_becomes_the_list_of_its_steps() {
        let order = |order: &str| json!({ "order": order, "bad": [] });
        assert_eq!(
            steps(Value::Null, &[]),
            ["gitops_revert planned 00", "verify planned 00"]
        );
        assert_eq!(
            steps(order("revert_first"), &["gitops_revert"]),
            [
                "gitops_revert failed 01",
                "argocd_sync planned 00",
                "verify planned 00"
            ]
        );
        assert_eq!(
            steps(order("roll_back_only"), &[]),
            [
                "argocd_rollback planned 00",
                "argocd_sync planned 00",
                "verify planned 00"
            ]
        );
        // Its push waited in one run, and the application came first in the next.
        assert_eq!(
            steps(
                order("roll_back_first"),
                &["gitops_revert", "argocd_rollback"]
            ),
            [
                "argocd_rollback failed 01",
                "gitops_revert failed 01",
                "argocd_sync planned 00",
                "verify planned 00"
            ]
        );
    }

    #[test]
    fn a_step_that_gave_way_to_the_branch_stays_in_the_list() {
        let order = json!({ "order": "revert_first", "bad": [] });
        assert_eq!(
            steps(order, &["argocd_rollback"]),
            [
                "argocd_rollback failed 01",
                "gitops_revert planned 00",
                "argocd_sync planned 00",
                "verify planned 00"
            ]
        );
    }
}
