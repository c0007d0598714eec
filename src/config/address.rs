//! What an address of an outside system must look like.

use url::{Host, Url};

use super::problems::Invalid;

/// Where `http://` is accepted.
#[derive(Debug, Clone, Copy)]
pub(super) enum PlainHttp {
    /// Everywhere: the system is often inside the cluster.
    Anywhere,
    /// On loopback only; elsewhere the remedy is `https://`, and the setting that lifts the rule, if there is one.
    LoopbackOnly { unless: Option<&'static str> },
}

impl PlainHttp {
    /// Returns the rule of a system that has a setting for it.
    pub(super) fn unless(setting: &'static str, is_set: bool) -> Self {
        if is_set {
            Self::Anywhere
        } else {
            Self::LoopbackOnly {
                unless: Some(setting),
            }
        }
    }
}

/// Parses the base URL of an API. Its path ends in `/`, so that `join` appends to it.
pub(super) fn base_url(text: &str, plain: PlainHttp, credentials: &str) -> Result<Url, Invalid> {
    let mut url = url(text, plain, credentials)?;
    if url.query().is_some() {
        return Err(Invalid::because("has a query (from ? on); remove it"));
    }
    if !url.path().ends_with('/') {
        let path = format!("{}/", url.path());
        url.set_path(&path);
    }
    Ok(url)
}

/// Parses the URL of one resource. `credentials` says where user and password belong. The text of the URL is never
/// quoted, because it may hold a secret.
pub(super) fn url(text: &str, plain: PlainHttp, credentials: &str) -> Result<Url, Invalid> {
    const FORM: &str = "is not a URL; write it like https://host.example.com/path";
    if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(Invalid::because(
            "has a blank or a control character in its URL; remove it",
        ));
    }
    let url = Url::parse(text).map_err(|_| Invalid::because(FORM))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(Invalid::because(
            "does not begin with https:// or http://; write one of them",
        ));
    }
    let host = url.host().ok_or_else(|| Invalid::because(FORM))?;
    if !url.username().is_empty() || url.password().is_some() || has_user_info(text) {
        return Err(Invalid::because(format!(
            "has a user or a password in its URL; {credentials}"
        )));
    }
    if url.fragment().is_some() {
        return Err(Invalid::because("has a fragment (from # on); remove it"));
    }
    if is_link_local(&host) {
        return Err(Invalid::because(
            "has a link-local address, where clouds keep their metadata service; write another host",
        ));
    }
    if let PlainHttp::LoopbackOnly { unless } = plain
        && url.scheme() == "http"
        && !is_loopback(&host)
    {
        let setting = unless
            .map(|name| format!(", or set {name}=true"))
            .unwrap_or_default();
        return Err(Invalid::because(format!(
            "uses http:// to another host, which shows its credentials to everyone on the way; use https://{setting}"
        )));
    }
    Ok(url)
}

/// Returns whether the authority of the URL text has an `@`, also where user and password are empty.
fn has_user_info(text: &str) -> bool {
    let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
    rest.split(['/', '?', '#'])
        .next()
        .is_some_and(|authority| authority.contains('@'))
}

fn is_loopback(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => name.eq_ignore_ascii_case("localhost"),
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    }
}

fn is_link_local(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(_) => false,
        Host::Ipv4(address) => address.is_link_local(),
        Host::Ipv6(address) => {
            address.is_unicast_link_local()
                || address
                    .to_ipv4_mapped()
                    .is_some_and(|address| address.is_link_local())
        }
    }
}
