//! A Prometheus that does not say what is needed. Each time: one sentence, the documented exit code, nothing changed.

use testkit::stub::{Reply, Stub};

use super::program::Ran;
use super::world::World;

/// A token that must never be seen again.
const CANARY: &str = "canary-token-of-prometheus";

#[test]
fn one_that_is_starting_is_waited_for_and_then_left_to_the_next_run() {
    let said = "Service Unavailable";
    let stub = Stub::http(move |_| Some(Reply::text(503, said)));
    refused(&stub, &["Prometheus", &stub.url(), "starting", said]);
    let asked = stub.requests().len();
    assert!(asked > 4, "three commands asked only {asked} times");
}

#[test]
fn half_an_answer_is_no_answer() {
    let half = r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"val"#;
    let stub = Stub::http(move |_| Some(Reply::json(200, half)));
    refused(&stub, &["Prometheus", &stub.url(), "unusable answer"]);
    let stub = Stub::http(move |_| Some(Reply::json(200, half).cut_short()));
    refused(&stub, &["Prometheus", &stub.url(), "PROMETHEUS_URL"]);
}

#[test]
fn a_login_page_is_no_prometheus() {
    let page = "<html><title>Sign in</title></html>";
    let stub = Stub::http(move |_| Some(Reply::html(200, page)));
    refused(&stub, &["text/html", "PROMETHEUS_URL", "login page"]);
}

#[test]
fn a_refused_token_is_named_and_never_shown() {
    let stub = Stub::http(|request| {
        // Some servers quote what they refuse.
        let echo = format!("{request:?}");
        Some(Reply::text(401, echo))
    });
    let world = World::at(&stub.url(), "bad-release");
    for arguments in COMMANDS {
        let program = world.program().env("PROMETHEUS_TOKEN", CANARY);
        let ran = world.nothing_changed_but_the_lock_by(&program.arguments(arguments));
        let ran = ran.exits(69).keeps_secret(CANARY);
        ran.complains_of(&["HTTP 401", "PROMETHEUS_TOKEN"]);
    }
    let requests = stub.requests();
    let sent = format!("Bearer {CANARY}");
    for request in &requests {
        assert_eq!(request.header("authorization"), Some(&*sent));
        assert!(!request.target.contains(CANARY));
    }
    assert_eq!(requests.len(), COMMANDS.len(), "a refusal is not repeated");
    assert_eq!(world.reads_of_the_branch(), 0, "git was asked");
}

#[test]
fn a_service_that_nobody_measures_is_unknown_and_not_healthy() {
    let world = World::of("nobody");
    let run = world.nothing_changed_but_the_lock_by(&world.program());
    is_unknown(run.exits(0));

    let check = world.program().arguments(&["check"]);
    let blocked = world.nothing_changed_by(&check).exits(4);
    is_unknown(blocked.complains_of(&["blocked", "cannot be measured"]));

    let told = check.clone().env("GATE_ON_UNKNOWN", "allow");
    is_unknown(world.nothing_changed_by(&told).exits(0));
    assert_eq!(world.reads_of_the_branch(), 0, "git was asked");
}

/// The commands that evaluate.
const COMMANDS: [&[&str]; 3] = [&["run"], &["check"], &["run", "--dry-run"]];

/// Checks that every command that evaluates ends with the same sentence and does nothing.
#[track_caller]
fn refused(stub: &Stub, words: &[&str]) {
    let world = World::at(&stub.url(), "bad-release");
    for arguments in COMMANDS {
        let program = world.program().env("PROMETHEUS_TIMEOUT", "1s");
        let ran = world.nothing_changed_but_the_lock_by(&program.arguments(arguments));
        is_unknown(ran.exits(69).complains_of(words));
    }
    assert_eq!(world.reads_of_the_branch(), 0, "git was asked");
}

#[track_caller]
fn is_unknown(ran: Ran) {
    let ran = ran.decides("hold", "unknown_data");
    assert_eq!(ran.record["verdict"], "unknown", "{ran}");
    assert_eq!(ran.record["budget"]["consumed"], serde_json::Value::Null);
    let unknowns = ran.record["unknowns"].as_array();
    assert!(unknowns.is_some_and(|list| !list.is_empty()), "{ran}");
}
