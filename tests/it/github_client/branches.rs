//! Branches of our own.

use error_budget_monitor::clients::github::{Created, Deleted};
use testkit::stub::Reply;

use super::*;

const BRANCH: &str = "rollback/r-1";

#[tokio::test]
async fn a_branch_is_made_once() {
    let world = world();
    let client = world.client();
    let written = world.written(&client).await;
    for _ in 0..2 {
        let created = client.create_branch(BRANCH, &written.commit).await;
        assert_eq!(created.expect("an outcome"), Created::There);
    }
    assert_eq!(
        client.tip(BRANCH).await.expect("an answer"),
        Some(written.commit)
    );
    assert_eq!(world.repo().tip(), world.bad);
}

#[tokio::test]
async fn a_lost_answer_makes_one_branch() {
    for is_done in [true, false] {
        let world = world();
        let client = world.client();
        let written = world.written(&client).await;
        if is_done {
            world.github.after("POST", "/git/refs", Reply::hangup());
        } else {
            world
                .github
                .instead("POST", "/git/refs", Reply::json(502, ""));
        }
        let created = client.create_branch(BRANCH, &written.commit).await;
        assert_eq!(created.expect("an outcome"), Created::There);
        assert_eq!(world.repo().id_at(BRANCH), written.commit);
    }
}

#[tokio::test]
async fn a_branch_that_points_elsewhere_is_not_ours() {
    let world = world();
    let client = world.client();
    let written = world.written(&client).await;
    world.repo().reset(BRANCH, &world.good);
    let created = client
        .create_branch(BRANCH, &written.commit)
        .await
        .expect("an outcome");
    assert_eq!(
        created,
        Created::Taken {
            at: world.good.clone()
        }
    );
    let deleted = client
        .delete_branch(BRANCH, &written.commit)
        .await
        .expect("an outcome");
    assert_eq!(
        deleted,
        Deleted::NotOurs {
            at: world.good.clone()
        }
    );
    assert_eq!(world.repo().id_at(BRANCH), world.good);
}

#[tokio::test]
async fn a_branch_in_the_way_and_a_rule_are_refusals() {
    let world = world();
    let client = world.client();
    let written = world.written(&client).await;
    world.github.protect(BRANCH, &["creation"]);
    let created = client
        .create_branch(BRANCH, &written.commit)
        .await
        .expect("an outcome");
    assert!(
        matches!(&created, Created::Refused { words } if words.contains("rule violations")),
        "{created:?}"
    );
    world.github.protect(BRANCH, &[]);
    world.repo().reset("rollback", &world.good);
    let created = client
        .create_branch(BRANCH, &written.commit)
        .await
        .expect("an outcome");
    assert!(matches!(created, Created::Refused { .. }), "{created:?}");
}

#[tokio::test]
async fn our_branch_is_removed_once_and_nothing_else() {
    for fault in [None, Some(true), Some(false)] {
        let world = world();
        let client = world.client();
        let written = world.written(&client).await;
        client
            .create_branch(BRANCH, &written.commit)
            .await
            .expect("an outcome");
        match fault {
            None => {}
            Some(true) => world.github.after("DELETE", "/git/refs/", Reply::reset()),
            Some(false) => world
                .github
                .instead("DELETE", "/git/refs/", Reply::json(500, "")),
        }
        for _ in 0..2 {
            let deleted = client.delete_branch(BRANCH, &written.commit).await;
            assert_eq!(deleted.expect("an outcome"), Deleted::Gone);
        }
        assert_eq!(client.tip(BRANCH).await.expect("an answer"), None);
        assert_eq!(world.repo().tip(), world.bad);
    }
}

#[tokio::test]
async fn a_branch_that_may_not_be_removed_stays() {
    let world = world();
    let client = world.client();
    let written = world.written(&client).await;
    client
        .create_branch(BRANCH, &written.commit)
        .await
        .expect("an outcome");
    world.github.protect(BRANCH, &["deletion"]);
    let deleted = client
        .delete_branch(BRANCH, &written.commit)
        .await
        .expect("an outcome");
    assert!(matches!(deleted, Deleted::Refused { .. }), "{deleted:?}");
    assert_eq!(world.repo().id_at(BRANCH), written.commit);
}
