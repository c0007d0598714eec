//! What time it is, and how long things take.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

/// Where the time comes from.
#[derive(Clone, Copy, Debug)]
pub(super) enum Clock {
    /// A test moves it.
    Driven(DateTime<Utc>),
    /// The real time.
    Real,
}

impl Clock {
    /// A clock that stands at a fixed moment.
    pub(super) fn standing() -> Self {
        Self::Driven(DateTime::from_timestamp(1_767_600_000, 0).expect("a time"))
    }

    pub(super) fn now(self) -> DateTime<Utc> {
        match self {
            Self::Driven(now) => now,
            Self::Real => Utc::now(),
        }
    }

    /// Moves a clock that a test drives.
    ///
    /// # Panics
    /// If it follows the real time.
    pub(super) fn advance(&mut self, by: Duration) {
        match self {
            Self::Driven(now) => *now += delta(by),
            Self::Real => panic!("the real time cannot be moved"),
        }
    }
}

/// How long things take.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Between two steps of the controller; counts only in real time.
    pub tick: Duration,
    /// From the resolved revision to the applied objects.
    pub operation: Duration,
    /// From changed objects to healthy ones.
    pub rollout: Duration,
    /// From changed objects that never become healthy to `Degraded`.
    pub progress_deadline: Duration,
    /// Between two comparisons that ask git.
    pub comparison: Duration,
    /// How long periodic comparisons hide that git cannot be read.
    pub git_grace: Duration,
    /// The wait before the first retry is twice this; it doubles with each.
    pub retry: Duration,
    /// The longest wait before a retry.
    pub longest_retry: Duration,
    /// The wait before drift is repaired for the second time in a row; it trebles with each.
    pub self_heal: Duration,
    /// The longest wait before drift is repaired again.
    pub longest_self_heal: Duration,
    /// How long failed logins count.
    pub lockout: Duration,
    /// How long a session lives.
    pub session: Duration,
}

impl Pace {
    /// Argo CD's own defaults, with an operation of 2 s and a rollout of 20 s.
    pub const REAL: Self = Self {
        tick: Duration::from_millis(100),
        operation: Duration::from_secs(2),
        rollout: Duration::from_secs(20),
        progress_deadline: Duration::from_secs(600),
        comparison: Duration::from_secs(120),
        git_grace: Duration::from_secs(180),
        retry: Duration::from_secs(5),
        longest_retry: Duration::from_secs(180),
        self_heal: Duration::from_secs(2),
        longest_self_heal: Duration::from_secs(300),
        lockout: Duration::from_secs(300),
        session: Duration::from_secs(24 * 3600),
    };

    /// Everything within a second, for a client that runs in real time.
    pub const QUICK: Self = Self {
        tick: Duration::from_millis(5),
        operation: Duration::from_millis(50),
        rollout: Duration::from_millis(50),
        progress_deadline: Duration::from_millis(200),
        comparison: Duration::from_millis(250),
        git_grace: Duration::from_millis(400),
        retry: Duration::from_millis(20),
        longest_retry: Duration::from_millis(200),
        self_heal: Duration::from_millis(20),
        longest_self_heal: Duration::from_millis(200),
        ..Self::REAL
    };

    /// Returns the wait after the try of this number failed.
    pub(super) fn retry_wait(&self, failed: i64) -> TimeDelta {
        delta(grown(self.retry, 2, failed).min(self.longest_retry))
    }

    /// Returns the wait before drift is repaired that was repaired so often before.
    pub(super) fn self_heal_wait(&self, repaired: i64) -> TimeDelta {
        if repaired == 0 {
            return TimeDelta::zero();
        }
        delta(grown(self.self_heal, 3, repaired - 1).min(self.longest_self_heal))
    }
}

fn grown(first: Duration, factor: u32, times: i64) -> Duration {
    let times = u32::try_from(times).unwrap_or_default();
    first.saturating_mul(factor.saturating_pow(times))
}

pub(super) fn delta(duration: Duration) -> TimeDelta {
    TimeDelta::from_std(duration).expect("a wait of a test")
}

/// Times as Kubernetes writes them: RFC 3339 with whole seconds.
pub(super) mod whole_seconds {
    use chrono::{DateTime, SecondsFormat, Utc};
    use serde::Serializer;

    pub(in super::super) fn text(at: &DateTime<Utc>) -> String {
        at.to_rfc3339_opts(SecondsFormat::Secs, true)
    }

    pub(in super::super) fn always<S: Serializer>(
        at: &DateTime<Utc>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&text(at))
    }

    #[expect(clippy::ref_option, reason = "serde passes a reference")]
    pub(in super::super) fn optional<S: Serializer>(
        at: &Option<DateTime<Utc>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match at {
            Some(at) => always(at, serializer),
            None => serializer.serialize_none(),
        }
    }
}
