//! Where the branch is now, without anything of what it holds: one small request.

use std::time::Duration;

use git2::Oid;

use super::Git;
use super::error::{GitError, GitFault};
use super::fetch::is_refusal;
use super::packets::{
    Advertisement, Packet, Packets, not_git, write_delimiter, write_flush, write_packet,
};
use super::service::GitService;
use super::transport::GitSession;
use crate::clients::http::Deadline;

/// Most bytes of the answer (1 MiB). Protects a healthy pass from a server that lists all of its references, pull
/// requests included; past this the tip counts as not known. One reference takes some 70 bytes.
const MAX_BYTES: u64 = 1024 * 1024;

impl Git {
    /// Returns the commit at the tip of the branch. Asks by version 2 of git's protocol, whose first question needs
    /// no round before it and names the branch; a server that does not know it is asked for its list of references
    /// instead. Ends at the latest after `within`, or the timeout of the settings where that is shorter.
    ///
    /// # Errors
    /// Fails when the remote cannot be reached or refuses, or when the branch is not there.
    pub fn tip(&self, within: Duration) -> Result<String, GitError> {
        self.ask_for_tip(within)
            .map(|id| id.to_string())
            .map_err(|fault| self.error("ask for the tip of the branch", fault))
    }

    fn ask_for_tip(&self, within: Duration) -> Result<Oid, GitFault> {
        let deadline = Deadline::within(within.min(self.settings.timeout));
        let session = || {
            self.remote()
                .map(|remote| GitSession::new(remote, self.runtime.clone(), deadline, MAX_BYTES))
        };
        let reference = format!("refs/heads/{}", self.settings.branch);
        let mut modern = session()?;
        let found = match modern.command(list_of(&reference)) {
            Some(answer) => match answer.and_then(|answer| listed(answer, &reference)) {
                Err(fault) if is_refusal(&fault) => None,
                listed => Some(listed?),
            },
            None => None,
        };
        let found = match found {
            Some(found) => found,
            None => {
                let mut session = session()?;
                let answer = session.look(GitService::UploadPack)?;
                Advertisement::read(answer, &[&reference])?.id(&reference)
            }
        };
        found.ok_or_else(|| GitFault::NoBranch {
            branch: self.settings.branch.clone(),
        })
    }
}

/// Source: git's documentation, "gitprotocol-v2", command `ls-refs`.
fn list_of(reference: &str) -> Vec<u8> {
    let mut body = Vec::new();
    write_packet(&mut body, "command=ls-refs\n");
    write_delimiter(&mut body);
    write_packet(&mut body, &format!("ref-prefix {reference}\n"));
    write_flush(&mut body);
    body
}

/// Reads the references that begin as was asked for; the wanted one may not be among them.
fn listed(mut answer: Packets<'_>, reference: &str) -> Result<Option<Oid>, GitFault> {
    let mut found = None;
    while let Packet::Line(line) = answer.next()? {
        let line = std::str::from_utf8(line).map_err(|_| not_git())?;
        let mut words = line.split(' ');
        let (id, name) = (words.next().unwrap_or_default(), words.next());
        let id = Oid::from_str(id)
            .ok()
            .filter(|_| id.len() == 40)
            .ok_or_else(not_git)?;
        if name == Some(reference) {
            found = Some(id);
        }
    }
    answer.drain()?;
    Ok(found)
}
