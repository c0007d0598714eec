//! Arguments and settings that cannot be used: all problems at once, and not one connection.

use std::io::ErrorKind;
use std::net::TcpListener;

use super::program::{Program, Ran};
use super::world::World;

#[test]
fn every_problem_of_the_configuration_is_listed_before_anything_is_asked() {
    let nobody_calls = Callers::listen();
    let program = Program::bare()
        .env("NAMESPACE", "Shop!")
        .env("PROMETHEUS_URL", &nobody_calls.url())
        .env("PROMETHEUS_USERNAME", "reader")
        .env("GITOPS_REPO", &nobody_calls.url())
        .env("COOLDOWN", "soon")
        .env("ERROR_BUDGET", "99.9%")
        .env("BLACKOUT_WINDOWS", "Caturday 00:00-06:00")
        .env("STABILIZATION", "2h")
        .env("PAGERDUTY_KEY", "canary-key-of-pagerduty-with-a-blank ")
        .env("DRY_RUN", "maybe");
    for arguments in [
        &[][..],
        &["check"],
        &["rollback"],
        &["status"],
        &["--dry-run"],
    ] {
        let mut program = program.clone().arguments(arguments);
        if arguments == ["--dry-run"] {
            // The argument ranks above the variable, so this one problem is gone.
            program = program.env("DRY_RUN", "true");
        }
        let ran = program.run().exits(78).keeps_secret("canary-key");
        assert_eq!(ran.stdout, "");
        let mut named = vec![
            "SERVICE_NAME",
            "NAMESPACE",
            "PROMETHEUS_USERNAME",
            "GITOPS_PATH",
            "COOLDOWN",
            "ERROR_BUDGET",
            "BLACKOUT_WINDOWS",
            "STABILIZATION",
        ];
        if arguments != ["--dry-run"] {
            named.push("DRY_RUN");
        }
        for name in named {
            let problems = ran
                .stderr
                .lines()
                .filter(|line| line.starts_with("- ") && line.contains(name));
            assert_eq!(problems.count(), 1, "one line on {name}\n{ran}");
        }
    }
    nobody_calls.none_came();
}

#[test]
fn arguments_that_make_no_sense_end_with_a_usage_error() {
    let wrong: [&[&str]; 12] = [
        &["chek"],
        &["run", "now"],
        &["--dry"],
        &["--output", "yaml"],
        &["check", "--commit", "HEAD"],
        &["check", "--commit"],
        &["rollback", "helm"],
        &["rollback", "gitops", "v1"],
        &["run", "--watch", "0s"],
        &["run", "--watch", "7h"],
        &["run", "--every", "30s"],
        &["check", "--watch", "10m"],
    ];
    for arguments in wrong {
        let ran = Program::bare().arguments(arguments).run().exits(64);
        assert_eq!(ran.stdout, "");
        assert!(ran.stderr.contains("error: "), "{ran}");
        assert!(ran.stderr.contains("--help"), "{ran}");
    }
}

#[test]
fn help_and_version_need_no_configuration() {
    for (arguments, word) in [
        (&["--help"][..], "rollback"),
        (&["check", "--help"], "--commit"),
        (&["rollback", "--help"], "--reason"),
        (&["--version"], env!("CARGO_PKG_VERSION")),
    ] {
        let ran: Ran = Program::bare().arguments(arguments).run().exits(0);
        assert!(ran.stdout.contains(word), "{ran}");
        assert_eq!(ran.stderr, "");
    }
}

/// A port on which it is noticed when somebody connects.
struct Callers(TcpListener);

impl Callers {
    fn listen() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free loopback port");
        listener.set_nonblocking(true).expect("our own socket");
        Self(listener)
    }

    fn url(&self) -> String {
        let address = self.0.local_addr().expect("a bound listener has one");
        format!("http://{address}")
    }

    #[track_caller]
    fn none_came(&self) {
        let caller = self.0.accept().expect_err("somebody connected");
        assert_eq!(caller.kind(), ErrorKind::WouldBlock);
    }
}

#[test]
fn a_misspelt_switch_stops_what_may_change_anything_and_is_named_elsewhere() {
    let (world, _) = World::with_a_bad_release();
    let misspelt = [
        ("REQUIRE_APROVAL", "true"),
        ("ERORR_BUDGET", "0.01"),
        ("GITOPS_BRANCHE", "release"),
    ];
    let program = |arguments: &[&str]| {
        let program = world.program().arguments(arguments);
        misspelt
            .iter()
            .fold(program, |program, (name, value)| program.env(name, value))
    };
    for arguments in [&["run"][..], &["run", "--dry-run"], &["rollback", "gitops"]] {
        let ran = world.nothing_changed_by(&program(arguments)).exits(78);
        ran.complains_of(&[
            "REQUIRE_APROVAL",
            "REQUIRE_APPROVAL",
            "ERORR_BUDGET",
            "ERROR_BUDGET",
            "GITOPS_BRANCHE",
        ]);
    }
    let looked = world.nothing_changed_by(&program(&["status"])).exits(0);
    let warned = looked.log();
    let warned = warned
        .iter()
        .filter(|line| line["level"] == "WARN" && line["variable"] == "REQUIRE_APROVAL");
    assert_eq!(warned.count(), 1, "{looked}");
    let doctor = program(&["doctor"]).run();
    assert!(
        doctor.stdout.contains("GITOPS_BRANCHE is no variable"),
        "{doctor}"
    );
}

#[test]
fn what_kubernetes_sets_for_a_service_called_gitops_is_silent() {
    let (world, _) = World::with_a_bad_release();
    let injected = [
        ("GITOPS_SERVICE_HOST", "10.0.0.1"),
        ("GITOPS_PORT_443_TCP", "tcp://10.0.0.1:443"),
        ("ARGOCD_SERVICE_PORT_HTTPS", "443"),
        ("MAX_CONNECTIONS", "9"),
    ];
    let program = injected
        .iter()
        .fold(world.program(), |program, (name, value)| {
            program.env(name, value)
        });
    let ran = program.run().exits(0).decides("rollback", "trigger");
    assert!(!ran.stderr.contains("no variable of this program"), "{ran}");
}
