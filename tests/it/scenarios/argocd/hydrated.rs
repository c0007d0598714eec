//! Applications that deploy what a hydrator makes of the branch.

use testkit::argocd::{Hydrator, PostSync, World as Argocd};

use super::super::program::Ran;
use super::half_way::released_on;
use super::unfinished::killed_at_any_request;
use super::*;

/// The branch that is deployed.
const HYDRATED: &str = "environments/prod";

/// A service whose two versions were hydrated and deployed.
struct Dry {
    scene: Scene,
    /// What was made of version 1 and of version 2.
    made: [String; 2],
}

impl Dry {
    /// The next run, which goes on with what an earlier one began.
    #[track_caller]
    fn resumes(&self) -> Ran {
        let ran = self.scene.program().run().exits(0);
        ran.decides("resume", "resumed")
    }

    fn new(is_auto: bool) -> Self {
        Self::with(is_auto, |_| {})
    }

    fn with(is_auto: bool, change: impl Fn(&mut Hydrator)) -> Self {
        let world = World::of("bad-release");
        let url = world.server.url(REPOSITORY);
        let argo = Setup::live(Pace::QUICK)
            .over(world.repo().clone(), &url)
            .start();
        let dry = Source::git(&url, &world.path(), "main");
        let mut hydrator = Hydrator::new(dry, HYDRATED, &world.path());
        change(&mut hydrator);
        argo.change(|known| known.add(Application::hydrated(APP, "payments", hydrator)));
        let hydrated = |commit: &str| {
            argo.wait_until("it is hydrated", |known| made_of(known, commit).is_some());
            argo.look(|known| made_of(known, commit).expect("just seen"))
        };
        let first = hydrated(&world.v1);
        argo.deploy(APP, &first);
        let v2 = world.release("v2", shared_month().deployed_at());
        let second = hydrated(&v2);
        argo.deploy(APP, &second);
        happened_in_the_month(&argo);
        argo.change(|known| {
            let automated = is_auto.then(Automated::default);
            known.app_mut(APP).spec.set_auto_sync(automated);
        });
        let token = argo.token_for(ACCOUNT, &["get", "sync"], &format!("payments/{APP}"));
        let scene = Scene {
            world,
            argo,
            v2,
            token,
        };
        Self {
            scene,
            made: [first, second],
        }
    }

    fn hydrator(&self, change: impl Fn(&mut Hydrator)) {
        self.scene.argo.change(|known| {
            let hydrator = known.app_mut(APP).hydrator.as_mut();
            change(hydrator.expect("it is hydrated"));
        });
    }

    /// Checks that the dry source is put back to version 1, and that nothing but hydrated commits was deployed.
    #[track_caller]
    fn is_put_back(&self) {
        let repo = self.scene.world.repo();
        let path = self.scene.world.path();
        assert_eq!(
            repo.tree_at("main", &path),
            repo.tree_at(&self.scene.world.v1, &path)
        );
        assert_eq!(self.scene.live(), "v1");
        let hydrated = repo.log_of(HYDRATED);
        for operation in self.scene.argo.operations() {
            for revision in operation.revisions {
                let is_made = hydrated.iter().any(|commit| commit.id == revision);
                assert!(is_made, "{revision} was not made by the hydrator");
                assert_ne!(revision, self.made[1], "the bad one was deployed again");
            }
        }
    }
}

fn made_of(known: &Argocd, commit: &str) -> Option<String> {
    let last = known.app(APP).hydrator.as_ref()?.last()?;
    (last.0 == commit).then(|| last.1.clone())
}

#[test]
fn the_dry_source_is_put_back_and_followed_until_it_is_hydrated_and_deployed() {
    for is_auto in [true, false] {
        let dry = Dry::new(is_auto);
        let ran = dry
            .scene
            .program()
            .run()
            .exits(0)
            .decides("rollback", "trigger");
        assert_eq!(ran.text("/deployment/revision"), dry.scene.v2, "{ran}");
        assert_eq!(ran.text("/live/source"), "argocd", "{ran}");
        assert_eq!(
            steps(&ran)[..2],
            ["gitops_revert done", "argocd_sync done"],
            "{ran}"
        );
        dry.is_put_back();
        let detail = ran.text("/rollback/steps/1/detail");
        let ours = dry.scene.world.repo().tip();
        let made = dry
            .scene
            .argo
            .look(|known| made_of(known, &ours))
            .expect("it is hydrated");
        let named = format!("{} is deployed, hydrated as {}", &ours[..10], &made[..10]);
        assert!(detail.contains(&named), "{named}: {detail}");
        // The next run goes on, and asks for nothing more.
        let asked = dry.scene.operations().len();
        dry.scene.program().run().exits(0).has_outcome("verifying");
        assert_eq!(dry.scene.operations().len(), asked);
        assert_eq!(dry.scene.world.rollback_commits(), 1);
    }
}

#[test]
fn killed_at_any_request_the_dry_source_is_put_back_once() {
    killed_at_any_request(|| Dry::new(false).scene);
}

#[test]
fn a_release_whose_smoke_test_hangs_is_ended_and_the_dry_source_put_back() {
    let dry = Dry::new(false);
    let made = dry.made.clone();
    let dry = Dry {
        scene: released_on(dry.scene, &made[1], PostSync::Hangs, true),
        made,
    };
    let ran = dry
        .scene
        .program()
        .run()
        .exits(0)
        .decides("rollback", "trigger");
    assert_eq!(ran.text("/deployment/revision"), dry.scene.v2, "{ran}");
    assert_eq!(steps(&ran)[1], "argocd_sync done", "{ran}");
    dry.is_put_back();
}

#[test]
fn a_dry_commit_of_which_nothing_new_is_made_is_no_deployment() {
    let dry = Dry::new(true);
    let notes = format!("{}/NOTES.txt", dry.scene.world.path());
    let at = shared_month().deployed_at() + TimeDelta::minutes(3);
    let words = [(notes.as_str(), Some("How to run it.\n"))];
    let written = dry
        .scene
        .world
        .repo()
        .commit("Say how to run it", at, &words);
    dry.scene.argo.wait_until("it is looked at", |known| {
        let compared = &known.app(APP).status.sync.revision;
        made_of(known, &written).is_some_and(|made| made == *compared)
    });
    let made = dry.scene.argo.look(|known| made_of(known, &written));
    assert_eq!(made.as_ref(), Some(&dry.made[1]), "nothing new was made");
    let ran = dry
        .scene
        .program()
        .run()
        .exits(0)
        .decides("rollback", "trigger");
    assert_eq!(ran.text("/deployment/revision"), dry.scene.v2, "{ran}");
    assert_eq!(steps(&ran)[1], "argocd_sync done", "{ran}");
    assert_eq!(dry.scene.live(), "v1");
    let kept = dry.scene.world.repo().file_at("main", &notes);
    assert_eq!(kept.as_deref(), Some("How to run it.\n"));
}

#[test]
fn a_revert_that_cannot_be_hydrated_is_waited_for_and_nothing_is_synced() {
    let dry = Dry::new(true);
    dry.hydrator(|hydrator| hydrator.is_failing = true);
    let ran = dry.scene.program().run().exits(0).has_outcome("verifying");
    assert_eq!(
        steps(&ran)[..2],
        ["gitops_revert done", "argocd_sync pending"],
        "{ran}"
    );
    let detail = ran.text("/rollback/steps/1/detail");
    assert!(detail.contains("failed to get manifests"), "{detail}");
    assert_eq!(dry.scene.operations(), []);
    assert_eq!(dry.scene.live(), "v2");
    // The next run asks for a look, which makes the hydrator try again.
    dry.hydrator(|hydrator| hydrator.is_failing = false);
    let ran = dry.resumes();
    assert_eq!(steps(&ran)[1], "argocd_sync done", "{ran}");
    dry.is_put_back();
}

#[test]
fn nothing_is_begun_while_the_hydrator_is_at_work_or_has_failed() {
    let cases: [(fn(&mut Hydrator), _, _); 2] = [
        (|it| it.is_stuck = true, "Hydrating", "is at work"),
        (
            |it| it.is_failing = true,
            "Failed",
            "failed to get manifests",
        ),
    ];
    for (change, reached, words) in cases {
        let dry = Dry::new(true);
        dry.hydrator(change);
        dry.scene.world.release("v3", chrono::Utc::now());
        dry.scene.argo.wait_until("the hydrator is there", |known| {
            let app = known.app(APP).to_json();
            let current = &app["status"]["sourceHydrator"]["currentOperation"];
            current["phase"] == reached
        });
        let refs = dry.scene.world.repo().refs_fingerprint();
        let ran = dry.scene.program().run().exits(0);
        let ran = ran.decides("hold", "deployment_in_progress");
        let detail = ran.text("/decision/detail");
        assert!(detail.contains(words), "{words}: {detail}");
        dry.scene.is_untouched(&refs);
    }
}

#[test]
fn what_is_not_known_to_be_made_of_any_commit_is_not_rolled_back() {
    let dry = Dry::with(true, |hydrator| hydrator.is_silent = true);
    let refs = dry.scene.world.repo().refs_fingerprint();
    let ran = dry.scene.program().run().exits(0);
    let ran = ran.decides("hold", "branch_not_followed");
    let detail = ran.text("/decision/detail");
    for word in [&dry.made[0][..10], "hydrator.metadata", "by hand"] {
        assert!(detail.contains(word), "{word}: {detail}");
    }
    dry.scene.is_untouched(&refs);
}

#[test]
fn what_somebody_promotes_is_not_rolled_back() {
    let dry = Dry::new(true);
    dry.hydrator(|hydrator| hydrator.staging = Some("environments/prod-next".to_owned()));
    let refs = dry.scene.world.repo().refs_fingerprint();
    let ran = dry.scene.program().run().exits(0);
    let ran = ran.decides("hold", "branch_not_followed");
    assert!(
        ran.text("/decision/detail")
            .contains("environments/prod-next"),
        "{ran}"
    );
    dry.scene.is_untouched(&refs);
}

#[test]
fn doctor_says_which_commit_is_hydrated_as_which() {
    let dry = Dry::new(true);
    let program = dry.scene.program();
    let looked = program
        .clone()
        .arguments(&["doctor", "--output", "text"])
        .run();
    let made = format!(
        "{} is hydrated as {}",
        &dry.scene.v2[..10],
        &dry.made[1][..10]
    );
    assert!(looked.stdout.contains(&made), "{made}: {looked}");
    let elsewhere = program.env("GITOPS_PATH", "apps/payments");
    let looked = elsewhere.arguments(&["doctor", "--output", "text"]).run();
    assert!(
        looked.stdout.contains("which is in none of GITOPS_PATH"),
        "{looked}"
    );
}

#[test]
fn a_person_puts_the_dry_source_back() {
    let dry = Dry::new(false);
    let ran = dry
        .scene
        .program()
        .arguments(&["rollback", "gitops"])
        .run()
        .exits(0)
        .decides("rollback", "manual");
    assert_eq!(
        steps(&ran)[..2],
        ["gitops_revert done", "argocd_sync done"],
        "{ran}"
    );
    dry.is_put_back();
}

#[test]
fn a_lost_memory_finds_the_revert_and_waits_for_the_hydrator() {
    let dry = Dry::new(false);
    dry.hydrator(|hydrator| hydrator.is_failing = true);
    let ran = dry.scene.program().run().exits(0);
    assert_eq!(steps(&ran)[0], "gitops_revert done", "{ran}");
    dry.scene.world.forgets();
    let ran = dry.resumes();
    assert_eq!(steps(&ran)[1], "argocd_sync pending", "{ran}");
    assert_eq!(dry.scene.operations(), []);
    dry.hydrator(|hydrator| hydrator.is_failing = false);
    let ran = dry.resumes();
    assert_eq!(steps(&ran)[1], "argocd_sync done", "{ran}");
    dry.is_put_back();
    assert_eq!(dry.scene.world.rollback_commits(), 1);
}

#[test]
fn an_application_that_a_person_rolls_back_alone_is_followed_and_asked_once() {
    let dry = Dry::new(false);
    let by_hand = ["rollback", "argocd"];
    let ran = dry.scene.program().arguments(&by_hand).run().exits(0);
    assert_eq!(steps(&ran)[0], "argocd_rollback done", "{ran}");
    assert_eq!(dry.scene.live(), "v1");
    for _ in 0..2 {
        dry.resumes();
    }
    assert_eq!(dry.scene.operations().len(), 1);
    assert_eq!(dry.scene.world.rollback_commits(), 0);
}
