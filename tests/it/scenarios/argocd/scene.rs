//! A service whose application is Argo CD's, beside its branch.

use chrono::TimeDelta;
use testkit::argocd::{
    Application, ArgoServer, Automated, OperationKind, Pace, Setup, Source, Spec,
};
use testkit::prometheus::shared_month;

use super::super::program::{Program, Ran};
use super::super::world::{REPOSITORY, World};

/// How the application is called.
pub(crate) const APP: &str = "shop-web";

/// The account of the program.
pub(crate) const ACCOUNT: &str = "slo-bot";

/// A service that burns since version 2 was deployed, whose application is Argo CD's.
pub(crate) struct Scene {
    pub(crate) world: World,
    pub(crate) argo: ArgoServer,
    pub(crate) v2: String,
    pub(crate) token: String,
}

impl Scene {
    /// Where the application is deployed by hand.
    pub(crate) fn by_hand() -> Self {
        Self::by_hand_on(Setup::live(Pace::QUICK))
    }

    /// The same with an Argo CD of its own kind.
    pub(crate) fn by_hand_on(setup: Setup) -> Self {
        let (world, v2) = World::with_a_bad_release();
        let argo = setup
            .over(world.repo().clone(), &world.server.url(REPOSITORY))
            .start();
        let source = Source::git(&world.server.url(REPOSITORY), &world.path(), "main");
        argo.change(|known| known.add(Application::new(APP, Spec::of("payments", source))));
        argo.deploy(APP, &world.v1);
        argo.deploy(APP, &v2);
        happened_in_the_month(&argo);
        let token = argo.token_for(ACCOUNT, &["get", "sync"], &format!("payments/{APP}"));
        Self {
            world,
            argo,
            v2,
            token,
        }
    }

    /// Where it is deployed by hand, and the history does not hold version 1 any more: only the branch can be put back.
    pub(crate) fn reverting() -> Self {
        let scene = Self::by_hand();
        scene.argo.change(|known| {
            known.app_mut(APP).status.history.remove(0);
        });
        scene
    }

    /// Where Argo CD follows the branch.
    pub(crate) fn auto() -> Self {
        let scene = Self::by_hand();
        scene.argo.change(|known| {
            let spec = &mut known.app_mut(APP).spec;
            spec.set_auto_sync(Some(Automated::default()));
        });
        scene
    }

    /// The program, which gives Argo CD a few seconds.
    pub(crate) fn program(&self) -> Program {
        self.world
            .program()
            .env("ARGOCD_SERVER", &self.argo.url())
            .env("ARGOCD_APP_NAME", APP)
            .env("ARGOCD_PROJECT", "payments")
            .env("ARGOCD_TOKEN", &self.token)
            .env("VERIFY_TIMEOUT", "6s")
    }

    /// Returns what was asked of Argo CD: the kind and who asked.
    pub(crate) fn operations(&self) -> Vec<(OperationKind, String)> {
        let operations = self.argo.operations();
        operations
            .iter()
            .map(|it| {
                let by = &it.initiated_by;
                let who = if by.automated {
                    "auto-sync"
                } else {
                    &by.username
                };
                (it.kind, who.to_owned())
            })
            .collect()
    }

    /// Returns the version that runs.
    pub(crate) fn live(&self) -> String {
        let manifest = testkit::git::MonoRepo::manifest_path(&self.world.service());
        self.argo.look(|known| {
            let text = known.app(APP).live_text(&manifest);
            let release = text.and_then(testkit::git::Release::read);
            release.map_or_else(String::new, |release| release.version)
        })
    }

    /// Checks that nothing was done to the branch or to the application.
    #[track_caller]
    pub(crate) fn is_untouched(&self, refs: &str) {
        assert_eq!(self.world.repo().refs_fingerprint(), refs);
        assert_eq!(self.operations(), []);
    }
}

/// Dates the first two deployments as the month says, and forgets how they came about.
pub(crate) fn happened_in_the_month(argo: &ArgoServer) {
    let ages = [
        shared_month().deployed_at() - TimeDelta::days(20),
        shared_month().deployed_at(),
    ];
    argo.change(|known| {
        let history = &mut known.app_mut(APP).status.history;
        for (entry, at) in history.iter_mut().zip(ages) {
            entry.deployed_at = at;
            entry.deploy_started_at = Some(at - TimeDelta::seconds(1));
        }
    });
    argo.forget();
}

/// Returns the steps of a record with their states.
pub(crate) fn steps(ran: &Ran) -> Vec<String> {
    let steps = ran.record["rollback"]["steps"].as_array();
    steps
        .into_iter()
        .flatten()
        .map(|step| format!("{} {}", step["step"], step["state"]).replace('"', ""))
        .collect()
}
