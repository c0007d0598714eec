//! Argo CD beside the branch: both orders, what stands in the way, and that nothing is asked for twice.

mod alone;
mod behaviours;
mod elsewhere;
mod half_way;
mod hydrated;
mod orders;
pub(crate) mod scene;
mod stuck;
mod unfinished;

use chrono::TimeDelta;
use testkit::argocd::{Application, Automated, OperationKind, Pace, Setup, Source, Spec};
use testkit::prometheus::shared_month;

use super::program::Program;
use super::world::{REPOSITORY, World};
use scene::{ACCOUNT, APP, Scene, happened_in_the_month, steps};
