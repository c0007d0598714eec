//! The GitOps branch: what was deployed when, and what is wrong with it.

use std::collections::BTreeSet;

use error_budget_monitor::policy::{
    Change, CommitDone, Doings, End, FileEdit, Lived, Plan, RollbackMark, Source, Timeline, Witness,
};

use super::counts::moment;

/// How many changes a pass reads: `MAX_REVISIONS_BACK` and five more.
const READ: usize = 8;

/// How long after a rollback the errors of the release end (s).
const ROLLBACK_TAKES: i64 = 120;

/// The content of the watched paths: what each part of it says, as a number that stands for its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Content {
    /// What the service's own team deploys: a place in the list of releases.
    own: usize,
    /// What another team has in a file of its own.
    other: usize,
    /// What another team has in the service's own file, beside it.
    beside: usize,
}

/// Where another team keeps what it changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Others {
    OwnFile,
    SameFile,
}

const OWN_FILE: &str = "apps/service/values.yaml";
const OTHERS_FILE: &str = "apps/service/others.yaml";

#[derive(Debug)]
pub(super) struct Commit {
    pub at: i64,
    pub content: usize,
    pub is_ours: bool,
    change: Change,
}

#[derive(Debug)]
pub(super) struct Branch {
    contents: Vec<Content>,
    /// The flaws of each release of the service's own team, as places in a list that others keep.
    releases: Vec<Vec<usize>>,
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
            releases: Vec::new(),
            commits: Vec::new(),
            rollout: 0,
        };
        for back in (0..READ as i64).rev() {
            let content = branch.released(Vec::new());
            branch.commit(first_at - back * 86_400, content, 0);
        }
        branch
    }

    /// Returns what is deployed, but for another release of the service's own team with these flaws.
    pub(super) fn released(&mut self, flaws: Vec<usize>) -> usize {
        self.releases.push(flaws);
        let own = self.releases.len() - 1;
        let now = self
            .commits
            .last()
            .map(|commit| self.contents[commit.content]);
        let now = now.unwrap_or(Content {
            own,
            other: 0,
            beside: 0,
        });
        self.content(Content { own, ..now })
    }

    /// Returns what is deployed, but for what another team changed.
    pub(super) fn changed_by_others(&mut self, place: Others) -> usize {
        let mut content = self.contents[self.newest().content];
        let changed = match place {
            Others::OwnFile => &mut content.other,
            Others::SameFile => &mut content.beside,
        };
        *changed = self.commits.len();
        self.content(content)
    }

    /// Returns what is deployed, but for the release of the service's own team that an earlier content has.
    pub(super) fn with_release_of(&mut self, earlier: usize) -> usize {
        let own = self.contents[earlier].own;
        let now = self.contents[self.newest().content];
        self.content(Content { own, ..now })
    }

    fn content(&mut self, content: Content) -> usize {
        let known = self.contents.iter().rposition(|known| *known == content);
        known.unwrap_or_else(|| {
            self.contents.push(content);
            self.contents.len() - 1
        })
    }

    /// Returns the flaws of a content.
    pub(super) fn flaws_of(&self, content: usize) -> &[usize] {
        &self.releases[self.contents[content].own]
    }

    pub(super) fn newest(&self) -> &Commit {
        self.commits.last().expect("it began with some")
    }

    /// Returns the flaws of what is deployed.
    pub(super) fn flaws(&self) -> &[usize] {
        self.flaws_of(self.newest().content)
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

    /// Commits our rollback: the files that blamed commits changed are as they were at the target, the others stay.
    pub(super) fn roll_back(&mut self, at: i64, id: &str, plan: &Plan) {
        let target = self.find(&plan.to).expect("it was in the timeline");
        let then = self.contents[self.commits[target].content];
        let content = if plan.keeps.is_empty() {
            then
        } else {
            let files = plan.undone.iter().flat_map(|undone| &undone.files);
            let files: BTreeSet<&str> = files.map(String::as_str).collect();
            let mut content = self.contents[self.newest().content];
            if files.contains(OWN_FILE) {
                (content.own, content.beside) = (then.own, then.beside);
            }
            if files.contains(OTHERS_FILE) {
                content.other = then.other;
            }
            content
        };
        let content = self.content(content);
        self.commit(at, content, ROLLBACK_TAKES);
        let commit = self.commits.last_mut().expect("just added");
        commit.is_ours = true;
        commit.change.rollback = Some(RollbackMark {
            id: id.to_owned(),
            from: plan.from.clone(),
            to: plan.to.clone(),
            keeps: plan.keeps.clone(),
            signature: None,
        });
    }

    /// Tells whether a commit only changed what belongs to another team.
    pub(super) fn is_of_others(&self, index: usize) -> bool {
        let own = |index: usize| self.contents[self.commits[index].content].own;
        index > 0 && own(index) == own(index - 1)
    }

    /// Returns what was done since a target, as the repository tells it.
    pub(super) fn doings(&self, suspect: String, target: String) -> Doings {
        let from = self.find(&target).expect("it was in the timeline");
        let commits = (from + 1..self.commits.len()).rev();
        Doings {
            commits: commits.map(|index| self.done(index, from)).collect(),
            suspect,
            target,
            secrets: BTreeSet::new(),
            unread: None,
        }
    }

    /// Returns what one commit did, and which commits after `from` wrote what it replaced.
    fn done(&self, index: usize, from: usize) -> CommitDone {
        let content = |index: usize| self.contents[self.commits[index].content];
        let (before, after) = (content(index - 1), content(index));
        let edit = |path: &str, old: String, new: String| {
            (old != new).then(|| FileEdit {
                path: path.to_owned(),
                before: Some(old),
                after: Some(new),
            })
        };
        let own_file = |content: Content| format!("{} {}", content.own, content.beside);
        let edits = [
            edit(OWN_FILE, own_file(before), own_file(after)),
            edit(
                OTHERS_FILE,
                before.other.to_string(),
                after.other.to_string(),
            ),
        ];
        let parts: [fn(Content) -> usize; 3] = [|it| it.own, |it| it.other, |it| it.beside];
        let wrote = parts.into_iter().filter_map(|part| {
            let wrote = |index: &usize| part(content(*index)) != part(content(*index - 1));
            (part(before) != part(after)).then(|| (from + 1..index).rev().find(wrote))?
        });
        CommitDone {
            revision: self.revision(index).to_owned(),
            title: self.commits[index].change.subject.clone(),
            author: String::new(),
            overwrites: wrote.map(|older| self.revision(older).to_owned()).collect(),
            files: edits.into_iter().flatten().collect(),
        }
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
            trouble: None,
            beside: None,
            suspicious: Vec::new(),
            tip: changes[0].revision.clone(),
            tip_state: changes[0].state.clone(),
            changes,
            end: End::Enough,
        }
    }
}
