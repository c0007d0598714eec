//! Fourteen normal histories, each with its truth.

use chrono::{DateTime, NaiveTime, TimeDelta, Utc};
use testkit::prometheus::{History, ServiceLabels, Traffic};

/// The namespace of all services.
pub(super) const NAMESPACE: &str = "shop";

/// Requests per second of every service that is not idle.
const RATE: f64 = 20.0;

/// What a service went through and what the gate has to say about it.
pub(super) struct Normal {
    pub(super) service: &'static str,
    /// One history for each pod, or none where no series exists.
    pub(super) pods: Vec<History>,
    pub(super) verdict: &'static str,
    /// Exit code of `check`.
    pub(super) code: i32,
    /// Bad events between two scrapes: what the ends of a window may add or miss.
    pub(super) blur: f64,
}

/// Seconds of full outage that use up a share of the budget of 0.1 % of 30 days.
fn outage_for(consumed: f64) -> TimeDelta {
    TimeDelta::seconds((consumed * 0.001 * 30.0 * 86_400.0) as i64)
}

/// Returns all fourteen, around a time in whole seconds.
pub(super) fn fourteen(now: DateTime<Utc>) -> Vec<Normal> {
    let begin = now - TimeDelta::days(31);
    let end = now + TimeDelta::minutes(60);
    let ago = |minutes: i64| now - TimeDelta::minutes(minutes);
    let deployed = ago(25);
    let well = Traffic::healthy(RATE);
    let flawless = well.errors(0.0);
    let history = |service: &str| History::new(ServiceLabels::new(NAMESPACE, service));
    let since_deployment = |service: &'static str, after: Traffic| {
        history(service)
            .segment(begin, deployed, well)
            .segment(deployed, end, after)
    };
    let normal = |service, pods, verdict, code| Normal {
        service,
        pods,
        verdict,
        code,
        blur: 0.0,
    };
    // An outage ten days ago, and nothing since.
    let calm = |service: &'static str, consumed: f64, outage: DateTime<Utc>, verdict, code| {
        let fixed = outage + outage_for(consumed);
        let around = TimeDelta::hours(2);
        let pod = history(service)
            .segment(begin, outage, flawless)
            .segment(outage, fixed, flawless.errors(1.0))
            .segment(fixed, end, flawless)
            .scraped_closely(outage - around, fixed + around);
        normal(service, vec![pod], verdict, code)
    };
    // Days are counted by themselves: one outage lies in what two of them have in common, and one in both.
    let ten_days_ago = now - TimeDelta::days(10);
    let midnight = ten_days_ago.date_naive().and_time(NaiveTime::MIN).and_utc();
    let before_midnight = midnight - TimeDelta::minutes(5) - outage_for(0.65);
    let across_midnight = midnight - TimeDelta::minutes(10);
    let mut restarted = history("restarted").segment(begin, end, well);
    for days in 1..=30 {
        restarted = restarted.restart(now - TimeDelta::days(days) - TimeDelta::minutes(30));
    }
    let half = Traffic::healthy(RATE / 2.0);
    let rollout = vec![
        history("new-pods")
            .label("pod", "new-pods-5d9f7c6b8-x2x4z")
            .segment(begin, deployed, well)
            .segment(deployed, end, half),
        history("new-pods")
            .label("pod", "new-pods-7f8b9c4d5-bbbbb")
            .segment(deployed, end, half.errors(0.4)),
    ];
    vec![
        normal(
            "healthy",
            vec![history("healthy").segment(begin, end, well)],
            "healthy",
            0,
        ),
        calm("warning", 0.65, before_midnight, "healthy", 1),
        calm("critical", 0.87, across_midnight, "healthy", 2),
        calm("exhausted-but-calm", 1.4, ten_days_ago, "exhausted", 3),
        normal(
            "fast-burn",
            vec![since_deployment("fast-burn", well.errors(0.2))],
            "burning",
            2,
        ),
        normal(
            "slow-burn",
            vec![
                history("slow-burn")
                    .segment(begin, now - TimeDelta::days(2), well)
                    .segment(now - TimeDelta::days(2), end, well.errors(0.0075)),
            ],
            "burning",
            1,
        ),
        normal(
            "sustained-violation",
            vec![since_deployment("sustained-violation", well.errors(0.0135))],
            "burning",
            2,
        ),
        normal(
            "slow-requests",
            vec![since_deployment("slow-requests", well.very_slow(0.1))],
            "burning",
            2,
        ),
        normal(
            "no-traffic",
            vec![
                history("no-traffic")
                    .segment(begin, now - TimeDelta::days(1), well)
                    .segment(now - TimeDelta::days(1), end, Traffic::idle()),
            ],
            // Nothing is known of a service that nobody asks; its budget is, and does not block.
            "unknown",
            0,
        ),
        normal("no-series", Vec::new(), "unknown", 4),
        normal(
            "gap",
            vec![
                history("gap")
                    .segment(begin, end, well.errors(0.0003))
                    .hidden(now - TimeDelta::days(3), now - TimeDelta::hours(70))
                    .hidden(ago(120), ago(105)),
            ],
            "healthy",
            0,
        ),
        normal("restarted", vec![restarted], "healthy", 0),
        normal("new-pods", rollout, "burning", 2),
        Normal {
            blur: RATE * 0.05 * 60.0,
            ..normal(
                "scraped-each-minute",
                vec![since_deployment("scraped-each-minute", well.errors(0.05)).scraped_every(60)],
                "burning",
                2,
            )
        },
    ]
}
