//! Passes again and again for a while, as after a deployment: until the time is over or a rollback is decided, which is
//! followed to its end.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::finished::{Finished, Pass};
use crate::exit::Exit;
use crate::record::RollbackOutcome;
use crate::stop::Signals;

/// Repeats a pass and returns the last one; `earlier` hears of those before it. Each pass takes the memory's lock for
/// itself, so that other runs come to their turn.
pub(super) async fn watch(
    span: Duration,
    every: Duration,
    signals: &Signals,
    pass: impl AsyncFn() -> Pass,
    earlier: &mut dyn FnMut(&Pass),
) -> Pass {
    let ends_at = Instant::now() + span;
    loop {
        let next_at = Instant::now() + every;
        let ended = pass().await;
        let next_at = next_at.max(Instant::now());
        if next_at > ends_at || signals.is_told() || !goes_on(&ended) {
            return ended;
        }
        earlier(&ended);
        tokio::select! {
            () = sleep_until(next_at) => {}
            // It was shown already.
            () = signals.told() => return Pass { served: Vec::new(), ..ended },
        }
    }
}

/// Tells whether another pass may see something new: it does for as long as no rollback is decided, or one is not
/// proven yet.
fn goes_on(pass: &Pass) -> bool {
    let may_change = |ended: &Finished| {
        let is_usable = ended.exit != Exit::Configuration;
        let rollback = ended.record().and_then(|record| record.rollback.as_ref());
        is_usable && rollback.is_none_or(|rollback| rollback.outcome == RollbackOutcome::Verifying)
    };
    // Another run holds the lock: it is free again for a later pass.
    if pass.served.is_empty() {
        return pass.exit == Exit::TryAgain;
    }
    let mut services = pass.served.iter();
    services.any(|served| may_change(&served.ended))
}
