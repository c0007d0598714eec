//! Finishes what an earlier run began: what is done is found, not repeated.

use chrono::{DateTime, Utc};

use super::engine::Reach;
use super::execution::Execution;
use super::intent::{application_place, place};
use crate::clients::argocd::Argo;
use crate::clients::git::{Git, Snapshot};
use crate::evaluation::measure;
use crate::exit::Exit;
use crate::journal::{
    ApprovalAnswer, Event, Journal, Origin, Phase, Rollback, StepKind, StepState,
};
use crate::observe;
use crate::outcome::Ended;
use crate::outcome::Unavailable;
use crate::policy::{ByItself, GateState, History, Reason, Settings, limits};
use crate::record::{Heading, Record};
use crate::service::Service;
use crate::slo::Assessment;

/// Why the settings do not lead to where a rollback was begun.
#[derive(Debug, thiserror::Error)]
enum ElsewhereError {
    #[error(
        "rollback {id} was begun on application {application}, and ARGOCD_APP_NAME names {here}; set it back until it is \
         finished"
    )]
    Application {
        id: String,
        application: String,
        here: String,
    },
    #[error(
        "rollback {id} was begun on {place}, which the settings do not name; set ARGOCD_SERVER and ARGOCD_APP_NAME back \
         until it is finished"
    )]
    ArgoCd { id: String, place: String },
    #[error("rollback {id} is unfinished, and GITOPS_REPO is not set; set it again")]
    NoRepository { id: String },
    #[error(
        "rollback {id} was begun on {place}, and the settings name {here}: whether it is on the branch cannot be seen \
         there; set GITOPS_REPO, GITOPS_BRANCH and GITOPS_PATH back until it is finished"
    )]
    Branch {
        id: String,
        place: String,
        here: String,
    },
}

/// Goes on with an unfinished rollback. Its push is repeated only while its evidence is fresh and the service still
/// burns.
pub(crate) async fn resume(
    service: &Service<'_>,
    heading: &Heading,
    journal: &mut Journal,
    unfinished: Rollback,
) -> Ended {
    tracing::info!(target: crate::log_file::AUDIT, { rollback.id = %unfinished.id, phase = ?unfinished.phase }, "resuming the rollback an earlier run began");
    let git = match where_it_was_begun(service, &unfinished) {
        Ok(git) => git,
        Err(error) => {
            let why = error.to_string();
            let record = Record::unknown(heading, &service.config.objective, Utc::now())
                .holding(Reason::DeploymentInProgress, why.clone())
                .with_rollback(&unfinished);
            return Ended::with(Exit::Configuration, record).complaining(why);
        }
    };
    let (observation, assessment) = match measure(service, heading).await {
        Ok(measured) => measured,
        Err(not_evaluated) => {
            let mut not_evaluated = *not_evaluated;
            not_evaluated.record = not_evaluated.record.with_rollback(&unfinished);
            return not_evaluated.ended();
        }
    };
    let record = Record::unknown(heading, &service.config.objective, observation.evaluated_at)
        .with_assessment(&assessment)
        .with_resumption(format!(
            "rollback {} was begun by an earlier run",
            unfinished.id
        ));
    let mut execution = Execution::new(service, journal, unfinished);
    let outage = match git {
        Some(git) => go_on(service, git, &mut execution, &assessment).await,
        None => go_on_alone(service, &mut execution, &assessment).await,
    };
    execution.finish(git, record, outage).await
}

/// Finds out how far it has come, and takes the next step with the branch.
async fn go_on(
    service: &Service<'_>,
    git: &Git,
    execution: &mut Execution<'_>,
    assessment: &Assessment,
) -> Option<Unavailable> {
    let forge = service
        .forge
        .as_ref()
        .filter(|_| execution.rollback.proposal.is_some());
    match (execution.rollback.phase, forge) {
        (Phase::Proposed, Some(forge)) => execution
            .follow(git, forge)
            .await
            .err()
            .map(Unavailable::from),
        (Phase::Begun, Some(forge)) => match execution.find_and_follow(git, forge).await {
            Ok(true) => None,
            Ok(false) => settle(service, git, execution, assessment).await,
            Err(error) => Some(error.into()),
        },
        (Phase::Begun, None) => settle(service, git, execution, assessment).await,
        (
            Phase::Awaiting
            | Phase::Proposed
            | Phase::Verifying
            | Phase::Recovered
            | Phase::Ineffective
            | Phase::Failed
            | Phase::Superseded
            | Phase::Rejected
            | Phase::Expired,
            _,
        ) => None,
    }
}

/// The same, for a rollback of the application alone.
async fn go_on_alone(
    service: &Service<'_>,
    execution: &mut Execution<'_>,
    assessment: &Assessment,
) -> Option<Unavailable> {
    if execution.rollback.phase != Phase::Begun {
        return None;
    }
    let age = (Utc::now() - execution.rollback.begun_at).to_std();
    if age.is_ok_and(|age| age > service.config.run.resume_max_age) {
        let why = "its intent is older than RESUME_MAX_AGE; whether Argo CD did it is to be seen in the application's history";
        execution.ends(
            StepKind::ArgocdRollback,
            StepState::Failed,
            Event::TooOld,
            why.to_owned(),
        );
        return None;
    }
    let is_right = held_back_now(execution, assessment).is_none()
        && (execution.rollback.origin == Origin::Manual || assessment.burning == Some(true));
    execution
        .act(Reach {
            git: None,
            snapshot: None,
            may_ask: is_right,
        })
        .await
}

/// Returns the repository in which to look for it, none where only the application is rolled back, or why the
/// settings do not name it any more.
fn where_it_was_begun<'a>(
    service: &'a Service<'_>,
    unfinished: &Rollback,
) -> Result<Option<&'a Git>, ElsewhereError> {
    let argo_operation = unfinished.argocd.as_ref();
    let (id, place_then) = (unfinished.id.clone(), unfinished.place.clone());
    let here = service.argo.as_ref().map(Argo::name);
    if let Some((argo_operation, here)) = argo_operation
        .zip(here)
        .filter(|(argo_operation, here)| argo_operation.application != *here)
    {
        return Err(ElsewhereError::Application {
            id,
            application: argo_operation.application.clone(),
            here,
        });
    }
    if !unfinished.puts_the_branch_back() {
        let here = service.argo.as_ref().map(application_place);
        return match here {
            Some(here) if here == unfinished.place => Ok(None),
            Some(_) | None => Err(ElsewhereError::ArgoCd {
                id,
                place: place_then,
            }),
        };
    }
    let Some(git) = &service.git else {
        return Err(ElsewhereError::NoRepository { id });
    };
    let here = place(git);
    let is_on_its_way = matches!(unfinished.phase, Phase::Begun | Phase::Proposed);
    let is_out_of_sight = unfinished.proposal.is_some() && service.forge.is_none();
    if is_on_its_way && (unfinished.place != here || is_out_of_sight) {
        return Err(ElsewhereError::Branch {
            id,
            place: place_then,
            here,
        });
    }
    Ok(Some(git))
}

/// Finds out what became of the push of an earlier run, and repeats it where that is still right.
async fn settle(
    service: &Service<'_>,
    git: &Git,
    execution: &mut Execution<'_>,
    assessment: &Assessment,
) -> Option<Unavailable> {
    // Others may have pushed on top of it since: what was the tip then is older than all that run can have pushed.
    let judged = &execution.rollback.tip;
    let back = service.config.policy.max_revisions_back;
    let snapshot: Snapshot = match observe::branch_back_to(git, back, judged).await {
        Ok(snapshot) => snapshot,
        Err(error) => return Some(error.into()),
    };
    if let Some(commit) = observe::commit_of(&snapshot, &execution.rollback.id) {
        // When it landed is not known; it was not before it was begun.
        let begun_at = execution.rollback.begun_at;
        execution.landed(git, commit, None, begun_at);
        return None;
    }
    let age = (Utc::now() - execution.rollback.begun_at)
        .to_std()
        .unwrap_or_default();
    let is_old = age > service.config.run.resume_max_age;
    if let Some(argo_operation) = &execution.rollback.argocd {
        // Once the application is rolled back the service is calm, and git must agree with it all the same.
        let is_begun = argo_operation.asked_at.is_some() && execution.rollback.rolls_back_first();
        if is_begun && !is_old {
            let is_right =
                held_back_now(execution, assessment).is_none() && assessment.burning == Some(true);
            return execution
                .act(Reach {
                    git: Some(git),
                    snapshot: None,
                    may_ask: is_right,
                })
                .await;
        }
    }
    if is_old {
        let argo_operation = execution.rollback.argocd.as_ref();
        let asked = match argo_operation.and_then(|argo_operation| argo_operation.asked_at) {
            Some(_) => "; Argo CD was asked to roll the application back: look at its history",
            None => "",
        };
        let as_far_as = match snapshot.state_at(&execution.rollback.tip) {
            Some(_) => "",
            None => " as far as that was read",
        };
        execution.ends(
            StepKind::GitopsRevert,
            StepState::Failed,
            Event::TooOld,
            format!(
                "its intent is {} min old (RESUME_MAX_AGE); nothing of it is on the branch{as_far_as}{asked}",
                age.as_secs() / 60
            ),
        );
        return None;
    }
    if let Some(why) = held_back_now(execution, assessment) {
        let why = format!("its push is not repeated: {why}");
        execution.waits(StepKind::GitopsRevert, why);
        return None;
    }
    // A person needs no trigger.
    if assessment.burning == Some(true) || execution.rollback.origin == Origin::Manual {
        // The branch is read again with the target in sight; the snapshot here may be too shallow for it.
        return execution
            .act(Reach {
                git: Some(git),
                snapshot: None,
                may_ask: true,
            })
            .await;
    }
    execution.ends(
        StepKind::GitopsRevert,
        StepState::Failed,
        Event::BurnOver,
        "the service does not burn, and the commit was not on the branch yet".to_owned(),
    );
    None
}

/// Says why it must wait at this moment.
fn held_back_now(execution: &Execution<'_>, assessment: &Assessment) -> Option<String> {
    let settings = &execution.service.config.policy;
    held_back(settings, &execution.rollback, assessment, Utc::now())
}

/// Says why the push of an earlier run must wait, although its intent is fresh: what that run was allowed may not be
/// allowed any more, and what it knew may not be known now.
pub(crate) fn held_back(
    settings: &Settings,
    rollback: &Rollback,
    assessment: &Assessment,
    now: DateTime<Utc>,
) -> Option<String> {
    if rollback.origin == Origin::Automatic && settings.by_itself == ByItself::No {
        return Some("ROLLBACK_ENABLED is false".to_owned());
    }
    let has_to_be_asked = settings.require_approval
        && rollback.proposal.is_none()
        && rollback.answer() != Some(ApprovalAnswer::Approved);
    if rollback.origin == Origin::Automatic && has_to_be_asked {
        return Some("REQUIRE_APPROVAL is true".to_owned());
    }
    let is_unknown =
        assessment.burning.is_none() || assessment.blocking_unknowns().next().is_some();
    if rollback.origin == Origin::Automatic && is_unknown {
        return Some("whether the service still burns is not known; the next run looks".to_owned());
    }
    // Its own attempt must not count against it, so no history is looked at: what is left is the blackout.
    // No level overrides it for a person's rollback.
    let level = match rollback.origin {
        Origin::Automatic => assessment.budget.acting_level,
        Origin::Manual => None,
    };
    let gate = limits(&History::default(), settings, level, now);
    (gate.state != GateState::Pass).then_some(gate.detail)
}
