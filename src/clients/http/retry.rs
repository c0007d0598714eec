//! Asking again: how often, how long in between, and when to stop.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio_retry::RetryIf;
use tokio_retry::strategy::jitter;

use super::deadline::Deadline;

/// First pause of [`RetryPolicy::jittered`] before jitter.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// Its longest pause before jitter. Protects the deadline from being slept away.
const MAX_PAUSE: Duration = Duration::from_secs(5);

/// Its most tries after the first. Protects a server in trouble from being asked for as long as the deadline allows.
const MAX_REPEATS: usize = 8;

/// Share of the remaining time that a pause may use. Beyond it the next try would be cut off at once, and its timeout
/// would hide what the server said.
const PAUSE_SHARE: f64 = 0.8;

/// Whether a failed try may be followed by another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::clients) enum Repeat {
    /// The answer would be the same, or what was asked for may have been done and must not be done twice.
    Never,
    /// It may have been bad luck; more tries would only add load.
    Once,
    /// It will pass.
    Yes,
}

impl Repeat {
    /// Says yes to what may pass.
    pub(in crate::clients) fn when(may_pass: bool) -> Self {
        if may_pass { Self::Yes } else { Self::Never }
    }
}

/// A failed try.
pub(in crate::clients) struct Failure<E> {
    pub(in crate::clients) error: E,
    pub(in crate::clients) repeat: Repeat,
    /// How long the server asks to be left alone.
    pub(in crate::clients) retry_after: Option<Duration>,
}

/// How often something is tried, and how long the pauses are. Which failures may be followed by another try is said by
/// each of them.
pub(in crate::clients) struct RetryPolicy {
    pauses: Vec<Duration>,
}

impl RetryPolicy {
    /// Pauses of up to 100 ms, 200 ms, 400 ms and so on, shortened by chance: for who shares a server with many.
    pub(in crate::clients) fn jittered() -> Self {
        let pauses = doubling(FIRST_PAUSE).map(|pause| jitter(pause.min(MAX_PAUSE)));
        Self::with_pauses(pauses.take(MAX_REPEATS))
    }

    /// As many tries in all, after pauses of `first`, twice that and so on.
    pub(in crate::clients) fn doubling(first: Duration, tries: usize) -> Self {
        Self::with_pauses(doubling(first).take(tries.saturating_sub(1)))
    }

    /// One try more than there are pauses.
    pub(in crate::clients) fn with_pauses(pauses: impl IntoIterator<Item = Duration>) -> Self {
        Self {
            pauses: pauses.into_iter().collect(),
        }
    }

    /// Calls `attempt` until it succeeds, fails for good, or no time is left for another try. Every attempt must end
    /// by `deadline` itself. A wait that the server asks for and that does not fit ends the tries at once.
    pub(in crate::clients) async fn run<T, E, F>(
        self,
        deadline: Deadline,
        mut attempt: impl FnMut() -> F,
    ) -> Result<T, E>
    where
        F: Future<Output = Result<T, Failure<E>>>,
    {
        let asked_millis = AtomicU64::new(0);
        let mut once_left = true;
        let pauses = self.pauses.into_iter().map_while(|pause| {
            let pause = pause.max(Duration::from_millis(asked_millis.load(Ordering::Relaxed)));
            (pause < deadline.left().mul_f64(PAUSE_SHARE)).then_some(pause)
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
        // Boxed: a try is a large future, and everything that waits for it would grow by it.
        RetryIf::start(pauses, || Box::pin(attempt()), may_repeat)
            .await
            .map_err(|failure| failure.error)
    }
}

fn doubling(first: Duration) -> impl Iterator<Item = Duration> {
    std::iter::successors(Some(first), |pause| Some(pause.saturating_mul(2)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lets every try fail in the same way and returns how many tries were made.
    async fn tries(repeat: Repeat, retry_after: Option<Duration>, limit: Duration) -> u32 {
        let mut tries = 0;
        let deadline = Deadline::within(limit);
        let attempt = || {
            tries += 1;
            std::future::ready(Err(Failure {
                error: (),
                repeat,
                retry_after,
            }))
        };
        let result: Result<(), ()> = RetryPolicy::jittered().run(deadline, attempt).await;
        assert!(result.is_err());
        assert!(!deadline.is_over(), "never sleeps past the deadline");
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

    #[tokio::test(start_paused = true)]
    async fn doubles_the_pauses_and_makes_as_many_tries_as_are_allowed() {
        let begun = tokio::time::Instant::now();
        let mut at = Vec::new();
        let attempt = || {
            at.push(begun.elapsed().as_millis());
            std::future::ready(Err::<(), _>(Failure {
                error: (),
                repeat: Repeat::Yes,
                retry_after: None,
            }))
        };
        let policy = RetryPolicy::doubling(Duration::from_millis(500), 3);
        let result = policy.run(Deadline::within(LIMIT), attempt).await;
        assert!(result.is_err());
        assert_eq!(at, [0, 500, 1_500]);
    }
}
