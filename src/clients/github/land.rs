//! Moving a branch to our commit: the only step that others see.

use std::collections::{HashSet, VecDeque};

use super::{Github, WrittenCommit, reference};
use crate::clients::forge::error::{ForgeError, ForgeFault};
use crate::clients::http::Deadline;

/// How many commits are looked at for ours when a branch moved on. Past it the answer is that nobody knows.
const MAX_SEARCHED: usize = 50;

/// What became of a commit that was to land.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Landing {
    /// It is on the branch.
    Landed {
        /// Its id.
        commit: String,
    },
    /// The branch moved first, or is gone; the commit is not on it.
    Moved {
        /// Where it points now.
        tip: Option<String>,
    },
    /// A rule or a missing right forbids it; the branch did not move.
    Refused {
        /// Why, with GitHub's words.
        words: String,
        /// The kinds of rules that hold for the branch, where GitHub says them.
        rules: Vec<String>,
    },
    /// It may have landed, or may land yet. Look before anything is repeated.
    Unknown {
        /// What went wrong.
        why: String,
    },
}

/// Where a commit is that was to land.
enum CommitSighting {
    /// On the branch, at its tip or below.
    Landed,
    /// Not on the branch, which is where it was.
    Unmoved,
    /// Not on the branch, which moved or is gone.
    Moved {
        /// Where it points now.
        tip: Option<String>,
    },
}

impl Github {
    /// Moves a branch from the commit's parent to the commit, without force, and after any doubt looks where it is.
    ///
    /// # Errors
    /// An error means that nothing of ours is on the branch or can come there: GitHub asks to slow down, does not
    /// know the credentials, or cannot be reached. Anything that was perhaps done is [`Landing::Unknown`].
    pub async fn land(&self, branch: &str, written: &WrittenCommit) -> Result<Landing, ForgeError> {
        self.land_within(self.deadline(), branch, written)
            .await
            .map_err(|fault| self.error(format!("move branch {branch:?}"), fault))
    }

    async fn land_within(
        &self,
        deadline: Deadline,
        branch: &str,
        written: &WrittenCommit,
    ) -> Result<Landing, ForgeFault> {
        let wire = self.wire()?;
        let (owner, name) = self.owner_and_name();
        let landed = || Landing::Landed {
            commit: written.commit.clone(),
        };
        let mut doubt: Option<ForgeFault> = None;
        loop {
            let git = wire.crab.git(owner, name);
            let request = git
                .update_ref(&reference(branch), &written.commit)
                .force(false);
            let Err(fault) = wire.write(deadline, request.send()).await else {
                return Ok(landed());
            };
            let is_refused = fault.is_refusal();
            if !is_refused && !fault.is_doubtful() && doubt.is_none() {
                return Err(fault);
            }
            match self.look(deadline, branch, written).await {
                Err(blind) if is_refused && doubt.is_none() => return Err(blind),
                Err(_) => {
                    let why = doubt.unwrap_or(fault).to_string();
                    return Ok(Landing::Unknown { why });
                }
                Ok(CommitSighting::Landed) => return Ok(landed()),
                Ok(CommitSighting::Moved { tip }) => return Ok(Landing::Moved { tip }),
                // A refusal after a doubt may be the doubtful move at work.
                Ok(CommitSighting::Unmoved) if is_refused && doubt.is_none() => {
                    return Ok(Landing::Refused {
                        words: fault.to_string(),
                        rules: self
                            .rules_within(deadline, branch)
                            .await
                            .unwrap_or_default(),
                    });
                }
                Ok(CommitSighting::Unmoved) => {}
            }
            // Not landed yet, which is not the same as never: wait, look again, and send the same commit once more. To
            // land it twice is to land it once.
            if doubt.is_some() || !wire.pause(deadline).await {
                let why = doubt.unwrap_or(fault).to_string();
                return Ok(Landing::Unknown { why });
            }
            match self.look(deadline, branch, written).await {
                Ok(CommitSighting::Landed) => return Ok(landed()),
                Ok(CommitSighting::Moved { tip }) => return Ok(Landing::Moved { tip }),
                Ok(CommitSighting::Unmoved) => doubt = Some(fault),
                Err(_) => {
                    return Ok(Landing::Unknown {
                        why: fault.to_string(),
                    });
                }
            }
        }
    }

    async fn look(
        &self,
        deadline: Deadline,
        branch: &str,
        written: &WrittenCommit,
    ) -> Result<CommitSighting, ForgeFault> {
        let tip = self.tip_within(deadline, branch).await?;
        let Some(at) = &tip else {
            return Ok(CommitSighting::Moved { tip });
        };
        if *at == written.commit {
            return Ok(CommitSighting::Landed);
        }
        if *at == written.parent {
            return Ok(CommitSighting::Unmoved);
        }
        if self.is_below(deadline, at, written).await? {
            Ok(CommitSighting::Landed)
        } else {
            Ok(CommitSighting::Moved { tip })
        }
    }

    /// Tells whether our commit is reachable from a tip, going back no further than to its parent.
    async fn is_below(
        &self,
        deadline: Deadline,
        tip: &str,
        written: &WrittenCommit,
    ) -> Result<bool, ForgeFault> {
        let wire = self.wire()?;
        let (owner, name) = self.owner_and_name();
        let mut open = VecDeque::from([tip.to_owned()]);
        let mut known = HashSet::from([tip.to_owned(), written.parent.clone()]);
        for _ in 0..MAX_SEARCHED {
            let Some(id) = open.pop_front() else {
                return Ok(false);
            };
            if id == written.commit {
                return Ok(true);
            }
            let found = wire
                .read(deadline, async || {
                    wire.crab.git(owner, name).get_commit(&id).await
                })
                .await?;
            let parents = found.parents.into_iter().filter_map(|parent| parent.sha);
            open.extend(parents.filter(|parent| known.insert(parent.clone())));
        }
        Err(ForgeFault::answer(format!(
            "our commit is not among the last {MAX_SEARCHED} of the branch"
        )))
    }
}
