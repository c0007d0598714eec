//! Whether a deployment is to blame.

use super::*;

#[test]
fn a_deployment_is_blamed_only_within_the_window() {
    let at = |before: Duration| gate(&recently(before).decide(), GateName::Attribution).state;
    // 20 % errors for as long as the deployment is old.
    fn recently(before: Duration) -> Case {
        let share = |minutes: f64| {
            let minutes_bad = before.num_seconds().max(0) as f64 / 60.0;
            0.0002 + 0.2 * (minutes_bad / minutes).min(1.0)
        };
        case().deployed(before).world(|world| {
            world
                .errors(0.0)
                .windows([share(5.0), share(30.0), share(60.0), share(360.0)])
        })
    }
    for (before, state) in [
        (Duration::seconds(-61), GateState::Fail),
        (Duration::seconds(90), GateState::Pass),
        (minutes(3), GateState::Pass),
        (minutes(5), GateState::Pass),
        (minutes(17), GateState::Pass),
        (minutes(30), GateState::Pass),
        (minutes(45), GateState::Pass),
        (minutes(60), GateState::Pass),
        (minutes(60) + Duration::seconds(1), GateState::Fail),
    ] {
        assert_eq!(at(before), state, "{before}");
    }
}

#[test]
fn a_burn_that_began_before_the_deployment_is_not_its_fault() {
    let verdict = |case: Case| {
        let attribution = case.decide().attribution.expect("asked");
        (attribution.verdict, attribution.why)
    };
    let bad = Some(0.2);
    let good = Some(0.0);
    let table = [
        (
            "violated for longer",
            case().deployed(minutes(2)),
            Blame::NotDeployment,
        ),
        (
            "violated for as long, within a minute",
            case()
                .deployed(minutes(4))
                .world(|w| w.windows([0.16, 0.027, 0.0136, 0.0025])),
            Blame::Deployment,
        ),
        (
            "seen to begin before",
            case()
                .deployed(minutes(8))
                .world(|w| w.slices(&[vec![good; 5], vec![bad; 20]].concat())),
            Blame::NotDeployment,
        ),
        (
            "bad for hours",
            case().world(|w| w.windows([0.2; 4])),
            Blame::NotDeployment,
        ),
        (
            "bad for 50 minutes, deployed 20 minutes ago",
            case().world(|w| w.windows([0.2, 0.2, 0.167, 0.028])),
            Blame::NotDeployment,
        ),
        (
            "bad for 29 minutes, deployed 6 minutes ago",
            case()
                .deployed(minutes(6))
                .world(|w| w.windows([0.2, 0.193, 0.097, 0.0163])),
            Blame::NotDeployment,
        ),
        (
            "bad for an hour, deployed 10 seconds ago",
            case()
                .deployed(Duration::seconds(10))
                .world(|w| w.errors(0.0).windows([0.2, 0.004, 0.03, 0.006])),
            Blame::NotDeployment,
        ),
        (
            "not doubled",
            case().world(|w| w.windows([0.02, 0.02, 0.0155, 0.01]).errors(0.02)),
            Blame::NotDeployment,
        ),
    ];
    for (name, case, expected) in table {
        let (verdict, why) = verdict(case);
        assert_eq!(verdict, expected, "{name}: {why}");
    }
}

#[test]
fn what_was_before_must_have_been_measured() {
    // The service counts its first events after the deployment.
    let newborn = |slices: &[Option<f64>]| {
        let first = |measurement: &mut crate::slo::Measurement| {
            measurement.m30 = measurement.m5.clone();
            measurement.h1 = measurement.m5.clone();
            measurement.h6 = measurement.m5.clone();
        };
        let case = case().world(|world| world.slices(slices).but(first));
        case.decide().attribution.map(|found| found.verdict)
    };
    assert_eq!(newborn(&[Some(0.2); 11]), Some(Blame::Unknown));
    let began = [vec![Some(0.0); 3], vec![Some(0.2); 11]].concat();
    assert_eq!(newborn(&began), Some(Blame::Deployment));
}

#[test]
fn slow_requests_are_blamed_only_when_they_were_seen_to_begin() {
    let slow = |shares: &[Option<f64>]| {
        let case = case().world(|_| world().consumed(0.6).slow(shares));
        let decision = case.decide();
        (
            decision.reason,
            decision.attribution.map(|found| found.verdict),
        )
    };
    let blind = slow(&[Some(0.1); 11]);
    assert_eq!(blind, (Reason::NotAttributable, Some(Blame::Unknown)));
    let began = slow(&[vec![Some(0.0); 9], vec![Some(0.1); 31]].concat());
    assert_eq!(began, (Reason::Trigger, Some(Blame::Deployment)));
    let earlier = slow(&[vec![Some(0.0); 9], vec![Some(0.1); 45]].concat());
    assert_eq!(
        earlier,
        (Reason::NotAttributable, Some(Blame::NotDeployment))
    );
}
