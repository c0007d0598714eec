//! Whether a deployment is to blame.

use super::*;
use crate::policy::{Answer, PodEvents};
use crate::slo::{Events, SliceHistory};

const CALM: f64 = 0.0002;

fn verdict(case: &Case) -> (Blame, String) {
    let attribution = case.decide().attribution.expect("asked");
    (attribution.verdict, attribution.why)
}

#[test]
fn a_deployment_is_blamed_only_within_the_window() {
    let lag = |lag: Duration| {
        let burning = minutes(20);
        let case = case().changes(vec![change("bad", burning + lag), change("good", days(2))]);
        let decision = case.decide();
        let found = decision.attribution.as_ref().expect("asked");
        // Slices lie half a minute apart.
        let seen = found.lag.expect("an onset");
        assert!((seen - lag).abs() <= minutes(1), "{seen} instead of {lag}");
        gate(&decision, GateName::Attribution).state
    };
    for (span, state) in [
        (minutes(-2), GateState::Fail),
        (Duration::zero(), GateState::Pass),
        (minutes(3), GateState::Pass),
        (minutes(30), GateState::Pass),
        (minutes(59), GateState::Pass),
        (minutes(62), GateState::Fail),
        (hours(9), GateState::Fail),
    ] {
        assert_eq!(lag(span), state, "{span}");
    }
}

#[test]
fn the_age_of_a_deployment_does_not_matter_when_the_burn_followed_it() {
    for age in [minutes(6), minutes(40), hours(3), hours(30), days(6)] {
        let slow = case()
            .changes(vec![
                change("bad", age + minutes(2)),
                change("good", days(9)),
            ])
            .errors_since(&[(days(40), CALM), (age, 0.02)])
            .world(|world| world.windows([0.02; 4]).errors(0.02).consumed(0.9));
        let decision = slow.decide();
        assert_eq!(
            decision.reason,
            Reason::Trigger,
            "{age}: {}",
            decision.detail
        );
        let lag = decision.attribution.and_then(|found| found.lag);
        let lag = lag.expect("an onset");
        assert!((lag - minutes(2)).abs() <= minutes(1), "{age}: {lag}");
    }
}

#[test]
fn a_burn_that_began_before_the_deployment_is_not_its_fault() {
    let since = |before: Duration| [(days(40), CALM), (before, 0.2)];
    let table = [
        (
            "burning for longer",
            case().deployed(minutes(2)),
            Blame::NotDeployment,
        ),
        (
            "burning for as long, within half a minute",
            case().deployed(minutes(20) - Duration::seconds(25)),
            Blame::Deployment,
        ),
        (
            "burning for nearly a minute longer",
            case().deployed(minutes(20) - Duration::seconds(50)),
            Blame::Unknown,
        ),
        (
            "bad as far back as was looked",
            case().errors_since(&[(days(40), 0.2)]),
            Blame::NotDeployment,
        ),
        (
            "bad for 50 minutes, deployed 20 minutes ago",
            case().errors_since(&since(minutes(50))),
            Blame::NotDeployment,
        ),
        (
            "a dependency that failed 20 minutes ago, deployed three days ago",
            case().deployed(days(3)),
            Blame::NotDeployment,
        ),
        (
            "an outage that was hardly over",
            case().errors_since(&[
                (days(40), CALM),
                (minutes(40), 0.5),
                (minutes(30), CALM),
                (minutes(20), 0.2),
            ]),
            Blame::NotDeployment,
        ),
        (
            "an outage that was long over",
            case().errors_since(&[
                (days(40), CALM),
                (hours(4), 0.9),
                (hours(3), CALM),
                (minutes(20), 0.2),
            ]),
            Blame::Deployment,
        ),
        (
            "not doubled",
            case()
                .errors_since(&[(days(40), 0.0055), (minutes(20), 0.0105)])
                .world(|world| {
                    world
                        .windows([0.0105, 0.0088, 0.0072, 0.0058])
                        .errors(0.0105)
                }),
            Blame::Unknown,
        ),
    ];
    for (name, case, expected) in table {
        let (verdict, why) = verdict(&case);
        assert_eq!(verdict, expected, "{name}: {why}");
    }
}

#[test]
fn what_was_before_must_have_been_measured() {
    // The service counts its first events with the deployment.
    let newborn = case().errors_since(&[(minutes(20), 0.2)]);
    assert_eq!(verdict(&newborn).0, Blame::Unknown);
    // An hour before it is a comparison, twenty requests are none.
    let young = |before: Duration| {
        case()
            .errors_since(&[(minutes(20) + before, 0.0), (minutes(20), 0.02)])
            .world(|world| world.windows([0.02; 4]).errors(0.02))
    };
    assert_eq!(verdict(&young(minutes(60))).0, Blame::Deployment);
    let (blame, why) = verdict(&young(Duration::seconds(1)));
    assert_eq!(blame, Blame::Unknown, "{why}");
}

#[test]
fn slow_requests_are_blamed_like_errors() {
    let slow = |since: Duration| {
        let case = case()
            .errors_since(&[(days(40), CALM)])
            .slow_since(&[(days(40), 0.001), (since, 0.1)])
            .world(|_| world().consumed(0.6).slow(&[Some(0.1); 11]));
        let decision = case.decide();
        (
            decision.reason,
            decision.attribution.map(|found| found.verdict),
        )
    };
    let began = slow(minutes(19));
    assert_eq!(began, (Reason::Trigger, Some(Blame::Deployment)));
    let earlier = slow(minutes(25));
    let expected = (Reason::NotAttributable, Some(Blame::NotDeployment));
    assert_eq!(earlier, expected);
    assert_eq!(slow(days(40)), expected);
}

#[test]
fn pods_that_were_not_read_acquit_until_they_are() {
    let lost = |instead: Reading<Vec<PodEvents>>| {
        let decision = case().decide_seeing(|answer| match answer {
            Answer::Pods(at, _) => Answer::Pods(at, instead.clone()),
            other @ (Answer::SliceHistory(_) | Answer::WindowCounts(..)) => other,
        });
        (
            decision.reason,
            decision.attribution.expect("asked").verdict,
        )
    };
    let partial = Reading::Partial {
        why: "a store is away".to_owned(),
    };
    assert_eq!(lost(partial).0, Reason::UnknownData);
    // Series without the label are usual: the time before and after decides alone.
    assert_eq!(
        lost(Reading::NoSeries),
        (Reason::Trigger, Blame::Deployment)
    );
}

#[test]
fn old_pods_that_fail_alike_acquit_the_new_ones() {
    let old = "checkout-5d9f7c6b8-x2x4z";
    let new = "checkout-7f8b9c4d5-bbbbb";
    let side = |bad: f64, total: f64| {
        case().pods(
            &[(old, 0.0, 3000.0)],
            &[(old, bad, total), (new, 600.0, 3000.0)],
        )
    };
    assert_eq!(verdict(&side(1.0, 3000.0)).0, Blame::Deployment);
    let (blame, why) = verdict(&side(90.0, 3000.0));
    assert_eq!(blame, Blame::NotDeployment);
    assert!(why.contains("fails alike"), "{why}");
    assert_eq!(verdict(&side(20.0, 40.0)).0, Blame::NotDeployment);
    // A ratio that chance may have put over the limit acquits only where the new pods are not worse.
    let alike = case().pods(
        &[(old, 0.0, 3000.0)],
        &[(old, 22.0, 3000.0), (new, 30.0, 3000.0)],
    );
    assert_eq!(verdict(&alike).0, Blame::NotDeployment);
    assert_eq!(verdict(&side(22.0, 3000.0)).0, Blame::Deployment);
    // Too few requests on the old side, or one unlucky one, say nothing.
    assert_eq!(verdict(&side(0.0, 40.0)).0, Blame::Deployment);
    assert_eq!(verdict(&side(1.0, 60.0)).0, Blame::Deployment);
    // A stateful set keeps the names of its pods.
    let stateful = case().pods(&[("db-0", 0.0, 10.0)], &[("db-0", 600.0, 3000.0)]);
    assert_eq!(verdict(&stateful).0, Blame::Deployment);
}

#[test]
fn all_deployments_since_the_burn_began_are_suspects() {
    let two_bad = |second: Duration| {
        case().changes(vec![
            change("worse", second),
            change("bad", minutes(21)),
            change("good", days(2)),
        ])
    };
    let decision = two_bad(minutes(11)).decide();
    assert_eq!(decision.reason, Reason::Trigger, "{}", decision.detail);
    let plan = plan(&decision).expect("a plan");
    assert_eq!((plan.from.as_str(), plan.to.as_str()), ("worse", "good"));
    let attribution = decision.attribution.as_ref().expect("asked");
    assert_eq!(attribution.suspect, "bad");

    // A fix may need some minutes to show.
    for young in [minutes(3), minutes(10)] {
        let decision = two_bad(young).decide();
        assert_eq!(decision.reason, Reason::DeploymentInProgress, "{young}");
    }
    // It ended the burn, although the windows that end now still hold what it mended.
    let mended = two_bad(minutes(12)).errors_since(&[
        (days(40), CALM),
        (minutes(20), 0.2),
        (minutes(7), CALM),
    ]);
    assert_eq!(mended.decide().reason, Reason::DeploymentInProgress);
}

#[test]
fn a_deployment_of_some_minutes_is_too_young_to_be_judged() {
    let age = |age: Duration| {
        let young = case()
            .changes(vec![change("bad", age), change("good", days(2))])
            .errors_since(&[(days(40), CALM), (age, 0.2)]);
        verdict(&young)
    };
    let (blame, why) = age(minutes(4));
    assert_eq!(blame, Blame::Unknown, "{why}");
    assert!(why.contains("too young to be judged"), "{why}");
    assert_eq!(age(minutes(5)).0, Blame::Deployment);
}

#[test]
fn what_was_growing_already_is_not_blamed_on_a_deployment() {
    let grown = |right_before: f64| {
        let mut case = case().errors_since(&[
            (days(40), CALM),
            (minutes(31), right_before),
            (minutes(20), 0.14),
        ]);
        case.story.rate = 0.2;
        verdict(&case)
    };
    assert_eq!(grown(CALM).0, Blame::Deployment);
    let (blame, why) = grown(0.04);
    assert_ne!(blame, Blame::Deployment, "{why}");
}

#[test]
fn so_few_requests_that_it_may_have_begun_earlier_blame_nobody() {
    // 12 a minute, and 12 % of them fail since the deployment: two minutes without an error before it are usual then.
    let since = |ratio: f64| {
        let mut case = case()
            .deployed(minutes(12))
            .errors_since(&[(days(40), 0.0), (minutes(12), ratio)]);
        case.story.rate = 0.2;
        verdict(&case)
    };
    let (blame, why) = since(0.12);
    assert_eq!(blame, Blame::Unknown, "{why}");
    assert!(
        why.contains("do not exclude that it began earlier"),
        "{why}"
    );
    assert_eq!(since(0.5).0, Blame::Deployment);
    // What begins ten minutes after the deployment had not begun in the two before it.
    let mut late = case()
        .deployed(minutes(22))
        .errors_since(&[(days(40), 0.0), (minutes(12), 0.2)]);
    late.story.rate = 0.2;
    let (blame, why) = verdict(&late);
    assert_eq!(blame, Blame::Deployment, "{why}");
}

#[test]
fn a_deployment_after_a_burn_that_had_paused_is_not_to_blame() {
    let burnt = |ratio: f64| {
        verdict(&case().errors_since(&[
            (days(40), CALM),
            (minutes(70), ratio),
            (minutes(55), CALM),
            (minutes(20), 0.4),
        ]))
    };
    assert_eq!(burnt(CALM).0, Blame::Deployment);
    let (blame, why) = burnt(0.1);
    assert_eq!(blame, Blame::NotDeployment, "{why}");
    assert!(why.contains("was not healthy before it"), "{why}");
}

#[test]
fn what_grows_for_hours_is_not_blamed_on_a_deployment_early_in_it() {
    let began = 270;
    let mut errors = vec![(days(40), CALM)];
    errors.extend((0..began).step_by(10).map(|minute| {
        let ratio = 0.16 * f64::from(minute) / f64::from(began);
        (minutes(i64::from(began - minute)), ratio)
    }));
    let mut case = case().deployed(minutes(250)).errors_since(&errors);
    case.story.rate = 0.4;
    let (blame, why) = verdict(&case);
    assert_eq!(blame, Blame::NotDeployment, "{why}");
    assert!(why.contains("errors burn as now since"), "{why}");

    let case = case.settings(|settings| settings.attribution_window = Duration::hours(4));
    let (blame, why) = verdict(&case);
    assert_eq!(blame, Blame::Unknown, "{why}");
    assert!(why.contains("minutes right before it"), "{why}");
}

#[test]
fn errors_that_always_come_in_clusters_prove_less() {
    // 0.5 % before and 3 % since, of 60 requests a minute.
    let with = |clustered: bool| {
        let mut case = case()
            .errors_since(&[(days(40), 0.005), (minutes(20), 0.03)])
            .world(|world| world.windows([0.03, 0.02, 0.0133, 0.007]).errors(0.03));
        case.story.rate = 1.0;
        case.decide_seeing(move |answer| match answer {
            Answer::SliceHistory(course) if clustered => Answer::SliceHistory(SliceHistory {
                events: course.events.map(|slices| {
                    let cluster = |(index, slice): (usize, Option<Events>)| {
                        let events = slice?;
                        let bad = if index % 20 == 0 { 6.0 } else { events.bad() };
                        Events::new(bad, events.total())
                    };
                    slices.into_iter().enumerate().map(cluster).collect()
                }),
                ..course
            }),
            other @ (Answer::SliceHistory(_) | Answer::WindowCounts(..) | Answer::Pods(..)) => {
                other
            }
        })
        .attribution
        .expect("asked")
        .p_value
        .expect("compared")
    };
    assert!(
        with(true) > 3.0 * with(false),
        "{} {}",
        with(true),
        with(false)
    );
}

#[test]
fn an_innocent_release_shortly_before_the_bad_one_is_kept() {
    let case = case().changes(vec![
        change("bad", minutes(20)),
        change("innocent", minutes(50)),
        change("good", days(2)),
    ]);
    let decision = case.decide();
    let plan = plan(&decision).expect("a plan");
    assert_eq!((plan.from.as_str(), plan.to.as_str()), ("bad", "innocent"));
}

#[test]
fn a_person_who_put_it_back_already_is_not_outdone() {
    let reverted = case().changes(vec![
        change("revert", minutes(10)).with_state_of("good"),
        change("bad", minutes(21)),
        change("good", days(2)),
        change("older", days(4)),
    ]);
    let decision = reverted.decide();
    assert_eq!(decision.reason, Reason::IsARollback, "{}", decision.detail);
}

#[test]
fn errors_that_had_risen_right_before_the_deployment_began_without_it() {
    let risen = |errors: f64| {
        let ago = minutes(20);
        case()
            .errors_since(&[
                (days(40), CALM),
                (ago + Duration::seconds(95), errors),
                (ago, 0.2),
            ])
            .decide()
    };
    assert_eq!(risen(CALM).reason, Reason::Trigger);
    let decision = risen(0.02);
    assert_eq!(decision.reason, Reason::NotAttributable);
    let why = &decision.detail;
    assert!(why.contains("at least doubled already"), "{why}");
}

#[test]
fn a_cluster_of_ordinary_errors_at_the_level_emergency_is_no_proof() {
    // The budget is spent many times over, and 6 times as fast counts as burning then.
    let since = |errors: f64| {
        let mut case = case()
            .deployed(minutes(6))
            .world(|world| {
                world
                    .windows([0.03, 0.012, 0.0065, 0.004])
                    .errors(0.009)
                    .consumed(5.0)
            })
            .errors_since(&[(days(40), 0.003), (minutes(6), errors)]);
        case.story.rate = 0.7;
        case.decide()
    };
    let decision = since(0.04);
    assert_eq!(decision.reason, Reason::NotAttributable, "{decision:#?}");
    let why = &decision.detail;
    assert!(why.contains("too little to prove"), "{why}");
    assert!(!why.contains("right before"), "{why}");
    // At chances of 2e-12 and of 1e-13.
    assert_eq!(since(0.09).reason, Reason::NotAttributable);
    assert_eq!(since(0.1).reason, Reason::Trigger);
    assert_eq!(since(0.2).reason, Reason::Trigger);
}
