//! Answers of the query API, read strictly.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::de::{self, IgnoredAny, Visitor};
use serde::{Deserialize, Deserializer};

use super::label_set::LabelSet;
use crate::clients::http::quote;

/// Most series accepted in one answer. Protects memory from a query that groups by far too many labels; an SLO needs
/// a handful.
pub(super) const MAX_SERIES: usize = 5_000;

/// How a server that has no field `infos` yet marks what it notes about an expression that it evaluated in full
/// (Prometheus 2.x). Whatever else stands among the warnings says that data may be missing, also what begins with
/// `PromQL warning:`: Prometheus 3 says so where it left out samples that do not fit together.
const REMARK: &str = "PromQL info:";

/// Most warnings and notes kept of one answer.
const MAX_NOTES: usize = 10;

/// What the server answered, and how far it may be believed.
#[derive(Debug, Clone, PartialEq)]
pub struct QueryAnswer<T> {
    /// The data.
    pub value: T,
    /// Why the data may be incomplete: the server's words, or that it speaks of other times than those asked for.
    /// Such data proves nothing, neither good nor bad.
    pub partial: Option<String>,
    /// Remarks on the expression; the data is complete.
    pub notes: Vec<String>,
}

/// One series at one time.
#[derive(Debug, Clone, PartialEq)]
pub struct InstantSample {
    /// All labels; none for a scalar.
    pub labels: LabelSet,
    /// The time of which it speaks, by the server's clock.
    pub at: DateTime<Utc>,
    /// The value. May be NaN or infinite.
    pub value: f64,
}

/// One series over time.
#[derive(Debug, Clone, PartialEq)]
pub struct RangeSeries {
    /// All labels.
    pub labels: LabelSet,
    /// Times, strictly ascending, with their values. Values may be NaN or infinite.
    pub points: Vec<(DateTime<Utc>, f64)>,
}

/// A native histogram at one time: what Prometheus keeps in the place of classic buckets, with buckets that grow by a
/// constant factor or, converted from classic ones, with any bounds.
#[derive(Debug, Clone, PartialEq)]
pub struct NativeHistogram {
    /// The time of which it speaks, by the server's clock.
    pub at: DateTime<Utc>,
    /// All observations.
    pub count: f64,
    /// Lower bound, upper bound and count of each bucket that is not empty. Bounds may be infinite.
    pub buckets: Vec<(f64, f64, f64)>,
}

/// Why an answer in JSON cannot be used.
#[derive(Debug)]
pub(super) enum Unusable {
    /// It is not what the API promises; the reason may quote the answer.
    Malformed(String),
    /// It holds more series than accepted.
    TooMany { found: usize, limit: usize },
}

/// A whole answer of the query API.
#[derive(Debug, Deserialize)]
pub(super) struct QueryBody {
    status: AnswerStatus,
    data: Option<Data>,
    #[serde(rename = "errorType")]
    error_type: Option<String>,
    error: Option<String>,
    warnings: Option<Vec<String>>,
    infos: Option<Vec<String>>,
    #[serde(rename = "isPartial")]
    is_partial: Option<bool>,
}

/// Why the server refuses, in its own words. Data that comes along is not read.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Words {
    #[serde(rename = "errorType")]
    pub(super) kind: Option<String>,
    pub(super) error: Option<String>,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum AnswerStatus {
    Success,
    Error,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "resultType", content = "result", rename_all = "lowercase")]
enum Data {
    Vector(Vec<RawSample>),
    Matrix(Vec<RawSeries>),
    Scalar(RawPoint),
    String(IgnoredAny),
}

#[derive(Debug, Deserialize)]
struct RawSample {
    #[serde(default)]
    metric: LabelSet,
    value: Option<RawPoint>,
    histogram: Option<RawHistogram>,
}

#[derive(Debug, Deserialize)]
struct RawSeries {
    #[serde(default)]
    metric: LabelSet,
    #[serde(default)]
    values: Vec<RawPoint>,
    #[serde(default)]
    histograms: Vec<RawHistogram>,
}

/// Unix seconds and the value.
#[derive(Debug, Deserialize)]
struct RawPoint(f64, Number);

/// A number that is sent as text, because JSON has neither NaN nor infinities.
#[derive(Debug, Clone, Copy)]
struct Number(f64);

/// Unix seconds and the histogram.
#[derive(Debug, Deserialize)]
struct RawHistogram(f64, RawBuckets);

#[derive(Debug, Deserialize)]
struct RawBuckets {
    count: Number,
    /// Which bounds belong to the bucket, its two bounds, and its count.
    #[serde(default)]
    buckets: Vec<(IgnoredAny, Number, Number, Number)>,
}

impl QueryBody {
    /// Reads an answer that came with a status of success.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, Unusable> {
        serde_json::from_slice(bytes).map_err(|error| malformed(error.to_string()))
    }

    pub(super) fn is_success(&self) -> bool {
        self.status == AnswerStatus::Success
    }

    pub(super) fn into_words(self) -> Words {
        Words {
            kind: self.error_type,
            error: self.error,
        }
    }

    /// Reads a vector of at most so many series, or a scalar as one sample without labels.
    pub(super) fn samples(self, most: usize) -> Result<QueryAnswer<Vec<InstantSample>>, Unusable> {
        self.answer(|data| match data {
            Data::Vector(samples) => within(samples, most)?
                .into_iter()
                .map(RawSample::sample)
                .collect(),
            Data::Scalar(point) => {
                let (at, value) = point.read()?;
                Ok(vec![InstantSample {
                    labels: LabelSet::default(),
                    at,
                    value,
                }])
            }
            Data::Matrix(_) | Data::String(_) => Err(wrong_type(&data, "vector or scalar")),
        })
    }

    /// Reads a matrix of at most so many series.
    pub(super) fn series(self, most: usize) -> Result<QueryAnswer<Vec<RangeSeries>>, Unusable> {
        self.answer(|data| match data {
            Data::Matrix(series) => within(series, most)?
                .into_iter()
                .map(RawSeries::series)
                .collect(),
            Data::Vector(_) | Data::Scalar(_) | Data::String(_) => Err(wrong_type(&data, "matrix")),
        })
    }

    /// Reads the native histograms of a vector or a matrix whose series were summed into one, in order of time.
    pub(super) fn histograms(self) -> Result<QueryAnswer<Vec<NativeHistogram>>, Unusable> {
        self.answer(|data| {
            let (histograms, floats) = match data {
                Data::Vector(samples) => within_one(samples)?.into_iter().fold(
                    (Vec::new(), 0),
                    |(mut histograms, floats), sample| {
                        histograms.extend(sample.histogram);
                        (histograms, floats + usize::from(sample.value.is_some()))
                    },
                ),
                Data::Matrix(series) => within_one(series)?.into_iter().fold(
                    (Vec::new(), 0),
                    |(mut histograms, floats), series| {
                        histograms.extend(series.histograms);
                        (histograms, floats + series.values.len())
                    },
                ),
                Data::Scalar(_) | Data::String(_) => {
                    return Err(wrong_type(&data, "vector or matrix"));
                }
            };
            if floats > 0 {
                return Err(malformed("numbers instead of native histograms".to_owned()));
            }
            histograms.into_iter().map(RawHistogram::read).collect()
        })
    }

    fn answer<T>(
        self,
        read: impl FnOnce(Data) -> Result<T, Unusable>,
    ) -> Result<QueryAnswer<T>, Unusable> {
        let data = self.data.ok_or_else(|| malformed("no data".to_owned()))?;
        let (notes, mut doubts): (Vec<_>, Vec<_>) = self
            .warnings
            .into_iter()
            .flatten()
            .partition(|text| text.starts_with(REMARK));
        if self.is_partial == Some(true) {
            doubts.push("the server marks the answer as partial".to_owned());
        }
        doubts.truncate(MAX_NOTES);
        let notes = notes.into_iter().chain(self.infos.into_iter().flatten());
        Ok(QueryAnswer {
            value: read(data)?,
            partial: (!doubts.is_empty()).then(|| quote(doubts.join("; ").as_bytes())),
            notes: notes
                .take(MAX_NOTES)
                .map(|text| quote(text.as_bytes()))
                .collect(),
        })
    }
}

impl Words {
    /// Reads what the server says; an unreadable answer has no words.
    pub(super) fn read(bytes: &[u8]) -> Self {
        serde_json::from_slice(bytes).unwrap_or_default()
    }
}

impl RawPoint {
    fn read(&self) -> Result<(DateTime<Utc>, f64), Unusable> {
        Ok((time_from_seconds(self.0)?, self.1.0))
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Read in place: answers about many services hold tens of thousands of them.
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Number;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("a number as text")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Number, E> {
                let number = text.trim().parse().map(Number);
                number.map_err(|_| E::custom(format_args!("{text:?} is not a number")))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

/// Refuses several series where all were summed into one.
fn within_one<T>(series: Vec<T>) -> Result<Vec<T>, Unusable> {
    match series.len() {
        0 | 1 => Ok(series),
        several => Err(malformed(format!(
            "{several} series of histograms instead of their sum"
        ))),
    }
}

impl RawHistogram {
    fn read(self) -> Result<NativeHistogram, Unusable> {
        let Self(at, RawBuckets { count, buckets }) = self;
        Ok(NativeHistogram {
            at: time_from_seconds(at)?,
            count: count.0,
            buckets: buckets
                .into_iter()
                .map(|(_, lower, upper, count)| (lower.0, upper.0, count.0))
                .collect(),
        })
    }
}

impl RawSample {
    fn sample(self) -> Result<InstantSample, Unusable> {
        let point = match (self.value, self.histogram) {
            (Some(point), None) => point,
            (_, Some(_)) => return Err(histogram()),
            (None, None) => return Err(malformed("a sample without a value".to_owned())),
        };
        let (at, value) = point.read()?;
        Ok(InstantSample {
            labels: self.metric,
            at,
            value,
        })
    }
}

impl RawSeries {
    fn series(self) -> Result<RangeSeries, Unusable> {
        if !self.histograms.is_empty() {
            return Err(histogram());
        }
        let points = self
            .values
            .iter()
            .map(RawPoint::read)
            .collect::<Result<Vec<_>, Unusable>>()?;
        if !points.is_sorted_by(|(earlier, _), (later, _)| earlier < later) {
            return Err(malformed("points out of order".to_owned()));
        }
        Ok(RangeSeries {
            labels: self.metric,
            points,
        })
    }
}

/// Converts unix seconds to a time, to the millisecond.
pub(super) fn time_from_seconds(seconds: f64) -> Result<DateTime<Utc>, Unusable> {
    let millis = (seconds * 1000.0).round();
    // A cast of a float saturates and turns NaN into 0, so the range is checked first.
    let time = (millis.abs() < 1e15).then(|| DateTime::from_timestamp_millis(millis as i64));
    time.flatten()
        .ok_or_else(|| malformed(format!("{seconds} is not a time")))
}

fn within<T>(series: Vec<T>, most: usize) -> Result<Vec<T>, Unusable> {
    if series.len() > most {
        return Err(Unusable::TooMany {
            found: series.len(),
            limit: most,
        });
    }
    Ok(series)
}

fn wrong_type(data: &Data, wanted: &str) -> Unusable {
    let got = match data {
        Data::Vector(_) => "vector",
        Data::Matrix(_) => "matrix",
        Data::Scalar(_) => "scalar",
        Data::String(_) => "string",
    };
    malformed(format!("a {got} instead of a {wanted}"))
}

fn histogram() -> Unusable {
    malformed("a native histogram, which has no single value".to_owned())
}

fn malformed(reason: String) -> Unusable {
    Unusable::Malformed(reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(json: &str) -> Result<QueryAnswer<Vec<InstantSample>>, Unusable> {
        QueryBody::read(json.as_bytes())?.samples(MAX_SERIES)
    }

    fn success(result_type: &str, result: &str) -> String {
        format!(
            r#"{{"status":"success","data":{{"resultType":"{result_type}","result":{result}}}}}"#
        )
    }

    fn reason<T: fmt::Debug>(result: Result<T, Unusable>) -> String {
        match result.expect_err("an unusable answer") {
            Unusable::Malformed(reason) => reason,
            Unusable::TooMany { found, limit } => format!("{found} > {limit}"),
        }
    }

    #[test]
    fn reads_every_spelling_of_a_number() {
        for (text, expected) in [
            ("1", 1.0),
            (" 2.5 ", 2.5),
            ("1e-3", 0.001),
            ("+Inf", f64::INFINITY),
            ("-Inf", f64::NEG_INFINITY),
        ] {
            let json = success(
                "vector",
                &format!(r#"[{{"metric":{{}},"value":[1,"{text}"]}}]"#),
            );
            assert_eq!(
                samples(&json).expect("readable").value[0].value,
                expected,
                "{text}"
            );
        }
        let json = success("scalar", r#"[1435781451.781,"NaN"]"#);
        assert!(samples(&json).expect("readable").value[0].value.is_nan());
    }

    #[test]
    fn refuses_what_is_not_a_number_at_a_time() {
        for result in [
            r#"[{"metric":{},"value":[1,""]}]"#,
            r#"[{"metric":{},"value":[1,"one"]}]"#,
            r#"[{"metric":{},"value":[1,2]}]"#,
            r#"[{"metric":{},"value":[1e300,"2"]}]"#,
            r#"[{"metric":{},"value":[1]}]"#,
            r#"[{"metric":{}}]"#,
            r#"[{"metric":{"a":1},"value":[1,"2"]}]"#,
            r#"[null]"#,
        ] {
            assert!(samples(&success("vector", result)).is_err(), "{result}");
        }
    }

    #[test]
    fn refuses_native_histograms_by_name() {
        let one = success(
            "vector",
            r#"[{"metric":{},"histogram":[1,{"count":"1","sum":"1"}]}]"#,
        );
        assert!(reason(samples(&one)).contains("native histogram"));
        let many = success(
            "matrix",
            r#"[{"metric":{},"values":[[1,"1"]],"histograms":[[2,{"count":"1","sum":"1"}]]}]"#,
        );
        let body = QueryBody::read(many.as_bytes()).expect("readable");
        assert!(reason(body.series(MAX_SERIES)).contains("native histogram"));
    }

    #[test]
    fn reads_native_histograms_with_their_buckets() {
        let read = |json: &str| {
            QueryBody::read(json.as_bytes())
                .expect("readable")
                .histograms()
        };
        let one = r#"{"count":"7","sum":"3.5","buckets":[[3,"-0.001","0.001","2"],[0,"0.5","+Inf","5"]]}"#;
        let expected = NativeHistogram {
            at: DateTime::UNIX_EPOCH + chrono::TimeDelta::seconds(2),
            count: 7.0,
            buckets: vec![(-0.001, 0.001, 2.0), (0.5, f64::INFINITY, 5.0)],
        };
        for (kind, field) in [
            ("vector", format!(r#""histogram":[2,{one}]"#)),
            ("matrix", format!(r#""histograms":[[2,{one}]]"#)),
        ] {
            let answer = read(&success(kind, &format!(r#"[{{"metric":{{}},{field}}}]"#)));
            assert_eq!(
                answer.expect("readable").value,
                std::slice::from_ref(&expected),
                "{kind}"
            );
            let none = read(&success(kind, "[]")).expect("readable");
            assert_eq!(none.value, [], "{kind}");
        }
        let floats = read(&success("vector", r#"[{"metric":{},"value":[1,"1"]}]"#));
        assert!(reason(floats).contains("numbers instead of native"));
        let two = r#"[{"metric":{"a":"1"},"histograms":[]},{"metric":{},"histograms":[]}]"#;
        assert!(reason(read(&success("matrix", two))).contains("2 series"));
        let wrong = r#"[{"metric":{},"histogram":[1,{"count":"x","sum":"1"}]}]"#;
        let read = QueryBody::read(success("vector", wrong).as_bytes());
        let refused = reason(read.and_then(QueryBody::histograms));
        assert!(refused.contains("\"x\" is not a number"), "{refused}");
    }

    #[test]
    fn refuses_another_type_than_asked_for() {
        assert_eq!(
            reason(samples(&success("matrix", "[]"))),
            "a matrix instead of a vector or scalar"
        );
        assert_eq!(
            reason(samples(&success("string", r#"[1,"x"]"#))),
            "a string instead of a vector or scalar"
        );
        let body = QueryBody::read(success("vector", "[]").as_bytes()).expect("readable");
        assert_eq!(
            reason(body.series(MAX_SERIES)),
            "a vector instead of a matrix"
        );
        assert!(reason(samples(&success("streams", "[]"))).contains("streams"));
    }

    #[test]
    fn refuses_success_without_data() {
        assert_eq!(reason(samples(r#"{"status":"success"}"#)), "no data");
        assert!(
            samples(r#"{"status":"fine","data":{"resultType":"vector","result":[]}}"#).is_err()
        );
        assert!(samples("[]").is_err());
    }

    #[test]
    fn refuses_points_out_of_order() {
        let json = success("matrix", r#"[{"metric":{},"values":[[2,"1"],[2,"1"]]}]"#);
        let body = QueryBody::read(json.as_bytes()).expect("readable");
        assert_eq!(reason(body.series(MAX_SERIES)), "points out of order");
    }

    #[test]
    fn tells_warnings_about_data_from_remarks_on_the_expression() {
        let with = |extra: &str| {
            let json = format!(
                r#"{{"status":"success","data":{{"resultType":"vector","result":[]}},{extra}}}"#
            );
            samples(&json).expect("readable")
        };
        let remark =
            with(r#""warnings":["PromQL info: metric might not be a counter"],"infos":["i"]"#);
        assert_eq!(remark.partial, None);
        assert_eq!(
            remark.notes,
            ["PromQL info: metric might not be a counter", "i"]
        );
        for text in [
            "store a is down",
            "PromQL warning: encountered a mix of histograms and floats for aggregation",
            "PromQL",
        ] {
            let warned = with(&format!(
                r#""warnings":["{text}","PromQL info: y"],"infos":["x"]"#
            ));
            assert_eq!(warned.partial.as_deref(), Some(text));
            assert_eq!(warned.notes, ["PromQL info: y", "x"]);
        }
        assert!(with(r#""isPartial":true"#).partial.is_some());
        assert_eq!(with(r#""isPartial":false,"warnings":null"#).partial, None);
        // A blank warning still is one.
        assert!(with(r#""warnings":[""]"#).partial.is_some());
    }

    #[test]
    fn reads_times_to_the_millisecond() {
        let time = time_from_seconds(1435781451.781).expect("a time");
        assert_eq!(time.timestamp_millis(), 1_435_781_451_781);
        for absurd in [f64::NAN, f64::INFINITY, 1e18, -1e18] {
            assert!(time_from_seconds(absurd).is_err(), "{absurd}");
        }
    }
}
