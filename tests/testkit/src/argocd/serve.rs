//! What becomes of a request that arrives, and the controller in the background.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::application::Application;
use super::faults::Fault;
use super::rbac::Key;
use super::requests::ApiRequest;
use super::routes::{Answer, Outcome};
use super::world::World;
use crate::stub::{Reply, Request};

/// The world, and who waits for it.
pub(super) struct Shared {
    world: Mutex<World>,
    /// Something changed that somebody may wait for.
    pub(super) changed: Condvar,
    /// The server stops.
    stopped: Condvar,
    is_stopping: AtomicBool,
    root_path: String,
}

impl Shared {
    pub(super) fn new(world: World, root_path: &str) -> Self {
        Self {
            world: Mutex::new(world),
            changed: Condvar::new(),
            stopped: Condvar::new(),
            is_stopping: AtomicBool::new(false),
            root_path: root_path.to_owned(),
        }
    }

    /// Lets everybody go who waits for something.
    pub(super) fn stop(&self) {
        self.is_stopping.store(true, Ordering::SeqCst);
        // Taken once, so that whoever is about to wait has seen the flag or hears the call.
        drop(self.world());
        self.changed.notify_all();
        self.stopped.notify_all();
    }

    pub(super) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::SeqCst)
    }

    /// Makes a step each tick until the server stops.
    pub(super) fn control(&self) {
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

    pub(super) fn play(&self, request: &Request) -> Reply {
        let path = match request.path().strip_prefix(&self.root_path) {
            Some(path) if path.starts_with('/') => path,
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
            Some(Fault::Lost(action)) => {
                action();
                Reply::hangup()
            }
            Some(Fault::After(reply)) => {
                self.begin(&request);
                reply
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
            !self.is_stopping() && app.is_some_and(Application::is_refresh_requested)
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
            .map(|app| Answer::json(200, &app.shown(world.now(), &world.pace)))
    }
}
