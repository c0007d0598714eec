//! Integration tests.

mod vectors;
