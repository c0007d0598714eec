//! `rollback --to`: how a person may name a revision, and what goes on hold then.

use chrono::{TimeDelta, Utc};

use super::program::Program;
use super::world::World;

/// A healthy service with four versions, and commits of another team between them.
struct Versions {
    world: World,
    v2: String,
    between: String,
    v3: String,
    beside_v3: String,
    v4: String,
    tip: String,
}

impl Versions {
    fn new() -> Self {
        let world = World::of("healthy");
        let release = |version, days| world.release(version, Utc::now() - TimeDelta::days(days));
        let v2 = release("v2", 4);
        let between = world.other_team_commits();
        let v3 = release("v3", 3);
        let beside_v3 = world.other_team_commits();
        let v4 = release("v4", 2);
        let tip = world.other_team_commits();
        Self {
            world,
            v2,
            between,
            v3,
            beside_v3,
            v4,
            tip,
        }
    }

    fn to(&self, revision: &str) -> Program {
        self.world
            .program()
            .arguments(&["rollback", "--to", revision])
    }

    /// Rolls back to a name, which must restore `v2`, and returns the commit's message.
    #[track_caller]
    fn restores_v2(&self, name: &str) -> String {
        let ran = self.to(name).run().exits(0).decides("rollback", "manual");
        let ran = ran.complains_of_nothing();
        assert_eq!(ran.record["rollback"]["to"], self.v2.as_str(), "{ran}");
        let commit = self
            .world
            .one_commit_restores(&self.v4, &self.v2, &self.tip);
        commit.message
    }

    #[track_caller]
    fn refuses(&self, name: &str, words: &[&str]) {
        let program = self.to(name);
        let ran = self.world.nothing_changed_but_the_lock_by(&program);
        let ran = ran.exits(1).decides("hold", "no_target");
        ran.complains_of(words).complains_of(&["--to"]);
        assert_eq!(self.world.server.push_attempts(), 0);
    }

    /// Checks which versions the gate lets through after a rollback to `v2`.
    #[track_caller]
    fn holds_what_came_after_v2(&self) {
        // A commit that leaves the path alone would bring what is there with it.
        let restored = self.world.repo().tip();
        let codes = [
            (&restored, 0),
            (&self.tip, 5),
            (&self.beside_v3, 5),
            (&self.between, 0),
            (&self.v4, 5),
            (&self.v3, 5),
            (&self.v2, 0),
            (&self.world.v1, 0),
        ];
        for (commit, code) in codes {
            let arguments = ["check", "--commit", commit];
            // Without a memory what the branch says is young; it counts as proven once the deadline is over.
            let program = self.world.program().env("VERIFY_DEADLINE", "0s");
            program.arguments(&arguments).run().exits(code);
        }
    }
}

#[test]
fn a_tag_names_the_commit_to_go_back_to() {
    for annotated in [false, true] {
        let versions = Versions::new();
        if annotated {
            versions.world.repo().annotate("release/2", &versions.v2);
        } else {
            versions.world.repo().tag("release/2", &versions.v2);
        }
        let message = versions.restores_v2("release/2");
        let named = format!("(named as release/2, {})", &versions.v2[..10]);
        assert!(message.contains(&named), "{message}");
    }
}

#[test]
fn a_tag_may_come_from_the_environment() {
    let versions = Versions::new();
    versions.world.repo().tag("release/2", &versions.v2);
    let program = versions.world.program().arguments(&["rollback"]);
    let ran = program.env("TARGET_COMMIT", "refs/tags/release/2").run();
    let ran = ran.exits(0).decides("rollback", "manual");
    assert_eq!(ran.text("/rollback/to"), versions.v2);
}

#[test]
fn only_what_came_after_the_restored_state_goes_on_hold() {
    // Another team's commit leaves the path as v2 made it: v2 and what is older must stay deployable.
    let names: [fn(&Versions) -> String; 2] = [
        |versions| versions.between.clone(),
        |versions| versions.v2[..8].to_owned(),
    ];
    for name in names {
        let versions = Versions::new();
        let name = name(&versions);
        let message = versions.restores_v2(&name);
        let is_told = name == versions.between;
        assert_eq!(message.contains(&format!("named as {name}")), is_told);
        versions.world.recovered(TimeDelta::minutes(40));
        versions.holds_what_came_after_v2();
        // The same is known when only the branch remembers.
        versions.world.forgets();
        versions.holds_what_came_after_v2();
    }
}

#[test]
fn what_is_restored_is_never_on_hold_although_it_was_there_in_between_too() {
    let world = World::of("healthy");
    let release = |version, days| world.release(version, Utc::now() - TimeDelta::days(days));
    let v2 = release("v2", 5);
    let v3 = release("v3", 4);
    let v2_again = release("v2", 3);
    release("v4", 2);
    world.runs(&["rollback", "--to", &v2]).exits(0);
    world.recovered(TimeDelta::minutes(40));
    let restored = world.repo().tip();
    let on_top = world.other_team_commits();
    for (commit, code) in [
        (&restored, 0),
        (&on_top, 0),
        (&v2, 0),
        (&v2_again, 5),
        (&v3, 5),
    ] {
        world.runs(&["check", "--commit", commit]).exits(code);
    }
}

#[test]
fn every_name_that_cannot_be_gone_back_to_has_its_own_sentence() {
    let versions = Versions::new();
    let repo = versions.world.repo();
    let elsewhere = repo
        .prepare("not on main", Utc::now())
        .branch("staging")
        .write("apps/healthy/deployment.yaml", "kind: Deployment\n")
        .create();
    repo.annotate("v9-rc1", &elsewhere);
    let tree = repo.tree_at("main", "apps").expect("it is there");
    repo.tag("the-folder", &tree);
    repo.tag(&versions.v2[..8], &versions.v3);

    versions.refuses("v9", &["there is no tag \"v9\""]);
    versions.refuses(
        "v9-rc1",
        &["the tag \"v9-rc1\" names", &elsewhere, "\"main\""],
    );
    versions.refuses(&elsewhere, &["there is no commit", &elsewhere]);
    versions.refuses("the-folder", &["names a tree and no commit"]);
    versions.refuses(&versions.v2[..8], &["is a tag and also fits the id"]);
}

#[test]
fn a_name_that_git_would_not_take_is_refused_before_anything_is_asked() {
    let versions = Versions::new();
    for name in [
        "..",
        "a..b",
        "v1^{}",
        "HEAD~1",
        "a b",
        "refs/heads/main",
        "-x",
    ] {
        let to = format!("--to={name}");
        let program = versions.world.program().arguments(&["rollback", &to]);
        let ran = versions.world.nothing_changed_by(&program).exits(78);
        let problem = format!("TARGET_COMMIT is \"{name}\"");
        assert!(ran.stderr.contains(&problem), "{ran}");
    }
    assert_eq!(versions.world.server.requests().len(), 0);
}

#[test]
fn of_several_paths_the_one_that_was_not_there_is_named() {
    let versions = Versions::new();
    let files = [("base/x.yaml", Some("b1\n"))];
    versions.world.repo().commit("base", Utc::now(), &files);
    let to_v2 = versions.to(&versions.v2);
    let program = to_v2.env("GITOPS_PATH", "apps/healthy,base");
    let ran = versions.world.nothing_changed_but_the_lock_by(&program);
    let ran = ran.exits(1).decides("hold", "no_target");
    ran.complains_of(&["\"base\" does not exist", "restoring would delete it"]);
}

#[test]
fn a_dry_run_shows_what_a_name_stands_for() {
    let versions = Versions::new();
    let arguments = ["rollback", "--dry-run", "--to", &versions.between];
    let program = versions.world.program().arguments(&arguments);
    let ran = versions.world.nothing_changed_by(&program).exits(0);
    let ran = ran.has_outcome("would_roll_back");
    assert_eq!(ran.text("/rollback/to"), versions.v2);
    let said = ran
        .log()
        .into_iter()
        .find(|line| line["named"] == versions.between.as_str());
    assert_eq!(
        said.expect("it is logged")["commit.sha"],
        versions.v2.as_str()
    );
}

#[test]
fn a_commit_inside_a_merge_was_never_deployed() {
    let versions = Versions::new();
    let repo = versions.world.repo();
    let path = "apps/healthy/deployment.yaml";
    let inner = repo
        .prepare("half of it", Utc::now())
        .branch("pr")
        .write(path, "kind: Half\n")
        .create();
    repo.prepare("Merge pull request #1", Utc::now())
        .parents(&[&versions.tip, &inner])
        .write(path, "kind: Deployment\n")
        .create();
    versions.refuses(&inner, &["a merge brought", "--first-parent"]);
}
