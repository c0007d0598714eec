//! One submodule per outside system. A client knows its system and nothing of SLOs, policy or the journal.

pub mod argocd;
pub mod forge;
pub mod git;
pub mod github;
pub mod http;
pub mod kubernetes;
pub mod pagerduty;
pub mod post;
pub mod prometheus;
pub mod pushgateway;
pub mod slack;
pub mod webhook;
