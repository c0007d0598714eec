//! What becomes of the state when calls fail, the power goes, or a bit falls over.
//!
//! All of it by the real [`Journal`] and the real reader; only the disk below is made to fail.

#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod bits;
mod faults;
mod power;
mod power_model;

use std::fs;
use std::path::{Path, PathBuf};

use chrono::{DateTime, TimeDelta};
use tempfile::TempDir;

use super::script::{FaultPlan, Made, while_watched};
use crate::journal::paths::beside;
use crate::journal::{
    Event, GoesBack, Journal, JournalError, Origin, Phase, Rollback, State, StepKind, StepState,
    read,
};

const SERVICE: &str = "shop/checkout";

/// A state file in a folder of its own.
struct Place {
    _folder: TempDir,
    file: PathBuf,
}

impl Place {
    /// In memory where that can be had: thousands of folders are made, and it is not the disk that is looked at.
    fn new() -> Self {
        let memory = Path::new("/dev/shm");
        let folder = tempfile::tempdir_in(memory).or_else(|_| tempfile::tempdir());
        let folder = folder.unwrap();
        let file = folder.path().join("state.json");
        Self {
            _folder: folder,
            file,
        }
    }

    /// One that remembers so many rollbacks, each by a write of its own.
    fn with(rollbacks: usize) -> Self {
        let place = Self::new();
        let mut journal = place.open().unwrap();
        for number in 0..rollbacks {
            journal.put(SERVICE, &rollback(number)).unwrap();
        }
        place
    }

    fn open(&self) -> Result<Journal, JournalError> {
        Journal::open(&self.file)
    }

    fn previous(&self) -> PathBuf {
        beside(&self.file, "prev")
    }

    /// Returns how many rollbacks a reader finds.
    fn remembered(&self) -> usize {
        let glimpse = read(&self.file).unwrap();
        assert_eq!(glimpse.damage, None);
        glimpse.state.service(SERVICE).rollbacks.len()
    }

    /// Returns the names in the folder, but for the lock.
    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.file.parent().unwrap()).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name != "state.json.lock")
            .collect();
        names.sort();
        names
    }

    /// The next run can write, and leaves nothing of the one before lying about.
    fn next_run_writes(&self) {
        let before = self.remembered();
        let mut journal = self.open().unwrap();
        journal.put(SERVICE, &rollback(1000)).unwrap();
        assert_eq!(self.remembered(), before + 1);
        let all = ["state.json", "state.json.prev"];
        let expected = if self.previous().exists() {
            &all[..]
        } else {
            &all[..1]
        };
        assert_eq!(self.names(), expected);
    }
}

/// A rollback as one that worked leaves it: some two kilobytes.
fn rollback(number: usize) -> Rollback {
    let begun_at = DateTime::UNIX_EPOCH + TimeDelta::hours(number.try_into().unwrap());
    let (from, to) = ("b".repeat(40), "a".repeat(40));
    let mut rollback = Rollback {
        id: format!("checkout-19700101t000000z-bbbbbbbb-{number:08x}"),
        origin: Origin::Automatic,
        why: "14.9 % of requests fail since b1946ac9, 4,812 of 32,295; the limit is 1 %".to_owned(),
        subject: "checkout: release v2".to_owned(),
        goes_back: GoesBack::default(),
        from_state: format!("40000:{from}"),
        to_state: format!("40000:{to}"),
        tip: from.clone(),
        place: "main of platform/gitops at apps/checkout".to_owned(),
        message: format!(
            "Roll back shop/checkout to aaaaaaaa\n\nRolls-Back: {from}\nRestores: {to}\n"
        ),
        from,
        to,
        begun_at,
        recovery_ratio: 0.01,
        phase: Phase::Begun,
        approval: None,
        told: Vec::new(),
        released: None,
        attempted: true,
        commit: Some("c".repeat(40)),
        proposal: None,
        argocd: None,
        auto_sync_before: Some(serde_json::json!({"prune": true, "selfHeal": true})),
        effective_at: Some(begun_at),
        ended_at: None,
        outage: false,
        worse: false,
        steps: Vec::new(),
        words: None,
    };
    for (step, detail) in [
        (
            StepKind::GitopsRevert,
            "commit cccccccc is on main of platform/gitops",
        ),
        (
            StepKind::ArgocdSync,
            "operation of 00:00:04 succeeded at cccccccc; healthy since 00:00:31",
        ),
        (
            StepKind::Verify,
            "0.2 % of 3,120 requests failed from 00:01 to 00:03 \u{2013} below the limit",
        ),
    ] {
        rollback.note(step, StepState::Done, begun_at, detail);
    }
    rollback.see(Event::Landed, begun_at).unwrap();
    rollback.see(Event::BurnStopped, begun_at).unwrap();
    rollback
}

/// Writes down for the table of `scripts/test.sh` what a suite had to reach and what it reached.
fn reached(suite: &str, wanted: &str, reached: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/faults");
    fs::create_dir_all(&folder).unwrap();
    let line = format!("{suite} | {wanted} | {reached}\n");
    fs::write(
        folder.join(format!("{}.txt", suite.replace(' ', "-"))),
        line,
    )
    .unwrap();
}
