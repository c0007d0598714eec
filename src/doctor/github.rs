//! GitHub: what the App was granted, and which rules hold for the branches that a rollback writes.

use super::finding::{Finding, FindingState};
use crate::clients::forge::ForgeError;
use crate::clients::github::Github;
use crate::config::{GitopsConfig, GitopsMode};
use crate::observe::BRANCHES;
use crate::service::Service;

const APP: &str = "github app";
const CONTENTS: &str = "github contents";
const PULLS: &str = "github pull requests";
const RULES: &str = "github rules";
const OWN_BRANCHES: &str = "github own branches";

/// Where an error does not say what to do.
const LOOK: &str = "look at GitHub's status and at GITOPS_API_URL";

/// Rules that let no commit of ours onto a branch, by the names of GitHub's API. Source: its documentation, "Get
/// rules for a branch".
const CLOSING: [&str; 7] = [
    "creation",
    "merge_queue",
    "pull_request",
    "required_deployments",
    "required_status_checks",
    "update",
    "workflows",
];

/// Asks GitHub, where it holds the repository.
pub(super) async fn look(service: &Service<'_>) -> Vec<Finding> {
    let (Some(github), Some(config)) = (service.github(), &service.config.gitops) else {
        return Vec::new();
    };
    let (granted, rules, own) = tokio::join!(
        granted(github, config.mode),
        rules(github, config),
        own_branches(github, config.mode)
    );
    [granted, vec![rules], own].concat()
}

/// Makes a token of the App, which holds for an hour and changes nothing, and looks what it was granted.
async fn granted(github: &Github, mode: GitopsMode) -> Vec<Finding> {
    if !github.is_app() {
        return Vec::new();
    }
    let tried = format!("make a token of the App for {}", github.name());
    let permissions = match github.granted().await {
        Ok(permissions) => permissions,
        Err(error) => return vec![Finding::failed(APP, tried, &error.fault.to_string(), LOOK)],
    };
    let may_write = |name: &str| permissions.get(name).is_some_and(|level| level == "write");
    let asked = "read the permissions of the App's token";
    let contents = if may_write("contents") {
        Finding::ok(CONTENTS, asked, "contents: write")
    } else {
        Finding::problem(
            CONTENTS,
            asked,
            "the App may not write contents",
            "grant the App the repository permission Contents: write, and accept it in the installation",
        )
    };
    let remedy = "grant the App the repository permission Pull requests: write, and accept it in the installation";
    let pulls = match (may_write("pull_requests"), mode) {
        (true, _) => Finding::ok(PULLS, asked, "pull_requests: write"),
        (false, GitopsMode::PullRequest) => {
            Finding::problem(PULLS, asked, "the App may not open pull requests", remedy)
        }
        (false, GitopsMode::Push) => Finding::warning(
            PULLS,
            asked,
            "the App may not open pull requests, which are the way where a rule refuses the commit",
            remedy,
        ),
    };
    vec![Finding::ok(APP, tried, "GitHub made one"), contents, pulls]
}

async fn rules(github: &Github, config: &GitopsConfig) -> Finding {
    let branch = &config.git.branch;
    let tried = format!("read the rules of branch {branch:?}");
    let rules = match github.rules(branch).await {
        Ok(rules) => rules,
        Err(error) => {
            return Finding {
                state: FindingState::Warning,
                ..unreadable(RULES, tried, &error)
            };
        }
    };
    let closing = closing(&rules, github.is_app());
    let shown = format!(
        "{}; older branch protection is not shown by this",
        in_words(&rules)
    );
    match (closing.is_empty(), config.mode) {
        (true, _) | (false, GitopsMode::PullRequest) => Finding::ok(RULES, tried, shown),
        (false, GitopsMode::Push) => Finding::warning(
            RULES,
            tried,
            format!("{} may refuse our commit", closing.join(", ")),
            "set GITOPS_MODE=pull-request, or let this account bypass the rule; where it is refused, a pull request is opened",
        ),
    }
}

/// Looks whether a branch for a pull request could be made.
async fn own_branches(github: &Github, mode: GitopsMode) -> Vec<Finding> {
    if mode != GitopsMode::PullRequest {
        return Vec::new();
    }
    let tried = format!("look whether a branch {BRANCHES}<id> could be made");
    let parent = BRANCHES.trim_end_matches('/');
    let example = format!("{BRANCHES}doctor");
    let (in_the_way, rules) = tokio::join!(github.tip(parent), github.rules(&example));
    vec![match (in_the_way, rules) {
        (Ok(Some(_)), _) => Finding::problem(
            OWN_BRANCHES,
            tried,
            format!("the branch {parent:?} is there, and git then forbids {BRANCHES}<id>"),
            format!("rename the branch {parent:?}"),
        ),
        (Ok(None), Ok(rules)) => {
            let closing = closing(&rules, github.is_app());
            if closing.is_empty() {
                Finding::ok(OWN_BRANCHES, tried, in_words(&rules))
            } else {
                Finding::warning(
                    OWN_BRANCHES,
                    tried,
                    format!("{} may refuse it", closing.join(", ")),
                    format!("leave {BRANCHES}** out of the ruleset"),
                )
            }
        }
        (Err(error), _) | (_, Err(error)) => unreadable(OWN_BRANCHES, tried, &error),
    }]
}

/// Returns the rules that may refuse a commit of ours. GitHub signs what the App has it write.
fn closing(rules: &[String], is_app: bool) -> Vec<&str> {
    let refuses =
        |rule: &str| CLOSING.contains(&rule) || (rule == "required_signatures" && !is_app);
    let rules = rules.iter().map(String::as_str);
    rules.filter(|rule| refuses(rule)).collect()
}

fn in_words(rules: &[String]) -> String {
    if rules.is_empty() {
        "no rule".to_owned()
    } else {
        rules.join(", ")
    }
}

fn unreadable(subject: &'static str, tried: String, error: &ForgeError) -> Finding {
    Finding::failed(subject, tried, &error.fault.to_string(), LOOK)
}
