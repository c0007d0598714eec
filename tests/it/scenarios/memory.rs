//! What the program remembers, written by hand where a test needs a past.

use std::fs;

use chrono::{DateTime, TimeDelta, Utc};
use error_budget_monitor::journal::{self, Journal, Origin, Phase, RecoveredHistory, Rollback};

use super::world::World;

/// A rollback of other revisions some time ago, in the phase in which it ended.
pub(crate) fn past(id: &str, ago: TimeDelta, phase: Phase) -> Rollback {
    let begun_at = Utc::now() - ago;
    let revision = |seed: char| seed.to_string().repeat(40);
    Rollback {
        from: revision('b'),
        from_state: "40000:b".to_owned(),
        to: revision('a'),
        to_state: "40000:a".to_owned(),
        tip: revision('b'),
        place: "main of platform/gitops at apps/checkout".to_owned(),
        message: "Roll back\n".to_owned(),
        phase,
        attempted: true,
        commit: Some(revision('c')),
        effective_at: Some(begun_at),
        ended_at: (!phase.is_in_flight()).then_some(begun_at),
        ..Rollback::begin(
            id.to_owned(),
            Origin::Automatic,
            "burn rate 1h 60.0, 5m 200.0".to_owned(),
            begun_at,
            0.01,
        )
    }
}

impl World {
    /// Lets an earlier run have looked at the branch and found nothing: what most runs begin with.
    pub(crate) fn is_known(&self) {
        let history = RecoveredHistory {
            read_at: Utc::now(),
            source: "an earlier run".to_owned(),
        };
        if let Some(namespace) = &self.namespace {
            let mut service = self.kept(namespace);
            service.adopt(&[], history);
            return self.keeps(namespace, &service);
        }
        let mut journal = Journal::open(&self.state_file()).expect("a usable state");
        let adopted = journal.adopt(&self.key(), &[], history);
        adopted.expect("a writable state");
        journal.write_what_is_due().expect("a writable state");
    }

    /// Takes the memory away, as a lost volume does.
    pub(crate) fn forgets(&self) {
        let Some(namespace) = &self.namespace else {
            return fs::remove_dir_all(self.state_folder()).expect("our own folder");
        };
        for map in namespace.config_maps() {
            let name = map["metadata"]["name"].as_str().expect("a name");
            namespace.delete("configmaps", name);
        }
    }

    /// Lets earlier runs have done something.
    pub(crate) fn remembers(&self, rollbacks: &[Rollback]) {
        if let Some(namespace) = &self.namespace {
            let mut service = self.kept(namespace);
            for rollback in rollbacks {
                service.rollbacks.retain(|known| known.id != rollback.id);
                service.rollbacks.push(rollback.clone());
            }
            return self.keeps(namespace, &service);
        }
        let mut journal = Journal::open(&self.state_file()).expect("a usable state");
        for rollback in rollbacks {
            journal
                .put(&self.key(), rollback)
                .expect("a writable state");
        }
    }

    /// Ends the rollback that is in flight as one that helped, some time ago.
    pub(crate) fn recovered(&self, ago: TimeDelta) {
        let mut rollback = self.in_flight().expect("a rollback is in flight");
        let at: DateTime<Utc> = Utc::now() - ago;
        rollback.phase = Phase::Recovered;
        rollback.begun_at = at;
        rollback.effective_at = Some(at);
        rollback.ended_at = Some(at);
        self.remembers(&[rollback]);
    }

    /// Returns the rollback that is in flight.
    pub(crate) fn in_flight(&self) -> Option<Rollback> {
        let service = self.remembered();
        service.into_iter().find(|past| past.phase.is_in_flight())
    }

    /// Returns all rollbacks that are remembered, oldest first.
    pub(crate) fn remembered(&self) -> Vec<Rollback> {
        if let Some(namespace) = &self.namespace {
            return self.kept(namespace).rollbacks;
        }
        let state = journal::read(&self.state_file())
            .expect("a usable state")
            .state;
        state.service(&self.key()).rollbacks
    }
}
