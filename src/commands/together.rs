//! Several services at once, so that one that hangs holds up no other.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use tokio::sync::Semaphore;

/// How many services are served at the same time. Bounds connections and memory; a service that waits for its proof keeps its
/// place, so there are more places than rollbacks that are likely at once.
const MOST: usize = 8;

/// Waits for all of them and returns what they came to, in their order.
pub(super) async fn together<F: Future>(tasks: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    let places = Semaphore::new(MOST);
    let places = &places;
    let in_its_place = |task: F| {
        Box::pin(async move {
            // Nobody closes it; without a place the task is served all the same.
            let _place = places.acquire().await;
            task.await
        })
    };
    let mut running: Vec<Pin<Box<_>>> = tasks.into_iter().map(in_its_place).collect();
    let mut ended: Vec<Option<F::Output>> = running.iter().map(|_| None).collect();
    poll_fn(|context| {
        for (task, end) in running.iter_mut().zip(&mut ended) {
            if end.is_none()
                && let Poll::Ready(came_to) = task.as_mut().poll(context)
            {
                *end = Some(came_to);
            }
        }
        if ended.iter().all(Option::is_some) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
    ended.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn keeps_the_order_and_never_serves_more_than_there_are_places() {
        let (now, most) = (Cell::new(0), Cell::new(0));
        let task = async |number: u64| {
            now.set(now.get() + 1);
            most.set(most.get().max(now.get()));
            tokio::time::sleep(Duration::from_secs(100 - number)).await;
            now.set(now.get() - 1);
            number
        };
        let came_to = together((0..20).map(&task)).await;
        assert_eq!(came_to, (0..20).collect::<Vec<_>>());
        assert_eq!(most.get(), MOST);
    }

    #[tokio::test]
    async fn of_nothing_comes_nothing() {
        let tasks: [std::future::Ready<u8>; 0] = [];
        assert_eq!(together(tasks).await, Vec::<u8>::new());
    }
}
