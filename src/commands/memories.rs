//! The memories of the services that a command serves.

use std::sync::Arc;

use super::prepared::Prepared;
use super::run::told_to_end;
use crate::blocking;
use crate::config::StateConfig;
use crate::journal::{JournalError, Memory};
use crate::outcome::Ended;
use crate::state;

/// A service's memory, and the sentence what was wrong with it when the run began; else why this run leaves the
/// service alone.
pub(super) type Remembers = Result<(Memory, Option<String>), Box<Ended>>;

/// Opens the memories of all services. They share one and its lock; a dry run only reads. The memory that is shared
/// comes with them.
///
/// # Errors
/// Ends the run where the lock is another's, or nothing can be read or written.
pub(super) async fn opened(
    prepared: &[Prepared<'_>],
) -> Result<(Vec<Remembers>, Option<Memory>), Box<Ended>> {
    let keys = |is_dry_run: bool| {
        let ours = prepared.iter().map(|it| &it.service);
        let ours = ours.filter(|service| service.config.run.dry_run == is_dry_run);
        ours.map(|service| service.key.clone()).collect::<Vec<_>>()
    };
    let mut memories = Vec::new();
    let mut shared: Option<Memory> = None;
    let mut read: Option<Memory> = None;
    for Prepared { service, .. } in prepared {
        let is_dry_run = service.config.run.dry_run;
        let known = match is_dry_run {
            true => &mut read,
            false => &mut shared,
        };
        let memory = match known {
            Some(memory) => memory.clone(),
            None => {
                let opening = open(&service.config.state, keys(is_dry_run), is_dry_run);
                let opened = tokio::select! {
                    opened = opening => opened,
                    () = service.stop.told() => return Err(Box::new(told_to_end())),
                };
                opened.map_err(|error| Box::new(Ended::without_state(&error)))?
            }
        };
        *known = Some(memory.clone());
        memories.push(match memory.admits(&service.key) {
            // Noted before any service writes, which mends it.
            Ok(()) => {
                let damage = memory.damage(&service.key).map(|damage| {
                    let place = state::place(&service.config.state, &service.key);
                    format!("{place} was damaged: {damage}")
                });
                Ok((memory, damage))
            }
            Err(error) => Err(Box::new(Ended::without_state(&error))),
        });
    }
    Ok((memories, shared))
}

/// A file is locked without waiting; what lies in Kubernetes may be waited for, on a thread of its own.
async fn open(
    config: &StateConfig,
    keys: Vec<String>,
    is_dry_run: bool,
) -> Result<Memory, JournalError> {
    match &config.objects {
        None => state::open(config, &keys, is_dry_run),
        Some(_) => {
            let config = config.clone();
            blocking(move || state::open(&config, &keys, is_dry_run)).await
        }
    }
}

/// Reads the memories that lie in objects of their own ahead, several at a time, for a command that only looks. What
/// cannot be read is told by each service.
pub(super) async fn look(prepared: &[Prepared<'_>]) {
    let services = prepared.iter().map(|it| &it.service);
    let services: Vec<_> = services
        .filter_map(|service| Some((service, service.config.state.objects.as_ref()?)))
        .collect();
    let Some((first, objects)) = services.first() else {
        return;
    };
    let keys: Vec<String> = services.iter().map(|(it, _)| it.key.clone()).collect();
    let objects = (*objects).clone();
    let looking = blocking(move || state::look_at_each(&objects, &keys));
    let looked = tokio::select! {
        looked = looking => looked,
        () = first.stop.told() => return,
    };
    match looked {
        Ok(memories) => {
            for ((service, _), memory) in services.iter().zip(memories) {
                service.remembers(memory.map_err(Arc::new));
            }
        }
        Err(error) => {
            let error = Arc::new(error);
            for (service, _) in &services {
                service.remembers(Err(Arc::clone(&error)));
            }
        }
    }
}
