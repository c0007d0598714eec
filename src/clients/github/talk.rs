//! What is said on a pull request: labels and comments.

use serde::{Deserialize, Serialize};

use super::Github;
use super::error::{GithubError, GithubFault};
use crate::clients::http::Deadline;

/// How many comments are listed. Far more than a rollback gets.
const PAGE: u8 = 100;

/// What became of a comment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Commented {
    /// It was written.
    Written,
    /// The same text was there.
    AlreadyThere,
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

impl Github {
    /// Puts a label on a pull request; it may have it already. A caller goes on without it.
    ///
    /// # Errors
    /// Fails when GitHub does not answer in time or refuses.
    pub async fn label(&self, number: u64, label: &str) -> Result<(), GithubError> {
        let labelled = async {
            let wire = self.wire()?;
            let (owner, name) = self.owner_and_name();
            let issues = wire.crab.issues(owner, name);
            let labels = [label.to_owned()];
            let sent = issues.add_labels(number, &labels);
            wire.write(self.deadline(), sent).await.map(|_| ())
        };
        labelled
            .await
            .map_err(|fault| self.error(format!("label pull request {number}"), fault))
    }

    /// Comments on a pull request, unless the same text is there.
    ///
    /// # Errors
    /// Fails when it cannot be known whether the comment is there, or when GitHub cannot be asked.
    pub async fn comment(&self, number: u64, body: &str) -> Result<Commented, GithubError> {
        let wanted = plain(body);
        self.comment_unless(self.deadline(), number, body, |said| plain(said) == wanted)
            .await
            .map_err(|fault| self.error(format!("comment on pull request {number}"), fault))
    }

    /// Comments, unless one of the comments there is the one that is meant.
    pub(super) async fn comment_unless(
        &self,
        deadline: Deadline,
        number: u64,
        body: &str,
        is_it: impl Fn(&str) -> bool,
    ) -> Result<Commented, GithubFault> {
        let wire = self.wire()?;
        if self.has_comment(deadline, number, &is_it).await? {
            return Ok(Commented::AlreadyThere);
        }
        let path = self.path(&format!("issues/{number}/comments"));
        let text = Text { body };
        let sent = wire.crab.post(path, Some(&text));
        match wire.write::<Anything>(deadline, sent).await {
            Ok(_) => Ok(Commented::Written),
            Err(fault) if fault.is_doubtful() => {
                if self.has_comment(deadline, number, &is_it).await? {
                    Ok(Commented::Written)
                } else {
                    Err(fault)
                }
            }
            Err(fault) => Err(fault),
        }
    }

    async fn has_comment(
        &self,
        deadline: Deadline,
        number: u64,
        is_it: impl Fn(&str) -> bool,
    ) -> Result<bool, GithubFault> {
        let wire = self.wire()?;
        let path = self.path(&format!("issues/{number}/comments"));
        let page = Page { per_page: PAGE };
        let listed: Vec<Comment> = wire
            .read(deadline, || wire.crab.get(&path, Some(&page)))
            .await?;
        let mut bodies = listed.iter().filter_map(|comment| comment.body.as_deref());
        Ok(bodies.any(is_it))
    }
}

/// Evens out what GitHub may write in its own way: line ends, and blanks at the end.
fn plain(text: &str) -> String {
    text.replace("\r\n", "\n").trim_end().to_owned()
}
