//! Pushes one commit without force, and makes and removes branches of our own.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::PoisonError;

use git2::{Buf, ErrorCode, ObjectType, Oid, Tree};

use super::error::{GitError, GitFault, library, status_text};
use super::packets::{Advertisement, Packets, SideBandPiece, write_flush, write_packet};
use super::service::GitService;
use super::transport::GitSession;
use super::{Git, Snapshot, prepare};

/// Largest request. A rollback sends one commit and the folders on the way to its paths: some 50 KB for a repository of
/// 20,000 files. Past this nothing is sent.
const MAX_REQUEST_BYTES: usize = 4 * 1024 * 1024;

/// Longest text of the server that is kept from a push, and longest report.
const MAX_WORDS: usize = 8 * 1024;

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

impl Snapshot {
    /// Pushes a commit of the scratch repository to the branch, without force: it is sent only while the branch is
    /// where the draft found it, and the server takes it only then.
    ///
    /// # Errors
    /// After an error the commit may have landed, or may land later: read the branch before anything is repeated.
    pub fn push(&self, commit: &str) -> Result<Push, GitError> {
        self.push_inner(commit)
            .map_err(|fault| self.git.error("push to the branch", fault))
    }

    fn push_inner(&self, commit: &str) -> Result<Push, GitFault> {
        let (tip, commit) = self.is_ours(commit)?;
        let reference = format!("refs/heads/{}", self.git.settings.branch);
        let mut session = self.git.session()?;
        let server = match look(&mut session, &reference) {
            Ok(server) => server,
            Err(fault) => return denied_at_the_door(fault),
        };
        // Without this look a branch that is gone would be created, and one that somebody put back to an older commit
        // would be pushed forward.
        match server.id(&reference) {
            Some(branch) if branch == tip => {}
            Some(branch) if branch == commit => return Ok(Push::Accepted),
            Some(_) => return Ok(refused("the branch moved first")),
            None => return Ok(refused("the branch is not there any more")),
        }
        let pack = self.pack(tip, commit)?;
        let change = RefChange {
            reference: &reference,
            from: Some(tip),
            to: Some(commit),
        };
        change.send(&mut session, &server, &pack)
    }

    /// Makes a branch of our own that points to a commit of the scratch repository. One that an earlier run left there
    /// is replaced: its name carries the rollback's id, so nobody else works on it. What is replaced is only ever the
    /// commit that was seen there.
    ///
    /// # Errors
    /// After an error the branch may be there, or may come later: doing it again is safe.
    pub fn push_branch(&self, branch: &str, commit: &str) -> Result<Push, GitError> {
        self.push_branch_inner(branch, commit)
            .map_err(|fault| self.git.error("push a branch for the pull request", fault))
    }

    fn push_branch_inner(&self, branch: &str, commit: &str) -> Result<Push, GitFault> {
        let (tip, commit) = self.is_ours(commit)?;
        let reference = format!("refs/heads/{branch}");
        let mut session = self.git.session()?;
        let server = match look(&mut session, &reference) {
            Ok(server) => server,
            Err(fault) => return denied_at_the_door(fault),
        };
        let from = server.id(&reference);
        if from == Some(commit) {
            return Ok(Push::Accepted);
        }
        let pack = self.pack(tip, commit)?;
        let change = RefChange {
            reference: &reference,
            from,
            to: Some(commit),
        };
        change.send(&mut session, &server, &pack)
    }

    /// Returns the tip and a commit on top of it that changes the watched paths alone; only such a commit is ever sent.
    fn is_ours(&self, commit: &str) -> Result<(Oid, Oid), GitFault> {
        let (tip, commit) = self.builds_on_tip(commit)?;
        self.stays_within_paths(&self.tree(tip)?, &self.tree(commit)?)?;
        Ok((tip, commit))
    }

    /// Packs what the server lacks: the commit, the folders on the way to the watched paths, and those below them
    /// that were made because not all that lies there goes back. Every file, and every other folder, was there
    /// before, so the server has it, and it need not be here.
    fn pack(&self, tip: Oid, commit: Oid) -> Result<Buf, GitFault> {
        let known = self.folders(&self.tree(tip)?)?;
        let folders = self.folders(&self.tree(commit)?)?;
        let packed = (|| {
            let mut builder = self.repo.packbuilder()?;
            builder.set_threads(1);
            builder.insert_object(commit, None)?;
            let written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
            for id in folders
                .difference(&known)
                .chain(written.difference(&folders))
            {
                builder.insert_object(*id, None)?;
            }
            let mut pack = Buf::new();
            builder.write_buf(&mut pack)?;
            Ok(pack)
        })();
        packed.map_err(library)
    }

    fn tree(&self, commit: Oid) -> Result<Tree<'_>, GitFault> {
        let commit = self.repo.find_commit(commit);
        commit.and_then(|commit| commit.tree()).map_err(library)
    }

    /// Returns the ids of a tree and of its folders on the way to the watched paths.
    fn folders(&self, tree: &Tree<'_>) -> Result<BTreeSet<Oid>, GitFault> {
        let mut ids = BTreeSet::from([tree.id()]);
        for path in &self.git.settings.paths {
            for folder in Path::new(path).ancestors().skip(1) {
                if folder.as_os_str().is_empty() {
                    break;
                }
                match tree.get_path(folder) {
                    Ok(entry) if entry.kind() == Some(ObjectType::Tree) => {
                        ids.insert(entry.id());
                    }
                    // A file stands where a folder was or will be: there is nothing on the way.
                    Ok(_) => {}
                    Err(error) if error.code() == ErrorCode::NotFound => {}
                    Err(error) => return Err(library(error)),
                }
            }
        }
        Ok(ids)
    }

    /// Returns the tip and a commit that has it as its only parent.
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
}

impl Git {
    /// Removes a branch of our own while it points to a commit; the server looks again when it takes that. A branch
    /// that is not there counts as removed.
    ///
    /// # Errors
    /// After an error the branch may be gone, or may go later: doing it again is safe.
    pub fn delete_branch(&self, branch: &str, commit: &str) -> Result<Push, GitError> {
        self.delete_branch_inner(branch, commit)
            .map_err(|fault| self.error("remove the branch of a pull request", fault))
    }

    fn delete_branch_inner(&self, branch: &str, commit: &str) -> Result<Push, GitFault> {
        prepare()?;
        let reference = format!("refs/heads/{branch}");
        let mut session = self.session()?;
        let server = match look(&mut session, &reference) {
            Ok(server) => server,
            Err(fault) => return denied_at_the_door(fault),
        };
        let from = match server.id(&reference) {
            None => return Ok(Push::Accepted),
            Some(from) if from.to_string() == commit => from,
            Some(_) => return Ok(refused("somebody worked on it")),
        };
        if !server.offers("delete-refs") {
            return Ok(refused("the server removes no branch"));
        }
        let change = RefChange {
            reference: &reference,
            from: Some(from),
            to: None,
        };
        change.send(&mut session, &server, &[])
    }
}

/// Asks what the server has of a reference, as one who means to push does.
fn look(session: &mut GitSession, reference: &str) -> Result<Advertisement, GitFault> {
    session
        .look(GitService::ReceivePack)
        .and_then(|answer| Advertisement::read(answer, &[reference]))
}

/// What a push does to one reference, while it is where it was seen.
struct RefChange<'a> {
    reference: &'a str,
    /// Where it was seen; nothing where it was not there.
    from: Option<Oid>,
    /// Where it points then; nothing where it goes.
    to: Option<Oid>,
}

impl RefChange<'_> {
    fn send(
        &self,
        session: &mut GitSession,
        server: &Advertisement,
        pack: &[u8],
    ) -> Result<Push, GitFault> {
        if !server.offers("report-status") {
            return Ok(refused(
                "the server would not say what becomes of a push; use one that reports it",
            ));
        }
        let has_words = server.offers("side-band-64k");
        let capabilities = match has_words {
            true => "report-status side-band-64k",
            false => "report-status",
        };
        let id = |id: Option<Oid>| id.unwrap_or(Oid::ZERO_SHA1);
        let (from, to) = (id(self.from), id(self.to));
        let mut request = Vec::new();
        write_packet(
            &mut request,
            &format!("{from} {to} {}\0 {capabilities}", self.reference),
        );
        write_flush(&mut request);
        request.extend_from_slice(pack);
        if request.len() > MAX_REQUEST_BYTES {
            return Err(GitFault::TooLargePush {
                limit: MAX_REQUEST_BYTES,
            });
        }
        let reported = session
            .ask(GitService::ReceivePack, request)
            .and_then(|answer| PushReport::read(answer, has_words));
        match reported {
            Ok(report) => report.answer(session, self.reference),
            Err(fault) => denied(fault),
        }
    }
}

/// What the server says about a part of a push.
#[derive(Debug, PartialEq, Eq)]
enum PartStatus {
    Taken,
    Refused(String),
}

/// What the server says after a push.
#[derive(Debug, Default)]
struct PushReport {
    lines: Vec<u8>,
    words: Vec<u8>,
}

impl PushReport {
    fn read(mut answer: Packets<'_>, has_words: bool) -> Result<Self, GitFault> {
        let mut report = Self::default();
        loop {
            let piece = match has_words {
                true => answer.next_piece()?,
                false => answer.next_bare()?,
            };
            let (kept, piece) = match piece {
                SideBandPiece::Data(piece) => (&mut report.lines, piece),
                SideBandPiece::Words(piece) => (&mut report.words, piece),
                SideBandPiece::End => break,
            };
            let room = MAX_WORDS.saturating_sub(kept.len());
            kept.extend_from_slice(&piece[..piece.len().min(room)]);
        }
        answer.drain()?;
        Ok(report)
    }

    /// Tells what became of a reference. It landed only where the server says that it could read what was sent and
    /// that it took the reference, each once.
    ///
    /// # Errors
    /// Fails when the report leaves it open.
    fn answer(&self, session: &GitSession, reference: &str) -> Result<Push, GitFault> {
        let (unpacked, statuses) = self.statuses(reference);
        let why = match (&unpacked[..], &statuses[..]) {
            ([PartStatus::Taken], [PartStatus::Taken]) => return Ok(Push::Accepted),
            ([_], [PartStatus::Refused(why)]) => session.quote(why.as_bytes()),
            ([PartStatus::Refused(why)], _) => {
                let why = session.quote(why.as_bytes());
                format!("the server could not read what was sent ({why})")
            }
            _ => {
                return Err(GitFault::Protocol {
                    what: "the server did not say what became of the branch".to_owned(),
                });
            }
        };
        let said = session.quote(&without_progress(&self.words));
        Ok(Push::Refused {
            words: if said.is_empty() {
                why
            } else {
                format!("{why}: {said}")
            },
        })
    }

    /// Returns what the server says about the pack and about a reference, as often as it says something.
    fn statuses(&self, reference: &str) -> (Vec<PartStatus>, Vec<PartStatus>) {
        let (mut unpacked, mut statuses) = (Vec::new(), Vec::new());
        for line in self.lines() {
            let line = String::from_utf8_lossy(line);
            let mut words = line.trim_end_matches('\n').splitn(3, ' ');
            match (words.next(), words.next(), words.next()) {
                (Some("unpack"), Some("ok"), None) => unpacked.push(PartStatus::Taken),
                (Some("unpack"), _, _) => {
                    let why = line.trim_start_matches("unpack").trim().to_owned();
                    unpacked.push(PartStatus::Refused(why));
                }
                (Some("ok"), Some(name), None) if name == reference => {
                    statuses.push(PartStatus::Taken);
                }
                (Some("ng"), Some(name), why) if name == reference => {
                    let why = why.unwrap_or("no reason given").to_owned();
                    statuses.push(PartStatus::Refused(why));
                }
                _ => {}
            }
        }
        (unpacked, statuses)
    }

    /// Returns the lines, each of which is a packet of its own inside the data, up to the first that is none.
    fn lines(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = &self.lines[..];
        std::iter::from_fn(move || {
            let (length, _) = rest.split_at_checked(4)?;
            let length = usize::from_str_radix(std::str::from_utf8(length).ok()?, 16).ok()?;
            let (line, behind) = rest.split_at_checked(length)?;
            rest = behind;
            line.get(4..)
        })
    }
}

/// These come before git looks at anything, and asking again does not help.
fn denied(fault: GitFault) -> Result<Push, GitFault> {
    if let GitFault::Status(status @ (401 | 403 | 404)) = fault {
        return Ok(refused(&status_text(status)));
    }
    Err(fault)
}

/// The same over SSH, where only what the server says before anything is sent to it comes before git looks at it.
fn denied_at_the_door(fault: GitFault) -> Result<Push, GitFault> {
    if let GitFault::Ssh(fault) = &fault
        && !fault.is_transient()
    {
        return Ok(refused(&fault.to_string()));
    }
    denied(fault)
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
