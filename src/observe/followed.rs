//! Whether an application deploys what the branch holds.

use url::Url;

use crate::clients::argocd::{Application, ApplicationSource, Hydration, Owner};
use crate::clients::git::GitSettings;

/// How an application stands to a branch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Followed<'a> {
    /// One of its sources follows the branch. `HEAD` stands for the default branch, which may be it.
    Yes(&'a ApplicationSource),
    /// It deploys from the repository, and another branch, a tag or a commit: a revert on the branch is not deployed,
    /// and a sync deploys the same once more.
    Elsewhere(&'a ApplicationSource),
    /// A hydrator makes what it deploys of the branch, and Argo CD deploys that by itself.
    Dry(&'a Hydration),
    /// A hydrator writes what it deploys, and not of the branch, or somebody else brings it to where it is deployed
    /// from.
    Hydrated(&'a Hydration),
    /// It deploys charts alone, so its deployments are versions of charts, and no commit is one.
    Charts(&'a ApplicationSource),
    /// No source's address is that of the repository. Addresses have more spellings than can be told apart, so only
    /// what was deployed tells whether it is another one.
    AnotherAddress(&'a ApplicationSource),
    /// It names no source that can be read.
    Unknown,
}

/// Compares where an application's manifests come from with a branch.
pub fn followed<'a>(app: &'a Application, git: &GitSettings) -> Followed<'a> {
    if let Some(hydration) = &app.hydration {
        return match is_dry_source(hydration, git) {
            true => Followed::Dry(hydration),
            false => Followed::Hydrated(hydration),
        };
    }
    let all = app.sources.all();
    let Some(first) = all.first() else {
        return Followed::Unknown;
    };
    if all.iter().all(|source| source.chart.is_some()) {
        return Followed::Charts(first);
    }
    let mut ours = all
        .iter()
        .filter(|source| is_same_repository(&source.repo_url, &git.url))
        .peekable();
    let Some(one) = ours.peek().copied() else {
        return Followed::AnotherAddress(first);
    };
    ours.find(|source| follows(source, &git.branch))
        .map_or(Followed::Elsewhere(one), Followed::Yes)
}

/// Says why nothing that is put back on the branch would be deployed, where that is known.
pub fn not_followed(app: &Application, git: &GitSettings) -> Option<String> {
    let name = app.name.as_deref().unwrap_or("of unknown name");
    let (branch, at) = (&git.branch, revision_of);
    match followed(app, git) {
        Followed::Yes(_) | Followed::Dry(_) | Followed::AnotherAddress(_) | Followed::Unknown => None,
        Followed::Elsewhere(source) => Some(format!(
            "application {name} follows {} and not GITOPS_BRANCH ({branch}), so what is put back there is not deployed; set \
             its targetRevision to {branch}, or GITOPS_BRANCH to the branch that it follows",
            at(source)
        )),
        Followed::Hydrated(hydration) => Some(hydrated(name, hydration, git)),
        Followed::Charts(source) => Some(format!(
            "application {name} deploys chart {} at {}: its deployments are versions of charts, and no commit on {branch} is \
             one; {}",
            source.chart.as_deref().unwrap_or_default(),
            at(source),
            match &app.owner {
                Owner::Application { name } => format!(
                    "set ARGOCD_APP_NAME to {name}, which deploys the application, and GITOPS_PATH to the path that holds it"
                ),
                Owner::ApplicationSet { .. } | Owner::Nobody | Owner::Unknown => "leave ARGOCD_SERVER out and name the path \
                    that holds the application in GITOPS_PATH, or leave GITOPS_REPO out to roll back by Argo CD alone"
                    .to_owned(),
            }
        )),
    }
}

/// Tells whether what is committed to the branch is hydrated to where it is deployed from.
fn is_dry_source(hydration: &Hydration, git: &GitSettings) -> bool {
    let is_ours = |repo: &String| is_same_repository(repo, &git.url);
    let wanted = hydration.target_revision.as_deref();
    hydration.repo_url.as_ref().is_some_and(is_ours)
        && is_branch(wanted, &git.branch)
        && hydration.staging.is_none()
        && hydration.sync_repo_url.as_ref().is_none_or(is_ours)
}

/// Says why nothing of a hydrated application is put back.
fn hydrated(name: &str, hydration: &Hydration, git: &GitSettings) -> String {
    let unknown = "of unknown name";
    let repo = hydration.repo_url.as_deref().unwrap_or(unknown);
    let branch = hydration.target_revision.as_deref().unwrap_or("HEAD");
    let synced = hydration.sync_branch.as_deref().unwrap_or(unknown);
    if let Some(staging) = &hydration.staging {
        return format!(
            "application {name} deploys {synced}, to which somebody brings what a hydrator makes of {branch} on {staging}, so \
             it is not known when what is put back is deployed; revert on {branch} by hand and promote it"
        );
    }
    if let Some(elsewhere) = &hydration.sync_repo_url
        && !is_same_repository(elsewhere, &git.url)
    {
        return format!(
            "application {name} deploys {synced} of {}, which is not read, so it is not known what was made of which commit of \
             {branch}; revert on {branch} by hand",
            shown(elsewhere)
        );
    }
    format!(
        "application {name} deploys what a hydrator makes of {branch} of {}, and the next commit there overwrites what is \
         put back on GITOPS_BRANCH ({}); set GITOPS_REPO, GITOPS_BRANCH and GITOPS_PATH to the dry source",
        shown(repo),
        git.branch
    )
}

/// Returns an address without user info, which may be a token.
pub fn shown(address: &str) -> String {
    match Url::parse(address) {
        Ok(url) if url.has_host() => {
            let port = url
                .port()
                .map_or_else(String::new, |port| format!(":{port}"));
            let host = host(&url);
            format!("{}://{host}{port}{}", url.scheme(), url.path())
        }
        Ok(_) | Err(_) => address.rsplit('@').next().unwrap_or_default().to_owned(),
    }
}

/// Returns what a source follows, as it says so.
pub fn revision_of(source: &ApplicationSource) -> &str {
    source.target_revision.as_deref().unwrap_or("HEAD")
}

fn follows(source: &ApplicationSource, branch: &str) -> bool {
    is_branch(source.target_revision.as_deref(), branch)
}

/// Tells whether a revision that is followed is a branch. `HEAD` may be it.
fn is_branch(wanted: Option<&str>, branch: &str) -> bool {
    match wanted {
        None | Some("" | "HEAD") => true,
        Some(wanted) => wanted.strip_prefix("refs/heads/").unwrap_or(wanted) == branch,
    }
}

/// Tells whether two addresses lead to one repository, however they are written: over HTTPS or SSH, with or without
/// `.git`.
fn is_same_repository(one: &str, other: &Url) -> bool {
    let other = (host(other), place(other.path()));
    match Url::parse(one) {
        Ok(url) if url.has_host() => (host(&url), place(url.path())) == other,
        // As in git@github.com:acme/deploy.git.
        Ok(_) | Err(_) => one.split_once(':').is_some_and(|(user, path)| {
            let name = user.rsplit('@').next().unwrap_or(user);
            (name.to_ascii_lowercase(), place(path)) == other
        }),
    }
}

fn host(url: &Url) -> String {
    url.host_str().unwrap_or_default().to_ascii_lowercase()
}

fn place(path: &str) -> String {
    let path = path.trim_matches('/');
    path.strip_suffix(".git")
        .unwrap_or(path)
        .to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_repository_has_many_spellings() {
        let url = Url::parse("https://github.com/acme/deploy.git").expect("a URL");
        for same in [
            "https://github.com/acme/deploy",
            "https://github.com/Acme/deploy.git/",
            "https://x:token@GitHub.com/acme/deploy.git",
            "ssh://git@github.com:22/acme/deploy.git",
            "git@github.com:acme/deploy.git",
        ] {
            assert!(is_same_repository(same, &url), "{same}");
        }
        for other in [
            "https://github.com/acme/other",
            "https://example.com/acme/deploy.git",
            "git@example.com:acme/deploy.git",
            "acme/deploy",
            "",
        ] {
            assert!(!is_same_repository(other, &url), "{other}");
        }
    }

    #[test]
    fn an_address_is_shown_without_its_token() {
        for (address, expected) in [
            (
                "https://x:secret@example.com:8443/a.git?q=secret",
                "https://example.com:8443/a.git",
            ),
            ("secret@example.com:a/b.git", "example.com:a/b.git"),
        ] {
            assert_eq!(shown(address), expected);
        }
    }
}
