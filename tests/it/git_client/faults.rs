//! Servers that refuse, fail, stall or are something else.

use testkit::git::Fault;
use testkit::stub::{ClosedPort, Reply, Stub};

use super::*;

const ADVERTISEMENT: &str = "application/x-git-upload-pack-advertisement";

fn told(world: &World, change: impl FnOnce(&mut GitSettings)) -> String {
    let mut settings = world.settings();
    change(&mut settings);
    refused_read(&git(settings)).to_string()
}

fn impatient(url: &str) -> Git {
    git(GitSettings {
        timeout: Duration::from_millis(300),
        ..settings(url)
    })
}

#[test]
fn a_wrong_token_is_tried_once_and_says_which_setting_is_wrong() {
    let world = seeded();
    let said = told(&world, |settings| settings.token = Some("wrong".into()));
    assert_eq!(
        said,
        "read the history of platform/gitops: the credentials were refused; check GITOPS_TOKEN (HTTP 401)"
    );
    assert_eq!(world.server.requests().len(), 1);
}

#[test]
fn what_is_not_there_is_named_with_its_setting() {
    let world = seeded();
    let url = world.server.url("platform/nothing");
    let said = told(&world, |settings| {
        settings.url = Url::parse(&url).expect("a URL");
    });
    assert_eq!(
        said,
        "read the history of platform/gitops: there is no such repository, or GITOPS_TOKEN may not see it; \
         check GITOPS_REPO (HTTP 404)"
    );
    let said = told(&world, |settings| settings.branch = "nothing".to_owned());
    assert_eq!(
        said,
        "read the history of platform/gitops: there is no branch \"nothing\"; check GITOPS_BRANCH"
    );
    let said = told(&world, |settings| {
        settings.paths = vec!["apps/none".to_owned()]
    });
    assert_eq!(
        said,
        "read the history of platform/gitops: there is no \"apps/none\" on branch \"main\"; check GITOPS_PATH"
    );
    let said = told(&world, |settings| {
        settings.paths = vec![FILE.replace('.', ",")]
    });
    assert!(
        said.contains(&format!(", where {FILE:?} is; check")),
        "{said}"
    );
    let said = told(&world, |settings| {
        settings.paths = vec![format!("{FILE}/below")]
    });
    assert!(said.ends_with("check GITOPS_PATH"), "{said}");
}

#[test]
fn an_empty_repository_has_no_branch() {
    let world = world();
    let error = refused_read(&world.git());
    assert!(matches!(error.fault, GitFault::NoBranch { .. }), "{error}");
}

#[test]
fn statuses_of_the_server_are_told_apart() {
    let world = seeded();
    for (status, is_transient) in [
        (403, false),
        (418, false),
        (429, true),
        (500, true),
        (503, true),
    ] {
        world.server.set_fault(Fault::Status(status));
        let error = refused_read(&world.git());
        assert!(
            matches!(error.fault, GitFault::Status(s) if s == status),
            "{error}"
        );
        assert_eq!(error.is_transient(), is_transient, "{status}");
    }
}

#[test]
fn a_login_page_is_not_git() {
    let stub = Stub::sequence([Reply::html(200, "<html>Log in</html>")]);
    let error = refused_read(&git(settings(&stub.url())));
    assert!(matches!(error.fault, GitFault::NotGit { .. }), "{error}");
    assert_eq!(
        error.to_string(),
        "read the history of platform/gitops: the server does not speak git over HTTP (content type \"text/html\"); \
         check GITOPS_REPO"
    );
}

#[test]
fn an_answer_of_the_right_type_that_is_no_git_is_an_error() {
    for body in [
        "",
        "0000",
        "not git at all",
        "001e# service=git-upload-pack\n",
    ] {
        let reply = Reply::untyped(200, body).with_header("content-type", ADVERTISEMENT);
        let stub = Stub::sequence([reply]);
        let error = refused_read(&git(settings(&stub.url())));
        assert!(
            !error.to_string().contains("HTTP exchange failed"),
            "{error}"
        );
        assert_eq!(stub.requests().len(), 1, "{body:?}: {error}");
    }
}

#[test]
fn a_redirect_is_not_followed_and_names_the_new_place_without_its_path() {
    let elsewhere = Stub::sequence([]);
    let target = format!("{}/secret-path?session=1", elsewhere.url());
    let stub = Stub::sequence([Reply::redirect(301, &target)]);
    let error = refused_read(&git(settings(&stub.url())));
    assert!(!error.is_transient());
    assert_eq!(
        error.to_string(),
        format!(
            "read the history of platform/gitops: redirected to {}; set the URL to where it really is",
            elsewhere.url()
        )
    );
    assert_eq!(elsewhere.requests().len(), 0);
}

#[test]
fn a_server_that_stalls_or_drips_ends_at_the_deadline() {
    let body = "001e# service=git-upload-pack\n".repeat(1_000);
    let dripping = Reply::untyped(200, body)
        .with_header("content-type", ADVERTISEMENT)
        .dripping(Duration::from_millis(20));
    for reply in [Reply::silence(), dripping] {
        let stub = Stub::sequence([reply]);
        let error = refused_read(&impatient(&stub.url()));
        assert!(matches!(error.fault, GitFault::Deadline), "{error}");
        assert!(error.is_transient());
        assert_eq!(
            error.to_string(),
            "read the history of platform/gitops: not finished within GITOPS_TIMEOUT"
        );
    }
}

#[test]
fn a_server_that_is_down_is_a_fault_of_transport() {
    let port = ClosedPort::reserve();
    let error = refused_read(&git(settings(&port.url())));
    assert!(matches!(error.fault, GitFault::Transport(_)), "{error}");
    assert!(error.is_transient());

    let world = seeded();
    world.server.set_fault(Fault::Down);
    let error = refused_read(&world.git());
    assert!(matches!(error.fault, GitFault::Transport(_)), "{error}");
    assert!(error.is_transient());
    assert_eq!(world.server.requests().len(), 1, "tried once");
}

#[test]
fn a_media_type_may_have_parameters_and_capital_letters() {
    let world = seeded();
    let seen = advertised(&world);
    for kind in [
        "application/x-git-upload-pack-advertisement; charset=utf-8",
        "Application/X-Git-Upload-Pack-Advertisement",
    ] {
        let stub = Stub::sequence([
            Reply::untyped(200, seen.clone()).with_header("content-type", kind),
            Reply::text(503, "enough"),
        ]);
        let error = refused_read(&git(settings(&stub.url())));
        assert!(matches!(error.fault, GitFault::Status(503)), "{error}");
    }
}

/// Returns the advertisement of a branch as git writes it.
fn advertised(world: &World) -> String {
    let tip = format!("{} refs/heads/main\0shallow\n", world.repo.tip());
    format!(
        "001e# service=git-upload-pack\n0000{:04x}{tip}0000",
        tip.len() + 4
    )
}
