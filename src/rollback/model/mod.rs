//! Sequences of everything that may happen to one service, held against a small reference model.
//!
//! Real: `policy` (`decide`, `decide_manual`, `questions`, the limits of a resumed push), the journal on a real file
//! with its transitions, its lock, its generations and its forgetting, the translation of the memory for the policy,
//! the fate of a plan that waits, the first record of a rollback and its id, whether a push may be repeated, what the
//! branch remembers of a lost memory, and the words `approve`, `reject` and `release`.
//!
//! Driven here, because it needs servers: the order of records in `carry_out`, `propose`, `resume` and `verify`.
//! `run` and `effects` follow it by hand: intent, a look whether it is done, the effect in a world of the model, the
//! result. What these modules do with a real git server and GitHub is proven by the suites that kill and fail the
//! real program. Argo CD is not in the model.
//!
//! Not looked at: the program's own account. `promises` keeps what truly happened and when, and says what was
//! promised. What only the memory knew (a no, a breaker, an attempt that never landed, an open pull request) is not
//! expected after the memory was lost.
//!
//! A sequence that breaks a promise is made as short as it can be and printed with its seed. `sequence(seed)` draws
//! it again.

mod effects;
mod people;
mod promises;
mod run;
mod steps;
mod world;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use promises::Broken;
use run::Driver;
use steps::{Step, sequence};

/// Sequences of a run of the tests, and of the nightly one.
const SEQUENCES: u64 = 2_000;
const NIGHTLY: u64 = 100_000;

/// How often each thing has to happen in a thousand sequences, so that nothing is proven by doing nothing.
const WANTED: [(&str, u64); 40] = [
    ("runs", 15_000),
    ("bad deployments", 1_500),
    ("brought back", 120),
    ("begun", 700),
    ("begun after a yes", 30),
    ("begun by a person", 80),
    ("landed", 500),
    ("recovered", 400),
    ("ineffective", 100),
    ("failed", 70),
    ("overtaken", 120),
    ("refused", 30),
    ("the branch moved on", 40),
    ("too old", 30),
    ("repeated", 80),
    ("found on the branch", 35),
    ("held back when resumed", 3),
    ("died before the intent", 50),
    ("died after the intent", 40),
    ("died before the effect", 50),
    ("died after the effect", 50),
    ("died after the record", 40),
    ("asked", 120),
    ("said yes", 30),
    ("said no", 15),
    ("expired", 100),
    ("proposed", 100),
    ("merged", 12),
    ("closed", 6),
    ("released", 60),
    ("jumps ahead", 300),
    ("jumps back", 300),
    ("lost: all", 60),
    ("lost: an older one put back", 25),
    ("lost: both damaged", 60),
    ("cooldown", 20),
    ("hourly_limit", 10),
    ("daily_limit", 80),
    ("blackout", 250),
    ("disabled", 200),
];

/// Lets a sequence happen. Returns how often each thing happened.
fn play(steps: &[Step]) -> Result<BTreeMap<&'static str, u64>, Broken> {
    let mut driver = Driver::new();
    for step in steps {
        driver.take(*step)?;
    }
    driver.settle_down()?;
    Ok(driver.counts)
}

/// Leaves out whatever the same broken promise does not need.
fn shrunk(mut steps: Vec<Step>, broken: &str) -> Vec<Step> {
    let mut size = steps.len() / 2;
    while size > 0 {
        let mut place = 0;
        while place < steps.len() {
            let mut fewer = steps.clone();
            fewer.drain(place..(place + size).min(steps.len()));
            if play(&fewer).is_err_and(|other| promise(&other) == promise(broken)) {
                steps = fewer;
            } else {
                place += size;
            }
        }
        size /= 2;
    }
    steps
}

/// Returns which promise it is: the words after the rollback's id.
fn promise(broken: &str) -> &str {
    broken.split_once(' ').map_or(broken, |(_, words)| words)
}

#[test]
fn no_sequence_breaks_a_promise() {
    let is_nightly = std::env::var_os("NIGHTLY").is_some_and(|value| value == "1");
    let sequences = if is_nightly { NIGHTLY } else { SEQUENCES };
    let mut counts: BTreeMap<&'static str, u64> = BTreeMap::new();
    for seed in 0..sequences {
        match play(&sequence(seed)) {
            Ok(counted) => {
                for (what, count) in counted {
                    *counts.entry(what).or_default() += count;
                }
            }
            Err(broken) => {
                let steps = shrunk(sequence(seed), &broken);
                let shortly = play(&steps).err();
                panic!("seed {seed}: {broken}; in short {shortly:?} after {steps:#?}");
            }
        }
    }
    for (what, wanted) in WANTED {
        let reached = counts.get(what).copied().unwrap_or_default();
        let wanted = wanted * sequences / 1000;
        assert!(
            reached >= wanted,
            "{what}: {reached} of {wanted} in {counts:#?}"
        );
    }
    told(sequences, &counts);
}

/// Writes down for the table of `scripts/test.sh` what had to be reached and what was.
fn told(sequences: u64, counts: &BTreeMap<&'static str, u64>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/faults");
    fs::create_dir_all(&folder).expect("a folder");
    let count = |what: &str| counts.get(what).copied().unwrap_or_default();
    let reached = format!(
        "{sequences} sequences, {} rollbacks begun, {} landed, {} crashes, {} jumps, {} losses; 0 double, 0 lost, 0 limit broken",
        count("begun"),
        count("landed"),
        count("crashes"),
        count("jumps back") + count("jumps ahead"),
        counts
            .iter()
            .filter(|(what, _)| what.starts_with("lost"))
            .map(|(_, count)| count)
            .sum::<u64>(),
    );
    let line = format!("model | {SEQUENCES} ({NIGHTLY} nightly) | {reached}\n");
    fs::write(folder.join("model.txt"), line).expect("a file");
}

#[test]
fn a_rollback_with_a_later_time_does_not_hide_that_the_last_one_failed() {
    use steps::{Deployment, Fault};
    let steps = [
        Step::Limits {
            cooldown: 0,
            hour: 3,
            day: 5,
            back: 6,
            attribution: false,
        },
        Step::Jump(300),
        Step::Deploy(Deployment::Bad),
        Step::Wait(15),
        Step::Run(Fault::None),
        Step::Wait(5),
        Step::Run(Fault::None),
        Step::Jump(-300),
        Step::Deploy(Deployment::Bad),
        Step::Wait(15),
        Step::Run(Fault::Refused),
        Step::Manual(Fault::None),
    ];
    let counts = play(&steps).expect("no promise is broken");
    assert_eq!((counts["failed"], counts["breaker_open"]), (1, 1));
}
