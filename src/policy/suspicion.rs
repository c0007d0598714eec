//! Which deployment is looked at: the newest one at or before the beginning of the burn.

use chrono::{DateTime, Duration, Utc};

use super::decide::Inputs;
use super::evidence::{Question, Span};
use super::plan::Blame;
use super::target::short;
use super::text::span;
use super::timeline::{CLOCK_GRACE, Change, NARROW, Timeline};
use crate::slo::{Beginning, BurnSearch, Reading, Signal, SignalName, Sli};

/// How long before a deployment the service is compared with afterwards. Source: facts, section 7.
const BEFORE: Duration = Duration::hours(1);

/// Within how long before a deployment something must have been counted: a service whose pods were all gone was
/// broken before it, whatever the rest of the hour says. Long enough for two samples that lie five minutes apart.
/// Source: our rule.
const JUST_BEFORE: Duration = Duration::minutes(10);

/// How much of a burn is compared with the minutes right before the deployment. Source: our rule; as short as a bad
/// release of an ordinary service needs to be proven, because what grows by itself doubles in that time only at its
/// very beginning.
const SOON_AFTER: Duration = Duration::minutes(20);

/// The part of a revision's life by which it is judged: its end, as long as the longest burn window.
const LIFE: Duration = Duration::hours(6);

/// The deployment that is looked at, and what is known against blaming it already.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Suspicion {
    /// Its place in the timeline; every newer one is suspect too.
    pub index: usize,
    /// When the burn began, where that was seen.
    pub onset: Option<DateTime<Utc>>,
    /// Why no deployment can be blamed whatever the counts say.
    pub against: Option<(Blame, String)>,
}

/// Returns the SLIs that decide, each with the ratio of bad events that is too much: those that burn, and errors
/// always.
pub(super) fn slis(inputs: &Inputs<'_>) -> Vec<(Sli, f64)> {
    let mut slis = inputs.assessment.burning_slis();
    if !slis.iter().any(|(sli, _)| *sli == Sli::Errors) {
        let objective = inputs.objective;
        let slow = objective.burn_rate_slow * objective.budget.ratio();
        slis.push((Sli::Errors, objective.max_bad_ratio().min(slow)));
    }
    slis
}

/// Finds the deployment to look at. Where none can be blamed it is the newest, so that a person sees how things stand.
pub(super) fn suspicion(inputs: &Inputs<'_>, timeline: &Timeline) -> Option<Suspicion> {
    let newest = timeline.changes.first()?;
    let age = inputs.now - newest.deployed_at;
    let nobody = |onset, blame, why: String| Suspicion {
        index: 0,
        onset,
        against: Some((blame, why)),
    };
    let window = inputs.settings.attribution_window;
    if age < -CLOCK_GRACE {
        let why = format!(
            "{} carries a time {} ahead of Prometheus: a clock is wrong",
            short(&newest.revision),
            span(-age)
        );
        return Some(nobody(None, Blame::NotDeployment, why));
    }
    if inputs.assessment.burns.is_empty() {
        // The level alone decides (REQUIRE_ACTIVE_BURN is false), so there is no beginning to compare with.
        let why = format!(
            "{} was deployed {} ago (at most {})",
            short(&newest.revision),
            span(age),
            span(window)
        );
        return Some(Suspicion {
            index: 0,
            onset: None,
            against: (age > window).then_some((Blame::NotDeployment, why)),
        });
    }
    let burning = inputs.assessment.burning_slis();
    let trail = trail(inputs, timeline, &burning);
    let beginnings = match beginnings(inputs, &trail) {
        Ok(beginnings) => beginnings,
        Err((blame, why)) => return Some(nobody(None, blame, why)),
    };
    let first = beginnings.iter().max_by_key(|beginning| beginning.ago)?;
    let ago = Duration::from_std(first.ago).unwrap_or(Duration::MAX);
    let onset = inputs.now - ago;
    // Clocks of committers are not ours, and a slice that holds some of the first errors is over the limit as a whole.
    let is_before = |change: &Change| {
        let is_old = change
            .not_before
            .is_none_or(|from| from <= onset + CLOCK_GRACE);
        change.is_live() && is_old
    };
    let began = format!("{} began to burn {} ago", first.sli.as_str(), span(ago));
    let Some(index) = timeline.changes.iter().position(is_before) else {
        let why = format!("{began}, before the oldest deployment that is known");
        return Some(nobody(Some(onset), Blame::NotDeployment, why));
    };
    let suspect = &timeline.changes[index];
    let lag = onset - suspect.deployed_at;
    if lag > window {
        let why = format!(
            "{began}, {} after {} was deployed (at most {})",
            span(lag),
            short(&suspect.revision),
            span(window)
        );
        return Some(nobody(Some(onset), Blame::NotDeployment, why));
    }
    let late = late(inputs, &trail, suspect).map(|why| (Blame::NotDeployment, why));
    let against = undated(inputs, suspect, onset)
        .or(late)
        .or_else(|| beside(inputs, timeline, suspect, onset));
    Some(Suspicion {
        index,
        onset: Some(onset),
        against,
    })
}

/// Says so when something else of the application was deployed between a deployment and the beginning of the burn: what
/// the branch holds may be innocent, and to put it back would change nothing.
fn beside(
    inputs: &Inputs<'_>,
    timeline: &Timeline,
    suspect: &Change,
    onset: DateTime<Utc>,
) -> Option<(Blame, String)> {
    let other = timeline.beside.as_ref()?;
    let may_be_it = other.at > suspect.deployed_at && other.at <= onset + CLOCK_GRACE;
    may_be_it.then(|| {
        let why = format!(
            "{} of another source of the application was deployed {} ago, after {} and before the burn began",
            other.revisions,
            span(inputs.now - other.at),
            short(&suspect.revision)
        );
        (Blame::Unknown, why)
    })
}

/// Says so when it is not known well enough when a deployment happened.
fn undated(inputs: &Inputs<'_>, suspect: &Change, onset: DateTime<Utc>) -> Option<(Blame, String)> {
    let name = short(&suspect.revision);
    let Some(from) = suspect.not_before else {
        let why = format!(
            "{name} was live already when it was first looked at, {} ago: when it was deployed is not known",
            span(inputs.now - suspect.deployed_at)
        );
        return Some((Blame::Unknown, why));
    };
    let range = suspect.deployed_at - from;
    let window = inputs.settings.attribution_window;
    let may_be_later = onset + CLOCK_GRACE < suspect.deployed_at && range > NARROW;
    let may_be_too_old = onset - from > window;
    (may_be_later || may_be_too_old).then(|| {
        let why = format!(
            "{name} was deployed at some time in the {} until {} ago, in which nobody looked; the burn began {} ago",
            span(range),
            span(inputs.now - suspect.deployed_at),
            span(inputs.now - onset)
        );
        (Blame::Unknown, why)
    })
}

/// Says so when most of what burns now began too long after a deployment, whatever smaller trouble came before.
fn late(inputs: &Inputs<'_>, trail: &BurnSearch<'_>, suspect: &Change) -> Option<String> {
    let window = inputs.settings.attribution_window;
    trail.burning.iter().find_map(|(sli, limit)| {
        let began = match trail.in_earnest(inputs.evidence.courses(), *sli, *limit) {
            Beginning::Seen { ago } => inputs.now - Duration::from_std(ago).ok()?,
            Beginning::Earlier { .. } | Beginning::NotMeasured { .. } => return None,
        };
        let lag = began - suspect.deployed_at;
        (lag > window).then(|| {
            format!(
                "{} burn as now since {}, {} after {} was deployed (at most {})",
                sli.as_str(),
                span(inputs.now - began),
                span(lag),
                short(&suspect.revision),
                span(window)
            )
        })
    })
}

/// When one SLI began to burn.
struct Began {
    sli: Sli,
    ago: std::time::Duration,
}

/// Returns when each of what burns now began.
fn beginnings(inputs: &Inputs<'_>, trail: &BurnSearch<'_>) -> Result<Vec<Began>, (Blame, String)> {
    let began = |(sli, limit): &(Sli, f64)| match trail.beginning(
        inputs.evidence.courses(),
        *sli,
        *limit,
    ) {
        Beginning::Seen { ago } => Ok(Began { sli: *sli, ago }),
        Beginning::Earlier { than } => {
            let than = Duration::from_std(than).unwrap_or(Duration::MAX);
            Err((
                Blame::NotDeployment,
                format!(
                    "{} burn as far back as was looked, {}",
                    sli.as_str(),
                    span(than)
                ),
            ))
        }
        Beginning::NotMeasured { why } => Err((
            Blame::Unknown,
            format!("when {} began to burn is not known: {why}", sli.as_str()),
        )),
    };
    trail.burning.iter().map(began).collect()
}

fn trail<'a>(
    inputs: &Inputs<'a>,
    timeline: &Timeline,
    burning: &'a [(Sli, f64)],
) -> BurnSearch<'a> {
    let back = usize::try_from(inputs.settings.max_revisions_back).unwrap_or(usize::MAX);
    let live = timeline.changes.iter().filter(|change| change.is_live());
    let oldest = live.take(back.saturating_add(2)).last();
    let since = oldest.map_or_else(Duration::zero, |oldest| inputs.now - oldest.deployed_at);
    BurnSearch {
        objective: inputs.objective,
        burning,
        min_events: inputs.settings.min_events,
        near: inputs
            .settings
            .attribution_window
            .to_std()
            .unwrap_or_default(),
        reach: (since + LIFE)
            .to_std()
            .unwrap_or_default()
            .min(inputs.objective.window),
    }
}

/// Returns the newest moment at which a change was surely not deployed yet: a committer's clock may run ahead, and
/// what it did in that time must not count for the revision before it.
pub(super) fn not_yet(change: &Change) -> DateTime<Utc> {
    change.earliest() - CLOCK_GRACE
}

/// Returns the hour before a deployment and the time since.
pub(super) fn sides(inputs: &Inputs<'_>, suspect: &Change) -> (Span, Span) {
    let to = not_yet(suspect);
    let before = Span {
        from: to - BEFORE,
        to,
    };
    let after = Span {
        from: suspect.deployed_at,
        to: inputs.now,
    };
    (before, after)
}

/// Returns the minutes right before a deployment.
pub(super) fn just_before(suspect: &Change) -> Span {
    let to = not_yet(suspect);
    Span {
        from: to - JUST_BEFORE,
        to,
    }
}

/// How much of the minutes right before a deployment is held against the hour before them: long enough for some
/// events, short enough that what began a minute before is not thinned out. Source: our rule, chosen with
/// `benches/year`.
const LAST_MOMENT: Duration = Duration::minutes(1);

/// How far a committer's clock may run ahead here: what had risen before that speaks against blaming the deployment.
/// Half of what is granted otherwise, because what began to fail right before a deployment is somebody else's fault
/// more often than clocks are wrong. Source: our rule, chosen with `benches/year`.
const LAST_MOMENT_GRACE: Duration = Duration::seconds(30);

/// Returns the last moment before a deployment.
pub(super) fn last_moment(suspect: &Change) -> Span {
    let to = suspect.earliest() - LAST_MOMENT_GRACE;
    Span {
        from: to - LAST_MOMENT,
        to,
    }
}

/// What of the time since a deployment is held against other times.
pub(super) struct Since {
    /// All of it.
    pub all: Span,
    /// The first minutes of the burn.
    pub soon: Span,
}

/// Returns what of the time since a deployment is held against other times, where the burn began at `onset`. A service
/// that is gone is judged since it was gone: what it served until then would stand against what is missing, and
/// nothing grows.
pub(super) fn since(
    inputs: &Inputs<'_>,
    onset: Option<DateTime<Utc>>,
    suspect: &Change,
    sli: Sli,
) -> Since {
    let (_, after) = sides(inputs, suspect);
    match sli {
        Sli::Lost { .. } => {
            let from = onset.map_or(after.from, |onset| onset.max(after.from));
            let gone = Span { from, ..after };
            Since {
                all: gone,
                soon: gone,
            }
        }
        Sli::Errors | Sli::SlowerThan { .. } => Since {
            all: after,
            soon: soon_after(inputs, suspect, onset),
        },
    }
}

/// Returns the first minutes of the burn, from the deployment on: what a fault that came with it did at once. What
/// grows by itself was hardly worse then than right before.
fn soon_after(inputs: &Inputs<'_>, suspect: &Change, onset: Option<DateTime<Utc>>) -> Span {
    let began = onset.map_or(inputs.now, |onset| onset.max(suspect.deployed_at));
    Span {
        from: suspect.deployed_at,
        to: (began + SOON_AFTER).min(inputs.now),
    }
}

/// Fewest events of each side for a comparison of the 95th percentiles: ten lie beyond it. Source: facts, section 11.
const MIN_QUANTILE_EVENTS: f64 = 200.0;

/// Returns what the latency since the deployment under suspicion says to people: its 95th percentile against that of
/// the hour before. It leads to no action.
pub(super) fn latency_signals(inputs: &Inputs<'_>, suspect: &Change) -> Vec<Signal> {
    let (before, after) = sides(inputs, suspect);
    let quantile = |span: Span| {
        let stretch = inputs.evidence.stretch(span);
        let latency = stretch.map_or(Reading::NoSeries, |stretch| stretch.latency.clone());
        latency.and_then(|histogram| match histogram.quantile(0.95) {
            Some(seconds) if histogram.total() >= MIN_QUANTILE_EVENTS && seconds > 0.0 => {
                Reading::Measured(seconds)
            }
            Some(_) | None => Reading::NoTraffic,
        })
    };
    let multiple = quantile(before).and_then(|before| quantile(after).map(|after| after / before));
    SignalName::OF_LATENCY
        .map(|name| Signal::of(name, &multiple))
        .to_vec()
}

/// How many violation windows a revision must have been live to be judged: half an hour by default. In the first one
/// pods of the revision before it may still have been serving, and a fault often takes its time. Source: our rule.
pub(super) const SHORTEST_LIFE: i32 = 6;

/// How many violation windows at the end of a life, or after a newer deployment, are looked at by themselves.
const CLOSE_LOOK: i32 = 2;

/// Returns the part of a change's life by which it is judged, or nothing when it was too short: until the next change
/// came, without the time in which pods of the revision before it were still serving.
pub(super) fn life(inputs: &Inputs<'_>, timeline: &Timeline, index: usize) -> Option<Span> {
    let settling = inputs.settings.violation_for;
    let change = timeline.changes.get(index)?;
    let next = timeline.successor(index)?;
    if next.earliest() - change.deployed_at < settling * SHORTEST_LIFE {
        return None;
    }
    let to = not_yet(next);
    let from = (change.deployed_at + settling).max(to - LIFE);
    (from < to).then_some(Span { from, to })
}

/// Returns the end of a life: a revision that began to fail late was healthy on the whole.
pub(super) fn end_of(inputs: &Inputs<'_>, life: Span) -> Span {
    Span {
        from: life.to - inputs.settings.violation_for * CLOSE_LOOK,
        to: life.to,
    }
}

/// Returns the time in which a deployment that came after the blamed one must have shown whether it is the cure;
/// nothing while its pods may not be the only ones that serve.
pub(super) fn cure(inputs: &Inputs<'_>, newest: &Change) -> Option<Span> {
    let from = newest.deployed_at + inputs.settings.violation_for * CLOSE_LOOK;
    let to = inputs.now;
    (from < to).then_some(Span { from, to })
}

/// Returns what a decision still wants to know, in rounds: nothing when it knows all that can help. A service that
/// does not burn, or of which too little is known to act, raises no question.
pub(super) fn questions(inputs: &Inputs<'_>, timeline: &Timeline) -> Vec<Question> {
    let burning = inputs.assessment.burning_slis();
    let look = trail(inputs, timeline, &burning).next_look(inputs.evidence.courses());
    if let (Some(look), false) = (look, burning.is_empty()) {
        return vec![Question::SliceHistory(look)];
    }
    let Some(suspicion) = suspicion(inputs, timeline) else {
        return Vec::new();
    };
    let index = suspicion.blamed(inputs);
    let suspect = &timeline.changes[index];
    let (before, after) = sides(inputs, suspect);
    // For people the latency is compared as well, where it is the latency of hours and not of weeks.
    let is_recent = inputs.now - suspect.deployed_at <= LIFE;
    let by_latency = inputs.assessment.burns_latency();
    let mut spans = vec![(just_before(suspect), by_latency)];
    if suspicion.against.is_none() || is_recent {
        spans.extend([before, after].map(|span| (span, by_latency || is_recent)));
        for (sli, _) in slis(inputs) {
            let Since { all, soon } = since(inputs, suspicion.onset, suspect, sli);
            for span in [all, soon] {
                if !spans.iter().any(|(known, _)| *known == span) {
                    spans.push((span, by_latency));
                }
            }
        }
        spans.push((last_moment(suspect), by_latency));
    }
    if index > 0 {
        spans.extend(cure(inputs, &timeline.changes[0]).map(|span| (span, by_latency)));
    }
    let back = usize::try_from(inputs.settings.max_revisions_back).unwrap_or(usize::MAX);
    let candidates = (index + 1..timeline.changes.len())
        .filter(|index| timeline.changes[*index].is_live() && timeline.back(*index) <= back);
    for life in candidates.filter_map(|index| life(inputs, timeline, index)) {
        spans.extend([life, end_of(inputs, life)].map(|span| (span, by_latency)));
    }
    let mut wanted: Vec<Question> = spans
        .into_iter()
        .filter(|(span, _)| span.from < span.to && span.to <= inputs.now)
        .map(|(span, latency)| Question::WindowCounts { span, latency })
        .collect();
    let has_errors = burning.iter().any(|(sli, _)| *sli == Sli::Errors);
    if has_errors && suspicion.against.is_none() && suspect.deployed_at <= inputs.now {
        wanted.push(Question::Pods(not_yet(suspect)));
        wanted.push(Question::Pods(inputs.now));
    }
    wanted.retain(|question| !inputs.evidence.answers(question));
    wanted
}

impl Suspicion {
    /// Returns the place of the oldest deployment that is blamed: the newest of all where `REQUIRE_ATTRIBUTION=false`
    /// says so.
    pub(super) fn blamed(&self, inputs: &Inputs<'_>) -> usize {
        if inputs.settings.require_attribution {
            self.index
        } else {
            0
        }
    }
}
