//! What a rollback writes.

use error_budget_monitor::rollback::{PushWay, Restoration, Restored, restore};

use super::*;

#[test]
fn restores_the_path_and_leaves_everything_else_as_at_the_tip() {
    let world = seeded();
    let good = world.repo.tip();
    world.repo.commit(
        "one commit of two teams",
        at(1),
        &[
            (FILE, Some("v2\n")),
            (OTHER_FILE, Some("o2\n")),
            ("apps/checkout/new.yaml", Some("new\n")),
        ],
    );
    let tip = world.noise("o3\n", 2);

    let (commit, answer) = roll_back(&world.read(), &good);

    assert_eq!(answer, Push::Accepted);
    assert_eq!(world.repo.tip(), commit);
    assert_eq!(
        world.repo.tree_at(&commit, PATH),
        world.repo.tree_at(&good, PATH)
    );
    assert_eq!(
        world.repo.file_at(&commit, OTHER_FILE).as_deref(),
        Some("o3\n")
    );
    assert_eq!(world.repo.file_at(&commit, "apps/checkout/new.yaml"), None);
    assert_eq!(world.repo.log()[0].parents, [tip]);
    world.repo.fsck();
}

#[test]
fn writes_message_author_and_time_as_given() {
    let world = seeded();
    let good = world.repo.tip();
    world.release("v2", 1);
    roll_back(&world.read(), &good);
    let entry = &world.repo.log()[0];
    assert_eq!(entry.message, MESSAGE);
    assert_eq!(entry.author, "error-budget-monitor <ebm@example.com>");
    assert_eq!(entry.committed_at, at(9_000));
    assert_eq!(
        trailers(&world.read_changes(1).changes[0].message),
        [("Error-Budget-Rollback", "r-1"), ("Rolls-Back", "abc")]
    );
}

#[test]
fn the_same_rollback_has_the_same_id_in_every_snapshot() {
    let world = seeded();
    let good = world.repo.tip();
    world.release("v2", 1);
    let first = write(&world.read(), &good);
    let second = write(&world.read_changes(1), &good);
    assert_eq!(first, second);
}

#[test]
fn modes_links_and_unusual_names_survive() {
    let world = world();
    let good = world
        .repo
        .prepare("first", at(0))
        .write_executable("apps/checkout/run me.sh", "#!/bin/sh\n")
        .link("apps/checkout/latest", "run me.sh")
        .write("apps/checkout/größe/ü.yaml", "v1\n")
        .write(FILE, "v1\n")
        .write("apps/checkout.yaml", "beside\n")
        .write("apps/checkout-canary/k.yaml", "beside\n")
        .write("apps/-/odd", "beside\n")
        .link("apps/link", "checkout")
        .create();
    let expected = world.repo.files_at(&good);
    world
        .repo
        .prepare("bad", at(1))
        .remove("apps/checkout/größe")
        .remove("apps/checkout/latest")
        .write("apps/checkout/run me.sh", "no longer executable\n")
        .write(FILE, "v2\n")
        .create();
    let (commit, answer) = roll_back(&world.read(), &good);
    assert_eq!(answer, Push::Accepted);
    assert_eq!(world.repo.files_at(&commit), expected);
    world.repo.fsck();
}

#[test]
fn restores_several_paths_from_one_commit() {
    let world = seeded();
    let good = world
        .repo
        .commit("base", at(1), &[("base/x.yaml", Some("b1\n"))]);
    world.repo.commit(
        "bad",
        at(2),
        &[(FILE, Some("v2\n")), ("base/x.yaml", Some("b2\n"))],
    );
    world.noise("o2\n", 3);
    let git = git(GitSettings {
        paths: vec![PATH.to_owned(), "base".to_owned()],
        ..world.settings()
    });
    let (commit, _) = roll_back(&read(&git), &good);
    assert_eq!(world.repo.file_at(&commit, FILE).as_deref(), Some("v1\n"));
    assert_eq!(
        world.repo.file_at(&commit, "base/x.yaml").as_deref(),
        Some("b1\n")
    );
    assert_eq!(
        world.repo.file_at(&commit, OTHER_FILE).as_deref(),
        Some("o2\n")
    );
}

#[test]
fn restores_a_path_that_is_one_file_with_its_mode() {
    let world = world();
    let good = world
        .repo
        .prepare("first", at(0))
        .write_executable(FILE, "v1\n")
        .write("apps/checkout/beside.yaml", "b1\n")
        .create();
    world.repo.commit(
        "bad",
        at(1),
        &[
            (FILE, Some("v2\n")),
            ("apps/checkout/beside.yaml", Some("b2\n")),
        ],
    );
    let mut expected = world.repo.files_at("main");
    expected.insert(FILE.to_owned(), world.repo.files_at(&good)[FILE].clone());
    let git = git(GitSettings {
        paths: vec![FILE.to_owned()],
        ..world.settings()
    });
    let (commit, _) = roll_back(&read(&git), &good);
    assert_eq!(world.repo.files_at(&commit), expected);
}

#[test]
fn restores_across_a_merge_and_an_older_rollback() {
    let world = seeded();
    let good = world.repo.tip();
    world.release("v2", 1);
    roll_back(&world.read(), &good);
    world.release("v3", 10_000);
    let snapshot = world.read();
    let (commit, answer) = roll_back(&snapshot, &snapshot.changes[1].revision);
    assert_eq!(answer, Push::Accepted);
    assert_eq!(world.repo.file_at(&commit, FILE).as_deref(), Some("v1\n"));
}

#[test]
fn shows_what_would_change() {
    let world = seeded();
    let good = world.repo.tip();
    world.release("v2", 1);
    let snapshot = world.read();
    let draft = snapshot.draft(&good).expect("something to restore");
    insta::assert_snapshot!(snapshot.diff(draft).expect("a diff"), @r"
    diff --git a/apps/checkout/k.yaml b/apps/checkout/k.yaml
    index 8c1384d..626799f 100644
    --- a/apps/checkout/k.yaml
    +++ b/apps/checkout/k.yaml
    @@ -1 +1 @@
    -v2
    +v1
    ");
}

#[test]
fn a_shown_diff_has_no_control_characters_and_a_bounded_length() {
    let world = seeded();
    world
        .repo
        .commit("good", at(1), &[(FILE, Some("red \u{1b}[31m\n"))]);
    let good = world.repo.tip();
    world
        .repo
        .commit("bad", at(2), &[(FILE, Some(&"ü\n".repeat(100_000)))]);
    let snapshot = world.read();
    let draft = snapshot.draft(&good).expect("something to restore");
    let diff = snapshot.diff(draft).expect("a diff");
    assert!(diff.len() < 70_000, "{}", diff.len());
    assert!(diff.ends_with("[the rest of the diff is not shown]\n"));

    let (_, answer) = roll_back(&snapshot, &good);
    assert_eq!(answer, Push::Accepted);
    world.release("v3", 10_000);
    let snapshot = world.read();
    let draft = snapshot.draft(&good).expect("something to restore");
    let diff = snapshot.diff(draft).expect("a diff");
    assert!(!diff.contains('\u{1b}'), "{diff:?}");
}

#[test]
fn keeps_what_a_later_commit_did_whatever_moved_elsewhere() {
    let world = seeded();
    let good = world.repo.tip();
    world.repo.commit(
        "bad",
        at(1),
        &[
            (FILE, Some("v2\n")),
            ("apps/checkout/deep/new.yaml", Some("new\n")),
        ],
    );
    let later = world
        .repo
        .commit("later", at(2), &[("apps/checkout/a/b/c.yaml", Some("c\n"))]);
    let stale = world.read();
    let work = Restoration {
        id: "r-1".to_owned(),
        from_state: stale.tip_state.clone(),
        to: good.clone(),
        keeps: vec![later.clone()],
        tip: stale.tip.clone(),
        message: MESSAGE.to_owned(),
        at: at(9_000),
    };
    let tip = world.noise("o2\n", 3);
    let git = world.git();
    let restored = RUNTIME.block_on(restore(&git, PushWay::Push, &work, Some(stale), |_| Ok(())));
    let Restored::Landed { commit, .. } = restored else {
        panic!("{restored:?}");
    };
    assert_eq!(world.repo.log()[0].parents, [tip]);
    let mut expected = world.repo.files_at(&good);
    expected.extend(
        world
            .repo
            .files_at("main")
            .into_iter()
            .filter(|(path, _)| path == OTHER_FILE || path == "apps/checkout/a/b/c.yaml"),
    );
    assert_eq!(world.repo.files_at(&commit), expected);
    assert_eq!(
        world.repo.file_at(&commit, OTHER_FILE).as_deref(),
        Some("o2\n")
    );
    world.repo.fsck();
    let snapshot = world.read();
    assert_eq!(snapshot.puts_back_files_of(&commit, &good), Some(true));
    assert_eq!(snapshot.puts_back_files_of(&later, &good), Some(false));
}

#[test]
fn a_file_that_both_changed_is_refused() {
    let world = seeded();
    let good = world.repo.tip();
    world.release("v2", 1);
    let later = world.release("v3", 2);
    let error = world.read().draft_keeping(&good, &[later]);
    let why = refusal(error.expect_err("a conflict"));
    assert!(
        why.contains("was changed by what stays and by what goes back"),
        "{why}"
    );
}
