//! How a service stands: ask, assess, and ask again what the decision wants to know. Nothing is changed.

use std::sync::Arc;

use chrono::Utc;
use tokio::join;

use crate::clients::argocd::Application;
use crate::clients::git::{Git, Snapshot};
use crate::clients::prometheus::PrometheusError;
use crate::exit::Exit;
use crate::journal::{ServiceState, Watch};
use crate::observe::{self, Observation, Offender, Remembered, Trust};
use crate::outcome::{Ended, Unavailable};
use crate::policy::{
    BranchReading, Evidence, History, Inputs, Reason, Timeline, needs_branch, questions,
    wants_doings,
};
use crate::record::{Heading, Record};
use crate::service::{Service, sightings, watched_place};
use crate::slo::{
    Assessment, Reading, Signal, Sli, Unknown, Verdict, Weight, assess_knowing_pods, assess_slices,
};
use crate::with_sources;

/// Most rounds of questions about the past; three looks and one round of counts are all that is ever asked.
const MAX_ROUNDS: usize = 6;

/// Everything that is known of a service at one moment.
pub(crate) struct Known {
    pub(crate) observation: Observation,
    pub(crate) assessment: Assessment,
    pub(crate) branch: BranchReading,
    /// What was asked about the past because something burns.
    pub(crate) evidence: Evidence,
    /// What the pods say besides, for people; nothing where nothing burns.
    pub(crate) signals: Vec<Signal>,
    /// What fails most, for people; nothing where nothing burns.
    pub(crate) offenders: Vec<Offender>,
    /// The branch as it was judged, for the one who acts on it.
    pub(crate) snapshot: Option<Snapshot>,
    /// The application as it was judged, for the same.
    pub(crate) app: Option<Application>,
}

impl Known {
    /// Returns all that a decision depends on.
    pub(crate) fn inputs<'a>(
        &'a self,
        service: &'a Service<'_>,
        history: &'a History,
    ) -> Inputs<'a> {
        Inputs {
            fleet: None,
            now: self.observation.evaluated_at,
            objective: &service.config.objective,
            assessment: &self.assessment,
            branch: &self.branch,
            evidence: &self.evidence,
            history,
            settings: &service.config.policy,
        }
    }
}

impl Known {
    /// Looks what was done to the watched paths since the revision to go back to, where one would be gone back to.
    pub(crate) async fn looks_what_was_done(&mut self, service: &Service<'_>, history: &History) {
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
pub(crate) struct NotEvaluated {
    pub(crate) record: Record,
    pub(crate) why: String,
    /// How the service stands, where only the repository did not answer.
    pub(crate) assessment: Option<Assessment>,
}

impl NotEvaluated {
    pub(crate) fn new(record: Record, source: &str, why: String) -> Box<Self> {
        let record = record
            .holding(Reason::UnknownData, why.clone())
            .not_knowing(source, why.clone());
        Box::new(Self {
            record,
            why,
            assessment: None,
        })
    }

    pub(crate) fn ended(self) -> Ended {
        Ended::with(Exit::Unavailable, self.record).complaining(self.why)
    }
}

/// Asks Prometheus.
pub(crate) async fn measure(
    service: &Service<'_>,
    heading: &Heading,
) -> Result<(Observation, Assessment), Box<NotEvaluated>> {
    measure_since(service, heading, Remembered::default()).await
}

/// Asks Prometheus with what earlier runs remember, unless the service was asked about together with others just now.
pub(crate) async fn measure_since(
    service: &Service<'_>,
    heading: &Heading,
    remembered: Remembered<'_>,
) -> Result<(Observation, Assessment), Box<NotEvaluated>> {
    let metrics = service.metrics();
    let observed = match service.observed_together() {
        Some(observed) => observed,
        None => metrics
            .observe_since(&service.config.objective, remembered)
            .await
            .map_err(Arc::new),
    };
    match observed {
        Ok(observation) => {
            service.note_form(&observation);
            let assessment = judge(service, &observation).await;
            let is_well = assessment.verdict == Verdict::Healthy;
            match is_well && service.is_in_a_crowd {
                true => tracing::debug!(verdict = ?assessment.verdict, "evaluated"),
                false => tracing::info!(
                    verdict = ?assessment.verdict,
                    consumed = assessment.budget.consumed,
                    window = "1h",
                    burn_rate = assessment.burn_rates.h1,
                    queries = service.prometheus_requests(),
                    "evaluated"
                ),
            }
            Ok((observation, assessment))
        }
        Err(error) => Err(unreachable_prometheus(service, heading, &error)),
    }
}

/// Returns what helps to ask Prometheus.
pub(crate) fn remembered(state: &ServiceState) -> Remembered<'_> {
    Remembered {
        series: state.series_seen.as_ref(),
        periods: state.periods.as_ref(),
    }
}

/// Judges an observation. Where the traffic fell, the pods are asked for: what is silent may be gone.
async fn judge(service: &Service<'_>, observation: &Observation) -> Assessment {
    let (measurement, slice) = (&observation.measurement, observation.slice_window);
    let assessment = assess_slices(measurement, &service.config.objective, slice);
    if assessment.fall.is_none() {
        return assessment;
    }
    let pods = if service.config.run.outage_detection {
        let at = observation.evaluated_at;
        service
            .metrics()
            .pods_there(&service.config.objective, at)
            .await
    } else {
        Reading::Refused {
            why: "OUTAGE_DETECTION is false".to_owned(),
        }
    };
    assess_knowing_pods(measurement, &service.config.objective, slice, Some(&pods))
}

fn unreachable_prometheus(
    service: &Service<'_>,
    heading: &Heading,
    error: &PrometheusError,
) -> Box<NotEvaluated> {
    NotEvaluated::new(
        Record::unknown(heading, &service.config.objective, Utc::now()),
        "prometheus",
        with_sources(error),
    )
}

/// Asks Prometheus and, where the decision needs it, the repository and Prometheus again. `state` says what earlier
/// passes saw of the back end and of the branch.
pub(crate) async fn evaluate(
    service: &Service<'_>,
    heading: &Heading,
    state: &ServiceState,
) -> Result<Known, Box<NotEvaluated>> {
    let (observation, mut assessment) = measure_since(service, heading, remembered(state)).await?;
    // None of the three needs an answer of the others, so none waits for them.
    let (offenders, deployed, signals) = join!(
        fails_most(service, &observation, &assessment),
        deployments(service, &assessment, state.watch.as_ref()),
        signals(service, &observation, &assessment),
    );
    let (offenders, doubt) = offenders;
    assessment.unknowns.extend(doubt);
    let deployed = match deployed {
        // Where the probes are in doubt nothing is decided by what was deployed.
        Ok((BranchReading::Known(_), ..)) | Err(_)
            if !needs_branch(&assessment, &service.config.policy) =>
        {
            Ok((BranchReading::NotAsked, None, None))
        }
        deployed => deployed,
    };
    let (branch, snapshot, app) = match deployed {
        Ok(known) => known,
        Err(Unavailable { source, why }) => {
            let record =
                Record::unknown(heading, &service.config.objective, observation.evaluated_at)
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
        signals,
        offenders,
        snapshot,
        app,
    };
    if let Err(error) = gather(service, &mut known).await {
        return Err(unreachable_prometheus(service, heading, &error));
    }
    Ok(known)
}

/// Asks what the pods say besides, once something burns.
async fn signals(
    service: &Service<'_>,
    observation: &Observation,
    assessment: &Assessment,
) -> Vec<Signal> {
    if assessment.burning != Some(true) {
        return Vec::new();
    }
    service.metrics().signals(observation.evaluated_at).await
}

/// Asks what fails most, once something burns. Where nearly all that fails are probes, nobody knows how callers fare.
async fn fails_most(
    service: &Service<'_>,
    observation: &Observation,
    assessment: &Assessment,
) -> (Vec<Offender>, Option<Unknown>) {
    if assessment.burning != Some(true) {
        return (Vec::new(), None);
    }
    let breakdown = service.metrics().breakdown(observation).await;
    let errors_burn = assessment.burns.iter().any(|burn| burn.sli == Sli::Errors);
    let probes = breakdown
        .probes
        .filter(|probes| errors_burn && probes.is_mostly());
    let doubt = probes.map(|probes| Unknown {
        source: "probes".to_owned(),
        why: probes.why(),
        weight: Weight::Acting,
    });
    (breakdown.offenders, doubt)
}

/// Asks what was deployed when: the branch, and Argo CD where it is configured. A service that does not burn asks
/// neither.
async fn deployments(
    service: &Service<'_>,
    assessment: &Assessment,
    watch: Option<&Watch>,
) -> Result<(BranchReading, Option<Snapshot>, Option<Application>), Unavailable> {
    if service.git.is_none() && service.argo.is_none() {
        return Ok((BranchReading::NotConfigured, None, None));
    }
    if !needs_branch(assessment, &service.config.policy) {
        return Ok((BranchReading::NotAsked, None, None));
    }
    deployed_when(service, watch).await
}

/// Asks what was deployed when, whether the service burns or not.
pub(crate) async fn deployed_when(
    service: &Service<'_>,
    watch: Option<&Watch>,
) -> Result<(BranchReading, Option<Snapshot>, Option<Application>), Unavailable> {
    if service.git.is_none() && service.argo.is_none() {
        return Ok((BranchReading::NotConfigured, None, None));
    }
    let application = async {
        let argo = service.argo.as_ref()?;
        Some(argo.application().await.map_err(|error| Unavailable {
            source: "argocd",
            why: with_sources(&error),
        }))
    };
    let branch = async {
        let git = service.git.as_ref()?;
        let read = observe::branch(git, service.config.policy.max_revisions_back, None).await;
        let read = read.map_err(|error| Unavailable {
            source: "git",
            why: with_sources(&error),
        });
        Some((git, read))
    };
    let (app, branch) = join!(application, branch);
    let app = app.transpose()?;
    let Some((git, snapshot)) = branch else {
        let timeline = app.as_ref().and_then(observe::of_application);
        let timeline = timeline.ok_or_else(|| Unavailable {
            source: "argocd",
            why: "Argo CD's history cannot be read, or is empty".to_owned(),
        })?;
        return Ok((BranchReading::Known(timeline), None, app));
    };
    let snapshot = snapshot?;
    let app = match app {
        Some(app) => Some(
            service
                .in_dry_terms(app)
                .await
                .map_err(|error| Unavailable {
                    source: "git",
                    why: with_sources(&error),
                })?,
        ),
        None => None,
    };
    let timeline = seen(&snapshot, watch, git, service.trust());
    let timeline = match (&app, &service.config.gitops) {
        (Some(app), Some(gitops)) => observe::joined(timeline, &snapshot, app, &gitops.git),
        (None, _) | (_, None) => timeline,
    };
    Ok((BranchReading::Known(timeline), Some(snapshot), app))
}

/// Returns what was deployed when: as earlier passes saw it where they did, and this one sees the tip too.
pub(crate) fn seen(
    snapshot: &Snapshot,
    watch: Option<&Watch>,
    git: &Git,
    trust: Trust<'_>,
) -> Timeline {
    let watch = Watch::seeing(watch, &watched_place(git), &snapshot.tip, Utc::now());
    observe::timeline(snapshot, trust).as_seen(&sightings(snapshot, &watch))
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
    tracing::debug!(queries = service.prometheus_requests(), "looked back");
    Ok(())
}

/// Ends with the sentence of a refused question, where nothing but the missing answer led to `exit`. The record keeps
/// all that was measured.
pub(crate) fn refused_instead_of(exit: Exit, ended: Ended, known: &Known) -> Ended {
    let now = known.observation.measurement.refusal();
    let now = now.filter(|why| known.assessment.is_blocked_by(why));
    match now.or_else(|| known.evidence.refusal(&known.assessment)) {
        Some(why) if ended.exit == exit => Ended {
            exit: Exit::Unavailable,
            ..ended
        }
        .complaining(why),
        Some(_) | None => ended,
    }
}
