//! Each call on the file system fails, each in every way, once and for ever.

use super::super::script::Fault;
use super::*;

/// Every fault, once and for ever.
fn kinds() -> impl Iterator<Item = (Fault, bool)> {
    let kinds = Fault::ALL.into_iter();
    kinds.flat_map(|fault| [(fault, false), (fault, true)])
}

#[test]
fn whatever_call_of_a_write_fails_the_old_or_the_new_state_is_there_and_the_next_run_writes() {
    let mut tried = 0;
    let mut calls = 0;
    for before in 0..=3 {
        let undisturbed = calls_of_a_write(before);
        calls += undisturbed.len();
        for (fault, for_ever) in kinds() {
            for at in 0..undisturbed.len() {
                let plan = FaultPlan {
                    fault,
                    at,
                    for_ever,
                };
                befalls_a_write(before, plan, &undisturbed);
                tried += 1;
            }
        }
    }
    let ways = kinds().count();
    let wanted = format!("all {} ({calls} calls x {ways} ways)", calls * ways);
    assert_eq!(tried, calls * ways);
    reached("io faults", &wanted, &format!("{tried}, 0 lost"));
}

fn calls_of_a_write(before: usize) -> Vec<Made> {
    let place = Place::with(before);
    let mut journal = place.open().unwrap();
    let (put, seen) = while_watched(None, || journal.put(SERVICE, &rollback(before)));
    put.unwrap();
    assert_eq!(seen.calls, seen.made.len());
    seen.made
}

fn befalls_a_write(before: usize, plan: FaultPlan, undisturbed: &[Made]) {
    let place = Place::with(before);
    let mut journal = place.open().unwrap();
    let (put, seen) = while_watched(Some(plan), || journal.put(SERVICE, &rollback(before)));
    assert!(seen.befallen > 0);
    let is_gone_on_with = is_gone_on_with(plan, undisturbed);
    assert_eq!(put.is_ok(), is_gone_on_with, "{plan:?}: {put:?}");
    // Only the last fsync can fail once the new state has its name.
    let is_named = is_gone_on_with || plan.at + 1 == undisturbed.len();
    let expected = before + usize::from(is_named);
    assert_eq!(place.remembered(), expected, "{plan:?}");
    if let Err(error) = put {
        names_the_file_and_the_remedy(&place, &error);
        is_refused_from_now_on(&place, &mut journal);
        assert_eq!(place.remembered(), expected, "{plan:?}");
        if !plan.for_ever {
            let left = place.names();
            assert!(!left.iter().any(|name| name.contains("new-")), "{left:?}");
        }
    }
    if place.previous().exists() {
        let kept = read(&place.previous()).unwrap();
        assert_eq!(kept.damage, None, "{plan:?}");
        let kept = kept.state.service(SERVICE).rollbacks.len();
        assert!(kept + 1 == before || kept == before, "{plan:?}: {kept}");
    }
    drop(journal);
    place.next_run_writes();
}

/// Tells whether a write ends well all the same.
fn is_gone_on_with(plan: FaultPlan, undisturbed: &[Made]) -> bool {
    let mut befallen = undisturbed.iter().skip(plan.at);
    let mut befallen = befallen
        .by_ref()
        .take(if plan.for_ever { usize::MAX } else { 1 });
    let is_write = |made: &Made| matches!(made, Made::Wrote(..));
    match plan.fault {
        Fault::Io | Fault::NoSpace => false,
        // However often: it gets on by a byte each time.
        Fault::Short => true,
        Fault::Interrupted => !plan.for_ever && befallen.all(is_write),
        Fault::Nothing => !befallen.any(is_write),
    }
}

fn names_the_file_and_the_remedy(place: &Place, error: &JournalError) {
    let text = error.to_string();
    let file = place.file.to_str().unwrap();
    assert!(matches!(error, JournalError::Write { .. }), "{text}");
    assert!(text.contains(file), "{text}");
    assert!(text.contains("free space or repair the volume"), "{text}");
    assert!(!text.contains('\n'), "{text}");
}

/// What was not written must not be written later, as if nothing had been: the disk is not touched again.
fn is_refused_from_now_on(place: &Place, journal: &mut Journal) {
    let (put, seen) = while_watched(None, || journal.put(SERVICE, &rollback(2000)));
    names_the_file_and_the_remedy(place, &put.unwrap_err());
    assert_eq!(seen.calls, 0);
}

#[test]
fn whatever_call_fails_when_the_state_is_opened_nothing_is_lost() {
    let mut tried = 0;
    for before in 0..=2 {
        for (fault, for_ever) in kinds() {
            for at in 0.. {
                let place = Place::with(before);
                let left = place
                    .file
                    .with_file_name(".state.json.new-0123456789abcdef");
                fs::write(&left, "half").unwrap();
                let plan = FaultPlan {
                    fault,
                    at,
                    for_ever,
                };
                let (opened, seen) = while_watched(Some(plan), || place.open());
                if at >= seen.calls {
                    break;
                }
                tried += 1;
                if let Err(error) = opened.map(drop) {
                    let text = error.to_string();
                    assert!(text.contains("the state folder"), "{text}");
                    assert!(text.contains("make it writable"), "{text}");
                }
                assert_eq!(place.remembered(), before);
                place.next_run_writes();
            }
        }
    }
    assert!(tried >= 100, "{tried}");
    reached("io faults at opening", "all", &format!("{tried}, 0 lost"));
}

#[test]
fn a_folder_that_cannot_be_brought_to_disk_is_made_by_the_next_run() {
    let place = Place::new();
    let file = place.file.with_file_name("deep").join("deeper/state.json");
    let (opened, seen) = while_watched(None, || Journal::open(&file));
    drop(opened.unwrap());
    let folders: Vec<&Made> = seen.made.iter().take(4).collect();
    let deep = file.ancestors().nth(2).unwrap().to_owned();
    let above = deep.parent().unwrap().to_owned();
    assert_eq!(
        folders,
        [
            &Made::Folder(deep.clone()),
            &Made::SyncedFolder(above),
            &Made::Folder(deep.join("deeper")),
            &Made::SyncedFolder(deep.clone()),
        ]
    );
    for at in 0..4 {
        fs::remove_dir_all(&deep).unwrap();
        let plan = FaultPlan {
            fault: Fault::Io,
            at,
            for_ever: true,
        };
        let (opened, _) = while_watched(Some(plan), || Journal::open(&file));
        assert!(matches!(opened, Err(JournalError::Folder { .. })));
        drop(Journal::open(&file).unwrap());
    }
}
