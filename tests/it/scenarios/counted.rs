//! What counts as a request and as a failure, as real systems write it: the innocent is never put back, and who is
//! blind never says healthy.

use std::sync::OnceLock;

use chrono::{DateTime, TimeDelta, Utc};
use testkit::back_end::Running;
use testkit::prometheus::{Backfill, Month, Recording};
use testkit::slack::SlackServer;

use super::program::{Program, Ran};
use super::world::World;
use crate::servers::{Servers, on_every_server};

/// A service and its series: the metric, its labels beside namespace and service, and the events a second.
struct Service {
    name: &'static str,
    family: &'static str,
    /// Since eight hours.
    always: &'static [(&'static str, &'static str, f64)],
    /// Since the release.
    since: &'static [(&'static str, &'static str, f64)],
}

const HTTP: &str = "http_requests_total";
const GRPC: &str = "grpc_server_handled_total";
const SPRING: &str = "http_server_requests_seconds_count";
const ISTIO: &str = "istio_requests_total";

const SERVICES: [Service; 9] = [
    Service {
        name: "warming",
        family: "spring",
        always: &[(SPRING, r#"status="200",uri="/pay""#, 10.0)],
        since: &[(
            SPRING,
            r#"status="503",uri="/actuator/health/readiness""#,
            4.0,
        )],
    },
    Service {
        name: "probed",
        family: "http",
        always: &[(HTTP, r#"status="200",endpoint="/pay""#, 10.0)],
        since: &[(HTTP, r#"status="503",endpoint="/v1/ready""#, 4.0)],
    },
    Service {
        name: "words",
        family: "http",
        always: &[(HTTP, r#"status="success""#, 10.0)],
        since: &[(HTTP, r#"status="error""#, 4.0)],
    },
    Service {
        name: "strange",
        family: "http",
        always: &[(HTTP, r#"status="200""#, 10.0)],
        since: &[(HTTP, r#"status="boom""#, 4.0)],
    },
    Service {
        name: "streams",
        family: "grpc",
        always: &[(GRPC, r#"grpc_type="unary",grpc_code="OK""#, 10.0)],
        since: &[(
            GRPC,
            r#"grpc_type="server_stream",grpc_code="Unavailable""#,
            4.0,
        )],
    },
    Service {
        name: "cancelled",
        family: "grpc",
        always: &[(GRPC, r#"grpc_type="unary",grpc_code="OK""#, 10.0)],
        since: &[(GRPC, r#"grpc_type="unary",grpc_code="Unknown""#, 4.0)],
    },
    Service {
        name: "meshed",
        family: "istio",
        always: &[(
            ISTIO,
            r#"reporter="destination",response_code="200",grpc_response_status="0""#,
            10.0,
        )],
        since: &[(
            ISTIO,
            r#"reporter="destination",response_code="200",grpc_response_status="14""#,
            4.0,
        )],
    },
    Service {
        name: "offending",
        family: "http",
        always: &[
            (HTTP, r#"status="200",path="/pay",pod="offending-1""#, 10.0),
            (HTTP, r#"status="200",path="/cart",pod="offending-1""#, 10.0),
        ],
        since: &[(HTTP, r#"status="502",path="/pay",pod="offending-1""#, 5.0)],
    },
    Service {
        name: "perfect",
        family: "http",
        always: &[(HTTP, r#"status="200""#, 10.0)],
        since: &[],
    },
];

fn released_at() -> DateTime<Utc> {
    static RELEASED: OnceLock<DateTime<Utc>> = OnceLock::new();
    *RELEASED.get_or_init(|| Utc::now() - TimeDelta::minutes(15))
}

fn recording() -> &'static Recording {
    static RECORDING: OnceLock<Recording> = OnceLock::new();
    RECORDING.get_or_init(|| {
        let now = Utc::now();
        let end = now + TimeDelta::minutes(60);
        let mut backfill = Backfill::new(now);
        for service in &SERVICES {
            let series = |(metric, labels, _): &(&str, &str, f64)| {
                let prefix = if service.family == "istio" {
                    ["destination_workload_namespace", "destination_workload"]
                } else {
                    ["namespace", "service"]
                };
                format!(
                    r#"{metric}{{{}="{}",{}="{}",{labels}}}"#,
                    prefix[0],
                    Month::NAMESPACE,
                    prefix[1],
                    service.name
                )
            };
            for line in service.always {
                backfill = backfill.counter(&series(line), now - TimeDelta::hours(8), end, line.2);
            }
            for line in service.since {
                backfill = backfill.counter(&series(line), released_at(), end, line.2);
            }
        }
        Recording::of(&backfill)
    })
}

static SERVERS: Servers = Servers::of(recording);

/// A service that was released a quarter of an hour ago.
fn released(server: &Running, name: &str) -> (World, Program) {
    let service = SERVICES.iter().find(|service| service.name == name);
    let family = service.expect("a service of the list").family;
    let world = World::at(&server.url(), name);
    world.release("v2", released_at());
    let program = world.program().env("METRICS_FAMILY", family);
    (world, program)
}

/// Nothing burns, and nothing is done.
#[track_caller]
fn is_left_alone(world: &World, program: &Program) -> Ran {
    let ran = world.nothing_changed_but_the_lock_by(program).exits(0);
    let ran = ran.decides("none", "healthy");
    assert_eq!(ran.record["verdict"], "healthy", "{ran}");
    ran
}

/// Nobody knows how the service fares, and it is said why.
#[track_caller]
fn is_held(world: &World, program: &Program, words: &[&str]) -> Ran {
    let ran = world.nothing_changed_but_the_lock_by(program).exits(0);
    let ran = ran.decides("hold", "unknown_data");
    let detail = ran.text("/decision/detail");
    for word in words {
        assert!(detail.contains(word), "{word:?} is missing in {detail:?}");
    }
    ran
}

on_every_server! {
    SERVERS;
    readiness_that_fails_while_pods_warm_up_puts_nothing_back;
    bad_events_that_are_nearly_all_probes_hold_and_name_the_selector;
    outcomes_in_words_are_understood;
    a_failed_call_behind_response_code_200_is_a_failure;
    an_outcome_that_nobody_can_judge_is_not_health;
    streams_that_end_are_no_failures_of_the_server;
    unknown_is_not_judged_where_nobody_tells_cancelled_calls;
    record_and_message_name_what_fails_most;
    a_healthy_pass_asks_no_breakdown;
    doctor_says_what_may_be_blind;
}

fn readiness_that_fails_while_pods_warm_up_puts_nothing_back(server: &Running) {
    let (world, program) = released(server, "warming");
    is_left_alone(&world, &program);
}

fn bad_events_that_are_nearly_all_probes_hold_and_name_the_selector(server: &Running) {
    let (world, program) = released(server, "probed");
    let ran = is_held(
        &world,
        &program,
        &[
            "100 % of the bad events",
            "endpoint /v1/ready",
            "SLI_SELECTOR=",
        ],
    );
    assert_eq!(ran.record["verdict"], "burning", "{ran}");
    // What it proposes is what helps.
    let detail = ran.text("/decision/detail");
    let (_, selector) = detail.split_once("SLI_SELECTOR=").expect("a selector");
    is_left_alone(&world, &program.env("SLI_SELECTOR", selector));
}

fn outcomes_in_words_are_understood(server: &Running) {
    let (world, program) = released(server, "words");
    program.run().exits(0).decides("rollback", "trigger");
    assert_eq!(world.rollback_commits(), 1);
}

fn a_failed_call_behind_response_code_200_is_a_failure(server: &Running) {
    let (world, program) = released(server, "meshed");
    program.run().exits(0).decides("rollback", "trigger");
    assert_eq!(world.rollback_commits(), 1);
}

fn an_outcome_that_nobody_can_judge_is_not_health(server: &Running) {
    let (world, program) = released(server, "strange");
    let ran = is_held(
        &world,
        &program,
        &[r#"status="boom""#, "cannot be judged", "SLI_BAD_QUERY"],
    );
    assert_eq!(ran.record["verdict"], "unknown", "{ran}");
    let check = program.arguments(&["check"]);
    world.nothing_changed_by(&check).exits(4);
}

fn streams_that_end_are_no_failures_of_the_server(server: &Running) {
    let (world, program) = released(server, "streams");
    is_left_alone(&world, &program);
}

fn unknown_is_not_judged_where_nobody_tells_cancelled_calls(server: &Running) {
    let (world, program) = released(server, "cancelled");
    let words = [
        r#"grpc_code="Unknown""#,
        "go-grpc-prometheus 1.2",
        "SLI_SELECTOR",
    ];
    is_held(&world, &program, &words);
    // What it proposes is what helps.
    let selector = format!(
        r#"namespace="{}",service="cancelled",grpc_code!="Unknown""#,
        Month::NAMESPACE
    );
    is_left_alone(&world, &program.env("SLI_SELECTOR", &selector));
}

fn record_and_message_name_what_fails_most(server: &Running) {
    let (_world, program) = released(server, "offending");
    let slack = SlackServer::start();
    let program = program.env("SLACK_WEBHOOK", &slack.webhook_url());
    let ran = program.run().exits(0).decides("rollback", "trigger");
    let offenders = ran.record["offenders"].as_array().cloned();
    let offenders = offenders.unwrap_or_default();
    let told: Vec<String> = offenders
        .iter()
        .map(|one| format!("{} {}", one["label"], one["value"]).replace('"', ""))
        .collect();
    assert_eq!(
        told,
        ["path /pay", "status 502", "pod offending-1"],
        "{ran}"
    );
    let number = |index: usize, name: &str| offenders[index][name].as_f64().unwrap_or(f64::NAN);
    // 15 of the 30 minutes hold bad events: 5 of 15 requests a second.
    assert!((number(0, "bad") - 4_500.0).abs() < 400.0, "{ran}");
    assert!((number(0, "total") - 22_500.0).abs() < 1_000.0, "{ran}");
    let shown: Vec<String> = slack
        .messages()
        .into_iter()
        .flat_map(|message| message.blocks)
        .map(|block| block.to_string())
        .collect();
    let shown = shown.join("\n");
    assert!(shown.contains("path /pay"), "{shown}");
    let text = program.arguments(&["check", "--output", "text"]).run();
    assert!(text.stdout.contains("fails most"), "{text}");
    slack.take_violations();
}

fn a_healthy_pass_asks_no_breakdown(server: &Running) {
    let (world, program) = released(server, "perfect");
    let ran = is_left_alone(&world, &program);
    assert_eq!(ran.record["offenders"], serde_json::json!([]), "{ran}");
    let line = ran
        .log()
        .into_iter()
        .find(|line| line["message"] == "evaluated");
    assert_eq!(line.expect("it says so")["queries"], 7, "{ran}");
}

fn doctor_says_what_may_be_blind(server: &Running) {
    for (name, words) in [
        (
            "perfect",
            ["prometheus failures", "none of ", "this may be true"],
        ),
        (
            "probed",
            ["prometheus probes", "/v1/ready", "SLI_SELECTOR="],
        ),
    ] {
        let (_world, program) = released(server, name);
        let ran = program.arguments(&["doctor", "--output", "text"]).run();
        for word in words {
            assert!(ran.stdout.contains(word), "{word:?} is missing: {ran}");
        }
    }
}
