//! What is asked about all services of a run at once.

use chrono::Utc;

use super::prepared::Prepared;
use crate::evaluation::remembered;
use crate::journal::{Journal, Memory, ServiceState};
use crate::observe::{Asking, Keeping, keep_days as keep, observe_together};
use crate::service::Service;

/// Reads the state of all services that are asked about together; each takes what was read in its turn. One service
/// asks alone, and so does one that an earlier run left a rollback of: it has other questions.
pub(super) async fn observe<'a>(known: impl IntoIterator<Item = (&'a Service<'a>, &'a Memory)>) {
    let states: Vec<(&Service<'_>, ServiceState)> = known
        .into_iter()
        .map(|(service, memory)| (service, memory.of(&service.key)))
        .filter(|(_, state)| state.unfinished().is_none())
        .collect();
    if states.len() < 2 {
        return;
    }
    let asking: Vec<Asking<'_>> = states
        .iter()
        .map(|(service, state)| Asking {
            metrics: service.metrics(),
            objective: &service.config.objective,
            remembered: remembered(state),
        })
        .collect();
    let observed = observe_together(&asking).await;
    for ((service, _), observed) in states.iter().zip(observed) {
        if let Some(observed) = observed {
            service.observe(observed);
        }
    }
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

/// Counts days of the SLO window that are over, so that later passes need not read them again. What a person waits for
/// is done by then.
pub(super) async fn keep_days(prepared: &[Prepared<'_>], journal: &mut Journal) {
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
                seen: service.counted_form()?,
                window: service.config.objective.window,
                days: state.days.as_ref(),
            })
        })
        .collect();
    let kept = keep(&keeping, Utc::now()).await;
    let counted = states
        .iter()
        .filter(|(service, _)| service.counted_form().is_some());
    for ((service, _), days) in counted.zip(kept) {
        if let Some(days) = days {
            journal.note(&service.key, |state| state.days = Some(days));
        }
    }
}
