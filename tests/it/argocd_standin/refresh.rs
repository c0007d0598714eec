//! Answers that come late, not at all, or for something else.

use testkit::argocd::Fault;
use testkit::stub::Reply as Script;

use super::*;

const ROLLBACK: &str = "/rollback";

impl Scene {
    /// Sends a rollback whose answer may be lost.
    fn try_roll_back(&self) -> io::Result<Reply> {
        let bearer = format!("Authorization: Bearer {}", self.token);
        let body = json!({ "id": 0, "project": "payments" }).to_string();
        let headers = [bearer.as_str(), "Content-Type: application/json"];
        send(
            &self.argo.url(),
            "POST",
            &format!("{APP}{ROLLBACK}"),
            &headers,
            &body,
        )
    }
}

#[test]
fn a54_a_refresh_is_answered_after_the_comparison() {
    let scene = scene();
    let third = scene.commit("v3");
    std::thread::scope(|scope| {
        let path = format!("{APP}?project=payments&refresh=hard");
        let scene = &scene;
        let asked = scope.spawn(move || scene.ask("GET", &path, &Value::Null));
        scene.argo.wait_until("asked", |world| {
            world.app("checkout").is_refresh_requested()
        });
        let app = scene.app();
        assert_eq!(
            app["metadata"]["annotations"]["argocd.argoproj.io/refresh"],
            "hard"
        );
        scene.argo.settle();
        let answer = asked.join().expect("no panic").json();
        assert_eq!(answer["status"]["sync"]["revision"], third.as_str());
        assert_eq!(answer["metadata"]["annotations"], Value::Null);
    });
}

#[test]
fn a54_without_a_controller_a_refresh_hangs_until_the_client_leaves() {
    let scene = scene();
    scene.argo.change(|world| world.is_controller_down = true);
    let url = scene.argo.url();
    let (host, _) = split(&url);
    let mut stream = TcpStream::connect(host).expect("it listens");
    let bearer = format!("Authorization: Bearer {}", scene.token);
    let target = format!("{APP}?refresh=normal&project=payments");
    let request = head("GET", &target, host, &[&bearer], 0);
    stream.write_all(request.as_bytes()).expect("it reads");
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
fn a55_a_sync_names_no_revision_while_auto_sync_is_on() {
    let scene = scene();
    scene.switch_on(Automated::default());
    for revision in [scene.bad.as_str(), "HEAD"] {
        let message = format!("Cannot sync to {revision}: auto-sync currently set to main");
        scene
            .sync(json!({ "revision": revision }))
            .refuses(400, 9, &message);
    }
    let infos = json!([{ "name": "error-budget-rollback", "value": "r-1" }]);
    let reply = scene.sync(json!({ "infos": infos }));
    assert_eq!(reply.status, 200);
    let queued = reply.json();
    assert_eq!(queued["operation"]["info"], infos);
    assert_eq!(queued["operation"]["sync"]["revision"], scene.bad.as_str());
    scene.step_until_phase("Succeeded");
    assert_eq!(
        scene.sync(json!({ "revision": "main" })).status,
        200,
        "the branch itself may be named"
    );
    let info = &scene.argo.operations()[0].info[0];
    assert_eq!(
        (info.name.as_str(), info.value.as_str()),
        ("error-budget-rollback", "r-1")
    );
}

#[test]
fn a55_a_foreign_revision_may_need_a_right_of_its_own() {
    let scene = scene();
    scene.argo.change(|world| world.requires_override = true);
    let reply = scene.sync(json!({ "revision": scene.good }));
    assert_eq!(
        (reply.status, reply.json()["code"].clone()),
        (403, json!(7))
    );
    scene.argo.change(|world| {
        world
            .auth
            .allow("slo-bot", &["override"], "payments/checkout")
    });
    assert_eq!(scene.sync(json!({ "revision": scene.good })).status, 200);
    scene.step_until_phase("Succeeded");
    assert_eq!(scene.live(), Some(manifest("v1")));
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
        assert!(
            scene
                .try_roll_back()
                .map_or(true, |reply| reply.status == 503)
        );
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
        Fault::CutShort,
    ] {
        scene.argo.fault("POST", ROLLBACK, fault);
        assert!(
            scene
                .try_roll_back()
                .map_or(true, |reply| reply.status == 503)
        );
        let busy = "another operation is already in progress";
        scene.roll_back(0).refuses(400, 9, busy);
        scene.step_until_phase("Succeeded");
    }
    assert_eq!(scene.story(), vec!["Rollback Some(Succeeded)"; 3]);
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
fn a56_answers_can_be_huge_slow_foreign_or_elsewhere() {
    let scene = scene();
    let read = || scene.ask("GET", &format!("{APP}?project=payments"), &Value::Null);
    scene.argo.fault("GET", "checkout", Fault::huge(50 << 20));
    let reply = read();
    assert_eq!(reply.text.len(), 50 << 20);
    assert!(reply.json()["metadata"]["name"].is_string());
    scene.argo.fault(
        "GET",
        "checkout",
        Fault::redirect("https://elsewhere.example/x"),
    );
    let reply = read();
    assert_eq!(
        (reply.status, reply.location.as_str()),
        (307, "https://elsewhere.example/x")
    );
    scene.argo.fault("GET", "checkout", Fault::login_page());
    assert_eq!(read().kind, "text/html");
    scene
        .argo
        .fault("GET", "checkout", Fault::Drip(Duration::ZERO));
    assert_eq!(read().status, 200);
    scene
        .argo
        .fault("GET", "checkout", Fault::Delay(Duration::from_millis(1)));
    assert_eq!(read().status, 200);
    for status in [403, 415, 500] {
        scene.argo.fault("GET", "checkout", Fault::status(status));
        assert_eq!(read().status, status);
    }
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
    scene.roll_back(0).refuses(400, 9, refused);
}

#[test]
#[should_panic(expected = "faults that no request met")]
fn a56_a_fault_that_no_request_meets_fails_the_test() {
    let argo = ArgoServer::driven();
    argo.fault("GET", "never", Fault::status(500));
}
