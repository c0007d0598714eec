//! What a pass over many services costs, beside an older build: figure by figure, in one table.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use testkit::back_end::BackEnd;
use testkit::fleet::{Fleet, month, write_services};

use crate::meter::{Manner, Meter, Seen};
use crate::process::{self, Cost};
use crate::{Failure, MIB, Wanted};

/// The most services that the older build takes.
const FEW: usize = 200;
/// The services of the month.
const MANY: usize = month::SERVICES;

/// Passes whose median counts, and those of the older build, which takes seconds for each.
const RUNS: usize = 5;
const RUNS_BESIDE: usize = 3;
/// Passes after which a fleet has to be known: the first ones may fill the memory of finished days bit by bit.
const MOST_FILLING: usize = 60;
/// By how much the state grows at most in a pass that learns no finished day; one day of each service is more.
const GROWTH: f64 = 1.01;

/// Share of the older build's wall time that a pass over [`FEW`] services may take. Source: target of the design, as
/// all limits here.
const MAX_WALL_SHARE: f64 = 1.0 / 20.0;
/// Most requests of such a pass, and of one over [`MANY`] services.
const MAX_REQUESTS_FEW: usize = 12;
const MAX_REQUESTS_MANY: usize = 20;
/// Most time of a pass over [`MANY`] services in which Prometheus has nothing to do.
const MAX_OWN_TIME: Duration = Duration::from_millis(300);
/// Most processor time of such a pass, user and system together.
const MAX_CPU: Duration = Duration::from_millis(250);
/// Highest peak of resident memory of such a pass (MiB).
const MAX_MEMORY: f64 = 64.0;
/// Share of the samples that the older build has Prometheus read, in the second pass of a day.
const MAX_SAMPLES_SHARE: f64 = 0.08;
/// Most connections to Prometheus at a time.
const MAX_CONNECTIONS: usize = 8;
/// Services of which one gets answers of [`LONG`] bytes, and the highest peak of resident memory with them (MiB).
const SOME: usize = 16;
const LONG: usize = 8 * 1024 * 1024 - 64 * 1024;
const MAX_MEMORY_LONG: f64 = 128.0;

/// Measures everything and prints the table; `--slow` adds the older build without a proxy, which takes minutes.
pub(crate) fn report(wanted: &Wanted) -> Result<ExitCode, Failure> {
    let prometheus = month::prometheus(&[]).ok_or("the month was not made: see above")?;
    let bench = Bench {
        direct: prometheus.url(),
        meter: Meter::start(prometheus.address(), PLAIN)?,
    };
    let older = match &wanted.beside {
        Some(program) => Some(bench.older(program, wanted.is_slow)?),
        None => None,
    };
    let mut table = Figures::default();
    let few = bench.few(&wanted.program)?;
    table.of_few(older.as_ref(), &few);
    let many = bench.many(&wanted.program);
    if let Err(error) = &many {
        say(&format!("nothing, for the pass {error}"))?;
    }
    table.of_many(older.is_some(), many.as_ref().ok());
    table.of_both(older.as_ref(), &few, many.as_ref().ok());
    if let Some(server) = month::victoria_metrics(&[]) {
        let bench = Bench {
            direct: server.url(),
            meter: Meter::start(server.api().address(), PLAIN)?,
        };
        say("1,000 services on VictoriaMetrics")?;
        table.of_victoria_metrics(&bench.many(&wanted.program)?);
    }
    say("one service of 16 answers 8 MiB")?;
    let long = long(&wanted.program)?;
    let older_long = wanted.beside.as_deref().map(self::long).transpose()?;
    table.row(
        "one service of 16 answers 8 MiB, peak memory",
        older_long.as_ref().map(Long::text),
        "≤ 128 MiB",
        &long.text(),
        Some(long.memory <= MAX_MEMORY_LONG),
    );
    table.judge()
}

/// Keeps connections.
const PLAIN: Manner = Manner {
    closes: false,
    counts_samples: false,
    long_for: None,
};
const CLOSING: Manner = Manner {
    closes: true,
    ..PLAIN
};
/// Counts samples; its times count for nothing.
const COUNTING: Manner = Manner {
    counts_samples: true,
    ..CLOSING
};

/// A Prometheus with the month, and the ways to it.
struct Bench {
    direct: String,
    meter: Meter,
}

/// What the older build needs for [`FEW`] services.
struct Old {
    wall: Duration,
    unknown: usize,
    requests: usize,
    /// Of a pass over [`SOME`] services: Prometheus takes no more than 512.
    connections: usize,
    samples: u64,
    directly: Option<Pass>,
}

/// What the measured build needs for [`FEW`] services.
struct Few {
    filling: Filling,
    wall: Duration,
    unknown: usize,
    seen: Seen,
    samples: u64,
}

/// What it needs for [`MANY`].
struct Many {
    filling: Filling,
    wall: Duration,
    /// Wall time in which Prometheus had nothing to do.
    own: Duration,
    cpu: Duration,
    /// In MiB.
    memory: f64,
    unknown: usize,
    seen: Seen,
}

impl Bench {
    fn older(&self, program: &Path, is_slow: bool) -> Result<Old, Failure> {
        say("the older build, 200 services")?;
        let mut few = Watched::of(program, FEW)?;
        let (first, seen) = self.pass(&mut few, CLOSING)?;
        let mut walls = vec![first.cost.wall];
        for _ in 1..RUNS_BESIDE {
            walls.push(self.pass(&mut few, CLOSING)?.0.cost.wall);
        }
        let samples = self.pass(&mut few, COUNTING)?.1.samples;
        let mut some = Watched::of(program, SOME)?;
        let connections = self.pass(&mut some, PLAIN)?.1.most_connections;
        let directly = if is_slow {
            say("the older build without a proxy: some minutes")?;
            Some(few.pass(&self.direct)?)
        } else {
            None
        };
        Ok(Old {
            wall: median(walls),
            unknown: first.unknown,
            requests: seen.requests,
            connections,
            samples,
            directly,
        })
    }

    fn few(&self, program: &Path) -> Result<Few, Failure> {
        say("200 services")?;
        // What Prometheus answers to many connections shows only without a server in between.
        let direct = Watched::of(program, FEW)?.pass(&self.direct)?;
        let mut watched = Watched::of(program, FEW)?;
        let filling = self.fill(&mut watched)?;
        let (passes, seen) = self.passes(&mut watched)?;
        // Now and then a pass reads a kept day again.
        let mut counted = Vec::new();
        for _ in 0..RUNS {
            counted.push(self.pass(&mut watched, COUNTING)?.1.samples);
        }
        counted.sort_unstable();
        Ok(Few {
            filling,
            wall: median(passes.iter().map(|pass| pass.cost.wall)),
            unknown: direct.unknown.max(most_unknown(&passes)),
            seen,
            samples: counted[counted.len() / 2],
        })
    }

    fn many(&self, program: &Path) -> Result<Many, Failure> {
        say("1,000 services, passes that count the days first")?;
        let mut watched = Watched::of(program, MANY)?;
        let filling = self.fill(&mut watched)?;
        let (passes, seen) = self.passes(&mut watched)?;
        let memory = passes.iter().map(|pass| pass.cost.peak_memory).max();
        Ok(Many {
            filling,
            wall: median(passes.iter().map(|pass| pass.cost.wall)),
            own: median(passes.iter().map(|pass| pass.own)),
            cpu: median(passes.iter().map(|pass| pass.cost.cpu)),
            memory: memory.unwrap_or_default() as f64 / MIB,
            unknown: most_unknown(&passes),
            seen,
        })
    }

    /// Runs a pass through the meter.
    fn pass(&self, watched: &mut Watched, manner: Manner) -> Result<(Pass, Seen), Failure> {
        self.meter.behave(manner);
        self.meter.take();
        let mut pass = watched.pass(&self.meter.url())?;
        let seen = self.meter.take();
        pass.own = pass.cost.wall.saturating_sub(seen.busy());
        Ok((pass, seen))
    }

    /// Runs several, and returns what the one with the most requests asked.
    fn passes(&self, watched: &mut Watched) -> Result<(Vec<Pass>, Seen), Failure> {
        let mut passes = Vec::new();
        let mut most = Seen::default();
        for _ in 0..RUNS {
            let (pass, seen) = self.pass(watched, PLAIN)?;
            passes.push(pass);
            if seen.requests >= most.requests {
                most = seen;
            }
        }
        Ok((passes, most))
    }

    /// Runs the program until its memory no longer grows: all finished days are known then.
    fn fill(&self, watched: &mut Watched) -> Result<Filling, Failure> {
        let mut first = None;
        let mut before = 0;
        for passes in 0..MOST_FILLING {
            let pass = self.pass(watched, PLAIN)?.0;
            let first = *first.get_or_insert(pass.cost.wall);
            let size = watched.memory()?;
            if size as f64 <= before as f64 * GROWTH {
                return Ok(Filling { passes, first });
            }
            before = size;
        }
        Err(format!("{MOST_FILLING} passes do not suffice to learn the finished days").into())
    }
}

/// A pass over [`SOME`] services of which one gets long answers.
struct Long {
    /// Peak of resident memory in MiB.
    memory: f64,
    unknown: usize,
}

impl Long {
    fn text(&self) -> String {
        format!("{:.0} MiB, {} unknown", self.memory, self.unknown)
    }
}

fn long(program: &Path) -> Result<Long, Failure> {
    let server = Fleet::of(SOME).hours(3).start(BackEnd::DebianPrometheus);
    let server = server.ok_or("Prometheus is missing")?;
    let manner = Manner {
        long_for: Some(("service-0003", LONG)),
        ..Manner::default()
    };
    let meter = Meter::start(server.api().address(), manner)?;
    let mut watched = Watched::of(program, SOME)?;
    watched.set("SLO_WINDOW", "1h");
    let pass = watched.pass(&meter.url())?;
    Ok(Long {
        memory: pass.cost.peak_memory as f64 / MIB,
        unknown: pass.unknown,
    })
}

impl Figures {
    fn of_few(&mut self, older: Option<&Old>, few: &Few) {
        let directly = |old: &Old| {
            old.directly.as_ref().map_or(String::new(), |pass| {
                let wall = secs(pass.cost.wall);
                format!("; directly {wall}, {} unknown", pass.unknown)
            })
        };
        self.row(
            "200 healthy services, wall",
            older.map(|old| format!("{} (closing proxy){}", secs(old.wall), directly(old))),
            "≤ 1/20 of the older",
            &secs(few.wall),
            older.map(|old| few.wall.as_secs_f64() <= old.wall.as_secs_f64() * MAX_WALL_SHARE),
        );
        self.row(
            "200 healthy services, unknown",
            older.map(|old| old.unknown.to_string()),
            "0",
            &few.unknown.to_string(),
            Some(few.unknown == 0),
        );
        self.row(
            "200 healthy services, requests",
            older.map(|old| old.requests.to_string()),
            "≤ 12",
            &few.seen.requests.to_string(),
            Some(few.seen.requests <= MAX_REQUESTS_FEW),
        );
        self.note("200 services", few.wall, &few.filling);
    }

    /// A build that does not take so many services is over every limit.
    fn of_many(&mut self, has_older: bool, many: Option<&Many>) {
        let mut row = |figure: &str, wanted: &str, measured: Option<String>, is_ok: bool| {
            let older = (has_older && figure == "requests").then(|| "refused".to_owned());
            let measured = measured.unwrap_or_else(|| "refused".to_owned());
            let figure = format!("1,000 healthy services, {figure}");
            self.row(&figure, older, wanted, &measured, Some(is_ok));
        };
        row(
            "requests",
            "≤ 20",
            many.map(|many| many.seen.requests.to_string()),
            many.is_some_and(|many| many.seen.requests <= MAX_REQUESTS_MANY),
        );
        row(
            "unknown",
            "0",
            many.map(|many| many.unknown.to_string()),
            many.is_some_and(|many| many.unknown == 0),
        );
        row(
            "wall over Prometheus' own time",
            "≤ 0.3 s",
            many.map(|many| secs(many.own)),
            many.is_some_and(|many| many.own <= MAX_OWN_TIME),
        );
        row(
            "processor time",
            "≤ 0.25 s",
            many.map(|many| secs(many.cpu)),
            many.is_some_and(|many| many.cpu <= MAX_CPU),
        );
        row(
            "peak memory",
            "≤ 64 MiB",
            many.map(|many| format!("{:.1} MiB", many.memory)),
            many.is_some_and(|many| many.memory <= MAX_MEMORY),
        );
        if let Some(many) = many {
            self.note("1,000 services", many.wall, &many.filling);
        }
    }

    /// It reads no query of more than 16 KiB, so that the joined questions are divided.
    fn of_victoria_metrics(&mut self, many: &Many) {
        let mut row = |figure: &str, wanted: &str, measured: String, is_ok: Option<bool>| {
            let figure = format!("1,000 healthy services on VictoriaMetrics, {figure}");
            self.row(&figure, None, wanted, &measured, is_ok);
        };
        row(
            "unknown",
            "0",
            many.unknown.to_string(),
            Some(many.unknown == 0),
        );
        row("requests", "–", many.seen.requests.to_string(), None);
        row("processor time", "–", secs(many.cpu), None);
        row(
            "peak memory",
            "≤ 64 MiB",
            format!("{:.1} MiB", many.memory),
            Some(many.memory <= MAX_MEMORY),
        );
        self.note(
            "1,000 services on VictoriaMetrics",
            many.wall,
            &many.filling,
        );
    }

    fn of_both(&mut self, older: Option<&Old>, few: &Few, many: Option<&Many>) {
        let share = |old: &Old| few.samples as f64 / old.samples as f64;
        let in_percent = older.map_or(String::new(), |old| {
            format!(" ({:.1} %)", share(old) * 100.0)
        });
        self.row(
            "samples read, 200 services, a later pass of a day",
            older.map(|old| old.samples.to_string()),
            "≤ 8 % of the older",
            &format!("{}{in_percent}", few.samples),
            older.map(|old| share(old) <= MAX_SAMPLES_SHARE),
        );
        let of_many = many.map_or(0, |many| many.seen.most_connections);
        let connections = few.seen.most_connections.max(of_many);
        self.row(
            "most connections",
            older.map(|old| format!("{} for {SOME} services", old.connections)),
            "≤ 8 in all",
            &connections.to_string(),
            Some(connections <= MAX_CONNECTIONS),
        );
    }
}

/// One program and the services that it watches, with a state that stays from pass to pass.
struct Watched {
    program: PathBuf,
    services: usize,
    folder: TempDir,
    environment: Vec<(&'static str, String)>,
}

/// One pass.
struct Pass {
    cost: Cost,
    /// Wall time in which Prometheus had nothing to do, as far as that was seen.
    own: Duration,
    /// Services of which it does not know how they fare.
    unknown: usize,
}

/// The passes before all finished days were known.
struct Filling {
    passes: usize,
    first: Duration,
}

impl Watched {
    fn of(program: &Path, services: usize) -> Result<Self, Failure> {
        let folder = tempfile::tempdir()?;
        let files = folder.path().join("services");
        fs::create_dir(&files)?;
        write_services(&files, 0..services, |_| String::new());
        let state = folder.path().join("state/state.json");
        fs::create_dir(folder.path().join("state"))?;
        let environment = vec![
            ("SERVICES_DIR", files.display().to_string()),
            ("STATE_FILE", state.display().to_string()),
            ("BLACKOUT_WINDOWS", "none".to_owned()),
            ("ROLLBACK_ENABLED", "true".to_owned()),
        ];
        Ok(Self {
            program: program.to_owned(),
            services,
            folder,
            environment,
        })
    }

    fn set(&mut self, name: &'static str, value: &str) {
        self.environment.push((name, value.to_owned()));
    }

    /// Runs the program once; an error unless it has a record of every service.
    fn pass(&mut self, prometheus: &str) -> Result<Pass, Failure> {
        let mut environment = self.environment.clone();
        environment.push(("PROMETHEUS_URL", prometheus.to_owned()));
        let folder = self.folder.path();
        let arguments = ["run", "--output", "json"];
        let cost = process::run(&self.program, &arguments, &environment, folder)?;
        let records = fs::read_to_string(folder.join("stdout"))?;
        let records: Vec<Value> = records
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect();
        if records.len() != self.services {
            let log = fs::read_to_string(folder.join("stderr"))?;
            let log: String = log.chars().take(2000).collect();
            let (code, found) = (cost.code, records.len());
            return Err(format!("ended with {code} and {found} records:\n{log}").into());
        }
        let unknown = records.iter().filter(|it| it["verdict"] != "healthy");
        Ok(Pass {
            cost,
            own: cost.wall,
            unknown: unknown.count(),
        })
    }

    /// Returns how large its state is, in bytes.
    fn memory(&self) -> io::Result<u64> {
        Ok(fs::metadata(self.folder.path().join("state/state.json"))?.len())
    }
}

/// The table: each figure with the older build's, what is wanted and what was measured.
#[derive(Default)]
struct Figures {
    rows: Vec<[String; 4]>,
    verdicts: Vec<Option<bool>>,
    notes: Vec<String>,
}

impl Figures {
    fn row(
        &mut self,
        figure: &str,
        older: Option<String>,
        wanted: &str,
        measured: &str,
        is_ok: Option<bool>,
    ) {
        let older = older.unwrap_or_else(|| "–".to_owned());
        self.rows.push([
            figure.to_owned(),
            older,
            wanted.to_owned(),
            measured.to_owned(),
        ]);
        self.verdicts.push(is_ok);
    }

    fn note(&mut self, services: &str, wall: Duration, filling: &Filling) {
        let (first, passes) = (secs(filling.first), filling.passes);
        self.notes.push(format!(
            "{services}: a pass takes {} in all; {passes} passes learn the finished days, the first in {first}",
            secs(wall)
        ));
    }

    /// Prints the table and tells by the exit code whether nothing is over its limit.
    fn judge(&self) -> Result<ExitCode, Failure> {
        let heads = ["figure", "older build", "wanted", "measured"].map(str::to_owned);
        let width = |column: usize| {
            let rows = self.rows.iter().chain([&heads]);
            let widths = rows.map(|row| row[column].chars().count());
            widths.max().unwrap_or_default()
        };
        let mut out = io::stdout().lock();
        let verdicts = self.verdicts.iter().map(|verdict| match verdict {
            Some(true) => "OK",
            Some(false) => "OVER",
            None => "",
        });
        for (row, verdict) in [(&heads, "")]
            .into_iter()
            .chain(self.rows.iter().zip(verdicts))
        {
            let mut line = String::new();
            for (column, cell) in row.iter().enumerate() {
                let missing = width(column) - cell.chars().count();
                line.push_str(cell);
                line.extend(std::iter::repeat_n(' ', missing + 2));
            }
            line.push_str(verdict);
            writeln!(out, "{}", line.trim_end())?;
        }
        for note in &self.notes {
            writeln!(out, "{note}")?;
        }
        Ok(if self.verdicts.contains(&Some(false)) {
            ExitCode::FAILURE
        } else {
            ExitCode::SUCCESS
        })
    }
}

fn median(values: impl IntoIterator<Item = Duration>) -> Duration {
    let mut values: Vec<Duration> = values.into_iter().collect();
    values.sort();
    values.get(values.len() / 2).copied().unwrap_or_default()
}

fn secs(duration: Duration) -> String {
    format!("{:.2} s", duration.as_secs_f64())
}

/// Returns the most services of which a pass did not know how they fare.
fn most_unknown(passes: &[Pass]) -> usize {
    let unknown = passes.iter().map(|pass| pass.unknown);
    unknown.max().unwrap_or_default()
}

/// Says on standard error what is measured now: it takes a while.
fn say(what: &str) -> io::Result<()> {
    writeln!(io::stderr(), "measuring: {what}")
}
