//! The decision record: what `run`, `check`, `rollback` and a dry run print. Its layout is a contract and only grows.

mod parts;

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::journal::{self, RollbackWords};
use crate::observe::Offender;
use crate::policy::{self, Decision, Reason, Source, Timeline, Undone, Witness};
use crate::slo::{Assessment, Events, Objective, Signal, Verdict};

pub use parts::{
    ActionKind, AttributionPart, BudgetPart, BurnRatesPart, DecisionPart, DeploymentPart,
    GateAnswer, GateAnswerPart, GatePart, LivePart, OffenderPart, RollbackOutcome, RollbackPart,
    SignalPart, StepPart, UnknownPart, ViolationPart,
};
use parts::{attribution, gate, signal, unknown};
pub(crate) use parts::{level_word, rfc3339};

/// Version of the layout.
const SCHEMA: u32 = 1;

/// One evaluation of one service, and what was done about it. A number that cannot be known is `null`.
#[derive(Debug, Clone, Serialize)]
#[expect(
    missing_docs,
    reason = "the names are those of the contract, DESIGN section 3.4"
)]
pub struct Record {
    pub schema: u32,
    pub run_id: String,
    pub command: &'static str,
    pub service: String,
    pub namespace: String,
    #[serde(serialize_with = "rfc3339")]
    pub evaluated_at: DateTime<Utc>,
    pub dry_run: bool,
    /// What `check` answers; nothing in the record of another command.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gate: Option<GateAnswerPart>,
    pub budget: BudgetPart,
    pub burn_rates: BurnRatesPart,
    pub violations: Vec<ViolationPart>,
    pub deployment: Option<DeploymentPart>,
    /// What is known to run, and from whom.
    pub live: Option<LivePart>,
    pub attribution: Option<AttributionPart>,
    pub verdict: Verdict,
    pub decision: DecisionPart,
    pub rollback: Option<RollbackPart>,
    /// Every commit that the rollback takes back, newest first.
    pub undone: Vec<Undone>,
    pub unknowns: Vec<UnknownPart>,
    /// The series that count the service's events, as they were asked for; only where none is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asked: Option<String>,
    /// What else was seen while it burns; no decision rests on it.
    pub signals: Vec<SignalPart>,
    /// The routes, outcomes and pods that fail most while it burns, of each the worst first.
    pub offenders: Vec<OffenderPart>,
}

/// What every record of a run has in common.
#[derive(Debug, Clone)]
pub struct Heading {
    /// Identifies the run in logs and records.
    pub run_id: String,
    /// The command.
    pub command: &'static str,
    /// The service.
    pub service: String,
    /// Its namespace.
    pub namespace: String,
    /// Whether nothing may change.
    pub dry_run: bool,
}

impl Record {
    /// Starts a record in which nothing is known and nothing is done.
    pub fn unknown(heading: &Heading, objective: &Objective, at: DateTime<Utc>) -> Self {
        Self {
            schema: SCHEMA,
            run_id: heading.run_id.clone(),
            command: heading.command,
            service: heading.service.clone(),
            namespace: heading.namespace.clone(),
            evaluated_at: at,
            dry_run: heading.dry_run,
            gate: None,
            budget: BudgetPart {
                window_seconds: objective.window.as_secs(),
                error_budget: objective.budget.ratio(),
                bad_events: None,
                total_events: None,
                consumed: None,
                remaining: None,
                coverage: None,
                seconds_to_exhaustion: None,
                level: None,
            },
            burn_rates: BurnRatesPart::default(),
            violations: Vec::new(),
            deployment: None,
            live: None,
            attribution: None,
            verdict: Verdict::Unknown,
            decision: DecisionPart {
                action: ActionKind::Hold,
                reason: Reason::UnknownData,
                detail: String::new(),
                gates: Vec::new(),
            },
            rollback: None,
            undone: Vec::new(),
            unknowns: Vec::new(),
            asked: None,
            signals: Vec::new(),
            offenders: Vec::new(),
        }
    }

    /// Adds what was asked for in vain.
    pub fn asking(mut self, asked: Option<String>) -> Self {
        self.asked = asked;
        self
    }

    /// Adds how the service stands.
    pub fn with_assessment(mut self, assessment: &Assessment) -> Self {
        let budget = &assessment.budget;
        self.budget = BudgetPart {
            bad_events: budget.events.map(Events::bad),
            total_events: budget.events.map(Events::total),
            consumed: budget.consumed,
            remaining: budget.remaining,
            coverage: budget.coverage,
            seconds_to_exhaustion: budget.to_exhaustion.map(|time| time.as_secs_f64()),
            level: budget.level,
            ..self.budget
        };
        let rates = assessment.burn_rates;
        self.burn_rates = BurnRatesPart {
            m5: rates.m5,
            m30: rates.m30,
            h1: rates.h1,
            h6: rates.h6,
        };
        self.violations = assessment
            .violations
            .iter()
            .map(|violation| ViolationPart {
                name: violation.slo,
                state: violation.state,
                value: violation.value,
                threshold: violation.threshold,
                for_seconds: violation.lasting.as_secs(),
                points: violation.points,
                points_expected: violation.points_expected,
                detail: violation.detail.clone(),
            })
            .collect();
        self.verdict = assessment.verdict;
        self.unknowns
            .extend(assessment.unknowns.iter().map(unknown));
        self
    }

    /// Adds the newest deployment.
    pub fn with_deployment(mut self, timeline: Option<&Timeline>) -> Self {
        self.deployment = timeline
            .and_then(Timeline::newest_deployment)
            .map(|newest| DeploymentPart {
                revision: newest.revision.clone(),
                deployed_at: newest.deployed_at,
                source: timeline.map_or(Source::Git, |timeline| timeline.source),
            });
        self
    }

    /// Adds what is known to run. A tip is the whole commit, which may leave the watched paths as they were.
    pub fn with_live(mut self, timeline: Option<&Timeline>, tip: Option<&str>) -> Self {
        let newest = timeline.and_then(|timeline| {
            let newest = timeline.newest_deployment()?;
            let revision = match timeline.witness {
                Witness::CommitDate | Witness::Pods | Witness::Argocd => &newest.revision,
                Witness::Tip => &timeline.tip,
            };
            Some((revision.clone(), timeline.witness))
        });
        let live = newest.or_else(|| Some((tip?.to_owned(), Witness::Tip)));
        self.live = live.map(|(revision, witness)| LivePart {
            revision,
            source: witness,
        });
        self
    }

    /// Adds what was decided.
    pub fn with_decision(mut self, decision: &Decision) -> Self {
        self.attribution = decision.attribution.as_ref().map(attribution);
        if let (Some(live), Some(attribution)) = (&mut self.live, &decision.attribution)
            && live.revision == attribution.suspect
        {
            live.source = attribution.witness;
        }
        self.decision = DecisionPart {
            action: (&decision.action).into(),
            reason: decision.reason,
            detail: decision.detail.clone(),
            gates: decision.gates.iter().map(gate).collect(),
        };
        let plan = decision.plan.as_ref();
        self.undone = plan.map_or_else(Vec::new, |plan| plan.undone.clone());
        self.with_signals(&decision.signals)
    }

    /// Adds what else was seen.
    pub fn with_signals(mut self, signals: &[Signal]) -> Self {
        self.signals.extend(signals.iter().map(signal));
        self
    }

    /// Adds what fails most.
    pub fn with_offenders(mut self, offenders: &[Offender]) -> Self {
        self.offenders = offenders
            .iter()
            .map(|offender| OffenderPart {
                label: offender.label.clone(),
                value: offender.value.clone(),
                bad: offender.bad,
                total: offender.total,
            })
            .collect();
        self
    }

    /// Says that the run goes on with what an earlier one began.
    pub fn with_resumption(mut self, detail: impl Into<String>) -> Self {
        self.decision = DecisionPart {
            action: ActionKind::Resume,
            reason: Reason::Resumed,
            detail: detail.into(),
            gates: Vec::new(),
        };
        self
    }

    /// Waits for a person, keeping the gates.
    pub fn awaiting(mut self, detail: impl Into<String>) -> Self {
        self.decision.action = ActionKind::AwaitApproval;
        self.decision.reason = Reason::AwaitingApproval;
        self.decision.detail = detail.into();
        self
    }

    /// Says the same decision in other words.
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.decision.detail = detail.into();
        self
    }

    /// Holds for a reason of its own, keeping the gates.
    pub fn holding(mut self, reason: Reason, detail: impl Into<String>) -> Self {
        self.decision.action = ActionKind::Hold;
        self.decision.reason = reason;
        self.decision.detail = detail.into();
        self
    }

    /// Says whether a deploy may go ahead.
    pub fn answering(mut self, gate: GateAnswerPart) -> Self {
        self.gate = Some(gate);
        self
    }

    /// Adds a value that could not be known.
    pub fn not_knowing(mut self, source: &str, why: impl Into<String>) -> Self {
        self.unknowns.push(UnknownPart {
            source: source.to_owned(),
            why: why.into(),
        });
        self
    }

    /// Adds a rollback as the journal knows it.
    pub fn with_rollback(mut self, rollback: &journal::Rollback) -> Self {
        self.rollback = Some(rollback.into());
        if !rollback.goes_back.undone.is_empty() {
            self.undone.clone_from(&rollback.goes_back.undone);
        }
        self
    }

    /// Adds what the commit of the rollback changes.
    pub fn with_diff(mut self, diff: Option<String>) -> Self {
        if let Some(rollback) = &mut self.rollback {
            rollback.diff = diff;
        }
        self
    }

    /// Adds what a run without `--dry-run` would do.
    pub fn with_plan(
        mut self,
        id: &str,
        plan: &policy::Plan,
        words: Option<RollbackWords>,
        steps: Vec<StepPart>,
        diff: String,
    ) -> Self {
        self.rollback = Some(RollbackPart {
            id: id.to_owned(),
            from: plan.from.clone(),
            to: plan.to.clone(),
            steps,
            outcome: RollbackOutcome::WouldRollBack,
            worse: false,
            commit: None,
            diff: Some(diff),
            why: String::new(),
            words,
        });
        self
    }
}
