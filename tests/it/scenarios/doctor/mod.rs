//! `doctor`: everything that would stop a rollback has a line of its own and counts in the exit code, and looking
//! changes nothing.

mod application;
mod argocd;
mod git;
mod prometheus;
mod settings;
mod state;
mod telling;

use chrono::{TimeDelta, Utc};
use serde_json::Value;
use testkit::argocd::{Application, ArgoServer, Automated, Pace, Setup, Source, Spec};

use super::program::{Program, Ran};
use super::world::{REPOSITORY, TOKEN, World};

const SERVICE: &str = "healthy";
const PROJECT: &str = "payments";
const ACCOUNT: &str = "slo-bot";

/// A healthy service whose repository is deployed by Argo CD: two releases, nothing wrong.
struct Scene {
    world: World,
    argo: ArgoServer,
    token: String,
}

impl Scene {
    fn open() -> Self {
        Self::with(|_| {})
    }

    /// The same with another application.
    fn with(change: impl FnOnce(&mut Application)) -> Self {
        let scene = Self::before_any_release(change);
        scene.argo.deploy(SERVICE, &scene.world.v1);
        let v2 = scene.world.release("v2", Utc::now() - TimeDelta::days(1));
        scene.argo.deploy(SERVICE, &v2);
        scene.argo.forget();
        scene
    }

    fn before_any_release(change: impl FnOnce(&mut Application)) -> Self {
        let world = World::of(SERVICE);
        let url = world.server.url(REPOSITORY);
        let argo = Setup::live(Pace::QUICK)
            .over(world.repo().clone(), &url)
            .start();
        let source = Source::git(&url, &world.path(), "main");
        let mut app = Application::new(SERVICE, Spec::of(PROJECT, source));
        change(&mut app);
        argo.change(|world| world.add(app));
        let object = format!("{PROJECT}/{SERVICE}");
        let token = argo.token_for(ACCOUNT, &["get", "sync"], &object);
        Self { world, argo, token }
    }

    /// The program, set up so that nothing is wrong.
    fn program(&self) -> Program {
        self.world
            .program()
            .env("ARGOCD_SERVER", &self.argo.url())
            .env("ARGOCD_APP_NAME", SERVICE)
            .env("ARGOCD_PROJECT", PROJECT)
            .env("ARGOCD_TOKEN", &self.token)
            // The usual buckets end at 2.5 s and not at 2 s.
            .env("MAX_LATENCY_P99", "2500ms")
            .arguments(&["doctor"])
    }

    fn switches_auto_sync(&self, automated: Option<Automated>) {
        self.argo
            .change(|world| world.app_mut(SERVICE).spec.set_auto_sync(automated));
    }

    /// Runs the program and checks that it changed nothing and told no secret.
    #[track_caller]
    fn looked_at_by(&self, program: &Program) -> Ran {
        let spec = || self.argo.look(|world| world.app(SERVICE).spec.clone());
        let before = spec();
        let ran = self.world.nothing_changed_by(program);
        assert_eq!(self.argo.operations(), [], "{ran}");
        assert_eq!(spec(), before, "{ran}");
        for request in self.argo.requests() {
            let is_login = request.method == "POST" && request.path == "/api/v1/session";
            assert!(request.method == "GET" || is_login, "{request:?}");
            let asks_for_work = request.query.iter().any(|(name, _)| name == "refresh");
            assert!(!asks_for_work, "{request:?}");
        }
        ran.keeps_secret(TOKEN).keeps_secret(&self.token)
    }
}

impl Ran {
    /// Checks what was found about a subject: its state, words in what was found, and that all but what is well has a
    /// remedy.
    #[track_caller]
    pub(super) fn finds(self, subject: &str, state: &str, words: &[&str]) -> Self {
        let finding = self.finding(subject);
        assert_eq!(finding["state"], state, "{finding:#}\n{self}");
        let text = finding.to_string();
        for word in words {
            assert!(text.contains(word), "{word:?} is missing in {text}");
        }
        let is_well = state == "ok";
        assert_eq!(finding["remedy"].is_null(), is_well, "{finding:#}");
        assert_ne!(finding["tried"], "", "{finding:#}");
        self
    }

    /// Checks which subjects are not well.
    #[track_caller]
    fn finds_only(self, subjects: &[&str]) -> Self {
        let found: Vec<&str> = self
            .findings()
            .iter()
            .filter(|finding| finding["state"] != "ok")
            .filter_map(|finding| finding["subject"].as_str())
            .collect();
        assert_eq!(found, subjects, "{self}");
        self
    }

    #[track_caller]
    fn finding(&self, subject: &str) -> &Value {
        let found: Vec<&Value> = self
            .findings()
            .iter()
            .filter(|finding| finding["subject"] == subject)
            .collect();
        let [finding] = found[..] else {
            panic!("one finding on {subject} is expected, not {found:#?}\n{self}");
        };
        finding
    }

    #[track_caller]
    fn findings(&self) -> &Vec<Value> {
        let findings = self.record["findings"].as_array();
        findings.unwrap_or_else(|| panic!("there are no findings\n{self}"))
    }
}

/// The program with git alone, set up so that nothing is wrong.
fn program(world: &World) -> Program {
    world
        .program()
        .env("MAX_LATENCY_P99", "2500ms")
        .arguments(&["doctor"])
}

fn world() -> World {
    let world = World::of(SERVICE);
    world.release("v2", Utc::now() - TimeDelta::days(1));
    world
}

#[test]
fn a_service_that_can_be_rolled_back_in_git_is_well() {
    let world = world();
    world.forgets();
    let ran = world.nothing_changed_by(&program(&world)).exits(0);
    ran.finds("configuration", "ok", &["every value can be used: "])
        .finds("switches", "ok", &[])
        .finds("ways", "ok", &["git only"])
        .finds("prometheus", "ok", &["it answers, version 2."])
        .finds(
            "prometheus retention",
            "ok",
            &["400d", "SLO_WINDOW is 30.0 d"],
        )
        .finds("prometheus series", "ok", &["bad of"])
        .finds("prometheus coverage", "ok", &["100.0 %"])
        .finds("prometheus identity", "ok", &["no event is counted twice"])
        .finds("prometheus freshness", "ok", &[])
        .finds("prometheus clock", "ok", &["0 s apart"])
        .finds("prometheus buckets", "ok", &["both are there"])
        .finds("git", "ok", &["it answers"])
        .finds("git branch", "ok", &["it is there, at"])
        .finds("git paths", "ok", &["2 were read"])
        .finds("git push", "ok", &["not refused yet"])
        .finds("state folder", "ok", &["not there yet"])
        .finds("state lock", "ok", &["none yet"])
        .finds("state file", "ok", &["not there yet"])
        .finds("last rollback", "ok", &["none"])
        .finds("limits", "ok", &["0 of 1 in the last hour"])
        .finds("blackout", "ok", &["(none)"])
        .finds_only(&[])
        .complains_of_nothing()
        .keeps_secret(TOKEN);
}

fn without_git(program: &Program) -> Program {
    let git = ["GITOPS_REPO", "GITOPS_PATH", "GITOPS_TOKEN"];
    git.into_iter().fold(program.clone(), Program::without)
}
