//! A stateful Argo CD on loopback whose truth is one [`World`] with a bare git repository.
//!
//! The server answers as `argocd-server` 3.5 does over REST; the controller compares, deploys and syncs by itself as
//! `argocd-application-controller` does. Applications are read from the repository: what runs is the text of the
//! files at the deployed revision ([`Application::live`]), so a service of the demo can obey it.
//!
//! | file | subject |
//! |---|---|
//! | `world.rs` | everything there is, and what goes wrong |
//! | `spec.rs`, `operation.rs`, `status.rs`, `application.rs` | an application as the API shows it |
//! | `controller.rs`, `outcome.rs`, `comparison.rs` | the controller as a step function |
//! | `repository.rs`, `manifest.rs`, `hydrator.rs` | what is deployed, and what is made of a dry source |
//! | `windows.rs`, `owner.rs`, `clock.rs` | when nobody may deploy, what puts the spec back, how long things take |
//! | `auth.rs`, `rbac.rs` | who speaks, and who may do what |
//! | `routes.rs`, `deeds.rs`, `specs.rs`, `requests.rs`, `refusal.rs` | the API |
//! | `setup.rs`, `server.rs` | how a test starts and holds the server |
//! | `serve.rs`, `door.rs`, `faults.rs` | HTTP, TLS, the controller in the background, and what goes wrong on the way |
//!
//! It is simpler than the real thing where a client cannot tell: windows are opened and closed by tests and have no
//! calendar; waits between retries follow the [`Pace`], not the `backoff` of a request; a resource is a file.

mod application;
mod auth;
mod clock;
mod comparison;
mod controller;
mod deeds;
mod door;
mod faults;
mod hydrator;
mod manifest;
mod operation;
mod outcome;
mod owner;
mod rbac;
mod refusal;
mod repository;
mod requests;
mod routes;
mod serve;
mod server;
mod setup;
mod spec;
mod specs;
mod status;
mod windows;
mod world;

pub use application::{Application, LiveObject, PostSync, Trouble};
pub use auth::{Account, Auth};
pub use clock::Pace;
pub use faults::Fault;
pub use hydrator::Hydrator;
pub use operation::{
    Info, Initiator, Operation, OperationKind, OperationRecord, OperationState, Phase,
    SyncOperation, SyncResult,
};
pub use owner::Owner;
pub use rbac::Right;
pub use repository::Repository;
pub use requests::LoggedRequest;
pub use server::ArgoServer;
pub use setup::Setup;
pub use spec::{Automated, Retry, Source, Spec, SyncPolicy};
pub use status::{Condition, Health, HealthCode, HistoryEntry, Status, SyncCode, SyncStatus};
pub use windows::{Project, SyncWindow, WindowKind};
pub use world::{NAMESPACE, World};
