//! The server around the world, and what moves its time.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tempfile::TempDir;

use super::clock::{Clock, Pace};
use super::door::Door;
use super::faults::{Fault, PlannedFault};
use super::operation::{Initiator, Operation, OperationKind, OperationRecord, SyncOperation};
use super::rbac::Key;
use super::repository::Repository;
use super::requests::{ApiRequest, LoggedRequest};
use super::routes::{Answer, Outcome};
use super::world::World;
use crate::git::GitRepo;
use crate::stub::{Reply, Request, ServerTls, Stub};

/// Longest wait for a state. It protects a test from waiting for what never comes; the test fails then.
const PATIENCE: Duration = Duration::from_secs(60);

/// Most steps until a world is calm. It protects a test from a controller that never is.
const MOST_STEPS: usize = 10_000;

/// How a server is to be.
#[derive(Clone)]
#[must_use = "nothing runs before `start`"]
pub struct Setup {
    clock: Clock,
    pace: Pace,
    root_path: String,
    tls: Option<ServerTls>,
    repository: Option<(GitRepo, String)>,
}

/// An Argo CD on loopback. Dropping it stops it, and fails the test if a fault was planned that no request met.
pub struct ArgoServer {
    shared: Arc<Shared>,
    door: Option<Door>,
    stub: Option<Stub>,
    controller: Option<JoinHandle<()>>,
    root_path: String,
    _folder: Option<TempDir>,
}

struct Shared {
    world: Mutex<World>,
    /// Something changed that somebody may wait for.
    changed: Condvar,
    /// The server stops.
    stopped: Condvar,
    is_stopping: AtomicBool,
    root_path: String,
}

impl Setup {
    /// A server whose time stands still until a test moves it, and whose controller makes only the steps it is told to.
    pub fn driven() -> Self {
        Self {
            clock: Clock::standing(),
            pace: Pace::REAL,
            root_path: String::new(),
            tls: None,
            repository: None,
        }
    }

    /// A server that follows the real time, with a controller in the background.
    pub fn live(pace: Pace) -> Self {
        Self {
            clock: Clock::Real,
            pace,
            ..Self::driven()
        }
    }

    /// Puts everything but `/healthz` below a path such as `/argo`.
    pub fn below(mut self, root_path: &str) -> Self {
        root_path
            .trim_end_matches('/')
            .clone_into(&mut self.root_path);
        self
    }

    /// Speaks TLS; plain HTTP is sent to `https://`.
    pub fn with_tls(mut self, tls: ServerTls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Takes an existing bare repository for the truth; `url` is what applications call it.
    pub fn over(mut self, repo: GitRepo, url: &str) -> Self {
        self.repository = Some((repo, url.to_owned()));
        self
    }

    /// Starts the server.
    pub fn start(self) -> ArgoServer {
        ArgoServer::start(self)
    }
}

impl ArgoServer {
    /// What applications call the server's own repository.
    pub const REPO_URL: &str = "https://git.example.com/platform/gitops.git";

    /// Starts a server whose time stands still, with an empty repository.
    pub fn driven() -> Self {
        Setup::driven().start()
    }

    fn start(setup: Setup) -> Self {
        let mut folder = None;
        let (repo, url) = setup.repository.unwrap_or_else(|| {
            let temporary = tempfile::Builder::new().prefix("testkit-argocd-").tempdir();
            let temporary = temporary.expect("a temporary folder");
            let repo = GitRepo::create(&temporary.path().join("gitops.git"));
            folder = Some(temporary);
            (repo, Self::REPO_URL.to_owned())
        });
        let world = World::new(setup.clock, setup.pace, Repository::new(repo, &url));
        let shared = Arc::new(Shared {
            world: Mutex::new(world),
            changed: Condvar::new(),
            stopped: Condvar::new(),
            is_stopping: AtomicBool::new(false),
            root_path: setup.root_path.clone(),
        });
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
        let controller = matches!(setup.clock, Clock::Real).then(|| {
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

    /// Lets the controller make one step; tells whether anything changed.
    ///
    /// # Panics
    /// If the server follows the real time.
    pub fn step(&self) -> bool {
        assert!(self.controller.is_none(), "this controller steps by itself");
        self.change(World::step)
    }

    /// Lets the controller step until nothing changes at the present time.
    ///
    /// # Panics
    /// If that never happens, or the server follows the real time.
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

    /// Deploys a revision as the user `admin` does by hand, and waits until that is over and what runs is no longer on its
    /// way. An application with several sources gets the revisions its spec wants.
    pub fn deploy(&self, name: &str, revision: &str) {
        let calm = |world: &World| {
            let app = world.app(name);
            let is_compared = app.status.reconciled_at >= app.last_finish();
            app.operation.is_none() && is_compared && !app.is_progressing()
        };
        self.change(|world| world.queue_by_hand(name, revision));
        if self.controller.is_some() {
            return self.wait_until("the deployment is over", calm);
        }
        self.settle();
        while !self.look(calm) {
            self.advance(Duration::from_secs(1));
        }
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
    fn queue_by_hand(&mut self, name: &str, revision: &str) {
        let app = self.app(name);
        let key = (app.namespace.clone(), app.name.clone());
        let mut app = self.apps.remove(&key).expect("found a moment ago");
        let operation = Operation {
            sync: SyncOperation {
                revision: revision.to_owned(),
                sources: app.spec.sources.clone(),
                ..SyncOperation::default()
            },
            initiated_by: Initiator {
                username: "admin".to_owned(),
                automated: false,
            },
            ..Operation::default()
        };
        self.queue(&mut app, operation, OperationKind::Sync);
        self.apps.insert(key, app);
    }
}

impl Drop for ArgoServer {
    fn drop(&mut self) {
        self.shared.is_stopping.store(true, Ordering::SeqCst);
        // Taken once, so that whoever is about to wait has seen the flag or hears the call.
        drop(self.shared.world());
        self.shared.changed.notify_all();
        self.shared.stopped.notify_all();
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

impl Shared {
    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::SeqCst)
    }

    /// Steps in real time until the server stops.
    fn control(&self) {
        let mut world = self.world();
        while !self.is_stopping() {
            if world.step() {
                self.changed.notify_all();
            }
            let tick = world.pace.tick;
            world = self
                .stopped
                .wait_timeout(world, tick)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    fn play(&self, request: &Request) -> Reply {
        let path = match request.path().strip_prefix(&self.root_path) {
            Some(path) if path.starts_with('/') => path,
            _ if request.path() == "/healthz" => "/healthz",
            _ => return Reply::text(404, "404 page not found\n"),
        };
        let request = ApiRequest::new(request, path);
        let (number, fault) = {
            let mut world = self.world();
            world.requests.push(request.logged());
            let fault = world.take_fault(request.method, request.path);
            (world.requests.len() - 1, fault)
        };
        match fault {
            Some(Fault::Instead(reply)) => reply,
            Some(Fault::After(reply)) => {
                self.begin(&request);
                reply
            }
            Some(Fault::Drip(pause)) => self.answer(&request, number).dripping(pause),
            Some(Fault::CutShort) => self.answer(&request, number).cut_short(),
            Some(Fault::Delay(delay)) => {
                self.linger(delay);
                self.answer(&request, number)
            }
            Some(Fault::Before(action)) => {
                action(&mut self.world());
                self.answer(&request, number)
            }
            None => self.answer(&request, number),
        }
    }

    /// Does what is asked, without waiting for what follows from it.
    fn begin(&self, request: &ApiRequest<'_>) -> Outcome {
        let outcome = self.world().route(request);
        self.changed.notify_all();
        outcome
    }

    fn answer(&self, request: &ApiRequest<'_>, number: usize) -> Reply {
        let answer = match self.begin(request) {
            Outcome::Answer(answer) => Some(answer),
            Outcome::Awaited(key) => self.compared(&key),
        };
        let Some(answer) = answer else {
            return Reply::hangup();
        };
        if let Some(logged) = self.world().requests.get_mut(number) {
            logged.status = Some(answer.status);
        }
        answer.reply()
    }

    /// Waits until an application was compared, however long that takes; nothing if the server stops.
    fn compared(&self, key: &Key) -> Option<Answer> {
        let waits = |world: &mut World| {
            let app = world.apps.get(key);
            !self.is_stopping()
                && app.is_some_and(super::application::Application::is_refresh_requested)
        };
        let world = self
            .changed
            .wait_while(self.world(), waits)
            .unwrap_or_else(PoisonError::into_inner);
        if self.is_stopping() {
            return None;
        }
        world
            .apps
            .get(key)
            .map(|app| Answer::json(200, &app.to_json()))
    }

    /// Waits a while, or until the server stops.
    fn linger(&self, delay: Duration) {
        let waits = |_: &mut World| !self.is_stopping();
        drop(self.stopped.wait_timeout_while(self.world(), delay, waits));
    }
}
