//! Whether the application deploys what a rollback in git would change.

use super::finding::Finding;
use crate::clients::argocd::{Application, ApplicationSource, Hydration};
use crate::config::{Config, GitopsConfig};
use crate::observe::{Followed, followed, not_followed, revision_of, shown_address};
use crate::policy::short;

const SOURCE: &str = "argocd source";

/// Compares where the application's manifests come from with the configured repository, where there is one.
pub(super) fn look(config: &Config, app: &Application) -> Option<Finding> {
    let gitops = config.gitops.as_ref()?;
    let tried = "compare the application's source with GITOPS_REPO, GITOPS_BRANCH and GITOPS_PATH";
    if let Some(why) = not_followed(app, &gitops.git) {
        let (found, remedy) = why.rsplit_once("; ").unwrap_or((&why, ""));
        return Some(Finding::problem(SOURCE, tried, found, remedy));
    }
    Some(match followed(app, &gitops.git) {
        Followed::AnotherAddress(source) => Finding::warning(
            SOURCE,
            tried,
            format!(
                "it deploys from {}, not from GITOPS_REPO",
                shown_address(&source.repo_url)
            ),
            "name the repository that the application deploys: a revert elsewhere changes nothing",
        ),
        Followed::Yes(source) if !watches_one(app, gitops) => Finding::warning(
            SOURCE,
            tried,
            format!(
                "it deploys {}, which is in none of GITOPS_PATH",
                source.path.as_deref().unwrap_or("the whole repository")
            ),
            "add the path of the application to GITOPS_PATH: what is outside is not put back",
        ),
        Followed::Yes(source) => Finding::ok(
            SOURCE,
            tried,
            format!(
                "it deploys {} at {}",
                source.path.as_deref().unwrap_or("the whole repository"),
                revision_of(source)
            ),
        ),
        Followed::Dry(hydration) if !is_dry_path_watched(hydration, gitops) => Finding::warning(
            SOURCE,
            tried,
            format!(
                "a hydrator makes what it deploys of {}, which is in none of GITOPS_PATH",
                hydration.path.as_deref().unwrap_or("the whole repository")
            ),
            "add the path of the dry source to GITOPS_PATH: what is outside is not put back",
        ),
        Followed::Dry(hydration) => Finding::ok(SOURCE, tried, made_of(hydration)),
        Followed::Elsewhere(_)
        | Followed::Hydrated(_)
        | Followed::Charts(_)
        | Followed::Unknown => Finding::warning(
            SOURCE,
            tried,
            "the application names no source that can be read",
            "look at spec.source of the application",
        ),
    })
}

/// Says of what a hydrator makes what is deployed, and which commit is deployed as which.
fn made_of(hydration: &Hydration) -> String {
    let branch = hydration.target_revision.as_deref().unwrap_or("HEAD");
    let path = hydration.path.as_deref().unwrap_or("the whole repository");
    let made = format!("it deploys what a hydrator makes of {path} at {branch}");
    match &hydration.last {
        None => format!("{made}; nothing was made yet"),
        Some(last) => format!(
            "{made}: {} is hydrated as {}",
            short(&last.dry),
            short(&last.hydrated)
        ),
    }
}

fn is_dry_path_watched(hydration: &Hydration, gitops: &GitopsConfig) -> bool {
    let own = hydration.path.as_deref().unwrap_or_default();
    let mut paths = gitops.git.paths.iter();
    paths.any(|path| overlap(own, path))
}

/// Tells whether a source of the repository lies in a watched path.
fn watches_one(app: &Application, gitops: &GitopsConfig) -> bool {
    let mut all = app.sources.all().iter();
    all.any(|source| source.chart.is_none() && is_watched(source, gitops))
}

/// Tells whether a watched path holds the source's path, or lies within it.
fn is_watched(source: &ApplicationSource, gitops: &GitopsConfig) -> bool {
    let own = source.path.as_deref().unwrap_or_default();
    let mut paths = gitops.git.paths.iter();
    paths.any(|path| overlap(own, path))
}

/// Tells whether one of two paths holds the other; `.` and nothing are the whole repository.
fn overlap(one: &str, other: &str) -> bool {
    let plain = |path: &str| match path.trim_matches('/').trim_start_matches("./") {
        "." => String::new(),
        path => path.to_owned(),
    };
    let (one, other) = (plain(one), plain(other));
    let is_within = |inner: &str, outer: &str| {
        outer.is_empty() || inner == outer || inner.starts_with(&format!("{outer}/"))
    };
    is_within(&one, &other) || is_within(&other, &one)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_repository_holds_every_path() {
        for (own, watched, expected) in [
            (".", ".", true),
            ("", ".", true),
            ("./", "apps/checkout", true),
            ("apps/checkout", ".", true),
            ("./apps/checkout/", "apps", true),
            (".", "deploy.yaml", true),
            ("apps/checkout-canary", "apps/checkout", false),
        ] {
            assert_eq!(overlap(own, watched), expected, "{own:?} {watched:?}");
        }
    }
}
