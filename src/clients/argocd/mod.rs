//! One application in Argo CD, through its REST API.
//!
//! A question may be asked again; whatever changes something is sent once, and after any doubt the application is
//! read before it is sent again: [`Application::recognise`] finds what was done. Argo CD answers a rollback and a
//! sync when they are queued, so an answer never says that anything is deployed. Each public function is one call
//! with a deadline of its own ([`ArgoSettings::timeout`]).

mod account;
mod act;
mod application;
mod auto_sync;
mod dry;
mod error;
mod history;
mod hydration;
mod json;
mod login;
mod operation;
mod owner;
mod read;
mod recognise;
mod refusal;
mod settings;
mod source;
mod switch;
mod wire;

pub use account::{Account, Allowed, ArgoPermission, Version};
pub use act::Prune;
pub use application::{
    Application, ArgoRollout, Condition, Deletion, Health, HealthStatus, SyncComparison, SyncStatus,
};
pub use auto_sync::{AutoSync, AutomatedBlock};
pub use error::{ArgoError, ArgoFault};
pub use history::{Deployment, HistoryEntry};
pub use hydration::{HydrateOperation, HydratePhase, Hydrated, Hydration, Hydrations};
pub use operation::{Initiator, Note, OperationPhase, OperationState, Requested};
pub use owner::Owner;
pub use read::{Refreshed, SyncWindow, SyncWindows};
pub use recognise::{Marker, OperationSighting};
pub use settings::{ArgoAuth, ArgoSettings};
pub use source::{ApplicationSource, Sources};
pub use switch::{Switched, SwitchedTo};

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use self::wire::ArgoTransport;
use crate::clients::http::Deadline;
use crate::redact::Scanner;

/// An application that can be asked and changed. Clones share their connections, their session and the one login.
#[derive(Debug, Clone)]
pub struct Argo {
    settings: Arc<ArgoSettings>,
    /// Built when it is first needed: loading the platform's root certificates costs more than a healthy pass, which
    /// asks nothing here.
    wire: Arc<OnceLock<ArgoTransport>>,
    /// The project, as the application said it, where the settings do not.
    project: Arc<OnceLock<String>>,
    /// Of which commits the hydrated ones were made, once the application is read as its dry source names them.
    hydrations: Arc<Mutex<Option<Hydrations>>>,
    /// Takes secrets out of what Argo CD says.
    secrets: Arc<Scanner>,
}

impl Argo {
    /// Prepares to talk about an application; reads and sends nothing.
    pub fn new(settings: ArgoSettings) -> Self {
        Self {
            settings: Arc::new(settings),
            wire: Arc::new(OnceLock::new()),
            project: Arc::new(OnceLock::new()),
            hydrations: Arc::default(),
            secrets: Arc::default(),
        }
    }

    /// Takes secrets out of what Argo CD says from now on: what git told it may hold those of the repository.
    #[must_use]
    pub(crate) fn leaving_out(self, secrets: &Arc<Scanner>) -> Self {
        Self {
            secrets: Arc::clone(secrets),
            ..self
        }
    }

    /// Reads the application as its dry source names its revisions from now on, and this one too. What its status tells
    /// later is learned.
    pub fn read_as_dry(&self, mut known: Hydrations, mut application: Application) -> Application {
        application.read_as_dry(&mut known);
        *self.hydrations() = Some(known);
        application
    }

    /// Reads the application as it names its revisions itself from now on.
    pub fn read_as_named(&self) {
        *self.hydrations() = None;
    }

    /// Tells whether the application is read as its dry source names its revisions.
    pub fn is_read_as_dry(&self) -> bool {
        self.hydrations().is_some()
    }

    /// Returns the hydrated commits that were made of some commits, as far as they are known.
    pub fn made_of(&self, dry: &[String]) -> Vec<String> {
        let known = self.hydrations();
        known.as_ref().map_or_else(Vec::new, |it| it.made_of(dry))
    }

    fn hydrations(&self) -> std::sync::MutexGuard<'_, Option<Hydrations>> {
        let lock = self.hydrations.lock();
        lock.unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns how the application is called: its name, with its namespace before it where the settings have one.
    pub fn name(&self) -> String {
        match &self.settings.app_namespace {
            Some(namespace) => format!("{namespace}/{}", self.settings.app_name),
            None => self.settings.app_name.clone(),
        }
    }

    fn wire(&self) -> Result<&ArgoTransport, ArgoFault> {
        if let Some(wire) = self.wire.get() {
            return Ok(wire);
        }
        let wire = ArgoTransport::new(&self.settings, Arc::clone(&self.secrets))?;
        Ok(self.wire.get_or_init(|| wire))
    }

    fn deadline(&self) -> Deadline {
        Deadline::within(self.settings.timeout)
    }

    /// Returns the path of the application, or of something below it.
    fn path<'a>(&'a self, below: &[&'a str]) -> Vec<&'a str> {
        let mut path = vec!["api", "v1", "applications", &self.settings.app_name];
        path.extend(below);
        path
    }

    /// Returns the project, as far as it is known.
    fn known_project(&self) -> Option<&str> {
        let set = self.settings.project.as_deref();
        set.or_else(|| self.project.get().map(String::as_str))
    }

    /// Returns the project; where nobody said it, the application is read.
    async fn project(&self, deadline: Deadline) -> Result<String, ArgoFault> {
        if let Some(project) = self.known_project() {
            return Ok(project.to_owned());
        }
        let application = self.application_within(deadline).await;
        application
            .and_then(|application| {
                let unnamed = || ArgoFault::answer("the application names no project");
                application.project.ok_or_else(unnamed)
            })
            .map_err(|fault| {
                // A question in doubt must not look like a write in doubt.
                if fault.is_doubtful() {
                    ArgoFault::Unprepared(Box::new(fault))
                } else {
                    fault
                }
            })
    }

    /// Returns where the application is: parameters of a query, or fields of a body.
    fn place(&self) -> Vec<(&'static str, String)> {
        let project = self.known_project().map(str::to_owned);
        let namespace = self.settings.app_namespace.clone();
        let project = project.map(|project| ("project", project));
        let namespace = namespace.map(|namespace| ("appNamespace", namespace));
        project.into_iter().chain(namespace).collect()
    }

    fn error(&self, tried: impl Into<String>, fault: ArgoFault) -> ArgoError {
        ArgoError {
            tried: tried.into(),
            server: self.settings.server.origin().ascii_serialization(),
            fault,
        }
    }
}
