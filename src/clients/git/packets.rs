//! Git's packets: a length in four hexadecimal digits, then that many bytes.

use std::collections::{BTreeMap, BTreeSet};

use git2::Oid;

use super::error::GitFault;
use super::transport::AnswerBody;
use crate::clients::http::Deadline;

/// The stream of packets of one answer.
pub(super) struct Packets<'session> {
    body: AnswerBody<'session>,
    line: Vec<u8>,
}

/// One packet.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Packet<'line> {
    /// The end of a section.
    Flush,
    /// A line or a piece of data, without a line feed at its end.
    Line(&'line [u8]),
}

/// A piece of an answer that carries data and words side by side.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum SideBandPiece<'line> {
    /// What was asked for.
    Data(&'line [u8]),
    /// What the server tells a person.
    Words(&'line [u8]),
    /// There is no more.
    End,
}

/// What a remote says about itself before it is asked for anything.
#[derive(Debug, Default)]
pub(super) struct Advertisement {
    /// Where those references are that were asked for and are there.
    ids: BTreeMap<String, Oid>,
    capabilities: BTreeSet<String>,
}

impl<'session> Packets<'session> {
    pub(super) fn new(body: AnswerBody<'session>) -> Self {
        Self {
            body,
            line: Vec::new(),
        }
    }

    /// Returns the next packet.
    ///
    /// # Errors
    /// Fails when there is none, and when the server says so: an error of the server may stand anywhere.
    pub(super) fn next(&mut self) -> Result<Packet<'_>, GitFault> {
        match self.raw()? {
            Packet::Flush => Ok(Packet::Flush),
            Packet::Line([b'E', b'R', b'R', b' ', ..]) => Err(self.said(b"ERR ".len())),
            Packet::Line(_) => {
                let line = &self.line;
                Ok(Packet::Line(line.strip_suffix(b"\n").unwrap_or(line)))
            }
        }
    }

    /// Returns the next piece of an answer that carries words beside its data.
    ///
    /// # Errors
    /// Fails when there is none, and when the server says that it failed.
    pub(super) fn next_piece(&mut self) -> Result<SideBandPiece<'_>, GitFault> {
        match self.raw()? {
            Packet::Flush => Ok(SideBandPiece::End),
            Packet::Line([1, ..]) => Ok(SideBandPiece::Data(&self.line[1..])),
            Packet::Line([2, ..]) => Ok(SideBandPiece::Words(&self.line[1..])),
            Packet::Line([3, ..]) => Err(self.said(1)),
            Packet::Line(_) => Err(not_git()),
        }
    }

    /// Returns the next piece of an answer that carries its data without packets.
    ///
    /// # Errors
    /// Fails when the answer is cut.
    pub(super) fn next_bare(&mut self) -> Result<SideBandPiece<'_>, GitFault> {
        let length = self.body.available()?.len();
        if length == 0 {
            return Ok(SideBandPiece::End);
        }
        self.read(length)?;
        Ok(SideBandPiece::Data(&self.line))
    }

    /// Reads to the end, so that the connection can be used again.
    ///
    /// # Errors
    /// Fails when the answer is cut.
    pub(super) fn drain(&mut self) -> Result<(), GitFault> {
        self.body.hang_up();
        loop {
            let length = self.body.available()?.len();
            if length == 0 {
                return Ok(());
            }
            self.body.consume(length);
        }
    }

    /// Returns a short piece of the server's words without our secrets, which it knows.
    pub(super) fn quote(&self, words: &[u8]) -> String {
        self.body.quote(words)
    }

    /// The fault of a server that says that it failed; its words are what follows a mark in the line.
    fn said(&self, mark: usize) -> GitFault {
        GitFault::Protocol {
            what: format!("the server ended with {:?}", self.quote(&self.line[mark..])),
        }
    }

    /// Returns when the conversation ends at the latest.
    pub(super) fn deadline(&self) -> Deadline {
        self.body.deadline()
    }

    /// Looks at the clock each time: many packets may come at once, and each of them is worked on.
    fn raw(&mut self) -> Result<Packet<'_>, GitFault> {
        if self.deadline().is_over() {
            return Err(GitFault::Deadline);
        }
        self.read(4)?;
        let length = std::str::from_utf8(&self.line)
            .ok()
            .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
            .and_then(|digits| usize::from_str_radix(digits, 16).ok())
            .ok_or_else(not_git)?;
        match length {
            0 => Ok(Packet::Flush),
            1..4 => Err(not_git()),
            _ => {
                self.read(length - 4)?;
                Ok(Packet::Line(&self.line))
            }
        }
    }

    /// Reads exactly `length` bytes into `line`; packets are at most 64 KiB long.
    fn read(&mut self, length: usize) -> Result<(), GitFault> {
        self.line.clear();
        while self.line.len() < length {
            let missing = length - self.line.len();
            let available = self.body.available()?;
            if available.is_empty() {
                return Err(self.body.cut());
            }
            let taken = available.len().min(missing);
            self.line.extend_from_slice(&available[..taken]);
            self.body.consume(taken);
        }
        Ok(())
    }
}

impl Advertisement {
    /// Reads what a remote has. Of a hundred thousand references only those that are asked for are kept.
    ///
    /// # Errors
    /// Fails when it is no git server, or one that only knows ids of another kind.
    pub(super) fn read(mut packets: Packets<'_>, wanted: &[&str]) -> Result<Self, GitFault> {
        if !packets.body.goes_on() {
            match packets.next()? {
                Packet::Line(line) if line.starts_with(b"# service=git-") => {}
                Packet::Line(_) | Packet::Flush => return Err(not_git()),
            }
            if packets.next()? != Packet::Flush {
                return Err(not_git());
            }
        }
        let mut found = Self::default();
        let mut is_first = true;
        while let Packet::Line(line) = packets.next()? {
            let mut parts = line.splitn(2, |byte| *byte == 0);
            let line = parts.next().unwrap_or_default();
            if std::mem::take(&mut is_first) {
                let capabilities = parts.next().unwrap_or_default();
                found.capabilities = String::from_utf8_lossy(capabilities)
                    .split_ascii_whitespace()
                    .map(str::to_owned)
                    .collect();
                // The ids that follow are then of another length.
                if found.other_ids().is_some() {
                    break;
                }
            }
            let Some((id, name)) = line.split_at_checked(40) else {
                return Err(not_git());
            };
            let name = name.strip_prefix(b" ").ok_or_else(not_git)?;
            if let Some(name) = wanted.iter().find(|wanted| wanted.as_bytes() == name) {
                let id = std::str::from_utf8(id).map_err(|_| not_git())?;
                let id = Oid::from_str(id).map_err(|_| not_git())?;
                found.ids.insert((*name).to_owned(), id);
            }
        }
        if let Some(other) = found.other_ids() {
            return Err(GitFault::Protocol {
                what: format!(
                    "the repository names its objects by {}; only sha1 can be read, which `git init \
                     --object-format=sha1` makes",
                    packets.quote(other.as_bytes())
                ),
            });
        }
        if !packets.body.goes_on() {
            packets.drain()?;
        }
        Ok(found)
    }

    /// Returns by what the objects are named, where that is not sha1.
    fn other_ids(&self) -> Option<&str> {
        self.value("object-format").filter(|name| *name != "sha1")
    }

    /// Tells whether the server may be dulwich, under klaus too, which serves nobody who does not take thin packs. It
    /// does not say who it is, as git, JGit and go-git do. Source: dulwich 1.2.
    pub(super) fn wants_thin_packs(&self) -> bool {
        self.offers("thin-pack")
            && self
                .value("agent")
                .is_none_or(|agent| agent.starts_with("dulwich/"))
    }

    /// Tells whether the server is git itself, which sends whatever lies in the older commits of a history that is
    /// deepened once more to who takes no thin packs. JGit does not. Source: measured on git 2.39 and JGit 7.8.
    pub(super) fn sends_twice(&self) -> bool {
        let is_git = |agent: &str| agent.starts_with("git/");
        self.offers("thin-pack") && self.value("agent").is_some_and(is_git)
    }

    /// Returns where a reference is that was asked for; nothing when it is not there.
    pub(super) fn id(&self, reference: &str) -> Option<Oid> {
        self.ids.get(reference).copied()
    }

    /// Tells whether the remote can do something.
    pub(super) fn offers(&self, capability: &str) -> bool {
        self.capabilities.contains(capability)
    }

    fn value(&self, capability: &str) -> Option<&str> {
        self.capabilities
            .iter()
            .find_map(|offered| offered.strip_prefix(capability)?.strip_prefix('='))
    }
}

/// Writes one packet.
pub(super) fn write_packet(out: &mut Vec<u8>, line: &str) {
    debug_assert!(line.len() < 65_516, "longer than a packet may be");
    out.extend_from_slice(format!("{:04x}{line}", line.len() + 4).as_bytes());
}

/// Ends what says which command is given; its arguments follow. Only version 2 of the protocol knows it.
pub(super) fn write_delimiter(out: &mut Vec<u8>) {
    out.extend_from_slice(b"0001");
}

/// Ends a section.
pub(super) fn write_flush(out: &mut Vec<u8>) {
    out.extend_from_slice(b"0000");
}

/// The fault of an answer that is not git's.
pub(super) fn not_git() -> GitFault {
    GitFault::Protocol {
        what: "the answer is not one of git's; check GITOPS_REPO".to_owned(),
    }
}
