//! A Lease as a lock that is held: taken, renewed in the background, looked at before it counts, and given back.
//!
//! The API server counts nothing: it only keeps two writers of one version apart. So every write carries the version
//! that was read, and how long a holder has been silent is measured by the own monotonic clock since the Lease was last
//! seen to change. The clocks of two machines never meet.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::Timestamp;
use kube::api::{ObjectMeta, PostParams};
use kube::{Api, Client};

use super::calls::{Again, call};
use super::cluster::Cluster;
use super::error::{KubernetesError, KubernetesFault};

/// Longest duration of a Lease that is waited out. A holder that wants more is taken for alive.
pub(super) const LONGEST: Duration = Duration::from_secs(60);

/// How often a Lease that is held is looked at while it is watched.
const LOOK: Duration = Duration::from_millis(500);

/// How often another may be faster before the run gives up.
const MOST_LOST_RACES: u32 = 5;

/// The lock that is wanted.
#[derive(Debug, Clone)]
pub struct WantedLease {
    /// Its name.
    pub name: String,
    /// Who wants it, as nobody else is called.
    pub holder: String,
    /// How long it holds after its last renewal: whole seconds, at most 60 s.
    pub duration: Duration,
}

/// Why the lock is not ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotHeld {
    /// Another holds it.
    By(String),
    /// It cannot be read or written.
    Failed(KubernetesError),
}

/// What is seen of a Lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseSeen {
    /// Who holds it, or held it when it died; nothing where it was given back or is not there.
    pub holder: Option<String>,
    /// When it was renewed last, by the holder's clock.
    pub renewed_at: Option<String>,
}

/// A lock that this process holds.
#[derive(Debug)]
pub struct HeldLease {
    cluster: Cluster,
    wanted: WantedLease,
    shared: Arc<Mutex<Standing>>,
}

/// How the lock stands, as the renewal in the background knows it.
#[derive(Debug)]
struct Standing {
    lease: Lease,
    /// When the last write that came through was sent.
    since: Instant,
    /// Who has it now, once it is lost.
    lost: Option<String>,
    /// Whether it is given back: then it is renewed no more.
    is_over: bool,
}

impl Cluster {
    /// Takes a lock. One that another holds is watched: as soon as it changes its holder is alive, and where it does
    /// not change for its own duration, of at most 60 s, it is taken over.
    ///
    /// # Errors
    /// Fails where another holds it, or it cannot be read or written.
    pub fn hold(&self, wanted: WantedLease) -> Result<HeldLease, NotHeld> {
        let (namespace, timeout) = (self.namespace.to_string(), self.timeout);
        let asked = wanted.clone();
        let shared = self
            .wait_for(LONGEST + timeout * 2, move |client| async move {
                let api: Api<Lease> = Api::namespaced(client.clone(), &namespace);
                let (lease, since) = acquire(&api, &asked, timeout).await?;
                let shared = Arc::new(Mutex::new(Standing {
                    lease,
                    since,
                    lost: None,
                    is_over: false,
                }));
                tokio::spawn(renew(api, asked, Arc::clone(&shared), timeout));
                Ok(shared)
            })
            .unwrap_or_else(|| {
                let tried = format!("take Lease {}/{}", self.namespace, wanted.name);
                Err(NotHeld::Failed(self.silent(&tried)))
            })?;
        Ok(HeldLease {
            cluster: self.clone(),
            wanted,
            shared,
        })
    }

    /// Looks who holds a lock, and takes nothing.
    ///
    /// # Errors
    /// Fails where it cannot be read.
    pub fn look_at_lease(&self, name: &str) -> Result<LeaseSeen, KubernetesError> {
        let found = self.read_lease(name)?;
        let spec = found.and_then(|lease| lease.spec).unwrap_or_default();
        Ok(LeaseSeen {
            holder: holder(&spec),
            renewed_at: spec.renew_time.map(|at| at.0.to_string()),
        })
    }

    /// Watches a lock that others hold, as [`Self::hold`] does, and tells who is alive; nothing where nobody is.
    ///
    /// # Errors
    /// Fails where it cannot be read.
    pub fn living_holder(&self, name: &str) -> Result<Option<String>, KubernetesError> {
        let (namespace, timeout) = (self.namespace.to_string(), self.timeout);
        let tried = format!("read Lease {namespace}/{name}");
        let name = name.to_owned();
        let read = tried.clone();
        self.wait_for(LONGEST + timeout * 2, move |client| async move {
            let api: Api<Lease> = Api::namespaced(client, &namespace);
            let mut watched = Watched::default();
            loop {
                let found = call(&read, Again::Read, timeout, || api.get_opt(&name)).await?;
                match found.map_or(LeaseWatch::Free, |lease| watched.look(&lease)) {
                    LeaseWatch::Free | LeaseWatch::Silent => return Ok(None),
                    LeaseWatch::Alive(holder) => return Ok(Some(holder)),
                    LeaseWatch::Wait => tokio::time::sleep(LOOK).await,
                }
            }
        })
        .unwrap_or_else(|| Err(self.silent(&tried)))
    }

    fn read_lease(&self, name: &str) -> Result<Option<Lease>, KubernetesError> {
        let (namespace, timeout) = (self.namespace.to_string(), self.timeout);
        let tried = format!("read Lease {namespace}/{name}");
        let name = name.to_owned();
        let read = tried.clone();
        self.wait_for(timeout, move |client| async move {
            let api: Api<Lease> = Api::namespaced(client, &namespace);
            call(&read, Again::Read, timeout, || api.get_opt(&name)).await
        })
        .unwrap_or_else(|| Err(self.silent(&tried)))
    }
}

impl HeldLease {
    /// Returns its name.
    pub fn name(&self) -> &str {
        &self.wanted.name
    }

    /// Returns who holds it.
    pub fn holder(&self) -> &str {
        &self.wanted.holder
    }

    /// Returns the number of this tenure: greater than that of every one before.
    pub fn token(&self) -> i32 {
        token(&self.standing().lease)
    }

    /// Tells whether it is still held, by what is known here.
    ///
    /// # Errors
    /// Says who has it now, or that it was not renewed in time.
    pub fn is_held(&self) -> Result<(), NotHeld> {
        let standing = self.standing();
        if let Some(by) = &standing.lost {
            return Err(NotHeld::By(by.clone()));
        }
        if standing.since.elapsed() >= self.wanted.duration {
            return Err(NotHeld::Failed(KubernetesError {
                tried: format!("renew Lease {}/{}", self.cluster.namespace, self.name()),
                fault: KubernetesFault::NoAnswer(format!(
                    "it could not be renewed for {} s, and may be another's by now",
                    self.wanted.duration.as_secs()
                )),
            }));
        }
        Ok(())
    }

    /// Asks the API server whether it is still held.
    ///
    /// # Errors
    /// As for [`Self::is_held`], or where that cannot be read.
    pub fn confirm(&self) -> Result<(), NotHeld> {
        self.is_held()?;
        let found = self.cluster.read_lease(self.name());
        match found.map_err(NotHeld::Failed)?.and_then(|lease| lease.spec) {
            Some(spec) if holder(&spec).as_deref() == Some(self.holder()) => self.is_held(),
            Some(spec) => Err(NotHeld::By(
                holder(&spec).unwrap_or_else(|| "somebody who gave it back".to_owned()),
            )),
            None => Err(NotHeld::By("somebody who deleted it".to_owned())),
        }
    }

    /// Makes the number of this tenure greater than another that was seen: the Lease was deleted and made again.
    ///
    /// # Errors
    /// Fails where it was lost meanwhile, or cannot be written.
    pub fn outnumber(&self, seen: i32) -> Result<(), NotHeld> {
        self.confirm()?;
        let api_wanted = self.wanted.clone();
        let shared = Arc::clone(&self.shared);
        let (namespace, timeout) = (self.cluster.namespace.to_string(), self.cluster.timeout);
        let tried = format!("write Lease {namespace}/{}", self.name());
        let written = self
            .cluster
            .wait_for(timeout * 2, move |client| async move {
                let api: Api<Lease> = Api::namespaced(client, &namespace);
                for _ in 0..MOST_LOST_RACES {
                    let mut lease = locked(&shared).lease.clone();
                    if let Some(spec) = &mut lease.spec {
                        spec.lease_transitions = Some(seen.saturating_add(1));
                    }
                    match put(&api, &api_wanted, lease, timeout, &shared).await {
                        // The renewal in the background was faster.
                        Err(KubernetesError {
                            fault: KubernetesFault::Conflict,
                            ..
                        }) => {}
                        other => return other,
                    }
                }
                Ok(())
            });
        written
            .unwrap_or_else(|| Err(self.cluster.silent(&tried)))
            .map_err(NotHeld::Failed)
    }

    fn standing(&self) -> MutexGuard<'_, Standing> {
        locked(&self.shared)
    }
}

impl Drop for HeldLease {
    /// Gives it back, so that the next run need not wait. Where that fails, it ends by itself.
    fn drop(&mut self) {
        {
            let mut standing = self.standing();
            standing.is_over = true;
            if standing.lost.is_some() {
                return;
            }
        }
        let (namespace, timeout) = (self.cluster.namespace.to_string(), self.cluster.timeout);
        let wanted = self.wanted.clone();
        let given = self.cluster.wait_for(timeout, move |client| {
            give_back(client, namespace, wanted, timeout)
        });
        match given {
            Some(Ok(())) => {}
            Some(Err(error)) => {
                tracing::warn!(error = %error, "the Lease was not given back; it ends by itself")
            }
            None => tracing::warn!("the Lease was not given back in time; it ends by itself"),
        }
    }
}

/// What a look at a Lease of others says.
enum LeaseWatch {
    /// Nobody holds it.
    Free,
    /// Its holder renewed it while it was watched, or wants it for longer than is waited.
    Alive(String),
    /// It did not change for its duration.
    Silent,
    /// It is too early to tell.
    Wait,
}

/// A Lease of others since it was first seen.
#[derive(Default)]
struct Watched {
    seen: Option<(String, Instant)>,
}

impl Watched {
    fn look(&mut self, lease: &Lease) -> LeaseWatch {
        let spec = lease.spec.clone().unwrap_or_default();
        let Some(holder) = holder(&spec) else {
            return LeaseWatch::Free;
        };
        let duration = spec.lease_duration_seconds.unwrap_or(1).max(1);
        let duration = Duration::from_secs(u64::from(duration.unsigned_abs()));
        let version = version(lease);
        match &self.seen {
            _ if duration > LONGEST => LeaseWatch::Alive(holder),
            Some((seen, _)) if *seen != version => LeaseWatch::Alive(holder),
            Some((_, since)) if since.elapsed() > duration => LeaseWatch::Silent,
            Some(_) => LeaseWatch::Wait,
            None => {
                self.seen = Some((version, Instant::now()));
                LeaseWatch::Wait
            }
        }
    }
}

async fn acquire(
    api: &Api<Lease>,
    wanted: &WantedLease,
    timeout: Duration,
) -> Result<(Lease, Instant), NotHeld> {
    let tried = format!(
        "take Lease {}/{}",
        api.namespace().unwrap_or_default(),
        wanted.name
    );
    let parameters = PostParams::default();
    let mut watched = Watched::default();
    let mut lost_races = 0;
    loop {
        let found = call(&tried, Again::Read, timeout, || api.get_opt(&wanted.name)).await;
        let found = found.map_err(NotHeld::Failed)?;
        let is_free = match &found {
            None => true,
            Some(lease) => match watched.look(lease) {
                LeaseWatch::Free | LeaseWatch::Silent => true,
                // A write of ours whose answer was lost.
                LeaseWatch::Alive(holder) if holder == wanted.holder => {
                    return Ok((lease.clone(), Instant::now()));
                }
                LeaseWatch::Alive(holder) => return Err(NotHeld::By(holder)),
                LeaseWatch::Wait => false,
            },
        };
        if !is_free {
            tokio::time::sleep(LOOK).await;
            continue;
        }
        let is_new = found.is_none();
        let lease = taken(found, wanted);
        let since = Instant::now();
        let written = call(&tried, Again::Write, timeout, async || {
            if is_new {
                api.create(&parameters, &lease).await
            } else {
                api.replace(&wanted.name, &parameters, &lease).await
            }
        });
        match written.await {
            Ok(lease) => return Ok((lease, since)),
            // Another was faster, or it was deleted in between.
            Err(error) if is_race(&error) && lost_races < MOST_LOST_RACES => {
                lost_races += 1;
                watched
                    .seen
                    .get_or_insert((version(&lease), Instant::now()));
            }
            Err(error) => return Err(NotHeld::Failed(error)),
        }
    }
}

fn is_race(error: &KubernetesError) -> bool {
    matches!(
        error.fault,
        KubernetesFault::Conflict | KubernetesFault::Exists | KubernetesFault::NotFound
    )
}

/// Returns the Lease as its new holder writes it.
fn taken(found: Option<Lease>, wanted: &WantedLease) -> Lease {
    let now = MicroTime(Timestamp::now());
    let transitions = found.as_ref().map(|lease| token(lease).saturating_add(1));
    let mut lease = found.unwrap_or_else(|| Lease {
        metadata: ObjectMeta {
            name: Some(wanted.name.clone()),
            labels: Some(
                [(
                    "app.kubernetes.io/managed-by".to_owned(),
                    "error-budget-monitor".to_owned(),
                )]
                .into(),
            ),
            ..ObjectMeta::default()
        },
        spec: None,
    });
    lease.metadata.managed_fields = None;
    lease.spec = Some(LeaseSpec {
        holder_identity: Some(wanted.holder.clone()),
        lease_duration_seconds: i32::try_from(wanted.duration.as_secs().max(1)).ok(),
        acquire_time: Some(now.clone()),
        renew_time: Some(now),
        lease_transitions: Some(transitions.unwrap_or(0)),
        ..LeaseSpec::default()
    });
    lease
}

/// Renews the lock at a third of its duration until it is given back or lost.
async fn renew(
    api: Api<Lease>,
    wanted: WantedLease,
    shared: Arc<Mutex<Standing>>,
    timeout: Duration,
) {
    let interval = wanted.duration / 3;
    let mut pause = interval;
    loop {
        tokio::time::sleep(pause).await;
        let lease = {
            let standing = locked(&shared);
            if standing.is_over || standing.lost.is_some() {
                return;
            }
            standing.lease.clone()
        };
        // No call may take as long as the lock holds.
        let written = put(&api, &wanted, lease, timeout.min(interval), &shared).await;
        pause = interval;
        match written {
            Ok(()) => {}
            Err(error) if is_race(&error) => {
                let found = call("read the Lease", Again::Read, timeout.min(interval), || {
                    api.get_opt(&wanted.name)
                })
                .await;
                match found {
                    Ok(found) => settle(found, &wanted, &shared),
                    Err(error) => tracing::warn!(error = %error, "the Lease could not be read"),
                }
                pause = LOOK;
            }
            Err(error) => {
                tracing::warn!(error = %error, "the Lease could not be renewed; it is tried again");
                pause = LOOK;
            }
        }
    }
}

/// Learns what the Lease is after another write than ours was seen: a write of ours whose answer was lost, or a loss.
fn settle(found: Option<Lease>, wanted: &WantedLease, shared: &Mutex<Standing>) {
    let mut standing = locked(shared);
    match found {
        Some(lease) if lease.spec.as_ref().and_then(holder).as_deref() == Some(&*wanted.holder) => {
            standing.lease = lease;
        }
        Some(lease) if !standing.is_over => {
            let by = lease.spec.as_ref().and_then(holder);
            standing.lost = Some(by.unwrap_or_else(|| "somebody who gave it back".to_owned()));
        }
        None if !standing.is_over => standing.lost = Some("somebody who deleted it".to_owned()),
        Some(_) | None => {}
    }
}

/// Writes the lock with the time of now, over the version that is known.
async fn put(
    api: &Api<Lease>,
    wanted: &WantedLease,
    mut lease: Lease,
    timeout: Duration,
    shared: &Mutex<Standing>,
) -> Result<(), KubernetesError> {
    let tried = format!(
        "renew Lease {}/{}",
        api.namespace().unwrap_or_default(),
        wanted.name
    );
    if let Some(spec) = &mut lease.spec {
        spec.renew_time = Some(MicroTime(Timestamp::now()));
    }
    let parameters = PostParams::default();
    let since = Instant::now();
    let written = call(&tried, Again::Write, timeout, || {
        api.replace(&wanted.name, &parameters, &lease)
    })
    .await?;
    let mut standing = locked(shared);
    standing.lease = written;
    standing.since = since;
    Ok(())
}

async fn give_back(
    client: Client,
    namespace: String,
    wanted: WantedLease,
    timeout: Duration,
) -> Result<(), KubernetesError> {
    let api: Api<Lease> = Api::namespaced(client, &namespace);
    let tried = format!("give Lease {namespace}/{} back", wanted.name);
    let parameters = PostParams::default();
    for _ in 0..MOST_LOST_RACES {
        let found = call(&tried, Again::Read, timeout, || api.get_opt(&wanted.name)).await?;
        let Some(mut lease) = found.filter(|lease| {
            lease.spec.as_ref().and_then(holder).as_deref() == Some(&*wanted.holder)
        }) else {
            return Ok(());
        };
        if let Some(spec) = &mut lease.spec {
            spec.holder_identity = None;
            spec.renew_time = Some(MicroTime(Timestamp::now()));
        }
        lease.metadata.managed_fields = None;
        let written = call(&tried, Again::Write, timeout, || {
            api.replace(&wanted.name, &parameters, &lease)
        })
        .await;
        match written {
            // A renewal was under way.
            Err(error) if is_race(&error) => {}
            other => return other.map(drop),
        }
    }
    Ok(())
}

fn locked(shared: &Mutex<Standing>) -> MutexGuard<'_, Standing> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

fn holder(spec: &LeaseSpec) -> Option<String> {
    spec.holder_identity
        .clone()
        .filter(|holder| !holder.is_empty())
}

fn token(lease: &Lease) -> i32 {
    let spec = lease.spec.as_ref();
    spec.and_then(|spec| spec.lease_transitions).unwrap_or(0)
}

fn version(lease: &Lease) -> String {
    lease.metadata.resource_version.clone().unwrap_or_default()
}
