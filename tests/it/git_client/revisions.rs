//! Revisions that a person names.

use error_budget_monitor::clients::git::{Resolved, Want};

use super::*;

fn resolve(world: &World, revision: &str) -> Result<Resolved, GitError> {
    let want = Want {
        changes: 1,
        revision: Some(revision.to_owned()),
    };
    world
        .git()
        .read(&want)
        .map(|snapshot| snapshot.revision.expect("it was asked for"))
}

#[test]
fn takes_full_ids_short_ids_and_capital_letters() {
    let world = seeded();
    let wanted = world.release("v2", 1);
    world.release("v3", 2);
    let snapshot = world.read();
    let expected = Resolved {
        revision: wanted.clone(),
        state: snapshot.state_at(&wanted),
    };
    assert!(expected.state.is_some());
    for name in [
        wanted.clone(),
        wanted[..10].to_owned(),
        wanted.to_uppercase(),
        wanted[..10].to_uppercase(),
    ] {
        assert_eq!(resolve(&world, &name).expect(&name), expected, "{name}");
    }
}

#[test]
fn a_revision_without_the_path_has_no_state() {
    let world = world();
    let first = world
        .repo
        .commit("first", at(0), &[(OTHER_FILE, Some("o1\n"))]);
    world.release("v1", 1);
    let resolved = resolve(&world, &first).expect("on the branch");
    assert_eq!(resolved.state, None);
}

#[test]
fn refuses_a_short_id_that_fits_two_commits() {
    let world = seeded();
    world.repo.commit_many(40, OTHER_FILE, at(1));
    let ids: Vec<String> = world.repo.log().into_iter().map(|entry| entry.id).collect();
    let twice = ids
        .iter()
        .map(|id| &id[..1])
        .find(|digit| ids.iter().filter(|id| id.starts_with(*digit)).count() > 1)
        .expect("41 ids begin with 16 digits");
    let error = resolve(&world, twice).expect_err("ambiguous");
    assert!(
        matches!(error.fault, GitFault::AmbiguousRevision { .. }),
        "{error}"
    );
    assert!(!error.is_transient());
}

#[test]
fn refuses_what_is_not_on_the_first_parent_line() {
    let world = seeded();
    let seed = world.repo.tip();
    let inner = world
        .repo
        .prepare("inner", at(1))
        .branch("pr")
        .write(FILE, "half\n")
        .create();
    world
        .repo
        .prepare("merge", at(2))
        .parents(&[&seed, &inner])
        .write(FILE, "v2\n")
        .create();
    for name in [inner.as_str(), "ffffffffff", "main", "HEAD~1"] {
        let error = resolve(&world, name).expect_err(name);
        assert!(
            matches!(error.fault, GitFault::NoRevision { .. }),
            "{error}"
        );
    }
}
