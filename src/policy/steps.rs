//! Which steps a rollback takes, and in which order.

use serde::{Deserialize, Serialize};
use strum::{Display, IntoStaticStr};

/// In which order the branch and the application are put back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// The branch first, then a sync: where Argo CD follows the branch, or its history does not hold the target any
    /// more.
    RevertFirst,
    /// The application first, which takes seconds, then the branch.
    RollBackFirst,
    /// The application alone: no repository is configured, or a person wants it so.
    RollBackOnly,
}

/// What is done in a rollback. The names are part of the state file: a new one raises its schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, IntoStaticStr, Display)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum StepKind {
    /// Argo CD puts the application back to an entry of its history.
    ArgocdRollback,
    /// The commit that restores the watched paths.
    GitopsRevert,
    /// Argo CD deploys what the branch holds.
    ArgocdSync,
    /// The proof that the burn stopped.
    Verify,
}

impl StepKind {
    /// Tells whether it puts something back; the others wait for that to take effect.
    pub fn changes(self) -> bool {
        match self {
            Self::ArgocdRollback | Self::GitopsRevert => true,
            Self::ArgocdSync | Self::Verify => false,
        }
    }

    /// Tells whether another revision serves once it is done.
    pub fn puts_back(self) -> bool {
        match self {
            Self::ArgocdRollback | Self::GitopsRevert | Self::ArgocdSync => true,
            Self::Verify => false,
        }
    }

    /// Returns the name used in the decision record.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// Returns the steps of a rollback: `order` is nothing where no application is configured. A new kind of step is a
/// variant of [`StepKind`], a row here, an arm in the engine and a file under `rollback/steps/`; the compiler asks for
/// the arms. It does not ask for the schema of the state.
pub fn steps(order: Option<Order>) -> &'static [StepKind] {
    match order {
        None => &[StepKind::GitopsRevert, StepKind::Verify],
        Some(Order::RevertFirst) => &[
            StepKind::GitopsRevert,
            StepKind::ArgocdSync,
            StepKind::Verify,
        ],
        Some(Order::RollBackFirst) => &[
            StepKind::ArgocdRollback,
            StepKind::GitopsRevert,
            // The branch agrees with what is deployed, so that is only compared.
            StepKind::ArgocdSync,
            StepKind::Verify,
        ],
        Some(Order::RollBackOnly) => &[
            StepKind::ArgocdRollback,
            StepKind::ArgocdSync,
            StepKind::Verify,
        ],
    }
}

/// Returns the order in which the branch and an application are put back. `entry` tells whether the application may
/// be rolled back to an entry of its history that holds the target.
pub fn order(entry: bool) -> Order {
    if entry {
        Order::RollBackFirst
    } else {
        Order::RevertFirst
    }
}

/// Tells whether an application may be rolled back before its branch: auto-sync refuses that, a person asked for the
/// branch, a pull request has to be merged first, and an entry of the history is a whole, with which later changes
/// that stay would go back.
pub fn may_roll_back_first(
    has_auto_sync: bool,
    is_automatic: bool,
    by_pull_request: bool,
    keeps_something: bool,
) -> bool {
    !has_auto_sync && is_automatic && !by_pull_request && !keeps_something
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rollback_changes_something_first_and_is_proven_last() {
        let orders = [
            None,
            Some(Order::RevertFirst),
            Some(Order::RollBackFirst),
            Some(Order::RollBackOnly),
        ];
        for order in orders {
            let steps = steps(order);
            let acting = steps.iter().take_while(|step| step.changes()).count();
            assert!(acting > 0, "{order:?}");
            assert!(
                steps[acting..].iter().all(|step| !step.changes()),
                "{order:?}"
            );
            let (proof, others) = steps.split_last().expect("steps");
            assert_eq!(*proof, StepKind::Verify, "{order:?}");
            // With the proof alone nothing was put back, and nobody is told that it was.
            assert!(!proof.puts_back(), "{order:?}");
            assert!(others.iter().any(|step| step.puts_back()), "{order:?}");
        }
    }

    #[test]
    fn an_application_goes_first_only_where_nothing_speaks_against_it() {
        assert!(may_roll_back_first(false, true, false, false));
        for against in 0..4 {
            let is = |which: i32| which == against;
            assert!(!may_roll_back_first(is(0), !is(1), is(2), is(3)));
        }
    }
}
