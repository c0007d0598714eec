//! What puts the spec back.

use super::*;

fn switch_off(scene: &Scene) {
    let mut spec = scene.app()["spec"].clone();
    spec["syncPolicy"]["automated"]["enabled"] = json!(false);
    assert_eq!(scene.put_spec(&spec).status, 200);
}

#[test]
fn a53_an_application_set_switches_auto_sync_back_on() {
    let scene = scene();
    scene.switch_on(Automated::default());
    scene.change_app(|app| app.owned_by_application_set("shops", seconds(7)));
    switch_off(&scene);
    scene.argo.advance(seconds(6));
    let app = scene.app();
    assert_eq!(
        app["metadata"]["ownerReferences"][0]["kind"],
        "ApplicationSet"
    );
    assert_eq!(
        app["spec"]["syncPolicy"]["automated"],
        json!({ "enabled": false })
    );
    scene.argo.advance(seconds(2));
    assert_eq!(scene.app()["spec"]["syncPolicy"]["automated"], json!({}));
}

#[test]
fn a53_an_owner_counts_from_the_last_change_it_did_not_want() {
    let scene = scene();
    scene.switch_on(Automated::default());
    scene.change_app(|app| app.owned_by_application_set("shops", seconds(7)));
    let wanted = scene.app()["spec"].clone();
    switch_off(&scene);
    scene.argo.advance(seconds(6));
    assert_eq!(scene.put_spec(&wanted).status, 200);
    scene.argo.advance(seconds(60));
    switch_off(&scene);
    scene.argo.advance(seconds(6));
    let automated = scene.app()["spec"]["syncPolicy"]["automated"].clone();
    assert_eq!(automated, json!({ "enabled": false }));
}

#[test]
fn a53_a_parent_application_leaves_its_mark_and_deploys_the_bad_head_again() {
    let scene = scene();
    scene.switch_on(Automated::default());
    scene.change_app(|app| app.owned_by_parent("root", seconds(7)));
    let metadata = scene.app()["metadata"].clone();
    let tracking = "root:argoproj.io/Application:argocd/checkout";
    assert_eq!(
        metadata["annotations"]["argocd.argoproj.io/tracking-id"],
        tracking
    );
    assert_eq!(metadata["labels"]["app.kubernetes.io/instance"], "root");
    switch_off(&scene);
    scene.rolled_back(0);
    scene.argo.advance(seconds(30));
    assert_eq!(scene.live(), Some(manifest("v2")));
    assert_eq!(
        scene.story(),
        ["Rollback Some(Succeeded)", "AutoSync Some(Succeeded)"]
    );
}
