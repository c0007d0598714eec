//! A rollback of the application alone: no repository is configured, or a person wants it so. Git still holds the bad
//! revision afterwards, and the record says so.

use std::time::Duration;

use super::engine::Reach;
use super::execution::Execution;
use super::intent::{Request, application_place};
use super::pending::ask;
use super::preflight::{Stopped, may_act};
use crate::clients::argocd::{Application, Argo, ArgoError, AutoSync, SwitchedTo};
use crate::exit::Exit;
use crate::journal::{
    ArgoOperation, HistoryTarget, Journal, Memory, Order, Origin, Rollback, StepKind, StepState,
    now,
};
use crate::outcome::Ended;
use crate::policy::{Plan, Reason, short};
use crate::record::{Record, StepPart};
use crate::service::Service;
use crate::with_sources;

/// How long after auto-sync was switched off it is looked at again: an owner puts it back within seconds. Source:
/// facts, section 8.
const OWNERS_NEED: Duration = Duration::from_secs(3);

/// Why auto-sync is not known to be off.
#[derive(Debug, thiserror::Error)]
enum SwitchOffError {
    #[error("{0}: auto-sync was left on")]
    NoTime(&'static str),
    #[error("auto-sync was left as it is, because that could not be written down")]
    NotWritten,
    #[error("{}", with_sources(.0))]
    Argo(#[from] ArgoError),
    #[error("whether auto-sync is off could not be read: {0}")]
    Unseen(String),
    #[error(
        "auto-sync of application {application} was switched off and somebody switched it on again: an ApplicationSet \
         or a parent application owns it; revert in git instead"
    )]
    PutBack { application: String },
}

/// Does it, or asks for a person's word, whoever wants it.
#[expect(clippy::too_many_arguments, reason = "each is another thing")]
pub(crate) async fn alone(
    service: &Service<'_>,
    argo: &Argo,
    memory: &mut Memory,
    app: &Application,
    plan: &Plan,
    asks: bool,
    record: Record,
    request: &Request,
) -> Ended {
    let stop = |record: Record, reason, why: String| {
        Ended::held(record.holding(reason, why), request.when_held)
    };
    // What later deployments did is not known here, and an entry of the history takes all of them back.
    if request.origin == Origin::Automatic
        && plan.suspect != plan.from
        && !asks
        && request.pending.is_none()
    {
        let why = format!(
            "{} is suspected, and {} was deployed after it: Argo CD would take back both; repair it forward, set GITOPS_REPO \
             and GITOPS_PATH so that only the suspect goes back, or set REQUIRE_APPROVAL=true to be asked",
            short(&plan.suspect),
            short(&plan.from)
        );
        return stop(record, Reason::Conflict, why);
    }
    let user = match may_act(argo, app).await {
        Ok(user) => user,
        Err(Stopped::Held { reason, why }) => return stop(record, reason, why),
        Err(Stopped::Unavailable { why }) => {
            return Ended::unavailable(record, "argocd", why);
        }
    };
    let deployments = app.deployments().unwrap_or_default();
    let target = deployments
        .iter()
        .rev()
        .filter(|deployment| deployment.newest_id().is_some())
        .find(|deployment| deployment.revisions.join("+") == plan.to);
    let Some((id, revisions)) = target.and_then(|it| Some((it.newest_id()?, it.revisions.clone())))
    else {
        let why = format!("the history does not hold {} any more", short(&plan.to));
        return stop(record, Reason::NoTarget, why);
    };
    let bad = deployments.last().map_or_else(Vec::new, |live| {
        let is_its_own = |revision: &&String| !revisions.contains(revision);
        live.revisions.iter().filter(is_its_own).cloned().collect()
    });
    let is_on = matches!(app.auto_sync, AutoSync::On(_));
    let may_switch = service
        .config
        .argocd
        .as_ref()
        .is_some_and(|config| config.may_disable_auto_sync);
    if is_on && !may_switch {
        let why = format!(
            "auto-sync of application {} is on, so Argo CD refuses to roll it back and would undo it: revert in git \
             (`rollback gitops`), or set ARGOCD_MAY_DISABLE_AUTO_SYNC=true",
            argo.name()
        );
        return stop(record, Reason::NoTarget, why);
    }
    let at = now();
    let id_of_rollback = request.id(&service.key, &plan.from, at, &memory.of(&service.key));
    let mut rollback = Rollback {
        place: application_place(argo),
        argocd: Some(ArgoOperation {
            application: argo.name(),
            user,
            bad_revisions: bad,
            entry: Some(HistoryTarget { id, revisions }),
            asked_at: None,
            accepted: false,
            terminated: false,
        }),
        auto_sync_before: match (&app.auto_sync, is_on) {
            // An object of strings and flags is always JSON.
            (AutoSync::On(block), true) => serde_json::to_value(block).ok(),
            _ => None,
        },
        ..request.begin(id_of_rollback, plan, at)
    };
    rollback.walks(Some(Order::RollBackOnly));
    match memory {
        Memory::ReadOnly(_) => {
            let step = StepPart {
                step: StepKind::ArgocdRollback,
                state: StepState::Planned,
                detail: format!(
                    "application {} goes back to history entry {id}{}; git still holds {}",
                    argo.name(),
                    if is_on {
                        ", with auto-sync switched off first"
                    } else {
                        ""
                    },
                    short(&plan.from)
                ),
            };
            let record = record.with_plan(
                &rollback.id,
                plan,
                rollback.words,
                vec![step],
                String::new(),
            );
            Ended::with(Exit::Complete, record)
        }
        Memory::Writable(journal) if asks => ask(service, journal, rollback, record),
        Memory::Writable(journal) => begin(service, argo, journal, rollback, record).await,
    }
}

async fn begin(
    service: &Service<'_>,
    argo: &Argo,
    journal: &mut Journal,
    rollback: Rollback,
    record: Record,
) -> Ended {
    let mut execution = match Execution::begin(service, journal, rollback) {
        Ok(execution) => execution,
        Err(error) => {
            let record = record.holding(Reason::UnknownData, error.to_string());
            return Ended::with(Exit::PersonNeeded, record).complaining(error.to_string());
        }
    };
    if let Err(error) = execution.switch_off(argo).await {
        execution.fails_at_argocd(error.to_string());
        return execution.ended(record, None);
    }
    let outage = execution
        .act(Reach {
            git: None,
            snapshot: None,
            may_ask: true,
        })
        .await;
    execution.finish(None, record, outage).await
}

impl Execution<'_> {
    /// Switches auto-sync off where it is on, and looks whether it stays so. Its settings are in the journal already.
    async fn switch_off(&mut self, argo: &Argo) -> Result<(), SwitchOffError> {
        if self.rollback.auto_sync_before.is_none() {
            return Ok(());
        }
        if let Some(why) = self.service.stop.forbids_an_effect() {
            return Err(SwitchOffError::NoTime(why));
        }
        let written = self.intends(StepKind::ArgocdRollback, "auto-sync is switched off");
        if let Err(error) = written {
            self.is_in_trouble(error.to_string());
            return Err(SwitchOffError::NotWritten);
        }
        match argo.switch_auto_sync_off().await?.to {
            SwitchedTo::AlreadyThere | SwitchedTo::Held => {}
            SwitchedTo::PutBack { .. } => return Err(put_back(argo)),
            SwitchedTo::Unseen { why } => return Err(SwitchOffError::Unseen(why)),
        }
        tokio::time::sleep(OWNERS_NEED).await;
        match argo.application().await?.auto_sync {
            AutoSync::Off(_) | AutoSync::Absent => Ok(()),
            AutoSync::On(_) | AutoSync::Unknown => Err(put_back(argo)),
        }
    }
}

fn put_back(argo: &Argo) -> SwitchOffError {
    SwitchOffError::PutBack {
        application: argo.name(),
    }
}
