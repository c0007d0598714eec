//! What a rollback takes back: all that the blamed commits did, and nothing that an innocent later one did. Files are
//! taken as wholes, so a file that both of them changed is a conflict.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::target::short;
use super::timeline::{Change, Timeline};

/// How many files of one commit are named. Bounds record and state; a release changes few.
const MAX_FILES: usize = 50;

/// How many files and commits a sentence names.
const MAX_NAMED: usize = 3;

/// What one commit did to a file below the watched paths. Contents are named by mode and id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileEdit {
    /// The path from the root of the repository.
    pub path: String,
    /// What was there before; nothing where the commit added it.
    pub before: Option<String>,
    /// What is there since; nothing where the commit removed it.
    pub after: Option<String>,
}

/// One commit that changed the watched paths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitDone {
    /// Full commit id.
    pub revision: String,
    /// First line of the message; untrusted text.
    pub title: String,
    /// Name of the author; untrusted text.
    pub author: String,
    /// What it did, by path.
    pub files: Vec<FileEdit>,
    /// Which commits since the target wrote words that this one replaced or removed. What came with the suspect
    /// counts as the suspect's.
    pub overwrites: Vec<String>,
}

/// What was done to the watched paths since a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doings {
    /// The deployment that is blamed.
    pub suspect: String,
    /// The revision to go back to.
    pub target: String,
    /// The commits since the target, newest first.
    pub commits: Vec<CommitDone>,
    /// Files with a secret at the target that is another one now, or none.
    pub secrets: BTreeSet<String>,
    /// Why the contents could not be looked through for secrets, where they could not.
    pub unread: Option<String>,
}

/// A commit that a rollback takes back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Undone {
    /// Full commit id.
    pub revision: String,
    /// First line of the message; untrusted text.
    pub title: String,
    /// Name of the author; untrusted text.
    pub author: String,
    /// The files of it that go back, at most 50.
    pub files: Vec<String>,
}

/// What goes back, and what stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Share {
    /// The newest commit that is blamed.
    pub from: String,
    /// Every commit that is taken back, newest first.
    pub undone: Vec<Undone>,
    /// The later commits that stay, newest first.
    pub keeps: Vec<String>,
}

/// Why not only what is blamed can go back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Clash {
    /// Somebody changed after the suspect what would have to go back.
    Later {
        /// Which files, and by which commits.
        why: String,
        /// What goes back where a person agrees that all of it does.
        all: Share,
    },
    /// A secret would come back that was replaced since.
    Secret {
        /// Which one.
        why: String,
    },
    /// Whether a secret would come back cannot be told.
    Unread {
        /// Why.
        why: String,
    },
}

/// Says what goes back when the suspect is rolled back.
///
/// A later commit is blamed as well when it replaced what the suspect or another such commit had written: what burns
/// on then is its own. Every other later commit is innocent, also one that replaced what came before the suspect.
pub(super) fn share(doings: &Doings) -> Result<Share, Clash> {
    let place = |commit: &CommitDone| commit.revision == doings.suspect;
    let oldest_blamed = doings.commits.iter().position(place);
    // A suspect that is not among them is a person's rollback, which blames all.
    let later = oldest_blamed.unwrap_or(0);
    let mut guilty = BTreeSet::from([doings.suspect.as_str()]);
    for commit in doings.commits[..later].iter().rev() {
        let mut overwritten = commit.overwrites.iter();
        if overwritten.any(|older| guilty.contains(older.as_str())) {
            guilty.insert(&commit.revision);
        }
    }
    let older = &doings.commits[later..];
    let blamed: BTreeSet<&str> = older
        .iter()
        .map(|commit| commit.revision.as_str())
        .chain(guilty)
        .collect();
    let is_blamed = |commit: &&CommitDone| blamed.contains(commit.revision.as_str());
    let files = files(&doings.commits);
    let both: Vec<&str> = files
        .iter()
        .filter(|(_, file)| {
            file.is_changed()
                && file.commits.iter().any(is_blamed)
                && !file.commits.iter().all(is_blamed)
        })
        .map(|(path, _)| *path)
        .collect();
    let keeps: Vec<String> = doings
        .commits
        .iter()
        .filter(|commit| !is_blamed(commit))
        .map(|commit| commit.revision.clone())
        .collect();
    let goes_back = |file: &File<'_>| file.commits.iter().any(is_blamed);
    if let Some(secret) = secret(doings, &files, goes_back) {
        return Err(Clash::Secret {
            why: not_put_back(&secret),
        });
    }
    if let Some(why) = &doings.unread {
        return Err(Clash::Unread { why: not_seen(why) });
    }
    if both.is_empty() {
        let newest = doings.commits.iter().find(is_blamed);
        return Ok(Share {
            from: newest.map_or_else(|| doings.suspect.clone(), |commit| commit.revision.clone()),
            undone: doings
                .commits
                .iter()
                .filter(is_blamed)
                .map(undone)
                .collect(),
            keeps,
        });
    }
    if let Some(secret) = secret(doings, &files, |_| true) {
        // Nor does a person who is asked about the rest let it come back.
        return Err(Clash::Secret {
            why: not_put_back(&secret),
        });
    }
    let innocent: Vec<String> = doings
        .commits
        .iter()
        .filter(|commit| !is_blamed(commit))
        .filter(|commit| {
            let mut files = commit.files.iter();
            files.any(|file| both.contains(&file.path.as_str()))
        })
        .map(named)
        .collect();
    let paths: Vec<String> = both.iter().map(|path| (*path).to_owned()).collect();
    Err(Clash::Later {
        why: format!(
            "{} changed {} after {}, which would have to go back",
            list(&innocent),
            list(&paths),
            short(&doings.suspect)
        ),
        all: everything(doings),
    })
}

/// Says which secret would come back among the files that go back.
fn secret(
    doings: &Doings,
    files: &BTreeMap<&str, File<'_>>,
    goes_back: impl Fn(&File<'_>) -> bool,
) -> Option<String> {
    doings.secrets.iter().find_map(|path| {
        let file = files.get(path.as_str())?;
        let touched: Vec<String> = file.commits.iter().map(|commit| named(commit)).collect();
        (file.is_changed() && goes_back(file)).then(|| {
            format!(
                "{path} holds a secret that was changed since {} by {}",
                short(&doings.target),
                list(&touched)
            )
        })
    })
}

/// Says that a secret does not come back, and what a person does.
pub(super) fn not_put_back(secret: &str) -> String {
    format!(
        "{secret}: the old one may be revoked, so it is not put back; repair it forward, or name the revision with `rollback \
         gitops --to`"
    )
}

/// Says that it is not known whether a secret would come back.
pub(super) fn not_seen(why: &str) -> String {
    format!("whether a secret would be put back cannot be seen: {why}")
}

/// Says which secrets come back with all that came after the target; nothing where none does.
pub(super) fn secrets_among(doings: &Doings) -> Option<String> {
    secret(doings, &files(&doings.commits), |_| true)
}

/// Says what goes back where all that came after the target does.
pub(super) fn everything(doings: &Doings) -> Share {
    let newest = doings.commits.first();
    Share {
        from: newest.map_or_else(|| doings.suspect.clone(), |it| it.revision.clone()),
        undone: doings.commits.iter().map(undone).collect(),
        keeps: Vec::new(),
    }
}

/// Names the commits after a target, where nobody looked what they did.
pub(super) fn unlooked(timeline: &Timeline, target: &str) -> Vec<Undone> {
    let is_newer = |change: &&Change| change.revision != target;
    timeline
        .changes
        .iter()
        .take_while(is_newer)
        .map(|change| Undone {
            revision: change.revision.clone(),
            title: change.subject.clone(),
            author: String::new(),
            files: Vec::new(),
        })
        .collect()
}

/// What became of one file since the target.
struct File<'a> {
    /// Newest first.
    commits: Vec<&'a CommitDone>,
    at_target: &'a Option<String>,
    now: &'a Option<String>,
}

impl File<'_> {
    fn is_changed(&self) -> bool {
        self.at_target != self.now
    }
}

fn files(commits: &[CommitDone]) -> BTreeMap<&str, File<'_>> {
    let mut files: BTreeMap<&str, File<'_>> = BTreeMap::new();
    for commit in commits {
        for edit in &commit.files {
            let file = files.entry(&edit.path).or_insert(File {
                commits: Vec::new(),
                at_target: &edit.before,
                now: &edit.after,
            });
            file.commits.push(commit);
            file.at_target = &edit.before;
        }
    }
    files
}

fn undone(commit: &CommitDone) -> Undone {
    let paths = commit.files.iter().map(|file| file.path.clone());
    Undone {
        revision: commit.revision.clone(),
        title: commit.title.clone(),
        author: commit.author.clone(),
        files: paths.take(MAX_FILES).collect(),
    }
}

fn named(commit: &CommitDone) -> String {
    format!("{} ({})", short(&commit.revision), commit.title)
}

/// Names the first few.
pub(super) fn list(names: &[String]) -> String {
    match names.get(..MAX_NAMED) {
        Some(first) if names.len() > MAX_NAMED => {
            format!("{} and {} more", first.join(", "), names.len() - MAX_NAMED)
        }
        Some(_) | None => names.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edit(path: &str, before: &str, after: &str) -> FileEdit {
        let content = |text: &str| (text != "-").then(|| text.to_owned());
        FileEdit {
            path: path.to_owned(),
            before: content(before),
            after: content(after),
        }
    }

    fn commit(revision: &str, files: Vec<FileEdit>, overwrites: &[&str]) -> CommitDone {
        CommitDone {
            revision: revision.to_owned(),
            title: format!("title of {revision}"),
            author: "Kim".to_owned(),
            files,
            overwrites: overwrites.iter().map(|it| (*it).to_owned()).collect(),
        }
    }

    /// Newest first.
    fn doings(commits: Vec<CommitDone>) -> Doings {
        Doings {
            suspect: "bad".to_owned(),
            target: "good".to_owned(),
            commits,
            secrets: BTreeSet::new(),
            unread: None,
        }
    }

    fn bad() -> CommitDone {
        commit(
            "bad",
            vec![edit("app", "1", "2"), edit("new", "-", "1")],
            &[],
        )
    }

    /// What goes back, newest first, and what stays; or which clash.
    fn told(doings: &Doings) -> String {
        match share(doings) {
            Ok(share) => {
                let undone: Vec<&str> = share.undone.iter().map(|it| &*it.revision).collect();
                format!("{undone:?} from {} keeps {:?}", share.from, share.keeps)
            }
            Err(Clash::Later { why, .. }) => format!("conflict: {why}"),
            Err(Clash::Secret { why }) => format!("secret: {why}"),
            Err(Clash::Unread { why }) => format!("unread: {why}"),
        }
    }

    #[test]
    fn takes_back_what_is_blamed_and_keeps_what_is_not() {
        let innocent = |files| commit("innocent", files, &[]);
        let again = |files| commit("again", files, &["bad"]);
        for (commits, expected) in [
            (vec![bad()], r#"["bad"] from bad keeps []"#),
            (
                vec![bad(), commit("short", vec![edit("app", "0", "1")], &[])],
                r#"["bad", "short"] from bad keeps []"#,
            ),
            (
                vec![innocent(vec![edit("other", "1", "2")]), bad()],
                r#"["bad"] from bad keeps ["innocent"]"#,
            ),
            (
                vec![innocent(vec![edit("app", "2", "3")]), bad()],
                "conflict: innocent (title of innocent) changed app after bad, which would have to go back",
            ),
            // It came to the same content by itself.
            (
                vec![innocent(vec![edit("app", "2", "1")]), bad()],
                r#"["bad"] from bad keeps ["innocent"]"#,
            ),
            (
                vec![innocent(vec![edit("new", "1", "-")]), bad()],
                r#"["bad"] from bad keeps ["innocent"]"#,
            ),
            // Two bad ones in a row, with somebody else between or after.
            (
                vec![again(vec![edit("app", "2", "3")]), bad()],
                r#"["again", "bad"] from again keeps []"#,
            ),
            (
                vec![
                    again(vec![edit("app", "2", "3"), edit("more", "1", "2")]),
                    innocent(vec![edit("other", "1", "2")]),
                    bad(),
                ],
                r#"["again", "bad"] from again keeps ["innocent"]"#,
            ),
            (
                vec![
                    innocent(vec![edit("other", "1", "2")]),
                    again(vec![edit("app", "2", "3")]),
                    bad(),
                ],
                r#"["again", "bad"] from again keeps ["innocent"]"#,
            ),
            // What the second bad one did is not to be torn from what somebody did to it.
            (
                vec![
                    innocent(vec![edit("more", "2", "3")]),
                    again(vec![edit("app", "2", "3"), edit("more", "1", "2")]),
                    bad(),
                ],
                "conflict: innocent (title of innocent) changed more after bad, which would have to go back",
            ),
            // Who replaces what an innocent one wrote is not blamed for it.
            (
                vec![
                    commit("last", vec![edit("other", "2", "3")], &["innocent"]),
                    innocent(vec![edit("other", "1", "2")]),
                    bad(),
                ],
                r#"["bad"] from bad keeps ["last", "innocent"]"#,
            ),
            // Nor who replaces what came before the suspect, though that has to go back as well.
            (
                vec![
                    commit("last", vec![edit("side", "1", "2")], &["short"]),
                    bad(),
                    commit("short", vec![edit("side", "0", "1")], &[]),
                ],
                "conflict: last (title of last) changed side after bad, which would have to go back",
            ),
        ] {
            assert_eq!(told(&doings(commits)), expected);
        }
    }

    #[test]
    fn no_secret_comes_back() {
        let rotated = vec![edit("secret", "1", "2"), edit("app", "1", "2")];
        let with_secret = |commits| Doings {
            secrets: BTreeSet::from(["secret".to_owned()]),
            ..doings(commits)
        };
        let by_the_suspect = told(&with_secret(vec![commit("bad", rotated.clone(), &[])]));
        assert!(
            by_the_suspect.starts_with("secret: secret holds a secret"),
            "{by_the_suspect}"
        );
        let by_an_innocent = with_secret(vec![
            commit("innocent", vec![edit("secret", "1", "2")], &[]),
            bad(),
        ]);
        assert_eq!(
            told(&by_an_innocent),
            r#"["bad"] from bad keeps ["innocent"]"#
        );
        let by_both = told(&with_secret(vec![
            commit("innocent", vec![edit("secret", "2", "3")], &[]),
            commit("bad", rotated, &[]),
        ]));
        assert!(by_both.starts_with("secret: "), "{by_both}");
        // Nor may all go back, as a person could agree to where the same file was changed.
        let beside = told(&with_secret(vec![
            commit(
                "innocent",
                vec![edit("secret", "1", "2"), edit("app", "2", "3")],
                &[],
            ),
            bad(),
        ]));
        assert!(beside.starts_with("secret: "), "{beside}");
        let unread = Doings {
            unread: Some("no answer".to_owned()),
            ..doings(vec![bad()])
        };
        assert!(told(&unread).starts_with("unread: "));
    }
}
