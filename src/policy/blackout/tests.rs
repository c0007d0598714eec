//! What the windows cover, written out.

use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;

use super::notation::ALL_DAYS;
use super::{ActiveBlackout, BlackoutError, BlackoutWindows, DAY};

fn windows(text: &str) -> BlackoutWindows {
    text.parse()
        .unwrap_or_else(|BlackoutError(why)| panic!("{text}: {why}"))
}

fn at(time: &str) -> DateTime<Utc> {
    time.parse().unwrap_or_else(|why| panic!("{time}: {why}"))
}

/// Asserts that windows hold exactly from `start` to before `end` (around these times).
#[track_caller]
fn holds(text: &str, start: &str, end: &str) {
    let (start, end, second) = (at(start), at(end), TimeDelta::seconds(1));
    let windows = windows(text);
    let until = |now| windows.covers(now).map(|active| active.until);
    assert_eq!(until(start - second), None, "{text} before {start}");
    assert_eq!(
        until(start - TimeDelta::nanoseconds(1)),
        None,
        "{text} just before {start}"
    );
    assert_eq!(until(start), Some(end), "{text} at {start}");
    assert_eq!(until(start + (end - start) / 2), Some(end), "{text} amid");
    assert_eq!(until(end - second), Some(end), "{text} before {end}");
    assert_eq!(until(end), None, "{text} at {end}");
}

/// Asserts that windows hold at no minute between two times.
#[track_caller]
fn never_holds(text: &str, from: &str, to: &str) {
    let windows = windows(text);
    let (mut now, to) = (at(from), at(to));
    while now <= to {
        assert_eq!(windows.covers(now), None, "{text} at {now}");
        now += TimeDelta::minutes(1);
    }
}

#[test]
fn holds_from_the_start_to_before_the_end() {
    // 2026-08-15 is a Saturday.
    holds(
        "Sat,Sun 00:00-06:00 UTC",
        "2026-08-15T00:00:00Z",
        "2026-08-15T06:00:00Z",
    );
    holds(
        "Sat,Sun 00:00-06:00 UTC",
        "2026-08-16T00:00:00Z",
        "2026-08-16T06:00:00Z",
    );
    never_holds(
        "Sat,Sun 00:00-06:00 UTC",
        "2026-08-16T06:00:00Z",
        "2026-08-21T23:59:59Z",
    );
    holds(
        "Sat 12:00-24:00",
        "2026-08-15T12:00:00Z",
        "2026-08-16T00:00:00Z",
    );
    holds(
        "Sat 00:00-24:00",
        "2026-08-15T00:00:00Z",
        "2026-08-16T00:00:00Z",
    );
    holds(
        "Sat 09:00-17:00 Asia/Kolkata",
        "2026-08-15T03:30:00Z",
        "2026-08-15T11:30:00Z",
    );
    // Saturday there is still Friday in UTC.
    holds(
        "Sat 00:00-01:00 Asia/Tokyo",
        "2026-08-14T15:00:00Z",
        "2026-08-14T16:00:00Z",
    );
    holds(
        "Sat 23:00-24:00 Pacific/Honolulu",
        "2026-08-16T09:00:00Z",
        "2026-08-16T10:00:00Z",
    );
}

#[test]
fn belongs_to_the_day_on_which_it_starts() {
    holds(
        "Sat 22:00-06:00",
        "2026-08-15T22:00:00Z",
        "2026-08-16T06:00:00Z",
    );
    never_holds(
        "Sat 22:00-06:00",
        "2026-08-15T00:00:00Z",
        "2026-08-15T21:59:59Z",
    );
    holds(
        "Sun 22:00-02:00",
        "2026-08-16T22:00:00Z",
        "2026-08-17T02:00:00Z",
    );
    holds(
        "Fri-Mon 22:00-02:00",
        "2026-08-17T22:00:00Z",
        "2026-08-18T02:00:00Z",
    );
    never_holds(
        "Fri-Mon 22:00-02:00",
        "2026-08-18T02:00:00Z",
        "2026-08-21T21:59:59Z",
    );
    holds(
        "Sat 06:00-05:59",
        "2026-08-15T06:00:00Z",
        "2026-08-16T05:59:00Z",
    );
    holds(
        "Sat 22:00-00:00",
        "2026-08-15T22:00:00Z",
        "2026-08-16T00:00:00Z",
    );
}

#[test]
fn follows_the_clock_into_summer() {
    // Berlin skips 02:00 to 03:00 on 2026-03-29, at 01:00Z; New York on 2026-03-08, at 07:00Z.
    holds(
        "Sun 02:30-04:00 Europe/Berlin",
        "2026-03-29T01:00:00Z",
        "2026-03-29T02:00:00Z",
    );
    holds(
        "Sun 01:00-02:30 Europe/Berlin",
        "2026-03-29T00:00:00Z",
        "2026-03-29T01:00:00Z",
    );
    holds(
        "Sun 02:00-03:30 Europe/Berlin",
        "2026-03-29T01:00:00Z",
        "2026-03-29T01:30:00Z",
    );
    never_holds(
        "Sun 02:15-02:45 Europe/Berlin",
        "2026-03-28T12:00:00Z",
        "2026-03-29T12:00:00Z",
    );
    holds(
        "Sat 22:00-06:00 Europe/Berlin",
        "2026-03-28T21:00:00Z",
        "2026-03-29T04:00:00Z",
    );
    holds(
        "Sun 00:00-24:00 Europe/Berlin",
        "2026-03-28T23:00:00Z",
        "2026-03-29T22:00:00Z",
    );
    holds(
        "Sun 01:00-02:30 America/New_York",
        "2026-03-08T06:00:00Z",
        "2026-03-08T07:00:00Z",
    );
    holds(
        "Sun 02:30-06:00 America/New_York",
        "2026-03-08T07:00:00Z",
        "2026-03-08T10:00:00Z",
    );
}

#[test]
fn holds_through_the_hour_that_comes_twice() {
    // Berlin repeats 02:00 to 03:00 on 2026-10-25, at 01:00Z; New York 01:00 to 02:00 on 2026-11-01, at 06:00Z.
    holds(
        "Sun 02:00-02:30 Europe/Berlin",
        "2026-10-25T00:00:00Z",
        "2026-10-25T01:30:00Z",
    );
    holds(
        "Sun 02:30-03:00 Europe/Berlin",
        "2026-10-25T00:30:00Z",
        "2026-10-25T02:00:00Z",
    );
    holds(
        "Sun 01:00-02:00 Europe/Berlin",
        "2026-10-24T23:00:00Z",
        "2026-10-25T01:00:00Z",
    );
    holds(
        "Sun 03:00-04:00 Europe/Berlin",
        "2026-10-25T02:00:00Z",
        "2026-10-25T03:00:00Z",
    );
    holds(
        "Sat 22:00-06:00 Europe/Berlin",
        "2026-10-24T20:00:00Z",
        "2026-10-25T05:00:00Z",
    );
    holds(
        "Sun 01:30-01:45 America/New_York",
        "2026-11-01T05:30:00Z",
        "2026-11-01T06:45:00Z",
    );
    holds(
        "Sun 00:00-24:00 America/New_York",
        "2026-11-01T04:00:00Z",
        "2026-11-02T05:00:00Z",
    );
}

#[test]
fn follows_clocks_that_jump_across_midnight() {
    // St John's went from Sunday 00:01 back to Saturday 23:01 on 2010-11-07, at 02:31Z.
    holds(
        "Sun 00:00-06:00 America/St_Johns",
        "2010-11-07T02:30:00Z",
        "2010-11-07T09:30:00Z",
    );
    let saturday_again =
        windows("Sun 00:00-06:00 America/St_Johns").covers(at("2010-11-07T02:45:00Z"));
    assert!(saturday_again.is_some(), "Sunday had begun already");
    // Samoa went from Thursday 2011-12-29 to Saturday 2011-12-31, at 10:00Z on the 30th.
    holds(
        "Thu 22:00-02:00 Pacific/Apia",
        "2011-12-30T08:00:00Z",
        "2011-12-30T10:00:00Z",
    );
    never_holds(
        "Fri 00:00-24:00 Pacific/Apia",
        "2011-12-29T00:00:00Z",
        "2012-01-01T00:00:00Z",
    );
}

#[test]
fn names_the_window_that_ends_last() {
    let several = windows("Sat 00:00-06:00; daily 05:00-08:00; Sat 04:00-07:00");
    let active = |window: &str, until: &str| {
        let window = window.to_owned();
        Some(ActiveBlackout {
            window,
            until: at(until),
        })
    };
    assert_eq!(
        several.covers(at("2026-08-15T03:00:00Z")),
        active("Sat 00:00-06:00 UTC", "2026-08-15T06:00:00Z")
    );
    assert_eq!(
        several.covers(at("2026-08-15T05:30:00Z")),
        active("daily 05:00-08:00 UTC", "2026-08-15T08:00:00Z")
    );
    assert_eq!(several.covers(at("2026-08-15T08:00:00Z")), None);
}

#[test]
fn nothing_and_none_hold_never() {
    for text in ["", "  ", "none", " None ", ";", " ; "] {
        let none = windows(text);
        assert_eq!(none, BlackoutWindows::default(), "{text:?}");
        assert_eq!(none.covers(at("2026-08-15T00:00:00Z")), None);
        assert_eq!(none.to_string(), "none");
    }
}

#[test]
fn takes_fifty_windows_and_no_more() {
    let many = |count| vec!["Sat 00:00-06:00"; count].join(";");
    assert!(many(50).parse::<BlackoutWindows>().is_ok());
    let BlackoutError(said) = many(51).parse::<BlackoutWindows>().expect_err("too many");
    assert_eq!(
        said,
        "51 blackout windows are more than the 50 allowed; join days and times, as in `Sat,Sun 00:00-06:00 UTC`"
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn agrees_with_a_painted_week(chosen in 1_u8..128, start in 0..DAY, length in 1..=DAY) {
        let end = start + length;
        prop_assume!(end % DAY != start || start == 0);
        let days: Vec<usize> = (0..7).filter(|day| chosen & (1 << day) != 0).collect();
        let names: Vec<String> = days.iter().map(|day| ALL_DAYS[*day].to_string()).collect();
        let last = if end > DAY { end - DAY } else { end };
        let text = format!(
            "{} {:02}:{:02}-{:02}:{:02} UTC", names.join(","), start / 60, start % 60, last / 60, last % 60,
        );
        let windows = windows(&text);
        prop_assert_eq!(&windows.to_string().parse(), &Ok(windows.clone()));

        // A week as a strip of minutes that each window paints, without any calendar.
        let week = 7 * DAY as usize;
        let mut is_painted = vec![false; week];
        for day in days {
            for minute in start..end {
                is_painted[(day * DAY as usize + minute as usize) % week] = true;
            }
        }
        // 2026-08-10 is a Monday.
        let mut now = at("2026-08-10T00:00:00Z");
        for is_painted in is_painted {
            for second in [0, 59] {
                let now = now + TimeDelta::seconds(second);
                let active = windows.covers(now);
                prop_assert_eq!(active.is_some(), is_painted, "{} at {}", text, now);
                prop_assert!(active.is_none_or(|active| active.until > now));
            }
            now += TimeDelta::minutes(1);
        }
    }
}
