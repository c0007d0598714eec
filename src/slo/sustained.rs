//! Violations that hold over minutes, judged from the points of one range query.
//!
//! A mean over five minutes is also above its threshold after one short burst; a sustained violation is above it at
//! every point. The points are counted, because a minimum over the few points that survived a scrape outage looks
//! violated too.

/// Returns whether every present point is above the threshold (strict), or nothing when that cannot be said.
///
/// Points are ratios, oldest first; a point is `None` (or not finite) where there was no data or no traffic. The
/// answer is unknown while the newest point is missing or fewer than `min_points` are present. It is `Some(false)`
/// once one present point is at or below the threshold and enough are there.
pub fn sustained(points: &[Option<f64>], threshold: f64, min_points: usize) -> Option<bool> {
    let is_present = |point: &f64| point.is_finite();
    points.last().copied().flatten().filter(is_present)?;
    let mut present = points.iter().copied().flatten().filter(is_present);
    let count = present.clone().count();
    (count >= min_points).then(|| present.all(|ratio| ratio > threshold))
}

/// Returns how many of the expected points must be present: 9 of 11, in proportion and rounded down, but at least
/// one. Two lost scrapes in five minutes are ordinary; a third leaves too little to judge.
pub fn min_points(expected: usize) -> usize {
    // Divided first, so that no expected count overflows.
    (expected / 11 * 9 + expected % 11 * 9 / 11).max(1)
}

#[cfg(test)]
mod tests {
    use super::{min_points, sustained};

    #[test]
    fn asks_for_nine_of_eleven_in_proportion() {
        let table = [(0, 1), (1, 1), (2, 1), (3, 2), (5, 4), (11, 9), (21, 17)];
        for (expected, minimum) in table {
            assert_eq!(min_points(expected), minimum, "of {expected}");
        }
        assert!(min_points(usize::MAX) < usize::MAX);
    }

    #[test]
    fn takes_what_is_not_a_number_for_missing() {
        let violated = Some(0.5);
        let gap = Some(f64::NAN);
        assert_eq!(sustained(&[violated, gap, violated], 0.01, 2), Some(true));
        assert_eq!(sustained(&[violated, gap, violated], 0.01, 3), None);
        assert_eq!(sustained(&[violated, violated, gap], 0.01, 2), None);
        assert_eq!(sustained(&[], 0.01, 0), None);
    }
}
