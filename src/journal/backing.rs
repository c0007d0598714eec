//! What the memory needs of the place where it lies.

use std::collections::BTreeSet;
use std::fmt;

use super::error::JournalError;
use super::record::State;

/// Where the memory lies, held for one run: nobody else writes there meanwhile, or both get to know of it.
///
/// After an error it is not known whether the write was done: the store makes no further one for what it was about.
pub trait StateStore: fmt::Debug + Send {
    /// Forgets what is too old or too much, and writes what is remembered of the services that changed, durably. A
    /// store that keeps all of them in one place writes all.
    ///
    /// # Errors
    /// Says what could not be written; what is about other services is written all the same where that is possible.
    fn save(&mut self, state: &mut State, changed: &BTreeSet<String>) -> Result<(), JournalError>;

    /// Tells whether a write of one service is a write of all.
    fn keeps_all_in_one_place(&self) -> bool;

    /// Says what was found wrong with the memory of a service, until another has taken its place.
    fn damage(&self, service: &str) -> Option<String>;

    /// Tells whether this run may act on a service, by what the store knows already.
    ///
    /// # Errors
    /// Says why it may not.
    fn admits(&self, service: &str) -> Result<(), JournalError>;

    /// Makes sure, right before something is done outside, that nobody else has taken the service over.
    ///
    /// # Errors
    /// Somebody has, or that cannot be learnt: then it must not be done.
    fn still_holds(&mut self, service: &str) -> Result<(), JournalError>;
}
