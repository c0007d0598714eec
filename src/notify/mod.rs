//! All human text in one place, and the way from a change to the people who are told.
//!
//! Pure: what the program prints (`text`, `ci` for pipelines), writes into commits and pull requests (`commit`,
//! `pull`), and says to each channel (`slack`, `pagerduty`, `ticket`, `event`, from `sentence` and `story`).
//! [`channels`] says who is told what; [`Tellers`] delivers it.

mod advice;
mod channels;
pub mod ci;
mod commit;
mod deliver;
mod event;
#[cfg(test)]
mod fixture;
mod handles;
mod numbers;
mod pagerduty;
mod piece;
mod pull;
mod sentence;
mod slack;
mod story;
mod table;
mod test_message;
mod text;
mod ticket;

pub use channels::{Channel, channels};
pub use commit::{CommitStory, commit_message};
pub use deliver::{Slack, Tellers, TellersError, Tickets, Told, Tried, try_pushgateway};
pub use handles::{Handle, Handles, Thread};
pub use pull::{expired, overtaken, pull_request};
pub use table::{Row, passes, standings};
pub use test_message::TestMessage;
pub(crate) use text::printable;
pub use text::{brief, explained, history, record, said, status};
