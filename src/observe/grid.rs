//! From the answers to range queries to one reading for each slice.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::combined::PART;
use super::parts::{contradiction, count, number, several};
use crate::clients::prometheus::{NativeHistogram, QueryAnswer, RangeSeries};
use crate::slo::{Events, Histogram, Reading};

/// How far a point may lie from the time asked for (milliseconds): servers round times to milliseconds.
const ROUNDING_MILLIS: i64 = 1;

/// The times at which slices were asked for, oldest first.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Grid {
    /// Time of the first slice.
    pub(super) start: DateTime<Utc>,
    /// Distance between two.
    pub(super) step: Duration,
    /// How many.
    pub(super) points: usize,
}

impl Grid {
    /// Returns the grid of `points` slices whose last one lies at `end`.
    pub(super) fn ending_at(end: DateTime<Utc>, step: Duration, points: usize) -> Self {
        let span = step * u32::try_from(points.saturating_sub(1)).unwrap_or(u32::MAX);
        Self {
            start: end - span,
            step,
            points,
        }
    }

    /// Returns the time of the last slice.
    pub(super) fn end(&self) -> DateTime<Utc> {
        self.start + self.step * u32::try_from(self.points.saturating_sub(1)).unwrap_or(u32::MAX)
    }

    /// Returns the same grid in pieces of at most so many slices.
    pub(super) fn pieces(self, most: usize) -> impl Iterator<Item = Self> {
        (0..self.points)
            .step_by(most.max(1))
            .map(move |first| Self {
                start: self.start + self.step * u32::try_from(first).unwrap_or(u32::MAX),
                step: self.step,
                points: most.min(self.points - first),
            })
    }

    fn index(&self, at: DateTime<Utc>) -> Option<usize> {
        let step = i64::try_from(self.step.as_millis()).ok()?;
        let offset = (at - self.start).num_milliseconds();
        // Servers round times to milliseconds. What lies beside was not asked for, and counts for nothing.
        let index = usize::try_from((offset + ROUNDING_MILLIS).div_euclid(step)).ok()?;
        let beside = (offset + ROUNDING_MILLIS).rem_euclid(step);
        (index < self.points && beside <= 2 * ROUNDING_MILLIS).then_some(index)
    }
}

/// Returns one slice per point of the grid; nothing where a slice is missing, idle or not a number.
pub(super) fn slices(
    answer: QueryAnswer<Vec<RangeSeries>>,
    grid: Grid,
) -> Reading<Vec<Option<Events>>> {
    if let Some(why) = answer.partial {
        return Reading::Partial { why };
    }
    let mut bad: Vec<Option<f64>> = vec![None; grid.points];
    let mut total: Vec<Option<f64>> = vec![None; grid.points];
    let (mut bads, mut totals) = (0, 0);
    for series in &answer.value {
        let (column, count) = match series.labels.get(PART).map(String::as_str) {
            Some("bad") => (&mut bad, &mut bads),
            Some("total") => (&mut total, &mut totals),
            Some(_) | None => continue,
        };
        *count += 1;
        for (at, value) in &series.points {
            if let Some(index) = grid.index(*at) {
                column[index] = Some(*value);
            }
        }
    }
    if bads > 1 || totals > 1 {
        return several(bads.max(totals));
    }
    if totals == 0 {
        return Reading::NoSeries;
    }
    let counts = || bad.iter().zip(&total);
    let slices = counts()
        .map(|(bad, total)| count(number(*bad), number(*total)).value().copied())
        .collect();
    // Two counters that are read at different moments may disagree about one slice of a spike; that slice is missing.
    let mut contradictions = counts().filter_map(|(bad, total)| contradiction((*bad)?, (*total)?));
    match (contradictions.next(), contradictions.next()) {
        (Some(why), Some(_)) => Reading::Invalid { why },
        (Some(_) | None, _) => Reading::Measured(slices),
    }
}

/// Returns the latency histogram of each point of the grid; nothing where buckets are missing, idle or contradictory.
/// `unit_seconds` is the unit of the bounds.
pub(super) fn histograms(
    answer: QueryAnswer<Vec<RangeSeries>>,
    grid: Grid,
    unit_seconds: f64,
) -> Reading<Vec<Option<Histogram>>> {
    if let Some(why) = answer.partial {
        return Reading::Partial { why };
    }
    if answer.value.is_empty() {
        return Reading::NoSeries;
    }
    let mut buckets: Vec<Vec<(f64, f64)>> = vec![Vec::new(); grid.points];
    for series in &answer.value {
        let Some(bound) = series
            .labels
            .get("le")
            .and_then(|le| le.trim().parse::<f64>().ok())
        else {
            return Reading::Invalid {
                why: "a latency bucket carries no bound".to_owned(),
            };
        };
        for (at, value) in &series.points {
            if let Some(index) = grid.index(*at) {
                buckets[index].push((bound * unit_seconds, *value));
            }
        }
    }
    Reading::Measured(
        buckets
            .into_iter()
            .map(Histogram::from_cumulative)
            .collect(),
    )
}

/// Returns the native histogram of each point of the grid as one with the bounds of its own buckets; nothing where it
/// is missing, idle or contradictory. `unit_seconds` is the unit of the bounds.
pub(super) fn native_histograms(
    answer: QueryAnswer<Vec<NativeHistogram>>,
    grid: Grid,
    unit_seconds: f64,
) -> Reading<Vec<Option<Histogram>>> {
    if let Some(why) = answer.partial {
        return Reading::Partial { why };
    }
    let mut slices = vec![None; grid.points];
    for native in &answer.value {
        if let Some(index) = grid.index(native.at) {
            slices[index] = cumulative(native, unit_seconds);
        }
    }
    Reading::Measured(slices)
}

/// Returns a native histogram as one with the bounds of its own buckets, so that nothing is interpolated in them.
pub(super) fn cumulative(native: &NativeHistogram, unit_seconds: f64) -> Option<Histogram> {
    let mut buckets = native.buckets.clone();
    buckets.sort_by(|a, b| a.1.total_cmp(&b.1));
    let mut below = 0.0;
    let mut bounds: Vec<(f64, f64)> = Vec::with_capacity(2 * buckets.len() + 1);
    for (lower, upper, count) in buckets {
        // Empty buckets are left out of the answer, so a bucket need not begin where the one before it ended.
        if bounds.last().is_none_or(|(bound, _)| *bound != lower) && lower >= 0.0 {
            bounds.push((lower, below));
        }
        below += count;
        if upper.is_finite() {
            bounds.push((upper, below));
        }
    }
    bounds.retain(|(bound, _)| *bound >= 0.0);
    let scaled = bounds
        .into_iter()
        .map(|(bound, count)| (bound * unit_seconds, count));
    Histogram::from_cumulative(scaled.chain([(f64::INFINITY, native.count)]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slo::LatencyState;
    use proptest::prelude::*;

    #[test]
    fn slices_keep_their_place_when_points_are_missing() {
        let grid = Grid::ending_at(
            DateTime::UNIX_EPOCH + Duration::from_secs(300),
            Duration::from_secs(30),
            11,
        );
        let at = |seconds: u64| DateTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let series = |part: &str, points: Vec<(DateTime<Utc>, f64)>| RangeSeries {
            labels: [(PART.to_owned(), part.to_owned())].into(),
            points,
        };
        let answer = QueryAnswer {
            value: vec![
                series(
                    "total",
                    vec![(at(0), 10.0), (at(270), 20.0), (at(300), 30.0)],
                ),
                series("bad", vec![(at(300), 6.0), (at(270), f64::NAN)]),
            ],
            partial: None,
            notes: Vec::new(),
        };
        let Reading::Measured(slices) = slices(answer, grid) else {
            panic!("the slices were measured");
        };
        let ratios: Vec<Option<f64>> = slices
            .iter()
            .map(|slice| slice.map(Events::error_ratio))
            .collect();
        let mut expected = vec![None; 11];
        expected[0] = Some(0.0);
        expected[10] = Some(0.2);
        assert_eq!(ratios, expected, "NaN at 270 s is a missing point");
    }

    #[test]
    fn an_incomplete_answer_is_no_reading() {
        let partial = || Some("a store did not answer".to_owned());
        let whole = || range(vec![series(&[(PART, "total"), ("le", "+Inf")], &[10.0; 3])]);
        let counted = QueryAnswer {
            partial: partial(),
            ..whole()
        };
        assert!(matches!(slices(whole(), grid(3)), Reading::Measured(_)));
        let read = slices(counted.clone(), grid(3));
        assert!(matches!(read, Reading::Partial { .. }), "{read:?}");
        assert!(matches!(
            histograms(whole(), grid(3), 1.0),
            Reading::Measured(_)
        ));
        let read = histograms(counted, grid(3), 1.0);
        assert!(matches!(read, Reading::Partial { .. }), "{read:?}");
        let native = QueryAnswer {
            value: Vec::new(),
            partial: partial(),
            notes: Vec::new(),
        };
        let read = native_histograms(native, grid(3), 1.0);
        assert!(matches!(read, Reading::Partial { .. }), "{read:?}");
    }

    #[test]
    fn a_point_beside_the_grid_counts_for_nothing() {
        let at = |millis: i64| DateTime::UNIX_EPOCH + chrono::TimeDelta::milliseconds(millis);
        for (millis, expected) in [
            (30_000, Some(1)),
            (29_999, Some(1)),
            (30_001, Some(1)),
            (29_998, None),
            (30_002, None),
            (37_000, None),
            (-30_000, None),
            (90_000, None),
        ] {
            assert_eq!(grid(3).index(at(millis)), expected, "{millis}");
        }
    }

    #[test]
    fn slices_of_which_more_than_one_contradicts_itself_are_no_slices() {
        let of = |bad: [f64; 3]| {
            let counts = [
                series(&[(PART, "total")], &[10.0; 3]),
                series(&[(PART, "bad")], &bad),
            ];
            slices(range(counts.to_vec()), grid(3))
        };
        let Reading::Measured(one) = of([1.0, 20.0, 10.0]) else {
            panic!("one slice may be missing");
        };
        assert_eq!(one[1], None);
        assert_eq!(one[2].map(Events::error_ratio), Some(1.0));
        let Reading::Invalid { why } = of([20.0, 1.0, 20.0]) else {
            panic!("two slices are no chance");
        };
        assert!(
            why.starts_with("20 bad events were counted of 10 in all"),
            "{why}"
        );
    }

    #[test]
    fn a_native_histogram_decides_no_more_than_its_buckets() {
        let native = |buckets: &[(f64, f64, f64)]| NativeHistogram {
            at: DateTime::UNIX_EPOCH,
            count: buckets.iter().map(|(_, _, count)| count).sum(),
            buckets: buckets.to_vec(),
        };
        let judge = |buckets: &[(f64, f64, f64)], threshold| {
            cumulative(&native(buckets), 1.0)
                .expect("a histogram")
                .judge(threshold, 0.05)
                .expect("events")
        };
        // Converted from classic buckets at 0.5 and 2.5: what lies between may be on either side of 1 s.
        let converted = [(f64::NEG_INFINITY, 0.5, 80.0), (0.5, 2.5, 20.0)];
        assert_eq!(judge(&converted, 1.0), LatencyState::Uncertain);
        assert_eq!(judge(&converted, 0.5), LatencyState::Exceeded);
        assert_eq!(judge(&converted, 2.5), LatencyState::Within);
        // Exponential buckets with a hole around the threshold, and some in the zero bucket.
        let exponential = [
            (-0.001, 0.001, 10.0),
            (0.5, 0.545, 60.0),
            (1.414, 1.542, 30.0),
        ];
        assert_eq!(judge(&exponential, 1.0), LatencyState::Exceeded);
        assert_eq!(judge(&exponential, 2.0), LatencyState::Within);
        let in_milliseconds = cumulative(&native(&[(500.0, 2500.0, 5.0)]), 0.001);
        let share = in_milliseconds.expect("a histogram").share_above(2.5);
        assert_eq!(share, Some(0.0));
        // More in the buckets than in all is a contradiction.
        let contradiction = NativeHistogram {
            count: 1.0,
            ..native(&exponential)
        };
        assert_eq!(cumulative(&contradiction, 1.0), None);
    }

    #[test]
    fn a_grid_in_pieces_is_the_same_grid() {
        let whole = grid(11);
        let pieces: Vec<Grid> = whole.pieces(4).collect();
        let sizes: Vec<usize> = pieces.iter().map(|piece| piece.points).collect();
        assert_eq!(sizes, [4, 4, 3]);
        assert_eq!(pieces[1].start, whole.start + 4 * whole.step);
        assert_eq!(pieces[2].end(), whole.end());
    }

    /// Returns a grid of one point every 30 s from the beginning of time on.
    fn grid(points: usize) -> Grid {
        Grid {
            start: DateTime::UNIX_EPOCH,
            step: Duration::from_secs(30),
            points,
        }
    }

    /// Returns a series with these values at the first points of a grid.
    fn series(labels: &[(&str, &str)], values: &[f64]) -> RangeSeries {
        let labels = labels.iter();
        let at = |index: usize| DateTime::UNIX_EPOCH + Duration::from_secs(30 * index as u64);
        RangeSeries {
            labels: labels
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            points: values
                .iter()
                .enumerate()
                .map(|(index, value)| (at(index), *value))
                .collect(),
        }
    }

    fn range(value: Vec<RangeSeries>) -> QueryAnswer<Vec<RangeSeries>> {
        QueryAnswer {
            value,
            partial: None,
            notes: Vec::new(),
        }
    }

    /// An order of series, and one of the points in each of them.
    fn orders(series: usize, points: usize) -> impl Strategy<Value = (Vec<usize>, Vec<usize>)> {
        (
            Just((0..series).collect()).prop_shuffle(),
            Just((0..points).collect()).prop_shuffle(),
        )
    }

    fn reordered(
        of: &[RangeSeries],
        (series, points): &(Vec<usize>, Vec<usize>),
    ) -> Vec<RangeSeries> {
        let reordered = series.iter().map(|index| {
            let RangeSeries {
                labels,
                points: old,
            } = of[*index].clone();
            RangeSeries {
                labels,
                points: points.iter().map(|index| old[*index]).collect(),
            }
        });
        reordered.collect()
    }

    proptest! {
        #[test]
        fn the_order_of_series_says_nothing(
            two in orders(2, 5),
            four in orders(4, 5),
        ) {
            let grid = grid(5);
            let counts = [
                series(&[(PART, "total")], &[10.0, 20.0, 30.0, 40.0, 50.0]),
                series(&[(PART, "bad")], &[0.0, 1.0, f64::NAN, 3.0, 4.0]),
            ];
            let shuffled = reordered(&counts, &two);
            prop_assert_eq!(
                slices(range(shuffled), grid),
                slices(range(counts.to_vec()), grid)
            );

            let buckets = ["0.5", "1", "2.5", "+Inf"].map(|bound| series(&[("le", bound)], &[7.0; 5]));
            prop_assert_eq!(
                histograms(range(reordered(&buckets, &four)), grid, 1.0),
                histograms(range(buckets.to_vec()), grid, 1.0)
            );
        }
    }
}
