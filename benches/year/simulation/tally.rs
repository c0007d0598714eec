//! What came of the decisions, and how it is told.

use std::collections::BTreeMap;
use std::fmt::{self, Write};

use super::schedule::{Cause, FLAWS, Foreign};
use super::service::{HEALTHY, TRAFFIC};

/// Requests in five minutes at which a row of bad releases begins.
const BUCKETS: [f64; 6] = [0.0, 50.0, 150.0, 300.0, 600.0, 2_000.0];

/// Lags between a deployment and an incident that it did not cause: where a row ends (s).
const LAGS: [(&str, i64); 4] = [
    ("-1-5 min", 300),
    ("5-15 min", 900),
    ("15-30 min", 1_800),
    ("30-60 min", 3_600),
];

/// From this error ratio (as a place in the list of flaws) and this traffic on, a bad release has to be caught.
const MUST_BE_CAUGHT: (usize, f64) = (3, 300.0);

/// Most findings of a kind that are kept in full.
const KEPT: usize = 100;

/// Something that must not be, or must be rare.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Finding {
    /// A rollback although no deployment was to blame.
    False,
    /// A rollback of a rollback.
    OfARollback,
    /// A rollback within the cooldown of another one.
    WithinCooldown,
    /// A rollback while the observation was unknown.
    OnTheUnknown,
    /// A rollback after one that had made it worse, before a person repaired it.
    AfterAWorseOne,
    /// A rollback that named a newer deployment than the one which had brought what failed for six minutes when the
    /// newest came.
    NotTheGuilty,
    /// A rollback to a revision that had failed enough to be seen while it was live.
    ToABadRevision,
    /// A rollback to a revision that had failed less than that while it was live, or not yet.
    ToALatentlyBadRevision,
    /// A rollback that takes back what another team deployed after the one that is blamed.
    UndidTheInnocent,
    /// A release that fails much of much traffic and was not caught soon.
    NotCaught,
}

impl Finding {
    const ALL: [Self; 10] = [
        Self::False,
        Self::OfARollback,
        Self::WithinCooldown,
        Self::OnTheUnknown,
        Self::AfterAWorseOne,
        Self::NotTheGuilty,
        Self::ToABadRevision,
        Self::ToALatentlyBadRevision,
        Self::UndidTheInnocent,
        Self::NotCaught,
    ];

    fn as_str(self) -> &'static str {
        match self {
            Self::False => "false rollbacks, but for coincidences",
            Self::OfARollback => "rollbacks of a rollback",
            Self::WithinCooldown => "second rollbacks within the cooldown",
            Self::OnTheUnknown => "rollbacks while the observation was unknown",
            Self::AfterAWorseOne => "rollbacks after one that had made it worse",
            Self::NotTheGuilty => {
                "rollbacks that named an innocent deployment, minutes after the guilty one had shown that it fails"
            }
            Self::ToABadRevision => {
                "rollbacks to a revision that had shown that more than 1 % fails"
            }
            Self::ToALatentlyBadRevision => {
                "rollbacks to a revision that failed, and had not shown it"
            }
            Self::UndidTheInnocent => "rollbacks that took back another team's later change",
            Self::NotCaught => "not caught soon: 5 % or more of 300 or more requests per 5 min",
        }
    }

    /// Tells whether it must never be.
    fn is_forbidden(self) -> bool {
        match self {
            Self::False
            | Self::OfARollback
            | Self::WithinCooldown
            | Self::OnTheUnknown
            | Self::AfterAWorseOne
            | Self::NotTheGuilty
            | Self::ToABadRevision
            | Self::UndidTheInnocent => true,
            // No data could have told; a share of misses is judged as a whole.
            Self::ToALatentlyBadRevision | Self::NotCaught => false,
        }
    }
}

/// Why a rollback removed no flaw.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Innocent {
    /// Something else began to fail within `ATTRIBUTION_WINDOW` after the deployment that was blamed.
    Coincidence { cause: Cause, lag: i64 },
    /// Something else failed, not after the deployment that was blamed.
    During(Cause),
    /// Somebody had ended the errors of a release already.
    AfterTheCure,
    /// Nothing was wrong.
    Noise,
}

/// When a bad release was rolled back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Caught {
    /// By the first pass that could be sure, or before.
    First,
    Second,
    Later,
    Never,
}

/// A bad release that failed.
#[derive(Debug)]
pub(super) struct Failing {
    pub kind: usize,
    /// Requests in five minutes.
    pub traffic: f64,
    pub healthy: usize,
    /// What else was wrong, so that little is to be expected.
    pub beside: Option<&'static str>,
    pub caught: Caught,
    /// The most frequent reason of the passes that could have caught it.
    pub why: &'static str,
}

#[derive(Debug, Default)]
struct Catch {
    first: u64,
    second: u64,
    later: u64,
    never: u64,
    /// Reasons of those that were not caught by the second pass.
    why: BTreeMap<&'static str, u64>,
}

impl Catch {
    fn add(&mut self, failing: &Failing) {
        match failing.caught {
            Caught::First => self.first += 1,
            Caught::Second => self.second += 1,
            Caught::Later => self.later += 1,
            Caught::Never => self.never += 1,
        }
        if matches!(failing.caught, Caught::Later | Caught::Never) {
            *self.why.entry(failing.why).or_default() += 1;
        }
    }

    fn join(&mut self, other: &Self) {
        self.first += other.first;
        self.second += other.second;
        self.later += other.later;
        self.never += other.never;
        for (why, count) in &other.why {
            *self.why.entry(why).or_default() += count;
        }
    }

    fn all(&self) -> u64 {
        self.first + self.second + self.later + self.never
    }

    fn soon(&self) -> f64 {
        (self.first + self.second) as f64 / self.all() as f64
    }
}

impl fmt::Display for Catch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = self.all();
        let share = |count: u64| format!("{:.1} %", count as f64 * 100.0 / all.max(1) as f64);
        let often = self.why.iter().max_by_key(|(_, count)| **count);
        write!(
            f,
            "{all:>7} {:>8} {:>8} {:>8} {:>8}  {}",
            share(self.first),
            share(self.first + self.second),
            share(self.later),
            share(self.never),
            often.map_or("", |(why, _)| *why),
        )
    }
}

const CATCH_HEADING: &str = "  total    first   by 2nd    later    never  most frequent reason";

#[derive(Debug, Default)]
pub(super) struct Cell {
    pub days: i64,
    pub false_rollbacks: u64,
}

#[derive(Debug, Default, Clone, Copy)]
struct Incidents {
    all: u64,
    after_a_deployment: u64,
    coincidences: u64,
    false_rollbacks: u64,
}

/// All that was counted.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(super) days: i64,
    pub(super) passes: u64,
    pub(super) rollbacks: u64,
    /// Rollbacks that ended the errors of a release.
    pub(super) right: u64,
    pub(super) committed_again: u64,
    pub(super) gone_before_a_pass: u64,
    /// Rollbacks that made it worse.
    pub(super) made_worse: u64,
    /// Right rollbacks where the newest deployment came after the first errors, and those of them that named the
    /// guilty one.
    pub(super) shared: (u64, u64),
    /// Rollbacks that left in place what another team had deployed later.
    pub(super) kept: u64,
    /// Passes whose observation was unknown.
    foreign: BTreeMap<Foreign, u64>,
    cells: BTreeMap<(usize, usize), Cell>,
    causes: BTreeMap<Cause, Incidents>,
    /// Incidents after a deployment, and those of them that were taken for its doing.
    lags: [(u64, u64); LAGS.len()],
    noise: u64,
    after_the_cure: u64,
    catches: BTreeMap<(usize, usize), Catch>,
    /// Of those that must be caught, by the health before.
    must: BTreeMap<usize, Catch>,
    beside: BTreeMap<&'static str, Catch>,
    findings: BTreeMap<Finding, (u64, Vec<String>)>,
}

impl Tally {
    pub(super) fn cell(&mut self, healthy: usize, traffic: usize) -> &mut Cell {
        self.cells.entry((healthy, traffic)).or_default()
    }

    /// Counts an incident; `lag` says how long after a deployment it began, where that is short.
    pub(super) fn incident(&mut self, cause: Cause, lag: Option<i64>) {
        let row = self.causes.entry(cause).or_default();
        row.all += 1;
        if let Some(lag) = lag {
            row.after_a_deployment += 1;
            self.lags[lag_row(lag)].0 += 1;
        }
    }

    pub(super) fn innocent(&mut self, innocent: Innocent) {
        match innocent {
            Innocent::Coincidence { cause, lag } => {
                self.causes.entry(cause).or_default().coincidences += 1;
                self.lags[lag_row(lag)].1 += 1;
            }
            Innocent::During(cause) => {
                self.causes.entry(cause).or_default().false_rollbacks += 1;
            }
            Innocent::AfterTheCure => self.after_the_cure += 1,
            Innocent::Noise => self.noise += 1,
        }
    }

    /// Counts a bad release, and tells whether it is one that must be caught.
    pub(super) fn failing(&mut self, failing: &Failing) -> bool {
        if let Some(beside) = failing.beside {
            self.beside.entry(beside).or_default().add(failing);
            return false;
        }
        let bucket = BUCKETS.iter().rposition(|least| failing.traffic >= *least);
        let key = (failing.kind, bucket.unwrap_or(0));
        self.catches.entry(key).or_default().add(failing);
        let (kind, traffic) = MUST_BE_CAUGHT;
        let must = failing.kind >= kind && failing.traffic >= traffic;
        if must {
            self.must.entry(failing.healthy).or_default().add(failing);
        }
        must
    }

    /// Counts a pass whose observation was unknown.
    pub(super) fn foreign(&mut self, what: Foreign) {
        *self.foreign.entry(what).or_default() += 1;
    }

    pub(super) fn find(&mut self, finding: Finding, text: String) {
        let (count, told) = self.findings.entry(finding).or_default();
        *count += 1;
        if told.len() < KEPT {
            told.push(text);
        }
    }

    /// Adds what came of other services.
    pub(crate) fn join(&mut self, other: Self) {
        self.days += other.days;
        self.passes += other.passes;
        self.rollbacks += other.rollbacks;
        self.right += other.right;
        self.committed_again += other.committed_again;
        self.gone_before_a_pass += other.gone_before_a_pass;
        self.made_worse += other.made_worse;
        self.shared.0 += other.shared.0;
        self.shared.1 += other.shared.1;
        self.kept += other.kept;
        for (what, passes) in other.foreign {
            *self.foreign.entry(what).or_default() += passes;
        }
        self.noise += other.noise;
        self.after_the_cure += other.after_the_cure;
        for (key, more) in other.cells {
            let cell = self.cells.entry(key).or_default();
            cell.days += more.days;
            cell.false_rollbacks += more.false_rollbacks;
        }
        for (key, more) in other.causes {
            let row = self.causes.entry(key).or_default();
            row.all += more.all;
            row.after_a_deployment += more.after_a_deployment;
            row.coincidences += more.coincidences;
            row.false_rollbacks += more.false_rollbacks;
        }
        for (row, (all, taken)) in self.lags.iter_mut().zip(other.lags) {
            row.0 += all;
            row.1 += taken;
        }
        for (key, more) in &other.catches {
            self.catches.entry(*key).or_default().join(more);
        }
        for (key, more) in &other.must {
            self.must.entry(*key).or_default().join(more);
        }
        for (key, more) in &other.beside {
            self.beside.entry(key).or_default().join(more);
        }
        for (key, (count, texts)) in other.findings {
            let (known, told) = self.findings.entry(key).or_default();
            *known += count;
            told.extend(texts);
            told.truncate(KEPT);
        }
    }

    fn found(&self, finding: Finding) -> u64 {
        self.findings.get(&finding).map_or(0, |(count, _)| *count)
    }

    fn must(&self) -> Catch {
        let mut all = Catch::default();
        for catch in self.must.values() {
            all.join(catch);
        }
        all
    }

    /// Returns what must not be, one sentence each; `least` is the share of the bad releases that has to be caught by
    /// the first or the second pass that can (0..1).
    pub(crate) fn failures(&self, least: f64) -> Vec<String> {
        let mut failures: Vec<String> = Finding::ALL
            .into_iter()
            .filter(|finding| finding.is_forbidden() && self.found(*finding) > 0)
            .map(|finding| format!("{}: {}", finding.as_str(), self.found(finding)))
            .collect();
        let must = self.must();
        if must.all() == 0 {
            failures.push("no bad release that has to be caught".to_owned());
        } else if must.soon() < least {
            failures.push(format!(
                "{:.1} % of the bad releases that fail 5 % or more of 300 or more requests per 5 min are caught by \
                 the second pass (at least {:.0} %)",
                must.soon() * 100.0,
                least * 100.0
            ));
        }
        failures
    }

    /// Writes everything down.
    pub(crate) fn report(&self) -> String {
        let mut text = String::new();
        self.write(&mut text)
            .expect("writing to a string does not fail");
        text
    }

    fn write(&self, out: &mut String) -> fmt::Result {
        let years = self.days as f64 / 365.0;
        writeln!(
            out,
            "{years:.1} service-years, {} passes, {} rollbacks: {} right, {} by coincidence",
            self.passes,
            self.rollbacks,
            self.right,
            self.lags.iter().map(|(_, taken)| taken).sum::<u64>(),
        )?;
        writeln!(out, "\nmust be 0")?;
        for finding in Finding::ALL {
            if finding.is_forbidden() {
                writeln!(out, "{:>7}  {}", self.found(finding), finding.as_str())?;
            }
        }
        writeln!(out, "\nno data could have told")?;
        let latent = Finding::ToALatentlyBadRevision;
        writeln!(out, "{:>7}  {}", self.found(latent), latent.as_str())?;

        writeln!(
            out,
            "\nfalse rollbacks by health and traffic (requests per 5 min), coincidences left out; service-years in brackets"
        )?;
        write!(out, "{:>8}", "errors")?;
        for traffic in TRAFFIC {
            write!(out, " {traffic:>11}")?;
        }
        writeln!(out)?;
        for (healthy, ratio) in HEALTHY.iter().enumerate() {
            write!(out, "{:>6.2} %", ratio * 100.0)?;
            for traffic in 0..TRAFFIC.len() {
                let cell = self.cells.get(&(healthy, traffic));
                let (count, days) = cell.map_or((0, 0), |cell| (cell.false_rollbacks, cell.days));
                let cell = format!("{count} ({:.1})", days as f64 / 365.0);
                write!(out, " {cell:>11}")?;
            }
            writeln!(out)?;
        }

        writeln!(
            out,
            "\nfalse rollbacks by what happened\n{:<28} {:>9} {:>12} {:>12} {:>16}",
            "", "incidents", "after deploy", "coincidences", "false rollbacks"
        )?;
        for cause in Cause::ALL {
            let row = self.causes.get(&cause).copied().unwrap_or_default();
            writeln!(
                out,
                "{:<28} {:>9} {:>12} {:>12} {:>16}",
                cause.as_str(),
                row.all,
                row.after_a_deployment,
                row.coincidences,
                row.false_rollbacks
            )?;
        }
        writeln!(
            out,
            "{:<67} {:>13}",
            "errors of a release that were mended already", self.after_the_cure
        )?;
        writeln!(out, "{:<67} {:>13}", "nothing", self.noise)?;

        writeln!(
            out,
            "\ncoincidences: something else began to fail so long after a deployment\n{:<12} {:>9} {:>12}",
            "lag", "incidents", "rolled back"
        )?;
        for ((name, _), (all, taken)) in LAGS.iter().zip(self.lags) {
            writeln!(out, "{name:<12} {all:>9} {taken:>12}")?;
        }

        writeln!(
            out,
            "\nbad releases by error ratio and traffic (requests per 5 min), nothing else wrong\n{:<11} {:>13} {CATCH_HEADING}",
            "errors", "traffic"
        )?;
        for ((kind, bucket), catch) in &self.catches {
            let from = BUCKETS[*bucket];
            let traffic = match BUCKETS.get(bucket + 1) {
                Some(to) => format!("{from}-{to}"),
                None => format!("{from}+"),
            };
            writeln!(out, "{:<11} {traffic:>13} {catch}", FLAWS[*kind].0)?;
        }
        writeln!(out, "{:<25} {}", "must be caught", self.must())?;
        writeln!(
            out,
            "\nthose that must be caught, by the errors before\n{:<25} {CATCH_HEADING}",
            ""
        )?;
        for (healthy, catch) in &self.must {
            let ratio = format!("{:.2} %", HEALTHY[*healthy] * 100.0);
            writeln!(out, "{ratio:<25} {catch}")?;
        }
        writeln!(
            out,
            "\nbad releases with something else wrong\n{:<42} {CATCH_HEADING}",
            ""
        )?;
        for (beside, catch) in &self.beside {
            writeln!(out, "{beside:<42} {catch}")?;
        }
        writeln!(out, "\nother kinds")?;
        for (what, passes) in &self.foreign {
            writeln!(out, "{passes:>7}  passes in which {}", what.as_str())?;
        }
        writeln!(out, "{:>7}  rollbacks made it worse", self.made_worse)?;
        writeln!(
            out,
            "{:>7}  right rollbacks where another team deployed after the first errors; {} named the guilty one",
            self.shared.0, self.shared.1
        )?;
        writeln!(
            out,
            "{:>7}  rollbacks left in place what another team had deployed after the one that is blamed",
            self.kept
        )?;
        writeln!(
            out,
            "\n{} bad releases were mended before a pass could be sure, {} rolled back ones were committed again",
            self.gone_before_a_pass, self.committed_again
        )
    }

    /// Returns a few of the findings of each kind in full.
    pub(crate) fn findings(&self, most: usize) -> String {
        let mut text = String::new();
        for (finding, (count, told)) in &self.findings {
            text += &format!("\n{}: {count}\n", finding.as_str());
            for finding in told.iter().take(most) {
                text += &format!("  {finding}");
            }
        }
        text
    }
}

fn lag_row(lag: i64) -> usize {
    LAGS.iter()
        .position(|(_, to)| lag < *to)
        .unwrap_or(LAGS.len() - 1)
}
