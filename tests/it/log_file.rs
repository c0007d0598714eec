//! The log file by itself: appended, bounded, and never in the way.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::thread;

use error_budget_monitor::log_file::LogFile;
use serde_json::{Value, json};
use tempfile::TempDir;

fn folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("rollbacks.log");
    (folder, path)
}

fn older(path: &Path) -> PathBuf {
    path.with_file_name("rollbacks.log.1")
}

fn line(number: usize) -> Vec<u8> {
    let mut line = json!({ "number": number, "padding": "x".repeat(60) }).to_string();
    line.push('\n');
    line.into_bytes()
}

/// Returns the numbers of the lines in a file; nothing where there is none. Every line must be whole.
#[track_caller]
fn numbers(path: &Path) -> Vec<u64> {
    let text = fs::read_to_string(path).unwrap_or_default();
    let lines = text.lines();
    lines
        .map(|line| {
            let line: Value = serde_json::from_str(line).expect("one JSON object a line");
            line["number"].as_u64().expect("a number")
        })
        .collect()
}

#[test]
fn runs_append_one_after_the_other() {
    let (_folder, path) = folder();
    for run in 0..3 {
        let log_file = LogFile::new(&path);
        log_file.append(&line(run));
        log_file.append(&line(run + 10));
        assert_eq!((log_file.lost(), log_file.trouble()), (0, None));
    }
    assert_eq!(numbers(&path), [0, 10, 1, 11, 2, 12]);
    let mode = fs::metadata(&path).expect("the file").permissions().mode();
    assert_eq!(mode & 0o007, 0, "not everybody reads it: {mode:o}");
}

#[test]
fn a_file_that_is_never_written_to_is_never_made() {
    let (_folder, path) = folder();
    drop(LogFile::new(&path));
    assert!(!path.exists());
}

#[test]
fn a_file_that_would_grow_too_large_makes_room() {
    let (_folder, path) = folder();
    let length = line(100).len() as u64;
    for number in 100..110 {
        // Three lines fit.
        LogFile::bounded(&path, 3 * length).append(&line(number));
    }
    assert_eq!(numbers(&older(&path)), [106, 107, 108]);
    assert_eq!(numbers(&path), [109]);

    // The same within one run.
    let log_file = LogFile::bounded(&path, 3 * length);
    for number in 110..116 {
        log_file.append(&line(number));
    }
    assert_eq!(numbers(&older(&path)), [112, 113, 114]);
    assert_eq!(numbers(&path), [115]);
    assert_eq!(log_file.lost(), 0);
}

#[test]
fn a_line_that_is_larger_than_all_room_is_kept_alone() {
    let (_folder, path) = folder();
    let log_file = LogFile::bounded(&path, 10);
    log_file.append(&line(1));
    log_file.append(&line(2));
    assert_eq!(numbers(&older(&path)), [1]);
    assert_eq!(numbers(&path), [2]);
}

#[test]
fn a_file_that_goes_away_comes_back_in_the_next_run() {
    let (_folder, path) = folder();
    LogFile::new(&path).append(&line(1));
    fs::remove_file(&path).expect("our own file");
    LogFile::new(&path).append(&line(2));
    assert_eq!(numbers(&path), [2]);
}

#[test]
fn a_line_that_a_crash_cut_spoils_no_other() {
    let (_folder, path) = folder();
    fs::write(&path, "{\"number\":1}\n{\"num").expect("our own folder");
    LogFile::new(&path).append(&line(2));
    let text = fs::read_to_string(&path).expect("the file");
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[1], "{\"num");
    assert_eq!(lines.len(), 3);
    serde_json::from_str::<Value>(lines[2]).expect("a whole line");
}

#[test]
fn what_cannot_be_written_is_counted_and_told_once() {
    let (folder, path) = folder();
    fs::write(&path, "").expect("our own folder");
    let refused = [
        folder.path().join("missing/rollbacks.log"),
        // A file in the place of a folder: no rights help.
        path.join("rollbacks.log"),
        folder.path().to_path_buf(),
        PathBuf::from("/dev/null"),
        PathBuf::from("/proc/rollbacks.log"),
    ];
    for path in refused {
        let log_file = LogFile::new(&path);
        log_file.append(&line(1));
        let trouble = log_file.trouble().expect("it cannot be written");
        let name = path.to_str().expect("test paths are text");
        assert!(trouble.contains(name), "{trouble}");
        assert!(trouble.contains("LOG_FILE"), "{trouble}");
        log_file.append(&line(2));
        assert_eq!(log_file.lost(), 2, "{trouble}");
        assert_eq!(log_file.trouble(), Some(trouble));
    }
}

/// Whoever may write the folder could else have the log appended to somebody else's file.
#[test]
fn a_symbolic_link_is_not_followed() {
    let (folder, path) = folder();
    let elsewhere = folder.path().join("elsewhere");
    for is_there in [true, false] {
        if is_there {
            fs::write(&elsewhere, "not ours").expect("our own folder");
        }
        symlink(&elsewhere, &path).expect("our own folder");
        let log_file = LogFile::new(&path);
        log_file.append(&line(1));
        assert_eq!(log_file.lost(), 1);
        let found = fs::read_to_string(&elsewhere).ok();
        assert_eq!(found.as_deref(), is_there.then_some("not ours"));
        fs::remove_file(&path).expect("our own link");
        let _ = fs::remove_file(&elsewhere);
    }
}

#[test]
fn a_full_file_that_cannot_be_set_aside_grows_no_further() {
    let (_folder, path) = folder();
    fs::create_dir(older(&path)).expect("our own folder");
    let log_file = LogFile::bounded(&path, 100);
    log_file.append(&line(1));
    log_file.append(&line(2));
    assert_eq!(numbers(&path), [1]);
    assert_eq!(log_file.lost(), 1);
}

#[test]
fn runs_at_the_same_time_lose_no_line() {
    let (_folder, path) = folder();
    let (runs, lines) = (8, 50);
    // Room for two thirds of the lines: the file is set aside once.
    let room = line(1_000).len() as u64 * (runs * lines) as u64 * 2 / 3;
    thread::scope(|scope| {
        for run in 0..runs {
            let path = &path;
            scope.spawn(move || {
                let log_file = LogFile::bounded(path, room);
                for number in 0..lines {
                    log_file.append(&line(run * lines + number + 1_000));
                }
                assert_eq!(log_file.trouble(), None);
            });
        }
    });
    let mut all = numbers(&older(&path));
    assert!(!all.is_empty(), "the file was set aside");
    all.extend(numbers(&path));
    all.sort_unstable();
    let expected: Vec<u64> = (1_000..1_000 + (runs * lines) as u64).collect();
    assert_eq!(all, expected);
}
