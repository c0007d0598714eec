//! What is known of the past of a burning service, and what a decision still wants to know.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use super::undo::Doings;
use crate::slo::{Assessment, Events, RangeRequest, Reading, SliceHistory, WindowCounts};

/// A stretch of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Its beginning.
    pub from: DateTime<Utc>,
    /// Its end.
    pub to: DateTime<Utc>,
}

/// Something that a decision wants to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question {
    /// How the service went.
    SliceHistory(RangeRequest),
    /// What was counted in a stretch of time.
    WindowCounts {
        /// Which one.
        span: Span,
        /// Whether its latency matters too; a histogram has many times the series of the counts.
        latency: bool,
    },
    /// What each pod counted in the five minutes before this moment.
    Pods(DateTime<Utc>),
}

/// What one pod counted, and what it ran.
#[derive(Debug, Clone, PartialEq)]
pub struct PodEvents {
    /// Its name.
    pub pod: String,
    /// Its events; nothing when it got no request, or when the requests do not tell pods apart.
    pub events: Option<Events>,
    /// The images of its containers, as kube-state-metrics name them; empty where nobody says.
    pub images: BTreeSet<String>,
}

/// The answers so far. Whatever was not asked is not there.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Evidence {
    courses: Vec<SliceHistory>,
    stretches: Vec<(Span, WindowCounts)>,
    pods: Vec<(DateTime<Utc>, Reading<Vec<PodEvents>>)>,
    doings: Option<Doings>,
}

/// One answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// To [`Question::SliceHistory`].
    SliceHistory(SliceHistory),
    /// To [`Question::WindowCounts`].
    WindowCounts(Span, WindowCounts),
    /// To [`Question::Pods`].
    Pods(DateTime<Utc>, Reading<Vec<PodEvents>>),
}

impl Evidence {
    /// Keeps an answer. Courses are kept in the order of their questions.
    pub fn add(&mut self, answer: Answer) {
        match answer {
            Answer::SliceHistory(course) => self.courses.push(course),
            Answer::WindowCounts(span, stretch) => self.stretches.push((span, stretch)),
            Answer::Pods(at, pods) => self.pods.push((at, pods)),
        }
    }

    /// Keeps what was done to the watched paths since a target.
    pub fn know(&mut self, doings: Doings) {
        self.doings = Some(doings);
    }

    /// Returns what was done since a target, where somebody looked.
    pub(super) fn doings(&self, suspect: &str, target: &str) -> Option<&Doings> {
        let known = self.doings.as_ref();
        known.filter(|doings| doings.suspect == suspect && doings.target == target)
    }

    /// Returns why the first refused question was refused, if any was that `assessment` rests on.
    pub fn refusal(&self, assessment: &Assessment) -> Option<&str> {
        let counts_latency = assessment.burns_latency();
        let courses = self.courses.iter().find_map(|course| {
            let events = course.events.refusal();
            events.or_else(|| course.latency.refusal())
        });
        let stretches = || {
            self.stretches.iter().find_map(|(_, stretch)| {
                let latency = Some(&stretch.latency).filter(|_| counts_latency);
                let events = stretch.events.refusal();
                events.or_else(|| latency.and_then(Reading::refusal))
            })
        };
        let pods = || self.pods.iter().find_map(|(_, pods)| pods.refusal());
        courses.or_else(stretches).or_else(pods)
    }

    /// Returns why the answers cannot be believed as a whole: a refused, partial or contradictory one among them.
    /// That nothing was counted somewhere is an answer. Where only errors burn, the latency of a stretch is there for
    /// people.
    pub(super) fn doubt(&self, assessment: &Assessment) -> Option<String> {
        let counts_latency = assessment.burns_latency();
        let courses = self
            .courses
            .iter()
            .find_map(|course| doubt(&course.events).or_else(|| doubt(&course.latency)));
        let stretches = || {
            self.stretches.iter().find_map(|(_, stretch)| {
                let latency = Some(&stretch.latency).filter(|_| counts_latency);
                doubt(&stretch.events).or_else(|| latency.and_then(doubt))
            })
        };
        // Series without the label `pod` are usual; anything else that hides the pods may hide that they fail alike.
        let pods = || {
            let unread = self
                .pods
                .iter()
                .find(|(_, pods)| !matches!(pods, Reading::Measured(_) | Reading::NoSeries));
            unread.and_then(|(_, pods)| pods.why_unknown())
        };
        courses.or_else(stretches).or_else(pods)
    }

    pub(super) fn courses(&self) -> &[SliceHistory] {
        &self.courses
    }

    pub(super) fn stretch(&self, span: Span) -> Option<&WindowCounts> {
        let (_, stretch) = self.stretches.iter().find(|(known, _)| *known == span)?;
        Some(stretch)
    }

    pub(super) fn pods(&self, at: DateTime<Utc>) -> Option<&Reading<Vec<PodEvents>>> {
        let (_, pods) = self.pods.iter().find(|(known, _)| *known == at)?;
        Some(pods)
    }

    /// Tells whether a question was answered; one about the course is always new.
    pub(super) fn answers(&self, question: &Question) -> bool {
        match question {
            Question::SliceHistory(_) => false,
            Question::WindowCounts { span, .. } => self.stretch(*span).is_some(),
            Question::Pods(at) => self.pods(*at).is_some(),
        }
    }
}

fn doubt<T>(reading: &Reading<T>) -> Option<String> {
    match reading {
        Reading::Measured(_) | Reading::NoTraffic | Reading::NoSeries | Reading::Gone { .. } => {
            None
        }
        Reading::Stale { .. }
        | Reading::Partial { .. }
        | Reading::Invalid { .. }
        | Reading::Refused { .. } => reading.why_unknown(),
    }
}
