//! From a change to the news that are delivered: all that any message about it needs.

use chrono::{Duration, Utc};

use super::changes::Notice;
use crate::journal::{
    LimitsLeft, News, NewsGate, NewsKind, NewsRollback, Proposal, Rollback, ServiceStanding,
    ServiceState,
};
use crate::policy::short;
use crate::record::{Heading, Record};
use crate::service::{Service, history};
use crate::slo::{ViolationState, assess_slices};

/// How far back the course of the error ratio goes that messages show.
const COURSE: std::time::Duration = std::time::Duration::from_secs(3600);

/// How many other commits that go back a message names.
const MAX_ALSO: usize = 5;

/// Most points of that course. A line of more is wider than a screen, and is cut where the burn stands.
const POINTS: usize = 60;

/// How long that may take. A message without it is better than a late one.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(2);

/// How long the numbers after a recovery may take: a pass asks for a whole SLO window.
const PATIENCE_FOR_NUMBERS: std::time::Duration = std::time::Duration::from_secs(10);

/// Asks how the error ratio went in the last hour (0..1), oldest first; empty where that is not known in time.
pub(super) async fn course(service: &Service<'_>) -> Vec<Option<f64>> {
    let metrics = service.metrics();
    let asked = metrics.recent_slices(&service.config.objective, COURSE);
    let Ok(Ok(recent)) = tokio::time::timeout(PATIENCE, asked).await else {
        return Vec::new();
    };
    let slices = recent.slices.value().map_or(&[][..], Vec::as_slice);
    let ratio = |slice: &Option<crate::slo::Events>| {
        slice
            .filter(|events| events.total() > 0.0)
            .map(|events| events.bad() / events.total())
    };
    let course: Vec<_> = slices.iter().map(ratio).collect();
    narrowed(&course, POINTS)
}

/// Joins neighbours until no more than `most` points are left; a point is the highest of those it stands for, so that
/// a short burn is still seen. The newest points stand for equally many each; the oldest may stand for fewer.
fn narrowed(course: &[Option<f64>], most: usize) -> Vec<Option<f64>> {
    let joined = course.len().div_ceil(most).max(1);
    let highest = |part: &[Option<f64>]| part.iter().flatten().copied().reduce(f64::max);
    let mut points: Vec<_> = course.rchunks(joined).map(highest).collect();
    points.reverse();
    points
}

/// Measures the service once more where a rollback has just recovered: the run's own numbers are those of the burn.
/// Without an answer in time nothing is known of it but the proof.
pub(super) async fn measured_after(service: &Service<'_>, record: &Record) -> Record {
    let heading = Heading {
        run_id: record.run_id.clone(),
        command: record.command,
        service: record.service.clone(),
        namespace: record.namespace.clone(),
        dry_run: record.dry_run,
    };
    let objective = &service.config.objective;
    let unknown = Record::unknown(&heading, objective, Utc::now());
    let metrics = service.metrics();
    let asked = metrics.observe(objective);
    match tokio::time::timeout(PATIENCE_FOR_NUMBERS, asked).await {
        Ok(Ok(seen)) => {
            let assessment = assess_slices(&seen.measurement, objective, seen.slice_window);
            unknown.with_assessment(&assessment)
        }
        Ok(Err(_)) | Err(_) => unknown,
    }
}

/// Writes the news of a change. `stands` says how the service stands, where that is another record than the run's.
pub(super) fn news(
    service: &Service<'_>,
    state: &ServiceState,
    record: &Record,
    stands: &Record,
    change: &Notice,
    course: &[Option<f64>],
) -> News {
    let at = Utc::now();
    let about = change.rollback.as_ref();
    let rollback = about.and_then(|id| state.rollbacks.iter().find(|past| past.id == *id));
    let id = match about {
        // What was taken away may come back more than once.
        Some(id) if change.kind == NewsKind::HoldViolated => {
            format!("{id}/{}/{}", change.kind.as_str(), record.run_id)
        }
        Some(id) => format!("{id}/{}", change.kind.as_str()),
        None => format!("{}/{}/{}", service.key, change.kind.as_str(), record.run_id),
    };
    let detail = change.detail.clone();
    News {
        id,
        kind: change.kind,
        at,
        run_id: record.run_id.clone(),
        service: record.service.clone(),
        namespace: record.namespace.clone(),
        standing: standing(stands, course),
        reason: record.decision.reason,
        detail: detail.unwrap_or_else(|| record.decision.detail.clone()),
        needs_a_person: change.needs_a_person,
        gates: record
            .decision
            .gates
            .iter()
            .map(|gate| NewsGate {
                gate: gate.gate,
                state: gate.state,
                detail: gate.detail.clone(),
            })
            .collect(),
        limits: Some(limits_left(service, state)),
        rollback: rollback.map(|rollback| rollback_part(service, rollback)),
        incident: None,
        command: service.config.notify.message_command.clone(),
        dashboard_url: page(&service.config.notify.dashboard_url),
        runbook_url: page(&service.config.notify.runbook_url),
    }
}

fn page(url: &Option<url::Url>) -> Option<String> {
    url.clone().map(String::from)
}

fn standing(record: &Record, course: &[Option<f64>]) -> ServiceStanding {
    let rates = record.burn_rates;
    let named = [
        ("5m", rates.m5),
        ("30m", rates.m30),
        ("1h", rates.h1),
        ("6h", rates.h6),
    ];
    ServiceStanding {
        verdict: record.verdict,
        level: record.budget.level,
        window_seconds: record.budget.window_seconds,
        error_budget: record.budget.error_budget,
        bad_events: record.budget.bad_events,
        total_events: record.budget.total_events,
        consumed: record.budget.consumed,
        seconds_to_exhaustion: record.budget.seconds_to_exhaustion,
        burn_rates: named.map(|(name, rate)| (name.to_owned(), rate)).to_vec(),
        violated: record
            .violations
            .iter()
            .filter(|violation| violation.state == ViolationState::Violated)
            .map(|violation| match &violation.detail {
                Some(detail) => format!("{}: {detail}", violation.name),
                None => violation.name.to_string(),
            })
            .collect(),
        course: course.to_vec(),
        offenders: record
            .offenders
            .iter()
            .map(|one| (one.label.clone(), one.value.clone(), one.bad, one.total))
            .collect(),
    }
}

fn limits_left(service: &Service<'_>, state: &ServiceState) -> LimitsLeft {
    let remembered = history(state);
    let at = Utc::now();
    let left = |max: u32, span: Duration| {
        let used = remembered.attempted_within(span, at).len();
        max.saturating_sub(u32::try_from(used).unwrap_or(u32::MAX))
    };
    LimitsLeft {
        hour: left(service.config.policy.max_per_hour, Duration::hours(1)),
        day: left(service.config.policy.max_per_day, Duration::hours(24)),
    }
}

/// Names the commits that go back besides the bad one.
fn also(rollback: &Rollback) -> Vec<String> {
    let undone = rollback.goes_back.undone.iter();
    undone
        .filter(|undone| undone.revision != rollback.from)
        .take(MAX_ALSO)
        .map(|undone| {
            let revision = short(&undone.revision);
            format!("{revision} {} ({})", undone.title, undone.author)
        })
        .collect()
}

fn rollback_part(service: &Service<'_>, rollback: &Rollback) -> NewsRollback {
    let config = service.config;
    let page = |revision: &str| {
        let gitops = config.gitops.as_ref()?;
        gitops.commit_page(revision).map(String::from)
    };
    let application = rollback
        .argocd
        .as_ref()
        .map(|argo_operation| argo_operation.application.clone());
    let asked = rollback
        .approval
        .as_ref()
        .map(|approval| approval.expires_at);
    let proposed = || rollback.begun_at + config.run.approval_timeout;
    NewsRollback {
        id: rollback.id.clone(),
        origin: rollback.origin,
        why: rollback.why.clone(),
        from: rollback.from.clone(),
        from_subject: rollback.subject.clone(),
        also: also(rollback),
        to: rollback.to.clone(),
        begun_at: rollback.begun_at,
        commit: rollback.commit.clone(),
        place: rollback.place.clone(),
        from_url: page(&rollback.from),
        to_url: page(&rollback.to),
        commit_url: rollback.commit.as_deref().and_then(page),
        pull_request_url: rollback.proposal.as_ref().and_then(|it| it.url.clone()),
        application_url: application.as_ref().and_then(|_| {
            let argocd = config.argocd.as_ref()?;
            argocd.application_page().map(String::from)
        }),
        application,
        expires_at: asked.or_else(|| rollback.proposal.as_ref().map(|_: &Proposal| proposed())),
        worse: rollback.worse,
        steps: rollback.taken().cloned().collect(),
        words: rollback.words.clone(),
        compare_url: config
            .gitops
            .as_ref()
            .and_then(|gitops| gitops.compare_page(&rollback.to, &rollback.from))
            .map(String::from),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_course_is_narrowed_and_keeps_its_burn_and_its_gaps() {
        let short = [Some(0.0), None, Some(0.1)];
        assert_eq!(narrowed(&short, 3), short);
        assert_eq!(narrowed(&[], 3), []);
        let long = [Some(0.0), None, None, None, Some(0.2), Some(0.1), None];
        let points = [Some(0.0), None, Some(0.2)];
        assert_eq!(narrowed(&long, 3), points);
        let hour: Vec<_> = (0..900).map(|_| Some(0.0)).collect();
        assert_eq!(narrowed(&hour, POINTS).len(), POINTS);
    }
}
