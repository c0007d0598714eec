//! The world of the model: a branch, its pull requests, what is served, and the clock that everybody but the
//! reference reads.

use chrono::{DateTime, TimeDelta, TimeZone, Utc};

use crate::policy::{
    Answer, Change, End, Lived, Question, RollbackMark, Source, Span, Timeline, Witness,
};
use crate::slo::fixture::{World as Measured, world};
use crate::slo::{Events, RangeRequest, Reading, SliceHistory, WindowCounts};

/// Requests per second, as in [`world`].
const RATE: f64 = 20.0;

/// Error ratio of a good and of a bad revision (0..1).
const CALM: f64 = 0.0002;
const BURNING: f64 = 0.2;

/// What lies at the watched paths, by number.
pub(crate) type Content = u32;

/// A commit of the branch that changes the watched paths.
pub(crate) struct Commit {
    pub(crate) revision: String,
    pub(crate) content: Content,
    /// Its committer's time.
    at: DateTime<Utc>,
    pub(crate) mark: Option<RollbackMark>,
}

/// How a pull request stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PullState {
    Open,
    Merged(DateTime<Utc>),
    Closed,
}

/// A pull request with one of our commits.
pub(crate) struct Pull {
    pub(crate) mark: RollbackMark,
    pub(crate) from: Content,
    pub(crate) to: Content,
    pub(crate) state: PullState,
}

/// Everything outside the program.
pub(crate) struct World {
    /// The true time.
    pub(crate) time: DateTime<Utc>,
    /// By how much the clock is ahead of it.
    pub(crate) ahead: TimeDelta,
    /// Oldest first.
    pub(crate) commits: Vec<Commit>,
    pub(crate) pulls: Vec<Pull>,
    /// Which contents fail, by number.
    bad: Vec<bool>,
    /// Whether it fails whatever is deployed.
    outage: bool,
    /// The error ratio since a true time, oldest first.
    errors: Vec<(DateTime<Utc>, f64)>,
}

impl World {
    /// A good revision since two days, another before it, on a Wednesday at noon.
    pub(crate) fn new() -> Self {
        let noon = Utc.with_ymd_and_hms(2026, 8, 5, 12, 0, 0);
        let time = noon.single().expect("a time");
        let mut world = Self {
            time,
            ahead: TimeDelta::zero(),
            commits: Vec::new(),
            pulls: Vec::new(),
            bad: vec![false, false],
            outage: false,
            errors: vec![(time - TimeDelta::days(40), CALM)],
        };
        for (content, age) in [(0, 5), (1, 2)] {
            world.time = time - TimeDelta::days(age);
            world.commit(content, None);
        }
        world.time = time;
        world
    }

    /// What every clock shows, in whole seconds.
    pub(crate) fn clock(&self) -> DateTime<Utc> {
        self.time + self.ahead
    }

    pub(crate) fn tip(&self) -> &Commit {
        self.commits.last().expect("the branch began with two")
    }

    /// Makes content that was never there before.
    pub(crate) fn new_content(&mut self, is_bad: bool) -> Content {
        self.bad.push(is_bad);
        Content::try_from(self.bad.len() - 1).expect("a few")
    }

    pub(crate) fn commit(&mut self, content: Content, mark: Option<RollbackMark>) -> String {
        let at = self.clock();
        let revision = format!("{:08x}{}", self.commits.len(), "0".repeat(32));
        self.commits.push(Commit {
            revision: revision.clone(),
            content,
            at,
            mark,
        });
        self.serve();
        revision
    }

    /// A push of ours carries the time at which it was begun.
    pub(crate) fn push(&mut self, content: Content, mark: RollbackMark, at: DateTime<Utc>) {
        self.commit(content, Some(mark));
        if let Some(ours) = self.commits.last_mut() {
            ours.at = at;
        }
    }

    pub(crate) fn set_outage(&mut self, outage: bool) {
        self.outage = outage;
        self.serve();
    }

    fn serve(&mut self) {
        let is_bad = self.outage || self.bad[self.tip().content as usize];
        let ratio = if is_bad { BURNING } else { CALM };
        if self.errors.last().is_none_or(|(_, last)| *last != ratio) {
            self.errors.push((self.time, ratio));
        }
    }

    pub(crate) fn content_of(&self, revision: &str) -> Option<Content> {
        let commit = self.commits.iter().find(|it| it.revision == revision)?;
        Some(commit.content)
    }

    /// Returns the commit that carries the id of a rollback.
    pub(crate) fn landed(&self, id: &str) -> Option<&Commit> {
        let is_it = |commit: &&Commit| commit.mark.as_ref().is_some_and(|mark| mark.id == id);
        self.commits.iter().find(is_it)
    }

    /// Reads so many changes of the branch.
    pub(crate) fn timeline(&self, changes: usize) -> Timeline {
        let newest = self.commits.iter().rev().take(changes);
        Timeline {
            source: Source::Git,
            witness: Witness::CommitDate,
            unsettled: None,
            trouble: None,
            beside: None,
            suspicious: Vec::new(),
            tip: self.tip().revision.clone(),
            tip_state: state(self.tip().content),
            changes: newest
                .map(|commit| Change {
                    revision: commit.revision.clone(),
                    deployed_at: commit.at,
                    not_before: Some(commit.at),
                    lived: Lived::Yes,
                    state: state(commit.content),
                    rollback: commit.mark.clone(),
                    subject: "release".to_owned(),
                })
                .collect(),
            end: if changes < self.commits.len() {
                End::Enough
            } else {
                End::Root
            },
        }
    }

    /// What Prometheus says now of the usual windows.
    pub(crate) fn measured(&self) -> Measured {
        let minutes = [5, 30, 60, 360].map(|minutes| {
            let span = TimeDelta::minutes(minutes);
            self.ratio(self.time - span, self.time)
        });
        let slices = (0..11).rev().map(|half| {
            let to = self.time - TimeDelta::seconds(30) * half;
            self.events(to - TimeDelta::minutes(1), to)
        });
        let slices = Reading::Measured(slices.collect());
        // What burnt lately is part of what the whole window holds.
        let budget = self.ratio(self.time - TimeDelta::days(30), self.time);
        let consumed = 0.6 + budget / 0.001;
        let measured = world().consumed(consumed).windows(minutes);
        measured.but(|measurement| measurement.slices = slices)
    }

    /// What Prometheus says of the past; its clock is everybody's.
    pub(crate) fn answer(&self, question: Question) -> Answer {
        match question {
            Question::SliceHistory(look) => Answer::SliceHistory(self.course(look)),
            Question::WindowCounts { span, .. } => Answer::WindowCounts(
                span,
                WindowCounts {
                    covering: (span.to - span.from).to_std().unwrap_or_default(),
                    events: self
                        .events(self.truly(span.from), self.truly(span.to))
                        .map_or(Reading::NoSeries, Reading::Measured),
                    latency: Reading::NoSeries,
                },
            ),
            Question::Pods(at) => Answer::Pods(at, Reading::NoSeries),
        }
    }

    /// Tells whether the service was calm in the last minutes.
    pub(crate) fn is_calm(&self, span: TimeDelta, at_most: f64) -> bool {
        self.ratio(self.time - span, self.time) <= at_most
    }

    fn course(&self, look: RangeRequest) -> SliceHistory {
        let covering = look.covering.unwrap_or(std::time::Duration::from_secs(60));
        let slices = (0..look.slices).rev().map(|back| {
            let back = u32::try_from(back).expect("few slices");
            let to = self.time - look.ends_ago - look.step * back;
            self.events(to - covering, to)
        });
        SliceHistory {
            step: look.step,
            covering,
            ends_ago: look.ends_ago,
            events: Reading::Measured(slices.collect()),
            latency: Reading::NoSeries,
        }
    }

    fn truly(&self, clock: DateTime<Utc>) -> DateTime<Utc> {
        clock - self.ahead
    }

    fn ratio(&self, from: DateTime<Utc>, to: DateTime<Utc>) -> f64 {
        let (bad, total) = self.count(Span { from, to });
        bad / total
    }

    fn events(&self, from: DateTime<Utc>, to: DateTime<Utc>) -> Option<Events> {
        let (bad, total) = self.count(Span { from, to });
        Events::new(bad.round().min(total.round()), total.round())
    }

    fn count(&self, span: Span) -> (f64, f64) {
        let (mut bad, mut total) = (0.0, 0.0);
        let mut end = span.to;
        for (since, ratio) in self.errors.iter().rev() {
            let begin = (*since).max(span.from);
            if begin < end {
                let counted = RATE * (end - begin).num_seconds() as f64;
                total += counted;
                bad += counted * ratio;
                end = begin;
            }
            if *since <= span.from {
                break;
            }
        }
        (bad, total)
    }
}

/// How the program calls a content.
pub(crate) fn state(content: Content) -> String {
    format!("40000:{content}")
}
