//! The memory where `STATE` says that it lies: a file, or objects in Kubernetes.
//!
//! In Kubernetes each service has a ConfigMap of its own, which is written only over the version that was read, and
//! each shard has a Lease, which is its lock. No write spans both: so a ConfigMap names the Lease and the tenure under
//! which it was written, and before something is done outside both are looked at again.

mod moved;
mod names;
mod objects;
mod role;
mod told;

use std::sync::{Arc, Mutex, PoisonError};

use crate::clients::kubernetes::{Cluster, KubernetesSettings, LeaseSeen, ResourceAccess, Verb};
use crate::config::{StateConfig, StateObjects};
use crate::journal::{Journal, JournalError, Memory, StateView};

use self::moved::MovedService;
use self::names::lease_name;
use self::objects::ObjectStore;
use self::told::told;

pub use names::object_name;
pub(crate) use role::role;

/// The connection of this process. All services share what it depends on.
static CONNECTED: Mutex<Option<(KubernetesSettings, Cluster)>> = Mutex::new(None);

/// Opens the memory of some services of one shard and locks it; a dry run only reads it. It blocks: a lock of a run
/// that died is waited for, at most a minute.
///
/// # Errors
/// Fails when another run holds the lock, or the memory cannot be read or written. What is wrong with one service alone
/// is told by [`Memory::admits`].
pub(crate) fn open(
    state: &StateConfig,
    keys: &[String],
    is_dry_run: bool,
) -> Result<Memory, JournalError> {
    match &state.objects {
        Some(_) if is_dry_run => look(state, keys),
        Some(objects) => {
            let (store, state) = ObjectStore::open(connected(objects)?, objects, state, keys)?;
            Ok(Memory::Writable(Journal::on(Box::new(store), state)))
        }
        None => {
            let mut memory = Memory::open(&state.state_file, is_dry_run)?;
            if let Memory::Writable(journal) = &mut memory {
                fetch_what_moved(state, journal, keys);
            }
            Ok(memory)
        }
    }
}

/// Takes over what the files of another number of shards remember of services that fell to them, and leaves alone what
/// a run of before may still be working on.
fn fetch_what_moved(state: &StateConfig, journal: &mut Journal, keys: &[String]) {
    let own = moved::written(&state.state_file);
    let siblings = moved::siblings(&state.state_file);
    if siblings.is_empty() {
        return;
    }
    for key in keys {
        let own = own.filter(|_| journal.knows(key));
        match moved::look(&siblings, key, own) {
            MovedService::Unknown => {}
            MovedService::Remembered(service) => journal.begins_with(key, *service),
            MovedService::Held { lock, holder } => journal.leaves_alone(key, lock, holder),
        }
    }
}

/// Reads the memory of some services for a command that only looks.
///
/// # Errors
/// Fails when it cannot be read, or is of a newer version.
pub(crate) fn look(state: &StateConfig, keys: &[String]) -> Result<Memory, JournalError> {
    view(state, keys).map(|view| Memory::ReadOnly(Arc::new(view)))
}

/// Reads the memory of some services, with what is wrong with it.
///
/// # Errors
/// As for [`look`].
pub(crate) fn view(state: &StateConfig, keys: &[String]) -> Result<StateView, JournalError> {
    let Some(objects) = &state.objects else {
        return crate::journal::read(&state.state_file);
    };
    let mut all = StateView::default();
    for one in objects::views(&connected(objects)?, objects, keys) {
        let one = one?;
        all.state.services.extend(one.state.services);
        all.damage = all.damage.or(one.damage);
    }
    Ok(all)
}

/// Reads the memory of services that have an object each, several at a time, for a command that only looks. What is
/// wrong with one is told of it alone; the answers are in the order of the keys.
///
/// # Errors
/// Fails when there is no way to the objects.
pub(crate) fn look_at_each(
    objects: &StateObjects,
    keys: &[String],
) -> Result<Vec<Result<Memory, JournalError>>, JournalError> {
    let views = objects::views(&connected(objects)?, objects, keys);
    let memories = views.into_iter();
    let memories = memories.map(|view| view.map(|view| Memory::ReadOnly(Arc::new(view))));
    Ok(memories.collect())
}

/// Says where the memory of a service lies, for people.
pub(crate) fn place(state: &StateConfig, key: &str) -> String {
    match &state.objects {
        Some(objects) => format!("ConfigMap {}", object_name(&objects.name, key)),
        None => format!("the state file {}", state.state_file.display()),
    }
}

/// Looks who holds the Lease of a service's shard; the name comes with it.
///
/// # Errors
/// Fails where it cannot be read.
pub(crate) fn look_at_lease(
    state: &StateConfig,
    objects: &StateObjects,
) -> Result<(String, LeaseSeen), JournalError> {
    let cluster = connected(objects)?;
    let name = lease_name(&objects.name, state.shard, state.sharding.shards);
    let seen = cluster.look_at_lease(&name).map_err(|error| told(&error))?;
    Ok((format!("Lease {}/{name}", cluster.namespace()), seen))
}

/// Returns the rights that are missing in the namespace of the objects.
///
/// # Errors
/// Fails where that cannot be asked.
pub(crate) fn missing_rights(
    state: &StateConfig,
    objects: &StateObjects,
    key: &str,
) -> Result<Vec<String>, JournalError> {
    let cluster = connected(objects)?;
    let lease = lease_name(&objects.name, state.shard, state.sharding.shards);
    let map = object_name(&objects.name, key);
    let kinds = [
        ("coordination.k8s.io", "leases", lease),
        ("", "configmaps", map),
    ];
    let mut missing = Vec::new();
    for (group, resource, name) in kinds {
        for verb in [Verb::Get, Verb::Create, Verb::Update] {
            let access = ResourceAccess {
                verb,
                group,
                resource,
                name: (verb != Verb::Create).then(|| name.clone()),
            };
            if !cluster.may(&access).map_err(|error| told(&error))? {
                missing.push(format!("{} {resource}", verb.as_str()));
            }
        }
    }
    Ok(missing)
}

/// Returns the connection to the API server, the one of before where the settings are the same.
fn connected(objects: &StateObjects) -> Result<Cluster, JournalError> {
    let mut connected = CONNECTED.lock().unwrap_or_else(PoisonError::into_inner);
    match &*connected {
        Some((settings, cluster)) if *settings == objects.cluster => Ok(cluster.clone()),
        Some(_) | None => {
            let cluster = Cluster::connect(&objects.cluster).map_err(|error| told(&error))?;
            *connected = Some((objects.cluster.clone(), cluster.clone()));
            Ok(cluster)
        }
    }
}
