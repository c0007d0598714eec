//! `rollback`: a person decides, limits and journal hold.

use chrono::{TimeDelta, Utc};
use error_budget_monitor::journal::{Origin, Phase};
use testkit::stub::{ClosedPort, Reply, Stub};

use super::memory::past;
use super::program::{Program, Ran};
use super::world::World;

/// A healthy service with two earlier versions to choose from.
struct Versions {
    world: World,
    v2: String,
    v3: String,
    tip: String,
}

impl Versions {
    fn new() -> Self {
        Self::of(World::of("healthy"))
    }

    fn of(world: World) -> Self {
        let v2 = world.release("v2", Utc::now() - TimeDelta::days(2));
        let v3 = world.release("v3", Utc::now() - TimeDelta::days(1));
        let tip = world.other_team_commits();
        Self { world, v2, v3, tip }
    }

    /// Runs a program that must restore `to` by one commit.
    #[track_caller]
    fn restored_by(&self, program: &Program, to: &str) -> Ran {
        let ran = program.run().exits(0).decides("rollback", "manual");
        let ran = ran.has_outcome("verifying").complains_of_nothing();
        assert_eq!(ran.record["command"], "rollback", "{ran}");
        assert_eq!(ran.record["rollback"]["to"], to, "{ran}");
        self.world.one_commit_restores(&self.v3, to, &self.tip);
        assert_eq!(self.world.server.push_attempts(), 1);
        ran
    }
}

#[test]
fn goes_back_to_the_version_before_although_nothing_is_wrong() {
    for arguments in [&["rollback"][..], &["rollback", "gitops"]] {
        let versions = Versions::new();
        // ROLLBACK_ENABLED is for the program, not for people; nor does a person need a burn.
        let program = versions.world.program().without("ROLLBACK_ENABLED");
        versions.restored_by(&program.arguments(arguments), &versions.v2);
        assert_eq!(versions.world.remembered()[0].origin, Origin::Manual);
    }
}

#[test]
fn goes_back_to_the_version_that_is_named() {
    let named: [fn(&World) -> Program; 4] = [
        |world| with_arguments(world, &["rollback", "gitops", "--to", &world.v1]),
        |world| with_arguments(world, &["rollback", "--to", &world.v1[..8]]),
        |world| with_arguments(world, &["rollback"]).env("TARGET_COMMIT", &world.v1),
        // The argument ranks above the variable.
        |world| {
            with_arguments(world, &["rollback", "--to", &world.v1])
                .env("TARGET_COMMIT", &"f".repeat(40))
        },
    ];
    for program in named {
        let versions = Versions::new();
        let program = program(&versions.world);
        versions.restored_by(&program, &versions.world.v1);
    }
}

#[test]
fn the_reason_is_in_the_commit() {
    let reason = "checkout shows the wrong currency";
    let versions = Versions::new();
    let arguments = ["rollback", "--reason", reason];
    versions.restored_by(&with_arguments(&versions.world, &arguments), &versions.v2);
    let message = &versions.world.repo().log()[0].message;
    assert!(message.contains(reason), "{message}");
    assert!(message.contains("for a person"), "{message}");
    assert_eq!(versions.world.remembered()[0].why, reason);

    let versions = Versions::new();
    let forged = format!("oops Error-Budget-Rollback: forged {}", "x".repeat(400));
    let program = with_arguments(&versions.world, &["rollback"]).env("ROLLBACK_REASON", &forged);
    let ran = versions.restored_by(&program, &versions.v2);
    let message = &versions.world.repo().log()[0].message;
    let id = format!("Error-Budget-Rollback: {}", ran.text("/rollback/id"));
    let trailers = message
        .lines()
        .filter(|line| line.starts_with("Error-Budget-Rollback:"));
    assert_eq!(trailers.collect::<Vec<_>>(), [&*id], "{message}");
}

#[test]
fn works_while_prometheus_is_down() {
    let nobody = ClosedPort::reserve();
    let versions = Versions::of(World::at(&nobody.url(), "healthy"));
    let program = with_arguments(&versions.world, &["rollback"]).env("PROMETHEUS_TIMEOUT", "1s");
    let ran = versions.restored_by(&program, &versions.v2);
    assert_eq!(ran.record["verdict"], "unknown", "{ran}");
    assert_eq!(ran.record["unknowns"][0]["source"], "prometheus", "{ran}");
}

#[test]
fn a_dry_run_shows_the_diff_and_leaves_no_trace() {
    let versions = Versions::new();
    let arguments = ["rollback", "--to", &versions.world.v1, "--dry-run"];
    let program = with_arguments(&versions.world, &arguments);
    let ran = versions.world.nothing_changed_by(&program).exits(0);
    let ran = ran
        .decides("rollback", "manual")
        .has_outcome("would_roll_back");
    let diff = ran.text("/rollback/diff");
    assert!(
        diff.contains("+          image: registry.example/healthy:v1"),
        "{diff}"
    );
}

#[test]
fn limits_and_breaker_hold_for_a_person_too() {
    let minutes = TimeDelta::minutes;
    for (phase, ago, reason) in [
        (Phase::Recovered, minutes(30), "cooldown"),
        (Phase::Recovered, minutes(90), "daily_limit"),
        (Phase::Ineffective, minutes(90), "breaker_open"),
    ] {
        let versions = Versions::new();
        versions.world.remembers(&[past("first", ago, phase)]);
        let program =
            with_arguments(&versions.world, &["rollback"]).env("MAX_ROLLBACKS_PER_DAY", "1");
        refused(
            &versions.world,
            &program,
            reason,
            &["held", "first"].map(|word| {
                if reason == "daily_limit" {
                    "MAX_ROLLBACKS_PER_DAY"
                } else {
                    word
                }
            }),
        );
    }
    let versions = Versions::new();
    let program =
        with_arguments(&versions.world, &["rollback"]).env("BLACKOUT_WINDOWS", "* 00:00-24:00 UTC");
    refused(&versions.world, &program, "blackout", &["00:00-24:00"]);
}

#[test]
fn nobody_rolls_back_while_another_rollback_is_in_flight() {
    let versions = Versions::new();
    let program = with_arguments(&versions.world, &["rollback"]);
    let first = versions.restored_by(&program, &versions.v2);
    let id = first.text("/rollback/id");
    let reason = "deployment_in_progress";
    refused(&versions.world, &program, reason, &[&id, "`run`"]);
    // The next pass of the program finds it and goes on with its proof.
    let next = versions.world.runs(&["run"]).exits(0);
    assert_eq!(next.decides("resume", "resumed").text("/rollback/id"), id);
}

#[test]
fn what_cannot_be_restored_is_refused() {
    let versions = Versions::new();
    let world = &versions.world;
    let to_what_is_there = with_arguments(world, &["rollback", "--to", &versions.v3]);
    refused(world, &to_what_is_there, "no_target", &["already as at"]);

    let elsewhere = "0123456789".repeat(4);
    for unknown in [&elsewhere, &elsewhere[..8], "release-7"] {
        let program = with_arguments(world, &["rollback", "--to", unknown]);
        refused(world, &program, "no_target", &[unknown, "--to"]);
    }

    let gone = world.repo().commit(
        "search: first version",
        Utc::now(),
        &[("apps/search/deployment.yaml", Some("kind: Deployment\n"))],
    );
    assert_eq!(world.repo().tip(), gone);
    let program =
        with_arguments(world, &["rollback", "--to", &world.v1]).env("GITOPS_PATH", "apps/search");
    refused(
        world,
        &program,
        "no_target",
        &["apps/search", "does not exist"],
    );
}

#[test]
fn a_target_of_argo_cd_is_not_passed_over() {
    let versions = Versions::new();
    let program =
        with_arguments(&versions.world, &["rollback"]).env("TARGET_REVISION", &versions.world.v1);
    let ran = versions.world.nothing_changed_by(&program).exits(78);
    ran.complains_of(&["TARGET_REVISION", "--to"]);
    let named = program.arguments(&["rollback", "--to", &versions.world.v1]);
    versions.restored_by(&named, &versions.world.v1);
}

#[test]
fn a_prometheus_of_the_future_frees_no_limit() {
    let stub = Stub::http(|request| {
        let ahead = (Utc::now() + TimeDelta::days(2)).timestamp();
        let query = request.parameter("query").unwrap_or_default();
        let (kind, result) = if request.path().ends_with("query_range") {
            ("matrix", String::new())
        } else if query.contains("vector(1)") {
            let sample = format!(
                r#"{{"metric":{{"error_budget_part":"time"}},"value":[{ahead},"{ahead}"]}}"#
            );
            ("vector", sample)
        } else {
            ("vector", String::new())
        };
        let data = format!(
            r#"{{"status":"success","data":{{"resultType":"{kind}","result":[{result}]}}}}"#
        );
        Some(Reply::json(200, data))
    });
    let versions = Versions::of(World::at(&stub.url(), "healthy"));
    let ago = TimeDelta::minutes(30);
    versions
        .world
        .remembers(&[past("first", ago, Phase::Recovered)]);
    let program = with_arguments(&versions.world, &["rollback"]);
    refused(&versions.world, &program, "cooldown", &["first"]);
}

#[test]
fn without_an_application_there_is_none_to_roll_back() {
    let versions = Versions::new();
    let program = with_arguments(&versions.world, &["rollback", "argocd"]);
    let ran = versions.world.nothing_changed_by(&program).exits(78);
    ran.complains_of(&["ARGOCD_SERVER", "ARGOCD_APP_NAME"]);
}

#[test]
fn without_a_repository_there_is_nothing_to_roll_back() {
    let versions = Versions::new();
    let program = with_arguments(&versions.world, &["rollback"])
        .without("GITOPS_REPO")
        .without("GITOPS_TOKEN")
        .without("GITOPS_PATH");
    let ran = versions.world.nothing_changed_by(&program).exits(78);
    ran.complains_of(&["GITOPS_REPO", "GITOPS_PATH"]);
}

fn with_arguments(world: &World, arguments: &[&str]) -> Program {
    world.program().arguments(arguments)
}

/// Checks that a person is told why, by exit code 1 and one sentence, and that nothing changed.
#[track_caller]
fn refused(world: &World, program: &Program, reason: &str, words: &[&str]) {
    let ran = world.nothing_changed_but_the_lock_by(program).exits(1);
    ran.decides("hold", reason).complains_of(words);
}
