//! Every gate alone, their order, and what no combination may do.

use chrono::Duration;
use proptest::prelude::*;

use super::super::fixture::{Case, ago, case, change, gate, gates_that, now, past, timeline};
use super::super::{
    Action, Blame, BranchReading, Decision, End, GateName, GateState, History, PastRollback, Phase,
    Plan, Reason, Wanted, decide_manual, needs_branch,
};
use crate::policy::ByItself;
use crate::slo::Reading;
use crate::slo::fixture::world;

const MINUTE: Duration = Duration::minutes(1);
const HOUR: Duration = Duration::hours(1);
const DAY: Duration = Duration::days(1);

fn minutes(count: i64) -> Duration {
    Duration::minutes(count)
}

fn hours(count: i64) -> Duration {
    Duration::hours(count)
}

fn days(count: i64) -> Duration {
    Duration::days(count)
}

fn plan(decision: &Decision) -> Option<&Plan> {
    match &decision.action {
        Action::RollBack(plan) => Some(plan),
        Action::Nothing | Action::Hold | Action::AwaitApproval(_) => None,
    }
}

fn target(case: &Case) -> Option<String> {
    plan(&case.decide()).map(|plan| plan.to.clone())
}

fn spent_but_calm(case: Case) -> Case {
    case.world(|_| world().consumed(0.9))
}

mod approval;
mod blame;
mod doubts;
mod evidence;
mod gates;
mod limits;
mod live;
mod manual;
mod outage;
mod properties;
mod target;
