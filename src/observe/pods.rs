//! Asks kube-state-metrics whether the pods of a service are there.
//!
//! One request, and only where the traffic is gone or where a service has to come back from an outage. Many places do
//! not have these metrics, and whatever goes wrong here is no failure of the pass: it is a reading that proves
//! nothing.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::combined::{PART, combine};
use super::metrics::Metrics;
use super::parts::Parts;
use super::queries::Workload;
use crate::clients::prometheus::promql::{range_seconds, regex_escape, string_literal};
use crate::clients::prometheus::{InstantSample, QueryAnswer};
use crate::slo::{Objective, Pods, Reading};

/// Shortest time that is looked at: the window in which the traffic fell. Source: our rule.
const WINDOW: Duration = Duration::from_secs(300);

/// How far back a collector is looked for that says nothing now. Source: our rule, the longest burn window.
const LONG_AGO: Duration = Duration::from_secs(21_600);

/// Most reasons that are told. Kubernetes knows some ten.
const MAX_REASONS: usize = 5;

/// Letters and digits of the random parts of a pod's name. Source: Kubernetes, `k8s.io/apimachinery/pkg/util/rand`.
const SAFE: &str = "[bcdfghjklmnpqrstvwxz2456789]";

impl Metrics<'_> {
    /// Reads what is known of the service's pods over the violation window, at least five minutes, in one request.
    pub async fn pods_there(&self, objective: &Objective, now: DateTime<Utc>) -> Reading<Pods> {
        let window = objective.violation_for.max(WINDOW);
        let query = combine(queries(self.queries.workload(), window));
        match self.prometheus.instant(&query, now).await {
            Ok(answer) => pods(answer),
            Err(error) => {
                tracing::warn!(%error, "the pods could not be asked for, so nothing says whether they are there");
                Reading::Refused {
                    why: error.to_string(),
                }
            }
        }
    }
}

/// Returns the questions about the workload of a service's name, and about pods that are named after it. Several
/// collectors may tell of one pod; of contradictory values the one counts that speaks against an outage.
fn queries(workload: &Workload, window: Duration) -> Vec<(&'static str, String)> {
    let range = range_seconds(window);
    let namespace = string_literal(&workload.namespace);
    let of = |kind: &str| {
        format!(
            "{{namespace={namespace},{kind}={}}}",
            string_literal(&workload.service)
        )
    };
    let (deployment, stateful) = (of("deployment"), of("statefulset"));
    let pods = matchers(workload);
    let ready = format!("kube_pod_status_ready{{{pods},condition=\"true\"}}");
    let restarts = format!("kube_pod_container_status_restarts_total{{{pods}}}");
    let waiting = format!("kube_pod_container_status_waiting_reason{{{pods}}}");
    let wanted = [
        format!("kube_deployment_spec_replicas{deployment}"),
        format!("kube_statefulset_replicas{stateful}"),
    ];
    let available = [
        format!("kube_deployment_status_replicas_available{deployment}"),
        format!("kube_statefulset_status_replicas_ready{stateful}"),
    ];
    let over = |function: &str, series: &[String; 2]| {
        let each = series
            .each_ref()
            .map(|one| format!("{function}({one}[{range}])"));
        each.join(" or ")
    };
    vec![
        ("wanted", format!("min({})", over("min_over_time", &wanted))),
        (
            "available",
            format!("max({})", over("avg_over_time", &available)),
        ),
        ("available_now", format!("max({})", available.join(" or "))),
        (
            "age",
            // Of what decides, the oldest counts.
            format!(
                "time() - min(timestamp({}) or timestamp({}))",
                available[0], available[1]
            ),
        ),
        (
            "last",
            format!(
                "time() - max(max_over_time(timestamp({})[{}:{}]))",
                available[0],
                range_seconds(LONG_AGO),
                range_seconds(WINDOW)
            ),
        ),
        (
            "samples",
            format!("max({})", over("count_over_time", &available)),
        ),
        (
            "pods",
            format!("sum(max by (namespace,pod) (avg_over_time({ready}[{range}])))"),
        ),
        ("pods_now", format!("sum(max by (namespace,pod) ({ready}))")),
        ("pods_age", format!("time() - max(timestamp({ready}))")),
        (
            "pods_samples",
            format!("max(count_over_time({ready}[{range}]))"),
        ),
        (
            "restarts",
            format!("sum(max by (namespace,pod,container) (increase({restarts}[{range}])))"),
        ),
        (
            "waiting",
            format!("max by (reason) (max_over_time({waiting}[{range}]) > 0)"),
        ),
    ]
}

/// Returns the matchers of the pods that are named after a service: of a Deployment, or of a StatefulSet. Those of a
/// service whose name merely begins alike are others.
pub(super) fn matchers(workload: &Workload) -> String {
    let namespace = string_literal(&workload.namespace);
    let name = regex_escape(&workload.service);
    let pod_name = format!("{name}-({SAFE}{{1,10}}-{SAFE}{{5}}|[0-9]+)");
    format!("namespace={namespace},pod=~{}", string_literal(&pod_name))
}

/// Returns the question which images the pods of a service ran in a window, by the labels `pod` and `image`.
pub(super) fn images(workload: &Workload, window: Duration) -> String {
    format!(
        "max by (pod,image) (max_over_time(kube_pod_container_info{{{}}}[{}]))",
        matchers(workload),
        range_seconds(window)
    )
}

fn pods(answer: QueryAnswer<Vec<InstantSample>>) -> Reading<Pods> {
    if let Some(why) = answer.partial {
        return Reading::Partial { why };
    }
    let is_waiting = |sample: &&InstantSample| {
        sample.labels.get(PART).map(String::as_str) == Some("waiting")
            && !is_starting(sample.labels.get("reason").map_or("", String::as_str))
    };
    let waiting = answer.value.iter().filter(is_waiting);
    let waiting: Vec<String> = waiting
        .filter_map(|sample| sample.labels.get("reason").cloned())
        .take(MAX_REASONS)
        .collect();
    let parts = Parts::of(answer);
    let number = |name: &str| parts.number(name).value().copied();
    let seconds = |name: &str| {
        let age = number(name)?;
        Duration::try_from_secs_f64(age.max(0.0)).ok()
    };
    let wanted = number("wanted");
    let is_known = wanted.is_some();
    // A workload that is known by what it wants, and not by what it has, is no witness.
    let (ready, ready_now, age, samples) = if is_known {
        ("available", "available_now", "age", "samples")
    } else {
        ("pods", "pods_now", "pods_age", "pods_samples")
    };
    let now = number(ready_now).zip(seconds(age));
    let (Some(ready_mean), Some((ready_now, age))) = (number(ready), now) else {
        // Values of the window may be there, and none of now: they were collected, and are not any more.
        return seconds("last").map_or(Reading::NoSeries, |age| Reading::Stale { age });
    };
    Reading::Measured(Pods {
        wanted,
        ready: ready_mean,
        ready_now,
        ready_by_pods: number("pods").filter(|_| is_known),
        restarts: number("restarts").unwrap_or(0.0),
        waiting,
        age,
        samples: number(samples).unwrap_or(0.0),
    })
}

/// Tells whether a container that waits for this is merely being started.
fn is_starting(reason: &str) -> bool {
    matches!(reason, "" | "ContainerCreating" | "PodInitializing")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_workload_and_the_pods_of_the_service_are_asked_for_and_no_others() {
        let asked = queries(&Workload::new("shop", "check.out"), WINDOW);
        let lines: Vec<String> = asked
            .iter()
            .map(|(name, query)| format!("{name}: {query}"))
            .collect();
        insta::assert_snapshot!(lines.join("\n"), @r#"
        wanted: min(min_over_time(kube_deployment_spec_replicas{namespace="shop",deployment="check.out"}[300s]) or min_over_time(kube_statefulset_replicas{namespace="shop",statefulset="check.out"}[300s]))
        available: max(avg_over_time(kube_deployment_status_replicas_available{namespace="shop",deployment="check.out"}[300s]) or avg_over_time(kube_statefulset_status_replicas_ready{namespace="shop",statefulset="check.out"}[300s]))
        available_now: max(kube_deployment_status_replicas_available{namespace="shop",deployment="check.out"} or kube_statefulset_status_replicas_ready{namespace="shop",statefulset="check.out"})
        age: time() - min(timestamp(kube_deployment_status_replicas_available{namespace="shop",deployment="check.out"}) or timestamp(kube_statefulset_status_replicas_ready{namespace="shop",statefulset="check.out"}))
        last: time() - max(max_over_time(timestamp(kube_deployment_status_replicas_available{namespace="shop",deployment="check.out"})[21600s:300s]))
        samples: max(count_over_time(kube_deployment_status_replicas_available{namespace="shop",deployment="check.out"}[300s]) or count_over_time(kube_statefulset_status_replicas_ready{namespace="shop",statefulset="check.out"}[300s]))
        pods: sum(max by (namespace,pod) (avg_over_time(kube_pod_status_ready{namespace="shop",pod=~"check\\.out-([bcdfghjklmnpqrstvwxz2456789]{1,10}-[bcdfghjklmnpqrstvwxz2456789]{5}|[0-9]+)",condition="true"}[300s])))
        pods_now: sum(max by (namespace,pod) (kube_pod_status_ready{namespace="shop",pod=~"check\\.out-([bcdfghjklmnpqrstvwxz2456789]{1,10}-[bcdfghjklmnpqrstvwxz2456789]{5}|[0-9]+)",condition="true"}))
        pods_age: time() - max(timestamp(kube_pod_status_ready{namespace="shop",pod=~"check\\.out-([bcdfghjklmnpqrstvwxz2456789]{1,10}-[bcdfghjklmnpqrstvwxz2456789]{5}|[0-9]+)",condition="true"}))
        pods_samples: max(count_over_time(kube_pod_status_ready{namespace="shop",pod=~"check\\.out-([bcdfghjklmnpqrstvwxz2456789]{1,10}-[bcdfghjklmnpqrstvwxz2456789]{5}|[0-9]+)",condition="true"}[300s]))
        restarts: sum(max by (namespace,pod,container) (increase(kube_pod_container_status_restarts_total{namespace="shop",pod=~"check\\.out-([bcdfghjklmnpqrstvwxz2456789]{1,10}-[bcdfghjklmnpqrstvwxz2456789]{5}|[0-9]+)"}[300s])))
        waiting: max by (reason) (max_over_time(kube_pod_container_status_waiting_reason{namespace="shop",pod=~"check\\.out-([bcdfghjklmnpqrstvwxz2456789]{1,10}-[bcdfghjklmnpqrstvwxz2456789]{5}|[0-9]+)"}[300s]) > 0)
        "#);
    }
}
