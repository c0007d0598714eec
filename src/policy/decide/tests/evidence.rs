//! What it takes to act at all.

use super::*;

#[test]
fn a_healthy_service_needs_nothing_and_asks_no_repository() {
    let mut healthy = case().world(|_| world());
    assert!(!needs_branch(&healthy.world.assess(), &healthy.settings));
    healthy.branch = BranchReading::NotAsked;
    let decision = healthy.decide();
    assert_eq!(
        (decision.action, decision.reason),
        (Action::Nothing, Reason::Healthy)
    );
    assert_eq!(decision.attribution, None);
}

#[test]
fn a_warning_that_does_not_burn_is_held_not_healthy() {
    let decision = case().world(|_| world().consumed(0.6)).decide();
    assert_eq!(
        (decision.action, decision.reason),
        (Action::Hold, Reason::NotBurning)
    );
}

#[test]
fn nothing_is_done_without_a_repository() {
    let mut blind = case();
    for (branch, reason) in [
        (BranchReading::NotConfigured, Reason::NotAttributable),
        (BranchReading::NotAsked, Reason::UnknownData),
    ] {
        blind.branch = branch;
        let decision = blind.decide();
        assert_eq!((decision.action, decision.reason), (Action::Hold, reason));
    }
    blind.branch = BranchReading::NotConfigured;
    blind.settings.require_attribution = false;
    assert_eq!(blind.decide().action, Action::Hold);
}

#[test]
fn a_gate_that_is_switched_off_passes_and_says_so() {
    let off = |decision: &Decision, name| {
        let gate = gate(decision, name);
        (gate.state, gate.detail.clone()) == (GateState::Pass, "off".to_owned())
    };
    assert!(off(&case().decide(), GateName::Approval));

    let blamed = case()
        .deployed(hours(9))
        .settings(|s| s.require_attribution = false);
    let decision = blamed.decide();
    assert!(off(&decision, GateName::Attribution));
    assert_eq!(plan(&decision).map(|plan| plan.from.as_str()), Some("bad"));
    let found = decision.attribution.as_ref().map(|found| found.verdict);
    assert_eq!(found, Some(Blame::NotDeployment));

    let level = spent_but_calm(case()).settings(|s| s.require_active_burn = false);
    let decision = level.decide();
    assert!(off(&decision, GateName::Burning));
    assert_eq!(decision.reason, Reason::Trigger);
}

#[test]
fn without_a_burn_the_level_alone_decides_only_from_critical_on_and_with_coverage() {
    let at = |consumed: f64, coverage: f64| {
        let calm = case().world(|_| world().consumed(consumed).covered(coverage));
        calm.settings(|s| s.require_active_burn = false)
            .decide()
            .reason
    };
    assert_eq!(at(0.79, 1.0), Reason::NotBurning);
    assert_eq!(at(0.8, 1.0), Reason::Trigger);
    assert_eq!(at(0.8, 0.89), Reason::NotBurning);
    assert_eq!(at(0.2, 1.0), Reason::Healthy);
}

#[test]
fn each_level_has_its_own_switch() {
    let table = [
        // consumed, critical, emergency, reason
        (0.6, true, false, Reason::Trigger),
        (0.6, false, true, Reason::Disabled),
        (0.9, true, false, Reason::Trigger),
        (0.9, false, true, Reason::Disabled),
        (0.96, false, true, Reason::Trigger),
        (0.96, true, false, Reason::Disabled),
    ];
    for (consumed, critical, emergency, reason) in table {
        let decision = case()
            .world(|world| world.consumed(consumed))
            .settings(|s| {
                (s.auto_rollback_critical, s.auto_rollback_emergency) = (critical, emergency);
            })
            .decide();
        assert_eq!(decision.reason, reason, "{consumed} {critical} {emergency}");
    }
}

#[test]
fn below_the_critical_level_only_the_violation_is_proof() {
    // The errors of the windows prove a fast burn, but what makes it severe are 20 slow requests.
    let slow =
        crate::slo::Histogram::from_cumulative([(1.0, 9.0), (2.0, 10.0), (f64::INFINITY, 10.0)]);
    let flimsy = |consumed: f64| {
        case()
            .slow_since(&[(days(40), 0.0), (minutes(20), 0.5)])
            .world(|world| {
                let mut slices = vec![Some(0.2); 11];
                slices[5] = Some(0.0);
                world.slices(&slices).consumed(consumed).but(|measurement| {
                    measurement.latency = Reading::Measured(vec![slow.clone(); 11])
                })
            })
            .decide()
    };
    assert_eq!(flimsy(0.6).reason, Reason::InsufficientTraffic);
    assert_eq!(flimsy(0.9).reason, Reason::Trigger);
}

#[test]
fn too_few_bad_events_are_no_proof() {
    // 6 of 60 requests in the slices, 4 of 50 in the windows.
    let few = |measurement: &mut crate::slo::Measurement| {
        let minute = crate::slo::Events::new(1.0, 10.0);
        measurement.slices = Reading::Measured(vec![minute; 11]);
        measurement.m5 = Reading::Measured(crate::slo::Events::new(4.0, 50.0).expect("events"));
        measurement.m30 = measurement.m5.clone();
    };
    let decision = case()
        .world(|world| world.but(few))
        .settings(|s| s.min_bad_events = 7)
        .decide();
    assert_eq!(
        gate(&decision, GateName::Significance).reason,
        Some(Reason::InsufficientTraffic)
    );
}

#[test]
fn a_burst_that_is_over_is_no_proof_of_a_burn() {
    let over = |bad: usize| {
        let mut slices = vec![Some(0.0); 11];
        // Every second slice overlaps the one before it; these are the newest that do not.
        for index in 0..bad {
            slices[10 - 2 * index] = Some(0.2);
        }
        let case = case().world(|world| world.slices(&slices).consumed(0.9));
        let decision = case.decide();
        let gate = gate(&decision, GateName::Significance);
        (gate.state, gate.reason)
    };
    assert_eq!(over(5), (GateState::Pass, None));
    assert_eq!(over(4), (GateState::Pass, None));
    // A hundred requests a second are not too few.
    let not_sustained = (GateState::Fail, Some(Reason::NotSustained));
    assert_eq!(over(3), not_sustained);
    assert_eq!(over(0), not_sustained);
}
