//! The exposition as a file.

use std::error::Error;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use error_budget_monitor::metrics::write_textfile;

fn files(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("our own folder");
    let mut names: Vec<String> = entries
        .map(|entry| {
            let name = entry.expect("our own folder").file_name();
            name.to_string_lossy().into_owned()
        })
        .collect();
    names.sort();
    names
}

#[test]
fn replaces_the_file_and_leaves_nothing_beside_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("budget.prom");
    for text in ["up 1\n", "up 0\n"] {
        write_textfile(&path, text).expect("a folder that can be written");
        assert_eq!(fs::read_to_string(&path).expect("the file"), text);
        let mode = fs::metadata(&path).expect("the file").permissions().mode();
        assert_eq!(mode & 0o777, 0o644, "everybody may read it");
    }
    assert_eq!(files(folder.path()), ["budget.prom"]);
}

#[test]
fn a_reader_never_sees_a_part() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("budget.prom");
    let texts = ["a\n".repeat(50_000), "b\n".repeat(70_000)];
    write_textfile(&path, &texts[0]).expect("written");
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut reads = 0;
            while !done.load(Ordering::SeqCst) || reads == 0 {
                let seen = fs::read_to_string(&path).expect("the file is always there");
                assert!(texts.contains(&seen), "{} bytes", seen.len());
                reads += 1;
            }
        });
        for number in 0..50 {
            write_textfile(&path, &texts[number % 2]).expect("written");
        }
        done.store(true, Ordering::SeqCst);
        reader.join().expect("only whole texts");
    });
}

#[test]
fn what_a_crash_left_is_written_over() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("budget.prom");
    fs::write(folder.path().join(".budget.prom.new"), "half a li").expect("our own folder");
    write_textfile(&path, "up 1\n").expect("written");
    assert_eq!(files(folder.path()), ["budget.prom"]);
    assert_eq!(fs::read_to_string(&path).expect("the file"), "up 1\n");
}

#[test]
fn a_place_that_cannot_be_written_is_named_with_the_remedy() {
    let folder = tempfile::tempdir().expect("a folder");
    let missing = folder.path().join("gone/budget.prom");
    let error = write_textfile(&missing, "up 1\n").expect_err("no folder");
    let text = error.to_string();
    assert!(text.contains("gone/budget.prom"), "{text}");
    assert!(text.contains("METRICS_TEXTFILE"), "{text}");
    assert!(error.source().is_some(), "why is told");

    // A folder in the place of the file: what was written beside it goes again.
    let occupied = folder.path().join("budget.prom");
    fs::create_dir(&occupied).expect("our own folder");
    write_textfile(&occupied, "up 1\n").expect_err("a folder is in the way");
    assert_eq!(files(folder.path()), ["budget.prom"]);
}
