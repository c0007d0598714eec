//! One pass: read, decide, act, prove, write down.

use std::time::Duration;

use chrono::Utc;

use crate::evaluation::{Known, evaluate, refused_instead_of};
use crate::exit::Exit;
use crate::journal::{Memory, Origin, ServiceState, Watch};
use crate::log_file::AUDIT;
use crate::observe::{self, Observation};
use crate::outcome::Ended;
use crate::policy::{Action, GateName, Reason, Suspicious, decide};
use crate::record::{Heading, Record};
use crate::rollback::{
    Fate, Judged, Request, carry_out, end, fate, not_remembering, resume, waits, watched, whole,
};
use crate::service::{Service, history, watched_place};
use crate::slo::{Assessment, Cause};
use crate::with_sources;

/// One pass over one service: finishes what an earlier run began, else evaluates, decides and carries out.
pub(super) async fn run(service: &Service<'_>, heading: &Heading, memory: &mut Memory) -> Ended {
    let state = match whole(service, memory).await {
        Ok(state) => state,
        Err(not_whole) => return not_remembering(service, heading, not_whole).await,
    };
    if let (Memory::Writable(journal), Some(unfinished)) = (&mut *memory, state.unfinished()) {
        return resume(service, heading, journal, unfinished.clone()).await;
    }
    let evaluated = tokio::select! {
        evaluated = evaluate(service, heading, &state) => evaluated,
        () = service.stop.told() => return told_to_end(),
    };
    let known = match evaluated {
        Ok(known) => known,
        Err(not_evaluated) => return not_evaluated.ended(),
    };
    remember_sighting(service, memory, &state, &known.observation);
    let tip = watch(service, memory, &known).await;
    let holds = watched(service, &state, known.branch.timeline()).await;
    let suspicious = known
        .branch
        .timeline()
        .map_or_else(Vec::new, |timeline| timeline.suspicious.clone());
    for Suspicious { revision, why } in &suspicious {
        tracing::warn!(target: AUDIT, revision, why, "the trailers of a commit are not trusted");
    }
    let ended = follow(service, heading, memory, &state, known, tip.as_deref()).await;
    Ended {
        holds,
        suspicious,
        ..ended
    }
}

/// Decides, and does what was decided.
async fn follow(
    service: &Service<'_>,
    heading: &Heading,
    memory: &mut Memory,
    state: &ServiceState,
    mut known: Known,
    tip: Option<&str>,
) -> Ended {
    let history = history(state);
    known.looks_what_was_done(service, &history).await;
    let decision = decide(&known.inputs(service, &history));
    let record = Record::unknown(
        heading,
        &service.config.objective,
        known.observation.evaluated_at,
    )
    .with_assessment(&known.assessment)
    .asking(service.lost_series(&known.observation))
    .with_deployment(known.branch.timeline())
    .with_live(known.branch.timeline(), tip)
    .with_decision(&decision)
    .with_signals(&known.signals)
    .with_offenders(&known.offenders);
    let burning = decision
        .gates
        .iter()
        .find(|gate| gate.name == GateName::Burning);
    let request = Request {
        origin: Origin::Automatic,
        why: burning.map_or_else(String::new, |gate| gate.detail.clone()),
        named: None,
        by: "error-budget-monitor",
        recovery_ratio: recovery_ratio(&known.assessment, service),
        outage: known.assessment.outage.is_some(),
        when_held: Exit::Complete,
        pending: None,
    };
    let (request, record) = match (&mut *memory, state.pending()) {
        (Memory::Writable(journal), Some(pending)) => {
            let mut pending = pending.clone();
            match fate(&pending, &decision, known.assessment.burning, Utc::now()) {
                Fate::Waits => return waits(record, &pending, &decision),
                Fate::Goes => {
                    let request = Request {
                        pending: Some(pending),
                        ..request
                    };
                    (request, record)
                }
                Fate::Ends { event, reason, why } => {
                    if let Err(ended) = end(service, journal, &mut pending, event) {
                        return *ended;
                    }
                    let is_overtaken = reason == Reason::Superseded;
                    if !(is_overtaken && matches!(decision.action, Action::AwaitApproval(_))) {
                        let record = record.holding(reason, why).with_rollback(&pending);
                        return Ended::with(Exit::Complete, record);
                    }
                    // Somebody is asked about what would be rolled back now.
                    (request, record)
                }
            }
        }
        _ => (request, record),
    };
    let seen = Judged {
        snapshot: known.snapshot.take(),
        app: known.app.take(),
    };
    let ended = carry_out(service, memory, seen, &decision, record, &request).await;
    refused_instead_of(Exit::Complete, ended, &known)
}

/// Remembers what Prometheus holds of a service, where that teaches a later run something.
fn remember_sighting(
    service: &Service<'_>,
    memory: &mut Memory,
    state: &ServiceState,
    observation: &Observation,
) {
    let (Memory::Writable(journal), Some(seen)) = (memory, &observation.sighting) else {
        return;
    };
    let known = &state.series_seen;
    if known
        .as_ref()
        .is_some_and(|known| !known.is_superseded_by(seen))
    {
        return;
    }
    journal.note(&service.key, |state| state.series_seen = Some(seen.clone()));
}

/// Longest wait for the tip of the branch in a pass that needs nothing else of it. Protects the pass from a
/// repository that hangs; past it the tip counts as not seen by this pass.
const TIP_WITHIN: Duration = Duration::from_secs(5);

/// Looks where the branch is now, and remembers it: what was seen live decides later. A repository that cannot be
/// asked fails no pass. Returns the tip.
async fn watch(service: &Service<'_>, memory: &mut Memory, known: &Known) -> Option<String> {
    let (Some(git), Memory::Writable(journal)) = (&service.git, memory) else {
        return None;
    };
    let tip = match &known.snapshot {
        Some(snapshot) => snapshot.tip.clone(),
        None => match observe::tip(git, TIP_WITHIN).await {
            Ok(tip) => tip,
            Err(error) => {
                tracing::warn!(error = %with_sources(&error), "what is at the tip of the branch is not seen by this pass");
                return None;
            }
        },
    };
    let watch = journal.service(&service.key).watch;
    let watch = Watch::seeing(watch.as_ref(), &watched_place(git), &tip, Utc::now());
    journal.watched(&service.key, watch);
    Some(tip)
}

/// Ends a run that was told to end before anything was decided.
pub(super) fn told_to_end() -> Ended {
    Ended::only(
        Exit::TryAgain,
        "told to end before anything was decided; nothing was done, the next run begins anew",
    )
}

/// Ends a run whose turn came too late: so many services were slow before it.
pub(super) fn out_of_time() -> Ended {
    Ended::only(
        Exit::TryAgain,
        "the time of this run was over before its turn came; nothing was done. Look why the services before it are slow, or \
         spread SERVICES_DIR over several jobs",
    )
}

/// Returns the error ratio under which this burn has stopped: the SLO's, or the burn rate's where that is stricter and
/// no SLO was violated.
fn recovery_ratio(assessment: &Assessment, service: &Service<'_>) -> f64 {
    let allowed = service.config.objective.max_bad_ratio();
    assessment
        .burns
        .iter()
        .map(|burn| match burn.cause {
            Cause::FastBurn | Cause::SlowBurn | Cause::EmergencyBurn => burn.ratio,
            Cause::Violation(_) | Cause::Outage => allowed,
        })
        .fold(allowed, f64::min)
}
