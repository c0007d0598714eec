//! Many cases at once: most of the time a case waits for servers.

use std::env;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::table;

/// How many cases are tried at the same time where they keep the processors busy.
pub(crate) const BUSY: usize = 8;

/// How many where they mostly wait for time-outs.
pub(crate) const PATIENT: usize = 20;

/// Most failures that are told in full.
const TOLD: usize = 5;

/// Does `work` on every case, so many at the same time, and fails with the names of those that went wrong.
#[track_caller]
pub(crate) fn each<C: Sync, R: Send>(
    at_once: usize,
    cases: &[C],
    name: impl Fn(&C) -> String + Sync,
    work: impl Fn(&C) -> R + Sync,
) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let results: Mutex<Vec<(usize, R)>> = Mutex::default();
    let failures: Mutex<Vec<String>> = Mutex::default();
    std::thread::scope(|threads| {
        for _ in 0..at_once.min(cases.len()) {
            threads.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(case) = cases.get(index) else { break };
                    match catch_unwind(AssertUnwindSafe(|| work(case))) {
                        Ok(result) => results.lock().expect("a list").push((index, result)),
                        Err(panic) => {
                            let words = panic
                                .downcast_ref::<String>()
                                .map(String::as_str)
                                .or_else(|| panic.downcast_ref::<&str>().copied())
                                .unwrap_or("it panicked");
                            let told = format!("{}: {words}", name(case));
                            table::says(&told);
                            failures.lock().expect("a list").push(told);
                        }
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().expect("a list");
    assert!(
        failures.is_empty(),
        "{} of {} cases went wrong; the first: {}",
        failures.len(),
        cases.len(),
        failures[..failures.len().min(TOLD)].join("\n---\n")
    );
    let mut results = results.into_inner().expect("a list");
    results.sort_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}

/// Tells whether there is a night for everything: `NIGHTLY` is set.
pub(crate) fn is_night() -> bool {
    env::var_os("NIGHTLY").is_some()
}
