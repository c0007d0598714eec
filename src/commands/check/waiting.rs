//! Rollbacks under way, and commits on hold: what a deploy waits for, whatever is measured.

use chrono::{DateTime, Utc};

use super::answer::Answer;
use super::fix::Fix;
use super::look::Look;
use crate::exit::Exit;
use crate::journal::Rollback;
use crate::policy::{Phase, Reason};

/// What a deploy waits for.
pub(super) struct Wait {
    pub(super) reason: Reason,
    why: String,
    until: String,
    /// Whether the commit that fixes what burns need not wait.
    a_fix_may_pass: bool,
}

/// Says what the deploy waits for: this commit must not come back, or a rollback is under way.
pub(super) fn waits(look: &Look<'_>) -> Option<Wait> {
    let in_flight = || {
        let rollback = look.state.in_flight()?;
        Some(under_way(look, rollback))
    };
    on_hold(look).or_else(in_flight)
}

fn on_hold(look: &Look<'_>) -> Option<Wait> {
    let commit = look.asked.commit.as_deref()?;
    let id = look.held_by(commit)?;
    Some(Wait {
        reason: Reason::AlreadyRolledBack,
        why: format!("{commit} was rolled back by {id} and is on hold"),
        until: format!("`release {id}` lifts the hold; deploy another commit"),
        a_fix_may_pass: false,
    })
}

fn under_way(look: &Look<'_>, rollback: &Rollback) -> Wait {
    let id = &rollback.id;
    let at = |at: DateTime<Utc>| at.format("%Y-%m-%d %H:%M UTC").to_string();
    let deadline = |from| at(from + look.service.config.policy.verify_deadline);
    let expires = rollback.approval.as_ref().map(|asked| at(asked.expires_at));
    let until = match rollback.phase {
        Phase::Verifying => format!(
            "it is proven or given up, at the latest with the first run after {}; the commit that fixes what burns \
             goes ahead with `--commit COMMIT --fixes REVISION`",
            deadline(rollback.effective_at.unwrap_or(rollback.begun_at))
        ),
        Phase::Awaiting => format!(
            "a person answers with `approve {id}` or `reject {id}`{}",
            expires.map_or_else(String::new, |at| format!(", or {at}"))
        ),
        Phase::Proposed => format!(
            "its pull request is merged or closed{}",
            expires.map_or_else(String::new, |at| format!(", or {at}"))
        ),
        Phase::Begun
        | Phase::Recovered
        | Phase::Ineffective
        | Phase::Failed
        | Phase::Superseded
        | Phase::Rejected
        | Phase::Expired => "the next run has gone on with it".to_owned(),
    };
    Wait {
        reason: Reason::DeploymentInProgress,
        why: format!("rollback {id} is not finished"),
        until,
        // Between its intent and its push, a commit of others on the branch is not told from one that it lost
        // a race to.
        a_fix_may_pass: rollback.phase != Phase::Begun,
    }
}
impl Wait {
    /// Tells whether the deploy need not wait, as it fixes what the rollback is about.
    pub(super) fn lets_through(&self, fix: &Fix) -> bool {
        match fix {
            Fix::Confirmed(_) => self.a_fix_may_pass,
            Fix::NotAsked | Fix::Refused(_) => false,
        }
    }

    pub(super) fn answer(&self) -> Answer {
        Answer::blocked(Exit::BlockedHold, self.why.clone(), self.until.clone())
    }
}
