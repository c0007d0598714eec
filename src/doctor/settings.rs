//! What the settings themselves say: whether anything is rolled back at all, and by which way.

use super::finding::Finding;
use crate::config::{Config, SettingOrigin};

const CONFIGURATION: &str = "configuration";
const MISSPELT: &str = "variables";
const SWITCHES: &str = "switches";
const WAYS: &str = "ways";

/// Looks at the settings.
pub(super) fn look(config: &Config) -> Vec<Finding> {
    let misspelt = config.misspelt.iter().map(|one| {
        Finding::problem(
            MISSPELT,
            "look for variables that are nearly ours",
            format!(
                "{} is no variable of this program; the nearest is {}",
                one.name, one.nearest
            ),
            "correct the name, or unset it",
        )
    });
    let sections = [configuration(config), switches(config), ways(config)];
    misspelt.chain(sections).collect()
}

fn configuration(config: &Config) -> Finding {
    let settings = config.settings();
    let count = |origin| {
        let settings = settings.iter();
        settings.filter(|setting| setting.origin == origin).count()
    };
    Finding::ok(
        CONFIGURATION,
        "read every variable of the contract",
        format!(
            "every value can be used: {} set, {} from files, {} by default, {} unset",
            count(SettingOrigin::Set),
            count(SettingOrigin::File),
            count(SettingOrigin::Default),
            count(SettingOrigin::Unset)
        ),
    )
}

fn switches(config: &Config) -> Finding {
    let tried = "read ROLLBACK_ENABLED, DRY_RUN, AUTO_ROLLBACK_* and REQUIRE_APPROVAL";
    let policy = &config.policy;
    let off = if config.run.dry_run {
        Some((
            "DRY_RUN is true: nothing is rolled back, told or remembered",
            "set DRY_RUN=false",
        ))
    } else if !config.run.rollback_enabled {
        Some((
            "ROLLBACK_ENABLED is false: the program decides and tells, and rolls back nothing by itself",
            "set ROLLBACK_ENABLED=true once you trust what it shows",
        ))
    } else if !policy.auto_rollback_critical && !policy.auto_rollback_emergency {
        Some((
            "both AUTO_ROLLBACK_CRITICAL and AUTO_ROLLBACK_EMERGENCY are false: no level rolls back without a person",
            "set one of them to true",
        ))
    } else if policy.require_approval && !policy.by_pull_request && asks_nobody(config) {
        Some((
            "REQUIRE_APPROVAL is true, and nobody is told that a plan waits",
            "set SLACK_WEBHOOK, PAGERDUTY_KEY or WEBHOOK_URL",
        ))
    } else {
        None
    };
    match off {
        Some((found, remedy)) => Finding::warning(SWITCHES, tried, found, remedy),
        None => Finding::ok(SWITCHES, tried, "rollbacks are switched on"),
    }
}

/// Tells whether nobody would hear that a person has to agree.
fn asks_nobody(config: &Config) -> bool {
    let notify = &config.notify;
    notify.slack.is_none() && notify.pagerduty.is_none() && notify.webhook.is_none()
}

fn ways(config: &Config) -> Finding {
    let tried = "look for GITOPS_REPO and ARGOCD_SERVER";
    match (&config.gitops, &config.argocd) {
        (Some(_), Some(_)) => Finding::ok(WAYS, tried, "git and Argo CD"),
        (Some(_), None) => Finding::ok(
            WAYS,
            tried,
            "git only: who deploys from it has to follow by itself",
        ),
        (None, Some(_)) => Finding::warning(
            WAYS,
            tried,
            "Argo CD only: git keeps the bad revision after a rollback",
            "set GITOPS_REPO and GITOPS_PATH",
        ),
        (None, None) => Finding::problem(
            WAYS,
            tried,
            "neither: there is nothing to roll back with",
            "set GITOPS_REPO and GITOPS_PATH, and ARGOCD_SERVER where Argo CD deploys",
        ),
    }
}
