//! One call: sent to the thread of the client, repeated where that is safe, and waited for within a bound.

use std::future::Future;
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

use kube::Client;

use super::cluster::Cluster;
use super::error::{KubernetesError, KubernetesFault};
use super::job::Job;

/// How much longer the caller waits than the call may take: so the call's own end is heard of.
pub(super) const SLACK: Duration = Duration::from_millis(500);

/// Pause before a call is repeated; it doubles. Source: the API server asks for 1 s when it is busy, in whole seconds.
const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// How often a call is made at most. Protects an API server that is busy.
const MOST_TRIES: u32 = 5;

/// How a call may be repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Again {
    /// It changes nothing: whenever waiting may help.
    Read,
    /// It writes: only where the API server says that it did not take it up.
    Write,
}

impl Cluster {
    /// Does the work on the client's thread and waits for what comes of it; nothing where that takes longer.
    pub(super) fn wait_for<T: Send + 'static, F>(
        &self,
        bound: Duration,
        work: impl FnOnce(Client) -> F + Send + 'static,
    ) -> Option<T>
    where
        F: Future<Output = T> + Send + 'static,
    {
        let (sender, receiver) = sync_channel(1);
        let job = Job::of(move |client| {
            let work = work(client);
            Box::pin(async move {
                // Whoever asked may have stopped waiting.
                let _ = sender.send(work.await);
            })
        });
        self.jobs.send(job).ok()?;
        receiver.recv_timeout(bound + SLACK).ok()
    }
}

/// Makes a call within a time, again where that is safe and may help.
///
/// # Errors
/// Fails with what the last try came to. A write that got no answer in time may be done.
pub(super) async fn call<T, F>(
    tried: &str,
    again: Again,
    bound: Duration,
    make: impl Fn() -> F,
) -> Result<T, KubernetesError>
where
    F: Future<Output = Result<T, kube::Error>>,
{
    let started = Instant::now();
    let mut pause = FIRST_PAUSE;
    for attempt in 1.. {
        let left = bound.saturating_sub(started.elapsed());
        let fault = match tokio::time::timeout(left, make()).await {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(error)) => KubernetesFault::of(&error),
            Err(_) => {
                KubernetesFault::NoAnswer(format!("no answer within {} s", bound.as_secs_f32()))
            }
        };
        let may = match again {
            Again::Read => fault.is_transient(),
            Again::Write => matches!(fault, KubernetesFault::Busy),
        };
        if !may || attempt >= MOST_TRIES || started.elapsed() + pause >= bound {
            return Err(KubernetesError {
                tried: tried.to_owned(),
                fault,
            });
        }
        tokio::time::sleep(pause).await;
        pause *= 2;
    }
    unreachable!("the loop ends with an answer")
}
