//! Issues: found by a hidden line, opened, commented, changed, closed.
//!
//! GitHub knows no repeat again, so an issue carries a line of its own, its marker, and is looked for before it is
//! made. Only the fields that matter are read.

use serde::{Deserialize, Serialize};

use super::Github;
use crate::clients::forge::error::{ForgeError, ForgeFault};
use crate::clients::forge::pull::Commented;
use crate::clients::forge::steps::comment_unless;
use crate::clients::http::quote;

/// How many issues are listed at once. Bodies are long: this many of the longest fit into one answer.
const PER_PAGE: u8 = 50;

/// How many lists are read at most. An older issue is not found, and counts as not there.
const MAX_PAGES: u32 = 4;

/// An issue as GitHub shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issue {
    /// Its number.
    pub number: u64,
    /// Its page.
    pub url: Option<String>,
    /// Whether it is open.
    pub is_open: bool,
    /// What it says, with line ends of one character.
    pub body: String,
}

/// An issue to be opened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NewIssue {
    /// Its title.
    pub title: String,
    /// What it says; one of its lines is the marker.
    pub body: String,
    /// Its labels, which come into being where they are not there. Who may not set labels gets an issue without.
    pub labels: Vec<String>,
}

/// What changes in an issue.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct IssueChange {
    /// What it says from now on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// Whether it is closed as done.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub closing: Option<IssueClosing>,
}

/// Closes an issue as done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct IssueClosing {
    state: &'static str,
    state_reason: &'static str,
}

impl IssueClosing {
    /// The only way in which this program closes an issue.
    pub const DONE: Self = Self {
        state: "closed",
        state_reason: "completed",
    };
}

#[derive(Deserialize)]
struct IssueAnswer {
    number: u64,
    html_url: Option<String>,
    state: String,
    body: Option<String>,
    /// There for a pull request, which the lists of issues hold too.
    pull_request: Option<serde::de::IgnoredAny>,
}

#[derive(Serialize)]
struct IssueFilter<'a> {
    labels: &'a str,
    state: &'static str,
    per_page: u8,
    page: u32,
}

impl Github {
    /// Finds the newest issue with a label of which one line is the marker, open or not.
    ///
    /// # Errors
    /// Fails when GitHub does not answer in time or refuses.
    pub async fn find_issue(&self, label: &str, marker: &str) -> Result<Option<Issue>, ForgeError> {
        let done = async {
            let deadline = self.deadline();
            let wire = self.wire()?;
            let path = self.path("issues");
            for page in 1..=MAX_PAGES {
                let filter = IssueFilter {
                    labels: label,
                    state: "all",
                    per_page: PER_PAGE,
                    page,
                };
                let listed: Vec<IssueAnswer> = wire
                    .read(deadline, || wire.crab.get(&path, Some(&filter)))
                    .await?;
                let is_last = listed.len() < usize::from(PER_PAGE);
                let ours = listed.into_iter().find(|shown| {
                    let body = shown.body.as_deref().unwrap_or_default();
                    shown.pull_request.is_none() && has_line(body, marker)
                });
                if ours.is_some() || is_last {
                    return Ok(ours.map(issue));
                }
            }
            Ok(None)
        };
        done.await
            .map_err(|fault| self.error("look for the issue", fault))
    }

    /// Returns an issue; nothing when it is not there any more.
    ///
    /// # Errors
    /// Fails when GitHub does not answer in time or refuses.
    pub async fn issue(&self, number: u64) -> Result<Option<Issue>, ForgeError> {
        let read = async {
            let wire = self.wire()?;
            let path = self.path(&format!("issues/{number}"));
            let asked = wire.read(self.deadline(), || {
                wire.crab.get::<IssueAnswer, _, _>(&path, None::<&()>)
            });
            match asked.await {
                Ok(shown) if shown.number == number => Ok(Some(issue(shown))),
                Ok(_) => Err(ForgeFault::answer("it is about another issue")),
                // 410: deleted.
                Err(ForgeFault::NotFound { .. } | ForgeFault::Rejected { status: 410, .. }) => {
                    Ok(None)
                }
                Err(fault) => Err(fault),
            }
        };
        read.await
            .map_err(|fault| self.error(format!("read issue {number}"), fault))
    }

    /// Opens an issue. It is sent once: after a doubtful failure a later look finds it, or it is not there.
    ///
    /// # Errors
    /// Fails when GitHub does not answer in time or refuses.
    pub async fn open_issue(&self, new: &NewIssue) -> Result<Issue, ForgeError> {
        let opened = async {
            let wire = self.wire()?;
            let sent = wire.crab.post(self.path("issues"), Some(new));
            let shown: IssueAnswer = wire.write(self.deadline(), sent).await?;
            Ok(issue(shown))
        };
        opened
            .await
            .map_err(|fault| self.error("open an issue", fault))
    }

    /// Changes an issue. Doing it again changes nothing.
    ///
    /// # Errors
    /// Fails when GitHub does not answer in time or refuses.
    pub async fn change_issue(
        &self,
        number: u64,
        change: &IssueChange,
    ) -> Result<Issue, ForgeError> {
        let changed = async {
            let wire = self.wire()?;
            let path = self.path(&format!("issues/{number}"));
            let sent = wire.crab.patch(path, Some(change));
            let shown: IssueAnswer = wire.write(self.deadline(), sent).await?;
            Ok(issue(shown))
        };
        changed
            .await
            .map_err(|fault| self.error(format!("change issue {number}"), fault))
    }

    /// Comments on an issue, unless it has a comment of which one line is the marker.
    ///
    /// # Errors
    /// Fails when it cannot be known whether the comment is there, or when GitHub cannot be asked.
    pub async fn comment_once(
        &self,
        number: u64,
        marker: &str,
        body: &str,
    ) -> Result<Commented, ForgeError> {
        let is_there = |said: &str| has_line(said, marker);
        comment_unless(self, self.deadline(), number, body, is_there)
            .await
            .map_err(|fault| self.error(format!("comment on issue {number}"), fault))
    }
}

/// Tells whether one whole line of a text is the marker: what people write into a line of ours is not taken for it.
fn has_line(text: &str, marker: &str) -> bool {
    text.lines().any(|line| line.trim_end() == marker)
}

fn issue(shown: IssueAnswer) -> Issue {
    Issue {
        number: shown.number,
        url: shown.html_url.map(|url| quote(url.as_bytes())),
        is_open: shown.state == "open",
        body: shown.body.unwrap_or_default().replace("\r\n", "\n"),
    }
}
