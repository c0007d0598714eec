//! What is asked about all services of a run at once.

use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;

use super::buffered::buffered;
use super::fleet::FleetView;
use super::prepared::Prepared;
use crate::evaluation::remembered;
use crate::journal::{Journal, Memory, ServiceState};
use crate::observe::{Asking, Keeping, keep_periods as keep, observe_together};
use crate::policy::Reason;
use crate::service::Service;
use crate::slo::assess_slices;

/// How long a pass waits for services that ask alone before it knows how many burn.
const ALONE_LIMIT: Duration = Duration::from_secs(15);

/// Fewest services of which those that ask alone are asked before anything is decided about any.
const CROWD: usize = 3;

/// Reads the state of all services before anything is decided; each takes what was read in its turn. Those that ask
/// alike ask together. One service asks alone in its turn, and so does one that an earlier run left a rollback of: it
/// has other questions. Returns what they have in common; nothing where there is one.
pub(super) async fn observe<'a>(
    known: impl IntoIterator<Item = (&'a Service<'a>, &'a Memory)>,
) -> Option<FleetView> {
    let states: Vec<(&Service<'_>, ServiceState)> = known
        .into_iter()
        .map(|(service, memory)| (service, memory.of(&service.key)))
        .collect();
    let (services, max_per_hour) = (
        states.len(),
        states.first()?.0.config.run.max_per_hour_fleet,
    );
    if services < 2 {
        return None;
    }
    let states: Vec<_> = states
        .into_iter()
        .filter(|(_, state)| state.unfinished().is_none())
        .collect();
    let asking: Vec<Asking<'_>> = states
        .iter()
        .map(|(service, state)| Asking {
            metrics: service.metrics(),
            objective: &service.config.objective,
            remembered: remembered(state),
        })
        .collect();
    let mut observed = observe_together(&asking).await;
    if services >= CROWD {
        let until = tokio::time::Instant::now() + ALONE_LIMIT;
        let alone = observed
            .iter_mut()
            .zip(&asking)
            .filter(|(it, _)| it.is_none());
        let alone = alone.map(|(it, one)| async move {
            let asked = one.metrics.observe_since(one.objective, one.remembered);
            if let Ok(observation) = tokio::time::timeout_at(until, asked).await {
                *it = Some(observation.map_err(Arc::new));
            }
        });
        buffered(alone).await;
    }
    let mut burning = Vec::new();
    for ((service, state), observed) in states.iter().zip(observed) {
        let Some(observed) = observed else { continue };
        if let Ok(observation) = &observed {
            let (measurement, slice) = (&observation.measurement, observation.slice_window);
            let assessment = assess_slices(measurement, &service.config.objective, slice);
            if assessment.burning == Some(true) {
                let held = &state.notifications.last_told.held;
                let is_told = held
                    .iter()
                    .any(|reason| reason == Reason::FleetWide.as_str());
                burning.push((service.key.clone(), is_told));
            }
        }
        service.observe(observed);
    }
    Some(FleetView::of(services, max_per_hour, burning))
}

/// The same for a command that only looks. A state that cannot be read is told by each service.
pub(super) async fn look(prepared: &[Prepared<'_>]) {
    let mut memories = Vec::new();
    for Prepared { service, .. } in prepared {
        match service.looks() {
            Ok(memory) => memories.push((service, memory)),
            Err(_) => return,
        }
    }
    observe(memories.iter().map(|(service, memory)| (*service, memory))).await;
}

/// Counts periods of the SLO window that are over, so that later passes need not read them again. What a person waits for
/// is done by then.
pub(super) async fn keep_periods(prepared: &[Prepared<'_>], journal: &mut Journal) {
    let states: Vec<(&Service<'_>, ServiceState)> = prepared
        .iter()
        .filter(|it| !it.service.stop.is_over())
        .map(|it| (&it.service, journal.service(&it.service.key)))
        .collect();
    let keeping: Vec<Keeping<'_>> = states
        .iter()
        .filter_map(|(service, state)| {
            Some(Keeping {
                metrics: service.metrics(),
                counted: service.counted_form()?,
                window: service.config.objective.window,
                periods: state.periods.as_ref(),
            })
        })
        .collect();
    let kept = keep(&keeping, Utc::now()).await;
    let counted = states
        .iter()
        .filter(|(service, _)| service.counted_form().is_some());
    for ((service, _), periods) in counted.zip(kept) {
        if let Some(periods) = periods {
            journal.note(&service.key, |state| state.periods = Some(periods));
        }
    }
}
