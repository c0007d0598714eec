//! Which services a run serves where several share them.

use sha2::{Digest, Sha256};

use super::{
    problems::{Checked, Invalid, quoted},
    reader::Reader,
    variables::{JOB_COMPLETION_INDEX, SHARD, SHARDS},
};

/// Most shards. Each is a pod of its own at the same time.
const MOST: u32 = 1000;

/// How the services are spread over runs at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sharding {
    /// `SHARDS` (1), at most 1000: over how many.
    pub shards: u32,
    /// `SHARD`, else `JOB_COMPLETION_INDEX`: which one this run serves, from 0; nothing where nobody said. One that is
    /// alone serves all.
    pub shard: Option<u32>,
}

impl Sharding {
    /// Tells whether this run serves a service that falls to a shard.
    pub fn serves(self, shard: u32) -> bool {
        self.shard.is_none_or(|own| own == shard)
    }
}

/// Returns the shard that a service falls to: the one with the highest weight, which is drawn from the service and the
/// shard's number alone. One shard more takes its share from all others, and nothing moves between those.
///
/// Source: Thaler and Ravishankar, "A Name-Based Mapping Scheme for Rendezvous", 1996.
pub fn shard_of(service: &str, shards: u32) -> u32 {
    let weight = |shard: &u32| {
        let mut hash = Sha256::new();
        hash.update(shard.to_be_bytes());
        hash.update(service.as_bytes());
        let hash: [u8; 32] = hash.finalize().into();
        hash
    };
    (0..shards).max_by_key(weight).unwrap_or(0)
}

pub(super) fn read(reader: &mut Reader) -> Checked<Sharding> {
    let shards = reader.count(&SHARDS, 1..=MOST);
    let shard = reader.optional(&SHARD, number);
    let index = reader.optional(&JOB_COMPLETION_INDEX, number);
    let (shards, shard, index) = (shards?, shard?, index?);
    if let (Some(shard), false) = (shard, reader.is_set(&SHARDS)) {
        return Err(reader.report(format!(
            "SHARD is {shard} but SHARDS is not set; set both or neither"
        )));
    }
    // A Job may be indexed for reasons of its own.
    let index = index.filter(|_| reader.is_set(&SHARDS));
    let (name, shard) = match (shard, index) {
        (Some(shard), _) => ("SHARD", Some(shard)),
        (None, index) => ("JOB_COMPLETION_INDEX", index),
    };
    match shard {
        Some(shard) if shard >= shards => Err(reader.report(format!(
            "{name} is {shard} but SHARDS is {shards}; write a number from 0 to {}, and as many shards as the Job has completions",
            shards - 1
        ))),
        Some(_) | None => Ok(Sharding { shards, shard }),
    }
}

fn number(text: &str) -> Result<u32, Invalid> {
    text.parse()
        .map_err(|_| Invalid::because(format!("is {}; write a whole number from 0", quoted(text))))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(number: u32) -> String {
        format!("shop-{}/service-{number}", number % 7)
    }

    #[test]
    fn everybody_knows_where_a_service_is() {
        // Whatever the machine and the version: a change here moves the services of everybody.
        let shards: Vec<u32> = (0..12).map(|number| shard_of(&key(number), 5)).collect();
        assert_eq!(shards, [1, 1, 4, 0, 2, 1, 0, 1, 1, 0, 0, 3]);
    }

    proptest! {
        #[test]
        fn one_shard_more_moves_its_share_and_only_to_itself(shards in 1_u32..40, seed in 0_u32..1000) {
            let services = 2_000;
            let keys = (0..services).map(|number| key(seed * services + number));
            let mut moved = 0.0;
            for key in keys {
                let (before, after) = (shard_of(&key, shards), shard_of(&key, shards + 1));
                prop_assert!(before < shards);
                if before != after {
                    prop_assert_eq!(after, shards, "{} moved between old shards", key);
                    moved += 1.0;
                }
            }
            let share = f64::from(services) / f64::from(shards + 1);
            // Six standard deviations of a binomial count.
            let spread = 6.0 * (share * (1.0 - 1.0 / f64::from(shards + 1))).sqrt();
            prop_assert!((moved - share).abs() < spread, "{} moved of {}", moved, share);
        }
    }
}
