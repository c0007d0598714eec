//! The tables of the documentation are those of the program.

use std::fmt::Write;

use error_budget_monitor::config::{VARIABLES, Variable};
use error_budget_monitor::exit::Exit;

use super::read;

/// The variables that the README shows, in its order.
const IMPORTANT: [&str; 23] = [
    "SERVICE_NAME",
    "NAMESPACE",
    "PROMETHEUS_URL",
    "METRICS_FAMILY",
    "SLO_WINDOW",
    "ERROR_BUDGET",
    "GITOPS_REPO",
    "GITOPS_TOKEN",
    "GITOPS_PATH",
    "GITOPS_MODE",
    "ARGOCD_SERVER",
    "ARGOCD_APP_NAME",
    "ARGOCD_PROJECT",
    "ARGOCD_TOKEN",
    "DRY_RUN",
    "ROLLBACK_ENABLED",
    "REQUIRE_APPROVAL",
    "COOLDOWN",
    "MAX_ROLLBACKS_PER_DAY",
    "BLACKOUT_WINDOWS",
    "STATE_FILE",
    "SLACK_WEBHOOK",
    "PAGERDUTY_KEY",
];

/// One of each exit code.
pub(super) const EXITS: [Exit; 11] = [
    Exit::Complete,
    Exit::PersonNeeded,
    Exit::BlockedCritical,
    Exit::BlockedEmergency,
    Exit::BlockedUnknown,
    Exit::BlockedHold,
    Exit::Usage,
    Exit::Unavailable,
    Exit::Unwritten,
    Exit::TryAgain,
    Exit::Configuration,
];

const HEAD: &str = "| variable | default | meaning |\n|---|---|---|\n";

fn row(variable: &Variable) -> String {
    let file = if variable.secret {
        format!(", `{}_FILE`", variable.name)
    } else {
        String::new()
    };
    let default = variable
        .default
        .map_or_else(String::new, |default| format!("`{default}`"));
    let help = variable.help.replace('|', "\\|");
    format!("| `{}`{file} | {default} | {help} |\n", variable.name)
}

/// Writes all variables, group by group.
fn all() -> String {
    let mut text = String::new();
    let mut group = "";
    for variable in VARIABLES {
        if variable.group != group {
            group = variable.group;
            let _ = write!(text, "\n**{group}**\n\n{HEAD}");
        }
        text += &row(variable);
    }
    text
}

/// Returns what a document has between two marks.
#[track_caller]
fn shown(document: &str, mark: &str) -> String {
    let text = read(document);
    let (_, rest) = text
        .split_once(mark)
        .expect("it marks where the table begins");
    let (shown, _) = rest
        .split_once("<!-- end of variables -->")
        .expect("it marks where the table ends");
    shown.trim().to_owned()
}

#[test]
fn every_variable_is_listed_with_its_default_and_meaning() {
    assert_eq!(
        shown("docs/variables.md", "<!-- variables -->"),
        all().trim(),
        "put the right side into docs/variables.md"
    );
}

#[test]
fn the_readme_lists_the_important_variables() {
    let mut wanted = HEAD.to_owned();
    for name in IMPORTANT {
        let variable = VARIABLES.iter().find(|variable| variable.name == name);
        wanted += &row(variable.expect("the program knows it"));
    }
    assert_eq!(
        shown("README.md", "<!-- important variables -->"),
        wanted.trim(),
        "put the right side into the README"
    );
}

#[test]
fn the_readme_keeps_within_300_lines() {
    let lines = read("README.md").lines().count();
    assert!(lines <= 300, "{lines} lines; move something to docs/");
}

#[test]
fn the_readme_lists_every_exit_code() {
    let text = read("README.md");
    for exit in EXITS {
        assert!(
            text.contains(&format!("\n| {} |", exit.code())),
            "exit code {}",
            exit.code()
        );
    }
}

#[test]
fn the_readme_explains_every_reason_for_which_nothing_is_rolled_back() {
    use error_budget_monitor::policy::Reason;
    let text = read("README.md");
    let (_, section) = text
        .split_once("\n## It did not roll back, why?\n")
        .expect("the README has the section");
    let (section, _) = section.split_once("\n## ").expect("another one follows");
    for reason in [
        Reason::Healthy,
        Reason::WarningLevel,
        Reason::Disabled,
        Reason::UnknownData,
        Reason::NotBurning,
        Reason::InsufficientTraffic,
        Reason::NotSustained,
        Reason::NotAttributable,
        Reason::NoTarget,
        Reason::TooManyRevisions,
        Reason::Conflict,
        Reason::AlreadyRolledBack,
        Reason::IsARollback,
        Reason::DeploymentInProgress,
        Reason::Cooldown,
        Reason::HourlyLimit,
        Reason::DailyLimit,
        Reason::Blackout,
        Reason::AwaitingApproval,
        Reason::ApprovalExpired,
        Reason::Rejected,
        Reason::BreakerOpen,
    ] {
        let code = format!("`{}`", reason.as_str());
        assert_eq!(section.matches(&code).count(), 1, "{code}");
    }
}
