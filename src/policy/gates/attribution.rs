//! Whether a deployment is to blame.

use super::super::decide::{Inputs, needs_branch};
use super::super::plan::{Attribution, Blame, Gate, GateName};
use super::super::reason::Reason;
use super::super::rollout::{self, Rollout, Turnover};
use super::super::suspicion::{Suspicion, just_before, last_moment, not_yet, sides, since, slis};
use super::super::target::short;
use super::super::text::{self, percent, span};
use super::super::timeline::{BranchReading, Change, Timeline, Witness};
use super::{MAX_P_VALUE, NOT_LOOKED_BACK};
use crate::slo::{
    Events, LOST_SHARE, Reading, Sli, WindowCounts, binomial_tail, conditional_binomial,
};

/// How many times the error ratio from before a deployment must be exceeded after it (unitless): "at least doubled".
/// Source: our rule, beside the p-value of the same test.
const AT_LEAST: f64 = 2.0;

/// Chance below which what was before a deployment, or beside it, speaks against blaming it. Larger than the bar of a
/// proof, and without a floor on the events, because here the benefit of doubt would put the blame on a deployment.
/// Source: our rule.
const CHANCE: f64 = 0.01;

pub(in crate::policy) fn attribution(
    inputs: &Inputs<'_>,
    suspicion: Option<&Suspicion>,
) -> (Gate, Option<Attribution>) {
    let name = GateName::Attribution;
    let timeline = match inputs.branch {
        BranchReading::Known(timeline) if needs_branch(inputs.assessment, inputs.settings) => {
            timeline
        }
        BranchReading::Known(_) => return (Gate::not_checked(name, NOT_LOOKED_BACK), None),
        BranchReading::NotAsked => {
            let why = "the repository was not asked";
            return (Gate::not_checked(name, why), None);
        }
        BranchReading::NotConfigured => {
            let why = "no deployment is known: GITOPS_REPO and GITOPS_PATH are not set";
            return (Gate::fail(name, Reason::NotAttributable, why), None);
        }
    };
    let Some(suspicion) = suspicion else {
        let why = "no commit changes the watched paths";
        return (Gate::fail(name, Reason::NotAttributable, why), None);
    };
    let attribution = blame(inputs, timeline, suspicion);
    let is_seen = match attribution.witness {
        Witness::CommitDate => false,
        Witness::Pods | Witness::Tip | Witness::Argocd => true,
    };
    let gate = if inputs.settings.require_seen_live && !is_seen {
        let why = "what is live is known from the dates of commits only, and REQUIRE_SEEN_LIVE is true: it is seen once \
                   passes have looked at the branch for an hour, or where new pods serve since the commit";
        Gate::fail(name, Reason::NotAttributable, why)
    } else if !inputs.settings.require_attribution {
        Gate::off(name)
    } else {
        let why = attribution.why.clone();
        match attribution.verdict {
            Blame::Deployment => Gate::pass(name, why),
            Blame::NotDeployment | Blame::Unknown => Gate::fail(name, Reason::NotAttributable, why),
        }
    };
    (gate, Some(attribution))
}

/// Chance at which a deployment is blamed where no SLO is violated and only the budget burns. A service with many
/// ordinary errors is at the level emergency most of the time, so that every cluster of them is held against its
/// newest deployment: hundreds of tests a year. Source: our rule, chosen with `benches/year`.
const UNVIOLATED_P_VALUE: f64 = 1e-12;

/// Chance at which the last moments before a deployment are worse than the hour before them. Small, because every
/// cluster of ordinary errors just before a deployment would speak for it. Source: our rule, chosen with
/// `benches/year`.
const ROSE_P_VALUE: f64 = 1e-3;

/// How many fifths of a violation window right before a deployment are looked at by themselves, each with the chance
/// at which it counts as better than what came after: what began in them, and not with the deployment, was as bad
/// already. Two minutes and five by default. The shorter time holds too few events for a low bar, and less can begin
/// in it. Source: our rule, chosen with `benches/year`.
const MOMENTS: [(i32, f64); 2] = [(2, 0.05), (5, CHANCE)];

/// Tells whether the suspect is to blame: nothing was wrong before it, something is since, and no pod of the revision
/// before it fails alike.
fn blame(inputs: &Inputs<'_>, timeline: &Timeline, suspicion: &Suspicion) -> Attribution {
    let suspect = &timeline.changes[suspicion.index];
    let turnover = turnover(inputs, suspect);
    let (before, _) = sides(inputs, suspect);
    let evidence = inputs.evidence;
    let mut compared = inputs.assessment.burning_slis();
    if compared.is_empty() {
        // The level alone decides, and a deployment that made nothing worse did not spend the budget.
        compared = slis(inputs);
    }
    let only_the_budget = !inputs.assessment.burns.is_empty() && !inputs.assessment.is_violated();
    let most = if only_the_budget {
        UNVIOLATED_P_VALUE
    } else {
        MAX_P_VALUE
    };
    // What began later than that had not begun before the deployment.
    let is_at_once = suspicion
        .onset
        .is_none_or(|onset| onset - suspect.deployed_at < inputs.settings.violation_for);
    let comparisons: Vec<Comparison> = compared
        .into_iter()
        .map(|(sli, limit)| (sli, limit, since(inputs, suspicion.onset, suspect, sli)))
        .map(|(sli, limit, since)| Comparison {
            sli,
            limit,
            most,
            dispersion: dispersion(inputs, suspect, sli),
            before: counted(evidence.stretch(before), |stretch| stretch.at_most(sli)),
            lately: counted(evidence.stretch(just_before(suspect)), |stretch| {
                stretch.at_most(sli)
            }),
            after: counted(evidence.stretch(since.all), |stretch| stretch.at_least(sli)),
            soon: counted(evidence.stretch(since.soon), |stretch| {
                stretch.at_least(sli)
            }),
            moments: if is_at_once {
                moments(inputs, suspect, sli)
            } else {
                Vec::new()
            },
            last: counted(evidence.stretch(last_moment(suspect)), |stretch| {
                stretch.at_most(sli)
            }),
        })
        .collect();
    let shown = comparisons.first();
    let both = |comparison: &Comparison| {
        let (before, after) = (comparison.before.value()?, comparison.after.value()?);
        Some((*before, *after))
    };
    let deployed = || {
        let newer = timeline.back(suspicion.index);
        format!(
            "{} was deployed {} ago{}{}",
            short(&suspect.revision),
            span(inputs.now - suspect.deployed_at),
            match (newer, &timeline.trouble) {
                (0, Some(trouble)) => format!(" ({trouble})"),
                (_, None | Some(_)) => String::new(),
            },
            match (newer, suspicion.onset) {
                (_, None) => String::new(),
                (0, Some(onset)) => began_after(onset - suspect.deployed_at),
                (newer, Some(onset)) => format!(
                    "{}, {newer} newer {} did not end it",
                    began_after(onset - suspect.deployed_at),
                    if newer == 1 {
                        "deployment"
                    } else {
                        "deployments"
                    }
                ),
            }
        )
    };
    let (verdict, why) = match &suspicion.against {
        Some((blame, why)) => (*blame, why.clone()),
        None => {
            let gap = gap(inputs, suspect);
            let judged = comparisons.iter().map(Comparison::judge);
            let rollout = rollout(inputs, timeline, suspicion);
            let same_pods = same_pods(timeline, turnover);
            let mut verdict = Blame::Deployment;
            let mut reasons = vec![deployed()];
            // The first that does not blame the deployment decides.
            let too_young = too_young(inputs, suspect);
            for (blame, why) in too_young
                .into_iter()
                .chain(same_pods)
                .chain(failed_before(inputs, suspect))
                .chain(gap)
                .chain(judged)
                .chain(rollout)
            {
                if blame == Blame::Deployment {
                    reasons.push(why);
                    continue;
                }
                (verdict, reasons) = (blame, vec![deployed(), why]);
                break;
            }
            (verdict, reasons.join("; "))
        }
    };
    Attribution {
        suspect: suspect.revision.clone(),
        witness: match (timeline.witness, turnover) {
            (Witness::CommitDate, Some(Turnover::New)) => Witness::Pods,
            (witness, _) => witness,
        },
        onset: suspicion.onset,
        lag: suspicion.onset.map(|onset| onset - suspect.deployed_at),
        sides: shown.and_then(both),
        p_value: shown.and_then(Comparison::chance),
        verdict,
        why,
    }
}

/// Tells whether events are over a limit, and chance does not explain it.
pub(in crate::policy) fn has_burned(events: Events, limit: f64) -> bool {
    let (bad, total) = (events.bad().floor() as u64, events.total().ceil() as u64);
    events.error_ratio() > limit && binomial_tail(bad, total, limit) <= CHANCE
}

/// Tells whether it is proven that one time was at least twice as bad as another.
pub(in crate::policy) fn is_worse(one: Events, other: Events, dispersion: f64) -> bool {
    conditional_binomial(one.worth(dispersion), other.worth(dispersion), AT_LEAST) <= MAX_P_VALUE
}

fn began_after(lag: chrono::Duration) -> String {
    format!(", {} before the burn began", span(lag))
}

fn counted(
    stretch: Option<&WindowCounts>,
    count: impl Fn(&WindowCounts) -> Reading<Events>,
) -> Reading<Events> {
    stretch.map_or(
        Reading::Invalid {
            why: "nobody asked".to_owned(),
        },
        count,
    )
}

/// The bad events of one SLI before and since a deployment.
struct Comparison {
    sli: Sli,
    /// Ratio above which it burns.
    limit: f64,
    /// Chance above which it is not proven that the errors at least doubled.
    most: f64,
    /// How many events of a cluster count as one (1..=3).
    dispersion: f64,
    /// The hour before. Whatever may be bad counts.
    before: Reading<Events>,
    /// The minutes right before. Whatever may be bad counts.
    lately: Reading<Events>,
    /// Only what is proven to be bad counts.
    after: Reading<Events>,
    /// The first minutes of the burn. Only what is proven to be bad counts.
    soon: Reading<Events>,
    /// The last moments before, each with the chance that is small enough.
    moments: Vec<(Events, f64)>,
    /// The last minute before, counted exactly. Whatever may be bad counts.
    last: Reading<Events>,
}

impl Comparison {
    /// Returns the chance that the ratio did not at least double.
    fn chance(&self) -> Option<f64> {
        let (before, after) = (self.before.value()?, self.after.value()?);
        let worth = |events: &Events| events.worth(self.dispersion);
        Some(conditional_binomial(worth(after), worth(before), AT_LEAST))
    }

    fn judge(&self) -> (Blame, String) {
        let name = self.sli.as_str();
        let unknown = |side: &str, reading: &Reading<Events>| {
            let why = reading.why_unknown().unwrap_or_default();
            (
                Blame::Unknown,
                format!("{name} {side} it are not known: {why}"),
            )
        };
        let Some(before) = self.before.value() else {
            return unknown("before", &self.before);
        };
        let Some(after) = self.after.value() else {
            return unknown("since", &self.after);
        };
        let counts = format!(
            "{name} before {} of {}, since {} of {}",
            percent(Some(before.error_ratio())),
            before.total(),
            percent(Some(after.error_ratio())),
            after.total()
        );
        if has_burned(before.worth(self.dispersion), self.limit) {
            let why = format!("{counts}: the service was not healthy before it");
            return (Blame::NotDeployment, why);
        }
        let chance = self.chance().unwrap_or(1.0);
        if chance > self.most {
            let why = format!(
                "{counts}: too little to prove that they at least doubled ({})",
                text::chance(chance)
            );
            return (Blame::Unknown, why);
        }
        // What grows for hours without anybody's fault was not yet bad an hour before, and was nearly as bad right
        // before.
        let around = self.soon.value().zip(self.lately.value());
        let grew = around.map(|(soon, lately)| conditional_binomial(*soon, *lately, AT_LEAST));
        if let Some(chance) = grew.filter(|chance| *chance > CHANCE) {
            let why = format!(
                "{counts}: too little to prove that they at least doubled against the minutes right before it ({})",
                text::chance(chance)
            );
            return (Blame::Unknown, why);
        }
        let as_bad = self.soon.value().and_then(|soon| {
            let mut moments = self.moments.iter();
            moments.find_map(|(before, most)| {
                let chance = conditional_binomial(*soon, *before, 1.0);
                (chance > *most).then_some((before, chance))
            })
        });
        if let Some((before, chance)) = as_bad {
            let why = format!(
                "{counts}: {} bad of the last {} events before it do not exclude that it began earlier ({})",
                before.bad(),
                before.total(),
                text::chance(chance)
            );
            return (Blame::Unknown, why);
        }
        if let Some((rose, chance)) = self.rose_before(*before) {
            let why = format!(
                "{counts}: with {} bad of the last {} events before it they had at least doubled already ({})",
                rose.bad(),
                rose.total(),
                text::chance(chance)
            );
            return (Blame::Unknown, why);
        }
        (
            Blame::Deployment,
            format!("{counts} ({})", text::chance(chance)),
        )
    }

    /// Returns the last minute before the deployment where they were worse than the hour before them, with the
    /// chance that they were not: what fails now had begun. `before` is the hour before the deployment, these minutes
    /// included.
    fn rose_before(&self, before: Events) -> Option<(Events, f64)> {
        let moment = self.last.value()?;
        // Fewer requests than usual come by themselves, too; an outage that began before shows as a quarter of one.
        if matches!(self.sli, Sli::Lost { .. }) && moment.error_ratio() < LOST_SHARE / 4.0 {
            return None;
        }
        let earlier = Events::new(
            (before.bad() - moment.bad()).max(0.0),
            before.total() - moment.total(),
        )?;
        let chance = conditional_binomial(*moment, earlier, AT_LEAST);
        (chance <= ROSE_P_VALUE).then_some((*moment, chance))
    }
}

/// Returns the events of the last moments before a deployment, as the course shows them, each with the chance that is
/// small enough; nothing where the course says nothing of them.
fn moments(inputs: &Inputs<'_>, suspect: &Change, sli: Sli) -> Vec<(Events, f64)> {
    let ago = (inputs.now - not_yet(suspect)).to_std().unwrap_or_default();
    let course = inputs.evidence.courses().first();
    let moment = |(fifths, most): (i32, f64)| {
        let span = (inputs.settings.violation_for * fifths / 5).to_std().ok()?;
        Some((course?.within(sli, ago, span)?, most))
    };
    MOMENTS.into_iter().filter_map(moment).collect()
}

/// Returns how clustered the bad events of an SLI are: as they were before a deployment.
pub(in crate::policy) fn dispersion(inputs: &Inputs<'_>, suspect: &Change, sli: Sli) -> f64 {
    let ago = inputs.now - not_yet(suspect);
    let recent = inputs.evidence.courses().first();
    recent.map_or(1.0, |course| {
        course.dispersion(sli, ago.to_std().unwrap_or_default())
    })
}

/// Says so while a deployment is too young to be compared: a short window has to lie wholly after it.
fn too_young(inputs: &Inputs<'_>, suspect: &Change) -> Option<(Blame, String)> {
    let least = inputs.settings.violation_for;
    let age = inputs.now - suspect.deployed_at;
    // Where nothing burns nothing is compared.
    inputs.assessment.burns.first()?;
    (age < least).then(|| {
        let why = format!("too young to be judged: {} of {}", span(age), span(least));
        (Blame::Unknown, why)
    })
}

/// Says so when a service that is gone now already failed before a deployment: that may have been made because of it.
fn failed_before(inputs: &Inputs<'_>, suspect: &Change) -> Option<(Blame, String)> {
    inputs.assessment.outage.as_ref()?;
    let (before, _) = sides(inputs, suspect);
    let stretch = inputs.evidence.stretch(before)?;
    slis(inputs).into_iter().find_map(|(sli, limit)| {
        let events = stretch.at_most(sli);
        let events = events.value()?;
        has_burned(*events, limit).then(|| {
            let why = format!(
                "{} before it {} of {}: the service was not healthy before it",
                sli.as_str(),
                percent(Some(events.error_ratio())),
                events.total()
            );
            (Blame::NotDeployment, why)
        })
    })
}

/// Says so when nothing was counted right before a deployment: it may have been made because the service was down.
fn gap(inputs: &Inputs<'_>, suspect: &Change) -> Option<(Blame, String)> {
    // Where nothing burns nothing is compared.
    inputs.assessment.burns.first()?;
    let minutes = just_before(suspect);
    let why = counted(inputs.evidence.stretch(minutes), |stretch| {
        stretch.events.clone()
    })
    .why_unknown()?;
    let why = format!(
        "the last {} before it are not known: {why}",
        span(minutes.to - minutes.from)
    );
    Some((Blame::Unknown, why))
}

/// Tells whether other pods serve now than before a deployment; nothing where that cannot be known.
fn turnover(inputs: &Inputs<'_>, suspect: &Change) -> Option<Turnover> {
    let then = inputs.evidence.pods(not_yet(suspect))?.value()?;
    let now = inputs.evidence.pods(inputs.now)?.value()?;
    rollout::turnover(then, now)
}

/// Says so when only a commit's date tells of the deployment, and the pods contradict it.
fn same_pods(timeline: &Timeline, turnover: Option<Turnover>) -> Option<(Blame, String)> {
    let is_contradicted =
        timeline.witness == Witness::CommitDate && turnover == Some(Turnover::None);
    is_contradicted.then(|| {
        let why = "the pods that serve now are of replica sets that were there before it, so the date of the commit does not \
                   say when it was deployed";
        (Blame::Unknown, why.to_owned())
    })
}

/// Compares the pods of the suspect with those of the revision before it that still serve beside them; nothing where
/// there are no such pods, or where nobody can tell them apart.
fn rollout(
    inputs: &Inputs<'_>,
    timeline: &Timeline,
    suspicion: &Suspicion,
) -> Option<(Blame, String)> {
    let suspect = &timeline.changes[suspicion.index];
    let slis = inputs.assessment.burning_slis();
    let (_, limit) = slis.iter().find(|(sli, _)| *sli == Sli::Errors)?;
    let then = inputs.evidence.pods(not_yet(suspect))?.value()?;
    let now = inputs.evidence.pods(inputs.now)?.value()?;
    let Rollout { old, new } = rollout::side_by_side(then, now)?;
    let counts = format!(
        "side by side, old pods fail {} of {}, new ones {} of {}",
        percent(Some(old.error_ratio())),
        old.total(),
        percent(Some(new.error_ratio())),
        new.total()
    );
    let is_many = old.total() >= inputs.settings.min_events as f64;
    let is_over = old.error_ratio() > *limit;
    let is_alike = is_many && is_over && conditional_binomial(new, old, 1.0) > MAX_P_VALUE;
    if is_alike || has_burned(old, *limit) {
        let why = format!("{counts}: what it replaces fails alike");
        return Some((Blame::NotDeployment, why));
    }
    // What so few requests, or one unlucky one among them, say is neither for nor against it.
    (is_many && !is_over).then_some((Blame::Deployment, counts))
}
