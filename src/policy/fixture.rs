//! One decision for tests: a bad release 20 minutes ago, every gate open, and whatever a test changes.

use chrono::{DateTime, Duration, TimeZone, Utc};

use super::{
    BlackoutWindows, BranchReading, Change, Decision, End, Gate, GateName, GateState, History,
    Inputs, PastOutcome, PastRollback, RollbackMark, Settings, Timeline, decide,
};
use crate::slo::fixture::{World, world};

/// A Wednesday at noon.
pub(super) fn now() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 8, 5, 12, 0, 0)
        .single()
        .expect("a time")
}

pub(super) fn ago(span: Duration) -> DateTime<Utc> {
    now() - span
}

#[derive(Debug, Clone)]
pub(super) struct Case {
    pub(super) world: World,
    pub(super) branch: BranchReading,
    pub(super) past: Vec<PastRollback>,
    pub(super) settings: Settings,
}

/// Returns the case in which everything speaks for a rollback from `bad` to `good`.
pub(super) fn case() -> Case {
    Case {
        // 20 % errors since the deployment, 0.02 % before.
        world: world()
            .consumed(0.6)
            .windows([0.2, 0.1334, 0.0668, 0.0113])
            .errors(0.2),
        branch: BranchReading::Known(timeline(vec![
            change("bad", Duration::minutes(20)),
            change("good", Duration::days(2)),
            change("older", Duration::days(5)),
        ])),
        past: Vec::new(),
        settings: Settings {
            rollback_enabled: true,
            auto_rollback_critical: true,
            auto_rollback_emergency: true,
            require_approval: false,
            require_active_burn: true,
            require_attribution: true,
            attribution_window: Duration::minutes(60),
            max_revisions_back: 3,
            min_events: 50,
            min_bad_events: 5,
            cooldown: Duration::minutes(60),
            max_per_hour: 1,
            max_per_day: 3,
            blackout: BlackoutWindows::default(),
            emergency_overrides_blackout: false,
            verify_deadline: Duration::minutes(15),
        },
    }
}

impl Case {
    pub(super) fn world(mut self, change: impl FnOnce(World) -> World) -> Self {
        self.world = change(self.world);
        self
    }

    pub(super) fn settings(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(&mut self.settings);
        self
    }

    /// The changes of the watched paths, newest first.
    pub(super) fn changes(mut self, changes: Vec<Change>) -> Self {
        self.branch = BranchReading::Known(timeline(changes));
        self
    }

    pub(super) fn deployed(self, before: Duration) -> Self {
        self.changes(vec![
            change("bad", before),
            change("good", Duration::days(2)),
        ])
    }

    pub(super) fn past(mut self, past: PastRollback) -> Self {
        self.past.push(past);
        self
    }

    pub(super) fn blackout(self, text: &str) -> Self {
        let windows = text.parse().expect("windows");
        self.settings(|settings| settings.blackout = windows)
    }

    pub(super) fn timeline(&self) -> &Timeline {
        self.branch.timeline().expect("the branch was read")
    }

    pub(super) fn decide(&self) -> Decision {
        decide(&Inputs {
            now: now(),
            assessment: &self.world.assess(),
            branch: &self.branch,
            history: &History::new(self.past.clone()),
            settings: &self.settings,
        })
    }
}

/// Returns a change whose content is named after it.
pub(super) fn change(revision: &str, before: Duration) -> Change {
    Change {
        revision: revision.to_owned(),
        committed_at: ago(before),
        state: format!("state of {revision}"),
        rollback: None,
        subject: format!("release {revision}"),
    }
}

impl Change {
    pub(super) fn with_state_of(mut self, revision: &str) -> Self {
        self.state = format!("state of {revision}");
        self
    }

    /// Marks it as the rollback `r-<revision>`.
    pub(super) fn rolling_back(mut self, from: &str, to: &str) -> Self {
        self.rollback = Some(RollbackMark {
            id: format!("r-{}", self.revision),
            from: from.to_owned(),
            to: to.to_owned(),
        });
        self.with_state_of(to)
    }
}

pub(super) fn timeline(changes: Vec<Change>) -> Timeline {
    Timeline {
        tip: "tip".to_owned(),
        tip_state: changes
            .first()
            .map_or_else(String::new, |newest| newest.state.clone()),
        changes,
        end: End::Root,
    }
}

/// Returns an attempted rollback of `from` to `to`.
pub(super) fn past(from: &str, to: &str, before: Duration, outcome: PastOutcome) -> PastRollback {
    PastRollback {
        id: format!("r-{from}-{to}"),
        from: from.to_owned(),
        from_state: Some(format!("state of {from}")),
        to: to.to_owned(),
        begun_at: ago(before),
        attempted: true,
        outcome,
    }
}

pub(super) fn gate(decision: &Decision, name: GateName) -> &Gate {
    let is_it = |gate: &&Gate| gate.name == name;
    decision.gates.iter().find(is_it).expect("every gate")
}

pub(super) fn gates_that(decision: &Decision, state: GateState) -> Vec<GateName> {
    let gates = decision.gates.iter().filter(|gate| gate.state == state);
    gates.map(|gate| gate.name).collect()
}
