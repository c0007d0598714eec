//! A Prometheus that refuses questions, because they are too much or for another reason.

use super::*;

#[test]
fn a_window_that_is_too_much_at_once_is_read_in_chunks() {
    for service in ["always-bad", "healthy", "idle", "half-kept"] {
        let prometheus = if service == "half-kept" {
            ODD.get(BackEnd::DebianPrometheus)
                .expect("every machine has it")
                .api()
        } else {
            shared_month().prometheus.api()
        };
        for refusal in [
            too_many_samples(),
            Answer::error(
                422,
                "bad_data",
                "the query time range exceeds the limit (err-mimir-max-query-length)",
            ),
            Answer::error(503, "timeout", "query timed out in expression evaluation"),
        ] {
            // Without and with the question for the coverage.
            for slots in ["total", "slots"] {
                let refusal = refusal.clone();
                let stub = prometheus.edited(move |question, answer| {
                    let asked = subject(question);
                    if ["total", "bad"].contains(&asked) || asked == slots {
                        *answer = refusal.clone();
                    }
                });
                // Time goes on, so the truth is looked at before and after.
                let before = budget_of(&prometheus.url(), service);
                let chunked = budget_of(&stub.url(), service);
                let after = budget_of(&prometheus.url(), service);
                let truths = before.iter().zip(&after);
                for ((name, chunked), ((_, before), (_, after))) in chunked.into_iter().zip(truths)
                {
                    // The slot in which the window begins may count or not.
                    let slot = if name == "coverage" { 2.0 / 731.0 } else { 0.0 };
                    let least = before.min(*after) * 0.999 - slot;
                    let most = before.max(*after) * 1.001 + slot;
                    assert!(
                        (least..=most).contains(&chunked),
                        "{name} of {service}: {chunked} instead of {before} to {after}"
                    );
                }
            }
        }
    }
}

#[test]
fn a_real_limit_on_samples_is_kept_by_chunks() {
    let month = shared_month();
    let begin = month.now - TimeDelta::days(Month::DAYS);
    let end = month.now + TimeDelta::minutes(Month::FUTURE_MINUTES);
    let steady = History::new(ServiceLabels::new(Month::NAMESPACE, "healthy"));
    let steady = steady.segment(begin, end, Traffic::healthy(20.0));
    let backfill = Backfill::new(month.now).service(steady);
    // A series has some 10,000 samples in 30 days, and some 1,500 in the last 6 hours.
    let limited = Prometheus::start_limited(&backfill, 5_000);
    let world = World::at(&limited.url(), "healthy");
    let ran = world.runs(&["run"]).exits(0).decides("none", "healthy");
    let consumed = &ran.record["budget"]["consumed"];
    assert!(is_near(consumed, 0.0002 / 0.001), "{ran}");
    let is_told = |line: &Value| {
        let why = line["why"].as_str().unwrap_or_default();
        line["level"] == "WARN" && why.contains("too many samples")
    };
    assert!(ran.log().iter().any(is_told), "{ran}");
}

#[test]
fn what_nobody_scraped_across_the_edge_of_a_chunk_is_counted() {
    const DAYS: i64 = 30;
    let now = Utc::now();
    let begin = now - TimeDelta::days(DAYS + 1);
    let labels = format!(r#"namespace="{}",service="patchy""#, Month::NAMESPACE);
    let everywhere = Spacing {
        recent_secs: 60,
        day_secs: 60,
        old_secs: 60,
    };
    // No sample for 40 minutes around every multiple of a day, where chunks meet, while requests went on.
    let gap = TimeDelta::minutes(20);
    let mut backfill = Backfill::new(now).spacing(everywhere);
    for (status, per_second) in [("200", 10.0), ("500", 0.004)] {
        let series = format!(r#"http_requests_total{{{labels},status="{status}"}}"#);
        for day in 0..=DAYS {
            let from = begin + TimeDelta::days(day);
            let from = if day == 0 { from } else { from + gap };
            let to = begin + TimeDelta::days(day + 1);
            let to = if day == DAYS {
                to + TimeDelta::hours(1)
            } else {
                to - gap
            };
            let begins_with = (from - begin).as_seconds_f64() * per_second;
            backfill = backfill.counter_part(&series, (from, to), begins_with, per_second);
        }
    }
    let limited = Prometheus::start_limited(&backfill, 5_000);
    let seconds = TimeDelta::days(DAYS).as_seconds_f64();
    for (name, found) in budget_of(&limited.url(), "patchy") {
        let (expected, tolerance) = match name {
            "bad_events" => (0.004 * seconds, 0.003),
            "total_events" => (10.004 * seconds, 0.003),
            "consumed" => (0.004 / 10.004 / 0.001, 0.003),
            "coverage" => (1.0 - 40.0 / 1440.0, 0.01),
            other => panic!("{other} is not expected"),
        };
        assert!(
            (found / expected - 1.0).abs() < tolerance,
            "{name} is {found} instead of {expected}"
        );
    }
}

#[test]
fn a_bad_release_is_undone_when_only_chunks_are_answered() {
    let world = burning(|question, answer| {
        if ["total", "bad", "slots"].contains(&subject(question)) {
            *answer = too_many_samples();
        }
    });
    let ran = world.world.runs(&["run"]).exits(0);
    ran.decides("rollback", "trigger").complains_of_nothing();
}

#[test]
fn a_window_that_is_refused_in_chunks_too_is_told_with_all_that_was_measured() {
    for (refusal, remedy) in [
        (
            too_many_samples(),
            "raise the server's limits or shorten SLO_WINDOW",
        ),
        (
            Answer::error(503, "timeout", "query timed out"),
            "raise PROMETHEUS_TIMEOUT",
        ),
    ] {
        let world = burning(move |question, answer| {
            if ["total", "bad", "chunk"].contains(&subject(question)) {
                *answer = refusal.clone();
            }
        });
        for ran in every_command(&world.world, &world.world.program()) {
            assert_rate(&ran, "5m", 0.2 / 0.001);
            assert_eq!(ran.record["violations"][1]["state"], "violated", "{ran}");
            assert_eq!(ran.record["budget"]["consumed"], Value::Null, "{ran}");
            is_refused(ran, &[remedy]);
        }
        world.git_is_not_asked();
    }
}

#[test]
fn any_refused_question_holds_and_leaves_the_other_readings() {
    for (asked, source) in [("recent", "burn_rate_5m"), ("slices", "violations")] {
        let world = burning(move |question, answer| {
            if subject(question) == asked {
                *answer = too_many_samples();
            }
        });
        for ran in every_command(&world.world, &world.world.program()) {
            assert!(unknown(&ran, source).contains("too many samples"), "{ran}");
            assert!(ran.record["budget"]["consumed"].is_f64(), "{ran}");
            is_refused(ran, &["raise the server's limits"]);
        }
        world.git_is_not_asked();
    }
}

#[test]
fn refused_latency_leaves_failing_requests_to_be_acted_on_and_is_no_health() {
    let refuse = |question: &Question, answer: &mut Answer| {
        if subject(question) == "latency" {
            *answer = too_many_samples();
        }
    };
    let latency_is_unknown = |ran: &Ran| {
        assert!(
            unknown(ran, "latency").contains("too many samples"),
            "{ran}"
        );
        for latency in ["/violations/2/state", "/violations/3/state"] {
            assert_eq!(ran.text(latency), "unknown", "{ran}");
        }
    };
    let burning = burning(refuse);
    let world = &burning.world;
    let status = world.nothing_changed_by(&world.program().arguments(&["status"]));
    status.exits(0);
    let check = world.nothing_changed_by(&world.program().arguments(&["check"]));
    latency_is_unknown(&check.exits(2));
    let ran = world.runs(&["run"]).exits(0).decides("rollback", "trigger");
    latency_is_unknown(&ran);
    assert_eq!(world.rollback_commits(), 1);

    // Requests that succeed may be slow.
    let edited = Edited::with_release("healthy", refuse);
    for ran in every_command(&edited.world, &edited.world.program()) {
        latency_is_unknown(&ran);
        assert_eq!(ran.record["verdict"], "unknown", "{ran}");
        is_refused(ran, &["raise the server's limits"]);
    }
}

#[test]
fn a_refused_question_about_the_past_holds_although_the_present_is_known() {
    // The first question about slices is about now, every further one about the past.
    for past in ["slices", "stretch"] {
        let asked = AtomicUsize::new(0);
        let world = burning(move |question, answer| {
            let is_about_the_past = subject(question) == past
                && (past == "stretch" || asked.fetch_add(1, Ordering::SeqCst) % 2 == 1);
            if is_about_the_past {
                *answer = too_many_samples();
            }
        });
        for arguments in [&["run"][..], &["run", "--dry-run"]] {
            let program = world.world.program().arguments(arguments);
            let ran = world.world.nothing_changed_but_the_lock_by(&program);
            assert_eq!(ran.record["verdict"], "burning", "{past}: {ran}");
            let ran = ran.exits(69).decides("hold", "unknown_data");
            ran.complains_of(&["raise the server's limits"]);
        }
        world.world.runs(&["check"]).exits(2);
    }
}

#[test]
fn a_server_that_refuses_every_question_is_told_once() {
    let world = burning(|_, answer| *answer = too_many_samples());
    for ran in every_command(&world.world, &world.world.program()) {
        is_refused(ran, &["HTTP 422", "raise the server's limits"]);
    }
    world.git_is_not_asked();
}

#[test]
fn the_gate_may_forgive_a_refusal_and_not_a_violation() {
    for (service, code) in [("healthy", 0), ("bad-release", 2)] {
        let world = Edited::with_release(service, |question, answer| {
            if ["total", "chunk"].contains(&subject(question)) {
                *answer = too_many_samples();
            }
        });
        let check = world.world.program().arguments(&["check"]);
        let allow = check.clone().env("GATE_ON_UNKNOWN", "allow");
        let ran = world.world.nothing_changed_by(&allow).exits(code);
        let ran = ran.decides("hold", "unknown_data");
        assert!(
            unknown(&ran, "budget").contains("too many samples"),
            "{ran}"
        );
        world.world.nothing_changed_by(&check).exits(69);
    }
}
