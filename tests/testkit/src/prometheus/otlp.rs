//! Metrics as OpenTelemetry names them, with their dots.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

/// Seconds between two points.
const EVERY_SECS: i64 = 15;

/// The name of the histogram of OpenTelemetry's conventions for HTTP servers.
const DURATION: &str = "http.server.request.duration";

/// A service that OpenTelemetry's instrumentation of HTTP servers counts, from one time to another.
#[derive(Clone, Debug)]
pub struct Instrumented {
    /// `service.name`.
    pub service: String,
    /// `service.namespace`.
    pub namespace: String,
    /// Requests per second by `http.response.status_code`; each takes less than half a second.
    pub requests: Vec<(&'static str, f64)>,
    /// Adds gauges with the name of the histogram, so that one query finds both.
    pub has_floats: bool,
    /// Whether the requests are counted in an exponential histogram.
    pub is_exponential: bool,
}

impl Instrumented {
    fn times(from: DateTime<Utc>, to: DateTime<Utc>) -> impl Iterator<Item = i64> {
        let (from, to) = (from.timestamp(), to.timestamp());
        (0..=(to - from) / EVERY_SECS).map(move |index| from + index * EVERY_SECS)
    }

    /// Returns the services as one request of OTLP in JSON: what is old is taken only by a server that holds nothing
    /// yet.
    pub(crate) fn otlp(services: &[Self], from: DateTime<Utc>, to: DateTime<Utc>) -> String {
        let resources: Vec<Value> = services
            .iter()
            .map(|service| service.resource(from, to))
            .collect();
        json!({ "resourceMetrics": resources }).to_string()
    }

    fn resource(&self, from: DateTime<Utc>, to: DateTime<Utc>) -> Value {
        let nanos = |secs: i64| format!("{secs}000000000");
        let mut points = Vec::new();
        let mut floats = Vec::new();
        for (status, per_second) in &self.requests {
            let attributes = json!([attribute("http.response.status_code", status)]);
            for time in Self::times(from, to) {
                let count = (((time - from.timestamp()) as f64 * per_second) as i64).to_string();
                let mut point = json!({
                    "attributes": attributes,
                    "startTimeUnixNano": nanos(from.timestamp()),
                    "timeUnixNano": nanos(time),
                    "count": count,
                    "sum": 0.0,
                });
                if self.is_exponential {
                    point["scale"] = json!(3);
                    point["zeroCount"] = json!("0");
                    point["positive"] = json!({ "offset": -24, "bucketCounts": [count] });
                } else {
                    point["bucketCounts"] = json!([count, "0", "0"]);
                    point["explicitBounds"] = json!([0.5, 1.0]);
                }
                points.push(point);
                floats.push(json!({
                    "attributes": [attribute("http.response.status_code", status), attribute("pod", "other")],
                    "timeUnixNano": nanos(time),
                    "asDouble": count.parse::<f64>().expect("we wrote a number"),
                }));
            }
        }
        let kind = if self.is_exponential {
            "exponentialHistogram"
        } else {
            "histogram"
        };
        // 2: cumulative.
        let mut metrics = vec![json!({
            "name": DURATION,
            "unit": "s",
            kind: { "aggregationTemporality": 2, "dataPoints": points },
        })];
        if self.has_floats {
            metrics.push(json!({ "name": DURATION, "gauge": { "dataPoints": floats } }));
        }
        json!({
            "resource": { "attributes": [
                attribute("service.name", &self.service),
                attribute("service.namespace", &self.namespace),
            ] },
            "scopeMetrics": [{ "scope": {}, "metrics": metrics }],
        })
    }

    /// Returns the count of the histogram in the lines that VictoriaMetrics imports, which keeps the dots of OTLP.
    pub(crate) fn lines(&self, from: DateTime<Utc>, to: DateTime<Utc>) -> String {
        let lines = self.requests.iter().map(|(status, per_second)| {
            let times: Vec<i64> = Self::times(from, to).collect();
            let values: Vec<f64> = times
                .iter()
                .map(|time| ((time - from.timestamp()) as f64 * per_second).floor())
                .collect();
            let millis: Vec<i64> = times.iter().map(|time| time * 1000).collect();
            json!({
                "metric": {
                    "__name__": format!("{DURATION}_count"),
                    "service.name": self.service,
                    "service.namespace": self.namespace,
                    "http.response.status_code": status,
                },
                "values": values,
                "timestamps": millis,
            })
            .to_string()
        });
        lines.collect::<Vec<_>>().join("\n")
    }
}

fn attribute(key: &str, value: &str) -> Value {
    json!({ "key": key, "value": { "stringValue": value } })
}
