//! A plan that waits for a person's word: asked once, looked at by every run, and carried out only on evidence that
//! was taken again.

use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};

use crate::exit::Exit;
use crate::journal::{Approval, ApprovalAnswer, Event, Journal, Phase, Rollback, now};
use crate::outcome::Ended;
use crate::policy::{Action, Decision, Plan, Reason, short};
use crate::record::Record;
use crate::service::Service;

/// What becomes of a plan that waits.
pub(crate) enum Fate {
    /// Nobody has answered yet, or what was agreed to must wait: nothing changes.
    Waits,
    /// It is carried out now.
    Goes,
    /// It ends, and nothing of it was begun.
    Ends {
        event: Event,
        reason: Reason,
        why: String,
    },
}

/// Decides what becomes of a plan, by what the evidence says at this time.
pub(crate) fn fate(
    pending: &Rollback,
    decision: &Decision,
    burning: Option<bool>,
    at: DateTime<Utc>,
) -> Fate {
    let Some(approval) = &pending.approval else {
        return Fate::Waits;
    };
    let is_approved = approval.answer == Some(ApprovalAnswer::Approved);
    // What was agreed to in time may wait for a limit or a blackout as long as it could have waited for the word.
    let since = approval
        .signed
        .as_ref()
        .map_or(approval.asked_at, |it| it.at);
    let is_over = at - since >= approval.expires_at - approval.asked_at;
    if let Some(plan) = decision
        .plan
        .as_ref()
        .filter(|plan| !is_same(pending, plan))
    {
        return Fate::Ends {
            event: Event::MovedOn,
            reason: Reason::Superseded,
            why: format!(
                "what would be rolled back now is {} to {}",
                short(&plan.from),
                short(&plan.to)
            ),
        };
    }
    match &decision.action {
        // Whoever agreed long ago did not agree to this.
        Action::RollBack(_) if is_approved && is_over => {}
        Action::RollBack(_) => return Fate::Goes,
        Action::AwaitApproval(_) | Action::Hold | Action::Nothing => {}
    }
    if burning == Some(false) && (is_approved || is_over) {
        return Fate::Ends {
            event: Event::BurnOver,
            reason: Reason::RecoveredMeanwhile,
            why: "the service does not burn any more, so nothing was rolled back".to_owned(),
        };
    }
    if is_over {
        let why = if is_approved {
            "a person agreed, and what held it back lasted longer than APPROVAL_TIMEOUT"
        } else {
            "nobody agreed within APPROVAL_TIMEOUT; nothing was rolled back"
        };
        return Fate::Ends {
            event: Event::Expired,
            reason: Reason::ApprovalExpired,
            why: why.to_owned(),
        };
    }
    Fate::Waits
}

/// Tells whether a plan is the one that waits.
fn is_same(pending: &Rollback, plan: &Plan) -> bool {
    pending.from == plan.from
        && pending.from_state == plan.from_state
        && pending.to == plan.to
        && pending.goes_back.keeps == plan.keeps
        && (!plan.keeps.is_empty() || pending.to_state == plan.to_state)
}

/// Ends a plan that nobody will carry out.
pub(crate) fn end(
    service: &Service<'_>,
    journal: &mut Journal,
    pending: &mut Rollback,
    event: Event,
) -> Result<(), Box<Ended>> {
    if let Err(illegal) = pending.see(event, now()) {
        return Err(Box::new(Ended::only(
            Exit::PersonNeeded,
            illegal.to_string(),
        )));
    }
    tracing::info!(rollback.id = %pending.id, phase = ?pending.phase, "a rollback that waited for approval is over");
    journal
        .put(&service.key, pending)
        .map_err(|error| Box::new(Ended::without_state(&error)))
}

/// Stores a plan and asks for a person's word.
pub(crate) fn ask(
    service: &Service<'_>,
    journal: &mut Journal,
    mut rollback: Rollback,
    record: Record,
) -> Ended {
    let asked_at = rollback.begun_at;
    let timeout = service.config.run.approval_timeout;
    let approval = Approval {
        asked_at,
        expires_at: asked_at + timeout,
        evidence: fingerprint(&record),
        answer: None,
        signed: None,
    };
    let record = record.awaiting(how_to_answer(&rollback.id, &approval));
    rollback.phase = Phase::Awaiting;
    rollback.approval = Some(approval);
    if let Err(error) = journal.put(&service.key, &rollback) {
        let why = error.to_string();
        let record = record.holding(Reason::UnknownData, why.clone());
        return Ended::with(Exit::PersonNeeded, record).complaining(why);
    }
    tracing::info!(rollback.id = %rollback.id, from = %rollback.from, to = %rollback.to, "a rollback waits for approval");
    Ended::with(Exit::Complete, record.with_rollback(&rollback))
}

/// Says that a plan still waits, and for what.
pub(crate) fn waits(record: Record, pending: &Rollback, decision: &Decision) -> Ended {
    let Some(approval) = &pending.approval else {
        return Ended::with(Exit::Complete, record.with_rollback(pending));
    };
    let record = match (&approval.signed, &decision.action) {
        (Some(signature), _) => {
            let why = format!(
                "{} agreed to {}, and it is held back: {}",
                signature.by, pending.id, decision.detail
            );
            record.with_detail(why)
        }
        (None, Action::AwaitApproval(_)) => record.awaiting(how_to_answer(&pending.id, approval)),
        (None, Action::Hold | Action::Nothing | Action::RollBack(_)) => {
            let why = format!(
                "{} still waits for a person, and now it would be held back: {}",
                pending.id, decision.detail
            );
            record.with_detail(why)
        }
    };
    Ended::with(Exit::Complete, record.with_rollback(pending))
}

fn how_to_answer(id: &str, approval: &Approval) -> String {
    format!(
        "`approve {id}` lets it happen, `reject {id}` stops it, until {}",
        approval.expires_at.format("%Y-%m-%d %H:%M UTC")
    )
}

/// Returns the SHA-256 of a record: what a person agreed to can be held against what was decided.
fn fingerprint(record: &Record) -> String {
    // A record holds nothing but strings, numbers and lists.
    let text = serde_json::to_vec(record).unwrap_or_default();
    Sha256::digest(text)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
