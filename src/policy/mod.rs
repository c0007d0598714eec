//! Verdict, history and guards in; a plan out: pure values and functions.

mod blackout;

pub use blackout::{ActiveBlackout, BlackoutError, BlackoutWindows};
