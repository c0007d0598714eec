//! The gates: each one named function with its own reason codes.

mod approval;
mod attribution;
mod evidence;
mod fleet;
mod limits;
mod loops;

pub(super) use approval::approval;
pub(super) use attribution::{attribution, dispersion, has_burned, is_worse};
pub(super) use evidence::{burning, data, severity, significance};
pub(super) use fleet::{fleet_limit, fleet_wide};
pub(super) use limits::enabled;
pub use limits::limits;
pub(super) use loops::{not_a_loop, not_a_loop_manual, target};

/// Largest chance of seeing so many bad events although the service keeps its promise. The program looks 8,640 times in
/// 30 days, so one in twenty would be crossed every day. Source: our rule.
const MAX_P_VALUE: f64 = 0.001;

/// Why a gate that needs the past was not evaluated.
const NOT_LOOKED_BACK: &str = "nobody looked back: nothing burns, or too little is known to act";
