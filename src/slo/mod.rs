//! Budgets, burn rates, windows, verdicts: pure values and functions.
//!
//! Every number is a fraction, never a percentage: an error ratio of 1 % is `0.01`. Nothing here reads a clock, asks
//! the network or logs, and "not known" is a variant (`None`), never 0.
//!
//! | file | subject |
//! |---|---|
//! | `objective.rs` | the error budget of a service |
//! | `events.rs` | bad and total events of one window |
//! | `budget.rs` | consumption of the budget, levels, time to exhaustion, coverage |
//! | `burn.rs` | burn rates and the windows that judge them |
//! | `latency.rs` | latency verdicts from cumulative buckets |
//! | `sustained.rs` | a violation that holds over minutes |
//! | `significance.rs` | whether counts prove what a ratio suggests |
//! | `binomial.rs` | the exact binomial tail beneath it |
//! | `level.rs` | the words for how much is gone |
//! | `reading.rs` | what asking for a value can give |
//! | `measurement.rs` | what a service promises, and what was read about it |
//! | `assess.rs` | from readings to a verdict |
//! | `assessment.rs` | the words of a judgement |
//! | `violations.rs` | which SLOs are violated |
//! | `burns.rs` | what shows that the budget is being burnt now |
//! | `unknowns.rs` | what could not be known |
//! | `course.rs` | what was counted in the past |
//! | `onset.rs` | when the burn that goes on now began |
//! | `outage.rs` | whether a service is gone: no events, and no pods |
//! | `signal.rs` | what else seems wrong, for people only |
//! | `worse.rs` | whether a rollback made it worse |

mod assess;
mod assessment;
mod binomial;
mod budget;
mod burn;
mod burns;
mod events;
#[cfg(test)]
pub(crate) mod fixture;
mod latency;
mod level;
mod measurement;
mod objective;
mod onset;
#[cfg(test)]
mod oracle;
mod outage;
#[cfg(test)]
mod properties;
mod reading;
mod signal;
mod significance;
mod slice_history;
mod sustained;
mod unknowns;
mod violations;
mod worse;

pub use assess::{assess_knowing_pods, assess_slices};
pub use assessment::{
    Assessment, BudgetReport, Burn, BurnRates, Cause, Sli, Slo, Spread, Unknown, Verdict,
    Violation, ViolationState, Weight,
};
pub use binomial::binomial_tail;
pub use budget::{
    LevelThresholds, allowed_errors, consumption, consumption_of_part, coverage, level, remaining,
    time_to_exhaustion,
};
pub use burn::{burn_rate, can_fire, multiwindow_fires};
pub use events::Events;
pub use latency::{Histogram, LatencyState};
pub use level::Level;
pub use measurement::{MAX_SAMPLE_AGE, Measurement, Objective};
pub use objective::ErrorBudget;
pub use onset::{Beginning, BurnSearch, RangeRequest};
pub use outage::{Fall, LOST_SHARE, Pods, ServiceOutage, Silence};
pub use reading::Reading;
pub use signal::{Signal, SignalName, SignalState};
pub use significance::{Significance, SignificanceRule, conditional_binomial, significant};
pub use slice_history::{SliceHistory, WindowCounts};
pub use sustained::{min_points, sustained};
pub use unknowns::{NOTED_CLOCK_SKEW, told_once};
pub use violations::{is_calm, latency_rule};
pub use worse::{got_worse, worst_end};
