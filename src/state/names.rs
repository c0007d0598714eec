//! What the objects of the memory are called.

use sha2::{Digest, Sha256};

/// Longest readable part of a name (bytes). With the beginning, the hash and what may follow it stays below 253, the
/// longest name that Kubernetes takes.
const READABLE: usize = 140;

/// How many bytes of the hash stand in a name: two of a million services meet with a chance of one in 10^12.
const HASHED: usize = 10;

/// How many ConfigMaps that were damaged are kept for people to look at, of each service.
const KEPT: usize = 3;

/// Returns the name of the ConfigMap of a service. No two services have the same: what of the key does not fit, or is
/// written alike, is in the hash.
pub fn object_name(beginning: &str, key: &str) -> String {
    let hash = Sha256::digest(key.as_bytes());
    let hash: String = hash
        .iter()
        .take(HASHED)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let readable: String = key
        .chars()
        .map(|c| match c {
            'a'..='z' | '0'..='9' => c,
            _ => '-',
        })
        .take(READABLE)
        .collect();
    format!("{beginning}-{}-{hash}", readable.trim_matches('-'))
}

/// Returns the names under which damaged ConfigMaps of a service are kept.
pub(super) fn corrupt_names(object: &str) -> Vec<String> {
    let names = (1..=KEPT).map(|number| format!("{object}-corrupt-{number}"));
    names.collect()
}

/// Returns the name of the Lease of a shard.
pub(super) fn lease_name(beginning: &str, shard: u32, shards: u32) -> String {
    match shards {
        1 => beginning.to_owned(),
        _ => format!("{beginning}-shard-{shard}-of-{shards}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_bounded_readable_and_apart() {
        let name = |key: &str| object_name("error-budget-monitor", key);
        assert_eq!(
            name("shop/checkout").rsplit_once('-').map(|(head, _)| head),
            Some("error-budget-monitor-shop-checkout")
        );
        assert_ne!(name("shop/a.b"), name("shop/a-b"));
        assert_ne!(name("shop-a/b"), name("shop/a-b"));
        let longest = object_name(
            &"x".repeat(40),
            &format!("{}/{}", "n".repeat(63), "s".repeat(253)),
        );
        for corrupt in corrupt_names(&longest) {
            assert!(corrupt.len() <= 253, "{corrupt}");
        }
    }
}
