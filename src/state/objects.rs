//! The memory in ConfigMaps, under a Lease.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, RandomState};

use super::names::{corrupt_names, lease_name, object_name};
use super::told::told;
use crate::clients::kubernetes::{
    Cluster, HeldLease, KubernetesError, KubernetesFault, NotHeld, StoredText, TextToWrite,
    WantedLease,
};
use crate::config::{StateConfig, StateObjects};
use crate::fail_point::reached;
use crate::journal::{
    JournalError, SCHEMA, ServiceState, State, StateStore, StateView, Unreadable, decode_service,
    encode_service, host_name,
};

/// Largest text of a ConfigMap (bytes), a little below what the API server takes for all keys together: 1 MiB.
const LARGEST: usize = 1024 * 1024 - 1024;

/// The keys of a ConfigMap: the memory, the Lease and the tenure under which it was written, and by whom.
const STATE: &str = "state";
const LEASE: &str = "lease";
const TOKEN: &str = "token";
const HOLDER: &str = "holder";

/// The memory of the services of one shard.
#[derive(Debug)]
pub(super) struct ObjectStore {
    cluster: Cluster,
    lease: HeldLease,
    /// How all names begin.
    beginning: String,
    known: BTreeMap<String, KnownObject>,
}

/// What is known of one service's ConfigMap.
#[derive(Debug, Default)]
struct KnownObject {
    stored: Option<StoredText>,
    generation: u64,
    damage: Option<String>,
    /// Why this run may not act on the service.
    refused: Option<Refused>,
}

/// Why a run may not act on a service.
#[derive(Debug, Clone)]
enum Refused {
    Held {
        lock: String,
        holder: String,
    },
    TakenOver {
        what: String,
        by: String,
    },
    Failed {
        tried: String,
        why: String,
        remedy: String,
        is_transient: bool,
    },
}

impl From<&Refused> for JournalError {
    fn from(refused: &Refused) -> Self {
        match refused.clone() {
            Refused::Held { lock, holder } => Self::Held { lock, holder },
            Refused::TakenOver { what, by } => Self::TakenOver { what, by },
            Refused::Failed {
                tried,
                why,
                remedy,
                is_transient,
            } => Self::Object {
                tried,
                why,
                remedy,
                is_transient,
            },
        }
    }
}

impl From<&KubernetesError> for Refused {
    fn from(error: &KubernetesError) -> Self {
        Self::Failed {
            tried: error.tried.clone(),
            why: error.fault.to_string(),
            remedy: error.fault.remedy().to_owned(),
            is_transient: error.fault.is_transient(),
        }
    }
}

impl ObjectStore {
    /// Takes the Lease of the shard, and reads the memory of its services.
    ///
    /// # Errors
    /// Fails where another run holds the Lease, or the API server cannot be asked.
    pub(super) fn open(
        cluster: Cluster,
        objects: &StateObjects,
        config: &StateConfig,
        keys: &[String],
    ) -> Result<(Self, State), JournalError> {
        let wanted = WantedLease {
            name: lease_name(&objects.name, config.shard, config.sharding.shards),
            holder: own_name(),
            duration: objects.lease,
        };
        let lock = format!("Lease {}/{}", cluster.namespace(), wanted.name);
        let lease = cluster.hold(wanted).map_err(|not| match not {
            NotHeld::By(holder) => JournalError::Held { lock, holder },
            NotHeld::Failed(error) => told(&error),
        })?;
        let mut store = Self {
            cluster,
            lease,
            beginning: objects.name.clone(),
            known: BTreeMap::new(),
        };
        let state = store.read(keys);
        store.respects_others();
        store.outnumbers_itself()?;
        Ok((store, state))
    }

    fn read(&mut self, keys: &[String]) -> State {
        let mut state = State::default();
        let names = keys.iter().map(|key| object_name(&self.beginning, key));
        let found = self.cluster.read_texts(names.collect());
        for (key, found) in keys.iter().zip(found) {
            let mut known = KnownObject::default();
            match found {
                Err(error) => known.refused = Some(Refused::from(&error)),
                Ok(None) => {}
                Ok(Some(stored)) => {
                    let service = known.takes(key, &self.what(key), stored);
                    if let Some(service) = service {
                        state.services.insert(key.clone(), service);
                    }
                }
            }
            self.known.insert(key.clone(), known);
        }
        state
    }

    /// Leaves alone what a run under another Lease may still be working on: the number of shards was changed, and the
    /// service moved.
    fn respects_others(&mut self) {
        let own = self.lease.name().to_owned();
        let mut others: BTreeMap<String, Option<Refused>> = BTreeMap::new();
        for known in self.known.values_mut() {
            let stored = known.stored.as_ref().and_then(|stored| stored.text(LEASE));
            let Some(other) = stored.filter(|other| *other != own && !other.is_empty()) else {
                continue;
            };
            let cluster = &self.cluster;
            let refused = others.entry(other.to_owned()).or_insert_with(|| {
                match cluster.living_holder(other) {
                    Ok(None) => None,
                    Ok(Some(holder)) => Some(Refused::Held {
                        lock: format!("Lease {}/{other}", cluster.namespace()),
                        holder,
                    }),
                    Err(error) => Some(Refused::from(&error)),
                }
            });
            if known.refused.is_none() {
                known.refused.clone_from(refused);
            }
        }
    }

    /// Makes sure that this tenure has a greater number than all that wrote before it under this Lease: one that was
    /// deleted counts anew.
    fn outnumbers_itself(&self) -> Result<(), JournalError> {
        let ours = |stored: &&StoredText| stored.text(LEASE) == Some(self.lease.name());
        let stored = self
            .known
            .values()
            .filter_map(|known| known.stored.as_ref());
        let tokens = stored
            .filter(ours)
            .filter_map(|stored| stored.text(TOKEN)?.parse().ok());
        match tokens.max() {
            Some(seen) if seen >= self.lease.token() => {
                self.lease.outnumber(seen).map_err(|not| self.lost(not))
            }
            Some(_) | None => Ok(()),
        }
    }

    fn what(&self, key: &str) -> String {
        format!(
            "ConfigMap {}/{}",
            self.cluster.namespace(),
            object_name(&self.beginning, key)
        )
    }

    /// Returns by what an object is found: one with a rollback that goes on also where nobody names its service.
    fn labels(&self, key: &str, is_underway: bool) -> BTreeMap<String, String> {
        let (namespace, _) = key.split_once('/').unwrap_or((key, ""));
        let labels = [
            ("app.kubernetes.io/managed-by", "error-budget-monitor"),
            ("app.kubernetes.io/component", "state"),
            ("error-budget-monitor/state", &self.beginning),
            ("error-budget-monitor/namespace", namespace),
            (
                "error-budget-monitor/rollback",
                if is_underway { "underway" } else { "none" },
            ),
        ];
        let labels = labels.into_iter();
        labels
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    }

    fn lost(&self, not: NotHeld) -> JournalError {
        match not {
            NotHeld::By(by) => JournalError::TakenOver {
                what: format!("Lease {}/{}", self.cluster.namespace(), self.lease.name()),
                by,
            },
            NotHeld::Failed(error) => told(&error),
        }
    }

    /// Returns what is to be written of a service, within what a ConfigMap holds.
    fn text(
        &self,
        key: &str,
        service: &mut ServiceState,
        generation: u64,
    ) -> Result<TextToWrite, Refused> {
        service.forget_alone();
        let mut forgotten = 0;
        let failed = |why: String, remedy: &str| Refused::Failed {
            tried: format!("write {}", self.what(key)),
            why,
            remedy: remedy.to_owned(),
            is_transient: false,
        };
        let text = loop {
            let text = encode_service(key, service, generation)
                .map_err(|error| failed(error.to_string(), "report it"))?;
            if text.len() <= LARGEST {
                break text;
            }
            if !service.forget_oldest() {
                return Err(failed(
                    format!(
                        "it would be {} bytes, and a ConfigMap holds 1 MiB",
                        text.len()
                    ),
                    "keep this service's memory in a file (STATE=file), or roll fewer commits back at once",
                ));
            }
            forgotten += 1;
        };
        if forgotten > 0 {
            tracing::warn!(
                forgotten,
                "{} would be larger than 1 MiB: its oldest rollbacks are forgotten; the branch still has their trailers",
                self.what(key)
            );
        }
        Ok(TextToWrite {
            name: object_name(&self.beginning, key),
            over: self.known.get(key).and_then(|known| known.stored.clone()),
            labels: self.labels(key, service.unfinished().is_some()),
            texts: BTreeMap::from([
                (STATE.to_owned(), text),
                (LEASE.to_owned(), self.lease.name().to_owned()),
                (TOKEN.to_owned(), self.lease.token().to_string()),
                (HOLDER.to_owned(), self.lease.holder().to_owned()),
            ]),
        })
    }

    /// Keeps a copy of what is damaged, in the place of the oldest such copy.
    fn set_aside(&self, key: &str) -> Result<(), Refused> {
        let Some(stored) = self
            .known
            .get(key)
            .filter(|known| known.damage.is_some())
            .and_then(|known| known.stored.as_ref())
        else {
            return Ok(());
        };
        let names = corrupt_names(&object_name(&self.beginning, key));
        let mut slots = Vec::new();
        for (name, found) in names.iter().zip(self.cluster.read_texts(names.clone())) {
            slots.push((name, found.map_err(|error| Refused::from(&error))?));
        }
        // One that is free, else the one that was filled first.
        let at = |slot: &Option<StoredText>| {
            slot.as_ref()
                .and_then(|it| it.text("at"))
                .unwrap_or_default()
                .to_owned()
        };
        let Some((name, over)) = slots.into_iter().min_by_key(|(_, slot)| at(slot)) else {
            return Ok(());
        };
        let mut texts = stored.texts();
        texts.insert("at".to_owned(), chrono::Utc::now().to_rfc3339());
        let copy = TextToWrite {
            name: name.clone(),
            over,
            labels: self.labels(key, false),
            texts,
        };
        match self.cluster.write_texts(vec![copy]).pop() {
            Some(Err(error)) => Err(Refused::from(&error)),
            Some(Ok(_)) | None => Ok(()),
        }
    }

    /// Says who wrote a ConfigMap in our place.
    fn taken_over(&self, key: &str) -> Refused {
        let read = self
            .cluster
            .read_texts(vec![object_name(&self.beginning, key)])
            .pop();
        let by = match read {
            Some(Ok(Some(stored))) => match stored.text(HOLDER) {
                Some(holder) if holder != self.lease.holder() => holder.to_owned(),
                Some(_) | None => "somebody who edited it".to_owned(),
            },
            Some(Ok(None)) => "somebody who deleted it".to_owned(),
            Some(Err(_)) | None => "another writer".to_owned(),
        };
        Refused::TakenOver {
            what: self.what(key),
            by,
        }
    }
}

impl StateStore for ObjectStore {
    fn save(&mut self, state: &mut State, changed: &BTreeSet<String>) -> Result<(), JournalError> {
        let mut first = None;
        let mut texts = Vec::new();
        let mut written = Vec::new();
        reached("journal.before");
        for key in changed {
            let generation = self.known.entry(key.clone()).or_default().generation + 1;
            let service = state.services.entry(key.clone()).or_default();
            let text = self.admits(key).and_then(|()| {
                let prepared = self.text(key, service, generation);
                let prepared = prepared.and_then(|text| self.set_aside(key).map(|()| text));
                prepared.map_err(|refused| self.refuses(key, refused))
            });
            match text {
                Ok(text) => {
                    texts.push(text);
                    written.push((key, generation));
                }
                Err(error) => drop(first.get_or_insert(error)),
            }
        }
        let answers = match texts.is_empty() {
            true => Vec::new(),
            false => self.cluster.write_texts(texts),
        };
        for ((key, generation), answer) in written.into_iter().zip(answers) {
            match answer {
                Ok(stored) => {
                    let known = self.known.entry(key.clone()).or_default();
                    known.stored = Some(stored);
                    known.generation = generation;
                    known.damage = None;
                }
                Err(error) => {
                    let is_another_s = matches!(
                        error.fault,
                        KubernetesFault::Conflict
                            | KubernetesFault::Exists
                            | KubernetesFault::NotFound
                    );
                    let refused = match is_another_s {
                        true => self.taken_over(key),
                        false => Refused::from(&error),
                    };
                    let error = self.refuses(key, refused);
                    first.get_or_insert(error);
                }
            }
        }
        reached("journal.durable");
        first.map_or(Ok(()), Err)
    }

    fn keeps_all_in_one_place(&self) -> bool {
        false
    }

    fn damage(&self, service: &str) -> Option<String> {
        self.known.get(service)?.damage.clone()
    }

    fn admits(&self, service: &str) -> Result<(), JournalError> {
        self.lease.is_held().map_err(|not| self.lost(not))?;
        match self
            .known
            .get(service)
            .and_then(|known| known.refused.as_ref())
        {
            Some(refused) => Err(refused.into()),
            None => Ok(()),
        }
    }

    fn still_holds(&mut self, service: &str) -> Result<(), JournalError> {
        self.admits(service)?;
        let found = self
            .cluster
            .read_texts(vec![object_name(&self.beginning, service)])
            .pop();
        let known = self
            .known
            .get(service)
            .and_then(|known| known.stored.as_ref());
        match found {
            Some(Ok(Some(stored)))
                if known.is_some_and(|known| known.version() == stored.version()) => {}
            Some(Err(error)) => return Err(self.refuses(service, Refused::from(&error))),
            Some(Ok(_)) | None => {
                let refused = self.taken_over(service);
                return Err(self.refuses(service, refused));
            }
        }
        // Last, so that nothing comes between this look and the deed.
        self.lease.confirm().map_err(|not| self.lost(not))
    }
}

impl ObjectStore {
    /// Does nothing more for a service in this run.
    fn refuses(&mut self, key: &str, refused: Refused) -> JournalError {
        let error = JournalError::from(&refused);
        self.known.entry(key.to_owned()).or_default().refused = Some(refused);
        error
    }
}

impl KnownObject {
    /// Takes over what was found, and returns what it says of the service.
    fn takes(&mut self, key: &str, what: &str, stored: StoredText) -> Option<ServiceState> {
        if stored.is_immutable() {
            self.refused = Some(Refused::Failed {
                tried: format!("use {what}"),
                why: KubernetesFault::Immutable.to_string(),
                remedy: KubernetesFault::Immutable.remedy().to_owned(),
                is_transient: false,
            });
        }
        let read = decoded(key, &stored);
        self.stored = Some(stored);
        match read {
            Ok((generation, service)) => {
                self.generation = generation;
                Some(service)
            }
            Err(Unreadable::Damaged(why)) => {
                self.damage = Some(why);
                None
            }
            Err(Unreadable::Newer(found)) => {
                self.refused = Some(newer(what, found));
                None
            }
        }
    }
}

fn decoded(key: &str, stored: &StoredText) -> Result<(u64, ServiceState), Unreadable> {
    match stored.text(STATE) {
        Some(text) => decode_service(key, text),
        None => Err(Unreadable::Damaged(format!("it has no key {STATE}"))),
    }
}

fn newer(what: &str, found: u32) -> Refused {
    Refused::Failed {
        tried: format!("read {what}"),
        why: format!("it has schema {found}, and this version knows {SCHEMA}"),
        remedy: "run the newer version".to_owned(),
        is_transient: false,
    }
}

/// Reads the memory of some services without the Lease: for those who only look. What is wrong with one is told of it
/// alone; the answers are in the order of the keys.
pub(super) fn views(
    cluster: &Cluster,
    objects: &StateObjects,
    keys: &[String],
) -> Vec<Result<StateView, JournalError>> {
    let names = keys.iter().map(|key| object_name(&objects.name, key));
    let found = cluster.read_texts(names.collect());
    let of_one = |(key, found): (&String, Result<Option<StoredText>, KubernetesError>)| {
        let mut view = StateView::default();
        let Some(stored) = found.map_err(|error| told(&error))? else {
            return Ok(view);
        };
        match decoded(key, &stored) {
            Ok((_, service)) => drop(view.state.services.insert(key.clone(), service)),
            Err(Unreadable::Damaged(why)) => view.damage = Some(why),
            Err(Unreadable::Newer(found)) => {
                let name = object_name(&objects.name, key);
                let what = format!("ConfigMap {}/{name}", cluster.namespace());
                return Err(JournalError::from(&newer(&what, found)));
            }
        }
        Ok(view)
    };
    keys.iter().zip(found).map(of_one).collect()
}

/// Returns a name that no other run has: the pod, or the host; the process; and a number that the kernel drew.
fn own_name() -> String {
    let host = host_name().unwrap_or_else(|| "unknown-host".to_owned());
    let random = RandomState::new().hash_one(0);
    format!("{host}-{}-{random:016x}", std::process::id())
}
