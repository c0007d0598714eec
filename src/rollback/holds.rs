//! Watches that what a rollback took away does not come back unseen: an image bot, or somebody who does not know, may
//! commit it again while the service is calm.

use chrono::{TimeDelta, Utc};

use crate::journal::{Phase, ServiceState};
use crate::observe;
use crate::outcome::{Back, Holds};
use crate::policy::Timeline;
use crate::service::{Service, history};
use crate::with_sources;

/// How long after a rollback a calm service's branch is looked at. Later it is seen when something burns, and by the
/// gate.
const WATCHED_FOR: TimeDelta = TimeDelta::hours(24);

/// Looks whether the newest change of the branch brings back what is on hold. `timeline` is the branch, where it was
/// read already. A branch that cannot be read now is looked at by the next run.
pub(crate) async fn watched(
    service: &Service<'_>,
    state: &ServiceState,
    timeline: Option<&Timeline>,
) -> Holds {
    let Some(git) = &service.git else {
        return Holds::NotLookedAt;
    };
    let read;
    let timeline = match timeline {
        Some(timeline) => timeline,
        None if !is_watched(state) => return Holds::NotLookedAt,
        None => {
            let back = service.config.policy.max_revisions_back;
            match observe::branch(git, back, None).await {
                Ok(snapshot) => {
                    read = observe::timeline(&snapshot, service.trust());
                    &read
                }
                Err(error) => {
                    tracing::warn!(error = %with_sources(&error), "the branch could not be read, so whether a hold is still kept is not known");
                    return Holds::NotLookedAt;
                }
            }
        }
    };
    let history = history(state);
    let newest = timeline.changes.first();
    let held = newest.and_then(|newest| {
        let past = history.holding(&newest.revision, &newest.state)?;
        // What was rolled back is the newest change until the rollback lands.
        (newest.revision != past.from).then(|| Back {
            revision: newest.revision.clone(),
            rollback: past.id.clone(),
        })
    });
    held.map_or(Holds::Kept, Holds::Violated)
}

/// Tells whether a rollback landed lately whose hold nobody has lifted, or a violation is known that may be over.
fn is_watched(state: &ServiceState) -> bool {
    let is_young = state.rollbacks.iter().any(|past| {
        let landed = matches!(past.phase, Phase::Recovered | Phase::Ineffective);
        landed && past.released.is_none() && Utc::now() - past.begun_at < WATCHED_FOR
    });
    is_young || state.notifications.last_told.violated
}
