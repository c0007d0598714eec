//! Old and new pods of a rollout that serve side by side.

use std::collections::BTreeSet;

use super::evidence::PodEvents;
use crate::slo::Events;

/// Characters of the random parts of a pod's name. Source: Kubernetes, `k8s.io/apimachinery/pkg/util/rand`.
const SAFE: &str = "bcdfghjklmnpqrstvwxz2456789";

/// Length of the random end of a pod's name. Source: as above.
const SUFFIX: usize = 5;

/// The events of both sides of a rollout.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Rollout {
    pub old: Events,
    pub new: Events,
}

/// Returns the events of the pods that serve now, of replica sets that were there at the deployment and of those that were
/// not; nothing unless both got requests. Pods whose names do not name a replica set (of a stateful set, or by hand) are the
/// same before and after, so they are left out.
pub(super) fn side_by_side(then: &[PodEvents], now: &[PodEvents]) -> Option<Rollout> {
    let there: BTreeSet<&str> = then
        .iter()
        .filter_map(|pod| replica_set(&pod.pod))
        .collect();
    if there.is_empty() {
        return None;
    }
    let sum = |is_old: bool| {
        now.iter()
            .filter(|pod| replica_set(&pod.pod).is_some_and(|set| there.contains(set) == is_old))
            .filter_map(|pod| pod.events)
            .reduce(|left, right| left + right)
    };
    Some(Rollout {
        old: sum(true)?,
        new: sum(false)?,
    })
}

/// Returns the replica set in the name of a pod of a deployment: `checkout-5d9f7c6b8-x2x4z` is of `checkout-5d9f7c6b8`.
fn replica_set(pod: &str) -> Option<&str> {
    let (set, suffix) = pod.rsplit_once('-')?;
    let (_, hash) = set.rsplit_once('-')?;
    let is_safe = |text: &str| text.chars().all(|c| SAFE.contains(c));
    let is_one = suffix.len() == SUFFIX && (6..=10).contains(&hash.len());
    (is_one && is_safe(suffix) && is_safe(hash)).then_some(set)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(name: &str, bad: f64, total: f64) -> PodEvents {
        PodEvents {
            pod: name.to_owned(),
            events: Events::new(bad, total),
        }
    }

    #[test]
    fn the_name_of_a_pod_names_its_replica_set() {
        let table = [
            ("checkout-5d9f7c6b8-x2x4z", Some("checkout-5d9f7c6b8")),
            ("check-out-7f4c9d-bbbbb", Some("check-out-7f4c9d")),
            ("checkout-0", None),
            ("checkout-5d9f7c6b8-x2x4", None),
            ("checkout-5d9f7c6b8-x2x4a", None),
            ("checkout-api-x2x4z", None),
            ("x2x4z", None),
            ("", None),
        ];
        for (name, set) in table {
            assert_eq!(replica_set(name), set, "{name}");
        }
    }

    #[test]
    fn pods_are_old_when_their_replica_set_was_there_before() {
        let then = [pod("a-bbbbbb-bbbbb", 0.0, 10.0)];
        let now = [
            pod("a-bbbbbb-bbbbb", 1.0, 100.0),
            // Scaled up after the deployment, of the old replica set.
            pod("a-bbbbbb-ccccc", 2.0, 100.0),
            pod("a-cccccc-bbbbb", 30.0, 100.0),
            pod("a-cccccc-ccccc", 0.0, 0.0),
            pod("a-0", 50.0, 100.0),
        ];
        let found = side_by_side(&then, &now).expect("both sides");
        assert_eq!(Some(found.old), Events::new(3.0, 200.0));
        assert_eq!(Some(found.new), Events::new(30.0, 100.0));
        assert_eq!(side_by_side(&then, &now[..2]), None, "no new pod");
        assert_eq!(side_by_side(&[], &now), None, "nothing was there before");
        assert_eq!(side_by_side(&now, &now), None, "no new replica set");
    }
}
