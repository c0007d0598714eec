//! The times at which nothing is rolled back automatically.
//!
//! `Sat,Sun 00:00-06:00 UTC; Mon-Fri 22:00-02:00 Europe/Berlin` reads: weekdays, start and end on the wall clock of a
//! zone. A window holds from the start on to the instant before the end, and one that crosses midnight belongs to the
//! day on which it starts. Where a zone's clock jumps, the window errs on the side of holding.

mod notation;

use std::fmt;
use std::str::FromStr;

use chrono::{
    DateTime, Datelike, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, TimeZone, Utc, WeekdaySet,
};
use chrono_tz::Tz;

use notation::{EXAMPLE, days_text, parse_window};

/// The most windows one setting may hold: far above any calendar people keep, it bounds the work of one look.
const MAX_WINDOWS: usize = 50;

/// Minutes of a wall-clock day (minutes), whatever the clock does on it.
const DAY: u32 = 24 * 60;

/// The configured blackout windows; empty when none are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BlackoutWindows {
    windows: Vec<Window>,
}

/// The blackout window that holds at some time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActiveBlackout {
    /// The window as a person would write it.
    pub window: String,
    /// When it stops holding (exclusive). Another window may follow at once.
    pub until: DateTime<Utc>,
}

/// A blackout window that cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BlackoutError(pub String);

impl BlackoutWindows {
    /// Returns the window that holds at `now`, the one that ends last if there are several, or nothing outside of all.
    pub fn covers(&self, now: DateTime<Utc>) -> Option<ActiveBlackout> {
        let active = self.windows.iter().filter_map(|window| {
            let until = window.holds_until(now)?;
            Some((window, until))
        });
        let (window, until) = active.max_by_key(|(_, until)| *until)?;
        Some(ActiveBlackout {
            window: window.to_string(),
            until,
        })
    }
}

impl FromStr for BlackoutWindows {
    type Err = BlackoutError;

    /// Reads windows separated by `;`. Nothing, or `none`, means that there are none.
    ///
    /// # Errors
    ///
    /// Names the first part that cannot be understood.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.trim().eq_ignore_ascii_case("none") {
            return Ok(Self::default());
        }
        let parts = text.split(';').map(str::trim);
        let parts: Vec<&str> = parts.filter(|part| !part.is_empty()).collect();
        if parts.len() > MAX_WINDOWS {
            let count = parts.len();
            return Err(BlackoutError(format!(
                "{count} blackout windows are more than the {MAX_WINDOWS} allowed; join days and times, as in {EXAMPLE}"
            )));
        }
        let windows = parts
            .into_iter()
            .map(parse_window)
            .collect::<Result<_, _>>();
        windows.map(|windows| Self { windows })
    }
}

impl fmt::Display for BlackoutWindows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.windows.is_empty() {
            return f.write_str("none");
        }
        let windows: Vec<String> = self.windows.iter().map(Window::to_string).collect();
        f.write_str(&windows.join("; "))
    }
}

/// One weekly window on the wall clock of a zone.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Window {
    /// The days on which it starts; at least one.
    days: WeekdaySet,
    /// When it starts (minutes after midnight, below [`DAY`]).
    start: u32,
    /// When it ends (minutes after midnight, 0..=[`DAY`], not `start`); at or before the start it is on the next day.
    end: u32,
    zone: Tz,
}

impl Window {
    /// Returns when the window stops holding, if it holds at `now`.
    fn holds_until(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let today = now.with_timezone(&self.zone).date_naive();
        // A window of yesterday may reach into today. One of tomorrow holds already where the clock is put back across
        // midnight: the first tomorrow has begun and today returns once more.
        let days = [today.pred_opt(), Some(today), today.succ_opt()];
        let starting = days
            .into_iter()
            .flatten()
            .filter(|day| self.days.contains(day.weekday()));
        let spans = starting.filter_map(|day| self.span(day));
        let holding = spans.filter(|(start, end)| *start <= now && now < *end);
        holding.map(|(_, end)| end).max()
    }

    /// Returns when the window that starts on this day begins and ends (exclusive).
    fn span(&self, day: NaiveDate) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
        let crosses_midnight = self.end <= self.start;
        let end = self.end + if crosses_midnight { DAY } else { 0 };
        let (start, end) = (wall_clock(day, self.start)?, wall_clock(day, end)?);
        // Twice on the clock: from the first time to the last one.
        let start = self
            .zone
            .from_local_datetime(&start)
            .earliest()
            .or_else(|| after_gap(self.zone, start));
        let end = self
            .zone
            .from_local_datetime(&end)
            .latest()
            .or_else(|| after_gap(self.zone, end));
        Some((start?.to_utc(), end?.to_utc()))
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let clock = |minutes: u32| format!("{:02}:{:02}", minutes / 60, minutes % 60);
        let (days, start, end) = (days_text(self.days), clock(self.start), clock(self.end));
        write!(f, "{days} {start}-{end} {}", self.zone.name())
    }
}

/// Returns the time that a wall clock shows so many minutes after the midnight with which a day begins.
fn wall_clock(day: NaiveDate, minutes: u32) -> Option<NaiveDateTime> {
    let midnight = day.and_time(NaiveTime::MIN);
    midnight.checked_add_signed(TimeDelta::minutes(minutes.into()))
}

/// Returns the first instant after the gap for a wall-clock time that a zone skips.
fn after_gap(zone: Tz, skipped: NaiveDateTime) -> Option<DateTime<Tz>> {
    /// No zone has ever skipped more than one day (Samoa, 2011); the next gap is months away (seconds).
    const BEYOND_ANY_GAP: i64 = 36 * 3600;
    let shown_after = |seconds: i64| {
        let later = skipped.checked_add_signed(TimeDelta::seconds(seconds))?;
        zone.from_local_datetime(&later).earliest()
    };
    // Bisects between a second that is skipped and one that is shown.
    let (mut in_gap, mut shown) = (0, BEYOND_ANY_GAP);
    while shown - in_gap > 1 {
        let middle = in_gap + (shown - in_gap) / 2;
        if shown_after(middle).is_some() {
            shown = middle;
        } else {
            in_gap = middle;
        }
    }
    shown_after(shown)
}

#[cfg(test)]
mod tests;
