//! What one pass costs: requests, processor time, own time and memory of the real program, measured from outside
//! against a real Prometheus with 31 days of history. Fails when a median is over its limit.
//!
//! `scripts/bench.sh` builds and runs it. Arguments: the program to measure (else the one cargo built beside this),
//! `--beside PROGRAM` for another one that takes turns with it, and `--runs N`. `--git` instead measures the git side
//! of a rollback; `--fleet` a pass over many services (`--slow` with what takes minutes); `--series N` asks how long
//! each answer takes when the service has N series whose old samples are `--spacing S` seconds apart.

mod core_costs;
mod fleet;
mod git;
mod meter;
mod process;
mod proxy;
mod rollback;
mod script;
mod series;
mod table;

use std::error::Error;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use testkit::prometheus::{Month, shared_month};

use process::{Cost, MEASURE};
use proxy::{Exchange, Proxy};
use table::{Table, Unit};

/// Runs of each kind whose cost counts; two more before them warm the page cache.
const RUNS: usize = 25;
const WARM_UP: usize = 2;

/// Most HTTP requests of a healthy pass. Source: target of the design, as all limits here.
const MAX_REQUESTS: f64 = 8.0;
/// Most processor time of a healthy pass, user and system together (ms).
const MAX_CPU: f64 = 15.0;
/// Most time of a healthy pass less its slowest answer (ms).
const MAX_OWN_TIME: f64 = 20.0;
/// Highest peak of resident memory of a healthy pass (MiB).
const MAX_MEMORY: f64 = 16.0;

type Failure = Box<dyn Error>;

fn main() -> Result<ExitCode, Failure> {
    let mut arguments = std::env::args_os().skip(1).peekable();
    if arguments.next_if(|first| first == MEASURE).is_some() {
        process::measure(arguments)?;
        return Ok(ExitCode::SUCCESS);
    }
    if arguments.next_if(|first| first == git::ROLL_BACK).is_some() {
        let url = arguments.next().ok_or("a URL is missing")?;
        git::roll_back(&url.to_string_lossy())?;
        return Ok(ExitCode::SUCCESS);
    }
    let wanted = Wanted::parse(arguments)?;
    if wanted.is_fleet {
        return fleet::report(&wanted);
    }
    if wanted.is_git {
        let mut table = Table::default();
        git::report(wanted.runs, &mut table)?;
        return table.judge();
    }
    if let Some(series) = wanted.series {
        series::report(&wanted, series, wanted.spacing)?;
        return Ok(ExitCode::SUCCESS);
    }
    let month = shared_month();
    let prometheus = Proxy::start(month.prometheus.address())?;
    let mut table = Table::default();
    for (command, passes_before, kind) in [
        ("run", PASSES_FOR_ALL_DAYS, "run, healthy"),
        ("run", 0, "run, first pass of a service"),
        ("check", 0, "check, healthy"),
    ] {
        let runs = repeat(&wanted, &[&prometheus], || {
            let mut world = World::new(&prometheus, "healthy")?;
            world.set("ROLLBACK_ENABLED", "true");
            Ok(Start {
                world,
                passes_before,
                arguments: vec![command],
                expected: r#""verdict":"healthy""#,
            })
        })?;
        for (program, runs) in &runs {
            // Counting the days that are over is done once.
            let is_limited = program.is_empty() && (passes_before > 0 || command == "check");
            report(&mut table, &format!("{kind}{program}"), runs, is_limited);
        }
    }
    script::report(&wanted, &prometheus, &mut table)?;
    rollback::report(&wanted, &prometheus, &mut table)?;
    rollback::report_with_argo_cd(&wanted, &prometheus, &mut table)?;
    core_costs::report(&mut table, month)?;
    for (program, path) in wanted.programs() {
        let size = fs::metadata(path)?.len();
        let file = format!("the program's file{program}");
        table.value(&file, Unit::MiB, size as f64 / MIB);
    }
    table.judge()
}

const MIB: f64 = 1024.0 * 1024.0;

/// Passes after which all days of a window of 30 days that are over are counted, eight in each, and one more.
const PASSES_FOR_ALL_DAYS: usize = 5;

/// What the command line asks for.
#[derive(Debug)]
struct Wanted {
    program: PathBuf,
    beside: Option<PathBuf>,
    runs: usize,
    is_git: bool,
    is_fleet: bool,
    is_slow: bool,
    series: Option<usize>,
    spacing: Duration,
}

impl Wanted {
    fn parse(mut arguments: impl Iterator<Item = OsString>) -> Result<Self, Failure> {
        let mut wanted = Self {
            program: PathBuf::from(env!("CARGO_BIN_EXE_error-budget-monitor")),
            beside: None,
            runs: RUNS,
            is_git: false,
            is_fleet: false,
            is_slow: false,
            series: None,
            spacing: Duration::from_secs(300),
        };
        let number = |value: Option<OsString>| -> Result<usize, Failure> {
            let value = value.ok_or("a number is missing")?;
            Ok(value.to_string_lossy().parse()?)
        };
        while let Some(argument) = arguments.next() {
            match argument.to_str() {
                // cargo bench adds it.
                Some("--bench") => {}
                Some("--git") => wanted.is_git = true,
                Some("--fleet") => wanted.is_fleet = true,
                Some("--slow") => wanted.is_slow = true,
                Some("--beside") => wanted.beside = arguments.next().map(PathBuf::from),
                Some("--runs") => wanted.runs = number(arguments.next())?.max(1),
                Some("--series") => wanted.series = Some(number(arguments.next())?),
                Some("--spacing") => {
                    wanted.spacing = Duration::from_secs(number(arguments.next())?.try_into()?);
                }
                _ => wanted.program = PathBuf::from(argument),
            }
        }
        Ok(wanted)
    }

    /// Returns the programs to measure, each with what is said behind its quantities.
    fn programs(&self) -> impl Iterator<Item = (&'static str, &Path)> {
        let beside = self.beside.as_deref().map(|beside| (" (beside)", beside));
        std::iter::once(("", self.program.as_path())).chain(beside)
    }
}

/// The environment of one run, with a state folder of its own.
struct World {
    folder: tempfile::TempDir,
    environment: Vec<(&'static str, String)>,
}

impl World {
    fn new(prometheus: &Proxy, service: &str) -> Result<Self, Failure> {
        let folder = tempfile::tempdir()?;
        let state = folder.path().join("state.json");
        let environment = vec![
            ("SERVICE_NAME", service.to_owned()),
            ("NAMESPACE", Month::NAMESPACE.to_owned()),
            ("PROMETHEUS_URL", format!("http://{}", prometheus.address())),
            ("BLACKOUT_WINDOWS", "none".to_owned()),
            ("STATE_FILE", state.display().to_string()),
        ];
        Ok(Self {
            folder,
            environment,
        })
    }

    fn set(&mut self, name: &'static str, value: &str) {
        self.environment.push((name, value.to_owned()));
    }
}

/// One start of the program, and what its record must say for the measurement to count.
struct Start {
    world: World,
    /// How many passes come before it, which count for nothing.
    passes_before: usize,
    arguments: Vec<&'static str>,
    expected: &'static str,
}

/// One run of the program and what it asked.
struct Run {
    started_at: Instant,
    cost: Cost,
    exchanges: Vec<Exchange>,
}

/// The runs of each program, with what is said behind its quantities.
type Runs = Vec<(&'static str, Vec<Run>)>;

/// Runs every program in turn, so that what else the machine does meets all of them alike.
fn repeat(
    wanted: &Wanted,
    proxies: &[&Proxy],
    mut start: impl FnMut() -> Result<Start, Failure>,
) -> Result<Runs, Failure> {
    let mut runs: Runs = wanted
        .programs()
        .map(|(name, _)| (name, Vec::new()))
        .collect();
    for turn in 0..WARM_UP + wanted.runs {
        for ((_, program), (_, runs)) in wanted.programs().zip(&mut runs) {
            let start = start()?;
            let run = run_once(program, proxies, &start)?;
            if turn >= WARM_UP {
                runs.push(run);
            }
        }
    }
    Ok(runs)
}

fn run_once(program: &Path, proxies: &[&Proxy], start: &Start) -> Result<Run, Failure> {
    let Start {
        world,
        passes_before,
        arguments,
        expected,
    } = start;
    let folder = world.folder.path();
    for _ in 0..*passes_before {
        process::run(program, arguments, &world.environment, folder)?;
    }
    for proxy in proxies {
        proxy.take();
    }
    let started_at = Instant::now();
    let cost = process::run(program, arguments, &world.environment, folder)?;
    let record = fs::read_to_string(folder.join("stdout"))?;
    if cost.code != 0 || !record.contains(expected) {
        let log = fs::read_to_string(folder.join("stderr"))?;
        return Err(format!("{arguments:?} ended with {}:\n{record}{log}", cost.code).into());
    }
    let exchanges = proxies.iter().flat_map(|proxy| proxy.take()).collect();
    Ok(Run {
        started_at,
        cost,
        exchanges,
    })
}

fn report(table: &mut Table, kind: &str, runs: &[Run], is_limited: bool) {
    let limit = |limit: f64| is_limited.then_some(limit);
    let mut row = |what: &str, unit: Unit, limit: Option<f64>, of: &dyn Fn(&Run) -> f64| {
        table.row(
            &format!("{kind}: {what}"),
            unit,
            &runs.iter().map(of).collect::<Vec<_>>(),
            limit,
        );
    };
    row("HTTP requests", Unit::Count, limit(MAX_REQUESTS), &|run| {
        run.exchanges.len() as f64
    });
    row("processor time", Unit::Millis, limit(MAX_CPU), &|run| {
        millis(run.cost.cpu)
    });
    row("time", Unit::Millis, None, &|run| millis(run.cost.wall));
    row("own time", Unit::Millis, limit(MAX_OWN_TIME), &|run| {
        millis(run.cost.wall.saturating_sub(slowest(&run.exchanges)))
    });
    row("slowest answer", Unit::Millis, None, &|run| {
        millis(slowest(&run.exchanges))
    });
    row("peak memory", Unit::MiB, limit(MAX_MEMORY), &|run| {
        run.cost.peak_memory as f64 / MIB
    });
}

fn slowest(exchanges: &[Exchange]) -> Duration {
    exchanges
        .iter()
        .map(|exchange| exchange.took)
        .max()
        .unwrap_or_default()
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}
