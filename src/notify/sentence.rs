//! The one sentence that says what happened to a service, for all channels and for the text of a run.

use super::numbers::{percent, span};
use super::piece::{Line, MAX_VALUE, TextPiece, clean, clipped};
use crate::journal::{News, NewsKind, NewsRollback, RollbackWords};
use crate::policy::short;
use crate::record::{RollbackOutcome, RollbackPart};

/// Says in one sentence what happened, so that somebody understands it who was asleep a minute ago.
pub(super) fn happened(news: &News) -> Line {
    let words = |text: &str| TextPiece::Words(text.to_owned());
    let detail = || TextPiece::Said(news.detail.clone());
    let service = TextPiece::Said(clean(&news.service));
    let Some(rollback) = &news.rollback else {
        return Line::new("", [detail()]);
    };
    let tale = Tale::from(rollback);
    let to = named(&tale, Side::To);
    let mut pieces = match news.kind {
        NewsKind::Started => vec![service, words(" is being put back to "), to],
        NewsKind::ApprovalNeeded | NewsKind::ApprovalHalfTime => {
            vec![service, words(" would be put back to "), to]
        }
        NewsKind::Recovered => vec![
            service,
            words(" is back at "),
            to,
            words(", and the burn stopped: "),
            detail(),
        ],
        NewsKind::Ineffective if rollback.worse => vec![
            service,
            words(" was put back to "),
            to,
            words(", and fails more than before: "),
            detail(),
        ],
        NewsKind::Ineffective => vec![
            service,
            words(" was put back to "),
            to,
            words(", and it did not help: "),
            detail(),
        ],
        NewsKind::Failed => vec![
            service,
            words(" could not be put back to "),
            to,
            words(": "),
            detail(),
        ],
        NewsKind::Superseded | NewsKind::Rejected | NewsKind::ApprovalExpired => vec![
            service,
            words(" was not put back to "),
            to,
            words(": "),
            detail(),
        ],
        NewsKind::LevelCrossed
        | NewsKind::Held
        | NewsKind::HoldViolated
        | NewsKind::SuspiciousCommit
        | NewsKind::Blind
        | NewsKind::Seeing
        | NewsKind::MemoryRebuilt
        | NewsKind::BurnOver => vec![detail()],
    };
    if matches!(
        news.kind,
        NewsKind::Started | NewsKind::ApprovalNeeded | NewsKind::ApprovalHalfTime
    ) {
        pieces.extend(because(&tale));
    }
    Line::new("", pieces)
}

/// Says in one sentence how far the rollback of a record is, as its messages do; the steps below it say the details.
pub(super) fn standing(service: &str, rollback: &RollbackPart) -> String {
    let tale = Tale::from(rollback);
    let (how, rest) = match rollback.outcome {
        RollbackOutcome::Verifying => (" is being put back to ", because(&tale)),
        RollbackOutcome::AwaitingApproval | RollbackOutcome::WouldRollBack => {
            (" would be put back to ", because(&tale))
        }
        RollbackOutcome::Recovered => (" is back at ", said(", and the burn stopped")),
        RollbackOutcome::Ineffective if rollback.worse => {
            (" was put back to ", said(", and fails more than before"))
        }
        RollbackOutcome::Ineffective => (" was put back to ", said(", and it did not help")),
        RollbackOutcome::Failed => (" could not be put back to ", Vec::new()),
        RollbackOutcome::Superseded | RollbackOutcome::Rejected | RollbackOutcome::Expired => {
            (" was not put back to ", Vec::new())
        }
    };
    let beginning = [
        TextPiece::Said(clean(service)),
        TextPiece::Words(how.to_owned()),
        named(&tale, Side::To),
    ];
    Line::new("", beginning.into_iter().chain(rest)).plain()
}

fn said(words: &str) -> Vec<TextPiece> {
    vec![TextPiece::Words(words.to_owned())]
}

/// What the sentence about a rollback is made of.
struct Tale<'a> {
    words: Option<&'a RollbackWords>,
    from: &'a str,
    from_subject: &'a str,
    to: &'a str,
    why: &'a str,
}

impl<'a> From<&'a NewsRollback> for Tale<'a> {
    fn from(rollback: &'a NewsRollback) -> Self {
        Self {
            words: rollback.words.as_ref(),
            from: &rollback.from,
            from_subject: &rollback.from_subject,
            to: &rollback.to,
            why: &rollback.why,
        }
    }
}

impl<'a> From<&'a RollbackPart> for Tale<'a> {
    fn from(rollback: &'a RollbackPart) -> Self {
        Self {
            words: rollback.words.as_ref(),
            from: &rollback.from,
            from_subject: "",
            to: &rollback.to,
            why: &rollback.why,
        }
    }
}

/// Which of the two revisions of a rollback.
#[derive(Clone, Copy)]
enum Side {
    From,
    To,
}

/// Names a revision by the title of its commit, or by its id where that is not known.
fn named(rollback: &Tale<'_>, side: Side) -> TextPiece {
    let title = match (&rollback.words, side) {
        (Some(known), Side::From) => known.from.title.as_str(),
        (Some(known), Side::To) => known.to.title.as_str(),
        (None, Side::From) => rollback.from_subject,
        (None, Side::To) => "",
    };
    let id = match side {
        Side::From => rollback.from,
        Side::To => rollback.to,
    };
    match clean(title).as_str() {
        "" => TextPiece::Code(short(id).to_owned()),
        title => TextPiece::Said(format!("“{}”", clipped(title, MAX_VALUE))),
    }
}

/// What is closer to a deployment began with it, as far as anybody can tell (s): a slice of the measurement.
const AT_ONCE: i64 = 60;

/// Says why a rollback is wanted: since when how many events fail, and how long after what.
fn because(rollback: &Tale<'_>) -> Vec<TextPiece> {
    let words = |text: String| TextPiece::Words(text);
    let known = rollback.words;
    let counted = known.and_then(|known| known.error_ratio.zip(known.since));
    let Some((ratio, since)) = counted else {
        if rollback.why.is_empty() {
            return Vec::new();
        }
        return vec![
            words(" because of this: ".to_owned()),
            TextPiece::Said(rollback.why.to_owned()),
        ];
    };
    let mut pieces = vec![words(format!(
        " because {} of requests fail since {}",
        percent(Some(ratio)),
        since.format("%H:%M UTC")
    ))];
    if let Some(lag) = known.and_then(|known| known.lag_seconds) {
        let from = named(rollback, Side::From);
        if lag.abs() < AT_ONCE {
            pieces.extend([
                words(", as ".to_owned()),
                from,
                words(" was deployed".to_owned()),
            ]);
        } else {
            let how = if lag < 0 { "before" } else { "after" };
            pieces.push(words(format!(", {} {how} ", span(lag.abs() as f64))));
            pieces.push(from);
        }
    }
    pieces
}
