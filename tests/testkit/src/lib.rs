//! Launchers of real servers and strict stand-ins.
//!
//! The tests and the demo run the program against a real Prometheus ([`prometheus`]) and other servers that answer
//! its queries ([`back_end`], [`victoria_metrics`], [`thanos`]), a real Pushgateway ([`pushgateway`]) and real git
//! repositories served by `git http-backend` ([`git`]); against strict stand-ins for GitHub ([`github`]), Argo CD
//! ([`argocd`]), Slack ([`slack`]), PagerDuty ([`pagerduty`]) and a webhook's receiver ([`receiver`]); an API server of
//! Kubernetes ([`kubernetes`]); with a live service to scrape where needed ([`service`]), and many services at once
//! ([`fleet`]). Every server listens on a loopback port that the operating system
//! chose, keeps its files in a temporary folder of its own and goes away when its value is dropped, or when the test
//! process dies.
//!
//! The functions here panic instead of returning an error: a test that cannot set up its world has nothing to say,
//! and the panic message says what is missing.

pub mod argocd;
pub mod back_end;
mod contract;
pub mod demo;
pub mod fleet;
pub mod git;
pub mod gitea;
pub mod github;
pub mod gitlab;
pub mod http;
pub mod kubernetes;
pub mod nginx;
pub mod pagerduty;
mod passage;
mod process;
pub mod prometheus;
pub mod pushgateway;
pub mod receiver;
mod servers;
pub mod service;
pub mod slack;
mod standin;
pub mod stub;
pub mod thanos;
pub mod victoria_metrics;
