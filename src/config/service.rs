//! The service.

use std::{fmt, str::FromStr};

use super::{
    problems::{Checked, Invalid, quoted},
    reader::Reader,
    variables::{NAMESPACE, SERVICE_NAME},
};

/// Which service is watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceConfig {
    /// `SERVICE_NAME`, required: the name of the service as its metrics know it.
    pub name: ServiceName,
    /// `NAMESPACE`, required: its Kubernetes namespace.
    pub namespace: Namespace,
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
