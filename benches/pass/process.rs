//! Runs the program and says what it cost, by the kernel's account.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use wait4::Wait4;

/// First argument that makes this benchmark measure one program instead of all.
pub(crate) const MEASURE: &str = "measure-one";

/// What one run of the program cost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cost {
    /// Exit code; -1 for a signal.
    pub(crate) code: i64,
    /// From before the start to after the end.
    pub(crate) wall: Duration,
    /// In user space and in the kernel together.
    pub(crate) cpu: Duration,
    /// Peak of resident memory in bytes.
    pub(crate) peak_memory: u64,
}

/// Runs `program` with nothing but `environment`; `folder` gets what it prints, as `stdout` and `stderr`.
///
/// A process in between starts it, because the kernel counts the memory of the one that forks towards the peak of the
/// one that is executed, and this one has built a month of history.
pub(crate) fn run(
    program: &Path,
    arguments: &[&str],
    environment: &[(&str, String)],
    folder: &Path,
) -> io::Result<Cost> {
    let cost = folder.join("cost");
    let ended = Command::new(std::env::current_exe()?)
        .arg(MEASURE)
        .arg(&cost)
        .arg(program)
        .args(arguments)
        .env_clear()
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .stdout(File::create(folder.join("stdout"))?)
        .stderr(File::create(folder.join("stderr"))?)
        .status()?;
    let text = fs::read_to_string(&cost)?;
    let numbers: Vec<i64> = text
        .split_whitespace()
        .filter_map(|word| word.parse().ok())
        .collect();
    let ([code, wall, cpu, peak_memory], true) = (&numbers[..], ended.success()) else {
        return Err(io::Error::other(format!(
            "{} was not measured",
            program.display()
        )));
    };
    Ok(Cost {
        code: *code,
        wall: Duration::from_micros(wall.unsigned_abs()),
        cpu: Duration::from_micros(cpu.unsigned_abs()),
        peak_memory: peak_memory.unsigned_abs(),
    })
}

/// Is the process in between: starts the program that the arguments name after the file for the cost, and waits for it.
pub(crate) fn measure(mut arguments: impl Iterator<Item = OsString>) -> io::Result<()> {
    let (Some(cost), Some(program)) = (arguments.next(), arguments.next()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let mut command = Command::new(program);
    command.args(arguments);
    let started_at = Instant::now();
    let end = command.spawn()?.wait4()?;
    let wall = started_at.elapsed();
    fs::write(
        cost,
        format!(
            "{} {} {} {}",
            end.status.code().unwrap_or(-1),
            wall.as_micros(),
            (end.rusage.utime + end.rusage.stime).as_micros(),
            end.rusage.maxrss
        ),
    )
}
