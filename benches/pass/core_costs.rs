//! What judging costs once everything is read: no network, no file.

use std::hint::black_box;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use error_budget_monitor::clients::http::HttpSettings;
use error_budget_monitor::clients::prometheus::Prometheus;
use error_budget_monitor::config::{Buckets, MetricsFamily};
use error_budget_monitor::observe::{Metrics, Observation, Queries, Workload};
use error_budget_monitor::policy::{
    BlackoutWindows, BranchReading, ByItself, Change, End, Evidence, History, Inputs, Lived,
    Settings, Source, Timeline, Witness, decide, questions,
};
use error_budget_monitor::slo::{
    ErrorBudget, LevelThresholds, Objective, assess_slices, binomial_tail,
};
use testkit::prometheus::Month;

use crate::Failure;
use crate::table::{Table, Unit};

/// Batches whose mean time is one measured value.
const BATCHES: usize = 15;

/// Adds the cost of judging a bad release of the month, and of the binomial tail at a month of traffic.
pub(crate) fn report(table: &mut Table, month: &Month) -> Result<(), Failure> {
    let objective = objective();
    let branch = BranchReading::Known(timeline(month.deployed_at()));
    let (history, settings) = (History::default(), settings()?);
    let (observation, evidence) = observe(month, &objective, &branch, &settings)?;
    let pass = || {
        let assessment = assess_slices(
            black_box(&observation.measurement),
            &objective,
            observation.slice_window,
        );
        decide(&Inputs {
            fleet: None,
            now: observation.evaluated_at,
            objective: &objective,
            assessment: &assessment,
            branch: &branch,
            evidence: &evidence,
            history: &history,
            settings: &settings,
        })
    };
    table.row(
        "assess and decide, bad release",
        Unit::Micros,
        &time(100, pass),
        None,
    );
    for (what, bad, total) in [
        ("binomial tail, 12 of 1,200", 12, 1_200),
        ("binomial tail, 52,500 of 52,000,000", 52_500, 52_000_000),
    ] {
        let tail = || binomial_tail(black_box(bad), black_box(total), black_box(0.001));
        table.row(what, Unit::Micros, &time(100, tail), None);
    }
    Ok(())
}

/// Returns the microseconds of one call, as the mean of each batch.
fn time<T>(calls: u32, call: impl Fn() -> T) -> Vec<f64> {
    (0..BATCHES)
        .map(|_| {
            let started_at = Instant::now();
            for _ in 0..calls {
                black_box(call());
            }
            started_at.elapsed().as_secs_f64() * 1e6 / f64::from(calls)
        })
        .collect()
}

fn observe(
    month: &Month,
    objective: &Objective,
    branch: &BranchReading,
    settings: &Settings,
) -> Result<(Observation, Evidence), Failure> {
    let prometheus = Prometheus::new(month.prometheus.url().parse()?, &HttpSettings::default())?;
    let queries = Queries::family(
        Workload::new(Month::NAMESPACE, "bad-release"),
        MetricsFamily::Http,
        None,
        Buckets::All,
    );
    let metrics = Metrics {
        prometheus: &prometheus,
        queries: &queries,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let observation = metrics.observe(objective).await?;
        let assessment = assess_slices(
            &observation.measurement,
            objective,
            observation.slice_window,
        );
        let mut evidence = Evidence::default();
        loop {
            let asked = questions(&Inputs {
                fleet: None,
                now: observation.evaluated_at,
                objective,
                assessment: &assessment,
                branch,
                evidence: &evidence,
                history: &History::default(),
                settings,
            });
            if asked.is_empty() {
                return Ok((observation, evidence));
            }
            for answer in metrics.answer(&observation, &asked).await? {
                evidence.add(answer);
            }
        }
    })
}

/// The contract's defaults.
fn objective() -> Objective {
    Objective {
        window: Duration::from_secs(30 * 86_400),
        budget: ErrorBudget::new(0.001).expect("a ratio"),
        levels: LevelThresholds::new(0.5, 0.8, 0.95).expect("they rise"),
        min_availability: 0.99,
        max_error_rate: 0.01,
        max_latency_p95: Duration::from_secs(1),
        max_latency_p99: Duration::from_secs(2),
        violation_for: Duration::from_secs(300),
        burn_rate_fast: 14.4,
        burn_rate_slow: 6.0,
    }
}

fn settings() -> Result<Settings, Failure> {
    Ok(Settings {
        by_itself: ByItself::Yes,
        auto_rollback_critical: true,
        auto_rollback_emergency: true,
        require_approval: false,
        by_pull_request: false,
        require_active_burn: true,
        require_attribution: true,
        require_seen_live: false,
        attribution_window: TimeDelta::minutes(60),
        violation_for: TimeDelta::minutes(5),
        max_revisions_back: 3,
        min_events: 50,
        min_bad_events: 5,
        cooldown: TimeDelta::minutes(60),
        max_per_hour: 1,
        max_per_day: 3,
        blackout: BlackoutWindows::default(),
        emergency_overrides_blackout: false,
        verify_deadline: TimeDelta::minutes(15),
    })
}

/// As many changes as a pass reads, a day apart; the newest is the bad release.
fn timeline(deployed_at: DateTime<Utc>) -> Timeline {
    let changes: Vec<Change> = (0..8)
        .map(|age| Change {
            revision: format!("{age:040x}"),
            deployed_at: deployed_at - TimeDelta::days(age),
            not_before: Some(deployed_at - TimeDelta::days(age)),
            lived: Lived::Yes,
            state: format!("{:040x}", 1000 + age),
            rollback: None,
            subject: format!("checkout: release v{}", 8 - age),
        })
        .collect();
    Timeline {
        source: Source::Git,
        witness: Witness::CommitDate,
        unsettled: None,
        trouble: None,
        beside: None,
        suspicious: Vec::new(),
        tip: changes[0].revision.clone(),
        tip_state: changes[0].state.clone(),
        changes,
        end: End::Enough,
    }
}
