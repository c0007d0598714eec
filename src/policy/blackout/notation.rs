//! How a blackout window is written: read strictly, shown in one form.

use chrono::{Weekday, WeekdaySet};
use chrono_tz::{TZ_VARIANTS, Tz};

use super::{BlackoutError, DAY, Window};

/// A window as it is written, for every message about one that cannot be read.
pub(super) const EXAMPLE: &str = "`Sat,Sun 00:00-06:00 UTC`";

/// How much of what was written a message repeats (characters).
const MAX_QUOTED: usize = 60;

pub(super) const ALL_DAYS: [Weekday; 7] = [
    Weekday::Mon,
    Weekday::Tue,
    Weekday::Wed,
    Weekday::Thu,
    Weekday::Fri,
    Weekday::Sat,
    Weekday::Sun,
];

/// Returns the window that a text means.
///
/// # Errors
///
/// Names the part that cannot be understood and shows an example.
pub(super) fn parse_window(text: &str) -> Result<Window, BlackoutError> {
    let tight = without_gaps(text);
    let words: Vec<&str> = tight.split_whitespace().collect();
    let (days, times, zone) = match words[..] {
        [days, times] => (days, times, "UTC"),
        [days, times, zone] => (days, times, zone),
        _ => {
            return Err(misread(
                text,
                "is not made of weekdays, times and a time zone",
            ));
        }
    };
    if days.starts_with(|first: char| first.is_ascii_digit()) {
        return Err(misread(
            text,
            "does not begin with weekdays (`daily` means every day)",
        ));
    }
    let days = parse_days(days, text)?;
    let (start, end) = parse_times(times, text)?;
    let zone = parse_zone(zone, text)?;
    Ok(Window {
        days,
        start,
        end,
        zone,
    })
}

/// Returns the text with blanks around commas and hyphens removed, so that `Sat, Sun 00:00 - 06:00` has two words.
fn without_gaps(text: &str) -> String {
    let mut tight = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        let joins = word.starts_with([',', '-']) || tight.ends_with([',', '-']);
        if !tight.is_empty() && !joins {
            tight.push(' ');
        }
        tight.push_str(word);
    }
    tight
}

fn parse_days(list: &str, text: &str) -> Result<WeekdaySet, BlackoutError> {
    let day = |name: &str| {
        let unknown = || {
            misread(
                text,
                &format!("has {} where a weekday belongs", quoted(name)),
            )
        };
        name.parse::<Weekday>().map_err(|_| unknown())
    };
    let mut days = WeekdaySet::EMPTY;
    for item in list.split(',') {
        if item == "*" || item.eq_ignore_ascii_case("daily") {
            days = WeekdaySet::ALL;
        } else if let Some((first, last)) = item.split_once('-') {
            let (mut next, last) = (day(first)?, day(last)?);
            if next == last {
                let why = format!("has the range {} of one day", quoted(item));
                return Err(misread(text, &why));
            }
            while next != last {
                days.insert(next);
                next = next.succ();
            }
            days.insert(last);
        } else {
            days.insert(day(item)?);
        }
    }
    Ok(days)
}

fn parse_times(times: &str, text: &str) -> Result<(u32, u32), BlackoutError> {
    let Some((start, end)) = times.split_once('-') else {
        let why = format!("has {} where start and end belong", quoted(times));
        return Err(misread(text, &why));
    };
    let clock = |time: &str| {
        let unknown = || misread(text, &format!("has {} where a time belongs", quoted(time)));
        parse_clock(time).ok_or_else(unknown)
    };
    let (from, to) = (clock(start)?, clock(end)?);
    if from == DAY {
        return Err(misread(
            text,
            "starts at 24:00, which is 00:00 of the next day",
        ));
    }
    if from == to {
        return Err(misread(
            text,
            "ends when it starts (a whole day is `00:00-24:00`)",
        ));
    }
    Ok((from, to))
}

/// Returns the minutes after midnight of `6:00` or `06:00`, up to `24:00`.
fn parse_clock(time: &str) -> Option<u32> {
    let (hours, minutes) = time.split_once(':')?;
    let is_number = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
    if !(is_number(hours) && is_number(minutes) && hours.len() <= 2 && minutes.len() == 2) {
        return None;
    }
    let (hours, minutes): (u32, u32) = (hours.parse().ok()?, minutes.parse().ok()?);
    let total = hours * 60 + minutes;
    (minutes < 60 && total <= DAY).then_some(total)
}

fn parse_zone(name: &str, text: &str) -> Result<Tz, BlackoutError> {
    let is_named = |zone: &&Tz| zone.name().eq_ignore_ascii_case(name);
    let zone = TZ_VARIANTS.iter().find(is_named).copied();
    let why = || {
        format!(
            "has {} where a time zone such as `Europe/Berlin` belongs",
            quoted(name)
        )
    };
    zone.ok_or_else(|| misread(text, &why()))
}

fn misread(text: &str, why: &str) -> BlackoutError {
    BlackoutError(format!(
        "blackout window {} {why}; write it like {EXAMPLE}",
        quoted(text)
    ))
}

/// Returns a bounded, printable quotation of what was written.
fn quoted(text: &str) -> String {
    let short: String = text.chars().take(MAX_QUOTED).collect();
    let more = if short.len() < text.len() { "…" } else { "" };
    format!("`{}{more}`", short.escape_debug())
}

/// Returns days as a person would write them: `daily`, runs of three or more as a range, else a list.
pub(super) fn days_text(days: WeekdaySet) -> String {
    if days == WeekdaySet::ALL {
        return "daily".to_owned();
    }
    let mut texts = Vec::new();
    let mut rest = ALL_DAYS.as_slice();
    while let Some((day, others)) = rest.split_first() {
        let run = rest.iter().take_while(|day| days.contains(**day)).count();
        rest = match run {
            0 => others,
            1 | 2 => {
                texts.push(day.to_string());
                others
            }
            _ => {
                texts.push(format!("{day}-{}", rest[run - 1]));
                &rest[run..]
            }
        };
    }
    texts.join(",")
}

#[cfg(test)]
mod tests {
    use super::super::{BlackoutError, BlackoutWindows};

    fn windows(text: &str) -> BlackoutWindows {
        text.parse()
            .unwrap_or_else(|BlackoutError(why)| panic!("{text}: {why}"))
    }

    #[test]
    fn reads_every_way_to_write_a_window() {
        let table = [
            ("Sat,Sun 00:00-06:00 UTC", "Sat,Sun 00:00-06:00 UTC"),
            ("sat,SUNDAY 0:00-6:00", "Sat,Sun 00:00-06:00 UTC"),
            ("Sat, Sun 00:00 - 06:00 utc", "Sat,Sun 00:00-06:00 UTC"),
            (
                "  Mon-Fri\t22:00-02:00  europe/berlin ;",
                "Mon-Fri 22:00-02:00 Europe/Berlin",
            ),
            ("friday-Mon 00:00-24:00", "Mon,Fri-Sun 00:00-24:00 UTC"),
            ("* 12:00-13:00", "daily 12:00-13:00 UTC"),
            ("Daily 12:00-13:00", "daily 12:00-13:00 UTC"),
            ("Tue-Mon 12:00-13:00", "daily 12:00-13:00 UTC"),
            ("Sun,Mon,Wed 12:00-13:00", "Mon,Wed,Sun 12:00-13:00 UTC"),
            ("Mon,Mon-Tue 12:00-13:00", "Mon,Tue 12:00-13:00 UTC"),
            ("Mon 23:00-00:00 Etc/GMT-3", "Mon 23:00-00:00 Etc/GMT-3"),
            (
                "Sat 00:00-06:00; Sun 00:00-06:00 America/New_York",
                "Sat 00:00-06:00 UTC; Sun 00:00-06:00 America/New_York",
            ),
        ];
        for (text, shown) in table {
            assert_eq!(windows(text).to_string(), shown, "{text}");
            assert_eq!(windows(shown), windows(text), "{text}");
            assert_ne!(windows(text), BlackoutWindows::default());
        }
    }

    #[test]
    fn says_what_it_cannot_read() {
        let table = [
            (
                "Sat",
                "`Sat` is not made of weekdays, times and a time zone",
            ),
            (
                "Sat 00:00-06:00 UTC please",
                "is not made of weekdays, times and a time zone",
            ),
            (
                "Sat 00:00-06:00; none",
                "`none` is not made of weekdays, times and a time zone",
            ),
            (
                "00:00-06:00 UTC",
                "does not begin with weekdays (`daily` means every day)",
            ),
            ("Sat,Sum 00:00-06:00", "has `Sum` where a weekday belongs"),
            ("Sat,,Sun 00:00-06:00", "has `` where a weekday belongs"),
            (
                "Sat-Sun-Mon 00:00-06:00",
                "has `Sun-Mon` where a weekday belongs",
            ),
            ("Sat-Sat 00:00-06:00", "has the range `Sat-Sat` of one day"),
            ("Sat 06:00", "has `06:00` where start and end belong"),
            ("Sat 00:00-25:00", "has `25:00` where a time belongs"),
            ("Sat 00:00-24:01", "has `24:01` where a time belongs"),
            ("Sat 00:60-06:00", "has `00:60` where a time belongs"),
            ("Sat 0-6", "has `0` where a time belongs"),
            ("Sat +1:00-06:00", "has `+1:00` where a time belongs"),
            ("Sat :00-06:00", "has `:00` where a time belongs"),
            ("Sat 00:00:00-06:00", "has `00:00:00` where a time belongs"),
            (
                "Sat 24:00-06:00",
                "starts at 24:00, which is 00:00 of the next day",
            ),
            (
                "Sat 06:00-06:00",
                "ends when it starts (a whole day is `00:00-24:00`)",
            ),
            (
                "Sat 00:00-06:00 CEST",
                "has `CEST` where a time zone such as `Europe/Berlin` belongs",
            ),
            ("Sat 00:00-06:00 +02:00", "has `+02:00` where a time zone"),
        ];
        for (text, why) in table {
            let BlackoutError(said) = text.parse::<BlackoutWindows>().expect_err(text);
            assert!(said.contains(why), "{text}: {said}");
            assert!(
                said.ends_with("; write it like `Sat,Sun 00:00-06:00 UTC`"),
                "{text}: {said}"
            );
        }
    }

    #[test]
    fn quotes_little_of_what_it_cannot_read() {
        let long = "x\u{1b}".repeat(1000);
        let BlackoutError(said) = long.parse::<BlackoutWindows>().expect_err("not a window");
        assert!(said.len() < 500 && !said.contains('\u{1b}'), "{said}");
    }
}
