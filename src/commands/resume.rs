//! Finishes what an earlier run began: what is done is found, not repeated.

use chrono::Utc;

use super::Ended;
use super::carry_out::Journey;
use super::pass::measure;
use super::service::Service;
use crate::clients::git::{Git, GitError, Snapshot};
use crate::exit::Exit;
use crate::journal::{Event, Journal, Origin, Phase, Rollback, StepName, StepState};
use crate::observe::{self, TRAILER_ID};
use crate::record::{Heading, Record};
use crate::slo::Assessment;

/// Goes on with an unfinished rollback. Its push is repeated only while its evidence is fresh and the service still burns.
pub(super) async fn resume(
    service: &Service<'_>,
    heading: &Heading,
    journal: Journal,
    unfinished: Rollback,
) -> Ended {
    tracing::info!(rollback.id = %unfinished.id, phase = ?unfinished.phase, "an earlier run began a rollback");
    let (observation, assessment) = match measure(service, heading).await {
        Ok(measured) => measured,
        Err(not_evaluated) => {
            let mut not_evaluated = *not_evaluated;
            not_evaluated.record = not_evaluated.record.with_rollback(&unfinished);
            return not_evaluated.ended();
        }
    };
    let record = Record::unknown(heading, &service.objective, observation.evaluated_at)
        .with_assessment(&assessment)
        .with_resumption(format!(
            "rollback {} was begun by an earlier run",
            unfinished.id
        ));
    let Some(git) = &service.git else {
        let why = format!(
            "rollback {} is unfinished, and GITOPS_REPO is not set; set it again",
            unfinished.id
        );
        return Ended::with(Exit::Configuration, record.with_rollback(&unfinished))
            .complaining(why);
    };
    let mut journey = Journey::new(service, journal, unfinished);
    let mut unreachable = None;
    if journey.rollback.phase == Phase::Begun {
        unreachable = settle(service, git, &mut journey, &assessment).await;
    }
    if unreachable.is_none() {
        journey.prove().await;
    }
    journey.ended(record, unreachable)
}

/// Finds out what became of the push of an earlier run, and repeats it where that is still right.
async fn settle(
    service: &Service<'_>,
    git: &Git,
    journey: &mut Journey<'_>,
    assessment: &Assessment,
) -> Option<GitError> {
    let snapshot: Snapshot =
        match observe::branch(git, service.settings.max_revisions_back, None).await {
            Ok(snapshot) => snapshot,
            Err(error) => return Some(error),
        };
    if let Some(commit) = snapshot.find_trailer(TRAILER_ID, &journey.rollback.id) {
        // When it landed is not known; it was not before it was begun.
        let begun_at = journey.rollback.begun_at;
        journey.landed(git, commit, begun_at);
        return None;
    }
    let age = (Utc::now() - journey.rollback.begun_at)
        .to_std()
        .unwrap_or_default();
    if age > service.config.policy.resume_max_age {
        journey.ends(
            StepName::GitopsRevert,
            StepState::Failed,
            Event::TooOld,
            format!(
                "its intent is {} min old (RESUME_MAX_AGE); nothing of it is on the branch",
                age.as_secs() / 60
            ),
        );
        return None;
    }
    if journey.rollback.origin == Origin::Automatic && !service.settings.rollback_enabled {
        journey.rollback.note(
            StepName::GitopsRevert,
            StepState::Pending,
            Utc::now(),
            "ROLLBACK_ENABLED is false, so its push is not repeated",
        );
        journey.write_down();
        return None;
    }
    match assessment.burning {
        // The branch is read again with the target in sight; the snapshot here may be too shallow for it.
        Some(true) => journey.put_back(git, None).await,
        Some(false) => {
            journey.ends(
                StepName::GitopsRevert,
                StepState::Failed,
                Event::MovedOn,
                "the burn stopped before the commit was on the branch".to_owned(),
            );
            None
        }
        None => {
            journey.rollback.note(
                StepName::GitopsRevert,
                StepState::Pending,
                Utc::now(),
                "whether the service still burns is not known; the next run looks",
            );
            journey.write_down();
            None
        }
    }
}
