//! Where the GitOps repository is.

use std::fmt;

use url::Url;

use super::forge::RestForge;
use super::ssh::SshAddress;
use super::{
    address::{self, PlainHttp},
    problems::Invalid,
};

/// Where the GitOps repository is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GitopsRepo {
    /// On GitHub, or on the GitHub Enterprise of `GITOPS_API_URL`.
    Github {
        /// The user or organisation.
        owner: String,
        /// The repository's name, without `.git`.
        name: String,
        /// `GITOPS_API_URL` (`https://api.github.com/`); its path ends in `/`.
        api_url: Url,
    },
    /// Anywhere else: `https`, or `http` where that is accepted; no user info, query or fragment.
    Url(Url),
    /// Anywhere, reached over SSH.
    Ssh(SshAddress),
}

impl GitopsRepo {
    /// Returns the address that git fetches from and pushes to.
    pub fn remote_url(&self) -> Url {
        match self {
            Self::Github {
                owner,
                name,
                api_url,
            } => {
                let mut url = web_url(api_url);
                url.set_path(&format!("{owner}/{name}.git"));
                url
            }
            Self::Url(url) => url.clone(),
            Self::Ssh(address) => address.url(),
        }
    }

    /// Tells whether it is on the GitHub of the API.
    pub(super) fn is_on_github(&self) -> bool {
        match self {
            Self::Github { .. } => true,
            Self::Url(_) => false,
            Self::Ssh(_) => false,
        }
    }

    /// Tells whether a key lets us in, and not a token.
    pub(super) fn is_over_ssh(&self) -> bool {
        match self {
            Self::Github { .. } | Self::Url(_) => false,
            Self::Ssh(_) => true,
        }
    }
}

impl fmt::Display for GitopsRepo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Github { owner, name, .. } => write!(f, "{owner}/{name}"),
            Self::Url(url) => write!(f, "{url}"),
            Self::Ssh(address) => write!(f, "{address}"),
        }
    }
}

/// Returns the address of the web site and of git that belongs to an API: the same host, without the `api.` of
/// github.com and ghe.com. An Enterprise server has its API under a path (`/api/v3`) of the same host.
pub(super) fn web_url(api_url: &Url) -> Url {
    let mut url = api_url.clone();
    if api_url.path() == "/"
        && let Some(host) = api_url
            .host_str()
            .and_then(|host| host.strip_prefix("api."))
        && host.contains(|c: char| c != '.')
    {
        // A rest that is not a host by itself leaves the address as it was.
        url.set_host(Some(host)).ok();
    }
    url.set_path("/");
    url
}

/// Parses `GITOPS_REPO`. A URL on the GitHub of the API is the same as `owner/name`, and so is one on another forge
/// whose API is named.
pub(super) fn parse_repo(
    text: &str,
    api_url: &Url,
    plain: PlainHttp,
) -> Result<GitopsRepo, Invalid> {
    let Some((scheme, _)) = text.split_once("://") else {
        return if let Some(slug) = Slug::parse(text) {
            Ok(slug.on(api_url))
        } else {
            parse_without_scheme(text)
        };
    };
    match scheme.to_ascii_lowercase().as_str() {
        "ssh" | "git+ssh" | "ssh+git" => return parse_ssh(text),
        "file" => return Err(refuse_local()),
        _ => {}
    }
    let mut url = address::url(text, plain, "put the token into GITOPS_TOKEN")?;
    if url.query().is_some() {
        return Err(Invalid::because(
            "has a query (from ? on); write the address that git clones from",
        ));
    }
    let path = url.path().trim_end_matches('/').to_owned();
    if path.is_empty() {
        return Err(Invalid::because(
            "has no path; write the address that git clones from",
        ));
    }
    url.set_path(&path);
    if RestForge::of_api(api_url).is_none()
        && web_url(api_url).origin() == url.origin()
        && let Some(slug) = Slug::parse(path.trim_start_matches('/'))
    {
        return Ok(slug.on(api_url));
    }
    Ok(GitopsRepo::Url(url))
}

/// `owner/name`.
pub(super) struct Slug {
    pub(super) owner: String,
    pub(super) name: String,
}

impl Slug {
    /// Parses `owner/name` or `owner/name.git`, as GitHub allows them.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (owner, name) = text.split_once('/')?;
        let name = name.strip_suffix(".git").unwrap_or(name);
        let is_owner = (1..=100).contains(&owner.len())
            && !owner.starts_with('-')
            && owner
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        let is_name = (1..=100).contains(&name.len())
            && !matches!(name, "." | "..")
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
        (is_owner && is_name).then(|| Self {
            owner: owner.to_owned(),
            name: name.to_owned(),
        })
    }

    fn on(self, api_url: &Url) -> GitopsRepo {
        if let Some(forge) = RestForge::of_api(api_url) {
            return GitopsRepo::Url(forge.address(api_url, &self.owner, &self.name));
        }
        GitopsRepo::Github {
            owner: self.owner,
            name: self.name,
            api_url: api_url.clone(),
        }
    }
}

fn parse_without_scheme(text: &str) -> Result<GitopsRepo, Invalid> {
    if text.starts_with(['/', '.', '~', '\\']) {
        Err(refuse_local())
    } else if text.contains(':') {
        parse_ssh(text)
    } else {
        Err(Invalid::because(
            "is neither owner/name nor a URL; write it like acme/deploy or https://git.example.com/deploy.git",
        ))
    }
}

/// Parses `[user@]host:path` and `ssh://[user@]host[:port]/path`.
fn parse_ssh(text: &str) -> Result<GitopsRepo, Invalid> {
    match text.split_once("://") {
        Some((_, rest)) => SshAddress::parse_url(rest),
        None => SshAddress::parse_short(text),
    }
    .map(GitopsRepo::Ssh)
}

fn refuse_local() -> Invalid {
    Invalid::because(
        "is a path on this machine, and a rollback must reach the repository that is deployed; write the URL that git \
         pushes to, such as https://git.example.com/deploy.git",
    )
}
