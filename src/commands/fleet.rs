//! What the services of one pass have in common.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use chrono::{TimeDelta, Utc};

use crate::journal::Memory;
use crate::policy::Fleet;

/// All services of one pass, as Prometheus knows them.
pub(super) struct FleetView {
    known: Fleet,
    /// Those that burn.
    burning: BTreeSet<String>,
    /// The one of those that burn whose message speaks for all; nothing where people were told already.
    speaker: Option<String>,
    /// The bad revisions that this pass is about to take back.
    reserved: Mutex<BTreeSet<String>>,
}

impl FleetView {
    /// Puts together what was seen of services of which `burning` burn; each with whether people were told of a trouble
    /// of all before.
    pub(super) fn of(
        services: usize,
        max_per_hour: Option<usize>,
        burning: Vec<(String, bool)>,
    ) -> Self {
        let are_told = burning.iter().any(|(_, is_told)| *is_told);
        let keys: BTreeSet<String> = burning.into_iter().map(|(key, _)| key).collect();
        Self {
            known: Fleet {
                services,
                burning: keys.len(),
                max_per_hour: max_per_hour.unwrap_or_else(|| Fleet::usual_limit(services)),
                ..Fleet::default()
            },
            speaker: keys.first().filter(|_| !are_told).cloned(),
            burning: keys,
            reserved: Mutex::default(),
        }
    }

    /// Tells whether so many burn that it is no release, as far as is known.
    pub(super) fn is_wide(&self) -> bool {
        self.known.is_wide()
    }

    /// Tells whether a service burns.
    pub(super) fn burns(&self, key: &str) -> bool {
        self.burning.contains(key)
    }

    /// Takes note of who is suspected in each of those that burn, once all of them were looked at.
    pub(super) fn suspects(&mut self, suspects: &[Option<String>]) {
        let first = suspects.first().cloned().flatten();
        let is_one = suspects.len() == self.burning.len()
            && suspects.iter().all(|suspect| *suspect == first);
        self.known.one_release = first.filter(|_| is_one);
    }

    /// Returns what was seen of all, for a decision by which nothing can go back: what went back already counts only
    /// for those that can.
    pub(super) fn seen(&self) -> Fleet {
        self.known.clone()
    }

    /// Returns what holds for a decision that is made now: others may have been rolled back since.
    pub(super) fn now(&self, memory: &Memory) -> Fleet {
        let since = Utc::now() - TimeDelta::hours(1);
        let mut rolled_back = memory.rolled_back_since(since);
        let reserved = self.reserved.lock().unwrap_or_else(PoisonError::into_inner);
        rolled_back.extend(reserved.iter().cloned());
        Fleet {
            rolled_back,
            ..self.known.clone()
        }
    }

    /// Notes that a revision is about to be taken back.
    pub(super) fn reserve(&self, revision: &str) {
        let mut reserved = self.reserved.lock().unwrap_or_else(PoisonError::into_inner);
        reserved.insert(revision.to_owned());
    }

    /// Tells whether a service is the one whose message speaks for all.
    pub(super) fn tells(&self, key: &str) -> bool {
        self.speaker.as_deref() == Some(key)
    }
}
