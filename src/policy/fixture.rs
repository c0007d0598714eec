//! One decision for tests: a bad release 20 minutes ago, every gate open, and whatever a test changes.

use std::collections::BTreeSet;

use chrono::{DateTime, Duration, TimeZone, Utc};

use super::{
    Answer, BlackoutWindows, BranchReading, ByItself, Change, Decision, End, Evidence, Gate,
    GateName, GateState, History, Inputs, Lived, PastRollback, Phase, PodEvents, Question,
    RollbackMark, Settings, Source, Span, Timeline, Witness, decide, questions,
};
use crate::slo::fixture::{World, world};
use crate::slo::{Events, Histogram, RangeRequest, Reading, SliceHistory, WindowCounts};

/// Requests per second, as in [`world`].
const RATE: f64 = 20.0;

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
    pub(super) story: Story,
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
        story: Story {
            errors: vec![(Duration::days(40), 0.0002), (Duration::minutes(20), 0.2)],
            slow: vec![(Duration::days(40), 0.0)],
            pods: Vec::new(),
            rate: RATE,
            silent: Vec::new(),
            no_pods: None,
            no_latency: None,
            lost: None,
        },
        past: Vec::new(),
        settings: Settings {
            by_itself: ByItself::Yes,
            auto_rollback_critical: true,
            auto_rollback_emergency: true,
            require_approval: false,
            by_pull_request: false,
            require_active_burn: true,
            require_attribution: true,
            require_seen_live: false,
            attribution_window: Duration::minutes(60),
            violation_for: Duration::minutes(5),
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

    /// The error ratio since each of these times ago, oldest first; nothing was counted before the first.
    pub(super) fn errors_since(mut self, errors: &[(Duration, f64)]) -> Self {
        self.story.errors = errors.to_vec();
        self
    }

    /// The share of requests between 2 s and 4 s since each of these times ago, oldest first.
    pub(super) fn slow_since(mut self, slow: &[(Duration, f64)]) -> Self {
        self.story.slow = slow.to_vec();
        self
    }

    /// Pods with their bad and total events: at the deployment, and now.
    pub(super) fn pods(mut self, then: &[(&str, f64, f64)], now: &[(&str, f64, f64)]) -> Self {
        let pods = |list: &[(&str, f64, f64)]| {
            list.iter()
                .map(|(pod, bad, total)| PodEvents {
                    images: BTreeSet::new(),
                    pod: (*pod).to_owned(),
                    events: Events::new(*bad, *total),
                })
                .collect()
        };
        self.story.pods = vec![pods(then), pods(now)];
        self
    }

    pub(super) fn decide(&self) -> Decision {
        self.decide_seeing(|answer| answer)
    }

    /// Returns the share of requests that failed between two changes of the story.
    pub(super) fn error_ratio(&self, from: DateTime<Utc>, to: DateTime<Utc>) -> f64 {
        let (bad, total) = self.story.count(&self.story.errors, Span { from, to });
        bad / total
    }

    /// Decides on answers that are not what happened.
    pub(super) fn decide_seeing(&self, change: impl Fn(Answer) -> Answer) -> Decision {
        let (assessment, history) = (self.world.assess(), History::new(self.past.clone()));
        let mut evidence = Evidence::default();
        let mut answers = 0;
        loop {
            let inputs = Inputs {
                fleet: None,
                now: now(),
                objective: &self.world.objective,
                assessment: &assessment,
                branch: &self.branch,
                evidence: &evidence,
                history: &history,
                settings: &self.settings,
            };
            let asked = questions(&inputs);
            if asked.is_empty() {
                return decide(&inputs);
            }
            for question in asked {
                let answer = change(self.story.answer(question));
                let is_lost = self.story.lost == Some(answers);
                evidence.add(if is_lost { refused(answer) } else { answer });
                answers += 1;
            }
        }
    }
}

/// What happened, as steps of time ago (oldest first) and the ratio since.
#[derive(Debug, Clone)]
pub(super) struct Story {
    errors: Vec<(Duration, f64)>,
    slow: Vec<(Duration, f64)>,
    pods: Vec<Vec<PodEvents>>,
    /// Requests per second.
    pub(super) rate: f64,
    /// From and to how long ago nothing was counted.
    pub(super) silent: Vec<(Duration, Duration)>,
    /// What is answered instead of the pods.
    pub(super) no_pods: Option<Reading<Vec<PodEvents>>>,
    /// What is answered instead of the latency of a stretch.
    pub(super) no_latency: Option<Reading<Histogram>>,
    /// Which answer is refused instead, in the order of the questions.
    pub(super) lost: Option<usize>,
}

impl Story {
    fn answer(&self, question: Question) -> Answer {
        match question {
            Question::SliceHistory(look) => Answer::SliceHistory(self.course(look)),
            Question::WindowCounts { span, .. } => Answer::WindowCounts(span, self.stretch(span)),
            Question::Pods(at) => {
                if let Some(reading) = &self.no_pods {
                    return Answer::Pods(at, reading.clone());
                }
                let list = self.pods.get(usize::from(at == now()));
                Answer::Pods(
                    at,
                    list.map_or(Reading::NoSeries, |list| Reading::Measured(list.clone())),
                )
            }
        }
    }

    fn course(&self, look: RangeRequest) -> SliceHistory {
        let covering = look.covering.unwrap_or(std::time::Duration::from_secs(60));
        let spans = (0..look.slices).rev().map(|back| {
            let back = u32::try_from(back).expect("few slices");
            let to = now() - look.ends_ago - look.step * back;
            Span {
                from: to - covering,
                to,
            }
        });
        SliceHistory {
            step: look.step,
            covering,
            ends_ago: look.ends_ago,
            events: Reading::Measured(spans.clone().map(|span| self.events(span)).collect()),
            latency: if look.latency {
                Reading::Measured(spans.map(|span| self.latency(span)).collect())
            } else {
                Reading::NoSeries
            },
        }
    }

    fn stretch(&self, span: Span) -> WindowCounts {
        WindowCounts {
            covering: (span.to - span.from).to_std().unwrap_or_default(),
            events: self
                .events(span)
                .map_or(Reading::NoSeries, Reading::Measured),
            latency: self.no_latency.clone().unwrap_or_else(|| {
                self.latency(span)
                    .map_or(Reading::NoSeries, Reading::Measured)
            }),
        }
    }

    fn events(&self, span: Span) -> Option<Events> {
        let (bad, total) = self.count(&self.errors, span);
        Events::new(bad.round().min(total.round()), total.round())
    }

    fn latency(&self, span: Span) -> Option<Histogram> {
        let (slow, total) = self.count(&self.slow, span);
        let fast = total - slow;
        (total > 0.0).then_some(())?;
        Histogram::from_cumulative([
            (0.5, fast),
            (1.0, fast),
            (2.0, fast),
            (4.0, total),
            (f64::INFINITY, total),
        ])
    }

    /// Counts the bad events and all events of a stretch of time.
    fn count(&self, steps: &[(Duration, f64)], span: Span) -> (f64, f64) {
        let seconds = |begin: DateTime<Utc>, end: DateTime<Utc>| {
            (end - begin).num_milliseconds().max(0) as f64 / 1000.0
        };
        let (mut bad, mut total) = (0.0, 0.0);
        for (index, (since, ratio)) in steps.iter().enumerate() {
            let begin = ago(*since).max(span.from);
            let end = steps
                .get(index + 1)
                .map_or(now() + Duration::days(1), |(next, _)| ago(*next))
                .min(span.to);
            let lost = self
                .silent
                .iter()
                .map(|(from, to)| seconds(begin.max(ago(*from)), end.min(ago(*to))));
            let lost: f64 = lost.sum();
            let counted = self.rate * (seconds(begin, end) - lost);
            total += counted;
            bad += counted * ratio;
        }
        (bad, total)
    }
}

/// Returns the answer of a server that refuses the question.
fn refused(answer: Answer) -> Answer {
    fn all<T>() -> Reading<T> {
        Reading::Refused {
            why: "too many samples".to_owned(),
        }
    }
    match answer {
        Answer::SliceHistory(course) => Answer::SliceHistory(SliceHistory {
            events: all(),
            latency: all(),
            ..course
        }),
        Answer::WindowCounts(span, stretch) => Answer::WindowCounts(
            span,
            WindowCounts {
                covering: stretch.covering,
                events: all(),
                latency: all(),
            },
        ),
        Answer::Pods(at, _) => Answer::Pods(at, all()),
    }
}

/// Returns a change whose content is named after it.
pub(super) fn change(revision: &str, before: Duration) -> Change {
    Change {
        revision: revision.to_owned(),
        deployed_at: ago(before),
        not_before: Some(ago(before)),
        lived: Lived::Yes,
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
            keeps: Vec::new(),
            signature: None,
        });
        self.with_state_of(to)
    }
}

pub(super) fn timeline(changes: Vec<Change>) -> Timeline {
    Timeline {
        source: Source::Git,
        witness: Witness::CommitDate,
        unsettled: None,
        trouble: None,
        beside: None,
        suspicious: Vec::new(),
        tip: "tip".to_owned(),
        tip_state: changes
            .first()
            .map_or_else(String::new, |newest| newest.state.clone()),
        changes,
        end: End::Root,
    }
}

/// Returns an attempted rollback of `from` to `to`.
pub(super) fn past(from: &str, to: &str, before: Duration, phase: Phase) -> PastRollback {
    PastRollback {
        id: format!("r-{from}-{to}"),
        from: from.to_owned(),
        from_state: Some(format!("state of {from}")),
        tip_state: None,
        keeps: Vec::new(),
        to: to.to_owned(),
        begun_at: ago(before),
        landed_at: None,
        attempted: true,
        phase,
        is_approved: false,
        is_released: false,
        made_it_worse: false,
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
