//! Looks whether the burn stopped after a rollback took effect, or got worse. It changes nothing.
//!
//! | file | subject |
//! |---|---|
//! | `prove.rs` | the step |
//! | `worse.rs` | whether the service fails more than before |

mod prove;
mod worse;

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::clients::prometheus::PrometheusError;
use crate::journal::SeriesSeen;
use crate::observe::{Metrics, RecentSlices};
use crate::slo::{
    Events, LatencyState, MAX_SAMPLE_AGE, Objective, Pods, Reading, Slo, is_calm, latency_rule,
};
use crate::stop::Stop;
use worse::{Before, worse};

/// Longest span that is looked at, where `STABILIZATION` is not longer. A burn that stopped is calm at its newest end.
const MAX_SPAN: Duration = Duration::from_secs(1800);

/// Bounds of the pause between two looks.
const PAUSE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(15));

/// What has to be seen before a burn counts as stopped.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct RecoveryProof {
    /// When the rollback was begun: until then what burnt is what it took away.
    pub(crate) begun_at: DateTime<Utc>,
    /// When the rollback took effect.
    pub(crate) effective_at: DateTime<Utc>,
    /// Error ratio that no slice may exceed (0..1).
    pub(crate) recovery_ratio: f64,
    /// Whether the service was gone: then its pods have to be ready again too.
    pub(crate) outage: bool,
    /// `STABILIZATION`: for how long.
    pub(crate) stabilization: Duration,
    /// `MIN_EVENTS`: how many events must have been seen in that time.
    pub(crate) min_events: u64,
    /// `MIN_BAD_EVENTS`: how many of them must fail before it can be worse than it was.
    pub(crate) min_bad_events: u64,
    /// `VERIFY_DEADLINE`: how long after the effect the burn may go on.
    pub(crate) deadline: Duration,
}

/// What was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum BurnSeen {
    /// The service stayed calm for long enough.
    BurnStopped(String),
    /// Not yet, and the deadline is not over: the next run goes on.
    NotYet(String),
    /// The deadline is over.
    DeadlinePassed(String),
    /// It is proven that the service fails more than before, so there is nothing to wait for.
    Worse(String),
}

/// What one look showed.
enum Sight {
    Calm(String),
    Worse(String),
    NotYet(String),
}

/// Slices in a row that prove that the burn stopped.
#[derive(Debug, PartialEq)]
struct Calm {
    events: Events,
    /// From the beginning of the first of them to the end of the last.
    span: Duration,
}

/// Why the slices do not prove that the burn stopped.
#[derive(Debug, PartialEq, thiserror::Error)]
enum NotCalm {
    #[error("{0}")]
    Unknown(String),
    #[error("{calm} of {needed} slices in a row are at or below an error ratio of {ratio:.4}")]
    TooFew {
        calm: usize,
        needed: usize,
        ratio: f64,
    },
    #[error("too few of the newest slices hold data")]
    Holes,
    #[error("{0} is still violated")]
    Slow(&'static str),
    #[error("{seen} events (MIN_EVENTS is {needed})")]
    FewEvents { seen: f64, needed: u64 },
    #[error("no events")]
    NoEvents,
}

/// Why the pods of a service that was gone do not count as back.
#[derive(Debug, thiserror::Error)]
enum PodsMissing {
    #[error("{0}")]
    Unknown(String),
    #[error("what kube-state-metrics say of the pods is too old")]
    TooOld,
    #[error("no pod is ready")]
    NoneReady,
}

/// Looks until the proof is there, the deadline is over, or this run's time is. Where neither can be in this run's
/// time, it looks once and leaves the rest to the next run. `held` is what the back end was seen to hold of the
/// service: where it holds less, nothing is proven.
pub(crate) async fn watch(
    metrics: &Metrics<'_>,
    objective: &Objective,
    proof: &RecoveryProof,
    held: Option<&SeriesSeen>,
    stop: &Stop,
) -> BurnSeen {
    let pause = (proof.stabilization / 4).clamp(PAUSE.0, PAUSE.1);
    let mut before = Before::default();
    loop {
        let not_yet = match look(metrics, objective, proof, held, &mut before).await {
            Ok(Sight::Calm(calm)) => return BurnSeen::BurnStopped(calm),
            Ok(Sight::Worse(worse)) => return BurnSeen::Worse(worse),
            Ok(Sight::NotYet(why)) => why,
            Err(error) => error.to_string(),
        };
        if is_over(proof, Utc::now()) {
            return BurnSeen::DeadlinePassed(not_yet);
        }
        let left = stop.left();
        if left.is_zero() || !is_in_reach(objective, proof, left) {
            return BurnSeen::NotYet(not_yet);
        }
        stop.pause(pause).await;
    }
}

fn is_over(proof: &RecoveryProof, now: DateTime<Utc>) -> bool {
    (now - proof.effective_at)
        .to_std()
        .is_ok_and(|elapsed| elapsed > proof.deadline)
}

/// Tells whether the proof may be there, or the deadline over, in the time that is left to this run.
fn is_in_reach(objective: &Objective, proof: &RecoveryProof, left: Duration) -> bool {
    let elapsed = (Utc::now() - proof.effective_at)
        .to_std()
        .unwrap_or_default();
    let soonest = (proof.stabilization + objective.slice_window()).min(proof.deadline);
    elapsed + left >= soonest
}

/// Looks once: the proof, or why it is not there.
async fn look(
    metrics: &Metrics<'_>,
    objective: &Objective,
    proof: &RecoveryProof,
    held: Option<&SeriesSeen>,
    before: &mut Before,
) -> Result<Sight, PrometheusError> {
    let elapsed = (Utc::now() - proof.effective_at)
        .to_std()
        .unwrap_or_default();
    let Some(span) = span(elapsed, objective.slice_window(), proof.stabilization) else {
        return Ok(Sight::NotYet(format!(
            "{} s since the rollback took effect, {} s are needed",
            elapsed.as_secs(),
            (proof.stabilization + objective.slice_window()).as_secs()
        )));
    };
    let recent = metrics.recent_slices(objective, span).await?;
    let found = match judge(&recent, objective, proof) {
        Ok(calm) if !proof.outage => Sight::Calm(calm.to_string()),
        Ok(calm) => {
            let pods = metrics.pods_there(objective, recent.evaluated_at).await;
            match back(&pods) {
                Ok(ready) => Sight::Calm(format!("{calm}; {ready} pods are ready")),
                Err(why) => Sight::NotYet(format!("{calm}, but {why}")),
            }
        }
        Err(why) => {
            let worse = worse(metrics, &recent, objective, proof, before).await?;
            worse.map_or_else(|| Sight::NotYet(why.to_string()), Sight::Worse)
        }
    };
    let (Sight::Calm(what) | Sight::Worse(what)) = &found else {
        return Ok(found);
    };
    let doubt = metrics.doubt(&recent, held).await?;
    Ok(match doubt {
        Some(doubt) => Sight::NotYet(format!("{what}, but that proves nothing: {doubt}")),
        None => found,
    })
}

/// Returns the span to look at, or nothing while too little time has passed. Its oldest slice lies wholly after the
/// effect, or it would count errors from before.
fn span(elapsed: Duration, slice_window: Duration, stabilization: Duration) -> Option<Duration> {
    let span = elapsed.checked_sub(slice_window)?;
    (span >= stabilization).then(|| span.min(MAX_SPAN.max(stabilization)))
}

/// Returns how many pods are ready again after an outage: those few who were counted may be all who are served.
///
/// # Errors
/// Says why the pods are not back.
fn back(pods: &Reading<Pods>) -> Result<f64, PodsMissing> {
    let Some(pods) = pods.value().filter(|pods| pods.age <= MAX_SAMPLE_AGE) else {
        return Err(pods
            .why_unknown()
            .map_or(PodsMissing::TooOld, PodsMissing::Unknown));
    };
    if pods.ready_now >= 1.0 {
        Ok(pods.ready_now)
    } else {
        Err(PodsMissing::NoneReady)
    }
}

fn judge(
    recent: &RecentSlices,
    objective: &Objective,
    proof: &RecoveryProof,
) -> Result<Calm, NotCalm> {
    let Some(slices) = recent.slices.value() else {
        let why = recent.slices.why_unknown().unwrap_or_default();
        return Err(NotCalm::Unknown(why));
    };
    let is_over =
        |slice: &Option<Events>| is_calm(&[*slice], proof.recovery_ratio, 1) == Some(false);
    let calm = slices
        .iter()
        .rev()
        .take_while(|slice| !is_over(slice))
        .count();
    let newest = &slices[slices.len() - calm..];
    let needed = objective.slices_in(proof.stabilization);
    if calm < needed {
        return Err(NotCalm::TooFew {
            calm,
            needed,
            ratio: proof.recovery_ratio,
        });
    }
    if is_calm(newest, proof.recovery_ratio, newest.len()) != Some(true) {
        return Err(NotCalm::Holes);
    }
    if let Some(slo) = slow(recent, objective, needed) {
        return Err(NotCalm::Slow(slo));
    }
    let events = newest
        .iter()
        .rev()
        .step_by(objective.stride(recent.slice_window))
        .flatten()
        .copied()
        .reduce(|left, right| left + right);
    match events {
        Some(events) if events.total() >= proof.min_events as f64 => Ok(Calm {
            events,
            span: recent.slice_window
                + objective.slice_step()
                    * u32::try_from(calm.saturating_sub(1)).unwrap_or(u32::MAX),
        }),
        Some(events) => Err(NotCalm::FewEvents {
            seen: events.total(),
            needed: proof.min_events,
        }),
        None => Err(NotCalm::NoEvents),
    }
}

impl fmt::Display for Calm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (bad, total) = (self.events.bad(), self.events.total());
        let seconds = self.span.as_secs();
        write!(f, "{bad} bad of {total} events in {seconds} s")
    }
}

/// Returns the latency SLO that a slice of the newest `needed` ones provably breaks.
fn slow(recent: &RecentSlices, objective: &Objective, needed: usize) -> Option<&'static str> {
    let slices = recent.latency.value()?;
    let rules =
        [Slo::LatencyP95, Slo::LatencyP99].map(|slo| (slo.as_str(), latency_rule(slo, objective)));
    rules.into_iter().find_map(|(name, rule)| {
        let (_, threshold, allowed) = rule?;
        let newest = slices.iter().rev().take(needed).flatten();
        let is_slow = newest
            .filter_map(|slice| slice.judge(threshold.as_secs_f64(), allowed))
            .any(|state| state == LatencyState::Exceeded);
        is_slow.then_some(name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::SeenForm;
    use crate::slo::fixture::world;

    fn objective() -> Objective {
        world().objective
    }

    pub(crate) fn proof() -> RecoveryProof {
        RecoveryProof {
            begun_at: DateTime::UNIX_EPOCH,
            effective_at: DateTime::UNIX_EPOCH,
            recovery_ratio: 0.01,
            outage: false,
            stabilization: Duration::from_secs(120),
            min_events: 50,
            min_bad_events: 5,
            deadline: Duration::from_secs(900),
        }
    }

    fn seen(bad: &[Option<f64>]) -> Result<Calm, NotCalm> {
        let slices = bad
            .iter()
            .map(|bad| bad.and_then(|bad| Events::new(bad, 100.0)))
            .collect();
        let recent = RecentSlices {
            seen: SeenForm::default(),
            evaluated_at: DateTime::UNIX_EPOCH,
            slice_window: Duration::from_secs(60),
            slices: Reading::Measured(slices),
            latency: Reading::NoSeries,
        };
        judge(&recent, &objective(), &proof())
    }

    #[test]
    fn a_long_stabilization_can_be_reached() {
        let minutes = |count: u64| Duration::from_secs(count * 60);
        let hour = minutes(60);
        for (elapsed, stabilization, expected) in [
            (minutes(2), minutes(2), None),
            (minutes(3), minutes(2), Some(minutes(2))),
            (minutes(90), minutes(2), Some(MAX_SPAN)),
            (minutes(60), hour, None),
            (minutes(61), hour, Some(hour)),
            (minutes(90), hour, Some(hour)),
            (Duration::ZERO, Duration::ZERO, None),
        ] {
            assert_eq!(span(elapsed, minutes(1), stabilization), expected);
        }
    }

    #[test]
    fn two_calm_minutes_are_the_proof() {
        let calm = [Some(0.0); 5];
        let seen = seen(&calm).map(|calm| calm.to_string());
        assert_eq!(seen, Ok("0 bad of 300 events in 180 s".to_owned()));
    }

    #[test]
    fn errors_before_the_calm_end_do_not_matter_and_errors_in_it_do() {
        let after = [&[Some(40.0); 6][..], &[Some(1.0); 5][..]].concat();
        assert!(seen(&after).is_ok(), "the ratio of 0.01 is not above 0.01");
        let within = [&[Some(0.0); 8][..], &[Some(2.0)][..], &[Some(0.0); 4][..]].concat();
        assert!(seen(&within).is_err());
    }

    #[test]
    fn silence_is_no_proof() {
        assert!(seen(&[None; 9]).is_err());
        assert!(seen(&[Some(0.0), Some(0.0), Some(0.0), Some(0.0), None]).is_err());
    }

    #[test]
    fn a_handful_of_events_is_no_proof() {
        let slices = vec![Events::new(0.0, 5.0); 5];
        let recent = RecentSlices {
            seen: SeenForm::default(),
            evaluated_at: DateTime::UNIX_EPOCH,
            slice_window: Duration::from_secs(60),
            slices: Reading::Measured(slices),
            latency: Reading::NoSeries,
        };
        assert_eq!(
            judge(&recent, &objective(), &proof()).map_err(|why| why.to_string()),
            Err("15 events (MIN_EVENTS is 50)".to_owned())
        );
    }
}
