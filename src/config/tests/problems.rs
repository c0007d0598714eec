//! What a person reads when the configuration is wrong.

use proptest::prelude::*;

use super::parse;
use crate::config::{Config, VARIABLES};

#[test]
fn required_variables_are_asked_for_together() {
    let error = Config::from_vars([]).expect_err("nothing is set");
    insta::assert_snapshot!(error, @r#"
    the configuration has 3 problems:
    - SERVICE_NAME is not set; set it to the name of the service as its metrics know it
    - NAMESPACE is not set; set it to the namespace of the service in Kubernetes
    - PROMETHEUS_URL is not set; set it to the base URL of the Prometheus HTTP API
    "#);
}

#[test]
fn every_problem_is_reported_at_once() {
    let error = text_error(&[
        ("SERVICE_NAME", "Checkout"),
        ("SLO_WINDOW", "30 days"),
        ("ERROR_BUDGET", "0.1%"),
        (
            "PROMETHEUS_URL",
            "https://reader:hunter2@prometheus.example.com",
        ),
        ("PROMETHEUS_CLIENT_CERT_FILE", "/tls/client.pem"),
        ("MIN_AVAILABILITY", "99.9"),
        ("BUDGET_WARNING", "0.9"),
        ("GITOPS_REPO", "git://github.com/acme/deploy.git"),
        ("GITOPS_PATH", "apps/checkout,apps"),
        ("GITOPS_BRANCH", "refs/heads/main"),
        ("GITOPS_TOKEN_FILE", "/nowhere/token"),
        ("GITHUB_APP_ID", "12"),
        ("ARGOCD_TOKEN", "canary"),
        ("ROLLBACK_ENABLED", "maybe"),
        ("COOLDOWN", "400d"),
        ("MAX_ROLLBACKS_PER_DAY", "-1"),
        ("STABILIZATION", "1h"),
        ("SLACK_BOT_TOKEN", "xoxb-canary"),
        ("WEBHOOK_URL", "http://hooks.example.com/canary"),
        ("GATE_BLOCK_AT", "ok"),
        ("ROLLBACK_REASON", "two\nlines"),
    ]);
    assert!(
        !error.contains("canary") && !error.contains("hunter2"),
        "{error}"
    );
    insta::assert_snapshot!(error, @r#"
    the configuration has 21 problems:
    - SERVICE_NAME is "Checkout"; write a Kubernetes name: lower-case letters, digits, - and ., each part beginning and ending with a letter or digit, at most 253 characters
    - SLO_WINDOW is "30 days"; write a whole number and a unit, such as 500ms, 90s, 5m, 1h or 30d
    - ERROR_BUDGET is "0.1%"; write it as a fraction from 1e-9 and below 1, so 0.1 % is 0.001
    - PROMETHEUS_URL has a user or a password in its URL; put them into PROMETHEUS_USERNAME and PROMETHEUS_PASSWORD
    - PROMETHEUS_CLIENT_CERT_FILE is set but PROMETHEUS_CLIENT_KEY_FILE is not; set both or neither
    - MIN_AVAILABILITY is "99.9"; write it as a fraction from 0 and below 1, so 99.9 % is 0.999
    - BUDGET_WARNING (0.9), BUDGET_CRITICAL (0.8) and BUDGET_EMERGENCY (0.95) are not in ascending order; make each larger than the one before
    - GITOPS_TOKEN_FILE names /nowhere/token, which cannot be opened (No such file or directory (os error 2)); check the path and the mount
    - GITHUB_APP_ID is set but GITHUB_APP_INSTALLATION_ID and GITHUB_APP_PRIVATE_KEY are not; set all three or none
    - GITOPS_REPO does not begin with https:// or http://; write one of them
    - GITOPS_BRANCH begins with refs/heads/; write "main" alone
    - GITOPS_PATH names "apps/checkout" and "apps", one inside the other; keep the one that belongs to the service
    - ARGOCD_TOKEN is set but ARGOCD_SERVER is not; set both or neither
    - ROLLBACK_ENABLED is "maybe"; write true or false
    - COOLDOWN is "400d"; it must be from 0s to 30d
    - MAX_ROLLBACKS_PER_DAY is "-1"; write a whole number from 0 to 1000
    - STABILIZATION (1h) is longer than VERIFY_DEADLINE (15m), so no rollback could ever count as recovered; shorten the first or lengthen the second
    - SLACK_BOT_TOKEN is set but SLACK_CHANNEL is not; set both or neither
    - WEBHOOK_URL uses http:// to another host, which shows its credentials to everyone on the way; use https://
    - GATE_BLOCK_AT is "ok"; write warning, critical or emergency
    - ROLLBACK_REASON has a line break or is longer than 500 characters; write one short line
    "#);
}

fn text_error(changes: &[(&str, &str)]) -> String {
    parse(changes)
        .expect_err("the changes are wrong")
        .to_string()
}

proptest! {
    #[test]
    fn no_value_makes_it_panic(
        index in 0..VARIABLES.len(),
        value in r"(https?://|ssh://|git@)?(api\.)?[a-z0-9.:/@%,;=\-\[\] ${}]{0,12}\PC{0,4}",
    ) {
        // Accepted or refused: both are answers.
        let name = VARIABLES[index].name;
        let _ = parse(&[(name, &value), ("GITOPS_PATH", "apps"), ("GITOPS_REPO", "acme/deploy")]);
        let _ = parse(&[("GITOPS_REPO", &value), ("GITOPS_API_URL", &value), ("GITOPS_PATH", "apps")])
            .map(|config| config.gitops.map(|gitops| gitops.git.url));
        let _ = parse(&[("GITOPS_API_URL", &value), ("GITOPS_REPO", "acme/deploy"), ("GITOPS_PATH", "apps")])
            .map(|config| config.gitops.map(|gitops| gitops.git.url));
    }
}
