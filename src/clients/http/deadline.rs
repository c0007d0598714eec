//! The time that something has, with all its requests and pauses.

use std::time::Duration;

use tokio::time::Instant;

/// When something has to be over, and how long it was given.
#[derive(Debug, Clone, Copy)]
pub struct Deadline {
    at: Instant,
    limit: Duration,
}

impl Deadline {
    /// Gives `limit` from now on.
    pub fn within(limit: Duration) -> Self {
        Self {
            at: Instant::now() + limit,
            limit,
        }
    }

    /// Gives the time from now until `at`.
    pub fn until(at: Instant) -> Self {
        Self {
            at,
            limit: at.saturating_duration_since(Instant::now()),
        }
    }

    /// Returns a deadline that ends with this one, or after `limit` if that is sooner.
    pub fn at_most(self, limit: Duration) -> Self {
        let sooner = Self::within(limit);
        if sooner.at < self.at { sooner } else { self }
    }

    /// Returns when the time is over.
    pub fn at(self) -> Instant {
        self.at
    }

    /// Returns how long the whole time was, for people: what is left of it says nothing to them.
    pub fn limit(self) -> Duration {
        self.limit
    }

    /// Returns how long is left; zero when the time is over.
    pub fn left(self) -> Duration {
        self.at.saturating_duration_since(Instant::now())
    }

    /// Tells whether the time is over.
    pub fn is_over(self) -> bool {
        self.left().is_zero()
    }

    /// Waits where more time than that is left. Returns whether it waited.
    pub async fn pause(self, pause: Duration) -> bool {
        let has_time = self.left() > pause;
        if has_time {
            tokio::time::sleep(pause).await;
        }
        has_time
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_part_of_the_time_never_outlasts_the_whole_and_then_names_it() {
        let [one, two, four, ten] = [1, 2, 4, 10].map(Duration::from_secs);
        let whole = Deadline::within(ten);
        assert_eq!(whole.at_most(four).limit(), four);
        tokio::time::sleep(two * 4).await;
        let part = whole.at_most(four);
        assert_eq!((part.left(), part.limit()), (two, ten));
        assert!(!whole.pause(two).await && !whole.is_over());
        assert!(whole.pause(one).await);
        assert_eq!(whole.left(), one);
    }
}
