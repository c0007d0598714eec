//! One watched service: its settings, its clients, its memory's key.

use std::sync::Arc;
use std::time::Duration;

use crate::clients::argocd::{Argo, ArgoAuth, ArgoSettings};
use crate::clients::git::Snapshot;
use crate::clients::git::SshRemote;
use crate::clients::git::{Git, GitSettings};
use crate::clients::github::{Github, GithubAuth, GithubError, GithubSettings};
use crate::clients::http::{Auth, HttpSettings, HttpSettingsError};
use crate::clients::prometheus::{Prometheus, PrometheusError};
use crate::config::{
    self, ArgocdAuth, ArgocdConfig, Config, GitopsConfig, GitopsMode, GitopsRepo, Histograms,
    PrometheusConfig, SliSource,
};
use crate::journal::{Answer, ServiceState, Watch};
use crate::notify::{Tellers, TellersError};
use crate::observe::{Buckets, Metrics, Queries, Workload};
use crate::policy::{History, PastRollback, Settings, Sighting};
use crate::slo::{LevelThresholds, Objective};
use crate::stop::{Signals, Stop};
use crate::with_sources;

/// Why a service cannot be watched with this configuration.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// Prometheus's settings cannot be used.
    #[error("{}", with_sources(.0))]
    Prometheus(#[from] PrometheusError),
    /// The repository's settings cannot be used.
    #[error("prepare to reach the GitOps repository: {}", with_sources(.0))]
    Git(#[from] HttpSettingsError),
    /// GitHub's settings cannot be used.
    #[error("{0}")]
    Github(#[from] GithubError),
    /// What people are told by cannot be prepared.
    #[error("{0}")]
    Tellers(#[from] TellersError),
    /// A duration is longer than a calendar can hold.
    #[error("{0} is too long")]
    TooLong(&'static str),
}

/// One watched service.
pub struct Service<'a> {
    /// Its configuration.
    pub config: &'a Config,
    /// What it promises.
    pub objective: Objective,
    /// The guards.
    pub settings: Settings,
    /// Its key in the state: `namespace/service`.
    pub key: String,
    /// The GitOps repository, where one is configured.
    pub git: Option<Git>,
    /// The Argo CD application, where one is configured.
    pub argo: Option<Argo>,
    /// The API of the GitHub that holds the repository, where one does.
    pub github: Option<Github>,
    /// When this run has to end.
    pub stop: Stop,
    /// What people are told by.
    pub tellers: Arc<Tellers>,
    prometheus: Prometheus,
    queries: Queries,
}

impl<'a> Service<'a> {
    /// Prepares the clients of a service; sends nothing. Its run begins now.
    ///
    /// # Errors
    /// Fails when a certificate file or a key cannot be used, or a duration is too long.
    pub fn new(config: &'a Config, signals: &Signals) -> Result<Self, SetupError> {
        let github = match &config.gitops {
            Some(gitops) => github(gitops)?,
            None => None,
        };
        let git = match &config.gitops {
            Some(gitops) => Some(git(gitops, github.as_ref())?),
            None => None,
        };
        Ok(Self {
            config,
            objective: objective(config),
            settings: settings(config)?,
            key: key(config),
            git,
            argo: config.argocd.as_ref().map(argo),
            github,
            tellers: Arc::new(Tellers::new(&config.notify)?),
            stop: Stop::of_a_run(signals, config.verify.timeout),
            prometheus: prometheus(&config.prometheus)?,
            queries: queries(config),
        })
    }

    /// Returns how its metrics are asked for.
    pub fn metrics(&self) -> Metrics<'_> {
        Metrics {
            prometheus: &self.prometheus,
            queries: &self.queries,
        }
    }

    /// Returns how many requests Prometheus was sent.
    pub fn prometheus_requests(&self) -> u64 {
        self.prometheus.requests()
    }
}

/// Returns the key of a service in the state: `namespace/service`.
pub(crate) fn key(config: &Config) -> String {
    format!("{}/{}", config.service.namespace, config.service.name)
}

fn objective(config: &Config) -> Objective {
    let thresholds = &config.thresholds;
    Objective {
        window: config.slo.window,
        budget: config.slo.error_budget,
        levels: LevelThresholds::new(
            thresholds.warning,
            thresholds.critical,
            thresholds.emergency,
        )
        .expect("the configuration checks that the thresholds rise"),
        min_availability: thresholds.min_availability,
        max_error_rate: thresholds.max_error_rate,
        max_latency_p95: thresholds.max_latency_p95,
        max_latency_p99: thresholds.max_latency_p99,
        violation_for: thresholds.violation_for,
        burn_rate_fast: thresholds.burn_rate_fast,
        burn_rate_slow: thresholds.burn_rate_slow,
    }
}

fn settings(config: &Config) -> Result<Settings, SetupError> {
    let policy = &config.policy;
    let limits = &config.limits;
    Ok(Settings {
        rollback_enabled: policy.rollback_enabled || policy.dry_run,
        auto_rollback_critical: policy.auto_rollback_critical,
        auto_rollback_emergency: policy.auto_rollback_emergency,
        require_approval: policy.require_approval,
        by_pull_request: config
            .gitops
            .as_ref()
            .is_some_and(|gitops| gitops.mode == GitopsMode::PullRequest),
        require_active_burn: policy.require_active_burn,
        require_attribution: policy.require_attribution,
        require_seen_live: policy.require_seen_live,
        attribution_window: calendar("ATTRIBUTION_WINDOW", policy.attribution_window)?,
        violation_for: calendar("VIOLATION_FOR", config.thresholds.violation_for)?,
        max_revisions_back: policy.max_revisions_back,
        min_events: policy.min_events,
        min_bad_events: policy.min_bad_events,
        cooldown: calendar("COOLDOWN", limits.cooldown)?,
        max_per_hour: limits.max_per_hour,
        max_per_day: limits.max_per_day,
        blackout: limits.blackout.clone(),
        emergency_overrides_blackout: limits.emergency_overrides_blackout,
        verify_deadline: calendar("VERIFY_DEADLINE", config.verify.deadline)?,
    })
}

fn calendar(name: &'static str, duration: Duration) -> Result<chrono::Duration, SetupError> {
    chrono::Duration::from_std(duration).map_err(|_| SetupError::TooLong(name))
}

fn prometheus(config: &PrometheusConfig) -> Result<Prometheus, PrometheusError> {
    let identity = config.tls.client_identity.as_ref();
    let settings = HttpSettings {
        auth: match &config.auth {
            config::Auth::None => Auth::None,
            config::Auth::Bearer(token) => Auth::Bearer(token.clone()),
            config::Auth::Basic { username, password } => Auth::Basic {
                username: username.clone(),
                password: password.clone(),
            },
        },
        headers: config.headers.clone(),
        ca_file: config.tls.ca_file.clone(),
        client_identity: identity.map(|files| (files.cert_file.clone(), files.key_file.clone())),
        timeout: config.timeout,
        ..HttpSettings::default()
    };
    Prometheus::new(config.url.clone(), &settings)
}

/// The user that goes with an App's token. Source: GitHub's documentation, "Authenticating as a GitHub App
/// installation".
const APP_USER: &str = "x-access-token";

fn git(config: &GitopsConfig, github: Option<&Github>) -> Result<Git, HttpSettingsError> {
    let app = github.filter(|github| github.is_app());
    let settings = GitSettings {
        url: config.repo.remote_url(),
        name: config.repo.to_string(),
        username: app.map_or_else(|| config.username.clone(), |_| APP_USER.to_owned()),
        token: config.token.clone(),
        branch: config.branch.as_str().to_owned(),
        paths: config
            .paths
            .iter()
            .map(|path| path.as_str().to_owned())
            .collect(),
        ignore: config.ignore.clone(),
        ca_file: config.ca_file.clone(),
        timeout: config.timeout,
        max_bytes: config.max_bytes,
        author_name: config.author_name.clone(),
        author_email: config.author_email.clone(),
    };
    let git = Git::new(settings, tokio::runtime::Handle::current())?;
    let git = match &config.repo {
        GitopsRepo::Ssh(address) => git.over_ssh(ssh(address, config))?,
        GitopsRepo::Github { .. } | GitopsRepo::Url(_) => git,
    };
    Ok(match app {
        Some(app) => git.signing_in_as(app.clone()),
        None => git,
    })
}

fn ssh(address: &config::SshAddress, config: &GitopsConfig) -> SshRemote {
    let config::SshAddress {
        user,
        host,
        port,
        path,
    } = address.clone();
    SshRemote {
        program: "ssh".into(),
        user,
        host,
        port,
        path,
        key_file: config.ssh_key_file.clone(),
        known_hosts_file: config.ssh_known_hosts_file.clone(),
        hidden_variables: config::VARIABLES
            .iter()
            .map(|variable| variable.name.to_owned())
            .collect(),
    }
}

fn github(config: &GitopsConfig) -> Result<Option<Github>, GithubError> {
    let GitopsRepo::Github {
        owner,
        name,
        api_url,
    } = &config.repo
    else {
        return Ok(None);
    };
    let auth = match (&config.github_app, &config.token) {
        (Some(app), _) => GithubAuth::App {
            app_id: app.app_id,
            installation_id: app.installation_id,
            private_key: app.private_key.clone(),
        },
        (None, Some(token)) => GithubAuth::Token(token.clone()),
        (None, None) => GithubAuth::Anonymous,
    };
    let mut settings = GithubSettings::new(api_url.clone(), owner, name, auth);
    settings.ca_file.clone_from(&config.ca_file);
    settings.timeout = config.timeout;
    Github::new(settings).map(Some)
}

/// Prepares to talk about the application; sends nothing.
pub(crate) fn argo(config: &ArgocdConfig) -> Argo {
    let auth = match &config.auth {
        ArgocdAuth::Token(token) => ArgoAuth::Token(token.clone()),
        ArgocdAuth::Password { username, password } => ArgoAuth::Password {
            username: username.clone(),
            password: password.clone(),
        },
    };
    let mut settings = ArgoSettings::new(config.server.clone(), &config.app_name, auth);
    settings.project.clone_from(&config.project);
    settings.app_namespace.clone_from(&config.app_namespace);
    settings.ca_file.clone_from(&config.tls.ca_file);
    Argo::new(settings)
}

fn queries(config: &Config) -> Queries {
    let workload = Workload::new(
        config.service.namespace.as_str(),
        config.service.name.as_str(),
    );
    let sli = &config.sli;
    let family = match &sli.source {
        SliSource::Own { bad, total } => return Queries::own(workload, bad, total),
        SliSource::Family(family) => *family,
    };
    let buckets = match (sli.histograms, &sli.latency_buckets) {
        (Histograms::Classic, None) => Buckets::All,
        (Histograms::Classic, Some(bounds)) => Buckets::Named(bounds.clone()),
        (Histograms::Native, _) => Buckets::Native,
    };
    Queries::family(workload, family, sli.selector.as_deref(), buckets)
}

/// Translates what passes saw at the tip into the changes that were in effect there.
pub(crate) fn sightings(snapshot: &Snapshot, watch: &Watch) -> Vec<Sighting> {
    let tips: Vec<&str> = watch.tips.iter().map(|tip| &*tip.revision).collect();
    let changes = snapshot.changes_at(&tips);
    let seen = watch.tips.iter().zip(changes);
    seen.map(|(tip, change)| Sighting {
        change,
        first_seen: tip.first_seen,
        last_seen: tip.last_seen,
    })
    .collect()
}

/// Returns what is watched: the branch of a repository. The paths do not matter, because a tip is a commit.
pub(crate) fn watched_place(git: &Git) -> String {
    format!("{} of {}", git.branch(), git.name())
}

/// Translates the journal's memory for the policy.
pub(crate) fn history(state: &ServiceState) -> History {
    History::new(
        state
            .rollbacks
            .iter()
            .map(|past| PastRollback {
                id: past.id.clone(),
                from: past.from.clone(),
                from_state: Some(past.from_state.clone()),
                tip_state: Some(past.goes_back.tip_state.clone()).filter(|it| !it.is_empty()),
                keeps: past.goes_back.keeps.clone(),
                to: past.to.clone(),
                begun_at: past.begun_at,
                attempted: past.attempted,
                landed_at: past.effective_at,
                is_released: past.released.is_some(),
                made_it_worse: past.worse,
                phase: past.phase,
                is_approved: past.answer() == Some(Answer::Approved),
            })
            .collect(),
    )
}
