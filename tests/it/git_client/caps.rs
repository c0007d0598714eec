//! Servers that say as much as they may, or one thing more: each answer that is read piece by piece has its cap.

use std::fs;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use testkit::stub::{Reply, Request, Stub};

use super::filter::upload_pack;
use super::*;

/// Most lines about the boundary, as the client has it.
const MAX_BOUNDARY: usize = 50_000;

/// A server that answers as git does, with more at the beginning of what it advertises and of what it sends.
fn talkative(world: &World, references: String, boundary: Vec<u8>) -> Stub {
    let line = world.advertisement();
    let advertised = format!(
        "{}{references}0000",
        line.strip_suffix("0000").expect("its end")
    );
    let path = world.repo.path().to_owned();
    Stub::http(move |request: &Request| {
        let (kind, body) = match request.method.as_str() {
            "GET" => ("advertisement", advertised.clone().into_bytes()),
            _ if request.body.starts_with(b"0014command") => ("result", Vec::new()),
            _ => {
                let answer = upload_pack(&path, &request.body);
                ("result", [&boundary[..], &answer].concat())
            }
        };
        let kind = format!("application/x-git-upload-pack-{kind}");
        Some(Reply::untyped(200, body).with_header("content-type", &kind))
    })
}

/// Lines about commits that nobody has, whose ids all begin alike: what a table of ids is slowest with.
fn made_up(word: &str, count: usize) -> Vec<u8> {
    let length = word.len() + 46;
    (0..count)
        .flat_map(|number| format!("{length:04x}{word} aaaaaaaa{number:032x}\n").into_bytes())
        .collect()
}

#[test]
fn a_boundary_of_commits_that_were_not_sent_is_dropped_up_to_the_cap_and_refused_past_it() {
    let world = seeded();
    world.repo.commit_many(60, OTHER_FILE, at(3));
    let whole = format!("{:?}", world.read());
    let counts = prop_oneof![1..MAX_BOUNDARY, Just(MAX_BOUNDARY), Just(MAX_BOUNDARY + 1)];
    let words = prop_oneof![Just("shallow"), Just("unshallow")];
    let config = Config {
        cases: 5,
        failure_persistence: None,
        ..Config::default()
    };
    let outcome = TestRunner::new(config).run(&(counts, words), |(count, word)| {
        // The first round of the true answer adds one line of its own.
        let stub = talkative(&world, String::new(), made_up(word, count));
        let read = git(settings(&stub.url())).read(&everything());
        if count < MAX_BOUNDARY {
            let snapshot = read.expect("a readable branch");
            prop_assert_eq!(format!("{snapshot:?}"), &whole[..]);
            let kept = fs::read_to_string(snapshot.folder().join("shallow"));
            prop_assert_eq!(kept.unwrap_or_default().lines().count(), 0);
        } else {
            let fault = read.expect_err("too much").fault;
            let is_refused = matches!(
                fault,
                GitFault::TooManyObjects {
                    limit: MAX_BOUNDARY
                }
            );
            prop_assert!(is_refused, "{fault}");
        }
        Ok(())
    });
    outcome.expect("it holds for every count");
}

/// What is kept of it does not grow with it.
#[test]
fn very_many_references_are_read_over_and_a_tip_beyond_the_cap_is_not_known() {
    let world = seeded();
    let reference = |number: usize| {
        let line = format!("{} refs/pull/{number:06}/head\n", world.repo.tip());
        format!("{:04x}{line}", line.len() + 4)
    };
    let line = reference(0).len();
    for references in [(1 << 20) / line - 10, (1 << 20) / line + 1] {
        let stub = talkative(&world, (0..references).map(reference).collect(), Vec::new());
        let git = git(settings(&stub.url()));
        assert_eq!(read(&git).tip, world.repo.tip());
        let tip = git.tip(Duration::from_secs(60));
        match references * line < 1 << 20 {
            true => assert_eq!(tip.expect("a tip"), world.repo.tip()),
            false => {
                let fault = tip.expect_err("too much").fault;
                assert!(matches!(fault, GitFault::TooMuch { .. }), "{fault}");
            }
        }
    }
}
