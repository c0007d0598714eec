//! What the environment may say, and what is answered when it says something else.

mod addresses;
mod forges;
mod names;
mod problems;
mod runbooks;
mod secrets;
mod ssh;
mod values;

use std::{collections::BTreeSet, time::Duration};

use crate::policy::{BlackoutWindows, ByItself, Settings};

use super::{
    Config, ConfigError, GitopsMode, SettingOrigin, VARIABLES, Variable, reader::is_known,
    variables::Environment,
};

/// The smallest environment that is complete.
const MINIMAL: [(&str, &str); 3] = [
    ("SERVICE_NAME", "checkout"),
    ("NAMESPACE", "shop"),
    ("PROMETHEUS_URL", "http://prometheus.monitoring:9090"),
];

/// A GitOps repository and its path.
const GITOPS: [(&str, &str); 2] = [
    ("GITOPS_REPO", "acme/deploy"),
    ("GITOPS_PATH", "apps/checkout"),
];

/// Parses the smallest environment with changes.
fn parse(changes: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let variables = MINIMAL.iter().chain(changes);
    Config::from_vars(variables.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
}

/// Parses what must be accepted.
fn accepted(changes: &[(&str, &str)]) -> Config {
    parse(changes).unwrap_or_else(|error| panic!("{changes:?}: {error}"))
}

/// Returns the problems of what must be refused.
fn problems(changes: &[(&str, &str)]) -> Vec<String> {
    match parse(changes) {
        Ok(config) => panic!("{changes:?} is accepted: {config:#?}"),
        Err(error) => error.problems().to_vec(),
    }
}

/// Returns the one problem of what must be refused.
fn problem(changes: &[(&str, &str)]) -> String {
    let found = problems(changes);
    assert_eq!(found.len(), 1, "{changes:?}: {found:#?}");
    found.concat()
}

#[test]
fn table_and_environment_name_the_same_variables() {
    let fields =
        serde_json::to_value(Environment::default()).expect("an empty environment is JSON");
    let fields: BTreeSet<String> = fields
        .as_object()
        .expect("a struct")
        .keys()
        .map(|field| field.to_uppercase())
        .collect();
    let table: BTreeSet<String> = VARIABLES
        .iter()
        .flat_map(|variable| {
            let file = variable.secret.then(|| format!("{}_FILE", variable.name));
            [variable.name.to_owned()].into_iter().chain(file)
        })
        .collect();
    assert_eq!(fields, table);
    assert!(table.iter().all(|name| is_known(name)));
    assert!(
        !is_known("PROMETHEUS_URL_FILE"),
        "an address is not a secret"
    );
    assert!(!is_known("service_name"), "names are spelled exactly");
}

#[test]
fn table_is_fit_to_be_printed() {
    for variable in VARIABLES {
        assert!(variable.help.ends_with('.'), "{}", variable.name);
        assert!(!variable.group.is_empty(), "{}", variable.name);
        assert!(
            !(variable.secret && variable.default.is_some()),
            "{}",
            variable.name
        );
    }
}

#[test]
fn names_and_defaults_are_those_of_the_contract() {
    let table: Vec<_> = VARIABLES
        .iter()
        .map(
            |Variable {
                 name,
                 default,
                 secret,
                 ..
             }| match (default, secret) {
                (Some(default), _) => format!("{name} = {default}"),
                (None, true) => format!("{name} (secret)"),
                (None, false) => (*name).to_owned(),
            },
        )
        .collect();
    insta::assert_snapshot!(table.join("\n"), @r#"
    SERVICE_NAME
    NAMESPACE
    SLO_WINDOW = 30d
    ERROR_BUDGET = 0.001
    SERVICES_DIR
    PROMETHEUS_URL
    PROMETHEUS_TOKEN (secret)
    PROMETHEUS_USERNAME
    PROMETHEUS_PASSWORD (secret)
    PROMETHEUS_HEADERS (secret)
    PROMETHEUS_CA_FILE
    PROMETHEUS_CLIENT_CERT_FILE
    PROMETHEUS_CLIENT_KEY_FILE
    PROMETHEUS_MAX_CONNECTIONS = 8
    PROMETHEUS_TIMEOUT = 10s
    METRICS_FAMILY = http
    SLI_SELECTOR
    SLI_BAD_QUERY
    SLI_TOTAL_QUERY
    SLI_HISTOGRAMS = classic
    SLI_LATENCY_BUCKETS
    BUDGET_WARNING = 0.5
    BUDGET_CRITICAL = 0.8
    BUDGET_EMERGENCY = 0.95
    MIN_AVAILABILITY = 0.99
    MAX_ERROR_RATE = 0.01
    MAX_LATENCY_P95 = 1s
    MAX_LATENCY_P99 = 2s
    VIOLATION_FOR = 5m
    BURN_RATE_FAST = 14.4
    BURN_RATE_SLOW = 6
    GITOPS_REPO
    GITOPS_USERNAME = x-access-token
    GITOPS_TOKEN (secret)
    GITHUB_APP_ID
    GITHUB_APP_INSTALLATION_ID
    GITHUB_APP_PRIVATE_KEY (secret)
    GITOPS_BRANCH = main
    GITOPS_PATH
    GITOPS_IGNORE = **/*.md
    TRAILER_KEY (secret)
    GITOPS_MODE = push
    GITOPS_API_URL = https://api.github.com
    GITOPS_PLAINTEXT = false
    GITOPS_CA_FILE
    GITOPS_SSH_KEY_FILE
    GITOPS_SSH_KNOWN_HOSTS_FILE
    GITOPS_TIMEOUT = 60s
    GITOPS_MAX_BYTES = 256MiB
    GITOPS_AUTHOR_NAME = error-budget-monitor
    GITOPS_AUTHOR_EMAIL = error-budget-monitor@localhost
    ARGOCD_SERVER
    ARGOCD_APP_NAME
    ARGOCD_PROJECT
    ARGOCD_APP_NAMESPACE
    ARGOCD_TOKEN (secret)
    ARGOCD_USERNAME
    ARGOCD_PASSWORD (secret)
    ARGOCD_CA_FILE
    ARGOCD_PLAINTEXT = false
    ARGOCD_MAY_DISABLE_AUTO_SYNC = false
    ROLLBACK_ENABLED = false
    AUTO_ROLLBACK_CRITICAL = true
    AUTO_ROLLBACK_EMERGENCY = true
    REQUIRE_APPROVAL = false
    APPROVAL_TIMEOUT = 30m
    DRY_RUN = false
    REQUIRE_ACTIVE_BURN = true
    REQUIRE_ATTRIBUTION = true
    REQUIRE_SEEN_LIVE = false
    ATTRIBUTION_WINDOW = 60m
    OUTAGE_DETECTION = true
    MAX_REVISIONS_BACK = 3
    MIN_EVENTS = 50
    MIN_BAD_EVENTS = 5
    RESUME_MAX_AGE = 30m
    RUNBOOK_FILE
    COOLDOWN = 60m
    MAX_ROLLBACKS_PER_HOUR = 1
    MAX_ROLLBACKS_PER_DAY = 3
    MAX_ROLLBACKS_PER_HOUR_FLEET
    BLACKOUT_WINDOWS = Sat,Sun 00:00-06:00 UTC
    EMERGENCY_OVERRIDES_BLACKOUT = false
    VERIFY_TIMEOUT = 4m
    VERIFY_DEADLINE = 15m
    STABILIZATION = 2m
    STATE = file
    STATE_FILE = /var/lib/error-budget-monitor/state.json
    STATE_NAMESPACE
    STATE_NAME = error-budget-monitor
    STATE_TIMEOUT = 10s
    STATE_LEASE = 30s
    KUBECONFIG
    KUBERNETES_CONTEXT
    SHARDS = 1
    SHARD
    JOB_COMPLETION_INDEX
    LOG_FILE
    SLACK_WEBHOOK (secret)
    SLACK_BOT_TOKEN (secret)
    SLACK_CHANNEL
    SLACK_API_URL = https://slack.com/api/
    PAGERDUTY_KEY (secret)
    PAGERDUTY_EVENTS_URL = https://events.pagerduty.com/v2/enqueue
    INCIDENT_REPO
    INCIDENT_CLOSE = true
    WEBHOOK_URL (secret)
    WEBHOOK_SECRET (secret)
    PUSHGATEWAY_URL
    METRICS_TEXTFILE
    MESSAGE_COMMAND = error-budget-monitor
    DASHBOARD_URL
    RUNBOOK_URL
    GATE_BLOCK_AT = warning
    GATE_ON_UNKNOWN = block
    TARGET_COMMIT
    TARGET_REVISION
    ROLLBACK_REASON
    "#);
}

#[test]
fn defaults_reach_the_fields_they_belong_to() {
    let Config {
        objective,
        prometheus,
        sli,
        policy,
        run,
        verify,
        state,
        gate,
        ..
    } = accepted(&[]);
    assert!((objective.budget.ratio() - 0.001).abs() < f64::EPSILON);
    assert_eq!(
        policy.blackout,
        "Sat,Sun 00:00-06:00 UTC"
            .parse()
            .expect("it is the default")
    );
    let policy = Settings {
        blackout: BlackoutWindows::default(),
        ..policy
    };
    insta::assert_snapshot!(
        format!(
            "{:?}\n{sli:?}\n{objective:#?}\n{policy:#?}\n{run:?}\n{verify:?}\n{state:?}\n{gate:?}",
            prometheus.http.timeout
        ),
        @r#"
        10s
        Family { family: Http, selector: None, buckets: All }
        Objective {
            window: 2592000s,
            budget: ErrorBudget(
                0.001,
            ),
            levels: LevelThresholds {
                warning: 0.5,
                critical: 0.8,
                emergency: 0.95,
            },
            min_availability: 0.99,
            max_error_rate: 0.01,
            max_latency_p95: 1s,
            max_latency_p99: 2s,
            violation_for: 300s,
            burn_rate_fast: 14.4,
            burn_rate_slow: 6.0,
        }
        Settings {
            by_itself: No,
            auto_rollback_critical: true,
            auto_rollback_emergency: true,
            require_approval: false,
            by_pull_request: false,
            require_active_burn: true,
            require_attribution: true,
            require_seen_live: false,
            attribution_window: TimeDelta {
                secs: 3600,
                nanos: 0,
            },
            violation_for: TimeDelta {
                secs: 300,
                nanos: 0,
            },
            max_revisions_back: 3,
            min_events: 50,
            min_bad_events: 5,
            cooldown: TimeDelta {
                secs: 3600,
                nanos: 0,
            },
            max_per_hour: 1,
            max_per_day: 3,
            blackout: BlackoutWindows {
                windows: [],
            },
            emergency_overrides_blackout: false,
            verify_deadline: TimeDelta {
                secs: 900,
                nanos: 0,
            },
        }
        RunConfig { rollback_enabled: false, dry_run: false, approval_timeout: 1800s, outage_detection: true, max_per_hour_fleet: None, resume_max_age: 1800s }
        VerifyConfig { timeout: 240s, deadline: 900s, stabilization: 120s }
        StateConfig { state_file: "/var/lib/error-budget-monitor/state.json", objects: None, sharding: Sharding { shards: 1, shard: None }, shard: 0, log_file: None }
        GateConfig { block_at: Warning, on_unknown: Block }
        "#
    );
}

#[test]
fn what_the_decision_weighs_follows_from_several_settings() {
    assert_eq!(
        accepted(&[("DRY_RUN", "true")]).policy.by_itself,
        ByItself::AsIf
    );
    let by_pull_request = [("GITOPS_MODE", "pull-request"), ("GITOPS_TOKEN", "t")];
    let changes = [&GITOPS[..], &by_pull_request].concat();
    assert!(accepted(&changes).policy.by_pull_request);
    let violation_for = accepted(&[("VIOLATION_FOR", "1d")]).policy.violation_for;
    assert_eq!(violation_for.num_hours(), 24);
}

#[test]
fn defaults_of_optional_groups_reach_the_fields_they_belong_to() {
    let config = accepted(&[
        GITOPS[0],
        GITOPS[1],
        ("ARGOCD_SERVER", "argocd.example.com"),
        ("ARGOCD_APP_NAME", "checkout"),
        ("ARGOCD_TOKEN", "t"),
        ("PAGERDUTY_KEY", "k"),
    ]);
    let gitops = config.gitops.expect("it is configured");
    assert_eq!(
        (gitops.git.branch.as_str(), gitops.repo.to_string().as_str()),
        ("main", "acme/deploy")
    );
    assert_eq!(
        (gitops.git.username.as_str(), gitops.mode),
        ("x-access-token", GitopsMode::Push)
    );
    assert_eq!(gitops.git.timeout, Duration::from_secs(60));
    assert_eq!(
        (
            gitops.git.author_name.as_str(),
            gitops.git.author_email.as_str()
        ),
        ("error-budget-monitor", "error-budget-monitor@localhost")
    );
    let argocd = config.argocd.expect("it is configured");
    assert!(!argocd.may_disable_auto_sync);
    let pagerduty = config.notify.pagerduty.expect("it is configured");
    assert_eq!(
        pagerduty.events_url.as_str(),
        "https://events.pagerduty.com/v2/enqueue"
    );
    assert!(config.notify.incident_close);
}

#[test]
fn spelling_out_every_default_changes_nothing() {
    let defaults: Vec<_> = VARIABLES
        .iter()
        .filter_map(|variable| Some((variable.name, variable.default?)))
        .collect();
    // Where a value comes from is not part of it.
    let without_origins = |config: Config| format!("{config:?}");
    assert_eq!(
        without_origins(accepted(&defaults)),
        without_origins(accepted(&[]))
    );
}

#[test]
fn what_was_read_is_kept_with_where_it_came_from() {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(file.path(), "CANARY").expect("our own file");
    let path = file.path().to_str().expect("test paths are text");
    let config = accepted(&[
        ("SLO_WINDOW", " 28d "),
        ("PROMETHEUS_TOKEN_FILE", path),
        ("PAGERDUTY_KEY", "CANARY"),
        ("LOG_FILE", ""),
    ]);
    let settings = config.settings();
    let names = settings.iter().map(|setting| setting.name);
    assert!(names.eq(VARIABLES.iter().map(|variable| variable.name)));
    for (name, origin, value) in [
        ("SLO_WINDOW", SettingOrigin::Set, Some("28d")),
        ("ERROR_BUDGET", SettingOrigin::Default, Some("0.001")),
        ("PROMETHEUS_TOKEN", SettingOrigin::File, None),
        ("PAGERDUTY_KEY", SettingOrigin::Set, None),
        ("LOG_FILE", SettingOrigin::Unset, None),
    ] {
        let setting = settings.iter().find(|setting| setting.name == name);
        let setting = setting.expect("every variable is there");
        assert_eq!(
            (setting.origin, setting.value.as_deref()),
            (origin, value),
            "{name}"
        );
    }
}

#[test]
fn empty_counts_as_not_set() {
    let empty: Vec<_> = VARIABLES
        .iter()
        .filter(|variable| !MINIMAL.iter().any(|(name, _)| *name == variable.name))
        .map(|variable| (variable.name, ""))
        .collect();
    assert_eq!(
        format!("{:?}", accepted(&empty)),
        format!("{:?}", accepted(&[]))
    );
    assert_eq!(accepted(&[("LOG_FILE", "  ")]).state.log_file, None);
}

#[test]
fn flags_of_the_command_line_rank_above_the_environment() {
    let config = Config::read(
        [("DRY_RUN", "false"), ("DRY_RUN", "true")]
            .iter()
            .chain(&MINIMAL)
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
        Vec::new(),
    )
    .expect("the environment is complete");
    assert!(config.run.dry_run);
}

#[cfg(unix)]
#[test]
fn values_that_are_not_utf8_are_reported_only_where_they_matter() {
    use std::{ffi::OsString, os::unix::ffi::OsStringExt};

    let broken = || OsString::from_vec(vec![b'a', 0xff]);
    let (readable, problems) = super::decode([
        ("SERVICE_NAME".into(), broken()),
        ("ANOTHER".into(), broken()),
        (broken(), broken()),
    ]);
    assert!(readable.is_empty());
    assert_eq!(
        problems,
        ["SERVICE_NAME is not valid UTF-8; write it as plain text"]
    );
}
