//! Looks for what stands near a service without series: a name that differs by a letter, another namespace, another
//! family. Whether kube-state-metrics know the service is asked beside it.
//!
//! Only `doctor` asks, in one request, and looks at what has series now.

use chrono::{DateTime, Utc};

use super::combined::combine;
use super::families::Labels;
use super::metrics::Metrics;
use super::parts::{Parts, Quantity};
use super::pods::matchers;
use super::queries::{Queries, Workload};
use super::series::{SeenForm, Series};
use crate::clients::prometheus::PrometheusError;
use crate::clients::prometheus::promql::{regex_escape, string_literal};
use crate::config::{Buckets, MetricsFamily};

/// Most names of one label that are asked for; a namespace has fewer services.
const MOST_ASKED: usize = 500;

/// Most names that are told.
const MOST_TOLD: usize = 5;

/// Most labels of a metric that are looked at.
const MOST_LABELS: usize = 40;

/// Most labels in one request: it stays below what VictoriaMetrics reads.
const LABELS_ASKED: usize = 20;

/// Labels that usually name a service or its namespace. Source: the relabelling of the Prometheus Operator and of
/// kube-state-metrics, and the recommended labels of Kubernetes and OpenTelemetry.
const USUAL: [&str; 16] = [
    "service",
    "exported_service",
    "app",
    "app_kubernetes_io_name",
    "service_name",
    "deployment",
    "workload",
    "container",
    "job",
    "exported_job",
    "namespace",
    "exported_namespace",
    "kubernetes_namespace",
    "k8s_namespace_name",
    "service_namespace",
    "destination_service_name",
];

/// What is around a service.
#[derive(Debug, Clone, PartialEq)]
pub struct Surroundings {
    /// What kube-state-metrics know of it.
    pub kube_state: KubeState,
    /// What is near, where that was asked for and the service has a family of metrics.
    pub near: Option<Near>,
}

/// What kube-state-metrics know of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KubeState {
    /// A Deployment or StatefulSet of its name.
    Workload,
    /// Pods that are named after it.
    Pods,
    /// Other pods of its namespace.
    Others,
    /// Nothing of its namespace, or they are not collected.
    Nothing,
}

/// What is near a service of which no series is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Near {
    /// The metric that would count its events.
    pub metric: String,
    /// Whether that has any series.
    pub is_there: bool,
    /// Other services in the namespace, the nearest name first.
    pub services: Vec<String>,
    /// Whether the first of them differs by little.
    pub is_likely: bool,
    /// Other namespaces with a service of this name.
    pub namespaces: Vec<String>,
    /// Values that hold the name of the service, of a label that names both.
    pub values: Vec<String>,
    /// Other families in which the service has series.
    pub families: Vec<MetricsFamily>,
    /// The labels that the metric has, in the order of their names; empty where nobody looked.
    pub labels: Vec<String>,
    /// Other labels of the metric that name the service, as matchers for `SLI_SELECTOR`.
    pub selector: Option<OtherLabels>,
}

/// Labels that name a service in another way than its family does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtherLabels {
    /// Matchers, separated by commas; they match series now.
    pub matchers: String,
    /// Whether one of them names the namespace.
    pub names_namespace: bool,
}

impl Metrics<'_> {
    /// Looks what is around the service; `is_lost` says whether it has no series of its own.
    ///
    /// # Errors
    /// Fails when Prometheus cannot be asked or refuses.
    pub async fn surroundings(
        &self,
        is_lost: bool,
        now: DateTime<Utc>,
    ) -> Result<Surroundings, PrometheusError> {
        let workload = self.queries.workload();
        let series = self.queries.series().filter(|_| is_lost);
        let mut parts = of_cluster(workload);
        if series.is_some() {
            parts.extend(of_names(self.queries, workload));
        }
        let parts = Parts::of(self.prometheus.instant(&combine(parts), now).await?);
        let mut near = series.map(|series| near(&parts, series, self.queries, workload));
        if let Some(near) = near.as_mut().filter(|near| near.is_there) {
            near.labels = self.prometheus.label_names(&near.metric, MOST_LABELS).await;
            near.selector = self.other_labels(near, workload, now).await?;
        }
        Ok(Surroundings {
            kube_state: kube_state(&parts),
            near,
        })
    }

    /// Looks whether other labels of the metric hold the names of the service and its namespace.
    async fn other_labels(
        &self,
        near: &Near,
        workload: &Workload,
        now: DateTime<Utc>,
    ) -> Result<Option<OtherLabels>, PrometheusError> {
        let plain = near.labels.iter().filter(|label| is_plain(label));
        let labels: Vec<&str> = plain.map(String::as_str).collect();
        let mut services = Vec::new();
        let mut namespaces = Vec::new();
        for asked in labels.chunks(LABELS_ASKED) {
            let parts = asked.iter().enumerate().flat_map(|(place, label)| {
                let metric = &near.metric;
                let alike = string_literal(&alike(&workload.service));
                let namespace = string_literal(&workload.namespace);
                [
                    (
                        format!("service_{place}"),
                        format!(
                            "topk({MOST_TOLD}, count by ({label}) ({metric}{{{label}=~{alike}}}))"
                        ),
                    ),
                    (
                        format!("namespace_{place}"),
                        format!("count({metric}{{{label}={namespace}}})"),
                    ),
                ]
            });
            let parts = Parts::of(self.prometheus.instant(&combine(parts), now).await?);
            for (place, label) in asked.iter().enumerate() {
                let samples = parts.samples(&format!("service_{place}")).iter();
                let values = samples.filter_map(|sample| sample.labels.get(label).cloned());
                services.extend(values.map(|value| ((*label).to_owned(), value)));
                if is_there(&parts, &format!("namespace_{place}")) {
                    namespaces.push((*label).to_owned());
                }
            }
        }
        // The very name before one that holds it, and what is usually called so before other labels.
        services.sort_by_cached_key(|(label, value)| {
            (
                difference(value, &workload.service),
                rank(label),
                label.clone(),
            )
        });
        namespaces.sort_by_cached_key(|label| (rank(label), label.clone()));
        let Some((label, value)) = services.first() else {
            return Ok(None);
        };
        let service = format!("{label}={}", string_literal(value));
        for namespace in &namespaces {
            let both = format!(
                "{namespace}={},{service}",
                string_literal(&workload.namespace)
            );
            let count = format!("count({}{{{both}}})", near.metric);
            let found = self.prometheus.instant(&count, now).await?;
            if !found.value.is_empty() {
                return Ok(Some(OtherLabels {
                    matchers: both,
                    names_namespace: true,
                }));
            }
        }
        Ok(Some(OtherLabels {
            matchers: service,
            names_namespace: false,
        }))
    }
}

/// Tells whether a label can be written without quotes, and may name a service: what names the process or the bucket
/// does not.
fn is_plain(label: &str) -> bool {
    !matches!(label, "__name__" | "le" | "instance" | "pod")
        && label
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Returns a pattern of values that are a name, or hold it as a whole word.
fn alike(name: &str) -> String {
    format!("(.*[^a-zA-Z0-9])?{}([^a-zA-Z0-9].*)?", regex_escape(name))
}

/// How usual it is that a label names a service or a namespace; the smaller the more.
fn rank(label: &str) -> usize {
    USUAL
        .iter()
        .position(|usual| *usual == label)
        .unwrap_or(USUAL.len())
}

/// Returns the questions what kube-state-metrics know.
fn of_cluster(workload: &Workload) -> Vec<(String, String)> {
    let namespace = string_literal(&workload.namespace);
    let name = string_literal(&workload.service);
    let pods = matchers(workload);
    [
        (
            "workload",
            format!(
                "count(kube_deployment_status_replicas_available{{namespace={namespace},deployment={name}}} or \
                 kube_statefulset_status_replicas_ready{{namespace={namespace},statefulset={name}}})"
            ),
        ),
        ("pods", format!("count(kube_pod_status_ready{{{pods}}})")),
        (
            "others",
            format!("count(kube_pod_status_ready{{namespace={namespace}}})"),
        ),
    ]
    .map(|(name, query)| (name.to_owned(), query))
    .into()
}

fn kube_state(parts: &Parts) -> KubeState {
    if is_there(parts, "workload") {
        KubeState::Workload
    } else if is_there(parts, "pods") {
        KubeState::Pods
    } else if is_there(parts, "others") {
        KubeState::Others
    } else {
        KubeState::Nothing
    }
}

fn is_there(parts: &Parts, name: &str) -> bool {
    matches!(parts.quantity(name), Quantity::Number(_))
}

/// Returns the series of a service in each form whose labels every server can read, with the number of the form.
fn forms(queries: &Queries) -> Vec<(usize, Series)> {
    let forms = queries.series().map_or(0, Series::forms);
    let each = (0..forms).filter_map(|form| {
        let seen = queries.seen(SeenForm {
            form,
            ..SeenForm::default()
        });
        let series = seen.series()?.clone();
        (!series.has_quotes() && !series.has_dots()).then_some((form, series))
    });
    each.collect()
}

/// Returns the questions about names: of other services and namespaces in each form, and of the same service in other
/// families.
fn of_names(queries: &Queries, workload: &Workload) -> Vec<(String, String)> {
    let is = |label: &str, value: &str| format!("{label}={}", string_literal(value));
    let names =
        |label: &str, series: &str| format!("topk({MOST_ASKED}, count by ({label}) ({series}))");
    let mut parts: Vec<(String, String)> = queries
        .series()
        .into_iter()
        .map(|series| ("all".to_owned(), format!("count({})", series.metric())))
        .collect();
    for (form, series) in forms(queries) {
        match series.labels_of_names() {
            Some(Labels::Apart { namespace, service }) => {
                let within = series.of_all(&is(namespace, &workload.namespace));
                parts.push((format!("services_{form}"), names(service, &within)));
                let elsewhere = series.of_all(&is(service, &workload.service));
                parts.push((format!("namespaces_{form}"), names(namespace, &elsewhere)));
            }
            Some(Labels::Joined { label, .. }) => {
                let pattern = format!(".*{}.*", regex_escape(&workload.service));
                let alike = format!("{label}=~{}", string_literal(&pattern));
                parts.push((
                    format!("values_{form}"),
                    names(label, &series.of_all(&alike)),
                ));
            }
            None => {}
        }
    }
    for family in others(queries) {
        let other = Queries::family(workload.clone(), family, None, Buckets::All);
        let present: Vec<String> = forms(&other)
            .iter()
            .map(|(_, series)| format!("count({})", series.whole()))
            .collect();
        parts.push((format!("family_{family}"), present.join(" or ")));
    }
    parts
}

/// Returns all families but that of the service.
fn others(queries: &Queries) -> Vec<MetricsFamily> {
    let own = queries.metrics_family();
    let all = MetricsFamily::ALL.into_iter();
    all.filter(|family| Some(*family) != own).collect()
}

fn near(parts: &Parts, series: &Series, queries: &Queries, workload: &Workload) -> Near {
    let mut services = Vec::new();
    let mut namespaces = Vec::new();
    let mut values = Vec::new();
    let forms = forms(queries);
    for (form, series) in &forms {
        let told = |kind: &str, label: &str| {
            let samples = parts.samples(&format!("{kind}_{form}")).iter();
            let values = samples.filter_map(|sample| sample.labels.get(label).cloned());
            values.collect::<Vec<String>>()
        };
        match series.labels_of_names() {
            Some(Labels::Apart { namespace, service }) => {
                services.extend(told("services", service));
                namespaces.extend(told("namespaces", namespace));
            }
            Some(Labels::Joined { label, .. }) => values.extend(told("values", label)),
            None => {}
        }
    }
    namespaces.retain(|namespace| *namespace != workload.namespace);
    services.retain(|service| *service != workload.service);
    let ranked = |mut names: Vec<String>, wanted: &str| {
        names.sort_by_cached_key(|name| (difference(name, wanted), name.clone()));
        names.dedup();
        names.truncate(MOST_TOLD);
        names
    };
    let services = ranked(services, &workload.service);
    let families = others(queries).into_iter();
    Near {
        metric: series.metric(),
        is_there: is_there(parts, "all"),
        is_likely: services.first().is_some_and(|first| {
            let third = workload.service.chars().count() / 3;
            difference(first, &workload.service) <= third.max(1)
                || first.contains(&*workload.service)
                || workload.service.contains(&**first)
        }),
        services,
        namespaces: ranked(namespaces, &workload.namespace),
        values: ranked(values, &workload.service),
        families: families
            .filter(|family| is_there(parts, &format!("family_{family}")))
            .collect(),
        labels: Vec::new(),
        selector: None,
    }
}

/// Returns how many letters have to be put in, taken out or changed to make one name of another.
fn difference(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut above: Vec<usize> = (0..=other.len()).collect();
    for (row, letter) in one.chars().enumerate() {
        let mut left = row + 1;
        let mut corner = row;
        for (column, wanted) in other.iter().enumerate() {
            let changed = corner + usize::from(letter != *wanted);
            corner = above[column + 1];
            above[column] = left;
            left = changed.min(left + 1).min(corner + 1);
        }
        above[other.len()] = left;
    }
    above[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_differ_by_their_letters() {
        for (one, other, expected) in [
            ("checkout", "checkout", 0),
            ("chekout", "checkout", 1),
            ("checkout", "chekout", 1),
            ("checkuot", "checkout", 2),
            ("", "cart", 4),
            ("cart", "", 4),
            ("cart", "card", 1),
        ] {
            assert_eq!(difference(one, other), expected, "{one} {other}");
        }
    }

    #[test]
    fn no_question_about_names_is_longer_than_victoriametrics_reads() {
        // Source: `-search.maxQueryLen` of VictoriaMetrics 1.151 (bytes).
        const LONGEST: usize = 16_384;
        let prometheus = testkit::prometheus::Prometheus::start_empty();
        for family in MetricsFamily::ALL {
            let workload =
                Workload::new("a-namespace-with-a-long-name", "a-service-with-a-long-name");
            let queries = Queries::family(workload.clone(), family, None, Buckets::All);
            let mut parts = of_cluster(&workload);
            parts.extend(of_names(&queries, &workload));
            let query = combine(parts);
            assert!(query.len() < LONGEST, "{family}: {}", query.len());
            // The testkit panics on a refusal.
            prometheus.query(&query);
        }
    }
}
