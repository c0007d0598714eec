//! The server as a test holds it: its world, its time and its faults.

use std::sync::{Arc, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use std::{fmt, io};

use serde_json::Value;
use tempfile::TempDir;

use super::clock::Clock;
use super::door::Door;
use super::faults::{Fault, PlannedFault};
use super::operation::{Initiator, Operation, OperationKind, OperationRecord, SyncOperation};
use super::repository::Repository;
use super::requests::LoggedRequest;
use super::serve::Shared;
use super::setup::Setup;
use super::spec::Retry;
use super::world::World;
use crate::git::GitRepo;
use crate::http::{self, Answer};
use crate::stub::{Request, Stub};

/// Longest wait for a state. It protects a test from waiting for what never comes; the test fails then.
const PATIENCE: Duration = Duration::from_secs(60);

/// Most steps until a world is calm. It protects a test from a controller that never is.
const MOST_STEPS: usize = 10_000;

/// An Argo CD on loopback. Dropping it stops it, and fails the test if a fault was planned that no request met.
pub struct ArgoServer {
    shared: Arc<Shared>,
    door: Option<Door>,
    stub: Option<Stub>,
    controller: Option<JoinHandle<()>>,
    root_path: String,
    _folder: Option<TempDir>,
}

impl ArgoServer {
    /// What applications call the server's own repository.
    pub const REPO_URL: &str = "https://git.example.com/platform/gitops.git";

    /// Starts a server whose time stands still, with an empty repository.
    pub fn driven() -> Self {
        Setup::driven().start()
    }

    pub(super) fn start(setup: Setup) -> Self {
        let mut folder = None;
        let (repo, url) = setup.repository.unwrap_or_else(|| {
            let temporary = tempfile::Builder::new().prefix("testkit-argocd-").tempdir();
            let temporary = temporary.expect("a temporary folder");
            let repo = GitRepo::create(&temporary.path().join("gitops.git"));
            folder = Some(temporary);
            (repo, Self::REPO_URL.to_owned())
        });
        let world = World::new(setup.clock, setup.pace, Repository::new(repo, &url));
        let shared = Arc::new(Shared::new(world, &setup.root_path));
        let script = {
            let shared = Arc::clone(&shared);
            move |request: &Request| Some(shared.play(request))
        };
        let is_tls = setup.tls.is_some();
        let stub = match setup.tls {
            Some(tls) => Stub::https(tls, script),
            None => Stub::http(script),
        };
        let door = is_tls.then(|| {
            let address = stub.url().replace("https://", "");
            Door::open(address.parse().expect("the address of a server"))
        });
        let controller = setup.steps_by_itself.then(|| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || shared.control())
        });
        Self {
            shared,
            door,
            stub: Some(stub),
            controller,
            root_path: setup.root_path,
            _folder: folder,
        }
    }

    /// Returns the URL with the root path, without a slash at its end.
    pub fn url(&self) -> String {
        let base = match (&self.door, &self.stub) {
            (Some(door), _) => door.url(),
            (None, Some(stub)) => stub.url(),
            (None, None) => unreachable!("the server is there until it is dropped"),
        };
        format!("{base}{}", self.root_path)
    }

    /// Returns the bare repository.
    pub fn repo(&self) -> GitRepo {
        self.look(|world| world.repository.repo.clone())
    }

    /// Looks at the world.
    pub fn look<T>(&self, read: impl FnOnce(&World) -> T) -> T {
        read(&self.shared.world())
    }

    /// Changes the world.
    pub fn change<T>(&self, change: impl FnOnce(&mut World) -> T) -> T {
        let changed = change(&mut self.shared.world());
        self.shared.changed.notify_all();
        changed
    }

    /// Plans what is done to the next request of a method whose path below the root path holds a fragment.
    pub fn fault(&self, method: &str, fragment: &str, fault: Fault) {
        self.change(|world| {
            world.faults.push(PlannedFault {
                method: method.to_owned(),
                fragment: fragment.to_owned(),
                after: 0,
                fault,
            });
        });
    }

    /// Plans what is done to the request after so many others, whatever they are.
    pub fn fault_after(&self, requests: usize, fault: Fault) {
        self.change(|world| {
            world.faults.push(PlannedFault {
                method: String::new(),
                fragment: String::new(),
                after: requests,
                fault,
            });
        });
    }

    /// Returns an API token of an account, which is made if it is missing and may do these things.
    pub fn token_for(&self, account: &str, actions: &[&str], object: &str) -> String {
        self.change(|world| {
            let now = world.now();
            if !world.auth.accounts.contains_key(account) {
                world.auth.add_account(account, "a password nobody uses");
            }
            world.auth.allow(account, actions, object);
            world.auth.issue_token(account, None, now)
        })
    }

    /// Asks the API for something, as a client does that has a token. `path` is below the root path.
    ///
    /// # Errors
    /// Fails when a fault takes the answer.
    pub fn ask(&self, token: &str, method: &str, path: &str, body: &Value) -> io::Result<Answer> {
        let authorization = format!("Authorization: Bearer {token}");
        let headers = [authorization.as_str(), "Content-Type: application/json"];
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let url = format!("{}{path}", self.url());
        http::send(method, &url, &headers, &body)
    }

    /// Lets the controller make one step; tells whether anything changed.
    pub fn step(&self) -> bool {
        self.change(World::step)
    }

    /// Lets the controller step until nothing changes at the present time.
    ///
    /// # Panics
    /// If that never happens.
    pub fn settle(&self) {
        let is_calm = (0..MOST_STEPS).any(|_| !self.step());
        assert!(is_calm, "the controller never calms down");
    }

    /// Moves the time on, second by second; the controller does all there is to do at each.
    ///
    /// # Panics
    /// If the server follows the real time.
    pub fn advance(&self, by: Duration) {
        let second = Duration::from_secs(1);
        let mut left = by;
        while !left.is_zero() {
            let part = left.min(second);
            self.change(|world| world.clock.advance(part));
            self.settle();
            left -= part;
        }
    }

    /// Moves the time on without letting the controller do anything.
    ///
    /// # Panics
    /// If the server follows the real time.
    pub fn pass(&self, by: Duration) {
        self.change(|world| world.clock.advance(by));
    }

    /// Waits until the world is as wanted.
    ///
    /// # Panics
    /// If that takes a minute.
    pub fn wait_until(&self, what: &str, is_so: impl Fn(&World) -> bool) {
        let waits = |world: &mut World| !is_so(world);
        let (guard, timeout) = self
            .shared
            .changed
            .wait_timeout_while(self.shared.world(), PATIENCE, waits)
            .unwrap_or_else(PoisonError::into_inner);
        drop(guard);
        assert!(!timeout.timed_out(), "waited in vain until {what}");
    }

    /// Deploys a revision as the user `admin` does by hand, and waits until that is over and what runs is no longer
    /// on its way. An application with several sources gets the revisions its spec wants.
    ///
    /// # Panics
    /// If that never happens.
    pub fn deploy(&self, name: &str, revision: &str) {
        let calm = |world: &World| {
            let app = world.app(name);
            let is_compared = app.status.reconciled_at >= app.last_finish();
            app.operation.is_none() && is_compared && !app.is_progressing()
        };
        self.change(|world| world.queue_by_hand(name, revision));
        if self.look(|world| matches!(world.clock, Clock::Real)) {
            return self.wait_until("the deployment is over", calm);
        }
        self.settle();
        let is_over = (0..MOST_STEPS).any(|_| {
            let is_calm = self.look(calm);
            if !is_calm {
                self.advance(Duration::from_secs(1));
            }
            is_calm
        });
        assert!(is_over, "the deployment is never over");
    }

    /// Returns every operation that was accepted, in that order.
    pub fn operations(&self) -> Vec<OperationRecord> {
        self.look(|world| world.operations.clone())
    }

    /// Returns the requests so far.
    pub fn requests(&self) -> Vec<LoggedRequest> {
        self.look(|world| world.requests.clone())
    }

    /// Forgets the operations and requests so far.
    pub fn forget(&self) {
        self.change(|world| {
            world.operations.clear();
            world.requests.clear();
            for app in world.apps.values_mut() {
                app.memory.record = None;
            }
        });
    }
}

impl World {
    /// Asks for a sync as the user `admin` does by hand.
    ///
    /// # Panics
    /// If there is no such application.
    pub fn queue_by_hand(&mut self, name: &str, revision: &str) {
        self.queue_by_hand_as(name, revision, |_| {});
    }

    /// The same, to be tried again when it fails.
    ///
    /// # Panics
    /// If there is no such application.
    pub fn queue_by_hand_with_retries(&mut self, name: &str, revision: &str) {
        let retry = Retry {
            limit: 5,
            ..Retry::default()
        };
        self.queue_by_hand_as(name, revision, |operation| operation.retry = retry);
    }

    /// The same, changed: a dry run, limited to some objects, or of several revisions.
    ///
    /// # Panics
    /// If there is no such application.
    pub fn queue_by_hand_as(
        &mut self,
        name: &str,
        revision: &str,
        change: impl FnOnce(&mut Operation),
    ) {
        let app = self.app(name);
        let key = (app.namespace.clone(), app.name.clone());
        let mut app = self.apps.remove(&key).expect("found a moment ago");
        let mut operation = Operation {
            sync: SyncOperation {
                revision: revision.to_owned(),
                source: (!app.spec.is_multi_source()).then(|| app.spec.only_source()),
                sources: app.spec.sources.clone(),
                ..SyncOperation::default()
            },
            initiated_by: Initiator {
                username: "admin".to_owned(),
                automated: false,
            },
            ..Operation::default()
        };
        change(&mut operation);
        self.queue(&mut app, operation, OperationKind::Sync);
        self.apps.insert(key, app);
    }
}

impl Drop for ArgoServer {
    fn drop(&mut self) {
        self.shared.stop();
        drop(self.door.take());
        drop(self.stub.take());
        let controlled = self.controller.take().map(JoinHandle::join);
        if thread::panicking() {
            return;
        }
        assert!(
            !matches!(controlled, Some(Err(_))),
            "the controller panicked"
        );
        let world = self.shared.world();
        let unused = &world.faults;
        assert!(unused.is_empty(), "faults that no request met: {unused:?}");
    }
}

impl fmt::Debug for ArgoServer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ArgoServer")
            .field("url", &self.url())
            .finish_non_exhaustive()
    }
}
