//! Pull requests, with the people who merge and close them.

use error_budget_monitor::clients::forge::{Commented, Forge, NewPull, Opened, Pull, PullState};
use testkit::github::Merge;
use testkit::stub::Reply;

use super::*;

const BRANCH: &str = "rollback/r-1";

fn new_pull() -> NewPull {
    NewPull {
        branch: BRANCH.to_owned(),
        base: "main".to_owned(),
        title: "Roll back checkout".to_owned(),
        body: "It burns.\n".to_owned(),
    }
}

/// A world in which the branch of a rollback is there.
async fn proposed() -> (World, Forge) {
    let world = world();
    let client = world.client();
    let written = world.written(&client).await;
    client
        .create_branch(BRANCH, &written.commit)
        .await
        .expect("an outcome");
    (world, Forge::Github(client))
}

async fn open(client: &Forge) -> Pull {
    match client.open_pull(&new_pull()).await.expect("an outcome") {
        Opened::New(pull) | Opened::Found(pull) => pull,
        Opened::Refused { words } => panic!("{words}"),
    }
}

#[tokio::test]
async fn opens_one_and_finds_it_again_after_a_crash() {
    let (world, client) = proposed().await;
    assert_eq!(client.find_pull(BRANCH).await.expect("an answer"), None);
    let opened = client.open_pull(&new_pull()).await.expect("an outcome");
    let Opened::New(pull) = opened else {
        panic!("{opened:?}");
    };
    assert_eq!(
        (pull.number, pull.branch.as_str(), pull.base.as_str()),
        (1, BRANCH, "main")
    );
    assert_eq!(pull.state, PullState::Open);
    assert_eq!(
        pull.url.as_deref(),
        Some("https://github.invalid/acme/deploy/pull/1")
    );
    assert_eq!(pull.head, world.repo().id_at(BRANCH));

    let again = Forge::Github(world.client());
    assert_eq!(
        again.find_pull(BRANCH).await.expect("an answer"),
        Some(pull.clone())
    );
    assert_eq!(
        again.open_pull(&new_pull()).await.expect("an outcome"),
        Opened::Found(pull.clone())
    );
    assert_eq!(again.pull(1).await.expect("an answer"), pull);
    assert_eq!(world.github.pull_count(), 1);
}

#[tokio::test]
async fn a_lost_answer_opens_one() {
    for reply in [
        Reply::hangup(),
        Reply::html(502, "x"),
        Reply::html(200, "x"),
    ] {
        for is_done in [true, false] {
            let (world, client) = proposed().await;
            if is_done {
                world.github.after("POST", "/pulls", reply.clone());
            } else {
                world.github.instead("POST", "/pulls", reply.clone());
            }
            assert_eq!(open(&client).await.number, 1);
            assert_eq!(world.github.pull_count(), 1);
        }
    }
}

#[tokio::test]
async fn what_github_does_not_take_is_refused_with_its_words() {
    let world = world();
    let client = Forge::Github(world.client());
    world.repo().reset(BRANCH, &world.bad);
    let opened = client.open_pull(&new_pull()).await.expect("an outcome");
    assert_eq!(
        opened,
        Opened::Refused {
            words:
                "refused (HTTP 422: Validation Failed: No commits between main and rollback/r-1)"
                    .to_owned()
        }
    );
}

#[tokio::test]
async fn a_filter_that_github_ignores_brings_nobody_else_s() {
    let (world, client) = proposed().await;
    world
        .repo()
        .prepare("other", at(5))
        .branch("other")
        .write(FILE, "x\n")
        .create();
    let other = NewPull {
        branch: "other".to_owned(),
        ..new_pull()
    };
    client.open_pull(&other).await.expect("an outcome");
    let log = world.github.requests();
    let list = log
        .iter()
        .rfind(|logged| logged.path.ends_with("/pulls") && logged.method == "GET");
    assert!(
        list.expect("it looked").query.contains("head=acme%3Aother"),
        "{list:?}"
    );
    let everything = format!(
        "{}repos/acme/deploy/pulls?state=all",
        world.github.api_url()
    );
    let everything = body_of(&everything).await;
    world
        .github
        .instead("GET", "/pulls", Reply::json(200, everything));
    assert_eq!(client.find_pull(BRANCH).await.expect("an answer"), None);
}

/// Asks without the client under test.
async fn body_of(url: &str) -> String {
    use error_budget_monitor::clients::http::{HttpAuth, HttpClient, HttpSettings, Method};
    let (base, query) = url.split_once('?').expect("a query");
    let settings = HttpSettings {
        auth: HttpAuth::Bearer(GithubServer::TOKEN.into()),
        headers: vec![("X-GitHub-Api-Version".to_owned(), "2022-11-28".into())],
        ..HttpSettings::default()
    };
    let client = HttpClient::new(Url::parse(base).expect("a URL"), &settings).expect("a client");
    let (name, value) = query.split_once('=').expect("a pair");
    let request = client
        .request(Method::GET, [])
        .query(&[(name, value)])
        .header("accept", "application/vnd.github+json");
    let answer = client.send(request).await.expect("an answer");
    String::from_utf8(answer.body).expect("text")
}

#[tokio::test]
async fn a_merge_is_recognised_by_its_time_and_by_the_content_of_the_branch() {
    for how in [Merge::Commit, Merge::Squash, Merge::Rebase] {
        let (world, client) = proposed().await;
        let pull = open(&client).await;
        world.noise();
        let merged = world.github.merge(pull.number, how);
        let pull = client.pull(pull.number).await.expect("an answer");
        let PullState::Merged { commit, .. } = &pull.state else {
            panic!("{pull:?}");
        };
        assert_eq!(commit.as_ref(), Some(&merged));
        // The ids differ after a squash or a rebase; what lies at the path does not.
        let tip = world.repo().id_at("main");
        let (there, good) = (
            &world.repo().tree_at(&tip, PATH),
            world.repo().tree_at(&world.good, PATH),
        );
        assert!(good.is_some() && *there == good, "{how:?}");
        assert_eq!(
            client.find_pull(BRANCH).await.expect("an answer"),
            Some(pull)
        );
        // Asked to close it now, it stays merged.
        let closed = client.close_pull(1).await.expect("an outcome");
        assert!(
            matches!(closed.state, PullState::Merged { .. }),
            "{closed:?}"
        );
    }
}

#[tokio::test]
async fn a_closed_one_is_a_no_and_is_not_opened_again() {
    let (world, client) = proposed().await;
    let pull = open(&client).await;
    world.github.close(pull.number);
    let opened = client.open_pull(&new_pull()).await.expect("an outcome");
    let Opened::Found(found) = opened else {
        panic!("{opened:?}");
    };
    assert_eq!(found.state, PullState::Closed);
    assert_eq!(world.github.pull_count(), 1);
}

#[tokio::test]
async fn is_closed_once_whatever_happens_to_the_answer() {
    for fault in [None, Some(Reply::hangup()), Some(Reply::json(502, ""))] {
        let (world, client) = proposed().await;
        let pull = open(&client).await;
        if let Some(reply) = fault {
            world.github.after("PATCH", "/pulls/", reply);
        }
        let closed = client.close_pull(pull.number).await.expect("an outcome");
        assert_eq!(closed.state, PullState::Closed);
        let again = client.close_pull(pull.number).await.expect("an outcome");
        assert_eq!(again.state, PullState::Closed);
    }
    let (world, client) = proposed().await;
    let pull = open(&client).await;
    world.github.instead("PATCH", "/pulls/", Reply::hangup());
    let error = client
        .close_pull(pull.number)
        .await
        .expect_err("it is open");
    assert!(error.fault.is_doubtful(), "{error}");
}

#[tokio::test]
async fn a_comment_is_written_once() {
    let (world, client) = proposed().await;
    let pull = open(&client).await;
    world.github.after("POST", "/comments", Reply::hangup());
    let text = "Superseded:\nsomebody else changed `apps/checkout`.\n";
    let commented = client.comment(pull.number, text).await.expect("an outcome");
    assert_eq!(commented, Commented::Written);
    let commented = client.comment(pull.number, text).await.expect("an outcome");
    assert_eq!(commented, Commented::AlreadyThere);
    assert_eq!(world.github.comments(pull.number), [text]);
    world.github.instead("POST", "/comments", Reply::hangup());
    let error = client
        .comment(pull.number, "other")
        .await
        .expect_err("not there");
    assert!(error.fault.is_doubtful());
}

#[tokio::test]
async fn a_label_is_put_on_and_its_failure_is_only_an_error() {
    let (world, client) = proposed().await;
    let pull = open(&client).await;
    for _ in 0..2 {
        client
            .label(pull.number, "slo-rollback")
            .await
            .expect("an outcome");
        client.find_pull(BRANCH).await.expect("an answer");
    }
    assert_eq!(world.github.labels(pull.number), ["slo-rollback"]);
    world
        .github
        .instead("POST", "/labels", Reply::json(403, r#"{"message":"no"}"#));
    client.label(pull.number, "x").await.expect_err("refused");
}
