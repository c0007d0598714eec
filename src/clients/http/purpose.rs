//! What a request is for.

use reqwest::Method;

use crate::fail_point;

/// What a request is for. The method alone does not say it: Prometheus and git take questions by `POST`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// It asks, and changes nothing outside.
    Ask,
    /// It may change something outside: a run that dies around it leaves open whether it did.
    Change,
}

impl Purpose {
    /// Returns the purpose of a request of a system that keeps to the meaning of the methods.
    pub fn of(method: &Method) -> Self {
        if method.is_safe() {
            Self::Ask
        } else {
            Self::Change
        }
    }

    /// Passes a point at which a run that changes something may die.
    pub(super) fn reaches(self, name: &'static str) {
        match self {
            Self::Ask => {}
            Self::Change => fail_point::reached(name),
        }
    }
}
