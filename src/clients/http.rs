//! The HTTP client that every outside system shares.
