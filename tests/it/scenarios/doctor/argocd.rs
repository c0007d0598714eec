//! What the doctor says of Argo CD.

use std::time::Duration;

use serde_json::json;
use testkit::argocd::SyncWindow;
use testkit::stub::ClosedPort;

use super::*;

const NEVER: Duration = Duration::from_secs(3600);

#[test]
fn an_application_that_can_be_rolled_back_is_well() {
    let clinic = Clinic::open();
    let ran = clinic.examines(&clinic.program()).exits(0);
    let ran = ran
        .finds("argocd", "ok", &["Argo CD v3.5"])
        .finds("argocd login", "ok", &["signed in as \\\"slo-bot\\\""])
        .finds(
            "argocd application",
            "ok",
            &["Synced, Healthy", "compared with git"],
        )
        .finds("argocd source", "ok", &["apps/healthy at main"])
        .finds(
            "argocd auto-sync",
            "ok",
            &["off: Argo CD rolls back at once, and git follows"],
        )
        .finds(
            "argocd history",
            "ok",
            &["entries: 2, of different states: 2, kept: 10"],
        )
        .finds("argocd owner", "ok", &[])
        .finds("argocd image updater", "ok", &[])
        .finds("argocd rollouts", "ok", &[])
        .finds("argocd right get", "ok", &[])
        .finds("argocd right sync", "ok", &[])
        .finds(
            "argocd windows",
            "ok",
            &["let through now (windows: 0, open: 0)"],
        );
    assert_eq!(ran.record["worst"], "ok");
    ran.finds_only(&[]).complains_of_nothing();
}

#[test]
fn a_wrong_password_is_tried_once() {
    let clinic = Clinic::open();
    clinic
        .argo
        .change(|world| world.auth.add_account("alice", "correct horse"));
    let program = clinic
        .program()
        .without("ARGOCD_TOKEN")
        .env("ARGOCD_USERNAME", "alice");
    let wrong = program.clone().env("ARGOCD_PASSWORD", "canary-battery");
    clinic
        .examines(&wrong)
        .exits(2)
        .keeps_secret("canary-battery")
        .finds("argocd", "ok", &[])
        .finds(
            "argocd login",
            "problem",
            &["alice", "refused", "ARGOCD_PASSWORD"],
        )
        .finds("argocd application", "warning", &["not checked"])
        .finds_only(&["argocd login", "argocd application"])
        .complains_of(&["a rollback would fail today: argocd login"]);
    let logins = || {
        let requests = clinic.argo.requests();
        requests
            .iter()
            .filter(|request| request.path == "/api/v1/session")
            .count()
    };
    assert_eq!(logins(), 1);

    clinic.argo.forget();
    clinic.argo.change(|world| {
        let object = format!("{PROJECT}/{SERVICE}");
        world.auth.allow("alice", &["get", "sync"], &object);
    });
    let right = program.env("ARGOCD_PASSWORD", "correct horse");
    clinic
        .examines(&right)
        .exits(0)
        .keeps_secret("correct horse")
        .finds("argocd login", "ok", &["alice"]);
    assert_eq!(logins(), 1);
}

#[test]
fn a_token_that_does_not_count_is_said() {
    let clinic = Clinic::open();
    clinic
        .argo
        .change(|world| world.auth.revoke_tokens(ACCOUNT));
    let ran = clinic.examines(&clinic.program()).exits(2);
    ran.finds("argocd login", "problem", &["ARGOCD_TOKEN"])
        .finds_only(&["argocd login", "argocd application"]);

    clinic
        .argo
        .change(|world| world.auth.is_anonymous_allowed = true);
    let ran = clinic.examines(&clinic.program()).exits(2);
    ran.finds(
        "argocd login",
        "problem",
        &["nobody is signed in", "ARGOCD_TOKEN"],
    );
}

#[test]
fn a_missing_right_is_named() {
    let clinic = Clinic::open();
    clinic
        .argo
        .change(|world| world.auth.forbid(ACCOUNT, "sync"));
    clinic
        .examines(&clinic.program())
        .exits(2)
        .finds("argocd right get", "ok", &[])
        .finds(
            "argocd right sync",
            "problem",
            &["no", "p, <role>, applications, sync,"],
        )
        .finds_only(&["argocd right sync"]);

    clinic
        .argo
        .change(|world| world.auth.forbid(ACCOUNT, "get"));
    clinic
        .examines(&clinic.program())
        .exits(2)
        .finds(
            "argocd application",
            "problem",
            &["lacks a right", "ARGOCD_PROJECT"],
        )
        .finds("argocd right get", "problem", &[]);
}

#[test]
fn the_right_to_update_counts_where_auto_sync_may_be_switched_off() {
    let clinic = Clinic::open();
    clinic.switches_auto_sync(Some(Automated::default()));
    let program = clinic.program().env("ARGOCD_MAY_DISABLE_AUTO_SYNC", "true");
    clinic
        .examines(&program)
        .exits(1)
        .finds(
            "argocd right update",
            "warning",
            &["ARGOCD_MAY_DISABLE_AUTO_SYNC"],
        )
        .finds_only(&["argocd right update"]);
    let without_git = without_git(&program);
    clinic.examines(&without_git).exits(2).finds(
        "argocd right update",
        "problem",
        &["applications, update"],
    );
    clinic.argo.change(|world| {
        let object = format!("{PROJECT}/{SERVICE}");
        world.auth.allow(ACCOUNT, &["update"], &object);
    });
    clinic
        .examines(&without_git)
        .exits(1)
        .finds(
            "argocd auto-sync",
            "warning",
            &["switches it off, and it stays off"],
        )
        .finds("argocd right update", "ok", &[])
        .finds_only(&["ways", "argocd auto-sync"]);
}

#[test]
fn a_right_of_its_own_for_rollbacks_is_asked_for_where_the_server_knows_it() {
    let clinic = Clinic::open();
    clinic.argo.change(|world| world.version = (3, 6));
    clinic
        .examines(&clinic.program())
        .exits(1)
        .finds("argocd", "ok", &["v3.6"])
        .finds(
            "argocd right rollback",
            "warning",
            &["server.rbac.rollback.enforce.enable"],
        )
        .finds_only(&["argocd right rollback"]);
}

#[test]
fn a_window_that_denies_is_a_problem_and_one_that_lets_people_through_is_none() {
    let clinic = Clinic::open();
    let windows = |windows: Vec<SyncWindow>| {
        clinic
            .argo
            .change(|world| world.project_mut(PROJECT).windows = windows);
    };
    windows(vec![SyncWindow::deny(false)]);
    clinic
        .examines(&clinic.program())
        .exits(2)
        .finds(
            "argocd windows",
            "problem",
            &["forbids it now", "open: 1", "manualSync"],
        )
        .finds_only(&["argocd windows"]);
    windows(vec![SyncWindow::closed_allow(false)]);
    clinic.examines(&clinic.program()).exits(2).finds(
        "argocd windows",
        "problem",
        &["windows: 1, open: 0"],
    );
    windows(vec![SyncWindow::deny(true)]);
    clinic.examines(&clinic.program()).exits(0).finds(
        "argocd windows",
        "ok",
        &["let through now (windows: 1, open: 1)"],
    );
}

#[test]
fn auto_sync_decides_which_way_is_open() {
    let clinic = Clinic::open();
    clinic.switches_auto_sync(Some(Automated {
        prune: true,
        ..Automated::default()
    }));
    clinic.examines(&clinic.program()).exits(0).finds(
        "argocd auto-sync",
        "ok",
        &["on (prune on, self-heal off): a revert in git is deployed"],
    );
    clinic
        .examines(&without_git(&clinic.program()))
        .exits(2)
        .finds(
            "argocd auto-sync",
            "problem",
            &[
                "Argo CD refuses a rollback",
                "ARGOCD_MAY_DISABLE_AUTO_SYNC=true",
            ],
        )
        .finds_only(&["ways", "argocd auto-sync"]);
    clinic.switches_auto_sync(Some(Automated {
        enabled: Some(false),
        ..Automated::default()
    }));
    clinic.examines(&clinic.program()).exits(0).finds(
        "argocd auto-sync",
        "ok",
        &["off, its settings are kept"],
    );
}

#[test]
fn a_history_without_an_earlier_state_leaves_nothing_to_go_back_to() {
    let clinic = Clinic::before_any_release(|_| {});
    // The same state twice is one state.
    for _ in 0..2 {
        clinic.argo.deploy(SERVICE, &clinic.world.v1);
    }
    clinic.argo.forget();
    clinic.examines(&clinic.program()).exits(2).finds(
        "argocd history",
        "problem",
        &["entries: 2, of different states: 1", "second state"],
    );
    clinic.switches_auto_sync(Some(Automated::default()));
    // Git is the way then.
    clinic.examines(&clinic.program()).finds(
        "argocd history",
        "warning",
        &["of different states: 1"],
    );
}

#[test]
fn a_history_that_is_not_kept_is_a_problem() {
    for limit in [0, 1] {
        let clinic = Clinic::with(|app| app.spec.revision_history_limit = Some(limit));
        let kept = format!("kept: {limit}");
        clinic
            .examines(&clinic.program())
            .exits(2)
            .finds(
                "argocd history",
                "problem",
                &[&kept, "revisionHistoryLimit"],
            )
            .finds_only(&["argocd history"]);
    }
}

#[test]
fn an_application_that_is_missing_or_elsewhere_is_said() {
    let clinic = Clinic::open();
    for (name, value) in [("ARGOCD_APP_NAME", "nobody"), ("ARGOCD_PROJECT", "other")] {
        let object = "*/*";
        clinic
            .argo
            .change(|world| world.auth.allow(ACCOUNT, &["get", "sync"], object));
        clinic
            .examines(&clinic.program().env(name, value))
            .exits(2)
            .finds(
                "argocd application",
                "problem",
                &["not found", "check ARGOCD_APP_NAME"],
            )
            .finds("argocd right get", "ok", &[])
            .finds("argocd windows", "problem", &["not found"]);
    }
    let unknown_project = clinic.program().without("ARGOCD_PROJECT");
    clinic.examines(&unknown_project).exits(0);
}

#[test]
fn owners_are_named() {
    let clinic = Clinic::with(|app| app.owned_by_application_set("shops", NEVER));
    clinic
        .examines(&clinic.program())
        .exits(1)
        .finds(
            "argocd owner",
            "warning",
            &["ApplicationSet shops writes it", "put back"],
        )
        .finds_only(&["argocd owner"]);
    let clinic = Clinic::with(|app| app.owned_by_parent("root", NEVER));
    clinic
        .examines(&clinic.program())
        .exits(1)
        .finds("argocd owner", "warning", &["application root deploys it"])
        .finds_only(&["argocd owner"]);
}

#[test]
fn who_chooses_images_and_who_goes_by_own_rules_is_named() {
    let clinic = Clinic::with(|app| {
        let list = "argocd-image-updater.argoproj.io/image-list";
        app.annotations.insert(list.to_owned(), "web".to_owned());
    });
    clinic
        .examines(&clinic.program())
        .exits(1)
        .finds(
            "argocd image updater",
            "warning",
            &["image-list", "pin the image"],
        )
        .finds_only(&["argocd image updater"]);
}

#[test]
fn an_application_that_deploys_something_else_is_said() {
    for (path, branch, words) in [
        (
            "apps/healthy",
            "release",
            "follows release and not GITOPS_BRANCH (main)",
        ),
        (
            "apps/payments",
            "main",
            "deploys apps/payments, which is in none of GITOPS_PATH",
        ),
    ] {
        let clinic = Clinic::with(|_| {});
        clinic.argo.change(|world| {
            let spec = &mut world.app_mut(SERVICE).spec;
            let source = spec.source.as_mut().expect("it has one");
            path.clone_into(&mut source.path);
            branch.clone_into(&mut source.target_revision);
        });
        clinic
            .examines(&clinic.program())
            .finds("argocd source", "warning", &[words]);
    }
    let clinic = Clinic::open();
    clinic.argo.change(|world| {
        let spec = &mut world.app_mut(SERVICE).spec;
        let source = spec.source.as_mut().expect("it has one");
        "https://x:canary-in-url@git.example.com/other.git".clone_into(&mut source.repo_url);
    });
    clinic
        .examines(&clinic.program())
        .keeps_secret("canary-in-url")
        .finds(
            "argocd source",
            "warning",
            &["https://git.example.com/other.git, not from GITOPS_REPO"],
        );
}

#[test]
fn an_operation_under_way_is_waited_for() {
    let clinic = Clinic::open();
    clinic.argo.change(|world| world.is_controller_down = true);
    let id = clinic
        .argo
        .look(|world| world.app(SERVICE).status.history[0].id);
    let body = json!({ "id": id, "project": PROJECT }).to_string();
    asks_for_a_rollback(&clinic, &body);
    let program = clinic.program();
    let ran = clinic.world.nothing_changed_by(&program).exits(1);
    ran.finds(
        "argocd application",
        "warning",
        &["an operation is in progress", "terminate"],
    )
    .finds_only(&["argocd application"]);
}

#[test]
fn an_argo_cd_that_is_not_there_keeps_nobody_from_looking_at_the_rest() {
    let clinic = Clinic::open();
    let nobody = ClosedPort::reserve();
    let program = clinic.program().env("ARGOCD_SERVER", &nobody.url());
    clinic
        .examines(&program)
        .exits(2)
        .finds(
            "argocd",
            "problem",
            &["ask for the version", "check ARGOCD_SERVER"],
        )
        .finds("argocd login", "warning", &["not checked"])
        .finds_only(&["argocd", "argocd login"]);
}

fn without_git(program: &Program) -> Program {
    let git = ["GITOPS_REPO", "GITOPS_PATH", "GITOPS_TOKEN"];
    git.into_iter().fold(program.clone(), Program::without)
}

/// Has somebody else ask Argo CD for a rollback.
fn asks_for_a_rollback(clinic: &Clinic, body: &str) {
    use std::io::{Read, Write};
    let address = clinic.argo.url().replace("http://", "");
    let mut stream = std::net::TcpStream::connect(&address).expect("the server is there");
    let (token, length) = (&clinic.token, body.len());
    write!(
        stream,
        "POST /api/v1/applications/{SERVICE}/rollback HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .expect("the server reads");
    let mut answer = String::new();
    stream
        .read_to_string(&mut answer)
        .expect("the server answers");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}
