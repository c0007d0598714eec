//! SIGKILL at every boundary that a story reaches, and at pairs of them.

use std::collections::BTreeSet;

use crate::crowd;
use crate::stage::Played;
use crate::stories::{Story, chosen};
use crate::table;

/// How many points at which the program dies each of the first stories has at least.
const POINTS: usize = 60;

/// How many more are tried, because after a first death a run may end before it comes to the second.
const SPARE: usize = 4;

/// How many stories have that many; of the others every boundary is a point.
const LEAST_STORIES: usize = 20;

/// Where a story's program dies: at a boundary counted from the start, and at one counted from there.
struct Point<'a> {
    story: &'a Story,
    kills: Vec<usize>,
}

#[test]
fn killed_anywhere_it_ends_as_if_nothing_had_happened() {
    let stories = chosen();
    let name = |story: &&Story| story.name.to_owned();
    let boundaries = crowd::each(crowd::BUSY, &stories, name, |story| {
        play(story, &[]).boundaries.len()
    });
    for (story, boundaries) in stories.iter().zip(&boundaries) {
        table::says(&format!("{boundaries:4} boundaries: {}", story.name));
    }
    let points: Vec<Point<'_>> = stories
        .iter()
        .zip(&boundaries)
        .enumerate()
        .flat_map(|(number, (story, boundaries))| {
            let least = match number {
                _ if crowd::is_night() => usize::MAX,
                0..LEAST_STORIES => POINTS + SPARE,
                _ => 0,
            };
            points(story, *boundaries, least)
        })
        .collect();
    let name = |point: &Point<'_>| format!("{}, killed at {:?}", point.story.name, point.kills);
    let kills = crowd::each(crowd::BUSY, &points, name, |point| {
        play(point.story, &point.kills).kills
    });
    // How far a run comes after the first death depends on where that was; what is counted is what came about.
    let reached = kills.iter().zip(&points);
    let reached = reached.filter(|(kills, point)| **kills == point.kills.len());
    table::reached(
        "SIGKILL at every boundary",
        POINTS * LEAST_STORIES.min(stories.len()),
        "points",
        reached.count(),
        &format!(
            " in {} stories, {} SIGKILLs",
            stories.len(),
            kills.iter().sum::<usize>()
        ),
    );
}

fn play(story: &Story, kills: &[usize]) -> Played {
    let stage = (story.stage)();
    let played = stage.play(kills);
    story.allowed.holds(&stage);
    assert!(
        played.kills > 0 || kills.is_empty(),
        "the first boundary was not reached"
    );
    played
}

/// Every boundary once; then a second death soon after the first, wherever that was, until there are enough. By night
/// all pairs.
fn points(story: &Story, boundaries: usize, least: usize) -> Vec<Point<'_>> {
    let once = (1..=boundaries).map(|at| vec![at]);
    // The boundary after the first death that the next run surely reaches is its first.
    let pairs: BTreeSet<(usize, usize)> = (1..=boundaries)
        .flat_map(|second| (1..boundaries).map(move |first| (second, first)))
        .filter(|(second, first)| first + second <= boundaries)
        .collect();
    let twice = pairs.into_iter().map(|(second, first)| vec![first, second]);
    once.chain(twice)
        .take(boundaries.max(least))
        .map(|kills| Point { story, kills })
        .collect()
}
