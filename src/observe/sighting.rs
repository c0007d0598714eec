//! Whether the back end still holds what it held when the service was seen before.
//!
//! Thanos drops a store that does not answer for a while and then answers without it and without a warning: half of a
//! service's series are gone, with all their past, and what is left may look healthy. Pods that end or begin change
//! what is there now; what was there at an earlier moment can only be lost by the back end. So each pass asks how
//! many series there were when an earlier one looked.

use std::time::Duration;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};

use super::metrics::Metrics;
use super::parts::{Parts, Quantity};
use crate::journal::SeriesSeen;

/// For how long an earlier sighting is held against the back end: long enough for people to bring a store back, and
/// then what is there is taken as all there is, as after a store was taken away on purpose.
const HELD_FOR: TimeDelta = TimeDelta::hours(24);

/// What is asked to learn whether anything was lost.
#[derive(Debug, Clone, Default)]
pub(super) struct Recall<'s> {
    /// The question, where the series have names to ask for.
    question: Option<String>,
    /// The earlier sighting, and how long ago it was.
    before: Option<(&'s SeriesSeen, Duration)>,
}

impl Metrics<'_> {
    /// Prepares the comparison with an earlier sighting. One of another question, of the future or of long ago says
    /// nothing; one of this very moment does, because some servers know no part of a second.
    pub(super) fn recall<'s>(
        &self,
        seen: Option<&'s SeriesSeen>,
        now: DateTime<Utc>,
    ) -> Recall<'s> {
        let query = self.queries.series_seen(None);
        let question = query.map(|query| format!("{}: {query}", self.prometheus.origin()));
        let before = seen.filter(|seen| Some(&seen.question) == question.as_ref());
        let before = before.and_then(|seen| {
            let ago =
                Some(now - seen.at).filter(|ago| *ago >= TimeDelta::zero() && *ago <= HELD_FOR)?;
            Some((seen, ago.to_std().ok()?))
        });
        Recall { question, before }
    }

    /// The queries for it, by name.
    pub(super) fn recalled(
        &self,
        recall: &Recall<'_>,
    ) -> impl Iterator<Item = (&'static str, String)> {
        let now = self.queries.series_seen(None);
        let then = recall
            .before
            .as_ref()
            .and_then(|(_, ago)| self.queries.series_seen(Some(*ago)));
        let named = |name, query: Option<String>| query.map(|query| (name, query));
        [named("series", now), named("series_before", then)]
            .into_iter()
            .flatten()
    }
}

impl Recall<'_> {
    /// How long ago the earlier sighting was.
    pub(super) fn ago(&self) -> Option<Duration> {
        self.before.as_ref().map(|(_, ago)| *ago)
    }

    /// Says what the back end lost since the earlier sighting. One that lost everything began anew, and what it holds
    /// since is all of it: then the coverage tells.
    pub(super) fn lost(&self, found: &Parts) -> Option<String> {
        let (before, _) = self.before.as_ref()?;
        let left = match found.quantity("series_before") {
            Quantity::Number(left) => left,
            Quantity::Absent | Quantity::Invalid(_) => return None,
        };
        (left < f64::from(before.series)).then(|| {
            format!(
                "of {} series that counted events at {} the server shows {left} today, so a store behind it may be gone \
                 (Thanos: see /api/v1/stores, and name the stores with --endpoint-strict); without it this is held against \
                 the server until {}",
                before.series,
                time(before.at),
                time(before.at + HELD_FOR)
            )
        })
    }

    /// Returns what is to be remembered, where everything is there.
    pub(super) fn sighting(&self, found: &Parts, now: DateTime<Utc>) -> Option<SeriesSeen> {
        let is_whole = found.partial().is_none() && self.lost(found).is_none();
        let series = match found.quantity("series") {
            Quantity::Number(series) if series >= 1.0 && is_whole => series,
            Quantity::Number(_) | Quantity::Absent | Quantity::Invalid(_) => return None,
        };
        Some(SeriesSeen {
            at: now,
            series: series as u32,
            question: self.question.clone()?,
        })
    }
}

fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clients::prometheus::{InstantSample, QueryAnswer};
    use crate::observe::combined::PART;

    fn sighting(series: u32) -> SeriesSeen {
        SeriesSeen {
            at: DateTime::UNIX_EPOCH,
            series,
            question: "http://prometheus: count(x)".to_owned(),
        }
    }

    fn found(values: &[(&str, f64)]) -> Parts {
        let sample = |(name, value): &(&str, f64)| InstantSample {
            labels: [(PART.to_owned(), (*name).to_owned())].into(),
            at: DateTime::UNIX_EPOCH,
            value: *value,
        };
        Parts::of(QueryAnswer {
            value: values.iter().map(sample).collect(),
            partial: None,
            notes: Vec::new(),
        })
    }

    #[test]
    fn only_what_was_seen_before_and_is_gone_is_a_loss() {
        let before = sighting(24);
        let recall = Recall {
            question: Some(before.question.clone()),
            before: Some((&before, Duration::from_secs(300))),
        };
        let now = DateTime::UNIX_EPOCH + TimeDelta::minutes(5);
        for (then, now_there, is_lost) in [
            (Some(24.0), 24.0, false),
            // Pods ended since: their past is still there.
            (Some(24.0), 3.0, false),
            (Some(25.0), 30.0, false),
            (Some(12.0), 12.0, true),
            (Some(23.0), 40.0, true),
            // A server that began anew remembers nothing of then.
            (None, 24.0, false),
        ] {
            let mut values = vec![("series", now_there)];
            values.extend(then.map(|then| ("series_before", then)));
            let found = found(&values);
            assert_eq!(recall.lost(&found).is_some(), is_lost, "{values:?}");
            let remembered = recall.sighting(&found, now).map(|seen| seen.series);
            let expected = (!is_lost).then_some(now_there as u32);
            assert_eq!(remembered, expected, "{values:?}");
        }
        assert_eq!(recall.sighting(&found(&[]), now), None);
        let partial = Parts::of(QueryAnswer {
            value: vec![InstantSample {
                labels: [(PART.to_owned(), "series".to_owned())].into(),
                at: now,
                value: 24.0,
            }],
            partial: Some("a store did not answer".to_owned()),
            notes: Vec::new(),
        });
        assert_eq!(recall.sighting(&partial, now), None);
    }

    #[test]
    fn a_sighting_is_renewed_where_it_teaches_something() {
        let old = sighting(24);
        let newer = |minutes: i64, series: u32| SeriesSeen {
            at: old.at + TimeDelta::minutes(minutes),
            ..sighting(series)
        };
        assert!(!old.is_superseded_by(&newer(5, 24)));
        assert!(!old.is_superseded_by(&newer(5, 3)));
        assert!(old.is_superseded_by(&newer(5, 25)));
        assert!(old.is_superseded_by(&newer(30, 3)));
        assert!(old.is_superseded_by(&newer(-1, 24)));
        let other = SeriesSeen {
            question: "http://other: count(x)".to_owned(),
            ..newer(5, 24)
        };
        assert!(old.is_superseded_by(&other));
    }
}
