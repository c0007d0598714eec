//! What the services of one pass have in common.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use chrono::{TimeDelta, Utc};

use super::run::{Looked, Seen};
use crate::journal::Memory;
use crate::policy::Fleet;
use crate::service::Service;

/// All services of one pass, once each was looked at.
pub(super) struct FleetView {
    known: Fleet,
    /// The one of those that burn whose message speaks for all; nothing where people were told already.
    speaker: Option<String>,
    /// The bad revisions that this pass is about to take back.
    reserved: Mutex<BTreeSet<String>>,
}

impl FleetView {
    /// Puts together what was seen. Nothing where there is one service.
    pub(super) fn of<'a>(
        looked: impl IntoIterator<Item = (&'a Service<'a>, &'a Looked)>,
    ) -> Option<Self> {
        let looked: Vec<_> = looked.into_iter().collect();
        let services = looked.len();
        let (first, _) = looked.first().filter(|_| services > 1)?;
        let max_per_hour = first.config.run.max_per_hour_fleet;
        let burning: Vec<(&Service<'_>, &Seen)> = looked
            .iter()
            .filter_map(|(service, looked)| match looked {
                Looked::Seen(seen) if seen.burns() => Some((*service, &**seen)),
                Looked::Seen(_) | Looked::Unfinished(_) | Looked::Over(_) => None,
            })
            .collect();
        let are_told = burning
            .iter()
            .any(|(_, seen)| seen.knows_of_a_fleet_wide_burn());
        let speaker = burning.first().filter(|_| !are_told);
        let mut known = Fleet {
            services,
            burning: burning.len(),
            max_per_hour: max_per_hour.unwrap_or_else(|| Fleet::usual_limit(services)),
            ..Fleet::default()
        };
        let speaker = speaker.map(|(service, _)| service.key.clone());
        if known.is_wide() {
            known.one_release = one_of_all(&burning);
        }
        Some(Self {
            known,
            speaker,
            reserved: Mutex::default(),
        })
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

/// Returns the revision that is suspected in each of them, where it is one and the same.
fn one_of_all(burning: &[(&Service<'_>, &Seen)]) -> Option<String> {
    let mut suspects = burning.iter().map(|(service, seen)| seen.suspect(service));
    let first = suspects.next()??;
    suspects
        .all(|suspect| suspect.as_ref() == Some(&first))
        .then_some(first)
}
