//! PagerDuty is told.

use tokio::time::Instant;

use super::Told;
use crate::clients::pagerduty::Pagerduty;
use crate::journal::News;
use crate::notify::pagerduty::{alert, change};

/// Opens or ends the alert. It wakes whoever is on call.
pub(super) async fn tell(pagerduty: &Pagerduty, news: &News, deadline: Instant) -> Told {
    match pagerduty.alert(deadline, &alert(news)).await {
        Ok(()) => Told::DONE,
        Err(error) => Told::failed(&error),
    }
}

pub(super) async fn tell_change(pagerduty: &Pagerduty, news: &News, deadline: Instant) -> Told {
    match pagerduty.change(deadline, &change(news)).await {
        Ok(()) => Told::DONE,
        Err(error) => Told::failed(&error),
    }
}
