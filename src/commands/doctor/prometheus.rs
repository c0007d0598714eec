//! Prometheus: whether it answers, keeps enough, and knows the service well enough for a decision.

use std::time::Duration;

use super::super::service::Service;
use super::finding::{Finding, FindingState};
use crate::clients::prometheus::{About, PrometheusError};
use crate::config::{Histograms, SliSource};
use crate::observe::{Observation, Probes};
use crate::slo::{Assessment, Unknown, Weight, assess_slices};

const REACH: &str = "prometheus";
const RETENTION: &str = "prometheus retention";
const SERIES: &str = "prometheus series";
const IDENTITY: &str = "prometheus identity";
const COVERAGE: &str = "prometheus coverage";
const FRESHNESS: &str = "prometheus freshness";
const CLOCK: &str = "prometheus clock";
const BUCKETS: &str = "prometheus buckets";
const READINGS: &str = "prometheus readings";
const FAILURES: &str = "prometheus failures";
const PROBES: &str = "prometheus probes";

/// Asks Prometheus for itself and for everything that a pass asks for.
pub(super) async fn look(service: &Service<'_>) -> Vec<Finding> {
    let metrics = service.metrics();
    let (about, observed) = tokio::join!(
        metrics.prometheus.about(),
        metrics.observe(&service.objective)
    );
    let mut findings = Vec::new();
    match &observed {
        Ok(observation) => {
            findings.push(reached(service, &about));
            findings.push(retention(&about, service.objective.window));
            findings.extend(readings(service, observation));
            findings.extend(buckets(service, observation));
            findings.extend(failures(observation));
            let breakdown = metrics.breakdown(observation).await;
            findings.extend(breakdown.counted.as_ref().map(probes));
        }
        Err(error) => {
            findings.push(unreached(service, error));
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
    let version = about
        .version
        .as_deref()
        .unwrap_or("of a version it does not say");
    Finding::ok(
        REACH,
        asked(service),
        format!("it answers, version {version}"),
    )
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
        &service.objective,
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
            match service.config.sli.source {
                SliSource::Family(_) => "all series agree in every label that names a place, and no event is counted twice",
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

/// Looks whether buckets end at the latency thresholds: between two bounds a verdict is often not possible.
fn buckets(service: &Service<'_>, observation: &Observation) -> Option<Finding> {
    let sli = &service.config.sli;
    let is_classic = matches!(
        (&sli.source, sli.histograms),
        (SliSource::Family(_), Histograms::Classic)
    );
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
        ("MAX_LATENCY_P95", service.objective.max_latency_p95),
        ("MAX_LATENCY_P99", service.objective.max_latency_p99),
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
