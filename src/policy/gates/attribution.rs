//! Whether a deployment is to blame.

use chrono::Duration;

use super::super::decide::Inputs;
use super::super::plan::{Attribution, Blame, Gate, GateName};
use super::super::reason::Reason;
use super::super::target::short;
use super::super::timeline::BranchReading;
use super::text::span;

/// How far a deployment's time may lie in the future of the evaluation time: clocks of committers are not ours.
const CLOCK_GRACE: Duration = Duration::seconds(60);

pub(in crate::policy) fn attribution(inputs: &Inputs<'_>) -> (Gate, Option<Attribution>) {
    let name = GateName::Attribution;
    let timeline = match inputs.branch {
        BranchReading::Known(timeline) => timeline,
        BranchReading::NotAsked => {
            return (
                Gate::not_checked(name, "the repository was not asked"),
                None,
            );
        }
        BranchReading::NotConfigured => {
            return (
                Gate::fail(
                    name,
                    Reason::NotAttributable,
                    "no deployment is known: GITOPS_REPO and GITOPS_PATH are not set",
                ),
                None,
            );
        }
    };
    let Some(newest) = timeline.changes.first() else {
        return (
            Gate::fail(
                name,
                Reason::NotAttributable,
                "no commit changes the watched paths",
            ),
            None,
        );
    };
    let age = inputs.now - newest.committed_at;
    let window = inputs.settings.attribution_window;
    let fits = age <= window && age >= -CLOCK_GRACE;
    let why = format!(
        "{} was deployed {} ago (at most {})",
        short(&newest.revision),
        span(age),
        span(window)
    );
    let attribution = Attribution {
        suspect: newest.revision.clone(),
        verdict: if fits {
            Blame::Deployment
        } else {
            Blame::NotDeployment
        },
        why: why.clone(),
    };
    let gate = if !inputs.settings.require_attribution {
        Gate::off(name)
    } else if fits {
        Gate::pass(name, why)
    } else {
        Gate::fail(name, Reason::NotAttributable, why)
    };
    (gate, Some(attribution))
}
