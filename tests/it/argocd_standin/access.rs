//! Who is let in, and what is no request at all.

use testkit::argocd::Setup;

use super::*;

#[test]
fn a4_five_wrong_logins_in_a_row_lock_the_right_password_out() {
    let scene = scene();
    scene
        .argo
        .change(|world| world.auth.add_account("ops", "correct horse"));
    let log_in = |password: &str| {
        let body = json!({ "username": "ops", "password": password });
        let answer = scene.ask("POST", "/api/v1/session", &body);
        answer.status
    };
    let wrong = |count: usize| (0..count).for_each(|_| assert_eq!(log_in("wrong"), 401));
    wrong(4);
    assert_eq!(log_in("correct horse"), 200, "it forgives those before");
    wrong(5);
    scene.argo.pass(seconds(299));
    assert_eq!(log_in("correct horse"), 401);
    scene.argo.pass(seconds(1));
    assert_eq!(log_in("correct horse"), 200);
    let bodies = scene.argo.requests();
    assert!(bodies.iter().all(|request| !request.body.contains("horse")));
}

#[test]
fn a5_a_read_that_fails_looks_like_a_missing_right() {
    let scene = scene();
    scene.argo.change(|world| world.failing_reads = 1);
    refuses(&scene.roll_back(0), 403, 7, "permission denied");
    assert_eq!(scene.roll_back(0).status, 200);
}

#[test]
fn a5_a_rollback_may_need_a_right_of_its_own() {
    let scene = scene();
    scene
        .argo
        .change(|world| world.enforces_rollback_right = true);
    refuses(&scene.roll_back(0), 403, 7, "permission denied");
    scene
        .argo
        .change(|world| world.auth.allow("slo-bot", &["rollback"], "payments/*"));
    assert_eq!(scene.roll_back(0).status, 200);
}

#[test]
fn a6_unknown_fields_are_dropped_and_noted() {
    let scene = scene();
    let body = json!({ "id": 0, "project": "payments", "infos": [], "idempotencyKey": "x" });
    let reply = scene.ask("POST", &format!("{APP}/rollback"), &body);
    assert_eq!(reply.status, 200);
    let dropped = scene.argo.look(|world| world.dropped_fields().to_vec());
    assert_eq!(dropped, ["idempotencyKey", "infos"]);
}

#[test]
fn a6_below_a_root_path_there_is_nothing_but_the_user_interface_elsewhere() {
    let argo = Setup::driven().below("/argo/").start();
    let base = argo.url().replace("/argo", "");
    for (path, expected) in [
        ("/argo/api/version", (200, "application/json")),
        ("/argo/argo/api/version", (200, "text/html; charset=utf-8")),
        ("/api/version", (404, "text/plain; charset=utf-8")),
        ("/argocd/api/version", (404, "text/plain; charset=utf-8")),
    ] {
        let answer = http::send("GET", &format!("{base}{path}"), &[], "").expect("an answer");
        let found = (answer.status, answer.header("content-type"));
        assert_eq!(found, expected, "{path}");
    }
}
