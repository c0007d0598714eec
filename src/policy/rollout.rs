//! The pods before and after a deployment: whether others serve since, and how both fare side by side.

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

/// Returns the events of the pods that serve now, of replica sets that were there at the deployment and of those that
/// were not; nothing unless both got requests. Pods whose names do not name a replica set (of a stateful set, or by
/// hand) are the same before and after, so they are left out.
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

/// What the pods say of a deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turnover {
    /// Pods serve that were not there before: of another replica set, or with other images.
    New,
    /// All that serve are of replica sets that were there before.
    None,
}

/// Tells whether others serve now than before; nothing where that cannot be known. A pod that keeps its name (of a
/// stateful set, or made by hand) is told by its images, and the same images may run with other settings, so they are
/// no proof of sameness.
pub(super) fn turnover(then: &[PodEvents], now: &[PodEvents]) -> Option<Turnover> {
    let sets = |pods: &'_ [PodEvents]| -> BTreeSet<String> {
        let sets = pods.iter().filter_map(|pod| replica_set(&pod.pod));
        sets.map(str::to_owned).collect()
    };
    // Image by image: a container that nobody told of for a while makes no new pod.
    let images = |pods: &[PodEvents]| -> BTreeSet<String> {
        let kept = pods.iter().filter(|pod| replica_set(&pod.pod).is_none());
        kept.flat_map(|pod| pod.images.clone()).collect()
    };
    let has_new = |before: bool, new: bool| before.then_some(new);
    let (sets_then, sets_now) = (sets(then), sets(now));
    let by_sets = has_new(
        !sets_then.is_empty() && !sets_now.is_empty(),
        !sets_now.is_subset(&sets_then),
    );
    let (images_then, images_now) = (images(then), images(now));
    let by_images = has_new(!images_then.is_empty(), !images_now.is_subset(&images_then));
    match (by_sets, by_images) {
        (Some(true), _) | (_, Some(true)) => Some(Turnover::New),
        (Some(false), None) => Some(Turnover::None),
        (Some(false), Some(false)) | (None, None | Some(false)) => None,
    }
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
            images: BTreeSet::new(),
        }
    }

    fn running(name: &str, image: &str) -> PodEvents {
        PodEvents {
            images: [image.to_owned()].into(),
            ..pod(name, 0.0, 1.0)
        }
    }

    #[test]
    fn new_pods_are_of_a_new_replica_set_or_run_new_images() {
        let (old, new) = ("a-bbbbbb-bbbbb", "a-cccccc-bbbbb");
        let scaled = "a-bbbbbb-ccccc";
        let one = |name| vec![running(name, "a:1")];
        let with_sidecar = |name| {
            let mut pod = running(name, "a:1");
            pod.images.insert("proxy:3".to_owned());
            vec![pod]
        };
        let table = [
            (one(old), one(new), Some(Turnover::New)),
            (
                one(old),
                vec![pod(new, 0.0, 1.0), pod(old, 0.0, 1.0)],
                Some(Turnover::New),
            ),
            (one(old), one(scaled), Some(Turnover::None)),
            (one("a-0"), vec![running("a-0", "a:2")], Some(Turnover::New)),
            // The same image may run with other settings.
            (one("a-0"), one("a-0"), None),
            (vec![pod("a-0", 0.0, 1.0)], vec![pod("a-0", 0.0, 1.0)], None),
            // A container that is not told of any more.
            (with_sidecar("a-0"), one("a-0"), None),
            (Vec::new(), one(new), None),
            // Nothing serves: that is no sign that nothing was deployed.
            (one(old), Vec::new(), None),
        ];
        for (then, now, expected) in table {
            assert_eq!(turnover(&then, &now), expected, "{then:?} {now:?}");
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
