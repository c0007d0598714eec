//! Kubernetes: ConfigMaps that hold texts, the Lease that is a lock, objects of any kind, and the question what one may
//! do.
//!
//! The client runs on a thread of its own with its own event loop, so that a Lease is renewed while the caller is
//! busy or blocked. Callers wait for their answer, and never longer than they said.
//!
//! Nothing is repeated but reads, and writes that the API server says it did not take up. What kube-rs does by itself
//! is switched off: it repeats every request that fails with 429, 503 or 504, and a write that ended with 504 may be
//! done.

mod access;
mod calls;
mod cluster;
mod connect;
mod error;
mod job;
mod lease;
mod objects;
mod role;
mod texts;

pub use access::{ResourceAccess, Verb};
pub use cluster::{Cluster, KubernetesSettings};
pub use error::{KubernetesError, KubernetesFault};
pub use lease::{HeldLease, LeaseSeen, NotHeld, WantedLease};
pub use objects::{ObjectCollection, ObjectRight, ServedKind};
pub use role::{RoleRule, role_text};
pub use texts::{StoredText, TextToWrite};
