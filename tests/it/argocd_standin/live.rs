//! The stand-in with a controller of its own, over a repository that others push to.

use testkit::argocd::{Pace, Setup};
use testkit::git::{GitServer, MonoRepo, Release};

use super::*;

#[test]
fn in_real_time_auto_sync_follows_the_branch_and_a_rollback_succeeds() {
    let git = GitServer::start();
    let shop = MonoRepo::seed(git.create("platform/gitops"), &["checkout"], at(0));
    let url = git.url("platform/gitops");
    let argo = Setup::live(Pace::QUICK)
        .over(shop.repo().clone(), &url)
        .start();
    let source = Source::git(&url, &MonoRepo::path("checkout"), "main");
    let mut spec = Spec::of("payments", source);
    spec.set_auto_sync(Some(Automated::default()));
    argo.change(|world| world.add(Application::new("checkout", spec)));
    let runs = |version: &'static str| {
        move |world: &World| {
            let manifest = world
                .app("checkout")
                .live_text(&MonoRepo::manifest_path("checkout"));
            let release = manifest.and_then(Release::read);
            release.is_some_and(|release| release.version == version)
        }
    };
    argo.wait_until("v1 runs", runs("v1"));
    let bad = shop.release("checkout", "v2", 0.5, at(1));
    argo.wait_until("v2 runs", runs("v2"));
    argo.change(|world| world.app_mut("checkout").spec.set_auto_sync(None));
    argo.wait_until("idle", |world| world.app("checkout").operation.is_none());
    let token = argo.token_for("slo-bot", &["get", "sync"], "payments/checkout");
    let good = argo.look(|world| world.app("checkout").status.history[0].revision.clone());
    let scene = Scene {
        argo,
        token,
        good,
        bad,
    };
    scene.rolled_back(0);
    scene.argo.wait_until("v1 runs again", runs("v1"));
    scene.argo.wait_until("healthy and compared", |world| {
        let status = &world.app("checkout").status;
        let finished = status
            .operation_state
            .as_ref()
            .and_then(|state| state.finished_at);
        finished.is_some()
            && status.reconciled_at > finished
            && status.health.status == testkit::argocd::HealthCode::Healthy
    });
    let path = format!("{APP}?project=payments&refresh=normal");
    let app = scene.ask("GET", &path, &Value::Null).json();
    assert_eq!(app["status"]["sync"]["status"], "OutOfSync");
    assert_eq!(
        app["status"]["operationState"]["syncResult"]["revision"],
        scene.good.as_str()
    );
    assert_eq!(
        scene.story(),
        [
            "AutoSync Some(Succeeded)",
            "AutoSync Some(Succeeded)",
            "Rollback Some(Succeeded)"
        ]
    );
}

#[test]
fn with_a_controller_that_attends_a_test_only_moves_the_time() {
    let argo = Setup::attended().start();
    argo.repo()
        .commit("v1", at(0), &[(FILE, Some(&manifest("v1")))]);
    let source = Source::git(ArgoServer::REPO_URL, "apps/checkout", "main");
    argo.change(|world| world.add(Application::new("checkout", Spec::of("payments", source))));
    argo.deploy("checkout", "main");
    let bad = argo
        .repo()
        .commit("v2", at(1), &[(FILE, Some(&manifest("v2")))]);
    let token = argo.token_for("slo-bot", &["get"], "payments/checkout");
    let good = String::new();
    let scene = Scene {
        argo,
        token,
        good,
        bad,
    };
    let path = format!("{APP}?project=payments&refresh=normal");
    let app = scene.ask("GET", &path, &Value::Null).json();
    assert_eq!(app["status"]["sync"]["revision"], scene.bad.as_str());
    let before = app["status"]["reconciledAt"].clone();
    scene.argo.advance(seconds(120));
    assert!(scene.app()["status"]["reconciledAt"].as_str() > before.as_str());
}
