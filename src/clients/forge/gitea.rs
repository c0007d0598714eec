//! Pull requests of one repository on Gitea or Forgejo, through version 1 of their REST API.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::error::ForgeFault;
use super::pull::{NewPull, Pull, PullState, Rights, foremost};
use super::rest::{RestSettings, RestTransport};
use super::steps::PullRequests;
use crate::clients::http::{Deadline, Method, quote};

/// What a token needs. Source: Gitea's documentation, "Scoped tokens": pull requests are `repository`, labels and
/// comments are `issue`.
const NEEDS: &str =
    "GITOPS_TOKEN needs the scopes write:repository and write:issue, and its user may write here";

/// How many pull requests, labels and comments are listed at once. Servers give no more unless they are told to.
const PAGE: usize = 50;

/// How many lists of pull requests are read at most. One that was not touched for longer counts as not there; the
/// server opens no second one for the same branch all the same.
const MAX_PAGES: usize = 4;

/// The colour of a label that the repository does not have yet.
const LABEL_COLOUR: &str = "#d73a4a";

/// One repository.
#[derive(Debug)]
pub struct Gitea {
    rest: RestTransport,
}

/// A pull request as the server shows it. Only the fields that matter are read.
#[derive(Deserialize)]
struct PullAnswer {
    number: u64,
    html_url: Option<String>,
    state: Stands,
    #[serde(default)]
    merged: bool,
    merged_at: Option<DateTime<Utc>>,
    merge_commit_sha: Option<String>,
    head: Side,
    base: Side,
    body: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Stands {
    Open,
    Closed,
}

/// One of the two branches of a pull request.
#[derive(Deserialize)]
struct Side {
    /// The branch's name; `ref` is another one once the branch is gone.
    label: String,
    sha: String,
    repo_id: i64,
}

/// The repository as it is shown to who asks.
#[derive(Deserialize)]
struct Home {
    #[serde(default)]
    permissions: Permissions,
    #[serde(default)]
    has_pull_requests: bool,
    #[serde(default)]
    archived: bool,
}

#[derive(Default, Deserialize)]
struct Permissions {
    push: bool,
}

#[derive(Serialize)]
struct Opening<'a> {
    head: &'a str,
    base: &'a str,
    title: &'a str,
    body: &'a str,
}

#[derive(Serialize)]
struct Closing {
    state: &'static str,
}

#[derive(Serialize)]
struct NewComment<'a> {
    body: &'a str,
}

#[derive(Deserialize)]
struct Comment {
    body: Option<String>,
}

#[derive(Serialize)]
struct NewLabel<'a> {
    name: &'a str,
    color: &'static str,
}

#[derive(Deserialize)]
struct Label {
    id: i64,
    name: String,
}

#[derive(Serialize)]
struct Labelling {
    labels: [i64; 1],
}

impl Gitea {
    /// Prepares to talk about a repository; sends nothing.
    pub fn new(settings: RestSettings) -> Self {
        Self {
            rest: RestTransport::new(settings, NEEDS),
        }
    }

    fn at<'a>(&'a self, rest: &[&'a str]) -> Vec<&'a str> {
        let home = self.rest.settings.path.split('/');
        std::iter::once("repos")
            .chain(home)
            .chain(rest.iter().copied())
            .collect()
    }

    /// Reads one list of pull requests, the last touched ones first.
    async fn list(&self, deadline: Deadline, page: usize) -> Result<Vec<PullAnswer>, ForgeFault> {
        let (limit, page) = (PAGE.to_string(), page.to_string());
        let query = [
            ("state", "all"),
            ("sort", "recentupdate"),
            ("limit", limit.as_str()),
            ("page", page.as_str()),
        ];
        self.rest.read(deadline, &self.at(&["pulls"]), &query).await
    }

    /// Returns the id of a label, which is made where the repository does not have it.
    async fn label_id(&self, deadline: Deadline, name: &str) -> Result<i64, ForgeFault> {
        let at = self.at(&["labels"]);
        let limit = PAGE.to_string();
        let known: Vec<Label> = self
            .rest
            .read(deadline, &at, &[("limit", limit.as_str())])
            .await?;
        if let Some(label) = known.into_iter().find(|label| label.name == name) {
            return Ok(label.id);
        }
        let new = NewLabel {
            name,
            color: LABEL_COLOUR,
        };
        let made: Label = self.rest.write(deadline, Method::POST, &at, &new).await?;
        Ok(made.id)
    }
}

impl Gitea {
    /// Reads what the token's user may do in the repository; the scopes of a token are not shown.
    pub(super) async fn rights(&self, deadline: Deadline) -> Result<Rights, ForgeFault> {
        let home: Home = self.rest.read(deadline, &self.at(&[]), &[]).await?;
        let may_write = home.permissions.push && home.has_pull_requests && !home.archived;
        let granted = format!(
            "push: {}, pull requests: {}, archived: {}",
            home.permissions.push, home.has_pull_requests, home.archived
        );
        Ok(Rights { may_write, granted })
    }
}

impl PullRequests for Gitea {
    fn name(&self) -> String {
        self.rest.settings.path.clone()
    }

    fn may_write(&self) -> bool {
        self.rest.settings.token.is_some()
    }

    fn timeout(&self) -> Duration {
        self.rest.settings.timeout
    }

    async fn find(&self, deadline: Deadline, branch: &str) -> Result<Option<Pull>, ForgeFault> {
        for page in 1..=MAX_PAGES {
            let listed = self.list(deadline, page).await?;
            let count = listed.len();
            let ours = listed
                .into_iter()
                .filter(|shown| shown.head.label == branch && is_from_here(shown));
            if let Some(found) = foremost(ours.map(pull)) {
                return Ok(Some(found));
            }
            // A server may give fewer at once than it is asked for.
            if count == 0 {
                break;
            }
        }
        Ok(None)
    }

    /// Only those are looked through that were touched last.
    async fn newest(
        &self,
        deadline: Deadline,
        beginning: &str,
    ) -> Result<Vec<(Pull, String)>, ForgeFault> {
        let mut found = Vec::new();
        for page in 1..=MAX_PAGES {
            let listed = self.list(deadline, page).await?;
            if listed.is_empty() {
                break;
            }
            let ours = listed
                .into_iter()
                .filter(|shown| shown.head.label.starts_with(beginning) && is_from_here(shown));
            found.extend(ours.map(|mut shown| {
                let text = shown.body.take().unwrap_or_default();
                (pull(shown), text)
            }));
        }
        Ok(found)
    }

    async fn read(&self, deadline: Deadline, number: u64) -> Result<Pull, ForgeFault> {
        let index = number.to_string();
        let at = self.at(&["pulls", &index]);
        let found: PullAnswer = self.rest.read(deadline, &at, &[]).await?;
        if found.number == number {
            Ok(pull(found))
        } else {
            Err(ForgeFault::answer("it is about another pull request"))
        }
    }

    async fn post(&self, deadline: Deadline, new: &NewPull) -> Result<Pull, ForgeFault> {
        let opening = Opening {
            head: &new.branch,
            base: &new.base,
            title: &new.title,
            body: &new.body,
        };
        self.rest
            .write(deadline, Method::POST, &self.at(&["pulls"]), &opening)
            .await
            .map(pull)
    }

    async fn close(&self, deadline: Deadline, number: u64) -> Result<Pull, ForgeFault> {
        let index = number.to_string();
        let at = self.at(&["pulls", &index]);
        let closing = Closing { state: "closed" };
        self.rest
            .write(deadline, Method::PATCH, &at, &closing)
            .await
            .map(pull)
    }

    async fn label(&self, deadline: Deadline, number: u64, label: &str) -> Result<(), ForgeFault> {
        let labels = [self.label_id(deadline, label).await?];
        let index = number.to_string();
        let at = self.at(&["issues", &index, "labels"]);
        self.rest
            .write::<Vec<Label>>(deadline, Method::POST, &at, &Labelling { labels })
            .await
            .map(drop)
    }

    async fn comments(&self, deadline: Deadline, number: u64) -> Result<Vec<String>, ForgeFault> {
        let index = number.to_string();
        let at = self.at(&["issues", &index, "comments"]);
        let listed: Vec<Comment> = self.rest.read(deadline, &at, &[]).await?;
        Ok(listed.into_iter().filter_map(|it| it.body).collect())
    }

    async fn post_comment(
        &self,
        deadline: Deadline,
        number: u64,
        body: &str,
    ) -> Result<(), ForgeFault> {
        let index = number.to_string();
        let at = self.at(&["issues", &index, "comments"]);
        self.rest
            .write::<Comment>(deadline, Method::POST, &at, &NewComment { body })
            .await
            .map(drop)
    }

    async fn pause(&self, deadline: Deadline) -> Result<bool, ForgeFault> {
        Ok(self.rest.pause(deadline).await)
    }
}

/// A fork may have a branch of the same name.
fn is_from_here(shown: &PullAnswer) -> bool {
    shown.head.repo_id == shown.base.repo_id
}

fn pull(shown: PullAnswer) -> Pull {
    let state = match (shown.merged, shown.state) {
        (true, _) => PullState::Merged {
            // Old merges have none; what is wanted of it is that it is not later than now.
            at: shown.merged_at.unwrap_or_else(Utc::now),
            commit: shown.merge_commit_sha,
        },
        (false, Stands::Open) => PullState::Open,
        (false, Stands::Closed) => PullState::Closed,
    };
    Pull {
        number: shown.number,
        url: shown.html_url.map(|url| quote(url.as_bytes())),
        branch: shown.head.label,
        head: shown.head.sha,
        base: shown.base.label,
        state,
    }
}
