//! The GitOps branch: what was deployed when, and what is wrong with it.

use error_budget_monitor::policy::{Change, End, Lived, RollbackMark, Source, Timeline, Witness};

use super::counts::moment;

/// How many changes a pass reads: `MAX_REVISIONS_BACK` and five more.
const READ: usize = 8;

/// How long after a rollback the errors of the release end (s).
const ROLLBACK_TAKES: i64 = 120;

/// The content of the watched paths: the flaws in it, as places in a list that others keep.
#[derive(Debug, Clone)]
pub(super) struct Content {
    pub flaws: Vec<usize>,
}

#[derive(Debug)]
pub(super) struct Commit {
    pub at: i64,
    pub content: usize,
    pub is_ours: bool,
    change: Change,
}

#[derive(Debug)]
pub(super) struct Branch {
    pub contents: Vec<Content>,
    /// Oldest first.
    pub commits: Vec<Commit>,
    /// How long the newest commit takes to serve everybody (s).
    rollout: i64,
}

impl Branch {
    /// Begins with a few good releases, a day apart.
    pub(super) fn new(first_at: i64) -> Self {
        let mut branch = Self {
            contents: Vec::new(),
            commits: Vec::new(),
            rollout: 0,
        };
        for back in (0..READ as i64).rev() {
            let content = branch.content(Vec::new());
            branch.commit(first_at - back * 86_400, content, 0);
        }
        branch
    }

    pub(super) fn content(&mut self, flaws: Vec<usize>) -> usize {
        self.contents.push(Content { flaws });
        self.contents.len() - 1
    }

    pub(super) fn newest(&self) -> &Commit {
        self.commits.last().expect("it began with some")
    }

    /// Returns the flaws of what is deployed.
    pub(super) fn flaws(&self) -> &[usize] {
        &self.contents[self.newest().content].flaws
    }

    /// Finds a commit by its id.
    pub(super) fn find(&self, revision: &str) -> Option<usize> {
        let is_it = |commit: &Commit| commit.change.revision == revision;
        self.commits.iter().rposition(is_it)
    }

    pub(super) fn revision(&self, index: usize) -> &str {
        &self.commits[index].change.revision
    }

    pub(super) fn state(&self, content: usize) -> String {
        format!("{:040x}", 0x5_0000_0000_u64 + content as u64)
    }

    pub(super) fn commit(&mut self, at: i64, content: usize, rollout: i64) {
        let number = self.commits.len();
        self.commits.push(Commit {
            at,
            content,
            is_ours: false,
            change: Change {
                revision: format!("{number:08x}{:032x}", 0),
                deployed_at: moment(at),
                not_before: Some(moment(at)),
                lived: Lived::Yes,
                state: self.state(content),
                rollback: None,
                subject: format!("release {number}"),
            },
        });
        self.rollout = rollout;
    }

    /// Commits our rollback to an earlier commit.
    pub(super) fn roll_back(&mut self, at: i64, id: &str, from: &str, to: usize) {
        let restored = self.revision(to).to_owned();
        self.commit(at, self.commits[to].content, ROLLBACK_TAKES);
        let commit = self.commits.last_mut().expect("just added");
        commit.is_ours = true;
        commit.change.rollback = Some(RollbackMark {
            id: id.to_owned(),
            from: from.to_owned(),
            to: restored,
            keeps: Vec::new(),
        });
    }

    /// Returns what serves at a time, as contents with their shares.
    pub(super) fn serving(&self, at: i64) -> [(usize, f64); 2] {
        let [.., before, newest] = &self.commits[..] else {
            return [(0, 1.0), (0, 0.0)];
        };
        let since = (at - newest.at).max(0) as f64;
        let share = if newest.is_ours {
            f64::from(u8::from(since >= ROLLBACK_TAKES as f64))
        } else if self.rollout == 0 {
            1.0
        } else {
            (since / self.rollout as f64).min(1.0)
        };
        [(newest.content, share), (before.content, 1.0 - share)]
    }

    pub(super) fn timeline(&self) -> Timeline {
        let newest_first = self.commits.iter().rev().take(READ);
        let changes: Vec<Change> = newest_first.map(|commit| commit.change.clone()).collect();
        Timeline {
            source: Source::Git,
            witness: Witness::CommitDate,
            unsettled: None,
            tip: changes[0].revision.clone(),
            tip_state: changes[0].state.clone(),
            changes,
            end: End::Enough,
        }
    }
}
