//! The service and its objective.

use std::{fmt, str::FromStr, time::Duration};

use crate::slo::ErrorBudget;

use super::{
    duration::{DAY, HOUR},
    problems::{Checked, Invalid, quoted},
    reader::{Reader, number},
    variables::{ERROR_BUDGET, NAMESPACE, SERVICE_NAME, SLO_WINDOW},
};

/// Smallest error budget (ratio): one bad event in a billion. Below it no counter has enough events to tell, and the
/// division by the budget would leave the range of floating-point numbers.
const SMALLEST_BUDGET: f64 = 1e-9;

/// Which service is watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceConfig {
    /// `SERVICE_NAME`, required: the name of the service as its metrics know it.
    pub name: ServiceName,
    /// `NAMESPACE`, required: its Kubernetes namespace.
    pub namespace: Namespace,
}

/// What the service promises.
#[derive(Debug, Clone, PartialEq)]
pub struct SloConfig {
    /// `SLO_WINDOW` (30d), from 1h to 366d: the period that the budget is for.
    pub window: Duration,
    /// `ERROR_BUDGET` (0.001): the share of events that may be bad within the window.
    pub error_budget: ErrorBudget,
}

/// The name of a service: an RFC 1123 name, dots allowed, at most 253 characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceName(String);

/// The name of a Kubernetes namespace: an RFC 1123 label, at most 63 characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Namespace(String);

impl ServiceName {
    /// Returns the name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Namespace {
    /// Returns the name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ServiceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for ServiceName {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        rfc1123_name(text).map(Self)
    }
}

impl FromStr for Namespace {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        rfc1123_label(text).map(Self)
    }
}

/// Accepts the name of a Kubernetes object: labels joined by dots.
pub(super) fn rfc1123_name(text: &str) -> Result<String, Invalid> {
    if text.len() <= 253 && text.split('.').all(is_label) {
        Ok(text.to_owned())
    } else {
        Err(Invalid::because(format!(
            "is {}; write a Kubernetes name: lower-case letters, digits, - and ., each part beginning and ending \
             with a letter or digit, at most 253 characters",
            quoted(text)
        )))
    }
}

/// Accepts the name of a Kubernetes namespace.
pub(super) fn rfc1123_label(text: &str) -> Result<String, Invalid> {
    if text.len() <= 63 && is_label(text) {
        Ok(text.to_owned())
    } else {
        Err(Invalid::because(format!(
            "is {}; write a Kubernetes label: lower-case letters, digits and -, beginning and ending with a letter \
             or digit, at most 63 characters",
            quoted(text)
        )))
    }
}

fn is_label(text: &str) -> bool {
    let is_edge = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = text.as_bytes();
    bytes.iter().all(|&byte| is_edge(byte) || byte == b'-')
        && bytes.first().is_some_and(|&byte| is_edge(byte))
        && bytes.last().is_some_and(|&byte| is_edge(byte))
}

pub(super) fn read_service(reader: &mut Reader) -> Checked<ServiceConfig> {
    let name = reader.required(&SERVICE_NAME, str::parse);
    let namespace = reader.required(&NAMESPACE, str::parse);
    Ok(ServiceConfig {
        name: name?,
        namespace: namespace?,
    })
}

pub(super) fn read_slo(reader: &mut Reader) -> Checked<SloConfig> {
    let window = reader.duration(&SLO_WINDOW, HOUR..=366 * DAY);
    let error_budget = reader.required(&ERROR_BUDGET, |text| {
        number(text).filter(|ratio| *ratio >= SMALLEST_BUDGET).and_then(ErrorBudget::new).ok_or_else(|| {
            Invalid::because(format!(
                "is {}; write it as a fraction from {SMALLEST_BUDGET:e} and below 1, so 0.1 % is 0.001",
                quoted(text)
            ))
        })
    });
    Ok(SloConfig {
        window: window?,
        error_budget: error_budget?,
    })
}
