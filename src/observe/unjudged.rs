//! Events whose outcome has no form that the family knows. They are neither good nor bad, and many of them mean that
//! nobody knows how the service fares.

use super::parts::{Parts, Quantity};
use super::series::Series;

/// Largest share of events of an unknown form that may be passed over (ratio): as large as the smallest usual error
/// budget. Source: our rule.
const MAX_UNKNOWN_SHARE: f64 = 0.001;

/// The parts of an answer that speak of them, and the part with all events of the same window that are known.
pub(super) struct PartNames {
    pub(super) strange: &'static str,
    pub(super) strangest: &'static str,
    pub(super) total: &'static str,
}

/// Says why the events of a service cannot be judged, where too many of them ended in a form that the family does not
/// know.
pub(super) fn unjudged(series: &Series, parts: &Parts, names: &PartNames) -> Option<String> {
    let Quantity::Number(strange) = parts.quantity(names.strange) else {
        return None;
    };
    let total = match parts.quantity(names.total) {
        Quantity::Number(total) => Some(total),
        Quantity::Absent => None,
        Quantity::Invalid(_) => return None,
    };
    let all = strange + total.unwrap_or(0.0);
    if total.is_some() && strange <= MAX_UNKNOWN_SHARE * all {
        return None;
    }
    let outcomes = series.outcomes();
    let values: Vec<String> = parts
        .samples(names.strangest)
        .iter()
        .map(|sample| {
            let labels: Vec<String> = outcomes
                .iter()
                .filter_map(|label| Some(format!("{label}={:?}", sample.labels.get(label)?)))
                .collect();
            labels.join(" with ")
        })
        .collect();
    if total.is_none() && values.iter().all(String::is_empty) {
        return Some(series.unlabelled());
    }
    let named: Vec<String> = values
        .into_iter()
        .map(|value| {
            if value.is_empty() {
                format!("no {}", outcomes.join(" or "))
            } else {
                value
            }
        })
        .collect();
    let found = if named.is_empty() {
        String::new()
    } else {
        format!(" ({})", named.join(", "))
    };
    let remedy = series.doubt().unwrap_or(
        "leave them out with an SLI_SELECTOR, or say with SLI_BAD_QUERY and SLI_TOTAL_QUERY which of them are bad",
    );
    Some(format!(
        "{:.1} % of the events of the last hour ended in a way that cannot be judged{found}; {remedy}",
        100.0 * strange / all
    ))
}
