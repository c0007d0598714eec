//! Pushes one commit without force.

use std::cell::{Cell, RefCell};

use git2::{Oid, PushOptions, RemoteCallbacks};
use tokio::time::Instant;

use super::error::{GitError, GitFault, status_text};
use super::{Snapshot, library};

/// Longest text of the server that is kept from a push.
const MAX_SIDEBAND: usize = 8 * 1024;

/// How a push ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Push {
    /// The branch now points to the commit.
    Accepted,
    /// The branch moved first, or a rule or a missing right forbids it. Nothing landed.
    Refused {
        /// Why, with the server's words where it has any.
        words: String,
    },
}

/// Where the server says that the branch is, before anything is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Branch {
    AtOurTip,
    AtOurCommit,
    Elsewhere,
    Gone,
}

/// What the server says about a reference: nothing when it took it, else why not.
type Status = Option<String>;

impl Snapshot {
    /// Pushes a commit of the scratch repository to the branch, without force: it is sent only while the branch is where
    /// the draft found it, and the server takes it only then.
    ///
    /// # Errors
    /// After an error the commit may have landed, or may land later: read the branch before anything is repeated.
    pub fn push(&self, commit: &str) -> Result<Push, GitError> {
        self.push_inner(commit)
            .map_err(|fault| self.git.error("push to the branch", fault))
    }

    fn push_inner(&self, commit: &str) -> Result<Push, GitFault> {
        let (tip, commit) = self.builds_on_tip(commit)?;
        let reference = format!("refs/heads/{}", self.git.settings.branch);
        let answers: RefCell<Vec<Status>> = RefCell::default();
        let sideband: RefCell<Vec<u8>> = RefCell::default();
        let found = Cell::new(None);
        let session = self
            .git
            .session(Instant::now() + self.git.settings.timeout)?;
        let pushed = {
            let mut remote = self
                .repo
                .remote_anonymous(&session.url())
                .map_err(library)?;
            let mut callbacks = RemoteCallbacks::new();
            // Without this look libgit2 would create a branch that is gone, and would push forward one that somebody
            // put back to an older commit.
            callbacks.push_negotiation(|updates| {
                let branch = match updates {
                    [update] if update.src() == tip => Branch::AtOurTip,
                    [update] if update.src() == commit => Branch::AtOurCommit,
                    [update] if update.src() == Oid::ZERO_SHA1 => Branch::Gone,
                    _ => Branch::Elsewhere,
                };
                found.set(Some(branch));
                match branch {
                    Branch::AtOurTip => Ok(()),
                    Branch::AtOurCommit | Branch::Elsewhere | Branch::Gone => Err(
                        git2::Error::from_str("the branch is not at the tip that was read"),
                    ),
                }
            });
            callbacks.push_update_reference(|name, status| {
                if name == reference {
                    answers.borrow_mut().push(status.map(str::to_owned));
                }
                Ok(())
            });
            callbacks.sideband_progress(|text| {
                let mut kept = sideband.borrow_mut();
                let room = MAX_SIDEBAND.saturating_sub(kept.len());
                kept.extend_from_slice(&text[..text.len().min(room)]);
                true
            });
            let mut options = PushOptions::new();
            options
                .remote_callbacks(callbacks)
                .packbuilder_parallelism(1);
            remote.push(&[format!("{commit}:{reference}")], Some(&mut options))
        };
        match found.get() {
            Some(Branch::AtOurCommit) => return Ok(Push::Accepted),
            Some(Branch::Elsewhere) => return Ok(refused("the branch moved first")),
            Some(Branch::Gone) => return Ok(refused("the branch is not there any more")),
            Some(Branch::AtOurTip) | None => {}
        }
        match pushed {
            // libgit2 says Ok although the server refused the reference; only its answer for it tells.
            Ok(()) => self.answer(&answers.into_inner(), &sideband.into_inner()),
            Err(error) => match session.take_fault() {
                // These come before git looks at anything, and asking again does not help.
                Some(GitFault::Status(status @ (401 | 403 | 404))) => {
                    Ok(refused(&status_text(status)))
                }
                Some(fault) => Err(fault),
                None => Err(library(error)),
            },
        }
    }

    /// Returns the tip and a commit that has it as its only parent; only such a commit is ever sent.
    fn builds_on_tip(&self, commit: &str) -> Result<(Oid, Oid), GitFault> {
        self.find(commit)
            .and_then(|commit| match commit.parent_ids().collect::<Vec<_>>()[..] {
                [parent] if parent.to_string() == self.tip => Some((parent, commit.id())),
                _ => None,
            })
            .ok_or_else(|| GitFault::Refused {
                why: format!("{commit:?} is not a commit on top of {}", self.tip),
            })
    }

    fn answer(&self, answers: &[Status], sideband: &[u8]) -> Result<Push, GitFault> {
        let client = self.git.client()?;
        match answers {
            [None] => Ok(Push::Accepted),
            [Some(status)] => {
                let status = client.quote(status.as_bytes());
                let said = client.quote(&without_progress(sideband));
                Ok(Push::Refused {
                    words: if said.is_empty() {
                        status
                    } else {
                        format!("{status}: {said}")
                    },
                })
            }
            _ => Err(GitFault::Library(
                "the server did not say what became of the branch".to_owned(),
            )),
        }
    }
}

fn refused(words: &str) -> Push {
    Push::Refused {
        words: words.to_owned(),
    }
}

/// Leaves out the lines that a server writes over and over with carriage returns, so that its last words find room.
fn without_progress(sideband: &[u8]) -> Vec<u8> {
    sideband
        .split(|byte| *byte == b'\n')
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
        .filter(|line| !line.contains(&b'\r'))
        .collect::<Vec<_>>()
        .join(&b'\n')
}
