//! Turns histories into Prometheus blocks.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use chrono::{DateTime, TimeDelta, Utc};
use tempfile::{NamedTempFile, TempDir};

use super::counters::Counters;
use super::exposition::SeriesNames;
use super::history::History;
use crate::process;

/// How far apart samples are, by their age: old history is coarse so that a month is written in seconds.
///
/// A range in a query must span at least four samples to be reliable.
#[derive(Clone, Copy, Debug)]
pub struct Spacing {
    /// Seconds between samples of the last [`RECENT_SECS`](Self::RECENT_SECS) and of the future.
    pub recent_secs: i64,
    /// Seconds between samples of the last [`DAY_SECS`](Self::DAY_SECS).
    pub day_secs: i64,
    /// Seconds between older samples.
    pub old_secs: i64,
}

impl Spacing {
    /// Age in seconds up to which samples are recent: 7 h, more than the longest burn-rate window of 6 h.
    pub const RECENT_SECS: i64 = 7 * 3600;

    /// Age in seconds up to which samples belong to the last day: 26 h, so that a window of 1 h or 2 h one day ago is
    /// fine-grained.
    pub const DAY_SECS: i64 = 26 * 3600;

    fn at_age(self, age_secs: i64) -> i64 {
        if age_secs <= Self::RECENT_SECS {
            self.recent_secs
        } else if age_secs <= Self::DAY_SECS {
            self.day_secs
        } else {
            self.old_secs
        }
    }
}

impl Default for Spacing {
    /// Returns 15 s for recent samples, 60 s for the last day, 300 s for what is older.
    fn default() -> Self {
        Self {
            recent_secs: 15,
            day_secs: 60,
            old_secs: 300,
        }
    }
}

/// The histories a Prometheus is started with.
#[derive(Clone, Debug)]
pub struct Backfill {
    now: DateTime<Utc>,
    spacing: Spacing,
    services: Vec<History>,
    lines: Vec<Line>,
    late_secs: i64,
    blind: Vec<(i64, i64)>,
}

/// A series that rises steadily or not at all.
#[derive(Clone, Debug)]
struct Line {
    series: String,
    from: i64,
    to: i64,
    begins_with: f64,
    per_second: f64,
    /// Seconds between samples, where that is more than the spacing.
    every_secs: i64,
}

impl Backfill {
    /// Begins an empty backfill; `now` says which samples are recent and need a fine spacing.
    pub fn new(now: DateTime<Utc>) -> Self {
        Self {
            now,
            spacing: Spacing::default(),
            services: Vec::new(),
            lines: Vec::new(),
            late_secs: 0,
            blind: Vec::new(),
        }
    }

    /// Adds the history of a service.
    pub fn service(mut self, history: History) -> Self {
        self.services.push(history);
        self
    }

    /// Adds a counter of any name that grows steadily from zero, such as
    /// `istio_requests_total{response_code="503"}`.
    pub fn counter(
        mut self,
        series: &str,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
        per_second: f64,
    ) -> Self {
        self.lines.push(Line {
            series: series.to_owned(),
            from: from.timestamp(),
            to: to.timestamp(),
            begins_with: 0.0,
            per_second,
            every_secs: 0,
        });
        self
    }

    /// Adds a part of a counter of any name: it has `begins_with` at `from` and grows steadily, so that several parts
    /// with gaps between them are one counter that nobody scraped for a while.
    pub fn counter_part(
        mut self,
        series: &str,
        (from, to): (DateTime<Utc>, DateTime<Utc>),
        begins_with: f64,
        per_second: f64,
    ) -> Self {
        self.lines.push(Line {
            series: series.to_owned(),
            from: from.timestamp(),
            to: to.timestamp(),
            begins_with,
            per_second,
            every_secs: 0,
        });
        self
    }

    /// Makes the series that was added last be scraped only every so many seconds, where that is less often than the
    /// spacing.
    ///
    /// # Panics
    /// If none was added.
    pub fn scraped_every(mut self, seconds: i64) -> Self {
        let line = self.lines.last_mut().expect("a series was added");
        line.every_secs = seconds;
        self
    }

    /// Adds a gauge of any name that keeps its value, such as `kube_pod_status_ready{pod="checkout-0"}`.
    pub fn gauge(
        mut self,
        series: &str,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
        value: f64,
    ) -> Self {
        self.lines.push(Line {
            series: series.to_owned(),
            from: from.timestamp(),
            to: to.timestamp(),
            begins_with: value,
            per_second: 0.0,
            every_secs: 0,
        });
        self
    }

    /// Replaces the spacing of the samples.
    pub fn spacing(mut self, spacing: Spacing) -> Self {
        self.spacing = spacing;
        self
    }

    /// Takes every sample so many seconds later than usual, as another Prometheus does that watches the same services.
    pub fn late(mut self, seconds: i64) -> Self {
        self.late_secs = seconds;
        self
    }

    /// Takes no samples of services after one time and before another, as a Prometheus that is restarted.
    pub fn blind(mut self, from: DateTime<Utc>, to: DateTime<Utc>) -> Self {
        self.blind.push((from.timestamp(), to.timestamp()));
        self
    }

    fn is_blind_at(&self, time: i64) -> bool {
        let mut blind = self.blind.iter();
        blind.any(|(from, to)| *from < time && time < *to)
    }

    /// Returns the time that was given as now.
    pub fn now(&self) -> DateTime<Utc> {
        self.now
    }

    /// Writes the histories as OpenMetrics text with timestamps.
    ///
    /// # Errors
    /// When `out` cannot be written.
    pub fn write_open_metrics(&self, out: &mut impl Write) -> io::Result<()> {
        for history in &self.services {
            self.write_history(history, out)?;
        }
        for line in &self.lines {
            for time in self.sample_times(line.from, line.to, |step, _| step.max(line.every_secs)) {
                let risen = ((time - line.from) as f64 * line.per_second).floor();
                writeln!(out, "{} {} {time}", line.series, line.begins_with + risen)?;
            }
        }
        out.write_all(b"# EOF\n")
    }

    /// Turns the histories into blocks that Prometheus loads from the data folder `folder`.
    ///
    /// # Panics
    /// If `promtool` is missing or refuses the history.
    pub fn create_blocks(&self, folder: &Path) {
        if self.services.is_empty() && self.lines.is_empty() {
            return;
        }
        let text = self.text();
        // promtool reads the whole text once per block: few long blocks are much faster than many of two hours.
        let output = Command::new("promtool")
            .args([
                "tsdb",
                "create-blocks-from",
                "openmetrics",
                "--quiet",
                "--max-block-duration=9600h",
            ])
            .arg(text.path())
            .arg(folder)
            .output()
            .unwrap_or_else(|error| panic!("{}", process::missing("promtool", &error)));
        assert!(
            output.status.success(),
            "promtool refuses the history: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }

    fn text(&self) -> NamedTempFile {
        let text = NamedTempFile::new().expect("the temporary folder is writable");
        let mut out =
            BufWriter::with_capacity(1 << 20, File::create(text.path()).expect("our own file"));
        self.write_open_metrics(&mut out)
            .and_then(|()| out.flush())
            .expect("the temporary folder has space");
        text
    }

    fn write_history(&self, history: &History, out: &mut impl Write) -> io::Result<()> {
        let (Some(first), Some(last)) = (history.segments.first(), history.segments.last()) else {
            return Ok(());
        };
        let series = SeriesNames::new(history);
        let mut counters = Counters::default();
        let closely = self.spacing.recent_secs;
        let mut before = first.from;
        for time in self.sample_times(first.from, last.to, |step, time| {
            history.step_at(time, step, closely)
        }) {
            history.advance(&mut counters, before, time);
            if history.has_samples_at(time) && !self.is_blind_at(time) {
                series.each_sample(&counters, |name, value| {
                    writeln!(out, "{name}{value} {time}")
                })?;
            }
            before = time;
        }
        Ok(())
    }

    /// Returns `from` and all multiples of the spacing up to `to`, in unix seconds; `at` makes of the spacing and a time
    /// what is wanted there.
    fn sample_times(
        &self,
        from: i64,
        to: i64,
        at: impl Fn(i64, i64) -> i64,
    ) -> impl Iterator<Item = i64> {
        let (now, spacing, late) = (self.now.timestamp(), self.spacing, self.late_secs);
        let next = move |time: &i64| {
            let step = at(spacing.at_age(now - time), *time);
            Some(((time - late).div_euclid(step) + 1) * step + late)
        };
        std::iter::successors(Some(from), next).take_while(move |time| *time <= to)
    }
}

/// A backfill written down once, for several servers that are fed with the same history.
#[derive(Debug)]
pub struct Recording {
    backfill: Backfill,
    text: OnceLock<NamedTempFile>,
    blocks: OnceLock<TempDir>,
}

impl Recording {
    /// Takes a backfill; text and blocks are written when a server first wants them.
    pub fn of(backfill: &Backfill) -> Self {
        Self {
            backfill: backfill.clone(),
            text: OnceLock::new(),
            blocks: OnceLock::new(),
        }
    }

    /// Returns what the two of a pair of Prometheus took in of it: at other moments, and each was restarted now and
    /// then.
    pub(crate) fn of_a_pair(&self) -> [Self; 2] {
        let now = self.backfill.now();
        let blind_since = |mut backfill: Backfill, minutes_ago: &[i64]| {
            for minutes in minutes_ago {
                let from = now - TimeDelta::minutes(*minutes);
                backfill = backfill.blind(from, from + TimeDelta::minutes(4));
            }
            Self::of(&backfill)
        };
        [
            blind_since(
                self.backfill.clone(),
                &[11, 58, 150, 400, 2000, 9000, 20000, 33000],
            ),
            blind_since(
                self.backfill.clone().late(7),
                &[24, 90, 240, 1000, 5000, 15000, 30000],
            ),
        ]
    }

    /// Returns the history as a file of OpenMetrics text.
    pub(crate) fn text(&self) -> &Path {
        self.text.get_or_init(|| self.backfill.text()).path()
    }

    /// Puts the blocks into the data folder of a Prometheus.
    pub(crate) fn copy_blocks(&self, folder: &Path) {
        let blocks = self.blocks.get_or_init(|| {
            let blocks = tempfile::tempdir().expect("a temporary folder");
            self.backfill.create_blocks(blocks.path());
            blocks
        });
        copy(blocks.path(), folder).expect("our own folders");
    }
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
