//! All human text in one place.

mod advice;
mod commit;
mod text;

pub use commit::{CommitStory, commit_message};
pub use text::{record, status};
