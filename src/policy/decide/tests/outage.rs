//! A service that is gone: nothing is counted, and no pod is ready.

use super::*;
use crate::slo::fixture::counted;

/// A release that crashes since it was deployed, eleven minutes ago; old pods served for one minute more.
fn outage() -> Case {
    gone_since(minutes(10)).deployed(minutes(11))
}

fn gone_since(ago: Duration) -> Case {
    let healthy = [(days(40), 0.0002)];
    let mut case = case()
        .world(|_| {
            let minutes = ago.num_seconds() as f64 / 60.0;
            world().consumed(0.6).fell(minutes, 0.0).without_pods()
        })
        .errors_since(&healthy);
    case.story.silent = vec![(ago, Duration::zero())];
    case
}

fn reason(case: &Case) -> Reason {
    case.decide().reason
}

#[test]
fn an_outage_that_came_with_a_release_is_rolled_back() {
    let decision = outage().decide();
    assert_eq!(decision.reason, Reason::Trigger, "{decision:#?}");
    assert_eq!(plan(&decision).map(|plan| plan.to.as_str()), Some("good"));
    let attribution = decision.attribution.as_ref().expect("looked back");
    assert_eq!(attribution.verdict, Blame::Deployment);
    let detail = |name| gate(&decision, name).detail.clone();
    assert!(detail(GateName::Data).contains("no ready pods"));
    assert!(detail(GateName::Burning).contains("availability: no ready pods"));
    insta::assert_snapshot!(detail(GateName::Significance), @"6000 lost of 6000 events prove more than 90.00 % (p = 3e-275)");
    // Before, 20 requests per second; since it was gone, nothing.
    let (before, after) = attribution.sides.expect("counted");
    assert_eq!((before.bad(), after.bad()), (0.0, 11_400.0));
}

#[test]
fn an_outage_that_nothing_proves_is_not() {
    let mut unasked = outage();
    unasked.world.pods = None;
    assert_eq!(reason(&unasked), Reason::UnknownData);
    for reading in [
        Reading::NoSeries,
        Reading::Stale {
            age: std::time::Duration::from_secs(600),
        },
        Reading::Partial { why: String::new() },
    ] {
        let mut unknown = outage();
        unknown.world.pods = Some(reading);
        assert_eq!(reason(&unknown), Reason::UnknownData);
    }
}

#[test]
fn an_outage_is_blamed_on_what_came_right_before_it() {
    // The deployment may be the attempt to mend it.
    assert_eq!(
        reason(&gone_since(minutes(20)).deployed(minutes(6))),
        Reason::NotAttributable
    );
    assert_eq!(
        reason(&gone_since(minutes(10)).deployed(hours(3))),
        Reason::NotAttributable
    );
    // It failed before it was gone.
    let failed = outage().errors_since(&[(days(40), 0.0002), (minutes(40), 0.5)]);
    assert_eq!(reason(&failed), Reason::NotAttributable);
}

#[test]
fn an_outage_is_judged_since_it_began() {
    // Pods that crash after twenty good minutes, at an hour at which half as many requests again come as usual.
    let mut late = gone_since(minutes(10)).deployed(minutes(30));
    late.story.rate = 30.0;
    let decision = late.decide();
    assert_eq!(decision.reason, Reason::Trigger, "{decision:#?}");
    let attribution = decision.attribution.as_ref().expect("looked back");
    let (before, after) = attribution.sides.expect("counted");
    assert_eq!((before.bad(), after.error_ratio()), (0.0, 1.0));
    assert_eq!(plan(&decision).map(|plan| plan.to.as_str()), Some("good"));
}

#[test]
fn an_outage_had_begun_only_where_a_quarter_of_one_was_missing() {
    let dipped = |seconds: i64| {
        let mut case = outage();
        let from = Duration::seconds(11 * 60 + 75);
        case.story
            .silent
            .push((from, from - Duration::seconds(seconds)));
        reason(&case)
    };
    // Some requests fewer in the last minute before the deployment, as they come by themselves.
    assert_eq!(dipped(12), Reason::Trigger);
    assert_eq!(dipped(30), Reason::NotAttributable);
    assert_eq!(dipped(75), Reason::NotAttributable);
}

#[test]
fn a_service_without_many_events_may_be_silent_by_chance() {
    let quiet = |per_second: f64| {
        let mut case = outage().world(|world| {
            world.but(|it| {
                let share = per_second / 20.0;
                it.m30 = counted(0.0, 1200.0 * share);
                it.h1 = counted(0.0, 3000.0 * share);
                it.h6 = counted(0.0, 21_000.0 * share);
            })
        });
        case.story.rate = per_second;
        reason(&case)
    };
    assert_eq!(quiet(1.0), Reason::Trigger);
    assert_eq!(quiet(0.1), Reason::InsufficientTraffic);
}

#[test]
fn the_switches_hold_for_an_outage_too() {
    let but = |change: fn(&mut crate::policy::Settings)| reason(&outage().settings(change));
    assert_eq!(
        but(|it| it.auto_rollback_critical = false),
        Reason::Disabled
    );
    assert_eq!(but(|it| it.by_itself = ByItself::No), Reason::Disabled);
    assert_eq!(
        but(|it| it.require_approval = true),
        Reason::AwaitingApproval
    );
}

#[test]
fn what_made_it_worse_is_no_target_again() {
    let mut worse = past("bad", "good", days(3), Phase::Ineffective);
    worse.from = "another".to_owned();
    worse.from_state = None;
    let again = case().past(worse.clone());
    assert_eq!(target(&again).as_deref(), Some("good"));
    worse.made_it_worse = true;
    let again = case().past(worse.clone());
    assert_eq!(target(&again).as_deref(), Some("older"));
    // A person may lift that.
    worse.is_released = true;
    assert_eq!(target(&case().past(worse)).as_deref(), Some("good"));
}
