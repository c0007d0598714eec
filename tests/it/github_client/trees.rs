//! The same tree, whoever makes it: git2 here, and git's own plumbing behind the API.

use proptest::prelude::*;

use super::*;

/// Paths that look alike, with spaces, other letters and depth.
const FILES: [&str; 8] = [
    "apps/checkout/k.yaml",
    "apps/checkout/a b/ü.yaml",
    "apps/checkout/deep/er/still/x",
    "apps/checkout-canary/k.yaml",
    "apps/checkout.yaml",
    "apps/a",
    "checkout/\u{65e5}\u{672c}",
    "z",
];

/// What may be watched: a folder, a file, an executable or a link, and several at once.
const WATCHED: [&[&str]; 5] = [
    &["apps/checkout"],
    &["apps/checkout/k.yaml"],
    &["apps"],
    &["apps/checkout", "apps/checkout.yaml"],
    &["z"],
];

#[derive(Debug, Clone, Copy)]
enum Kind {
    File,
    Executable,
    Link,
}

type Step = Vec<(usize, Kind, u8)>;

fn step() -> impl Strategy<Value = Step> {
    let kind = prop_oneof![Just(Kind::File), Just(Kind::Executable), Just(Kind::Link)];
    prop::collection::vec((0..FILES.len(), kind, 0..3_u8), 1..5)
}

fn commit(repo: &GitRepo, step: &Step, minute: i64) {
    let mut commit = repo.prepare("step", at(minute));
    let mut seen = std::collections::BTreeSet::new();
    for (file, kind, version) in step {
        // Twice the same file in one commit would depend on the order.
        if !seen.insert(file) {
            continue;
        }
        let (path, content) = (FILES[*file], format!("version {version}\n"));
        commit = match kind {
            Kind::File => commit.write(path, &content),
            Kind::Executable => commit.write_executable(path, &content),
            Kind::Link => commit.link(path, &content),
        };
    }
    commit.create();
}

async fn same_tree(steps: &[Step], watched: &[&str], pick: prop::sample::Index) {
    let github = GithubServer::start();
    let repo = github.repo();
    let all: Vec<_> = FILES.iter().map(|file| (*file, Some("seed\n"))).collect();
    repo.commit("seed", at(0), &all);
    for (minute, step) in (1..).zip(steps) {
        commit(repo, step, minute);
    }
    let paths = watched.iter().map(|path| (*path).to_owned()).collect();
    let snapshot = read(&github, paths).await;
    let target = &pick.get(&snapshot.changes).revision;
    // Nothing to restore, or a file that became a link: refused before anything is written.
    let Ok(draft) = snapshot.draft(target) else {
        return;
    };
    let settings = settings(&github, GithubAuth::Token(GithubServer::TOKEN.into()));
    let client = Github::new(settings).expect("usable settings");
    let new = new_commit(&snapshot, target);
    assert_eq!(new.tree, draft.tree());
    let written = client.write_commit(&new).await.expect("the same tree");
    assert_eq!(repo.tree_at(&written.commit, ""), Some(draft.tree()));
    for path in watched {
        assert_eq!(
            repo.tree_at(&written.commit, path),
            repo.tree_at(target, path)
        );
    }
    // Once more on top of it is the same tree again.
    let again = NewCommit {
        tip: written.commit,
        ..new
    };
    let again = client.write_commit(&again).await.expect("the same tree");
    assert_eq!(repo.tree_at(&again.commit, ""), Some(draft.tree()));
    repo.fsck();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_api_makes_the_tree_that_git_makes(
        steps in prop::collection::vec(step(), 1..6),
        watched in 0..WATCHED.len(),
        pick in any::<prop::sample::Index>(),
    ) {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime")
            .block_on(same_tree(&steps, WATCHED[watched], pick));
    }
}
