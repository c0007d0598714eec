//! Prometheus: whether it answers, keeps enough, and knows the service well enough for a decision.

use std::time::Duration;

use super::finding::{Finding, FindingState};
use crate::clients::prometheus::{About, PrometheusError, Stores};
use crate::config::SliSource;
use crate::observe::{KubeState, Near, Observation, OtherLabels, Probes};
use crate::service::Service;
use crate::slo::{Assessment, Reading, Unknown, Weight, assess_slices};

const REACH: &str = "prometheus";
const VERSION: &str = "prometheus version";
const STORES: &str = "prometheus stores";
const RETENTION: &str = "prometheus retention";
const SERIES: &str = "prometheus series";
const IDENTITY: &str = "prometheus identity";
const COVERAGE: &str = "prometheus coverage";
const FRESHNESS: &str = "prometheus freshness";
const CLOCK: &str = "prometheus clock";
const BUCKETS: &str = "prometheus buckets";
const READINGS: &str = "prometheus readings";
const NAMES: &str = "prometheus names";
const KUBE_STATE: &str = "kube-state-metrics";
const FAILURES: &str = "prometheus failures";
const PROBES: &str = "prometheus probes";

/// Asks Prometheus for itself and for everything that a pass asks for.
pub(super) async fn look(service: &Service<'_>) -> Vec<Finding> {
    let metrics = service.metrics();
    let (about, observed) = tokio::join!(
        metrics.prometheus.about(),
        metrics.observe(&service.config.objective)
    );
    let mut findings = Vec::new();
    match &observed {
        Ok(observation) => {
            findings.push(reached(service, &about));
            findings.extend(version(&about));
            findings.extend(about.stores.as_ref().map(stores));
            findings.push(retention(&about, service.config.objective.window));
            findings.extend(readings(service, observation));
            findings.extend(buckets(service, observation));
            findings.extend(failures(observation));
            let breakdown = metrics.breakdown(observation).await;
            findings.extend(breakdown.counted.as_ref().map(probes));
            findings.extend(native(service, observation));
            let around = around(service, observation).await;
            // What was found near is the first thing to try.
            let near = around.iter().find(|one| one.subject == NAMES);
            let lost = findings.iter_mut().find(|one| one.subject == SERIES);
            if let (Some(lost), Some(near)) = (lost.and_then(|it| it.remedy.as_mut()), near) {
                let first = near.remedy.as_deref().unwrap_or_default();
                *lost = format!("{first}; else {lost}");
            }
            findings.extend(around);
        }
        Err(error) => {
            findings.push(unreached(service, error));
            // A store that does not answer may be why.
            findings.extend(about.stores.as_ref().map(stores));
            findings.push(Finding::unchecked(
                SERIES,
                "ask for the service",
                "the way to Prometheus",
            ));
        }
    }
    findings
}

fn asked(service: &Service<'_>) -> String {
    let origin = service.config.prometheus.url.origin().ascii_serialization();
    format!("query Prometheus at {origin}")
}

fn reached(service: &Service<'_>, about: &About) -> Finding {
    let found = match &about.version {
        Some(version) => format!("it answers, version {version}"),
        None => "it answers, and does not say its version".to_owned(),
    };
    Finding::ok(REACH, asked(service), found)
}

/// Looks whether this version of Prometheus is known to lose data while it answers. Source: its change log, 3.13.1
/// ("returning samples from the wrong chunk") and 3.14.0 ("surface query errors that were previously silently
/// discarded").
fn version(about: &About) -> Option<Finding> {
    let text = about.version.as_deref().filter(|_| about.is_prometheus)?;
    let (fault, remedy) = match numbers(text)? {
        (3, 13, 0) => (
            "may answer a range query with samples of another chunk",
            "update Prometheus to 3.13.1 or later",
        ),
        (3, minor, _) if minor < 14 => (
            "may leave out what it could not read from its storage, without a word",
            "update Prometheus to 3.14 or later, and watch its log for storage errors until then",
        ),
        _ => return None,
    };
    Some(Finding::warning(
        VERSION,
        "look whether this version of Prometheus is known to lose data",
        format!("{text} {fault}"),
        remedy,
    ))
}

/// Reads major, minor and patch of a version.
fn numbers(version: &str) -> Option<(u32, u32, u32)> {
    let numbers = version.split(['-', '+']).next()?;
    let mut numbers = numbers.split('.').map(|number| number.parse().ok());
    Some((numbers.next()??, numbers.next()??, numbers.next()??))
}

/// Looks at the stores behind Thanos, which go missing without a word unless they are named as ones that must answer.
fn stores(stores: &Stores) -> Finding {
    let tried = "look at the stores behind Thanos";
    let silent: Vec<String> = stores
        .known
        .iter()
        .filter_map(|store| Some(format!("{}: {}", store.name, store.error.as_ref()?)))
        .collect();
    let names: Vec<&str> = stores.known.iter().map(|store| &*store.name).collect();
    let found = format!("{} answer: {}", names.len(), names.join(", "));
    match (silent.is_empty(), stores.is_strict) {
        (false, _) => Finding::warning(
            STORES,
            tried,
            format!("not all of them answer: {}", silent.join("; ")),
            "bring the store back: after a while the querier answers without it, and without a warning",
        ),
        (true, Some(true)) => Finding::ok(STORES, tried, found),
        (true, is_strict) => Finding::warning(
            STORES,
            tried,
            match is_strict {
                Some(_) => found,
                None => format!("{found}; it does not say whether they are strict"),
            },
            "start the querier with --endpoint-strict (or strict: true in --endpoint.sd-config) for each of them: it forgets \
             others that die within a minute, and then answers without them and without a warning",
        ),
    }
}

fn unreached(service: &Service<'_>, error: &PrometheusError) -> Finding {
    let tried = asked(service);
    let text = error.to_string();
    let text = text.strip_prefix(&format!("{tried}: ")).unwrap_or(&text);
    let mut finding = Finding::failed(REACH, tried, text, "check PROMETHEUS_URL and the network");
    if let Some(source) = std::error::Error::source(error) {
        finding.found = format!("{} ({source})", finding.found);
    }
    finding
}

fn retention(about: &About, window: Duration) -> Finding {
    let tried = "compare the server's retention with SLO_WINDOW";
    let days = |time: Duration| format!("{:.1} d", time.as_secs_f64() / 86_400.0);
    match &about.retention {
        None => Finding::ok(
            RETENTION,
            tried,
            "the server does not say how long it keeps samples; the coverage tells",
        ),
        Some(kept) if kept.time.is_some_and(|time| time < window) => Finding::warning(
            RETENTION,
            tried,
            format!("it keeps {}, and SLO_WINDOW is {}", kept.text, days(window)),
            format!(
                "set --storage.tsdb.retention.time to at least {}, or shorten SLO_WINDOW: a budget that is not covered can \
                 only warn",
                days(window)
            ),
        ),
        Some(kept) => Finding::ok(
            RETENTION,
            tried,
            format!("it keeps {}, and SLO_WINDOW is {}", kept.text, days(window)),
        ),
    }
}

/// Shows what was read, and everything that could not be known, each reason once.
fn readings(service: &Service<'_>, observation: &Observation) -> Vec<Finding> {
    let assessment = assess_slices(
        &observation.measurement,
        &service.config.objective,
        observation.slice_window,
    );
    let mut findings: Vec<Finding> = known(service, observation, &assessment)
        .into_iter()
        .filter(|finding| {
            let is_same = |unknown: &&Unknown| subject(&unknown.source) == finding.subject;
            !assessment.unknowns.iter().any(|unknown| is_same(&unknown))
        })
        .collect();
    let mut reasons: Vec<(&str, Vec<&Unknown>)> = Vec::new();
    for unknown in &assessment.unknowns {
        match reasons.iter_mut().find(|(why, _)| *why == unknown.why) {
            Some((_, same)) => same.push(unknown),
            None => reasons.push((&unknown.why, vec![unknown])),
        }
    }
    findings.extend(reasons.iter().map(|(why, same)| unknown(why, same)));
    findings
}

fn known(
    service: &Service<'_>,
    observation: &Observation,
    assessment: &Assessment,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(events) = assessment.budget.events {
        findings.push(Finding::ok(
            SERIES,
            "count the events of SLO_WINDOW",
            format!("{:.0} bad of {:.0}", events.bad(), events.total()),
        ));
        findings.push(Finding::ok(
            IDENTITY,
            "look whether they are events of one service, each counted once",
            match service.config.sli {
                SliSource::Family { .. } => "all series agree in every label that names a place, and no event is counted twice",
                SliSource::Own { .. } => {
                    "a sum of your own queries has no labels, so they are taken at their word: both should name the cluster or \
                     whatever else tells this service from one of the same name"
                }
            },
        ));
    }
    if let Some(coverage) = assessment.budget.coverage {
        findings.push(Finding::ok(
            COVERAGE,
            "look how much of SLO_WINDOW holds data",
            format!("{:.1} %", coverage * 100.0),
        ));
    }
    if let Some(age) = observation.measurement.freshness.value() {
        findings.push(Finding::ok(
            FRESHNESS,
            "look how old the newest sample is",
            format!("{} s", age.as_secs()),
        ));
    }
    findings.push(Finding::ok(
        CLOCK,
        "compare the server's clock with this one",
        format!("{} s apart", observation.measurement.clock_skew.as_secs()),
    ));
    findings
}

/// Looks whether a failure was ever seen: a service without one may be that good, or nobody sees its failures.
fn failures(observation: &Observation) -> Option<Finding> {
    let events = observation.measurement.budget.value()?;
    (events.bad() == 0.0).then(|| {
        Finding::warning(
            FAILURES,
            "look for bad events in SLO_WINDOW",
            format!("none of {:.0} events was ever bad", events.total()),
            "this may be true; to check, send a request that has to fail and run `doctor` again a minute later: where it still \
             finds none, METRICS_FAMILY or SLI_BAD_QUERY does not see how requests end",
        )
    })
}

/// Tells of probes that are counted as requests.
fn probes(probes: &Probes) -> Finding {
    Finding::warning(
        PROBES,
        "look for probes among the requests",
        format!(
            "{:.1} % of the events of half an hour are on {} {}, as probes and scrapes are",
            100.0 * probes.share,
            probes.label,
            probes.routes.join(", ")
        ),
        format!("leave them out with SLI_SELECTOR={}", probes.selector),
    )
}

/// Tells of one reason why values are not known; what stands in the way of a decision is a problem.
fn unknown(why: &str, same: &[&Unknown]) -> Finding {
    let sources: Vec<&str> = same.iter().map(|unknown| unknown.source.as_str()).collect();
    let subjects = || same.iter().map(|unknown| subject(&unknown.source));
    // A service without series has no age and no burn rate either: name the cause.
    let subject = subjects()
        .find(|subject| *subject == SERIES)
        .or_else(|| subjects().next())
        .unwrap_or(READINGS);
    let tried = format!("read {}", sources.join(", "));
    let state = match same.iter().map(|unknown| unknown.weight).max() {
        Some(Weight::Everything) => FindingState::Problem,
        Some(Weight::Acting | Weight::Note) | None => FindingState::Warning,
    };
    Finding {
        state,
        ..Finding::failed(
            subject,
            tried,
            why,
            "look at the service's metrics in Prometheus",
        )
    }
}

fn subject(source: &str) -> &'static str {
    match source {
        "budget" => SERIES,
        "coverage" => COVERAGE,
        "freshness" => FRESHNESS,
        "clock" => CLOCK,
        _ => READINGS,
    }
}

/// Looks what is near a service that has no series, and whether kube-state-metrics know it.
async fn around(service: &Service<'_>, observation: &Observation) -> Vec<Finding> {
    let is_lost = matches!(observation.measurement.budget, Reading::NoSeries);
    let at = observation.evaluated_at;
    match service.metrics().surroundings(is_lost, at).await {
        Ok(found) => {
            let near = found.near.map(|near| names(service, &near));
            near.into_iter()
                .chain([kube_state(found.kube_state)])
                .collect()
        }
        Err(error) => {
            let tried = "ask for kube-state-metrics and for names near the service's";
            let failed =
                Finding::failed(KUBE_STATE, tried, &error.to_string(), "look at Prometheus");
            vec![Finding {
                state: FindingState::Warning,
                ..failed
            }]
        }
    }
}

/// Proposes what may have been meant instead of a name of which nothing is known.
fn names(service: &Service<'_>, near: &Near) -> Finding {
    let config = service.config;
    let (namespace, name) = (&config.service.namespace, &config.service.name);
    let metric = &near.metric;
    let mut found = Vec::new();
    let mut remedies = Vec::new();
    if !near.services.is_empty() {
        found.push(format!(
            "in namespace {namespace} {metric} counts {}",
            near.services.join(", ")
        ));
        if near.is_likely {
            remedies.push(format!("SERVICE_NAME={}", near.services[0]));
        }
    }
    if let Some(first) = near.namespaces.first() {
        found.push(format!("{name} is in {}", near.namespaces.join(", ")));
        remedies.push(format!("NAMESPACE={first}"));
    }
    if !near.values.is_empty() {
        found.push(format!(
            "labels that hold its name: {}",
            near.values.join(", ")
        ));
    }
    if let Some(first) = near.families.first() {
        let families: Vec<&str> = near.families.iter().map(|family| family.as_str()).collect();
        found.push(format!("{name} is counted as {}", families.join(", ")));
        remedies.push(format!("METRICS_FAMILY={first}"));
    }
    if let Some(OtherLabels {
        matchers,
        names_namespace,
    }) = &near.selector
    {
        found.push(match names_namespace {
            true => format!("{metric} is there with {matchers}"),
            false => format!("{metric} is there with {matchers}, in whatever namespace"),
        });
        remedies.push(format!("SLI_SELECTOR='{matchers}'"));
    }
    if found.is_empty() {
        found.push(if near.is_there {
            format!(
                "{metric} has series, and none that looks like {namespace}/{name}; its labels are {}",
                near.labels.join(", ")
            )
        } else {
            format!("{metric} has no series at all now")
        });
    }
    Finding::warning(
        NAMES,
        "look for names near those of the service",
        found.join("; "),
        if remedies.is_empty() {
            "look whether the service is scraped, and by which labels; SLI_SELECTOR takes any"
                .to_owned()
        } else {
            format!("perhaps it should be {}", remedies.join(" or "))
        },
    )
}

/// Says what kube-state-metrics know of the service. Many places do not have them, so that they are missing is no
/// fault.
fn kube_state(known: KubeState) -> Finding {
    let tried = "look whether kube-state-metrics know the service's pods";
    match known {
        KubeState::Workload => Finding::ok(KUBE_STATE, tried, "its Deployment or StatefulSet"),
        KubeState::Pods => Finding::ok(KUBE_STATE, tried, "pods that are named after it"),
        KubeState::Others => Finding::warning(
            KUBE_STATE,
            tried,
            "other pods of the namespace, and none of the service",
            "name the service as its Deployment or StatefulSet is named: otherwise nothing shows that all of its pods are gone",
        ),
        KubeState::Nothing => Finding::ok(
            KUBE_STATE,
            tried,
            "they are not there: a service whose traffic ends is told and not rolled back, and images say nothing of what is live",
        ),
    }
}

/// Says where the service's latency is not known because of the kind of histogram that is asked for.
fn native(service: &Service<'_>, observation: &Observation) -> Option<Finding> {
    let is_native =
        matches!(&service.config.sli, SliSource::Family { buckets, .. } if buckets.is_native());
    let is_missing = match &observation.measurement.latency {
        Reading::NoSeries | Reading::Refused { .. } | Reading::Invalid { .. } => true,
        Reading::Measured(_)
        | Reading::NoTraffic
        | Reading::Gone { .. }
        | Reading::Stale { .. }
        | Reading::Partial { .. } => false,
    };
    (is_native && is_missing).then(|| {
        Finding::warning(
            BUCKETS,
            "look for native histograms",
            "this server has none of the service's latency, so its latency is not judged",
            "set SLI_HISTOGRAMS=classic, or have a server that keeps native histograms scrape them (VictoriaMetrics keeps none)",
        )
    })
}

/// Looks whether buckets end at the latency thresholds: between two bounds a verdict is often not possible.
fn buckets(service: &Service<'_>, observation: &Observation) -> Option<Finding> {
    let is_classic =
        matches!(&service.config.sli, SliSource::Family { buckets, .. } if !buckets.is_native());
    let slices = observation.measurement.latency.value()?;
    let newest = slices
        .iter()
        .rev()
        .flatten()
        .find(|slice| slice.total() > 0.0)?;
    if !is_classic {
        return None;
    }
    let tried = "look for buckets that end at MAX_LATENCY_P95 and MAX_LATENCY_P99";
    let missing: Vec<String> = [
        ("MAX_LATENCY_P95", service.config.objective.max_latency_p95),
        ("MAX_LATENCY_P99", service.config.objective.max_latency_p99),
    ]
    .into_iter()
    .filter(|(_, threshold)| newest.share_above(threshold.as_secs_f64()).is_none())
    .map(|(name, threshold)| format!("{} s ({name})", threshold.as_secs_f64()))
    .collect();
    Some(if missing.is_empty() {
        Finding::ok(BUCKETS, tried, "both are there")
    } else {
        Finding::warning(
            BUCKETS,
            tried,
            format!("no bucket ends at {}", missing.join(" and at ")),
            "move the threshold to a bound of the histogram, or add a bucket that ends there: near it nothing can be decided",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clients::prometheus::Store;

    #[test]
    fn versions_that_lose_data_are_named_and_others_are_not() {
        for (text, words) in [
            ("3.13.0", Some("another chunk")),
            ("3.13.1", Some("could not read from its storage")),
            ("3.2.1+ds1", Some("could not read from its storage")),
            ("3.14.0", None),
            ("3.16.0-rc.1", None),
            ("2.42.0+ds", None),
            ("2.24.0", None),
            ("odd", None),
        ] {
            let mut about = About {
                version: Some(text.to_owned()),
                is_prometheus: true,
                ..About::default()
            };
            let found = version(&about).map(|finding| finding.found);
            assert_eq!(found.is_some(), words.is_some(), "{text}: {found:?}");
            assert!(
                words.is_none_or(|words| found.is_some_and(|found| found.contains(words))),
                "{text}"
            );
            about.is_prometheus = false;
            assert!(version(&about).is_none(), "another server's {text}");
        }
    }

    #[test]
    fn stores_that_may_go_missing_are_a_warning() {
        let of = |error: Option<&str>, is_strict| {
            let store = Store {
                name: "10.0.0.1:10901".to_owned(),
                error: error.map(str::to_owned),
            };
            stores(&Stores {
                known: vec![store],
                is_strict,
            })
        };
        assert_eq!(of(None, Some(true)).state, FindingState::Ok);
        for is_strict in [Some(false), None] {
            let finding = of(None, is_strict);
            assert_eq!(finding.state, FindingState::Warning);
            assert!(finding.found.contains("10.0.0.1:10901"), "{finding:?}");
        }
        let finding = of(Some("connection refused"), Some(true));
        assert_eq!(finding.state, FindingState::Warning);
        assert!(finding.found.contains("connection refused"), "{finding:?}");
    }
}
