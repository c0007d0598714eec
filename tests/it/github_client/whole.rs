//! The whole repository as a watched path: what differs is named file by file.

use error_budget_monitor::clients::github::Landing;

use super::*;

#[tokio::test]
async fn the_tree_of_a_whole_commit_is_written() {
    let world = world();
    let repo = world.repo();
    let workflow = (".github/workflows/ci.yml", Some("w1\n"));
    let good = repo.commit(
        "good",
        at(2),
        &[
            workflow,
            ("deploy.yaml", Some("v1\n")),
            ("old/a/k.yaml", Some("a\n")),
        ],
    );
    let tip = repo.commit(
        "bad",
        at(3),
        &[
            ("deploy.yaml", None),
            ("old/a/k.yaml", None),
            ("new/k.yaml", Some("n\n")),
            (FILE, Some("v3\n")),
        ],
    );
    let snapshot = read(&world.github, vec![".".to_owned()]).await;
    let new = new_commit(&snapshot, &good);
    let mut paths: Vec<_> = new.entries.iter().map(|entry| &*entry.path).collect();
    paths.sort_unstable();
    assert_eq!(paths, [FILE, "deploy.yaml", "new/k.yaml", "old/a/k.yaml"]);
    let written = world.app().write_commit(&new).await.expect("it is written");
    let landing = world.app().land("main", &written).await.expect("an answer");
    assert!(matches!(landing, Landing::Landed { .. }), "{landing:?}");
    assert_eq!(repo.tree_at("main", ""), repo.tree_at(&good, ""));
    assert_eq!(repo.log()[0].parents, [tip]);
    repo.fsck();
}
