//! The environment, parsed into types that cannot be wrong.
//!
//! Nothing else in the program reads the environment. Every variable and its default stand in [`VARIABLES`]; every
//! problem is reported at once, in one [`ConfigError`], before anything outside is touched.

use std::{env, ffi::OsString, sync::Arc};

use crate::policy::Settings;
use crate::redact::Scanner;
use crate::slo::Objective;

mod address;
mod argocd;
mod ci;
mod duration;
mod forge;
mod git_names;
mod gitops;
mod log;
mod misspelt;
mod notify;
mod objective;
mod policy;
mod problems;
mod prometheus;
mod reader;
mod remote;
mod runbook;
mod secret;
mod selector;
mod service;
mod services;
mod shard;
mod shown;
mod sli;
mod ssh;
mod state;
mod template;
mod trailer_key;
mod variables;

#[cfg(test)]
mod tests;

pub use argocd::ArgocdConfig;
pub use ci::CiConfig;
pub use duration::parse as parse_duration;
pub use gitops::{GitopsConfig, GitopsMode};
pub use log::LogConfig;
pub use misspelt::Misspelt;
use misspelt::misspelt;
pub use notify::{NotifyConfig, PagerdutyConfig, SlackConfig, WebhookConfig};
pub use policy::{RunConfig, VerifyConfig};
pub use problems::{ConfigError, Invalid};
pub use prometheus::PrometheusConfig;
pub use remote::GitopsRepo;
pub use runbook::RunbookConfig;
pub use service::{Namespace, ServiceConfig, ServiceName};
pub use shard::{Sharding, shard_of};
pub(crate) use shown::Given;
pub use shown::{Setting, SettingOrigin};
pub use sli::{Buckets, MetricsFamily, SliSource};
pub use ssh::SshAddress;
pub use state::{GateConfig, ManualConfig, OnUnknown, StateConfig, StateObjects};
pub use trailer_key::TrailerKey;
pub use variables::{VARIABLES, Variable};

use problems::Checked;
use reader::Reader;

/// Everything that the program is told by its environment. Its `Debug` shows no secret.
#[derive(Debug, Clone)]
pub struct Config {
    /// Which service is watched.
    pub service: ServiceConfig,
    /// What the service promises, and what counts as too much.
    pub objective: Objective,
    /// Where Prometheus is.
    pub prometheus: PrometheusConfig,
    /// Where good and bad events are counted.
    pub sli: SliSource,
    /// The GitOps repository; none when `GITOPS_REPO` is not set.
    pub gitops: Option<GitopsConfig>,
    /// Argo CD; none when `ARGOCD_SERVER` is not set.
    pub argocd: Option<ArgocdConfig>,
    /// What the decision may do, how often and when.
    pub policy: Settings,
    /// What goes for every run.
    pub run: RunConfig,
    /// How long the proof may take.
    pub verify: VerifyConfig,
    /// Where the program remembers.
    pub state: StateConfig,
    /// Who is told.
    pub notify: NotifyConfig,
    /// When `check` blocks a deploy.
    pub gate: GateConfig,
    /// What a person's rollback goes back to.
    pub manual: ManualConfig,
    /// The runbook; none when `RUNBOOK_FILE` is not set.
    pub runbook: Option<RunbookConfig>,
    /// What somebody set; of a secret only that it is.
    pub(crate) given: Given,
    /// What of the environment looks like a variable of ours and is none.
    pub misspelt: Vec<Misspelt>,
    /// Takes every secret of every service out of what others wrote.
    pub(crate) secrets: Arc<Scanner>,
}

impl Config {
    /// Reads every service that the process environment describes: one, or those of `SERVICES_DIR`, in the order of
    /// their files. Values such as `("DRY_RUN", "true")` for `--dry-run` rank above everything.
    ///
    /// # Errors
    ///
    /// Every problem of every file at once.
    pub fn all_from_env_with(
        overrides: impl IntoIterator<Item = (&'static str, String)>,
    ) -> Result<Vec<Self>, ConfigError> {
        let (variables, problems) = decode(env::vars_os());
        let overrides = overrides.into_iter().collect();
        let names: Vec<String> = env::vars_os()
            .filter_map(|(name, _)| name.into_string().ok())
            .collect();
        let misspelt = misspelt(&names);
        let mut configs = services::read(variables.into_iter().collect(), overrides, problems)?;
        let mut secrets = Scanner::default();
        for config in &configs {
            secrets.join(&config.secrets);
        }
        let secrets = Arc::new(secrets);
        for config in &mut configs {
            config.misspelt.clone_from(&misspelt);
            config.secrets = Arc::clone(&secrets);
        }
        Ok(configs)
    }

    /// Reads variables from pairs of name and value. Unknown names are ignored, an empty value counts as not set, and
    /// of a name that occurs twice the last one counts.
    ///
    /// # Errors
    ///
    /// Every problem at once.
    pub fn from_vars(
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        Self::read(variables, Vec::new())
    }

    /// Returns every variable of the contract as it was read, in its order; of a secret only whether it is set.
    pub fn settings(&self) -> Vec<Setting> {
        self.given.settings()
    }

    fn read(
        variables: impl IntoIterator<Item = (String, String)>,
        problems: Vec<String>,
    ) -> Result<Self, ConfigError> {
        let mut reader = Reader::new(variables, problems);
        match read_sections(&mut reader) {
            Ok(config) if reader.is_clean() => Ok(config),
            Ok(_) | Err(_) => Err(ConfigError::new(reader.into_problems())),
        }
    }
}

/// Splits the variables of the contract into those that are UTF-8 and problems with those that are not.
fn decode(
    variables: impl IntoIterator<Item = (OsString, OsString)>,
) -> (Vec<(String, String)>, Vec<String>) {
    let mut readable = Vec::new();
    let mut problems = Vec::new();
    for (name, value) in variables {
        let Some(name) = name.to_str().filter(|name| reader::is_known(name)) else {
            continue;
        };
        match value.into_string() {
            Ok(value) => readable.push((name.to_owned(), value)),
            Err(_) => problems.push(format!("{name} is not valid UTF-8; write it as plain text")),
        }
    }
    (readable, problems)
}

/// Reads every section before it uses any, so that no problem hides another.
fn read_sections(reader: &mut Reader) -> Checked<Config> {
    let service = service::read_service(reader);
    let slo = objective::read_slo(reader);
    let prometheus = prometheus::read(reader);
    let sli = sli::read(reader, &service);
    let objective = objective::read(reader, &slo);
    let access = gitops::read_api_access(reader);
    let gitops = gitops::read(reader, &access);
    let argocd = argocd::read(reader);
    let policy = policy::read(reader, &objective, &gitops);
    let cluster = state::read_cluster(reader);
    let state = state::read_state(reader, &service, &cluster);
    let notify = notify::read(reader, &access, &gitops, &service);
    let gate = state::read_gate(reader);
    let manual = state::read_manual(reader);
    let runbook = runbook::read(reader, &service, &cluster);
    let policy::Policy {
        settings: policy,
        run,
        verify,
    } = policy?;
    Ok(Config {
        service: service?,
        objective: objective?,
        prometheus: prometheus?,
        sli: sli?,
        gitops: gitops?,
        argocd: argocd?,
        policy,
        run,
        verify,
        state: state?,
        notify: notify?,
        gate: gate?,
        manual: manual?,
        runbook: runbook?,
        given: Given::of(reader),
        misspelt: Vec::new(),
        secrets: Arc::new(reader.secrets()),
    })
}
