//! What the doctor shows of the settings, and says of them.

use super::*;

#[test]
fn what_was_read_is_shown_without_secrets() {
    let world = world();
    let program = program(&world)
        .env("SLACK_WEBHOOK", "https://hooks.slack.example/canary-slack")
        .env("PAGERDUTY_KEY", "canarypagerdutykey")
        .env("PROMETHEUS_HEADERS", "X-Scope-OrgID=canary-team")
        .env("ERORR_BUDGET", "0.5");
    let ran = world.nothing_changed_by(&program).exits(2);
    let ran = ran.finds("variables", "problem", &["ERORR_BUDGET", "ERROR_BUDGET"]);
    let ran = ["canary-slack", "canarypagerdutykey", "canary-team", TOKEN]
        .into_iter()
        .fold(ran, Ran::keeps_secret);
    let ran = ran.finds("telling", "ok", &["Slack, PagerDuty"]);
    let setting = |name: &str| {
        let settings = ran.record["configuration"].as_array().expect("a list");
        let found = settings.iter().find(|setting| setting["name"] == name);
        let found = found.unwrap_or_else(|| panic!("{name} is missing"));
        (found["origin"].clone(), found["value"].clone())
    };
    assert_eq!(setting("SERVICE_NAME"), ("set".into(), SERVICE.into()));
    assert_eq!(setting("GITOPS_TOKEN"), ("set".into(), Value::Null));
    assert_eq!(setting("PROMETHEUS_TOKEN"), ("unset".into(), Value::Null));
    // The name with a typing error counts for nothing, and is named.
    assert_eq!(setting("ERROR_BUDGET"), ("default".into(), "0.001".into()));
}

#[test]
fn the_text_has_a_line_for_each_finding_and_one_for_what_to_do() {
    let world = world();
    let program = program(&world)
        .env("MAX_ROLLBACKS_PER_DAY", "0")
        .arguments(&["doctor", "--output", "text"]);
    let ran = world.nothing_changed_by(&program).exits(2);
    let line = |start: &str| {
        let mut lines = ran
            .stdout
            .lines()
            .skip_while(|line| !line.starts_with(start));
        let found = lines
            .next()
            .unwrap_or_else(|| panic!("no line begins with {start:?}\n{ran}"));
        (
            found.to_owned(),
            lines.next().unwrap_or_default().to_owned(),
        )
    };
    assert_eq!(
        line("SERVICE_NAME ").0.split_whitespace().nth(1),
        Some(SERVICE)
    );
    assert!(line("GITOPS_TOKEN ").0.ends_with("  set (secret)"));
    assert!(line("ERROR_BUDGET ").0.ends_with("  0.001  by default"));
    let (limits, remedy) = line("problem  limits ");
    assert!(limits.contains("MAX_ROLLBACKS_PER_DAY is 0: no rollback is ever let through"));
    assert!(
        remedy
            .trim_start()
            .starts_with("→ set MAX_ROLLBACKS_PER_DAY to at least 1")
    );
    assert!(
        ran.stdout
            .ends_with("\n1 problem, no warning: a rollback would fail today\n")
    );
    assert!(ran.stdout.contains("\nok       git push "));
}

#[test]
fn switches_that_hold_every_rollback_are_warnings() {
    let world = world();
    for (name, value) in [
        ("ROLLBACK_ENABLED", "false"),
        ("DRY_RUN", "true"),
        ("REQUIRE_APPROVAL", "true"),
    ] {
        let ran = world
            .nothing_changed_by(&program(&world).env(name, value))
            .exits(1);
        ran.finds("switches", "warning", &[name])
            .finds_only(&["switches"]);
    }
}
