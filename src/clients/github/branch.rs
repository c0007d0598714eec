//! Branches: where they point, what holds for them, making and removing our own.

use std::collections::BTreeSet;
use std::time::Duration;

use octocrab::models::repos::{Object, Ref};
use octocrab::params::repos::Reference;

use super::{Github, encoded, reference};
use crate::clients::forge::error::{ForgeError, ForgeFault};
use crate::clients::http::{Deadline, quote};

/// Total time of the question for a branch's rules. They only explain what has already happened; without an answer the
/// explanation is missing.
const RULES_TIMEOUT: Duration = Duration::from_secs(5);

/// What became of a branch that was to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Created {
    /// It is there and points to the commit, from now or from before.
    There,
    /// It is there and points elsewhere; it is not ours.
    Taken {
        /// The commit it points to.
        at: String,
    },
    /// A rule or a missing right forbids it, or a branch whose name begins this one. It is not there.
    Refused {
        /// Why, with GitHub's words.
        words: String,
    },
}

/// What became of a branch that was to be removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deleted {
    /// It is not there, from now or from before.
    Gone,
    /// It points elsewhere than to our commit: somebody worked on it, and it stays.
    NotOurs {
        /// The commit it points to.
        at: String,
    },
    /// A rule or a missing right forbids it.
    Refused {
        /// Why, with GitHub's words.
        words: String,
    },
}

impl Github {
    /// Returns the commit that a branch points to; nothing when it is not there, or when it may not be seen.
    ///
    /// # Errors
    /// Fails when GitHub does not answer in time or refuses.
    pub async fn tip(&self, branch: &str) -> Result<Option<String>, ForgeError> {
        self.tip_within(self.deadline(), branch)
            .await
            .map_err(|fault| self.error(format!("read branch {branch:?}"), fault))
    }

    /// Makes a branch that points to a commit, and leaves one alone that is there already.
    ///
    /// # Errors
    /// Fails when it cannot be known whether the branch is there, or when GitHub cannot be asked.
    pub async fn create_branch(&self, branch: &str, commit: &str) -> Result<Created, ForgeError> {
        self.create_within(self.deadline(), branch, commit)
            .await
            .map_err(|fault| self.error(format!("create branch {branch:?}"), fault))
    }

    /// Removes a branch while it points to our commit. GitHub offers no comparison in the same request, so a commit
    /// that somebody adds between the look and the removal goes with the branch, and stays in its pull request.
    ///
    /// # Errors
    /// Fails when it cannot be known whether the branch is there, or when GitHub cannot be asked.
    pub async fn delete_branch(&self, branch: &str, commit: &str) -> Result<Deleted, ForgeError> {
        self.delete_within(self.deadline(), branch, commit)
            .await
            .map_err(|fault| self.error(format!("delete branch {branch:?}"), fault))
    }

    pub(super) async fn tip_within(
        &self,
        deadline: Deadline,
        branch: &str,
    ) -> Result<Option<String>, ForgeFault> {
        let wire = self.wire()?;
        let (owner, name) = self.owner_and_name();
        let at = reference(branch);
        let asked = wire
            .read(deadline, async || {
                wire.crab.git(owner, name).get_ref(&at).await
            })
            .await;
        match asked {
            Ok(found) => commit_of(&found, branch).map(Some),
            Err(ForgeFault::NotFound { .. }) => Ok(None),
            Err(fault) => Err(fault),
        }
    }

    pub(super) async fn rules_within(
        &self,
        deadline: Deadline,
        branch: &str,
    ) -> Result<Vec<String>, ForgeFault> {
        let wire = self.wire()?;
        let (owner, name) = self.owner_and_name();
        let rules = wire
            .read(deadline.at_most(RULES_TIMEOUT), async || {
                let repos = wire.crab.repos(owner, name);
                let rules = repos.rulesets().rules_for_branch(encoded(branch));
                rules.send().await
            })
            .await?;
        let kinds: BTreeSet<String> = rules
            .into_iter()
            .map(|rule| quote(rule.rule_type.as_bytes()))
            .collect();
        Ok(kinds.into_iter().collect())
    }

    async fn create_within(
        &self,
        deadline: Deadline,
        branch: &str,
        commit: &str,
    ) -> Result<Created, ForgeFault> {
        let wire = self.wire()?;
        let (owner, name) = self.owner_and_name();
        let new = Reference::Branch(branch.to_owned());
        let mut last: Option<ForgeFault> = None;
        for _ in 0..2 {
            match (self.tip_within(deadline, branch).await?, last) {
                (Some(at), _) => return Ok(taken_or_there(at, commit)),
                (None, None) => {}
                // It may come late: what is sent once more then only finds it there.
                (None, Some(fault)) => {
                    if !wire.pause(deadline).await {
                        return Err(fault);
                    }
                    if let Some(at) = self.tip_within(deadline, branch).await? {
                        return Ok(taken_or_there(at, commit));
                    }
                }
            }
            let sent = wire
                .write(
                    deadline,
                    wire.crab.git(owner, name).create_ref(&new, commit),
                )
                .await;
            let Err(fault) = sent else {
                return Ok(Created::There);
            };
            if fault.is_refusal() {
                return Ok(match self.tip_within(deadline, branch).await? {
                    Some(at) => taken_or_there(at, commit),
                    None => Created::Refused {
                        words: fault.to_string(),
                    },
                });
            }
            if !fault.is_doubtful() {
                return Err(fault);
            }
            last = Some(fault);
        }
        match (self.tip_within(deadline, branch).await?, last) {
            (Some(at), _) => Ok(taken_or_there(at, commit)),
            (None, Some(fault)) => Err(fault),
            (None, None) => Err(ForgeFault::answer("the branch went away again")),
        }
    }

    async fn delete_within(
        &self,
        deadline: Deadline,
        branch: &str,
        commit: &str,
    ) -> Result<Deleted, ForgeFault> {
        let wire = self.wire()?;
        let (owner, name) = self.owner_and_name();
        let at = reference(branch);
        let mut last = None;
        for _ in 0..2 {
            match self.tip_within(deadline, branch).await? {
                None => return Ok(Deleted::Gone),
                Some(at) if at != commit => return Ok(Deleted::NotOurs { at }),
                Some(_) => {}
            }
            let sent = wire
                .write(deadline, wire.crab.git(owner, name).delete_ref(&at))
                .await;
            match sent {
                Ok(()) => return Ok(Deleted::Gone),
                Err(fault) if fault.is_doubtful() => last = Some(fault),
                Err(fault) if fault.is_refusal() => {
                    // A 422 says that it is not there, too.
                    return Ok(match self.tip_within(deadline, branch).await? {
                        None => Deleted::Gone,
                        Some(_) => Deleted::Refused {
                            words: fault.to_string(),
                        },
                    });
                }
                Err(fault) => return Err(fault),
            }
        }
        match (self.tip_within(deadline, branch).await?, last) {
            (None, _) | (Some(_), None) => Ok(Deleted::Gone),
            (Some(_), Some(fault)) => Err(fault),
        }
    }
}

fn taken_or_there(at: String, commit: &str) -> Created {
    if at == commit {
        Created::There
    } else {
        Created::Taken { at }
    }
}

/// Returns the commit that an answer says a branch points to, if it is about that branch.
fn commit_of(found: &Ref, branch: &str) -> Result<String, ForgeFault> {
    if let Object::Commit { sha, .. } = &found.object
        && found.ref_field == format!("refs/heads/{branch}")
    {
        return Ok(sha.clone());
    }
    Err(ForgeFault::answer("it is about another branch"))
}
