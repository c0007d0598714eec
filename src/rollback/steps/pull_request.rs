//! A rollback as a pull request: opened once, followed until it is merged, closed, overtaken or too old.

use chrono::{DateTime, Utc};

use super::proposal::{Proposed, PullStanding, is_gone, propose, stands, withdraw};
use crate::clients::forge::{Forge, NewPull, Pull, PullState};
use crate::clients::git::{Git, GitError, Snapshot};
use crate::journal::{ClosingReason, Event, Proposal, StepKind, StepState, now};
use crate::notify::{expired, overtaken, pull_request};
use crate::observe::{self, BRANCHES};
use crate::rollback::execution::Execution;

impl Execution<'_> {
    /// Opens the pull request, or finds it. `because` is why it stands in for a push. Returns why the outside could
    /// not be reached.
    pub(crate) async fn propose(
        &mut self,
        git: &Git,
        forge: &Forge,
        snapshot: Option<Snapshot>,
        because: Option<String>,
    ) -> Option<GitError> {
        let branch = format!("{BRANCHES}{}", self.rollback.id);
        self.rollback.proposal.get_or_insert_with(|| Proposal {
            branch: branch.clone(),
            number: None,
            url: None,
            closing: None,
        });
        let about = match &because {
            Some(why) => format!("a pull request from {branch} is opened instead: {why}"),
            None => format!("a pull request from {branch} is opened"),
        };
        if !self.intends_to_send(about) {
            return None;
        }
        let (title, body) = pull_request(&self.rollback.message, self.waits_until());
        let new = NewPull {
            branch,
            base: git.branch().to_owned(),
            title,
            body,
        };
        match propose(git, forge, &self.work(), snapshot, &new).await {
            Proposed::There(pull) => self.proposed(&pull),
            Proposed::Landed { commit } => {
                // When it landed is not known; it was not before it was begun.
                let begun_at = self.rollback.begun_at;
                self.landed(git, commit, None, begun_at);
            }
            Proposed::MovedOn { why } => self.fails(Event::MovedOn, why),
            Proposed::Refused { why } => {
                let why = match because {
                    Some(first) => format!("{first}; and no pull request could be opened: {why}"),
                    None => why,
                };
                self.fails(Event::Refused, why);
            }
            Proposed::Unreachable(error) => return Some(self.waits_for_git(error)),
        }
        None
    }

    /// Notes that the pull request is there.
    fn proposed(&mut self, pull: &Pull) {
        self.rollback.proposal = Some(Proposal {
            branch: pull.branch.clone(),
            number: Some(pull.number),
            url: pull.url.clone(),
            closing: None,
        });
        let detail = self.waiting(pull);
        self.ends(
            StepKind::GitopsRevert,
            StepState::Pending,
            Event::Proposed,
            detail,
        );
    }

    /// Looks for the pull request that an earlier run may have opened, and follows it. Returns whether there is one.
    ///
    /// # Errors
    /// Says why the forge or the branch could not be reached.
    pub(crate) async fn find_and_follow(
        &mut self,
        git: &Git,
        forge: &Forge,
    ) -> Result<bool, GitError> {
        let Some(proposal) = &self.rollback.proposal else {
            return Ok(false);
        };
        let found = match forge.find_pull(&proposal.branch).await {
            Ok(found) => found,
            Err(error) => {
                return Err(self.waits_for_git(git.forge_error("find the pull request", error)));
            }
        };
        let Some(pull) = found else { return Ok(false) };
        self.proposed(&pull);
        self.go_by(git, forge, pull).await?;
        Ok(true)
    }

    /// Looks what became of the pull request.
    ///
    /// # Errors
    /// Says why the forge or the branch could not be reached.
    pub(crate) async fn follow(&mut self, git: &Git, forge: &Forge) -> Result<(), GitError> {
        let number = self.rollback.proposal.as_ref().and_then(|it| it.number);
        let Some(number) = number else {
            return self.find_and_follow(git, forge).await.map(drop);
        };
        match forge.pull(number).await {
            Ok(pull) => self.go_by(git, forge, pull).await,
            Err(error) => Err(self.waits_for_git(git.forge_error("read the pull request", error))),
        }
    }

    async fn go_by(&mut self, git: &Git, forge: &Forge, pull: Pull) -> Result<(), GitError> {
        let back = self.service.config.policy.max_revisions_back;
        let tip = self.rollback.tip.clone();
        let standing = match observe::branch_back_to(git, back, &tip).await {
            Ok(snapshot) => stands(&pull, &self.work(), &self.rollback.to_state, &snapshot),
            Err(error) if is_gone(&error) => PullStanding::MovedOn {
                why: error.to_string(),
            },
            Err(error) => return Err(self.waits_for_git(error)),
        };
        match standing {
            PullStanding::Merged { commit } => {
                let merged_at = match pull.state {
                    PullState::Merged { at, .. } => at,
                    PullState::Open | PullState::Closed => now(),
                };
                self.landed(git, commit, None, merged_at);
            }
            PullStanding::Closed => self.was_closed(&pull),
            PullStanding::MovedOn { why } => {
                if !self.closes(ClosingReason::Overtaken) {
                    return Ok(());
                }
                if self.withdraws(git, forge, &pull, &overtaken(&why)).await? {
                    self.fails(Event::MovedOn, why);
                }
            }
            PullStanding::Waits if self.waits_until() <= Utc::now() => {
                if !self.closes(ClosingReason::Expired) {
                    return Ok(());
                }
                if self.withdraws(git, forge, &pull, &expired()).await? {
                    self.fails(Event::Expired, not_merged(pull.number));
                }
            }
            PullStanding::Waits => {
                let detail = self.waiting(&pull);
                self.waits(StepKind::GitopsRevert, detail);
            }
        }
        Ok(())
    }

    /// Ends a rollback whose pull request is closed: by a person, or by a run that died before it could say so.
    fn was_closed(&mut self, pull: &Pull) {
        let number = pull.number;
        let closing = self.rollback.proposal.as_ref().and_then(|it| it.closing);
        match closing {
            None => self.fails(
                Event::Rejected,
                format!("a person closed pull request {number}"),
            ),
            Some(ClosingReason::Expired) => self.fails(Event::Expired, not_merged(number)),
            Some(ClosingReason::Overtaken) => self.fails(
                Event::MovedOn,
                format!("pull request {number} was closed because it was overtaken"),
            ),
        }
    }

    /// Writes down why the pull request is about to be closed. Returns false where that cannot be written: then it
    /// stays open.
    fn closes(&mut self, why: ClosingReason) -> bool {
        if let Some(proposal) = &mut self.rollback.proposal {
            proposal.closing = Some(why);
        }
        self.intends_to_send("the pull request is closed".to_owned())
    }

    /// Writes down what is about to be sent. Returns false where that cannot be written: then it must not be sent.
    fn intends_to_send(&mut self, what: String) -> bool {
        let written = self.intends(StepKind::GitopsRevert, what);
        if let Err(error) = &written {
            self.is_in_trouble(format!(
                "{error}; nothing was sent, and the next run goes on"
            ));
        }
        written.is_ok()
    }

    /// Closes the pull request; one that was merged at the last moment is looked at again by the next run.
    async fn withdraws(
        &mut self,
        git: &Git,
        forge: &Forge,
        pull: &Pull,
        comment: &str,
    ) -> Result<bool, GitError> {
        match withdraw(git, forge, pull, comment).await {
            Ok(true) => Ok(true),
            Ok(false) => {
                let detail = format!("pull request {} was merged just now", pull.number);
                self.waits(StepKind::GitopsRevert, detail);
                Ok(false)
            }
            Err(error) => Err(self.waits_for_git(error)),
        }
    }

    fn waits_until(&self) -> DateTime<Utc> {
        self.rollback.begun_at + self.service.config.run.approval_timeout
    }

    fn waiting(&self, pull: &Pull) -> String {
        let url = pull
            .url
            .as_ref()
            .map(|url| format!(" ({url})"))
            .unwrap_or_default();
        format!(
            "pull request {}{url} waits to be merged until {}",
            pull.number,
            self.waits_until().format("%Y-%m-%d %H:%M UTC")
        )
    }

    fn fails(&mut self, event: Event, why: String) {
        let (event, why) = self.told_where_half_is_done(event, why);
        self.ends(StepKind::GitopsRevert, StepState::Failed, event, why);
    }
}

fn not_merged(number: u64) -> String {
    format!("nobody merged pull request {number} within APPROVAL_TIMEOUT")
}
