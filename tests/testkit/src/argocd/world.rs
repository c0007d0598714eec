//! The one truth of the stand-in, which its server shows and its controller moves.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::application::Application;
use super::auth::Auth;
use super::clock::{Clock, Pace};
use super::faults::PlannedFault;
use super::operation::{Operation, OperationKind, OperationRecord};
use super::repository::Repository;
use super::requests::LoggedRequest;
use super::windows::Project;

/// The namespace of Argo CD itself.
pub const NAMESPACE: &str = "argocd";

/// Everything there is. Its fields are what goes right and wrong; a test sets them.
#[derive(Debug)]
pub struct World {
    /// How long things take.
    pub pace: Pace,
    /// The server's version, such as `(3, 5)`.
    pub version: (u32, u32),
    /// What applications are made from.
    pub repository: Repository,
    /// Projects by name.
    pub projects: BTreeMap<String, Project>,
    /// Who may do what.
    pub auth: Auth,
    /// Whether the controller is down.
    pub is_controller_down: bool,
    /// After how long the controller ends an operation; never if absent.
    pub sync_timeout: Option<Duration>,
    /// How many of the next reads of an application fail.
    pub failing_reads: usize,
    /// Whether a rollback needs the right `rollback` in place of `sync`.
    pub enforces_rollback_right: bool,
    pub(super) clock: Clock,
    pub(super) apps: BTreeMap<(String, String), Application>,
    pub(super) operations: Vec<OperationRecord>,
    pub(super) requests: Vec<LoggedRequest>,
    pub(super) dropped: Vec<String>,
    pub(super) faults: Vec<PlannedFault>,
}

impl World {
    pub(super) fn new(clock: Clock, pace: Pace, repository: Repository) -> Self {
        Self {
            pace,
            version: (3, 5),
            repository,
            projects: BTreeMap::new(),
            auth: Auth::default(),
            is_controller_down: false,
            sync_timeout: None,
            failing_reads: 0,
            enforces_rollback_right: false,
            clock,
            apps: BTreeMap::new(),
            operations: Vec::new(),
            requests: Vec::new(),
            dropped: Vec::new(),
            faults: Vec::new(),
        }
    }

    /// Returns the time.
    pub fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// Adds an application, and its project where that is missing.
    pub fn add(&mut self, mut application: Application) {
        application.created_at = self.now();
        let project = application.spec.project().to_owned();
        self.projects.entry(project).or_default();
        let key = (application.namespace.clone(), application.name.clone());
        self.apps.insert(key, application);
    }

    /// Returns an application.
    ///
    /// # Panics
    /// If there is none of the name, or several.
    pub fn app(&self, name: &str) -> &Application {
        let mut found = self.apps.values().filter(|app| app.name == name);
        match (found.next(), found.next()) {
            (Some(app), None) => app,
            _ => panic!("there is not exactly one application {name}"),
        }
    }

    /// Returns an application to change it.
    ///
    /// # Panics
    /// If there is none of the name, or several.
    pub fn app_mut(&mut self, name: &str) -> &mut Application {
        let mut found = self.apps.values_mut().filter(|app| app.name == name);
        match (found.next(), found.next()) {
            (Some(app), None) => app,
            _ => panic!("there is not exactly one application {name}"),
        }
    }

    /// Returns a project to change it.
    ///
    /// # Panics
    /// If there is none of the name.
    pub fn project_mut(&mut self, name: &str) -> &mut Project {
        self.projects.get_mut(name).expect("a known project")
    }

    /// Returns the project of an application; one without windows if it is gone.
    pub(super) fn project_of(&self, app: &Application) -> Project {
        let project = self.projects.get(app.spec.project());
        project.cloned().unwrap_or_default()
    }

    /// Returns every operation that was accepted, in that order.
    pub fn operations(&self) -> &[OperationRecord] {
        &self.operations
    }

    /// Tells whether the server knows `automated.enabled`.
    pub(super) fn knows_enabled(&self) -> bool {
        self.version >= (3, 1)
    }

    /// Accepts an operation: nothing is deployed yet, and the state of the last one is gone.
    pub(super) fn queue(
        &mut self,
        app: &mut Application,
        operation: Operation,
        kind: OperationKind,
    ) {
        app.memory.record = Some(self.operations.len());
        self.operations.push(OperationRecord {
            app: app.name.clone(),
            kind,
            revisions: operation.revisions(),
            is_dry_run: operation.sync.dry_run,
            initiated_by: operation.initiated_by.clone(),
            info: operation.info.clone(),
            requested_at: self.now(),
            started_at: None,
            ended_at: None,
            phase: None,
        });
        app.operation = Some(operation);
        app.status.operation_state = None;
    }

    /// Changes the log's entry of the operation at hand.
    pub(super) fn record(&mut self, app: &Application, change: impl FnOnce(&mut OperationRecord)) {
        let entry = app
            .memory
            .record
            .and_then(|index| self.operations.get_mut(index));
        if let Some(entry) = entry {
            change(entry);
        }
    }
}
