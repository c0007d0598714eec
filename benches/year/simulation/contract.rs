//! The defaults of the contract, with rollbacks switched on.

use std::time::Duration;

use chrono::TimeDelta;
use error_budget_monitor::policy::{BlackoutWindows, ByItself, Settings};
use error_budget_monitor::slo::{ErrorBudget, LevelThresholds, Objective};

pub(super) fn objective() -> Objective {
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

pub(super) fn settings() -> Settings {
    Settings {
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
    }
}
