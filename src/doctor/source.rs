//! Whether the application deploys what a rollback in git would change.

use super::finding::Finding;
use crate::clients::argocd::{Application, ApplicationSource};
use crate::config::{Config, GitopsConfig};
use crate::observe::{Followed, followed, not_followed, revision_of, shown_address};

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

/// Tells whether a source of the repository lies in a watched path.
fn watches_one(app: &Application, gitops: &GitopsConfig) -> bool {
    let mut all = app.sources.all().iter();
    all.any(|source| source.chart.is_none() && is_watched(source, gitops))
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
