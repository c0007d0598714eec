//! All human text in one place.

mod advice;
mod commit;
mod doctor;
pub mod metrics;
mod pull;
mod text;

pub use commit::{CommitStory, commit_message};
pub use doctor::diagnosis;
pub use pull::{expired, overtaken, pull_request};
pub use text::{record, said, status};
