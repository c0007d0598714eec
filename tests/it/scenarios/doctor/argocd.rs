//! What the doctor says of the way to Argo CD, of rights and of windows.

use std::time::Duration;

use testkit::argocd::SyncWindow;
use testkit::stub::ClosedPort;

use super::*;

#[test]
fn an_application_that_can_be_rolled_back_is_well() {
    let scene = Scene::open();
    let ran = scene.looked_at_by(&scene.program()).exits(0);
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
    let scene = Scene::open();
    scene
        .argo
        .change(|world| world.auth.add_account("alice", "correct horse"));
    let program = scene
        .program()
        .without("ARGOCD_TOKEN")
        .env("ARGOCD_USERNAME", "alice");
    let wrong = program.clone().env("ARGOCD_PASSWORD", "canary-battery");
    scene
        .looked_at_by(&wrong)
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
        let requests = scene.argo.requests();
        requests
            .iter()
            .filter(|request| request.path == "/api/v1/session")
            .count()
    };
    assert_eq!(logins(), 1);

    scene.argo.forget();
    scene.argo.change(|world| {
        let object = format!("{PROJECT}/{SERVICE}");
        world.auth.allow("alice", &["get", "sync"], &object);
    });
    let right = program.env("ARGOCD_PASSWORD", "correct horse");
    scene
        .looked_at_by(&right)
        .exits(0)
        .keeps_secret("correct horse")
        .finds("argocd login", "ok", &["alice"]);
    assert_eq!(logins(), 1);
}

#[test]
fn a_token_that_does_not_count_is_said() {
    let scene = Scene::open();
    scene.argo.change(|world| world.auth.revoke_tokens(ACCOUNT));
    let gone = "nobody is signed in: invalid session: account slo-bot does not have token with id";
    let ran = scene.looked_at_by(&scene.program()).exits(2);
    ran.finds("argocd login", "problem", &[gone, "ARGOCD_TOKEN"])
        .finds_only(&["argocd login", "argocd application"]);

    let expired = scene.argo.change(|world| {
        let now = world.now();
        world.auth.issue_token(ACCOUNT, Some(Duration::ZERO), now)
    });
    for (token, words) in [
        (expired.as_str(), "token is expired"),
        ("another.server.s", "signature is invalid"),
        ("nothing", "no session information"),
    ] {
        let program = scene.program().env("ARGOCD_TOKEN", token);
        let ran = scene.looked_at_by(&program).exits(2);
        ran.finds("argocd login", "problem", &["nobody is signed in: ", words])
            .finds_only(&["argocd login", "argocd application"]);
    }
}

#[test]
fn strangers_who_are_let_in_are_not_taken_for_an_account() {
    let scene = Scene::open();
    scene.argo.change(|world| {
        world.auth.revoke_tokens(ACCOUNT);
        world.auth.is_anonymous_allowed = true;
    });
    for program in [scene.program(), scene.program().without("ARGOCD_PROJECT")] {
        let ran = scene.looked_at_by(&program).exits(2);
        ran.finds(
            "argocd login",
            "problem",
            &["lets strangers in", "ARGOCD_TOKEN"],
        );
    }
}

#[test]
fn a_missing_right_is_named() {
    let scene = Scene::open();
    scene
        .argo
        .change(|world| world.auth.forbid(ACCOUNT, "sync"));
    scene
        .looked_at_by(&scene.program())
        .exits(2)
        .finds("argocd right get", "ok", &[])
        .finds(
            "argocd right sync",
            "problem",
            &["no", "p, <role>, applications, sync,"],
        )
        .finds_only(&["argocd right sync"]);

    scene.argo.change(|world| world.auth.forbid(ACCOUNT, "get"));
    scene
        .looked_at_by(&scene.program())
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
    let scene = Scene::open();
    scene.switches_auto_sync(Some(Automated::default()));
    let program = scene.program().env("ARGOCD_MAY_DISABLE_AUTO_SYNC", "true");
    scene
        .looked_at_by(&program)
        .exits(1)
        .finds(
            "argocd right update",
            "warning",
            &["ARGOCD_MAY_DISABLE_AUTO_SYNC"],
        )
        .finds_only(&["argocd right update"]);
    let without_git = without_git(&program);
    scene.looked_at_by(&without_git).exits(2).finds(
        "argocd right update",
        "problem",
        &["applications, update"],
    );
    scene.argo.change(|world| {
        let object = format!("{PROJECT}/{SERVICE}");
        world.auth.allow(ACCOUNT, &["update"], &object);
    });
    scene
        .looked_at_by(&without_git)
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
    let scene = Scene::open();
    scene.argo.change(|world| world.version = (3, 6));
    scene
        .looked_at_by(&scene.program())
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
    let scene = Scene::open();
    let windows = |windows: Vec<SyncWindow>| {
        scene
            .argo
            .change(|world| world.project_mut(PROJECT).windows = windows);
    };
    windows(vec![SyncWindow::deny(false)]);
    scene
        .looked_at_by(&scene.program())
        .exits(2)
        .finds(
            "argocd windows",
            "problem",
            &["forbids it now", "open: 1", "manualSync"],
        )
        .finds_only(&["argocd windows"]);
    windows(vec![SyncWindow::closed_allow(false)]);
    scene.looked_at_by(&scene.program()).exits(2).finds(
        "argocd windows",
        "problem",
        &["windows: 1, open: 0"],
    );
    windows(vec![SyncWindow::deny(true)]);
    scene.looked_at_by(&scene.program()).exits(0).finds(
        "argocd windows",
        "ok",
        &["let through now (windows: 1, open: 1)"],
    );
}

#[test]
fn an_application_that_is_missing_or_elsewhere_is_said() {
    let scene = Scene::open();
    for (name, value) in [("ARGOCD_APP_NAME", "nobody"), ("ARGOCD_PROJECT", "other")] {
        let object = "*/*";
        scene
            .argo
            .change(|world| world.auth.allow(ACCOUNT, &["get", "sync"], object));
        scene
            .looked_at_by(&scene.program().env(name, value))
            .exits(2)
            .finds(
                "argocd application",
                "problem",
                &["not found", "check ARGOCD_APP_NAME"],
            )
            .finds("argocd right get", "ok", &[])
            .finds("argocd windows", "problem", &["not found"]);
    }
    let unknown_project = scene.program().without("ARGOCD_PROJECT");
    scene.looked_at_by(&unknown_project).exits(0);
}

#[test]
fn an_argo_cd_that_is_not_there_keeps_nobody_from_looking_at_the_rest() {
    let scene = Scene::open();
    let nobody = ClosedPort::reserve();
    let program = scene.program().env("ARGOCD_SERVER", &nobody.url());
    scene
        .looked_at_by(&program)
        .exits(2)
        .finds(
            "argocd",
            "problem",
            &["ask for the version", "check ARGOCD_SERVER"],
        )
        .finds("argocd login", "warning", &["not checked"])
        .finds_only(&["argocd", "argocd login"]);
}
