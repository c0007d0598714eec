//! The incident ticket is opened, commented and closed.

use chrono::Utc;
use tokio::time::Instant;

use super::{Tickets, Told};
use crate::clients::forge::{ForgeError, ForgeFault};
use crate::clients::github::{Issue, IssueChange, IssueClosing, NewIssue};
use crate::journal::{News, NewsKind, NewsRollback};
use crate::notify::handles::Handle;
use crate::notify::ticket::{
    LABELS, LISTED, body, comment, comment_marker, is_untouched, marker, title,
};

/// How far it came before something failed.
#[derive(Default)]
struct Progress {
    number: Option<u64>,
}

pub(super) async fn tell(
    tickets: &Tickets,
    news: &News,
    known: Option<u64>,
    deadline: Instant,
) -> Told {
    let Some(rollback) = &news.rollback else {
        return Told::DONE;
    };
    let mut progress = Progress::default();
    let work = keep(tickets, news, rollback, known, &mut progress);
    let ended = tokio::time::timeout_at(deadline, work).await;
    let handle = progress.number.map(Handle::Ticket);
    match ended {
        Ok(Ok(())) => Told::Delivered { handle },
        Ok(Err(error)) => failed(&error, handle),
        Err(_) => Told::Later {
            why: format!(
                "keep the ticket in {}: not finished within the time for telling; a later run tries again",
                tickets.github.name()
            ),
            retry_after: None,
            handle,
        },
    }
}

async fn keep(
    tickets: &Tickets,
    news: &News,
    rollback: &NewsRollback,
    known: Option<u64>,
    progress: &mut Progress,
) -> Result<(), ForgeError> {
    let found = find(tickets, rollback, known).await?;
    progress.number = found.as_ref().map(|issue| issue.number);
    let issue = match found {
        Some(issue) if news.kind == NewsKind::Started => {
            return refresh(tickets, news, rollback, &issue).await;
        }
        Some(issue) => issue,
        None if opens(news.kind) => {
            let new = NewIssue {
                title: title(news),
                body: body(news, rollback),
                labels: LABELS.map(str::to_owned).to_vec(),
            };
            let issue = tickets.github.open_issue(&new).await?;
            progress.number = Some(issue.number);
            // Its first text says all that a comment would.
            return close(tickets, news, &issue).await;
        }
        None => return Ok(()),
    };
    let (marker, text) = (comment_marker(news), comment(news));
    tickets
        .github
        .comment_once(issue.number, &marker, &text)
        .await?;
    refresh(tickets, news, rollback, &issue).await
}

async fn find(
    tickets: &Tickets,
    rollback: &NewsRollback,
    known: Option<u64>,
) -> Result<Option<Issue>, ForgeError> {
    if let Some(number) = known
        && let Some(issue) = tickets.github.issue(number).await?
    {
        return Ok(Some(issue));
    }
    tickets.github.find_issue(LISTED, &marker(rollback)).await
}

/// Brings the draft up to date while no person has touched it, and closes the ticket where that is due.
async fn refresh(
    tickets: &Tickets,
    news: &News,
    rollback: &NewsRollback,
    issue: &Issue,
) -> Result<(), ForgeError> {
    let newest = body(news, rollback);
    let is_newer =
        is_untouched(&issue.body, rollback) && issue.body.trim_end() != newest.trim_end();
    // A repeat of the beginning must not take back what was told since.
    let body = (is_newer && news.kind != NewsKind::Started).then_some(newest);
    let change = IssueChange {
        body,
        closing: closing(tickets, news, issue),
    };
    if change != IssueChange::default() {
        tickets.github.change_issue(issue.number, &change).await?;
    }
    Ok(())
}

async fn close(tickets: &Tickets, news: &News, issue: &Issue) -> Result<(), ForgeError> {
    let change = IssueChange {
        body: None,
        closing: closing(tickets, news, issue),
    };
    if change.closing.is_some() {
        tickets.github.change_issue(issue.number, &change).await?;
    }
    Ok(())
}

fn closing(tickets: &Tickets, news: &News, issue: &Issue) -> Option<IssueClosing> {
    let is_due = news.kind == NewsKind::Recovered && tickets.is_closed_on_recovery && issue.is_open;
    is_due.then_some(IssueClosing::DONE)
}

/// Tells whether a change is worth a ticket of its own. A plan that was overtaken, and a hold that was violated, are
/// told in one that is there.
fn opens(kind: NewsKind) -> bool {
    match kind {
        NewsKind::Started | NewsKind::Recovered | NewsKind::Ineffective | NewsKind::Failed => true,
        NewsKind::LevelCrossed
        | NewsKind::Held
        | NewsKind::Superseded
        | NewsKind::ApprovalNeeded
        | NewsKind::ApprovalHalfTime
        | NewsKind::ApprovalExpired
        | NewsKind::Rejected
        | NewsKind::HoldViolated
        | NewsKind::SuspiciousCommit
        | NewsKind::Blind
        | NewsKind::Seeing
        | NewsKind::MemoryRebuilt
        | NewsKind::BurnOver => false,
    }
}

fn failed(error: &ForgeError, handle: Option<Handle>) -> Told {
    let why = format!("{error} (INCIDENT_REPO)");
    match &error.fault {
        // The text is refused, now and later.
        ForgeFault::Rejected { status: 422, .. } => Told::Never { why },
        ForgeFault::RateLimited { until } => Told::Later {
            why,
            retry_after: (*until - Utc::now()).to_std().ok(),
            handle,
        },
        ForgeFault::Settings(_)
        | ForgeFault::Key
        | ForgeFault::Transport(_)
        | ForgeFault::Deadline
        | ForgeFault::MovedAway { .. }
        | ForgeFault::Unauthorized { .. }
        | ForgeFault::Forbidden { .. }
        | ForgeFault::NotFound { .. }
        | ForgeFault::Rejected { .. }
        | ForgeFault::Server { .. }
        | ForgeFault::Answer { .. }
        | ForgeFault::Refused { .. } => Told::Later {
            why,
            retry_after: None,
            handle,
        },
    }
}
