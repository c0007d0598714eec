//! Slow, endless, moved and limited: what GitHub or something in between may do.

use error_budget_monitor::clients::forge::{ForgeError, ForgeFault};
use error_budget_monitor::clients::http::HttpError;
use testkit::stub::Reply;

use super::*;

fn limited(status: u16) -> Reply {
    Reply::json(status, r#"{"message":"API rate limit exceeded"}"#)
}

async fn refused(world: &World) -> ForgeError {
    world.client().tip("main").await.expect_err("no answer")
}

fn until(error: &ForgeError) -> DateTime<Utc> {
    let ForgeFault::RateLimited { until } = error.fault else {
        panic!("not limited: {error}");
    };
    until
}

#[tokio::test]
async fn a_limit_beyond_the_step_is_an_error_with_its_end() {
    for reply in [
        limited(403).with_header("retry-after", "3000"),
        limited(429).with_header("retry-after", "3000"),
    ] {
        let world = world();
        let before = Utc::now();
        world.github.instead("GET", "/git/ref/", reply);
        let error = refused(&world).await;
        assert!(until(&error) >= before + TimeDelta::seconds(3000));
        assert!(error.is_transient() && !error.fault.is_doubtful());
        assert_eq!(world.github.requests().len(), 1);
    }
}

#[tokio::test]
async fn an_exhausted_quota_ends_at_its_reset() {
    let world = world();
    let reset = Utc::now().timestamp() + 3000;
    let reply = limited(403)
        .with_header("x-ratelimit-remaining", "0")
        .with_header("x-ratelimit-reset", &reset.to_string());
    world.github.instead("GET", "/git/ref/", reply);
    let error = refused(&world).await;
    assert_eq!(until(&error).timestamp(), reset);
    assert!(
        error
            .to_string()
            .starts_with("read branch \"main\" of acme/deploy: rate limited until 20"),
        "{error}"
    );
}

#[tokio::test]
async fn a_limit_that_does_not_say_when_it_ends_lasts_a_minute() {
    let world = world();
    let before = Utc::now();
    world.github.instead("GET", "/git/ref/", limited(429));
    let mut settings = settings(&world.github, GithubAuth::Anonymous);
    settings.timeout = Duration::from_secs(30);
    let client = Github::new(settings).expect("usable settings");
    let error = client.tip("main").await.expect_err("limited");
    assert!(until(&error) >= before + TimeDelta::minutes(1));
}

#[tokio::test]
async fn a_limit_within_the_step_is_waited_for_by_a_question_and_not_by_a_write() {
    let world = world();
    let client = world.client();
    let written = world.written(&client).await;
    world.github.instead(
        "GET",
        "/git/ref/",
        limited(429).with_header("retry-after", "0"),
    );
    assert_eq!(
        client.tip("main").await.expect("an answer"),
        Some(world.bad.clone())
    );
    world.github.instead(
        "PATCH",
        "/git/refs/",
        limited(429).with_header("retry-after", "0"),
    );
    let error = client.land("main", &written).await.expect_err("limited");
    until(&error);
    assert_eq!(world.repo().tip(), world.bad);
}

#[tokio::test]
async fn a_refusal_without_a_word_of_limits_is_a_missing_permission() {
    let world = world();
    world.github.instead(
        "GET",
        "/git/ref/",
        Reply::json(403, r#"{"message":"Resource not accessible"}"#),
    );
    let error = refused(&world).await;
    assert_eq!(
        error.to_string(),
        "read branch \"main\" of acme/deploy: the credentials lack a permission; GITOPS_TOKEN or the App needs \
         Contents: write, and Pull requests: write for pull requests (HTTP 403: Resource not accessible)"
    );
    assert!(!error.is_transient());
    assert_eq!(world.github.requests().len(), 1);
}

#[tokio::test]
async fn a_question_is_asked_again_after_a_fault_that_may_pass() {
    for reply in [Reply::json(502, "<html>"), Reply::hangup(), Reply::reset()] {
        let world = world();
        world.github.instead("GET", "/git/ref/", reply.clone());
        world.github.instead("GET", "/git/ref/", reply);
        let tip = world.client().tip("main").await.expect("an answer");
        assert_eq!(tip, Some(world.bad.clone()));
        assert_eq!(world.github.requests().len(), 3);
    }
}

#[tokio::test]
async fn a_fault_that_stays_is_given_up() {
    let world = world();
    for _ in 0..3 {
        world
            .github
            .instead("GET", "/git/ref/", Reply::html(503, "<html>busy</html>"));
    }
    let error = refused(&world).await;
    assert!(
        matches!(error.fault, ForgeFault::Server { status: 503, .. }),
        "{error}"
    );
    assert!(error.is_transient());
}

#[tokio::test]
async fn silence_and_drips_end_with_the_step() {
    for reply in [
        Reply::silence(),
        Reply::json(200, vec![b' '; 10_000]).dripping(Duration::from_millis(5)),
    ] {
        let world = world();
        world.github.instead("GET", "/git/ref/", reply);
        let mut settings = settings(&world.github, GithubAuth::Anonymous);
        settings.timeout = Duration::from_millis(200);
        let client = Github::new(settings).expect("usable settings");
        let error = client.tip("main").await.expect_err("no answer");
        assert!(error.is_transient(), "{error}");
    }
}

#[tokio::test]
async fn an_endless_answer_is_cut_at_a_bound() {
    let world = world();
    world.github.instead("GET", "/git/ref/", Reply::endless());
    let error = refused(&world).await;
    assert!(
        matches!(
            error.fault,
            ForgeFault::Transport(HttpError::TooLarge { .. })
        ),
        "{error}"
    );
}

#[tokio::test]
async fn a_redirect_is_not_followed_with_the_token() {
    let elsewhere = testkit::stub::Stub::http(|_| None);
    for (method, path) in [("GET", "/git/ref/"), ("PATCH", "/git/refs/")] {
        for status in [301, 302, 307] {
            let world = world();
            let client = world.client();
            let written = world.written(&client).await;
            let there = format!("{}/repositories/1?token=x", elsewhere.url());
            world
                .github
                .instead(method, path, Reply::redirect(status, &there));
            let error = match method {
                "GET" => client.tip("main").await.expect_err("moved"),
                _ => client.land("main", &written).await.expect_err("moved"),
            };
            let why = format!(
                "the repository or the API moved ({}); update GITOPS_REPO or GITOPS_API_URL",
                elsewhere.url()
            );
            assert!(error.to_string().ends_with(&why), "{error}");
            assert!(!error.is_transient());
        }
    }
    assert_eq!(elsewhere.requests().len(), 0);
}

#[tokio::test]
async fn an_answer_about_something_else_is_not_believed() {
    let world = world();
    let other = world.repo().id_at("main");
    let body = format!(
        r#"{{"ref":"refs/heads/main-2","node_id":"x","url":"https://x/","object":{{"type":"commit","sha":"{other}","url":"https://x/"}}}}"#
    );
    world
        .github
        .instead("GET", "/git/ref/", Reply::json(200, body));
    let error = refused(&world).await;
    assert!(matches!(error.fault, ForgeFault::Answer { .. }), "{error}");
}

#[tokio::test]
async fn names_of_branches_are_encoded() {
    let world = world();
    let client = world.client();
    let tip = world.repo().tip();
    for branch in ["feature/a#b", "100%", "ü-x=1"] {
        world.repo().reset(branch, &tip);
        assert_eq!(
            client.tip(branch).await.expect("an answer"),
            Some(tip.clone()),
            "{branch}"
        );
        assert_eq!(
            client.rules(branch).await.expect("an answer"),
            Vec::<String>::new()
        );
    }
    assert_eq!(client.tip("feature/a").await.expect("an answer"), None);
}

#[tokio::test]
async fn the_rules_of_a_branch_are_named_once_each() {
    let world = world();
    world.github.protect(
        "main",
        &["pull_request", "required_signatures", "pull_request"],
    );
    let rules = world.client().rules("main").await.expect("an answer");
    assert_eq!(rules, ["pull_request", "required_signatures"]);
}
