//! Whether a service is gone: nothing is counted any more, and its pods are not there either.
//!
//! Silence alone proves nothing: a night, a broken scrape and an outage look alike. Only a second witness, what
//! Kubernetes says of the pods, tells them apart. Both have to speak: traffic that fell to a tenth of what is usual,
//! and pods that should be ready and are not. Whatever the witness cannot say is no evidence.

use std::time::Duration;

use super::events::Events;
use super::measurement::{MAX_SAMPLE_AGE, Measurement};
use super::reading::Reading;

/// The share of the usual events that has to be missing (ratio). Source: our rule.
pub const LOST_SHARE: f64 = 0.9;

/// The largest share of the wanted pods that may be ready, in the mean of the window and at its end (ratio): a
/// container that crashes again and again is ready for a moment now and then. Source: our rule, the counterpart of
/// [`LOST_SHARE`].
const READY_SHARE: f64 = 0.1;

/// Fewest samples that speak of a whole window. Source: our rule; kube-state-metrics are scraped every 15 s to 60 s.
const MIN_SAMPLES: f64 = 3.0;

const MINUTE: Duration = Duration::from_secs(60);

/// What kube-state-metrics say of a service's pods, over a window that ends now.
#[derive(Debug, Clone, PartialEq)]
pub struct Pods {
    /// How many its workload wants: the least of the window. Nothing where no Deployment or StatefulSet has its name.
    pub wanted: Option<f64>,
    /// How many were ready, in the mean of the window.
    pub ready: f64,
    /// How many are ready now.
    pub ready_now: f64,
    /// How many pods by the service's name are ready by their own status, in the mean of the window: the check on the
    /// above.
    pub ready_by_pods: Option<f64>,
    /// How often its containers were restarted in the window; extrapolated and so rarely whole.
    pub restarts: f64,
    /// Why containers wait instead of running, as Kubernetes calls it (`CrashLoopBackOff`).
    pub waiting: Vec<String>,
    /// Age of the newest sample.
    pub age: Duration,
    /// Samples in the window.
    pub samples: f64,
}

/// Traffic that fell to a tenth of what is usual.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fall {
    /// The usual rate (events per second).
    pub usual: f64,
    /// The events that are missing, of those that are usual in so long a time.
    pub lost: Events,
    /// How long the newest time is in which so many are missing, at least.
    pub over: Duration,
}

/// What is known about where the events went.
#[derive(Debug, Clone, PartialEq)]
pub enum Silence {
    /// The pods are not there: an outage.
    Outage(ServiceOutage),
    /// It has another reason, or nobody can say: it is told, and nothing is done about it.
    Unexplained {
        /// What was found, as a fragment for people.
        why: String,
    },
}

/// A service that is gone.
#[derive(Debug, Clone, PartialEq)]
pub struct ServiceOutage {
    /// What is missing.
    pub fall: Fall,
    /// What says that the pods are not there, as a fragment for people: `no ready pods (0 of 3; CrashLoopBackOff)`.
    pub why: String,
}

/// Returns the fall of the traffic; nothing where it did not fall, or where that cannot be known.
///
/// Usual is the mean rate of the five hours before the last one, or for a younger service of the hour before the last
/// five minutes. Of the last 5 minutes, 30 minutes and hour the longest counts that still misses so many, because
/// more events prove more.
pub(super) fn fall(measurement: &Measurement) -> Option<Fall> {
    let total = |window: &Reading<Events>| match window {
        Reading::Measured(events) => Some(events.total()),
        Reading::NoTraffic | Reading::NoSeries | Reading::Gone { .. } | Reading::Stale { .. } => {
            Some(0.0)
        }
        Reading::Partial { .. } | Reading::Invalid { .. } | Reading::Refused { .. } => None,
    };
    let (m5, m30) = (total(&measurement.m5)?, total(&measurement.m30)?);
    let (h1, h6) = (total(&measurement.h1)?, total(&measurement.h6)?);
    let rate = |events: f64, minutes: u32| {
        (events > 0.0).then(|| events / (MINUTE * minutes).as_secs_f64())
    };
    let usual = rate(h6 - h1, 300).or_else(|| rate(h1 - m5, 55))?;
    let missing = |counted: f64, minutes: u32| {
        let over = MINUTE * minutes;
        let expected = (usual * over.as_secs_f64()).round();
        let lost = Events::new((expected - counted).max(0.0).floor(), expected)?;
        (lost.error_ratio() >= LOST_SHARE).then_some(Fall { usual, lost, over })
    };
    let short = missing(m5, 5)?;
    let longer = missing(m30, 30);
    let longest = longer.and_then(|_| missing(h1, 60));
    Some(longest.or(longer).unwrap_or(short))
}

/// Says why the traffic fell, by what is known of the pods.
pub(super) fn silence(fall: Fall, pods: &Reading<Pods>) -> Silence {
    match pods {
        Reading::Measured(pods) => match absence(pods) {
            Ok(why) => Silence::Outage(ServiceOutage { fall, why }),
            Err(why) => Silence::Unexplained { why },
        },
        Reading::NoSeries | Reading::NoTraffic => Silence::Unexplained {
            why: "nothing says whether its pods are there: kube-state-metrics know no Deployment, StatefulSet or pods of its name"
                .to_owned(),
        },
        Reading::Gone { at_least: age } | Reading::Stale { age } => {
            Silence::Unexplained { why: stale(*age) }
        }
        Reading::Partial { why } | Reading::Invalid { why } | Reading::Refused { why } => {
            Silence::Unexplained {
                why: format!("whether its pods are there is not known: {why}"),
            }
        }
    }
}

/// Says what shows that the pods are not there.
///
/// # Errors
/// Says why that is not shown.
fn absence(pods: &Pods) -> Result<String, String> {
    if pods.age > MAX_SAMPLE_AGE {
        return Err(stale(pods.age));
    }
    if pods.samples < MIN_SAMPLES {
        return Err(format!(
            "kube-state-metrics gave only {} samples of its pods in this time, too few to be sure",
            pods.samples
        ));
    }
    let Some(wanted) = pods.wanted else {
        return absence_without_workload(pods);
    };
    if wanted < 1.0 {
        return Err("it was scaled to zero, which is no outage".to_owned());
    }
    let most = READY_SHARE * wanted;
    if pods.ready > most || pods.ready_now > most {
        return Err(there(pods, wanted));
    }
    match pods.ready_by_pods {
        Some(ready) if ready > most => Err(format!(
            "its workload says that {:.1} of {wanted} pods are ready, and the pods say {ready:.1}; one of both is wrong",
            pods.ready
        )),
        Some(_) | None => Ok(gone(pods, Some(wanted))),
    }
}

/// The same where no workload says how many pods there should be: pods alone may be left over from one that was
/// scaled to zero, so they have to crash or to wait in vain.
fn absence_without_workload(pods: &Pods) -> Result<String, String> {
    if pods.ready > READY_SHARE || pods.ready_now > READY_SHARE {
        return Err(there(pods, pods.ready_now.max(pods.ready).ceil()));
    }
    if pods.restarts < 1.0 && pods.waiting.is_empty() {
        return Err(
            "none of its pods is ready, and nothing says that one should be (kube-state-metrics know no Deployment or StatefulSet of \
             its name, and no container is restarted or waits)"
                .to_owned(),
        );
    }
    Ok(gone(pods, None))
}

fn stale(age: Duration) -> String {
    format!(
        "what kube-state-metrics say of its pods is {} s old, so nothing says whether they are there",
        age.as_secs()
    )
}

fn there(pods: &Pods, wanted: f64) -> String {
    format!(
        "{:.1} of {wanted} pods are ready ({:.1} in the mean), so it is not gone: look at what sends the requests, at the scrapes, \
         and whether a request that fails is counted at all",
        pods.ready_now, pods.ready
    )
}

fn gone(pods: &Pods, wanted: Option<f64>) -> String {
    let mut details = Vec::new();
    if let Some(wanted) = wanted {
        details.push(format!("{:.1} of {wanted} in the mean", pods.ready));
    }
    details.extend(pods.waiting.iter().cloned());
    if pods.restarts >= 1.0 {
        details.push(format!("{:.0} restarts", pods.restarts));
    }
    format!("no ready pods ({})", details.join("; "))
}

#[cfg(test)]
mod tests;
