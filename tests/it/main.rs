//! Integration tests.

mod argocd_client;
mod argocd_standin;
mod families;
mod git_client;
mod github_client;
mod manifests;
mod prometheus_client;
mod purity;
mod readme;
mod refusals_in_readme;
mod scenarios;
mod signals;
mod vectors;
mod year;
