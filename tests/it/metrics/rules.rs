//! The alerts: read by a real Prometheus, and let fire and clear by promtool.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::prometheus::Prometheus;

use super::{emitted, file, ours, promtool, promtool_is_content};

/// What others emit and the alerts use.
const FOREIGN: [&str; 5] = [
    "kube_cronjob_created",
    "kube_cronjob_spec_suspend",
    "kube_cronjob_status_last_successful_time",
    "push_failure_time_seconds",
    "push_time_seconds",
];

const MANIFEST: &str = "k8s/monitoring/prometheus-rules.yaml";

/// Where the alerts link to until somebody says where the runbook is read.
const RUNBOOK: &str =
    "https://git.example.com/platform/error-budget-monitor/blob/main/docs/runbook.md";

/// One course of events, minute by minute, in promtool's notation; the CronJob succeeds in every minute unless it is
/// among the series.
struct SliceHistory<'a> {
    name: &'a str,
    series: &'a [(&'a str, &'a str)],
    /// All that fires at a time.
    firing: &'a [(&'a str, &'a [&'a str])],
}

const SUCCESS: &str = r#"kube_cronjob_status_last_successful_time{namespace="monitoring",cronjob="error-budget-rollback-monitor"}"#;

const COURSES: &[SliceHistory<'_>] = &[
    SliceHistory {
        name: "the last success is long ago, then comes another",
        series: &[(SUCCESS, "0x17 1080+60x30")],
        firing: &[
            ("14m", &[]),
            ("17m", &["ErrorBudgetMonitorNotRunning"]),
            ("19m", &[]),
        ],
    },
    SliceHistory {
        name: "there is no success any more",
        series: &[(SUCCESS, "0x60")],
        firing: &[
            ("14m", &[]),
            ("18m", &["ErrorBudgetMonitorNotRunning"]),
            ("60m", &["ErrorBudgetMonitorNotRunning"]),
        ],
    },
    SliceHistory {
        name: "there never was a success, and another CronJob does not count",
        series: &[(
            r#"kube_cronjob_status_last_successful_time{namespace="monitoring",cronjob="other"}"#,
            "0+60x60",
        )],
        firing: &[("2m", &["ErrorBudgetMonitorNotRunning"])],
    },
    SliceHistory {
        name: "suspended for half an hour and resumed",
        series: &[(
            r#"kube_cronjob_spec_suspend{namespace="monitoring",cronjob="error-budget-rollback-monitor"}"#,
            "1x40 0x20",
        )],
        firing: &[
            ("29m", &[]),
            ("31m", &["ErrorBudgetMonitorSuspended"]),
            ("42m", &[]),
        ],
    },
    SliceHistory {
        name: "blind for three runs and seeing again",
        series: &[(
            r#"error_budget_verdict{namespace="shop",service="checkout",verdict="unknown"}"#,
            "1x20 0x20",
        )],
        firing: &[
            ("14m", &[]),
            ("18m", &["ErrorBudgetMonitorBlind"]),
            ("22m", &[]),
        ],
    },
    SliceHistory {
        name: "one run did not see",
        series: &[(
            r#"error_budget_verdict{namespace="shop",service="checkout",verdict="unknown"}"#,
            "0x10 1x10 0x40",
        )],
        firing: &[("19m", &[]), ("30m", &[])],
    },
    SliceHistory {
        name: "the numbers of a service grow old, then there are new ones",
        series: &[(
            r#"error_budget_monitor_last_run_timestamp_seconds{namespace="shop",service="checkout"}"#,
            "0x20 1260+60x20",
        )],
        firing: &[
            ("14m", &[]),
            ("18m", &["ErrorBudgetMonitorServiceSilent"]),
            ("22m", &[]),
        ],
    },
    SliceHistory {
        name: "pushes are refused and taken again",
        series: &[
            (
                r#"push_failure_time_seconds{job="error-budget-monitor",namespace="shop",service="checkout"}"#,
                "0x4 300x40",
            ),
            (
                r#"push_time_seconds{job="error-budget-monitor",namespace="shop",service="checkout"}"#,
                "0x19 1200x20",
            ),
        ],
        firing: &[
            ("4m", &[]),
            ("14m", &[]),
            ("16m", &["ErrorBudgetMonitorPushFailing"]),
            ("21m", &[]),
        ],
    },
    SliceHistory {
        name: "messages wait and are delivered",
        series: &[(
            r#"error_budget_monitor_undelivered_messages{namespace="shop",service="checkout"}"#,
            "2x20 0x20",
        )],
        firing: &[
            ("14m", &[]),
            ("16m", &["ErrorBudgetMonitorNotTelling"]),
            ("22m", &[]),
        ],
    },
    SliceHistory {
        name: "emergency level while it burns, and then only an empty budget",
        series: &[
            (
                r#"error_budget_level{namespace="shop",service="checkout",level="emergency"}"#,
                "0x4 1x40",
            ),
            (
                r#"error_budget_level{namespace="shop",service="checkout",level="critical"}"#,
                "1x4 0x40",
            ),
            (
                r#"error_budget_slo_violated{namespace="shop",service="checkout",slo="availability"}"#,
                "1x40",
            ),
            (
                r#"error_budget_verdict{namespace="shop",service="checkout",verdict="burning"}"#,
                "1x19 0x20",
            ),
        ],
        firing: &[
            ("4m", &["TriggerCriticalRollback"]),
            ("5m", &["TriggerEmergencyRollback"]),
            ("19m", &["TriggerEmergencyRollback"]),
            ("20m", &[]),
        ],
    },
    SliceHistory {
        name: "an SLO is violated below every level, in one service of two",
        series: &[
            (
                r#"error_budget_level{namespace="shop",service="checkout",level="critical"}"#,
                "0x40",
            ),
            (
                r#"error_budget_slo_violated{namespace="shop",service="checkout",slo="latency_p95"}"#,
                "0x4 1x10 0x20",
            ),
            (
                r#"error_budget_verdict{namespace="shop",service="checkout",verdict="burning"}"#,
                "0x4 1x10 0x20",
            ),
            (
                r#"error_budget_verdict{namespace="shop",service="cart",verdict="burning"}"#,
                "1x40",
            ),
        ],
        firing: &[
            ("4m", &[]),
            ("5m", &["TriggerCriticalRollback"]),
            ("16m", &[]),
        ],
    },
    SliceHistory {
        name: "the critical level alone, with nothing burning",
        series: &[
            (
                r#"error_budget_level{namespace="shop",service="checkout",level="critical"}"#,
                "1x40",
            ),
            (
                r#"error_budget_verdict{namespace="shop",service="checkout",verdict="burning"}"#,
                "0x40",
            ),
        ],
        firing: &[("30m", &[])],
    },
    SliceHistory {
        name: "a rollback that takes its time",
        series: &[(
            r#"error_budget_rollback_in_progress{namespace="shop",service="checkout"}"#,
            "0x4 1x30 0x20",
        )],
        firing: &[
            ("4m", &[]),
            ("5m", &["RollbackInProgress"]),
            ("24m", &["RollbackInProgress"]),
            ("26m", &["RollbackInProgress", "RollbackStuck"]),
            ("36m", &[]),
        ],
    },
    SliceHistory {
        name: "a rollback that helped",
        series: &[
            (
                r#"error_budget_rollback_in_progress{namespace="shop",service="checkout"}"#,
                "0x4 1x4 0x60",
            ),
            (
                r#"error_budget_rollback_last_success_timestamp_seconds{namespace="shop",service="checkout"}"#,
                "_x10 600x60",
            ),
        ],
        firing: &[
            ("5m", &["RollbackInProgress"]),
            ("11m", &["RollbackCompleted"]),
            ("39m", &["RollbackCompleted"]),
            ("41m", &[]),
        ],
    },
    SliceHistory {
        name: "a rollback that failed, with a service that burns on until somebody mends it",
        series: &[
            (
                r#"error_budget_rollback_last_failure_timestamp_seconds{namespace="shop",service="checkout"}"#,
                "_x10 600x2000",
            ),
            (
                r#"error_budget_verdict{namespace="shop",service="checkout",verdict="healthy"}"#,
                "0x89 1x2000",
            ),
        ],
        firing: &[
            ("9m", &[]),
            ("11m", &["RollbackFailed"]),
            ("89m", &["RollbackFailed"]),
            ("91m", &[]),
        ],
    },
    SliceHistory {
        name: "a rollback that failed, with a service that nobody mends for a day",
        series: &[
            (
                r#"error_budget_rollback_last_failure_timestamp_seconds{namespace="shop",service="checkout"}"#,
                "0x1500",
            ),
            (
                r#"error_budget_verdict{namespace="shop",service="checkout",verdict="healthy"}"#,
                "0x1500",
            ),
        ],
        firing: &[("1439m", &["RollbackFailed"]), ("1441m", &[])],
    },
    SliceHistory {
        name: "a rollback that failed although the service is healthy, for an hour",
        series: &[
            (
                r#"error_budget_rollback_last_failure_timestamp_seconds{namespace="shop",service="checkout"}"#,
                "0x90",
            ),
            (
                r#"error_budget_verdict{namespace="shop",service="checkout",verdict="healthy"}"#,
                "1x90",
            ),
        ],
        firing: &[("59m", &["RollbackFailed"]), ("61m", &[])],
    },
    SliceHistory {
        name: "a rollback that failed, and a person's that helped",
        series: &[
            (
                r#"error_budget_rollback_last_failure_timestamp_seconds{namespace="shop",service="checkout"}"#,
                "0x120",
            ),
            (
                r#"error_budget_rollback_last_success_timestamp_seconds{namespace="shop",service="checkout"}"#,
                "_x20 1200x100",
            ),
        ],
        firing: &[
            ("19m", &["RollbackFailed"]),
            ("21m", &["RollbackCompleted"]),
            ("51m", &[]),
        ],
    },
    SliceHistory {
        name: "an approval is asked for and given",
        series: &[(
            r#"error_budget_approval_pending{namespace="shop",service="checkout"}"#,
            "0x4 1x10 0x10",
        )],
        firing: &[
            ("4m", &[]),
            ("5m", &["ErrorBudgetApprovalWaiting"]),
            ("16m", &[]),
        ],
    },
    SliceHistory {
        name: "a bad revision comes back and goes",
        series: &[(
            r#"error_budget_hold_violated{namespace="shop",service="checkout"}"#,
            "0x4 1x10 0x10",
        )],
        firing: &[
            ("4m", &[]),
            ("5m", &["ErrorBudgetHoldViolated"]),
            ("16m", &[]),
        ],
    },
];

/// Writes the rules of the manifest as Prometheus reads them: what stands below `spec`, the manifest's last part.
pub(super) fn rules() -> (TempDir, PathBuf) {
    let manifest = fs::read_to_string(file(MANIFEST)).expect("the manifest");
    let (_, spec) = manifest.split_once("\nspec:\n").expect("a spec");
    let lines = spec
        .lines()
        .map(|line| line.strip_prefix("  ").expect("the spec is the last part"));
    let rules: String = lines.flat_map(|line| [line, "\n"]).collect();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("rules.yaml");
    fs::write(&path, rules).expect("our own folder");
    (folder, path)
}

/// Writes a test for promtool; JSON is YAML.
fn unit_test<'a>(rules: &Path, courses: impl IntoIterator<Item = &'a SliceHistory<'a>>) -> String {
    let tests: Vec<Value> = courses.into_iter().map(course).collect();
    json!({
        "rule_files": [rules],
        "evaluation_interval": "1m",
        "tests": tests,
    })
    .to_string()
}

fn course(course: &SliceHistory<'_>) -> Value {
    let is_about_success = |(name, _): &(&str, &str)| name.starts_with("kube_cronjob_status");
    let alive = (SUCCESS, "0+60x2000");
    let alive = (!course.series.iter().any(is_about_success)).then_some(alive);
    let series = course.series.iter().copied().chain(alive);
    let series = series.map(|(series, values)| json!({ "series": series, "values": values }));
    let looks = course.firing.iter().map(|(at, alerts)| {
        let samples = alerts
            .iter()
            .map(|alert| json!({ "labels": format!("{{alertname=\"{alert}\"}}"), "value": 1 }));
        json!({
            "expr": "count by (alertname) (ALERTS{alertstate=\"firing\"})",
            "eval_time": at,
            "exp_samples": samples.collect::<Vec<_>>(),
        })
    });
    json!({
        "name": course.name,
        "interval": "1m",
        "input_series": series.collect::<Vec<_>>(),
        "promql_expr_test": looks.collect::<Vec<_>>(),
    })
}

/// Writes a text beside the rules and returns its path as an argument.
fn beside(rules: &Path, name: &str, text: &str) -> String {
    let path = rules.with_file_name(name);
    fs::write(&path, text).expect("our own folder");
    path.to_str().expect("test paths are text").to_owned()
}

#[test]
fn promtool_finds_no_fault_in_the_rules() {
    let (_folder, rules) = rules();
    let path = rules.to_str().expect("test paths are text");
    promtool_is_content(&["check", "rules", "--lint=all", "--lint-fatal", path], "");
}

#[test]
fn alerts_fire_and_clear() {
    let (_folder, rules) = rules();
    let tests = beside(&rules, "tests.yaml", &unit_test(&rules, COURSES));
    promtool_is_content(&["test", "rules", &tests], "");
}

#[test]
fn alerts_fire_and_clear_under_every_namespace_and_name_that_kustomize_gives() {
    let (_folder, rules) = rules();
    for (namespace, name) in [
        ("team-a", "error-budget-rollback-monitor"),
        ("monitoring", "blue-error-budget-rollback-monitor-v2"),
        ("observability", "xerror-budget-rollback-monitory"),
    ] {
        let tests = unit_test(&rules, COURSES)
            .replace("error-budget-rollback-monitor", name)
            .replace(
                r#"namespace=\"monitoring\""#,
                &format!(r#"namespace=\"{namespace}\""#),
            );
        assert!(tests.contains(&format!(r#"namespace=\"{namespace}\",cronjob=\"{name}\""#)));
        let tests = beside(&rules, "tests.yaml", &tests);
        promtool_is_content(&["test", "rules", &tests], "");
    }
}

#[test]
fn an_alert_names_the_installation_that_does_not_run() {
    let (_folder, rules) = rules();
    let success = |namespace: &str| {
        format!(
            r#"kube_cronjob_status_last_successful_time{{namespace="{namespace}",cronjob="error-budget-rollback-monitor"}}"#
        )
    };
    let created = |namespace: &str| {
        format!(
            r#"kube_cronjob_created{{namespace="{namespace}",cronjob="error-budget-rollback-monitor"}}"#
        )
    };
    let fires = |namespace: &str| {
        json!({
            "exp_labels": {
                "namespace": namespace,
                "cronjob": "error-budget-rollback-monitor",
                "severity": "critical",
            },
            "exp_annotations": {
                "summary": "The error-budget monitor does not run",
                "description": format!(
                    "No run of the CronJob {namespace}/error-budget-rollback-monitor has succeeded for 15 minutes. Nothing \
                     watches the error budgets, and nothing will be rolled back."
                ),
                "runbook_url": format!("{RUNBOOK}#errorbudgetmonitornotrunning"),
            },
        })
    };
    let test = json!({
        "rule_files": [rules],
        "evaluation_interval": "1m",
        "tests": [{
            "interval": "1m",
            "input_series": [
                { "series": created("runs"), "values": "0x60" },
                { "series": success("runs"), "values": "0+60x60" },
                { "series": created("hangs"), "values": "0x60" },
                { "series": success("hangs"), "values": "0x60" },
                { "series": created("never-ran"), "values": "0x60" },
            ],
            "alert_rule_test": [{
                "alertname": "ErrorBudgetMonitorNotRunning",
                "eval_time": "20m",
                "exp_alerts": [fires("hangs"), fires("never-ran")],
            }],
        }],
    });
    let tests = beside(&rules, "tests.yaml", &test.to_string());
    promtool_is_content(&["test", "rules", &tests], "");
}

#[test]
fn promtool_objects_to_an_alert_that_is_missing_or_too_much() {
    let (_folder, rules) = rules();
    for alerts in [&["RollbackStuck"][..], &[]] {
        let wrong = SliceHistory {
            name: "wrong",
            series: &[(
                r#"error_budget_rollback_in_progress{namespace="shop",service="checkout"}"#,
                "1x10",
            )],
            firing: &[("5m", alerts)],
        };
        let tests = beside(&rules, "tests.yaml", &unit_test(&rules, [&wrong]));
        let output = promtool(&["test", "rules", &tests], "");
        assert!(!output.status.success(), "{output:?}");
    }
}

#[test]
fn every_alert_fires_in_one_course_and_clears_in_one() {
    let (_folder, rules) = rules();
    let mut fired = BTreeSet::new();
    let mut cleared = BTreeSet::new();
    for course in COURSES {
        let mut in_this: BTreeSet<&str> = BTreeSet::new();
        for (_, alerts) in course.firing {
            let gone = in_this.iter().filter(|alert| !alerts.contains(alert));
            cleared.extend(gone.copied());
            in_this.extend(alerts.iter().copied());
        }
        fired.extend(in_this);
    }
    let prometheus = Prometheus::start_with_rules(&rules);
    let alerts = prometheus.rules();
    let alerts: BTreeSet<&str> = alerts
        .iter()
        .filter_map(|rule| rule["name"].as_str())
        .collect();
    assert_eq!(fired, alerts);
    assert_eq!(cleared, alerts);
}

#[test]
fn every_alert_says_what_it_is_about_and_where_help_is() {
    let (_folder, rules) = rules();
    let prometheus = Prometheus::start_with_rules(&rules);
    let emitted = emitted();
    let alerts = prometheus.rules();
    for wanted in [
        "TriggerEmergencyRollback",
        "TriggerCriticalRollback",
        "RollbackInProgress",
        "RollbackCompleted",
        "RollbackFailed",
    ] {
        assert!(alerts.iter().any(|rule| rule["name"] == wanted), "{wanted}");
    }
    for rule in &alerts {
        let name = rule["name"].as_str().expect("a name");
        let annotation = |of: &str| rule["annotations"][of].as_str().unwrap_or_default();
        let summary = annotation("summary");
        assert!((10..=100).contains(&summary.len()), "{name}: {summary:?}");
        let description = annotation("description");
        assert!(description.len() > summary.len(), "{name}: {description:?}");
        assert!(description.ends_with('.'), "{name}: {description:?}");
        let help = format!("{RUNBOOK}#{}", name.to_lowercase());
        assert_eq!(annotation("runbook_url"), help);
        let severity = rule["labels"]["severity"].as_str();
        assert!(
            matches!(severity, Some("critical" | "warning" | "info")),
            "{name}: {severity:?}"
        );

        let expression = rule["query"].as_str().expect("an expression");
        let ours = ours(expression);
        assert!(ours.is_subset(&emitted), "{name}: {ours:?}");
        let foreign = FOREIGN.iter().any(|foreign| expression.contains(foreign));
        assert!(foreign || !ours.is_empty(), "{name} looks at nothing known");
        let told = super::ours(description);
        assert!(told.is_subset(&emitted), "{name}: {told:?}");
    }
}

#[test]
fn an_alert_names_the_service() {
    let (_folder, rules) = rules();
    let test = json!({
        "rule_files": [rules],
        "evaluation_interval": "1m",
        "tests": [{
            "interval": "1m",
            "input_series": [{
                "series": r#"error_budget_rollback_in_progress{namespace="shop",service="checkout",instance="10.0.0.7:9091"}"#,
                "values": "1x5",
            }],
            "alert_rule_test": [{
                "alertname": "RollbackInProgress",
                "eval_time": "2m",
                "exp_alerts": [{
                    "exp_labels": { "namespace": "shop", "service": "checkout", "severity": "info" },
                    "exp_annotations": {
                        "summary": "shop/checkout is being rolled back",
                        "description":
                            "A rollback of checkout was begun and is not proven yet. Do not deploy it until this is over.",
                        "runbook_url": format!("{RUNBOOK}#rollbackinprogress"),
                    },
                }],
            }],
        }],
    });
    let tests = beside(&rules, "tests.yaml", &test.to_string());
    promtool_is_content(&["test", "rules", &tests], "");
}

#[test]
fn the_manifest_is_a_rule_of_the_operator_in_our_namespace() {
    let manifest = fs::read_to_string(file(MANIFEST)).expect("the manifest");
    for line in [
        "apiVersion: monitoring.coreos.com/v1",
        "kind: PrometheusRule",
        "  name: error-budget-rollback-monitor",
        "  namespace: monitoring",
        "    app: error-budget-monitor",
    ] {
        let count = manifest.lines().filter(|known| *known == line).count();
        assert_eq!(count, 1, "{line}");
    }
}
