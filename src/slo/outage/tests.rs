use super::*;
use crate::slo::fixture::{World, counted, no_pods as pods, world};
use crate::slo::{Cause, Sli, Slo, Verdict, ViolationState, Weight};

/// What is different about the pods.
type Change = fn(&mut Pods);

fn fell(minutes: f64, share: f64) -> World {
    world().fell(minutes, share)
}

fn over(world: &World) -> Option<u64> {
    fall(&world.measurement).map(|fall| fall.over.as_secs() / 60)
}

#[test]
fn traffic_falls_when_nine_in_ten_are_missing_for_five_minutes() {
    assert_eq!(fall(&world().measurement), None);
    for (minutes, share, expected) in [
        (4.0, 0.0, None),
        (5.0, 0.0, Some(5)),
        (5.0, 0.09, Some(5)),
        (5.0, 0.11, None),
        (26.0, 0.0, Some(5)),
        (27.5, 0.0, Some(30)),
        (55.0, 0.0, Some(60)),
    ] {
        assert_eq!(over(&fell(minutes, share)), expected, "{minutes} {share}");
    }
    let found = fall(&fell(6.0, 0.0).measurement).expect("a fall");
    assert_eq!(
        (found.usual, found.lost.bad(), found.lost.total()),
        (20.0, 6000.0, 6000.0)
    );
}

#[test]
fn a_fall_is_not_known_where_a_window_is_not() {
    let unknown = |reading: Reading<Events>| {
        fall(&fell(6.0, 0.0).but(|it| it.m5 = reading).measurement).is_some()
    };
    assert!(unknown(Reading::NoSeries));
    assert!(unknown(Reading::Stale {
        age: Duration::from_secs(400)
    }));
    assert!(!unknown(Reading::Partial { why: String::new() }));
    assert!(!unknown(Reading::Invalid { why: String::new() }));
    assert!(!unknown(Reading::Refused { why: String::new() }));
    let never = world().but(|it| {
        for window in [&mut it.m5, &mut it.m30, &mut it.h1, &mut it.h6] {
            *window = Reading::NoSeries;
        }
    });
    assert_eq!(fall(&never.measurement), None, "what never was cannot fall");
}

#[test]
fn a_service_that_is_younger_than_an_hour_can_fall() {
    let young = world().but(|it| {
        it.m5 = Reading::NoTraffic;
        it.m30 = counted(0.0, 1500.0);
        it.h1 = counted(0.0, 3300.0);
        it.h6 = it.h1.clone();
    });
    let found = fall(&young.measurement).expect("a fall");
    assert_eq!(found.usual, 20.0);
}

#[test]
fn pods_are_gone_only_where_everything_says_so() {
    let but = |change: fn(&mut Pods)| {
        let mut pods = pods();
        change(&mut pods);
        absence(&pods)
    };
    assert_eq!(
        absence(&pods()).as_deref(),
        Ok("no ready pods (0.0 of 3 in the mean; CrashLoopBackOff; 12 restarts)")
    );
    // Ready for a moment between two crashes.
    assert!(but(|it| it.ready = 0.3).is_ok());
    let held: [(&str, Change); 9] = [
        ("pods are ready", |it| it.ready = 0.4),
        ("pods are ready", |it| it.ready_now = 1.0),
        ("one of both is wrong", |it| it.ready_by_pods = Some(3.0)),
        ("scaled to zero", |it| it.wanted = Some(0.0)),
        ("121 s old", |it| it.age = Duration::from_secs(121)),
        ("only 2 samples", |it| it.samples = 2.0),
        ("nothing says that one should be", |it| {
            (it.wanted, it.restarts, it.waiting) = (None, 0.0, Vec::new());
        }),
        ("pods are ready", |it| {
            (it.wanted, it.ready_now) = (None, 1.0)
        }),
        ("pods are ready", |it| (it.wanted, it.ready) = (None, 0.2)),
    ];
    for (why, change) in held {
        let found = but(change);
        assert!(
            found.as_ref().is_err_and(|found| found.contains(why)),
            "{why}: {found:?}"
        );
    }
    // Without a workload the pods have to crash, or wait in vain.
    assert!(but(|it| (it.wanted, it.restarts) = (None, 0.0)).is_ok());
    assert!(but(|it| (it.wanted, it.waiting) = (None, Vec::new())).is_ok());
}

#[test]
fn what_the_witness_cannot_say_is_no_evidence() {
    let fall = fall(&fell(6.0, 0.0).measurement).expect("a fall");
    for reading in [
        Reading::NoSeries,
        Reading::NoTraffic,
        Reading::Stale {
            age: MAX_SAMPLE_AGE,
        },
        Reading::Partial { why: String::new() },
        Reading::Invalid { why: String::new() },
        Reading::Refused { why: String::new() },
    ] {
        assert!(matches!(
            silence(fall, &reading),
            Silence::Unexplained { .. }
        ));
    }
    let gone = silence(fall, &Reading::Measured(pods()));
    assert!(matches!(gone, Silence::Outage(_)));
}

#[test]
fn an_outage_violates_availability_and_explains_what_is_silent() {
    let assessment = fell(6.0, 0.0).without_pods().assess();
    assert_eq!(assessment.verdict, Verdict::Burning);
    let availability = &assessment.violations[0];
    assert_eq!(
        (availability.slo, availability.state, availability.value),
        (Slo::Availability, ViolationState::Violated, None)
    );
    let detail = availability.detail.as_deref().unwrap_or_default();
    assert!(detail.starts_with("no ready pods"), "{detail}");
    let causes: Vec<Cause> = assessment.burns.iter().map(|burn| burn.cause).collect();
    assert_eq!(causes, [Cause::Outage]);
    assert_eq!(assessment.burns[0].sli, Sli::Lost { usual: 20.0 });
    assert_eq!(assessment.blocking_unknowns().count(), 0);
    // What was measured stays.
    assert!(assessment.budget.consumed.is_some() && assessment.budget.level.is_some());
}

#[test]
fn what_an_outage_does_not_explain_keeps_its_weight() {
    fn refuse<T>(reading: &mut Reading<T>) {
        *reading = Reading::Refused {
            why: "too many samples".to_owned(),
        };
    }
    let refusals: [fn(&mut Measurement); 4] = [
        |measurement| refuse(&mut measurement.budget),
        |measurement| refuse(&mut measurement.coverage),
        |measurement| refuse(&mut measurement.freshness),
        |measurement| refuse(&mut measurement.slices),
    ];
    for (number, refusal) in refusals.into_iter().enumerate() {
        let assessment = fell(6.0, 0.0).without_pods().but(refusal).assess();
        assert!(assessment.blocking_unknowns().count() > 0, "{number}");
    }
    let skewed = fell(6.0, 0.0)
        .without_pods()
        .but(|it| it.clock_skew = Duration::from_secs(121));
    assert!(skewed.assess().blocking_unknowns().count() > 0);
}

#[test]
fn pods_that_are_gone_while_traffic_flows_are_no_outage() {
    let assessment = world().without_pods().assess();
    assert_eq!(
        (assessment.verdict, assessment.outage),
        (Verdict::Healthy, None)
    );
}

#[test]
fn a_fall_without_that_evidence_is_a_note() {
    let mut fallen = fell(6.0, 0.02);
    fallen.pods = Some(Reading::NoSeries);
    let assessment = fallen.assess();
    assert_eq!(assessment.verdict, Verdict::Healthy);
    let told: Vec<_> = assessment
        .unknowns
        .iter()
        .filter(|it| it.source == "traffic")
        .collect();
    assert_eq!((told.len(), told[0].weight), (1, Weight::Note));
}
