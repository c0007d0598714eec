//! One measured service for tests: healthy, 20 requests per second, and whatever a test changes.

use std::time::Duration;

use super::{
    Assessment, ErrorBudget, Events, Histogram, LevelThresholds, Measurement, Objective, Pods,
    Reading, assess_knowing_pods,
};

const SECOND: f64 = 20.0;

/// A service and what it promises: the defaults of the contract.
#[derive(Debug, Clone)]
pub(crate) struct World {
    pub(crate) objective: Objective,
    pub(crate) measurement: Measurement,
    /// What is known of the pods, where somebody asked.
    pub(crate) pods: Option<Reading<Pods>>,
}

/// Returns a service with 0.02 % errors, no slow request, and a fifth of its budget gone.
pub(crate) fn world() -> World {
    let objective = Objective {
        window: Duration::from_secs(30 * 86_400),
        budget: ErrorBudget::new(0.001).expect("a budget"),
        levels: LevelThresholds::new(0.5, 0.8, 0.95).expect("in order"),
        min_availability: 0.99,
        max_error_rate: 0.01,
        max_latency_p95: Duration::from_secs(1),
        max_latency_p99: Duration::from_secs(2),
        violation_for: Duration::from_secs(300),
        burn_rate_fast: 14.4,
        burn_rate_slow: 6.0,
    };
    let measurement = Measurement {
        budget: counted(0.0002, 30.0 * 86_400.0),
        coverage: Reading::Measured(1.0),
        m5: counted(0.0002, 300.0),
        m30: counted(0.0002, 1800.0),
        h1: counted(0.0002, 3600.0),
        h6: counted(0.0002, 21_600.0),
        freshness: Reading::Measured(Duration::from_secs(15)),
        slices: Reading::Measured(vec![slice(0.0); 11]),
        latency: Reading::Measured(vec![slow(0.0); 11]),
        clock_skew: Duration::ZERO,
    };
    World {
        objective,
        measurement,
        pods: None,
    }
}

impl World {
    /// Fast burn alone: 1 h and 5 m at 20, and one slice of the last five minutes within every threshold.
    pub(crate) fn fast_burn(self) -> Self {
        let mut slices = vec![Some(0.02); 11];
        slices[2] = Some(0.0);
        self.windows([0.02, 0.02, 0.02, 0.005]).slices(&slices)
    }

    /// The error ratios of the last 5 m, 30 m, 1 h and 6 h.
    pub(crate) fn windows(mut self, [m5, m30, h1, h6]: [f64; 4]) -> Self {
        self.measurement.m5 = counted(m5, 300.0);
        self.measurement.m30 = counted(m30, 1800.0);
        self.measurement.h1 = counted(h1, 3600.0);
        self.measurement.h6 = counted(h6, 21_600.0);
        self
    }

    /// The share of the budget that is gone.
    pub(crate) fn consumed(mut self, consumed: f64) -> Self {
        self.measurement.budget = counted(consumed * 0.001, 30.0 * 86_400.0);
        self
    }

    /// The share of the SLO window that holds data.
    pub(crate) fn covered(mut self, coverage: f64) -> Self {
        self.measurement.coverage = Reading::Measured(coverage);
        self
    }

    /// The same error ratio in every slice.
    pub(crate) fn errors(mut self, ratio: f64) -> Self {
        self.measurement.slices = Reading::Measured(vec![slice(ratio); 11]);
        self
    }

    /// The error ratio of each slice, oldest first; nothing where one is missing.
    pub(crate) fn slices(mut self, ratios: &[Option<f64>]) -> Self {
        let slices = ratios.iter().map(|ratio| ratio.and_then(slice)).collect();
        self.measurement.slices = Reading::Measured(slices);
        self
    }

    /// The share of requests of each slice that took between 2 s and 4 s.
    pub(crate) fn slow(mut self, shares: &[Option<f64>]) -> Self {
        let slices = shares.iter().map(|share| share.and_then(slow)).collect();
        self.measurement.latency = Reading::Measured(slices);
        self
    }

    /// Any other change of the readings.
    pub(crate) fn but(mut self, change: impl FnOnce(&mut Measurement)) -> Self {
        change(&mut self.measurement);
        self
    }

    pub(crate) fn assess(&self) -> Assessment {
        let slice = self.objective.slice_window();
        assess_knowing_pods(
            &self.measurement,
            &self.objective,
            slice,
            self.pods.as_ref(),
        )
    }

    /// 20 requests per second until so many minutes ago, at most 60, and this share of them since. Nobody is seen now
    /// where that is none.
    pub(crate) fn fell(self, minutes: f64, share: f64) -> Self {
        let window = |long: f64| {
            let gone = (minutes / long).min(1.0) * (1.0 - share);
            if gone >= 1.0 {
                Reading::NoSeries
            } else {
                counted(0.0, long * 60.0 * (1.0 - gone))
            }
        };
        self.but(|measurement| {
            measurement.m5 = window(5.0);
            measurement.m30 = window(30.0);
            measurement.h1 = window(60.0);
            measurement.h6 = window(360.0);
            if share <= 0.0 {
                let age = Duration::from_secs_f64(minutes * 60.0);
                measurement.freshness = Reading::Stale { age };
                measurement.slices = Reading::NoSeries;
                measurement.latency = Reading::NoSeries;
            }
        })
    }

    /// No pod of three is ready, and they crash.
    pub(crate) fn without_pods(mut self) -> Self {
        self.pods = Some(Reading::Measured(no_pods()));
        self
    }
}

/// Returns what is known of three pods that crash again and again.
pub(crate) fn no_pods() -> Pods {
    Pods {
        wanted: Some(3.0),
        ready: 0.0,
        ready_now: 0.0,
        ready_by_pods: Some(0.0),
        restarts: 12.0,
        waiting: vec!["CrashLoopBackOff".to_owned()],
        age: Duration::from_secs(30),
        samples: 10.0,
    }
}

/// Returns the reading of a window of so many seconds.
pub(crate) fn counted(ratio: f64, seconds: f64) -> Reading<Events> {
    let total = seconds * SECOND;
    Reading::Measured(Events::new((ratio * total).round(), total).expect("a ratio"))
}

/// Returns one minute with this error ratio.
pub(crate) fn slice(ratio: f64) -> Option<Events> {
    let total = 60.0 * SECOND;
    Events::new((ratio * total).round(), total)
}

fn slow(share: f64) -> Option<Histogram> {
    let total = 60.0 * SECOND;
    let fast = total - (share * total).round();
    Histogram::from_cumulative([
        (0.5, fast),
        (1.0, fast),
        (2.0, fast),
        (4.0, total),
        (f64::INFINITY, total),
    ])
}
