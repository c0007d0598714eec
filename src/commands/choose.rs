//! Which of the services a command serves.

use std::collections::BTreeMap;

use crate::cli::Command;
use crate::config::Config;
use crate::exit::Exit;
use crate::journal::{State, is_meant};
use crate::service::key;
use crate::state;

/// How many services a complaint lists.
const LISTED: usize = 20;

/// Returns the services that a command serves: the one that is named, else all of them; what a person does goes to
/// one only.
///
/// # Errors
/// Fails when nobody or more than one has the name, or when one has to be named.
pub(super) fn choose<'a>(
    command: &Command,
    name: Option<&str>,
    configs: &'a [Config],
) -> Result<Vec<&'a Config>, (Exit, String)> {
    if let Some(name) = name {
        return named(name, configs);
    }
    match command {
        Command::Run(_) => all_of_a_shard(configs),
        Command::Check(_)
        | Command::Status
        | Command::Explain
        | Command::History
        | Command::Doctor(_) => Ok(configs.iter().collect()),
        Command::Runbook(_) => with_a_runbook(configs),
        _ if configs.len() <= 1 => Ok(configs.iter().collect()),
        Command::Rollback(_) => Err((
            Exit::Usage,
            format!(
                "there are several services; say which one is rolled back with --service: {}",
                list(configs)
            ),
        )),
        Command::Man { .. } | Command::Completions { .. } => Ok(configs.iter().collect()),
        Command::Approve(word) | Command::Reject(word) | Command::Release(word) => {
            of_the_rollback(&word.id, configs)
        }
    }
}

/// Returns all services, where they are those of one shard: each has a lock and a memory of its own.
fn all_of_a_shard(configs: &[Config]) -> Result<Vec<&Config>, (Exit, String)> {
    let unknown = configs.iter().map(|config| config.state.sharding);
    let mut unknown = unknown.filter(|sharding| sharding.shards > 1 && sharding.shard.is_none());
    match unknown.next() {
        Some(sharding) => Err((
            Exit::Configuration,
            format!(
                "SHARDS is {} but neither SHARD nor JOB_COMPLETION_INDEX says which of them this run serves; set SHARD, or run it in an Indexed Job",
                sharding.shards
            ),
        )),
        None => Ok(configs.iter().collect()),
    }
}

/// Returns the services that have a runbook.
fn with_a_runbook(configs: &[Config]) -> Result<Vec<&Config>, (Exit, String)> {
    let has_one = |config: &&Config| config.runbook.is_some();
    let found: Vec<&Config> = configs.iter().filter(has_one).collect();
    match found.is_empty() {
        true => Err((
            Exit::Configuration,
            "RUNBOOK_FILE is not set; set it, or name the file as in `runbook check FILE`"
                .to_owned(),
        )),
        false => Ok(found),
    }
}

fn named<'a>(name: &str, configs: &'a [Config]) -> Result<Vec<&'a Config>, (Exit, String)> {
    let is_meant = |config: &&Config| config.service.name.as_str() == name || key(config) == name;
    let found: Vec<&Config> = configs.iter().filter(is_meant).collect();
    let why = match found.len() {
        1 => return Ok(found),
        0 => format!("no service is named {name:?}"),
        _ => format!("several services are named {name:?}; write NAMESPACE/NAME"),
    };
    Err((Exit::Usage, format!("{why}; there are {}", list(configs))))
}

/// Finds the service by the rollback's id, which is in the one memory of all of them.
fn of_the_rollback<'a>(id: &str, configs: &'a [Config]) -> Result<Vec<&'a Config>, (Exit, String)> {
    let mut state = State::default();
    for (config, keys) in shards(configs) {
        match state::view(&config.state, &keys) {
            Ok(view) => state.services.extend(view.state.services),
            Err(error) => return Err((Exit::Configuration, error.to_string())),
        }
    }
    let has_it = |config: &&Config| {
        let state = state.service(&key(config));
        state.rollbacks.iter().any(|past| is_meant(&past.id, id))
    };
    let found: Vec<&Config> = configs.iter().filter(has_it).collect();
    match found[..] {
        [config] => Ok(vec![config]),
        [] => Err((
            Exit::PersonNeeded,
            format!(
                "no rollback {id:?} is known of any service; `status` lists what is remembered"
            ),
        )),
        _ => Err((
            Exit::PersonNeeded,
            format!(
                "{id:?} may be a rollback of several services; write more of it, or name one with --service"
            ),
        )),
    }
}

/// Returns the services of each shard, with one of them for what they share.
fn shards(configs: &[Config]) -> Vec<(&Config, Vec<String>)> {
    let mut shards: BTreeMap<u32, (&Config, Vec<String>)> = BTreeMap::new();
    for config in configs {
        let (_, keys) = shards
            .entry(config.state.shard)
            .or_insert((config, Vec::new()));
        keys.push(key(config));
    }
    shards.into_values().collect()
}

fn list(configs: &[Config]) -> String {
    let mut keys: Vec<String> = configs.iter().take(LISTED).map(key).collect();
    if configs.len() > LISTED {
        keys.push(format!("and {} more", configs.len() - LISTED));
    }
    keys.join(", ")
}
