//! What was rolled back, and what could be gone back to: title, author, age and health while it was live of each
//! revision, and why it would be passed over.

use chrono::Utc;

use super::finished::{CommandReport, Finished};
use crate::evaluation::{deployed_when, measure};
use crate::exit::Exit;
use crate::journal::ServiceState;
use crate::observe::Observation;
use crate::outcome::{Ended, Unavailable};
use crate::policy::{Answer, Candidate, Question, Span, Timeline, candidates};
use crate::record::Heading;
use crate::report::{HistoryReport, PastPart, RevisionPart};
use crate::service::{Service, history as remembered};
use crate::slo::Events;
use crate::with_sources;

/// Version of the layout.
const SCHEMA: u32 = 1;

/// Most revisions that are shown.
const MOST: usize = 20;

/// Shows the history of a service. The state is read without its lock and nothing is written. Without Prometheus the
/// revisions are shown without their health.
pub(super) async fn history(service: &Service<'_>, heading: &Heading) -> Finished {
    let memory = match service.looks() {
        Ok(memory) => memory,
        Err(error) => return Ended::without_state(&error).into(),
    };
    let state = memory.of(&service.key);
    let (reading, snapshot, _) = match deployed_when(service, state.watch.as_ref()).await {
        Ok(known) => known,
        Err(Unavailable { why, .. }) => return Ended::only(Exit::Unavailable, why).into(),
    };
    let measured = measure(service, heading).await;
    let (observed, complaint) = match measured {
        Ok((observation, _)) => (Some(observation), None),
        Err(not_evaluated) => (None, Some(not_evaluated.why)),
    };
    let Some(timeline) = reading.timeline() else {
        let report = report(
            heading,
            &state,
            Vec::new(),
            "nothing: no GitOps repository is configured",
        );
        return finished(report, complaint);
    };
    let back = service.config.policy.max_revisions_back;
    let now = observed
        .as_ref()
        .map_or_else(Utc::now, |it| it.evaluated_at);
    let all = candidates(timeline, &remembered(&state), back, now);
    let shown: Vec<Candidate> = all.into_iter().take(MOST).collect();
    let (healths, complaint) = match &observed {
        Some(observation) => match healths(service, observation, &shown).await {
            Ok(healths) => (healths, complaint),
            Err(why) => (Vec::new(), Some(why)),
        },
        None => (Vec::new(), complaint),
    };
    let author = |revision: &str| {
        let changes = snapshot.iter().flat_map(|snapshot| &snapshot.changes);
        let mut ours = changes.filter(|change| change.revision == revision);
        ours.next()
            .map_or_else(String::new, |change| change.author.clone())
    };
    let revisions = shown
        .into_iter()
        .map(|candidate| revision(timeline, candidate, &healths, author))
        .collect();
    let report = report(heading, &state, revisions, timeline.witness.as_str());
    finished(report, complaint)
}

fn finished(report: HistoryReport, complaint: Option<String>) -> Finished {
    Finished {
        exit: match complaint {
            None => Exit::Complete,
            Some(_) => Exit::Unavailable,
        },
        report: Some(CommandReport::History(Box::new(report))),
        complaint,
    }
}

fn report(
    heading: &Heading,
    state: &ServiceState,
    revisions: Vec<RevisionPart>,
    source: &str,
) -> HistoryReport {
    HistoryReport {
        schema: SCHEMA,
        service: heading.service.clone(),
        namespace: heading.namespace.clone(),
        at: Utc::now(),
        revisions,
        source: source.to_owned(),
        rollbacks: state.rollbacks.iter().rev().map(PastPart::from).collect(),
    }
}

fn revision(
    timeline: &Timeline,
    candidate: Candidate,
    healths: &[(Span, Events)],
    author: impl Fn(&str) -> String,
) -> RevisionPart {
    let change = &timeline.changes[candidate.index];
    let health = candidate.life.and_then(|life| {
        let mut known = healths.iter();
        known
            .find(|(span, _)| *span == life)
            .map(|(_, events)| *events)
    });
    RevisionPart {
        revision: change.revision.clone(),
        title: change.subject.clone(),
        author: author(&change.revision),
        deployed_at: change.deployed_at,
        bad_events: health.map(Events::bad),
        total_events: health.map(Events::total),
        passed_over: candidate.passed_over,
        is_at_tip: candidate.index == 0,
    }
}

/// Asks how many events failed while each was live; nothing is returned of what cannot be known.
///
/// # Errors
/// Says why Prometheus cannot be asked.
async fn healths(
    service: &Service<'_>,
    observation: &Observation,
    shown: &[Candidate],
) -> Result<Vec<(Span, Events)>, String> {
    let questions: Vec<Question> = shown
        .iter()
        .filter_map(|candidate| candidate.life.filter(|life| life.to > life.from))
        .map(|span| Question::WindowCounts {
            span,
            latency: false,
        })
        .collect();
    let answers = service.metrics().answer(observation, &questions).await;
    let answers = answers.map_err(|error| with_sources(&error))?;
    let known = answers.into_iter().filter_map(|answer| match answer {
        Answer::WindowCounts(span, counts) => Some((span, *counts.events.value()?)),
        Answer::SliceHistory(_) | Answer::Pods(..) => None,
    });
    Ok(known.collect())
}
