//! What a rollback may meet, one story each.

use std::env;

use chrono::Utc;
use error_budget_monitor::journal::Phase;
use testkit::git::MonoRepo;
use testkit::github::{APP_ID, APP_KEY, GithubServer, INSTALLATION_ID, Merge};
use testkit::gitlab::GitlabServer;
use testkit::prometheus::{Month, shared_month};

use crate::deeds::Allowed;
use crate::scenarios::argocd::scene::{APP, Scene};
use crate::scenarios::program::Program;
use crate::scenarios::world::{REPOSITORY, TOKEN, World};
use crate::stage::Stage;

/// A story with its end.
pub(crate) struct Story {
    /// What it is about.
    pub(crate) name: &'static str,
    /// Sets the stage.
    pub(crate) stage: fn() -> Stage,
    /// What there may be in the end.
    pub(crate) allowed: Allowed,
}

/// All stories.
pub(crate) const STORIES: &[Story] = &[
    Story {
        name: "a push",
        stage: pushing,
        allowed: Allowed::ONE_COMMIT,
    },
    Story {
        name: "a push on top of another team's commits",
        stage: || Stage::of(World::with_a_bad_release().0),
        allowed: Allowed::ONE_COMMIT,
    },
    Story {
        name: "another team commits after every one of the first runs",
        stage: || Stage {
            meanwhile: |stage| {
                stage.at_most(3, || {
                    stage.world.other_team_commits();
                });
            },
            ..pushing()
        },
        allowed: Allowed::ONE_COMMIT,
    },
    Story {
        name: "another team pushes first",
        stage: other_team_first,
        allowed: Allowed::ONE_COMMIT,
    },
    Story {
        name: "the service's team pushes first",
        stage: own_team_first,
        allowed: Allowed::NOTHING,
    },
    Story {
        name: "two paths",
        stage: two_paths,
        allowed: Allowed::ONE_COMMIT,
    },
    Story {
        name: "a push that is refused",
        stage: || {
            let stage = pushing();
            stage.world.repo().decline_pushes("main is protected");
            stage
        },
        allowed: Allowed::NOTHING,
    },
    Story {
        name: "a person names the commit",
        stage: || {
            let stage = pushing();
            let v1 = stage.world.v1.clone();
            by_a_person(stage, &["rollback", "gitops", "--to", &v1])
        },
        allowed: Allowed::ONE_COMMIT,
    },
    Story {
        name: "a person names nothing",
        stage: || by_a_person(pushing(), &["rollback", "--reason", "the pager went off"]),
        allowed: Allowed::ONE_COMMIT,
    },
    Story {
        name: "it helps",
        stage: || {
            let stage = pushing();
            Stage {
                calm: Some(calmed(&stage.program)),
                ..stage
            }
        },
        allowed: Allowed::ONE_COMMIT,
    },
    Story {
        name: "it does not help",
        stage: || {
            let stage = pushing();
            Stage {
                program: stage.program.env("VERIFY_DEADLINE", "0s"),
                ..stage
            }
        },
        allowed: Allowed::ONE_COMMIT,
    },
    Story {
        name: "limits are switched off and it does not help",
        stage: || {
            let stage = pushing();
            Stage {
                program: stage
                    .program
                    .env("VERIFY_DEADLINE", "0s")
                    .env("COOLDOWN", "0s")
                    .env("MAX_ROLLBACKS_PER_HOUR", "9")
                    .env("MAX_ROLLBACKS_PER_DAY", "9"),
                ..stage
            }
        },
        allowed: Allowed::ONE_COMMIT,
    },
    Story {
        name: "an App commits",
        stage: by_app,
        allowed: Allowed::ONE_COMMIT,
    },
    Story {
        name: "an App commits and another team is faster",
        stage: || Stage {
            meanwhile: |stage| {
                stage.at_most(3, || {
                    stage.world.other_team_commits();
                });
            },
            ..by_app()
        },
        allowed: Allowed::ONE_COMMIT,
    },
    Story {
        name: "a pull request that nobody answers",
        stage: by_pull_request,
        allowed: Allowed::ONE_PULL,
    },
    Story {
        name: "a pull request that is squashed",
        stage: || merged(Merge::Squash),
        allowed: Allowed::ONE_MERGED,
    },
    Story {
        name: "a pull request that is merged",
        stage: || merged(Merge::Commit),
        allowed: Allowed::ONE_MERGED,
    },
    Story {
        name: "a pull request that is closed",
        stage: || Stage {
            meanwhile: |stage| once(stage, |github| github.close(1)),
            ..by_pull_request()
        },
        allowed: Allowed::ONE_PULL,
    },
    Story {
        name: "a pull request that expires",
        stage: || {
            let stage = by_pull_request();
            Stage {
                program: stage.program.env("APPROVAL_TIMEOUT", "0s"),
                ..stage
            }
        },
        allowed: Allowed::ONE_PULL,
    },
    Story {
        name: "a pull request that is overtaken",
        stage: || Stage {
            meanwhile: |stage| {
                let is_open = stage.github.as_ref().is_some_and(|it| it.pull_count() > 0);
                if is_open {
                    stage.at_most(1, || {
                        stage.world.release("v3", Utc::now());
                    });
                }
            },
            ..by_pull_request()
        },
        allowed: Allowed::ONE_PULL,
    },
    Story {
        name: "a protected branch and a pull request instead",
        stage: || {
            let stage = by_app();
            let github = stage.github.as_ref().expect("a GitHub");
            github.protect("main", &["pull_request"]);
            Stage {
                meanwhile: |stage| {
                    once(stage, |github| {
                        github.merge(1, Merge::Squash);
                    });
                },
                ..stage
            }
        },
        allowed: Allowed::ONE_MERGED,
    },
    Story {
        name: "a merge request on GitLab that nobody answers",
        stage: by_merge_request,
        allowed: Allowed::ONE_PULL,
    },
    Story {
        name: "a merge request on GitLab that is squashed",
        stage: || Stage {
            meanwhile: |stage| {
                let gitlab = stage.gitlab.as_ref().expect("a GitLab");
                if gitlab.count() > 0 {
                    stage.at_most(1, || {
                        gitlab.merge(1, Merge::Squash);
                    });
                }
            },
            ..by_merge_request()
        },
        allowed: Allowed::ONE_MERGED,
    },
    Story {
        name: "a merge request on GitLab that expires",
        stage: || {
            let stage = by_merge_request();
            Stage {
                program: stage.program.env("APPROVAL_TIMEOUT", "0s"),
                ..stage
            }
        },
        allowed: Allowed::ONE_PULL,
    },
    Story {
        name: "Argo CD follows the branch",
        stage: || with_argocd(Scene::auto()),
        allowed: Allowed::ONE_COMMIT.with_operations(0, 1),
    },
    Story {
        name: "Argo CD rolls back first",
        stage: || with_argocd(Scene::by_hand()),
        allowed: Allowed::ONE_COMMIT.with_operations(1, 1),
    },
    Story {
        name: "Argo CD syncs the revert",
        stage: || with_argocd(Scene::reverting()),
        allowed: Allowed::ONE_COMMIT.with_operations(1, 1),
    },
    Story {
        name: "the application alone",
        stage: || {
            let stage = with_argocd(Scene::by_hand());
            Stage {
                program: stage
                    .program
                    .without("GITOPS_REPO")
                    .without("GITOPS_TOKEN")
                    .without("GITOPS_PATH"),
                ..stage
            }
        },
        allowed: Allowed::NOTHING.with_operations(1, 1),
    },
    Story {
        name: "a person rolls the application back",
        stage: || by_a_person(with_argocd(Scene::by_hand()), &["rollback", "argocd"]),
        allowed: Allowed::NOTHING.with_operations(1, 1),
    },
    Story {
        name: "a person agrees to a plan",
        stage: || Stage {
            meanwhile: |stage| says(stage, "approve"),
            ..asking()
        },
        allowed: Allowed::ONE_COMMIT,
    },
    Story {
        name: "a person refuses a plan",
        stage: || Stage {
            meanwhile: |stage| says(stage, "reject"),
            ..asking()
        },
        allowed: Allowed::NOTHING,
    },
    Story {
        name: "nobody answers a plan",
        stage: || {
            let stage = asking();
            Stage {
                program: stage.program.env("APPROVAL_TIMEOUT", "0s"),
                ..stage
            }
        },
        allowed: Allowed::NOTHING,
    },
];

/// Returns all stories, or those that `FAULTS_STORY` names a piece of, for someone who looks into one of them.
pub(crate) fn chosen() -> Vec<&'static Story> {
    let piece = env::var("FAULTS_STORY").unwrap_or_default();
    let is_chosen = |story: &&Story| story.name.contains(&piece);
    STORIES.iter().filter(is_chosen).collect()
}

/// A bad release that is the newest commit.
pub(crate) fn pushing() -> Stage {
    let world = World::of("bad-release");
    world.release("v2", shared_month().deployed_at());
    Stage::of(world)
}

/// A service that is rolled back only where a person agrees.
fn asking() -> Stage {
    let stage = pushing();
    Stage {
        program: stage.program.env("REQUIRE_APPROVAL", "true"),
        ..stage
    }
}

/// Lets a person answer whatever waits for a word.
fn says(stage: &Stage, word: &str) {
    let waiting = stage.world.in_flight();
    let Some(plan) = waiting.filter(|it| it.phase == Phase::Awaiting && it.answer().is_none())
    else {
        return;
    };
    let program = stage.program.clone().arguments(&[word, &plan.id]);
    program.run().exits(0);
}

fn by_a_person(stage: Stage, arguments: &[&str]) -> Stage {
    Stage {
        first: Some(stage.program.clone().arguments(arguments)),
        // What is seen is what the person did.
        program: stage.program.without("ROLLBACK_ENABLED"),
        ..stage
    }
}

/// The other team pushes between the look and the push of every run.
fn other_team_first() -> Stage {
    let stage = pushing();
    let team = stage.world.team.clone();
    stage.world.server.before_next_push(move || {
        team.release("payments", "v99", 0.0, Utc::now());
    });
    stage
}

fn own_team_first() -> Stage {
    let stage = pushing();
    let team = stage.world.team.clone();
    stage.world.server.before_next_push(move || {
        team.release("bad-release", "v3", 0.0, Utc::now());
    });
    stage
}

/// Two folders of the same service.
fn two_paths() -> Stage {
    let stage = pushing();
    let at = shared_month().deployed_at();
    let theirs = MonoRepo::path("payments");
    stage.world.team.release("payments", "v2", 0.0, at);
    let paths = vec![stage.world.path(), theirs];
    Stage {
        program: stage.program.env("GITOPS_PATH", &paths.join(",")),
        paths,
        ..stage
    }
}

/// The program, asking about a service that does not fail: what the bad one is like once it is put back.
fn calmed(program: &Program) -> Program {
    let labels = format!(r#"namespace="{}",service="healthy""#, Month::NAMESPACE);
    let count =
        |labels: &str| format!("sum(increase(http_requests_total{{{labels}}}[${{WINDOW}}]))");
    program.clone().env("SLI_TOTAL_QUERY", &count(&labels)).env(
        "SLI_BAD_QUERY",
        &count(&format!(r#"{labels},status=~"5..""#)),
    )
}

fn on_github() -> Stage {
    let (world, _) = World::with_a_bad_release();
    let github = GithubServer::in_front_of(&world.server, REPOSITORY, Some(TOKEN));
    let stage = Stage::of(world);
    Stage {
        program: stage
            .program
            .env("GITOPS_REPO", REPOSITORY)
            .env("GITOPS_API_URL", &github.api_url()),
        github: Some(github),
        ..stage
    }
}

pub(crate) fn by_app() -> Stage {
    let stage = on_github();
    Stage {
        program: stage
            .program
            .without("GITOPS_TOKEN")
            .env("GITHUB_APP_ID", &APP_ID.to_string())
            .env("GITHUB_APP_INSTALLATION_ID", &INSTALLATION_ID.to_string())
            .env("GITHUB_APP_PRIVATE_KEY", APP_KEY),
        ..stage
    }
}

pub(crate) fn by_pull_request() -> Stage {
    let stage = on_github();
    Stage {
        program: stage
            .program
            .env("GITOPS_TOKEN", GithubServer::TOKEN)
            .env("GITOPS_MODE", "pull-request"),
        ..stage
    }
}

/// The same on a GitLab, where the commit is pushed to a branch of our own.
pub(crate) fn by_merge_request() -> Stage {
    let (world, _) = World::with_a_bad_release();
    let gitlab = GitlabServer::in_front_of(&world.server, REPOSITORY, TOKEN);
    let stage = Stage::of(world);
    Stage {
        program: stage
            .program
            .env("GITOPS_REPO", &format!("{}/{REPOSITORY}.git", gitlab.url()))
            .env("GITOPS_API_URL", &gitlab.api_url())
            .env("GITOPS_TOKEN", GitlabServer::TOKEN)
            .env("GITOPS_MODE", "pull-request"),
        gitlab: Some(gitlab),
        ..stage
    }
}

fn merged(how: Merge) -> Stage {
    let meanwhile: fn(&Stage) = match how {
        Merge::Squash | Merge::Rebase => |stage| {
            once(stage, |github| {
                github.merge(1, Merge::Squash);
            });
        },
        Merge::Commit => |stage| {
            once(stage, |github| {
                github.merge(1, Merge::Commit);
            });
        },
    };
    Stage {
        meanwhile,
        ..by_pull_request()
    }
}

/// Lets a person answer a pull request once it is there.
fn once(stage: &Stage, answer: impl FnOnce(&GithubServer)) {
    let github = stage.github.as_ref().expect("a GitHub");
    if github.pull_count() > 0 {
        stage.at_most(1, || answer(github));
    }
}

pub(crate) fn with_argocd(scene: Scene) -> Stage {
    let program = scene.program().env("VERIFY_TIMEOUT", "3s");
    let Scene { world, argo, .. } = scene;
    let stage = Stage::of(world);
    assert!(argo.look(|known| !known.app(APP).status.history.is_empty()));
    Stage {
        program,
        argo: Some(argo),
        ..stage
    }
}
