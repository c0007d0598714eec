//! How a run ended for one service, and the few things that end it.

use crate::clients::git::GitError;
use crate::exit::Exit;
use crate::journal::JournalError;
use crate::policy::Suspicious;
use crate::record::Record;

/// How a run ended for one service.
#[derive(Debug, Clone)]
pub(crate) struct Ended {
    /// The exit code.
    pub(crate) exit: Exit,
    /// The decision record; nothing where nothing was looked at.
    pub(crate) record: Option<Box<Record>>,
    /// One sentence for a person, where something is wrong.
    pub(crate) complaint: Option<String>,
    /// Whether what was rolled back stays away, as far as this run looked.
    pub(crate) holds: Holds,
    /// Commits on the branch that carry our trailers and are not believed.
    pub(crate) suspicious: Vec<Suspicious>,
    /// Whether people hear of what holds it back from another service.
    pub(crate) is_told_of_another: bool,
}

/// Whether what was rolled back stays away.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Holds {
    /// Nobody looked.
    #[default]
    NotLookedAt,
    /// It does.
    Kept,
    /// It was committed again.
    Violated(Back),
}

/// What was rolled back and was committed again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Back {
    /// The commit that brings it back.
    pub(crate) revision: String,
    /// The rollback that put it on hold.
    pub(crate) rollback: String,
}

/// Why something outside could not be reached.
pub(crate) struct Unavailable {
    /// What: `git` or `argocd`.
    pub(crate) source: &'static str,
    /// Why, as a sentence.
    pub(crate) why: String,
}

impl From<GitError> for Unavailable {
    fn from(error: GitError) -> Self {
        Self {
            source: "git",
            why: error.to_string(),
        }
    }
}

impl Ended {
    pub(crate) fn with(exit: Exit, record: Record) -> Self {
        Self {
            exit,
            record: Some(Box::new(record)),
            complaint: None,
            holds: Holds::NotLookedAt,
            suspicious: Vec::new(),
            is_told_of_another: false,
        }
    }

    /// Ends without having looked at anything.
    pub(crate) fn only(exit: Exit, complaint: impl Into<String>) -> Self {
        Self {
            exit,
            record: None,
            complaint: Some(complaint.into()),
            holds: Holds::NotLookedAt,
            suspicious: Vec::new(),
            is_told_of_another: false,
        }
    }

    /// Ends a run whose state cannot be used.
    pub(crate) fn without_state(error: &JournalError) -> Self {
        let exit = match error {
            JournalError::Locked { .. }
            | JournalError::Held { .. }
            | JournalError::TakenOver { .. } => Exit::TryAgain,
            JournalError::Object {
                is_transient: true, ..
            } => Exit::Unavailable,
            JournalError::Object {
                is_transient: false,
                ..
            } => Exit::Configuration,
            JournalError::Lock { .. }
            | JournalError::Folder { .. }
            | JournalError::Read { .. }
            | JournalError::Newer { .. } => Exit::Configuration,
            JournalError::Write { .. } => Exit::PersonNeeded,
        };
        Self::only(exit, error.to_string())
    }

    /// Ends with what a decision says while it holds; `exit` is that of the command for this.
    pub(crate) fn held(record: Record, exit: Exit) -> Self {
        let complaint =
            (exit != Exit::Complete).then(|| format!("held: {}", record.decision.detail));
        let ended = Self::with(exit, record);
        match complaint {
            Some(complaint) => ended.complaining(complaint),
            None => ended,
        }
    }

    /// Ends because something outside could not be asked, before anything was touched.
    pub(crate) fn unavailable(record: Record, source: &str, why: String) -> Self {
        let record = record
            .holding(crate::policy::Reason::UnknownData, why.clone())
            .not_knowing(source, why.clone());
        Self::with(Exit::Unavailable, record).complaining(why)
    }

    /// Adds what the commit of a rollback changes to the record.
    pub(crate) fn with_diff(mut self, diff: Option<String>) -> Self {
        self.record = self.record.map(|record| Box::new(record.with_diff(diff)));
        self
    }

    pub(crate) fn complaining(mut self, complaint: impl Into<String>) -> Self {
        self.complaint = Some(complaint.into());
        self
    }
}
