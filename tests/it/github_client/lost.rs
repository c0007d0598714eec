//! Answers that get lost. The stand-in fails the test when a write is repeated without a look in between.

use error_budget_monitor::clients::github::{Landing, WrittenCommit};
use testkit::stub::Reply;

use super::*;

/// How an answer gets lost: the connection ends, breaks, or something in between has a fault.
fn losses() -> [Reply; 4] {
    [
        Reply::hangup(),
        Reply::reset(),
        Reply::html(502, "<html>Bad Gateway</html>"),
        Reply::html(200, "<html>please log in</html>"),
    ]
}

async fn roll_back(world: &World, client: &Github) -> Landing {
    let written = world.written(client).await;
    client.land("main", &written).await.expect("an outcome")
}

#[tokio::test]
async fn a_lost_answer_at_any_step_ends_in_one_commit_if_the_deed_was_done() {
    for (method, step) in [
        ("POST", "/git/trees"),
        ("POST", "/git/commits"),
        ("PATCH", "/git/refs/"),
    ] {
        for loss in losses() {
            let world = world();
            world.github.after(method, step, loss);
            let landing = roll_back(&world, &world.client()).await;
            let commit = world.one_commit_restores(&world.bad);
            assert_eq!(landing, Landing::Landed { commit }, "{method} {step}");
        }
    }
}

#[tokio::test]
async fn a_lost_request_at_any_step_ends_in_one_commit_too() {
    for (method, step) in [
        ("POST", "/git/trees"),
        ("POST", "/git/commits"),
        ("PATCH", "/git/refs/"),
    ] {
        for loss in losses() {
            let world = world();
            world.github.instead(method, step, loss);
            let landing = roll_back(&world, &world.client()).await;
            let commit = world.one_commit_restores(&world.bad);
            // A tree by the same content, a commit by the same content and time, and a branch that moves once.
            assert_eq!(landing, Landing::Landed { commit }, "{method} {step}");
        }
    }
}

#[tokio::test]
async fn a_conflict_is_read_before_it_is_believed() {
    for status in [409, 422] {
        for is_done in [true, false] {
            let world = world();
            let client = world.client();
            let written = world.written(&client).await;
            let reply = Reply::json(status, r#"{"message":"Update is not a fast-forward"}"#);
            if is_done {
                world.github.after("PATCH", "/git/refs/", reply);
            } else {
                world.github.instead("PATCH", "/git/refs/", reply);
            }
            match client.land("main", &written).await.expect("an outcome") {
                Landing::Landed { .. } => assert!(is_done && world.repo().tip() == written.commit),
                Landing::Refused { words, .. } => {
                    assert!(!is_done && world.repo().tip() == world.bad);
                    assert!(words.contains("fast-forward"), "{words}");
                }
                other @ (Landing::Moved { .. } | Landing::Unknown { .. }) => panic!("{other:?}"),
            }
        }
    }
}

#[tokio::test]
async fn a_fault_that_stays_leaves_the_end_open() {
    let world = world();
    let client = world.client();
    let written = world.written(&client).await;
    for _ in 0..2 {
        world
            .github
            .instead("PATCH", "/git/refs/", Reply::json(500, "{}"));
    }
    let landing = client.land("main", &written).await.expect("an outcome");
    assert_eq!(
        landing,
        Landing::Unknown {
            why: "the forge has a fault (HTTP 500: ); the next run tries again".to_owned()
        }
    );
    assert_eq!(world.repo().tip(), world.bad);
}

#[tokio::test]
async fn a_refusal_after_a_lost_answer_leaves_the_end_open() {
    for status in [403, 409, 422, 429] {
        let world = world();
        let client = world.client();
        let written = world.written(&client).await;
        world.github.instead("PATCH", "/git/refs/", Reply::hangup());
        world
            .github
            .instead("PATCH", "/git/refs/", Reply::json(status, "{}"));
        let landing = client.land("main", &written).await.expect("an outcome");
        assert!(matches!(landing, Landing::Unknown { .. }), "{landing:?}");
    }
}

#[tokio::test]
async fn a_move_whose_end_cannot_be_seen_is_unknown_even_if_it_was_done() {
    let world = world();
    let client = world.client();
    let written = world.written(&client).await;
    world.github.after("PATCH", "/git/refs/", Reply::hangup());
    for _ in 0..3 {
        world
            .github
            .instead("GET", "/git/ref/", Reply::json(503, "{}"));
    }
    let landing = client.land("main", &written).await.expect("an outcome");
    assert!(matches!(landing, Landing::Unknown { .. }), "{landing:?}");
    assert_eq!(world.repo().tip(), written.commit);
}

#[tokio::test]
async fn a_branch_that_moved_while_the_answer_was_lost_is_a_lost_race() {
    let world = world();
    let client = world.client();
    let written = world.written(&client).await;
    world.github.instead("PATCH", "/git/refs/", Reply::hangup());
    let repo = world.repo().clone();
    world.github.before("GET", "/git/ref/", move || {
        repo.commit("race", at(2), &[(OTHER_FILE, Some("o2\n"))]);
    });
    let landing = client.land("main", &written).await.expect("an outcome");
    let tip = Some(world.repo().tip());
    assert_eq!(landing, Landing::Moved { tip });
}

#[tokio::test]
async fn a_tree_or_commit_that_stays_out_of_reach_is_an_error_and_changes_nothing() {
    for step in ["/git/trees", "/git/commits"] {
        let world = world();
        let new = world.rollback().await;
        for _ in 0..2 {
            world.github.instead("POST", step, Reply::hangup());
        }
        let error = world
            .client()
            .write_commit(&new)
            .await
            .expect_err("out of reach");
        assert!(error.is_transient(), "{error}");
        assert_eq!(world.repo().tip(), world.bad);
    }
}

#[tokio::test]
async fn no_second_commit_is_made_for_a_branch_that_moved() {
    let world = world();
    let new = world.rollback().await;
    world
        .github
        .instead("POST", "/git/commits", Reply::hangup());
    let repo = world.repo().clone();
    world.github.before("GET", "/git/ref/", move || {
        repo.commit("race", at(2), &[(OTHER_FILE, Some("o2\n"))]);
    });
    world.client().write_commit(&new).await.expect_err("moved");
    let story = world.github.story();
    assert_eq!(
        story
            .iter()
            .filter(|line| line.starts_with("POST /git/commits"))
            .count(),
        1,
        "{story:#?}"
    );
}

#[tokio::test]
async fn a_commit_that_nobody_wrote_is_refused_and_nothing_moves() {
    let world = world();
    let written = WrittenCommit {
        commit: "2".repeat(40),
        parent: world.bad.clone(),
        is_verified: false,
    };
    let landing = world
        .client()
        .land("main", &written)
        .await
        .expect("an outcome");
    assert!(matches!(landing, Landing::Refused { .. }), "{landing:?}");
    assert_eq!(world.repo().tip(), world.bad);
}
