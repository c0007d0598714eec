//! One watched service: its settings, its clients, its memory's key.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use chrono::Utc;
use tokio::sync::OnceCell;
use url::Url;

use crate::clients::argocd::{Application, Argo};
use crate::clients::forge::{Forge, ForgeError};
use crate::clients::git::{Git, GitError, GitSettings, Snapshot};
use crate::clients::github::Github;
use crate::clients::http::{HttpSettings, HttpSettingsError};
use crate::clients::prometheus::{Prometheus, PrometheusError};
use crate::config::{Config, GitopsConfig, PrometheusConfig, ServiceConfig, StateConfig};
use crate::journal::{ApprovalAnswer, JournalError, Memory, ServiceState, Watch};
use crate::notify::{Tellers, TellersError};
use crate::observe::{self, CountedForm, Metrics, Observation, Observed, Queries, Trust, Workload};
use crate::policy::{History, PastRollback, TipSighting};
use crate::slo::Reading;
use crate::state;
use crate::stop::{Signals, Stop};
use crate::with_sources;

/// Why a service cannot be watched with this configuration.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SetupError {
    /// Prometheus's settings cannot be used.
    #[error("{}", with_sources(.0))]
    Prometheus(#[from] PrometheusError),
    /// The repository's settings cannot be used.
    #[error("prepare to reach the GitOps repository: {}", with_sources(.0))]
    Git(#[from] HttpSettingsError),
    /// The forge's settings cannot be used.
    #[error("{0}")]
    Forge(#[from] ForgeError),
    /// What people are told by cannot be prepared.
    #[error("{0}")]
    Tellers(#[from] TellersError),
}

/// One watched service.
pub(crate) struct Service<'a> {
    /// Its configuration.
    pub(crate) config: &'a Config,
    /// Its key in the state: `namespace/service`.
    pub(crate) key: String,
    /// The GitOps repository, where one is configured.
    pub(crate) git: Option<Git>,
    /// The Argo CD application, where one is configured.
    pub(crate) argo: Option<Argo>,
    /// The API of the forge that hosts the repository, where one does.
    pub(crate) forge: Option<Forge>,
    /// Whether it is one of so many that a line of the log for each that is well would hide the others.
    pub(crate) is_in_a_crowd: bool,
    /// When this run has to end.
    pub(crate) stop: Stop,
    /// What people are told by.
    pub(crate) tellers: Arc<Tellers>,
    prometheus: Prometheus,
    queries: Queries,
    /// Where its branch is, as far as a run that needs nothing else of it looked.
    tip: Tip,
    /// The state, as all services of this run see it that only look and whose memory lies in the same place.
    looked: Looked,
    /// What was read of it together with others, and when.
    observed: Mutex<Option<(Instant, Observed)>>,
    /// In which form its events were counted in this run, where they were.
    counted: Mutex<Option<CountedForm>>,
}

/// Most services of which each has its lines in the log also where all is well.
pub(crate) const CROWD: usize = 20;

/// What the services of one run share: the connections to the servers that several of them ask.
#[derive(Debug)]
pub(crate) struct Shared {
    /// Whether there is one service, which then has all of it.
    is_alone: bool,
    is_crowd: bool,
    looked: BTreeMap<PathBuf, Looked>,
    servers: Vec<(Url, HttpSettings, Prometheus)>,
    tips: Vec<(GitSettings, Tip)>,
}

/// What is remembered, once somebody looked.
type Looked = Arc<OnceLock<Result<Memory, Arc<JournalError>>>>;

/// Where a branch is, once somebody looked.
type Tip = Arc<OnceCell<Result<String, String>>>;

impl Shared {
    /// Returns what so many services share.
    pub(crate) fn by(services: usize) -> Self {
        Self {
            is_alone: services == 1,
            is_crowd: services > CROWD,
            looked: BTreeMap::new(),
            servers: Vec::new(),
            tips: Vec::new(),
        }
    }

    /// Returns where a service's look at its memory is kept: a file has that of many, an object that of one.
    fn looked(&mut self, config: &StateConfig) -> Looked {
        match config.objects {
            Some(_) => Looked::default(),
            None => {
                let known = self.looked.entry(config.state_file.clone());
                known.or_default().clone()
            }
        }
    }

    /// Returns where a service looks for the tip of its branch: one look serves all that have the same one. Access by
    /// a key or an app is each service's own.
    fn tip(&mut self, config: &Config, is_app: bool) -> Tip {
        let shared = config
            .gitops
            .as_ref()
            .filter(|gitops| gitops.ssh.is_none() && !is_app);
        let Some(gitops) = shared else {
            return Tip::default();
        };
        let mut known = self.tips.iter();
        if let Some((_, tip)) = known.find(|(git, _)| git.is_same_branch(&gitops.git)) {
            return tip.clone();
        }
        let tip = Tip::default();
        self.tips.push((gitops.git.clone(), tip.clone()));
        tip
    }

    /// Returns the server of a service, over the connections that others have to it already.
    fn prometheus(&mut self, config: &PrometheusConfig) -> Result<Prometheus, PrometheusError> {
        let known = self
            .servers
            .iter()
            .find(|(url, http, _)| *url == config.url && http.is_like(&config.http));
        if let Some((_, _, server)) = known {
            return Ok(server.shared());
        }
        let server =
            Prometheus::new(config.url.clone(), &config.http)?.with_connections(config.connections);
        let own = match self.is_alone {
            true => server.whole(),
            false => server.shared(),
        };
        self.servers
            .push((config.url.clone(), config.http.clone(), server));
        Ok(own)
    }
}

/// Longest wait for the tip of the branch in a pass that needs nothing else of it. Protects the pass from a
/// repository that hangs; past it the tip counts as not seen by this pass.
const TIP_WITHIN: Duration = Duration::from_secs(5);

/// For how long what was read of a service together with others may be used: it is judged as of now.
const FRESH_FOR: Duration = Duration::from_secs(30);

impl<'a> Service<'a> {
    /// Prepares the clients of a service; sends nothing. Its run begins now.
    ///
    /// # Errors
    /// Fails when a certificate file or a key cannot be used.
    pub(crate) fn new(
        config: &'a Config,
        signals: &Signals,
        shared: &mut Shared,
    ) -> Result<Self, SetupError> {
        let forge = config.gitops.as_ref().and_then(|it| it.forge.clone());
        let forge = forge.map(Forge::new).transpose()?;
        let github = forge.as_ref().and_then(Forge::github);
        let git = match &config.gitops {
            Some(gitops) => Some(git(gitops, github)?.leaving_out(&config.secrets)),
            None => None,
        };
        let ServiceConfig { namespace, name } = &config.service;
        let is_app = github.is_some_and(Github::is_app);
        Ok(Self {
            config,
            key: key(config),
            git,
            argo: config
                .argocd
                .as_ref()
                .map(|argocd| Argo::new(argocd.client.clone()).leaving_out(&config.secrets)),
            forge,
            tellers: Arc::new(Tellers::new(&config.notify)?),
            stop: Stop::of_a_run(signals, config.verify.timeout),
            prometheus: shared.prometheus(&config.prometheus)?,
            is_in_a_crowd: shared.is_crowd,
            looked: shared.looked(&config.state),
            tip: shared.tip(config, is_app),
            observed: Mutex::default(),
            counted: Mutex::default(),
            queries: Queries::new(
                Workload::new(namespace.as_str(), name.as_str()),
                &config.sli,
            ),
        })
    }

    /// Returns GitHub's API, where the repository is on a GitHub.
    pub(crate) fn github(&self) -> Option<&Github> {
        self.forge.as_ref().and_then(Forge::github)
    }

    /// Keeps every question to Prometheus from now on.
    #[must_use]
    pub(crate) fn noting(self) -> Self {
        Self {
            prometheus: self.prometheus.noting(),
            ..self
        }
    }

    /// Returns how its metrics are asked for.
    pub(crate) fn metrics(&self) -> Metrics<'_> {
        Metrics {
            prometheus: &self.prometheus,
            queries: &self.queries,
        }
    }

    /// Returns what is remembered, for a command that only looks.
    ///
    /// # Errors
    /// Fails when the state cannot be read, or is of a newer version.
    pub(crate) fn looks(&self) -> Result<Memory, Arc<JournalError>> {
        let look = || state::look(&self.config.state, std::slice::from_ref(&self.key));
        self.looked.get_or_init(|| look().map_err(Arc::new)).clone()
    }

    /// Keeps what was read of it together with others.
    pub(crate) fn remembers(&self, memory: Result<Memory, Arc<JournalError>>) {
        // Who looked before has it already.
        let _ = self.looked.set(memory);
    }

    /// Looks where its branch is, once in a run for all services that have the same one.
    ///
    /// # Errors
    /// Says why the repository does not answer.
    pub(crate) async fn tip(&self, git: &Git) -> Result<String, String> {
        let look = || async {
            let tip = observe::tip(git, TIP_WITHIN).await;
            tip.map_err(|error| with_sources(&error))
        };
        self.tip.get_or_init(look).await.clone()
    }

    /// Notes in which form its events are counted.
    pub(crate) fn note_form(&self, observation: &Observation) {
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        *counted = observation.counted_form();
    }

    /// Returns in which form its events were counted in this run; nothing where they were not.
    pub(crate) fn counted_form(&self) -> Option<CountedForm> {
        *self.counted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps what was just read of it together with others.
    pub(crate) fn observe(&self, observed: Observed) {
        let mut kept = self.observed.lock().unwrap_or_else(PoisonError::into_inner);
        *kept = Some((Instant::now(), observed));
    }

    /// Returns what was read of it together with others, once, and while it is fresh.
    pub(crate) fn observed_together(&self) -> Option<Observed> {
        let mut kept = self.observed.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, observed) = kept.take()?;
        (at.elapsed() <= FRESH_FOR).then_some(observed)
    }

    /// Returns the series that count its events, as they were asked for, where an observation found none of them. Own
    /// queries are in the configuration.
    pub(crate) fn lost_series(&self, observation: &Observation) -> Option<String> {
        match observation.measurement.budget {
            Reading::NoSeries => self.queries.selector(),
            Reading::Measured(_)
            | Reading::NoTraffic
            | Reading::Gone { .. }
            | Reading::Stale { .. }
            | Reading::Partial { .. }
            | Reading::Refused { .. }
            | Reading::Invalid { .. } => None,
        }
    }

    /// Returns by what the trailers of its commits are believed now.
    pub(crate) fn trust(&self) -> Trust<'_> {
        Trust {
            key: self
                .config
                .gitops
                .as_ref()
                .and_then(|gitops| gitops.trailer_key.as_ref()),
            service: &self.key,
            now: Utc::now(),
        }
    }

    /// Reads an application that is hydrated from the branch as the branch names its revisions, from now on too.
    ///
    /// # Errors
    /// Fails when the hydrated branch cannot be reached.
    pub(crate) async fn in_dry_terms(&self, app: Application) -> Result<Application, GitError> {
        let (Some(git), Some(argo), Some(gitops)) = (&self.git, &self.argo, &self.config.gitops)
        else {
            return Ok(app);
        };
        if argo.is_read_as_dry() {
            return Ok(app);
        }
        let known = observe::hydrations(&app, git, &gitops.git).await?;
        Ok(match known {
            Some(known) => argo.read_as_dry(known, app),
            None => app,
        })
    }

    /// Returns how many requests Prometheus was sent.
    pub(crate) fn prometheus_requests(&self) -> u64 {
        self.prometheus.requests()
    }
}

/// Returns the key of a service in the state: `namespace/service`.
pub(crate) fn key(config: &Config) -> String {
    format!("{}/{}", config.service.namespace, config.service.name)
}

fn git(config: &GitopsConfig, github: Option<&Github>) -> Result<Git, HttpSettingsError> {
    let git = Git::new(config.git.clone(), tokio::runtime::Handle::current())?;
    let git = match &config.ssh {
        Some(remote) => git.over_ssh(remote.clone())?,
        None => git,
    };
    Ok(match github.filter(|github| github.is_app()) {
        Some(app) => git.signing_in_as(app.clone()),
        None => git,
    })
}

/// Translates what passes saw at the tip into the changes that were in effect there.
pub(crate) fn sightings(snapshot: &Snapshot, watch: &Watch) -> Vec<TipSighting> {
    let tips: Vec<&str> = watch.tips.iter().map(|tip| &*tip.revision).collect();
    let changes = snapshot.changes_at(&tips);
    let seen = watch.tips.iter().zip(changes);
    seen.map(|(tip, change)| TipSighting {
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
                is_approved: past.answer() == Some(ApprovalAnswer::Approved),
            })
            .collect(),
    )
}
