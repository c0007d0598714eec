//! Where the program remembers, and the switches of single commands.

use std::env::split_paths;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::clients::kubernetes::KubernetesSettings;
use crate::slo::Level;

use super::{
    git_names::check_ref,
    problems::{Checked, Invalid, quoted},
    reader::{Reader, file_path},
    service::{Namespace, ServiceConfig, rfc1123_label},
    shard::{self, Sharding, shard_of},
    variables::{
        GATE_BLOCK_AT, GATE_ON_UNKNOWN, KUBECONFIG, KUBERNETES_CONTEXT, LOG_FILE, ROLLBACK_REASON,
        STATE, STATE_FILE, STATE_LEASE, STATE_NAME, STATE_NAMESPACE, STATE_TIMEOUT, TARGET_COMMIT,
        TARGET_REVISION,
    },
};

/// Where the program remembers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateConfig {
    /// `STATE_FILE` (`/var/lib/error-budget-monitor/state.json`): what is remembered between runs. Where there are
    /// several shards the name has that of the service: `state.shard-0-of-3.json`.
    pub state_file: PathBuf,
    /// `STATE` (file): objects in Kubernetes instead, where that is wanted.
    pub objects: Option<StateObjects>,
    /// The shards, and which of them this run serves.
    pub sharding: Sharding,
    /// The shard that the service falls to.
    pub shard: u32,
    /// `LOG_FILE`, off by default: a copy of the log.
    pub log_file: Option<PathBuf>,
}

/// How the memory is kept in Kubernetes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateObjects {
    /// `KUBECONFIG`, `KUBERNETES_CONTEXT`, `STATE_NAMESPACE` and `STATE_TIMEOUT` (10s).
    pub cluster: KubernetesSettings,
    /// `STATE_NAME` (`error-budget-monitor`), at most 40 characters: how all names begin.
    pub name: String,
    /// `STATE_LEASE` (30s), 1s to 60s: how long a Lease holds after its last renewal.
    pub lease: Duration,
}

/// When `check` blocks a deploy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GateConfig {
    /// `GATE_BLOCK_AT` (warning): the lowest level that blocks; never `Level::Ok`.
    pub block_at: Level,
    /// `GATE_ON_UNKNOWN` (block): what happens when the budget cannot be measured.
    pub on_unknown: OnUnknown,
}

/// What `check` does when the budget cannot be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnUnknown {
    /// It blocks the deploy.
    Block,
    /// It lets the deploy go ahead.
    Allow,
}

/// What a person's rollback goes back to; nothing is set by default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ManualConfig {
    /// `TARGET_COMMIT`: a commit id (4 to 64 hexadecimal digits), or the name of a tag, with or without `refs/tags/`.
    pub target_commit: Option<String>,
    /// `TARGET_REVISION`: a revision as Argo CD shows it.
    pub target_revision: Option<String>,
    /// `ROLLBACK_REASON`: one line of at most 500 characters.
    pub reason: Option<String>,
}

pub(super) fn read_state(
    reader: &mut Reader,
    service: &Checked<ServiceConfig>,
    cluster: &Checked<KubernetesSettings>,
) -> Checked<StateConfig> {
    let is_in_kubernetes = reader.required(&STATE, |text| match text {
        "file" => Ok(false),
        "kubernetes" => Ok(true),
        _ => Err(Invalid::because(format!(
            "is {}; write file or kubernetes",
            quoted(text)
        ))),
    });
    let objects = read_objects(reader, cluster);
    let sharding = shard::read(reader);
    let state_file = reader.required(&STATE_FILE, file_path);
    let log_file = reader.file(&LOG_FILE);
    let (state_file, log_file) = (state_file?, log_file?);
    if log_file.as_ref() == Some(&state_file) {
        return Err(
            reader.report("LOG_FILE and STATE_FILE are the same file; give the log its own")
        );
    }
    let (objects, sharding) = (is_in_kubernetes?.then_some(objects?), sharding?);
    let ServiceConfig { name, namespace } = service.as_ref().map_err(|reported| *reported)?;
    let shard = shard_of(&format!("{namespace}/{name}"), sharding.shards);
    Ok(StateConfig {
        state_file: of_shard(&state_file, shard, sharding.shards),
        objects,
        sharding,
        shard,
        log_file,
    })
}

fn read_objects(
    reader: &mut Reader,
    cluster: &Checked<KubernetesSettings>,
) -> Checked<StateObjects> {
    let namespace = reader.optional(&STATE_NAMESPACE, str::parse::<Namespace>);
    let name = reader.required(&STATE_NAME, |text| {
        rfc1123_label(text).and_then(|name| match name.len() {
            0..=40 => Ok(name),
            _ => Err(Invalid::because(
                "is longer than 40 characters; names of services are added to it",
            )),
        })
    });
    let second = Duration::from_secs(1);
    let lease = reader.duration(&STATE_LEASE, second..=60 * second);
    Ok(StateObjects {
        cluster: KubernetesSettings {
            namespace: namespace?.map(|namespace| namespace.to_string()),
            ..cluster.clone()?
        },
        name: name?,
        lease: lease?,
    })
}

/// Reads how the API server is reached; the namespace is left to whoever asks.
pub(super) fn read_cluster(reader: &mut Reader) -> Checked<KubernetesSettings> {
    let kubeconfig = reader.optional(&KUBECONFIG, |text| {
        Ok(split_paths(text)
            .filter(|path| !path.as_os_str().is_empty())
            .collect::<Vec<PathBuf>>())
    });
    let context = reader.optional(&KUBERNETES_CONTEXT, |text| Ok(text.to_owned()));
    let second = Duration::from_secs(1);
    let timeout = reader.duration(&STATE_TIMEOUT, second..=60 * second);
    Ok(KubernetesSettings {
        kubeconfig: kubeconfig?.unwrap_or_default(),
        context: context?,
        namespace: None,
        timeout: timeout?,
    })
}

/// Returns the file of a shard, beside that of a run that serves all.
fn of_shard(file: &Path, shard: u32, shards: u32) -> PathBuf {
    if shards == 1 {
        return file.to_owned();
    }
    let part =
        |part: Option<&std::ffi::OsStr>| part.unwrap_or_default().to_string_lossy().into_owned();
    let stem = part(file.file_stem());
    let ending = match file.extension() {
        Some(ending) => format!(".{}", part(Some(ending))),
        None => String::new(),
    };
    file.with_file_name(format!("{stem}.shard-{shard}-of-{shards}{ending}"))
}

pub(super) fn read_gate(reader: &mut Reader) -> Checked<GateConfig> {
    let block_at = reader.required(&GATE_BLOCK_AT, |text| match text {
        "warning" => Ok(Level::Warning),
        "critical" => Ok(Level::Critical),
        "emergency" => Ok(Level::Emergency),
        _ => Err(Invalid::because(format!(
            "is {}; write warning, critical or emergency",
            quoted(text)
        ))),
    });
    let on_unknown = reader.required(&GATE_ON_UNKNOWN, |text| match text {
        "block" => Ok(OnUnknown::Block),
        "allow" => Ok(OnUnknown::Allow),
        _ => Err(Invalid::because(format!(
            "is {}; write block or allow",
            quoted(text)
        ))),
    });
    Ok(GateConfig {
        block_at: block_at?,
        on_unknown: on_unknown?,
    })
}

pub(super) fn read_manual(reader: &mut Reader) -> Checked<ManualConfig> {
    let target_commit = reader.optional(&TARGET_COMMIT, parse_commit);
    let target_revision = reader.optional(&TARGET_REVISION, parse_revision);
    let reason = reader.optional(&ROLLBACK_REASON, parse_reason);
    Ok(ManualConfig {
        target_commit: target_commit?,
        target_revision: target_revision?,
        reason: reason?,
    })
}

/// Accepts a commit id, whole or shortened, or the name of a tag.
pub(super) fn parse_commit(text: &str) -> Result<String, Invalid> {
    let is_id = (4..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_id {
        return Ok(text.to_owned());
    }
    if text.starts_with("refs/") && !text.starts_with("refs/tags/") {
        return Err(Invalid::because(format!(
            "is {}, which names no tag; write a commit id or a tag",
            quoted(text)
        )));
    }
    check_ref(text)?;
    Ok(text.to_owned())
}

/// Accepts a revision of Argo CD: a commit id, a tag, a chart version or a number of its history.
pub(super) fn parse_revision(text: &str) -> Result<String, Invalid> {
    if text.len() <= 200
        && !text.starts_with('-')
        && text.bytes().all(|byte| byte.is_ascii_graphic())
    {
        Ok(text.to_owned())
    } else {
        Err(Invalid::because(format!(
            "is {}; write a revision as Argo CD shows it, without blanks",
            quoted(text)
        )))
    }
}

/// Accepts one line of at most 500 characters.
pub(super) fn parse_reason(text: &str) -> Result<String, Invalid> {
    if text.chars().count() <= 500 && !text.chars().any(char::is_control) {
        Ok(text.to_owned())
    } else {
        Err(Invalid::because(
            "has a line break or is longer than 500 characters; write one short line",
        ))
    }
}
