//! Integration tests.

mod github_client;
mod prometheus_client;
mod readme;
mod vectors;
