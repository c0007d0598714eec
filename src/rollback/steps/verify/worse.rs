//! Whether the service fails more since a rollback took effect than it did before.
//!
//! Pods restart right after a rollback, and some of the bad revision may still serve: nothing that happens within
//! `VIOLATION_FOR` of the effect counts. From then on every slice of `STABILIZATION` has to be worse than the burn
//! was at its worst, and all of them together have to prove it.

use std::time::Duration;

use chrono::TimeDelta;

use super::RecoveryProof;
use crate::clients::prometheus::PrometheusError;
use crate::observe::{Metrics, RecentSlices};
use crate::slo::{Events, Objective, SignificanceRule, got_worse, worst_end};

/// Largest chance at which it counts as proven. Source: our rule, the same as for every decision.
const MAX_P_VALUE: f64 = 0.001;

/// Longest time before the effect that is compared with: Argo CD may need some time until it deploys what is on the
/// branch.
const MAX_BEFORE: Duration = Duration::from_secs(3600);

/// How bad the burn was at its worst, asked once.
#[derive(Debug, Default)]
pub(crate) struct Before(Option<Option<Events>>);

/// Says what proves that it got worse; nothing where that is not proven.
pub(crate) async fn worse(
    metrics: &Metrics<'_>,
    recent: &RecentSlices,
    objective: &Objective,
    proof: &RecoveryProof,
    before: &mut Before,
) -> Result<Option<String>, PrometheusError> {
    let Some(since) = since(recent, objective, proof) else {
        return Ok(None);
    };
    let before = match before.0 {
        Some(known) => known,
        None => {
            let until_effect = (proof.effective_at - proof.begun_at).to_std();
            let span = objective.violation_for + until_effect.unwrap_or_default();
            let slices = metrics
                .slices_until(
                    objective,
                    recent.slice_window,
                    proof.effective_at,
                    span.min(MAX_BEFORE),
                )
                .await?;
            let stride = objective.stride(recent.slice_window);
            let slices = slices.value().map_or(&[][..], Vec::as_slice);
            *before.0.insert(worst_end(slices, stride, proof.min_events))
        }
    };
    Ok(before.and_then(|before| judge(&since, before, proof)))
}

/// Returns the slices since the service has settled, oldest first, where they cover `STABILIZATION` and each of the
/// newest fails more than is allowed: what is not over the limit now is not worth a question about the past.
fn since(
    recent: &RecentSlices,
    objective: &Objective,
    proof: &RecoveryProof,
) -> Option<(Vec<Events>, Events)> {
    let settled_at = proof.effective_at + TimeDelta::from_std(objective.violation_for).ok()?;
    let settled = (recent.evaluated_at - settled_at).to_std().ok()?;
    let after = settled.checked_sub(recent.slice_window)?;
    let needed = objective.slices_in(proof.stabilization);
    let slices = recent.slices.value()?;
    let count = objective.slices_in(after).min(slices.len());
    if count < needed {
        return None;
    }
    let slices = &slices[slices.len() - count..];
    let newest: Option<Vec<Events>> = slices[count - needed..].iter().copied().collect();
    let newest = newest.filter(|newest| {
        let is_over = |slice: &Events| slice.error_ratio() > proof.recovery_ratio;
        newest.iter().all(is_over)
    })?;
    let all = slices
        .iter()
        .rev()
        .step_by(objective.stride(recent.slice_window))
        .flatten()
        .copied()
        .reduce(|left, right| left + right)?;
    Some((newest, all))
}

fn judge(
    (newest, all): &(Vec<Events>, Events),
    before: Events,
    proof: &RecoveryProof,
) -> Option<String> {
    let rule = SignificanceRule {
        max_p_value: MAX_P_VALUE,
        min_bad_events: proof.min_bad_events,
        min_events: proof.min_events,
    };
    let lasts = newest
        .iter()
        .all(|slice| slice.error_ratio() > before.error_ratio());
    let is_worse = lasts && got_worse(*all, before, proof.recovery_ratio, &rule);
    is_worse.then(|| {
        format!(
            "{} bad of {} events since, {} of {} before",
            all.bad(),
            all.total(),
            before.bad(),
            before.total()
        )
    })
}

#[cfg(test)]
mod tests {

    use super::super::tests::proof;
    use super::*;
    use crate::observe::SeenForm;
    use crate::slo::Reading;
    use crate::slo::fixture::world;

    /// Slices half a minute apart, each of one minute; `bad` of 100 events fail.
    fn look(minutes_since: i64, bad: &[Option<f64>]) -> Option<(Vec<Events>, Events)> {
        let proof = proof();
        let recent = RecentSlices {
            seen: SeenForm::default(),
            evaluated_at: proof.effective_at + TimeDelta::minutes(minutes_since),
            slice_window: Duration::from_secs(60),
            slices: Reading::Measured(
                bad.iter()
                    .map(|bad| bad.and_then(|bad| Events::new(bad, 100.0)))
                    .collect(),
            ),
            latency: Reading::NoSeries,
        };
        since(&recent, &world().objective, &proof)
    }

    #[test]
    fn a_service_gets_time_to_settle() {
        let bad = [Some(95.0); 20];
        assert_eq!(
            look(7, &bad),
            None,
            "five minutes, one slice and two minutes"
        );
        let (newest, all) = look(8, &bad).expect("settled");
        assert_eq!((newest.len(), all.total()), (5, 300.0));
    }

    #[test]
    fn every_slice_since_then_has_to_be_there_and_over_the_limit() {
        let bad = |newest: Option<f64>| [vec![Some(95.0); 12], vec![newest]].concat();
        assert!(look(9, &bad(Some(95.0))).is_some());
        assert_eq!(look(9, &bad(Some(1.0))), None);
        assert_eq!(look(9, &bad(None)), None);
    }

    #[test]
    fn a_blip_is_not_worse_and_neither_is_what_goes_on() {
        let before = Events::new(20.0, 100.0).expect("counts");
        let told = |bad: &[Option<f64>]| judge(&look(9, bad)?, before, &proof());
        let lasting = told(&[Some(95.0); 13]).expect("worse");
        assert_eq!(lasting, "380 bad of 400 events since, 20 of 100 before");
        assert_eq!(told(&[Some(20.0); 13]), None);
        let blip = [vec![Some(100.0); 9], vec![Some(20.0); 4]].concat();
        assert_eq!(told(&blip), None);
        // A long one, after which it goes on as before.
        let long = [vec![Some(100.0); 28], vec![Some(20.0); 5]].concat();
        let of = |bad: &[Option<f64>]| judge(&look(19, bad)?, before, &proof());
        assert_eq!(of(&long), None);
        assert!(of(&[Some(100.0); 33]).is_some());
    }
}
