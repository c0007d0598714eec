//! Several services at once, so that one that hangs holds up no other.

use std::cell::RefCell;

use futures_util::future::join_all;

/// How many services are served at the same time. Bounds connections and memory; a service that waits for its proof
/// keeps its place, so there are more places than rollbacks that are likely at once.
const MOST: usize = 8;

/// Waits for all of them and returns what they came to, in their order.
pub(super) async fn buffered<F: Future>(tasks: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    let tasks = RefCell::new(tasks.into_iter().enumerate());
    let ended = RefCell::new(Vec::new());
    // Each place takes the next task when its own is over. What one of them needs is large, and lies in the place.
    let place = async || {
        loop {
            let next = tasks.borrow_mut().next();
            let Some((number, task)) = next else { return };
            let came_to = task.await;
            ended.borrow_mut().push((number, came_to));
        }
    };
    join_all((0..MOST).map(|_| place())).await;
    let mut ended = ended.into_inner();
    ended.sort_unstable_by_key(|(number, _)| *number);
    ended.into_iter().map(|(_, came_to)| came_to).collect()
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
        let came_to = buffered((0..20).map(&task)).await;
        assert_eq!(came_to, (0..20).collect::<Vec<_>>());
        assert_eq!(most.get(), MOST);
    }

    #[tokio::test]
    async fn of_nothing_comes_nothing() {
        let tasks: [std::future::Ready<u8>; 0] = [];
        assert_eq!(buffered(tasks).await, Vec::<u8>::new());
    }
}
