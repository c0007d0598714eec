//! Where good and bad events are counted, and the thresholds they are held against.

use std::{fmt, time::Duration};

use super::{
    duration::{DAY, HOUR, SECOND},
    problems::{Checked, Invalid, quoted},
    reader::{Reader, number},
    selector,
    service::{ServiceConfig, SloConfig},
    template::Template,
    variables::{
        BUDGET_CRITICAL, BUDGET_EMERGENCY, BUDGET_WARNING, BURN_RATE_FAST, BURN_RATE_SLOW, Key,
        MAX_ERROR_RATE, MAX_LATENCY_P95, MAX_LATENCY_P99, METRICS_FAMILY, MIN_AVAILABILITY,
        SLI_BAD_QUERY, SLI_HISTOGRAMS, SLI_LATENCY_BUCKETS, SLI_SELECTOR, SLI_TOTAL_QUERY,
        VIOLATION_FOR,
    },
};

/// Where good and bad events are counted.
#[derive(Debug, Clone, PartialEq)]
pub struct SliConfig {
    /// `METRICS_FAMILY` (http), or `SLI_BAD_QUERY` and `SLI_TOTAL_QUERY`.
    pub source: SliSource,
    /// `SLI_SELECTOR`, none by default: label matchers that take the place of the family's own, with the names filled
    /// in. None with own queries.
    pub selector: Option<String>,
    /// `SLI_HISTOGRAMS` (classic): the kind of the family's latency histogram.
    pub histograms: Histograms,
    /// `SLI_LATENCY_BUCKETS`, by default those that are found: the histogram's upper bounds in seconds, ascending. None
    /// with native histograms.
    pub latency_buckets: Option<Vec<f64>>,
}

/// Whose metrics count the events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SliSource {
    /// Metrics with known names.
    Family(MetricsFamily),
    /// The operator's own queries with the names filled in; both contain `${WINDOW}`.
    Own {
        /// `SLI_BAD_QUERY`: the number of bad events in `${WINDOW}`.
        bad: String,
        /// `SLI_TOTAL_QUERY`: the number of all events in `${WINDOW}`.
        total: String,
    },
}

/// How Prometheus stores a latency histogram. It has to be told, because an older server refuses the functions for
/// native ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Histograms {
    /// One series per upper bound.
    Classic,
    /// One series that holds all buckets.
    Native,
}

/// A system whose metrics have known names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MetricsFamily {
    /// `http_requests_total`, as most client libraries name it.
    Http,
    /// The Istio sidecar.
    Istio,
    /// ingress-nginx.
    IngressNginx,
    /// Envoy's clusters.
    Envoy,
    /// The Linkerd proxy.
    Linkerd,
    /// Traefik's services.
    Traefik,
    /// gRPC servers.
    Grpc,
    /// OpenTelemetry's HTTP server metrics.
    Otel,
    /// Spring Boot with Micrometer.
    Spring,
}

impl MetricsFamily {
    /// Every family, in the order of the contract.
    pub const ALL: [Self; 9] = [
        Self::Http,
        Self::Istio,
        Self::IngressNginx,
        Self::Envoy,
        Self::Linkerd,
        Self::Traefik,
        Self::Grpc,
        Self::Otel,
        Self::Spring,
    ];

    /// Returns the name that `METRICS_FAMILY` uses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Istio => "istio",
            Self::IngressNginx => "ingress-nginx",
            Self::Envoy => "envoy",
            Self::Linkerd => "linkerd",
            Self::Traefik => "traefik",
            Self::Grpc => "grpc",
            Self::Otel => "otel",
            Self::Spring => "spring",
        }
    }
}

impl fmt::Display for MetricsFamily {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What counts as too much.
#[derive(Debug, Clone, PartialEq)]
pub struct ThresholdsConfig {
    /// `BUDGET_WARNING` (0.5): consumed share of the budget, above 0 and at most 1.
    pub warning: f64,
    /// `BUDGET_CRITICAL` (0.8): consumed share, above `warning`.
    pub critical: f64,
    /// `BUDGET_EMERGENCY` (0.95): consumed share, above `critical`.
    pub emergency: f64,
    /// `MIN_AVAILABILITY` (0.99): ratio from 0 and below 1.
    pub min_availability: f64,
    /// `MAX_ERROR_RATE` (0.01): ratio above 0 and at most 1.
    pub max_error_rate: f64,
    /// `MAX_LATENCY_P95` (1s), from 1ms to 1h.
    pub max_latency_p95: Duration,
    /// `MAX_LATENCY_P99` (2s), from 1ms to 1h.
    pub max_latency_p99: Duration,
    /// `VIOLATION_FOR` (5m), from 1s to 1d: how long a violation must last before it counts.
    pub violation_for: Duration,
    /// `BURN_RATE_FAST` (14.4, unitless): at least `burn_rate_slow`, and reachable with the error budget.
    pub burn_rate_fast: f64,
    /// `BURN_RATE_SLOW` (6, unitless): above 0.
    pub burn_rate_slow: f64,
}

pub(super) fn read_sli(
    reader: &mut Reader,
    service: &Checked<ServiceConfig>,
) -> Checked<SliConfig> {
    let source = read_source(reader, service);
    let selector = reader.optional(&SLI_SELECTOR, selector::parse);
    let histograms = reader.required(&SLI_HISTOGRAMS, |text| match text {
        "classic" => Ok(Histograms::Classic),
        "native" => Ok(Histograms::Native),
        _ => Err(Invalid::because(format!(
            "is {}; write classic or native",
            quoted(text)
        ))),
    });
    let latency_buckets = reader.optional(&SLI_LATENCY_BUCKETS, parse_buckets);
    let has_buckets = latency_buckets.as_ref().is_ok_and(Option::is_some);
    if has_buckets && histograms.is_ok_and(|kind| kind == Histograms::Native) {
        reader.report(
            "SLI_LATENCY_BUCKETS is set together with SLI_HISTOGRAMS=native, which has no bounds to choose from; unset \
             SLI_LATENCY_BUCKETS",
        );
    }
    Ok(SliConfig {
        source: source?,
        selector: fill(selector?, service)?,
        histograms: histograms?,
        latency_buckets: latency_buckets?,
    })
}

fn fill(template: Option<Template>, service: &Checked<ServiceConfig>) -> Checked<Option<String>> {
    match (template, service) {
        (None, _) => Ok(None),
        (Some(template), Ok(service)) => Ok(Some(template.fill(service))),
        (Some(_), Err(reported)) => Err(*reported),
    }
}

fn read_source(reader: &mut Reader, service: &Checked<ServiceConfig>) -> Checked<SliSource> {
    let together = reader.both_or_neither(&SLI_BAD_QUERY, &SLI_TOTAL_QUERY);
    let is_own = reader.is_set(&SLI_BAD_QUERY) || reader.is_set(&SLI_TOTAL_QUERY);
    let not_both = if is_own && reader.is_set(&METRICS_FAMILY) {
        Err(reader.report(
            "METRICS_FAMILY is set together with SLI_BAD_QUERY or SLI_TOTAL_QUERY; set the family or the two \
             queries, not both",
        ))
    } else {
        Ok(())
    };
    if is_own {
        refuse_what_only_a_family_has(reader);
    }
    let family = reader.required(&METRICS_FAMILY, parse_family);
    let bad = reader.optional(&SLI_BAD_QUERY, parse_query);
    let total = reader.optional(&SLI_TOTAL_QUERY, parse_query);
    together.and(not_both)?;
    let (bad, total) = (fill(bad?, service)?, fill(total?, service)?);
    match bad.zip(total) {
        None => Ok(SliSource::Family(family?)),
        Some((bad, total)) if bad == total => Err(reader.report(
            "SLI_BAD_QUERY and SLI_TOTAL_QUERY are the same query, so every event would be bad; let the first count \
             bad events only",
        )),
        Some((bad, total)) => Ok(SliSource::Own { bad, total }),
    }
}

/// Reports settings that own queries would silently pass over.
fn refuse_what_only_a_family_has(reader: &mut Reader) {
    if reader.is_set(&SLI_SELECTOR) {
        reader.report(
            "SLI_SELECTOR is set together with SLI_BAD_QUERY or SLI_TOTAL_QUERY, which name the service themselves; \
             write the labels into the queries and unset SLI_SELECTOR",
        );
    }
    for key in [&SLI_HISTOGRAMS, &SLI_LATENCY_BUCKETS] {
        if reader.is_set(key) {
            let name = key.variable.name;
            reader.report(format!(
                "{name} is set together with SLI_BAD_QUERY or SLI_TOTAL_QUERY, which measure no latency; unset {name}"
            ));
        }
    }
}

fn parse_family(text: &str) -> Result<MetricsFamily, Invalid> {
    MetricsFamily::ALL
        .into_iter()
        .find(|family| family.as_str() == text)
        .ok_or_else(|| {
            let names = MetricsFamily::ALL.map(MetricsFamily::as_str).join(", ");
            Invalid::because(format!("is {}; write one of {names}", quoted(text)))
        })
}

fn parse_query(text: &str) -> Result<Template, Invalid> {
    let template = Template::parse(text)?;
    if template.has_window {
        Ok(template)
    } else {
        Err(Invalid::because(
            "does not contain ${WINDOW}; write it where the range goes, such as sum(increase(errors_total[${WINDOW}]))",
        ))
    }
}

fn parse_buckets(text: &str) -> Result<Vec<f64>, Invalid> {
    let malformed = || {
        Invalid::because(format!(
            "is {}; write upper bounds in seconds, ascending and separated by commas, such as 0.1,0.5,1,2.5",
            quoted(text)
        ))
    };
    let bounds: Option<Vec<f64>> = text
        .split(',')
        .map(|bound| number(bound.trim()).filter(|bound| *bound > 0.0))
        .collect();
    bounds
        .filter(|bounds| bounds.is_sorted_by(|one, next| one < next))
        .ok_or_else(malformed)
}

pub(super) fn read_thresholds(
    reader: &mut Reader,
    slo: &Checked<SloConfig>,
) -> Checked<ThresholdsConfig> {
    let warning = ratio(reader, &BUDGET_WARNING, Share::Consumed);
    let critical = ratio(reader, &BUDGET_CRITICAL, Share::Consumed);
    let emergency = ratio(reader, &BUDGET_EMERGENCY, Share::Consumed);
    let min_availability = ratio(reader, &MIN_AVAILABILITY, Share::Good);
    let max_error_rate = ratio(reader, &MAX_ERROR_RATE, Share::Bad);
    let latency = Duration::from_millis(1)..=HOUR;
    let max_latency_p95 = reader.duration(&MAX_LATENCY_P95, latency.clone());
    let max_latency_p99 = reader.duration(&MAX_LATENCY_P99, latency);
    let violation_for = reader.duration(&VIOLATION_FOR, SECOND..=DAY);
    let burn_rate_fast = burn_rate(reader, &BURN_RATE_FAST);
    let burn_rate_slow = burn_rate(reader, &BURN_RATE_SLOW);
    check_levels(reader, [warning, critical, emergency]);
    if let (Ok(fast), Ok(slow)) = (burn_rate_fast, burn_rate_slow)
        && slow > fast
    {
        reader.report(format!(
            "BURN_RATE_SLOW ({slow}) is above BURN_RATE_FAST ({fast}); the longer windows take the smaller factor"
        ));
    }
    if let (Ok(fast), Ok(slo)) = (burn_rate_fast, slo) {
        check_reachable(reader, fast, slo.error_budget.ratio());
    }
    Ok(ThresholdsConfig {
        warning: warning?,
        critical: critical?,
        emergency: emergency?,
        min_availability: min_availability?,
        max_error_rate: max_error_rate?,
        max_latency_p95: max_latency_p95?,
        max_latency_p99: max_latency_p99?,
        violation_for: violation_for?,
        burn_rate_fast: burn_rate_fast?,
        burn_rate_slow: burn_rate_slow?,
    })
}

fn check_levels(reader: &mut Reader, levels: [Checked<f64>; 3]) {
    let [Ok(warning), Ok(critical), Ok(emergency)] = levels else {
        return;
    };
    if !(warning < critical && critical < emergency) {
        reader.report(format!(
            "BUDGET_WARNING ({warning}), BUDGET_CRITICAL ({critical}) and BUDGET_EMERGENCY ({emergency}) are not in \
             ascending order; make each larger than the one before"
        ));
    }
}

/// Reports a burn rate that even a service without one good event could not exceed.
fn check_reachable(reader: &mut Reader, fast: f64, budget: f64) {
    if fast * budget >= 1.0 {
        reader.report(format!(
            "BURN_RATE_FAST ({fast}) times ERROR_BUDGET ({budget}) is not below 1, so not even a complete outage would \
             count as burning; lower one of them"
        ));
    }
}

/// What a ratio is a share of, and so which ends of 0..1 make sense.
#[derive(Debug, Clone, Copy)]
enum Share {
    /// Of the budget.
    Consumed,
    /// Of events that may be bad; 1 switches the check off.
    Bad,
    /// Of events that must be good; 0 switches the check off.
    Good,
}

fn ratio(reader: &mut Reader, key: &Key, share: Share) -> Checked<f64> {
    reader.required(key, |text| {
        let (is_in_range, form): (fn(&f64) -> bool, &str) = match share {
            Share::Consumed => (
                |ratio| *ratio > 0.0 && *ratio <= 1.0,
                "above 0 and at most 1, so 80 % is 0.8",
            ),
            Share::Bad => (
                |ratio| *ratio > 0.0 && *ratio <= 1.0,
                "above 0 and at most 1, so 0.1 % is 0.001",
            ),
            Share::Good => (
                |ratio| *ratio >= 0.0 && *ratio < 1.0,
                "from 0 and below 1, so 99.9 % is 0.999",
            ),
        };
        number(text).filter(is_in_range).ok_or_else(|| {
            Invalid::because(format!(
                "is {}; write it as a fraction {form}",
                quoted(text)
            ))
        })
    })
}

fn burn_rate(reader: &mut Reader, key: &Key) -> Checked<f64> {
    reader.required(key, |text| {
        number(text).filter(|rate| *rate > 0.0).ok_or_else(|| {
            Invalid::because(format!(
                "is {}; write a number above 0, such as 14.4",
                quoted(text)
            ))
        })
    })
}
