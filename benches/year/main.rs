//! Years of five-minute passes over generated services, judged by the real core: how often it rolls back what is not to
//! blame, and how often it catches what is.
//!
//! `scripts/bench.sh --year [N]` builds and runs it. Arguments: `--service-years N`; `--seed S`; `--findings N` for
//! how many of each kind are told; `--trouble N` for N times as many bad releases and incidents. It fails when
//! something is rolled back that must not be, or when too few bad releases are caught. The same arguments always give
//! the same table.

mod simulation;

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use simulation::{Subject, Tally, simulate};

/// Service-years unless told otherwise: each kind of service twice, once eventful and once not.
const SERVICE_YEARS: u64 = 72;

/// Share of the bad releases that has to be caught by the first or the second pass that can (0..1).
const CAUGHT_SOON: f64 = 0.97;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let (mut years, mut seed, mut told, mut trouble) = (SERVICE_YEARS, 1, 3, 1);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut number = || {
            arguments
                .next()
                .ok_or("a number is missing")?
                .parse::<u64>()
                .map_err(Box::<dyn Error>::from)
        };
        match argument.as_str() {
            "--service-years" => years = number()?,
            "--seed" => seed = number()?,
            "--findings" => told = usize::try_from(number()?)?,
            "--trouble" => trouble = u32::try_from(number()?)?,
            // Cargo says that it runs a benchmark.
            "--bench" => {}
            other => return Err(format!("unknown argument {other}").into()),
        }
    }
    let tally = run(years, seed, trouble);
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "seed {seed}\n{}{}",
        tally.report(),
        tally.findings(told)
    )?;
    let failures = tally.failures(CAUGHT_SOON);
    for failure in &failures {
        writeln!(out, "FAILED: {failure}")?;
    }
    Ok(if failures.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Simulates the services on every core. What is counted does not depend on which thread comes first.
fn run(years: u64, seed: u64, trouble: u32) -> Tally {
    let (next, done) = (AtomicU64::new(0), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= years {
                        break;
                    }
                    let tally = simulate(Subject {
                        seed,
                        number,
                        days: 365,
                        trouble,
                    });
                    done.lock().expect("no thread panics").push((number, tally));
                }
            });
        }
    });
    let mut done = done.into_inner().expect("no thread panics");
    done.sort_by_key(|(number, _)| *number);
    let mut all = Tally::default();
    for (_, tally) in done {
        all.join(tally);
    }
    all
}
