use super::*;
use serde_json::{Value, json};

const US: &str = "slo-bot";
const POSTED: &str = "2026-08-01T10:00:00.700Z";
const SOON: &str = "2026-08-01T10:00:00Z";
const BEFORE: &str = "2026-08-01T09:59:57Z";

fn rollback() -> Marker {
    Marker {
        user: US.to_owned(),
        revisions: vec!["aaa".to_owned()],
        note: None,
        posted_at: POSTED.parse().expect("a time"),
        skew: TimeDelta::seconds(2),
    }
}

fn sync() -> Marker {
    Marker {
        revisions: Vec::new(),
        note: Some(note("r-1")),
        ..rollback()
    }
}

fn note(value: &str) -> Note {
    Note {
        name: "error-budget-rollback".to_owned(),
        value: value.to_owned(),
    }
}

fn operation(user: &str, revision: &str) -> Value {
    json!({"initiatedBy": {"username": user}, "sync": {"revision": revision}})
}

fn synced(value: &str) -> Value {
    json!({"initiatedBy": {"username": US}, "sync": {"revision": "ccc"},
        "info": [{"name": "error-budget-rollback", "value": value}]})
}

fn state(phase: &str, operation: Value, started_at: &str) -> Value {
    json!({"phase": phase, "operation": operation, "startedAt": started_at})
}

fn entry(id: i64, user: &str, revision: &str, started_at: &str) -> Value {
    json!({"id": id, "revision": revision, "initiatedBy": {"username": user}, "deployStartedAt": started_at,
        "deployedAt": "2026-08-01T10:00:30Z", "source": {"repoURL": "https://git/a"}})
}

fn app(operation: Value, state: Value, history: &[Value]) -> Application {
    Application::read(
        &json!({"operation": operation, "status": {"operationState": state, "history": history}}),
    )
}

/// Returns one word for what was seen.
fn seen(operation: Value, state: Value, history: &[Value], ours: &Marker) -> String {
    match app(operation, state, history).recognise(ours) {
        OperationSighting::Queued => "queued".to_owned(),
        OperationSighting::Running(_) => "running".to_owned(),
        OperationSighting::Finished(state) => format!("finished {:?}", state.phase),
        OperationSighting::InHistory { id } => format!("history {id}"),
        OperationSighting::Another(_) => "another".to_owned(),
        OperationSighting::Not => "not".to_owned(),
        OperationSighting::Unclear { .. } => "unclear".to_owned(),
    }
}

#[test]
fn sees_a_rollback_on_all_its_way() {
    let ours = || operation(US, "aaa");
    let none = || Value::Null;
    let done = [
        entry(1, "alice", "bbb", BEFORE),
        entry(2, US, "aaa", "2026-08-01T10:00:03Z"),
    ];
    for (operation, state, history, expected) in [
        (none(), none(), &done[..1], "not"),
        (ours(), none(), &done[..1], "queued"),
        (
            ours(),
            state("Running", ours(), SOON),
            &done[..1],
            "running",
        ),
        (ours(), state("Running", ours(), SOON), &done[..], "running"),
        (
            ours(),
            state("Terminating", ours(), SOON),
            &done[..1],
            "running",
        ),
        (
            none(),
            state("Succeeded", ours(), SOON),
            &done[..],
            "finished Succeeded",
        ),
        (
            none(),
            state("Failed", ours(), SOON),
            &done[..1],
            "finished Failed",
        ),
        (
            none(),
            state("Error", ours(), SOON),
            &done[..1],
            "finished Error",
        ),
    ] {
        assert_eq!(seen(operation, state, history, &rollback()), expected);
    }
}

#[test]
fn sees_a_rollback_in_the_history_after_another_operation_came() {
    let done = [entry(1, "alice", "bbb", BEFORE), entry(2, US, "aaa", SOON)];
    let automated = json!({"initiatedBy": {"automated": true}, "sync": {"revision": "bbb"}});
    let running = state("Running", automated.clone(), "2026-08-01T10:01:00Z");
    assert_eq!(seen(automated, running, &done, &rollback()), "history 2");
    assert_eq!(
        seen(Value::Null, Value::Null, &done, &rollback()),
        "history 2"
    );
}

#[test]
fn takes_nothing_of_others_or_of_before_for_its_own() {
    let foreign = || operation("alice", "aaa");
    let elsewhere = || operation(US, "bbb");
    let ours = || operation(US, "aaa");
    for (operation, state, expected) in [
        (foreign(), Value::Null, "another"),
        (elsewhere(), Value::Null, "another"),
        (foreign(), state("Running", foreign(), SOON), "another"),
        (Value::Null, state("Succeeded", foreign(), SOON), "not"),
        (Value::Null, state("Succeeded", elsewhere(), SOON), "not"),
        (Value::Null, state("Succeeded", ours(), BEFORE), "not"),
        // An earlier one of ours that is still under way: what was posted now was refused.
        (ours(), state("Running", ours(), BEFORE), "another"),
    ] {
        let history = [entry(1, US, "aaa", BEFORE)];
        let shown = format!("{operation} {state}");
        assert_eq!(
            seen(operation, state, &history, &rollback()),
            expected,
            "{shown}"
        );
    }
}

#[test]
fn knows_a_sync_by_its_note_alone() {
    for (operation, state, expected) in [
        (synced("r-1"), Value::Null, "queued"),
        (synced("r-2"), Value::Null, "another"),
        (operation(US, "ccc"), Value::Null, "another"),
        (
            synced("r-1"),
            state("Running", synced("r-1"), SOON),
            "running",
        ),
        (
            Value::Null,
            state("Failed", synced("r-1"), SOON),
            "finished Failed",
        ),
        (Value::Null, state("Succeeded", synced("r-2"), SOON), "not"),
    ] {
        let shown = format!("{operation} {state}");
        assert_eq!(seen(operation, state, &[], &sync()), expected, "{shown}");
    }
}

#[test]
fn a_sync_in_the_history_is_known_by_its_revision_or_unclear() {
    let history = [entry(4, US, "ccc", SOON)];
    let to = |revision: &str| Marker {
        revisions: vec![revision.to_owned()],
        ..sync()
    };
    for (ours, expected) in [
        (to("ccc"), "history 4"),
        (to("ddd"), "not"),
        (sync(), "unclear"),
    ] {
        assert_eq!(seen(Value::Null, Value::Null, &history, &ours), expected);
    }
}

#[test]
fn what_cannot_be_told_is_unclear_and_not_denied() {
    let mut nameless = operation(US, "aaa");
    nameless["initiatedBy"] = json!({});
    let without_time = json!({"phase": "Succeeded", "operation": operation(US, "aaa")});
    let mut unsigned = entry(2, US, "aaa", SOON);
    unsigned["initiatedBy"] = json!({});
    let odd_notes = json!({"initiatedBy": {"username": US}, "sync": {}, "info": "r-1"});
    for (operation, state, history, ours) in [
        (nameless, Value::Null, vec![], rollback()),
        (operation(US, ""), Value::Null, vec![], rollback()),
        (Value::Null, without_time, vec![], rollback()),
        (Value::Null, Value::Null, vec![unsigned], rollback()),
        (
            Value::Null,
            Value::Null,
            vec![json!({"id": "x"})],
            rollback(),
        ),
        (odd_notes, Value::Null, vec![], sync()),
        (json!("x"), json!("y"), vec![], rollback()),
    ] {
        let shown = format!("{operation} {state} {history:?}");
        assert_eq!(
            seen(operation, state, &history, &ours),
            "unclear",
            "{shown}"
        );
    }
}

#[test]
fn compares_every_revision_of_several_sources() {
    let ours = Marker {
        revisions: vec!["1.3.0".to_owned(), "ccc".to_owned()],
        ..rollback()
    };
    let asked = |revisions: Value| json!({"initiatedBy": {"username": US}, "sync": {"revisions": revisions}});
    let queued = |revisions| seen(asked(revisions), Value::Null, &[], &ours);
    assert_eq!(queued(json!(["1.3.0", "ccc"])), "queued");
    assert_eq!(queued(json!(["1.3.0", "ddd"])), "another");
    assert_eq!(queued(json!(["1.3.0"])), "another");
}
