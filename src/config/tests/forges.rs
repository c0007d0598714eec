//! Forges that are not GitHub: found by their API's address or by a host that everybody knows.

use super::*;
use crate::clients::forge::{ForgeSettings, RestSettings};

/// Returns the forge's name and settings that a configuration comes to.
#[track_caller]
fn forge(variables: &[(&str, &str)]) -> (&'static str, RestSettings) {
    let always = [("GITOPS_PATH", "apps"), ("GITOPS_TOKEN", "canary-token")];
    let config = accepted(&[&always[..], variables].concat());
    match config.gitops.expect("it is configured").forge {
        Some(ForgeSettings::Gitlab(settings)) => ("GitLab", settings),
        Some(ForgeSettings::Gitea(settings)) => ("Gitea", settings),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_forge_is_known_by_its_host_or_by_its_api() {
    let gitlab = "https://git.example.com/api/v4";
    let below = "https://example.com/git/api/v1/";
    for (repo, api, name, url, path) in [
        (
            "https://gitlab.com/acme/shop/deploy.git",
            None,
            "GitLab",
            "https://gitlab.com/api/v4/",
            "acme/shop/deploy",
        ),
        (
            "git@gitlab.com:acme/deploy.git",
            None,
            "GitLab",
            "https://gitlab.com/api/v4/",
            "acme/deploy",
        ),
        (
            "https://codeberg.org/acme/deploy",
            None,
            "Gitea",
            "https://codeberg.org/api/v1/",
            "acme/deploy",
        ),
        (
            "https://git.example.com/acme/shop/deploy.git",
            Some(gitlab),
            "GitLab",
            "https://git.example.com/api/v4/",
            "acme/shop/deploy",
        ),
        (
            "acme/deploy",
            Some(gitlab),
            "GitLab",
            "https://git.example.com/api/v4/",
            "acme/deploy",
        ),
        (
            "ssh://git@ssh.example.com:2222/acme/deploy.git",
            Some(below),
            "Gitea",
            "https://example.com/git/api/v1/",
            "acme/deploy",
        ),
        (
            "https://example.com/git/acme/deploy.git",
            Some(below),
            "Gitea",
            "https://example.com/git/api/v1/",
            "acme/deploy",
        ),
    ] {
        let api = api.map(|api| ("GITOPS_API_URL", api));
        let variables: Vec<_> = [("GITOPS_REPO", repo)].into_iter().chain(api).collect();
        let (known, settings) = forge(&variables);
        let found = (known, settings.api_url.as_str(), settings.path.as_str());
        assert_eq!(found, (name, url, path), "{repo}");
        assert!(settings.token.is_some(), "{repo}");
    }
}

#[test]
fn owner_and_name_are_an_address_on_the_forge_whose_api_is_named() {
    let config = accepted(&[
        ("GITOPS_PATH", "apps"),
        ("GITOPS_REPO", "acme/deploy"),
        ("GITOPS_API_URL", "https://example.com/git/api/v1"),
    ]);
    let git = config.gitops.expect("it is configured").git;
    assert_eq!(git.url.as_str(), "https://example.com/git/acme/deploy.git");
}

#[test]
fn a_pull_request_needs_a_forge_and_a_token() {
    let with = |more: &[(&str, &str)]| {
        let always = [("GITOPS_PATH", "apps"), ("GITOPS_MODE", "pull-request")];
        problem(&[&always[..], more].concat())
    };
    insta::assert_snapshot!(with(&[("GITOPS_REPO", "https://git.example.com/acme/deploy.git")]), @"GITOPS_MODE is pull-request, but the API of GITOPS_REPO's server is not known; write it as owner/name where it is on GitHub, set GITOPS_API_URL to the API (GitLab's ends in /api/v4, Gitea's and Forgejo's in /api/v1), or set the mode to push");
    insta::assert_snapshot!(with(&[("GITOPS_REPO", "https://gitlab.com/acme/deploy.git")]), @"GITOPS_MODE is pull-request without credentials; set GITOPS_TOKEN");
}

#[test]
fn a_repository_that_is_not_where_the_api_is_is_a_problem() {
    let with = |repo| {
        problem(&[
            ("GITOPS_PATH", "apps"),
            ("GITOPS_REPO", repo),
            ("GITOPS_API_URL", "https://example.com/git/api/v1"),
        ])
    };
    for repo in [
        "https://other.example.com/git/acme/deploy.git",
        "https://example.com:8443/git/acme/deploy.git",
        "https://example.com/acme/deploy.git",
    ] {
        assert_eq!(
            with(repo),
            "GITOPS_REPO is not on the Gitea of GITOPS_API_URL; correct one of them, or unset GITOPS_API_URL",
            "{repo}"
        );
    }
    for repo in [
        "https://example.com/git/deploy.git",
        "https://example.com/git/acme/shop/deploy.git",
        "git@example.com:deploy.git",
    ] {
        assert_eq!(
            with(repo),
            "GITOPS_REPO names no repository of Gitea; write the address that it shows for cloning",
            "{repo}"
        );
    }
}

#[test]
fn the_token_of_a_forge_never_goes_to_github() {
    for repo in [
        "https://gitlab.com/acme/deploy.git",
        "git@gitlab.com:acme/deploy.git",
    ] {
        let found = problem(&[
            ("GITOPS_PATH", "apps"),
            ("GITOPS_REPO", repo),
            ("GITOPS_TOKEN", "t"),
            ("INCIDENT_REPO", "acme/incidents"),
        ]);
        assert!(found.contains("must not be sent there"), "{repo}: {found}");
    }
    let found = problem(&[
        ("GITOPS_TOKEN", "t"),
        ("GITOPS_API_URL", "https://git.example.com/api/v4"),
        ("INCIDENT_REPO", "acme/incidents"),
    ]);
    assert!(found.contains("must not be sent there"), "{found}");
}

#[test]
fn a_commit_has_a_page_on_each_forge() {
    for (repo, api, page) in [
        (
            "acme/deploy",
            "https://api.github.com",
            "https://github.com/acme/deploy/commit/abc",
        ),
        (
            "acme/deploy",
            "https://ghe.example.com/api/v3",
            "https://ghe.example.com/acme/deploy/commit/abc",
        ),
        (
            "git@git.example.com:acme/shop/deploy.git",
            "https://git.example.com/api/v4",
            "https://git.example.com/acme/shop/deploy/-/commit/abc",
        ),
        (
            "acme/deploy",
            "https://example.com/git/api/v1",
            "https://example.com/git/acme/deploy/commit/abc",
        ),
    ] {
        let config = accepted(&[
            ("GITOPS_PATH", "apps"),
            ("GITOPS_REPO", repo),
            ("GITOPS_API_URL", api),
        ]);
        let gitops = config.gitops.expect("it is configured");
        assert_eq!(
            gitops.commit_page("abc").map(String::from).as_deref(),
            Some(page)
        );
    }
    let config = accepted(&[
        ("GITOPS_PATH", "apps"),
        ("GITOPS_REPO", "https://git.example.com/acme/deploy.git"),
    ]);
    assert!(
        config
            .gitops
            .expect("it is configured")
            .commit_page("abc")
            .is_none()
    );
}
