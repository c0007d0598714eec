//! What passes saw at the tip of the branch: the only word on what was live that needs no clock but our own.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

/// How many tips of a service are kept. Past it every second one of the older half goes, so that what is recent is
/// known to the pass and what is old more coarsely; some 150 bytes each.
const MAX_TIPS: usize = 128;

/// How many tips of one service are kept however many services there are.
const MIN_TIPS: usize = 16;

/// How many tips all services together keep, as far as each keeps [`MIN_TIPS`]: some 1.2 MB.
const MAX_TOTAL: usize = 8_000;

/// How old the written time of the newest tip may become before it is written again. A little less than the five
/// minutes between two passes: each writes once, and passes that follow each other closely do not.
const WRITTEN_EVERY: TimeDelta = TimeDelta::minutes(4);

/// How far the clock may go back without making what was seen doubtful. Source: our rule, as for the clocks of
/// committers.
const CLOCK_GRACE: TimeDelta = TimeDelta::seconds(60);

/// The tips of one branch, as the passes of one service saw them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Watch {
    /// Branch and repository. Another one is watched anew.
    pub place: String,
    /// Oldest first, never empty. The first one is kept as long as the watch lasts.
    pub tips: Vec<SeenTip>,
}

/// One commit that was the tip.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeenTip {
    /// Full commit id.
    pub revision: String,
    /// When a pass saw it first.
    pub first_seen: DateTime<Utc>,
    /// When a pass saw it last, as far as that was written down.
    pub last_seen: DateTime<Utc>,
}

impl Watch {
    /// Begins a watch.
    pub fn begun(place: &str, revision: &str, at: DateTime<Utc>) -> Self {
        Self {
            place: place.to_owned(),
            tips: vec![SeenTip {
                revision: revision.to_owned(),
                first_seen: at,
                last_seen: at,
            }],
        }
    }

    /// Returns the watch with what is the tip now. It begins anew at another branch, and where the clock went back:
    /// what was seen then carries times that nothing can be compared with.
    #[must_use]
    pub fn seeing(known: Option<&Self>, place: &str, revision: &str, at: DateTime<Utc>) -> Self {
        let known = known.filter(|known| known.place == place);
        let goes_on = known.filter(|known| {
            let newest = known.tips.last();
            newest.is_some_and(|newest| newest.last_seen <= at + CLOCK_GRACE)
        });
        let Some(mut watch) = goes_on.cloned() else {
            return Self::begun(place, revision, at);
        };
        if let Some(newest) = watch.tips.last_mut() {
            let at = at.max(newest.last_seen);
            if newest.revision == revision {
                newest.last_seen = at;
                return watch;
            }
            watch.tips.push(SeenTip {
                revision: revision.to_owned(),
                first_seen: at,
                last_seen: at,
            });
        }
        watch
    }

    /// Tells whether `newer` says enough more than this to be written at once.
    pub(super) fn is_outdated_by(&self, newer: &Self) -> bool {
        let changed = |watch: &Self| {
            let newest = watch.tips.last();
            let newest = newest.map(|newest| (newest.revision.clone(), newest.first_seen));
            (watch.place.clone(), watch.tips.len(), newest)
        };
        let seen = |watch: &Self| watch.tips.last().map(|newest| newest.last_seen);
        let is_old = seen(self)
            .zip(seen(newer))
            .is_some_and(|(written, now)| now - written >= WRITTEN_EVERY);
        changed(self) != changed(newer) || is_old
    }

    /// Thins out what is old, so that the file stays readable: see [`MAX_TIPS`] and [`MAX_TOTAL`].
    pub(super) fn thin_out(&mut self, services: usize) {
        let most = (MAX_TOTAL / services.max(1)).clamp(MIN_TIPS, MAX_TIPS);
        while self.tips.len() > most {
            let half = self.tips.len() / 2;
            let mut place = 0;
            self.tips.retain(|_| {
                place += 1;
                // The first one says since when this is watched.
                place > half || place % 2 == 1
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minutes: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::minutes(minutes)
    }

    fn seen(watch: &Watch) -> Vec<(&str, i64, i64)> {
        let minutes = |time: DateTime<Utc>| (time - DateTime::UNIX_EPOCH).num_minutes();
        let tips = watch.tips.iter();
        tips.map(|tip| {
            (
                &*tip.revision,
                minutes(tip.first_seen),
                minutes(tip.last_seen),
            )
        })
        .collect()
    }

    #[test]
    fn a_tip_lasts_from_the_first_to_the_last_pass_that_saw_it() {
        let mut watch = Watch::begun("main of a", "one", at(0));
        for (revision, minute) in [("one", 5), ("two", 10), ("two", 15), ("one", 20)] {
            watch = Watch::seeing(Some(&watch), "main of a", revision, at(minute));
        }
        assert_eq!(
            seen(&watch),
            [("one", 0, 5), ("two", 10, 15), ("one", 20, 20)]
        );
    }

    #[test]
    fn another_branch_or_a_clock_that_went_back_begins_anew() {
        let watch = Watch::begun("main of a", "one", at(60));
        let elsewhere = Watch::seeing(Some(&watch), "main of b", "one", at(65));
        assert_eq!(seen(&elsewhere), [("one", 65, 65)]);
        let back = Watch::seeing(Some(&watch), "main of a", "one", at(58));
        assert_eq!(seen(&back), [("one", 58, 58)]);
        let a_little = Watch::seeing(Some(&watch), "main of a", "two", at(59));
        assert_eq!(seen(&a_little), [("one", 60, 60), ("two", 60, 60)]);
    }

    #[test]
    fn what_does_not_change_is_written_now_and_then() {
        let watch = Watch::begun("main of a", "one", at(0));
        let later =
            |revision: &str, minute| Watch::seeing(Some(&watch), "main of a", revision, at(minute));
        assert!(!watch.is_outdated_by(&later("one", 3)));
        assert!(watch.is_outdated_by(&later("one", 4)));
        assert!(watch.is_outdated_by(&later("two", 1)));
    }

    #[test]
    fn thins_out_the_older_half_and_keeps_the_beginning_and_what_is_recent() {
        let mut watch = Watch::begun("main of a", "0", at(0));
        for number in 1..=i64::try_from(MAX_TIPS).expect("a small number") {
            watch = Watch::seeing(Some(&watch), "main of a", &number.to_string(), at(number));
        }
        watch.thin_out(1);
        assert_eq!(watch.tips.len(), MAX_TIPS - 31);
        let kept: Vec<&str> = watch.tips.iter().map(|tip| &*tip.revision).collect();
        assert_eq!(kept[..3], ["0", "2", "4"]);
        assert_eq!(kept[kept.len() - 65..].first(), Some(&"64"));
        watch.thin_out(100_000);
        assert!(watch.tips.len() <= MIN_TIPS, "{}", watch.tips.len());
        assert_eq!(watch.tips[0].revision, "0");
        assert_eq!(watch.tips.last().map(|tip| &*tip.revision), Some("128"));
    }
}
