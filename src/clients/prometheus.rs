//! Questions to the Prometheus HTTP API.
