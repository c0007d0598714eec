//! Launchers of real servers and strict stand-ins.
//!
//! The tests and the demo run the program against a real Prometheus ([`prometheus`]), a real Pushgateway ([`pushgateway`]) and against real git
//! repositories served by `git http-backend` ([`git`]), against strict stand-ins for GitHub ([`github`]) and Argo CD ([`argocd`]), with a live service to scrape where needed ([`service`]). Every server listens on a loopback port that the operating
//! system chose, keeps its files in a temporary folder of its own and goes away when its value is dropped, or when
//! the test process dies.
//!
//! The functions here panic instead of returning an error: a test that cannot set up its world has nothing to say,
//! and the panic message says what is missing.

pub mod argocd;
pub mod demo;
pub mod git;
pub mod github;
mod http;
mod process;
pub mod prometheus;
pub mod pushgateway;
pub mod service;
pub mod stub;
