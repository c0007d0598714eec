//! A rollback as a pull request where the repository is not on GitHub: on a strict stand-in of GitLab and on a real
//! Gitea, whose API Forgejo shares.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use chrono::Utc;
use error_budget_monitor::journal::Phase;
use testkit::git::{GitRepo, Merge};
use testkit::gitea::GiteaServer;
use testkit::gitlab::GitlabServer;
use testkit::stub::Reply;

use super::program::{Program, Ran};
use super::world::{REPOSITORY, TOKEN, World};

/// The Gitea that all tests share; nothing where it was not built.
static GITEA: LazyLock<Option<GiteaServer>> = LazyLock::new(GiteaServer::start);

/// Where the repository of a world is hosted.
enum Host {
    Gitlab(GitlabServer),
    Gitea {
        server: &'static GiteaServer,
        name: String,
        repo: GitRepo,
    },
}

/// Runs a story on each forge, with the world of a bad release and its bad commit.
fn on_each(story: impl Fn(&World, &Host, &str)) {
    let (world, v2) = World::with_a_bad_release();
    let gitlab = GitlabServer::in_front_of(&world.server, REPOSITORY, TOKEN);
    story(&world, &Host::Gitlab(gitlab), &v2);
    if let Some((world, gitea, v2)) = on_gitea() {
        story(&world, &gitea, &v2);
    }
}

fn on_gitlab() -> (World, GitlabServer) {
    let (world, _) = World::with_a_bad_release();
    let gitlab = GitlabServer::in_front_of(&world.server, REPOSITORY, TOKEN);
    (world, gitlab)
}

fn on_gitea() -> Option<(World, Host, String)> {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let server = GITEA.as_ref()?;
    let (world, v2) = World::with_a_bad_release();
    let name = format!("gitops-{}", COUNT.fetch_add(1, Ordering::Relaxed));
    let repo = server.take(&name, world.repo());
    Some((world, Host::Gitea { server, name, repo }, v2))
}

impl Host {
    /// The program, with a token and pull requests.
    fn program(&self, world: &World) -> Program {
        match self {
            Self::Gitlab(gitlab) => on(world, gitlab),
            Self::Gitea { server, name, .. } => world
                .program()
                .env("GITOPS_REPO", &server.url(name))
                .env("GITOPS_API_URL", &server.api_url())
                .env("GITOPS_TOKEN", server.token()),
        }
        .env("GITOPS_MODE", "pull-request")
    }

    fn repo<'a>(&'a self, world: &'a World) -> &'a GitRepo {
        match self {
            Self::Gitlab(_) => world.repo(),
            Self::Gitea { repo, .. } => repo,
        }
    }

    /// Shows the forge what was committed in the world's repository.
    fn take_over(&self, world: &World) {
        match self {
            Self::Gitlab(_) => {}
            Self::Gitea { server, name, .. } => server.push(name, world.repo()),
        }
    }

    fn merge(&self, number: u64, how: Merge) -> String {
        match self {
            Self::Gitlab(gitlab) => gitlab.merge(number, how),
            Self::Gitea { server, name, repo } => server.merge(repo, name, number, how),
        }
    }

    fn close(&self, number: u64) {
        match self {
            Self::Gitlab(gitlab) => gitlab.close(number),
            Self::Gitea { server, name, .. } => server.close(name, number),
        }
    }

    fn count(&self) -> usize {
        match self {
            Self::Gitlab(gitlab) => gitlab.count(),
            Self::Gitea { server, name, .. } => server.pulls(name).len(),
        }
    }

    fn labels(&self, number: u64) -> Vec<String> {
        match self {
            Self::Gitlab(gitlab) => gitlab.labels(number),
            Self::Gitea { server, name, .. } => {
                let pulls = server.pulls(name);
                let pull = pulls.iter().find(|pull| pull["number"] == number);
                let labels = pull.and_then(|pull| pull["labels"].as_array());
                let labels = labels.into_iter().flatten();
                labels
                    .filter_map(|label| label["name"].as_str().map(str::to_owned))
                    .collect()
            }
        }
    }

    fn comments(&self, number: u64) -> Vec<String> {
        match self {
            Self::Gitlab(gitlab) => gitlab.comments(number),
            Self::Gitea { server, name, .. } => server.comments(name, number),
        }
    }
}

fn on(world: &World, gitlab: &GitlabServer) -> Program {
    world
        .program()
        .env("GITOPS_REPO", &format!("{}/{REPOSITORY}.git", gitlab.url()))
        .env("GITOPS_API_URL", &gitlab.api_url())
        .env("GITOPS_TOKEN", GitlabServer::TOKEN)
        .env("GITOPS_MODE", "pull-request")
}

fn awaits(ran: Ran) -> Ran {
    ran.exits(0)
        .decides("await_approval", "awaiting_approval")
        .has_outcome("awaiting_approval")
        .complains_of_nothing()
}

/// The branch of the only pull request.
fn proposal(world: &World) -> String {
    let rollbacks = world.remembered();
    let proposal = rollbacks[0].proposal.as_ref().expect("a proposal");
    proposal.branch.clone()
}

fn has_branch(repo: &GitRepo, branch: &str) -> bool {
    repo.refs_fingerprint()
        .contains(&format!("refs/heads/{branch}"))
}

#[test]
fn one_is_opened_and_waited_for() {
    on_each(|world, host, v2| {
        let repo = host.repo(world);
        let tip = repo.tip();
        let ran = awaits(host.program(world).run());
        let detail = ran.text("/decision/detail");
        assert!(detail.contains("pull request 1 (http"), "{detail}");
        assert!(detail.contains("waits to be merged until"), "{detail}");
        assert_eq!((host.count(), repo.tip()), (1, tip.clone()));
        assert_eq!(host.labels(1), ["slo-rollback"]);
        // What is proposed is what a push would have made.
        let branch = proposal(world);
        let proposed = repo.log_of(&branch);
        assert_eq!(proposed[1].id, tip);
        assert!(proposed[0].message.contains(&format!("Rolls-Back: {v2}")));
        let tree = |revision: &str| repo.tree_at(revision, &world.path());
        assert_eq!(tree(&branch), tree(&world.v1));
        repo.fsck();

        awaits(host.program(world).run());
        assert_eq!(host.count(), 1);
        host.program(world).arguments(&["check"]).run().exits(5);
    });
}

#[test]
fn however_it_is_merged_the_rollback_is_done() {
    for how in [Merge::Commit, Merge::Squash, Merge::Rebase] {
        on_each(|world, host, _| {
            awaits(host.program(world).run());
            world.other_team_commits();
            host.take_over(world);
            let merged = host.merge(1, how);
            let ran = host
                .program(world)
                .run()
                .exits(0)
                .decides("resume", "resumed")
                .has_outcome("verifying");
            let repo = host.repo(world);
            // A merge brings our own commit along; else the one that it became counts.
            let ours = match how {
                Merge::Commit => repo.parents_of(&merged)[1].clone(),
                Merge::Squash | Merge::Rebase => merged,
            };
            assert_eq!(ran.record["rollback"]["commit"], *ours, "{how:?}: {ran}");
            assert_eq!(world.remembered()[0].phase, Phase::Verifying);
            let tree = |revision: &str| repo.tree_at(revision, &world.path());
            assert_eq!(tree("main"), tree(&world.v1), "{how:?}");
        });
    }
}

#[test]
fn one_that_a_person_closes_is_not_opened_again() {
    on_each(|world, host, _| {
        awaits(host.program(world).run());
        host.close(1);
        let ran = host.program(world).run().exits(0);
        ran.decides("hold", "rejected").complains_of_nothing();
        assert_eq!(world.remembered()[0].phase, Phase::Rejected);
        let later = host.program(world).env("COOLDOWN", "0s").run();
        later.exits(0).decides("hold", "rejected");
        assert_eq!(host.count(), 1);
    });
}

#[test]
fn one_that_nobody_merges_in_time_is_closed_and_asked_again_after_the_cooldown() {
    on_each(|world, host, _| {
        let late = || host.program(world).env("APPROVAL_TIMEOUT", "0s");
        awaits(late().run());
        let branch = proposal(world);
        let repo = host.repo(world);
        assert!(has_branch(repo, &branch));
        let ran = late().run().exits(0).decides("hold", "approval_expired");
        ran.has_outcome("expired").complains_of_nothing();
        assert_eq!(world.remembered()[0].phase, Phase::Expired);
        assert!(host.comments(1)[0].contains("APPROVAL_TIMEOUT"));
        assert!(!has_branch(repo, &branch));
        awaits(late().env("COOLDOWN", "0s").run());
        assert_eq!(host.count(), 2);
    });
}

#[test]
fn one_that_a_person_was_faster_than_is_closed() {
    on_each(|world, host, _| {
        awaits(host.program(world).run());
        let theirs = world.release("v3", Utc::now());
        host.take_over(world);
        let ran = host.program(world).run().exits(0);
        ran.has_outcome("superseded").complains_of_nothing();
        assert_eq!(world.remembered()[0].phase, Phase::Superseded);
        assert!(host.comments(1)[0].contains("overtaken"));
        assert_eq!(host.repo(world).tip(), theirs);
    });
}

#[test]
fn one_that_an_earlier_run_opened_is_found_without_its_number() {
    on_each(|world, host, _| {
        awaits(host.program(world).run());
        let mut rollback = world.remembered().remove(0);
        rollback.phase = Phase::Begun;
        rollback.proposal.as_mut().expect("a proposal").number = None;
        world.remembers(&[rollback]);
        awaits(host.program(world).run());
        assert_eq!(host.count(), 1);
        // The whole memory is lost.
        std::fs::remove_dir_all(world.state_folder()).expect("it is there");
        let ran = host.program(world).run().exits(0);
        assert_eq!(world.remembered()[0].phase, Phase::Proposed, "{ran}");
        assert_eq!(host.count(), 1);
    });
}

#[test]
fn a_branch_that_an_earlier_run_left_is_used_again() {
    let (world, gitlab) = on_gitlab();
    let limited = Reply::untyped(429, "Retry later").with_header("Retry-After", "3600");
    gitlab.instead("POST", "/merge_requests", limited);
    on(&world, &gitlab).run().exits(69);
    assert_eq!(world.remembered()[0].phase, Phase::Begun);
    assert!(has_branch(world.repo(), &proposal(&world)));
    // Others go on, so the commit there is not the one that would be written now.
    world.other_team_commits();
    awaits(on(&world, &gitlab).run());
    assert_eq!(gitlab.count(), 1);
    let proposed = world.repo().log_of(&proposal(&world));
    assert_eq!(proposed[1].id, world.repo().tip());
}

#[test]
fn a_lost_answer_ends_in_one_merge_request() {
    for reply in [
        Reply::hangup(),
        Reply::html(502, "x"),
        Reply::html(200, "x"),
    ] {
        let (world, gitlab) = on_gitlab();
        gitlab.after("POST", "/merge_requests", reply);
        awaits(on(&world, &gitlab).run());
        assert_eq!(gitlab.count(), 1);
    }
}

#[test]
fn a_server_that_does_not_see_the_branch_yet_is_asked_again() {
    let (world, gitlab) = on_gitlab();
    gitlab.sees_pushes_late(1);
    awaits(on(&world, &gitlab).run());
    gitlab.close(1);

    // Longer than a run waits: the next one goes on.
    let (world, gitlab) = on_gitlab();
    gitlab.sees_pushes_late(2);
    on(&world, &gitlab).run().exits(69);
    assert_eq!(world.remembered()[0].phase, Phase::Begun);
    awaits(on(&world, &gitlab).run());
    assert_eq!(gitlab.count(), 1);
}

#[test]
fn a_token_without_the_scope_is_told_what_it_needs() {
    let (world, gitlab) = on_gitlab();
    gitlab.instead(
        "POST",
        "/merge_requests",
        Reply::json(
            403,
            r#"{"error":"insufficient_scope","error_description":"The request requires higher privileges","scope":"api"}"#,
        ),
    );
    let ran = on(&world, &gitlab).run();
    let said = ran.to_string();
    assert!(
        said.contains("GITOPS_TOKEN needs the scope api and at least the role Developer"),
        "{said}"
    );
    assert_eq!(world.remembered()[0].phase, Phase::Failed);

    if let Some((world, Host::Gitea { server, name, .. }, _)) = on_gitea() {
        let ran = world
            .program()
            .env("GITOPS_REPO", &server.url(&name))
            .env("GITOPS_API_URL", &server.api_url())
            .env("GITOPS_TOKEN", &server.token_with("read:repository"))
            .env("GITOPS_MODE", "pull-request")
            .run();
        let said = ran.to_string();
        let needed = "GITOPS_TOKEN needs to read and write the repository's contents";
        assert!(said.contains(needed), "{said}");
    }
}

#[test]
fn a_protected_branch_gets_a_pull_request_instead() {
    let Some((world, host, _)) = on_gitea() else {
        return;
    };
    let Host::Gitea { server, name, repo } = &host else {
        unreachable!("it is on Gitea");
    };
    server.protect(name, "main");
    let tip = repo.tip();
    let push = || host.program(&world).env("GITOPS_MODE", "push");
    awaits(push().run());
    assert_eq!((host.count(), repo.tip()), (1, tip));
    host.merge(1, Merge::Squash);
    push().run().exits(0).has_outcome("verifying");
    assert_eq!(host.count(), 1);
}

/// The finding of doctor about the forge: its state and what was found.
fn rights(program: Program) -> (String, String) {
    let ran = program.arguments(&["doctor"]).run();
    let findings = ran.record["findings"].as_array().expect("a list");
    let found = findings
        .iter()
        .find(|finding| finding["subject"] == "forge rights");
    let found = found.unwrap_or_else(|| panic!("{ran}"));
    let text = |name: &str| found[name].as_str().unwrap_or_default().to_owned();
    (text("state"), text("found"))
}

#[test]
fn doctor_says_whether_pull_requests_can_be_opened() {
    let (world, gitlab) = on_gitlab();
    let (state, found) = rights(on(&world, &gitlab));
    assert_eq!((&*state, &*found), ("ok", "access level 30, scopes api"));
    // What reads is not enough; git itself would be refused on a real server.
    let reader = on(&world, &gitlab).env("GITOPS_TOKEN", GitlabServer::READER);
    let (state, found) = rights(reader);
    assert_eq!(
        (&*state, &*found),
        ("problem", "access level 30, scopes read_api")
    );

    if let Some((world, host, _)) = on_gitea() {
        let (state, found) = rights(host.program(&world));
        let granted = "push: true, pull requests: true, archived: false";
        assert_eq!((&*state, &*found), ("ok", granted));
        let wrong = host
            .program(&world)
            .env("GITOPS_TOKEN", "no-such-token-at-all");
        let (state, found) = rights(wrong);
        assert_eq!(state, "problem");
        assert!(found.contains("the credentials were refused"), "{found}");
    }
}
