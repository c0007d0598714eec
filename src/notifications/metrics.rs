//! Hands on the numbers of a run, where somebody wants them.

use std::time::Duration;

use chrono::Utc;

use crate::exit::Exit;
use crate::journal::{Journal, Phase, ServiceState, count};
use crate::metrics::{DeliveryNumbers, Numbers, Remembered, RunNumbers, Thresholds, publish};
use crate::policy::PastRollback;
use crate::record::{ActionKind, Record, RollbackOutcome};
use crate::service::{Service, history};
use crate::slo::Verdict;
use crate::with_sources;

/// How long a push to the Pushgateway may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Counts the run and what ended in it, and returns the numbers; nothing where nobody wants them.
pub(super) fn of_the_run(
    service: &Service<'_>,
    journal: &mut Journal,
    record: &Record,
    exit: Exit,
) -> Option<Numbers> {
    let notify = &service.config.notify;
    if notify.pushgateway_url.is_none() && notify.metrics_textfile.is_none() {
        return None;
    }
    super::remember(service, journal, |state| count_run(state, record, exit));
    let state = journal.service(&service.key);
    Some(numbers(service, &state, record))
}

/// Hands on the numbers of all services of a run: those that go to the same place in one go, because a file is
/// replaced as a whole.
pub(crate) async fn hand_on(journal: &mut Journal, mut services: Vec<(&Service<'_>, Numbers)>) {
    while let Some((first, _)) = services.first() {
        let notify = &first.config.notify;
        let (url, file) = (&notify.pushgateway_url, &notify.metrics_textfile);
        let (together, others): (Vec<_>, Vec<_>) =
            services.into_iter().partition(|(service, _)| {
                let notify = &service.config.notify;
                (&notify.pushgateway_url, &notify.metrics_textfile) == (url, file)
            });
        let (served, numbers): (Vec<_>, Vec<_>) = together.into_iter().unzip();
        let failures = publish(&numbers, url.as_ref(), file.as_deref(), PATIENCE).await;
        for failure in &failures {
            tracing::warn!(channel = failure.channel(), error = %with_sources(failure), "the metrics were not published");
        }
        for service in served.into_iter().filter(|_| !failures.is_empty()) {
            super::remember(service, journal, |state| {
                for failure in &failures {
                    count(
                        &mut state.notifications.counters.failures,
                        failure.channel(),
                    );
                }
            });
        }
        services = others;
    }
}

fn count_run(state: &mut ServiceState, record: &Record, exit: Exit) {
    let counters = &mut state.notifications.counters;
    let result = match exit {
        Exit::Complete => "complete",
        Exit::PersonNeeded => "person_needed",
        Exit::Unavailable => "unavailable",
        Exit::TryAgain => "try_again",
        Exit::Configuration => "configuration",
        Exit::Usage
        | Exit::Unwritten
        | Exit::BlockedWarning
        | Exit::BlockedCritical
        | Exit::BlockedEmergency
        | Exit::BlockedUnknown
        | Exit::BlockedHold
        | Exit::DoctorWarns
        | Exit::DoctorObjects => "other",
    };
    count(&mut counters.runs, result);
    if exit == Exit::Complete {
        counters.last_run = Some(Utc::now());
    }
    if record.decision.action == ActionKind::Hold && record.verdict == Verdict::Burning {
        count(&mut counters.held, record.decision.reason.as_str());
    }
    let Some(rollback) = &record.rollback else {
        return;
    };
    match rollback.outcome {
        RollbackOutcome::Recovered => counters.last_success = Some(Utc::now()),
        RollbackOutcome::Ineffective | RollbackOutcome::Failed => {
            counters.last_failure = Some(Utc::now())
        }
        RollbackOutcome::Superseded | RollbackOutcome::Rejected | RollbackOutcome::Expired => {}
        RollbackOutcome::Verifying
        | RollbackOutcome::AwaitingApproval
        | RollbackOutcome::WouldRollBack => return,
    }
    count(&mut counters.rollbacks, rollback.outcome.as_str());
}

fn numbers(service: &Service<'_>, state: &ServiceState, record: &Record) -> Numbers {
    let objective = &service.config.objective;
    let telling = &state.notifications;
    let counters = &telling.counters;
    let remembered = history(state);
    let at = Utc::now();
    let left = |max: u32, span: chrono::Duration| {
        let used = remembered.attempted_within(span, at).len();
        max.saturating_sub(u32::try_from(used).unwrap_or(u32::MAX))
    };
    let is_held = |past: &&PastRollback| past.phase.has_landed() && !past.is_released;
    let in_flight = state.in_flight().map(|it| it.phase);
    Numbers {
        thresholds: Some(Thresholds {
            warning: objective.levels.warning(),
            critical: objective.levels.critical(),
            emergency: objective.levels.emergency(),
            burn_rate_fast: objective.burn_rate_fast,
            burn_rate_slow: objective.burn_rate_slow,
        }),
        memory: Some(Remembered {
            in_progress: in_flight.is_some_and(|phase| !phase.waits_for_a_person()),
            approval_pending: in_flight.is_some_and(Phase::waits_for_a_person),
            holds: remembered.all().iter().filter(is_held).count(),
            hold_violated: Some(telling.last_told.violated),
            left_this_hour: Some(left(
                service.config.policy.max_per_hour,
                chrono::Duration::hours(1),
            )),
            left_this_day: Some(left(
                service.config.policy.max_per_day,
                chrono::Duration::hours(24),
            )),
            last_success: counters.last_success,
            last_failure: counters.last_failure,
            ended: counters.rollbacks.clone(),
            held_back: counters.held.clone(),
        }),
        run: RunNumbers {
            ended_at: Some(at),
            took: Some(service.stop.elapsed()),
            last_success: counters.last_run,
            ended: counters.runs.clone(),
        },
        telling: DeliveryNumbers {
            failures: counters.failures.clone(),
            undelivered: u64::try_from(telling.outbox.len()).ok(),
        },
        ..Numbers::of(record)
    }
}
