//! Applications that do not deploy what the branch holds, and syncs that end elsewhere.

use testkit::argocd::Fault;

use super::*;

/// Makes the application follow something else than the branch.
fn follows(scene: &Scene, wanted: &str) {
    scene.argo.change(|known| pin(known, wanted));
}

fn pin(known: &mut testkit::argocd::World, wanted: &str) {
    let source = known.app_mut(APP).spec.source.as_mut();
    wanted.clone_into(&mut source.expect("a source").target_revision);
}

/// Somebody pins the application before a request is looked at.
fn pinned_to(wanted: &str) -> Fault {
    let wanted = wanted.to_owned();
    Fault::Before(Box::new(move |known| pin(known, &wanted)))
}

#[test]
fn what_the_application_does_not_follow_is_not_pushed() {
    let commit = |scene: &Scene| scene.v2.clone();
    let cases: [&dyn Fn(&Scene) -> String; 3] =
        [&commit, &|_| "v1.2.0".to_owned(), &|_| "release".to_owned()];
    for (case, scene) in cases
        .iter()
        .zip([Scene::auto(), Scene::by_hand(), Scene::auto()])
    {
        let wanted = case(&scene);
        follows(&scene, &wanted);
        let refs = scene.world.repo().refs_fingerprint();
        let ran = scene.program().run().exits(0);
        let ran = ran.decides("hold", "branch_not_followed");
        let detail = ran.text("/decision/detail");
        let words = [wanted.as_str(), "GITOPS_BRANCH", "targetRevision"];
        for word in words {
            assert!(detail.contains(word), "{word}: {ran}");
        }
        scene.is_untouched(&refs);
        // Not by a person either: nobody would deploy it.
        let by_hand = scene.program().arguments(&["rollback", "gitops"]).run();
        by_hand
            .exits(1)
            .decides("hold", "branch_not_followed")
            .complains_of(&[&wanted]);
        scene.is_untouched(&refs);
        let looked = scene.program().arguments(&["doctor"]).run();
        assert!(looked.stdout.contains(&wanted), "{looked}");
        assert!(looked.stdout.contains("GITOPS_BRANCH"), "{looked}");
    }
}

#[test]
fn a_branch_may_be_written_in_full_and_head_may_be_it() {
    for wanted in ["refs/heads/main", "HEAD", ""] {
        let scene = Scene::auto();
        follows(&scene, wanted);
        let ran = scene.program().run().exits(0);
        ran.decides("rollback", "trigger");
        assert_eq!(scene.live(), "v1", "{wanted}");
    }
}

#[test]
fn a_sync_that_ended_elsewhere_is_a_failure_and_is_asked_for_once() {
    let scene = Scene::reverting();
    // Between the last look and the sync.
    let fault = pinned_to(&scene.v2);
    scene
        .argo
        .fault("POST", &format!("applications/{APP}/sync"), fault);
    let ran = scene.program().run().exits(1).has_outcome("ineffective");
    let said = steps(&ran);
    assert_eq!(
        said[..2],
        ["gitops_revert done", "argocd_sync failed"],
        "{ran}"
    );
    let why = ran.text("/rollback/steps/1/detail");
    assert!(why.contains("does not hold what was put back"), "{why}");
    assert!(why.contains("targetRevision"), "{why}");
    assert_eq!(scene.operations().len(), 1);
    let entries = scene.argo.look(|known| known.app(APP).status.history.len());
    // It is over: no run asks again, so no entry of the history is pushed out.
    for _ in 0..3 {
        scene.program().run();
    }
    assert_eq!(scene.operations().len(), 1);
    let after = scene.argo.look(|known| known.app(APP).status.history.len());
    assert_eq!(after, entries);
}

#[test]
fn a_commit_of_others_between_the_last_look_and_the_sync_is_no_failure() {
    let scene = Scene::reverting();
    let repo = scene.world.repo().clone();
    let commits = move |_: &mut testkit::argocd::World| {
        let file = ("apps/payments/more.yaml", Some("kind: ConfigMap\n"));
        repo.commit("payments: more", chrono::Utc::now(), &[file]);
    };
    let fault = Fault::Before(Box::new(commits));
    scene
        .argo
        .fault("POST", &format!("applications/{APP}/sync"), fault);
    let ran = scene.program().run().exits(0).has_outcome("verifying");
    assert_eq!(
        steps(&ran),
        ["gitops_revert done", "argocd_sync pending"],
        "{ran}"
    );
    let ran = scene.program().run().exits(0).decides("resume", "resumed");
    assert_eq!(steps(&ran)[1], "argocd_sync done", "{ran}");
    assert_eq!(scene.live(), "v1");
    assert_eq!(scene.operations().len(), 1);
}

#[test]
fn an_application_pinned_after_the_push_is_told_and_not_synced() {
    let scene = Scene::reverting();
    // The refresh comes after the push and after four questions, and before the next look at the application.
    scene.argo.fault_after(4, pinned_to(&scene.v2));
    let ran = scene.program().run().exits(1).has_outcome("ineffective");
    assert_eq!(
        steps(&ran)[..2],
        ["gitops_revert done", "argocd_sync failed"],
        "{ran}"
    );
    assert_eq!(scene.operations(), []);
}

/// Adds an object that only pruning takes away.
fn adds_a_job(known: &mut testkit::argocd::World) {
    let app = known.app_mut(APP);
    app.drift("apps/bad-release/job.yaml", Some("kind: Job\n"));
}

#[test]
fn a_sync_prunes_where_auto_sync_would_and_tells_what_stays() {
    for prune in [false, true] {
        let scene = Scene::auto();
        scene.argo.change(|known| {
            let app = known.app_mut(APP);
            let retry = testkit::argocd::Retry::default();
            app.spec.sync_policy = Some(testkit::argocd::SyncPolicy {
                automated: Some(Automated {
                    prune,
                    ..Automated::default()
                }),
                retry: Some(testkit::argocd::Retry { limit: 0, ..retry }),
                ..testkit::argocd::SyncPolicy::default()
            });
            // Auto-sync fails to deploy the revert, so it is asked for.
            app.trouble.failing_tries = 1;
        });
        let fault = Fault::Before(Box::new(adds_a_job));
        scene
            .argo
            .fault("POST", &format!("applications/{APP}/sync"), fault);
        let ran = scene.program().run().exits(0);
        assert_eq!(
            steps(&ran)[..2],
            ["gitops_revert done", "argocd_sync done"],
            "{ran}"
        );
        let is_there = scene.argo.look(|known| {
            let app = known.app(APP);
            app.live_text("apps/bad-release/job.yaml").is_some()
        });
        assert_eq!(is_there, !prune);
        let detail = ran.text("/rollback/steps/1/detail");
        assert_eq!(detail.contains("(to be pruned)"), !prune, "{detail}");
    }
}

#[test]
fn a_commit_that_renders_nothing_new_is_no_deployment() {
    for scene in [Scene::auto(), Scene::by_hand()] {
        let readme = format!("{}/NOTES.txt", scene.world.path());
        let at = shared_month().deployed_at() + TimeDelta::minutes(3);
        let words = [(readme.as_str(), Some("How to run it.\n"))];
        let written = scene.world.repo().commit("Say how to run it", at, &words);
        scene
            .argo
            .wait_until("it is compared with the new commit", |known| {
                let sync = &known.app(APP).status.sync;
                sync.revision == written && sync.status == testkit::argocd::SyncCode::Synced
            });
        scene.argo.look(|known| {
            assert_eq!(known.app(APP).status.history.len(), 2);
        });
        scene.argo.forget();
        let ran = scene.program().run().exits(0);
        let ran = ran.decides("rollback", "trigger");
        assert_eq!(ran.text("/deployment/revision"), scene.v2, "{ran}");
        assert_eq!(scene.live(), "v1", "{ran}");
        let kept = scene.world.repo().file_at("main", &readme);
        assert_eq!(kept.as_deref(), Some("How to run it.\n"), "{ran}");
    }
}
