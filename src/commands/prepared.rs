//! A service that a command is about to serve.

use crate::record::Heading;
use crate::service::Service;

/// A service with what every record of its run has in common.
pub(super) struct Prepared<'a> {
    pub(super) service: Service<'a>,
    pub(super) heading: Heading,
}
