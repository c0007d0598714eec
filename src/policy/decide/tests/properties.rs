//! What holds whatever the case.

use super::*;
use crate::policy::Answer;
use crate::slo::{SliceHistory, WindowCounts};

/// Anything that may happen to a case, one in a few at a time.
fn cases() -> impl Strategy<Value = Case> {
    let outcomes = prop::sample::select(vec![
        Phase::Verifying,
        Phase::Recovered,
        Phase::Ineffective,
        Phase::Failed,
        Phase::Superseded,
        Phase::Proposed,
        Phase::Rejected,
        Phase::Expired,
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
                    s.by_itself = ByItself::of(on[0], false);
                    s.auto_rollback_critical = on[1];
                    s.auto_rollback_emergency = on[2];
                    s.require_approval = !on[3];
                    s.require_active_burn = on[4];
                    s.require_attribution = on[5];
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

/// Services whose errors changed several times, and whose pods may be known.
fn stories() -> impl Strategy<Value = Case> {
    let ratios = || prop::sample::select(vec![0.0, 0.0002, 0.004, 0.02, 0.2]);
    let steps = prop::collection::vec((5_i64..400, ratios()), 0..6);
    let ages = prop::collection::vec(6_i64..300, 2..6);
    let pods = prop::option::of((0.0..30.0_f64, 0.0..60.0_f64));
    (
        steps,
        ages,
        0_i64..40,
        pods,
        prop::bool::weighted(0.3),
        prop::bool::weighted(0.3),
    )
        .prop_map(|(mut steps, mut ages, burning, pods, held, emergency)| {
            steps.sort_by_key(|(before, _)| -before);
            let mut errors = vec![(days(40), 0.0002)];
            errors.extend(
                steps
                    .iter()
                    .map(|(before, ratio)| (minutes(*before), *ratio)),
            );
            errors.push((minutes(6 + burning), 0.2));
            errors.sort_by_key(|(before, _)| -*before);
            ages.sort_unstable();
            let names = ["f", "e", "d", "c", "b", "a"];
            let changes = ages
                .iter()
                .zip(names)
                .map(|(age, name)| change(name, minutes(*age)));
            let mut built = case().changes(changes.collect()).errors_since(&errors);
            if let Some((old, new)) = pods {
                let then = [("a-bbbbbb-bbbbb", 0.0, 100.0)];
                let now = [
                    ("a-bbbbbb-bbbbb", old.floor(), 100.0),
                    ("a-cccccc-bbbbb", new.floor(), 100.0),
                ];
                built = built.pods(&then, &now);
            }
            if held {
                built = built.past(past("f", "e", days(2), Phase::Recovered));
            }
            if emergency {
                built = built.world(|world| world.consumed(0.97));
            }
            built
        })
}

/// What may be lost of the answers: courses, stretches, pods.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Loss {
    Courses,
    /// The stretch with this place among the ones that begin first.
    Stretches,
    Pods,
}

fn losses() -> impl Strategy<Value = (Loss, Reading<()>)> {
    let why = || "lost".to_owned();
    let readings = prop::sample::select(vec![
        Reading::Partial { why: why() },
        Reading::Invalid { why: why() },
        Reading::Stale {
            age: std::time::Duration::from_secs(600),
        },
        Reading::NoTraffic,
        Reading::NoSeries,
    ]);
    let losses = prop::sample::select(vec![Loss::Courses, Loss::Stretches, Loss::Pods]);
    (losses, readings).prop_filter("no pods are there to be told apart", |(loss, reading)| {
        // Series without the label `pod` are usual, and the other evidence decides then.
        !(*loss == Loss::Pods && matches!(reading, Reading::NoSeries))
    })
}

/// Returns an answer without what is lost.
fn without(answer: Answer, loss: Loss, instead: &Reading<()>) -> Answer {
    fn lost<T>(instead: &Reading<()>) -> Reading<T> {
        instead.clone().and_then(|()| unreachable!("it is lost"))
    }
    match (answer, loss) {
        (Answer::SliceHistory(course), Loss::Courses) => Answer::SliceHistory(SliceHistory {
            events: lost(instead),
            latency: lost(instead),
            ..course
        }),
        (Answer::WindowCounts(span, stretch), Loss::Stretches) => Answer::WindowCounts(
            span,
            WindowCounts {
                covering: stretch.covering,
                events: lost(instead),
                latency: lost(instead),
            },
        ),
        (Answer::Pods(at, _), Loss::Pods) => Answer::Pods(at, lost(instead)),
        (known @ (Answer::SliceHistory(_) | Answer::WindowCounts(..) | Answer::Pods(..)), _) => {
            known
        }
    }
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
        let more = case.clone().past(past("p", "q", minutes(before), Phase::Recovered));
        let limited = |case: &Case| gate(&case.decide(), GateName::Limits).state == GateState::Fail;
        prop_assert!(limited(&more) || !limited(&case));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn lost_evidence_never_rolls_back_what_it_would_not(case in stories(), (loss, instead) in losses()) {
        let blind = case.decide_seeing(|answer| without(answer, loss, &instead));
        if plan(&blind).is_some() {
            prop_assert!(plan(&case.decide()).is_some(), "{}", case.decide().detail);
        }
        if loss != Loss::Pods {
            prop_assert!(plan(&blind).is_none());
        }
    }

    #[test]
    fn whatever_stops_the_data_gate_stops_a_rollback(case in cases()) {
        let decision = case.decide();
        if case.world.assess().blocking_unknowns().next().is_some() {
            prop_assert!(plan(&decision).is_none());
            prop_assert_eq!(decision.reason, Reason::UnknownData);
        }
    }

    #[test]
    fn a_rollback_is_not_followed_by_another_within_the_cooldown(case in stories(), since in 0_i64..60) {
        let after = |outcome| case.clone().past(past("x", "y", minutes(since), outcome));
        for outcome in [Phase::Verifying, Phase::Recovered, Phase::Ineffective, Phase::Failed] {
            prop_assert!(plan(&after(outcome).decide()).is_none());
        }
    }

    #[test]
    fn a_rollback_never_goes_to_a_revision_that_failed_while_it_was_live(case in stories()) {
        let decision = case.decide();
        if let Some(plan) = plan(&decision) {
            let changes = &case.timeline().changes;
            let at = changes.iter().position(|change| change.revision == plan.to).expect("on the branch");
            let to = changes[at - 1].deployed_at;
            let from = (changes[at].deployed_at + minutes(5)).max(to - hours(6));
            prop_assert!(to - from >= minutes(5));
            prop_assert!(case.error_ratio(from, to) <= 0.0101);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn stories_end_in_rollbacks_as_in_refusals(cases in prop::collection::vec(stories(), 200)) {
        let rolled_back = cases.iter().filter(|case| plan(&case.decide()).is_some()).count();
        prop_assert!((10..190).contains(&rolled_back), "{rolled_back} of 200");
    }
}
