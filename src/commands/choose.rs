//! Which of the services a command serves.

use crate::cli::Command;
use crate::config::Config;
use crate::exit::Exit;
use crate::journal::{self, is_meant};
use crate::service::key;

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
        Command::Run(_)
        | Command::Check(_)
        | Command::Status
        | Command::Explain
        | Command::History
        | Command::Doctor(_) => Ok(configs.iter().collect()),
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
    let file = configs.first().map(|config| &config.state.state_file);
    let state = match file.map(|file| journal::read(file)) {
        Some(Ok(glimpse)) => glimpse.state,
        Some(Err(error)) => return Err((Exit::Configuration, error.to_string())),
        None => journal::State::default(),
    };
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

fn list(configs: &[Config]) -> String {
    let mut keys: Vec<String> = configs.iter().take(LISTED).map(key).collect();
    if configs.len() > LISTED {
        keys.push(format!("and {} more", configs.len() - LISTED));
    }
    keys.join(", ")
}
