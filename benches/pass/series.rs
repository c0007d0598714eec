//! How long each answer takes when a service has many series, as one with many pods does.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{TimeDelta, Utc};
use testkit::prometheus::{Backfill, Month, Prometheus, Spacing};
use url::form_urlencoded;

use crate::proxy::{Exchange, Proxy};
use crate::table::{Table, Unit};
use crate::{Failure, Start, Wanted, World, millis, repeat};

const SERVICE: &str = "many-pods";

/// Statuses that each pod counts; one of them is bad.
const STATUSES: [(&str, f64); 2] = [("200", 1.0), ("500", 0.0002)];

/// Upper bounds of the latency buckets (s) and the rate of each (1/s).
const BUCKETS: [(&str, f64); 4] = [("0.5", 0.9), ("1", 0.998), ("2.5", 1.0), ("+Inf", 1.0)];

/// Prints the time of each answer to a pass over a service with `series` series of `http_requests_total`, whose samples
/// are `spacing` apart where they are older than a day.
pub(crate) fn report(wanted: &Wanted, series: usize, spacing: Duration) -> Result<(), Failure> {
    let prometheus = Prometheus::start(&backfill(series, spacing)?);
    let proxy = Proxy::start(prometheus.address())?;
    let runs = repeat(wanted, &[&proxy], || {
        Ok(Start {
            passes_before: 0,
            world: World::new(&proxy, SERVICE)?,
            arguments: vec!["run"],
            expected: r#""verdict":"healthy""#,
        })
    })?;
    let [(_, runs), ..] = &runs[..] else {
        return Err("no program was measured".into());
    };
    let mut answers: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for exchange in runs.iter().flat_map(|run| &run.exchanges) {
        answers
            .entry(subject(exchange))
            .or_default()
            .push(millis(exchange.took));
    }
    let mut table = Table::default();
    for (subject, times) in &answers {
        table.row(subject, Unit::Millis, times, None);
    }
    let whole: Vec<f64> = runs.iter().map(|run| millis(run.cost.wall)).collect();
    table.row("the whole pass", Unit::Millis, &whole, None);
    table.print()?;
    Ok(())
}

fn backfill(series: usize, spacing: Duration) -> Result<Backfill, Failure> {
    let now = Utc::now();
    let begin = now - TimeDelta::days(Month::DAYS);
    let end = now + TimeDelta::minutes(Month::FUTURE_MINUTES);
    let spacing = Spacing {
        old_secs: i64::try_from(spacing.as_secs())?,
        ..Spacing::default()
    };
    let mut backfill = Backfill::new(now).spacing(spacing);
    for pod in 0..series.div_ceil(STATUSES.len()) {
        let labels = format!(
            "namespace=\"{}\",service=\"{SERVICE}\",pod=\"{pod}\"",
            Month::NAMESPACE
        );
        for (status, rate) in STATUSES {
            let name = format!("http_requests_total{{{labels},status=\"{status}\"}}");
            backfill = backfill.counter(&name, begin, end, rate);
        }
        // Latency is only asked for the last minutes.
        for (bound, rate) in BUCKETS {
            let name = format!("http_request_duration_seconds_bucket{{{labels},le=\"{bound}\"}}");
            backfill = backfill.counter(&name, now - TimeDelta::hours(2), end, rate);
        }
    }
    Ok(backfill)
}

/// Returns what a request asks for: the names of its parts, else the beginning of its query.
fn subject(exchange: &Exchange) -> String {
    let body = exchange
        .request
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .map_or(&[][..], |end| &exchange.request[end + 4..]);
    let query = form_urlencoded::parse(body)
        .find(|(name, _)| name == "query")
        .map(|(_, query)| query.into_owned())
        .unwrap_or_default();
    let parts: Vec<&str> = query
        .split("\"error_budget_part\", \"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .collect();
    let kind = if exchange.request.starts_with(b"POST /api/v1/query_range") {
        "range"
    } else {
        "instant"
    };
    match parts[..] {
        [] => format!("{kind}: {}", query.chars().take(30).collect::<String>()),
        [one] => format!("{kind}: {one}"),
        [first, .., last] => format!("{kind}: {first} … {last} ({})", parts.len()),
    }
}
