//! The way to Argo CD and the shape of requests.

use std::fs;

use testkit::stub::{Authority, Stub};

use super::*;

#[test]
fn a1_every_write_says_that_it_is_json_and_nothing_more() {
    let mut scene = Scene::auto();
    may_update(&mut scene);
    let ran = switching(&scene).run().exits(0);
    assert_eq!(writes(&scene), ["PUT spec", "POST rollback"], "{ran}");
    is_well_behaved(&scene, &ran);
    let asked = scene.argo.requests();
    let refused = asked.iter().find(|it| it.status != Some(200));
    assert_eq!(refused, None, "{ran}");
}

#[test]
fn a1_a_proxy_that_changes_the_content_type_is_named_and_nothing_is_half_done() {
    let scene = Scene::by_hand();
    let refs = scene.world.repo().refs_fingerprint();
    let refusal = Reply::text(415, "Invalid content type");
    let fault = Fault::Instead(refusal);
    scene.argo.fault("POST", "/rollback", fault);
    let ran = scene.program().run().exits(69);
    waits(&ran, "argocd_rollback", "Content-Type");
    scene.is_untouched(&refs);
    is_finished_later(&scene);
}

#[test]
fn a2_plain_http_and_https_are_not_mistaken_for_each_other() {
    let authority = Authority::new();
    let scene = Scene::by_hand_on(Setup::live(Pace::QUICK).with_tls(authority.server()));
    let refs = scene.world.repo().refs_fingerprint();
    let plain = scene.argo.url().replace("https://", "http://");
    let program = scene.program().env("ARGOCD_SERVER", &plain);
    let ran = program.run().exits(69);
    ran.complains_of(&["the server wants https", "ARGOCD_SERVER"]);
    let unknown = scene.program().run().exits(69);
    unknown.complains_of(&["ARGOCD_CA_FILE"]);
    scene.is_untouched(&refs);

    let folder = tempfile::tempdir().expect("a temporary folder");
    let ca_file = folder.path().join("ca.pem");
    fs::write(&ca_file, authority.pem()).expect("a writable folder");
    let program = scene.program().env_path("ARGOCD_CA_FILE", &ca_file);
    let ran = program.run().exits(0).decides("rollback", "trigger");
    assert_eq!(scene.live(), "v1", "{ran}");
    is_well_behaved(&scene, &ran);

    let plain = Scene::by_hand();
    let refs = plain.world.repo().refs_fingerprint();
    let tls = plain.argo.url().replace("http://", "https://");
    let program = plain.program().env("ARGOCD_SERVER", &tls);
    let ran = program.run().exits(69);
    ran.complains_of(&["TLS", "ARGOCD_CA_FILE"]);
    plain.is_untouched(&refs);
}

#[test]
fn a6_a_wrong_root_path_is_named_and_the_right_one_works() {
    let scene = Scene::by_hand_on(Setup::live(Pace::QUICK).below("/argo"));
    let refs = scene.world.repo().refs_fingerprint();
    for wrong in ["", "/argo/argo", "/other"] {
        let server = scene.argo.url().replace("/argo", wrong);
        let program = scene.program().env("ARGOCD_SERVER", &server);
        let ran = program.run().exits(69);
        ran.complains_of(&["instead of JSON", "root path"]);
    }
    let dry = scene.program().arguments(&["run", "--dry-run"]);
    let ran = dry.run().exits(0).has_outcome("would_roll_back");
    scene.is_untouched(&refs);
    is_well_behaved(&scene, &ran);
}

#[test]
fn a_redirect_to_another_host_gets_no_token_and_nothing_is_half_done() {
    // A request that comes here fails the test.
    let elsewhere = Stub::http(|_| None);
    let scene = Scene::by_hand();
    let refs = scene.world.repo().refs_fingerprint();
    for (method, fragment) in [("GET", "/applications/"), ("POST", "/rollback")] {
        let fault = Fault::redirect(&elsewhere.url());
        scene.argo.fault(method, fragment, fault);
        let ran = scene.program().run().exits(69);
        ran.complains_of(&["redirected to", "the token is not sent"]);
        scene.is_untouched(&refs);
    }
    is_finished_later(&scene);
}

#[test]
fn an_answer_of_50_mb_to_a_rollback_is_not_read_and_the_rollback_is_found() {
    let scene = Scene::by_hand();
    let huge = Reply::json(200, vec![b' '; 50_000_000]);
    scene.argo.fault("POST", "/rollback", Fault::After(huge));
    let ran = scene.program().run().exits(0);
    assert_eq!(
        steps(&ran)[..2],
        ["argocd_rollback done", "gitops_revert done"],
        "{ran}"
    );
    assert_eq!(writes(&scene), ["POST rollback"]);
    assert_eq!(scene.live(), "v1");
    is_well_behaved(&scene, &ran);
}
