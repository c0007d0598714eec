//! Whether all series of a service speak of one service, and of each event once.
//!
//! A back end that joins several Prometheus holds what has the same name in staging and in production, told apart by
//! a label of its own. It may hold one service twice as well: once from each of two Prometheus that watch the same
//! pods. Either way the sum over all series is a number of nothing that exists.

use std::collections::BTreeSet;
use std::time::Duration;

use super::parts::{Parts, Quantity};
use super::series::Series;
use crate::clients::prometheus::LabelSet;
use crate::clients::prometheus::promql::{range_seconds, regex_escape, string_literal};

/// Labels that name a place or an owner: a cluster, an environment, a tenant, a Prometheus. One service has one value
/// of each. What differs between the pods of one service is not among them: pod, instance, node, zone. Source: the
/// external labels of Prometheus' documentation and its operator, of Thanos, Mimir, VictoriaMetrics and Google's
/// managed Prometheus, and the resource attributes of OpenTelemetry.
pub(super) const PLACES: [&str; 35] = [
    "cluster",
    "cluster_id",
    "cluster_name",
    "k8s_cluster",
    "k8s_cluster_name",
    "kube_cluster",
    "kube_cluster_name",
    "kubernetes_cluster",
    "destination_cluster",
    "env",
    "environment",
    "deployment_environment",
    "deployment_environment_name",
    "stage",
    "region",
    "cloud_region",
    "datacenter",
    "dc",
    "site",
    "tenant",
    "tenant_id",
    "__tenant_id__",
    "vm_account_id",
    "vm_project_id",
    "project_id",
    "cloud_account_id",
    "prometheus",
    "origin_prometheus",
    "monitor",
    "exported_cluster",
    "exported_environment",
    "exported_namespace",
    "service_namespace",
    "k8s_namespace_name",
    "namespace",
];

/// The label among [`PLACES`] that names the edge's own place where the edge counts for the service.
const NAMESPACE: &str = "namespace";

/// Labels by which two Prometheus that watch the same pods tell themselves apart. Source: the operator's default, the
/// documentation of Thanos (also of its receiver) and of Mimir.
pub(super) const REPLICAS: [&str; 4] = [
    "replica",
    "prometheus_replica",
    "__replica__",
    "receive_replica",
];

/// Labels that a Prometheus gives to a target beside its address. Series of one address that differ in nothing else
/// were read twice.
const SCRAPES: [&str; 2] = ["job", "endpoint"];

/// How far back series are looked at: the longest window by which burning is decided.
const LOOKED_AT: Duration = Duration::from_secs(6 * 3600);

/// How many kinds of series are told apart: enough to see what is wrong, and a bound where a label has as many values
/// as there are customers.
const MOST_KINDS: usize = 12;

/// How many values of a label are named in one sentence.
const MOST_VALUES: usize = 4;

/// What tells two services, or two counts of one service, apart.
pub(super) struct Identity<'a> {
    series: &'a Series,
}

impl<'a> Identity<'a> {
    pub(super) fn of(series: &'a Series) -> Self {
        Self { series }
    }

    /// The labels that must not differ. What the operator's own selector names is the operator's choice.
    fn places(&self) -> impl Iterator<Item = &'static str> {
        let named = labels_in(self.series.named());
        let is_ours = self.series.has_own_pods();
        PLACES
            .into_iter()
            .filter(move |label| !named.contains(*label))
            .filter(move |label| *label != NAMESPACE || is_ours)
    }

    /// What is asked, by part.
    pub(super) fn queries(&self) -> [(&'static str, String); 4] {
        let told_apart: Vec<&str> = self.places().chain(REPLICAS).collect();
        let replicas = REPLICAS.join(", ");
        let by = self.series.by();
        let copies = |of: &str| format!("max{by}(count without ({replicas}) ({of}))");
        let now = self.series.events(&[]);
        let addressed = self.series.events(&[r#"instance!="""#]);
        [
            (
                "kinds",
                format!(
                    "topk{by}({MOST_KINDS}, sum{} ({}) > 0)",
                    self.series.by_also(&told_apart),
                    self.series.all(LOOKED_AT)
                ),
            ),
            ("copies", copies(&now)),
            (
                // The second largest of six: a Prometheus that was replaced leaves two of them side by side for a
                // moment.
                "copies_before",
                format!(
                    "quantile_over_time(0.8, ({})[{}:{}])",
                    copies(&now),
                    range_seconds(LOOKED_AT),
                    range_seconds(LOOKED_AT / 6)
                ),
            ),
            (
                "scrapes",
                format!(
                    "max{by}(count without ({replicas}, {}) ({addressed}))",
                    SCRAPES.join(", ")
                ),
            ),
        ]
    }

    /// Says why the counts are not those of one service; nothing where nothing speaks against it.
    pub(super) fn trouble(&self, recent: &Parts) -> Option<String> {
        let kinds: Vec<SeriesKind<'_>> =
            recent.samples("kinds").iter().map(SeriesKind::of).collect();
        let places: Vec<&str> = self
            .places()
            .filter(|label| differs(&kinds, label))
            .collect();
        if !places.is_empty() {
            return Some(self.two_worlds(&kinds, &places));
        }
        let copies = [recent.quantity("copies"), recent.quantity("copies_before")]
            .map(|quantity| number(&quantity))
            .into_iter()
            .fold(1.0, f64::max);
        if copies > 1.0 {
            return Some(self.counted_twice(&kinds, copies));
        }
        (number(&recent.quantity("scrapes")) > 1.0).then(|| {
            format!(
                "every event is counted more than once: series of the same instance differ in nothing but {}, so the same \
                 pods are scraped twice; remove one of the scrapes, or name one in SLI_SELECTOR, such as {},job=\"…\"",
                SCRAPES.join(" or "),
                self.series.service()
            )
        })
    }

    fn two_worlds(&self, kinds: &[SeriesKind<'_>], places: &[&str]) -> String {
        let told: Vec<String> = places
            .iter()
            .map(|label| format!("{label} ({})", named(kinds, label)))
            .collect();
        let largest = kinds.iter().max_by(|a, b| a.events.total_cmp(&b.events));
        let one: Vec<String> = places
            .iter()
            .map(|label| {
                let value = largest.map_or("", |kind| kind.value(label));
                format!("{label}={}", string_literal(value))
            })
            .collect();
        let all: Vec<String> = places
            .iter()
            .map(|label| {
                let values = values(kinds, label);
                let values: Vec<String> = values.iter().map(|value| regex_escape(value)).collect();
                format!("{label}=~{}", string_literal(&values.join("|")))
            })
            .collect();
        format!(
            "series of the service differ in {}, so they may be of several services and nothing is known of one; name the one \
             that GITOPS_PATH deploys in SLI_SELECTOR, such as {base},{}, or all of them where they are one service: {base},{}",
            told.join(" and "),
            one.join(","),
            all.join(","),
            base = self.series.service()
        )
    }

    fn counted_twice(&self, kinds: &[SeriesKind<'_>], copies: f64) -> String {
        let replicas: Vec<&str> = REPLICAS
            .into_iter()
            .filter(|label| differs(kinds, label))
            .collect();
        let told: Vec<String> = replicas
            .iter()
            .map(|label| format!("{label} ({})", named(kinds, label)))
            .collect();
        let told = if told.is_empty() {
            REPLICAS.join(" or ")
        } else {
            told.join(" and ")
        };
        let one: String = replicas
            .first()
            .and_then(|label| {
                Some(format!(
                    ",{label}={}",
                    string_literal(kinds.first()?.value(label))
                ))
            })
            .unwrap_or_default();
        format!(
            "events are counted {copies:.0} times: series differ in nothing but {told}; let the back end deduplicate that label, \
             or name one value in SLI_SELECTOR, such as {}{one}",
            self.series.service()
        )
    }
}

/// Series that agree in all labels that are told apart.
struct SeriesKind<'a> {
    labels: &'a LabelSet,
    events: f64,
}

impl<'a> SeriesKind<'a> {
    fn of(sample: &'a crate::clients::prometheus::InstantSample) -> Self {
        Self {
            labels: &sample.labels,
            events: sample.value,
        }
    }

    /// Returns the value of a label; one that is not there is empty, as in PromQL.
    fn value(&self, label: &str) -> &'a str {
        self.labels.get(label).map_or("", String::as_str)
    }
}

fn values<'a>(kinds: &[SeriesKind<'a>], label: &str) -> BTreeSet<&'a str> {
    kinds.iter().map(|kind| kind.value(label)).collect()
}

fn differs(kinds: &[SeriesKind<'_>], label: &str) -> bool {
    values(kinds, label).len() > 1
}

fn named(kinds: &[SeriesKind<'_>], label: &str) -> String {
    let values = values(kinds, label);
    let more = values.len().saturating_sub(MOST_VALUES);
    let mut shown: Vec<String> = values
        .iter()
        .take(MOST_VALUES)
        .map(|value| string_literal(value))
        .collect();
    if more > 0 {
        shown.push("…".to_owned());
    }
    shown.join(", ")
}

fn number(quantity: &Quantity) -> f64 {
    match quantity {
        Quantity::Number(number) => *number,
        Quantity::Absent | Quantity::Invalid(_) => 0.0,
    }
}

/// Returns the names of the labels in a list of matchers, as they stand before the operators.
fn labels_in(matchers: &str) -> BTreeSet<String> {
    let mut labels = BTreeSet::new();
    let mut outside = String::new();
    let mut characters = matchers.chars();
    let mut quoted = None::<String>;
    while let Some(c) = characters.next() {
        match (&mut quoted, c) {
            (Some(text), '\\') => text.extend(characters.next()),
            (Some(text), '"') => {
                // A quoted name stands where a name may stand, a value after an operator.
                if outside.trim().is_empty() {
                    outside.push_str(text);
                }
                quoted = None;
            }
            (Some(text), c) => text.push(c),
            (None, '"') => quoted = Some(String::new()),
            (None, ',') => outside.clear(),
            (None, '=' | '!') => {
                let label = outside.trim();
                if !label.is_empty() && !label.starts_with('=') {
                    labels.insert(label.to_owned());
                }
                // Whatever stands until the next comma is an operator and a value.
                outside = "=".to_owned();
            }
            (None, c) => outside.push(c),
        }
    }
    labels
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clients::prometheus::{InstantSample, QueryAnswer};
    use crate::config::{Buckets, MetricsFamily};
    use crate::observe::combined::PART;
    use crate::observe::queries::Workload;
    use crate::observe::series::SeenForm;

    fn series(selector: Option<&str>) -> Series {
        let workload = Workload::new("shop", "checkout");
        Series::new(
            MetricsFamily::Http,
            &workload,
            selector,
            Buckets::All,
            SeenForm::default(),
        )
    }

    fn sample(part: &str, labels: &[(&str, &str)], value: f64) -> InstantSample {
        let labels = labels.iter().copied().chain([(PART, part)]);
        InstantSample {
            labels: labels
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
            at: chrono::DateTime::UNIX_EPOCH,
            value,
        }
    }

    fn trouble(selector: Option<&str>, samples: Vec<InstantSample>) -> Option<String> {
        let parts = Parts::of(QueryAnswer {
            value: samples,
            partial: None,
            notes: Vec::new(),
        });
        Identity::of(&series(selector)).trouble(&parts)
    }

    #[test]
    fn one_world_is_no_trouble() {
        let one = |labels| vec![sample("kinds", labels, 9.0), sample("copies", &[], 1.0)];
        assert_eq!(trouble(None, one(&[])), None);
        assert_eq!(trouble(None, one(&[("cluster", "a"), ("env", "b")])), None);
        assert_eq!(trouble(None, Vec::new()), None);
        // Shards of one Prometheus watch other pods each.
        let shards = vec![
            sample("kinds", &[("prometheus_replica", "shard-0")], 9.0),
            sample("kinds", &[("prometheus_replica", "shard-1")], 9.0),
            sample("copies", &[], 1.0),
            sample("copies_before", &[], 1.0),
            sample("scrapes", &[], 1.0),
        ];
        assert_eq!(trouble(None, shards), None);
    }

    #[test]
    fn two_worlds_are_named_with_the_selector_that_parts_them() {
        let worlds = || {
            vec![
                sample("kinds", &[("cluster", "staging"), ("env", "dev")], 50.0),
                sample("kinds", &[("cluster", "prod.eu")], 900.0),
            ]
        };
        insta::assert_snapshot!(trouble(None, worlds()).expect("two worlds"), @r#"series of the service differ in cluster ("prod.eu", "staging") and env ("", "dev"), so they may be of several services and nothing is known of one; name the one that GITOPS_PATH deploys in SLI_SELECTOR, such as namespace="shop",service="checkout",cluster="prod.eu",env="", or all of them where they are one service: namespace="shop",service="checkout",cluster=~"prod\\.eu|staging",env=~"|dev""#);
    }

    #[test]
    fn the_same_events_twice_are_named_with_their_number() {
        let pair = vec![
            sample("kinds", &[("replica", "a")], 9.0),
            sample("kinds", &[("replica", "b")], 9.0),
            sample("copies", &[], 2.0),
        ];
        insta::assert_snapshot!(trouble(None, pair).expect("a pair"), @r#"events are counted 2 times: series differ in nothing but replica ("a", "b"); let the back end deduplicate that label, or name one value in SLI_SELECTOR, such as namespace="shop",service="checkout",replica="a""#);
        let ended = vec![
            sample("copies", &[], 1.0),
            sample("copies_before", &[], 2.0),
        ];
        let told = trouble(None, ended).expect("a pair until lately");
        assert!(told.starts_with("events are counted 2 times"), "{told}");
        let scrapes = vec![sample("copies", &[], 1.0), sample("scrapes", &[], 2.0)];
        insta::assert_snapshot!(trouble(None, scrapes).expect("two scrapes"), @r#"every event is counted more than once: series of the same instance differ in nothing but job or endpoint, so the same pods are scraped twice; remove one of the scrapes, or name one in SLI_SELECTOR, such as namespace="shop",service="checkout",job="…""#);
    }

    #[test]
    fn many_values_are_cut() {
        let tenants: Vec<String> = (0..9).map(|number| format!("t{number}")).collect();
        let samples = tenants
            .iter()
            .map(|tenant| sample("kinds", &[("tenant", tenant)], 1.0))
            .collect();
        let told = trouble(None, samples).expect("nine tenants");
        assert!(
            told.contains(r#"tenant ("t0", "t1", "t2", "t3", …)"#),
            "{told}"
        );
    }

    #[test]
    fn what_the_selector_names_is_the_operators_choice() {
        let asked = |selector| {
            let series = series(Some(selector));
            let [(_, kinds), ..] = Identity::of(&series).queries();
            kinds
        };
        let free = asked(r#"service="checkout""#);
        assert!(
            free.contains(" cluster,") || free.contains("(cluster,"),
            "{free}"
        );
        assert!(free.contains("namespace,replica"), "{free}");
        let named = asked(r#"service="cluster=",cluster=~"a|b",namespace!="x""#);
        assert!(!named.contains("(cluster,"), "{named}");
        assert!(!named.contains(",namespace,"), "{named}");
    }

    #[test]
    fn labels_are_found_before_their_operators() {
        let found = |text: &str| labels_in(text).into_iter().collect::<Vec<_>>().join(" ");
        for (text, expected) in [
            (r#"a="b""#, "a"),
            (r#" a = "b,c=\"d\"" , e!~"f=g""#, "a e"),
            (r#""k8s.cluster.name"="x",b=~"c""#, "b k8s.cluster.name"),
            ("", ""),
        ] {
            assert_eq!(found(text), expected, "{text}");
        }
    }
}
