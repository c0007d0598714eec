//! What is done with a pull request, once, whatever answers get lost: the order of looks and deeds is the same on every
//! forge.

use std::time::Duration;

use super::error::ForgeFault;
use super::pull::{Commented, NewPull, Opened, Pull, PullState};
use crate::clients::http::Deadline;

/// The single requests that the steps are made of. A question may be asked again; what changes something is sent once.
pub(in crate::clients) trait PullRequests {
    /// Returns how the repository is called: `owner/name`, with the groups that it lies in.
    fn name(&self) -> String;

    /// Tells whether this program signs in at all: without that nothing can be written.
    fn may_write(&self) -> bool;

    /// Returns the total time of one step, with all its requests and pauses.
    fn timeout(&self) -> Duration;

    /// Finds the foremost pull request of one of our branches.
    async fn find(&self, deadline: Deadline, branch: &str) -> Result<Option<Pull>, ForgeFault>;

    /// Finds the newest pull requests from branches whose names begin so, each with its text.
    async fn newest(
        &self,
        deadline: Deadline,
        beginning: &str,
    ) -> Result<Vec<(Pull, String)>, ForgeFault>;

    /// Reads one.
    async fn read(&self, deadline: Deadline, number: u64) -> Result<Pull, ForgeFault>;

    /// Opens one.
    async fn post(&self, deadline: Deadline, new: &NewPull) -> Result<Pull, ForgeFault>;

    /// Closes one.
    async fn close(&self, deadline: Deadline, number: u64) -> Result<Pull, ForgeFault>;

    /// Puts a label on one.
    async fn label(&self, deadline: Deadline, number: u64, label: &str) -> Result<(), ForgeFault>;

    /// Lists the comments on one.
    async fn comments(&self, deadline: Deadline, number: u64) -> Result<Vec<String>, ForgeFault>;

    /// Comments on one.
    async fn post_comment(
        &self,
        deadline: Deadline,
        number: u64,
        body: &str,
    ) -> Result<(), ForgeFault>;

    /// Waits before a second look, while the step has time. Returns whether it had.
    async fn pause(&self, deadline: Deadline) -> Result<bool, ForgeFault>;
}

/// Opens a pull request, unless one for the branch is there.
pub(super) async fn open(
    api: &impl PullRequests,
    deadline: Deadline,
    new: &NewPull,
) -> Result<Opened, ForgeFault> {
    if let Some(found) = api.find(deadline, &new.branch).await? {
        return Ok(Opened::Found(found));
    }
    let mut is_second = false;
    loop {
        let fault = match api.post(deadline, new).await {
            Ok(made) if made.branch == new.branch => return Ok(Opened::New(made)),
            Ok(_) => ForgeFault::answer("it is about another branch"),
            Err(fault) => fault,
        };
        let is_refused = fault.is_refusal();
        if !is_refused && !fault.is_doubtful() {
            return Err(fault);
        }
        if let Some(found) = api.find(deadline, &new.branch).await? {
            // After a doubt it is ours from just now; who calls has no use for the difference.
            return Ok(Opened::Found(found));
        }
        if is_refused {
            return Ok(Opened::Refused {
                words: fault.to_string(),
            });
        }
        if is_second || !api.pause(deadline).await? {
            return Err(fault);
        }
        if let Some(found) = api.find(deadline, &new.branch).await? {
            return Ok(Opened::Found(found));
        }
        is_second = true;
    }
}

/// Closes a pull request and returns how it stands then: it may have been merged first.
pub(super) async fn close(
    api: &impl PullRequests,
    deadline: Deadline,
    number: u64,
) -> Result<Pull, ForgeFault> {
    let found = api.read(deadline, number).await?;
    if found.state != PullState::Open {
        return Ok(found);
    }
    let fault = match api.close(deadline, number).await {
        Ok(closed) if closed.state != PullState::Open => return Ok(closed),
        Ok(_) => ForgeFault::answer("it is still open"),
        Err(fault) => fault,
    };
    if !fault.is_doubtful() && !fault.is_refusal() {
        return Err(fault);
    }
    let found = api.read(deadline, number).await?;
    match found.state {
        PullState::Closed | PullState::Merged { .. } => Ok(found),
        PullState::Open => Err(fault),
    }
}

/// Comments, unless one of the comments there is the one that is meant.
pub(in crate::clients) async fn comment_unless(
    api: &impl PullRequests,
    deadline: Deadline,
    number: u64,
    body: &str,
    is_it: impl Fn(&str) -> bool,
) -> Result<Commented, ForgeFault> {
    let is_there = async || {
        let comments = api.comments(deadline, number).await?;
        Ok::<_, ForgeFault>(comments.iter().any(|said| is_it(said)))
    };
    if is_there().await? {
        return Ok(Commented::AlreadyThere);
    }
    match api.post_comment(deadline, number, body).await {
        Ok(()) => Ok(Commented::Written),
        Err(fault) if fault.is_doubtful() && is_there().await? => Ok(Commented::Written),
        Err(fault) => Err(fault),
    }
}

/// Evens out what a forge may write in its own way: line ends, and blanks at the end.
pub(super) fn plain(text: &str) -> String {
    text.replace("\r\n", "\n").trim_end().to_owned()
}
