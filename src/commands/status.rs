//! Budget, burn, limits left, what is in flight, holds and the last rollbacks.

use chrono::{Duration, Utc};

use super::finished::{CommandReport, Finished};
use crate::evaluation::{measure_since, remembered};
use crate::exit::Exit;
use crate::journal;
use crate::outcome::Ended;
use crate::outcome::Unavailable;
use crate::policy::{GateState, limits};
use crate::record::{Heading, Record, RollbackPart};
use crate::report::{Hold, Limits, PastPart, Pending, StatusReport};
use crate::rollback::{NotWhole, whole};
use crate::service::{Service, history};
use crate::state as store;

/// How many ended rollbacks are shown.
const SHOWN: usize = 10;

/// Shows how a service stands. The state is read without its lock and nothing is written.
pub(super) async fn status(service: &Service<'_>, heading: &Heading) -> Finished {
    let mut memory = match service.looks() {
        Ok(memory) => memory,
        Err(error) => return Ended::without_state(&error).into(),
    };
    let damage = memory.damage(&service.key);
    let is_whole = memory.of(&service.key).recovered_from.is_some();
    let (state, outage) = match whole(service, &mut memory).await {
        Ok(state) => (state, None),
        Err(NotWhole::Unwritten(error)) => return Ended::without_state(&error).into(),
        Err(NotWhole::Unavailable(outage)) => (memory.of(&service.key), Some(outage)),
    };
    let (record, level, exit, complaint) =
        match measure_since(service, heading, remembered(&state)).await {
            Ok((observation, assessment)) => {
                let refused = observation.measurement.refusal();
                let refused = refused.filter(|why| assessment.is_blocked_by(why));
                let refused = refused.map(str::to_owned);
                (
                    Record::unknown(heading, &service.config.objective, observation.evaluated_at)
                        .with_assessment(&assessment),
                    assessment.budget.acting_level,
                    match refused {
                        Some(_) => Exit::Unavailable,
                        None => Exit::Complete,
                    },
                    refused,
                )
            }
            Err(not_evaluated) => (
                not_evaluated.record,
                None,
                Exit::Unavailable,
                Some(not_evaluated.why),
            ),
        };
    let (record, exit, complaint) = match outage {
        None => (record, exit, complaint),
        Some(Unavailable { source, why }) => (
            record.not_knowing(source, why.clone()),
            Exit::Unavailable,
            complaint.or(Some(why)),
        ),
    };
    let at = Utc::now();
    let past = history(&state);
    let gate = limits(&past, &service.config.policy, level, at);
    let in_flight = state.in_flight();
    let waits = |rollback: &&journal::Rollback| rollback.phase.waits_for_a_person();
    let status = StatusReport {
        schema: record.schema,
        service: record.service,
        namespace: record.namespace,
        at,
        verdict: record.verdict,
        budget: record.budget,
        burn_rates: record.burn_rates,
        violations: record.violations,
        limits: Limits {
            hour_used: past.attempted_within(Duration::hours(1), at).len(),
            hour_max: service.config.policy.max_per_hour,
            day_used: past.attempted_within(Duration::hours(24), at).len(),
            day_max: service.config.policy.max_per_day,
            open: gate.state == GateState::Pass,
            detail: gate.detail,
        },
        in_flight: in_flight.filter(|it| !waits(it)).map(RollbackPart::from),
        pending: in_flight.filter(waits).map(|pending| Pending {
            rollback: RollbackPart {
                diff: pending.words.as_ref().and_then(|words| words.diff.clone()),
                ..RollbackPart::from(pending)
            },
            asked_at: pending.begun_at,
            expires_at: pending.approval.as_ref().map_or(
                pending.begun_at + service.config.run.approval_timeout,
                |approval| approval.expires_at,
            ),
            approved_by: pending.approval.as_ref().and_then(|approval| {
                let signature = approval.signed.as_ref()?;
                Some(signature.by.clone())
            }),
            pull_request: pending.proposal.as_ref().and_then(|it| it.url.clone()),
        }),
        holds: state
            .rollbacks
            .iter()
            .filter(|one| past.held_by(&one.from, None, None).is_some())
            .map(|past| Hold {
                revision: past.from.clone(),
                rollback: past.id.clone(),
            })
            .collect(),
        rollbacks: state
            .rollbacks
            .iter()
            .rev()
            .take(SHOWN)
            .map(PastPart::from)
            .collect(),
        source: match (&damage, is_whole) {
            (None, true) => "state".to_owned(),
            (_, _) => {
                let history = state.recovered_from.as_ref();
                let history = history.map_or("nothing that could be read", |it| &it.source);
                match damage {
                    Some(damage) => {
                        let place = store::place(&service.config.state, &service.key);
                        format!("{history}, because {place} is damaged ({damage})")
                    }
                    None => format!("{history}, because there is no state yet"),
                }
            }
        },
        unknowns: record.unknowns,
    };
    Finished {
        exit,
        report: Some(CommandReport::Status(Box::new(status))),
        complaint,
    }
}
