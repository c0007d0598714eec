//! A Prometheus that answers, and whose answers are not what a decision needs. Each time: nothing changed, the
//! reason, and a sentence that says what to do.

mod refused;

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use testkit::back_end::{BackEnd, Running};
use testkit::prometheus::{
    Answer, Backfill, History, Month, Prometheus, Question, Recording, ServiceLabels, Spacing,
    Traffic, shared_month,
};
use testkit::stub::Stub;

use super::program::{Program, Ran};
use super::world::World;
use crate::servers::{Servers, on_every_server};

/// The label by which the program tells the parts of a combined answer apart.
const PART: &str = "error_budget_part";

/// All questions of a pass over a service that is within its limits, by [`subject`].
const QUESTIONS: [&str; 7] = [
    "clock", "recent", "total", "bad", "slots", "slices", "latency",
];

#[test]
fn what_is_not_a_number_is_not_counted() {
    for value in ["NaN", "+Inf", "-Inf"] {
        for (asked, words) in [
            ("recent", "not a number; look at the query"),
            ("total", "not a number; look at the query"),
            ("bad", "not a number; look at the query"),
            ("slots", "not a number; look at the query"),
            ("slices", "only 0 of 11 slices"),
        ] {
            let world = burning(move |question, answer| {
                if subject(question) == asked {
                    answer.series().iter_mut().for_each(|series| {
                        points(series).for_each(|point| point[1] = json!(value));
                    });
                }
            });
            world.holds(&[words]);
        }
    }
}

#[test]
fn an_empty_answer_is_not_zero() {
    for (asked, words) in [
        ("recent", "whether its pods run"),
        ("total", "check SERVICE_NAME"),
        ("slots", "for too short a time"),
        ("slices", "check SERVICE_NAME"),
        // No bad event in a month contradicts those of the last hours.
        ("bad", "see whether all answers come from the same data"),
    ] {
        let world = burning(move |question, answer| {
            if subject(question) == asked {
                answer.series().clear();
            }
        });
        world.holds(&[words]);
    }
}

#[test]
fn of_two_series_none_is_taken() {
    for asked in ["recent", "total", "bad", "slots", "slices"] {
        let world = burning(move |question, answer| {
            if subject(question) == asked {
                let mut second = answer.series().clone();
                for series in &mut second {
                    series["metric"]["zone"] = json!("b");
                }
                answer.series().extend(second);
            }
        });
        world.holds(&["2 series answered where one is expected", "sum them"]);
    }
}

#[test]
fn a_histogram_without_the_bucket_that_is_needed_decides_nothing() {
    let without_buckets = |question: &Question, answer: &mut Answer| {
        if subject(question) == "latency" {
            let needed = [json!("1"), json!("2.5")];
            let is_left = |series: &Value| !needed.contains(&series["metric"]["le"]);
            answer.series().retain(is_left);
        }
    };
    let world = Edited::with_release("slow-release", without_buckets);
    let program = world.world.program();
    for arguments in COMMANDS {
        let program = program.clone().arguments(arguments);
        let ran = world.world.nothing_changed_but_the_lock_by(&program);
        let ran = ran.exits(0).decides("none", "healthy");
        for latency in ["/violations/2", "/violations/3"] {
            let violation = ran.record.pointer(latency).expect("four SLOs");
            assert_eq!(violation["state"], "uncertain", "{ran}");
        }
        for (latency, words) in [
            ("latency_p95", "ends at 1 s"),
            ("latency_p99", "ends at 2 s"),
        ] {
            let told = unknown(&ran, latency);
            assert!(
                told.contains(words) && told.contains("add a bucket"),
                "{told}"
            );
        }
    }
}

fn a_counter_that_begins_again_is_counted_right(server: &Running) {
    let world = odd(server, "restarted");
    let ran = world.runs(&["run", "--dry-run"]).exits(0);
    let consumed = &ran.record["budget"]["consumed"];
    assert!(is_near(consumed, 0.0002 / 0.001), "{ran}");
    ran.decides("none", "healthy");

    let world = odd(server, "restarted-bad");
    let ran = world.runs(&["run", "--dry-run"]).exits(0);
    assert_rate(&ran, "5m", 0.2 / 0.001);
    ran.decides("rollback", "trigger");
}

fn half_a_window_of_history_can_only_warn(server: &Running) {
    for (service, covered) in [
        ("half-kept", "15.0 of 30.0 days"),
        ("young-bad", "2.0 of 30.0 days"),
    ] {
        let world = odd(server, service);
        let program = world
            .program()
            .env("BUDGET_WARNING", "0.05")
            .env("BUDGET_CRITICAL", "0.1")
            .env("BUDGET_EMERGENCY", "0.2")
            // The level alone is to decide.
            .env("MAX_ERROR_RATE", "0.5")
            .env("MIN_AVAILABILITY", "0.5");
        let ran = world.nothing_changed_but_the_lock_by(&program);
        let ran = ran.exits(0).decides("hold", "warning_level");
        assert_eq!(ran.record["budget"]["level"], "emergency", "{ran}");
        let told = unknown(&ran, "coverage");
        assert!(told.contains(covered), "{told}");
        assert!(told.contains("keeps too little history"), "{told}");
    }
}

fn a_service_that_nobody_asks_since_its_deployment_is_left_alone(server: &Running) {
    let world = odd(server, "silent");
    let ran = world.nothing_changed_but_the_lock_by(&world.program());
    let ran = ran.exits(0).decides("hold", "unknown_data");
    assert!(unknown(&ran, "burn_rate_5m").contains("no event"), "{ran}");
    assert_eq!(ran.record["burn_rates"]["5m"], Value::Null, "{ran}");
    assert_eq!(world.reads_of_the_branch(), 0, "git was asked");
}

#[test]
fn one_incomplete_answer_is_enough_to_hold() {
    for said in [
        "store-7 did not answer",
        "PromQL warning: encountered a mix of histograms and floats for aggregation",
    ] {
        for asked in QUESTIONS {
            let world = burning(move |question, answer| {
                if subject(question) == asked {
                    answer.body["warnings"] = json!([said]);
                }
            });
            world.holds(&["incomplete", said, "see why"]);
        }
    }
}

#[test]
fn an_answer_for_other_times_than_asked_for_is_not_counted() {
    for asked in QUESTIONS {
        if asked == "clock" {
            continue;
        }
        let world = burning(move |question, answer| {
            if subject(question) == asked {
                for series in answer.series() {
                    for point in points(series) {
                        let time = point[0].as_f64().expect("the time is a number");
                        point[0] = json!(time - 7.0);
                    }
                }
            }
        });
        world.holds(&["incomplete", "none of the times asked for"]);
    }
}

#[test]
fn nothing_is_well_while_the_counts_of_now_cannot_be_believed() {
    type Edit = fn(&Question, &mut Answer);
    let edits: [(&str, Edit); 5] = [
        ("absent", |question, answer| {
            if subject(question) == "recent" {
                let is_left = |series: &Value| series["metric"][PART] != "h1_total";
                answer.series().retain(is_left);
            }
        }),
        ("refused", |question, answer| {
            if subject(question) == "recent" {
                *answer = too_many_samples();
            }
        }),
        ("incomplete", |question, answer| {
            if subject(question) == "recent" {
                answer.body["warnings"] = json!(["store-7 did not answer"]);
            }
        }),
        ("no number", |question, answer| {
            if subject(question) == "total" {
                let series = answer.series().iter_mut();
                series.for_each(|series| series["value"][1] = json!("NaN"));
            }
        }),
        // A month without a bad event contradicts the last hours.
        ("contradictory", |question, answer| {
            if subject(question) == "bad" {
                answer.series().clear();
            }
        }),
    ];
    for (name, edit) in edits {
        let Edited { world, _stub } = Edited::with_release("healthy", edit);
        let metrics = world.folder().join("error-budget.prom");
        let program = world.program().env_path("METRICS_TEXTFILE", &metrics);
        let ran = world.nothing_changed_but_the_lock_by(&program);
        let ran = ran.decides("hold", "unknown_data");
        assert_eq!(ran.record["verdict"], "unknown", "{name}: {ran}");
        // The slices were measured, and show nothing bad.
        let availability = &ran.record["violations"][0];
        assert_eq!(availability["points"], 11, "{name}: {ran}");
        for violation in ran.record["violations"].as_array().into_iter().flatten() {
            assert_eq!(violation["state"], "unknown", "{name}: {ran}");
        }
        let metrics = std::fs::read_to_string(&metrics).expect("the metrics were written");
        assert!(!metrics.contains("error_budget_slo_violated{"), "{metrics}");
    }
}

#[test]
fn a_remark_on_the_expression_holds_nothing() {
    let world = burning(|_, answer| {
        answer.body["infos"] = json!(["PromQL info: metric might not be a counter"]);
        answer.body["warnings"] = json!(["PromQL info: metric might not be a counter"]);
    });
    let ran = world.world.runs(&["run"]).exits(0);
    ran.decides("rollback", "trigger").complains_of_nothing();
}

#[test]
fn an_own_query_that_does_not_parse_is_quoted_and_named() {
    let (world, _) = World::with_a_bad_release();
    let total = r#"sum(increase(http_requests_total{service="bad-release"}[${WINDOW}]))"#;
    for (bad, total) in [
        ("sum(increase(bad_total{[${WINDOW}]))", total),
        (total, "sum(rate(total[${WINDOW}])"),
    ] {
        let program = world
            .program()
            .env("SLI_BAD_QUERY", bad)
            .env("SLI_TOTAL_QUERY", total);
        let words = [
            "SLI_BAD_QUERY",
            "SLI_TOTAL_QUERY",
            "HTTP 400",
            "parse error",
        ];
        for ran in every_command(&world, &program) {
            is_refused(ran, &words);
        }
        let status = world.nothing_changed_by(&program.arguments(&["status"]));
        status.exits(69).complains_of(&words);
    }
    assert_eq!(world.reads_of_the_branch(), 0, "git was asked");
}

#[test]
fn clocks_that_differ_are_told_and_beyond_two_minutes_nothing_is_done() {
    let world = Edited::with_release("healthy", |question, answer| shift(question, answer, 60.0));
    let ran = world
        .world
        .nothing_changed_but_the_lock_by(&world.world.program());
    let ran = ran.exits(0).decides("none", "healthy");
    assert!(unknown(&ran, "clock").contains("synchronise them"), "{ran}");
    let is_warning = |line: &Value| {
        let message = line["message"].as_str().unwrap_or_default();
        line["level"] == "WARN" && message.contains("synchronise")
    };
    assert!(ran.log().iter().any(is_warning), "{ran}");

    let world = burning(|question, answer| shift(question, answer, 200.0));
    world.holds(&["clock", "at most 120 s", "synchronise them"]);
}

/// The commands that evaluate.
const COMMANDS: [&[&str]; 3] = [&["run"], &["check"], &["run", "--dry-run"]];

/// A world whose Prometheus is real and whose answers are edited.
struct Edited {
    world: World,
    _stub: Stub,
}

impl Edited {
    /// The world of a service of the shared month that deployed version 2 when the bad releases began.
    fn with_release(
        service: &str,
        edit: impl Fn(&Question, &mut Answer) + Send + Sync + 'static,
    ) -> Self {
        let stub = shared_month().prometheus.edited(edit);
        let world = World::at(&stub.url(), service);
        world.release("v2", shared_month().deployed_at());
        Self { world, _stub: stub }
    }

    /// Checks that a run holds because of what is not known, and says so in these words.
    #[track_caller]
    fn holds(&self, words: &[&str]) {
        let ran = self
            .world
            .nothing_changed_but_the_lock_by(&self.world.program());
        let ran = ran
            .exits(0)
            .decides("hold", "unknown_data")
            .complains_of_nothing();
        let detail = ran.text("/decision/detail");
        for word in words {
            assert!(detail.contains(word), "{word:?} is missing in {detail:?}");
        }
    }

    #[track_caller]
    fn git_is_not_asked(&self) {
        assert_eq!(self.world.reads_of_the_branch(), 0, "git was asked");
    }
}

/// The world of a release that has to be rolled back, were it not for what `edit` does to the answers.
fn burning(edit: impl Fn(&Question, &mut Answer) + Send + Sync + 'static) -> Edited {
    Edited::with_release("bad-release", edit)
}

/// Runs every command that evaluates, and checks that none changes anything.
fn every_command(world: &World, program: &Program) -> Vec<Ran> {
    let run = |arguments| {
        let program = program.clone().arguments(arguments);
        world.nothing_changed_but_the_lock_by(&program)
    };
    COMMANDS.into_iter().map(run).collect()
}

#[track_caller]
fn is_refused(ran: Ran, words: &[&str]) {
    let ran = ran.exits(69).decides("hold", "unknown_data");
    ran.complains_of(words);
}

#[track_caller]
fn assert_rate(ran: &Ran, window: &str, expected: f64) {
    let rate = &ran.record["burn_rates"][window];
    assert!(is_near(rate, expected), "{rate} is not {expected}\n{ran}");
}

fn is_near(number: &Value, expected: f64) -> bool {
    let ratio = number.as_f64().map(|number| number / expected);
    ratio.is_some_and(|ratio| (ratio - 1.0).abs() < 0.05)
}

/// Returns why a value is not known.
#[track_caller]
fn unknown(ran: &Ran, source: &str) -> String {
    let unknowns = ran.record["unknowns"].as_array();
    let found = unknowns
        .into_iter()
        .flatten()
        .find(|unknown| unknown["source"] == source);
    let why = found.and_then(|unknown| unknown["why"].as_str());
    why.unwrap_or_else(|| panic!("nothing is said of {source}\n{ran}"))
        .to_owned()
}

/// Returns which of the program's questions this is.
fn subject(question: &Question) -> &'static str {
    let has = |part: &str| question.query.contains(&format!("\"{PART}\", \"{part}\""));
    match (question.is_range, has("total"), has("bad")) {
        (true, true, true) => "slices",
        (true, _, _) => "latency",
        (false, true, true) if has("slots") => "chunk",
        (false, true, true) => "stretch",
        (false, true, false) => "total",
        (false, _, true) => "bad",
        (false, false, false) if has("slots") => "slots",
        (false, false, false) if has("m5_total") => "recent",
        (false, false, false) => "clock",
    }
}

/// Returns the points of a series, be it one or many.
fn points(series: &mut Value) -> impl Iterator<Item = &mut Value> {
    let (one, many) = match series.as_object_mut() {
        Some(fields) if fields.contains_key("value") => (fields.get_mut("value"), None),
        Some(fields) => (None, fields.get_mut("values").and_then(Value::as_array_mut)),
        None => (None, None),
    };
    one.into_iter().chain(many.into_iter().flatten())
}

fn too_many_samples() -> Answer {
    Answer::error(
        422,
        "execution",
        "query processing would load too many samples into memory in query execution",
    )
}

/// Moves the server's clock.
fn shift(question: &Question, answer: &mut Answer, seconds: f64) {
    if subject(question) != "clock" {
        return;
    }
    for series in answer.series() {
        let time = series["value"][0].as_f64();
        series["value"][0] = json!(time.expect("the time is a number") + seconds);
    }
}

/// Returns the numbers of the budget as a check sees them.
fn budget_of(url: &str, service: &str) -> Vec<(&'static str, f64)> {
    let world = World::at(url, service);
    let ran = world.nothing_changed_by(&world.program().arguments(&["check"]));
    let numbers = ["bad_events", "total_events", "consumed", "coverage"].map(|name| {
        let number = ran.record["budget"][name].as_f64();
        (name, number.unwrap_or_else(|| panic!("no {name}\n{ran}")))
    });
    numbers.into()
}

/// Returns the world of a service of [`odd_services`] that deployed version 2 when the bad releases began.
fn odd(server: &Running, service: &str) -> World {
    let world = World::at(&server.url(), service);
    world.release("v2", shared_month().deployed_at());
    world
}

/// Services to which something happened that no other test needs:
///
/// | service | history |
/// |---|---|
/// | `restarted` | healthy; its counters began again three times, last 2 min ago |
/// | `restarted-bad` | the same, and 20 % errors since the deployment |
/// | `half-kept` | 15 days, 20 % errors since the deployment |
/// | `young-bad` | 2 days, 20 % errors since the deployment |
/// | `silent` | healthy until the deployment, no request since |
fn odd_services() -> &'static Recording {
    static ODD: OnceLock<Recording> = OnceLock::new();
    ODD.get_or_init(|| {
        let month = shared_month();
        let (now, deployed) = (month.now, month.deployed_at());
        let end = now + TimeDelta::minutes(Month::FUTURE_MINUTES);
        let healthy = Traffic::healthy(20.0);
        let history = |service: &str, begin: DateTime<Utc>, after: Traffic| {
            History::new(ServiceLabels::new(Month::NAMESPACE, service))
                .segment(begin, deployed, healthy)
                .segment(deployed, end, after)
        };
        let begin = now - TimeDelta::days(Month::DAYS);
        let bad = healthy.errors(0.2);
        let restarted = |history: History| {
            [
                TimeDelta::days(9),
                TimeDelta::minutes(25),
                TimeDelta::minutes(2),
            ]
            .into_iter()
            .fold(history, |history, ago| history.restart(now - ago))
        };
        Recording::of(
            &Backfill::new(now)
                .service(restarted(history("restarted", begin, healthy)))
                .service(restarted(history("restarted-bad", begin, bad)))
                .service(history("half-kept", now - TimeDelta::days(15), bad))
                .service(history("young-bad", now - TimeDelta::days(2), bad))
                .service(history("silent", begin, Traffic::idle())),
        )
    })
}

static ODD: Servers = Servers::of(odd_services);

on_every_server! {
    ODD;
    a_counter_that_begins_again_is_counted_right;
    half_a_window_of_history_can_only_warn;
    a_service_that_nobody_asks_since_its_deployment_is_left_alone;
}
