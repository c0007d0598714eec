//! The timeline of the watched paths.

use error_budget_monitor::clients::git::{WalkEnd, Want};

use super::*;

#[test]
fn lists_the_changes_of_the_path_newest_first_down_to_the_root() {
    let world = seeded();
    let seed = world.repo.tip();
    let v2 = world.release("v2", 1);
    world.noise("o2\n", 2);
    let v3 = world.release("v3", 3);
    let tip = world.noise("o3\n", 4);

    let snapshot = world.read();

    assert_eq!(snapshot.tip, tip);
    assert_eq!(revisions(&snapshot.changes), [&v3, &v2, &seed]);
    assert_eq!(snapshot.end, WalkEnd::Root);
    assert_eq!(snapshot.tip_state, snapshot.changes[0].state);
    let newest = &snapshot.changes[0];
    assert_eq!(
        (newest.subject.as_str(), newest.committed_at),
        ("v3", at(3))
    );
    assert_eq!(revisions(&snapshot.changes), world.repo.path_history(PATH));
}

#[test]
fn a_state_is_equal_where_the_content_is_equal() {
    let world = seeded();
    world.release("v2", 1);
    world.noise("o2\n", 2);
    let back = world.release("v1", 3);

    let snapshot = world.read();

    let states: Vec<_> = snapshot.changes.iter().map(|c| &c.state).collect();
    assert_eq!(states[0], states[2]);
    assert_ne!(states[0], states[1]);
    assert_eq!(snapshot.state_at(&back).as_ref(), Some(states[2]));
    assert_eq!(
        snapshot.state_at("0123456789012345678901234567890123456789"),
        None
    );
    assert_eq!(snapshot.state_at("no id"), None);
}

#[test]
fn a_merged_pull_request_is_one_change_and_its_inner_commits_are_none() {
    let world = seeded();
    let seed = world.repo.tip();
    let inner = world
        .repo
        .prepare("cpu", at(1))
        .branch("pr")
        .write("apps/checkout/cpu", "2\n")
        .create();
    let image = world
        .repo
        .prepare("image", at(2))
        .branch("pr")
        .write(FILE, "v2\n")
        .create();
    let other = world.noise("o2\n", 3);
    let merge = world
        .repo
        .prepare("Merge pull request #1", at(4))
        .parents(&[&other, &image])
        .write("apps/checkout/cpu", "2\n")
        .write(FILE, "v2\n")
        .create();

    let snapshot = world.read();

    assert_eq!(revisions(&snapshot.changes), [&merge, &seed]);
    assert_eq!(snapshot.changes[0].subject, "Merge pull request #1");
    assert!(!revisions(&snapshot.changes).contains(&inner.as_str()));
}

#[test]
fn a_squash_merge_is_one_change() {
    let world = seeded();
    let seed = world.repo.tip();
    world
        .repo
        .prepare("wip", at(1))
        .branch("pr")
        .write(FILE, "half\n")
        .create();
    let squash = world.release("v2", 2);
    let snapshot = world.read();
    assert_eq!(revisions(&snapshot.changes), [&squash, &seed]);
}

#[test]
fn two_paths_change_when_either_does() {
    let world = seeded();
    let seed = world.repo.tip();
    let base = world
        .repo
        .commit("base", at(1), &[("base/x.yaml", Some("b1\n"))]);
    world.noise("o2\n", 2);
    let v2 = world.release("v2", 3);
    let both = world.repo.commit(
        "both",
        at(4),
        &[(FILE, Some("v3\n")), ("base/x.yaml", Some("b2\n"))],
    );
    let git = git(GitSettings {
        paths: vec![PATH.to_owned(), "base".to_owned()],
        ..world.settings()
    });

    let snapshot = read(&git);

    assert_eq!(revisions(&snapshot.changes), [&both, &v2, &base, &seed]);
    assert_eq!(
        snapshot.state_at(&seed),
        None,
        "one of the paths is not there yet"
    );
}

#[test]
fn a_path_may_be_one_file() {
    let world = seeded();
    let seed = world.repo.tip();
    let v2 = world.release("v2", 1);
    world
        .repo
        .commit("beside", at(2), &[("apps/checkout/readme", Some("x\n"))]);
    let git = git(GitSettings {
        paths: vec![FILE.to_owned()],
        ..world.settings()
    });
    assert_eq!(revisions(&read(&git).changes), [&v2, &seed]);
}

#[test]
fn a_change_of_nothing_but_the_mode_is_a_change() {
    let world = seeded();
    let seed = world.repo.tip();
    let executable = world
        .repo
        .prepare("executable", at(1))
        .write_executable(FILE, "v1\n")
        .create();
    let git = git(GitSettings {
        paths: vec![FILE.to_owned()],
        ..world.settings()
    });
    assert_eq!(revisions(&read(&git).changes), [&executable, &seed]);
}

#[test]
fn a_path_that_was_away_for_a_while_has_gaps_and_no_state_there() {
    let world = seeded();
    let removed = world
        .repo
        .prepare("remove", at(1))
        .remove("apps/checkout")
        .create();
    let again = world.release("v2", 2);

    let snapshot = world.read();

    assert_eq!(revisions(&snapshot.changes)[..2], [&again, &removed]);
    assert_eq!(snapshot.changes[1].state, "-");
    assert_eq!(snapshot.state_at(&removed), None);
}

#[test]
fn a_path_below_what_was_once_a_file_was_not_there_then() {
    let world = world();
    world
        .repo
        .commit("file", at(0), &[("apps", Some("a file\n"))]);
    let folder = world.repo.prepare("folder", at(1)).remove("apps").create();
    let first = world.release("v1", 2);
    let snapshot = world.read();
    assert_eq!(revisions(&snapshot.changes), [&first]);
    assert_eq!(snapshot.state_at(&folder), None);
    assert_eq!(snapshot.end, WalkEnd::Root);
}

#[test]
fn stops_where_enough_was_seen() {
    let world = seeded();
    world.release("v2", 1);
    let v3 = world.release("v3", 2);
    let snapshot = world.read_changes(1);
    assert_eq!(revisions(&snapshot.changes), [&v3]);
    assert_eq!(snapshot.end, WalkEnd::Enough);
}

#[test]
fn no_changes_wanted_is_a_look_at_the_tip() {
    let world = seeded();
    let tip = world.release("v2", 1);
    let snapshot = world.git().read(&Want::default()).expect("readable");
    assert_eq!(snapshot.tip, tip);
    assert_eq!(snapshot.changes, []);
    assert_eq!(snapshot.end, WalkEnd::Enough);
}

#[test]
fn reads_the_trailers_of_a_change_whatever_ends_its_lines() {
    let world = seeded();
    for (minute, end) in [(1, "\n"), (2, "\r\n")] {
        let message = [
            "subject",
            "",
            "why",
            "",
            "Rolls-Back: abc",
            "Restores: def",
            "",
        ]
        .join(end);
        let content = format!("release {minute}\n");
        world
            .repo
            .commit(&message, at(minute), &[(FILE, Some(&content))]);
        let change = &world.read_changes(1).changes[0];
        let expected = [("Rolls-Back", "abc"), ("Restores", "def")];
        assert_eq!(trailers(&change.message), expected, "{end:?}");
        assert_eq!(change.subject, "subject");
    }
}

#[test]
fn a_branch_name_may_have_slashes() {
    let world = seeded();
    let release = world
        .repo
        .prepare("v2", at(1))
        .branch("env/prod/eu")
        .write(FILE, "v2\n")
        .create();
    let git = git(GitSettings {
        branch: "env/prod/eu".to_owned(),
        ..world.settings()
    });
    let snapshot = read(&git);
    assert_eq!(snapshot.tip, release);
    let (commit, answer) = roll_back(&snapshot, &world.repo.tip());
    assert_eq!(answer, Push::Accepted);
    assert_eq!(world.repo.id_at("env/prod/eu"), commit);
}

#[test]
fn a_branch_called_master_is_one_like_any_other() {
    let world = seeded();
    let release = world
        .repo
        .prepare("v2", at(1))
        .branch("master")
        .write(FILE, "v2\n")
        .create();
    let git = git(GitSettings {
        branch: "master".to_owned(),
        ..world.settings()
    });
    assert_eq!(read(&git).tip, release);
}

#[test]
fn works_under_a_runtime_of_one_thread() {
    let world = seeded();
    let tip = world.repo.tip();
    let settings = world.settings();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let read = runtime.block_on(async {
        let git = Git::new(settings, Handle::current()).expect("usable settings");
        let reading = tokio::task::spawn_blocking(move || git.read(&everything()));
        reading
            .await
            .expect("no panic")
            .map(|snapshot| snapshot.tip)
    });
    assert_eq!(read.expect("a readable branch"), tip);
}

#[test]
fn the_scratch_folder_goes_with_the_snapshot() {
    let world = seeded();
    let snapshot = world.read();
    let folder = snapshot.folder().to_owned();
    assert!(folder.exists());
    drop(snapshot);
    assert!(!folder.exists());
}
