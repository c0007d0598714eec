//! Every step done twice: the run dies when a step is written down, and the state is put back to what it was before
//! that, so that the next run does the step again; or it is lost altogether. The world is as after once.

use std::fs;

use crate::crowd;
use crate::stage::Stage;
use crate::stories::{Story, chosen};
use crate::table;

/// What becomes of the state.
type Loss = fn(&Stage);

/// The boundary behind which a step is written down.
const WRITTEN: &str = "journal.durable";

/// Fewest steps of a rollback: its intent, its push, and what became of it.
const LEAST_STEPS: usize = 3;

#[test]
fn every_step_done_twice_is_as_done_once() {
    let stories = chosen();
    let name = |story: &&Story| story.name.to_owned();
    let steps = crowd::each(crowd::BUSY, &stories, name, |story| steps(story));
    let steps: Vec<(&Story, usize)> = stories
        .iter()
        .zip(steps)
        .flat_map(|(story, steps)| steps.into_iter().map(move |at| (*story, at)))
        .collect();
    let losses: [(&str, Loss); 2] = [("put back", put_back), ("wiped", wipe)];
    // Where Argo CD went back and the commit was still to follow, a memory that is lost leaves the rest to a person.
    let is_known =
        |story: &Story, how: &str| how != "wiped" || !story.name.contains("rolls back first");
    let steps: Vec<_> = steps
        .into_iter()
        .flat_map(|(story, at)| losses.map(|(how, loss)| (story, at, how, loss)))
        .filter(|(story, _, how, _)| is_known(story, how))
        .collect();
    let name = |(story, at, how, _): &(&Story, usize, &str, Loss)| {
        format!("{}, {how} at {at}", story.name)
    };
    let done = crowd::each(crowd::BUSY, &steps, name, |(story, at, _, loss)| {
        done_twice(story, *at, *loss);
    });
    table::reached(
        "every step executed twice",
        2 * stories.len() * LEAST_STEPS,
        "steps",
        done.len(),
        &format!(" in {} stories, all there are", stories.len()),
    );
}

/// Returns the boundaries of a story behind which a step is written down.
fn steps(story: &Story) -> Vec<usize> {
    let played = (story.stage)().play(&[]);
    let named = (1..).zip(&played.boundaries);
    named
        .filter(|(_, name)| *name == WRITTEN)
        .map(|(at, _)| at)
        .collect()
}

fn done_twice(story: &Story, at: usize, loss: Loss) {
    let stage = Stage {
        when_killed: Box::new(loss),
        ..(story.stage)()
    };
    stage.play(&[at]);
    story.allowed.holds(&stage);
}

/// Puts the state back to the generation before the newest.
fn put_back(stage: &Stage) {
    let newest = stage.world.state_file();
    let before = newest.with_extension("json.prev");
    if before.exists() {
        fs::copy(&before, &newest).expect("our own file");
    } else {
        fs::remove_file(&newest).expect("our own file");
    }
}

/// Takes the whole memory away, as a lost volume does.
fn wipe(stage: &Stage) {
    stage.world.forgets();
}
