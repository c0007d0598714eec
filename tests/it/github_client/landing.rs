//! From nothing to one commit on the branch, and what may stand in the way.

use error_budget_monitor::clients::forge::ForgeFault;
use error_budget_monitor::clients::github::Landing;
use testkit::stub::Reply;

use super::*;

#[tokio::test]
async fn lands_one_commit_that_puts_the_path_back() {
    let world = world();
    let client = world.client();
    let written = world.written(&client).await;
    let landing = client.land("main", &written).await.expect("an outcome");
    let commit = world.one_commit_restores(&world.bad);
    assert_eq!(landing, Landing::Landed { commit });
    assert!(
        !written.is_verified,
        "a person's commit is not signed by GitHub"
    );
    assert_eq!(
        world.github.story(),
        [
            format!("GET /git/commits/{} 200", world.bad),
            "POST /git/trees 201".to_owned(),
            "POST /git/commits 201".to_owned(),
            "PATCH /git/refs/heads/main 200".to_owned(),
        ]
    );
}

#[tokio::test]
async fn the_commit_of_a_token_has_the_id_that_git_gives_it() {
    let world = world();
    let snapshot = read(&world.github, vec![PATH.to_owned()]).await;
    let new = new_commit(&snapshot, &world.good);
    let draft = snapshot.draft(&world.good).expect("something to restore");
    let local = snapshot.commit(draft, &new.message, new.author.at);
    let written = world.client().write_commit(&new).await.expect("written");
    assert_eq!(written.commit, local.expect("a writable folder"));
}

#[tokio::test]
async fn a_branch_that_moved_is_a_lost_race_and_not_a_refusal() {
    let world = world();
    let client = world.client();
    let written = world.written(&client).await;
    let tip = world.noise();
    let landing = client.land("main", &written).await.expect("an outcome");
    assert_eq!(
        landing,
        Landing::Moved {
            tip: Some(tip.clone())
        }
    );
    assert_eq!(world.repo().tip(), tip);
}

#[tokio::test]
async fn a_branch_that_moves_just_before_is_a_lost_race_too() {
    let world = world();
    let client = world.client();
    let written = world.written(&client).await;
    let repo = world.repo().clone();
    world.github.before("PATCH", "/git/refs/", move || {
        repo.commit("race", at(2), &[(OTHER_FILE, Some("o2\n"))]);
    });
    let landing = client.land("main", &written).await.expect("an outcome");
    let tip = Some(world.repo().tip());
    assert_eq!(landing, Landing::Moved { tip });
    assert_eq!(world.repo().log()[0].message, "race");
}

#[tokio::test]
async fn a_branch_that_is_gone_is_not_made_again() {
    let world = world();
    let client = world.client();
    let written = world.written(&client).await;
    world.repo().delete_branch("main");
    let landing = client.land("main", &written).await.expect("an outcome");
    assert_eq!(landing, Landing::Moved { tip: None });
    assert_eq!(world.repo().refs_fingerprint(), "");
}

#[tokio::test]
async fn a_rule_is_a_refusal_with_its_words_and_its_kind() {
    let world = world();
    world.github.protect(
        "main",
        &["required_signatures", "pull_request", "pull_request"],
    );
    let client = world.client();
    let written = world.written(&client).await;
    let Landing::Refused { words, rules } =
        client.land("main", &written).await.expect("an outcome")
    else {
        panic!("not refused");
    };
    assert_eq!(
        words,
        "refused (HTTP 422: Repository rule violations found Changes must be made through a pull request.)"
    );
    assert_eq!(rules, ["pull_request", "required_signatures"]);
    assert_eq!(world.repo().tip(), world.bad);
}

#[tokio::test]
async fn landing_what_landed_is_landing_once() {
    let world = world();
    let client = world.client();
    let written = world.written(&client).await;
    client.land("main", &written).await.expect("an outcome");
    let tip = client.tip("main").await.expect("an answer");
    assert_eq!(tip.as_ref(), Some(&written.commit));
    let again = client.land("main", &written).await.expect("an outcome");
    let commit = world.one_commit_restores(&world.bad);
    assert_eq!(again, Landing::Landed { commit });
}

#[tokio::test]
async fn finds_its_commit_below_what_others_put_on_top() {
    let world = world();
    let client = world.client();
    let written = world.written(&client).await;
    let tip = client.tip("main").await.expect("an answer");
    assert_eq!(tip.as_ref(), Some(&written.parent));
    client.land("main", &written).await.expect("an outcome");
    world.noise();
    world.noise();
    let tip = client.tip("main").await.expect("an answer");
    assert_eq!(tip, Some(world.repo().tip()));
    assert_ne!(tip.as_ref(), Some(&written.commit));
    let again = client.land("main", &written).await.expect("an outcome");
    assert_eq!(
        again,
        Landing::Landed {
            commit: written.commit
        }
    );
}

#[tokio::test]
async fn a_missing_permission_is_named() {
    let world = world();
    let client = world.client();
    let written = world.written(&client).await;
    let reply = Reply::json(
        403,
        r#"{"message":"Resource not accessible by integration"}"#,
    )
    .with_header("x-accepted-github-permissions", "contents=write");
    world.github.instead("PATCH", "/git/refs/", reply);
    let Landing::Refused { words, .. } = client.land("main", &written).await.expect("an outcome")
    else {
        panic!("not refused");
    };
    assert_eq!(
        words,
        "the credentials lack a permission: contents=write (HTTP 403: Resource not accessible by integration)"
    );
}

#[tokio::test]
async fn workflows_and_nothing_at_all_are_not_put_in_place() {
    let world = world();
    let client = world.client();
    let good = world.rollback().await;
    for path in [".github/workflows/x.yaml", ".github/workflows", ".GitHub"] {
        let mut new = good.clone();
        new.entries[0].path = path.to_owned();
        let error = client.write_commit(&new).await.expect_err("refused");
        assert!(matches!(error.fault, ForgeFault::Refused { .. }), "{error}");
    }
    let mut new = good;
    new.entries.clear();
    let error = client.write_commit(&new).await.expect_err("refused");
    assert!(matches!(error.fault, ForgeFault::Refused { .. }), "{error}");
    assert_eq!(world.github.requests(), []);
}

#[tokio::test]
async fn a_tree_that_is_not_the_one_due_is_refused() {
    let world = world();
    let mut new = world.rollback().await;
    new.tree = "1".repeat(40);
    let error = world
        .client()
        .write_commit(&new)
        .await
        .expect_err("refused");
    assert!(error.to_string().contains("where 1111"), "{error}");
    assert!(!error.is_transient() && !error.fault.is_doubtful());
}
