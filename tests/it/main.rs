//! Integration tests.

mod argocd_client;
mod argocd_standin;
mod families;
mod git_client;
mod github_client;
mod log_file;
mod metrics;
mod prometheus_client;
mod purity;
mod readme;
mod refusals_in_readme;
mod scenarios;
mod signals;
mod telling;
mod vectors;
mod year;
