//! Questions about the application.

use serde_json::Value;

use super::Argo;
use super::application::Application;
use super::error::{ArgoError, ArgoFault};
use super::json::{flag, list, present, text};
use super::wire::ArgoRequest;
use crate::clients::http::Deadline;

/// An application after a refresh was asked for.
#[derive(Debug, Clone, PartialEq)]
pub enum Refreshed {
    /// Argo CD compared it with git anew; this is what it found.
    Compared(Box<Application>),
    /// Argo CD did not say so in time, which happens when its controller is down or the application is broken. This is
    /// what is there; [`Application::reconciled_at`] says how old it is.
    Unanswered(Box<Application>),
}

/// What sync windows say about the application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyncWindows {
    /// Whether a sync that a person asks for would be let through now; nothing where it is not said.
    pub can_sync: Option<bool>,
    /// Windows that are open; nothing where they cannot be read.
    pub active: Option<Vec<SyncWindow>>,
    /// All that concern the application; nothing where they cannot be read.
    pub assigned: Option<Vec<SyncWindow>>,
}

/// A time in which syncs are allowed or denied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyncWindow {
    /// `allow` or `deny`.
    pub kind: Option<String>,
    /// When it opens, as cron has it.
    pub schedule: Option<String>,
    /// How long it stays open, as Argo CD writes it.
    pub duration: Option<String>,
    /// Whether a sync that a person asks for is let through all the same; nothing where it cannot be read.
    pub manual_sync: Option<bool>,
}

impl Refreshed {
    /// Returns the application.
    pub fn application(&self) -> &Application {
        match self {
            Self::Compared(application) | Self::Unanswered(application) => application,
        }
    }
}

impl Argo {
    /// Returns the application as it is now.
    ///
    /// # Errors
    /// Fails when Argo CD does not answer in time or refuses, and when the answer is no application of this name.
    pub async fn application(&self) -> Result<Application, ArgoError> {
        self.application_within(self.deadline())
            .await
            .map_err(|fault| self.error(format!("read application {:?}", self.name()), fault))
    }

    /// Has Argo CD compare the application with git, and returns it. Needs no more than the right to read.
    ///
    /// # Errors
    /// Fails like [`Argo::application`]. That the comparison does not end is no failure.
    pub async fn refresh(&self) -> Result<Refreshed, ArgoError> {
        let done = async {
            let mut query = self.place();
            query.push(("refresh", "normal".to_owned()));
            let call = ArgoRequest::get(self.path(&[]), query);
            let deadline = Deadline::within(self.settings.refresh_timeout);
            match self.wire()?.read_once(deadline, &call).await {
                Ok(body) => {
                    let application = self.read_application(&body)?;
                    Ok(Refreshed::Compared(Box::new(application)))
                }
                Err(fault) if fault.is_worth_repeating() => {
                    let application = self.application_within(self.deadline()).await?;
                    Ok(Refreshed::Unanswered(Box::new(application)))
                }
                Err(fault) => Err(fault),
            }
        };
        done.await
            .map_err(|fault| self.error(format!("refresh application {:?}", self.name()), fault))
    }

    /// Returns what sync windows say now.
    ///
    /// # Errors
    /// Fails when Argo CD does not answer in time or refuses.
    pub async fn sync_windows(&self) -> Result<SyncWindows, ArgoError> {
        let asked = async {
            let deadline = self.deadline();
            self.project(deadline).await?;
            let call = ArgoRequest::get(self.path(&["syncwindows"]), self.place());
            let answer = parse(&self.wire()?.read(deadline, &call).await?)?;
            Ok(SyncWindows::read(&answer))
        };
        asked.await.map_err(|fault| {
            self.error(
                format!("read the sync windows of application {:?}", self.name()),
                fault,
            )
        })
    }

    pub(super) async fn application_within(
        &self,
        deadline: Deadline,
    ) -> Result<Application, ArgoFault> {
        let body = self.application_body(deadline).await?;
        self.read_application(&body)
    }

    /// Returns the application as the server wrote it.
    pub(super) async fn application_body(&self, deadline: Deadline) -> Result<Vec<u8>, ArgoFault> {
        let call = ArgoRequest::get(self.path(&[]), self.place());
        self.wire()?.read(deadline, &call).await
    }

    /// Reads an answer that must be our application, and learns its project.
    pub(super) fn read_application(&self, body: &[u8]) -> Result<Application, ArgoFault> {
        let mut application = Application::read(&parse(body)?);
        if application.name.as_deref() != Some(&self.settings.app_name) {
            return Err(ArgoFault::answer(
                "it is no application, or one of another name",
            ));
        }
        if let Some(project) = &application.project {
            self.project.get_or_init(|| project.clone());
        }
        application.leave_out(&self.secrets);
        if let Some(known) = &mut *self.hydrations() {
            application.read_as_dry(known);
        }
        Ok(application)
    }
}

impl SyncWindows {
    fn read(value: &Value) -> Self {
        Self {
            can_sync: present(value, "/canSync").and_then(Value::as_bool),
            active: list(value, "/activeWindows", SyncWindow::read),
            assigned: list(value, "/assignedWindows", SyncWindow::read),
        }
    }
}

impl SyncWindow {
    fn read(value: &Value) -> Option<Self> {
        value.is_object().then(|| Self {
            kind: text(value, "/kind"),
            schedule: text(value, "/schedule"),
            duration: text(value, "/duration"),
            manual_sync: flag(value, "/manualSync"),
        })
    }
}

/// Reads JSON. What is wrong with it is said without quoting it.
pub(super) fn parse(body: &[u8]) -> Result<Value, ArgoFault> {
    serde_json::from_slice(body).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        ArgoFault::answer(format!(
            "it is no valid JSON (line {line}, column {column})"
        ))
    })
}
