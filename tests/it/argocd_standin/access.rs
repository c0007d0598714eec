//! Who is let in, and what is no request at all.

use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use testkit::argocd::Setup;
use testkit::stub::Authority;

use super::*;

const JSON: &str = "Content-Type: application/json";

#[test]
fn a1_every_write_needs_exactly_application_json() {
    let scene = scene();
    scene.rolled_back(0);
    scene.step_until_phase("Running");
    let bearer = format!("Authorization: Bearer {}", scene.token);
    let operation = format!("{APP}/operation?project=payments");
    let rollback = format!("{APP}/rollback");
    let before = scene.app();
    for (method, path, kind) in [
        ("DELETE", operation.as_str(), ""),
        (
            "DELETE",
            &operation,
            "Content-Type: application/json; charset=utf-8",
        ),
        ("POST", &rollback, "Content-Type: text/plain"),
        ("POST", &rollback, ""),
        ("POST", "/api/v1/session", ""),
    ] {
        let headers: Vec<&str> = [bearer.as_str(), kind]
            .into_iter()
            .filter(|line| !line.is_empty())
            .collect();
        let reply = send(&scene.argo.url(), method, path, &headers, "").expect("an answer");
        assert_eq!(
            (reply.status, reply.text.as_str()),
            (415, "Invalid content type\n"),
            "{method} {kind}"
        );
        assert_eq!(reply.kind, "text/plain; charset=utf-8");
    }
    assert_eq!(scene.app(), before);
    let headers = [bearer.as_str(), "Content-Type: Application/JSON"];
    let reply = send(&scene.argo.url(), "DELETE", &operation, &headers, "").expect("an answer");
    assert_eq!(
        (reply.status, reply.text.as_str()),
        (200, "{}"),
        "case does not matter"
    );
}

#[test]
fn a2_plain_http_is_sent_to_https() {
    let authority = Authority::new();
    let argo = Setup::driven()
        .below("/argo")
        .with_tls(authority.server())
        .start();
    let url = argo.url();
    let plain = url.replace("https://", "http://");
    let reply = send(&plain, "GET", "/api/version?x=1", &[], "").expect("an answer");
    assert_eq!(
        (reply.status, reply.location),
        (307, format!("{url}/api/version?x=1"))
    );
    assert_eq!(argo.requests(), [], "the server itself saw nothing");

    let mut roots = RootCertStore::empty();
    let certificate =
        CertificateDer::from_pem_slice(authority.pem().as_bytes()).expect("a certificate");
    roots.add(certificate).expect("a root");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider has versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let (host, root) = split(&url);
    let name = ServerName::try_from("127.0.0.1").expect("an address");
    let connection = ClientConnection::new(Arc::new(config), name).expect("a client");
    let mut stream = StreamOwned::new(connection, TcpStream::connect(host).expect("it listens"));
    let request = head("GET", &format!("{root}/api/version"), host, &[], 0);
    stream.write_all(request.as_bytes()).expect("it reads");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("it answers");
    let reply = parse(&answer).expect("a whole answer");
    assert_eq!(
        (reply.status, reply.json()),
        (200, json!({ "Version": "v3.5.1+stand-in" }))
    );
}

#[test]
fn a3_a_missing_malformed_or_bad_token_is_refused() {
    let scene = scene();
    let path = format!("{APP}?project=payments");
    for header in [
        "X-None: 1",
        "Authorization: Bearer two.parts",
        "Authorization: bearer a.b.c",
        "Authorization: Basic a.b.c",
    ] {
        let reply = send(&scene.argo.url(), "GET", &path, &[header], "").expect("an answer");
        reply.refuses(401, 16, "no session information");
    }
    let reply = scene.ask_as("a.b.c", "GET", &path, &Value::Null);
    reply.refuses(
        401,
        16,
        "invalid session: token signature is invalid: signature is invalid",
    );
    scene.argo.change(|world| {
        let now = world.now();
        world
            .auth
            .change_password("slo-bot", "another", now + seconds(1));
    });
    let reply = scene.ask("GET", &path, &Value::Null);
    reply.refuses(
        401,
        16,
        "invalid session: account password has changed since token issued",
    );
    scene
        .argo
        .change(|world| world.auth.is_anonymous_allowed = true);
    let reply = scene.ask_as("a.b.c", "GET", &path, &Value::Null);
    reply.refuses(403, 7, "permission denied");
}

fn log_in(scene: &Scene, body: &Value) -> Reply {
    send(
        &scene.argo.url(),
        "POST",
        "/api/v1/session",
        &[JSON],
        &body.to_string(),
    )
    .expect("an answer")
}

#[test]
fn a3_a_session_begins_with_a_password_and_ends_by_itself() {
    let scene = scene();
    scene.argo.change(|world| {
        world.auth.add_account("ops", PASSWORD);
        world.auth.allow("ops", &["get"], "payments/*");
    });
    let reply = log_in(&scene, &json!({ "username": "ops", "password": PASSWORD }));
    assert_eq!(reply.status, 200);
    let token = reply.json()["token"].as_str().expect("a token").to_owned();
    let who = scene.ask_as(&token, "GET", "/api/v1/session/userinfo", &Value::Null);
    assert_eq!(
        who.json(),
        json!({ "loggedIn": true, "username": "ops", "iss": "argocd" })
    );
    let may = |deed: &str| {
        let path = format!("/api/v1/account/can-i/applications/{deed}/payments/checkout");
        scene.ask_as(&token, "GET", &path, &Value::Null).json()["value"].clone()
    };
    assert_eq!((may("get"), may("sync")), (json!("yes"), json!("no")));
    scene.argo.pass(seconds(24 * 3600));
    let late = scene.ask_as(
        &token,
        "GET",
        &format!("{APP}?project=payments"),
        &Value::Null,
    );
    late.refuses(
        401,
        16,
        "invalid session: token has invalid claims: token is expired",
    );
    let nobody = scene.ask_as(&token, "GET", "/api/v1/session/userinfo", &Value::Null);
    assert_eq!(
        (nobody.status, nobody.json()),
        (200, json!({})),
        "a bad token is no error here"
    );
}

#[test]
fn a4_five_wrong_logins_lock_the_right_password_out() {
    let scene = scene();
    scene
        .argo
        .change(|world| world.auth.add_account("ops", PASSWORD));
    let right = json!({ "username": "ops", "password": PASSWORD });
    for _ in 0..5 {
        let reply = log_in(&scene, &json!({ "username": "ops", "password": "wrong" }));
        reply.refuses(401, 16, "Invalid username or password");
    }
    scene.argo.pass(seconds(299));
    log_in(&scene, &right).refuses(401, 16, "Invalid username or password");
    scene.argo.pass(seconds(1));
    assert_eq!(log_in(&scene, &right).status, 200);
    log_in(&scene, &json!({})).refuses(401, 16, "no credentials supplied");
    log_in(&scene, &json!({ "username": "ops" })).refuses(
        401,
        16,
        "Blank passwords are not allowed",
    );
    scene.argo.change(|world| {
        let account = world.auth.accounts.get_mut("ops").expect("the account");
        account.may_login = false;
    });
    log_in(&scene, &right).refuses(401, 16, "Account ops does not have login capability");
    assert!(
        scene
            .argo
            .requests()
            .iter()
            .all(|request| !request.body.contains(PASSWORD))
    );
}

#[test]
fn a4_a_login_that_succeeds_forgives_those_before() {
    let scene = scene();
    scene
        .argo
        .change(|world| world.auth.add_account("ops", PASSWORD));
    for _ in 0..2 {
        for _ in 0..4 {
            let reply = log_in(&scene, &json!({ "username": "ops", "password": "wrong" }));
            assert_eq!(reply.status, 401);
        }
        let right = json!({ "username": "ops", "password": PASSWORD });
        assert_eq!(log_in(&scene, &right).status, 200);
    }
}

#[test]
fn a5_without_the_project_nobody_learns_what_exists() {
    let scene = scene();
    let read = |path: &str| scene.ask("GET", path, &Value::Null);
    let not_found = |name: &str| format!("applications.argoproj.io \"{name}\" not found");
    assert_eq!(
        read(APP).status,
        200,
        "who may read it need not name the project"
    );
    read("/api/v1/applications/none").refuses(403, 7, "permission denied");
    read("/api/v1/applications/none?project=payments").refuses(403, 7, "permission denied");
    scene
        .argo
        .change(|world| world.auth.allow("slo-bot", &["get"], "payments/none"));
    read("/api/v1/applications/none?project=payments").refuses(404, 5, &not_found("none"));
    read(&format!("{APP}?project=other")).refuses(403, 7, "permission denied");
    scene
        .argo
        .change(|world| world.auth.allow("slo-bot", &["get"], "other/*"));
    read(&format!("{APP}?project=other")).refuses(404, 5, &not_found("checkout"));
    scene
        .argo
        .change(|world| world.auth.forbid("slo-bot", "get"));
    read(&format!("{APP}?project=payments")).refuses(403, 7, "permission denied");
    read(APP).refuses(403, 7, "permission denied");
}

#[test]
fn a5_each_deed_needs_its_own_right() {
    let scene = scene();
    let denied = |reply: Reply| reply.refuses(403, 7, "permission denied");
    scene
        .argo
        .change(|world| world.enforces_rollback_right = true);
    denied(scene.roll_back(0));
    scene
        .argo
        .change(|world| world.auth.allow("slo-bot", &["rollback"], "payments/*"));
    scene.rolled_back(0);
    scene.step_until_phase("Running");
    scene.argo.change(|world| {
        world.enforces_rollback_right = false;
        world.auth.forbid("slo-bot", "sync");
    });
    denied(scene.terminate());
    denied(scene.roll_back(0));
    // Without the project even that it exists is not said.
    let body = json!({ "id": 0 });
    denied(scene.ask("POST", &format!("{APP}/rollback"), &body));
    // Who may sync what is claimed to be, and not what is, learns no more than that it is not there.
    scene
        .argo
        .change(|world| world.auth.allow("slo-bot", &["sync"], "other/*"));
    let body = json!({ "id": 0, "project": "other" });
    let reply = scene.ask("POST", &format!("{APP}/rollback"), &body);
    reply.refuses(404, 5, "applications.argoproj.io \"checkout\" not found");
    let query = format!("{APP}/rollback?project=payments");
    denied(scene.ask("POST", &query, &json!({ "id": 0 })));
}

#[test]
fn a5_a_project_that_is_gone_allows_nothing() {
    let scene = scene();
    scene.argo.change(|world| world.projects.remove("payments"));
    let message = "app is not allowed in project \"payments\", or the project does not exist";
    scene.roll_back(0).refuses(400, 3, message);
}

#[test]
fn a5_a_read_that_fails_looks_like_a_missing_right() {
    let scene = scene();
    scene.argo.change(|world| world.failing_reads = 1);
    scene.roll_back(0).refuses(403, 7, "permission denied");
    assert_eq!(scene.roll_back(0).status, 200);
}

#[test]
fn a5_an_application_elsewhere_is_named_with_its_namespace() {
    let scene = scene();
    scene.argo.change(|world| {
        let spec = world.app("checkout").spec.clone();
        world.add(Application::new("cart", spec).in_namespace("shop"));
        world.auth.allow("slo-bot", &["get"], "payments/shop/cart");
    });
    let path = "/api/v1/applications/cart?project=payments";
    scene
        .ask("GET", path, &Value::Null)
        .refuses(403, 7, "permission denied");
    let reply = scene.ask("GET", &format!("{path}&appNamespace=shop"), &Value::Null);
    assert_eq!(reply.json()["metadata"]["namespace"], "shop");
    let may = |object: &str| {
        let path = format!("/api/v1/account/can-i/applications/get/{object}");
        scene.ask("GET", &path, &Value::Null).json()["value"].clone()
    };
    assert_eq!(may("payments/shop/cart"), "yes");
    assert_eq!(may("payments/cart"), "no");
}

#[test]
fn a6_unknown_fields_are_dropped_and_unknown_paths_are_plain_text() {
    let scene = scene();
    let body = json!({ "id": 0, "project": "payments", "infos": [], "idempotencyKey": "x" });
    let reply = scene.ask("POST", &format!("{APP}/rollback"), &body);
    assert_eq!(reply.status, 200);
    let dropped = scene.argo.look(|world| world.dropped_fields().to_vec());
    assert_eq!(dropped, ["idempotencyKey", "infos"]);
    let reply = scene.ask("POST", &format!("{APP}/undo"), &json!({}));
    assert_eq!((reply.status, reply.text.as_str()), (404, "Not Found\n"));
    assert_eq!(reply.kind, "text/plain; charset=utf-8");
    let reply = scene.ask("POST", &format!("{APP}/spec"), &json!({}));
    assert_eq!(
        (reply.status, reply.text.as_str()),
        (405, "Method Not Allowed\n")
    );
    let page = scene.ask("GET", "/applications/checkout", &Value::Null);
    assert_eq!(
        (page.status, page.kind.as_str()),
        (200, "text/html; charset=utf-8")
    );
}

#[test]
fn a6_everything_but_health_is_below_the_root_path() {
    let argo = Setup::driven().below("/argo/").start();
    let base = argo.url().replace("/argo", "");
    let status = |path: &str| send(&base, "GET", path, &[], "").expect("an answer").status;
    let found = [
        "/argo/api/version",
        "/healthz",
        "/api/version",
        "/argocd/api/version",
    ]
    .map(status);
    assert_eq!(found, [200, 200, 404, 404]);
}
