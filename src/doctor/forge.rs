//! GitLab, Gitea and Forgejo: whether the token may open pull requests.

use super::finding::Finding;
use crate::clients::forge::Forge;
use crate::config::GitopsMode;
use crate::service::Service;

const RIGHTS: &str = "forge rights";

/// Asks the forge that hosts the repository; GitHub says more, and is asked elsewhere.
pub(super) async fn look(service: &Service<'_>) -> Vec<Finding> {
    let (Some(forge), Some(config)) = (&service.forge, &service.config.gitops) else {
        return Vec::new();
    };
    let tried = format!(
        "ask {} what the token may do in {}",
        forge.kind(),
        forge.name()
    );
    let may_propose = config.mode == GitopsMode::PullRequest;
    // Without a token nothing is opened where a push is refused, and that is how it was set up.
    if !may_propose && !forge.may_write() {
        return Vec::new();
    }
    let rights = match forge.rights().await {
        Ok(None) => return Vec::new(),
        Ok(Some(rights)) => rights,
        Err(error) => {
            let why = error.fault.to_string();
            return vec![Finding::failed(RIGHTS, tried, &why, look_at(forge))];
        }
    };
    vec![match (rights.may_write, may_propose) {
        (true, _) => Finding::ok(RIGHTS, tried, rights.granted),
        (false, true) => Finding::problem(RIGHTS, tried, rights.granted, needs(forge)),
        (false, false) => Finding::warning(
            RIGHTS,
            tried,
            format!(
                "{}; pull requests, which are the way where a push is refused, cannot be opened",
                rights.granted
            ),
            needs(forge),
        ),
    }]
}

/// Where an error does not say what to do.
fn look_at(forge: &Forge) -> &'static str {
    match forge {
        Forge::Github(_) => "look at GitHub's status and at GITOPS_API_URL",
        Forge::Gitlab(_) => {
            "look at GitLab's status, at GITOPS_API_URL and at the scopes of GITOPS_TOKEN"
        }
        Forge::Gitea(_) => {
            "look at the server, at GITOPS_API_URL and at the scopes of GITOPS_TOKEN"
        }
    }
}

/// Says what a token needs.
fn needs(forge: &Forge) -> &'static str {
    match forge {
        Forge::Github(_) => {
            "give GITOPS_TOKEN the permissions Contents: write and Pull requests: write"
        }
        Forge::Gitlab(_) => {
            "give GITOPS_TOKEN the scope api and at least the role Developer in the project"
        }
        Forge::Gitea(_) => {
            "give the token's user write access to code and pull requests, and the token write:repository and write:issue"
        }
    }
}
