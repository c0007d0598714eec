//! Repositories that are reached over SSH.

use super::problem;

mod addresses {
    use super::super::accepted;
    use super::problem;
    use crate::config::{GitopsRepo, SshAddress};

    fn repo(text: &str) -> GitopsRepo {
        accepted(&[("GITOPS_REPO", text), ("GITOPS_PATH", "apps")])
            .gitops
            .expect("it is configured")
            .repo
    }

    #[test]
    fn an_address_is_taken_apart() {
        let home = Some("git");
        for (text, user, host, port, path, shown) in [
            (
                "git@github.com:acme/deploy.git",
                home,
                "github.com",
                None,
                "acme/deploy.git",
                "git@github.com:acme/deploy.git",
            ),
            (
                "git@host:/srv/deploy.git/",
                home,
                "host",
                None,
                "/srv/deploy.git",
                "git@host:/srv/deploy.git",
            ),
            (
                "git_host:v3/acme/My%20App/it",
                None,
                "git_host",
                None,
                "v3/acme/My%20App/it",
                "git_host:v3/acme/My%20App/it",
            ),
            (
                "git@[::1]:deploy.git",
                home,
                "::1",
                None,
                "deploy.git",
                "git@[::1]:deploy.git",
            ),
            (
                "ssh://git@github.com/acme/deploy.git",
                home,
                "github.com",
                None,
                "/acme/deploy.git",
                "git@github.com:/acme/deploy.git",
            ),
            (
                "SSH://host:2222/~ops/deploy.git",
                None,
                "host",
                Some(2222),
                "~ops/deploy.git",
                "ssh://host:2222/~ops/deploy.git",
            ),
            (
                "git+ssh://git@[fd00::1]:22/deploy",
                home,
                "fd00::1",
                Some(22),
                "/deploy",
                "ssh://git@[fd00::1]:22/deploy",
            ),
            (
                "ssh://git@[fd00::1]/a b",
                home,
                "fd00::1",
                None,
                "/a b",
                "git@[fd00::1]:/a b",
            ),
        ] {
            let repo = repo(text);
            assert_eq!(repo.to_string(), shown);
            assert_eq!(
                repo,
                GitopsRepo::Ssh(SshAddress {
                    user: user.map(str::to_owned),
                    host: host.to_owned(),
                    port,
                    path: path.to_owned(),
                })
            );
        }
    }

    #[test]
    fn what_ssh_or_a_shell_could_misread_is_refused_without_being_quoted() {
        for text in [
            "-oProxyCommand=hunter2:deploy.git",
            "git@-oProxyCommand=hunter2:deploy.git",
            "-hunter2@host:deploy.git",
            "ssh://-hunter2/deploy.git",
            "ssh://-hunter2@host/deploy.git",
            "git@host:-hunter2",
            "ssh://host:22:hunter2/deploy",
            "ssh://host:-22/hunter2",
            "ssh://host:0/hunter2",
            "ssh://host:65536/hunter2",
            "ssh://host:/hunter2",
            "ssh://host",
            "ssh://host/",
            "ssh:///hunter2",
            "ssh://",
            "host:",
            "git@:hunter2",
            "git@host:hunter2'; rm",
            "git@host:$(hunter2)",
            "git@host:`hunter2`",
            "git@host:hunter2\nx",
            "git@host:hunter2\u{202e}x",
            "git@host:hunter2\\x",
            "git@ho st:hunter2",
            "git@ho/st:hunter2",
            "git@[::1:hunter2",
            "git@[host]:hunter2",
            "ssh://git:hunter2@host/deploy.git",
            "git:hunter2@host/deploy.git",
            "ssh://a@b@host/hunter2",
            "ssh://host/hunter%32",
            "ext::sh -c hunter2",
        ] {
            let problem = problem(&[("GITOPS_REPO", text), ("GITOPS_PATH", "apps")]);
            assert!(
                problem.starts_with("GITOPS_REPO ") && !problem.contains("hunter2"),
                "{text}: {problem}"
            );
        }
        insta::assert_snapshot!(problem(&[("GITOPS_REPO", "git@-x:y"), ("GITOPS_PATH", "apps")]), @"GITOPS_REPO is an SSH address whose host cannot be used; write it like git@git.example.com:acme/deploy.git or ssh://git@git.example.com:22/acme/deploy.git");
    }

    #[test]
    fn a_key_and_known_hosts_go_with_it() {
        let config = accepted(&[
            ("GITOPS_REPO", "git@host:deploy.git"),
            ("GITOPS_PATH", "apps"),
            ("GITOPS_SSH_KEY_FILE", "/run/secrets/..data/key"),
            ("GITOPS_SSH_KNOWN_HOSTS_FILE", "/etc/known_hosts"),
        ]);
        let gitops = config.gitops.expect("it is configured");
        let ssh = gitops.ssh.expect("it is an SSH address");
        assert_eq!(ssh.key_file, Some("/run/secrets/..data/key".into()));
        assert_eq!(ssh.known_hosts_file, Some("/etc/known_hosts".into()));
    }

    #[test]
    fn a_token_or_a_pull_request_does_not() {
        let with = |change| {
            let repo = ("GITOPS_REPO", "git@github.com:acme/deploy.git");
            problem(&[repo, ("GITOPS_PATH", "apps"), change])
        };
        assert!(with(("GITOPS_TOKEN", "t")).contains("which takes a key; unset the token"));
        assert!(with(("GITOPS_MODE", "pull-request")).contains("write it as owner/name"));
        let incidents = accepted(&[
            ("GITOPS_REPO", "git@github.com:acme/deploy.git"),
            ("GITOPS_PATH", "apps"),
            ("GITOPS_TOKEN", "t"),
            ("INCIDENT_REPO", "acme/incidents"),
        ]);
        assert!(incidents.notify.incident_repo.is_some());
    }
}

#[test]
fn a_key_without_an_ssh_address_is_a_problem() {
    for name in ["GITOPS_SSH_KEY_FILE", "GITOPS_SSH_KNOWN_HOSTS_FILE"] {
        let with = |file| {
            let repo = ("GITOPS_REPO", "acme/deploy");
            problem(&[repo, ("GITOPS_PATH", "apps"), (name, file)])
        };
        assert_eq!(
            with("/run/key"),
            format!("{name} is set, but GITOPS_REPO is not an SSH address; unset it")
        );
        assert_eq!(
            problem(&[(name, "/run/key")]),
            format!("{name} is set but GITOPS_REPO is not; set both or neither")
        );
    }
}

#[test]
fn a_file_that_ssh_would_read_otherwise_is_refused() {
    for file in [
        "key",
        "~/key",
        "/a b",
        "/a%d",
        "/$HOME/key",
        "/a\"b",
        "/run/",
    ] {
        let found = super::problems(&[
            ("GITOPS_REPO", "acme/deploy"),
            ("GITOPS_PATH", "apps"),
            ("GITOPS_SSH_KNOWN_HOSTS_FILE", file),
        ]);
        assert!(
            found[0].starts_with("GITOPS_SSH_KNOWN_HOSTS_FILE "),
            "{found:?}"
        );
    }
}
