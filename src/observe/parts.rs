//! From the answers of Prometheus to readings.

use super::combined::PART;
use crate::clients::prometheus::{InstantSample, PrometheusError, QueryAnswer, QueryFault};
use crate::slo::{Events, Reading};

/// What to do about counts that cannot be.
const LOOK_AT_THE_SERIES: &str = "; look at the query and its series in Prometheus";

/// A question that the server refused while it goes on answering others.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Refusal {
    pub(super) fault: QueryFault,
    pub(super) why: String,
}

/// Tells a refusal of this one question from a failure that ends all asking.
pub(super) fn asked<T>(
    result: Result<T, PrometheusError>,
) -> Result<Result<T, Refusal>, PrometheusError> {
    match result {
        Ok(answer) => Ok(Ok(answer)),
        Err(error) => match error.query_fault() {
            Some(fault) => Ok(Err(Refusal {
                fault,
                why: error.to_string(),
            })),
            None => Err(error),
        },
    }
}

impl Refusal {
    /// Returns the reading of what was asked.
    pub(super) fn reading<T>(self) -> Reading<T> {
        Reading::Refused { why: self.why }
    }
}

/// One quantity of a combined answer.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Quantity {
    /// No series.
    Absent,
    /// Exactly one finite number.
    Number(f64),
    /// Something else.
    Invalid(String),
}

/// The quantities of a combined answer.
#[derive(Debug, Clone, Default)]
pub(super) struct Parts {
    /// By the name of the quantity.
    samples: Vec<InstantSample>,
    doubt: Option<AnswerDoubt>,
}

/// Why nothing of an answer may be believed.
#[derive(Debug, Clone)]
enum AnswerDoubt {
    Partial(String),
    Refused(Refusal),
}

impl AnswerDoubt {
    fn reading<T>(&self) -> Reading<T> {
        match self {
            Self::Partial(why) => Reading::Partial { why: why.clone() },
            Self::Refused(refusal) => refusal.clone().reading(),
        }
    }
}

impl Parts {
    /// Sorts the samples of a combined answer.
    pub(super) fn of(answer: QueryAnswer<Vec<InstantSample>>) -> Self {
        let mut samples = answer.value;
        samples.sort_by(|one, other| name(one).cmp(name(other)));
        Self {
            samples,
            doubt: answer.partial.map(AnswerDoubt::Partial),
        }
    }

    /// Sorts the samples of a combined answer, or keeps why there is none.
    pub(super) fn of_asked(asked: Result<QueryAnswer<Vec<InstantSample>>, Refusal>) -> Self {
        match asked {
            Ok(answer) => Self::of(answer),
            Err(refusal) => Self {
                samples: Vec::new(),
                doubt: Some(AnswerDoubt::Refused(refusal)),
            },
        }
    }

    /// Says why the answer as a whole may not be believed, where it was refused or is partial.
    pub(super) fn why_doubtful(&self) -> Option<String> {
        self.doubt.as_ref()?.reading::<()>().why_unknown()
    }

    /// Returns how the question was refused, if it was.
    pub(super) fn refusal(&self) -> Option<&Refusal> {
        match &self.doubt {
            Some(AnswerDoubt::Refused(refusal)) => Some(refusal),
            Some(AnswerDoubt::Partial(_)) | None => None,
        }
    }

    /// Returns what the server says is missing, if anything is.
    pub(super) fn partial(&self) -> Option<&str> {
        match &self.doubt {
            Some(AnswerDoubt::Partial(why)) => Some(why),
            Some(AnswerDoubt::Refused(_)) | None => None,
        }
    }

    /// Returns the samples of one name, which may be several.
    pub(super) fn samples(&self, quantity: &str) -> &[InstantSample] {
        let begin = self.samples.partition_point(|it| name(it) < quantity);
        let of_it = &self.samples[begin..];
        &of_it[..of_it.partition_point(|it| name(it) == quantity)]
    }

    /// Returns one quantity.
    pub(super) fn quantity(&self, name: &str) -> Quantity {
        match self.samples(name) {
            [] => Quantity::Absent,
            [sample] if sample.value.is_finite() => Quantity::Number(sample.value),
            [sample] => Quantity::Invalid(format!(
                "the answer is {}, not a number{LOOK_AT_THE_SERIES}",
                sample.value
            )),
            samples => Quantity::Invalid(too_many(samples.len())),
        }
    }

    /// Returns one quantity as a reading; absent means that no series matched.
    pub(super) fn number(&self, name: &str) -> Reading<f64> {
        if let Some(doubt) = &self.doubt {
            return doubt.reading();
        }
        match self.quantity(name) {
            Quantity::Absent => Reading::NoSeries,
            Quantity::Number(value) => Reading::Measured(value),
            Quantity::Invalid(why) => Reading::Invalid { why },
        }
    }

    /// Returns the events of two quantities of this answer.
    pub(super) fn events(&self, bad: &str, total: &str) -> Reading<Events> {
        events(self, bad, self, total)
    }
}

/// Returns the name of the quantity of which a sample is.
fn name(sample: &InstantSample) -> &str {
    sample.labels.get(PART).map_or("", String::as_str)
}

/// Returns the events of two quantities. The total decides: absent means no series, 0 means no traffic, and only with
/// traffic does an absent bad count mean that nothing was bad.
pub(super) fn events(bads: &Parts, bad: &str, totals: &Parts, total: &str) -> Reading<Events> {
    let refused = totals.refusal().or(bads.refusal());
    if let Some(refusal) = refused {
        return refusal.clone().reading();
    }
    if let Some(doubt) = totals.doubt.as_ref().or(bads.doubt.as_ref()) {
        return doubt.reading();
    }
    count(bads.quantity(bad), totals.quantity(total))
}

/// Returns the events that two quantities mean; see [`events`].
pub(super) fn count(bad: Quantity, total: Quantity) -> Reading<Events> {
    let total = match total {
        Quantity::Absent => return Reading::NoSeries,
        Quantity::Invalid(why) => return Reading::Invalid { why },
        Quantity::Number(total) => total,
    };
    let bad = match bad {
        Quantity::Absent => None,
        Quantity::Invalid(why) => return Reading::Invalid { why },
        Quantity::Number(bad) => Some(bad),
    };
    if total < 0.0 || bad.is_some_and(|bad| bad < 0.0) {
        return Reading::Invalid {
            why: format!("a number of events is negative{LOOK_AT_THE_SERIES}"),
        };
    }
    if total == 0.0 {
        return if bad.is_some_and(|bad| bad > 0.0) {
            Reading::Invalid {
                why: format!("bad events were counted, but no events at all{LOOK_AT_THE_SERIES}"),
            }
        } else {
            Reading::NoTraffic
        };
    }
    match Events::from_increase(bad, total) {
        Some(events) => Reading::Measured(events),
        None => Reading::Invalid {
            why: wrong_counts(bad.unwrap_or_default(), total),
        },
    }
}

/// Says that more events were bad than there were, where that is so by more than extrapolation explains.
pub(super) fn contradiction(bad: f64, total: f64) -> Option<String> {
    let are_counts = bad.is_finite() && total.is_finite() && bad > 0.0 && total > 0.0;
    let contradict = are_counts && Events::from_increase(Some(bad), total).is_none();
    contradict.then(|| wrong_counts(bad, total))
}

fn wrong_counts(bad: f64, total: f64) -> String {
    format!(
        "{bad:.0} bad events were counted of {total:.0} in all, more than the scrapes explain, so one of the counts is \
         wrong{LOOK_AT_THE_SERIES}"
    )
}

pub(super) fn several<T>(found: usize) -> Reading<T> {
    Reading::Invalid {
        why: too_many(found),
    }
}

fn too_many(found: usize) -> String {
    format!("{found} series answered where one is expected; sum them in the query")
}

pub(super) fn number(value: Option<f64>) -> Quantity {
    match value {
        None => Quantity::Absent,
        Some(value) if value.is_finite() => Quantity::Number(value),
        Some(value) => Quantity::Invalid(value.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::DateTime;
    use proptest::prelude::*;

    fn sample(part: &str, value: f64) -> InstantSample {
        InstantSample {
            labels: [(PART.to_owned(), part.to_owned())].into(),
            at: DateTime::UNIX_EPOCH,
            value,
        }
    }

    fn parts(samples: &[(&str, f64)]) -> Parts {
        Parts::of(QueryAnswer {
            value: samples
                .iter()
                .map(|(part, value)| sample(part, *value))
                .collect(),
            partial: None,
            notes: Vec::new(),
        })
    }

    #[test]
    fn the_total_decides_what_an_empty_answer_means() {
        let measured =
            |bad, total| Reading::Measured(Events::new(bad, total).expect("a valid count"));
        for (samples, expected) in [
            (vec![("total", 100.0), ("bad", 3.0)], measured(3.0, 100.0)),
            (vec![("total", 100.0)], measured(0.0, 100.0)),
            (vec![("total", 0.0)], Reading::NoTraffic),
            (vec![("total", 0.0), ("bad", 0.0)], Reading::NoTraffic),
            (vec![], Reading::NoSeries),
            (vec![("bad", 3.0)], Reading::NoSeries),
        ] {
            assert_eq!(
                parts(&samples).events("bad", "total"),
                expected,
                "{samples:?}"
            );
        }
    }

    #[test]
    fn contradictions_and_non_numbers_are_never_a_count() {
        for samples in [
            vec![("total", f64::NAN)],
            vec![("total", f64::INFINITY)],
            vec![("total", 10.0), ("bad", f64::NAN)],
            vec![("total", 10.0), ("total", 11.0)],
            vec![("total", 10.0), ("bad", 1.0), ("bad", 1.0)],
            vec![("total", 0.0), ("bad", 1.0)],
            vec![("total", 100.0), ("bad", 113.0)],
            vec![("total", -1.0)],
        ] {
            let reading = parts(&samples).events("bad", "total");
            assert!(
                matches!(reading, Reading::Invalid { .. }),
                "{samples:?} gave {reading:?}"
            );
        }
    }

    #[test]
    fn a_partial_answer_is_partial_in_every_quantity() {
        let mut answer = parts(&[("total", 100.0), ("bad", 50.0)]);
        answer.doubt = Some(AnswerDoubt::Partial("a store did not answer".to_owned()));
        assert!(matches!(
            answer.events("bad", "total"),
            Reading::Partial { .. }
        ));
        assert!(matches!(answer.number("total"), Reading::Partial { .. }));
    }

    proptest! {
        #[test]
        fn the_order_of_samples_says_nothing(
            samples in Just(vec![("m5_total", 90.0), ("m5_bad", 9.0), ("h1_total", 500.0), ("h1_bad", 20.0)])
                .prop_shuffle(),
        ) {
            let parts = parts(&samples);
            let counted = |bad, total| Reading::Measured(Events::new(bad, total).expect("a count"));
            prop_assert_eq!(parts.events("m5_bad", "m5_total"), counted(9.0, 90.0));
            prop_assert_eq!(parts.events("h1_bad", "h1_total"), counted(20.0, 500.0));
        }
    }
}
