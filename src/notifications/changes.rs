//! What is new for people, each change once: what they were told before is compared with how things stand.

use chrono::{DateTime, TimeDelta, Utc};

use crate::journal::{LastTold, NewsKind, Phase, Rollback, ServiceState};
use crate::outcome::Holds;
use crate::policy::{HoldKind, Reason, Suspicious};
use crate::record::{ActionKind, Record};
use crate::slo::{Level, LevelThresholds, Verdict};

/// After how many runs in a row without a measurement people are told. Source: the contract of messages, "unknown for
/// 3 runs".
const BLIND_AFTER: u32 = 3;

/// How long after its end a rollback is still news. Older ones come from a memory that was rebuilt or put back.
const STILL_NEWS: TimeDelta = TimeDelta::hours(24);

/// How far below a level the consumption has to fall before reaching it again is news (share of the level).
const BELOW: f64 = 0.95;

/// The mark of a memory that is not known, among the reasons people were told of.
const MEMORY: &str = "memory";

/// For what is held back after a rollback recovered while the windows still hold the burn: people know that it is over.
const LOOKING_BACK: [Reason; 2] = [Reason::WarningLevel, Reason::NotSustained];

/// What a run saw.
pub(super) struct RunView<'a> {
    pub(super) record: &'a Record,
    /// Whether something could not be reached.
    pub(super) is_unavailable: bool,
    pub(super) levels: LevelThresholds,
    pub(super) at: DateTime<Utc>,
    /// What was wrong with the memory when the run began, as a sentence that names the place.
    pub(super) damage: Option<&'a str>,
    /// Whether what was rolled back stays away.
    pub(super) holds: &'a Holds,
    /// Commits that carry our trailers and are not believed.
    pub(super) suspicious: &'a [Suspicious],
    /// Whether the run ended with a person being needed.
    pub(super) is_person_needed: bool,
    /// Whether people hear of what holds it back from another service.
    pub(super) is_told_of_another: bool,
}

/// One change that is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Notice {
    pub(super) kind: NewsKind,
    /// Id of the rollback it is about.
    pub(super) rollback: Option<String>,
    pub(super) needs_a_person: bool,
    /// What is said instead of the decision's detail.
    pub(super) detail: Option<String>,
}

impl Notice {
    fn of(kind: NewsKind) -> Self {
        Self {
            kind,
            rollback: None,
            needs_a_person: false,
            detail: None,
        }
    }
}

/// Returns what is new, and notes that people know it from now on.
pub(super) fn changes(state: &mut ServiceState, seen: &RunView<'_>) -> Vec<Notice> {
    let is_whole = state.recovered_from.is_some();
    let mut changes = Vec::new();
    let told = &mut state.notifications.last_told;
    changes.extend(memory(told, seen, is_whole));
    changes.extend(sight(told, seen));
    changes.extend(level(told, seen));
    changes.extend(held(told, seen, is_whole));
    changes.extend(back(told, seen));
    changes.extend(suspicious(told, seen));
    for rollback in &mut state.rollbacks {
        changes.extend(life(rollback, seen.at));
    }
    let is_under_way = state.in_flight().is_some();
    let told = &mut state.notifications.last_told;
    if changes.iter().any(|it| it.kind == NewsKind::Recovered) {
        let reasons = LOOKING_BACK.map(|reason| reason.to_string());
        told.held.extend(reasons);
    }
    changes.extend(over(told, seen, is_whole && !is_under_way));
    changes
}

/// After how many runs in a row without a burn an alert ends: a burn that pauses for a moment is the same one. Source:
/// our rule, as for being blind.
const OVER_AFTER: u32 = 3;

/// Tells that the burn is over of which an alert is open. `may_be_over` tells whether nothing of ours is under way.
fn over(told: &mut LastTold, seen: &RunView<'_>, may_be_over: bool) -> Option<Notice> {
    let is_calm = match seen.record.verdict {
        Verdict::Healthy | Verdict::Exhausted => may_be_over && !seen.is_unavailable,
        Verdict::Burning | Verdict::Unknown => false,
    };
    if told.incident.is_none() || !is_calm {
        told.calm_runs = 0;
        return None;
    }
    told.calm_runs = told.calm_runs.saturating_add(1);
    (told.calm_runs >= OVER_AFTER).then(|| Notice::of(NewsKind::BurnOver))
}

/// Returns the key of the alert that a change belongs to, and notes which one is open from now on. All that is told of
/// a burn has the key of its first alert. `wakes` tells whether the change is an alert itself.
pub(super) fn incident(
    told: &mut LastTold,
    service: &str,
    change: &Notice,
    wakes: bool,
) -> Option<String> {
    match change.kind {
        NewsKind::Held
        | NewsKind::Started
        | NewsKind::Ineffective
        | NewsKind::Failed
        | NewsKind::Superseded
        | NewsKind::ApprovalNeeded
        | NewsKind::ApprovalHalfTime
        | NewsKind::ApprovalExpired
        | NewsKind::Rejected => {
            if wakes && told.incident.is_none() {
                let condition = || format!("{service}/{}", change.kind.as_str());
                told.incident = Some(change.rollback.clone().unwrap_or_else(condition));
            }
            told.incident.clone()
        }
        NewsKind::Recovered | NewsKind::BurnOver => {
            told.calm_runs = 0;
            told.incident.take()
        }
        NewsKind::LevelCrossed
        | NewsKind::HoldViolated
        | NewsKind::SuspiciousCommit
        | NewsKind::Blind
        | NewsKind::Seeing
        | NewsKind::MemoryRebuilt => None,
    }
}

fn memory(told: &mut LastTold, seen: &RunView<'_>, is_whole: bool) -> Option<Notice> {
    if is_whole {
        told.held.retain(|reason| reason != MEMORY);
        return Some(Notice {
            detail: Some(seen.damage?.to_owned()),
            ..Notice::of(NewsKind::MemoryRebuilt)
        });
    }
    if told.held.iter().any(|reason| reason == MEMORY) {
        return None;
    }
    told.held.push(MEMORY.to_owned());
    Some(Notice {
        needs_a_person: seen.damage.is_some(),
        ..Notice::of(NewsKind::Held)
    })
}

/// Tells once that a service cannot be measured, and once that it can again.
fn sight(told: &mut LastTold, seen: &RunView<'_>) -> Option<Notice> {
    let is_blind = seen.is_unavailable || seen.record.budget.level.is_none();
    if !is_blind {
        told.blind_runs = 0;
        return std::mem::take(&mut told.blind).then(|| Notice::of(NewsKind::Seeing));
    }
    told.blind_runs = told.blind_runs.saturating_add(1);
    if told.blind || told.blind_runs < BLIND_AFTER {
        return None;
    }
    told.blind = true;
    Some(Notice {
        needs_a_person: true,
        ..Notice::of(NewsKind::Blind)
    })
}

/// Tells of a level that is crossed upwards. One that the consumption only left by a hair is not crossed again.
fn level(told: &mut LastTold, seen: &RunView<'_>) -> Option<Notice> {
    let now = seen.record.budget.level?;
    let before = told.level.unwrap_or(Level::Ok);
    if now < before {
        let levels = &seen.levels;
        if seen.record.budget.consumed? < levels.from(before) * BELOW {
            told.level = Some(now);
        }
        return None;
    }
    if now == before {
        return None;
    }
    told.level = Some(now);
    // What the run decided beside it says nothing about the budget.
    let counts = seen
        .record
        .budget
        .bad_events
        .zip(seen.record.budget.total_events);
    Some(Notice {
        detail: counts.map(|(bad, total)| format!("{bad:.0} bad of {total:.0} events")),
        ..Notice::of(NewsKind::LevelCrossed)
    })
}

/// Tells once in a burn of each reason for which a rollback is held back.
fn held(told: &mut LastTold, seen: &RunView<'_>, is_whole: bool) -> Option<Notice> {
    let record = seen.record;
    match record.verdict {
        Verdict::Burning => {}
        Verdict::Unknown => return None,
        Verdict::Healthy | Verdict::Exhausted => {
            told.held.retain(|reason| reason == MEMORY);
            return None;
        }
    }
    let reason = record.decision.reason;
    if record.decision.action != ActionKind::Hold || !is_whole {
        return None;
    }
    let is_lasting = match reason.hold()? {
        HoldKind::Passing => false,
        HoldKind::Lasting => true,
    };
    if told.held.iter().any(|known| known == reason.as_str()) {
        return None;
    }
    told.held.push(reason.to_string());
    if seen.is_told_of_another {
        return None;
    }
    Some(Notice {
        needs_a_person: is_lasting || seen.is_person_needed,
        ..Notice::of(NewsKind::Held)
    })
}

/// How many commits are remembered of which people were told.
const REMEMBERED: usize = 20;

/// Tells once of each commit that carries our trailers and is not believed.
fn suspicious(told: &mut LastTold, seen: &RunView<'_>) -> Vec<Notice> {
    let is_new = |it: &&Suspicious| !told.suspicious.contains(&it.revision);
    // Bounds the messages too: whoever wrote many need not be told of as often.
    let new: Vec<&Suspicious> = seen.suspicious.iter().filter(is_new).collect();
    told.suspicious
        .extend(new.iter().map(|it| it.revision.clone()));
    let excess = told.suspicious.len().saturating_sub(REMEMBERED);
    told.suspicious.drain(..excess);
    new.first()
        .map(|first| Notice {
            needs_a_person: true,
            detail: Some(match new.len() {
                1 => format!("{}: {}", first.revision, first.why),
                more => format!("{}: {}; and {} more", first.revision, first.why, more - 1),
            }),
            ..Notice::of(NewsKind::SuspiciousCommit)
        })
        .into_iter()
        .collect()
}

fn back(told: &mut LastTold, seen: &RunView<'_>) -> Option<Notice> {
    let back = match seen.holds {
        Holds::NotLookedAt => return None,
        Holds::Kept => {
            told.violated = false;
            return None;
        }
        Holds::Violated(back) => back,
    };
    told.violated = true;
    let mark = format!("{} {}", back.rollback, back.revision);
    if told.back.contains(&mark) {
        return None;
    }
    told.back.push(mark);
    // Bounds the state; a robot that brings it back again and again is told of each time at most.
    let excess = told.back.len().saturating_sub(20);
    told.back.drain(..excess);
    Some(Notice {
        rollback: Some(back.rollback.clone()),
        needs_a_person: true,
        detail: Some(format!(
            "{} brings back what rollback {} took away",
            back.revision, back.rollback
        )),
        ..Notice::of(NewsKind::HoldViolated)
    })
}

/// Returns what is new of one rollback, in the order of its life.
fn life(rollback: &mut Rollback, at: DateTime<Utc>) -> Vec<Notice> {
    let is_old = rollback.ended_at.is_some_and(|end| at - end > STILL_NEWS);
    let mut changes = Vec::new();
    for (kind, needs_a_person) in so_far(rollback, at) {
        if rollback.told.contains(&kind) {
            continue;
        }
        rollback.told.push(kind);
        if !is_old {
            changes.push(Notice {
                rollback: Some(rollback.id.clone()),
                needs_a_person,
                detail: said_no(rollback, kind)
                    .or_else(|| rollback.latest().map(|step| step.detail.clone())),
                ..Notice::of(kind)
            });
        }
    }
    changes
}

/// Says who said no, and why where they said that.
fn said_no(rollback: &Rollback, kind: NewsKind) -> Option<String> {
    let approval = rollback.approval.as_ref();
    let signed = approval
        .filter(|_| kind == NewsKind::Rejected)?
        .signed
        .as_ref()?;
    Some(match &signed.reason {
        Some(reason) => format!("{} said no: {reason}", signed.by),
        None => format!("{} said no", signed.by),
    })
}

/// Returns what there is to tell of a rollback so far, with whether a person is needed.
fn so_far(rollback: &Rollback, at: DateTime<Utc>) -> Vec<(NewsKind, bool)> {
    let begun = (NewsKind::Started, false);
    match rollback.phase {
        Phase::Awaiting => {
            let is_answered = rollback.answer().is_some();
            let is_half_time = rollback
                .approval
                .as_ref()
                .is_some_and(|approval| !is_answered && at >= approval.half_time());
            let mut kinds = vec![(NewsKind::ApprovalNeeded, true)];
            kinds.extend(is_half_time.then_some((NewsKind::ApprovalHalfTime, true)));
            kinds
        }
        Phase::Proposed => vec![(NewsKind::ApprovalNeeded, true)],
        Phase::Begun if !rollback.attempted => Vec::new(),
        Phase::Begun | Phase::Verifying => vec![begun],
        Phase::Recovered => vec![begun, (NewsKind::Recovered, false)],
        Phase::Ineffective => vec![begun, (NewsKind::Ineffective, true)],
        Phase::Failed if rollback.attempted => vec![begun, (NewsKind::Failed, true)],
        Phase::Failed => vec![(NewsKind::Failed, true)],
        Phase::Superseded => vec![(NewsKind::Superseded, false)],
        Phase::Rejected => vec![(NewsKind::Rejected, false)],
        Phase::Expired => vec![(NewsKind::ApprovalExpired, true)],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::{Origin, RecoveredHistory};
    use crate::record::Heading;
    use crate::slo::fixture::world;

    const AT: DateTime<Utc> = DateTime::UNIX_EPOCH;

    /// Returns the news of a run that saw a burn and held for a reason.
    fn told_while_it_burns(state: &mut ServiceState, reason: Reason) -> Vec<NewsKind> {
        let heading = Heading {
            run_id: "run".to_owned(),
            command: "run",
            service: "checkout".to_owned(),
            namespace: "shop".to_owned(),
            dry_run: false,
        };
        let objective = world().objective;
        let mut record = Record::unknown(&heading, &objective, AT).holding(reason, "why");
        record.verdict = Verdict::Burning;
        record.budget.level = Some(Level::Ok);
        let seen = RunView {
            record: &record,
            is_unavailable: false,
            levels: objective.levels,
            at: AT,
            damage: None,
            holds: &Holds::NotLookedAt,
            suspicious: &[],
            is_person_needed: false,
            is_told_of_another: false,
        };
        let changes = changes(state, &seen);
        changes.into_iter().map(|change| change.kind).collect()
    }

    #[test]
    fn nobody_is_told_that_what_a_rollback_ended_is_held_back() {
        let mut state = ServiceState {
            recovered_from: Some(RecoveredHistory {
                read_at: AT,
                source: "a test".to_owned(),
            }),
            ..ServiceState::default()
        };
        let mut rollback = Rollback::begin(
            "first".to_owned(),
            Origin::Automatic,
            "why".to_owned(),
            AT,
            0.01,
        );
        rollback.phase = Phase::Verifying;
        state.rollbacks.push(rollback);
        let told = told_while_it_burns(&mut state, Reason::DeploymentInProgress);
        assert_eq!(told, [NewsKind::Held, NewsKind::Started]);
        state.rollbacks[0].phase = Phase::Recovered;
        let told = told_while_it_burns(&mut state, Reason::Resumed);
        assert!(told.contains(&NewsKind::Recovered), "{told:?}");
        for reason in LOOKING_BACK {
            assert_eq!(told_while_it_burns(&mut state, reason), []);
        }
        // What burns on for another reason is news.
        let told = told_while_it_burns(&mut state, Reason::Blackout);
        assert_eq!(told, [NewsKind::Held]);
    }
}
