//! Budgets, burn rates, windows, verdicts: pure values and functions.

mod objective;
mod level;

pub use level::Level;
pub use objective::ErrorBudget;
