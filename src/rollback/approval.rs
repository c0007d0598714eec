//! A person's word: yes or no to a plan that waits, or that a revision may come back.

use chrono::{DateTime, Utc};

use crate::exit::Exit;
use crate::journal::{
    ApprovalAnswer, Event, Memory, Phase, Rollback, ServiceState, Signature, is_meant, now,
};
use crate::outcome::Ended;
use crate::policy::IllegalEvent;
use crate::report::ApprovalReport;
use crate::service::Service;
use crate::state;
use serde::Serialize;
use strum::{Display, IntoStaticStr};

/// What a person says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, IntoStaticStr, Display)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum ApprovalCommand {
    /// Yes to a plan.
    Approve,
    /// No to a plan.
    Reject,
    /// The hold on what was rolled back is lifted, and a breaker that it opened is closed.
    Release,
}

impl ApprovalCommand {
    /// Returns the command.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// What a person's word does to a rollback.
pub(crate) struct Effect {
    pub(crate) rollback: Rollback,
    pub(crate) is_new: bool,
    words: &'static str,
}

/// Why a person's word does nothing to a rollback.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApprovalError {
    #[error("no rollback {id:?} is known of this service: {}", what_waits(.pending.as_deref()))]
    Unknown {
        id: String,
        /// The rollback that does wait for a word.
        pending: Option<String>,
    },
    #[error("{said:?} may be any of {ids}; write more of it")]
    Ambiguous {
        said: String,
        /// All that begin so.
        ids: String,
    },
    #[error("{id} was never asked about")]
    NeverAsked { id: String },
    #[error("the time to agree to {id} was over at {}; the next run asks again after COOLDOWN if the service still burns", at.format("%Y-%m-%d %H:%M UTC"))]
    Late { id: String, at: DateTime<Utc> },
    #[error("{id} does not wait for a word here: {why}")]
    NotWaiting { id: String, why: String },
    #[error(transparent)]
    Illegal(#[from] IllegalEvent),
}

/// Writes down what a person says. Nothing outside is asked or changed.
///
/// # Errors
/// Ends where the state cannot be used, or nothing is known under this id that it could be said of.
pub(crate) fn answer(
    service: &Service<'_>,
    word: ApprovalCommand,
    id: &str,
    by: &str,
    reason: Option<&str>,
) -> Result<ApprovalReport, Box<Ended>> {
    let config = &service.config.state;
    let is_dry_run = service.config.run.dry_run;
    let by = &*service.config.secrets.redact(by);
    let without_state = |error| Box::new(Ended::without_state(&error));
    let keys = [service.key.clone()];
    let mut memory = state::open(config, &keys, is_dry_run).map_err(without_state)?;
    memory.admits(&service.key).map_err(without_state)?;
    let signature = Signature {
        by: by.to_owned(),
        at: now(),
        reason: reason.map(|reason| service.config.secrets.redact(reason)),
    };
    let known = memory.of(&service.key);
    let said = whole_id(&known, id).and_then(|id| match word {
        ApprovalCommand::Approve => approve(&known, &id, signature),
        ApprovalCommand::Reject => reject(&known, &id, signature),
        ApprovalCommand::Release => release(&known, &id, signature),
    });
    let Effect {
        rollback,
        is_new,
        words,
    } = match said {
        Ok(effect) => effect,
        Err(error) => {
            return Err(Box::new(Ended::only(Exit::PersonNeeded, error.to_string())));
        }
    };
    if let (Memory::Writable(journal), true) = (&mut memory, is_new) {
        journal
            .put(&service.key, &rollback)
            .map_err(without_state)?;
        tracing::info!(rollback.id = %rollback.id, word = word.as_str(), by, "a person answered about a rollback");
    }
    let signed = rollback
        .released
        .as_ref()
        .filter(|_| word == ApprovalCommand::Release);
    let signed = signed.or(rollback
        .approval
        .as_ref()
        .and_then(|approval| approval.signed.as_ref()));
    Ok(ApprovalReport {
        schema: 1,
        command: word.as_str(),
        service: service.config.service.name.to_string(),
        namespace: service.config.service.namespace.to_string(),
        id: rollback.id.clone(),
        from: rollback.from.clone(),
        to: rollback.to.clone(),
        by: signed.map_or_else(|| by.to_owned(), |it| it.by.clone()),
        at: signed.map_or_else(now, |it| it.at),
        dry_run: service.config.run.dry_run,
        effect: words.to_owned(),
    })
}

pub(crate) fn approve(
    state: &ServiceState,
    id: &str,
    signature: Signature,
) -> Result<Effect, ApprovalError> {
    let mut rollback = waiting(state, id)?;
    let words = "the next run takes the evidence again and carries it out if that still holds";
    let Some(approval) = &mut rollback.approval else {
        return Err(ApprovalError::NeverAsked { id: id.to_owned() });
    };
    if approval.answer == Some(ApprovalAnswer::Approved) {
        return Ok(Effect {
            rollback,
            is_new: false,
            words,
        });
    }
    if approval.is_over(signature.at) {
        return Err(ApprovalError::Late {
            id: id.to_owned(),
            at: approval.expires_at,
        });
    }
    approval.answer = Some(ApprovalAnswer::Approved);
    approval.signed = Some(signature);
    Ok(Effect {
        rollback,
        is_new: true,
        words,
    })
}

pub(crate) fn reject(
    state: &ServiceState,
    id: &str,
    signature: Signature,
) -> Result<Effect, ApprovalError> {
    let words = "nothing is rolled back, and the same revision is not asked about again until it is released";
    if let Some(past) = found(state, id)
        && past.phase == Phase::Rejected
    {
        return Ok(Effect {
            rollback: past.clone(),
            is_new: false,
            words,
        });
    }
    let mut rollback = waiting(state, id)?;
    let at = signature.at;
    if let Some(approval) = &mut rollback.approval {
        approval.answer = Some(ApprovalAnswer::Rejected);
        approval.signed = Some(signature);
    }
    rollback.see(Event::Rejected, at)?;
    Ok(Effect {
        rollback,
        is_new: true,
        words,
    })
}

pub(crate) fn release(
    state: &ServiceState,
    id: &str,
    signature: Signature,
) -> Result<Effect, ApprovalError> {
    let past = found(state, id).ok_or_else(|| unknown(state, id))?;
    let is_new = past.released.is_none();
    let mut rollback = past.clone();
    let ends = given_up(past.phase);
    let words = match ends {
        Some(_) => {
            "it is given up: what it changed so far stays, no run goes on with it, and its revision may be deployed, blamed \
             and rolled back again; limits still count it"
        }
        None => "its revision may be deployed, blamed and rolled back again; limits still count it",
    };
    if let Some(event) = ends {
        rollback.see(event, signature.at)?;
    }
    rollback.released.get_or_insert(signature);
    Ok(Effect {
        rollback,
        is_new,
        words,
    })
}

/// Returns how a rollback ends that a person gives up before it has an outcome: whatever holds it up must not hold the
/// person up.
fn given_up(phase: Phase) -> Option<Event> {
    match phase {
        Phase::Awaiting | Phase::Proposed => Some(Event::Rejected),
        Phase::Begun => Some(Event::Refused),
        Phase::Verifying => Some(Event::DeadlinePassed),
        Phase::Recovered
        | Phase::Ineffective
        | Phase::Failed
        | Phase::Superseded
        | Phase::Rejected
        | Phase::Expired => None,
    }
}

/// Returns the plan that waits under this id.
fn waiting(state: &ServiceState, id: &str) -> Result<Rollback, ApprovalError> {
    let past = found(state, id).ok_or_else(|| unknown(state, id))?;
    let why = match past.phase {
        Phase::Awaiting => return Ok(past.clone()),
        Phase::Proposed => match past.proposal.as_ref().and_then(|it| it.url.as_ref()) {
            Some(url) => format!("merge or close its pull request: {url}"),
            None => "merge or close its pull request".to_owned(),
        },
        Phase::Rejected => "it was rejected".to_owned(),
        Phase::Expired => "nobody agreed in time".to_owned(),
        Phase::Superseded => "it was overtaken, and nothing was rolled back".to_owned(),
        Phase::Begun | Phase::Verifying | Phase::Recovered | Phase::Ineffective | Phase::Failed => {
            "it was begun already".to_owned()
        }
    };
    Err(ApprovalError::NotWaiting {
        id: id.to_owned(),
        why,
    })
}

fn found<'a>(state: &'a ServiceState, id: &str) -> Option<&'a Rollback> {
    state.rollbacks.iter().find(|past| past.id == id)
}

/// Returns the whole id of the rollback that a person means: the beginning of an id, or of the part of it that names
/// the bad revision, is enough where it is that of one rollback alone.
///
/// # Errors
/// Names them all where it is that of several.
pub(crate) fn whole_id(state: &ServiceState, said: &str) -> Result<String, ApprovalError> {
    let known = state.rollbacks.iter().map(|past| past.id.as_str());
    let meant: Vec<&str> = known.filter(|id| is_meant(id, said)).collect();
    match meant[..] {
        _ if meant.contains(&said) => Ok(said.to_owned()),
        [one] => Ok(one.to_owned()),
        [] => Err(unknown(state, said)),
        _ => Err(ApprovalError::Ambiguous {
            said: said.to_owned(),
            ids: meant.join(", "),
        }),
    }
}

fn unknown(state: &ServiceState, id: &str) -> ApprovalError {
    ApprovalError::Unknown {
        id: id.to_owned(),
        pending: state.pending().map(|pending| pending.id.clone()),
    }
}

fn what_waits(pending: Option<&str>) -> String {
    match pending {
        Some(pending) => format!("what waits for approval is {pending}"),
        None => "nothing waits for approval; `status` lists what is remembered".to_owned(),
    }
}
