//! Trees and commits. Nobody sees them before a branch points to them.

use chrono::{DateTime, Utc};
use octocrab::models::git::{CommitAuthor, GitTree};
use serde::Serialize;

use super::Github;
use crate::clients::forge::error::{ForgeError, ForgeFault};
use crate::clients::http::Deadline;

/// What lies at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitEntry {
    /// The path from the root of the repository.
    pub path: String,
    /// Git's mode of it in octal digits, such as `040000` or `100644`.
    pub mode: String,
    /// The object's id; nothing where what lies there is removed.
    pub id: Option<String>,
}

/// Who is named in a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Author {
    /// The name.
    pub name: String,
    /// The e-mail address.
    pub email: String,
    /// When, in whole seconds.
    pub at: DateTime<Utc>,
}

/// A commit to be written: the tip's tree with some entries put in place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewCommit {
    /// The branch it is meant for.
    pub branch: String,
    /// The commit on top of which it is written, its only parent.
    pub tip: String,
    /// What is put in place. The objects are in the repository already.
    pub entries: Vec<CommitEntry>,
    /// The tree that must come of it.
    pub tree: String,
    /// The message.
    pub message: String,
    /// Author and committer. An App leaves them out, because GitHub signs only a commit that names nobody.
    pub author: Author,
}

/// The request for a tree. octocrab's own leaves `sha` out where it is to be null, and null is what removes a file.
#[derive(Debug, Serialize)]
struct NewTree<'a> {
    base_tree: &'a str,
    tree: Vec<TreeEntry<'a>>,
}

#[derive(Debug, Serialize)]
struct TreeEntry<'a> {
    path: &'a str,
    mode: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    sha: Option<&'a str>,
}

/// A commit that GitHub holds, and no branch points to yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrittenCommit {
    /// Its id.
    pub commit: String,
    /// Its only parent.
    pub parent: String,
    /// Whether GitHub signed it.
    pub is_verified: bool,
}

impl Github {
    /// Writes the tree and the commit. Nothing that anybody sees changes, so this may be repeated as a whole.
    ///
    /// # Errors
    /// Refuses paths below `.github/workflows`, for which GitHub wants a permission that this program does not ask
    /// for, and a result that is not the tree it must be. Fails when GitHub does not answer in time or refuses.
    pub async fn write_commit(&self, new: &NewCommit) -> Result<WrittenCommit, ForgeError> {
        let done = async {
            let deadline = self.deadline();
            refuse_workflows(&new.entries)?;
            let base = self.tree_within(deadline, &new.tip).await?;
            self.write_tree(deadline, new, &base).await?;
            match self.post_commit(deadline, new).await {
                Err(fault) if fault.is_doubtful() => {
                    // A commit that nobody points to cannot be found, and does no harm; what matters is that the
                    // branch did not move away from under the next one.
                    let tip = self.tip_within(deadline, &new.branch).await?;
                    if tip.as_deref() != Some(&new.tip) || !self.wire()?.pause(deadline).await {
                        return Err(fault);
                    }
                    self.post_commit(deadline, new).await
                }
                sent => sent,
            }
        };
        done.await
            .map_err(|fault| self.error(format!("write a commit on top of {}", new.tip), fault))
    }

    async fn tree_within(&self, deadline: Deadline, commit: &str) -> Result<String, ForgeFault> {
        let wire = self.wire()?;
        let (owner, name) = self.owner_and_name();
        let found = wire
            .read(deadline, async || {
                wire.crab.git(owner, name).get_commit(commit).await
            })
            .await?;
        if found.sha == commit {
            Ok(found.tree.sha)
        } else {
            Err(ForgeFault::answer("it is about another commit"))
        }
    }

    async fn entries(&self, deadline: Deadline, tree: &str) -> Result<GitTree, ForgeFault> {
        let wire = self.wire()?;
        let (owner, name) = self.owner_and_name();
        let found = wire
            .read(deadline, async || {
                wire.crab.git(owner, name).get_tree(tree).send().await
            })
            .await?;
        if found.sha == tree {
            Ok(found)
        } else {
            Err(ForgeFault::answer("it is about another tree"))
        }
    }

    /// Writes the tree, unless it is there after a doubt.
    async fn write_tree(
        &self,
        deadline: Deadline,
        new: &NewCommit,
        base: &str,
    ) -> Result<(), ForgeFault> {
        match self.post_tree(deadline, new, base).await {
            Err(fault) if fault.is_doubtful() => match self.entries(deadline, &new.tree).await {
                Ok(_) => Ok(()),
                Err(ForgeFault::NotFound { .. }) if self.wire()?.pause(deadline).await => {
                    self.post_tree(deadline, new, base).await
                }
                Err(_) => Err(fault),
            },
            sent => sent,
        }
    }

    async fn post_tree(
        &self,
        deadline: Deadline,
        new: &NewCommit,
        base: &str,
    ) -> Result<(), ForgeFault> {
        let wire = self.wire()?;
        let (owner, name) = self.owner_and_name();
        let entries = new
            .entries
            .iter()
            .map(|entry| {
                let kind = match entry.mode.as_str() {
                    "040000" => "tree",
                    "160000" => "commit",
                    _ => "blob",
                };
                TreeEntry {
                    path: &entry.path,
                    mode: &entry.mode,
                    kind,
                    sha: entry.id.as_deref(),
                }
            })
            .collect();
        // Without the base everything else would be gone.
        let body = NewTree {
            base_tree: base,
            tree: entries,
        };
        let route = format!("/repos/{owner}/{name}/git/trees");
        let made: GitTree = wire
            .write(deadline, wire.crab.post(route, Some(&body)))
            .await?;
        if made.sha == new.tree {
            Ok(())
        } else {
            Err(ForgeFault::Refused {
                why: format!("GitHub made tree {} where {} was due", made.sha, new.tree),
            })
        }
    }

    async fn post_commit(
        &self,
        deadline: Deadline,
        new: &NewCommit,
    ) -> Result<WrittenCommit, ForgeFault> {
        let wire = self.wire()?;
        let (owner, name) = self.owner_and_name();
        let git = wire.crab.git(owner, name);
        let mut request = git
            .create_commit(&new.message, &new.tree)
            .parents(vec![new.tip.clone()]);
        if !self.is_app() {
            let author = CommitAuthor {
                name: new.author.name.clone(),
                email: Some(new.author.email.clone()),
                date: Some(new.author.at),
            };
            request = request.author(author.clone()).committer(author);
        }
        let made = wire.write(deadline, request.send()).await?;
        let is_on_tip = match &made.parents[..] {
            [parent] => parent.sha.as_ref() == Some(&new.tip),
            _ => false,
        };
        if is_on_tip && made.tree.sha == new.tree {
            Ok(WrittenCommit {
                commit: made.sha,
                parent: new.tip.clone(),
                is_verified: made.verification.verified,
            })
        } else {
            Err(ForgeFault::Refused {
                why: format!(
                    "GitHub made commit {} with another tree or parent",
                    made.sha
                ),
            })
        }
    }
}

/// Refuses what would change how GitHub runs programs: it wants a permission of its own, and none is asked for.
fn refuse_workflows(entries: &[CommitEntry]) -> Result<(), ForgeFault> {
    if entries.is_empty() {
        return Err(ForgeFault::Refused {
            why: "nothing is to be put in place".to_owned(),
        });
    }
    let found = entries.iter().find(|entry| {
        let path = entry.path.to_ascii_lowercase();
        path == ".github" || path == ".github/workflows" || path.starts_with(".github/workflows/")
    });
    match found {
        None => Ok(()),
        Some(entry) => Err(ForgeFault::Refused {
            why: format!(
                "{:?} holds GitHub's workflows, which this program does not change; check GITOPS_PATH",
                entry.path
            ),
        }),
    }
}
