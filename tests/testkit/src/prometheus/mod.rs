//! A real Prometheus with a history of our choice.
//!
//! ```no_run
//! use chrono::{TimeDelta, Utc};
//! use testkit::prometheus::{Backfill, History, Prometheus, ServiceLabels, Traffic};
//!
//! let now = Utc::now();
//! let deployed = now - TimeDelta::minutes(20);
//! let checkout = History::new(ServiceLabels::new("shop", "checkout"))
//!     .segment(now - TimeDelta::hours(6), deployed, Traffic::healthy(40.0))
//!     .segment(deployed, now + TimeDelta::minutes(60), Traffic::healthy(40.0).errors(0.2));
//! let prometheus = Prometheus::start(&Backfill::new(now).service(checkout));
//! assert!(prometheus.number("sum(rate(http_requests_total[5m]))").is_some());
//! ```

mod api;
mod backfill;
pub(crate) mod counters;
pub(crate) mod exposition;
mod history;
mod layout;
mod month;
pub(crate) mod native;
mod otlp;
mod relay;
pub(crate) mod server;

pub use api::Api;
pub use backfill::{Backfill, Recording, Spacing};
pub use history::{History, ServiceLabels, Traffic};
pub use layout::Layout;
pub use month::{Month, shared_month};
pub use otlp::Instrumented;
pub use relay::{Answer, Question};
pub use server::{Edition, Prometheus};
