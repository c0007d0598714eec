//! Which settings are read and not served yet.

use crate::config::Config;

/// Returns the variables that are set and that this version does not serve.
pub(super) fn unserved(config: &Config) -> Vec<&'static str> {
    let notify = &config.notify;
    let unserved = [
        ("SLACK_WEBHOOK or SLACK_BOT_TOKEN", notify.slack.is_some()),
        ("PAGERDUTY_KEY", notify.pagerduty.is_some()),
        ("INCIDENT_REPO", notify.incident_repo.is_some()),
        ("WEBHOOK_URL", notify.webhook.is_some()),
        ("PUSHGATEWAY_URL", notify.pushgateway_url.is_some()),
        ("METRICS_TEXTFILE", notify.metrics_textfile.is_some()),
        ("LOG_FILE", config.state.log_file.is_some()),
    ];
    unserved
        .into_iter()
        .filter_map(|(name, is_set)| is_set.then_some(name))
        .collect()
}
