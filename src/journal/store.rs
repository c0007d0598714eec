//! What a run remembers, and where it writes that down.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};

use super::backing::StateStore;
use super::error::JournalError;
use super::file_store::FileStore;
use super::load::{Loaded, load};
use super::record::{RecoveredHistory, Rollback, ServiceState, State};
use super::watch::Watch;

/// The state of this run: locked for as long as it lives. Copies share it, so that one run can serve several services.
#[derive(Debug, Clone)]
pub struct Journal {
    shared: Arc<Mutex<Open>>,
}

/// What is remembered, with the store that it came from.
#[derive(Debug)]
struct Open {
    store: Box<dyn StateStore>,
    state: State,
    /// The services of which something is remembered that is not written and should be.
    due: BTreeSet<String>,
    /// The services that another run may still be working on: its lock, and who it is.
    left_alone: BTreeMap<String, (String, String)>,
}

/// The state as somebody finds it who only looks.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StateView {
    /// The state: that of the file, else of the generation before it, else empty.
    pub state: State,
    /// What is wrong with the file, where something is.
    pub damage: Option<String>,
}

impl Journal {
    /// Takes the lock without waiting, makes sure that the folder can be written, and reads the state.
    ///
    /// # Errors
    /// Fails when another run holds the lock, the folder cannot be written, or the file cannot be read or is newer. A
    /// damaged file is no error: see [`Journal::damage`].
    pub fn open(file: &Path) -> Result<Self, JournalError> {
        let (store, state) = FileStore::open(file)?;
        Ok(Self::on(Box::new(store), state))
    }

    /// Begins with what a store holds.
    pub fn on(store: Box<dyn StateStore>, state: State) -> Self {
        Self {
            shared: Arc::new(Mutex::new(Open {
                store,
                state,
                due: BTreeSet::new(),
                left_alone: BTreeMap::new(),
            })),
        }
    }

    /// Returns all that is remembered.
    pub fn state(&self) -> State {
        self.open_store().state.clone()
    }

    /// Returns the services with a rollback that was begun and is not finished, each with its id.
    pub fn unfinished(&self) -> Vec<(String, String)> {
        let open = self.open_store();
        let services = open.state.services.iter();
        services
            .filter_map(|(service, state)| Some((service.clone(), state.unfinished()?.id.clone())))
            .collect()
    }

    /// Returns what is remembered of one service.
    pub fn service(&self, service: &str) -> ServiceState {
        self.open_store().state.service(service)
    }

    /// Returns the bad revisions of all rollbacks since a moment that were attempted.
    pub fn rolled_back_since(&self, since: DateTime<Utc>) -> BTreeSet<String> {
        self.open_store().state.rolled_back_since(since)
    }

    /// Says what was found wrong with the memory of a service, where what is left had to do. It is set aside with the
    /// next record that is written.
    pub fn damage(&self, service: &str) -> Option<String> {
        self.open_store().store.damage(service)
    }

    /// Tells whether this run may act on a service.
    ///
    /// # Errors
    /// Says why it may not; the others are not concerned.
    pub fn admits(&self, service: &str) -> Result<(), JournalError> {
        let open = self.open_store();
        match open.left_alone.get(service) {
            Some((lock, holder)) => Err(JournalError::Held {
                lock: lock.clone(),
                holder: holder.clone(),
            }),
            None => open.store.admits(service),
        }
    }

    /// Tells whether anything is remembered of a service.
    pub fn knows(&self, service: &str) -> bool {
        self.open_store().state.services.contains_key(service)
    }

    /// Takes over what another place remembers of a service. It is written with the next record.
    pub fn begins_with(&mut self, service: &str, state: ServiceState) {
        let mut open = self.open_store();
        open.state.services.insert(service.to_owned(), state);
        open.due.insert(service.to_owned());
    }

    /// Does nothing for a service on which the holder of another lock may be working.
    pub fn leaves_alone(&mut self, service: &str, lock: String, holder: String) {
        let mut open = self.open_store();
        let left_alone = &mut open.left_alone;
        left_alone.insert(service.to_owned(), (lock, holder));
    }

    /// Makes sure, right before something is done outside, that this run still may.
    ///
    /// # Errors
    /// Another run has taken over, or that cannot be learnt: then it must not be done.
    pub fn still_holds(&self, service: &str) -> Result<(), JournalError> {
        self.open_store().store.still_holds(service)
    }

    /// Writes down a rollback, durably, in the place of what was known of it before.
    ///
    /// # Errors
    /// After an error it is not known which of the two generations is on disk: the run must begin nothing new, and
    /// every further write of it fails too. [`Self::state`] keeps what was to be written, so that limits count it.
    pub fn put(&mut self, service: &str, rollback: &Rollback) -> Result<(), JournalError> {
        let mut open = self.open_store();
        open.of(service).put(rollback);
        open.save(service)
    }

    /// Takes a rollback out of what this run remembers, whose first record could not be written: it was not begun.
    pub fn was_not_begun(&mut self, service: &str, id: &str) {
        let mut open = self.open_store();
        open.of(service).rollbacks.retain(|known| known.id != id);
    }

    /// Adds what the branch and Argo CD remember of a service: from now on its memory is whole. What is known already
    /// stays as it is.
    ///
    /// # Errors
    /// As for [`Journal::put`].
    pub fn adopt(
        &mut self,
        service: &str,
        found: &[Rollback],
        history: RecoveredHistory,
    ) -> Result<(), JournalError> {
        let mut open = self.open_store();
        open.of(service).adopt(found, history);
        if found.is_empty() {
            // That there is nothing can be found out again.
            open.due.insert(service.to_owned());
            return Ok(());
        }
        open.save(service)
    }

    /// Writes down what people are told of a service.
    ///
    /// # Errors
    /// As for [`Journal::put`].
    pub fn tell(
        &mut self,
        service: &str,
        change: impl FnOnce(&mut ServiceState),
    ) -> Result<(), JournalError> {
        let mut open = self.open_store();
        let known = open.of(service);
        let before = known.clone();
        change(known);
        if *known == before {
            return Ok(());
        }
        open.save(service)
    }

    /// Remembers what a later run could find out again. It goes to disk with the next record, else with
    /// [`Self::write_what_is_due`]: one write for all services.
    pub fn note(&mut self, service: &str, change: impl FnOnce(&mut ServiceState)) {
        let mut open = self.open_store();
        let known = open.of(service);
        let before = known.clone();
        change(known);
        if *known != before {
            open.due.insert(service.to_owned());
        }
    }

    /// Remembers what this pass saw of a service's branch. It goes to disk with the next record, else with
    /// [`Self::write_what_is_due`]: one write for all services.
    pub fn watched(&mut self, service: &str, watch: Watch) {
        let mut open = self.open_store();
        let written = &mut open.of(service).watch;
        let is_due = written
            .as_ref()
            .is_none_or(|written| written.is_outdated_by(&watch));
        if is_due {
            *written = Some(watch);
            open.due.insert(service.to_owned());
        }
    }

    /// Writes what is remembered and not on disk, where that is worth a write.
    ///
    /// # Errors
    /// As for [`Journal::put`].
    pub fn write_what_is_due(&mut self) -> Result<(), JournalError> {
        let mut open = self.open_store();
        match open.due.is_empty() {
            true => Ok(()),
            false => open.write_due(),
        }
    }

    fn open_store(&self) -> MutexGuard<'_, Open> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    fn of(&mut self, service: &str) -> &mut ServiceState {
        self.state.services.entry(service.to_owned()).or_default()
    }

    /// Writes a service. What is due of others goes with it only where it costs nothing more: with the next write of
    /// all of them.
    fn save(&mut self, service: &str) -> Result<(), JournalError> {
        let changed = BTreeSet::from([service.to_owned()]);
        self.store.save(&mut self.state, &changed)?;
        match self.store.keeps_all_in_one_place() {
            true => self.due.clear(),
            false => drop(self.due.remove(service)),
        }
        Ok(())
    }

    fn write_due(&mut self) -> Result<(), JournalError> {
        self.store.save(&mut self.state, &self.due)?;
        self.due.clear();
        Ok(())
    }
}

/// Reads the state without lock and without writing anything: for those who only look. A rename replaces the file as a
/// whole, so a reader sees the old or the new one.
///
/// # Errors
/// Fails when the file is there and cannot be read, or is newer than the program.
pub fn read(file: &Path) -> Result<StateView, JournalError> {
    let Loaded { state, damage, .. } = load(file)?;
    Ok(StateView { state, damage })
}

#[cfg(test)]
pub(super) mod fixture {
    use chrono::DateTime;

    use super::super::record::Rollback;
    use super::super::step::Origin;

    /// A rollback that was just begun.
    pub(in crate::journal) fn rollback(id: &str) -> Rollback {
        Rollback {
            subject: "release v2".to_owned(),
            from: "b".repeat(40),
            from_state: "40000:b".to_owned(),
            to: "a".repeat(40),
            to_state: "40000:a".to_owned(),
            tip: "b".repeat(40),
            place: "main of platform/gitops at apps/checkout".to_owned(),
            message: "Roll back\n".to_owned(),
            ..Rollback::begin(
                id.to_owned(),
                Origin::Automatic,
                "error rate violated".to_owned(),
                DateTime::UNIX_EPOCH,
                0.01,
            )
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

    use std::fs;
    use std::process::Command;

    use super::super::paths::beside;
    use super::super::periods::{KeptPeriod, KeptPeriods};
    use super::fixture::rollback;
    use super::*;

    #[test]
    fn remembers_across_runs_and_keeps_the_generation_before() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("deep/state.json");
        let mut first = Journal::open(&file).unwrap();
        first.put("shop/checkout", &rollback("one")).unwrap();
        let after_one = fs::read_to_string(&file).unwrap();
        first.put("shop/checkout", &rollback("two")).unwrap();
        drop(first);
        assert_eq!(
            fs::read_to_string(beside(&file, "prev")).unwrap(),
            after_one
        );
        let second = Journal::open(&file).unwrap();
        assert_eq!(ids(&second.state()), ["one", "two"]);
        assert_eq!(
            names(file.parent().unwrap()),
            ["state.json", "state.json.lock", "state.json.prev"]
        );
    }

    #[test]
    fn what_was_counted_goes_before_a_state_gets_too_large_to_be_read() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("state.json");
        let mut first = Journal::open(&file).unwrap();
        let counted = KeptPeriod {
            total: Some(123_456_789.5),
            bad: Some(12_345.5),
            slots: 12.0,
        };
        let periods = KeptPeriods {
            periods: vec![counted; 2_600_000],
            ..KeptPeriods::default()
        };
        first.note("shop/checkout", |state| state.periods = Some(periods));
        first.put("shop/checkout", &rollback("one")).unwrap();
        drop(first);
        assert!(fs::metadata(&file).unwrap().len() < 64 * 1024);
        let second = Journal::open(&file).unwrap();
        assert_eq!(ids(&second.state()), ["one"]);
        assert_eq!(second.damage("shop/checkout"), None);
        assert_eq!(second.service("shop/checkout").periods, None);
    }

    #[test]
    fn a_second_run_finds_the_lock_taken_and_a_reader_does_not_mind() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("state.json");
        let _first = Journal::open(&file).unwrap();
        assert!(matches!(
            Journal::open(&file),
            Err(JournalError::Locked { .. })
        ));
        assert_eq!(read(&file).unwrap(), StateView::default());
    }

    #[test]
    fn a_lock_that_leads_elsewhere_is_refused_and_nothing_is_written_there() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("state.json");
        let elsewhere = folder.path().join("elsewhere");
        fs::write(&elsewhere, "of somebody else").unwrap();
        std::os::unix::fs::symlink(&elsewhere, beside(&file, "lock")).unwrap();
        let refused = Journal::open(&file).unwrap_err();
        assert!(matches!(refused, JournalError::Lock { .. }), "{refused}");
        assert_eq!(fs::read_to_string(&elsewhere).unwrap(), "of somebody else");
    }

    #[test]
    fn a_damaged_file_is_set_aside_with_the_next_record_and_the_generation_before_stays() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("state.json");
        let mut journal = Journal::open(&file).unwrap();
        for id in ["one", "two"] {
            journal.put("shop/checkout", &rollback(id)).unwrap();
        }
        drop(journal);
        let before = fs::read(beside(&file, "prev")).unwrap();
        fs::write(&file, "torn").unwrap();
        let mut journal = Journal::open(&file).unwrap();
        assert!(journal.damage("shop/checkout").unwrap().contains("JSON"));
        assert_eq!(ids(&journal.state()), ["one"]);
        assert_eq!(fs::read_to_string(&file).unwrap(), "torn");
        journal.put("shop/checkout", &rollback("three")).unwrap();
        assert_eq!(journal.damage("shop/checkout"), None);
        drop(journal);
        assert_eq!(fs::read(beside(&file, "prev")).unwrap(), before);
        assert_eq!(ids(&read(&file).unwrap().state), ["one", "three"]);
        let names = names(folder.path());
        assert!(names[1].starts_with("state.json.corrupt.2"), "{names:?}");
        assert_eq!(
            fs::read_to_string(folder.path().join(&names[1])).unwrap(),
            "torn"
        );
    }

    /// What holds up whoever opens it has to be refused, under each of the names that a run opens.
    #[test]
    fn a_pipe_or_a_device_in_the_place_of_a_file_is_refused() {
        for name in ["state.json", "state.json.lock", "state.json.prev"] {
            let folder = tempfile::tempdir().unwrap();
            let pipe = folder.path().join(name);
            let made = Command::new("mkfifo").arg(&pipe).status().unwrap();
            assert!(made.success());
            let error = Journal::open(&folder.path().join("state.json")).unwrap_err();
            let text = error.to_string();
            let shown = pipe.display().to_string();
            let told = [&*shown, "it is not a regular file", "point STATE_FILE"];
            for piece in told {
                assert!(text.contains(piece), "{text}");
            }
            assert!(!error.is_transient());
        }
        let endless = read(Path::new("/dev/zero")).unwrap_err();
        assert!(matches!(endless, JournalError::Read { .. }));
    }

    fn ids(state: &State) -> Vec<String> {
        let rollbacks = state.service("shop/checkout").rollbacks;
        rollbacks.into_iter().map(|past| past.id).collect()
    }

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}
