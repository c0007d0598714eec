//! What was deployed when, as the GitOps branch saw it.

use chrono::{DateTime, Utc};

/// One commit on the branch's first-parent line that changed the watched paths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Full commit id.
    pub revision: String,
    /// When it was deployed: as Argo CD remembers it, else the committer time.
    pub deployed_at: DateTime<Utc>,
    /// Identifies the content of the watched paths after this commit; equal states are equal manifests.
    pub state: String,
    /// Present when this program wrote the commit and its content confirms it.
    pub rollback: Option<RollbackMark>,
    /// First line of the message; untrusted text.
    pub subject: String,
}

/// The trailers of a commit that this program wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RollbackMark {
    /// `Error-Budget-Rollback`: the rollback's id.
    pub id: String,
    /// `Rolls-Back`: the bad revision.
    pub from: String,
    /// `Restores`: the revision whose content came back.
    pub to: String,
    /// `Keeps`: later changes that stayed as they were.
    pub keeps: Vec<String>,
}

/// Where the walk towards older commits ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// At the commit without parents: there is nothing older.
    Root,
    /// Because enough changes were found; older ones exist or may exist.
    Enough,
    /// At the depth that may be fetched; what lies beyond is unknown.
    DepthLimit,
}

/// Who knows when something was deployed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The commits of the branch.
    Git,
    /// Argo CD's history.
    Argocd,
}

/// The changes of the watched paths, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timeline {
    /// Commit at the tip of the branch when it was read.
    pub tip: String,
    /// State of the watched paths at the tip.
    pub tip_state: String,
    /// Newest first. Where the walk reached the commit that introduced the paths, it is the last one.
    pub changes: Vec<Change>,
    /// Why there are no more.
    pub end: End,
    /// Who knows when they were deployed.
    pub source: Source,
    /// Why it is not settled what is live, where it is not: something is being deployed, or the branch and Argo CD disagree.
    pub unsettled: Option<String>,
}

/// What is known of the branch when deciding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BranchReading {
    /// No GitOps repository is configured.
    NotConfigured,
    /// Nothing burns, so the repository was not asked.
    NotAsked,
    /// The branch was read.
    Known(Timeline),
}

impl BranchReading {
    /// Returns the timeline when the branch was read.
    pub fn timeline(&self) -> Option<&Timeline> {
        match self {
            Self::Known(timeline) => Some(timeline),
            Self::NotConfigured | Self::NotAsked => None,
        }
    }
}
