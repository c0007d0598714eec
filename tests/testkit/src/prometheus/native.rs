//! Native histograms as Prometheus scrapes them: delimited protobuf, as far as one histogram needs it.
//!
//! Field numbers are those of `io.prometheus.client.MetricFamily`.

use super::counters::{Latencies, TYPICAL_SECONDS, at_most, total_seconds};

/// The content type that says so.
pub(crate) const CONTENT_TYPE: &str =
    "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited";

/// Resolution of the buckets: eight to a factor of two, so each is 9 % wider than the one before.
const SCHEMA: i64 = 3;

/// `MetricType.HISTOGRAM`.
const HISTOGRAM: u64 = 4;

/// One histogram with its labels.
#[derive(Debug)]
pub(crate) struct NativeHistogram {
    pub(crate) labels: Vec<(String, String)>,
    pub(crate) latencies: Latencies,
}

/// Writes a family of native histograms.
pub(crate) fn family(name: &str, histograms: &[NativeHistogram]) -> Vec<u8> {
    let mut message = Message::default();
    message.text(1, name);
    message.unsigned(3, HISTOGRAM);
    for histogram in histograms {
        message.nested(4, &metric(histogram));
    }
    let mut delimited = Message::default();
    delimited.varint(message.0.len() as u64);
    delimited.0.extend(message.0);
    delimited.0
}

fn metric(histogram: &NativeHistogram) -> Message {
    let mut metric = Message::default();
    for (name, value) in &histogram.labels {
        let mut pair = Message::default();
        pair.text(1, name);
        pair.text(2, value);
        metric.nested(1, &pair);
    }
    let latencies = &histogram.latencies;
    let mut body = Message::default();
    body.unsigned(1, at_most(latencies, f64::INFINITY));
    body.double(2, total_seconds(latencies));
    body.signed(5, SCHEMA);
    body.double(6, 1e-9);
    body.unsigned(7, 0);
    // Each bucket is a span of its own; a span says how far it is from the end of the one before.
    let (mut next, mut before) = (0, 0);
    for (requests, seconds) in latencies.iter().zip(TYPICAL_SECONDS) {
        let index = bucket_of(seconds);
        let mut span = Message::default();
        span.signed(1, index - next);
        span.unsigned(2, 1);
        body.nested(12, &span);
        next = index + 1;
        let count = *requests as i64;
        body.signed(13, count - before);
        before = count;
    }
    metric.nested(7, &body);
    metric
}

/// Returns the index of the bucket, which reaches from `2^((index - 1) / 8)` to `2^(index / 8)`.
fn bucket_of(seconds: f64) -> i64 {
    (seconds.log2() * f64::from(1 << SCHEMA)).ceil() as i64
}

#[derive(Debug, Default)]
struct Message(Vec<u8>);

impl Message {
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    fn unsigned(&mut self, field: u64, value: u64) {
        self.varint(field << 3);
        self.varint(value);
    }

    /// Zigzag: small numbers stay short on both sides of zero.
    fn signed(&mut self, field: u64, value: i64) {
        self.unsigned(field, ((value << 1) ^ (value >> 63)) as u64);
    }

    fn double(&mut self, field: u64, value: f64) {
        self.varint(field << 3 | 1);
        self.0.extend(value.to_le_bytes());
    }

    fn bytes(&mut self, field: u64, value: &[u8]) {
        self.varint(field << 3 | 2);
        self.varint(value.len() as u64);
        self.0.extend(value);
    }

    fn text(&mut self, field: u64, value: &str) {
        self.bytes(field, value.as_bytes());
    }

    fn nested(&mut self, field: u64, value: &Self) {
        self.bytes(field, &value.0);
    }
}
