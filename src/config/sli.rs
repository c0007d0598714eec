//! Where good and bad events are counted.

use std::fmt;

use super::{
    problems::{Checked, Invalid, quoted},
    reader::{Reader, number},
    selector,
    service::ServiceConfig,
    template::Template,
    variables::{
        METRICS_FAMILY, SLI_BAD_QUERY, SLI_HISTOGRAMS, SLI_LATENCY_BUCKETS, SLI_SELECTOR,
        SLI_TOTAL_QUERY,
    },
};

/// Where good and bad events are counted.
#[derive(Debug, Clone, PartialEq)]
pub enum SliSource {
    /// Metrics with known names.
    Family {
        /// `METRICS_FAMILY` (http).
        family: MetricsFamily,
        /// `SLI_SELECTOR`, none by default: label matchers that take the place of the family's own, with the names
        /// filled in.
        selector: Option<String>,
        /// `SLI_HISTOGRAMS` (classic) and `SLI_LATENCY_BUCKETS`, by default those that are found.
        buckets: Buckets,
    },
    /// The operator's own queries with the names filled in; both contain `${WINDOW}`. They measure no latency.
    Own {
        /// `SLI_BAD_QUERY`: the number of bad events in `${WINDOW}`.
        bad: String,
        /// `SLI_TOTAL_QUERY`: the number of all events in `${WINDOW}`.
        total: String,
    },
}

/// How Prometheus stores a latency histogram, and which of its bounds are asked for. The kind has to be told, because
/// an older server refuses the functions for native ones.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum Buckets {
    /// All that a classic histogram has: one series per upper bound.
    #[default]
    All,
    /// These upper bounds (seconds, ascending) of a classic histogram, and `+Inf`. A bound that does not exist is not
    /// answered.
    Named(Vec<f64>),
    /// A native histogram, one series whose own buckets are read.
    Native,
}

impl Buckets {
    /// Tells whether the histogram is a native one.
    pub fn is_native(&self) -> bool {
        *self == Self::Native
    }
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

pub(super) fn read(reader: &mut Reader, service: &Checked<ServiceConfig>) -> Checked<SliSource> {
    let is_consistent = check_source(reader);
    let family = reader.required(&METRICS_FAMILY, parse_family);
    let bad = reader.optional(&SLI_BAD_QUERY, parse_query);
    let total = reader.optional(&SLI_TOTAL_QUERY, parse_query);
    let own = is_consistent
        .and_then(|()| own_queries(reader, fill(bad?, service)?, fill(total?, service)?));
    let selector = reader.optional(&SLI_SELECTOR, selector::parse);
    let buckets = read_buckets(reader);
    let (selector, buckets) = (fill(selector?, service)?, buckets?);
    Ok(match own? {
        Some((bad, total)) => SliSource::Own { bad, total },
        None => SliSource::Family {
            family: family?,
            selector,
            buckets,
        },
    })
}

fn read_buckets(reader: &mut Reader) -> Checked<Buckets> {
    let is_native = reader.required(&SLI_HISTOGRAMS, |text| match text {
        "classic" => Ok(false),
        "native" => Ok(true),
        _ => Err(Invalid::because(format!(
            "is {}; write classic or native",
            quoted(text)
        ))),
    });
    let bounds = reader.optional(&SLI_LATENCY_BUCKETS, parse_buckets);
    match (is_native?, bounds?) {
        (true, Some(_)) => Err(reader.report(
            "SLI_LATENCY_BUCKETS is set together with SLI_HISTOGRAMS=native, which has no bounds to choose from; unset \
             SLI_LATENCY_BUCKETS",
        )),
        (true, None) => Ok(Buckets::Native),
        (false, Some(bounds)) => Ok(Buckets::Named(bounds)),
        (false, None) => Ok(Buckets::All),
    }
}

fn fill(template: Option<Template>, service: &Checked<ServiceConfig>) -> Checked<Option<String>> {
    match (template, service) {
        (None, _) => Ok(None),
        (Some(template), Ok(service)) => Ok(Some(template.fill(service))),
        (Some(_), Err(reported)) => Err(*reported),
    }
}

/// Reports settings that exclude each other.
fn check_source(reader: &mut Reader) -> Checked<()> {
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
    together.and(not_both)
}

fn own_queries(
    reader: &mut Reader,
    bad: Option<String>,
    total: Option<String>,
) -> Checked<Option<(String, String)>> {
    let own = bad.zip(total);
    if own.as_ref().is_some_and(|(bad, total)| bad == total) {
        return Err(reader.report(
            "SLI_BAD_QUERY and SLI_TOTAL_QUERY are the same query, so every event would be bad; let the first count \
             bad events only",
        ));
    }
    Ok(own)
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
