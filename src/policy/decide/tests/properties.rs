//! What holds whatever the case.

use super::*;

/// Anything that may happen to a case, one in a few at a time.
fn cases() -> impl Strategy<Value = Case> {
    let outcomes = prop::sample::select(vec![
        PastOutcome::Unverified,
        PastOutcome::Recovered,
        PastOutcome::Ineffective,
        PastOutcome::Failed,
        PastOutcome::Superseded,
    ]);
    let names = || prop::sample::select(vec!["e", "d", "c", "b", "a"]);
    let times = || prop_oneof![-70_i64..90, 0_i64..5000];
    let pasts = prop::collection::vec((names(), names(), times(), outcomes, any::<bool>()), 0..3);
    let changes = prop::collection::vec(
        (
            names(),
            times(),
            prop::option::weighted(0.1, (names(), names())),
        ),
        0..6,
    );
    let readings = (
        prop::option::weighted(0.2, 0_u8..6),
        0.0..1.5_f64,
        0.0..0.3_f64,
        0.8..1.0_f64,
    );
    let switches = prop::collection::vec(prop::bool::weighted(0.85), 8);
    (pasts, changes, readings, switches).prop_map(
        |(pasts, changes, (lost, consumed, errors, coverage), on)| {
            let mut built = case()
                .world(|world| world.consumed(consumed).covered(coverage).errors(errors))
                .settings(|s| {
                    s.rollback_enabled = on[0];
                    s.auto_rollback_critical = on[1];
                    s.auto_rollback_emergency = on[2];
                    s.require_approval = !on[3];
                    s.require_active_burn = on[4];
                    s.require_attribution = !on[5];
                    s.cooldown = if on[6] { Duration::zero() } else { HOUR };
                    s.max_per_hour = 2;
                });
            if on[7] {
                built = built.changes(
                    changes
                        .into_iter()
                        .map(|(name, before, mark)| {
                            let change = change(name, minutes(before));
                            match mark {
                                Some((from, to)) => change.rolling_back(from, to),
                                None => change,
                            }
                        })
                        .collect(),
                );
            }
            for (from, to, before, outcome, attempted) in pasts {
                built = built.past(PastRollback {
                    attempted,
                    ..past(from, to, minutes(before), outcome)
                });
            }
            built.world(|world| {
                world.but(|measurement| match lost {
                    Some(0) => measurement.m5 = Reading::NoTraffic,
                    Some(1) => {
                        measurement.h1 = Reading::Partial {
                            why: "a store is away".to_owned(),
                        }
                    }
                    Some(2) => measurement.freshness = Reading::NoSeries,
                    Some(3) => measurement.slices = Reading::NoSeries,
                    Some(4) => measurement.clock_skew = std::time::Duration::from_secs(121),
                    Some(_) => {
                        measurement.budget = Reading::Invalid {
                            why: "not a number".to_owned(),
                        }
                    }
                    None => {}
                })
            })
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1024, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn rolls_back_only_when_every_gate_passes_to_other_content_that_is_not_held(case in cases()) {
        let decision = case.decide();
        if let Some(plan) = plan(&decision) {
            prop_assert_eq!(gates_that(&decision, GateState::Pass).len(), decision.gates.len());
            prop_assert_eq!(decision.reason, Reason::Trigger);
            prop_assert!(case.world.assess().blocking_unknowns().next().is_none());
            let known = case.timeline();
            prop_assert_ne!(&plan.to_state, &known.tip_state);
            prop_assert_eq!(&plan.from_state, &known.tip_state);
            let history = History::new(case.past.clone()).joined_with(known, now(), case.settings.verify_deadline);
            prop_assert!(!history.is_rolled_back(&plan.to, &plan.to_state));
        } else {
            prop_assert_ne!(gates_that(&decision, GateState::Pass).len(), decision.gates.len());
        }
    }

    #[test]
    fn deciding_twice_is_the_same(case in cases()) {
        prop_assert_eq!(case.decide(), case.decide());
    }

    #[test]
    fn a_failing_gate_never_lets_a_later_one_decide(case in cases()) {
        let decision = case.decide();
        let first = decision.gates.iter().find(|gate| gate.state == GateState::Fail);
        if let Some(first) = first {
            prop_assert_eq!(Some(decision.reason), first.reason);
            prop_assert!(plan(&decision).is_none());
        }
    }

    #[test]
    fn one_more_rollback_behind_it_never_frees_a_decision(case in cases(), before in 0_i64..1440) {
        let more = case.clone().past(past("p", "q", minutes(before), PastOutcome::Recovered));
        let limited = |case: &Case| gate(&case.decide(), GateName::Limits).state == GateState::Fail;
        prop_assert!(limited(&more) || !limited(&case));
    }
}
