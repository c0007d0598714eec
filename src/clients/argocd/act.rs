//! What is asked for and then done by Argo CD in its own time. Each of these is sent once.

use serde_json::{Map, Value, json};

use super::Argo;
use super::application::Application;
use super::error::{ArgoError, ArgoFault};
use super::operation::Note;
use super::wire::ArgoRequest;
use crate::clients::http::Method;

/// Whether resources that the target does not have are removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prune {
    /// They stay, and count for the application's health.
    No,
    /// They are removed from the cluster.
    Yes,
}

impl Argo {
    /// Has Argo CD put the application back to a history entry: its revisions with the sources of that time, without
    /// hooks, sync windows or retries. Returns the application with the operation queued: nothing is deployed yet, and
    /// it will be `OutOfSync` afterwards, because git still holds the newer revision.
    ///
    /// # Errors
    /// Fails when Argo CD refuses or cannot be asked. After a doubtful failure the rollback may be queued all the same:
    /// look with [`Application::recognise`]; a second one would be a second deployment.
    pub async fn roll_back(&self, id: i64, prune: Prune) -> Result<Application, ArgoError> {
        let fields = vec![
            ("id", id.into()),
            ("prune", (prune == Prune::Yes).into()),
            ("dryRun", false.into()),
        ];
        self.post("rollback", fields).await.map_err(|fault| {
            let name = self.name();
            self.error(
                format!("roll application {name:?} back to history entry {id}"),
                fault,
            )
        })
    }

    /// Has Argo CD sync the application, with hooks and today's settings: its sync options and retries go with it by
    /// themselves, pruning has to be asked for. With auto-sync on leave the revision out: Argo CD follows its branch
    /// and refuses any other, even the same commit by its id. With auto-sync off a commit that is not there is taken
    /// all the same, and the operation ends as [`super::OperationPhase::Error`]. The note travels with the operation
    /// and makes it known again.
    ///
    /// # Errors
    /// Fails like [`Argo::roll_back`], and with [`ArgoFault::SyncWindow`] where a window forbids it.
    pub async fn sync(
        &self,
        note: &Note,
        revision: Option<&str>,
        prune: Prune,
    ) -> Result<Application, ArgoError> {
        let mut fields = vec![
            ("prune", (prune == Prune::Yes).into()),
            ("dryRun", false.into()),
            ("infos", json!([{"name": note.name, "value": note.value}])),
        ];
        fields.extend(revision.map(|revision| ("revision", revision.into())));
        self.post("sync", fields)
            .await
            .map_err(|fault| self.error(format!("sync application {:?}", self.name()), fault))
    }

    /// Has Argo CD end the operation that is under way, which takes its time. A queued one cannot be ended; one that
    /// waits for a sync window ends only when the window opens.
    ///
    /// # Errors
    /// Fails when Argo CD refuses or cannot be asked, with [`ArgoFault::NothingToTerminate`] where nothing is under
    /// way.
    pub async fn terminate(&self) -> Result<(), ArgoError> {
        let sent = async {
            let deadline = self.deadline();
            self.project(deadline).await?;
            let call = ArgoRequest {
                method: Method::DELETE,
                path: self.path(&["operation"]),
                query: self.place(),
                body: None,
            };
            self.wire()?.write(deadline, &call).await?;
            Ok(())
        };
        sent.await.map_err(|fault| {
            let name = self.name();
            self.error(
                format!("terminate the operation of application {name:?}"),
                fault,
            )
        })
    }

    async fn post(
        &self,
        verb: &str,
        fields: Vec<(&'static str, Value)>,
    ) -> Result<Application, ArgoFault> {
        let deadline = self.deadline();
        self.project(deadline).await?;
        let place = self.place().into_iter();
        let body: Map<String, Value> = fields
            .into_iter()
            .chain(place.map(|(name, value)| (name, value.into())))
            .map(|(name, value)| (name.to_owned(), value))
            .collect();
        let call = ArgoRequest::post(self.path(&[verb]), &Value::Object(body));
        let answer = self.wire()?.write(deadline, &call).await?;
        self.read_application(&answer)
    }
}
