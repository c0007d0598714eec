//! Pull requests that an earlier run opened: who does not know of them would open a second one.

use super::super::ids::named_at;
use super::super::intent::place;
use super::{Terms, remembered, state_of};
use crate::clients::forge::{Forge, Pull, PullState};
use crate::clients::git::Git;
use crate::journal::{NewsKind, Phase, Proposal, Rollback, StepKind, StepState};
use crate::observe::BRANCHES;
use crate::outcome::Unavailable;
use crate::policy::{Timeline, trailer};
use crate::service::Service;

/// Finds those of this service.
///
/// # Errors
/// Fails when the forge cannot be asked.
pub(crate) async fn found(
    service: &Service<'_>,
    git: &Git,
    forge: &Forge,
    timeline: &Timeline,
) -> Result<Vec<Rollback>, Unavailable> {
    let pulls = forge
        .pulls_from(BRANCHES)
        .await
        .map_err(|error| git.forge_error("list the pull requests of rollbacks", error))?;
    let ours = pulls
        .into_iter()
        .filter(|(pull, _)| pull.base == git.branch());
    Ok(ours
        .filter_map(|(pull, body)| rollback(service, git, timeline, pull, &body))
        .collect())
}

/// Reads what a pull request says of itself: its branch the id, its text the revisions.
fn rollback(
    service: &Service<'_>,
    git: &Git,
    timeline: &Timeline,
    pull: Pull,
    body: &str,
) -> Option<Rollback> {
    let id = pull.branch.strip_prefix(BRANCHES)?.to_owned();
    let named_at = named_at(&service.key, &id)?;
    let Some((from, to)) = trailer::in_pull_request(body) else {
        tracing::warn!(
            pull = pull.number,
            "a pull request of a rollback does not say what it restores any more"
        );
        return None;
    };
    let detail = format!("pull request {} was found", pull.number);
    let at = match &pull.state {
        PullState::Merged { at, .. } => *at,
        PullState::Open | PullState::Closed => named_at,
    };
    let mut found = remembered(Terms::of(service), at, None, StepKind::GitopsRevert, detail);
    match pull.state {
        PullState::Merged { commit, .. } => found.commit = commit,
        PullState::Open => waits(&mut found, Phase::Proposed),
        PullState::Closed => {
            waits(&mut found, Phase::Rejected);
            found.ended_at = Some(named_at);
        }
    }
    found.from_state = state_of(timeline, &from);
    found.to_state = state_of(timeline, &to);
    // What was the tip then is not older than what was to be rolled back.
    found.tip.clone_from(&from);
    found.from = from;
    found.to = to;
    found.id = id;
    found.place = place(git);
    found.proposal = Some(Proposal {
        branch: pull.branch,
        number: Some(pull.number),
        url: pull.url,
        closing: None,
    });
    Some(found)
}

/// Takes back that it took effect.
fn waits(found: &mut Rollback, phase: Phase) {
    found.phase = phase;
    found.attempted = false;
    found.effective_at = None;
    found.ended_at = None;
    found.told = vec![NewsKind::ApprovalNeeded, NewsKind::Rejected];
    for step in &mut found.steps {
        if step.state == StepState::Done {
            step.state = StepState::Pending;
        }
    }
}
