//! Reads everything that a decision needs, and judges none of it.

mod branch;
mod budget;
mod count_doubt;
mod days;
mod deployments;
mod evidence;
mod families;
mod followed;
mod grid;
mod hydrated;
mod identity;
mod joined;
mod keeping;
mod metrics;
mod near;
mod offenders;
mod parts;
mod pods;
mod queries;
mod series;
mod sighting;
mod signals;
mod together;
mod unjudged;

pub use branch::{BRANCHES, Trust, branch, branch_back_to, commit_of, doings, timeline, tip};
pub use deployments::{deployment_state, entry_of, joined, of_application};
pub use followed::{Followed, followed, not_followed, revision_of, shown as shown_address};
pub use hydrated::hydrations;
pub use keeping::{Keeping, keep_days};
pub use metrics::{Metrics, Observation, RecentSlices, Remembered};
pub use near::{KubeState, Near, OtherLabels, Surroundings};
pub use offenders::{Breakdown, Offender, Probes};
pub use queries::{Queries, Workload, parts_of};
pub use series::SeenForm;
pub use together::{Asking, Observed, observe_together};
