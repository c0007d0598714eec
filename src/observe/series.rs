//! The series of one service in one family, and the queries that are made of them.
//!
//! Names from outside get into a query only through the functions of
//! [`promql`](crate::clients::prometheus::promql).

use std::collections::BTreeSet;
use std::time::Duration;

use super::families::{
    Addressing, Counter, Dots, FamilyRow, Labels, NamesAsLabels, Naming, OutcomeLabel, PROBES, Pod,
    Side, table,
};
use super::queries::Workload;
use crate::clients::prometheus::promql::{range_seconds, regex_escape, string_literal};
use crate::config::{Buckets, MetricsFamily};

/// How far back a call is looked for that proves what a server tells apart.
const PROOF_RANGE: Duration = Duration::from_secs(6 * 3600);

/// Most values of an unknown form that are named.
const NAMED_FORMS: usize = 3;

/// What the first answer of a pass says about how a service is counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SeenForm {
    /// Which of the family's forms has series; the first where none has.
    pub(super) form: usize,
    /// Whether Flagger serves it under further names.
    pub(super) has_primary: bool,
    /// Whether the server is known to tell apart what the family is in doubt about.
    pub(super) is_proven: bool,
    /// Whether events that native histograms should count are counted beside classic ones, because the server holds
    /// no native ones of the service, as VictoriaMetrics never does.
    pub(super) is_classic: bool,
    /// Which labels of outcomes and routes, in their order, no series has; a bit for each. Asking for fewer keeps a
    /// query short: VictoriaMetrics refuses one of more than 16 KiB.
    pub(super) lacks: u16,
}

/// The series of one service in one form of a family.
#[derive(Clone)]
pub(super) struct Series {
    family: &'static FamilyRow,
    form: Form,
    /// Matchers that name the service, as a selector could.
    service: String,
    /// These, and those of the side.
    named: String,
    /// Matchers that every query carries: these, and those that leave out what nobody asked for.
    matchers: String,
    outcomes: Vec<&'static OutcomeLabel>,
    is_proven: bool,
    buckets: Buckets,
    /// Whether the events are counted by native histograms.
    is_native: bool,
    /// The labels by which the series of several services are told apart; nothing where there is one service.
    apart: Option<Apart>,
}

/// The two labels that name a service: that of its namespace and that of its own name.
pub(super) type Apart = (&'static str, &'static str);

/// One naming with one way of naming the service and one side. A selector takes the place of the way.
#[derive(Clone, Copy)]
struct Form {
    naming: &'static Naming,
    way: Option<&'static Addressing>,
    side: &'static Side,
}

impl Form {
    /// Lists the forms of a family in their order.
    fn all(family: &'static FamilyRow, has_selector: bool) -> Vec<Self> {
        let ways: Vec<Option<&'static Addressing>> = if has_selector {
            vec![None]
        } else {
            family.ways.iter().map(Some).collect()
        };
        let goes_with = |naming: &Naming, dots: Dots| match dots {
            Dots::Without => !naming.has_dots,
            Dots::Either => true,
            Dots::With => naming.has_dots,
        };
        let mut forms = Vec::new();
        for naming in family.namings {
            for way in &ways {
                if way.is_none_or(|way| goes_with(naming, way.dots)) {
                    forms.extend(family.sides.iter().map(|side| Self {
                        naming,
                        way: *way,
                        side,
                    }));
                }
            }
        }
        forms
    }

    /// Tells whether its matchers name labels with dots, which not every server can read.
    fn has_quotes(self) -> bool {
        self.way.is_some_and(|way| way.dots == Dots::With)
    }
}

impl std::fmt::Debug for Series {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Series")
            .field("events", &self.events(&[]))
            .field("buckets", &self.buckets)
            .finish()
    }
}

impl Series {
    /// `selector` takes the place of the family's own matchers for the service; the matchers of its side stay.
    pub(super) fn new(
        family: MetricsFamily,
        workload: &Workload,
        selector: Option<&str>,
        buckets: Buckets,
        seen: SeenForm,
    ) -> Self {
        let family = table(family);
        let forms = Form::all(family, selector.is_some());
        let form = forms.get(seen.form).or(forms.first());
        let form = *form.expect("every family has a form");
        let names = NamesAsLabels {
            namespace: &workload.namespace,
            service: &workload.service,
            has_primary: seen.has_primary,
        };
        let service = match (selector, form.way) {
            (Some(selector), _) => selector.to_owned(),
            (None, Some(way)) => way.named(&names),
            (None, None) => String::new(),
        };
        let named = joined([service.as_str(), form.side.matcher]);
        let labels = form.naming.outcomes.len();
        let has = |label: usize| seen.lacks >> label & 1 == 0;
        let mut outcomes: Vec<&OutcomeLabel> = form.naming.outcomes.iter().collect();
        if (0..labels).any(has) {
            outcomes = outcomes
                .into_iter()
                .enumerate()
                .filter_map(|(label, outcome)| has(label).then_some(outcome))
                .collect();
        }
        let probed = form.naming.probed.iter().enumerate();
        let probes: Vec<String> = probed
            .filter(|(label, _)| has(labels + label))
            .map(|(_, label)| format!("{label}!~\"{PROBES}\""))
            .collect();
        Self {
            family,
            form,
            matchers: joined([
                named.as_str(),
                form.naming.leaves_out,
                probes.join(",").as_str(),
            ]),
            outcomes,
            service,
            named,
            is_proven: seen.is_proven,
            is_native: is_native_counter(form.naming, &buckets) && !seen.is_classic,
            buckets,
            apart: None,
        }
    }

    /// The series of several services at once, where two labels tell them apart. Names are compared one by one, so
    /// series of a service that nobody asked for may be among them.
    pub(super) fn of_several(
        family: MetricsFamily,
        workloads: &[&Workload],
        buckets: Buckets,
        seen: SeenForm,
    ) -> Option<Self> {
        let first = workloads.first()?;
        let one = Self::new(family, first, None, buckets, seen);
        let Labels::Apart { namespace, service } = one.form.way?.labels else {
            return None;
        };
        // What Flagger serves has several names, labels with dots need quotes, and native histograms are read one by one.
        if seen.has_primary || one.has_quotes() || one.has_native_latency() {
            return None;
        }
        let one_of = |label: &str, name: fn(&Workload) -> &str| {
            let names: BTreeSet<&str> = workloads.iter().map(|workload| name(workload)).collect();
            let names: Vec<String> = names.into_iter().map(regex_escape).collect();
            format!("{label}=~{}", string_literal(&names.join("|")))
        };
        let several = format!(
            "{},{}",
            one_of(namespace, |workload| &workload.namespace),
            one_of(service, |workload| &workload.service)
        );
        // The matchers of the service come first in both.
        let renamed = |text: &str| match text.strip_prefix(one.service.as_str()) {
            Some(rest) => format!("{several}{rest}"),
            None => text.to_owned(),
        };
        Some(Self {
            named: renamed(&one.named),
            matchers: renamed(&one.matchers),
            service: several,
            apart: Some((namespace, service)),
            ..one
        })
    }

    /// The labels by which several services are told apart.
    pub(super) fn apart(&self) -> Option<Apart> {
        self.apart
    }

    /// What an aggregation keeps: nothing more, or the labels by which several services are told apart.
    pub(super) fn by(&self) -> String {
        self.by_also(&[])
    }

    /// The same, and further labels.
    pub(super) fn by_also(&self, more: &[&str]) -> String {
        let mut labels = more.to_vec();
        if let Some((namespace, service)) = self.apart {
            labels.extend([namespace, service]);
        }
        match labels.is_empty() {
            true => String::new(),
            false => format!(" by ({})", labels.join(",")),
        }
    }

    /// The metric that counts the events.
    pub(super) fn metric(&self) -> String {
        let naming = self.form.naming;
        match naming.events {
            Counter::Named(name) => name.to_owned(),
            Counter::Latency if self.is_native => naming.latency.to_owned(),
            Counter::Latency => format!("{}_count", naming.latency),
        }
    }

    /// The series that count the events, with further matchers.
    pub(super) fn events(&self, more: &[&str]) -> String {
        let matchers = [self.matchers.as_str()];
        selector(
            &self.metric(),
            &joined(matchers.iter().chain(more).copied()),
        )
    }

    /// The newest sample of each series that had one within `range` before a moment so long ago.
    pub(super) fn seen(&self, range: Duration, ago: Option<Duration>) -> String {
        // No server takes an offset of nothing.
        let offset = ago.filter(|ago| !ago.is_zero());
        let offset = offset.map(|ago| format!(" offset {}ms", ago.as_millis()));
        format!(
            "last_over_time({}[{}]{})",
            self.events(&[]),
            range_seconds(range),
            offset.unwrap_or_default()
        )
    }

    /// The events of each series in a window that ends now, of those whose outcome is known.
    pub(super) fn all(&self, window: Duration) -> String {
        self.judged(window, |outcome| outcome.known)
    }

    /// The bad events of each series in a window that ends now.
    pub(super) fn bad(&self, window: Duration) -> String {
        self.judged(window, |outcome| outcome.bad)
    }

    fn judged(&self, window: Duration, values: impl Fn(&OutcomeLabel) -> &'static str) -> String {
        let others = match self.family.doubt {
            Some(doubt) if !self.is_proven => doubt.others,
            Some(_) | None => "",
        };
        // `or` keeps one of two equal label sets, so a series that matches twice counts once.
        let alternatives: Vec<String> = self
            .outcomes
            .iter()
            .map(|outcome| {
                let is = format!("{}=~\"{}\"", outcome.label, values(outcome));
                self.increase(&[&is, outcome.only, others], window)
            })
            .collect();
        alternatives.join(" or ")
    }

    /// The events of each series in a window that ends now whose outcome has no form that is known.
    pub(super) fn strange(&self, window: Duration) -> String {
        let outcomes = self.outcomes.iter();
        let unknown: Vec<String> = outcomes
            .map(|outcome| format!("{}!~\"{}\"", outcome.label, outcome.known))
            .collect();
        let strange = self.increase(&[&unknown.join(",")], window);
        match self.family.doubt {
            Some(doubt) if !self.is_proven => {
                format!("{strange} or {}", self.increase(&[doubt.matcher], window))
            }
            Some(_) | None => strange,
        }
    }

    /// The outcomes without a known form that most events of a window had, by the labels that say how a request ended.
    /// Nothing where these have dots: not every server can group by them.
    pub(super) fn strangest(&self, window: Duration) -> Option<String> {
        (!self.has_dots()).then(|| {
            format!(
                "topk{}({NAMED_FORMS}, sum{} ({}) > 0)",
                self.by(),
                self.by_also(&self.outcomes()),
                self.strange(window)
            )
        })
    }

    /// The labels that say how a request ended.
    pub(super) fn outcomes(&self) -> Vec<&'static str> {
        let outcomes = self.outcomes.iter();
        outcomes
            .map(|outcome| outcome.label.trim_matches('"'))
            .collect()
    }

    /// What is to be said of a value that is in doubt.
    pub(super) fn doubt(&self) -> Option<&'static str> {
        let doubt = self.family.doubt.filter(|_| !self.is_proven)?;
        Some(doubt.why)
    }

    /// The matchers that name the service, as a selector could.
    pub(super) fn service(&self) -> &str {
        &self.service
    }

    fn increase(&self, more: &[&str], window: Duration) -> String {
        let increase = format!("increase({}[{}])", self.events(more), range_seconds(window));
        if self.is_native {
            format!("histogram_count({increase})")
        } else {
            increase
        }
    }

    /// How surely the service is counted in this form, as a number: the later it had series the larger; nothing where
    /// it never had. A form whose labels not every server can read is only a guess where the metric exists at all,
    /// which says that the server can read them.
    pub(super) fn presence(&self) -> String {
        if self.form.has_quotes() {
            return format!("count({}) * 0 + 1", selector(&self.metric(), ""));
        }
        // Without what is left out, which may name labels with dots too.
        let series = self.whole();
        let ever: Vec<String> = [("", 4), (" offset 1h", 3), (" offset 1d", 2)]
            .iter()
            .map(|(offset, rank)| format!("count{}({series}{offset}) * 0 + {rank}", self.by()))
            .collect();
        ever.join(" or ")
    }

    /// Tells whether the events may be counted by native histograms, be they there or not.
    pub(super) fn may_be_native(&self) -> bool {
        is_native_counter(self.form.naming, &self.buckets)
    }

    /// Tells whether its labels have dots.
    pub(super) fn has_dots(&self) -> bool {
        self.form.naming.has_dots
    }

    /// Tells whether its matchers name labels with dots, which not every server can read.
    pub(super) fn has_quotes(&self) -> bool {
        self.form.has_quotes()
    }

    /// Proof that the server tells apart what the family is in doubt about.
    pub(super) fn proof(&self) -> Option<String> {
        let doubt = self.family.doubt?;
        let proof = selector(&self.metric(), &joined([self.named.as_str(), doubt.proof]));
        let range = range_seconds(PROOF_RANGE);
        Some(format!(
            "count{}(max_over_time({proof}[{range}]) > 0)",
            self.by()
        ))
    }

    /// Whether a series has each of the labels of outcomes and routes, where a family knows so many that only those are
    /// asked for that are there.
    pub(super) fn labels(&self) -> Vec<String> {
        let naming = self.form.naming;
        if naming.outcomes.len() <= 2 {
            return Vec::new();
        }
        let outcomes = naming.outcomes.iter().map(|outcome| outcome.label);
        let labels = outcomes.chain(naming.probed.iter().copied());
        labels
            .map(|label| {
                let present = format!("{label}!=\"\"");
                let series = selector(&self.metric(), &joined([self.named.as_str(), &present]));
                let by = self.by();
                format!("count{by}({series} or {series} offset 1h or {series} offset 1d)")
            })
            .collect()
    }

    /// The series that count the events, with those that are left out.
    pub(super) fn whole(&self) -> String {
        selector(&self.metric(), &self.named)
    }

    /// The labels by which this form names a service; nothing where a selector does or where not every server can
    /// read them.
    pub(super) fn labels_of_names(&self) -> Option<&'static Labels> {
        let way = self.form.way.filter(|_| !self.has_quotes())?;
        Some(&way.labels)
    }

    /// The series of all services that count events as this one, with further matchers.
    pub(super) fn of_all(&self, more: &str) -> String {
        selector(&self.metric(), &joined([self.form.side.matcher, more]))
    }

    /// How many forms the family has.
    pub(super) fn forms(&self) -> usize {
        Form::all(self.family, self.form.way.is_none()).len()
    }

    /// What is wrong when no series says how a request ended.
    pub(super) fn unlabelled(&self) -> String {
        format!(
            "no series of {} carries the label {}, so no request can be told to be bad",
            self.metric(),
            self.outcomes().join(" or ")
        )
    }

    /// The matchers that name the service and the side.
    pub(super) fn named(&self) -> &str {
        &self.named
    }

    /// Tells whether the label `pod` names a pod of the service.
    pub(super) fn has_own_pods(&self) -> bool {
        self.form.side.pod == Pod::OfTheService
    }

    /// Seconds in one unit of the latency histogram's bounds.
    pub(super) fn latency_unit(&self) -> f64 {
        self.form.naming.unit.per_second().recip()
    }

    /// Tells whether the latency is kept in native histograms.
    pub(super) fn has_native_latency(&self) -> bool {
        self.buckets.is_native()
    }

    /// Cumulative latency buckets of a window that ends now, by `le` in the family's unit, or one native histogram.
    pub(super) fn latency(&self, window: Duration) -> String {
        let range = range_seconds(window);
        let per_second = self.form.naming.unit.per_second();
        let increase = |suffix: &str, more: &str| {
            let name = format!("{}{suffix}", self.form.naming.latency);
            let buckets = selector(&name, &joined([self.matchers.as_str(), more]));
            format!("increase({buckets}[{range}])")
        };
        match &self.buckets {
            Buckets::All => format!("sum{} ({})", self.by_also(&["le"]), increase("_bucket", "")),
            Buckets::Named(bounds) => {
                let mut texts: Vec<String> = bounds
                    .iter()
                    .map(|bound| spellings(tidy(bound * per_second)))
                    .collect();
                texts.push(regex_escape("+Inf"));
                let wanted = format!("le=~{}", string_literal(&texts.join("|")));
                format!(
                    "sum{} ({})",
                    self.by_also(&["le"]),
                    increase("_bucket", &wanted)
                )
            }
            // The buckets themselves, because a share at a threshold is interpolated: narrow ones bear that, but
            // converted classic ones may be as wide as those were.
            Buckets::Native => format!("sum({})", increase("", "")),
        }
    }
}

/// Tells whether native histograms count the events where the server holds them.
fn is_native_counter(naming: &Naming, buckets: &Buckets) -> bool {
    match (naming.events, buckets) {
        (Counter::Latency, Buckets::Native) => true,
        (Counter::Latency, Buckets::All | Buckets::Named(_)) | (Counter::Named(_), _) => false,
    }
}

/// Returns a selector. A name with dots is not one that every server can read outside of quotes.
fn selector(metric: &str, matchers: &str) -> String {
    if metric.contains('.') {
        let name = format!("__name__={}", string_literal(metric));
        format!("{{{}}}", joined([name.as_str(), matchers]))
    } else {
        format!("{metric}{{{matchers}}}")
    }
}

fn joined<'a>(matchers: impl IntoIterator<Item = &'a str>) -> String {
    let there: Vec<&str> = matchers
        .into_iter()
        .filter(|matcher| !matcher.is_empty())
        .collect();
    there.join(",")
}

/// Removes what the conversion of units adds beyond the ninth decimal.
fn tidy(bound: f64) -> f64 {
    (bound * 1e9).round() / 1e9
}

/// Returns an expression for the ways in which client libraries write a bound: `1` and `1.0`, `1e+06` and `1.0E6`.
fn spellings(bound: f64) -> String {
    let dot_zero = regex_escape(".0");
    let plain = bound.to_string();
    let mut pattern = regex_escape(&plain);
    if !plain.contains('.') {
        pattern.push_str(&format!("({dot_zero})?"));
    }
    let scientific = format!("{bound:e}");
    if let Some((digits, exponent)) = scientific.split_once('e')
        && exponent
            .parse::<i32>()
            .is_ok_and(|exponent| !(-3..6).contains(&exponent))
    {
        let (sign, power) = match exponent.strip_prefix('-') {
            Some(power) => ("-", power),
            None => ("[+]?", exponent),
        };
        let digits = regex_escape(digits);
        pattern.push_str(&format!("|{digits}({dot_zero})?[eE]{sign}0*{power}"));
    }
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_asked_for_in_every_spelling() {
        for (bound, expected) in [
            (1.0, r"1(\.0)?"),
            (0.25, r"0\.25"),
            (2500.0, r"2500(\.0)?"),
            (1e6, r"1000000(\.0)?|1(\.0)?[eE][+]?0*6"),
            (0.000_5, r"0\.0005|5(\.0)?[eE]-0*4"),
            (2.5e-5, r"0\.000025|2\.5(\.0)?[eE]-0*5"),
        ] {
            assert_eq!(spellings(bound), expected, "{bound}");
        }
    }
}
