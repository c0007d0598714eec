//! Against JGit, which Gerrit serves git by: when a history is deepened it sends again what stood at its boundary.

use error_budget_monitor::clients::git::{Push, WalkEnd};
use testkit::git::JGitServer;

use super::*;

/// One for all tests; nothing where it cannot be had on this machine.
static SERVER: LazyLock<Option<JGitServer>> = LazyLock::new(JGitServer::start);

/// Three releases, and after each of them so many commits of another team.
fn releases(repo: &GitRepo, apart: usize) {
    for (version, minute) in [("v1\n", 0), ("v2\n", 5_000), ("v3\n", 10_000)] {
        let files = [(FILE, Some(version)), (OTHER_FILE, Some("o\n"))];
        repo.commit(version, at(minute), &files);
        repo.commit_many(apart, OTHER_FILE, at(minute + 1));
    }
}

#[test]
fn a_history_is_deepened_once_twice_and_three_times_and_put_back() {
    let Some(server) = &*SERVER else {
        return;
    };
    for apart in [70, 300, 1_400] {
        let name = format!("apart-{apart}");
        let repo = server.create(&name);
        releases(&repo, apart);
        let want = Want {
            changes: 2,
            ..Want::default()
        };
        let git = git(settings(&server.url(&name)));
        assert_eq!(git.tip(Duration::from_secs(60)).expect("a tip"), repo.tip());
        let snapshot = git.read(&want).expect("a readable branch");
        assert_eq!(
            revisions(&snapshot.changes),
            repo.path_history(PATH)[..2],
            "{apart} commits apart"
        );
        let target = snapshot.changes[1].revision.clone();
        let (commit, answer) = roll_back(&snapshot, &target);
        assert_eq!(answer, Push::Accepted, "{apart} commits apart");
        assert_eq!(repo.tip(), commit);
        assert_eq!(repo.file_at("main", FILE).as_deref(), Some("v2\n"));
        repo.fsck();
    }
}

#[test]
fn the_deepest_history_ends_where_it_ends() {
    let Some(server) = &*SERVER else {
        return;
    };
    let repo = server.create("deep");
    releases(&repo, 1_700);
    let snapshot = read(&git(settings(&server.url("deep"))));
    assert_eq!(revisions(&snapshot.changes), repo.path_history(PATH)[..1]);
    assert_eq!(snapshot.end, WalkEnd::DepthLimit);
}

/// Every branch that was merged has a boundary of its own.
#[test]
fn a_history_of_merges_is_deepened() {
    let Some(server) = &*SERVER else {
        return;
    };
    let repo = server.create("merges");
    releases(&repo, 3);
    let mut tip = repo.tip();
    for number in 0..70 {
        let content = format!("o{number}\n");
        let branched = repo.id_at(&format!("{tip}~3"));
        let inner = repo
            .prepare("inner", at(20_000 + number))
            .branch("pr")
            .parents(&[&branched])
            .write(OTHER_FILE, &content)
            .create();
        tip = repo
            .prepare("merge", at(20_000 + number))
            .parents(&[&tip, &inner])
            .write(FILE, "v3\n")
            .write(OTHER_FILE, &content)
            .create();
    }
    let snapshot = read(&git(settings(&server.url("merges"))));
    assert_eq!(revisions(&snapshot.changes), repo.path_history(PATH));
    assert_eq!(snapshot.end, WalkEnd::Root);
}
