//! Where the real server was when it answered.

mod access;
mod deployments;

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use testkit::argocd::{Application, ArgoServer, Automated, Setup, Source, Spec, SyncWindow, World};
use testkit::git::{GitRepo, deployment};

pub(super) use access::*;
pub(super) use deployments::*;

/// What the recordings call the repository.
const REPO_URL: &str = "https://git.example.com/acme/deploy.git";
const FOLDER: &str = "k8s/overlays/prod/checkout";
const OTHER_FOLDER: &str = "k8s/overlays/prod/cart";
const HOOK: &str = "batch/Job/migrate";

/// What a refresh leaves behind.
const HYDRATE: &str = "argocd.argoproj.io/hydrate";

/// The account of the program.
const US: &str = "error-budget-monitor";

/// A server, and how it is asked.
pub(super) struct Situation {
    pub(super) argo: ArgoServer,
    pub(super) token: Option<String>,
    pub(super) content_type: Option<&'static str>,
    good: String,
    bad: String,
    _folder: tempfile::TempDir,
}

fn at(minute: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_767_000_000 + 60 * minute, 0).expect("a time")
}

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn config(name: &str, text: &str) -> String {
    format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\n  namespace: shop\ndata:\n  text: {text}\n"
    )
}

/// Commits a version of a service and returns the commit.
fn commit(repo: &GitRepo, version: &str, minute: i64) -> String {
    let mut files = Vec::new();
    for (folder, name, version) in [
        (FOLDER, "checkout", version),
        (OTHER_FOLDER, "cart", "1.0.0"),
    ] {
        files.push((format!("{folder}/config.yaml"), config(name, version)));
        files.push((
            format!("{folder}/deployment.yaml"),
            deployment(name, version, 0.0),
        ));
        files.push((
            format!("{folder}/kustomization.yaml"),
            "resources: []\n".to_owned(),
        ));
    }
    let files: Vec<_> = files
        .iter()
        .map(|(path, text)| (path.as_str(), Some(text.as_str())))
        .collect();
    repo.commit(version, at(minute), &files)
}

impl Situation {
    /// Starts a server with an application that was never deployed.
    fn begin(setup: Setup, app: Application) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let repo = GitRepo::create(&folder.path().join("deploy.git"));
        let good = commit(&repo, "1.2.0", 0);
        let argo = setup.over(repo, REPO_URL).start();
        let token = argo.token_for(US, &["get", "sync"], "default/checkout");
        argo.change(|world| {
            world.add(app);
            world.auth.allow(US, &["get"], "default/absent");
            world.auth.allow(US, &["get", "sync"], "shop/*");
        });
        Self {
            argo,
            token: Some(token),
            content_type: Some("application/json"),
            bad: good.clone(),
            good,
            _folder: folder,
        }
    }

    /// One of one source, whose first release was deployed by hand.
    fn first() -> Self {
        let source = Source::git(REPO_URL, FOLDER, "main");
        let app = Application::new("checkout", Spec::of("default", source));
        let this = Self::begin(Setup::driven(), app);
        this.argo.deploy("checkout", &this.good);
        this
    }

    /// The same with objects that an earlier release left behind.
    fn with_leftovers(self) -> Self {
        self.change_app(|app| {
            app.drift("added-by-bad", Some(&config("added-by-bad", "x")));
            app.drift("cart/config", Some(&config("cart", "1.0.0")));
            app.drift("cart/deployment", Some(&deployment("cart", "1.0.0", 0.0)));
        });
        self.argo.settle();
        self
    }

    /// The same once the bad release was committed.
    fn committed(mut self) -> Self {
        self.bad = commit(&self.argo.repo(), "1.3.0", 1);
        self
    }

    /// The same once it was deployed by hand.
    fn deployed(self) -> Self {
        let this = self.committed();
        this.argo.deploy("checkout", &this.bad);
        this
    }

    fn change_app(&self, change: impl FnOnce(&mut Application)) {
        self.argo.change(|world| change(world.app_mut("checkout")));
    }

    fn later(self, count: u64) -> Self {
        self.argo.advance(seconds(count));
        self
    }

    /// Asks for a rollback to an entry of the history, as the program does.
    fn rolled_back(self, id: i64) -> Self {
        self.accepts(
            "POST",
            "/rollback",
            &json!({ "id": id, "project": "default" }),
        );
        self
    }

    fn synced(self) -> Self {
        let note = json!({ "name": "error-budget-rollback", "value": "x1" });
        self.accepts(
            "POST",
            "/sync",
            &json!({ "project": "default", "infos": [note] }),
        );
        self
    }

    fn terminated(self) -> Self {
        self.accepts("DELETE", "/operation?project=default", &Value::Null);
        self
    }

    #[track_caller]
    fn accepts(&self, method: &str, below: &str, body: &Value) {
        let path = format!("/api/v1/applications/checkout{below}");
        let token = self.token.as_deref().expect("a token");
        let answer = self
            .argo
            .ask(token, method, &path, body)
            .expect("an answer");
        assert_eq!(answer.status, 200, "{}", answer.text());
    }

    /// Steps until the operation is over and what runs was compared.
    fn calm(self) -> Self {
        let is_calm = |world: &World| {
            let status = &world.app("checkout").status;
            let state = status.operation_state.as_ref();
            let ended_at = state.and_then(|state| state.finished_at);
            ended_at.is_some() && status.reconciled_at >= ended_at
        };
        while !self.argo.look(is_calm) {
            self.argo.advance(seconds(1));
        }
        self
    }

    fn with_auto_sync(self, enabled: Option<bool>) -> Self {
        self.change_app(|app| {
            app.spec.set_auto_sync(Some(Automated {
                prune: true,
                self_heal: true,
                enabled,
            }));
        });
        self.later(60)
    }

    fn with_windows(self, windows: Vec<SyncWindow>) -> Self {
        self.argo
            .change(|world| world.project_mut("default").windows = windows);
        self
    }

    /// As somebody else, who may do these things with the application.
    fn speaking_as(mut self, account: &str, actions: &[&str]) -> Self {
        let token = self.argo.token_for(account, actions, "default/checkout");
        self.token = Some(token);
        self
    }

    fn with_token(mut self, token: &str) -> Self {
        self.token = Some(token.to_owned());
        self
    }

    /// With a token whose time is over.
    fn expired(self) -> Self {
        let token = self.argo.change(|world| {
            let now = world.now();
            world.auth.issue_token(US, Some(Duration::ZERO), now)
        });
        self.with_token(&token)
    }

    fn with_password(self, name: &str, password: &str, may_login: bool) -> Self {
        self.argo.change(|world| {
            world.auth.add_account(name, password);
            let account = world.auth.accounts.get_mut(name).expect("it was added");
            account.may_login = may_login;
        });
        self.speaking_as_nobody()
    }

    fn speaking_as_nobody(mut self) -> Self {
        self.token = None;
        self
    }

    fn sending(mut self, content_type: Option<&'static str>) -> Self {
        self.content_type = content_type;
        self
    }
}
