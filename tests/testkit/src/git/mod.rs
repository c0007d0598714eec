//! Real git repositories behind a real smart-HTTP server.
//!
//! ```no_run
//! use chrono::Utc;
//! use testkit::git::GitServer;
//!
//! let server = GitServer::with_token("s3cret");
//! let repo = server.create("platform/gitops");
//! repo.commit("checkout: release v1", Utc::now(), &[("apps/checkout/deployment.yaml", Some("image: v1\n"))]);
//! let url = server.url("platform/gitops"); // clone and push here as user `x-access-token`
//! # let _ = url;
//! ```

mod history;
mod jgit;
mod mono_repo;
pub(crate) mod objects;
mod repo;
mod server;
mod tls_front;

pub use jgit::JGitServer;
pub use mono_repo::{MonoRepo, Release, deployment};
pub use objects::Merge;
pub(crate) use repo::git_command;
pub use repo::{GitRepo, LogEntry, NewCommit};
pub(crate) use server::base64;
pub use server::{Fault, GitServer, RequestRecord, TOKEN_USER};
pub use tls_front::TlsFront;
