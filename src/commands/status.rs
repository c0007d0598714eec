//! Budget, burn, limits left, what is in flight, holds and the last rollbacks.

use chrono::{DateTime, Duration, Utc};
use serde::Serialize;

use super::journey::Outage;
use super::ledger::{NotWhole, whole};
use super::pass::{Memory, measure_since, without_state};
use super::service::{Service, history};
use super::tell::Holds;
use super::{Ended, Report};
use crate::exit::Exit;
use crate::journal::{self, Phase};
use crate::policy::{GateState, limits};
use crate::record::{
    BudgetPart, BurnRatesPart, Heading, Record, RollbackPart, UnknownPart, ViolationPart, rfc3339,
};

/// How many ended rollbacks are shown.
const SHOWN: usize = 10;

/// How a service stands and what is remembered of it.
#[derive(Debug, Clone, Serialize)]
pub struct Status {
    /// Version of the layout.
    pub schema: u32,
    /// The service.
    pub service: String,
    /// Its namespace.
    pub namespace: String,
    /// When it was asked.
    #[serde(serialize_with = "rfc3339")]
    pub at: DateTime<Utc>,
    /// As in the decision record.
    pub verdict: &'static str,
    /// As in the decision record.
    pub budget: BudgetPart,
    /// As in the decision record.
    pub burn_rates: BurnRatesPart,
    /// As in the decision record.
    pub violations: Vec<ViolationPart>,
    /// What is left of the limits.
    pub limits: Limits,
    /// The rollback that is not finished.
    pub in_flight: Option<RollbackPart>,
    /// The plan that waits for approval.
    pub pending: Option<Pending>,
    /// Revisions that were rolled back and must not come back.
    pub holds: Vec<Hold>,
    /// The last rollbacks, newest first.
    pub rollbacks: Vec<PastPart>,
    /// Where the memory comes from.
    pub source: String,
    /// As in the decision record.
    pub unknowns: Vec<UnknownPart>,
}

/// What is left of the limits.
#[derive(Debug, Clone, Serialize)]
pub struct Limits {
    /// Rollbacks begun in the last hour.
    pub hour_used: usize,
    /// `MAX_ROLLBACKS_PER_HOUR`.
    pub hour_max: u32,
    /// Rollbacks begun in the last 24 hours.
    pub day_used: usize,
    /// `MAX_ROLLBACKS_PER_DAY`.
    pub day_max: u32,
    /// Whether a rollback would be let through now.
    pub open: bool,
    /// Which limit holds, or that none does.
    pub detail: String,
}

/// A plan that waits for a person.
#[derive(Debug, Clone, Serialize)]
pub struct Pending {
    /// As in the decision record.
    #[serde(flatten)]
    pub rollback: RollbackPart,
    /// When a person was asked.
    #[serde(serialize_with = "rfc3339")]
    pub asked_at: DateTime<Utc>,
    /// Until when they may agree.
    #[serde(serialize_with = "rfc3339")]
    pub expires_at: DateTime<Utc>,
    /// Who agreed, where somebody did.
    pub approved_by: Option<String>,
    /// The pull request to merge, where there is one.
    pub pull_request: Option<String>,
}

/// A revision on hold.
#[derive(Debug, Clone, Serialize)]
pub struct Hold {
    /// The revision.
    pub revision: String,
    /// The rollback that put it on hold.
    pub rollback: String,
}

/// A rollback that was begun.
#[derive(Debug, Clone, Serialize)]
pub struct PastPart {
    /// Its id.
    pub id: String,
    /// When it was begun.
    #[serde(serialize_with = "rfc3339")]
    pub begun_at: DateTime<Utc>,
    /// The bad revision.
    pub from: String,
    /// The restored revision.
    pub to: String,
    /// How it ended.
    pub outcome: &'static str,
    /// Why it was begun.
    pub why: String,
}

/// Shows how a service stands. The state is read without its lock and nothing is written.
pub(super) async fn status(service: &Service<'_>, heading: &Heading) -> Ended {
    let mut memory = match Memory::looking(service) {
        Ok(memory) => memory,
        Err(error) => return without_state(&error),
    };
    let damage = memory.damage();
    let is_whole = memory.of(service).ledger.is_some();
    let (state, outage) = match whole(service, &mut memory).await {
        Ok(state) => (state, None),
        Err(NotWhole::Unwritten(error)) => return without_state(&error),
        Err(NotWhole::Outage(outage)) => (memory.of(service), Some(outage)),
    };
    let (record, level, exit, complaint) =
        match measure_since(service, heading, state.sighting.as_ref()).await {
            Ok((observation, assessment)) => {
                let refused = observation.measurement.refusal().map(str::to_owned);
                (
                    Record::unknown(heading, &service.objective, observation.evaluated_at)
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
        Some(Outage { source, why }) => (
            record.not_knowing(source, why.clone()),
            Exit::Unavailable,
            complaint.or(Some(why)),
        ),
    };
    let at = Utc::now();
    let remembered = history(&state);
    let gate = limits(&remembered, &service.settings, level, at);
    let in_flight = state.in_flight();
    let waits = |rollback: &&journal::Rollback| match rollback.phase {
        Phase::Awaiting | Phase::Proposed => true,
        Phase::Begun
        | Phase::Verifying
        | Phase::Recovered
        | Phase::Ineffective
        | Phase::Failed
        | Phase::Superseded
        | Phase::Rejected
        | Phase::Expired => false,
    };
    let status = Status {
        schema: record.schema,
        service: record.service,
        namespace: record.namespace,
        at,
        verdict: record.verdict,
        budget: record.budget,
        burn_rates: record.burn_rates,
        violations: record.violations,
        limits: Limits {
            hour_used: remembered.attempted_within(Duration::hours(1), at).len(),
            hour_max: service.settings.max_per_hour,
            day_used: remembered.attempted_within(Duration::hours(24), at).len(),
            day_max: service.settings.max_per_day,
            open: gate.state == GateState::Pass,
            detail: gate.detail,
        },
        in_flight: in_flight.filter(|it| !waits(it)).map(RollbackPart::from),
        pending: in_flight.filter(waits).map(|pending| Pending {
            rollback: RollbackPart::from(pending),
            asked_at: pending.begun_at,
            expires_at: pending.approval.as_ref().map_or(
                pending.begun_at + service.config.policy.approval_timeout,
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
            .filter(|past| remembered.held_by(&past.from, None, None).is_some())
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
            .map(|past| PastPart {
                id: past.id.clone(),
                begun_at: past.begun_at,
                from: past.from.clone(),
                to: past.to.clone(),
                outcome: crate::record::outcome(past.phase),
                why: past.why.clone(),
            })
            .collect(),
        source: match (&damage, is_whole) {
            (None, true) => "state".to_owned(),
            (_, _) => {
                let ledger = state.ledger.as_ref();
                let ledger = ledger.map_or("nothing that could be read", |it| &it.source);
                match damage {
                    Some(damage) => {
                        format!("{ledger}, because the state file is damaged ({damage})")
                    }
                    None => format!("{ledger}, because there is no state yet"),
                }
            }
        },
        unknowns: record.unknowns,
    };
    Ended {
        exit,
        report: Some(Report::Status(Box::new(status))),
        complaint,
        holds: Holds::NotLookedAt,
    }
}
