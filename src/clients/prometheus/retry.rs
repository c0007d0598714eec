//! Asking again: how often, how long in between, and when to stop.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;
use tokio_retry::RetryIf;
use tokio_retry::strategy::{ExponentialBackoff, jitter};

/// Longest pause before jitter. Protects the deadline from being slept away.
const MAX_PAUSE: Duration = Duration::from_secs(5);

/// Share of the remaining time that a pause may use. Beyond it the next try would be cut off at once, and its timeout
/// would hide what the server said.
const PAUSE_SHARE: f64 = 0.8;

/// Most tries after the first. Protects a server in trouble from being asked for as long as the deadline allows.
const MAX_REPEATS: usize = 8;

/// Whether a failed try may be followed by another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Repeat {
    /// The answer would be the same.
    Never,
    /// It may have been bad luck; more tries would only add load.
    Once,
    /// It will pass.
    Yes,
}

/// A failed try.
pub(super) struct Failure<E> {
    pub(super) error: E,
    pub(super) repeat: Repeat,
    pub(super) retry_after: Option<Duration>,
}

/// Calls `attempt` until it succeeds, fails for good, or no time is left for another try. Every attempt must end by
/// `deadline` itself. A wait that the server asks for and that does not fit ends the tries at once.
pub(super) async fn within<T, E, F>(deadline: Instant, attempt: impl FnMut() -> F) -> Result<T, E>
where
    F: Future<Output = Result<T, Failure<E>>>,
{
    let asked_millis = AtomicU64::new(0);
    let mut once_left = true;
    // 100 ms, 200 ms, 400 ms, …
    let pauses = ExponentialBackoff::from_millis(2)
        .factor(50)
        .max_delay(MAX_PAUSE)
        .map(jitter)
        .take(MAX_REPEATS)
        .map_while(|pause| {
            let pause = pause.max(Duration::from_millis(asked_millis.load(Ordering::Relaxed)));
            let left = deadline.saturating_duration_since(Instant::now());
            (pause < left.mul_f64(PAUSE_SHARE)).then_some(pause)
        });
    let may_repeat = |failure: &Failure<E>| {
        let asked = failure.retry_after.unwrap_or_default().as_millis();
        asked_millis.store(u64::try_from(asked).unwrap_or(u64::MAX), Ordering::Relaxed);
        match failure.repeat {
            Repeat::Never => false,
            Repeat::Once => std::mem::take(&mut once_left),
            Repeat::Yes => true,
        }
    };
    RetryIf::start(pauses, attempt, may_repeat)
        .await
        .map_err(|failure| failure.error)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lets every try fail in the same way and returns how many tries were made.
    async fn tries(repeat: Repeat, retry_after: Option<Duration>, limit: Duration) -> u32 {
        let mut tries = 0;
        let deadline = Instant::now() + limit;
        let result: Result<(), ()> = within(deadline, || {
            tries += 1;
            std::future::ready(Err(Failure {
                error: (),
                repeat,
                retry_after,
            }))
        })
        .await;
        assert!(result.is_err());
        assert!(Instant::now() < deadline, "never sleeps past the deadline");
        tries
    }

    const LIMIT: Duration = Duration::from_secs(10);

    #[tokio::test(start_paused = true)]
    async fn repeats_as_often_as_the_failure_allows() {
        assert_eq!(tries(Repeat::Never, None, LIMIT).await, 1);
        assert_eq!(tries(Repeat::Once, None, LIMIT).await, 2);
        let many = tries(Repeat::Yes, None, LIMIT).await;
        assert!((4..=9).contains(&many), "{many} tries");
    }

    #[tokio::test(start_paused = true)]
    async fn waits_as_long_as_the_server_asks_or_does_not_ask_again() {
        let second = Some(Duration::from_secs(4));
        assert_eq!(tries(Repeat::Yes, second, LIMIT).await, 3);
        assert_eq!(
            tries(Repeat::Yes, Some(Duration::from_secs(60)), LIMIT).await,
            1
        );
        assert_eq!(
            tries(Repeat::Yes, Some(Duration::from_secs(u64::MAX)), LIMIT).await,
            1
        );
    }
}
