//! One check on every server on which the program must run.

use std::sync::OnceLock;

use testkit::back_end::{BackEnd, Running};
use testkit::prometheus::Recording;

/// The servers that hold one recording, each of them started when a test first wants it, and one for all tests that do.
pub(crate) struct Servers {
    recording: fn() -> &'static Recording,
    running: [OnceLock<Option<Running>>; BackEnd::ALL.len()],
}

impl Servers {
    /// Says what they hold.
    pub(crate) const fn of(recording: fn() -> &'static Recording) -> Self {
        Self {
            recording,
            running: [const { OnceLock::new() }; BackEnd::ALL.len()],
        }
    }

    /// Returns one of them; nothing where it cannot be had on this machine.
    pub(crate) fn get(&self, back_end: BackEnd) -> Option<&Running> {
        self.running[back_end as usize]
            .get_or_init(|| back_end.start((self.recording)()))
            .as_ref()
    }
}

/// Makes a test for each server out of a check, which takes the server: a function of the test's own name, or what is
/// written behind it.
macro_rules! on_every_server {
    (@check $name:ident) => { $name };
    (@check $name:ident $check:expr) => { $check };
    ($servers:expr; $($name:ident $(: $check:expr)?;)*) => {$(
        mod $name {
            use super::*;

            fn on(back_end: testkit::back_end::BackEnd) {
                if let Some(server) = $servers.get(back_end) {
                    let check = crate::servers::on_every_server!(@check $name $($check)?);
                    check(server);
                }
            }

            #[test]
            fn debian_prometheus() {
                on(testkit::back_end::BackEnd::DebianPrometheus);
            }

            #[test]
            fn prometheus_3() {
                on(testkit::back_end::BackEnd::Prometheus3);
            }

            #[test]
            fn victoria_metrics() {
                on(testkit::back_end::BackEnd::VictoriaMetrics);
            }
        }
    )*};
}

pub(crate) use on_every_server;

/// Runs a check that waits for answers.
pub(crate) fn wait<T>(check: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(check)
}
