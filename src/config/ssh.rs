//! SSH addresses of git repositories. Their parts become arguments of a program, so only plain ones are taken.

use std::{fmt, net::Ipv6Addr};

use url::Url;

use super::problems::Invalid;

/// Where a repository is that is reached over SSH. No part begins with `-` or holds anything but what such names are
/// made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SshAddress {
    /// The user; nothing where the address names none.
    pub user: Option<String>,
    /// A name or an address, without brackets.
    pub host: String,
    /// The port, where the address names one; above 0.
    pub port: Option<u16>,
    /// The path; relative to the user's home folder where it begins with no `/`.
    pub path: String,
}

impl SshAddress {
    /// Parses `ssh://[user@]host[:port]/path`, without the scheme.
    pub(super) fn parse_url(rest: &str) -> Result<Self, Invalid> {
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        // As git does it: `/~user/path` begins at a home folder.
        let path = path
            .strip_prefix('/')
            .filter(|rest| rest.starts_with('~'))
            .unwrap_or(path);
        let (user, host) = split_user(authority)?;
        let (host, port) = match host.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, Some(parse_port(port)?)),
            _ => (host, None),
        };
        if path.contains('%') {
            return Err(Invalid::because(
                "is an SSH address with a % in its path; write it like git@git.example.com:path, where no sign is encoded",
            ));
        }
        Self::checked(user, host, port, path)
    }

    /// Parses `[user@]host:path`.
    pub(super) fn parse_short(text: &str) -> Result<Self, Invalid> {
        let (host, path) = match text.find("]:") {
            Some(end) => (&text[..=end], &text[end + 2..]),
            None => text.split_once(':').unwrap_or((text, "")),
        };
        let (user, host) = split_user(host)?;
        Self::checked(user, host, None, path)
    }

    fn checked(
        user: Option<&str>,
        host: &str,
        port: Option<u16>,
        path: &str,
    ) -> Result<Self, Invalid> {
        let path = path.trim_end_matches('/');
        if !user.is_none_or(is_user) {
            return refuse("user");
        }
        let Some(host) = plain_host(host) else {
            return refuse("host");
        };
        if !is_path(path) {
            return refuse("path");
        }
        Ok(Self {
            user: user.map(str::to_owned),
            host: host.to_owned(),
            port,
            path: path.to_owned(),
        })
    }

    /// Returns the address as a URL, which does not tell a path in the home folder from one at the root.
    pub(super) fn url(&self) -> Url {
        let port = self
            .port
            .map_or_else(String::new, |port| format!(":{port}"));
        let path = self.path.trim_start_matches('/');
        Url::parse(&format!("ssh://{}{port}/{path}", self.shown_host()))
            .expect("each part was checked")
    }

    fn shown_host(&self) -> String {
        match self.host.contains(':') {
            true => format!("[{}]", self.host),
            false => self.host.clone(),
        }
    }
}

impl fmt::Display for SshAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let user = self
            .user
            .as_ref()
            .map_or_else(String::new, |user| format!("{user}@"));
        let (host, path) = (self.shown_host(), &self.path);
        match self.port {
            Some(port) => write!(f, "ssh://{user}{host}:{port}{}{path}", slash_before(path)),
            None => write!(f, "{user}{host}:{path}"),
        }
    }
}

/// Returns what stands between an authority and a path that begins at a home folder.
fn slash_before(path: &str) -> &'static str {
    if path.starts_with('/') { "" } else { "/" }
}

fn split_user(authority: &str) -> Result<(Option<&str>, &str), Invalid> {
    match authority.rsplit_once('@') {
        None => Ok((None, authority)),
        Some((user, _)) if user.contains(':') => Err(Invalid::because(
            "has a password in its SSH address; remove it, a key is used instead",
        )),
        Some((user, host)) => Ok((Some(user), host)),
    }
}

fn refuse<T>(part: &str) -> Result<T, Invalid> {
    Err(Invalid::because(format!(
        "is an SSH address whose {part} cannot be used; write it like git@git.example.com:acme/deploy.git or \
         ssh://git@git.example.com:22/acme/deploy.git"
    )))
}

fn parse_port(text: &str) -> Result<u16, Invalid> {
    match text.parse() {
        Ok(port @ 1..) if text.bytes().all(|byte| byte.is_ascii_digit()) => Ok(port),
        _ => refuse("port"),
    }
}

fn is_user(user: &str) -> bool {
    is_name(user, b"._-+")
}

/// Returns a host without its brackets, if it is one.
fn plain_host(host: &str) -> Option<&str> {
    match host.strip_prefix('[') {
        Some(rest) => rest
            .strip_suffix(']')
            .filter(|address| address.parse::<Ipv6Addr>().is_ok()),
        None => Some(host).filter(|host| is_name(host, b"._-")),
    }
}

/// Accepts letters, digits and a few marks, up to the longest name of a host.
fn is_name(name: &str, marks: &[u8]) -> bool {
    (1..=253).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || marks.contains(&byte))
}

/// Accepts no `@` either: `user:password@host/path` would be the host `user`.
fn is_path(path: &str) -> bool {
    (1..=1024).contains(&path.len())
        && !path.starts_with('-')
        && path
            .chars()
            .all(|c| c.is_alphanumeric() || "/._-~+=,% ".contains(c))
}
