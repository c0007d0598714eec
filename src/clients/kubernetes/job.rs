//! What the thread of the client is asked to do.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use kube::Client;

/// What the thread is asked to do.
pub(super) struct Job(Box<dyn FnOnce(Client) -> Work + Send>);

pub(super) type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Job")
    }
}

impl Job {
    /// Makes a job of what is to be done with a client.
    pub(super) fn of(work: impl FnOnce(Client) -> Work + Send + 'static) -> Self {
        Self(Box::new(work))
    }

    /// Begins the work with a client.
    pub(super) fn begin(self, client: Client) -> Work {
        (self.0)(client)
    }
}
