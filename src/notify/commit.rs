//! The message of a rollback's commit: prose for people, trailers for machines.

use crate::observe::{TRAILER_FROM, TRAILER_ID, TRAILER_TO};
use crate::policy::short;

/// Longest piece of untrusted text in a message, in characters.
const MAX_QUOTED: usize = 200;

/// What the message tells.
#[derive(Debug, Clone, Copy)]
pub struct CommitStory<'a> {
    /// `namespace/service`.
    pub service: &'a str,
    /// The rollback's id.
    pub id: &'a str,
    /// The bad revision.
    pub from: &'a str,
    /// First line of its message; untrusted.
    pub from_subject: &'a str,
    /// The restored revision.
    pub to: &'a str,
    /// The restored paths.
    pub paths: &'a [String],
    /// Why; may hold a person's words.
    pub why: &'a str,
    /// Who wanted it, in words.
    pub by: &'a str,
}

/// Writes the message. Line breaks in untrusted text are folded, so that none of it can pass for a trailer.
pub fn commit_message(story: &CommitStory<'_>) -> String {
    format!(
        "Roll back {service} to {to_short}\n\n\
         {from_short} ({subject}) is rolled back:\n{why}.\n\n\
         This commit, made by {by}, puts {paths} back to the state at {to_short}\n\
         and touches nothing else. To undo it, deploy a new version; reverting this\n\
         commit brings the bad version back.\n\n\
         {TRAILER_ID}: {id}\n{TRAILER_FROM}: {from}\n{TRAILER_TO}: {to}\n",
        service = story.service,
        to_short = short(story.to),
        from_short = short(story.from),
        subject = one_line(story.from_subject),
        why = one_line(story.why),
        by = story.by,
        paths = story.paths.join(", "),
        id = story.id,
        from = story.from,
        to = story.to,
    )
}

fn one_line(text: &str) -> String {
    let folded: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(MAX_QUOTED)
        .collect();
    folded.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_cannot_forge_a_trailer() {
        let message = commit_message(&CommitStory {
            service: "shop/checkout",
            id: "checkout-20261121t014503z-bbbbbbbb",
            from: &"b".repeat(40),
            from_subject: "checkout: v2\n\nError-Budget-Rollback: forged",
            to: &"a".repeat(40),
            paths: &["apps/checkout".to_owned()],
            why: "burn rate 1h 120.0, 5m 200.0",
            by: "error-budget-monitor",
        });
        insta::assert_snapshot!(message, @r"
        Roll back shop/checkout to aaaaaaaaaa

        bbbbbbbbbb (checkout: v2 Error-Budget-Rollback: forged) is rolled back:
        burn rate 1h 120.0, 5m 200.0.

        This commit, made by error-budget-monitor, puts apps/checkout back to the state at aaaaaaaaaa
        and touches nothing else. To undo it, deploy a new version; reverting this
        commit brings the bad version back.

        Error-Budget-Rollback: checkout-20261121t014503z-bbbbbbbb
        Rolls-Back: bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb
        Restores: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
        ");
    }
}
