//! Integration tests.

mod argocd_client;
mod argocd_recordings;
mod argocd_standin;
mod back_ends;
mod documentation;
mod families;
mod git_client;
mod github_client;
mod log_file;
mod manifests;
mod metrics;
mod prometheus_client;
mod purity;
mod refusals_in_docs;
mod scenarios;
mod scripts;
mod servers;
mod signals;
mod telling;
mod together;
mod vectors;
mod year;
