//! What was counted, and how it answers the questions of the core.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use error_budget_monitor::policy::{Answer, Question};
use error_budget_monitor::slo::{
    Events, Measurement, Objective, Pods, Reading, SliceHistory, WindowCounts,
};

/// Length of the smallest piece of time that is counted (s): the distance between two slices.
pub(super) const SLOT: i64 = 30;

/// What one slice covers (s): one minute, as with a 15 s scrape.
const SLICE: i64 = 60;

/// Pods that the workload wants.
const PODS: f64 = 3.0;

/// Distance between two samples of kube-state-metrics (s).
const POD_SAMPLES: i64 = 15;

/// Returns the moment so many seconds after the beginning.
pub(super) fn moment(seconds: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::days(56 * 365) + TimeDelta::seconds(seconds)
}

fn seconds(at: DateTime<Utc>) -> f64 {
    (at - moment(0)).num_milliseconds() as f64 / 1000.0
}

/// Events since the beginning, at the end of every slot.
#[derive(Debug)]
pub(super) struct Counts {
    bad: Vec<f64>,
    total: Vec<f64>,
    /// The share of the pods that were ready, summed up like the events.
    ready: Vec<f64>,
}

impl Counts {
    pub(super) fn new(slots: usize) -> Self {
        let zero = || {
            let mut sums = Vec::with_capacity(slots + 1);
            sums.push(0.0);
            sums
        };
        Self {
            bad: zero(),
            total: zero(),
            ready: zero(),
        }
    }

    /// Adds a slot: its events, and the share of the pods that were ready.
    pub(super) fn push(&mut self, bad: f64, total: f64, ready: f64) {
        self.ready.push(self.ready[self.ready.len() - 1] + ready);
        self.bad.push(self.bad[self.bad.len() - 1] + bad);
        self.total.push(self.total[self.total.len() - 1] + total);
    }

    /// Returns the events between two times; within a slot they are evenly spread, as `increase()` has it.
    fn between(&self, from: f64, to: f64) -> Option<Events> {
        let count = |sums: &[f64]| {
            let at = |time: f64| {
                let slots = (time / SLOT as f64).clamp(0.0, (sums.len() - 1) as f64);
                let (whole, part) = (slots.floor() as usize, slots.fract());
                let next = sums[(whole + 1).min(sums.len() - 1)];
                sums[whole] + (next - sums[whole]) * part
            };
            at(to) - at(from)
        };
        Events::from_increase(Some(count(&self.bad)), count(&self.total))
    }

    fn reading(&self, from: f64, to: f64) -> Reading<Events> {
        self.between(from, to)
            .map_or(Reading::NoTraffic, Reading::Measured)
    }

    /// Returns how many events there were between two times.
    pub(super) fn requests(&self, from: i64, to: i64) -> f64 {
        let events = self.between(from as f64, to as f64);
        events.map_or(0.0, Events::total)
    }

    /// Returns how many bad events there were between two times.
    pub(super) fn bad(&self, from: i64, to: i64) -> f64 {
        let events = self.between(from as f64, to as f64);
        events.map_or(0.0, Events::bad)
    }

    /// Returns how many events five minutes held on average between two times.
    pub(super) fn traffic(&self, from: i64, to: i64) -> f64 {
        self.requests(from, to) * 300.0 / (to - from).max(1) as f64
    }

    /// Tells whether no more than a share of the last five and of the last thirty minutes failed.
    pub(super) fn is_calm(&self, now: i64, most: f64) -> bool {
        [300, 1800].into_iter().all(|length| {
            let events = self.between((now - length) as f64, now as f64);
            events.is_none_or(|events| events.error_ratio() <= most)
        })
    }

    /// Returns what a pass at a time reads.
    pub(super) fn measurement(&self, now: i64, objective: &Objective) -> Measurement {
        let window = |length: i64| self.reading((now - length) as f64, now as f64);
        let slices = objective.slices_in(objective.violation_for) as i64;
        Measurement {
            budget: window(objective.window.as_secs() as i64),
            coverage: Reading::Measured(1.0),
            m5: window(300),
            m30: window(1800),
            h1: window(3600),
            h6: window(21_600),
            freshness: Reading::Measured(Duration::from_secs(15)),
            slices: Reading::Measured(
                (0..slices)
                    .rev()
                    .map(|back| {
                        let to = now - back * SLOT;
                        self.between((to - SLICE) as f64, to as f64)
                    })
                    .collect(),
            ),
            latency: Reading::NoSeries,
            clock_skew: Duration::ZERO,
        }
    }

    /// Returns what kube-state-metrics say of the pods in the last five minutes.
    pub(super) fn pods(&self) -> Reading<Pods> {
        const WINDOW: usize = (300 / SLOT) as usize;
        let newest = self.ready.len() - 1;
        let mean =
            |slots: usize| (self.ready[newest] - self.ready[newest - slots]) / slots as f64 * PODS;
        Reading::Measured(Pods {
            wanted: Some(PODS),
            ready: mean(WINDOW),
            ready_now: mean(1),
            ready_by_pods: Some(mean(WINDOW)),
            restarts: 0.0,
            waiting: Vec::new(),
            age: Duration::from_secs(POD_SAMPLES as u64),
            samples: (300 / POD_SAMPLES) as f64,
        })
    }

    /// Makes a measurement one that holds a fifth of failures which are not the service's own, and says so as the
    /// observation does: one of the windows is unknown, another one in every pass.
    pub(super) fn mix_in(&self, measurement: &mut Measurement, now: i64, what: &str) {
        let foreign = Events::new(200.0, 1_000.0).expect("there are events");
        let Measurement {
            m5, m30, h1, h6, ..
        } = measurement;
        let mut windows = [m5, m30, h1, h6];
        for window in &mut windows {
            **window = Reading::Measured(foreign);
        }
        *windows[(now / SLOT % 4) as usize] = Reading::Invalid {
            why: what.to_owned(),
        };
        measurement.slices = measurement
            .slices
            .clone()
            .map(|slices| vec![Some(foreign); slices.len()]);
    }

    /// Answers a question of a pass at a time.
    pub(super) fn answer(&self, question: Question, now: i64) -> Answer {
        match question {
            Question::SliceHistory(look) => {
                let covering = look
                    .covering
                    .map_or(SLICE as f64, |span| span.as_secs_f64());
                let newest = now as f64 - look.ends_ago.as_secs_f64();
                let slices = (0..look.slices).rev().map(|back| {
                    let to = newest - look.step.as_secs_f64() * back as f64;
                    self.between(to - covering, to)
                });
                Answer::SliceHistory(SliceHistory {
                    step: look.step,
                    covering: Duration::from_secs_f64(covering),
                    ends_ago: look.ends_ago,
                    events: Reading::Measured(slices.collect()),
                    latency: Reading::NoSeries,
                })
            }
            Question::WindowCounts { span, .. } => Answer::WindowCounts(
                span,
                WindowCounts {
                    covering: (span.to - span.from).to_std().unwrap_or_default(),
                    events: self.reading(seconds(span.from), seconds(span.to)),
                    latency: Reading::NoSeries,
                },
            ),
            Question::Pods(at) => Answer::Pods(at, Reading::NoSeries),
        }
    }
}
