//! Answers that come late, not at all, or for something else.

use std::io::Read;

use testkit::argocd::Fault;
use testkit::stub::Reply as Script;

use super::*;

const ROLLBACK: &str = "/rollback";

impl Scene {
    /// Sends a rollback whose answer may be lost; tells whether it is not what Argo CD answers.
    fn loses_the_answer_to_a_rollback(&self) -> bool {
        let body = json!({ "id": 0, "project": "payments" });
        let answer = self.try_to_ask("POST", &format!("{APP}{ROLLBACK}"), &body);
        answer.map_or(true, |answer| answer.status == 503)
    }
}

#[test]
fn a54_without_a_controller_a_refresh_hangs_until_the_client_leaves() {
    let scene = scene();
    scene.argo.change(|world| world.is_controller_down = true);
    let bearer = format!("Authorization: Bearer {}", scene.token);
    let url = format!("{}{APP}?refresh=normal&project=payments", scene.argo.url());
    let mut stream = http::begin("GET", &url, &[&bearer], "").expect("it listens");
    scene.argo.wait_until("asked", |world| {
        world.app("checkout").is_refresh_requested()
    });
    scene.argo.advance(seconds(3600));
    stream.set_nonblocking(true).expect("a socket");
    let nothing = stream.read(&mut [0]).expect_err("no answer");
    assert_eq!(nothing.kind(), io::ErrorKind::WouldBlock);
    drop(stream);
    let app = scene.app();
    assert_eq!(
        app["metadata"]["annotations"]["argocd.argoproj.io/refresh"], "normal",
        "a plain read works"
    );
}

#[test]
fn a56_an_answer_lost_before_the_write_means_nothing_happened() {
    let scene = scene();
    for fault in [
        Fault::status(503),
        Fault::Instead(Script::hangup()),
        Fault::Instead(Script::reset()),
    ] {
        scene.argo.fault("POST", ROLLBACK, fault);
        assert!(scene.loses_the_answer_to_a_rollback());
    }
    assert_eq!(scene.app()["operation"], Value::Null);
    assert_eq!(scene.argo.operations(), []);
}

#[test]
fn a56_an_answer_lost_after_the_write_means_it_happened() {
    let scene = scene();
    for fault in [
        Fault::After(Script::hangup()),
        Fault::After(Script::text(503, "no healthy upstream")),
    ] {
        scene.argo.fault("POST", ROLLBACK, fault);
        assert!(scene.loses_the_answer_to_a_rollback());
        let busy = "another operation is already in progress";
        refuses(&scene.roll_back(0), 400, 9, busy);
        scene.step_until_phase("Succeeded");
    }
    assert_eq!(scene.story(), vec!["Rollback Some(Succeeded)"; 2]);
    let statuses: Vec<_> = scene
        .argo
        .requests()
        .iter()
        .filter(|request| request.method == "POST")
        .map(|request| request.status)
        .collect();
    assert_eq!(
        statuses[..2],
        [None, Some(400)],
        "an answer that a fault replaced is none"
    );
}

#[test]
fn a56_a_race_can_be_lost_between_a_look_and_a_write() {
    let scene = scene();
    let switch_on = |world: &mut World| {
        world
            .app_mut("checkout")
            .spec
            .set_auto_sync(Some(Automated::default()));
    };
    scene
        .argo
        .fault("POST", ROLLBACK, Fault::Before(Box::new(switch_on)));
    let refused = "rollback cannot be initiated when auto-sync is enabled";
    refuses(&scene.roll_back(0), 400, 9, refused);
}

#[test]
#[should_panic(expected = "faults that no request met")]
fn a56_a_fault_that_no_request_meets_fails_the_test() {
    let argo = ArgoServer::driven();
    argo.fault("GET", "never", Fault::status(500));
}
