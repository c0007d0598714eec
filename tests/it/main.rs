//! Integration tests.

mod prometheus_client;
mod vectors;
