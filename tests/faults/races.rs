//! Several processes at once on one state: one of them acts, and the others are sent away or find it done.

use crate::crowd;
use crate::scenarios::program::Running;
use crate::stage::Stage;
use crate::stories::{STORIES, Story};
use crate::table;

/// Rounds of one test run.
const ROUNDS: usize = 200;

/// Rounds where there is a night for it.
const ROUNDS_BY_NIGHT: usize = 1_000;

/// The stories that are raced: what differs is what the winner does.
const RACED: [&str; 5] = [
    "a push",
    "an App commits",
    "a pull request that nobody answers",
    "two paths",
    "limits are switched off and it does not help",
];

#[test]
fn however_many_start_at_once_one_acts() {
    let wanted = match crowd::is_night() {
        true => ROUNDS_BY_NIGHT,
        false => ROUNDS,
    };
    let stories: Vec<&Story> = RACED
        .iter()
        .map(|name| STORIES.iter().find(|story| story.name == *name))
        .map(|story| story.expect("a story of that name"))
        .collect();
    let rounds: Vec<(&Story, usize)> = (0..wanted)
        .map(|round| (stories[round % stories.len()], 2 + round % 7))
        .collect();
    let name =
        |(story, processes): &(&Story, usize)| format!("{}, {processes} at once", story.name);
    let started = crowd::each(crowd::BUSY, &rounds, name, |(story, processes)| {
        race(story, *processes);
        *processes
    });
    table::reached(
        "2 to 8 processes racing on one state",
        wanted,
        "rounds",
        started.len(),
        &format!(", {} processes", started.iter().sum::<usize>()),
    );
}

fn race(story: &Story, processes: usize) {
    let stage: Stage = (story.stage)();
    let running: Vec<Running> = (0..processes).map(|_| stage.program.start()).collect();
    for running in running {
        let ran = running.wait();
        // One that came late may find a rollback that did not help, and says so again.
        assert!(matches!(ran.code, Some(0 | 1 | 75)), "{ran}");
    }
    story.allowed.holds(&stage);
    stage.play(&[]);
    story.allowed.holds(&stage);
}
