//! The text that Prometheus reads.

use error_budget_monitor::metrics::{FAMILIES, Numbers, exposition};
use error_budget_monitor::record::{Heading, Record};

use super::{names, numbers, promtool, promtool_is_content};
use crate::families;

#[test]
fn says_all_that_is_known() {
    let text = exposition(&[numbers()]).replace(env!("CARGO_PKG_VERSION"), "VERSION");
    insta::assert_snapshot!(text, @r#"
# HELP error_budget_consumed_ratio Share of the error budget that is consumed; above 1 it is overspent.
# TYPE error_budget_consumed_ratio gauge
error_budget_consumed_ratio{namespace="shop",service="checkout"} 1.25
# HELP error_budget_remaining_ratio Share of the error budget that is left; negative when it is overspent.
# TYPE error_budget_remaining_ratio gauge
error_budget_remaining_ratio{namespace="shop",service="checkout"} -0.25
# HELP error_budget_burn_rate Speed at which the budget is spent; 1 spends it in exactly its window.
# TYPE error_budget_burn_rate gauge
error_budget_burn_rate{namespace="shop",service="checkout",window="5m"} 20.5
error_budget_burn_rate{namespace="shop",service="checkout",window="1h"} 16
error_budget_burn_rate{namespace="shop",service="checkout",window="6h"} 0
# HELP error_budget_burn_rate_threshold Burn rate above which the service burns: fast over 1h and 5m, slow over 6h and 30m.
# TYPE error_budget_burn_rate_threshold gauge
error_budget_burn_rate_threshold{namespace="shop",service="checkout",speed="fast"} 14.4
error_budget_burn_rate_threshold{namespace="shop",service="checkout",speed="slow"} 6
# HELP error_budget_level_threshold_ratio Consumed share of the budget at which a level begins.
# TYPE error_budget_level_threshold_ratio gauge
error_budget_level_threshold_ratio{namespace="shop",service="checkout",level="warning"} 0.5
error_budget_level_threshold_ratio{namespace="shop",service="checkout",level="critical"} 0.8
error_budget_level_threshold_ratio{namespace="shop",service="checkout",level="emergency"} 0.95
# HELP error_budget_verdict 1 for what the last run found (healthy, burning, exhausted, unknown), else 0.
# TYPE error_budget_verdict gauge
error_budget_verdict{namespace="shop",service="checkout",verdict="healthy"} 0
error_budget_verdict{namespace="shop",service="checkout",verdict="burning"} 1
error_budget_verdict{namespace="shop",service="checkout",verdict="exhausted"} 0
error_budget_verdict{namespace="shop",service="checkout",verdict="unknown"} 0
# HELP error_budget_level 1 for the level of the budget (ok, warning, critical, emergency, unknown), else 0.
# TYPE error_budget_level gauge
error_budget_level{namespace="shop",service="checkout",level="ok"} 0
error_budget_level{namespace="shop",service="checkout",level="warning"} 0
error_budget_level{namespace="shop",service="checkout",level="critical"} 0
error_budget_level{namespace="shop",service="checkout",level="emergency"} 1
error_budget_level{namespace="shop",service="checkout",level="unknown"} 0
# HELP error_budget_slo_violated 1 while an SLO is violated, 0 while it is kept.
# TYPE error_budget_slo_violated gauge
error_budget_slo_violated{namespace="shop",service="checkout",slo="availability"} 1
error_budget_slo_violated{namespace="shop",service="checkout",slo="error_rate"} 1
error_budget_slo_violated{namespace="shop",service="checkout",slo="latency_p95"} 0
# HELP error_budget_decision 1 for what the last run decided, with its reason code.
# TYPE error_budget_decision gauge
error_budget_decision{namespace="shop",service="checkout",action="hold",reason="cooldown"} 1
# HELP error_budget_rollback_in_progress 1 from the beginning of a rollback to its proof, else 0.
# TYPE error_budget_rollback_in_progress gauge
error_budget_rollback_in_progress{namespace="shop",service="checkout"} 0
# HELP error_budget_rollback_last_success_timestamp_seconds When a rollback was last proven to have stopped the burn.
# TYPE error_budget_rollback_last_success_timestamp_seconds gauge
error_budget_rollback_last_success_timestamp_seconds{namespace="shop",service="checkout"} 1699998800.25
# HELP error_budget_rollback_last_failure_timestamp_seconds When a rollback last failed or did not help.
# TYPE error_budget_rollback_last_failure_timestamp_seconds gauge
error_budget_rollback_last_failure_timestamp_seconds{namespace="shop",service="checkout"} 1699740800.25
# HELP error_budget_rollbacks_total Rollbacks that ended, by outcome.
# TYPE error_budget_rollbacks_total counter
error_budget_rollbacks_total{namespace="shop",service="checkout",outcome="ineffective"} 1
error_budget_rollbacks_total{namespace="shop",service="checkout",outcome="recovered"} 4
error_budget_rollbacks_total{namespace="shop",service="checkout",outcome="failed"} 0
error_budget_rollbacks_total{namespace="shop",service="checkout",outcome="superseded"} 0
error_budget_rollbacks_total{namespace="shop",service="checkout",outcome="rejected"} 0
error_budget_rollbacks_total{namespace="shop",service="checkout",outcome="expired"} 0
# HELP error_budget_rollback_blocked_total Runs that did not roll a burning service back, by reason code.
# TYPE error_budget_rollback_blocked_total counter
error_budget_rollback_blocked_total{namespace="shop",service="checkout",reason="blackout"} 12
error_budget_rollback_blocked_total{namespace="shop",service="checkout",reason="cooldown"} 3
# HELP error_budget_rollbacks_left Rollbacks that MAX_ROLLBACKS_PER_HOUR and MAX_ROLLBACKS_PER_DAY still allow.
# TYPE error_budget_rollbacks_left gauge
error_budget_rollbacks_left{namespace="shop",service="checkout",limit="hour"} 0
error_budget_rollbacks_left{namespace="shop",service="checkout",limit="day"} 2
# HELP error_budget_approval_pending 1 while a rollback waits for a person to agree, else 0.
# TYPE error_budget_approval_pending gauge
error_budget_approval_pending{namespace="shop",service="checkout"} 0
# HELP error_budget_holds Revisions that were rolled back and must not be deployed again.
# TYPE error_budget_holds gauge
error_budget_holds{namespace="shop",service="checkout"} 2
# HELP error_budget_hold_violated 1 while a revision on hold is on the branch again, else 0.
# TYPE error_budget_hold_violated gauge
error_budget_hold_violated{namespace="shop",service="checkout"} 0
# HELP error_budget_monitor_last_run_timestamp_seconds When the last run ended.
# TYPE error_budget_monitor_last_run_timestamp_seconds gauge
error_budget_monitor_last_run_timestamp_seconds{namespace="shop",service="checkout"} 1700000000.25
# HELP error_budget_monitor_last_success_timestamp_seconds When a run last measured the service and did all that it decided.
# TYPE error_budget_monitor_last_success_timestamp_seconds gauge
error_budget_monitor_last_success_timestamp_seconds{namespace="shop",service="checkout"} 1700000000.25
# HELP error_budget_monitor_last_run_duration_seconds How long the last run took.
# TYPE error_budget_monitor_last_run_duration_seconds gauge
error_budget_monitor_last_run_duration_seconds{namespace="shop",service="checkout"} 1.25
# HELP error_budget_monitor_runs_total Runs by result.
# TYPE error_budget_monitor_runs_total counter
error_budget_monitor_runs_total{namespace="shop",service="checkout",result="complete"} 8640
error_budget_monitor_runs_total{namespace="shop",service="checkout",result="unavailable"} 2
# HELP error_budget_monitor_notification_failures_total Deliveries that failed, by channel; the metrics count as channels too.
# TYPE error_budget_monitor_notification_failures_total counter
error_budget_monitor_notification_failures_total{namespace="shop",service="checkout",channel="slack"} 1
# HELP error_budget_monitor_undelivered_messages Messages that wait for the next run to deliver them.
# TYPE error_budget_monitor_undelivered_messages gauge
error_budget_monitor_undelivered_messages{namespace="shop",service="checkout"} 1
# HELP error_budget_monitor_build_info 1, with the version of the program.
# TYPE error_budget_monitor_build_info gauge
error_budget_monitor_build_info{namespace="shop",service="checkout",version="VERSION"} 1
"#);
}

#[test]
fn promtool_finds_nothing_to_improve() {
    let other = Numbers {
        service: "cart".to_owned(),
        ..numbers()
    };
    let text = exposition(&[numbers(), other]);
    let output = promtool(&["check", "metrics"], &text);
    assert!(output.status.success(), "{output:?}");
    // What it would improve goes to its errors, with success.
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

#[test]
fn a_promtool_that_finds_faults_says_so() {
    let output = promtool(&["check", "metrics"], "# TYPE runs counter\nruns 1\n");
    assert!(!output.status.success(), "{output:?}");
}

#[test]
fn names_each_metric_once_for_all_services() {
    let other = Numbers {
        service: "cart".to_owned(),
        ..numbers()
    };
    let text = exposition(&[numbers(), other]);
    for family in FAMILIES {
        let heading = format!("# TYPE {} ", family.name);
        assert_eq!(text.matches(&heading).count(), 1, "{heading}");
    }
    let services = |name: &str| text.lines().filter(|line| line.contains(name)).count();
    assert_eq!(
        services("service=\"cart\""),
        services("service=\"checkout\"")
    );
}

#[test]
fn what_is_unknown_is_left_out_and_never_zero() {
    let objective = families::objective();
    let heading = Heading {
        run_id: "20261121t120000z-7".to_owned(),
        command: "run",
        service: "checkout".to_owned(),
        namespace: "shop".to_owned(),
        dry_run: false,
    };
    let record = Record::unknown(&heading, &objective, super::noon());
    let text = exposition(&[Numbers::of(&record)]).replace(env!("CARGO_PKG_VERSION"), "VERSION");
    insta::assert_snapshot!(text, @r#"
# HELP error_budget_verdict 1 for what the last run found (healthy, burning, exhausted, unknown), else 0.
# TYPE error_budget_verdict gauge
error_budget_verdict{namespace="shop",service="checkout",verdict="healthy"} 0
error_budget_verdict{namespace="shop",service="checkout",verdict="burning"} 0
error_budget_verdict{namespace="shop",service="checkout",verdict="exhausted"} 0
error_budget_verdict{namespace="shop",service="checkout",verdict="unknown"} 1
# HELP error_budget_level 1 for the level of the budget (ok, warning, critical, emergency, unknown), else 0.
# TYPE error_budget_level gauge
error_budget_level{namespace="shop",service="checkout",level="ok"} 0
error_budget_level{namespace="shop",service="checkout",level="warning"} 0
error_budget_level{namespace="shop",service="checkout",level="critical"} 0
error_budget_level{namespace="shop",service="checkout",level="emergency"} 0
error_budget_level{namespace="shop",service="checkout",level="unknown"} 1
# HELP error_budget_decision 1 for what the last run decided, with its reason code.
# TYPE error_budget_decision gauge
error_budget_decision{namespace="shop",service="checkout",action="hold",reason="unknown_data"} 1
# HELP error_budget_monitor_build_info 1, with the version of the program.
# TYPE error_budget_monitor_build_info gauge
error_budget_monitor_build_info{namespace="shop",service="checkout",version="VERSION"} 1
"#);
    promtool_is_content(&["check", "metrics"], &text);
}

#[test]
fn what_is_no_number_is_left_out() {
    let mut odd = numbers();
    odd.standing.consumed = Some(f64::NAN);
    odd.standing.remaining = Some(f64::NEG_INFINITY);
    odd.standing.burn_rates = vec![("5m", Some(f64::INFINITY)), ("1h", Some(2.0))];
    let text = exposition(&[odd]);
    let names = names(&text);
    assert!(!names.contains("error_budget_consumed_ratio"), "{text}");
    assert!(!names.contains("error_budget_remaining_ratio"), "{text}");
    assert!(!text.contains("window=\"5m\""), "{text}");
    assert!(text.contains("window=\"1h\"} 2\n"), "{text}");
}

#[test]
fn the_first_rollback_is_already_an_increase() {
    let mut fresh = numbers();
    fresh.memory = Some(error_budget_monitor::metrics::Remembered::default());
    let text = exposition(&[fresh]);
    for outcome in [
        "recovered",
        "ineffective",
        "failed",
        "superseded",
        "rejected",
        "expired",
    ] {
        let line = format!("service=\"checkout\",outcome=\"{outcome}\"}} 0\n");
        assert!(text.contains(&line), "{text}");
    }
}

#[test]
fn a_strange_name_cannot_break_out_of_its_label() {
    let strange = Numbers {
        service: "a\"} 1\nup 1\\".to_owned(),
        ..numbers()
    };
    let text = exposition(&[strange]);
    promtool_is_content(&["check", "metrics"], &text);
    assert_eq!(names(&text), names(&exposition(&[numbers()])));
    assert!(text.contains(r#"service="a\"} 1\nup 1\\""#), "{text}");
}

#[test]
fn every_metric_has_the_labels_that_are_documented() {
    let text = exposition(&[numbers()]);
    for family in FAMILIES {
        let lines: Vec<&str> = text
            .lines()
            .filter(|line| line.starts_with(&format!("{}{{", family.name)))
            .collect();
        assert!(!lines.is_empty(), "{} is never written", family.name);
        for line in lines {
            let (_, rest) = line.split_once('{').expect("labels");
            let (labels, _) = rest.split_once("} ").expect("a value");
            let labels: Vec<&str> = labels
                .split(',')
                .filter_map(|label| Some(label.split_once('=')?.0))
                .collect();
            let documented: Vec<&str> = ["namespace", "service"]
                .iter()
                .chain(family.labels)
                .copied()
                .collect();
            assert_eq!(labels, documented, "{line}");
        }
    }
}
