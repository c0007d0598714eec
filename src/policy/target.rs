//! Which earlier revision to go back to.

use chrono::{DateTime, Utc};

use super::decide::Inputs;
use super::evidence::Span;
use super::gates::{dispersion, has_burned, is_worse};
use super::history::History;
use super::plan::Plan;
use super::reason::Reason;
use super::suspicion::{SHORTEST_LIFE, end_of, life, since, slis, suspicion};
use super::text::{percent, span};
use super::timeline::{Change, End, Timeline};
use super::undo::{self, Clash, Doings, Share};
use crate::slo::{Events, Reading, Sli};

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

/// Where to go back to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    /// What would be done.
    pub plan: Plan,
    /// What speaks for this revision, and why newer ones were passed over.
    pub why: Vec<String>,
}

/// Chooses the newest revision older than the suspect (its place in the timeline) that was healthy while it was live,
/// was not itself rolled back, and whose content differs from the tip's, at most `MAX_REVISIONS_BACK` deployments
/// away.
///
/// # Errors
/// Says why no revision qualifies: the suspect introduced the paths, everything older was rolled back before or
/// cannot be shown to have been healthy, the history that may be fetched ends, or the first one that may qualify lies
/// too far back.
pub(super) fn choose(
    inputs: &Inputs<'_>,
    timeline: &Timeline,
    history: &History,
    suspect: usize,
) -> Result<Target, NoTarget> {
    let onset = suspicion(inputs, timeline).and_then(|suspicion| suspicion.onset);
    search(
        timeline,
        history,
        suspect,
        inputs.settings.max_revisions_back,
        |index| health(inputs, timeline, (suspect, onset), index),
    )
}

/// Chooses like [`choose`] for a person, who judges the revision: its health is not asked for, so that it works while
/// Prometheus does not.
///
/// # Errors
/// As [`choose`].
pub(super) fn newest(
    timeline: &Timeline,
    history: &History,
    max_back: u32,
) -> Result<Target, NoTarget> {
    search(timeline, history, 0, max_back, |_| Ok(String::new()))
}

fn search(
    timeline: &Timeline,
    history: &History,
    suspect: usize,
    max_back: u32,
    health: impl Fn(usize) -> Result<String, String>,
) -> Result<Target, NoTarget> {
    let Some(newest) = timeline.changes.first() else {
        return Err(no_target(
            "no commit on the branch changes the watched paths",
        ));
    };
    if newest.state != timeline.tip_state {
        return Err(no_target(&format!(
            "the branch contradicts itself: its tip does not hold what its newest change {} left",
            short(&newest.revision)
        )));
    }
    let mut passed_over = Vec::new();
    for (index, candidate) in timeline.changes.iter().enumerate().skip(suspect + 1) {
        let name = short(&candidate.revision);
        if let Some(why) = unfit(timeline, history, candidate) {
            passed_over.push(format!("{name} {why}"));
            continue;
        }
        let back = u32::try_from(timeline.back(index)).unwrap_or(u32::MAX);
        if back > max_back {
            return Err(NoTarget {
                reason: Reason::TooManyRevisions,
                why: format!(
                    "{name} is {back} deployments back (at most {max_back}){}",
                    because(&passed_over)
                ),
            });
        }
        match health(index) {
            Err(why) => passed_over.push(format!("{name} {why}")),
            Ok(healthy) => {
                let mut why = passed_over;
                if !healthy.is_empty() {
                    why.insert(0, format!("{name} {healthy}"));
                }
                return Ok(Target {
                    plan: plan(timeline, newest, &candidate.revision, &candidate.state),
                    why,
                });
            }
        }
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

/// Says why a revision is passed over whatever its health was; nothing where its health decides.
fn unfit(timeline: &Timeline, history: &History, candidate: &Change) -> Option<&'static str> {
    if !candidate.is_live() {
        Some("was never seen live")
    } else if history.holds(timeline, candidate) {
        Some("was rolled back before")
    } else if candidate.state == timeline.tip_state {
        Some("equals what is there now")
    } else {
        None
    }
}

/// A revision of the branch as somebody sees it who looks for one to go back to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Its place in the timeline.
    pub index: usize,
    /// While it was live, at most `JUDGED` before it was replaced; nothing where it was never seen live.
    pub life: Option<Span>,
    /// Why it would be passed over whatever its health was.
    pub passed_over: Option<String>,
}

/// How much of a revision's life says how healthy it was. Source: our rule for targets.
const JUDGED: chrono::TimeDelta = chrono::TimeDelta::hours(6);

/// Returns every revision that a timeline holds, newest first, with what speaks against going back to it.
pub fn candidates(
    timeline: &Timeline,
    history: &History,
    max_back: u32,
    now: DateTime<Utc>,
) -> Vec<Candidate> {
    let mut replaced_at = now;
    let mut all = Vec::new();
    for (index, change) in timeline.changes.iter().enumerate() {
        let life = change.is_live().then(|| {
            let to = replaced_at;
            replaced_at = change.deployed_at.min(to);
            let from = change.deployed_at.max(to - JUDGED).min(to);
            Span { from, to }
        });
        let back = u32::try_from(timeline.back(index)).unwrap_or(u32::MAX);
        let too_far = || format!("is {back} deployments back (MAX_REVISIONS_BACK is {max_back})");
        let passed_over = unfit(timeline, history, change)
            .map(str::to_owned)
            .or_else(|| (back > max_back).then(too_far));
        all.push(Candidate {
            index,
            life,
            passed_over,
        });
    }
    all
}

/// Says how healthy a revision was in the last hours of its life, beside the suspect and when the burn began.
///
/// # Errors
/// Says why it cannot be shown to have been healthy.
fn health(
    inputs: &Inputs<'_>,
    timeline: &Timeline,
    (suspect, onset): (usize, Option<DateTime<Utc>>),
    index: usize,
) -> Result<String, String> {
    let Some(life) = life(inputs, timeline, index) else {
        let least = inputs.settings.violation_for * SHORTEST_LIFE;
        return Err(format!("was live for less than {}", span(least)));
    };
    let Some(stretch) = inputs.evidence.stretch(life) else {
        return Err("was not looked at".to_owned());
    };
    let mut shares = Vec::new();
    for (sli, limit) in slis(inputs) {
        let read = stretch.at_most(sli);
        let Some(events) = read.value() else {
            let why = read.why_unknown().unwrap_or_default();
            return Err(format!("cannot be shown to have been healthy: {why}"));
        };
        if events.total() < inputs.settings.min_events as f64 {
            return Err(format!(
                "cannot be shown to have been healthy: {} events (MIN_EVENTS is {})",
                events.total(),
                inputs.settings.min_events
            ));
        }
        let share = format!("{} {}", sli.as_str(), percent(Some(events.error_ratio())));
        if events.error_ratio() > limit {
            return Err(format!(
                "was not healthy: {share} of {} events, limit {}",
                events.total(),
                percent(Some(limit))
            ));
        }
        let end = end_of(inputs, life);
        let lately = inputs.evidence.stretch(end).map(|end| end.at_most(sli));
        let lately = lately.as_ref().and_then(Reading::value);
        // One bad minute among ten is no end; failing for half of them is.
        if let Some(lately) = lately.filter(|lately| has_burned(**lately, 2.0 * limit)) {
            return Err(format!(
                "was not healthy at its end: {} {} of {} events, limit {}",
                sli.as_str(),
                percent(Some(lately.error_ratio())),
                lately.total(),
                percent(Some(limit))
            ));
        }
        let since = since(inputs, onset, &timeline.changes[suspect], sli);
        let now = evidence_of(inputs, since.all, sli);
        let dispersion = dispersion(inputs, &timeline.changes[suspect], sli);
        if now.is_some_and(|now| !is_worse(now, *events, dispersion)) {
            return Err(format!(
                "cannot be shown to have been healthier: {} bad of {} events",
                events.bad(),
                events.total()
            ));
        }
        shares.push(share);
    }
    let hours = span(life.to - life.from);
    Ok(format!(
        "was healthy in its last {hours} ({})",
        shares.join(", ")
    ))
}

/// Returns the bad events of a burning SLI since the suspect was deployed; nothing where it does not burn.
fn evidence_of(inputs: &Inputs<'_>, since: Span, sli: Sli) -> Option<Events> {
    let burns = inputs.assessment.burning_slis();
    burns.iter().find(|(burning, _)| *burning == sli)?;
    let stretch = inputs.evidence.stretch(since)?;
    stretch.at_least(sli).value().copied()
}

/// Builds the plan for a revision that a person asked for.
///
/// # Errors
/// Says so when the watched paths are already as at that revision, or were never changed.
pub(super) fn wanted(timeline: &Timeline, wanted: &Wanted) -> Result<Target, NoTarget> {
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
    Ok(Target {
        plan: plan(timeline, newest, &wanted.revision, &wanted.state),
        why: Vec::new(),
    })
}

/// Takes from a target what is not to go back: what innocent later commits did.
///
/// # Errors
/// Says why only all of it could go back, or that a secret would, where nobody is asked.
pub(super) fn shared(
    inputs: &Inputs<'_>,
    timeline: &Timeline,
    suspect: usize,
    mut target: Target,
) -> Result<Target, NoTarget> {
    let Some(suspect) = timeline.changes.get(suspect) else {
        return Ok(target);
    };
    target.plan.suspect.clone_from(&suspect.revision);
    let known = inputs.evidence.doings(&suspect.revision, &target.plan.to);
    let Some(doings) = known else {
        return Ok(target);
    };
    match undo::share(doings) {
        Ok(share) => take(&mut target, timeline, share),
        Err(Clash::Later { why, all }) if inputs.settings.require_approval => {
            take(&mut target, timeline, all);
            target.why.push(why);
        }
        Err(Clash::Later { why, .. }) => {
            return Err(conflict(format!(
                "{why}; repair it forward, or set REQUIRE_APPROVAL=true to be asked"
            )));
        }
        Err(Clash::Secret { why }) => return Err(conflict(why)),
        Err(Clash::Unread { why }) => {
            return Err(NoTarget {
                reason: Reason::UnknownData,
                why,
            });
        }
    }
    Ok(target)
}

/// Names all that a person's rollback takes back. `is_named` tells whether they named the revision.
///
/// # Errors
/// Says that a secret would come back that nobody asked for.
pub(super) fn whole(
    mut target: Target,
    timeline: &Timeline,
    doings: Option<&Doings>,
    is_named: bool,
) -> Result<Target, NoTarget> {
    let Some(doings) = doings.filter(|doings| doings.target == target.plan.to) else {
        return Ok(target);
    };
    let secret = undo::secrets_among(doings);
    match (secret, &doings.unread) {
        (Some(secret), _) if is_named => target.why.push(format!(
            "a secret comes back, because the revision was named: {secret}"
        )),
        (None, Some(_)) if is_named => {}
        (Some(secret), _) => return Err(conflict(undo::not_put_back(&secret))),
        (None, Some(why)) => {
            return Err(NoTarget {
                reason: Reason::UnknownData,
                why: format!(
                    "{}; name the revision with `rollback gitops --to` where that is no matter",
                    undo::not_seen(why)
                ),
            });
        }
        (None, None) => {}
    }
    if !doings.commits.is_empty() {
        take(&mut target, timeline, undo::everything(doings));
    }
    Ok(target)
}

fn take(target: &mut Target, timeline: &Timeline, share: Share) {
    let plan = &mut target.plan;
    let mut changes = timeline.changes.iter();
    if let Some(from) = changes.find(|change| change.revision == share.from) {
        plan.from_state.clone_from(&from.state);
        plan.deployed_at = from.deployed_at;
        plan.from = share.from;
    }
    let others: Vec<String> = share
        .undone
        .iter()
        .filter(|undone| undone.revision != plan.from)
        .map(|undone| format!("{} ({})", short(&undone.revision), undone.title))
        .collect();
    if !others.is_empty() {
        target
            .why
            .push(format!("with it go back {}", undo::list(&others)));
    }
    if !share.keeps.is_empty() {
        let kept: Vec<String> = share.keeps.iter().map(|it| short(it).to_owned()).collect();
        target
            .why
            .push(format!("later changes stay: {}", undo::list(&kept)));
    }
    plan.undone = share.undone;
    plan.keeps = share.keeps;
}

fn conflict(why: String) -> NoTarget {
    NoTarget {
        reason: Reason::Conflict,
        why,
    }
}

fn plan(timeline: &Timeline, from: &Change, to: &str, to_state: &str) -> Plan {
    Plan {
        suspect: from.revision.clone(),
        tip_state: timeline.tip_state.clone(),
        keeps: Vec::new(),
        undone: undo::unlooked(timeline, to),
        from: from.revision.clone(),
        from_state: from.state.clone(),
        to: to.to_owned(),
        to_state: to_state.to_owned(),
        tip: timeline.tip.clone(),
        deployed_at: from.deployed_at,
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
