//! How rollbacks are named, and what a name tells.

use chrono::{DateTime, NaiveDateTime, Utc};
use sha2::{Digest, Sha256};

use crate::journal::ServiceState;

/// How many characters of the service's name stand in a rollback's id.
const NAME_IN_ID: usize = 24;

/// How the moment stands in a rollback's id.
const MOMENT_IN_ID: &str = "%Y%m%dt%H%M%Sz";

/// How many bytes of the hash of the service's key stand in a rollback's id.
const HASH_BYTES_IN_ID: usize = 4;

/// Names a rollback: the service, the moment, the bad revision, and a hash of the service's key, because the start of a
/// name may be that of another service too, which a bad commit hits in the same second. Lower case, digits and `-`, at
/// most 64 characters, so that it may be a branch name too.
pub(crate) fn rollback_id(key: &str, from: &str, at: DateTime<Utc>) -> String {
    let name: String = key
        .rsplit('/')
        .next()
        .unwrap_or(key)
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() {
                c.to_ascii_lowercase()
            } else {
                '-'
            }
        })
        .take(NAME_IN_ID)
        .collect();
    format!(
        "{}-{}-{}-{}",
        name.trim_matches('-'),
        at.format(MOMENT_IN_ID),
        from.get(..8).unwrap_or(from),
        hash_of(key)
    )
}

fn hash_of(key: &str) -> String {
    Sha256::digest(key)
        .iter()
        .take(HASH_BYTES_IN_ID)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Returns when a rollback of a service was named; nothing where the id is another's.
pub(crate) fn named_at(key: &str, id: &str) -> Option<DateTime<Utc>> {
    let mut parts: Vec<&str> = id.split('-').collect();
    if let Some(at) = parts.iter().rposition(|part| *part == hash_of(key)) {
        parts.truncate(at);
    } else {
        return None;
    }
    let moment = parts.get(parts.len().checked_sub(2)?)?;
    let moment = NaiveDateTime::parse_from_str(moment, MOMENT_IN_ID).ok()?;
    Some(moment.and_utc())
}

/// Makes an id of its own of one that is remembered already: the same revision, judged again in the same second.
pub(crate) fn unlike(id: String, remembered: &ServiceState) -> String {
    let is_new = |id: &String| remembered.rollbacks.iter().all(|past| past.id != *id);
    let another = (2_u32..).map(|number| format!("{id}-{number}"));
    std::iter::once(id.clone())
        .chain(another)
        .find(is_new)
        .unwrap_or(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_that_one_commit_broke_in_the_same_second_have_ids_of_their_own() {
        let from = "b".repeat(40);
        let long = "shop/a-service-with-a-very-long-name";
        let keys = [
            "shop/checkout",
            "shop-eu/checkout",
            &format!("{long}-a"),
            &format!("{long}-b"),
        ];
        let ids = keys.map(|key| rollback_id(key, &from, DateTime::UNIX_EPOCH));
        assert_eq!(ids[0], "checkout-19700101t000000z-bbbbbbbb-1dfc2ea5");
        for (index, id) in ids.iter().enumerate() {
            assert!(id.len() <= 64, "{id}");
            assert!(!ids[..index].contains(id), "{ids:?}");
        }
        for (key, id) in keys.iter().zip(&ids) {
            assert_eq!(named_at(key, id), Some(DateTime::UNIX_EPOCH));
            assert_eq!(
                named_at(key, &format!("{id}-2")),
                Some(DateTime::UNIX_EPOCH)
            );
            assert_eq!(named_at("another/service", id), None);
        }
    }
}
