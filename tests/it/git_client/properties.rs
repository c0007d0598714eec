//! For every history: the paths are as at the target, and everything else is as at the tip.

use proptest::prelude::*;

use super::*;

/// Files inside and outside the watched path, some of which look alike.
const FILES: [&str; 8] = [
    "apps/checkout/k.yaml",
    "apps/checkout/a b/ü.yaml",
    "apps/checkout/a b/x",
    "apps/checkout-canary/k.yaml",
    "apps/checkout.yaml",
    "apps/a",
    "checkout/k.yaml",
    "z",
];

#[derive(Debug, Clone, Copy)]
enum Kind {
    File,
    Executable,
    Link,
    Removed,
}

#[derive(Debug, Clone)]
struct Step {
    files: Vec<(usize, Kind, u8)>,
    is_merge: bool,
}

fn step() -> impl Strategy<Value = Step> {
    let kind = prop_oneof![
        3 => Just(Kind::File),
        1 => Just(Kind::Executable),
        1 => Just(Kind::Link),
        1 => Just(Kind::Removed),
    ];
    let file = (0..FILES.len(), kind, 0..3_u8);
    (prop::collection::vec(file, 1..4), any::<bool>())
        .prop_map(|(files, is_merge)| Step { files, is_merge })
}

/// Commits a step on a branch of its own and merges it, or right on `main`.
fn commit(repo: &GitRepo, step: &Step, minute: i64) {
    let before = repo.tip();
    let apply = |branch: &str, parents: &[&str]| {
        let mut commit = repo
            .prepare("step", at(minute))
            .branch(branch)
            .parents(parents);
        let mut seen = std::collections::BTreeSet::new();
        for (file, kind, version) in &step.files {
            let path = FILES[*file];
            // Twice the same file in one commit would depend on the order.
            if !seen.insert(path) {
                continue;
            }
            let content = format!("version {version}\n");
            commit = match kind {
                // The first file stays, so that the watched path does.
                Kind::Removed if *file == 0 || repo.tree_at(&before, path).is_none() => commit,
                Kind::Removed => commit.remove(path),
                Kind::File => commit.write(path, &content),
                Kind::Executable => commit.write_executable(path, &content),
                Kind::Link => commit.link(path, &content),
            };
        }
        commit.create()
    };
    if step.is_merge {
        let side = apply("side", &[&before]);
        apply("main", &[&before, &side]);
    } else {
        apply("main", &[&before]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_restore_takes_the_paths_of_the_target_and_the_rest_of_the_tip(
        steps in prop::collection::vec(step(), 1..9),
        pick in any::<prop::sample::Index>(),
    ) {
        let world = seeded();
        for (minute, step) in (1..).zip(&steps) {
            commit(&world.repo, step, minute);
        }
        let snapshot = world.read();
        prop_assert_eq!(
            revisions(&snapshot.changes),
            world.repo.path_history(PATH)
        );
        let target = &pick.get(&snapshot.changes).revision;
        let tip = world.repo.files_at("main");
        let there = world.repo.files_at(target);
        let is_ours = |path: &&String| path.starts_with("apps/checkout/");
        let mut expected: Vec<_> = tip.iter().filter(|(path, _)| !is_ours(path)).collect();
        expected.extend(there.iter().filter(|(path, _)| is_ours(path)));
        expected.sort();

        if snapshot.state_at(target).as_ref() == Some(&snapshot.tip_state) {
            refusal(snapshot.draft(target).expect_err("nothing to restore"));
        } else {
            let (commit, answer) = roll_back(&snapshot, target);
            prop_assert_eq!(answer, Push::Accepted);
            let files = world.repo.files_at(&commit);
            prop_assert_eq!(files.iter().collect::<Vec<_>>(), expected);
            world.repo.fsck();
        }
    }
}
