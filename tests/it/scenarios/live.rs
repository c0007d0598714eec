//! What counts as deployed is what passes saw at the tip of the branch, not what the dates of commits say.

use std::fs;

use chrono::{DateTime, TimeDelta, Utc};
use error_budget_monitor::journal::{self, Journal, SeenTip, Watch};
use testkit::git::Fault;
use testkit::prometheus::{
    Backfill, History, Month, Prometheus, ServiceLabels, Traffic, shared_month,
};

use super::program::Ran;
use super::world::{REPOSITORY, World};

/// When the bad release went out.
fn went_out() -> DateTime<Utc> {
    shared_month().deployed_at()
}

/// A time some minutes before the bad release went out.
fn before(minutes: i64) -> DateTime<Utc> {
    went_out() - TimeDelta::minutes(minutes)
}

impl World {
    /// Lets earlier passes have seen tips, the oldest first: each with the first and the last pass that saw it.
    fn passes_saw(&self, tips: &[(&str, DateTime<Utc>, DateTime<Utc>)]) {
        let seen = tips
            .iter()
            .map(|(revision, first_seen, last_seen)| SeenTip {
                revision: (*revision).to_owned(),
                first_seen: *first_seen,
                last_seen: *last_seen,
            });
        let watch = Watch {
            place: format!("main of {}", self.server.url(REPOSITORY)),
            tips: seen.collect(),
        };
        let mut journal = Journal::open(&self.state_file()).expect("a usable state");
        journal.watched(&self.key(), watch);
        journal.write_what_is_due().expect("a writable state");
    }

    /// Returns what is remembered of the branch.
    fn watch(&self) -> Option<Watch> {
        let state = journal::read(&self.state_file())
            .expect("a usable state")
            .state;
        state.service(&self.key()).watch
    }
}

/// Says from whom the record knows what is live.
#[track_caller]
fn live(ran: &Ran) -> (String, String) {
    (ran.text("/live/revision"), ran.text("/live/source"))
}

#[test]
fn of_commits_that_were_pushed_together_only_the_newest_was_live_and_none_of_the_others_is_a_target()
 {
    let world = World::of("bad-release");
    // The fault is in the older one, which never ran by itself: by its date it was live for three days, and healthy.
    world.release("v2", before(3 * 1440));
    let pushed = world.release("v3", went_out());
    world.passes_saw(&[
        (&world.v1, before(120), before(2)),
        (&pushed, before(-2), before(-20)),
    ]);

    let ran = world.runs(&["run"]).exits(0).decides("rollback", "trigger");

    world.one_commit_restores(&pushed, &world.v1, &pushed);
    assert_eq!(live(&ran), (pushed, "tip".to_owned()));
    let target = ran.gate("target")["detail"].to_string();
    assert!(target.contains("was never seen live"), "{ran}");
}

#[test]
fn an_old_commit_was_deployed_when_a_pass_first_saw_it() {
    let world = World::of("bad-release");
    let v2 = world.release("v2", before(2 * 1440));
    world.passes_saw(&[
        (&world.v1, before(120), before(2)),
        (&v2, before(-2), before(-20)),
    ]);
    let ran = world.runs(&["run"]).exits(0).decides("rollback", "trigger");
    world.one_commit_restores(&v2, &world.v1, &v2);
    assert_eq!(ran.record["attribution"]["suspect"], *v2);
}

#[test]
fn a_date_of_tomorrow_does_not_decide_once_a_pass_saw_the_commit_arrive() {
    let world = World::of("bad-release");
    let v2 = world.release("v2", Utc::now() + TimeDelta::hours(20));
    world.passes_saw(&[
        (&world.v1, before(120), before(2)),
        (&v2, before(-2), before(-20)),
    ]);
    world.runs(&["run"]).exits(0).decides("rollback", "trigger");
    world.one_commit_restores(&v2, &world.v1, &v2);
}

#[test]
fn a_commit_that_arrived_while_nobody_looked_is_not_blamed_for_what_began_meanwhile() {
    let world = World::of("bad-release");
    // Its date lies right before the burn, and so it may be; but it was seen two hours after the pass before.
    let v2 = world.release("v2", went_out());
    world.passes_saw(&[
        (&world.v1, before(300), before(100)),
        (&v2, before(-22), before(-23)),
    ]);
    let ran = world.nothing_changed_but_the_lock_by(&world.program());
    let ran = ran.exits(0).decides("hold", "not_attributable");
    let why = ran.text("/decision/detail");
    assert!(why.contains("in which nobody looked"), "{ran}");
}

#[test]
fn in_the_first_hour_dates_count_and_the_record_says_so() {
    let (world, v2) = World::with_a_bad_release();
    let strict = world.program().env("REQUIRE_SEEN_LIVE", "true");
    let ran = world.nothing_changed_but_the_lock_by(&strict);
    let ran = ran.exits(0).decides("hold", "not_attributable");
    let ran = ran.fails_only(&["attribution"]);
    assert!(
        ran.text("/decision/detail").contains("REQUIRE_SEEN_LIVE"),
        "{ran}"
    );

    let ran = world.runs(&["run"]).exits(0).decides("rollback", "trigger");
    assert_eq!(live(&ran), (v2, "commit_date".to_owned()));
}

#[test]
fn what_passes_saw_for_an_hour_is_enough_where_it_is_required() {
    let world = World::of("bad-release");
    let v2 = world.release("v2", went_out());
    world.passes_saw(&[
        (&world.v1, before(120), before(2)),
        (&v2, before(-2), before(-20)),
    ]);
    let strict = world.program().env("REQUIRE_SEEN_LIVE", "true");
    strict.run().exits(0).decides("rollback", "trigger");
    world.one_commit_restores(&v2, &world.v1, &v2);
}

#[test]
fn a_healthy_pass_sees_the_tip_by_one_request_and_remembers_it() {
    let world = World::of("healthy");
    let ran = world.runs(&["run"]).exits(0).decides("none", "healthy");
    let tip = world.repo().tip();
    assert_eq!(live(&ran), (tip.clone(), "tip".to_owned()));
    let requests: Vec<String> = world
        .server
        .requests()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(requests, ["POST /platform/gitops.git/git-upload-pack 200"]);
    let watch = world.watch().expect("it was written down");
    let tips: Vec<&str> = watch.tips.iter().map(|seen| &*seen.revision).collect();
    assert_eq!(tips, [&*tip]);

    // The days of the SLO window are counted by four passes.
    for _ in 0..4 {
        world.runs(&["run"]).exits(0);
    }
    // Nothing changed, so nothing is written.
    let written = fs::read(world.state_file()).expect("our own file");
    world.runs(&["run"]).exits(0);
    assert_eq!(fs::read(world.state_file()).expect("our own file"), written);

    let newer = world.other_team_commits();
    world.runs(&["run"]).exits(0);
    let watch = world.watch().expect("it was written down");
    let tips: Vec<&str> = watch.tips.iter().map(|seen| &*seen.revision).collect();
    assert_eq!(tips, [&*tip, &*newer]);
}

#[test]
fn a_healthy_pass_is_healthy_where_the_repository_cannot_be_asked() {
    let world = World::of("healthy");
    for fault in [Fault::Down, Fault::Status(403), Fault::Status(500)] {
        world.server.set_fault(fault);
        let ran = world.runs(&["run"]).exits(0).decides("none", "healthy");
        let ran = ran.complains_of_nothing();
        assert!(ran.record["live"].is_null(), "{ran}");
        assert!(ran.stderr.contains("is not seen by this pass"), "{ran}");
    }
    assert_eq!(world.watch(), None);
}

/// Commits another text about the service, which changes nothing that is deployed.
fn writes_a_readme(world: &World, at: DateTime<Utc>) -> String {
    let path = format!("{}/README.md", world.path());
    let text = format!("Written at {at}.\n");
    world
        .repo()
        .commit("Say more about it", at, &[(&path, Some(&text))])
}

#[test]
fn a_commit_that_changes_a_readme_is_no_deployment_and_is_not_blamed() {
    let world = World::of("bad-release");
    // Something else began to fail when somebody wrote a text.
    let text = writes_a_readme(&world, went_out());
    let ran = world.nothing_changed_but_the_lock_by(&world.program());
    let ran = ran.exits(0).decides("hold", "not_attributable");
    assert_eq!(ran.record["deployment"]["revision"], *world.v1, "{ran}");

    // It would be one if it were not left out.
    let all = world
        .program()
        .env("GITOPS_IGNORE", "none")
        .arguments(&["--dry-run"]);
    let ran = all.run().exits(0).decides("rollback", "trigger");
    assert_eq!(ran.record["rollback"]["from"], *text);
}

#[test]
fn commits_of_readmes_do_not_count_as_deployments_on_the_way_back() {
    let world = World::of("bad-release");
    // Each text was live for so short a time that nobody could call it healthy.
    for minutes in [20, 15, 10, 5] {
        writes_a_readme(&world, before(minutes));
    }
    let v2 = world.release("v2", went_out());
    let tip = writes_a_readme(&world, before(-5));
    let program = world
        .program()
        .env("MAX_REVISIONS_BACK", "1")
        .arguments(&["--dry-run"]);
    let ran = program.run().exits(0).decides("rollback", "trigger");
    assert_eq!(ran.record["rollback"]["from"], *v2, "{ran}");
    assert_eq!(ran.record["rollback"]["to"], *world.v1, "{ran}");
    assert_eq!(world.repo().tip(), tip);
}

/// Some hours of two services that fail since [`went_out`]: the pod of `same-pods` is the one of before, and that of
/// `new-image` is called as before and runs another image.
fn pods_without_a_rollout() -> Prometheus {
    let now = shared_month().now;
    let begin = now - TimeDelta::hours(9);
    let end = now + TimeDelta::minutes(Month::FUTURE_MINUTES);
    let failing = |service: &str, pod: &str| {
        History::new(ServiceLabels::new(Month::NAMESPACE, service))
            .label("pod", pod)
            .segment(begin, went_out(), Traffic::healthy(20.0))
            .segment(went_out(), end, Traffic::healthy(20.0).errors(0.2))
    };
    let image = |version: &str| {
        let namespace = Month::NAMESPACE;
        format!(
            "kube_pod_container_info{{namespace=\"{namespace}\",pod=\"new-image-0\",container=\"app\",image=\"shop/app:{version}\"}}"
        )
    };
    let backfill = Backfill::new(now)
        .service(failing("same-pods", "same-pods-5d9f7c6b8-x2x4z"))
        .service(failing("new-image", "new-image-0"))
        .gauge(&image("1"), begin, went_out(), 1.0)
        .gauge(&image("2"), went_out() + TimeDelta::seconds(15), end, 1.0);
    Prometheus::start(&backfill)
}

#[test]
fn where_only_dates_are_known_the_pods_say_whether_the_release_is_live() {
    let prometheus = pods_without_a_rollout();
    let strict = |world: &World| {
        let program = world.program().env("REQUIRE_SEEN_LIVE", "true");
        program.arguments(&["--dry-run"]).run().exits(0)
    };

    // Pods of a new replica set serve since the commit.
    let world = World::of("bad-rollout");
    let v2 = world.release("v2", went_out());
    let ran = strict(&world).decides("rollback", "trigger");
    assert_eq!(live(&ran), (v2, "pods".to_owned()));

    // The pod of a stateful set keeps its name, and runs another image.
    let world = World::at(&prometheus.url(), "new-image");
    let v2 = world.release("v2", went_out());
    let ran = strict(&world).decides("rollback", "trigger");
    assert_eq!(live(&ran), (v2, "pods".to_owned()));

    // Whatever began to fail, it was not brought by new pods; the commit may not be deployed at all.
    let world = World::at(&prometheus.url(), "same-pods");
    world.release("v2", went_out());
    let ran = world.nothing_changed_but_the_lock_by(&world.program());
    let ran = ran.exits(0).decides("hold", "not_attributable");
    let why = ran.text("/decision/detail");
    assert!(why.contains("replica sets that were there before"), "{ran}");

    // What passes saw at the tip for an hour needs no pods: settings can change without them.
    world.passes_saw(&[
        (&world.v1, before(120), before(2)),
        (&world.repo().tip(), before(-2), before(-20)),
    ]);
    let ran = world.program().arguments(&["--dry-run"]).run().exits(0);
    let ran = ran.decides("rollback", "trigger");
    assert_eq!(ran.text("/live/source"), "tip");
}
