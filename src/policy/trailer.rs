//! The trailers by which a rollback is known: written, read and believed here and only here.
//!
//! The last paragraph of the commit's message holds them, one a line: the rollback's id, the bad revision, the
//! restored one, each later change that stays, and with `TRAILER_KEY` a signature. A pull request carries the same
//! paragraph at its end.

use chrono::{DateTime, Duration, Utc};

/// The rollback's id.
const ID: &str = "Error-Budget-Rollback";
/// The bad revision.
const FROM: &str = "Rolls-Back";
/// The restored revision.
const TO: &str = "Restores";
/// A later change that stays, once for each.
const KEEPS: &str = "Keeps";
/// What proves that this program wrote the others, where it has a key.
const SIGNATURE: &str = "Error-Budget-Signature";

/// How far the date of a commit of ours may lie ahead: two machines wrote and read it. Source: our rule, as far as the
/// clock of Prometheus may be off.
const AHEAD: Duration = Duration::seconds(120);

/// What the trailers of a commit that this program wrote say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RollbackMark {
    /// `Error-Budget-Rollback`: the rollback's id.
    pub id: String,
    /// `Rolls-Back`: the bad revision.
    pub from: String,
    /// `Restores`: the revision whose content came back.
    pub to: String,
    /// `Keeps`: later changes that stayed as they were; a lost memory learns from it that they are not on hold.
    pub keeps: Vec<String>,
    /// `Error-Budget-Signature`: proves who wrote the others; nothing where there is no key.
    pub signature: Option<String>,
}

/// What git knows of a commit that carries the trailers. What was not fetched is nothing.
pub struct CommitFacts<'a> {
    /// The later of the times of its author and of its committer.
    pub at: DateTime<Utc>,
    /// The time of the look.
    pub now: DateTime<Utc>,
    /// Tells whether there is such a commit.
    pub exists: &'a dyn Fn(&str) -> Option<bool>,
    /// Tells whether the commit holds exactly what a revision does.
    pub holds: &'a dyn Fn(&str) -> Option<bool>,
    /// Tells whether it does so of the files that it changed, which is all that can be asked where later changes stay.
    pub holds_files: &'a dyn Fn(&str) -> Option<bool>,
}

impl RollbackMark {
    /// Writes the last paragraph of the commit's message. No value may hold a line break.
    pub fn write(&self) -> String {
        let Self {
            id,
            from,
            to,
            keeps,
            signature,
        } = self;
        let keeps = keeps.iter().map(|kept| format!("{KEEPS}: {kept}\n"));
        let keeps: String = keeps.collect();
        let signature = signature.iter().map(|it| format!("{SIGNATURE}: {it}\n"));
        let signature: String = signature.collect();
        format!("{ID}: {id}\n{FROM}: {from}\n{TO}: {to}\n{keeps}{signature}")
    }

    /// Returns what is signed: the values and the service, one a line, so that the trailers of one service say nothing
    /// of another.
    pub fn signed_text(&self, service: &str) -> String {
        let mut lines = vec![&*self.id, &self.from, &self.to, service];
        lines.extend(self.keeps.iter().map(String::as_str));
        lines.join("\n")
    }

    /// Reads a commit's message. Nothing where one of the first three trailers is missing or there twice: then this
    /// program did not write it.
    pub fn read(message: &str) -> Option<Self> {
        let all = trailers(message);
        let values = |wanted: &'static str| {
            let of_it = all.iter().filter(move |(key, _)| *key == wanted);
            of_it.map(|(_, value)| (*value).to_owned())
        };
        Some(Self {
            id: only(values(ID))?,
            from: only(values(FROM))?,
            to: only(values(TO))?,
            keeps: values(KEEPS).collect(),
            signature: only(values(SIGNATURE)),
        })
    }

    /// Says why it is not believed, where that is so: somebody else wrote it, or quotes it. Whoever may push could
    /// otherwise hold every rollback back, for as long as the date that they write. What was not fetched is believed,
    /// because to hold is safe.
    pub fn doubt(&self, commit: &CommitFacts<'_>) -> Option<String> {
        let named = [&self.from, &self.to];
        if let Some(odd) = named.into_iter().find(|it| !is_commit_id(it)) {
            return Some(format!("{odd:?} is no whole commit id"));
        }
        if commit.at > commit.now + AHEAD {
            return Some(format!("its date {} lies in the future", commit.at));
        }
        let is_absent = |it: &&String| (commit.exists)(it) == Some(false);
        if let Some(absent) = named.into_iter().find(is_absent) {
            return Some(format!("there is no commit {absent}"));
        }
        let agrees = match self.keeps.is_empty() {
            true => (commit.holds)(&self.to),
            false => (commit.holds_files)(&self.to),
        };
        (agrees == Some(false)).then(|| format!("it does not hold what {} held", self.to))
    }
}

/// Tells whether a text is a whole commit id, of SHA-1 or SHA-256.
fn is_commit_id(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Tells whether a commit's message carries a rollback's id.
pub fn names(message: &str, id: &str) -> bool {
    trailers(message).contains(&(ID, id))
}

/// Reads the bad and the restored revision from the text of a pull request, which a person may have edited: each has to
/// be named by exactly one line, with a whole commit id.
pub fn in_pull_request(text: &str) -> Option<(String, String)> {
    let named = |key: &str| {
        only(text.lines().filter_map(|line| {
            let value = line.trim().strip_prefix(key)?.strip_prefix(": ")?;
            is_commit_id(value).then(|| value.to_owned())
        }))
    };
    Some((named(FROM)?, named(TO)?))
}

/// Parts a message that ends with trailers into what is before them and the paragraph that they are.
pub fn split(message: &str) -> (&str, &str) {
    let message = message.trim_end();
    message.rsplit_once("\n\n").unwrap_or((message, ""))
}

/// Reads the last paragraph of a commit's message as trailers: `Key: value`, one a line, in order. A paragraph with any
/// other line has none, so that prose which quotes a trailer is not one; nor has a subject.
pub fn trailers(message: &str) -> Vec<(&str, &str)> {
    let lines: Vec<&str> = message.trim_end().lines().map(str::trim_end).collect();
    let Some(blank) = lines.iter().rposition(|line| line.is_empty()) else {
        return Vec::new();
    };
    if lines[..blank].iter().all(|line| line.is_empty()) {
        return Vec::new();
    }
    let parsed: Option<Vec<(&str, &str)>> = lines[blank + 1..]
        .iter()
        .map(|line| {
            let (key, value) = line.split_once(": ")?;
            let is_key = !key.is_empty()
                && key
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
            is_key.then(|| (key, value.trim()))
        })
        .collect();
    parsed.unwrap_or_default()
}

/// Returns the only value; nothing where there is none, or another one.
fn only(mut values: impl Iterator<Item = String>) -> Option<String> {
    values.next().filter(|_| values.next().is_none())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn mark(keeps: &[&str]) -> RollbackMark {
        RollbackMark {
            id: "one".to_owned(),
            from: "bbbb".to_owned(),
            to: "aaaa".to_owned(),
            keeps: keeps.iter().map(|it| (*it).to_owned()).collect(),
            signature: None,
        }
    }

    #[test]
    fn reads_trailers_from_the_last_paragraph_only() {
        let message = "subject\n\nbody: not a trailer here\n\nRolls-Back: abc\nRestores: def\n";
        assert_eq!(
            trailers(message),
            [("Rolls-Back", "abc"), ("Restores", "def")]
        );
    }

    #[test]
    fn prose_that_quotes_a_trailer_is_not_one() {
        let reverted = "Revert \"x\"\n\nThis reverts a commit that said\nRolls-Back: abc\n";
        assert_eq!(trailers(reverted), []);
        assert_eq!(
            trailers("Rolls-Back: abc"),
            [],
            "a subject is not a trailer"
        );
        assert_eq!(trailers("\n\nRolls-Back: abc\n"), []);
        assert_eq!(trailers(""), []);
    }

    #[test]
    fn what_is_missing_or_there_twice_is_not_read() {
        let whole = format!("subject\n\n{}", mark(&["cccc"]).write());
        assert_eq!(RollbackMark::read(&whole), Some(mark(&["cccc"])));
        for key in [ID, FROM, TO] {
            let lines = whole.lines();
            let without: Vec<&str> = lines.filter(|line| !line.starts_with(key)).collect();
            assert_eq!(RollbackMark::read(&without.join("\n")), None, "{key}");
            let twice = format!("{whole}{key}: other\n");
            assert_eq!(RollbackMark::read(&twice), None, "{key}");
        }
    }

    #[test]
    fn is_believed_unless_something_contradicts() {
        let (from, to) = ("b".repeat(40), "a".repeat(40));
        let ours = |keeps: &[&str]| RollbackMark {
            from: from.clone(),
            to: to.clone(),
            ..mark(keeps)
        };
        let unasked = |_: &str| -> Option<bool> { panic!("the other question counts") };
        let now = DateTime::UNIX_EPOCH + Duration::days(20_000);
        for (answer, believed) in [(Some(true), true), (Some(false), false), (None, true)] {
            let of_target = |named: &str| answer.filter(|_| named == to);
            let facts = CommitFacts {
                at: now,
                now,
                exists: &|_| None,
                holds: &of_target,
                holds_files: &unasked,
            };
            assert_eq!(ours(&[]).doubt(&facts).is_none(), believed);
            let of_files = CommitFacts {
                holds: &unasked,
                holds_files: &of_target,
                ..facts
            };
            assert_eq!(ours(&["cccc"]).doubt(&of_files).is_none(), believed);
        }
        let yes = |_: &str| Some(true);
        let facts = |seconds: i64, exists: bool| {
            let exists: &dyn Fn(&str) -> Option<bool> = if exists {
                &|_| Some(true)
            } else {
                &|_| Some(false)
            };
            let facts = CommitFacts {
                at: now + Duration::seconds(seconds),
                now,
                exists,
                holds: &yes,
                holds_files: &yes,
            };
            ours(&[]).doubt(&facts)
        };
        assert_eq!(facts(120, true), None, "clocks are apart");
        assert!(facts(121, true).expect("a doubt").contains("future"));
        assert!(facts(0, false).expect("a doubt").contains("no commit"));
        let quoted = CommitFacts {
            at: now,
            now,
            exists: &yes,
            holds: &yes,
            holds_files: &yes,
        };
        assert!(
            mark(&[])
                .doubt(&quoted)
                .expect("a doubt")
                .contains("commit id")
        );
    }

    #[test]
    fn what_is_signed_names_everything_and_the_service() {
        let text = mark(&["cccc", "dddd"]).signed_text("shop/web");
        assert_eq!(text, "one\nbbbb\naaaa\nshop/web\ncccc\ndddd");
    }

    prop_compose! {
        fn marks()(
            id in "[a-z0-9][a-z0-9.-]{0,60}",
            from in "[0-9a-f]{40}",
            to in "[0-9a-f]{64}",
            keeps in prop::collection::vec("[0-9a-f]{40}", 0..4),
            signature in prop::option::of("[0-9a-f]{64}"),
        ) -> RollbackMark {
            RollbackMark { id, from, to, keeps, signature }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_is_written_is_what_is_read(mark in marks(), prose in "[A-Za-z][ -~\n]{0,200}", end in "[\r\n ]{0,3}") {
            let message = format!("{prose}\n\n{}{end}", mark.write());
            prop_assert_eq!(RollbackMark::read(&message), Some(mark.clone()));
            prop_assert!(names(&message, &mark.id));
            let other = format!("{}x", mark.id);
            prop_assert!(!names(&message, &other));
            let (before, paragraph) = split(&message);
            prop_assert_eq!(before, prose);
            let written = mark.write();
            prop_assert_eq!(paragraph, written.trim_end());
            prop_assert_eq!(in_pull_request(paragraph), Some((mark.from, mark.to)));
        }
    }
}
