//! What a system calls the series in which it counts.

use super::history::ServiceLabels;

/// The names and labels of the series of one service.
#[derive(Clone, Debug)]
pub struct Layout {
    /// Labels that name the service, such as `namespace="shop",service="checkout"`.
    pub labels: String,
    /// Name of the counter of requests; none where the count of the histogram is that counter.
    pub counter: Option<String>,
    /// Labels of requests that went well, such as `status="200"`.
    pub good: String,
    /// Labels of requests that failed.
    pub bad: String,
    /// Name of the latency histogram, without `_bucket`.
    pub histogram: String,
    /// Further labels of the histogram; may be empty.
    pub histogram_labels: String,
    /// Upper bounds of the finite buckets as `le` says them, ascending.
    pub bounds: Vec<String>,
    /// Seconds in one unit of the bounds.
    pub unit_seconds: f64,
}

impl Layout {
    /// Returns the series of most client libraries: `http_requests_total` and `http_request_duration_seconds`.
    pub fn http(labels: &ServiceLabels) -> Self {
        Self {
            labels: format!(
                "namespace=\"{}\",service=\"{}\"",
                labels.namespace, labels.service
            ),
            counter: Some("http_requests_total".to_owned()),
            good: r#"status="200""#.to_owned(),
            bad: r#"status="500""#.to_owned(),
            histogram: "http_request_duration_seconds".to_owned(),
            histogram_labels: String::new(),
            bounds: ["0.1", "0.25", "0.5", "1", "2.5", "5"]
                .map(str::to_owned)
                .to_vec(),
            unit_seconds: 1.0,
        }
    }
}
