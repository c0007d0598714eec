//! Pull requests: found, opened, watched, closed. Never merged or approved by this program.
//!
//! Only the fields that matter are read. The library's own models want texts where GitHub's description allows
//! `null`, and an answer that cannot be read would leave it open whether a pull request was opened.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::Github;
use super::branch::is_refusal;
use super::error::{GithubError, GithubFault};
use crate::clients::http::{Deadline, quote};

/// How many pull requests are listed. Far more than one rollback has.
const PAGE: u8 = 100;

/// A pull request as GitHub shows it.
#[derive(Deserialize)]
struct PullAnswer {
    number: u64,
    html_url: Option<String>,
    state: Stands,
    merged_at: Option<DateTime<Utc>>,
    merge_commit_sha: Option<String>,
    head: PullSide,
    base: PullSide,
    #[serde(default)]
    body: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Stands {
    Open,
    Closed,
}

/// One of the two branches of a pull request; without the repository once that is gone.
#[derive(Deserialize)]
struct PullSide {
    #[serde(rename = "ref")]
    branch: String,
    sha: String,
    repo: Option<Home>,
}

#[derive(Deserialize)]
struct Home {
    full_name: String,
}

#[derive(Serialize)]
struct PullFilter {
    state: &'static str,
    head: String,
    per_page: u8,
}

#[derive(Serialize)]
struct Newest {
    state: &'static str,
    sort: &'static str,
    direction: &'static str,
    per_page: u8,
}

#[derive(Serialize)]
struct PullOpening<'a> {
    title: &'a str,
    head: &'a str,
    base: &'a str,
    body: &'a str,
    draft: bool,
    maintainer_can_modify: bool,
}

#[derive(Serialize)]
struct PullClosing {
    state: &'static str,
}

/// A pull request to be opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPull {
    /// The branch that holds the commit.
    pub branch: String,
    /// The branch it is meant for.
    pub base: String,
    /// The title.
    pub title: String,
    /// The text, in Markdown.
    pub body: String,
    /// Whether it is opened as a draft, where the repository has drafts.
    pub is_draft: bool,
}

/// A pull request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pull {
    /// Its number.
    pub number: u64,
    /// Where a person sees it; nothing when GitHub does not say.
    pub url: Option<String>,
    /// The branch that holds the commit.
    pub branch: String,
    /// The commit that branch points to.
    pub head: String,
    /// The branch it is meant for.
    pub base: String,
    /// How it stands.
    pub state: PullState,
}

/// How a pull request stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PullState {
    /// It waits for a person.
    Open,
    /// It was merged. A squash or a rebase makes other commits: what the branch holds is the proof, not an id.
    Merged {
        /// When.
        at: DateTime<Utc>,
        /// The commit that it became on the base branch.
        commit: Option<String>,
    },
    /// It was closed without being merged: somebody said no.
    Closed,
}

/// What became of a pull request that was to be opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opened {
    /// It is there now.
    New(Pull),
    /// One for the branch was there, in whatever state.
    Found(Pull),
    /// GitHub does not take it.
    Refused {
        /// Why, with GitHub's words.
        words: String,
    },
}

impl Github {
    /// Finds the pull request of one of our branches: an open one before a merged one before a closed one.
    ///
    /// # Errors
    /// Fails when GitHub does not answer in time or refuses.
    pub async fn find_pull(&self, branch: &str) -> Result<Option<Pull>, GithubError> {
        self.find_within(self.deadline(), branch)
            .await
            .map_err(|fault| self.error(format!("find the pull request of {branch:?}"), fault))
    }

    /// Finds the newest pull requests from branches whose names begin so, open or not, each with its text. Only the
    /// newest hundred of the repository are looked through.
    ///
    /// # Errors
    /// Fails when GitHub does not answer in time or refuses.
    pub async fn pulls_from(&self, beginning: &str) -> Result<Vec<(Pull, String)>, GithubError> {
        let done = async {
            let deadline = self.deadline();
            let wire = self.wire()?;
            let path = self.path("pulls");
            let newest = Newest {
                state: "all",
                sort: "created",
                direction: "desc",
                per_page: PAGE,
            };
            let listed: Vec<PullAnswer> = wire
                .read(deadline, || wire.crab.get(&path, Some(&newest)))
                .await?;
            let ours = listed.into_iter().filter(|shown| {
                shown.head.branch.starts_with(beginning) && self.is_from_here(shown)
            });
            Ok(ours
                .map(|mut shown| {
                    let body = shown.body.take().unwrap_or_default();
                    (pull(shown), body)
                })
                .collect())
        };
        done.await
            .map_err(|fault| self.error(format!("list the pull requests of {beginning:?}"), fault))
    }

    /// Opens a pull request, unless one for the branch is there. Where drafts are refused it is opened as a plain one.
    ///
    /// # Errors
    /// Fails when it cannot be known whether it is there, or when GitHub cannot be asked.
    pub async fn open_pull(&self, new: &NewPull) -> Result<Opened, GithubError> {
        self.open_within(self.deadline(), new)
            .await
            .map_err(|fault| self.error(format!("open a pull request for {:?}", new.branch), fault))
    }

    /// Returns a pull request by its number.
    ///
    /// # Errors
    /// Fails when GitHub does not answer in time or refuses.
    pub async fn pull(&self, number: u64) -> Result<Pull, GithubError> {
        self.pull_within(self.deadline(), number)
            .await
            .map_err(|fault| self.error(format!("read pull request {number}"), fault))
    }

    /// Closes a pull request and returns how it stands then: it may have been merged first.
    ///
    /// # Errors
    /// Fails when it cannot be known how it stands, or when GitHub cannot be asked.
    pub async fn close_pull(&self, number: u64) -> Result<Pull, GithubError> {
        let done = async {
            let deadline = self.deadline();
            let wire = self.wire()?;
            let found = self.pull_within(deadline, number).await?;
            if found.state != PullState::Open {
                return Ok(found);
            }
            let path = self.path(&format!("pulls/{number}"));
            let closing = PullClosing { state: "closed" };
            let sent = wire.crab.patch(path, Some(&closing));
            let fault = match wire.write::<PullAnswer>(deadline, sent).await {
                Ok(closed) => return Ok(pull(closed)),
                Err(fault) => fault,
            };
            if !fault.is_doubtful() && !is_refusal(&fault) {
                return Err(fault);
            }
            let found = self.pull_within(deadline, number).await?;
            match found.state {
                PullState::Closed | PullState::Merged { .. } => Ok(found),
                PullState::Open => Err(fault),
            }
        };
        done.await
            .map_err(|fault| self.error(format!("close pull request {number}"), fault))
    }

    async fn find_within(
        &self,
        deadline: Deadline,
        branch: &str,
    ) -> Result<Option<Pull>, GithubFault> {
        let wire = self.wire()?;
        let path = self.path("pulls");
        let filter = PullFilter {
            state: "all",
            head: format!("{}:{branch}", self.owner_and_name().0),
            per_page: PAGE,
        };
        let listed: Vec<PullAnswer> = wire
            .read(deadline, || wire.crab.get(&path, Some(&filter)))
            .await?;
        // A filter that GitHub does not understand is ignored, and other people's pull requests come.
        let mut ours: Vec<Pull> = listed
            .into_iter()
            .filter(|shown| shown.head.branch == branch && self.is_from_here(shown))
            .map(pull)
            .collect();
        ours.sort_by_key(|pull| {
            let rank = match pull.state {
                PullState::Open => 2,
                PullState::Merged { .. } => 1,
                PullState::Closed => 0,
            };
            (rank, pull.number)
        });
        Ok(ours.pop())
    }

    /// A fork may have a branch of the same name.
    fn is_from_here(&self, shown: &PullAnswer) -> bool {
        let from = shown.head.repo.as_ref();
        from.is_none_or(|home| home.full_name.eq_ignore_ascii_case(&self.name()))
    }

    pub(super) fn path(&self, rest: &str) -> String {
        let (owner, name) = self.owner_and_name();
        format!("/repos/{owner}/{name}/{rest}")
    }

    async fn open_within(&self, deadline: Deadline, new: &NewPull) -> Result<Opened, GithubFault> {
        let wire = self.wire()?;
        if let Some(found) = self.find_within(deadline, &new.branch).await? {
            return Ok(Opened::Found(found));
        }
        let mut is_draft = new.is_draft;
        let mut is_second = false;
        loop {
            let opening = PullOpening {
                title: &new.title,
                head: &new.branch,
                base: &new.base,
                body: &new.body,
                draft: is_draft,
                maintainer_can_modify: false,
            };
            let sent = wire.crab.post(self.path("pulls"), Some(&opening));
            let fault = match wire.write::<PullAnswer>(deadline, sent).await {
                Ok(made) if made.head.branch == new.branch => return Ok(Opened::New(pull(made))),
                Ok(_) => GithubFault::answer("it is about another branch"),
                Err(fault) => fault,
            };
            let is_refused = is_refusal(&fault);
            if !is_refused && !fault.is_doubtful() {
                return Err(fault);
            }
            if let Some(found) = self.find_within(deadline, &new.branch).await? {
                // After a doubt it is ours from just now; who calls has no use for the difference.
                return Ok(Opened::Found(found));
            }
            if is_draft && matches!(fault, GithubFault::Rejected { status: 422, .. }) {
                // Private repositories of free plans have no drafts.
                is_draft = false;
                continue;
            }
            if is_refused {
                return Ok(Opened::Refused {
                    words: fault.to_string(),
                });
            }
            if is_second || !wire.pause(deadline).await {
                return Err(fault);
            }
            if let Some(found) = self.find_within(deadline, &new.branch).await? {
                return Ok(Opened::Found(found));
            }
            is_second = true;
        }
    }

    async fn pull_within(&self, deadline: Deadline, number: u64) -> Result<Pull, GithubFault> {
        let wire = self.wire()?;
        let path = self.path(&format!("pulls/{number}"));
        let found: PullAnswer = wire
            .read(deadline, || wire.crab.get(&path, None::<&()>))
            .await?;
        if found.number == number {
            Ok(pull(found))
        } else {
            Err(GithubFault::answer("it is about another pull request"))
        }
    }
}

fn pull(shown: PullAnswer) -> Pull {
    let state = match (shown.merged_at, shown.state) {
        (Some(at), _) => PullState::Merged {
            at,
            commit: shown.merge_commit_sha,
        },
        (None, Stands::Open) => PullState::Open,
        (None, Stands::Closed) => PullState::Closed,
    };
    Pull {
        number: shown.number,
        url: shown.html_url.map(|url| quote(url.as_bytes())),
        branch: shown.head.branch,
        head: shown.head.sha,
        base: shown.base.branch,
        state,
    }
}
