//! Watches a service's error budget and, when a deployment burns it, puts the GitOps repository back to the last
//! good revision: safely, provably, once.
//!
//! The whole program is one sentence: read everything ([`observe`]), compute a value ([`slo`], [`policy`]), show it
//! ([`notify`]), carry it out and prove it ([`rollback`]), write it down ([`journal`]), tell people. [`commands`] are
//! the verbs; [`clients`] know one outside system each; [`config`] is the only reader of the environment.

pub mod cli;
pub mod clients;
pub mod commands;
pub mod config;
pub mod doctor;
mod evaluation;
pub mod exit;
mod fail_point;
mod files;
pub mod journal;
pub mod log_file;
pub mod manual;
pub mod metrics;
mod notifications;
pub mod notify;
pub mod observe;
mod outcome;
pub mod policy;
pub mod record;
mod redact;
pub mod report;
pub mod rollback;
pub mod runbook;
mod service;
pub mod slo;
pub mod state;
mod stop;
pub mod terminal;

/// Runs a function that blocks on a thread of its own.
async fn blocking<T: Send + 'static>(function: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(function).await {
        Ok(value) => value,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => unreachable!("blocking tasks are never cancelled"),
        },
    }
}

/// Writes an error with everything below it, in one line.
fn with_sources(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(below) = source {
        text.push_str(": ");
        text.push_str(&below.to_string());
        source = below.source();
    }
    text
}
