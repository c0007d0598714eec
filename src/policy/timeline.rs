//! What was deployed when, as the GitOps branch saw it.

use chrono::{DateTime, Duration, Utc};
use serde::Serialize;
use strum::{Display, IntoStaticStr};

use super::reason::Reason;
use super::trailer::RollbackMark;

/// How long a service must have been watched before what was seen decides alone. Source: DESIGN, section 10.
const WATCHED_ENOUGH: Duration = Duration::hours(1);

/// How wide the time between two passes may be for a commit's own date within it to be taken: three passes of the
/// shipped schedule. In a wider one anything may have been pushed at any time. Source: our rule.
pub(super) const NARROW: Duration = Duration::minutes(15);

/// How far the clocks of committers and ours may be apart. Source: facts, section 7.
pub(super) const CLOCK_GRACE: Duration = Duration::seconds(60);

/// One commit on the branch's first-parent line that changed the watched paths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Full commit id.
    pub revision: String,
    /// When it was deployed: as Argo CD remembers it, as passes saw it, else the committer time. Where it is known as
    /// a range only, the end of that.
    pub deployed_at: DateTime<Utc>,
    /// The earliest moment at which it may have been deployed; the same where the time is known. Nothing where it was
    /// live already when the watch began.
    pub not_before: Option<DateTime<Utc>>,
    /// Whether it was live.
    pub lived: Lived,
    /// Identifies the content of the watched paths after this commit; equal states are equal manifests.
    pub state: String,
    /// Present when this program wrote the commit and its content confirms it.
    pub rollback: Option<RollbackMark>,
    /// First line of the message; untrusted text.
    pub subject: String,
}

/// Whether a change was live at any time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lived {
    /// It was, or its date says so and nothing contradicts it.
    Yes,
    /// It was not at the tip when any pass looked: pushed together with a newer one, or older than the watch.
    NotSeen,
}

/// What was at the tip of the branch for a while, as passes saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TipSighting {
    /// The change in effect there; nothing where the branch does not know it, or not as far as it was read.
    pub change: Option<String>,
    /// When a pass saw it first.
    pub first_seen: DateTime<Utc>,
    /// When a pass saw it last.
    pub last_seen: DateTime<Utc>,
}

/// From whom it is known what is live.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, IntoStaticStr, Display)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Witness {
    /// The dates of commits.
    CommitDate,
    /// The pods: others serve since the commit's date than before it.
    Pods,
    /// The tip of the branch, as passes saw it for an hour or longer.
    Tip,
    /// Argo CD's history.
    Argocd,
}

impl Witness {
    /// Returns the name used in the decision record.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// Where the walk towards older commits ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// At the commit without parents: there is nothing older.
    Root,
    /// Because enough changes were found; older ones exist or may exist.
    Enough,
    /// At the depth that may be fetched; what lies beyond is unknown.
    DepthLimit,
}

/// Who knows when something was deployed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, IntoStaticStr, Display)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Source {
    /// The commits of the branch.
    Git,
    /// Argo CD's history.
    Argocd,
}

impl Source {
    /// Returns the word used in the decision record.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// The changes of the watched paths, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timeline {
    /// Commit at the tip of the branch when it was read.
    pub tip: String,
    /// State of the watched paths at the tip.
    pub tip_state: String,
    /// Newest first. Where the walk reached the commit that introduced the paths, it is the last one.
    pub changes: Vec<Change>,
    /// Why there are no more.
    pub end: End,
    /// Who knows when they were deployed.
    pub source: Source,
    /// From whom it is known what is live.
    pub witness: Witness,
    /// Why it is not settled what is live, where it is not.
    pub unsettled: Option<Unsettled>,
    /// What else was deployed since the newest change: of another source of the application.
    pub beside: Option<Beside>,
    /// Commits that carry our trailers and are not believed, newest first.
    pub suspicious: Vec<Suspicious>,
    /// What is to be said of the deployment of the newest change, where its operation did not succeed.
    pub trouble: Option<String>,
}

/// A deployment that changed nothing of the branch, and something else of the application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beside {
    /// When it began.
    pub at: DateTime<Utc>,
    /// The revisions of the other sources, for people.
    pub revisions: String,
}

/// A commit that says that it is a rollback of ours, and is not believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suspicious {
    /// The commit.
    pub revision: String,
    /// Why it is not believed.
    pub why: String,
}

/// Why it is not settled what is live, as a sentence each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unsettled {
    /// Something is being deployed, or the branch and Argo CD disagree: that passes.
    UnderWay(String),
    /// The application does not deploy what the branch holds, so nothing that is put back there would be deployed.
    NotFollowed(String),
}

impl Unsettled {
    /// Returns the reason code.
    pub fn reason(&self) -> Reason {
        match self {
            Self::UnderWay(_) => Reason::DeploymentInProgress,
            Self::NotFollowed(_) => Reason::BranchNotFollowed,
        }
    }

    /// Returns the sentence.
    pub fn why(&self) -> &str {
        match self {
            Self::UnderWay(why) | Self::NotFollowed(why) => why,
        }
    }
}

/// What is known of the branch when deciding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BranchReading {
    /// No GitOps repository is configured.
    NotConfigured,
    /// Nothing burns, so the repository was not asked.
    NotAsked,
    /// The branch was read.
    Known(Timeline),
}

impl Timeline {
    /// Returns the newest change that was deployed; the newest one at all where none is known to have been.
    pub fn newest_deployment(&self) -> Option<&Change> {
        let mut changes = self.changes.iter();
        changes
            .find(|change| change.is_live())
            .or_else(|| self.changes.first())
    }
}

impl BranchReading {
    /// Returns the timeline when the branch was read.
    pub fn timeline(&self) -> Option<&Timeline> {
        match self {
            Self::Known(timeline) => Some(timeline),
            Self::NotConfigured | Self::NotAsked => None,
        }
    }
}

impl Change {
    /// Tells whether it was live at any time.
    pub fn is_live(&self) -> bool {
        match self.lived {
            Lived::Yes => true,
            Lived::NotSeen => false,
        }
    }

    /// Returns the earliest moment at which it may have been deployed, as far as that is known.
    pub fn earliest(&self) -> DateTime<Utc> {
        self.not_before.unwrap_or(self.deployed_at)
    }

    /// Dates it by two passes: the last one that did not see it, and the first one that did. Its own date counts
    /// where it lies between them and they are close together; else it only says before when it cannot have been
    /// pushed.
    fn came_between(&mut self, last: DateTime<Utc>, first: DateTime<Utc>) {
        let committed_at = self.deployed_at;
        let fits = last - CLOCK_GRACE <= committed_at && committed_at <= first + CLOCK_GRACE;
        let date = committed_at.clamp(last.min(first), first);
        let (from, to) = match (fits, first - last <= NARROW) {
            (true, true) => (date, date),
            (true, false) => (date, first),
            (false, _) => (last.min(first), first),
        };
        self.not_before = Some(from);
        self.deployed_at = to;
    }
}

impl Timeline {
    /// Dates the changes by what passes saw at the tip, the oldest sighting first and the tip of now last. A change
    /// that came after the first sighting and was never the newest one when a pass looked was not live: it was pushed
    /// together with a newer one. What is older than the first sighting is taken by its date for the first hour, and
    /// then was not seen either.
    #[must_use]
    pub fn as_seen(mut self, sightings: &[TipSighting]) -> Self {
        let (Some(first), Some(last)) = (sightings.first(), sightings.last()) else {
            return self;
        };
        let begun_at = first.first_seen;
        let is_watched = last.last_seen - begun_at >= WATCHED_ENOUGH;
        if is_watched {
            self.witness = Witness::Tip;
        }
        let seen_at = |change: &Change| {
            let is_it = |sighting: &TipSighting| sighting.change.as_ref() == Some(&change.revision);
            let newest = sightings.iter().rposition(is_it)?;
            // The same change may have been seen at several tips.
            let others = sightings[..newest].iter().rev();
            Some(newest - others.take_while(|earlier| is_it(earlier)).count())
        };
        let oldest_seen = self
            .changes
            .iter()
            .rposition(|change| seen_at(change).is_some());
        for (index, change) in self.changes.iter_mut().enumerate() {
            // Our own commits carry our own time.
            if change.rollback.is_some() {
                continue;
            }
            match seen_at(change) {
                Some(0) => change.was_live_at(begun_at, is_watched),
                Some(at) => {
                    change.came_between(sightings[at - 1].last_seen, sightings[at].first_seen);
                }
                None => {
                    let is_newer = oldest_seen.is_some_and(|oldest| index < oldest);
                    let contradicts = change.deployed_at > begun_at + CLOCK_GRACE;
                    if is_newer || is_watched || contradicts {
                        change.lived = Lived::NotSeen;
                    }
                }
            }
        }
        self
    }

    /// Returns how many deployments lie between a change and the newest one, this included.
    pub(super) fn back(&self, index: usize) -> usize {
        let newer = self.changes.iter().take(index);
        newer.filter(|change| change.is_live()).count()
    }

    /// Returns the deployment that ended the life of a change.
    pub(super) fn successor(&self, index: usize) -> Option<&Change> {
        let newer = self.changes.get(..index)?;
        newer.iter().rev().find(|change| change.is_live())
    }
}

impl Change {
    /// Dates it where it was at the tip already when the watch began. Then its own date counts for the first hour
    /// alone, and where it does not say that the first pass saw it before it was made.
    fn was_live_at(&mut self, begun_at: DateTime<Utc>, is_watched: bool) {
        let contradicts = self.deployed_at > begun_at + CLOCK_GRACE;
        if is_watched || contradicts {
            self.deployed_at = begun_at;
            self.not_before = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{ago, change, timeline};
    use super::*;

    fn minutes(count: i64) -> Duration {
        Duration::minutes(count)
    }

    fn sighting(change: &str, from: i64, to: i64) -> TipSighting {
        TipSighting {
            change: Some(change.to_owned()),
            first_seen: ago(minutes(from)),
            last_seen: ago(minutes(to)),
        }
    }

    /// Returns each change as its earliest and latest deployment in minutes ago, the earliest left out where it is
    /// not known; nothing where it was not live.
    fn dated(timeline: &Timeline) -> Vec<Option<(Option<i64>, i64)>> {
        let minutes_ago = |time: DateTime<Utc>| (ago(minutes(0)) - time).num_minutes();
        let changes = timeline.changes.iter();
        changes
            .map(|change| {
                let at = (
                    change.not_before.map(minutes_ago),
                    minutes_ago(change.deployed_at),
                );
                change.is_live().then_some(at)
            })
            .collect()
    }

    #[test]
    fn old_commits_that_were_pushed_together_are_one_deployment_between_two_passes() {
        let days = |days: i64| minutes(days * 1440);
        let pushed = vec![
            change("c", days(1)),
            change("b", days(2)),
            change("a", days(9)),
        ];
        let seen = timeline(pushed).as_seen(&[sighting("a", 300, 25), sighting("c", 20, 0)]);
        assert_eq!(
            dated(&seen),
            [Some((Some(25), 20)), None, Some((None, 300))]
        );
        assert_eq!(seen.witness, Witness::Tip);
    }

    #[test]
    fn a_date_between_two_passes_counts_and_one_of_tomorrow_does_not() {
        let dates = [
            (22, (22, 22)),
            (-900, (25, 20)),
            (19, (20, 20)),
            (40, (25, 20)),
        ];
        for (date, (from, to)) in dates {
            let changes = vec![change("b", minutes(date)), change("a", minutes(9_000))];
            let seen = timeline(changes).as_seen(&[sighting("a", 300, 25), sighting("b", 20, 0)]);
            assert_eq!(dated(&seen)[0], Some((Some(from), to)), "{date}");
        }
    }

    #[test]
    fn where_nobody_looked_for_hours_a_date_is_only_the_beginning_of_a_range() {
        let changes = vec![change("b", minutes(60)), change("a", minutes(9_000))];
        let seen = timeline(changes).as_seen(&[sighting("a", 300, 200), sighting("b", 20, 0)]);
        assert_eq!(dated(&seen)[0], Some((Some(60), 20)));
    }

    #[test]
    fn dates_count_in_the_first_hour_unless_they_contradict_what_was_seen() {
        let changes = || {
            vec![
                change("c", minutes(500)),
                change("b", minutes(40)),
                change("a", minutes(900)),
                change("x", minutes(20)),
            ]
        };
        let seen = timeline(changes()).as_seen(&[sighting("b", 50, 15), sighting("c", 10, 0)]);
        assert_eq!(seen.witness, Witness::CommitDate);
        assert_eq!(
            dated(&seen),
            [
                Some((Some(15), 10)),
                // It carries a time after a pass had seen it.
                Some((None, 50)),
                Some((Some(900), 900)),
                None,
            ]
        );
        // Pushed together with a newer one, it was not live whatever its date says.
        let together = vec![
            change("c", minutes(500)),
            change("b", minutes(600)),
            change("a", minutes(900)),
        ];
        let seen = timeline(together).as_seen(&[sighting("a", 50, 25), sighting("c", 20, 0)]);
        assert_eq!(dated(&seen)[1], None);
        let young = timeline(changes()).as_seen(&[sighting("c", 0, 0)]);
        assert_eq!(dated(&young)[0], Some((Some(500), 500)));
    }

    #[test]
    fn what_is_older_than_a_watch_of_an_hour_was_not_seen() {
        let changes = vec![
            change("b", minutes(30)),
            change("a", minutes(900)),
            change("x", minutes(1_900)),
        ];
        let seen = timeline(changes).as_seen(&[sighting("a", 90, 31), sighting("b", 29, 0)]);
        assert_eq!(dated(&seen), [Some((Some(30), 30)), Some((None, 90)), None]);
        assert_eq!((seen.back(1), seen.back(2)), (1, 2));
    }

    #[test]
    fn a_change_that_is_seen_at_several_tips_came_with_the_first_of_them() {
        let changes = vec![change("b", minutes(500)), change("a", minutes(900))];
        let seen = timeline(changes).as_seen(&[
            sighting("a", 300, 45),
            sighting("b", 40, 35),
            sighting("b", 30, 0),
        ]);
        assert_eq!(dated(&seen)[0], Some((Some(45), 40)));
    }
}
