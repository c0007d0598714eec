//! For every history: the paths are as at the target, and everything else is as at the tip.

use std::collections::BTreeSet;

use error_budget_monitor::clients::git::Want;
use proptest::prelude::*;

use super::*;

/// Files inside and outside the watched path, some of which look alike.
const FILES: [&str; 12] = [
    "apps/checkout/k.yaml",
    "apps/checkout/a b/ü.yaml",
    "apps/checkout/a b/x",
    "apps/checkout/a b/c/d/e.yaml",
    "apps/checkout/größe/名前.yaml",
    "apps/checkout-canary/k.yaml",
    "apps/checkout.yaml",
    "apps/a",
    "apps/cart/apps/checkout/k.yaml",
    "checkout/k.yaml",
    "äpps/checkout/k.yaml",
    "z",
];

#[derive(Debug, Clone, Copy)]
enum Kind {
    File,
    Executable,
    Link,
    Removed,
    /// Moved to another of the places, with its content.
    Renamed(usize),
}

#[derive(Debug, Clone)]
pub(super) struct Step {
    files: Vec<(usize, Kind, u8)>,
    /// Branches that are merged; none is a commit right on `main`.
    arms: usize,
    /// Minutes by which its time is off.
    skew: i64,
}

pub(super) fn step() -> impl Strategy<Value = Step> {
    let kind = prop_oneof![
        4 => Just(Kind::File),
        1 => Just(Kind::Executable),
        1 => Just(Kind::Link),
        1 => Just(Kind::Removed),
        1 => (0..FILES.len()).prop_map(Kind::Renamed),
    ];
    let file = (0..FILES.len(), kind, 0..3_u8);
    let arms = prop_oneof![4 => Just(0), 3 => Just(1), 1 => 2..4_usize];
    let skew = prop_oneof![2 => Just(0), 1 => -500..500_i64];
    (prop::collection::vec(file, 1..4), arms, skew).prop_map(|(files, arms, skew)| Step {
        files,
        arms,
        skew,
    })
}

/// Commits a step on branches of its own and merges them, or right on `main`.
pub(super) fn commit(repo: &GitRepo, step: &Step, minute: i64) {
    let before = repo.tip();
    let apply = |branch: &str, parents: &[&str]| {
        let mut commit = repo
            .prepare("step", at(minute + step.skew))
            .branch(branch)
            .parents(parents);
        let mut seen = BTreeSet::new();
        for (file, kind, version) in &step.files {
            let path = FILES[*file];
            // Twice the same file in one commit would depend on the order.
            if !seen.insert(path) {
                continue;
            }
            let content = format!("version {version}\n");
            let is_there = repo.tree_at(&before, path).is_some();
            commit = match kind {
                // The first file stays, so that the watched path does.
                Kind::Removed | Kind::Renamed(_) if *file == 0 || !is_there => commit,
                Kind::Removed => commit.remove(path),
                Kind::Renamed(place) if !seen.insert(FILES[*place]) => commit,
                Kind::Renamed(place) => {
                    let moved = repo.file_at(&before, path).unwrap_or(content);
                    commit.remove(path).write(FILES[*place], &moved)
                }
                Kind::File => commit.write(path, &content),
                Kind::Executable => commit.write_executable(path, &content),
                Kind::Link => commit.link(path, &content),
            };
        }
        commit.create()
    };
    let arms: Vec<String> = (0..step.arms)
        .map(|arm| apply(&format!("arm-{arm}"), &[&before]))
        .collect();
    let mut parents = vec![before.as_str()];
    parents.extend(arms.iter().map(String::as_str));
    apply("main", &parents);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_restore_takes_the_paths_of_the_target_and_the_rest_of_the_tip(
        steps in prop::collection::vec(step(), 1..10),
        pick in any::<prop::sample::Index>(),
    ) {
        let world = seeded();
        let mut line = vec![world.repo.tip()];
        for (minute, step) in (1..).zip(&steps) {
            commit(&world.repo, step, minute);
            line.push(world.repo.tip());
        }
        let named = pick.get(&line);
        let want = Want { revision: Some(named.clone()), ..everything() };
        let snapshot = world.git().read(&want).expect("a readable branch");
        prop_assert_eq!(
            revisions(&snapshot.changes),
            world.repo.path_history(PATH)
        );
        // Whatever commit is named, what is restored is the change that git's own history shows there.
        let resolved = snapshot.revision.as_ref().expect("it was asked for");
        let target = resolved.change.as_ref().expect("the whole history was read");
        prop_assert_eq!(target, &world.repo.path_history_of(named, PATH)[0]);
        prop_assert_eq!(&resolved.state, &snapshot.state_at(target));

        let old_tip = world.repo.tip();
        let tip = world.repo.files_at("main");
        let there = world.repo.files_at(named);
        let is_ours = |path: &&String| path.starts_with("apps/checkout/");
        let mut expected: Vec<_> = tip.iter().filter(|(path, _)| !is_ours(path)).collect();
        expected.extend(there.iter().filter(|(path, _)| is_ours(path)));
        expected.sort();

        if resolved.state.as_ref() == Some(&snapshot.tip_state) {
            refusal(snapshot.draft(target).expect_err("nothing to restore"));
            prop_assert_eq!(world.repo.tip(), old_tip);
        } else {
            let (commit, answer) = roll_back(&snapshot, target);
            prop_assert_eq!(answer, Push::Accepted);
            let files = world.repo.files_at(&commit);
            prop_assert_eq!(files.iter().collect::<Vec<_>>(), expected);
            prop_assert_eq!(
                world.repo.tree_at(&commit, PATH),
                world.repo.tree_at(named, PATH)
            );
            prop_assert_eq!(world.repo.tip(), commit.clone());
            prop_assert_eq!(world.repo.parents_of(&commit), [old_tip]);

            // Twice is once: the same commit again, no second push, and nothing left to restore.
            let (again, answer) = roll_back(&snapshot, target);
            prop_assert_eq!(&again, &commit);
            prop_assert_eq!(answer, Push::Accepted);
            prop_assert_eq!(world.server.push_attempts(), 1);
            let after = world.read();
            prop_assert_eq!(&after.changes[0].revision, &commit);
            prop_assert_eq!(revisions(&after.changes), world.repo.path_history(PATH));
            refusal(after.draft(target).expect_err("nothing to restore"));
        }
        world.repo.fsck();
    }
}
