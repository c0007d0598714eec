//! What goes back and what stays: a rollback takes back what the blamed commits did, and nothing that an innocent
//! later one did.

use chrono::{DateTime, TimeDelta, Utc};
use error_budget_monitor::journal::Phase;
use testkit::git::{MonoRepo, deployment};
use testkit::github::{APP_ID, APP_KEY, GithubServer, INSTALLATION_ID, Merge};
use testkit::prometheus::shared_month;

use super::program::{Program, Ran};
use super::world::{REPOSITORY, TOKEN, World};

const SERVICE: &str = "bad-release";

/// Minutes after the bad release was deployed, 25 minutes ago.
fn after(minutes: i64) -> DateTime<Utc> {
    shared_month().deployed_at() + TimeDelta::minutes(minutes)
}

fn file(name: &str) -> String {
    format!("{}/{name}", MonoRepo::path(SERVICE))
}

fn commit(world: &World, title: &str, at: DateTime<Utc>, files: &[(&str, &str)]) -> String {
    let files: Vec<(String, &str)> = files
        .iter()
        .map(|(name, text)| (file(name), *text))
        .collect();
    let prepared = world
        .repo()
        .prepare(title, at)
        .author("Team payments", "p@example.com");
    let written = files
        .iter()
        .fold(prepared, |commit, (path, text)| commit.write(path, text));
    written.create()
}

/// A bad release, and eight minutes later a change of another file by somebody else.
fn with_an_innocent_later_change() -> (World, String, String) {
    let world = World::of(SERVICE);
    let manifest = deployment(SERVICE, "v2", 0.2);
    let bad = commit(
        &world,
        "bad-release: release v2",
        after(0),
        &[
            ("deployment.yaml", &manifest),
            ("added.yaml", "kind: ConfigMap\n"),
        ],
    );
    let hotfix = commit(
        &world,
        "payments: hotfix",
        after(8),
        &[("service.yaml", "port: 81\n")],
    );
    world.other_team_commits();
    (world, bad, hotfix)
}

/// Checks that the newest commit took the bad release back and left the hotfix.
#[track_caller]
fn only_the_bad_one_went_back(world: &World, revision: &str, tip: &str) {
    let at = |revision: &str, name: &str| world.repo().tree_at(revision, &file(name));
    assert_eq!(
        at(revision, "deployment.yaml"),
        at(&world.v1, "deployment.yaml")
    );
    assert_eq!(at(revision, "added.yaml"), None);
    assert_eq!(at(revision, "service.yaml"), at(tip, "service.yaml"));
    for path in ["README.md", "apps/namespace.yaml", "apps/payments"] {
        let there = |revision: &str| world.repo().tree_at(revision, path);
        assert_eq!(there(revision), there(tip), "{path}");
    }
    world.repo().fsck();
}

fn undone(ran: &Ran) -> Vec<String> {
    let undone = ran.record["undone"].as_array();
    let revisions = undone.into_iter().flatten();
    revisions
        .map(|it| it["revision"].as_str().unwrap_or_default().to_owned())
        .collect()
}

fn blocks(world: &World, revision: &str, code: i32) {
    let program = world
        .program()
        .env("GATE_BLOCK_AT", "emergency")
        // What the trailers tell of is older than that at once.
        .env("STABILIZATION", "0s")
        .env("VERIFY_DEADLINE", "1ms");
    program
        .arguments(&["check", "--commit", revision])
        .run()
        .exits(code);
}

#[test]
fn an_innocent_later_change_stays_on_the_branch_and_off_the_hold() {
    let (world, bad, hotfix) = with_an_innocent_later_change();
    let tip = world.repo().tip();
    let dry = world.nothing_changed_by(&world.program().arguments(&["run", "--dry-run"]));
    let dry = dry.exits(0).has_outcome("would_roll_back");
    assert_eq!(undone(&dry), [bad.as_str()], "{dry}");
    let shown = dry.text("/rollback/diff");
    assert!(
        shown.contains("deployment.yaml") && !shown.contains("service.yaml"),
        "{shown}"
    );

    let ran = world.runs(&["run"]).exits(0).decides("rollback", "trigger");
    let log = world.repo().log();
    assert_eq!(log[0].parents, [tip.as_str()]);
    only_the_bad_one_went_back(&world, &log[0].id, &tip);
    for line in [
        format!("Rolls-Back: {bad}"),
        format!("Restores: {}", world.v1),
        format!("Keeps: {hotfix}"),
    ] {
        assert!(
            log[0].message.lines().any(|it| it == line),
            "{}",
            log[0].message
        );
    }
    assert_eq!(ran.text("/rollback/from"), bad);
    assert_eq!(ran.text("/rollback/diff"), shown);
    assert_eq!(ran.text("/undone/0/author"), "Team payments");
    assert_eq!(
        ran.record["undone"][0]["files"][1],
        *file("deployment.yaml")
    );

    world.runs(&["run"]).exits(0).decides("resume", "resumed");
    assert_eq!(world.rollback_commits(), 1);
    world.recovered(TimeDelta::hours(2));
    blocks(&world, &bad, 5);
    blocks(&world, &hotfix, 0);
    // The trailers say the same.
    std::fs::remove_dir_all(world.state_folder()).expect("our own folder");
    blocks(&world, &bad, 5);
    blocks(&world, &hotfix, 0);
}

#[test]
fn two_bad_releases_go_back_in_one_rollback_and_what_came_between_and_after_stays() {
    let world = World::of(SERVICE);
    let bad = world.release("v2", after(0));
    let between = commit(
        &world,
        "payments: port",
        after(4),
        &[("service.yaml", "port: 81\n")],
    );
    let again = world.release("v3", after(8));
    let later = commit(
        &world,
        "payments: more",
        after(12),
        &[("more.yaml", "a: b\n")],
    );
    // Every change of the path counts as a deployment.
    let program = world.program().env("MAX_REVISIONS_BACK", "4");
    let ran = program.run().exits(0).decides("rollback", "trigger");
    assert_eq!(ran.record["attribution"]["suspect"], *bad);
    assert_eq!(ran.text("/rollback/from"), again);
    assert_eq!(undone(&ran), [again.as_str(), bad.as_str()], "{ran}");
    let at = |revision: &str, name: &str| world.repo().tree_at(revision, &file(name));
    assert_eq!(
        at("main", "deployment.yaml"),
        at(&world.v1, "deployment.yaml")
    );
    assert_eq!(at("main", "service.yaml"), at(&between, "service.yaml"));
    assert_eq!(at("main", "more.yaml"), at(&later, "more.yaml"));
    world.recovered(TimeDelta::hours(2));
    for (revision, code) in [(&bad, 5), (&again, 5), (&between, 0), (&later, 0)] {
        blocks(&world, revision, code);
    }
}

fn values(ours: &str, theirs: &str) -> String {
    format!("bad-release:\n  image: {ours}\npayments:\n  image: {theirs}\n")
}

/// One file for two services: ours becomes bad, and the other team mends theirs.
fn with_a_shared_file() -> (World, [String; 3]) {
    let world = World::of(SERVICE);
    let month_ago = Utc::now() - TimeDelta::days(20);
    let base = commit(
        &world,
        "values",
        month_ago,
        &[("values.yaml", &values("v1", "p1"))],
    );
    let bad = commit(
        &world,
        "bad-release: v2",
        after(0),
        &[("values.yaml", &values("v2", "p1"))],
    );
    let hotfix = commit(
        &world,
        "payments: hotfix",
        after(8),
        &[("values.yaml", &values("v2", "p2"))],
    );
    (world, [base, bad, hotfix])
}

#[test]
fn a_file_that_somebody_changed_since_is_a_conflict() {
    let (world, [_, bad, hotfix]) = with_a_shared_file();
    let ran = world
        .nothing_changed_but_the_lock_by(&world.program())
        .exits(0);
    let ran = ran.decides("hold", "conflict");
    assert_eq!(ran.record["attribution"]["suspect"], *bad);
    let detail = ran.text("/decision/detail");
    for part in [
        &hotfix[..10],
        "payments: hotfix",
        &bad[..10],
        &file("values.yaml"),
        "REQUIRE_APPROVAL",
    ] {
        assert!(detail.contains(part), "{part}: {detail}");
    }
}

#[test]
fn a_conflict_is_asked_about_where_somebody_has_to_agree() {
    let (world, [base, bad, hotfix]) = with_a_shared_file();
    let asking = || world.program().env("REQUIRE_APPROVAL", "true");
    let ran = asking()
        .run()
        .exits(0)
        .decides("await_approval", "awaiting_approval");
    assert_eq!(undone(&ran), [hotfix.as_str(), bad.as_str()], "{ran}");
    let gate = ran.gate("target")["detail"].to_string();
    assert!(gate.contains("payments: hotfix"), "{gate}");
    let id = ran.text("/rollback/id");
    asking().arguments(&["approve", &id]).run().exits(0);
    let tip = world.repo().tip();
    asking().run().exits(0).decides("rollback", "trigger");
    let commit = world.one_commit_restores(&hotfix, &base, &tip);
    assert!(
        commit.message.contains("Taken back with it:"),
        "{}",
        commit.message
    );
}

fn sealed(key: &str) -> String {
    format!(
        "apiVersion: bitnami.com/v1alpha1\nkind: SealedSecret\nspec:\n  encryptedData:\n    key: {key}\n"
    )
}

#[test]
fn a_secret_that_was_rotated_since_stays_and_one_that_the_suspect_rotated_holds() {
    let month_ago = Utc::now() - TimeDelta::days(20);
    let world = World::of(SERVICE);
    commit(
        &world,
        "secret",
        month_ago,
        &[("sealed.yaml", &sealed("old"))],
    );
    world.release("v2", after(0));
    let rotated = commit(
        &world,
        "rotate",
        after(8),
        &[("sealed.yaml", &sealed("new"))],
    );
    world.runs(&["run"]).exits(0).decides("rollback", "trigger");
    let at = |world: &World, revision: &str| world.repo().tree_at(revision, &file("sealed.yaml"));
    assert_eq!(at(&world, "main"), at(&world, &rotated));

    let world = World::of(SERVICE);
    let base = commit(
        &world,
        "secret",
        month_ago,
        &[("sealed.yaml", &sealed("old"))],
    );
    let manifest = deployment(SERVICE, "v2", 0.2);
    let files = [
        ("deployment.yaml", manifest.as_str()),
        ("sealed.yaml", &sealed("new")),
    ];
    commit(&world, "v2 with a new key", after(0), &files);
    for approval in ["false", "true"] {
        let program = world.program().env("REQUIRE_APPROVAL", approval);
        let ran = world.nothing_changed_but_the_lock_by(&program).exits(0);
        let detail = ran.decides("hold", "conflict").text("/decision/detail");
        assert!(detail.contains("sealed.yaml holds a secret"), "{detail}");
    }
    // A person has to name the revision, and no diff shows what is in it.
    world
        .runs(&["rollback", "gitops"])
        .exits(1)
        .decides("hold", "conflict");
    let ran = world.runs(&["rollback", "gitops", "--to", &base]).exits(0);
    let ran = ran.decides("rollback", "manual");
    assert_eq!(at(&world, "main"), at(&world, &base));
    let diff = ran.text("/rollback/diff");
    assert!(
        diff.contains("holds a secret") && !diff.contains("key: old"),
        "{diff}"
    );
}

#[test]
fn a_secret_beside_what_was_changed_in_the_same_file_is_no_conflict() {
    let world = World::of(SERVICE);
    let both = |version| {
        format!(
            "{}---\n{}",
            deployment(SERVICE, version, 0.2),
            sealed("key")
        )
    };
    let month_ago = Utc::now() - TimeDelta::days(20);
    let base = commit(&world, "all", month_ago, &[("all.yaml", &both("v1"))]);
    let bad = commit(&world, "v2", after(0), &[("all.yaml", &both("v2"))]);
    let tip = world.repo().tip();
    world.runs(&["run"]).exits(0).decides("rollback", "trigger");
    world.one_commit_restores(&bad, &base, &tip);
}

fn app(world: &World, github: &GithubServer) -> Program {
    world
        .program()
        .without("GITOPS_TOKEN")
        .env("GITOPS_REPO", REPOSITORY)
        .env("GITOPS_API_URL", &github.api_url())
        .env("GITHUB_APP_ID", &APP_ID.to_string())
        .env("GITHUB_APP_INSTALLATION_ID", &INSTALLATION_ID.to_string())
        .env("GITHUB_APP_PRIVATE_KEY", APP_KEY)
}

#[test]
fn github_writes_the_same_files_and_removes_what_was_added() {
    let (world, _, _) = with_an_innocent_later_change();
    let github = GithubServer::in_front_of(&world.server, REPOSITORY, Some(TOKEN));
    let tip = world.repo().tip();
    app(&world, &github)
        .run()
        .exits(0)
        .decides("rollback", "trigger");
    let commit = world.repo().log()[0].clone();
    only_the_bad_one_went_back(&world, &commit.id, &tip);
    assert!(github.is_signed(&commit.id));
    assert_eq!(world.server.push_attempts(), 0);
}

#[test]
fn a_pull_request_proposes_the_same_and_is_known_again_once_it_is_merged() {
    let (world, bad, _) = with_an_innocent_later_change();
    let github = GithubServer::in_front_of(&world.server, REPOSITORY, Some(TOKEN));
    let program = || app(&world, &github).env("GITOPS_MODE", "pull-request");
    let tip = world.repo().tip();
    let ran = program()
        .run()
        .exits(0)
        .decides("await_approval", "awaiting_approval");
    assert_eq!(undone(&ran), [bad.as_str()]);
    let branch = world.remembered()[0]
        .proposal
        .clone()
        .expect("a proposal")
        .branch;
    only_the_bad_one_went_back(&world, &branch, &tip);
    world.other_team_commits();
    github.merge(1, Merge::Squash);
    program().run().exits(0).has_outcome("verifying");
    assert_eq!(world.remembered()[0].phase, Phase::Verifying);
}
