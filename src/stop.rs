//! When a run has to come to its end: at its own deadline, or when it is told to (SIGTERM, SIGINT).
//!
//! A run that is told to end finishes the call it is in, writes down what came of it, begins nothing more, and
//! leaves; what is left goes to the next run. Nothing is cut off in the middle, because what an interrupted call did
//! is not known.

use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// What a run may take besides `VERIFY_TIMEOUT`. The job's own deadline has to be larger than both together. Source:
/// the contract, DESIGN section 9, "Settings".
const BESIDES_VERIFYING: Duration = Duration::from_secs(120);

/// Nothing outside is changed with less than this left: an effect and its record have to fit in. Source: facts,
/// section 6.
const NEEDED_FOR_AN_EFFECT: Duration = Duration::from_secs(30);

/// Whether the program was told to end (SIGTERM, SIGINT), now or later.
#[derive(Debug, Clone)]
pub(crate) struct Signals {
    told: watch::Receiver<bool>,
}

impl Signals {
    /// Listens for the signals, from now on. Where no signal can be listened for, only deadlines count.
    pub(crate) fn listen() -> Self {
        let (tell, told) = watch::channel(false);
        for kind in [SignalKind::terminate(), SignalKind::interrupt()] {
            match signal(kind) {
                Ok(mut signals) => {
                    let tell = tell.clone();
                    tokio::spawn(async move {
                        if signals.recv().await.is_some() {
                            tracing::warn!(
                                "told to end: the current step is finished and recorded"
                            );
                            tell.send_replace(true);
                        }
                    });
                }
                Err(error) => tracing::warn!(error = %error, "signals cannot be handled"),
            }
        }
        Self { told }
    }

    /// Tells whether the program was told to end.
    pub(crate) fn is_told(&self) -> bool {
        *self.told.borrow()
    }

    /// Waits until the program is told to end; for ever where nobody tells it.
    pub(crate) async fn told(&self) {
        let mut told = self.told.clone();
        if told.wait_for(|is_told| *is_told).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// The end of a run, or of a part of it.
#[derive(Debug, Clone)]
pub(crate) struct Stop {
    signals: Signals,
    at: Instant,
    began_at: Instant,
    /// The end of the whole run.
    run_ends_at: Instant,
}

impl Stop {
    /// Begins a run that may take `verify_timeout` and two minutes.
    pub(crate) fn of_a_run(signals: &Signals, verify_timeout: Duration) -> Self {
        let began_at = Instant::now();
        let at = began_at + verify_timeout + BESIDES_VERIFYING;
        Self {
            signals: signals.clone(),
            at,
            began_at,
            run_ends_at: at,
        }
    }

    /// Returns the end of a part of it that may take so long, or less where less is left.
    #[must_use]
    pub(crate) fn within(&self, longest: Duration) -> Self {
        Self {
            signals: self.signals.clone(),
            at: self.at.min(Instant::now() + longest),
            began_at: self.began_at,
            run_ends_at: self.run_ends_at,
        }
    }

    /// Returns how long the run has taken so far.
    pub(crate) fn elapsed(&self) -> Duration {
        self.began_at.elapsed()
    }

    /// Tells whether the run was told to end.
    pub(crate) fn is_told(&self) -> bool {
        self.signals.is_told()
    }

    /// Tells whether the time is over, whether or not the run was told to end.
    pub(crate) fn is_over(&self) -> bool {
        Instant::now() >= self.at
    }

    /// Returns the time that is left; none once the run was told to end.
    pub(crate) fn left(&self) -> Duration {
        if self.is_told() {
            return Duration::ZERO;
        }
        self.at.saturating_duration_since(Instant::now())
    }

    /// Says why nothing outside may be changed any more, where that is so. It goes by the end of the whole run.
    pub(crate) fn forbids_an_effect(&self) -> Option<&'static str> {
        if self.is_told() {
            return Some("the run was told to end");
        }
        let left = self.run_ends_at.saturating_duration_since(Instant::now());
        (left < NEEDED_FOR_AN_EFFECT).then_some("the time of this run is nearly over")
    }

    /// Waits for a while, or until the end.
    pub(crate) async fn pause(&self, length: Duration) {
        tokio::select! {
            () = sleep_until((Instant::now() + length).min(self.at)) => {}
            () = self.told() => {}
        }
    }

    /// Waits until the run is told to end; for ever where nobody tells it.
    pub(crate) async fn told(&self) {
        self.signals.told().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stop(left: Duration) -> (watch::Sender<bool>, Stop) {
        let (tell, told) = watch::channel(false);
        let at = Instant::now() + left;
        let stop = Stop {
            signals: Signals { told },
            at,
            began_at: Instant::now(),
            run_ends_at: at,
        };
        (tell, stop)
    }

    #[tokio::test(start_paused = true)]
    async fn a_part_never_outlasts_the_run() {
        let (_tell, run) = stop(Duration::from_secs(60));
        assert_eq!(
            run.within(Duration::from_secs(600)).left(),
            Duration::from_secs(60)
        );
        assert_eq!(
            run.within(Duration::from_secs(6)).left(),
            Duration::from_secs(6)
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_run_is_over_at_its_deadline_and_not_when_it_is_told() {
        let (tell, run) = stop(Duration::from_secs(10));
        tell.send_replace(true);
        assert!(!run.is_over());
        tokio::time::advance(Duration::from_secs(10)).await;
        assert!(run.is_over());
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_begun_shortly_before_the_end() {
        let (_tell, run) = stop(Duration::from_secs(31));
        assert_eq!(run.forbids_an_effect(), None);
        run.pause(Duration::from_secs(2)).await;
        assert!(run.forbids_an_effect().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_told_to_end_waits_no_longer_and_begins_nothing() {
        let (tell, run) = stop(Duration::from_secs(600));
        let waiting = run.clone();
        let waits = tokio::spawn(async move {
            waiting.pause(Duration::from_secs(300)).await;
            waiting.left()
        });
        tokio::task::yield_now().await;
        tell.send_replace(true);
        assert_eq!(waits.await.ok(), Some(Duration::ZERO));
        assert!(run.forbids_an_effect().is_some());
    }
}
