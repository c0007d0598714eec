//! Asks for the signals that are context for people: readiness, restarts, memory and processor of the pods.
//!
//! They come from kube-state-metrics and cAdvisor, which many places do not have: whatever goes wrong here is a
//! signal of its own and no failure of the pass.

use chrono::{DateTime, Utc};

use super::combined::combine;
use super::metrics::Metrics;
use super::parts::Parts;
use super::queries::Workload;
use crate::clients::prometheus::promql::{regex_escape, string_literal};
use crate::slo::{Signal, SignalName};

impl Metrics<'_> {
    /// Reads all signals at one time, in one request. What could not be asked is unknown.
    pub async fn signals(&self, now: DateTime<Utc>) -> Vec<Signal> {
        let workload = self.queries.workload();
        let asked = SignalName::OF_PODS
            .into_iter()
            .filter_map(|name| Some((name.as_str(), query(name, workload)?)));
        let query = combine(asked);
        match self.prometheus.instant(&query, now).await {
            Ok(answer) => {
                let parts = Parts::of(answer);
                SignalName::OF_PODS
                    .map(|name| Signal::of(name, &parts.number(name.as_str())))
                    .to_vec()
            }
            Err(error) => {
                tracing::warn!(
                    %error,
                    "readiness, restarts and resources could not be asked for; the decision does not need them"
                );
                SignalName::OF_PODS.map(Signal::unknown).to_vec()
            }
        }
    }
}

/// Returns the query for the value of a signal of the pods. Nothing answers where there is nothing to measure. Each
/// side of a division is one series per container first: several collectors, or a container that was restarted, must
/// not be an error.
fn query(name: SignalName, workload: &Workload) -> Option<String> {
    let pods = format!(
        "namespace={},pod=~{}",
        string_literal(&workload.namespace),
        string_literal(&format!("{}-.+", regex_escape(&workload.service)))
    );
    // cAdvisor also has a series for the whole pod and one for its sandbox.
    let containers = format!(r#"{pods},container!="",container!="POD""#);
    let by_container = "by (namespace,pod,container)";
    let limit = |resource: &str| {
        format!(
            "max {by_container} (kube_pod_container_resource_limits{{{pods},resource=\"{resource}\"}} > 0)"
        )
    };
    Some(match name {
        SignalName::PodsNotReady => {
            let ready = format!(
                "max by (namespace,pod) (kube_pod_status_ready{{{pods},condition=\"true\"}})"
            );
            format!("1 - sum({ready}) / (count({ready}) > 0)")
        }
        SignalName::Restarts => {
            format!("sum(increase(kube_pod_container_status_restarts_total{{{pods}}}[10m]))")
        }
        SignalName::Memory => {
            let memory = format!("container_memory_working_set_bytes{{{containers}}}");
            // A container that did not exist 5 minutes ago was not above anything for 5 minutes.
            format!(
                "max(max {by_container} (min_over_time({memory}[5m]) and {memory} offset 5m) / {})",
                limit("memory")
            )
        }
        SignalName::Cpu => {
            format!(
                "max(sum {by_container} (rate(container_cpu_usage_seconds_total{{{containers}}}[10m])) / {})",
                limit("cpu")
            )
        }
        SignalName::LatencyDoubled | SignalName::LatencyTripled => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_signal_asks_for_the_pods_of_the_service_only() {
        let workload = Workload::new("shop", "check.out");
        let queries = SignalName::OF_PODS
            .map(|name| query(name, &workload).expect("pods are asked for"))
            .join("\n");
        insta::assert_snapshot!(queries, @r#"
        1 - sum(max by (namespace,pod) (kube_pod_status_ready{namespace="shop",pod=~"check\\.out-.+",condition="true"})) / (count(max by (namespace,pod) (kube_pod_status_ready{namespace="shop",pod=~"check\\.out-.+",condition="true"})) > 0)
        sum(increase(kube_pod_container_status_restarts_total{namespace="shop",pod=~"check\\.out-.+"}[10m]))
        max(max by (namespace,pod,container) (min_over_time(container_memory_working_set_bytes{namespace="shop",pod=~"check\\.out-.+",container!="",container!="POD"}[5m]) and container_memory_working_set_bytes{namespace="shop",pod=~"check\\.out-.+",container!="",container!="POD"} offset 5m) / max by (namespace,pod,container) (kube_pod_container_resource_limits{namespace="shop",pod=~"check\\.out-.+",resource="memory"} > 0))
        max(sum by (namespace,pod,container) (rate(container_cpu_usage_seconds_total{namespace="shop",pod=~"check\\.out-.+",container!="",container!="POD"}[10m])) / max by (namespace,pod,container) (kube_pod_container_resource_limits{namespace="shop",pod=~"check\\.out-.+",resource="cpu"} > 0))
        "#);
    }
}
