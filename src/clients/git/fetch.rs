//! Fetches a branch shallowly and, where the server can leave them out, without the contents of files.
//!
//! A rollback moves trees by their ids, so it needs commits and trees only. Only a diff that is shown needs contents,
//! and gets them by [`fetch_contents`].

use std::collections::BTreeSet;
use std::fs;
use std::io::{ErrorKind, Write};
use std::path::Path;

use git2::{OdbLookupFlags, Oid, Repository};

use super::error::{GitFault, library};
use super::packets::{
    Advertisement, Packet, Packets, SideBandPiece, not_git, write_flush, write_packet,
};
use super::service::GitService;
use super::transport::GitSession;

/// Most objects of one answer. Protects memory: each takes some 150 bytes while it is indexed, whatever it is. The
/// files, folders and commits of a repository of 20,000 files are some 60,000 objects. Past this the fetch fails.
const MAX_OBJECTS: usize = 1_000_000;

/// Most lines of one answer that say where the history is cut, and most that say what both sides have. Protects time
/// and memory; past this the fetch fails. The newest 3,200 commits of a branch without merges are cut once, and each
/// line of work that was not merged for as long adds one; a server answers each of them at most twice.
const MAX_LINES: usize = 50_000;

/// Most contents that are asked for by their ids. Past this they are fetched with the whole snapshot.
const MAX_WANTED: usize = 1_000;

/// Whether files come with their contents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Contents {
    /// They come.
    Included,
    /// They stay away where the server knows how; a server that does not sends them.
    LeftOut,
}

/// A fetch that failed, and whether the server failed at leaving contents out.
pub(super) struct FetchFault {
    pub(super) fault: GitFault,
    pub(super) is_filters: bool,
}

impl From<GitFault> for FetchFault {
    fn from(fault: GitFault) -> Self {
        Self {
            fault,
            is_filters: false,
        }
    }
}

/// What is asked for.
#[derive(Debug)]
struct FetchRequest<'ids> {
    ids: &'ids [Oid],
    shallow: &'ids BTreeSet<Oid>,
    depth: i32,
    is_filtered: bool,
    /// Commits that are here already, with all that they hold.
    have: Vec<Oid>,
}

/// One of the fetches of a read, each of which goes deeper.
#[derive(Debug)]
pub(super) struct Round<'name> {
    /// The branch, without `refs/heads/`.
    pub(super) branch: &'name str,
    /// The whole name of a tag that may be there.
    pub(super) tag: Option<String>,
    /// How many of the newest commits are fetched.
    pub(super) depth: i32,
    /// Whether files come with their contents.
    pub(super) contents: Contents,
}

/// Fetches the newest commits of a branch into the repository at `folder`, and points its branch to the tip; the same
/// for a tag, where it is there. What was fetched before is not sent again. What the server has is asked for once, so
/// that every round is about the same commits.
///
/// # Errors
/// Fails when the remote cannot be reached or refuses, when the branch is not there, and past any limit.
pub(super) fn fetch_branch(
    session: &mut GitSession,
    folder: &Path,
    round: &Round<'_>,
    known: &mut Option<Advertisement>,
) -> Result<(), FetchFault> {
    let branch = format!("refs/heads/{}", round.branch);
    let names: Vec<&str> = [Some(branch.as_str()), round.tag.as_deref()]
        .into_iter()
        .flatten()
        .collect();
    let server = match known {
        Some(server) => server,
        None => {
            let found = Advertisement::read(session.look(GitService::UploadPack)?, &names)?;
            known.insert(found)
        }
    };
    if server.id(&branch).is_none() {
        let branch = round.branch.to_owned();
        return Err(GitFault::NoBranch { branch }.into());
    }
    if !server.offers("shallow") {
        return Err(GitFault::Protocol {
            what: "the server cannot send the newest history only; use one that offers shallow fetches"
                .to_owned(),
        }
        .into());
    }
    let repo = Repository::open(folder).map_err(library)?;
    let mut shallow = read_shallow(&repo)?;
    let found: Vec<(&str, Oid)> = names
        .into_iter()
        .filter_map(|name| Some((name, server.id(name)?)))
        .collect();
    // A tag may stand at the tip.
    let ids: BTreeSet<Oid> = found.iter().map(|(_, id)| *id).collect();
    let wanted = FetchRequest {
        ids: &ids.into_iter().collect::<Vec<_>>(),
        shallow: &shallow.clone(),
        depth: round.depth,
        is_filtered: round.contents == Contents::LeftOut && server.offers("filter"),
        have: had(server, repo.refname_to_id(&branch).ok(), &shallow),
    };
    fetch_into(session, &repo, server, &wanted, &mut shallow).map_err(|fault| FetchFault {
        is_filters: wanted.is_filtered && is_refusal(&fault),
        fault,
    })?;
    only_what_is_here(&repo, &mut shallow)?;
    write_shallow(&repo, &shallow)?;
    for (name, id) in found {
        repo.reference(name, id, true, "fetch").map_err(library)?;
    }
    Ok(())
}

/// Returns what to name as here already. The tip implies all of it, but JGit sends what stands at the old boundary once
/// more where that is not named too, and libgit2 refuses an object that it has. A server without acknowledgements in
/// detail may answer one line for each name, so it is told the tip only.
fn had(server: &Advertisement, tip: Option<Oid>, boundary: &BTreeSet<Oid>) -> Vec<Oid> {
    let boundary = match tip {
        Some(_) if server.offers("multi_ack_detailed") => Some(boundary),
        Some(_) | None => None,
    };
    let boundary = boundary.into_iter().flatten().copied();
    tip.into_iter()
        .chain(boundary.filter(|id| tip != Some(*id)))
        .collect()
}

/// Fetches contents that were left out, as they are needed: by their ids where the server lets one ask for them, else
/// with the whole snapshot of `depth` commits. Neither the branch nor the boundary of the history moves.
///
/// # Errors
/// Fails when the remote cannot be reached or refuses, and past any limit.
pub(super) fn fetch_contents(
    session: &mut GitSession,
    repo: &Repository,
    branch: &str,
    (tip, depth): (Oid, i32),
    ids: &[Oid],
) -> Result<(), GitFault> {
    let reference = format!("refs/heads/{branch}");
    let server = Advertisement::read(session.look(GitService::UploadPack)?, &[&reference])?;
    let none = BTreeSet::new();
    // A server that offers this may still mean commits only.
    if server.offers("allow-reachable-sha1-in-want") && ids.len() <= MAX_WANTED {
        let wanted = FetchRequest {
            ids,
            shallow: &none,
            depth: 0,
            is_filtered: false,
            have: Vec::new(),
        };
        match fetch_into(session, repo, &server, &wanted, &mut BTreeSet::new()) {
            Err(fault) if is_refusal(&fault) => {}
            fetched => return fetched,
        }
    }
    let wanted = FetchRequest {
        ids: &[tip],
        shallow: &none,
        depth,
        is_filtered: false,
        have: Vec::new(),
    };
    fetch_into(session, repo, &server, &wanted, &mut BTreeSet::new())
}

/// Tells what a server may answer that offers something and then does not do it.
pub(super) fn is_refusal(fault: &GitFault) -> bool {
    match fault {
        GitFault::Protocol { .. } | GitFault::Cut | GitFault::Library(_) => true,
        GitFault::Status(status) => !matches!(status, 401 | 403 | 404 | 408 | 429),
        GitFault::Ssh(fault) => fault.is_the_servers(),
        GitFault::Transport(_)
        | GitFault::NotGit { .. }
        | GitFault::Settings(_)
        | GitFault::Deadline
        | GitFault::TooMuch { .. }
        | GitFault::TooManyObjects { .. }
        | GitFault::TooManyLines { .. }
        | GitFault::TooLargePush { .. }
        | GitFault::NoBranch { .. }
        | GitFault::NoPath { .. }
        | GitFault::Revision(_)
        | GitFault::Forge(_)
        | GitFault::Refused { .. }
        | GitFault::Scratch(_) => false,
    }
}

fn fetch_into(
    session: &mut GitSession,
    repo: &Repository,
    server: &Advertisement,
    wanted: &FetchRequest<'_>,
    shallow: &mut BTreeSet<Oid>,
) -> Result<(), GitFault> {
    let has_words = server.offers("side-band-64k");
    let mut answer = session.ask(GitService::UploadPack, request(server, wanted))?;
    if wanted.depth > 0 {
        move_boundary(&mut answer, shallow)?;
    }
    // The last of these lines says whether the server knows what we have; the pack is whole either way.
    let mut lines = 0;
    loop {
        lines += 1;
        if lines > MAX_LINES {
            return Err(GitFault::TooManyLines { limit: MAX_LINES });
        }
        match answer.next()? {
            Packet::Line(line) if line == b"NAK" => break,
            Packet::Line(line) if line.starts_with(b"ACK ") => {
                if line.len() == "ACK ".len() + 40 {
                    break;
                }
            }
            Packet::Line(_) | Packet::Flush => return Err(not_git()),
        }
    }
    store(answer, repo, has_words)
}

/// Asks for a thin pack only where that spares something: objects that build on others may then build on what is here,
/// and it takes longer to put them together. That acknowledgements may come in detail makes no difference here, but
/// there are servers that serve nobody else.
fn request(server: &Advertisement, wanted: &FetchRequest<'_>) -> Vec<u8> {
    let mut capabilities = String::new();
    for capability in [
        "multi_ack_detailed",
        "side-band-64k",
        "ofs-delta",
        "no-progress",
    ] {
        if server.offers(capability) {
            capabilities.push_str(&format!(" {capability}"));
        }
    }
    let is_deepening = !wanted.have.is_empty();
    if (is_deepening && server.sends_twice()) || server.wants_thin_packs() {
        capabilities.push_str(" thin-pack");
    }
    if wanted.is_filtered {
        capabilities.push_str(" filter");
    }
    let mut body = Vec::new();
    for id in wanted.ids {
        write_packet(&mut body, &format!("want {id}{capabilities}\n"));
        capabilities.clear();
    }
    for id in wanted.shallow {
        write_packet(&mut body, &format!("shallow {id}\n"));
    }
    if wanted.depth > 0 {
        write_packet(&mut body, &format!("deepen {}\n", wanted.depth));
    }
    if wanted.is_filtered {
        write_packet(&mut body, "filter blob:none\n");
    }
    write_flush(&mut body);
    for id in &wanted.have {
        write_packet(&mut body, &format!("have {id}\n"));
    }
    write_packet(&mut body, "done\n");
    body
}

fn move_boundary(answer: &mut Packets<'_>, shallow: &mut BTreeSet<Oid>) -> Result<(), GitFault> {
    let id = |text: &[u8]| {
        std::str::from_utf8(text)
            .ok()
            .and_then(|text| Oid::from_str(text).ok())
            .ok_or_else(not_git)
    };
    let mut lines = 0;
    while let Packet::Line(line) = answer.next()? {
        lines += 1;
        if lines > MAX_LINES {
            return Err(GitFault::TooManyLines { limit: MAX_LINES });
        }
        if let Some(text) = line.strip_prefix(b"shallow ") {
            shallow.insert(id(text)?);
        } else if let Some(text) = line.strip_prefix(b"unshallow ") {
            shallow.remove(&id(text)?);
        } else {
            return Err(not_git());
        }
    }
    Ok(())
}

/// Length of what stands before the first object of a pack: `PACK`, the version, the number of objects.
const PACK_HEADER: usize = 12;

/// Gives the pack to libgit2 as it comes in.
fn store(mut answer: Packets<'_>, repo: &Repository, has_words: bool) -> Result<(), GitFault> {
    let odb = repo.odb().map_err(library)?;
    let deadline = answer.deadline();
    let mut pack = odb.packwriter().map_err(library)?;
    // A small pack can be made to take long.
    pack.progress(move |_| !deadline.is_over());
    let stopped = |error: git2::Error| match deadline.is_over() {
        true => GitFault::Deadline,
        false => library(error),
    };
    let mut header = Vec::with_capacity(PACK_HEADER);
    loop {
        let piece = match has_words {
            true => answer.next_piece()?,
            false => answer.next_bare()?,
        };
        match piece {
            SideBandPiece::Data(data) => {
                if header.len() < PACK_HEADER {
                    let missing = PACK_HEADER - header.len();
                    header.extend_from_slice(&data[..data.len().min(missing)]);
                    // libgit2 makes room for as many objects as are announced.
                    check_header(&header)?;
                }
                pack.write_all(data)
                    .map_err(|_| stopped(git2::Error::last_error(-1)))?;
            }
            SideBandPiece::Words(_) => {}
            SideBandPiece::End => break,
        }
    }
    if header.len() < PACK_HEADER {
        return Err(GitFault::Cut);
    }
    answer.drain()?;
    pack.commit().map_err(stopped)?;
    Ok(())
}

fn check_header(header: &[u8]) -> Result<(), GitFault> {
    let Some(count) = header.get(8..PACK_HEADER) else {
        return Ok(());
    };
    let count = count
        .iter()
        .fold(0_usize, |count, byte| count << 8 | usize::from(*byte));
    if count > MAX_OBJECTS {
        return Err(GitFault::TooManyObjects { limit: MAX_OBJECTS });
    }
    Ok(())
}

/// Reads where the history is cut: the commits whose parents were not fetched.
fn read_shallow(repo: &Repository) -> Result<BTreeSet<Oid>, GitFault> {
    match fs::read_to_string(repo.path().join("shallow")) {
        Ok(text) => text
            .lines()
            .map(|line| Oid::from_str(line).map_err(library))
            .collect(),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(BTreeSet::new()),
        Err(error) => Err(GitFault::Scratch(error)),
    }
}

/// Drops the commits that the server did not send: they cut nothing. libgit2 looks a commit up among all of these by
/// the first four bytes of its id, and takes the square of the time for ids that a server made up to begin alike.
fn only_what_is_here(repo: &Repository, shallow: &mut BTreeSet<Oid>) -> Result<(), GitFault> {
    let odb = repo.odb().map_err(library)?;
    odb.refresh().map_err(library)?;
    shallow.retain(|id| odb.exists_ext(*id, OdbLookupFlags::NO_REFRESH));
    Ok(())
}

fn write_shallow(repo: &Repository, shallow: &BTreeSet<Oid>) -> Result<(), GitFault> {
    let text: String = shallow.iter().map(|id| format!("{id}\n")).collect();
    let path = repo.path().join("shallow");
    // An empty file would still make a repository a shallow one.
    if text.is_empty() {
        return match fs::remove_file(path) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(GitFault::Scratch(error)),
            Ok(()) | Err(_) => Ok(()),
        };
    }
    fs::write(path, text).map_err(GitFault::Scratch)
}
