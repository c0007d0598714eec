//! One month of history of several services, shared by the tests of a process.

use std::sync::OnceLock;

use chrono::{DateTime, TimeDelta, Utc};

use super::backfill::Backfill;
use super::history::{History, ServiceLabels, Traffic};
use super::server::Prometheus;

/// A Prometheus with 31 days of history; all services are in the namespace [`Month::NAMESPACE`].
///
/// | service | history; 20 requests per second, 0.02 % errors, 0.2 % slower than 1 s unless said otherwise |
/// |---|---|
/// | `healthy` | nothing happens |
/// | `never-failed` | no error, no series with status 500 |
/// | `bad-release` | 20 % errors since [`Month::deployed_at`] |
/// | `slow-release` | 10 % slower than 2.5 s since [`Month::deployed_at`] |
/// | `exhausted` | 42 min of full outage ten days ago, healthy since: budget of 0.1 % almost gone, no burn |
/// | `recovered` | 20 % errors from [`Month::deployed_at`] until 8 min before [`Month::now`] |
/// | `always-bad` | 5 % errors all the time, also before [`Month::deployed_at`] |
/// | `young` | first seen two days ago |
/// | `idle` | no request since two hours before [`Month::now`] |
/// | `stale` | no sample since ten minutes before [`Month::now`] |
/// | `trickle` | 0.02 requests per second; every second one fails since [`Month::deployed_at`] |
/// | `no-histogram` | as `healthy`, without a latency histogram |
/// | `slow-burn` | 1.2 % errors since [`Month::slow_burn_since`], two days ago |
/// | `seasonal` | 100 requests per second by day and 1 at night, no errors, but half of the requests of two hours one night |
/// | `eight-days` | first seen eight days ago, 0.09 % errors |
/// | `relapse` | 5 % errors from three hours to two hours before [`Month::now`], and 20 % since [`Month::deployed_at`] |
/// | `bad-rollout` | half of the requests go to a new pod since [`Month::deployed_at`], where 20 % fail |
/// | `bad-dependency` | as `bad-rollout`, but 10 % fail on the old pod and on the new one |
///
/// All but `stale` go on for [`Month::FUTURE_MINUTES`] after [`Month::now`], so that the data are fresh while the
/// tests run.
#[derive(Debug)]
pub struct Month {
    /// The running server.
    pub prometheus: Prometheus,
    /// The time around which the history was made; whole seconds.
    pub now: DateTime<Utc>,
}

impl Month {
    /// Value of the label `namespace`.
    pub const NAMESPACE: &'static str = "shop";

    /// Minutes of history after [`Month::now`].
    pub const FUTURE_MINUTES: i64 = 60;

    /// Days of history before [`Month::now`]: one more than the usual SLO window of 30 days.
    pub const DAYS: i64 = 31;

    /// Returns when the bad releases began: 25 min before [`Month::now`].
    pub fn deployed_at(&self) -> DateTime<Utc> {
        deployed_at(self.now)
    }

    /// Returns when the slow burn began.
    pub fn slow_burn_since(&self) -> DateTime<Utc> {
        slow_burn_since(self.now)
    }

    fn start() -> Self {
        let now = DateTime::from_timestamp(Utc::now().timestamp(), 0)
            .expect("the present is representable");
        Self {
            prometheus: Prometheus::start(&backfill(now)),
            now,
        }
    }
}

/// Returns the month of history that all tests of this process share; the first call takes some seconds.
///
/// # Panics
/// If `prometheus` or `promtool` is missing or does not start.
pub fn shared_month() -> &'static Month {
    static MONTH: OnceLock<Month> = OnceLock::new();
    MONTH.get_or_init(Month::start)
}

fn deployed_at(now: DateTime<Utc>) -> DateTime<Utc> {
    now - TimeDelta::minutes(25)
}

fn slow_burn_since(now: DateTime<Utc>) -> DateTime<Utc> {
    now - TimeDelta::days(2)
}

/// Half a day around noon with 100 requests per second, half a day with one; now is noon. Half of the requests of the
/// two hours around one midnight fail: 2.75 % of a budget of 0.1 % over 30 days.
fn seasonal(history: History, now: DateTime<Utc>) -> History {
    let quarter = TimeDelta::hours(6);
    let (day, night) = (
        Traffic::healthy(100.0).errors(0.0),
        Traffic::healthy(1.0).errors(0.0),
    );
    let mut history = history;
    for days in (0..=i32::try_from(Month::DAYS).expect("a month")).rev() {
        let noon = now - TimeDelta::days(1) * days;
        history = history.segment(noon - quarter, noon + quarter, day);
        if days == 0 {
            break;
        }
        let midnight = noon + TimeDelta::hours(12);
        if days == 5 {
            let hour = TimeDelta::hours(1);
            history = history
                .segment(noon + quarter, midnight - hour, night)
                .segment(midnight - hour, midnight + hour, night.errors(0.5))
                .segment(midnight + hour, midnight + quarter, night);
        } else {
            history = history.segment(noon + quarter, midnight + quarter, night);
        }
    }
    history
}

/// A service whose old pod serves all the time, and whose new pod takes half of the traffic since `deployed`.
fn rollout(
    name: &str,
    (begin, deployed, end): (DateTime<Utc>, DateTime<Utc>, DateTime<Utc>),
    (old_errors, new_errors): (f64, f64),
) -> [History; 2] {
    let all = Traffic::healthy(20.0);
    let half = Traffic::healthy(10.0);
    let pod =
        |pod: &str| History::new(ServiceLabels::new(Month::NAMESPACE, name)).label("pod", pod);
    [
        pod(&format!("{name}-5d9f7c6b8-x2x4z"))
            .segment(begin, deployed, all)
            .segment(deployed, end, half.errors(old_errors)),
        pod(&format!("{name}-7f8b9c4d5-bbbbb")).segment(deployed, end, half.errors(new_errors)),
    ]
}

fn backfill(now: DateTime<Utc>) -> Backfill {
    let begin = now - TimeDelta::days(Month::DAYS);
    let end = now + TimeDelta::minutes(Month::FUTURE_MINUTES);
    let deployed = deployed_at(now);
    let healthy = Traffic::healthy(20.0);
    let trickle = Traffic {
        requests_per_second: 0.02,
        ..healthy
    };
    let outage = now - TimeDelta::days(10);
    let outage_end = outage + TimeDelta::minutes(42);
    let service = |name: &str| History::new(ServiceLabels::new(Month::NAMESPACE, name));
    let since_deploy = |name: &str, before: Traffic, after: Traffic| {
        service(name)
            .segment(begin, deployed, before)
            .segment(deployed, end, after)
    };
    let fixed = now - TimeDelta::minutes(8);
    let whole = (begin, deployed, end);
    let [bad_rollout_old, bad_rollout_new] = rollout("bad-rollout", whole, (0.0002, 0.2));
    let [bad_dependency_old, bad_dependency_new] = rollout("bad-dependency", whole, (0.1, 0.1));
    let hours_ago = |hours: i64| now - TimeDelta::hours(hours);
    let quiet = now - TimeDelta::hours(2);
    Backfill::new(now)
        .service(service("healthy").segment(begin, end, healthy))
        .service(
            service("never-failed")
                .segment(begin, end, healthy.errors(0.0))
                .without_error_series(),
        )
        .service(since_deploy("bad-release", healthy, healthy.errors(0.2)))
        .service(since_deploy(
            "slow-release",
            healthy,
            healthy.very_slow(0.1),
        ))
        .service(
            service("exhausted")
                .segment(begin, outage, healthy.errors(0.0))
                .segment(outage, outage_end, healthy.errors(1.0))
                .segment(outage_end, end, healthy.errors(0.0)),
        )
        .service(
            service("recovered")
                .segment(begin, deployed, healthy)
                .segment(deployed, fixed, healthy.errors(0.2))
                .segment(fixed, end, healthy),
        )
        .service(service("always-bad").segment(begin, end, healthy.errors(0.05)))
        .service(service("young").segment(now - TimeDelta::days(2), end, healthy))
        .service(service("idle").segment(begin, quiet, healthy).segment(
            quiet,
            end,
            Traffic::idle(),
        ))
        .service(service("stale").segment(begin, now - TimeDelta::minutes(10), healthy))
        .service(since_deploy("trickle", trickle, trickle.errors(0.5)))
        .service(
            service("slow-burn")
                .segment(begin, slow_burn_since(now), healthy)
                .segment(slow_burn_since(now), end, healthy.errors(0.012)),
        )
        .service(seasonal(service("seasonal"), now))
        .service(service("eight-days").segment(
            now - TimeDelta::days(8),
            end,
            healthy.errors(0.0009),
        ))
        .service(
            service("relapse")
                .segment(begin, hours_ago(3), healthy)
                .segment(hours_ago(3), hours_ago(2), healthy.errors(0.05))
                .segment(hours_ago(2), deployed, healthy)
                .segment(deployed, end, healthy.errors(0.2)),
        )
        .service(bad_rollout_old)
        .service(bad_rollout_new)
        .service(bad_dependency_old)
        .service(bad_dependency_new)
        .service(
            service("no-histogram")
                .segment(begin, end, healthy)
                .without_histogram(),
        )
}
