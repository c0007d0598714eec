//! The environment, parsed into types that cannot be wrong.
