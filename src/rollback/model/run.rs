//! The driver of a run: the real core, and the order of records of `carry_out` and `resume` around it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use chrono::{DateTime, TimeDelta, Utc};
use tempfile::TempDir;

use super::promises::{Act, Broken, Promises, Rules};
use super::steps::{Blackout, Fault};
use super::world::World;
use crate::journal::{
    Approval, ApprovalAnswer, Event, GoesBack, Journal, Origin, Phase, RecoveredHistory, Rollback,
    ServiceState,
};
use crate::policy::{
    Action, BlackoutWindows, BranchReading, ByItself, Decision, Evidence, History, Inputs, Plan,
    Reason, Settings, decide, decide_manual, needs_branch, questions,
};
use crate::rollback::ids::{rollback_id, unlike};
use crate::rollback::intent::first_record;
use crate::rollback::pending::{Fate, fate};
use crate::rollback::recover::{CHANGES, Terms, on_the_branch};
use crate::service::history;
use crate::slo::{Assessment, Objective};

pub(crate) const SERVICE: &str = "shop/checkout";
pub(crate) const PLACE: &str = "main of platform/gitops at apps/checkout";

/// Changes that are read of the branch beyond `MAX_REVISIONS_BACK`, as `observe::branch` does.
const MORE_CHANGES: u32 = 5;

/// How the run went on.
pub(crate) enum Went {
    On,
    /// It died.
    Died,
}

/// The program, its file and its settings, and the world around it.
pub(crate) struct Driver {
    _folder: TempDir,
    pub(crate) file: PathBuf,
    pub(crate) world: World,
    pub(crate) promises: Promises,
    pub(crate) rules: Rules,
    /// How often each thing happened.
    pub(crate) counts: BTreeMap<&'static str, u64>,
    /// What the file held, oldest first.
    pub(crate) generations: Vec<Vec<u8>>,
}

impl Driver {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir_in(Path::new("/dev/shm")).or_else(|_| tempfile::tempdir());
        let folder = folder.expect("a folder");
        Self {
            file: folder.path().join("state.json"),
            _folder: folder,
            world: World::new(),
            promises: Promises::default(),
            rules: Rules {
                enabled: true,
                require_approval: false,
                by_pull_request: false,
                cooldown: TimeDelta::minutes(60),
                per_hour: 1,
                per_day: 3,
                blackout: Blackout::None,
                revisions_back: 3,
                require_attribution: true,
                verify_deadline: TimeDelta::minutes(15),
                approval_timeout: TimeDelta::minutes(30),
            },
            counts: BTreeMap::new(),
            generations: Vec::new(),
        }
    }

    pub(crate) fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    pub(crate) fn open(&self) -> Result<Journal, Broken> {
        Journal::open(&self.file).map_err(|error| format!("the state is refused: {error}"))
    }

    pub(crate) fn settings(&self) -> Settings {
        let rules = &self.rules;
        let windows = match rules.blackout {
            Blackout::None => Ok(BlackoutWindows::default()),
            Blackout::Nights => "* 22:00-06:00 UTC".parse(),
            Blackout::Always => "* 00:00-24:00 UTC".parse(),
        };
        Settings {
            by_itself: ByItself::of(rules.enabled, false),
            auto_rollback_critical: true,
            auto_rollback_emergency: true,
            require_approval: rules.require_approval,
            by_pull_request: rules.by_pull_request,
            require_active_burn: true,
            require_attribution: rules.require_attribution,
            require_seen_live: false,
            attribution_window: TimeDelta::minutes(60),
            violation_for: TimeDelta::minutes(5),
            max_revisions_back: rules.revisions_back,
            min_events: 50,
            min_bad_events: 5,
            cooldown: rules.cooldown,
            max_per_hour: u32::try_from(rules.per_hour).expect("a few"),
            max_per_day: u32::try_from(rules.per_day).expect("a few"),
            blackout: windows.expect("windows"),
            emergency_overrides_blackout: false,
            verify_deadline: rules.verify_deadline,
        }
    }

    fn read(&self) -> usize {
        (self.rules.revisions_back + MORE_CHANGES) as usize
    }

    /// One run of the program, as `pass::run` goes about it.
    pub(crate) fn run(&mut self, fault: Fault) -> Result<(), Broken> {
        self.count("runs");
        let mut journal = self.open()?;
        let state = self.whole(&mut journal)?;
        let measured = self.world.measured();
        let (objective, assessment) = (measured.objective.clone(), measured.assess());
        if let Some(unfinished) = state.unfinished() {
            self.count("resumed");
            let went = self.resume(&mut journal, unfinished.clone(), &assessment, fault)?;
            return self.leave(journal, went);
        }
        let decision = self.decides(&state, &objective, &assessment);
        self.count(decision.reason.as_str());
        let mut agreed = None;
        if let Some(pending) = state.pending() {
            let mut pending = pending.clone();
            let clock = self.world.clock();
            match fate(&pending, &decision, assessment.burning, clock) {
                Fate::Waits => return Ok(()),
                Fate::Goes => agreed = Some(pending),
                Fate::Ends { event, reason, .. } => {
                    self.sees(&mut journal, &mut pending, event)?;
                    let asks_anew = matches!(decision.action, Action::AwaitApproval(_));
                    if !(reason == Reason::Superseded && asks_anew) {
                        return self.leave(journal, Went::On);
                    }
                }
            }
        }
        let recovery_ratio = objective.max_bad_ratio();
        let went = self.carry_out(
            &mut journal,
            &decision,
            Origin::Automatic,
            agreed,
            recovery_ratio,
            fault,
        )?;
        self.leave(journal, went)
    }

    /// A person's rollback, as `rollback::gitops` goes about it.
    pub(crate) fn manual(&mut self, fault: Fault) -> Result<(), Broken> {
        let mut journal = self.open()?;
        let state = self.whole(&mut journal)?;
        if state.unfinished().is_some() {
            return Ok(());
        }
        let timeline = self.world.timeline(self.read());
        let clock = self.world.clock();
        let decision = decide_manual(
            clock,
            &timeline,
            &history(&state),
            &self.settings(),
            None,
            None,
        );
        self.count(decision.reason.as_str());
        let ratio = self.world.measured().objective.max_bad_ratio();
        let origin = Origin::Manual;
        let went = self.carry_out(&mut journal, &decision, origin, None, ratio, fault)?;
        self.leave(journal, went)
    }

    /// The lock goes with the process, however it ends.
    fn leave(&mut self, journal: Journal, went: Went) -> Result<(), Broken> {
        drop(journal);
        match went {
            Went::On => {}
            Went::Died => self.count("crashes"),
        }
        Ok(())
    }

    /// Fills the memory where it is not whole.
    fn whole(&mut self, journal: &mut Journal) -> Result<ServiceState, Broken> {
        let state = journal.state().service(SERVICE);
        if state.recovered_from.is_some() {
            return Ok(state);
        }
        self.count("memory filled");
        let clock = self.world.clock();
        let terms = Terms {
            now: clock,
            verify_deadline: self.rules.verify_deadline,
            recovery_ratio: self.world.measured().objective.max_bad_ratio(),
        };
        let timeline = self.world.timeline(CHANGES as usize);
        let found = on_the_branch(&timeline, PLACE, terms);
        for past in found.iter().filter(|past| past.phase == Phase::Recovered) {
            self.promises.ends(&past.id, past.phase);
        }
        let history = RecoveredHistory {
            read_at: clock,
            source: "the trailers".to_owned(),
        };
        let adopted = journal.adopt(SERVICE, &found, history);
        adopted.map_err(|error| error.to_string())?;
        Ok(journal.state().service(SERVICE))
    }

    fn decides(&self, state: &ServiceState, objective: &Objective, seen: &Assessment) -> Decision {
        let settings = self.settings();
        let branch = if needs_branch(seen, &settings) {
            BranchReading::Known(self.world.timeline(self.read()))
        } else {
            BranchReading::NotAsked
        };
        let (unasked, nothing) = (Evidence::default(), History::default());
        let inputs = Inputs {
            fleet: None,
            now: self.world.clock(),
            objective,
            assessment: seen,
            branch: &branch,
            evidence: &unasked,
            history: &nothing,
            settings: &settings,
        };
        let mut evidence = Evidence::default();
        loop {
            let asked = questions(&Inputs {
                evidence: &evidence,
                ..inputs
            });
            if asked.is_empty() {
                break;
            }
            for question in asked {
                evidence.add(self.world.answer(question));
            }
        }
        decide(&Inputs {
            evidence: &evidence,
            history: &history(state),
            ..inputs
        })
    }

    fn carry_out(
        &mut self,
        journal: &mut Journal,
        decision: &Decision,
        origin: Origin,
        agreed: Option<Rollback>,
        recovery_ratio: f64,
        fault: Fault,
    ) -> Result<Went, Broken> {
        let (plan, asks) = match &decision.action {
            Action::Nothing | Action::Hold => return Ok(Went::On),
            Action::AwaitApproval(plan) => (plan, true),
            Action::RollBack(plan) => (plan, false),
        };
        if fault == Fault::BeforeIntent {
            self.count("died before the intent");
            return Ok(Went::Died);
        }
        let at = self.world.clock();
        let state = journal.state().service(SERVICE);
        let id = match &agreed {
            Some(agreed) => agreed.id.clone(),
            None => unlike(rollback_id(SERVICE, &plan.from, at), &state),
        };
        let approval = agreed.and_then(|agreed| agreed.approval);
        let mut rollback = intent(plan, id, origin, at, approval, recovery_ratio);
        if asks {
            return self.ask(journal, rollback);
        }
        let act = self.act_of(&rollback)?;
        self.promises.begins(&act, &self.world, &self.rules)?;
        self.count("begun");
        if rollback.approval.is_some() {
            self.count("begun after a yes");
        }
        if origin == Origin::Manual {
            self.count("begun by a person");
        }
        let begun = first_record(SERVICE, journal, &rollback);
        begun.map_err(|error| error.to_string())?;
        if fault == Fault::AfterIntent {
            self.count("died after the intent");
            return Ok(Went::Died);
        }
        match self.put_back(journal, &mut rollback, fault)? {
            Went::On => self.prove(journal, &mut rollback),
            Went::Died => Ok(Went::Died),
        }
    }

    /// As `pending::ask`.
    fn ask(&mut self, journal: &mut Journal, mut rollback: Rollback) -> Result<Went, Broken> {
        self.count("asked");
        let asked_at = rollback.begun_at;
        rollback.phase = Phase::Awaiting;
        rollback.approval = Some(Approval {
            asked_at,
            expires_at: asked_at + self.rules.approval_timeout,
            evidence: String::new(),
            answer: None::<ApprovalAnswer>,
            signed: None,
        });
        let act = self.act_of(&rollback)?;
        self.promises.asks(act, &self.world);
        self.writes(journal, &rollback)?;
        Ok(Went::On)
    }

    pub(crate) fn act_of(&self, rollback: &Rollback) -> Result<Act, Broken> {
        let content = |revision: &str| {
            let known = self.world.content_of(revision);
            known.ok_or_else(|| format!("{revision} is not on the branch"))
        };
        Ok(Act {
            id: rollback.id.clone(),
            is_manual: rollback.origin == Origin::Manual,
            from: content(&rollback.from)?,
            to: content(&rollback.to)?,
        })
    }

    pub(crate) fn writes(&self, journal: &mut Journal, rollback: &Rollback) -> Result<(), Broken> {
        let written = journal.put(SERVICE, rollback);
        written.map_err(|error| error.to_string())
    }

    /// Moves on and writes it down.
    pub(crate) fn sees(
        &mut self,
        journal: &mut Journal,
        rollback: &mut Rollback,
        event: Event,
    ) -> Result<(), Broken> {
        let seen = rollback.see(event, self.world.clock());
        seen.map_err(|illegal| illegal.to_string())?;
        self.count(match rollback.phase {
            Phase::Awaiting | Phase::Begun => "begun anew",
            Phase::Proposed => "proposed",
            Phase::Verifying => "landed",
            Phase::Recovered => "recovered",
            Phase::Ineffective => "ineffective",
            Phase::Failed => "failed",
            Phase::Superseded => "overtaken",
            Phase::Rejected => "rejected by a close",
            Phase::Expired => "expired",
        });
        if !rollback.phase.is_in_flight() {
            self.promises.ends(&rollback.id, rollback.phase);
        }
        self.writes(journal, rollback)
    }

    /// Keeps what the file holds now, for a person who puts it back.
    pub(crate) fn keep_generation(&mut self) {
        let Ok(text) = fs::read(&self.file) else {
            return;
        };
        if self.generations.last() != Some(&text) {
            self.generations.push(text);
        }
    }
}

fn intent(
    plan: &Plan,
    id: String,
    origin: Origin,
    at: DateTime<Utc>,
    approval: Option<Approval>,
    recovery_ratio: f64,
) -> Rollback {
    Rollback {
        goes_back: GoesBack::of(plan),
        from: plan.from.clone(),
        from_state: plan.from_state.clone(),
        to: plan.to.clone(),
        to_state: plan.to_state.clone(),
        tip: plan.tip.clone(),
        place: PLACE.to_owned(),
        message: "Roll back\n".to_owned(),
        approval,
        ..Rollback::begin(id, origin, "it burns".to_owned(), at, recovery_ratio)
    }
}
