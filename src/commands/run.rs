//! One pass: read, decide, act, prove, write down.

use std::time::{Duration, Instant};

use chrono::Utc;

use super::fleet::FleetView;
use crate::evaluation::{Known, evaluate, refused_instead_of};
use crate::exit::Exit;
use crate::journal::{Memory, Origin, Rollback, ServiceState, Watch};
use crate::log_file::AUDIT;
use crate::observe::Observation;
use crate::outcome::{Ended, Holds};
use crate::policy::{Action, Blame, GateName, Inputs, Reason, Suspicious, decide};
use crate::record::{Heading, Record};
use crate::rollback::{
    Fate, Judged, Request, carry_out, end, fate, not_remembering, resume, waits, watched, whole,
};
use crate::service::{Service, history, watched_place};
use crate::slo::{Assessment, Cause};

/// How a service stands in a pass, before anything is done about it.
pub(super) enum Looked {
    /// There is nothing more to do.
    Over(Ended),
    /// An earlier run left a rollback that is finished first.
    Unfinished(Box<Rollback>),
    /// It was looked at, and what is to be done is decided next.
    Seen(Box<Seen>),
}

impl Looked {
    /// Returns the deployment that is to blame, as far as one is.
    pub(super) fn suspect(&self, service: &Service<'_>) -> Option<String> {
        let Self::Seen(seen) = self else {
            return None;
        };
        let history = history(&seen.state);
        let attribution = decide(&seen.known.inputs(service, &history)).attribution?;
        (attribution.verdict == Blame::Deployment).then_some(attribution.suspect)
    }
}

/// What a pass saw of a service.
pub(super) struct Seen {
    state: ServiceState,
    known: Known,
    tip: Option<String>,
    holds: Holds,
    suspicious: Vec<Suspicious>,
    /// When.
    at: Instant,
}

/// How long what was seen may wait until it is acted on; past it the service is looked at again.
const STALE_AFTER: Duration = Duration::from_secs(60);

impl Seen {
    /// Tells whether the service burns.
    pub(super) fn burns(&self) -> bool {
        self.known.assessment.burning == Some(true)
    }
}

/// Looks how a service stands.
pub(super) async fn look(service: &Service<'_>, heading: &Heading, memory: &mut Memory) -> Looked {
    let state = match whole(service, memory).await {
        Ok(state) => state,
        Err(not_whole) => return Looked::Over(not_remembering(service, heading, not_whole).await),
    };
    if let (Memory::Writable(_), Some(unfinished)) = (&*memory, state.unfinished()) {
        return Looked::Unfinished(Box::new(unfinished.clone()));
    }
    let evaluated = tokio::select! {
        evaluated = evaluate(service, heading, &state) => evaluated,
        () = service.stop.told() => return Looked::Over(told_to_end()),
    };
    let known = match evaluated {
        Ok(known) => known,
        Err(not_evaluated) => return Looked::Over(not_evaluated.ended()),
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
    Looked::Seen(Box::new(Seen {
        state,
        known,
        tip,
        holds,
        suspicious,
        at: Instant::now(),
    }))
}

/// Does what is to be done about a service: finishes what an earlier run began, else decides and carries out.
pub(super) async fn act(
    service: &Service<'_>,
    heading: &Heading,
    memory: &mut Memory,
    looked: Looked,
    fleet: Option<&FleetView>,
) -> Ended {
    let looked = match &looked {
        // Others took their time; what is acted on must be so now.
        Looked::Seen(seen) if seen.burns() && seen.at.elapsed() > STALE_AFTER => {
            look(service, heading, memory).await
        }
        Looked::Seen(_) | Looked::Unfinished(_) | Looked::Over(_) => looked,
    };
    match (looked, &mut *memory) {
        (Looked::Over(ended), _) => ended,
        (Looked::Unfinished(unfinished), Memory::Writable(journal)) => {
            resume(service, heading, journal, *unfinished).await
        }
        // A run that writes nothing finishes nothing.
        (Looked::Unfinished(_), Memory::ReadOnly(_)) => told_to_end(),
        (Looked::Seen(seen), _) => {
            let Seen {
                state,
                known,
                tip,
                holds,
                suspicious,
                ..
            } = *seen;
            let ended = follow(
                service,
                heading,
                memory,
                &state,
                known,
                tip.as_deref(),
                fleet,
            )
            .await;
            Ended {
                holds,
                suspicious,
                ..ended
            }
        }
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
    fleet: Option<&FleetView>,
) -> Ended {
    let history = history(state);
    known.looks_what_was_done(service, &history).await;
    let of_all = fleet.map(|fleet| match known.branch.timeline() {
        Some(_) => fleet.now(memory),
        None => fleet.seen(),
    });
    let decision = decide(&Inputs {
        fleet: of_all.as_ref(),
        ..known.inputs(service, &history)
    });
    if let (Some(fleet), Action::RollBack(plan)) = (fleet, &decision.action) {
        fleet.reserve(&plan.from);
    }
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
    let is_wide = decision.reason == Reason::FleetWide;
    let ended = carry_out(service, memory, seen, &decision, record, &request).await;
    let ended = refused_instead_of(Exit::Complete, ended, &known);
    let is_told_of_another = is_wide && fleet.is_some_and(|fleet| !fleet.tells(&service.key));
    Ended {
        is_told_of_another,
        ..ended
    }
}

/// Remembers what Prometheus holds of a service, where that teaches a later run something.
fn remember_sighting(
    service: &Service<'_>,
    memory: &mut Memory,
    state: &ServiceState,
    observation: &Observation,
) {
    let Memory::Writable(journal) = memory else {
        return;
    };
    if let Some(periods) = &observation.counted_periods {
        journal.note(&service.key, |state| state.periods = Some(periods.clone()));
    }
    let Some(seen) = &observation.sighting else {
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

/// Looks where the branch is now, and remembers it: what was seen live decides later. A repository that cannot be
/// asked fails no pass. Returns the tip.
async fn watch(service: &Service<'_>, memory: &mut Memory, known: &Known) -> Option<String> {
    let (Some(git), Memory::Writable(journal)) = (&service.git, memory) else {
        return None;
    };
    let tip = match &known.snapshot {
        Some(snapshot) => snapshot.tip.clone(),
        None => match service.tip(git).await {
            Ok(tip) => tip,
            Err(error) => {
                tracing::warn!(
                    error,
                    "what is at the tip of the branch is not seen by this pass"
                );
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
