//! A rollback of the application alone: no repository is configured, or a person wants it so. Git still holds the bad revision
//! afterwards, and the record says so.

use std::time::Duration;

use chrono::Utc;

use super::Ended;
use super::carry_out::{Wish, first_record, held, now};
use super::deploy::{Stopped, may_act};
use super::journey::Journey;
use super::pass::Memory;
use super::pending::ask;
use super::rollback::{Opening, open};
use super::service::{Service, history, with_sources};
use crate::clients::argocd::{Application, Argo, AutoSync, Switch, SwitchedTo};
use crate::exit::Exit;
use crate::journal::{
    Entry, Errand, GoesBack, Journal, Order, Origin, Phase, Rollback, StepName, StepState,
};
use crate::observe;
use crate::policy::{Action, Plan, Reason, Timeline, Wanted, decide_manual, short};
use crate::record::{Heading, Record, StepPart};

/// How long after auto-sync was switched off it is looked at again: an owner puts it back within seconds. Source: facts,
/// section 8.
const OWNERS_NEED: Duration = Duration::from_secs(3);

/// Fewest digits of a shortened revision, as for git.
const SHORTEST: usize = 4;

/// Rolls the application back to a revision or history entry that a person named, or to the deployment before.
pub(super) async fn argocd(service: &Service<'_>, heading: &Heading, memory: &mut Memory) -> Ended {
    let Some(argo) = &service.argo else {
        return Ended::only(
            Exit::Configuration,
            "there is no application to roll back: set ARGOCD_SERVER, ARGOCD_APP_NAME and ARGOCD_TOKEN",
        );
    };
    let Opening { state, record } = match open(service, heading, memory).await {
        Ok(opening) => opening,
        Err(ended) => return *ended,
    };
    let refused = |record: Record, reason, why: String| {
        let record = record.holding(reason, why.clone());
        Ended::with(Exit::PersonNeeded, record).complaining(why)
    };
    let app = match argo.application().await {
        Ok(app) => app,
        Err(error) => {
            let why = with_sources(&error);
            let record = record
                .holding(Reason::UnknownData, why.clone())
                .not_knowing("argocd", why.clone());
            return Ended::with(Exit::Unavailable, record).complaining(why);
        }
    };
    let Some(timeline) = observe::of_application(&app) else {
        let why = format!(
            "the history of application {} cannot be read, or is empty",
            argo.name()
        );
        return refused(record, Reason::NoTarget, why);
    };
    let named = service.config.manual.target_revision.as_deref();
    let wanted = match named
        .map(|named| named_entry(&app, &timeline, named))
        .transpose()
    {
        Ok(wanted) => wanted,
        Err(why) => return refused(record, Reason::NoTarget, why),
    };
    let decision = decide_manual(
        Utc::now(),
        &timeline,
        &history(&state),
        &service.settings,
        wanted.as_ref(),
        None,
    );
    let record = record
        .with_deployment(Some(&timeline))
        .with_live(Some(&timeline), None)
        .with_decision(&decision);
    let manual = &service.config.manual;
    let wish = Wish {
        origin: Origin::Manual,
        why: manual
            .reason
            .clone()
            .unwrap_or_else(|| "a person asked for it and gave no reason".to_owned()),
        named: None,
        by: "error-budget-monitor for a person",
        recovery_ratio: service.objective.max_bad_ratio(),
        outage: false,
        when_held: Exit::PersonNeeded,
        pending: None,
    };
    match &decision.action {
        Action::RollBack(plan) => {
            alone(service, argo, memory, &app, plan, false, record, &wish).await
        }
        Action::Hold | Action::Nothing | Action::AwaitApproval(_) => {
            let why = format!("held: {}", record.decision.detail);
            Ended::with(Exit::PersonNeeded, record).complaining(why)
        }
    }
}

/// Finds what a person named among the deployments: the id of a history entry, or a revision.
fn named_entry(app: &Application, timeline: &Timeline, named: &str) -> Result<Wanted, String> {
    let deployments = app.deployments().unwrap_or_default();
    let by_id = named.parse::<i64>().ok().and_then(|id| {
        deployments
            .iter()
            .find(|deployment| deployment.ids.contains(&id))
            .map(|deployment| deployment.revisions.join("+"))
    });
    let lower = named.to_ascii_lowercase();
    let found: Vec<&str> = timeline
        .changes
        .iter()
        .map(|change| change.revision.as_str())
        .filter(|revision| match &by_id {
            Some(wanted) => wanted == revision,
            None => lower.len() >= SHORTEST && revision.starts_with(&lower),
        })
        .collect();
    let Some((newest, others)) = found.split_first() else {
        return Err(format!(
            "the history of the application holds no entry or revision {named:?}; check --to against `argocd app history`"
        ));
    };
    if others.iter().any(|other| other != newest) {
        return Err(format!(
            "{named:?} fits more than one revision; give --to more digits, or the id of the entry"
        ));
    }
    let change = timeline
        .changes
        .iter()
        .find(|change| change.revision == *newest);
    Ok(Wanted {
        revision: (*newest).to_owned(),
        state: change.map_or_else(String::new, |change| change.state.clone()),
    })
}

/// Does it, or asks for a person's word, whoever wants it.
#[expect(clippy::too_many_arguments, reason = "each is another thing")]
pub(super) async fn alone(
    service: &Service<'_>,
    argo: &Argo,
    memory: &mut Memory,
    app: &Application,
    plan: &Plan,
    asks: bool,
    record: Record,
    wish: &Wish,
) -> Ended {
    let stop =
        |record: Record, reason, why: String| held(record.holding(reason, why), wish.when_held);
    // What later deployments did is not known here, and an entry of the history takes all of them back.
    if wish.origin == Origin::Automatic
        && plan.suspect != plan.from
        && !asks
        && wish.pending.is_none()
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
            let record = record
                .holding(Reason::UnknownData, why.clone())
                .not_knowing("argocd", why.clone());
            return Ended::with(Exit::Unavailable, record).complaining(why);
        }
    };
    let deployments = app.deployments().unwrap_or_default();
    let target = deployments
        .iter()
        .rev()
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
    let id_of_rollback = wish.id(&service.key, &plan.from, at, &memory.of(service));
    let rollback = Rollback {
        id: id_of_rollback,
        origin: wish.origin,
        why: wish.why.clone(),
        subject: String::new(),
        from: plan.from.clone(),
        from_state: plan.from_state.clone(),
        goes_back: GoesBack::of(plan),
        to: plan.to.clone(),
        to_state: plan.to_state.clone(),
        tip: plan.tip.clone(),
        place: place(argo),
        message: String::new(),
        begun_at: at,
        recovery_ratio: wish.recovery_ratio,
        phase: Phase::Begun,
        approval: wish.pending.as_ref().and_then(|it| it.approval.clone()),
        told: Vec::new(),
        released: None,
        attempted: false,
        commit: None,
        proposal: None,
        argocd: Some(Errand {
            application: argo.name(),
            order: Order::RollBackOnly,
            user,
            bad,
            entry: Some(Entry { id, revisions }),
            asked_at: None,
            terminated: false,
        }),
        auto_sync_before: match (&app.auto_sync, is_on) {
            // An object of strings and flags is always JSON.
            (AutoSync::On(block), true) => serde_json::to_value(block).ok(),
            _ => None,
        },
        effective_at: None,
        outage: wish.outage,
        worse: false,
        ended_at: None,
        steps: Vec::new(),
    };
    match memory {
        Memory::ReadOnly(_) => {
            let step = StepPart {
                step: StepName::ArgocdRollback.as_str(),
                state: "planned",
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
            let record = record.with_plan(&rollback.id, plan, vec![step], String::new());
            Ended::with(Exit::Complete, record)
        }
        Memory::Writable(journal) if asks => ask(service, journal, rollback, record),
        Memory::Writable(journal) => begin(service, argo, journal, rollback, record).await,
    }
}

/// Says where it is done.
pub(super) fn place(argo: &Argo) -> String {
    format!("application {} of Argo CD", argo.name())
}

async fn begin(
    service: &Service<'_>,
    argo: &Argo,
    journal: &mut Journal,
    rollback: Rollback,
    record: Record,
) -> Ended {
    if let Err(error) = first_record(&service.key, journal, &rollback) {
        let record = record.holding(Reason::UnknownData, error.to_string());
        return Ended::with(Exit::PersonNeeded, record).complaining(error.to_string());
    }
    let mut journey = Journey::new(service, journal, rollback);
    if let Err(why) = journey.switch_off(argo).await {
        journey.fails_at_argocd(why);
        return journey.ended(record, None);
    }
    let outage = journey.act(None, None, true).await;
    journey.finish(None, record, outage).await
}

impl Journey<'_> {
    /// Switches auto-sync off where it is on, and looks whether it stays so. Its settings are in the journal already.
    async fn switch_off(&mut self, argo: &Argo) -> Result<(), String> {
        if self.rollback.auto_sync_before.is_none() {
            return Ok(());
        }
        if let Some(why) = self.service.stop.forbids_an_effect() {
            return Err(format!("{why}: auto-sync was left on"));
        }
        self.rollback.note(
            StepName::ArgocdRollback,
            StepState::Intended,
            now(),
            "auto-sync is switched off",
        );
        if let Err(error) = self.journal.put(&self.service.key, &self.rollback) {
            self.is_in_trouble(error.to_string());
            return Err(
                "auto-sync was left as it is, because that could not be written down".to_owned(),
            );
        }
        let switched = argo
            .set_auto_sync(Switch::Off)
            .await
            .map_err(|error| with_sources(&error))?;
        match switched.to {
            SwitchedTo::AlreadyThere | SwitchedTo::Held => {}
            SwitchedTo::PutBack { .. } => return Err(put_back(argo)),
            SwitchedTo::Unseen { why } => {
                return Err(format!("whether auto-sync is off could not be read: {why}"));
            }
        }
        tokio::time::sleep(OWNERS_NEED).await;
        let app = argo
            .application()
            .await
            .map_err(|error| with_sources(&error))?;
        match app.auto_sync {
            AutoSync::Off(_) | AutoSync::Absent => Ok(()),
            AutoSync::On(_) | AutoSync::Unknown => Err(put_back(argo)),
        }
    }
}

fn put_back(argo: &Argo) -> String {
    format!(
        "auto-sync of application {} was switched off and somebody switched it on again: an ApplicationSet or a parent \
         application owns it; revert in git instead",
        argo.name()
    )
}
