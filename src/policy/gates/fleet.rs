//! What the other services of a run say about a rollback of one of them.

use super::super::fleet::Fleet;
use super::super::plan::{Gate, GateName, GateState, Plan};
use super::super::reason::Reason;

/// Stops where so many services burn at once that no release of one of them is to blame.
pub(in crate::policy) fn fleet_wide(fleet: &Fleet) -> Gate {
    let (burning, services) = (fleet.burning, fleet.services);
    let count = format!("{burning} of {services} services burn at once");
    if fleet.is_wide() {
        return Gate::fail(
            GateName::Fleet,
            Reason::FleetWide,
            format!(
                "{count} and no one commit is suspected in all of them, so it is what they share"
            ),
        );
    }
    match &fleet.one_release {
        Some(revision) if burning > 1 => Gate::pass(
            GateName::Fleet,
            format!("{count}, and {revision} is suspected in all of them"),
        ),
        Some(_) | None => Gate::pass(GateName::Fleet, count),
    }
}

/// Lets the limit of all services together stop what the limits of one let through.
pub(in crate::policy) fn fleet_limit(
    limits: Gate,
    fleet: Option<&Fleet>,
    plan: Option<&Plan>,
) -> Gate {
    let (Some(fleet), GateState::Pass) = (fleet, limits.state) else {
        return limits;
    };
    let is_allowed = plan.is_none_or(|plan| fleet.allows(&plan.from));
    if is_allowed {
        return limits;
    }
    Gate::fail(
        GateName::Limits,
        Reason::HourlyLimit,
        format!(
            "{} releases of all services in the last hour (MAX_ROLLBACKS_PER_HOUR_FLEET is {})",
            fleet.rolled_back.len(),
            fleet.max_per_hour
        ),
    )
}
