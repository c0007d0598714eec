//! Names of services, namespaces, branches, paths, revisions.

use proptest::prelude::*;

use super::{GITOPS, accepted, problem};
use crate::config::git_names::{BranchName, RepoPath};
use crate::config::{Namespace, ServiceName};

#[test]
fn service_and_namespace_are_kubernetes_names() {
    for name in ["a", "checkout", "check-out.v2", "0", &"a".repeat(253)] {
        name.parse::<ServiceName>()
            .unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    let injection = "x\"}[5m])) or vector(1) or sum(rate(y{a=\"";
    for name in [
        "",
        "Checkout",
        "a_b",
        "-a",
        "a-",
        ".a",
        "a..b",
        "a.-b",
        "ä",
        "a b",
        injection,
        &"a".repeat(254),
    ] {
        name.parse::<ServiceName>().expect_err(name);
    }
    "shop-1".parse::<Namespace>().expect("a label");
    for name in ["a.b", "", "A", "nope|.*", &"a".repeat(64)] {
        name.parse::<Namespace>().expect_err(name);
    }
    insta::assert_snapshot!(problem(&[("NAMESPACE", "team.shop")]), @r#"NAMESPACE is "team.shop"; write a Kubernetes label: lower-case letters, digits and -, beginning and ending with a letter or digit, at most 63 characters"#);
}

#[test]
fn branches_follow_git_check_ref_format() {
    for name in [
        "main",
        "release/1.2",
        "a-b",
        "feature/x@y",
        "ünï",
        "a.b",
        "x{y",
        "head",
    ] {
        name.parse::<BranchName>()
            .unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    for name in [
        "",
        "-x",
        "@",
        "HEAD",
        "refs/heads/main",
        "/a",
        "a/",
        "a//b",
        ".a",
        "a/.b",
        "a.",
        "a..b",
        "a.lock",
        "a.lock/b",
        "a@{b",
        "a b",
        "a~1",
        "a^",
        "a:b",
        "a?",
        "a*",
        "a[b",
        "a\\b",
        "a\u{7f}",
        "a\tb",
        &"a".repeat(300),
    ] {
        name.parse::<BranchName>().expect_err(name);
    }
    insta::assert_snapshot!(problem(&[("GITOPS_BRANCH", "refs/heads/main")]), @r#"GITOPS_BRANCH begins with refs/heads/; write "main" alone"#);
    insta::assert_snapshot!(problem(&[("GITOPS_BRANCH", "--force")]), @r#"GITOPS_BRANCH is "--force", which begins with -; write a name that git accepts"#);
}

#[test]
fn paths_stay_inside_the_repository() {
    for (text, path) in [
        ("apps/checkout", "apps/checkout"),
        ("apps/checkout/", "apps/checkout"),
        (".gitlab", ".gitlab"),
        (".", "."),
        ("./", "."),
        ("deploy.yaml", "deploy.yaml"),
    ] {
        assert_eq!(text.parse::<RepoPath>().expect(text).as_str(), path);
    }
    for text in [
        "",
        "/",
        "./a",
        "./.",
        ".//",
        "..",
        "a/../b",
        "/etc",
        "a//b",
        "a//",
        ".git",
        "a/.GIT/b",
        "a\\b",
        "a\nb",
        "a\u{0}b",
        ".github",
        ".github/workflows",
        ".GitHub/Workflows/ci.yml",
    ] {
        text.parse::<RepoPath>().expect_err(text);
    }
}

#[test]
fn paths_neither_repeat_nor_nest() {
    let paths = |text| {
        accepted(&[GITOPS[0], ("GITOPS_PATH", text)])
            .gitops
            .expect("it is configured")
            .git
            .paths
    };
    assert_eq!(paths("a, b/c ,ab"), ["a", "b/c", "ab"]);
    assert_eq!(paths("./"), ["."]);
    for (text, expected) in [
        ("a,a/", "twice"),
        ("a,a/b", "one inside the other"),
        ("a/b/c,a", "one inside the other"),
        (".,a", "one inside the other"),
        ("deploy.yaml,.", "one inside the other"),
        (".,./", "twice"),
        ("a,,b", "empty entry"),
        ("a,", "empty entry"),
    ] {
        let problem = problem(&[GITOPS[0], ("GITOPS_PATH", text)]);
        assert!(problem.contains(expected), "{problem}");
    }
}

#[test]
fn targets_are_commits_refs_or_revisions() {
    for text in [
        "abcd",
        "0123456789abcdef0123456789abcdef01234567",
        "v1.2.3",
        "release/7",
        "refs/tags/v1.2.3",
        "größe",
    ] {
        assert_eq!(
            accepted(&[("TARGET_COMMIT", text)])
                .manual
                .target_commit
                .as_deref(),
            Some(text)
        );
    }
    for text in [
        "-x",
        "a b",
        "HEAD~1",
        "a..b",
        "..",
        "@",
        "v1^{}",
        "v1@{1}",
        "v1.lock",
        "v*",
        "/v1",
        "v1.",
        "refs/tags/",
        "refs/heads/main",
        "refs/pull/7/head",
    ] {
        assert!(
            problem(&[("TARGET_COMMIT", text)]).starts_with("TARGET_COMMIT is "),
            "{text}"
        );
    }
    for text in ["1.4.0", "abc123", "17"] {
        assert_eq!(
            accepted(&[("TARGET_REVISION", text)])
                .manual
                .target_revision
                .as_deref(),
            Some(text)
        );
    }
    for text in ["-1", "a b", "é"] {
        assert!(
            problem(&[("TARGET_REVISION", text)]).starts_with("TARGET_REVISION is "),
            "{text}"
        );
    }
}

proptest! {
    #[test]
    fn every_accepted_branch_is_one_for_git(name in "[-a-c./@{~^:?* \\\\\\[\u{1}é]{1,8}(\\.lock)?") {
        if name.parse::<BranchName>().is_ok() {
            prop_assert!(git2::Reference::is_valid_name(&format!("refs/heads/{name}")), "{name:?}");
        } else {
            let refused_beyond_git = name.starts_with('-') || name == "@";
            prop_assert!(
                refused_beyond_git || !git2::Reference::is_valid_name(&format!("refs/heads/{name}")),
                "{name:?}"
            );
        }
    }

    #[test]
    fn every_accepted_path_stays_inside(text in "[ab./\\\\]{0,8}") {
        if let Ok(path) = text.parse::<RepoPath>() {
            let is_plain = |component: &str| !matches!(component, "" | "." | "..");
            let is_whole = path.as_str() == ".";
            prop_assert!(is_whole || path.as_str().split('/').all(is_plain), "{text:?}");
        }
    }
}
