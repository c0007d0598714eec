//! One pass: read, decide, act, prove, write down.

use std::time::Duration;

use chrono::Utc;

use super::Ended;
use super::carry_out::{Sighted, Wish, carry_out};
use super::holds::watched;
use super::journey::Outage;
use super::ledger::{Found, NotWhole, whole};
use super::pending::{Fate, end, fate, waits};
use super::resume::resume;
use super::service::{Service, history, sightings, watched_place, with_sources};
use crate::clients::argocd::Application;
use crate::clients::git::{Git, Snapshot};
use crate::clients::prometheus::PrometheusError;
use crate::exit::Exit;
use crate::journal::{self, Glimpse, Journal, JournalError, Origin, ServiceState, Watch};
use crate::observe::{self, Observation, Offender, Sighting};
use crate::policy::{
    Action, BranchReading, Evidence, GateName, History, Inputs, Reason, Timeline, decide,
    needs_branch, questions, wants_doings,
};
use crate::record::{Heading, Record};
use crate::slo::{
    Assessment, Cause, Reading, Signal, Sli, Unknown, Weight, assess_knowing_pods, assess_slices,
};

/// Most rounds of questions about the past; three looks and one round of counts are all that is ever asked.
const MAX_ROUNDS: usize = 6;

/// What the run remembers of earlier ones, and whether it may add to it. Copies of what is writable share one file.
#[derive(Clone)]
pub(super) enum Memory {
    /// Locked for this run.
    Writable(Journal),
    /// Read for a dry run, which writes nothing.
    ReadOnly(Glimpse),
}

impl Memory {
    /// Opens the state as far as a run may change it.
    pub(super) fn open(service: &Service<'_>) -> Result<Self, JournalError> {
        let file = &service.config.state.state_file;
        if service.config.policy.dry_run {
            journal::read(file).map(Self::ReadOnly)
        } else {
            Journal::open(file).map(Self::Writable)
        }
    }

    /// Reads the state for a command that only looks.
    pub(super) fn looking(service: &Service<'_>) -> Result<Self, JournalError> {
        journal::read(&service.config.state.state_file).map(Self::ReadOnly)
    }

    pub(super) fn of(&self, service: &Service<'_>) -> ServiceState {
        match self {
            Self::Writable(journal) => journal.service(&service.key),
            Self::ReadOnly(glimpse) => glimpse.state.service(&service.key),
        }
    }

    /// Says what is wrong with the file, where something is.
    pub(super) fn damage(&self) -> Option<String> {
        match self {
            Self::Writable(journal) => journal.damage(),
            Self::ReadOnly(glimpse) => glimpse.damage.clone(),
        }
    }

    /// Adds what was found outside; a dry run remembers it for as long as it lasts.
    pub(super) fn adopt(
        &mut self,
        service: &Service<'_>,
        found: &Found,
    ) -> Result<(), JournalError> {
        match self {
            Self::Writable(journal) => {
                let (rollbacks, ledger) = found.parts();
                journal.adopt(&service.key, rollbacks, ledger)
            }
            Self::ReadOnly(glimpse) => {
                let services = &mut glimpse.state.services;
                found.add_to(services.entry(service.key.clone()).or_default());
                Ok(())
            }
        }
    }
}

/// Ends a run whose state cannot be used.
pub(super) fn without_state(error: &JournalError) -> Ended {
    let exit = match error {
        JournalError::Locked { .. } => Exit::TryAgain,
        JournalError::Folder { .. } | JournalError::Read { .. } | JournalError::Newer { .. } => {
            Exit::Configuration
        }
        JournalError::Write { .. } => Exit::PersonNeeded,
    };
    Ended::only(exit, error.to_string())
}

/// Everything that is known of a service at one moment.
pub(super) struct Known {
    pub(super) observation: Observation,
    pub(super) assessment: Assessment,
    pub(super) branch: BranchReading,
    /// What was asked about the past because something burns.
    pub(super) evidence: Evidence,
    /// What the pods say besides, for people; nothing where nothing burns.
    pub(super) signals: Vec<Signal>,
    /// What fails most, for people; nothing where nothing burns.
    pub(super) offenders: Vec<Offender>,
    /// The branch as it was judged, for the one who acts on it.
    pub(super) snapshot: Option<Snapshot>,
    /// The application as it was judged, for the same.
    pub(super) app: Option<Application>,
}

impl Known {
    /// Returns all that a decision depends on.
    pub(super) fn inputs<'a>(
        &'a self,
        service: &'a Service<'_>,
        history: &'a History,
    ) -> Inputs<'a> {
        Inputs {
            now: self.observation.evaluated_at,
            objective: &service.objective,
            assessment: &self.assessment,
            branch: &self.branch,
            evidence: &self.evidence,
            history,
            settings: &service.settings,
        }
    }
}

impl Known {
    /// Looks what was done to the watched paths since the revision to go back to, where one would be gone back to.
    pub(super) async fn looks_what_was_done(&mut self, service: &Service<'_>, history: &History) {
        let wanted = wants_doings(&self.inputs(service, history));
        let Some((suspect, target)) = wanted else {
            return;
        };
        let Some(snapshot) = self.snapshot.take() else {
            return;
        };
        let (snapshot, doings) = observe::doings(snapshot, &suspect, &target).await;
        self.snapshot = Some(snapshot);
        self.evidence.know(doings);
    }
}

/// Why a service could not be evaluated: something did not answer, and nothing was touched.
pub(super) struct NotEvaluated {
    pub(super) record: Record,
    pub(super) why: String,
    /// How the service stands, where only the repository did not answer.
    pub(super) assessment: Option<Assessment>,
}

impl NotEvaluated {
    fn new(record: Record, source: &str, why: String) -> Box<Self> {
        let record = record
            .holding(Reason::UnknownData, why.clone())
            .not_knowing(source, why.clone());
        Box::new(Self {
            record,
            why,
            assessment: None,
        })
    }

    pub(super) fn ended(self) -> Ended {
        Ended::with(Exit::Unavailable, self.record).complaining(self.why)
    }
}

/// Asks Prometheus.
pub(super) async fn measure(
    service: &Service<'_>,
    heading: &Heading,
) -> Result<(Observation, Assessment), Box<NotEvaluated>> {
    measure_since(service, heading, None).await
}

/// Asks Prometheus, and looks whether it still holds what an earlier run saw.
pub(super) async fn measure_since(
    service: &Service<'_>,
    heading: &Heading,
    seen: Option<&journal::Sighting>,
) -> Result<(Observation, Assessment), Box<NotEvaluated>> {
    let seen = seen.cloned().map(from_memory);
    let metrics = service.metrics();
    let observed = metrics.observe_since(&service.objective, seen.as_ref());
    match observed.await {
        Ok(observation) => {
            let assessment = judge(service, &observation).await;
            tracing::info!(
                verdict = ?assessment.verdict,
                consumed = assessment.budget.consumed,
                window = "1h",
                burn_rate = assessment.burn_rates.h1,
                requests = service.prometheus_requests(),
                "evaluated"
            );
            Ok((observation, assessment))
        }
        Err(error) => Err(unreachable_prometheus(service, heading, &error)),
    }
}

/// Judges an observation. Where the traffic fell, the pods are asked for: what is silent may be gone.
async fn judge(service: &Service<'_>, observation: &Observation) -> Assessment {
    let (measurement, slice) = (&observation.measurement, observation.slice_window);
    let assessment = assess_slices(measurement, &service.objective, slice);
    if assessment.fall.is_none() {
        return assessment;
    }
    let pods = if service.config.policy.outage_detection {
        let at = observation.evaluated_at;
        service.metrics().pods_there(&service.objective, at).await
    } else {
        Reading::Refused {
            why: "OUTAGE_DETECTION is false".to_owned(),
        }
    };
    assess_knowing_pods(measurement, &service.objective, slice, Some(&pods))
}

fn unreachable_prometheus(
    service: &Service<'_>,
    heading: &Heading,
    error: &PrometheusError,
) -> Box<NotEvaluated> {
    NotEvaluated::new(
        Record::unknown(heading, &service.objective, Utc::now()),
        "prometheus",
        with_sources(error),
    )
}

pub(super) fn from_memory(seen: journal::Sighting) -> Sighting {
    let journal::Sighting {
        at,
        series,
        question,
    } = seen;
    Sighting {
        at,
        series,
        question,
    }
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
    let known = state.sighting.clone().map(from_memory);
    if known.is_some_and(|known| !known.is_superseded_by(seen)) {
        return;
    }
    let Sighting {
        at,
        series,
        question,
    } = seen.clone();
    let sighting = journal::Sighting {
        at,
        series,
        question,
    };
    let written = journal.tell(&service.key, |state| state.sighting = Some(sighting));
    if let Err(error) = written {
        tracing::warn!(%error, "what Prometheus holds of the service is not written down; a later run knows less");
    }
}

/// Asks Prometheus and, where the decision needs it, the repository and Prometheus again. `state` says what earlier passes
/// saw of the back end and of the branch.
pub(super) async fn evaluate(
    service: &Service<'_>,
    heading: &Heading,
    state: &ServiceState,
) -> Result<Known, Box<NotEvaluated>> {
    let (observation, mut assessment) =
        measure_since(service, heading, state.sighting.as_ref()).await?;
    let offenders = fails_most(service, &observation, &mut assessment).await;
    let (branch, snapshot, app) =
        match deployments(service, &assessment, state.watch.as_ref()).await {
            Ok(known) => known,
            Err(Outage { source, why }) => {
                let record = Record::unknown(heading, &service.objective, observation.evaluated_at)
                    .with_assessment(&assessment);
                let mut not_evaluated = NotEvaluated::new(record, source, why);
                not_evaluated.assessment = Some(assessment);
                return Err(not_evaluated);
            }
        };
    let mut known = Known {
        observation,
        assessment,
        branch,
        evidence: Evidence::default(),
        signals: Vec::new(),
        offenders,
        snapshot,
        app,
    };
    if let Err(error) = gather(service, &mut known).await {
        return Err(unreachable_prometheus(service, heading, &error));
    }
    if known.assessment.burning == Some(true) {
        let at = known.observation.evaluated_at;
        known.signals = service.metrics().signals(at).await;
    }
    Ok(known)
}

/// Asks what fails most, once something burns. Where nearly all that fails are probes, nobody knows how callers fare.
async fn fails_most(
    service: &Service<'_>,
    observation: &Observation,
    assessment: &mut Assessment,
) -> Vec<Offender> {
    if assessment.burning != Some(true) {
        return Vec::new();
    }
    let breakdown = service.metrics().breakdown(observation).await;
    let errors_burn = assessment.burns.iter().any(|burn| burn.sli == Sli::Errors);
    let probes = breakdown
        .probes
        .filter(|probes| errors_burn && probes.is_mostly());
    assessment.unknowns.extend(probes.map(|probes| Unknown {
        source: "probes".to_owned(),
        why: probes.why(),
        weight: Weight::Acting,
    }));
    breakdown.offenders
}

/// Asks what was deployed when: the branch, and Argo CD where it is configured. A service that does not burn asks neither.
async fn deployments(
    service: &Service<'_>,
    assessment: &Assessment,
    watch: Option<&Watch>,
) -> Result<(BranchReading, Option<Snapshot>, Option<Application>), Outage> {
    if service.git.is_none() && service.argo.is_none() {
        return Ok((BranchReading::NotConfigured, None, None));
    }
    if !needs_branch(assessment, &service.settings) {
        return Ok((BranchReading::NotAsked, None, None));
    }
    let app = match &service.argo {
        None => None,
        Some(argo) => Some(argo.application().await.map_err(|error| Outage {
            source: "argocd",
            why: with_sources(&error),
        })?),
    };
    let Some(git) = &service.git else {
        let timeline = app.as_ref().and_then(observe::of_application);
        let timeline = timeline.ok_or_else(|| Outage {
            source: "argocd",
            why: "Argo CD's history cannot be read, or is empty".to_owned(),
        })?;
        return Ok((BranchReading::Known(timeline), None, app));
    };
    let snapshot = observe::branch(git, service.settings.max_revisions_back, None)
        .await
        .map_err(|error| Outage {
            source: "git",
            why: with_sources(&error),
        })?;
    let timeline = seen(&snapshot, watch, git);
    let timeline = match &app {
        Some(app) => observe::joined(timeline, &snapshot, app),
        None => timeline,
    };
    Ok((BranchReading::Known(timeline), Some(snapshot), app))
}

/// Returns what was deployed when: as earlier passes saw it where they did, and this one sees the tip too.
pub(super) fn seen(snapshot: &Snapshot, watch: Option<&Watch>, git: &Git) -> Timeline {
    let watch = Watch::seeing(watch, &watched_place(git), &snapshot.tip, Utc::now());
    observe::timeline(snapshot).as_seen(&sightings(snapshot, &watch))
}

/// Longest wait for the tip of the branch in a pass that needs nothing else of it. Protects the pass from a repository that
/// hangs; past it the tip counts as not seen by this pass.
const TIP_WITHIN: Duration = Duration::from_secs(5);

/// Looks where the branch is now, and remembers it: what was seen live decides later. A repository that cannot be asked fails
/// no pass. Returns the tip.
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

/// Asks what the decision wants to know of the past, until it knows all that can help.
async fn gather(service: &Service<'_>, known: &mut Known) -> Result<(), PrometheusError> {
    let metrics = service.metrics();
    let nothing = History::default();
    for _ in 0..MAX_ROUNDS {
        let questions = questions(&known.inputs(service, &nothing));
        if questions.is_empty() {
            break;
        }
        for answer in metrics.answer(&known.observation, &questions).await? {
            known.evidence.add(answer);
        }
    }
    tracing::debug!(requests = service.prometheus_requests(), "looked back");
    Ok(())
}

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
    let ended = follow(service, heading, memory, &state, known, tip.as_deref()).await;
    Ended { holds, ..ended }
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
    let record = Record::unknown(heading, &service.objective, known.observation.evaluated_at)
        .with_assessment(&known.assessment)
        .with_deployment(known.branch.timeline())
        .with_live(known.branch.timeline(), tip)
        .with_decision(&decision)
        .with_signals(&known.signals)
        .with_offenders(&known.offenders);
    let burning = decision
        .gates
        .iter()
        .find(|gate| gate.name == GateName::Burning);
    let wish = Wish {
        origin: Origin::Automatic,
        why: burning.map_or_else(String::new, |gate| gate.detail.clone()),
        named: None,
        by: "error-budget-monitor",
        recovery_ratio: recovery_ratio(&known.assessment, service),
        outage: known.assessment.outage.is_some(),
        when_held: Exit::Complete,
        pending: None,
    };
    let (wish, record) = match (&mut *memory, state.pending()) {
        (Memory::Writable(journal), Some(pending)) => {
            let mut pending = pending.clone();
            match fate(&pending, &decision, known.assessment.burning, Utc::now()) {
                Fate::Waits => return waits(record, &pending, &decision),
                Fate::Goes => {
                    let wish = Wish {
                        pending: Some(pending),
                        ..wish
                    };
                    (wish, record)
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
                    (wish, record)
                }
            }
        }
        _ => (wish, record),
    };
    let seen = Sighted {
        snapshot: known.snapshot.take(),
        app: known.app.take(),
    };
    let ended = carry_out(service, memory, seen, &decision, record, &wish).await;
    refused_instead_of(Exit::Complete, ended, &known)
}

/// Ends a run whose memory could not be made whole: it shows how the service stands, and does nothing.
pub(super) async fn not_remembering(
    service: &Service<'_>,
    heading: &Heading,
    not_whole: NotWhole,
) -> Ended {
    let Outage { source, why } = match not_whole {
        NotWhole::Unwritten(error) => return without_state(&error),
        NotWhole::Outage(outage) => outage,
    };
    let why = format!("what was rolled back before is not known, and cannot be looked up: {why}");
    let record = match measure(service, heading).await {
        Ok((observation, assessment)) => {
            Record::unknown(heading, &service.objective, observation.evaluated_at)
                .with_assessment(&assessment)
        }
        Err(not_evaluated) => not_evaluated.record,
    };
    let record = record
        .holding(Reason::UnknownData, why.clone())
        .not_knowing(source, why.clone());
    Ended::with(Exit::Unavailable, record).complaining(why)
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

/// Ends with the sentence of a refused question, where nothing but the missing answer led to `exit`. The record keeps all
/// that was measured.
pub(super) fn refused_instead_of(exit: Exit, ended: Ended, known: &Known) -> Ended {
    let now = known.observation.measurement.refusal();
    match now.or_else(|| known.evidence.refusal(&known.assessment)) {
        Some(why) if ended.exit == exit => Ended {
            exit: Exit::Unavailable,
            ..ended
        }
        .complaining(why),
        Some(_) | None => ended,
    }
}

/// Returns the error ratio under which this burn has stopped: the SLO's, or the burn rate's where that is stricter and
/// no SLO was violated.
fn recovery_ratio(assessment: &Assessment, service: &Service<'_>) -> f64 {
    let allowed = service.objective.max_bad_ratio();
    assessment
        .burns
        .iter()
        .map(|burn| match burn.cause {
            Cause::FastBurn | Cause::SlowBurn | Cause::EmergencyBurn => burn.ratio,
            Cause::Violation(_) | Cause::Outage => allowed,
        })
        .fold(allowed, f64::min)
}
