//! What a person writes for a rollback's id.

/// Fewest characters that stand for the part of an id that names the bad revision, as with git.
const LEAST: usize = 4;

/// Returns a short name of a rollback for people: the part of its id that names the bad revision, or the whole id where
/// it has no such part.
pub fn short_id(id: &str) -> &str {
    revision_in(id).unwrap_or(id)
}

/// Tells whether a person may mean a rollback by what they wrote: its id, the beginning of it, or the beginning of the
/// part that names the bad revision.
pub fn is_meant(id: &str, said: &str) -> bool {
    let is_part = |part: &str| said.len() >= LEAST && part.starts_with(said);
    !said.is_empty() && (id.starts_with(said) || revision_in(id).is_some_and(is_part))
}

/// Finds the part that names the bad revision: behind the moment, and before the hash of the service's key.
fn revision_in(id: &str) -> Option<&str> {
    let mut parts = id.split('-').skip_while(|part| !is_moment(part)).skip(1);
    parts.next().filter(|part| part.len() >= LEAST)
}

/// Tells whether a part of an id is a moment, such as `20261129t223639z`.
fn is_moment(part: &str) -> bool {
    let bytes = part.as_bytes();
    let digits = |from: usize, to: usize| bytes[from..to].iter().all(u8::is_ascii_digit);
    bytes.len() == 16 && bytes[8] == b't' && bytes[15] == b'z' && digits(0, 8) && digits(9, 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "bad-release-20261129t223639z-3ea98ed7-424f7716";

    #[test]
    fn a_rollback_has_a_short_name_and_is_found_by_beginnings() {
        assert_eq!(short_id(ID), "3ea98ed7");
        assert_eq!(short_id(&format!("{ID}-2")), "3ea98ed7");
        assert_eq!(short_id("checkout"), "checkout");
        for said in [ID, "bad-release-2026", "bad", "3ea98ed7", "3ea9"] {
            assert!(is_meant(ID, said), "{said}");
        }
        for said in ["", "3ea", "424f7716", "ea98ed7", "3ea98ed77", "x"] {
            assert!(!is_meant(ID, said), "{said}");
        }
    }
}
