//! Answers of the query API, read strictly.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::clients::http::quote;

/// Most series accepted in one answer. Protects memory from a query that groups by far too many labels; an SLO needs
/// a handful.
const MAX_SERIES: usize = 10_000;

/// Most warnings and notes kept of one answer.
const MAX_NOTES: usize = 10;

/// What the server answered, and how far it may be believed.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer<T> {
    /// The data.
    pub value: T,
    /// Why the data may be incomplete, in the server's words. Such data proves nothing, neither good nor bad.
    pub partial: Option<String>,
    /// Remarks on the expression; the data is complete.
    pub notes: Vec<String>,
}

/// One series at one time.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// All labels; none for a scalar.
    pub labels: BTreeMap<String, String>,
    /// The value. May be NaN or infinite.
    pub value: f64,
}

/// One series over time.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// All labels.
    pub labels: BTreeMap<String, String>,
    /// Times, strictly ascending, with their values. Values may be NaN or infinite.
    pub points: Vec<(DateTime<Utc>, f64)>,
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
pub(super) struct Body {
    status: Status,
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
enum Status {
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
    metric: BTreeMap<String, String>,
    value: Option<RawPoint>,
    histogram: Option<IgnoredAny>,
}

#[derive(Debug, Deserialize)]
struct RawSeries {
    #[serde(default)]
    metric: BTreeMap<String, String>,
    #[serde(default)]
    values: Vec<RawPoint>,
    #[serde(default)]
    histograms: Vec<IgnoredAny>,
}

/// Unix seconds and the value as text.
#[derive(Debug, Deserialize)]
struct RawPoint(f64, String);

impl Body {
    /// Reads an answer that came with a status of success.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, Unusable> {
        serde_json::from_slice(bytes).map_err(|error| malformed(error.to_string()))
    }

    pub(super) fn is_success(&self) -> bool {
        self.status == Status::Success
    }

    pub(super) fn into_words(self) -> Words {
        Words {
            kind: self.error_type,
            error: self.error,
        }
    }

    /// Reads a single number.
    pub(super) fn scalar(self) -> Result<Answer<f64>, Unusable> {
        self.answer(|data| match data {
            Data::Scalar(point) => point.value(),
            Data::Vector(_) | Data::Matrix(_) | Data::String(_) => Err(wrong_type(&data, "scalar")),
        })
    }

    /// Reads a vector, or a scalar as one sample without labels.
    pub(super) fn samples(self) -> Result<Answer<Vec<Sample>>, Unusable> {
        self.answer(|data| match data {
            Data::Vector(samples) => within_cap(samples)?
                .into_iter()
                .map(RawSample::sample)
                .collect(),
            Data::Scalar(point) => Ok(vec![Sample {
                labels: BTreeMap::new(),
                value: point.value()?,
            }]),
            Data::Matrix(_) | Data::String(_) => Err(wrong_type(&data, "vector or scalar")),
        })
    }

    /// Reads a matrix.
    pub(super) fn series(self) -> Result<Answer<Vec<Series>>, Unusable> {
        self.answer(|data| match data {
            Data::Matrix(series) => within_cap(series)?
                .into_iter()
                .map(RawSeries::series)
                .collect(),
            Data::Vector(_) | Data::Scalar(_) | Data::String(_) => Err(wrong_type(&data, "matrix")),
        })
    }

    fn answer<T>(
        self,
        read: impl FnOnce(Data) -> Result<T, Unusable>,
    ) -> Result<Answer<T>, Unusable> {
        let data = self.data.ok_or_else(|| malformed("no data".to_owned()))?;
        let (notes, mut doubts): (Vec<_>, Vec<_>) = self
            .warnings
            .into_iter()
            .flatten()
            .partition(|text| is_remark_on_the_expression(text));
        if self.is_partial == Some(true) {
            doubts.push("the server marks the answer as partial".to_owned());
        }
        doubts.truncate(MAX_NOTES);
        let notes = notes.into_iter().chain(self.infos.into_iter().flatten());
        Ok(Answer {
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
    fn time(&self) -> Result<DateTime<Utc>, Unusable> {
        time_from_seconds(self.0)
    }

    fn value(&self) -> Result<f64, Unusable> {
        let text = self.1.trim();
        text.parse()
            .map_err(|_| malformed(format!("{text:?} is not a number")))
    }
}

impl RawSample {
    fn sample(self) -> Result<Sample, Unusable> {
        let point = match (self.value, self.histogram) {
            (Some(point), None) => point,
            (_, Some(_)) => return Err(histogram()),
            (None, None) => return Err(malformed("a sample without a value".to_owned())),
        };
        point.time()?;
        Ok(Sample {
            labels: self.metric,
            value: point.value()?,
        })
    }
}

impl RawSeries {
    fn series(self) -> Result<Series, Unusable> {
        if !self.histograms.is_empty() {
            return Err(histogram());
        }
        let points = self
            .values
            .iter()
            .map(|point| Ok((point.time()?, point.value()?)))
            .collect::<Result<Vec<_>, Unusable>>()?;
        if !points.is_sorted_by(|(earlier, _), (later, _)| earlier < later) {
            return Err(malformed("points out of order".to_owned()));
        }
        Ok(Series {
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

/// Prometheus marks what it has to say about the expression; every other warning is about the data.
fn is_remark_on_the_expression(text: &str) -> bool {
    text.starts_with("PromQL info:") || text.starts_with("PromQL warning:")
}

fn within_cap<T>(series: Vec<T>) -> Result<Vec<T>, Unusable> {
    if series.len() > MAX_SERIES {
        return Err(Unusable::TooMany {
            found: series.len(),
            limit: MAX_SERIES,
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

    fn samples(json: &str) -> Result<Answer<Vec<Sample>>, Unusable> {
        Body::read(json.as_bytes())?.samples()
    }

    fn success(result_type: &str, result: &str) -> String {
        format!(
            r#"{{"status":"success","data":{{"resultType":"{result_type}","result":{result}}}}}"#
        )
    }

    fn reason<T: std::fmt::Debug>(result: Result<T, Unusable>) -> String {
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
        let one = success("vector", r#"[{"metric":{},"histogram":[1,{"count":"1"}]}]"#);
        assert!(reason(samples(&one)).contains("native histogram"));
        let many = success(
            "matrix",
            r#"[{"metric":{},"values":[[1,"1"]],"histograms":[[2,{}]]}]"#,
        );
        let body = Body::read(many.as_bytes()).expect("readable");
        assert!(reason(body.series()).contains("native histogram"));
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
        let body = Body::read(success("vector", "[]").as_bytes()).expect("readable");
        assert_eq!(reason(body.series()), "a vector instead of a matrix");
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
        let body = Body::read(json.as_bytes()).expect("readable");
        assert_eq!(reason(body.series()), "points out of order");
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
        let warned = with(r#""warnings":["store a is down","PromQL warning: x"]"#);
        assert_eq!(warned.partial.as_deref(), Some("store a is down"));
        assert_eq!(warned.notes, ["PromQL warning: x"]);
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
