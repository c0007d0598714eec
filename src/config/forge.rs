//! Which forge hosts the GitOps repository, told by its API's address or by the names of those that everybody uses.

use url::Url;

use crate::clients::forge::RestSettings;

/// The forges that are known by the beginning of their API's path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RestForge {
    Gitlab,
    /// Forgejo has the same API.
    Gitea,
}

/// Forges that need no `GITOPS_API_URL`. On another host it says that there is one.
const KNOWN: [(&str, RestForge); 3] = [
    ("gitlab.com", RestForge::Gitlab),
    ("codeberg.org", RestForge::Gitea),
    ("gitea.com", RestForge::Gitea),
];

impl RestForge {
    /// Returns the forge's own name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Gitlab => "GitLab",
            Self::Gitea => "Gitea",
        }
    }

    /// Returns the end of the path of its API. Source: GitLab's and Gitea's documentation of their REST APIs.
    fn api(self) -> &'static str {
        match self {
            Self::Gitlab => "api/v4/",
            Self::Gitea => "api/v1/",
        }
    }

    /// Tells whose API an address is; nothing where it is GitHub's. Its path ends in `/`.
    pub(super) fn of_api(api_url: &Url) -> Option<Self> {
        [Self::Gitlab, Self::Gitea]
            .into_iter()
            .find(|forge| api_url.path().ends_with(&format!("/{}", forge.api())))
    }

    /// Returns the forge of a host that everybody knows, with its API.
    pub(super) fn of_host(host: &str) -> Option<(Self, Url)> {
        let (host, forge) = KNOWN
            .into_iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(host))?;
        let api = format!("https://{host}/{}", forge.api());
        Some((forge, Url::parse(&api).expect("it is a URL")))
    }

    /// Returns the path of a repository below the web site that an API belongs to; nothing where it lies elsewhere.
    pub(super) fn path_below(self, api_url: &Url, repo: &Url) -> Option<String> {
        let site = api_url.path().strip_suffix(self.api())?;
        let path = repo.path().strip_prefix(site)?;
        (api_url.origin() == repo.origin()).then(|| path.to_owned())
    }

    /// Returns the web site that an API belongs to; its path ends in `/`.
    pub(super) fn site(self, api_url: &Url) -> Url {
        let mut url = api_url.clone();
        url.set_path(api_url.path().strip_suffix(self.api()).unwrap_or("/"));
        url
    }

    /// Returns the address of `owner/name` on the web site that an API belongs to.
    pub(super) fn address(self, api_url: &Url, owner: &str, name: &str) -> Url {
        let mut url = self.site(api_url);
        url.set_path(&format!("{}{owner}/{name}.git", url.path()));
        url
    }

    /// Returns the settings for a repository; nothing where its path cannot be one of this forge's.
    pub(super) fn settings(self, api_url: Url, path: &str) -> Option<RestSettings> {
        let path = path.trim_matches('/');
        let path = path.strip_suffix(".git").unwrap_or(path);
        let parts = path.split('/').collect::<Vec<_>>();
        let is_one = match self {
            Self::Gitlab => parts.len() >= 2,
            Self::Gitea => parts.len() == 2,
        };
        let is_plain = |part: &&str| !matches!(*part, "" | "." | "..") && !part.contains('%');
        (is_one && parts.iter().all(is_plain)).then(|| RestSettings::new(api_url, path, None))
    }
}
