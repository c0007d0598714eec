//! Secrets: where they come from, and that nothing shows them.

use std::{fs, path::Path};

use secrecy::ExposeSecret;

use super::{GITOPS, accepted, parse, problem};
use crate::clients::forge::ForgeSettings;
use crate::clients::github::GithubAuth;
use crate::clients::http::HttpAuth;
use crate::config::{SlackConfig, VARIABLES};

const PEM: &str = "-----BEGIN RSA PRIVATE KEY-----\nCANARYKEY\n-----END RSA PRIVATE KEY-----\n";

fn file(folder: &Path, content: impl AsRef<[u8]>) -> String {
    let path = folder.join("secret");
    fs::write(&path, content).expect("the folder is writable");
    path.to_str()
        .expect("the folder has a plain name")
        .to_owned()
}

fn bearer(changes: &[(&str, &str)]) -> String {
    match accepted(changes).prometheus.http.auth {
        HttpAuth::Bearer(token) => token.expose_secret().to_owned(),
        HttpAuth::None | HttpAuth::Basic { .. } => panic!("there is a token"),
    }
}

#[test]
fn a_secret_comes_from_its_variable_or_its_file() {
    let folder = tempfile::tempdir().expect("a folder");
    assert_eq!(bearer(&[("PROMETHEUS_TOKEN", "abc")]), "abc");
    for content in ["abc", "abc\n", "abc\r\n"] {
        assert_eq!(
            bearer(&[("PROMETHEUS_TOKEN_FILE", &file(folder.path(), content))]),
            "abc"
        );
    }
}

#[test]
fn a_bad_secret_file_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let problem_with = |content: &[u8]| {
        let path = file(folder.path(), content);
        problem(&[("PROMETHEUS_TOKEN_FILE", &path)]).replace(&path, "PATH")
    };
    insta::assert_snapshot!(problem_with(b"\n"), @"PROMETHEUS_TOKEN_FILE names PATH, which is empty; write the secret into it, or unset the variable");
    insta::assert_snapshot!(problem_with(b"\xff\xfe"), @"PROMETHEUS_TOKEN_FILE names PATH, which is not text; write the secret into it as UTF-8");
    insta::assert_snapshot!(problem_with(&vec![b'a'; 70_000]), @"PROMETHEUS_TOKEN_FILE names PATH, which is larger than 65536 bytes; name the file that holds only the secret");
    insta::assert_snapshot!(problem_with(b"two\nlines"), @"PROMETHEUS_TOKEN_FILE holds a blank, a line break or another character that a token cannot have; remove it");
    insta::assert_snapshot!(problem(&[("PROMETHEUS_TOKEN_FILE", "/dev/zero")]), @"PROMETHEUS_TOKEN_FILE names /dev/zero, which cannot be opened (it is not a regular file); check the path and the mount");
    insta::assert_snapshot!(problem(&[("PROMETHEUS_TOKEN_FILE", "/nowhere/token")]), @"PROMETHEUS_TOKEN_FILE names /nowhere/token, which cannot be opened (No such file or directory (os error 2)); check the path and the mount");
    insta::assert_snapshot!(problem(&[("PROMETHEUS_TOKEN_FILE", "canary-put-into-the-wrong-variable")]), @"PROMETHEUS_TOKEN_FILE names a relative path (not shown: it may be the secret itself), which cannot be opened (No such file or directory (os error 2)); check the path and the mount");
    let path = file(folder.path(), "abc");
    insta::assert_snapshot!(problem(&[("PROMETHEUS_TOKEN", "abc"), ("PROMETHEUS_TOKEN_FILE", &path)]), @"PROMETHEUS_TOKEN and PROMETHEUS_TOKEN_FILE are both set; set only one of them");
}

#[test]
fn a_password_in_the_place_of_a_token_names_the_component_that_takes_it() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("password"), "canary").expect("the folder is writable");
    let path = folder.path().join("token");
    let path = path.to_str().expect("the folder has a plain name");
    let argocd = [
        ("ARGOCD_SERVER", "argocd.example.com"),
        ("ARGOCD_APP_NAME", "checkout"),
        ("ARGOCD_TOKEN_FILE", path),
    ];
    let folder_name = folder.path().to_str().expect("a plain name");
    insta::assert_snapshot!(problem(&[&GITOPS[..], &argocd].concat()).replace(folder_name, "FOLDER"), @"ARGOCD_TOKEN_FILE names a file that is not there, and a file `password` is in its place; set ARGOCD_USERNAME and ARGOCD_PASSWORD_FILE=FOLDER/password instead, which the component k8s/components/argocd-password does, or add the token to the secret");
    fs::write(path, "token").expect("the folder is writable");
    accepted(&[&GITOPS[..], &argocd].concat());
}

#[test]
fn a_value_that_looks_like_a_secret_is_not_printed() {
    let token = format!("ghp_{}", "canary1".repeat(5));
    for name in [
        "ATTRIBUTION_WINDOW",
        "ERROR_BUDGET",
        "GITOPS_MODE",
        "COOLDOWN",
    ] {
        let problem = problem(&[(name, &token)]);
        assert!(
            problem.contains(name) && problem.contains("looks like a secret"),
            "{problem}"
        );
        assert!(!problem.contains("canary"), "{problem}");
    }
}

#[test]
fn tokens_fit_into_a_header() {
    for text in ["a b", "a\n", " a", "ä"] {
        assert!(
            problem(&[("PROMETHEUS_TOKEN", text)]).contains("that a token cannot have"),
            "{text:?}"
        );
    }
    assert!(
        problem(&[("PROMETHEUS_USERNAME", "a:b"), ("PROMETHEUS_PASSWORD", "p")]).contains("colon")
    );
    accepted(&[
        ("PROMETHEUS_USERNAME", "a"),
        ("PROMETHEUS_PASSWORD", " pass wörd: "),
    ]);
}

#[test]
fn headers_are_pairs_separated_by_semicolons() {
    let headers = |text| -> Vec<(String, String)> {
        let headers = accepted(&[("PROMETHEUS_HEADERS", text)])
            .prometheus
            .http
            .headers;
        headers
            .into_iter()
            .map(|(name, value)| (name, value.expose_secret().to_owned()))
            .collect()
    };
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(
        headers("X-Scope-OrgID=team-a"),
        [pair("X-Scope-OrgID", "team-a")]
    );
    assert_eq!(
        headers("A=b=c; D = e f ;"),
        [pair("A", "b=c"), pair("D", "e f")]
    );
    for text in [
        "canary",
        "=canary",
        "A=",
        "A b=canary",
        "A=b;a=canary",
        "Authorization=canary",
        "A=b\r\nC: canary",
        "Host=x",
    ] {
        let problem = problem(&[("PROMETHEUS_HEADERS", text)]);
        assert!(
            problem.starts_with("PROMETHEUS_HEADERS has an entry, number "),
            "{problem}"
        );
        assert!(!problem.contains("canary"), "{problem}");
    }
}

#[test]
fn a_github_app_takes_the_place_of_a_token() {
    let app = [
        ("GITHUB_APP_ID", "12"),
        ("GITHUB_APP_INSTALLATION_ID", "34"),
        ("GITHUB_APP_PRIVATE_KEY", PEM),
    ];
    let config = accepted(&[GITOPS[0], GITOPS[1], app[0], app[1], app[2]]);
    let gitops = config.gitops.expect("it is configured");
    let Some(ForgeSettings::Github(github)) = gitops.forge else {
        panic!("it is on GitHub");
    };
    assert!(matches!(
        github.auth,
        GithubAuth::App {
            app_id: 12,
            installation_id: 34,
            ..
        }
    ));
    assert!(gitops.git.token.is_none());
    let both = [
        GITOPS[0],
        GITOPS[1],
        app[0],
        app[1],
        app[2],
        ("GITOPS_TOKEN", "t"),
    ];
    assert!(problem(&both).ends_with("set the token or the App, not both"));
    for key in [
        "canary",
        "-----BEGIN RSA PRIVATE KEY-----\\ncanary\\n-----END RSA PRIVATE KEY-----",
    ] {
        let problem = problem(&[
            GITOPS[0],
            GITOPS[1],
            app[0],
            app[1],
            ("GITHUB_APP_PRIVATE_KEY", key),
        ]);
        assert!(
            problem.contains("in PEM form") && !problem.contains("canary"),
            "{problem}"
        );
    }
    assert!(
        problem(&[GITOPS[0], GITOPS[1], ("GITHUB_APP_ID", "0"), app[1], app[2]])
            .starts_with("GITHUB_APP_ID is")
    );
}

#[test]
fn slack_is_a_webhook_or_a_bot() {
    let slack = |changes| accepted(changes).notify.slack.expect("it is configured");
    assert!(matches!(
        slack(&[("SLACK_WEBHOOK", "https://hooks.slack.com/services/x")]),
        SlackConfig::Webhook(_)
    ));
    let bot = slack(&[("SLACK_BOT_TOKEN", "xoxb-1"), ("SLACK_CHANNEL", "#alerts")]);
    assert!(
        matches!(bot, SlackConfig::Bot { ref channel, ref api_url, .. } if channel == "#alerts" && api_url.as_str() == "https://slack.com/api/")
    );
    let relayed = slack(&[
        ("SLACK_BOT_TOKEN", "xoxb-1"),
        ("SLACK_CHANNEL", "#alerts"),
        ("SLACK_API_URL", "http://127.0.0.1:9/api"),
    ]);
    assert!(
        matches!(relayed, SlackConfig::Bot { api_url, .. } if api_url.as_str() == "http://127.0.0.1:9/api/")
    );
    assert!(
        problem(&[("SLACK_API_URL", "http://slack.example.com/api")]).ends_with("use https://")
    );
    assert!(
        problem(&[("SLACK_WEBHOOK", "hooks.slack.com/canary")])
            .ends_with("https://host.example.com/path")
    );
}

#[test]
fn debug_shows_no_secret() {
    let shared = [
        GITOPS[0],
        GITOPS[1],
        ("PROMETHEUS_HEADERS", "X-Key=CANARYHEADER"),
        ("GITHUB_APP_ID", "12"),
        ("GITHUB_APP_INSTALLATION_ID", "34"),
        ("GITHUB_APP_PRIVATE_KEY", PEM),
        ("ARGOCD_SERVER", "argocd.example.com"),
        ("ARGOCD_APP_NAME", "checkout"),
        ("PAGERDUTY_KEY", "CANARYPAGERDUTY"),
        ("INCIDENT_REPO", "acme/incidents"),
        ("WEBHOOK_URL", "https://hooks.example.com/CANARYHOOK"),
        ("WEBHOOK_SECRET", "CANARYSIGNATURE"),
    ];
    let tokens = [
        ("PROMETHEUS_TOKEN", "CANARYPROMETHEUS"),
        ("ARGOCD_TOKEN", "CANARYARGOCD"),
        ("SLACK_WEBHOOK", "https://hooks.slack.com/CANARYSLACK"),
    ];
    let users = [
        ("PROMETHEUS_USERNAME", "reader"),
        ("PROMETHEUS_PASSWORD", "CANARYPROMETHEUS"),
        ("ARGOCD_USERNAME", "bot"),
        ("ARGOCD_PASSWORD", "CANARYARGOCD"),
        ("SLACK_BOT_TOKEN", "CANARYSLACK"),
        ("SLACK_CHANNEL", "#alerts"),
    ];
    for proofs in [&tokens[..], &users[..]] {
        let config = accepted(&[&shared[..], proofs].concat());
        let shown = format!("{config:?} {config:#?}");
        assert!(!shown.contains("CANARY"), "{shown}");
    }
    let token = accepted(&[GITOPS[0], GITOPS[1], ("GITOPS_TOKEN", "CANARYGITOPS")]);
    assert!(!format!("{token:?}").contains("CANARY"));
}

#[test]
fn errors_show_no_secret() {
    for variable in VARIABLES.iter().filter(|variable| variable.secret) {
        for value in [
            "CANARY",
            "CANARY\nCANARY",
            " CANARY ",
            "CANARY=CANARY=",
            "https://u:CANARY@h/",
            "ftp://CANARY",
        ] {
            if let Err(error) = parse(&[(variable.name, value)]) {
                assert!(
                    !format!("{error} {error:?}").contains("CANARY"),
                    "{}: {error}",
                    variable.name
                );
            }
        }
    }
    let urls = [
        "PROMETHEUS_URL",
        "GITOPS_REPO",
        "GITOPS_API_URL",
        "ARGOCD_SERVER",
        "PAGERDUTY_EVENTS_URL",
        "PUSHGATEWAY_URL",
    ];
    for name in urls {
        for value in [
            "https://u:CANARY@h.example.com/p",
            "ssh://u:CANARY@h/p/q",
            "CANARY:x@h/p",
            "https://h/?k=CANARY",
        ] {
            let error = parse(&[(name, value)]).expect_err(name);
            assert!(
                !format!("{error} {error:?}").contains("CANARY"),
                "{name}: {error}"
            );
        }
    }
}

#[test]
fn every_secret_is_taken_out_of_what_others_wrote_and_a_tenant_is_none() {
    let config = accepted(&[
        (
            "PROMETHEUS_HEADERS",
            "X-Scope-OrgID=checkout; Cookie=canary-cookie-1",
        ),
        ("SLACK_WEBHOOK", "https://hooks.example.com/T1/canary-hook"),
        ("PAGERDUTY_KEY", "canarypagerdutykey0123456789abcd"),
    ]);
    let said = config
        .secrets
        .redact("checkout: v2 canary-cookie-1 /T1/canary-hook CanaryPagerdutyKey0123456789abcd");
    assert_eq!(said, "checkout: v2 [redacted] [redacted] [redacted]");
}
