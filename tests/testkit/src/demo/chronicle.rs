//! What Argo CD did with an application, in words.

use std::fmt::Write as _;

use crate::argocd::{Application, Initiator, OperationKind, OperationRecord, SyncCode, World};
use crate::git::Release;

/// How many digits of a commit id are told.
const SHORT: usize = 10;

/// Tells of one application that deploys one service.
#[derive(Debug)]
pub struct Chronicle {
    app: String,
    manifest: String,
    begun: usize,
    ended: usize,
    sync: SyncCode,
}

impl Chronicle {
    /// Begins a chronicle; `manifest` is the path of the file that names the version of the service.
    pub fn new(app: &str, manifest: &str) -> Self {
        Self {
            app: app.to_owned(),
            manifest: manifest.to_owned(),
            begun: 0,
            ended: 0,
            sync: SyncCode::Unknown,
        }
    }

    /// Returns how it stands at the beginning; nothing of that is news any more.
    pub fn opening(&mut self, world: &World) -> String {
        self.news(world);
        let app = world.app(&self.app);
        format!(
            "{} runs, {:?} and {:?}; auto-sync is {}.",
            self.running(world),
            app.status.sync.status,
            app.status.health.status,
            auto_sync(app)
        )
    }

    /// Returns a sentence for everything that happened since the last call: operations that were asked for,
    /// operations that ended, another sync status.
    pub fn news(&mut self, world: &World) -> Vec<String> {
        let mut sentences = Vec::new();
        let operations = self.records(world);
        for record in operations.iter().skip(self.begun) {
            sentences.push(self.beginning(world, record));
        }
        let over: Vec<_> = operations
            .iter()
            .filter(|record| record.ended_at.is_some())
            .collect();
        for record in over.iter().skip(self.ended) {
            sentences.push(self.end(world, record));
        }
        let sync = world.app(&self.app).status.sync.status;
        if sync != self.sync {
            sentences.push(self.comparison(world));
        }
        (self.begun, self.ended, self.sync) = (operations.len(), over.len(), sync);
        sentences
    }

    /// Returns a line for each operation so far: what it was, who asked, how it is.
    pub fn operations(&self, world: &World) -> String {
        let mut text = String::new();
        for record in self.records(world) {
            let phase = record
                .phase
                .map_or("queued".to_owned(), |phase| format!("{phase:?}"));
            let (kind, what) = (kind(record), self.revisions(world, record));
            let who = who(&record.initiated_by);
            let _ = writeln!(text, "{kind} to {what}, asked for by {who}: {phase}");
        }
        text
    }

    /// Returns a line for each deployment that Argo CD remembers, the oldest first.
    pub fn history(&self, world: &World) -> String {
        let mut text = String::new();
        for entry in &world.app(&self.app).status.history {
            let what = self.named(world, &entry.revision);
            let at = entry.deployed_at.format("%Y-%m-%d %H:%M:%S UTC");
            let who = who(&entry.initiated_by);
            let _ = writeln!(text, "{} {what} at {at}, asked for by {who}", entry.id);
        }
        text
    }

    /// Returns how the application is now, a word on each line.
    pub fn status(&self, world: &World) -> String {
        let app = world.app(&self.app);
        let dropped = world.dropped_fields();
        let dropped = if dropped.is_empty() {
            "none".to_owned()
        } else {
            dropped.join(" ")
        };
        format!(
            "sync {:?}\nhealth {:?}\nauto-sync {}\nruns {}\nunknown-fields {dropped}\n",
            app.status.sync.status,
            app.status.health.status,
            auto_sync(app),
            self.running(world),
        )
    }

    fn records<'a>(&self, world: &'a World) -> Vec<&'a OperationRecord> {
        let records = world.operations().iter();
        records.filter(|record| record.app == self.app).collect()
    }

    fn beginning(&self, world: &World, record: &OperationRecord) -> String {
        let (who, kind) = (who(&record.initiated_by), kind(record));
        let what = self.revisions(world, record);
        if record.initiated_by.automated {
            format!("auto-sync begins to deploy {what}.")
        } else {
            format!("{who} asks for a {kind} to {what}.")
        }
    }

    fn end(&self, world: &World, record: &OperationRecord) -> String {
        let phase = record.phase.expect("it ended");
        let (kind, what) = (kind(record), self.revisions(world, record));
        format!("the {kind} to {what} has ended: {phase:?}.")
    }

    fn comparison(&self, world: &World) -> String {
        let status = &world.app(&self.app).status.sync;
        let wanted = self.version(world, &status.revision);
        let runs = self.running(world);
        format!("{:?}: git says {wanted}, {runs} runs.", status.status)
    }

    fn revisions(&self, world: &World, record: &OperationRecord) -> String {
        let named = record.revisions.iter();
        let named: Vec<_> = named.map(|revision| self.named(world, revision)).collect();
        named.join(", ")
    }

    /// Returns a revision as people know it: the version and the beginning of the commit id.
    fn named(&self, world: &World, revision: &str) -> String {
        let short = revision.get(..SHORT).unwrap_or(revision);
        format!("{} ({short})", self.version(world, revision))
    }

    fn version(&self, world: &World, revision: &str) -> String {
        if revision.is_empty() {
            return "unknown".to_owned();
        }
        let text = world.repository.repo.file_at(revision, &self.manifest);
        version(text.as_deref())
    }

    fn running(&self, world: &World) -> String {
        version(world.app(&self.app).live_text(&self.manifest))
    }
}

fn version(manifest: Option<&str>) -> String {
    let release = manifest.and_then(Release::read);
    release.map_or("nothing".to_owned(), |release| release.version)
}

fn auto_sync(app: &Application) -> &'static str {
    if app.is_auto_synced() { "on" } else { "off" }
}

fn who(initiator: &Initiator) -> &str {
    if initiator.automated {
        "auto-sync"
    } else {
        &initiator.username
    }
}

fn kind(record: &OperationRecord) -> &'static str {
    match (record.is_dry_run, record.kind) {
        (true, _) => "dry run",
        (false, OperationKind::Rollback) => "rollback",
        (false, OperationKind::Sync | OperationKind::AutoSync) => "sync",
        (false, OperationKind::SelfHeal) => "repair",
    }
}
