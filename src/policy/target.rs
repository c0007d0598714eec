//! Which earlier revision to go back to.

use super::history::History;
use super::plan::Plan;
use super::reason::Reason;
use super::timeline::{Change, End, Timeline};

/// A revision that a person asked for, already looked up on the branch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Full commit id.
    pub revision: String,
    /// Content of the watched paths there.
    pub state: String,
}

/// Why there is no target, or why the one there is cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NoTarget {
    /// `no_target` or `too_many_revisions`.
    pub reason: Reason,
    /// What was found, as a fragment.
    pub why: String,
}

/// Chooses the newest revision older than the newest change that was not itself rolled back and whose content differs
/// from the tip's, at most `max_back` deployments away.
///
/// # Errors
/// Says why no revision qualifies: the newest change introduced the paths, everything older was rolled back before, the
/// history that may be fetched ends, or the first one that qualifies lies too far back.
pub(super) fn choose(
    timeline: &Timeline,
    history: &History,
    max_back: u32,
) -> Result<Plan, NoTarget> {
    let Some(suspect) = timeline.changes.first() else {
        return Err(no_target(
            "no commit on the branch changes the watched paths",
        ));
    };
    if suspect.state != timeline.tip_state {
        return Err(no_target(&format!(
            "the branch contradicts itself: its tip does not hold what its newest change {} left",
            short(&suspect.revision)
        )));
    }
    let mut passed_over = Vec::new();
    for (back, candidate) in (1_u32..).zip(timeline.changes.iter().skip(1)) {
        if history.holds(timeline, candidate) {
            passed_over.push(format!(
                "{} was rolled back before",
                short(&candidate.revision)
            ));
            continue;
        }
        if candidate.state == timeline.tip_state {
            passed_over.push(format!(
                "{} equals what is there now",
                short(&candidate.revision)
            ));
            continue;
        }
        if back > max_back {
            return Err(NoTarget {
                reason: Reason::TooManyRevisions,
                why: format!(
                    "{} is {back} deployments back (at most {max_back}){}",
                    short(&candidate.revision),
                    because(&passed_over)
                ),
            });
        }
        return Ok(plan(
            timeline,
            suspect,
            &candidate.revision,
            &candidate.state,
        ));
    }
    Err(no_target(&match timeline.end {
        End::Root => format!(
            "the branch holds no earlier state of the watched paths that may be restored{}",
            because(&passed_over)
        ),
        End::Enough => format!(
            "none of the last {} changes may be restored{}",
            timeline.changes.len(),
            because(&passed_over)
        ),
        End::DepthLimit => format!(
            "the history that may be fetched ends before an earlier state of the watched paths{}",
            because(&passed_over)
        ),
    }))
}

/// Builds the plan for a revision that a person asked for.
///
/// # Errors
/// Says so when the watched paths are already as at that revision, or were never changed.
pub(super) fn wanted(timeline: &Timeline, wanted: &Wanted) -> Result<Plan, NoTarget> {
    let Some(newest) = timeline.changes.first() else {
        return Err(no_target(
            "no commit on the branch changes the watched paths",
        ));
    };
    if wanted.state == timeline.tip_state {
        return Err(no_target(&format!(
            "the watched paths are already as at {}",
            short(&wanted.revision)
        )));
    }
    Ok(plan(timeline, newest, &wanted.revision, &wanted.state))
}

fn plan(timeline: &Timeline, from: &Change, to: &str, to_state: &str) -> Plan {
    Plan {
        from: from.revision.clone(),
        from_state: from.state.clone(),
        to: to.to_owned(),
        to_state: to_state.to_owned(),
        tip: timeline.tip.clone(),
        deployed_at: from.committed_at,
    }
}

fn no_target(why: &str) -> NoTarget {
    NoTarget {
        reason: Reason::NoTarget,
        why: why.to_owned(),
    }
}

fn because(passed_over: &[String]) -> String {
    if passed_over.is_empty() {
        String::new()
    } else {
        format!(": {}", passed_over.join(", "))
    }
}

/// Shortens a commit id for people. Ids are hexadecimal, so every byte is a character.
pub(crate) fn short(revision: &str) -> &str {
    revision.get(..10).unwrap_or(revision)
}
