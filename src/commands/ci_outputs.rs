//! Leaves the gate's result where the steps of a pipeline find it. A file that cannot be written never changes the
//! result.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;

use ring::rand::{SecureRandom, SystemRandom};

use super::finished::Served;
use crate::config::CiConfig;
use crate::exit::Exit;
use crate::files::{self, Links};
use crate::notify::ci::{self, CiGate, GateOf};

/// Writes the files that a pipeline asked for, and returns the annotations for its log; empty outside of GitHub
/// Actions. `complaint` says why no service was looked at.
pub fn hand_over(
    config: &CiConfig,
    dotenv: Option<&Path>,
    exit: Exit,
    served: &[Served],
    complaint: Option<&str>,
) -> String {
    let gate = CiGate {
        exit,
        services: served.iter().map(gate_of).collect(),
        complaint: complaint.map(str::to_owned),
    };
    if let Some(file) = &config.github_output {
        let written = delimiter().and_then(|delimiter| {
            let text = ci::outputs(&gate, &delimiter);
            append(file, &text)
        });
        warn("GITHUB_OUTPUT", file, written);
    }
    if let Some(file) = &config.github_step_summary {
        warn(
            "GITHUB_STEP_SUMMARY",
            file,
            append(file, &ci::summary(&gate)),
        );
    }
    if let Some(file) = dotenv {
        warn("--dotenv", file, replace(file, &ci::dotenv(&gate)));
    }
    if config.takes_annotations {
        ci::annotations(&gate)
    } else {
        String::new()
    }
}

fn gate_of(served: &Served) -> GateOf<'_> {
    GateOf {
        service: &served.service,
        exit: served.ended.exit,
        record: served.ended.record(),
        complaint: served.ended.complaint.as_deref(),
    }
}

/// Returns what nobody can guess, so that no value can end itself early.
fn delimiter() -> io::Result<String> {
    let mut random = [0; 16];
    SystemRandom::new()
        .fill(&mut random)
        .map_err(|_| io::Error::other("the system gives no random numbers"))?;
    Ok(format!("end-{:032x}", u128::from_be_bytes(random)))
}

fn append(file: &Path, text: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.create(true).append(true);
    let mut file = files::open(file, &mut options, Links::Followed)?;
    file.write_all(text.as_bytes())
}

fn replace(file: &Path, text: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.create(true).write(true).truncate(true);
    let mut file = files::open(file, &mut options, Links::Followed)?;
    file.write_all(text.as_bytes())
}

fn warn(name: &str, file: &Path, written: io::Result<()>) {
    if let Err(error) = written {
        let file = file.display();
        tracing::warn!(error = %error, "{name}: {file} cannot be written; the result is on standard output");
    }
}
