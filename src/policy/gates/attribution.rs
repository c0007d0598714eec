//! Whether a deployment is to blame.

use std::time::Duration as Span;

use chrono::Duration;

use super::super::decide::Inputs;
use super::super::plan::{Attribution, Blame, Gate, GateName};
use super::super::reason::Reason;
use super::super::target::short;
use super::super::timeline::{BranchReading, Change};
use super::MAX_P_VALUE;
use super::text::{self, percent, span};
use crate::slo::{Assessment, Cause, Events, Onset, Slo, binomial_tail, conditional_binomial};

/// How far a deployment's time may lie in the future of the evaluation time: clocks of committers are not ours.
const CLOCK_GRACE: Duration = Duration::seconds(60);

/// How many times the error ratio from before a deployment must be exceeded after it (unitless): "at least doubled".
/// Source: our rule, beside the p-value of the same test.
const AT_LEAST: f64 = 2.0;

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
    let comparison = Comparison::around(inputs.assessment, inputs.now - newest.committed_at);
    let (verdict, why) = blame(inputs, newest, comparison.as_ref());
    let onset =
        began(inputs.assessment).and_then(|ago| Some(inputs.now - Duration::from_std(ago).ok()?));
    let attribution = Attribution {
        suspect: newest.revision.clone(),
        onset,
        lag: onset.map(|onset| onset - newest.committed_at),
        sides: comparison.as_ref().map(|both| (both.before, both.after)),
        p_value: comparison.as_ref().map(Comparison::chance),
        verdict,
        why: why.clone(),
    };
    let gate = if !inputs.settings.require_attribution {
        Gate::off(name)
    } else {
        match verdict {
            Blame::Deployment => Gate::pass(name, why),
            Blame::NotDeployment | Blame::Unknown => Gate::fail(name, Reason::NotAttributable, why),
        }
    };
    (gate, Some(attribution))
}

/// Tells whether the newest change is to blame: it is recent, nothing was wrong before it, and something is since.
fn blame(inputs: &Inputs<'_>, newest: &Change, comparison: Option<&Comparison>) -> (Blame, String) {
    let Inputs {
        assessment,
        settings,
        ..
    } = *inputs;
    let age = inputs.now - newest.committed_at;
    let deployed = format!(
        "{} was deployed {} ago (at most {})",
        short(&newest.revision),
        span(age),
        span(settings.attribution_window)
    );
    if age > settings.attribution_window || age < -CLOCK_GRACE {
        return (Blame::NotDeployment, deployed);
    }
    if assessment.burns.is_empty() {
        // The level alone decides (REQUIRE_ACTIVE_BURN is false), so there is no beginning to compare with.
        return (Blame::Deployment, deployed);
    }
    let ago = (age + CLOCK_GRACE).to_std().unwrap_or_default();
    let oldest = assessment
        .violations
        .iter()
        .max_by_key(|violation| violation.lasting);
    if let Some(violation) = oldest.filter(|violation| violation.lasting > ago) {
        let why = format!(
            "{deployed}, but {} has been over its threshold for {} s",
            violation.slo.as_str(),
            violation.lasting.as_secs()
        );
        return (Blame::NotDeployment, why);
    }
    let (verdict, why) = match comparison {
        Some(comparison) => comparison.judge(),
        None if began(assessment).is_some() => (
            Blame::Deployment,
            "the burn was seen to begin after it".to_owned(),
        ),
        None => (
            Blame::Unknown,
            "how the service was before it is not measured".to_owned(),
        ),
    };
    (verdict, format!("{deployed}; {why}"))
}

/// Returns how long ago the first of what burns now began, where a beginning was seen.
fn began(assessment: &Assessment) -> Option<Span> {
    let burns_now = |onset: &&Onset| {
        assessment.burns.iter().any(|burn| match burn.cause {
            Cause::Violation(slo) => slo == onset.slo,
            Cause::FastBurn | Cause::SlowBurn | Cause::EmergencyBurn => match onset.slo {
                Slo::Availability | Slo::ErrorRate => true,
                Slo::LatencyP95 | Slo::LatencyP99 => false,
            },
        })
    };
    let seen = assessment.onsets.iter().filter(burns_now);
    seen.map(|onset| onset.ago).max()
}

/// The errors before and after a deployment, as far as the windows that end now tell them apart.
struct Comparison {
    before: Events,
    after: Events,
    /// The stretch in which the deployment lies, and the share of it that comes after (0..=1).
    around: Option<(Events, f64)>,
    /// Error ratio now.
    now: f64,
    /// Smallest ratio that counts as burning.
    limit: f64,
}

impl Comparison {
    /// Finds both sides; nothing when only latency burns, of which the windows say nothing, or when no event was counted
    /// in any stretch before the deployment.
    fn around(assessment: &Assessment, age: Duration) -> Option<Self> {
        const MINUTE: u64 = 60;
        let limit = assessment
            .burns
            .iter()
            .filter(|burn| is_of_errors(burn.cause))
            .map(|burn| burn.ratio)
            .reduce(f64::min)?;
        let age = age.to_std().unwrap_or_default();
        let windows = assessment.windows;
        let m5 = windows.m5?;
        let edges = [
            (Span::from_secs(5 * MINUTE), windows.m5),
            (Span::from_secs(30 * MINUTE), windows.m30),
            (Span::from_secs(60 * MINUTE), windows.h1),
            (Span::from_secs(360 * MINUTE), windows.h6),
        ];
        let stretches: Vec<(Span, Span, Option<Events>)> = edges
            .windows(2)
            .filter_map(|pair| match pair {
                [(start, short), (end, long)] => {
                    let events = long
                        .zip(*short)
                        .and_then(|(long, short)| long.without(short));
                    Some((*start, *end, events))
                }
                _ => None,
            })
            .collect();
        let before = stretches
            .iter()
            .filter(|(start, _, _)| *start >= age)
            .find_map(|(_, _, events)| *events)?;
        let after = edges
            .iter()
            .rev()
            .filter(|(length, _)| *length <= age)
            .find_map(|(_, events)| *events)
            .unwrap_or(m5);
        let newest = [(Span::ZERO, edges[0].0, windows.m5)];
        let around = newest
            .iter()
            .chain(&stretches)
            .find(|(start, end, _)| *start <= age && age < *end)
            .and_then(|(start, end, events)| {
                let reach = age + CLOCK_GRACE.to_std().unwrap_or_default() - *start;
                let share = reach.as_secs_f64() / (*end - *start).as_secs_f64();
                Some(((*events)?, share.min(1.0)))
            });
        let slices = assessment
            .violations
            .iter()
            .filter(|violation| violation.slo == Slo::ErrorRate)
            .find_map(|violation| violation.value);
        Some(Self {
            before,
            after,
            around,
            now: after.error_ratio().max(slices.unwrap_or(0.0)),
            limit,
        })
    }

    /// Returns the chance that the error ratio did not at least double.
    fn chance(&self) -> f64 {
        conditional_binomial(self.after, self.before, AT_LEAST)
    }

    fn judge(&self) -> (Blame, String) {
        let ratio = |events: Events| percent(Some(events.error_ratio()));
        let counts = format!(
            "errors before {}, after {}",
            ratio(self.before),
            ratio(self.after)
        );
        if self.before.error_ratio() > self.limit {
            let why = format!("{counts}: the service was not healthy before it");
            return (Blame::NotDeployment, why);
        }
        if let Some((events, share)) = self.around {
            let explained = AT_LEAST * self.now * share + self.before.error_ratio();
            let (bad, total) = (events.bad().floor() as u64, events.total().ceil() as u64);
            if binomial_tail(bad, total, explained) <= MAX_P_VALUE {
                let why = format!("{counts}: the errors began before it");
                return (Blame::NotDeployment, why);
            }
        }
        let chance = self.chance();
        if chance > MAX_P_VALUE {
            let why = format!("{counts}: too little to prove that they at least doubled");
            return (Blame::Unknown, why);
        }
        (
            Blame::Deployment,
            format!("{counts} ({})", text::chance(chance)),
        )
    }
}

fn is_of_errors(cause: Cause) -> bool {
    match cause {
        Cause::FastBurn | Cause::SlowBurn | Cause::EmergencyBurn => true,
        Cause::Violation(Slo::Availability | Slo::ErrorRate) => true,
        Cause::Violation(Slo::LatencyP95 | Slo::LatencyP99) => false,
    }
}
