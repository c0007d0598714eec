//! Revisions that a person names.

use error_budget_monitor::clients::git::{Resolved, RevisionFault, Want};

use super::*;

const BRANCH: &str = "main";

fn ask(world: &World, revision: &str) -> Result<Resolved, GitError> {
    let want = Want {
        changes: 1,
        revision: Some(revision.to_owned()),
        ..Want::default()
    };
    world
        .git()
        .read(&want)
        .map(|snapshot| snapshot.revision.expect("it was asked for"))
}

#[track_caller]
fn resolve(world: &World, revision: &str) -> Resolved {
    ask(world, revision).expect(revision)
}

/// Returns why a name cannot be gone back to; that is never worth a second try.
#[track_caller]
fn refused(world: &World, revision: &str) -> RevisionFault {
    let error = ask(world, revision).expect_err(revision);
    assert!(!error.is_transient(), "{error}");
    let text = format!("{revision}: {error}");
    let GitFault::Revision(fault) = error.fault else {
        panic!("{text}");
    };
    fault
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
        change: Some(wanted.clone()),
    };
    assert!(expected.state.is_some());
    for name in [
        wanted.clone(),
        wanted[..10].to_owned(),
        wanted.to_uppercase(),
        wanted[..10].to_uppercase(),
    ] {
        assert_eq!(resolve(&world, &name), expected, "{name}");
    }
}

#[test]
fn a_commit_of_another_team_stands_for_the_change_before_it() {
    for noise in [1, 49, 50, 200] {
        let world = seeded();
        let v2 = world.release("v2", 1);
        world.repo.commit_many(noise, OTHER_FILE, at(2));
        let named = world.repo.tip();
        world.release("v3", 300);
        let resolved = resolve(&world, &named);
        assert_eq!(resolved.revision, named);
        assert_eq!(resolved.change.as_ref(), Some(&v2), "{noise} commits later");
        assert_eq!(resolved.state, world.read().state_at(&v2));
    }
}

#[test]
fn the_first_commit_stands_for_itself() {
    let world = seeded();
    let seed = world.repo.tip();
    world.release("v2", 1);
    assert_eq!(resolve(&world, &seed).change, Some(seed));
}

#[test]
fn a_revision_without_the_path_has_no_state() {
    let world = world();
    let first = world
        .repo
        .commit("first", at(0), &[(OTHER_FILE, Some("o1\n"))]);
    world.release("v1", 1);
    assert_eq!(resolve(&world, &first).state, None);
}

#[test]
fn takes_light_and_annotated_tags_and_tags_of_tags_at_every_depth() {
    for noise in [1, 48, 60, 250] {
        let world = seeded();
        let wanted = world.release("v2", 1);
        world.repo.commit_many(noise, OTHER_FILE, at(2));
        world.release("v3", 300);
        world.repo.tag("light", &wanted);
        let tag = world.repo.annotate("release/2.0", &wanted);
        world.repo.annotate("tag-of-a-tag", &tag);
        for name in [
            "light",
            "refs/tags/light",
            "release/2.0",
            "refs/tags/release/2.0",
            "tag-of-a-tag",
        ] {
            let resolved = resolve(&world, name);
            assert_eq!(resolved.revision, wanted, "{name}, {noise} commits later");
            assert_eq!(resolved.change.as_ref(), Some(&wanted));
            assert_eq!(resolved.state, world.read().state_at(&wanted));
        }
    }
}

#[test]
fn no_other_tag_is_fetched() {
    let world = seeded();
    let seed = world.repo.tip();
    world.repo.tag("v1", &seed);
    world.repo.tag("v10", &seed);
    world.repo.annotate("v1.1", &seed);
    world.release("v2", 1);
    let fetched = |revision: Option<&str>| {
        let want = Want {
            changes: 1,
            revision: revision.map(str::to_owned),
            ..Want::default()
        };
        let snapshot = world.git().read(&want).expect("readable");
        let copy = GitRepo::open(snapshot.folder());
        let refs = copy.refs_fingerprint();
        refs.lines()
            .filter_map(|line| line.split(' ').next())
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(fetched(None), ["refs/heads/main"]);
    assert_eq!(fetched(Some(&seed)), ["refs/heads/main"]);
    assert_eq!(fetched(Some("v1")), ["refs/heads/main", "refs/tags/v1"]);
}

#[test]
fn refuses_a_tag_that_does_not_exist() {
    let world = seeded();
    for name in [
        "v7",
        "main",
        "HEAD",
        "abc",
        "HEAD~1",
        "*",
        "refs/heads/main",
    ] {
        let fault = refused(&world, name);
        let name = name.to_owned();
        assert_eq!(fault, RevisionFault::NoTag { name });
    }
    insta::assert_snapshot!(refused(&world, "refs/tags/v7"), @r#"there is no tag "v7" in the repository, and it is no commit id either; check --to"#);
}

#[test]
fn refuses_a_tag_of_another_branch() {
    let world = seeded();
    let elsewhere = world
        .repo
        .prepare("elsewhere", at(1))
        .branch("staging")
        .write(FILE, "v2\n")
        .create();
    world.release("v2", 2);
    world.repo.annotate("v2-rc1", &elsewhere);
    let fault = refused(&world, "v2-rc1");
    assert_eq!(
        fault.to_string(),
        format!(
            "the tag \"v2-rc1\" names {elsewhere}, which is not among the last 2 commits of branch \"main\"; check --to"
        )
    );
}

#[test]
fn refuses_a_tag_of_a_tree_or_a_file() {
    let world = seeded();
    let tree = world.repo.tree_at("main", PATH).expect("it is there");
    let file = world.repo.tree_at("main", FILE).expect("it is there");
    world.repo.tag("of-a-tree", &tree);
    world.repo.annotate("of-a-file", &file);
    for (name, kind) in [("of-a-tree", "tree"), ("of-a-file", "blob")] {
        let fault = refused(&world, name);
        assert_eq!(
            fault.to_string(),
            format!("the tag {name:?} names a {kind} and no commit; check --to")
        );
    }
}

#[test]
fn a_tag_that_looks_like_an_id_is_taken_when_it_can_mean_nothing_else() {
    let world = seeded();
    let wanted = world.release("v2", 1);
    world.release("v3", 2);
    world.repo.tag("20261120", &wanted);
    assert_eq!(resolve(&world, "20261120").revision, wanted);
    // It names the very commit whose id it begins.
    world.repo.tag(&wanted[..8], &wanted);
    assert_eq!(resolve(&world, &wanted[..8]).revision, wanted);
}

#[test]
fn refuses_a_name_that_is_a_tag_and_another_commit_s_id() {
    let world = seeded();
    let one = world.release("v2", 1);
    let other = world.release("v3", 2);
    let elsewhere = world
        .repo
        .prepare("elsewhere", at(3))
        .branch("staging")
        .write(FILE, "v4\n")
        .create();
    let name = &one[..8];
    for tagged in [&other, &elsewhere] {
        world.repo.tag(name, tagged);
        let fault = refused(&world, name);
        assert_eq!(
            fault.to_string(),
            format!(
                "{name:?} is a tag and also fits the id of another commit; give --to refs/tags/{name} or a whole id"
            )
        );
    }
    world.repo.tag(name, &other);
    assert_eq!(
        resolve(&world, &format!("refs/tags/{name}")).revision,
        other
    );
    assert_eq!(resolve(&world, &one).revision, one);
}

#[test]
fn refuses_a_short_id_that_fits_two_commits() {
    let world = seeded();
    world.repo.commit_many(1_500, OTHER_FILE, at(1));
    let mut ids: Vec<String> = world.repo.log().into_iter().map(|entry| entry.id).collect();
    ids.sort();
    let twice = ids
        .windows(2)
        .find(|pair| pair[0][..4] == pair[1][..4])
        .map(|pair| pair[0][..4].to_owned())
        .expect("1,501 ids begin with 65,536 different digits");
    let fault = refused(&world, &twice);
    assert_eq!(
        fault.to_string(),
        format!("{twice:?} fits more than one commit; give --to more digits")
    );
}

#[test]
fn refuses_a_commit_that_is_not_there() {
    let world = seeded();
    world.release("v2", 1);
    let whole = "f".repeat(40);
    for revision in [whole.as_str(), "ffffffffff", "ffff"] {
        let fault = refused(&world, revision);
        assert_eq!(
            fault,
            RevisionFault::NoCommit {
                revision: revision.to_owned(),
                branch: BRANCH.to_owned(),
                seen: 2
            }
        );
    }
    insta::assert_snapshot!(refused(&world, "ffffffffff"), @r#"there is no commit "ffffffffff" among the last 2 commits of branch "main"; check --to"#);
}

#[test]
fn refuses_a_commit_that_came_inside_a_merge() {
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
    world.repo.tag("v2-half", &inner);
    for name in [inner.as_str(), &inner[..10], "v2-half"] {
        let fault = refused(&world, name);
        assert_eq!(
            fault.to_string(),
            format!(
                "{name:?} is {inner}, which a merge brought to branch \"main\" and which never was its tip; \
                 give --to a commit that `git log --first-parent` shows"
            )
        );
    }
}
