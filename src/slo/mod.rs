//! Budgets, burn rates, windows, verdicts: pure values and functions.

mod level;
mod objective;

pub use level::Level;
pub use objective::ErrorBudget;
