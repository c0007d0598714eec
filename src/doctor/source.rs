//! Whether the application deploys what a rollback in git would change.

use url::Url;

use super::finding::Finding;
use crate::clients::argocd::{Application, ApplicationSource};
use crate::config::{Config, GitopsConfig};

const SOURCE: &str = "argocd source";

/// Compares where the application's manifests come from with the configured repository, where there is one.
pub(super) fn look(config: &Config, app: &Application) -> Option<Finding> {
    let gitops = config.gitops.as_ref()?;
    let tried = "compare the application's source with GITOPS_REPO, GITOPS_BRANCH and GITOPS_PATH";
    let repo = &gitops.git.url;
    let all = app.sources.all();
    if all.is_empty() {
        return Some(Finding::warning(
            SOURCE,
            tried,
            "the application names no source that can be read",
            "look at spec.source of the application",
        ));
    }
    let from_repo = |source: &&ApplicationSource| is_same_repository(&source.repo_url, repo);
    let ours: Vec<&ApplicationSource> = all.iter().filter(from_repo).collect();
    if ours.is_empty() {
        return Some(Finding::warning(
            SOURCE,
            tried,
            format!(
                "it deploys from {}, not from GITOPS_REPO",
                shown(&all[0].repo_url)
            ),
            "name the repository that the application deploys: a revert elsewhere changes nothing",
        ));
    }
    let followed = ours.iter().find(|source| follows(source, gitops));
    Some(match followed {
        None => Finding::warning(
            SOURCE,
            tried,
            format!(
                "it follows {} and not GITOPS_BRANCH ({})",
                ours[0].target_revision.as_deref().unwrap_or("HEAD"),
                gitops.git.branch
            ),
            "name the branch that the application follows: a revert elsewhere changes nothing",
        ),
        Some(_) if !ours.iter().any(|source| is_watched(source, gitops)) => Finding::warning(
            SOURCE,
            tried,
            format!(
                "it deploys {}, which is in none of GITOPS_PATH",
                ours[0].path.as_deref().unwrap_or("the whole repository")
            ),
            "add the path of the application to GITOPS_PATH: what is outside is not put back",
        ),
        Some(source) => Finding::ok(
            SOURCE,
            tried,
            format!(
                "it deploys {} at {}",
                source.path.as_deref().unwrap_or("the whole repository"),
                source.target_revision.as_deref().unwrap_or("HEAD")
            ),
        ),
    })
}

/// Tells whether a source follows the branch. `HEAD` stands for the default branch, which may be it.
fn follows(source: &ApplicationSource, gitops: &GitopsConfig) -> bool {
    match source.target_revision.as_deref() {
        None | Some("HEAD") => true,
        Some(wanted) => wanted.strip_prefix("refs/heads/").unwrap_or(wanted) == gitops.git.branch,
    }
}

/// Tells whether a watched path holds the source's path, or lies within it.
fn is_watched(source: &ApplicationSource, gitops: &GitopsConfig) -> bool {
    let own = source.path.as_deref().unwrap_or_default();
    let own = own.trim_matches('/').trim_start_matches("./");
    let is_within = |inner: &str, outer: &str| {
        matches!(outer, "" | ".") || inner == outer || inner.starts_with(&format!("{outer}/"))
    };
    let mut paths = gitops.git.paths.iter();
    paths.any(|path| is_within(own, path) || is_within(path, own))
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

/// Returns an address without user info, which may be a token.
fn shown(address: &str) -> String {
    match Url::parse(address) {
        Ok(url) if url.has_host() => {
            let port = url
                .port()
                .map_or_else(String::new, |port| format!(":{port}"));
            format!("{}://{}{port}{}", url.scheme(), host(&url), url.path())
        }
        Ok(_) | Err(_) => address.rsplit('@').next().unwrap_or_default().to_owned(),
    }
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
