//! Every variable of the contract, in one table: name, default, and what it means.

use serde::Deserialize;

/// One variable of the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Variable {
    /// Its name in the environment.
    pub name: &'static str,
    /// The part of the contract that it belongs to.
    pub group: &'static str,
    /// The value that counts when it is not set; nothing when there is none.
    pub default: Option<&'static str>,
    /// Whether it holds a secret. A secret can also come from the file that `<name>_FILE` names.
    pub secret: bool,
    /// What it means, in one sentence.
    pub help: &'static str,
}

/// A variable together with the way to its value in an [`Environment`].
pub(super) struct Key {
    pub(super) variable: Variable,
    pub(super) value: fn(&Environment) -> Option<&str>,
    pub(super) file: Option<fn(&Environment) -> Option<&str>>,
}

/// Makes the struct that `envy` fills, one [`Key`] per variable, and [`VARIABLES`] from the same lines. A variable
/// that is listed but never read is a dead-code warning.
macro_rules! variables {
    ($($group:literal {
        $($key:ident $field:ident $(or $file:ident)? $(= $default:literal)?, $help:literal;)*
    })*) => {
        /// The flat environment as it was found, unchecked. It holds secrets, so it has no `Debug`.
        #[derive(Default, Deserialize)]
        #[cfg_attr(test, derive(serde::Serialize))]
        pub(super) struct Environment {
            $($( $field: Option<String>, $($file: Option<String>,)? )*)*
        }

        $($(
            #[doc = $help]
            pub(super) const $key: Key = Key {
                variable: Variable {
                    name: stringify!($key),
                    group: $group,
                    default: variables!(@optional $($default)?),
                    secret: variables!(@is_secret $($file)?),
                    help: $help,
                },
                value: |environment| environment.$field.as_deref(),
                file: variables!(@optional $(|environment| environment.$file.as_deref())?),
            };
        )*)*

        /// Every variable of the contract, in the order of docs/variables.md.
        pub const VARIABLES: &[Variable] = &[$($($key.variable,)*)*];

        /// The same, with the ways to their values.
        pub(super) const KEYS: &[Key] = &[$($($key,)*)*];
    };
    (@optional) => { None };
    (@optional $value:expr) => { Some($value) };
    (@is_secret) => { false };
    (@is_secret $file:ident) => { true };
}

variables! {
    "service" {
        SERVICE_NAME service_name, "Name of the service as its metrics know it; required.";
        NAMESPACE namespace, "Namespace of the service in Kubernetes; required.";
        SLO_WINDOW slo_window = "30d", "Length of the SLO window.";
        ERROR_BUDGET error_budget = "0.001", "Share of events that may be bad within the SLO window.";
        SERVICES_DIR services_dir, "Folder of *.env files, one per service, each overriding these variables.";
    }
    "Prometheus" {
        PROMETHEUS_URL prometheus_url, "Base URL of the Prometheus HTTP API; required.";
        PROMETHEUS_TOKEN prometheus_token or prometheus_token_file, "Bearer token.";
        PROMETHEUS_USERNAME prometheus_username, "User of basic authentication.";
        PROMETHEUS_PASSWORD prometheus_password or prometheus_password_file, "Password of basic authentication.";
        PROMETHEUS_HEADERS prometheus_headers or prometheus_headers_file, "More headers, Name=value separated by a semicolon, such as X-Scope-OrgID=team-a.";
        PROMETHEUS_CA_FILE prometheus_ca_file, "PEM file with more certificate authorities.";
        PROMETHEUS_CLIENT_CERT_FILE prometheus_client_cert_file, "PEM file with the client certificate.";
        PROMETHEUS_CLIENT_KEY_FILE prometheus_client_key_file, "PEM file with the client key.";
        PROMETHEUS_MAX_CONNECTIONS prometheus_max_connections = "8", "Most connections to it at once, for all services together.";
        PROMETHEUS_TIMEOUT prometheus_timeout = "10s", "Total deadline of one query.";
    }
    "SLI" {
        METRICS_FAMILY metrics_family = "http", "Where the metrics come from: http, istio, ingress-nginx, envoy, linkerd, traefik, grpc, otel or spring.";
        SLI_SELECTOR sli_selector, "Label matchers that name the service instead of the family's own, such as namespace=\"shop\",app=\"${SERVICE}\".";
        SLI_BAD_QUERY sli_bad_query, "Own query for the bad events in ${WINDOW}; ${SERVICE} and ${NAMESPACE} are filled in.";
        SLI_TOTAL_QUERY sli_total_query, "Own query for all events in ${WINDOW}; ${SERVICE} and ${NAMESPACE} are filled in.";
        SLI_HISTOGRAMS sli_histograms = "classic", "Kind of the family's latency histogram: classic or native.";
        SLI_LATENCY_BUCKETS sli_latency_buckets, "Upper bounds of the latency histogram in seconds, ascending, separated by commas; only these are asked for.";
    }
    "thresholds" {
        BUDGET_WARNING budget_warning = "0.5", "Consumed share of the budget at which the level is warning.";
        BUDGET_CRITICAL budget_critical = "0.8", "Consumed share of the budget at which the level is critical.";
        BUDGET_EMERGENCY budget_emergency = "0.95", "Consumed share of the budget at which the level is emergency.";
        MIN_AVAILABILITY min_availability = "0.99", "Lowest acceptable share of good events.";
        MAX_ERROR_RATE max_error_rate = "0.01", "Highest acceptable share of bad events.";
        MAX_LATENCY_P95 max_latency_p95 = "1s", "Highest acceptable 95th percentile of latency.";
        MAX_LATENCY_P99 max_latency_p99 = "2s", "Highest acceptable 99th percentile of latency.";
        VIOLATION_FOR violation_for = "5m", "How long a violation must last before it counts.";
        BURN_RATE_FAST burn_rate_fast = "14.4", "Burn rate over 1h and 5m that counts as burning.";
        BURN_RATE_SLOW burn_rate_slow = "6", "Burn rate over 6h and 30m that counts as burning.";
    }
    "GitOps" {
        GITOPS_REPO gitops_repo, "The GitOps repository: owner/name on GitHub, or an HTTPS URL or SSH address git can push to.";
        GITOPS_USERNAME gitops_username = "x-access-token", "User that goes with the token.";
        GITOPS_TOKEN gitops_token or gitops_token_file, "Token that may push to the repository.";
        GITHUB_APP_ID github_app_id, "Id of a GitHub App, instead of a token.";
        GITHUB_APP_INSTALLATION_ID github_app_installation_id, "Id of the App's installation.";
        GITHUB_APP_PRIVATE_KEY github_app_private_key or github_app_private_key_file, "The App's private key, PEM.";
        GITOPS_BRANCH gitops_branch = "main", "Branch that is deployed.";
        GITOPS_PATH gitops_path, "Paths that belong to the service, separated by commas; nothing outside them is touched. . is the whole repository.";
        GITOPS_IGNORE gitops_ignore = "**/*.md", "Files in GITOPS_PATH that change nothing that is deployed, as patterns separated by commas; a commit of nothing else is no deployment; none for no file.";
        TRAILER_KEY trailer_key or trailer_key_file, "Key that signs the trailers of the commits; with it only signed ones are believed.";
        GITOPS_MODE gitops_mode = "push", "How a rollback reaches the branch: push or pull-request.";
        GITOPS_API_URL gitops_api_url = "https://api.github.com", "Base URL of the API of the forge: GitHub's, GitLab's (its path ends in /api/v4), Gitea's or Forgejo's (/api/v1).";
        GITOPS_PLAINTEXT gitops_plaintext = "false", "Whether http:// is accepted beyond loopback; the token then travels in the clear.";
        GITOPS_CA_FILE gitops_ca_file, "PEM file with more certificate authorities.";
        GITOPS_SSH_KEY_FILE gitops_ssh_key_file, "File with the private key for an SSH address; else the keys of the agent and of ~/.ssh.";
        GITOPS_SSH_KNOWN_HOSTS_FILE gitops_ssh_known_hosts_file, "File with the host keys for an SSH address; else ~/.ssh/known_hosts and the system's.";
        GITOPS_TIMEOUT gitops_timeout = "60s", "Total deadline of one exchange with the repository.";
        GITOPS_MAX_BYTES gitops_max_bytes = "256MiB", "Most data that one read of the repository may receive, in bytes, KiB, MiB or GiB.";
        GITOPS_AUTHOR_NAME gitops_author_name = "error-budget-monitor", "Author of the rollback commits.";
        GITOPS_AUTHOR_EMAIL gitops_author_email = "error-budget-monitor@localhost", "E-mail address of the author.";
    }
    "Argo CD" {
        ARGOCD_SERVER argocd_server, "Argo CD API server: host[:port], or a URL with its root path.";
        ARGOCD_APP_NAME argocd_app_name, "Application that deploys the service.";
        ARGOCD_PROJECT argocd_project, "Project of the application.";
        ARGOCD_APP_NAMESPACE argocd_app_namespace, "Namespace of the application, where it is not Argo CD's own.";
        ARGOCD_TOKEN argocd_token or argocd_token_file, "API token.";
        ARGOCD_USERNAME argocd_username, "User, instead of a token.";
        ARGOCD_PASSWORD argocd_password or argocd_password_file, "Password of the user.";
        ARGOCD_CA_FILE argocd_ca_file, "PEM file with more certificate authorities.";
        ARGOCD_PLAINTEXT argocd_plaintext = "false", "Whether http:// is accepted beyond loopback; the token then travels in the clear.";
        ARGOCD_MAY_DISABLE_AUTO_SYNC argocd_may_disable_auto_sync = "false", "Whether auto-sync may be switched off for a rollback that git cannot make.";
    }
    "policy" {
        ROLLBACK_ENABLED rollback_enabled = "false", "Whether the program rolls back by itself; otherwise its decision is only recorded and told. The command `rollback` of a person does not ask for it.";
        AUTO_ROLLBACK_CRITICAL auto_rollback_critical = "true", "Whether the critical level rolls back without a person.";
        AUTO_ROLLBACK_EMERGENCY auto_rollback_emergency = "true", "Whether the emergency level rolls back without a person.";
        REQUIRE_APPROVAL require_approval = "false", "Whether a person must approve each rollback.";
        APPROVAL_TIMEOUT approval_timeout = "30m", "How long an approval may be given.";
        DRY_RUN dry_run = "false", "Decide as if enabled, act on nothing, tell nobody, remember nothing.";
        REQUIRE_ACTIVE_BURN require_active_burn = "true", "Whether the budget must be burning now.";
        REQUIRE_ATTRIBUTION require_attribution = "true", "Whether the burn must follow a deployment.";
        REQUIRE_SEEN_LIVE require_seen_live = "false", "Whether a rollback waits until the program has seen for an hour what is live, instead of going by commit dates.";
        ATTRIBUTION_WINDOW attribution_window = "60m", "How long after a deployment a burn is blamed on it.";
        OUTAGE_DETECTION outage_detection = "true", "Whether a service counts as gone where its traffic ended and kube-state-metrics show no ready pods.";
        MAX_REVISIONS_BACK max_revisions_back = "3", "How many deployments a rollback may go back.";
        MIN_EVENTS min_events = "50", "Fewest events in the decision window that allow a rollback.";
        MIN_BAD_EVENTS min_bad_events = "5", "Fewest bad events in the decision window that allow a rollback.";
        RESUME_MAX_AGE resume_max_age = "30m", "How old an interrupted rollback may be to be resumed.";
    }
    "runbook" {
        RUNBOOK_FILE runbook_file, "YAML file with the steps of a rollback that git and Argo CD cannot make, and of the way forward again; `runbook check` looks at it.";
    }
    "limits" {
        COOLDOWN cooldown = "60m", "Shortest time between two rollbacks.";
        MAX_ROLLBACKS_PER_HOUR max_rollbacks_per_hour = "1", "Most rollbacks within one hour.";
        MAX_ROLLBACKS_PER_DAY max_rollbacks_per_day = "3", "Most rollbacks within one day.";
        MAX_ROLLBACKS_PER_HOUR_FLEET max_rollbacks_per_hour_fleet, "Most releases that all services of a run together take back within one hour; a tenth of the services and at least 1 where it is not set.";
        BLACKOUT_WINDOWS blackout_windows = "Sat,Sun 00:00-06:00 UTC", "Times without automatic rollbacks, separated by a semicolon; none switches them off.";
        EMERGENCY_OVERRIDES_BLACKOUT emergency_overrides_blackout = "false", "Whether the emergency level rolls back even in a blackout.";
    }
    "verify" {
        VERIFY_TIMEOUT verify_timeout = "4m", "How long one run waits for the proof.";
        VERIFY_DEADLINE verify_deadline = "15m", "How long all runs together wait for the proof.";
        STABILIZATION stabilization = "2m", "How long the error ratio must stay low to count as recovered.";
    }
    "state" {
        STATE state = "file", "Where rollbacks are remembered between runs: file, or kubernetes for ConfigMaps and a Lease, without a volume.";
        STATE_FILE state_file = "/var/lib/error-budget-monitor/state.json", "File that remembers rollbacks between runs.";
        STATE_NAMESPACE state_namespace, "With STATE=kubernetes: namespace of its ConfigMaps and Leases, that of the pod or the context by default.";
        STATE_NAME state_name = "error-budget-monitor", "With STATE=kubernetes: how the names of its ConfigMaps and Leases begin.";
        STATE_TIMEOUT state_timeout = "10s", "With STATE=kubernetes or a RUNBOOK_FILE: longest wait for one answer of the API server.";
        STATE_LEASE state_lease = "30s", "With STATE=kubernetes: how long the Lease of a run that died keeps others away.";
        KUBECONFIG kubeconfig, "With STATE=kubernetes or a RUNBOOK_FILE: files that say how the API server is reached; without it the pod's service account is used.";
        KUBERNETES_CONTEXT kubernetes_context, "With STATE=kubernetes or a RUNBOOK_FILE: context of KUBECONFIG, its current one by default.";
        SHARDS shards = "1", "Over how many runs at a time the services are spread.";
        SHARD shard, "Which of the SHARDS this run serves, from 0; JOB_COMPLETION_INDEX by default.";
        JOB_COMPLETION_INDEX job_completion_index, "Index of the pod in an Indexed Job; Kubernetes sets it.";
        LOG_FILE log_file, "File that gets a copy of the log.";
    }
    "telling" {
        SLACK_WEBHOOK slack_webhook or slack_webhook_file, "Slack incoming webhook; the URL is the secret.";
        SLACK_BOT_TOKEN slack_bot_token or slack_bot_token_file, "Slack bot token, instead of a webhook.";
        SLACK_CHANNEL slack_channel, "Channel of the bot.";
        SLACK_API_URL slack_api_url = "https://slack.com/api/", "Base URL of Slack's Web API, for the bot.";
        PAGERDUTY_KEY pagerduty_key or pagerduty_key_file, "Routing key of PagerDuty Events API v2.";
        PAGERDUTY_EVENTS_URL pagerduty_events_url = "https://events.pagerduty.com/v2/enqueue", "Full URL of the enqueue call.";
        INCIDENT_REPO incident_repo, "GitHub repository (owner/name) that gets an issue per rollback.";
        INCIDENT_CLOSE incident_close = "true", "Whether the issue is closed when the rollback is proven.";
        WEBHOOK_URL webhook_url or webhook_url_file, "URL that gets every message as JSON.";
        WEBHOOK_SECRET webhook_secret or webhook_secret_file, "Key that signs the messages to the webhook.";
        PUSHGATEWAY_URL pushgateway_url, "Base URL of a Pushgateway.";
        METRICS_TEXTFILE metrics_textfile, "File for node_exporter's textfile collector.";
        MESSAGE_COMMAND message_command = "error-budget-monitor", "What stands before a command in messages, so that it runs where they are read: the program, or scripts/in-cluster.sh.";
        DASHBOARD_URL dashboard_url, "Page that messages link to; {namespace} and {service} stand for the service.";
        RUNBOOK_URL runbook_url, "Page that says what to do, which messages link to; {namespace} and {service} stand for the service.";
    }
    "gate" {
        GATE_BLOCK_AT gate_block_at = "warning", "Lowest level that blocks a deploy: warning, critical or emergency.";
        GATE_ON_UNKNOWN gate_on_unknown = "block", "What check does when the budget cannot be measured: block or allow.";
    }
    "manual rollback" {
        TARGET_COMMIT target_commit, "Commit id or tag of the GitOps repository to go back to.";
        TARGET_REVISION target_revision, "Argo CD revision to go back to.";
        ROLLBACK_REASON rollback_reason, "Why a person rolls back, in one line.";
    }
}
