//! Pull requests: found, opened, watched, closed. Never merged or approved by this program.
//!
//! Only the fields that matter are read. The library's own models want texts where GitHub's description allows
//! `null`, and an answer that cannot be read would leave it open whether a pull request was opened.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::Github;
use super::identity::GithubIdentity;
use crate::clients::forge::error::ForgeFault;
use crate::clients::forge::pull::{NewPull, Pull, PullState, foremost};
use crate::clients::forge::steps::PullRequests;
use crate::clients::http::{Deadline, quote};

/// How many pull requests and comments are listed. Far more than one rollback has.
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
    maintainer_can_modify: bool,
}

#[derive(Serialize)]
struct PullClosing {
    state: &'static str,
}

#[derive(Deserialize)]
struct Comment {
    body: Option<String>,
}

/// An answer of which nothing is read.
#[derive(Deserialize)]
struct Anything {}

#[derive(Serialize)]
struct Text<'a> {
    body: &'a str,
}

#[derive(Serialize)]
struct Page {
    per_page: u8,
}

impl PullRequests for Github {
    fn name(&self) -> String {
        format!("{}/{}", self.settings.owner, self.settings.name)
    }

    fn may_write(&self) -> bool {
        match *self.identity {
            GithubIdentity::App(_) | GithubIdentity::Token(_) => true,
            GithubIdentity::Anonymous => false,
        }
    }

    fn timeout(&self) -> Duration {
        self.settings.timeout
    }

    async fn find(&self, deadline: Deadline, branch: &str) -> Result<Option<Pull>, ForgeFault> {
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
        let ours = listed
            .into_iter()
            .filter(|shown| shown.head.branch == branch && self.is_from_here(shown));
        Ok(foremost(ours.map(pull)))
    }

    /// Only the newest hundred of the repository are looked through.
    async fn newest(
        &self,
        deadline: Deadline,
        beginning: &str,
    ) -> Result<Vec<(Pull, String)>, ForgeFault> {
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
        let ours = listed
            .into_iter()
            .filter(|shown| shown.head.branch.starts_with(beginning) && self.is_from_here(shown));
        Ok(ours
            .map(|mut shown| {
                let body = shown.body.take().unwrap_or_default();
                (pull(shown), body)
            })
            .collect())
    }

    async fn read(&self, deadline: Deadline, number: u64) -> Result<Pull, ForgeFault> {
        let wire = self.wire()?;
        let path = self.path(&format!("pulls/{number}"));
        let found: PullAnswer = wire
            .read(deadline, || wire.crab.get(&path, None::<&()>))
            .await?;
        if found.number == number {
            Ok(pull(found))
        } else {
            Err(ForgeFault::answer("it is about another pull request"))
        }
    }

    async fn post(&self, deadline: Deadline, new: &NewPull) -> Result<Pull, ForgeFault> {
        let wire = self.wire()?;
        let opening = PullOpening {
            title: &new.title,
            head: &new.branch,
            base: &new.base,
            body: &new.body,
            maintainer_can_modify: false,
        };
        let sent = wire.crab.post(self.path("pulls"), Some(&opening));
        wire.write::<PullAnswer>(deadline, sent).await.map(pull)
    }

    async fn close(&self, deadline: Deadline, number: u64) -> Result<Pull, ForgeFault> {
        let wire = self.wire()?;
        let path = self.path(&format!("pulls/{number}"));
        let closing = PullClosing { state: "closed" };
        let sent = wire.crab.patch(path, Some(&closing));
        wire.write::<PullAnswer>(deadline, sent).await.map(pull)
    }

    async fn label(&self, deadline: Deadline, number: u64, label: &str) -> Result<(), ForgeFault> {
        let wire = self.wire()?;
        let (owner, name) = self.owner_and_name();
        let issues = wire.crab.issues(owner, name);
        let labels = [label.to_owned()];
        let sent = issues.add_labels(number, &labels);
        wire.write(deadline, sent).await.map(|_| ())
    }

    async fn comments(&self, deadline: Deadline, number: u64) -> Result<Vec<String>, ForgeFault> {
        let wire = self.wire()?;
        let path = self.path(&format!("issues/{number}/comments"));
        let page = Page { per_page: PAGE };
        let listed: Vec<Comment> = wire
            .read(deadline, || wire.crab.get(&path, Some(&page)))
            .await?;
        Ok(listed.into_iter().filter_map(|it| it.body).collect())
    }

    async fn post_comment(
        &self,
        deadline: Deadline,
        number: u64,
        body: &str,
    ) -> Result<(), ForgeFault> {
        let wire = self.wire()?;
        let path = self.path(&format!("issues/{number}/comments"));
        let text = Text { body };
        let sent = wire.crab.post(path, Some(&text));
        wire.write::<Anything>(deadline, sent).await.map(|_| ())
    }

    async fn pause(&self, deadline: Deadline) -> Result<bool, ForgeFault> {
        Ok(self.wire()?.pause(deadline).await)
    }
}

impl Github {
    /// A fork may have a branch of the same name.
    fn is_from_here(&self, shown: &PullAnswer) -> bool {
        let from = shown.head.repo.as_ref();
        from.is_none_or(|home| home.full_name.eq_ignore_ascii_case(&self.name()))
    }

    pub(super) fn path(&self, rest: &str) -> String {
        let (owner, name) = self.owner_and_name();
        format!("/repos/{owner}/{name}/{rest}")
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
