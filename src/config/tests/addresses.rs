//! URLs, hosts and repositories.

use super::{accepted, problem};
use crate::config::GitopsRepo;

type Changes<'a> = &'a [(&'a str, &'a str)];

fn repo(changes: &[(&str, &str)]) -> GitopsRepo {
    let mut all = vec![("GITOPS_PATH", "apps")];
    all.extend_from_slice(changes);
    accepted(&all).gitops.expect("it is configured").repo
}

fn repo_problem(text: &str) -> String {
    problem(&[("GITOPS_PATH", "apps"), ("GITOPS_REPO", text)])
}

#[test]
fn a_repository_has_an_address_for_git() {
    let enterprise = ("GITOPS_API_URL", "https://ghe.example.com/api/v3");
    let tenant = ("GITOPS_API_URL", "https://api.acme.ghe.com");
    let stand_in = ("GITOPS_API_URL", "http://127.0.0.1:8123");
    let cases: [(Changes<'_>, &str, &str); 8] = [
        (
            &[("GITOPS_REPO", "acme/deploy")],
            "acme/deploy",
            "https://github.com/acme/deploy.git",
        ),
        (
            &[("GITOPS_REPO", "acme/deploy.git")],
            "acme/deploy",
            "https://github.com/acme/deploy.git",
        ),
        (
            &[("GITOPS_REPO", "https://github.com/acme/deploy")],
            "acme/deploy",
            "https://github.com/acme/deploy.git",
        ),
        (
            &[("GITOPS_REPO", "acme/deploy"), enterprise],
            "acme/deploy",
            "https://ghe.example.com/acme/deploy.git",
        ),
        (
            &[("GITOPS_REPO", "acme/deploy"), tenant],
            "acme/deploy",
            "https://acme.ghe.com/acme/deploy.git",
        ),
        (
            &[("GITOPS_REPO", "acme/deploy"), stand_in],
            "acme/deploy",
            "http://127.0.0.1:8123/acme/deploy.git",
        ),
        (
            &[(
                "GITOPS_REPO",
                "HTTPS://gitlab.example.com/group/sub/deploy.git/",
            )],
            "https://gitlab.example.com/group/sub/deploy.git",
            "https://gitlab.example.com/group/sub/deploy.git",
        ),
        (
            &[("GITOPS_REPO", "http://[::1]:3000/acme/deploy.git")],
            "http://[::1]:3000/acme/deploy.git",
            "http://[::1]:3000/acme/deploy.git",
        ),
    ];
    for (changes, shown, remote) in cases {
        let repo = repo(changes);
        assert_eq!(
            (repo.to_string().as_str(), repo.remote_url().as_str()),
            (shown, remote)
        );
    }
}

#[test]
fn a_repository_on_this_machine_is_refused() {
    for text in [
        "file:///srv/deploy.git",
        "/srv/deploy.git",
        "./deploy",
        "../deploy",
        "~/deploy",
    ] {
        assert!(
            repo_problem(text).contains("a path on this machine"),
            "{text}"
        );
    }
}

#[test]
fn every_other_transport_is_refused_in_one_sentence() {
    let problems: Vec<String> = [
        "git://git.example.com/acme/deploy.git",
        "ftp://git.example.com/acme/deploy.git",
        "file:///srv/deploy.git",
        "http://git.example.com/acme/deploy.git",
    ]
    .map(repo_problem)
    .to_vec();
    insta::assert_snapshot!(problems.join("\n"), @r"
    GITOPS_REPO does not begin with https:// or http://; write one of them
    GITOPS_REPO does not begin with https:// or http://; write one of them
    GITOPS_REPO is a path on this machine, and a rollback must reach the repository that is deployed; write the URL that git pushes to, such as https://git.example.com/deploy.git
    GITOPS_REPO uses http:// to another host, which shows its credentials to everyone on the way; use https://, or set GITOPS_PLAINTEXT=true
    ");
}

#[test]
fn other_addresses_are_refused_without_being_quoted() {
    for text in [
        "deploy",
        "acme/deploy/extra",
        "-acme/deploy",
        "acme/..",
        "https://hunter2@github.com/acme/deploy",
        "https://x:hunter2@github.com/acme/deploy",
        "https://@github.com/acme/deploy",
        "https://github.com/acme/deploy?token=hunter2",
        "https://github.com/acme/deploy#hunter2",
        "https://github.com",
        "https://",
        "hunter2://github.com/acme/deploy",
        "ext::sh -c hunter2",
        "https://git hub.com/acme/deploy",
        "https://169.254.169.254/acme/deploy",
        "https://[fe80::1]/acme/deploy",
        "https://[::ffff:169.254.169.254]/a/b",
    ] {
        let problem = repo_problem(text);
        assert!(
            problem.starts_with("GITOPS_REPO ") && !problem.contains("hunter2"),
            "{problem}"
        );
    }
    insta::assert_snapshot!(repo_problem("https://x:hunter2@github.com/acme/deploy"), @"GITOPS_REPO has a user or a password in its URL; put the token into GITOPS_TOKEN");
}

#[test]
fn plain_http_needs_loopback_or_a_setting() {
    for host in ["127.0.0.1", "127.8.9.1:3000", "[::1]", "localhost:3000"] {
        repo(&[("GITOPS_REPO", &format!("http://{host}/acme/deploy.git"))]);
        accepted(&[
            ("ARGOCD_SERVER", &format!("http://{host}")),
            ("ARGOCD_APP_NAME", "a"),
            ("ARGOCD_TOKEN", "t"),
        ]);
        accepted(&[("WEBHOOK_URL", &format!("http://{host}/hook"))]);
        accepted(&[("SLACK_WEBHOOK", &format!("http://{host}/hook"))]);
        accepted(&[
            ("PAGERDUTY_EVENTS_URL", &format!("http://{host}/v2/enqueue")),
            ("PAGERDUTY_KEY", "k"),
        ]);
    }
    for host in [
        "10.0.0.1",
        "git.internal",
        "localhost.evil.example",
        "128.0.0.1",
        "[::2]",
    ] {
        let url = format!("http://{host}/acme/deploy.git");
        assert!(
            repo_problem(&url).contains("or set GITOPS_PLAINTEXT=true"),
            "{host}"
        );
        repo(&[("GITOPS_REPO", &url), ("GITOPS_PLAINTEXT", "true")]);
        assert!(
            problem(&[("WEBHOOK_URL", &url)]).ends_with("use https://"),
            "{host}"
        );
        accepted(&[("PROMETHEUS_URL", &url), ("PUSHGATEWAY_URL", &url)]);
    }
    assert!(
        problem(&[("GITOPS_API_URL", "http://ghe.example.com/api/v3")])
            .starts_with("GITOPS_API_URL uses http://")
    );
}

#[test]
fn argocd_is_a_host_or_a_url() {
    let server = |text, plaintext| {
        let changes = [
            ("ARGOCD_SERVER", text),
            ("ARGOCD_APP_NAME", "checkout"),
            ("ARGOCD_TOKEN", "t"),
            ("ARGOCD_PLAINTEXT", plaintext),
        ];
        accepted(&changes)
            .argocd
            .expect("it is configured")
            .client
            .server
            .to_string()
    };
    assert_eq!(
        server("argocd.example.com", "false"),
        "https://argocd.example.com/"
    );
    assert_eq!(
        server("argocd.example.com:8443", "false"),
        "https://argocd.example.com:8443/"
    );
    assert_eq!(
        server("https://ops.example.com/argocd", "false"),
        "https://ops.example.com/argocd/"
    );
    assert_eq!(
        server("argocd-server.argocd:80", "true"),
        "http://argocd-server.argocd/"
    );
    for text in [
        "http://argocd.example.com",
        "u:hunter2@argocd.example.com",
        "ftp://argocd",
        "a b",
        "argocd:port",
    ] {
        let problem = problem(&[
            ("ARGOCD_SERVER", text),
            ("ARGOCD_APP_NAME", "checkout"),
            ("ARGOCD_TOKEN", "t"),
        ]);
        assert!(
            problem.starts_with("ARGOCD_SERVER ") && !problem.contains("hunter2"),
            "{problem}"
        );
    }
}

#[test]
fn base_urls_end_in_a_slash() {
    let url = |text| {
        accepted(&[("PROMETHEUS_URL", text)])
            .prometheus
            .url
            .to_string()
    };
    assert_eq!(url("http://prometheus:9090"), "http://prometheus:9090/");
    assert_eq!(
        url("https://mimir.example.com/prometheus"),
        "https://mimir.example.com/prometheus/"
    );
    for text in [
        "http://p/?a=b",
        "http://p/#a",
        "prometheus:9090",
        "http://u@p/",
        "ws://p/",
        "http:///",
    ] {
        assert!(
            problem(&[("PROMETHEUS_URL", text)]).starts_with("PROMETHEUS_URL "),
            "{text}"
        );
    }
}

#[test]
fn only_github_has_apps_and_incidents() {
    let elsewhere = [
        ("GITOPS_PATH", "a"),
        ("GITOPS_REPO", "https://git.example.com/acme/deploy.git"),
        ("GITOPS_TOKEN", "t"),
    ];
    let with = |change| problem(&[elsewhere[0], elsewhere[1], elsewhere[2], change]);
    assert!(with(("GITOPS_MODE", "pull-request")).starts_with("GITOPS_MODE is pull-request, but"));
    assert!(with(("INCIDENT_REPO", "acme/incidents")).contains("its token must not be sent there"));
    let config = accepted(&[("GITOPS_TOKEN", "t"), ("INCIDENT_REPO", "acme/incidents")]);
    let incident_repo = config.notify.incident_repo.expect("it is configured");
    assert_eq!(
        (incident_repo.owner.as_str(), incident_repo.name.as_str()),
        ("acme", "incidents")
    );
    let anonymous = [
        ("GITOPS_PATH", "a"),
        ("GITOPS_REPO", "acme/deploy"),
        ("GITOPS_MODE", "pull-request"),
    ];
    assert!(problem(&anonymous).contains("without credentials"));
}
