//! What the doctor says of the repository and of GitHub.

use std::process::Command;

use testkit::git::{Fault, RequestRecord};
use testkit::github::{APP_ID, APP_KEY, GithubServer, INSTALLATION_ID};
use testkit::stub::Reply;

use super::*;

#[test]
fn what_git_has_not_is_said() {
    let world = world();
    let no_branch = program(&world).env("GITOPS_BRANCH", "release");
    let ran = world.nothing_changed_by(&no_branch).exits(2);
    ran.finds("git", "ok", &[])
        .finds(
            "git branch",
            "problem",
            &["there is no branch", "check GITOPS_BRANCH"],
        )
        .finds_only(&["git branch", "git paths"]);
    let no_path = program(&world).env("GITOPS_PATH", "apps/nobody");
    let ran = world.nothing_changed_by(&no_path).exits(2);
    ran.finds("git branch", "ok", &[])
        .finds(
            "git paths",
            "problem",
            &["apps/nobody", "check GITOPS_PATH"],
        )
        .finds_only(&["git paths"]);
    let wrong = program(&world).env("GITOPS_TOKEN", "canary-wrong-token");
    let ran = world.nothing_changed_by(&wrong).exits(2);
    ran.keeps_secret("canary-wrong-token")
        .finds(
            "git",
            "problem",
            &["the credentials were refused", "check GITOPS_TOKEN"],
        )
        .finds("git push", "warning", &["not checked"]);
    world.server.set_fault(Fault::Down);
    let ran = world.nothing_changed_by(&program(&world)).exits(2);
    ran.finds("git", "problem", &[])
        .finds("git push", "warning", &["not checked"]);
}

/// There are servers that make a repository which is not there as soon as somebody asks how to push to it.
#[test]
fn what_is_not_there_for_reading_is_not_asked_for_writing() {
    let world = world();
    let asks_to_push = |world: &World| {
        let requests = world.server.requests();
        let asked = |request: &RequestRecord| request.query.contains("git-receive-pack");
        requests.iter().filter(|request| asked(request)).count()
    };
    let missing = world.server.url("platform/nothing");
    let ran = program(&world).env("GITOPS_REPO", &missing).run().exits(2);
    ran.finds("git", "problem", &["there is no such repository"])
        .finds("git push", "warning", &["not checked"]);
    assert_eq!(asks_to_push(&world), 0);
    let no_branch = program(&world).env("GITOPS_BRANCH", "release");
    let ran = world.nothing_changed_by(&no_branch).exits(2);
    ran.finds("git push", "ok", &[]);
    assert_eq!(asks_to_push(&world), 1);
}

#[test]
fn a_path_that_never_changed_leaves_nothing_to_go_back_to() {
    let world = World::of(SERVICE);
    let ran = world.nothing_changed_by(&program(&world)).exits(1);
    ran.finds("git paths", "warning", &["as they always were"])
        .finds_only(&["git paths"]);
}

#[test]
fn a_token_that_may_only_read_is_found_without_a_push() {
    let world = world();
    let set = Command::new("git")
        .arg("--git-dir")
        .arg(world.repo().path())
        .args(["config", "http.receivepack", "false"])
        .status()
        .expect("git is there");
    assert!(set.success());
    let ran = world.nothing_changed_by(&program(&world)).exits(2);
    ran.finds("git", "ok", &[])
        .finds(
            "git push",
            "problem",
            &["denied (HTTP 403)", "right to write"],
        )
        .finds_only(&["git push"]);
}

/// The program, signed in at GitHub as an App.
fn as_app(world: &World, github: &GithubServer) -> Program {
    program(world)
        .without("GITOPS_TOKEN")
        .env("GITOPS_REPO", REPOSITORY)
        .env("GITOPS_API_URL", &github.api_url())
        .env("GITHUB_APP_ID", &APP_ID.to_string())
        .env("GITHUB_APP_INSTALLATION_ID", &INSTALLATION_ID.to_string())
        .env("GITHUB_APP_PRIVATE_KEY", APP_KEY)
}

/// Checks that GitHub was asked, and was told to do nothing but make tokens.
#[track_caller]
fn only_asked(github: &GithubServer) {
    for request in github.requests() {
        let makes_a_token = request.path.ends_with("/access_tokens");
        assert!(request.method == "GET" || makes_a_token, "{request}");
    }
}

#[test]
fn an_app_is_asked_what_it_was_granted() {
    let world = world();
    let github = GithubServer::in_front_of(&world.server, REPOSITORY, Some(TOKEN));
    let ran = world.nothing_changed_by(&as_app(&world, &github)).exits(0);
    ran.keeps_secret(APP_KEY.lines().nth(1).expect("a key has lines"))
        .finds("github app", "ok", &[])
        .finds("github contents", "ok", &["write"])
        .finds("github pull requests", "ok", &["write"])
        .finds("github rules", "ok", &["no rule"])
        .finds_only(&[]);
    only_asked(&github);

    let reading = r#"{"token":"canary-reading","expires_at":"2999-01-01T00:00:00Z","permissions":{"contents":"read"}}"#;
    github.instead("POST", "/access_tokens", Reply::json(201, reading));
    let ran = world.nothing_changed_by(&as_app(&world, &github)).exits(2);
    ran.keeps_secret("canary-reading")
        .finds("github contents", "problem", &["Contents: write"])
        .finds("github pull requests", "warning", &["Pull requests: write"]);
    let stranger = as_app(&world, &github).env("GITHUB_APP_ID", "8");
    let ran = world.nothing_changed_by(&stranger).exits(2);
    ran.finds("github app", "problem", &["Integration not found"]);
}

#[test]
fn rules_of_the_branch_decide_between_push_and_pull_request() {
    let world = world();
    let github = GithubServer::in_front_of(&world.server, REPOSITORY, Some(TOKEN));
    github.protect("main", &["pull_request"]);
    let program = program(&world)
        .env("GITOPS_REPO", REPOSITORY)
        .env("GITOPS_API_URL", &github.api_url())
        .env("GITOPS_TOKEN", GithubServer::TOKEN);
    let ran = world.nothing_changed_by(&program).exits(1);
    ran.finds(
        "github rules",
        "warning",
        &["pull_request may refuse", "GITOPS_MODE=pull-request"],
    )
    .finds_only(&["github rules"]);
    let proposing = program.env("GITOPS_MODE", "pull-request");
    let ran = world.nothing_changed_by(&proposing).exits(0);
    ran.finds("github rules", "ok", &["pull_request"]).finds(
        "github own branches",
        "ok",
        &["no rule"],
    );
    let other = world.repo().prepare("Another branch", Utc::now());
    other
        .branch("rollback")
        .write("README.md", "other\n")
        .create();
    let ran = world.nothing_changed_by(&proposing).exits(2);
    ran.finds(
        "github own branches",
        "problem",
        &["\"rollback\\\" is there", "rename"],
    );
    only_asked(&github);
}

#[test]
fn what_an_overlay_is_built_from_outside_the_path_is_named() {
    let world = world();
    let overlay = format!("{}/kustomization.yaml", world.path());
    let files = [
        (
            overlay.as_str(),
            "resources:\n- deployment.yaml\n- ../../base\ncomponents:\n- ../../components/tls\n",
        ),
        ("base/kustomization.yaml", "resources: [deployment.yaml]\n"),
        ("base/deployment.yaml", "kind: Deployment\n"),
    ];
    let files = files.map(|(path, text)| (path, Some(text)));
    world
        .repo()
        .commit("healthy: build from a base", Utc::now(), &files);
    for contents_are_left_out in [false, true] {
        world
            .repo()
            .configure("uploadpack.allowFilter", contents_are_left_out);
        let ran = world.nothing_changed_by(&program(&world)).exits(1);
        ran.finds(
            "git outside",
            "warning",
            &["base, components/tls", "add to GITOPS_PATH"],
        )
        .finds_only(&["git outside"]);
    }
    let paths = format!("{},base,components", world.path());
    world.repo().commit(
        "add the component",
        Utc::now(),
        &[(
            "components/tls/kustomization.yaml",
            Some("kind: Component\n"),
        )],
    );
    let whole = program(&world).env("GITOPS_PATH", &paths);
    let ran = world.nothing_changed_by(&whole).exits(0);
    ran.finds("git outside", "ok", &["nothing lies outside"]);
}
