//! The power goes at any moment of a run, or after one that was killed: the old state or the new one is there, whole.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Range;

use super::super::script::Fault;
use super::power_model::{Folder, Left};
use super::*;

/// Runs on one state file, by the calls that they made.
struct Story {
    place: Place,
    made: Vec<Made>,
    /// What a reader may find after so many calls: the last state that a run was promised or acted on, or the one
    /// being written.
    may_be_found: Vec<Vec<State>>,
    /// The calls with which a run brings what it reads to disk.
    settling: Vec<Range<usize>>,
    written: usize,
}

impl Story {
    fn new() -> Self {
        Self {
            place: Place::new(),
            made: Vec::new(),
            may_be_found: vec![vec![State::default()]],
            settling: Vec::new(),
            written: 0,
        }
    }

    /// Opens the state, and promises from then on that what was read is not forgotten.
    fn open(&mut self, plan: Option<FaultPlan>) -> (Option<Journal>, usize) {
        let (opened, seen) = while_watched(plan, || self.place.open());
        let from = self.made.len();
        let may_be_found = self.may_be_found_now();
        self.goes_on(seen.made, may_be_found);
        self.settling.push(from..self.made.len());
        if let Ok(journal) = &opened {
            self.is_promised(journal.state());
        }
        (opened.ok(), seen.calls)
    }

    /// Writes a rollback down, and promises it where that succeeded.
    fn put(&mut self, journal: &mut Journal, plan: Option<FaultPlan>) -> usize {
        let rollback = rollback(self.written);
        self.written += 1;
        let mut may_be_found = self.may_be_found_now();
        let (put, seen) = while_watched(plan, || journal.put(SERVICE, &rollback));
        may_be_found.push(journal.state());
        self.goes_on(seen.made, may_be_found);
        if put.is_ok() {
            self.is_promised(journal.state());
        }
        seen.calls
    }

    fn run(mut self, writes: usize) -> Self {
        let mut journal = self.open(None).0.unwrap();
        for _ in 0..writes {
            self.put(&mut journal, None);
        }
        self
    }

    /// Adds a run that writes once and is befallen by something. Returns how many calls it made or tried.
    fn befallen_run(mut self, plan: FaultPlan) -> (Self, usize) {
        let (journal, opening) = self.open(Some(plan));
        let Some(mut journal) = journal else {
            return (self, opening);
        };
        let is_later = plan.at >= opening;
        let plan = FaultPlan {
            at: plan.at.saturating_sub(opening),
            ..plan
        };
        let writing = self.put(&mut journal, (is_later || plan.for_ever).then_some(plan));
        (self, opening + writing)
    }

    fn may_be_found_now(&self) -> Vec<State> {
        self.may_be_found.last().unwrap().clone()
    }

    fn goes_on(&mut self, made: Vec<Made>, may_be_found: Vec<State>) {
        let calls = made.len();
        self.made.extend(made);
        // A crash before the first of them finds what it would have found before.
        self.may_be_found
            .extend(std::iter::repeat_n(may_be_found, calls));
    }

    fn is_promised(&mut self, state: State) {
        *self.may_be_found.last_mut().unwrap() = vec![state];
    }

    /// Cuts the power after every call, the first ones left out, and lets the real reader see all that may be left.
    fn every_power_cut(&self, first: usize, tally: &mut Tally) -> Result<(), String> {
        let mut folder = Folder::default();
        let mut made = self.made.iter();
        for (calls, may_be_found) in self.may_be_found.iter().enumerate() {
            if calls >= first {
                tally.cuts += 1;
                for left in folder.after_a_power_cut() {
                    tally
                        .see(&left, may_be_found)
                        .map_err(|why| format!("after {calls} calls: {why}"))?;
                }
            }
            if let Some(next) = made.next() {
                folder.make(next);
            }
        }
        Ok(())
    }
}

/// What was looked at.
#[derive(Default)]
struct Tally {
    cuts: usize,
    states: usize,
    /// Checksums of it.
    seen: BTreeSet<u64>,
}

impl Tally {
    /// Reads what is left, and goes on with it. What differs by the names of temporary files alone is read once.
    fn see(&mut self, left: &Left, may_be_found: &[State]) -> Result<(), String> {
        self.states += 1;
        let mut files: Vec<_> = left
            .iter()
            .map(|(name, content)| (kind(name), content))
            .collect();
        files.sort();
        if !self.seen.insert(checksum(&(files, ids(may_be_found)))) {
            return Ok(());
        }
        let place = Place::new();
        for (name, content) in left {
            fs::write(place.file.with_file_name(name), content).unwrap();
        }
        let names: Vec<_> = left.keys().collect();
        let found = read(&place.file).map_err(|error| format!("{names:?}: {error}"))?;
        if let Some(damage) = found.damage {
            return Err(format!("{names:?}: {damage}"));
        }
        if !may_be_found.contains(&found.state) {
            return Err(format!("{names:?}: another state than the old and the new"));
        }
        if place.previous().exists() {
            let before = read(&place.previous());
            let before = before.map_err(|error| format!("{names:?}: {error}"))?;
            if let Some(damage) = before.damage {
                return Err(format!("{names:?}, the generation before: {damage}"));
            }
        }
        place.next_run_writes();
        Ok(())
    }
}

fn kind(name: &OsStr) -> &str {
    let name = name.to_str().unwrap();
    if name.contains(".new-") {
        "temporary"
    } else {
        name
    }
}

fn ids(states: &[State]) -> Vec<Vec<String>> {
    let ids = |state: &State| {
        let rollbacks = state.service(SERVICE).rollbacks;
        rollbacks.into_iter().map(|past| past.id).collect()
    };
    states.iter().map(ids).collect()
}

fn checksum(seen: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    seen.hash(&mut hasher);
    hasher.finish()
}

fn story(writes: usize) -> Story {
    Story::new().run(writes)
}

#[test]
fn after_a_power_cut_the_old_or_the_new_state_is_there() {
    let mut tally = Tally::default();
    // One run that writes ten times, and ten runs that write once.
    story(10).every_power_cut(0, &mut tally).unwrap();
    let runs = (0..10).fold(Story::new(), |story, _| story.run(1));
    runs.every_power_cut(0, &mut tally).unwrap();
    // A run that is killed at any call, or that sees any call fail and cleans up, and one more run after it.
    for before in 0..=2 {
        for for_ever in [true, false] {
            for at in 0.. {
                let plan = FaultPlan {
                    fault: Fault::Io,
                    at,
                    for_ever,
                };
                let story = story(before);
                let first = story.made.len();
                let (story, calls) = story.befallen_run(plan);
                if at >= calls {
                    break;
                }
                story.run(1).every_power_cut(first, &mut tally).unwrap();
            }
        }
    }
    let Tally { cuts, states, seen } = tally;
    assert!(states >= 10_000, "{states}");
    let found = format!(
        "{cuts} cuts, {states} states, {} different, 0 unreadable",
        seen.len()
    );
    reached("power loss", "exhaustive", &found);
}

/// A story is told again without some of its calls, as another order of the write would make them.
fn is_caught(mut story: Story, is_left_out: impl Fn(&Story, usize) -> bool) -> bool {
    let kept: Vec<usize> = (0..story.made.len())
        .filter(|call| !is_left_out(&story, *call))
        .collect();
    let after = kept.iter().map(|call| story.may_be_found[call + 1].clone());
    story.may_be_found = [vec![State::default()]].into_iter().chain(after).collect();
    story.made = kept.iter().map(|call| story.made[*call].clone()).collect();
    let mut tally = Tally::default();
    story.every_power_cut(0, &mut tally).is_err()
}

#[test]
fn each_fsync_is_needed() {
    assert!(!is_caught(story(3), |_, _| false));
    assert!(is_caught(story(3), |story, call| {
        matches!(story.made[call], Made::Synced(_))
    }));
    assert!(is_caught(story(3), |story, call| {
        matches!(story.made[call], Made::SyncedFolder(_))
    }));
    // The fsync with which a run begins, where the one before it was killed between its rename and its fsync.
    let killed = || {
        let last_call = calls_of_a_run() - 1;
        let plan = FaultPlan {
            fault: Fault::Io,
            at: last_call,
            for_ever: true,
        };
        story(2).befallen_run(plan).0.run(1)
    };
    assert!(!is_caught(killed(), |_, _| false));
    assert!(is_caught(killed(), |story, call| {
        story
            .settling
            .iter()
            .any(|settling| settling.contains(&call))
    }));
}

fn calls_of_a_run() -> usize {
    let mut story = story(2);
    let (journal, opening) = story.open(None);
    opening + story.put(&mut journal.unwrap(), None)
}
