//! Numbers, durations, switches and choices.

use chrono::TimeDelta;

use super::{GITOPS, accepted, problem, problems};
use crate::{
    config::{Buckets, GitopsMode, MetricsFamily, OnUnknown, SliSource},
    slo::Level,
};

#[test]
fn durations_are_a_whole_number_and_a_unit() {
    let cases = [
        ("0s", 0),
        ("0d", 0),
        ("1ms", 1),
        ("90s", 90_000),
        ("5m", 300_000),
        ("1h", 3_600_000),
        ("30d", 2_592_000_000),
        (" 007m ", 420_000),
    ];
    for (text, millis) in cases {
        assert_eq!(
            accepted(&[("COOLDOWN", text)]).policy.cooldown,
            TimeDelta::milliseconds(millis),
            "{text}"
        );
    }
    for text in [
        "5", "m", "5 m", "5min", "1h30m", "-5m", "+5m", "1.5h", "5M", "٣m", "5m;", "1e3s",
    ] {
        let problem = problem(&[("COOLDOWN", text)]);
        assert!(
            problem.starts_with("COOLDOWN is ") && problem.contains("such as 500ms, 90s"),
            "{problem}"
        );
    }
    for text in ["31d", "18446744073709551615d", "99999999999999999999999s"] {
        let problem = problem(&[("COOLDOWN", text)]);
        assert!(problem.ends_with("it must be from 0s to 30d"), "{problem}");
    }
}

#[test]
fn waits_may_be_zero_and_windows_may_not() {
    for name in [
        "COOLDOWN",
        "APPROVAL_TIMEOUT",
        "VERIFY_TIMEOUT",
        "STABILIZATION",
        "RESUME_MAX_AGE",
    ] {
        accepted(&[(name, "0s")]);
    }
    accepted(&[("VERIFY_DEADLINE", "0s"), ("STABILIZATION", "0s")]);
    for name in [
        "SLO_WINDOW",
        "ATTRIBUTION_WINDOW",
        "VIOLATION_FOR",
        "PROMETHEUS_TIMEOUT",
        "GITOPS_TIMEOUT",
        "MAX_LATENCY_P95",
        "MAX_LATENCY_P99",
    ] {
        assert!(problem(&[(name, "0s")]).starts_with(name));
    }
    assert!(problem(&[("SLO_WINDOW", "59m")]).ends_with("it must be from 1h to 366d"));
    assert!(problem(&[("SLO_WINDOW", "367d")]).ends_with("it must be from 1h to 366d"));
    accepted(&[("SLO_WINDOW", "366d")]);
}

#[test]
fn the_most_bytes_of_a_read_are_bytes_or_binary_units_within_bounds() {
    let read = |text: &str| {
        let mut variables = GITOPS.to_vec();
        variables.push(("GITOPS_MAX_BYTES", text));
        let config = accepted(&variables);
        config.gitops.expect("a repository is set").git.max_bytes
    };
    assert_eq!(read("1048576"), 1 << 20);
    assert_eq!(read("1024KiB"), 1 << 20);
    assert_eq!(read("300 MiB"), 300 << 20);
    assert_eq!(read("16GiB"), 16 << 30);
    for text in [
        "1048575",
        "1023KiB",
        "0",
        "17GiB",
        "18446744073709551616",
        "99999999999GiB",
        "+2MiB",
        "2MB",
        "MiB",
        "1.5MiB",
        "-1",
    ] {
        assert_eq!(
            problem(&[("GITOPS_MAX_BYTES", text)]),
            format!(
                "GITOPS_MAX_BYTES is {text:?}; write a size from 1MiB to 16GiB, such as 256MiB"
            )
        );
    }
}

#[test]
fn proof_must_be_possible() {
    insta::assert_snapshot!(problem(&[("VERIFY_DEADLINE", "90s")]), @"STABILIZATION (2m) is longer than VERIFY_DEADLINE (90s), so no rollback could ever count as recovered; shorten the first or lengthen the second");
}

#[test]
fn switches_have_eight_spellings() {
    for (text, expected) in [
        ("true", true),
        ("TRUE", true),
        ("1", true),
        ("Yes", true),
        ("on", true),
        ("false", false),
        ("0", false),
        ("NO", false),
        ("Off", false),
    ] {
        assert_eq!(
            accepted(&[("DRY_RUN", text)]).run.dry_run,
            expected,
            "{text}"
        );
    }
    for text in ["2", "y", "enabled", "true false"] {
        assert!(
            problem(&[("DRY_RUN", text)]).ends_with("; write true or false"),
            "{text}"
        );
    }
}

#[test]
fn counts_are_whole_and_bounded() {
    assert_eq!(
        accepted(&[("MAX_ROLLBACKS_PER_HOUR", "0")])
            .policy
            .max_per_hour,
        0
    );
    assert_eq!(
        accepted(&[("MIN_EVENTS", "1000000000")]).policy.min_events,
        1_000_000_000
    );
    for (name, text) in [
        ("MAX_REVISIONS_BACK", "0"),
        ("MAX_REVISIONS_BACK", "101"),
        ("MIN_EVENTS", "1.5"),
        ("MIN_BAD_EVENTS", "-1"),
        ("MAX_ROLLBACKS_PER_DAY", "99999999999"),
    ] {
        assert!(
            problem(&[(name, text)]).contains("write a whole number from"),
            "{name}={text}"
        );
    }
}

#[test]
fn ratios_are_fractions() {
    let budget = |text| {
        accepted(&[("ERROR_BUDGET", text), ("BURN_RATE_FAST", "6")])
            .objective
            .budget
            .ratio()
    };
    assert!((budget("0.001") - 0.001).abs() < f64::EPSILON);
    assert!((budget("5e-2") - 0.05).abs() < f64::EPSILON);
    for text in [
        "99.9", "0.1%", "0,1", "0", "1", "-0.1", "NaN", "inf", "1e-300", "1e999",
    ] {
        let problem = problem(&[("ERROR_BUDGET", text)]);
        assert!(problem.ends_with("so 0.1 % is 0.001"), "{problem}");
    }
    for (name, text) in [
        ("MIN_AVAILABILITY", "99.9"),
        ("MIN_AVAILABILITY", "1"),
        ("MAX_ERROR_RATE", "0"),
        ("MAX_ERROR_RATE", "1%"),
        ("BUDGET_EMERGENCY", "95"),
        ("BUDGET_WARNING", "0"),
        ("BUDGET_CRITICAL", "nan"),
    ] {
        assert!(
            problem(&[(name, text)]).contains("write it as a fraction"),
            "{name}={text}"
        );
    }
    accepted(&[("MIN_AVAILABILITY", "0"), ("MAX_ERROR_RATE", "1")]);
}

#[test]
fn levels_ascend() {
    for (warning, critical, emergency) in [
        ("0.8", "0.8", "0.95"),
        ("0.9", "0.8", "0.95"),
        ("0.5", "0.95", "0.9"),
    ] {
        let problem = problem(&[
            ("BUDGET_WARNING", warning),
            ("BUDGET_CRITICAL", critical),
            ("BUDGET_EMERGENCY", emergency),
        ]);
        assert!(problem.contains("not in ascending order"), "{problem}");
    }
}

#[test]
fn burn_rates_can_be_reached() {
    insta::assert_snapshot!(problem(&[("ERROR_BUDGET", "0.1")]), @"BURN_RATE_FAST (14.4) times ERROR_BUDGET (0.1) is not below 1, so not even a complete outage would count as burning; lower one of them");
    insta::assert_snapshot!(problem(&[("BURN_RATE_SLOW", "20")]), @"BURN_RATE_SLOW (20) is above BURN_RATE_FAST (14.4); the longer windows take the smaller factor");
    accepted(&[("ERROR_BUDGET", "0.069")]);
    accepted(&[("BURN_RATE_SLOW", "14.4")]);
    for text in ["0", "-1", "nan", "inf", "fast"] {
        assert!(
            problem(&[("BURN_RATE_FAST", text)]).contains("write a number above 0"),
            "{text}"
        );
    }
}

/// Returns how a family counts where nothing else is set.
fn counted_by(family: MetricsFamily) -> SliSource {
    SliSource::Family {
        family,
        selector: None,
        buckets: Buckets::All,
    }
}

/// Returns the kind and bounds of the histogram.
fn buckets(changes: &[(&str, &str)]) -> Buckets {
    match accepted(changes).sli {
        SliSource::Family { buckets, .. } => buckets,
        SliSource::Own { .. } => panic!("{changes:?} are own queries"),
    }
}

#[test]
fn families_have_the_names_of_the_contract() {
    for family in MetricsFamily::ALL {
        let config = accepted(&[("METRICS_FAMILY", family.as_str())]);
        assert_eq!(config.sli, counted_by(family));
    }
    insta::assert_snapshot!(problem(&[("METRICS_FAMILY", "nginx")]), @r#"METRICS_FAMILY is "nginx"; write one of http, istio, ingress-nginx, envoy, linkerd, traefik, grpc, otel, spring"#);
}

#[test]
fn own_queries_come_in_pairs_with_a_window() {
    let (bad, total) = ("sum(increase(e[${WINDOW}]))", "sum(increase(r[${WINDOW}]))");
    let config = accepted(&[("SLI_BAD_QUERY", bad), ("SLI_TOTAL_QUERY", total)]);
    assert_eq!(
        config.sli,
        SliSource::Own {
            bad: bad.to_owned(),
            total: total.to_owned()
        }
    );
    let cases: [(&[(&str, &str)], &str); 5] = [
        (
            &[("SLI_BAD_QUERY", bad)],
            "SLI_BAD_QUERY is set but SLI_TOTAL_QUERY is not",
        ),
        (
            &[("SLI_TOTAL_QUERY", total)],
            "SLI_TOTAL_QUERY is set but SLI_BAD_QUERY is not",
        ),
        (
            &[("SLI_BAD_QUERY", "e"), ("SLI_TOTAL_QUERY", total)],
            "SLI_BAD_QUERY does not contain ${WINDOW}",
        ),
        (
            &[("SLI_BAD_QUERY", bad), ("SLI_TOTAL_QUERY", bad)],
            "are the same query",
        ),
        (
            &[
                ("SLI_BAD_QUERY", bad),
                ("SLI_TOTAL_QUERY", total),
                ("METRICS_FAMILY", "http"),
            ],
            "set the family or the two queries",
        ),
    ];
    for (changes, expected) in cases {
        let problem = problem(changes);
        assert!(problem.contains(expected), "{problem}");
    }
}

#[test]
fn own_queries_name_the_service_where_they_are_told_to() {
    let bad = r#"sum(increase(e{app=~"${SERVICE}-.+",ns="${NAMESPACE}"}[${WINDOW}]))"#;
    let total = r#"sum(increase(r{app="${SERVICE}"}[${WINDOW}]))"#;
    let config = accepted(&[
        ("SERVICE_NAME", "check.out"),
        ("SLI_BAD_QUERY", bad),
        ("SLI_TOTAL_QUERY", total),
    ]);
    assert_eq!(
        config.sli,
        SliSource::Own {
            bad: r#"sum(increase(e{app=~"check\\.out-.+",ns="shop"}[${WINDOW}]))"#.to_owned(),
            total: r#"sum(increase(r{app="check.out"}[${WINDOW}]))"#.to_owned(),
        }
    );
    insta::assert_snapshot!(
        problem(&[("SLI_BAD_QUERY", "${SERVICE}_errors[${WINDOW}]"), ("SLI_TOTAL_QUERY", total)]),
        @r#"SLI_BAD_QUERY has ${SERVICE} outside of a label's value; put it in quotes after a label, such as service="${SERVICE}""#
    );
    insta::assert_snapshot!(
        problem(&[("SLI_BAD_QUERY", bad), ("SLI_TOTAL_QUERY", "sum(increase(r[${RANGE}]))")]),
        @"SLI_TOTAL_QUERY contains ${RANGE}, which stands for nothing; write ${WINDOW}, ${SERVICE} or ${NAMESPACE}"
    );
}

#[test]
fn a_broken_service_name_hides_no_broken_query() {
    let found = problems(&[
        ("SERVICE_NAME", "Check Out"),
        ("SLI_SELECTOR", "app=${SERVICE}"),
    ]);
    assert_eq!(found.len(), 2, "{found:#?}");
}

#[test]
fn a_selector_is_a_list_of_label_matchers() {
    let config = accepted(&[("SLI_SELECTOR", r#"app=~"${SERVICE}|x", ns="${NAMESPACE}""#)]);
    let SliSource::Family { selector, .. } = config.sli else {
        panic!("it is a family");
    };
    assert_eq!(selector.as_deref(), Some(r#"app=~"checkout|x", ns="shop""#));
    insta::assert_snapshot!(
        problem(&[("SLI_SELECTOR", "checkout")]),
        @r#"SLI_SELECTOR is "checkout"; write label matchers separated by commas, such as namespace="shop",app=~"checkout|cart""#
    );
    insta::assert_snapshot!(
        problem(&[("SLI_SELECTOR", r#"app="a"} or up{b="c""#)]),
        @r#"SLI_SELECTOR does not end after its last label matcher but goes on with "} or up{b=\"c\""; remove that"#
    );
    insta::assert_snapshot!(
        problem(&[("SLI_SELECTOR", r#"app="${WINDOW}""#)]),
        @"SLI_SELECTOR contains ${WINDOW}, but labels have no window; write ${SERVICE} and ${NAMESPACE} only"
    );
}

#[test]
fn own_queries_refuse_what_only_a_family_has() {
    let own = [
        ("SLI_BAD_QUERY", "sum(increase(e[${WINDOW}]))"),
        ("SLI_TOTAL_QUERY", "sum(increase(r[${WINDOW}]))"),
    ];
    let told = [
        ("SLI_SELECTOR", r#"app="checkout""#),
        ("SLI_HISTOGRAMS", "native"),
        ("SLI_LATENCY_BUCKETS", "1,2"),
    ]
    .map(|setting| problem(&[own[0], own[1], setting]));
    insta::assert_snapshot!(told.join("\n"), @r"
    SLI_SELECTOR is set together with SLI_BAD_QUERY or SLI_TOTAL_QUERY, which name the service themselves; write the labels into the queries and unset SLI_SELECTOR
    SLI_HISTOGRAMS is set together with SLI_BAD_QUERY or SLI_TOTAL_QUERY, which measure no latency; unset SLI_HISTOGRAMS
    SLI_LATENCY_BUCKETS is set together with SLI_BAD_QUERY or SLI_TOTAL_QUERY, which measure no latency; unset SLI_LATENCY_BUCKETS
    ");
}

#[test]
fn histograms_are_classic_or_native() {
    assert_eq!(buckets(&[]), Buckets::All);
    assert_eq!(buckets(&[("SLI_HISTOGRAMS", "native")]), Buckets::Native);
    insta::assert_snapshot!(
        problem(&[("SLI_HISTOGRAMS", "sparse")]),
        @r#"SLI_HISTOGRAMS is "sparse"; write classic or native"#
    );
    insta::assert_snapshot!(
        problem(&[("SLI_HISTOGRAMS", "native"), ("SLI_LATENCY_BUCKETS", "1,2")]),
        @"SLI_LATENCY_BUCKETS is set together with SLI_HISTOGRAMS=native, which has no bounds to choose from; unset SLI_LATENCY_BUCKETS"
    );
}

#[test]
fn latency_buckets_ascend() {
    assert_eq!(
        buckets(&[("SLI_LATENCY_BUCKETS", "0.1, 0.5,1,2.5")]),
        Buckets::Named(vec![0.1, 0.5, 1.0, 2.5])
    );
    for text in ["1,0.5", "1,1", "0,1", "1,,2", "a", "1,inf", "-1,1"] {
        assert!(
            problem(&[("SLI_LATENCY_BUCKETS", text)]).contains("ascending"),
            "{text}"
        );
    }
}

#[test]
fn choices_are_spelled_as_in_the_contract() {
    let config = accepted(&[("GATE_BLOCK_AT", "emergency"), ("GATE_ON_UNKNOWN", "allow")]);
    assert_eq!(
        (config.gate.block_at, config.gate.on_unknown),
        (Level::Emergency, OnUnknown::Allow)
    );
    assert!(problem(&[("GATE_BLOCK_AT", "ok")]).ends_with("write warning, critical or emergency"));
    assert!(problem(&[("GATE_ON_UNKNOWN", "true")]).ends_with("write block or allow"));
    let gitops = accepted(&[
        GITOPS[0],
        GITOPS[1],
        ("GITOPS_MODE", "pull-request"),
        ("GITOPS_TOKEN", "t"),
    ])
    .gitops;
    assert_eq!(
        gitops.expect("it is configured").mode,
        GitopsMode::PullRequest
    );
    assert!(problem(&[("GITOPS_MODE", "pr")]).ends_with("write push or pull-request"));
}

#[test]
fn blackouts_can_be_switched_off() {
    accepted(&[("BLACKOUT_WINDOWS", "none")]);
    accepted(&[("BLACKOUT_WINDOWS", "None")]);
}

#[test]
fn files_have_a_name() {
    assert_eq!(
        accepted(&[("STATE_FILE", "state.json")])
            .state
            .state_file
            .as_os_str(),
        "state.json"
    );
    for text in ["/", "/var/lib/", "..", "."] {
        assert!(
            problem(&[("STATE_FILE", text)]).contains("does not name a file"),
            "{text}"
        );
    }
    let same = problem(&[("STATE_FILE", "/a/b"), ("LOG_FILE", "/a/b")]);
    assert_eq!(
        same,
        "LOG_FILE and STATE_FILE are the same file; give the log its own"
    );
}

#[test]
fn a_reason_is_one_short_line() {
    let long = "x".repeat(501);
    for text in ["two\nlines", "bell\u{7}", long.as_str()] {
        assert!(problem(&[("ROLLBACK_REASON", text)]).contains("write one short line"));
    }
    let reason = "checkout errors since 14:05 – see #incident";
    assert_eq!(
        accepted(&[("ROLLBACK_REASON", reason)])
            .manual
            .reason
            .as_deref(),
        Some(reason)
    );
}

#[test]
fn a_long_value_is_cut_in_its_message() {
    let problem = problem(&[("SLO_WINDOW", &"9".repeat(10_000))]);
    assert!(problem.len() < 200, "{problem}");
}

#[test]
fn half_a_group_is_a_problem() {
    let groups: [(&[(&str, &str)], &str); 13] = [
        (
            &[("PROMETHEUS_USERNAME", "u")],
            "PROMETHEUS_USERNAME is set but PROMETHEUS_PASSWORD is not",
        ),
        (
            &[("PROMETHEUS_PASSWORD", "p")],
            "PROMETHEUS_PASSWORD is set but PROMETHEUS_USERNAME is not",
        ),
        (
            &[("PROMETHEUS_CLIENT_KEY_FILE", "/k")],
            "PROMETHEUS_CLIENT_KEY_FILE is set but PROMETHEUS_CLIENT_CERT_FILE",
        ),
        (
            &[("GITOPS_REPO", "acme/deploy")],
            "GITOPS_REPO is set but GITOPS_PATH is not",
        ),
        (
            &[("GITOPS_PATH", "apps")],
            "GITOPS_PATH is set but GITOPS_REPO is not",
        ),
        (
            &[("GITOPS_TOKEN", "t")],
            "GITOPS_TOKEN is set but GITOPS_REPO is not",
        ),
        (
            &[GITOPS[0], GITOPS[1], ("GITHUB_APP_ID", "1")],
            "GITHUB_APP_ID is set but GITHUB_APP_INSTALLATION_ID and",
        ),
        (
            &[("ARGOCD_SERVER", "cd"), ("ARGOCD_TOKEN", "t")],
            "ARGOCD_SERVER is set but ARGOCD_APP_NAME is not",
        ),
        (
            &[("ARGOCD_TOKEN", "t")],
            "ARGOCD_TOKEN is set but ARGOCD_SERVER is not; set both or neither",
        ),
        (
            &[("ARGOCD_SERVER", "cd"), ("ARGOCD_APP_NAME", "a")],
            "ARGOCD_SERVER is set without credentials",
        ),
        (
            &[("SLACK_CHANNEL", "#a")],
            "SLACK_CHANNEL is set but SLACK_BOT_TOKEN is not",
        ),
        (
            &[("WEBHOOK_SECRET", "s")],
            "WEBHOOK_SECRET is set but WEBHOOK_URL is not",
        ),
        (
            &[("INCIDENT_REPO", "acme/incidents")],
            "INCIDENT_REPO is set without credentials",
        ),
    ];
    for (changes, expected) in groups {
        let problem = problem(changes);
        assert!(problem.starts_with(expected), "{problem}");
    }
    assert_eq!(
        problems(&[("ARGOCD_USERNAME", "u"), ("ARGOCD_PROJECT", "p")]).len(),
        3
    );
}

#[test]
fn two_ways_in_are_a_problem() {
    let argocd = [("ARGOCD_SERVER", "cd"), ("ARGOCD_APP_NAME", "a")];
    let cases: [&[(&str, &str)]; 3] = [
        &[
            ("PROMETHEUS_TOKEN", "t"),
            ("PROMETHEUS_USERNAME", "u"),
            ("PROMETHEUS_PASSWORD", "p"),
        ],
        &[
            argocd[0],
            argocd[1],
            ("ARGOCD_TOKEN", "t"),
            ("ARGOCD_USERNAME", "u"),
            ("ARGOCD_PASSWORD", "p"),
        ],
        &[
            ("SLACK_WEBHOOK", "https://hooks.slack.com/x"),
            ("SLACK_BOT_TOKEN", "xoxb"),
            ("SLACK_CHANNEL", "#a"),
        ],
    ];
    for changes in cases {
        assert!(problem(changes).ends_with("not both"), "{changes:?}");
    }
}
