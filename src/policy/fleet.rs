//! What all services of one run have in common, where there are several.

use std::collections::BTreeSet;

/// Fewest services that burn at once before that is taken for a trouble of all of them. Source: our rule; two releases
/// at once are no rarity.
const MIN_BURNING: usize = 3;

/// The share of the services, as its inverse, beyond which their burning at once is no release of one of them. Source:
/// our rule, the same as that of the default of `MAX_ROLLBACKS_PER_HOUR_FLEET`.
const SHARE: usize = 10;

/// All services of one run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fleet {
    /// How many services there are.
    pub services: usize,
    /// How many of them burn now.
    pub burning: usize,
    /// The revision that is suspected in each of those that burn, where it is one and the same.
    pub one_release: Option<String>,
    /// The bad revisions of the rollbacks that were attempted in the last hour or are about to be, of all services. One
    /// revision in several services is one release.
    pub rolled_back: BTreeSet<String>,
    /// `MAX_ROLLBACKS_PER_HOUR_FLEET`, 0 for none at all; a tenth of the services and at least 1 where it is not set.
    pub max_per_hour: usize,
}

impl Fleet {
    /// Returns how many releases may be taken back within an hour where nobody says so.
    pub fn usual_limit(services: usize) -> usize {
        (services / SHARE).max(1)
    }

    /// Tells whether so many services burn that it is not a release: what they share is to blame.
    pub fn is_wide(&self) -> bool {
        let is_many = self.burning >= MIN_BURNING && self.burning * SHARE > self.services;
        is_many && self.one_release.is_none()
    }

    /// Tells whether one release more may be taken back in this hour.
    pub fn allows(&self, revision: &str) -> bool {
        let others = self.rolled_back.iter().filter(|known| *known != revision);
        others.count() < self.max_per_hour
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fleet(services: usize, burning: usize) -> Fleet {
        Fleet {
            services,
            burning,
            max_per_hour: Fleet::usual_limit(services),
            ..Fleet::default()
        }
    }

    #[test]
    fn many_that_burn_at_once_are_no_release() {
        for (services, burning, wide) in [
            (2, 2, false),
            (3, 2, false),
            (3, 3, true),
            (30, 3, false),
            (29, 3, true),
            (1000, 100, false),
            (1000, 101, true),
        ] {
            assert_eq!(
                fleet(services, burning).is_wide(),
                wide,
                "{burning} of {services}"
            );
        }
        let one = Fleet {
            one_release: Some("b".repeat(40)),
            ..fleet(1000, 1000)
        };
        assert!(
            !one.is_wide(),
            "one commit is a release, however many it breaks"
        );
    }

    #[test]
    fn a_tenth_of_the_services_may_be_rolled_back_in_an_hour() {
        assert_eq!(
            [0, 1, 19, 20, 1000].map(Fleet::usual_limit),
            [1, 1, 1, 2, 100]
        );
        let after = |known: &[&str]| Fleet {
            rolled_back: known.iter().map(|&known| known.to_owned()).collect(),
            ..fleet(20, 1)
        };
        assert!(after(&[]).allows("b") && after(&["a"]).allows("b"));
        assert!(!after(&["a", "c"]).allows("b"));
        assert!(after(&["a", "b"]).allows("b"), "a release counts once");
        let none = Fleet {
            max_per_hour: 0,
            ..fleet(20, 1)
        };
        assert!(!none.allows("b"));
    }
}
