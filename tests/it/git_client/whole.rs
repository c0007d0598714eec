//! `GITOPS_PATH=.`: the whole repository is watched. And a manifest at its top.

use super::*;

/// The client of a world in which the whole repository is watched.
fn of_everything(world: &World) -> Git {
    git(GitSettings {
        paths: vec![".".to_owned()],
        ..world.settings()
    })
}

fn of_everything_but(world: &World, ignored: &str) -> Git {
    git(GitSettings {
        paths: vec![".".to_owned()],
        ignore: Ignore::parse(ignored).expect("patterns"),
        ..world.settings()
    })
}

#[test]
fn the_tree_of_the_whole_commit_is_put_back() {
    let world = seeded();
    let good = world.repo.commit(
        "good",
        at(1),
        &[
            ("deploy.yaml", Some("v1\n")),
            ("base/x/k.yaml", Some("b1\n")),
        ],
    );
    let bad = world.repo.commit(
        "bad",
        at(2),
        &[
            ("deploy.yaml", Some("v2\n")),
            ("base/x/k.yaml", None),
            ("new/k.yaml", Some("n2\n")),
            (FILE, Some("v2\n")),
        ],
    );
    let snapshot = read(&of_everything(&world));
    assert_eq!(revisions(&snapshot.changes)[..2], [&*bad, &*good]);
    let tree = world.repo.tree_at(&bad, "").expect("a tree");
    assert_eq!(snapshot.tip_state, format!("40000:{tree}"));

    let (commit, answer) = roll_back(&snapshot, &good);

    assert_eq!(answer, Push::Accepted);
    assert_eq!(
        world.repo.tree_at(&commit, ""),
        world.repo.tree_at(&good, "")
    );
    assert_eq!(world.repo.log()[0].parents, [bad]);
    world.repo.fsck();
    let after = read(&of_everything(&world));
    assert_eq!(after.state_at(&good), Some(after.tip_state.clone()));
}

#[test]
fn what_others_changed_later_stays() {
    let world = seeded();
    let good = world
        .repo
        .commit("good", at(1), &[("deploy.yaml", Some("v1\n"))]);
    let bad = world.repo.commit(
        "bad",
        at(2),
        &[
            ("deploy.yaml", Some("v2\n")),
            ("added/k.yaml", Some("v2\n")),
        ],
    );
    let other = world.noise("o3\n", 3);
    let top = world
        .repo
        .commit("top", at(4), &[("notes.txt", Some("n\n"))]);
    let snapshot = read(&of_everything(&world));
    let effects = snapshot.effects(&bad, &good).expect("readable");
    let edited: Vec<_> = effects.commits[2]
        .edits
        .iter()
        .map(|edit| &*edit.path)
        .collect();
    assert_eq!(edited, ["added/k.yaml", "deploy.yaml"]);

    let keeps = [other, top.clone()];
    let draft = snapshot.draft_keeping(&good, &keeps).expect("it fits");
    let commit = snapshot.commit(draft, MESSAGE, at(9_000)).expect("written");
    assert_eq!(snapshot.push(&commit).expect("an answer"), Push::Accepted);

    let mut expected = world.repo.files_at(&top);
    expected.remove("added/k.yaml");
    expected.insert(
        "deploy.yaml".to_owned(),
        world
            .repo
            .tree_at(&good, "deploy.yaml")
            .expect("it is there"),
    );
    let found = world.repo.files_at(&commit);
    assert_eq!(
        found.keys().collect::<Vec<_>>(),
        expected.keys().collect::<Vec<_>>()
    );
    assert_eq!(
        world.repo.file_at(&commit, "deploy.yaml").as_deref(),
        Some("v1\n")
    );
    assert_eq!(
        world.repo.file_at(&commit, OTHER_FILE).as_deref(),
        Some("o3\n")
    );
    world.repo.fsck();
}

#[test]
fn a_manifest_at_the_top_is_a_path() {
    let world = seeded();
    let good = world
        .repo
        .commit("good", at(1), &[("deploy.yaml", Some("v1\n"))]);
    let bad = world
        .repo
        .commit("bad", at(2), &[("deploy.yaml", Some("v2\n"))]);
    world.noise("o3\n", 3);
    let git = git(GitSettings {
        paths: vec!["deploy.yaml".to_owned()],
        ..world.settings()
    });
    let snapshot = read(&git);
    assert_eq!(revisions(&snapshot.changes), [&*bad, &*good]);
    let (commit, answer) = roll_back(&snapshot, &good);
    assert_eq!(answer, Push::Accepted);
    assert_eq!(
        world.repo.file_at(&commit, "deploy.yaml").as_deref(),
        Some("v1\n")
    );
    assert_eq!(
        world.repo.file_at(&commit, OTHER_FILE).as_deref(),
        Some("o3\n")
    );
}

#[test]
fn files_that_change_nothing_are_named_from_the_top() {
    let world = seeded();
    let seed = world.repo.tip();
    let notes = world.repo.commit(
        "notes",
        at(1),
        &[
            ("README.md", Some("r1\n")),
            ("apps/checkout/a.md", Some("a1\n")),
        ],
    );
    world
        .repo
        .commit("top", at(2), &[("README.md", Some("r2\n"))]);
    let all = read(&of_everything_but(&world, "**/*.md"));
    assert_eq!(revisions(&all.changes), [&*seed]);
    let top = read(&of_everything_but(&world, "/*.md"));
    assert_eq!(revisions(&top.changes), [&*notes, &*seed]);
}

#[test]
fn what_ci_runs_is_not_put_back() {
    let workflow = ".github/workflows/ci.yml";
    let world = seeded();
    let good = world
        .repo
        .commit("good", at(1), &[(workflow, Some("w1\n"))]);
    let next = world
        .repo
        .commit("next", at(2), &[(workflow, Some("w2\n"))]);
    world.release("v2", 3);
    let snapshot = read(&of_everything(&world));
    let why = refusal(snapshot.draft(&good).expect_err("workflows would change"));
    assert!(why.contains("which no rollback changes"), "{why}");
    let (commit, answer) = roll_back(&snapshot, &next);
    assert_eq!(answer, Push::Accepted);
    assert_eq!(
        world.repo.tree_at(&commit, ""),
        world.repo.tree_at(&next, "")
    );
    assert_eq!(
        world.repo.file_at(&commit, workflow).as_deref(),
        Some("w2\n")
    );
}

#[test]
fn a_repository_is_never_emptied() {
    let world = world();
    let empty = world.repo.prepare("nothing yet", at(0)).create();
    world.repo.commit("first", at(1), &[(FILE, Some("v1\n"))]);
    let snapshot = read(&of_everything(&world));
    let why = refusal(snapshot.draft(&empty).expect_err("everything would go"));
    assert!(
        why.contains("restoring would delete everything in it"),
        "{why}"
    );
}
