//! Questions to the Prometheus HTTP API.
//!
//! Works with Prometheus, Thanos, Mimir and VictoriaMetrics. A question is repeated only where that may help and only
//! within one total time. What the answer means is for the caller: no data is an empty answer, NaN stays NaN, and an
//! answer that may be incomplete says so in [`QueryAnswer::partial`].

mod about;
mod answer;
mod error;
mod label_set;
pub mod promql;

pub use about::{About, Retention, Store, Stores};
pub use answer::{InstantSample, NativeHistogram, QueryAnswer, RangeSeries};
pub use error::{PrometheusError, QueryFault};
pub use label_set::LabelSet;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use tokio::sync::Semaphore;
use url::Url;

use super::http::{
    Deadline, Failure, HttpAuth, HttpClient, HttpError, HttpSettings, Method, Purpose, Repeat,
    Response, RetryPolicy, StatusCode, accept_json,
};
use answer::{MAX_SERIES, QueryBody, Unusable, Words};
use error::QueryRefusal;

/// Share of the time left for a question that the server may use to evaluate it. The rest is for the network and for
/// the server to say that it gave up.
const EVALUATION_SHARE: f64 = 0.8;

/// Thanos leaves out stores that do not answer unless told otherwise; downsampled data changes counts.
/// VictoriaMetrics moves the times of a range to multiples of its step, for the sake of its cache, and repeats an
/// older value in the place of what is younger than 30 s, unless told otherwise (1 ms is the least that it takes).
/// Other servers ignore these parameters.
const WHOLE_AND_RAW: [(&str, &str); 5] = [
    ("partial_response", "false"),
    ("dedup", "true"),
    ("max_source_resolution", "0s"),
    ("nocache", "1"),
    ("latency_offset", "1ms"),
];

/// How far a point may lie from the time asked for and still be that one: servers round times to milliseconds.
const ROUNDING: TimeDelta = TimeDelta::milliseconds(1);

type Parameters<'a> = Vec<(&'a str, String)>;

/// One Prometheus server, as one service asks it. Several services may share the connections to it.
#[derive(Debug)]
pub struct Prometheus {
    server: Arc<Server>,
    /// How many questions of this service may be on their way at once, where others ask too.
    share: Option<Semaphore>,
    /// How many requests were sent for it.
    sent: AtomicU64,
    /// What was asked, where somebody wants to know.
    noted: Option<Mutex<Vec<Question>>>,
}

/// What all who ask one server have in common.
#[derive(Debug)]
struct Server {
    http: HttpClient,
    remedy: &'static str,
    by_get: AtomicBool,
    /// The questions that may be on their way at once: each needs a connection. Who came first is served first.
    turns: Semaphore,
}

/// Most connections to one server. A Prometheus takes 512 from everybody together, unless told otherwise.
pub const CONNECTIONS: usize = 8;

/// A question as it was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The PromQL.
    pub query: String,
    /// For which times.
    pub times: QuestionTimes,
}

/// The times that a question is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QuestionTimes {
    /// The server's own present.
    Now,
    /// One moment.
    At(DateTime<Utc>),
    /// From the first to the second, in steps.
    Range(DateTime<Utc>, DateTime<Utc>, Duration),
}

#[derive(Debug, Clone, Copy)]
enum Endpoint {
    Query,
    QueryRange,
}

impl Prometheus {
    /// Prepares questions to the server at `base`. Reads the certificate files, sends nothing.
    ///
    /// # Errors
    ///
    /// Fails with [`PrometheusError::Settings`] if `base` or `settings` cannot be used.
    pub fn new(base: Url, settings: &HttpSettings) -> Result<Self, PrometheusError> {
        let remedy = match settings.auth {
            HttpAuth::None => {
                "set PROMETHEUS_TOKEN, or PROMETHEUS_USERNAME and PROMETHEUS_PASSWORD"
            }
            HttpAuth::Bearer(_) => "check PROMETHEUS_TOKEN",
            HttpAuth::Basic { .. } => "check PROMETHEUS_USERNAME and PROMETHEUS_PASSWORD",
        };
        let server = Server {
            http: HttpClient::new(base, settings).map_err(PrometheusError::Settings)?,
            remedy,
            by_get: AtomicBool::new(false),
            turns: Semaphore::new(CONNECTIONS),
        };
        Ok(Self::at(Arc::new(server), None))
    }

    fn at(server: Arc<Server>, share: Option<usize>) -> Self {
        Self {
            server,
            share: share.map(Semaphore::new),
            sent: AtomicU64::new(0),
            noted: None,
        }
    }

    /// Sets how many connections there may be at once; [`CONNECTIONS`] unless told otherwise. For a server that nobody
    /// shares yet.
    #[must_use]
    pub fn with_connections(mut self, most: usize) -> Self {
        if let Some(server) = Arc::get_mut(&mut self.server) {
            server.turns = Semaphore::new(most.max(1));
        }
        self
    }

    /// Returns the same server for another service: over the same connections, of which none of them takes more than a
    /// quarter, so that one whose answers are slow holds up no other.
    #[must_use]
    pub fn shared(&self) -> Self {
        let all = self.server.turns.available_permits();
        Self::at(self.server.clone(), Some((all / 4).max(1)))
    }

    /// Returns the same server for questions about several services together.
    #[must_use]
    pub fn whole(&self) -> Self {
        Self::at(self.server.clone(), None)
    }

    /// Tells whether both ask over the same connections.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.server, &other.server)
    }

    /// Keeps every question from now on, for [`questions`](Self::questions).
    #[must_use]
    pub fn noting(self) -> Self {
        Self {
            noted: Some(Mutex::default()),
            ..self
        }
    }

    /// Returns what was asked so far, in that order; empty unless it is [noted](Self::noting).
    pub fn questions(&self) -> Vec<Question> {
        let noted = self.noted.as_ref();
        noted.map_or_else(Vec::new, |noted| {
            noted.lock().unwrap_or_else(PoisonError::into_inner).clone()
        })
    }

    fn note(&self, query: &str, times: QuestionTimes) {
        if let Some(noted) = &self.noted {
            let mut noted = noted.lock().unwrap_or_else(PoisonError::into_inner);
            noted.push(Question {
                query: query.to_owned(),
                times,
            });
        }
    }

    /// Returns the server's own clock, to the millisecond: the time of which an answer speaks where none was asked
    /// for. What `time()` is worth says another thing on a server that evaluates behind its clock, as VictoriaMetrics
    /// does.
    ///
    /// # Errors
    ///
    /// Fails like [`Prometheus::instant`].
    pub async fn server_time(&self) -> Result<DateTime<Utc>, PrometheusError> {
        let answer = self.instant_now("vector(1)").await?;
        let unusable = || Unusable::Malformed("a vector without its one sample".to_owned());
        let first = answer.value.first().map(|sample| sample.at);
        first.ok_or_else(|| self.unusable(unusable()))
    }

    /// Returns what `query` yields at `at`. A scalar comes back as one sample without labels; no data comes back as
    /// an empty list. Values may be NaN or infinite. An answer that speaks of another time is
    /// [partial](QueryAnswer::partial).
    ///
    /// # Errors
    ///
    /// Fails if the server cannot be asked, refuses, or answers with anything but a complete vector or scalar of
    /// numbers. No failure says anything about the service that is watched.
    pub async fn instant(
        &self,
        query: &str,
        at: DateTime<Utc>,
    ) -> Result<QueryAnswer<Vec<InstantSample>>, PrometheusError> {
        self.instant_of(1, query, at).await
    }

    /// Returns what `query` yields at `at` for so many services, each of which may have as many series as one.
    ///
    /// # Errors
    ///
    /// Fails like [`Prometheus::instant`].
    pub async fn instant_of(
        &self,
        services: usize,
        query: &str,
        at: DateTime<Utc>,
    ) -> Result<QueryAnswer<Vec<InstantSample>>, PrometheusError> {
        self.note(query, QuestionTimes::At(at));
        let parameters = vec![("query", query.to_owned()), ("time", seconds(at))];
        let read = |body: QueryBody| body.samples(most_series(services));
        let mut answer = self.ask(Endpoint::Query, parameters, read).await?;
        let is_other = |found: &DateTime<Utc>| (*found - at).abs() > ROUNDING;
        let other = answer.value.iter().map(|sample| sample.at).find(is_other);
        doubt(&mut answer.partial, other, at);
        Ok(answer)
    }

    /// Returns what `query` yields at the server's own present: for questions about its clock.
    ///
    /// # Errors
    ///
    /// Fails like [`Prometheus::instant`].
    pub async fn instant_now(
        &self,
        query: &str,
    ) -> Result<QueryAnswer<Vec<InstantSample>>, PrometheusError> {
        self.instant_now_of(1, query).await
    }

    /// Returns what `query` yields at the server's own present for so many services.
    ///
    /// # Errors
    ///
    /// Fails like [`Prometheus::instant`].
    pub async fn instant_now_of(
        &self,
        services: usize,
        query: &str,
    ) -> Result<QueryAnswer<Vec<InstantSample>>, PrometheusError> {
        self.note(query, QuestionTimes::Now);
        let parameters = vec![("query", query.to_owned())];
        let read = |body: QueryBody| body.samples(most_series(services));
        self.ask(Endpoint::Query, parameters, read).await
    }

    /// Returns the native histogram that `query` yields at `at`: none or one, because a query for one sums them all.
    ///
    /// # Errors
    ///
    /// Fails like [`Prometheus::instant`]; the answer must hold native histograms of one series and no numbers.
    pub async fn instant_histogram(
        &self,
        query: &str,
        at: DateTime<Utc>,
    ) -> Result<QueryAnswer<Vec<NativeHistogram>>, PrometheusError> {
        self.note(query, QuestionTimes::At(at));
        let parameters = vec![("query", query.to_owned()), ("time", seconds(at))];
        let mut answer = self
            .ask(Endpoint::Query, parameters, QueryBody::histograms)
            .await?;
        let is_other = |found: &DateTime<Utc>| (*found - at).abs() > ROUNDING;
        let other = answer.value.iter().map(|found| found.at).find(is_other);
        doubt(&mut answer.partial, other, at);
        Ok(answer)
    }

    /// Returns the native histograms that `query` yields from `start` to `end`, every `step`.
    ///
    /// # Errors
    ///
    /// Fails like [`Prometheus::instant_histogram`].
    pub async fn range_histograms(
        &self,
        query: &str,
        start: DateTime<Utc>,
        end: DateTime<Utc>,
        step: Duration,
    ) -> Result<QueryAnswer<Vec<NativeHistogram>>, PrometheusError> {
        self.note(query, QuestionTimes::Range(start, end, step));
        let parameters = range_of(query, start, end, step);
        let mut answer = self
            .ask(Endpoint::QueryRange, parameters, QueryBody::histograms)
            .await?;
        let is_other = |found: &DateTime<Utc>| !is_on_grid(*found, start, end, step);
        let other = answer.value.iter().map(|found| found.at).find(is_other);
        doubt(&mut answer.partial, other, start);
        Ok(answer)
    }

    /// Returns what `query` yields from `start` to `end`, every `step`. A point that is missing is left out. An
    /// answer with a point at any other time is [partial](QueryAnswer::partial): servers and caches that move the times
    /// to multiples of the step answer another question.
    ///
    /// # Errors
    ///
    /// Fails like [`Prometheus::instant`]; the answer must be a matrix of numbers in order of time.
    pub async fn range(
        &self,
        query: &str,
        start: DateTime<Utc>,
        end: DateTime<Utc>,
        step: Duration,
    ) -> Result<QueryAnswer<Vec<RangeSeries>>, PrometheusError> {
        self.range_for(1, query, start, end, step).await
    }

    /// Returns what `query` yields from `start` to `end`, every `step`, for so many services.
    ///
    /// # Errors
    ///
    /// Fails like [`Prometheus::range`].
    pub async fn range_for(
        &self,
        services: usize,
        query: &str,
        start: DateTime<Utc>,
        end: DateTime<Utc>,
        step: Duration,
    ) -> Result<QueryAnswer<Vec<RangeSeries>>, PrometheusError> {
        self.note(query, QuestionTimes::Range(start, end, step));
        let parameters = range_of(query, start, end, step);
        let read = |body: QueryBody| body.series(most_series(services));
        let mut answer = self.ask(Endpoint::QueryRange, parameters, read).await?;
        let points = answer.value.iter().flat_map(|series| &series.points);
        let is_other = |found: &DateTime<Utc>| !is_on_grid(*found, start, end, step);
        let other = points.map(|(found, _)| *found).find(is_other);
        doubt(&mut answer.partial, other, start);
        Ok(answer)
    }

    /// Returns scheme, host and port of the server.
    pub fn origin(&self) -> String {
        self.server.http.origin()
    }

    /// Returns a checksum of what tells the data of this server and tenant from those of another.
    pub fn data_source(&self) -> String {
        self.server.http.data_source()
    }

    /// Returns how many HTTP requests were sent so far, repeated ones included.
    pub fn requests(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    async fn ask<T>(
        &self,
        endpoint: Endpoint,
        parameters: Parameters<'_>,
        read: impl FnOnce(QueryBody) -> Result<QueryAnswer<T>, Unusable>,
    ) -> Result<QueryAnswer<T>, PrometheusError> {
        // Waiting for a turn is no fault of the server's, so the time for an answer begins after it.
        let _share = match &self.share {
            Some(share) => share.acquire().await.ok(),
            None => None,
        };
        let _turn = self.server.turns.acquire().await;
        let deadline = Deadline::within(self.server.http.timeout());
        let parameters = &parameters;
        let body = RetryPolicy::jittered()
            .run(deadline, || self.try_once(endpoint, parameters, deadline))
            .await?;
        read(body).map_err(|unusable| self.unusable(unusable))
    }

    async fn try_once(
        &self,
        endpoint: Endpoint,
        parameters: &Parameters<'_>,
        deadline: Deadline,
    ) -> Result<QueryBody, Failure<PrometheusError>> {
        let by_get = self.server.by_get.load(Ordering::Relaxed);
        let mut response = self
            .exchange(endpoint, by_get, parameters, deadline)
            .await?;
        if !by_get && refuses_post(response.status) {
            response = self.exchange(endpoint, true, parameters, deadline).await?;
            self.server
                .by_get
                .store(!refuses_post(response.status), Ordering::Relaxed);
        }
        self.judge(endpoint, &response).map_err(|mut failure| {
            if !is_worth_repeating(&failure.error, deadline.left(), deadline.limit()) {
                failure.repeat = Repeat::Never;
            }
            failure
        })
    }

    async fn exchange(
        &self,
        endpoint: Endpoint,
        by_get: bool,
        parameters: &Parameters<'_>,
        deadline: Deadline,
    ) -> Result<Response, Failure<PrometheusError>> {
        let mut parameters = parameters.clone();
        parameters.push((
            "timeout",
            format!("{:.3}", deadline.left().as_secs_f64() * EVALUATION_SHARE),
        ));
        parameters.extend(WHOLE_AND_RAW.map(|(name, value)| (name, value.to_owned())));
        let request = if by_get {
            self.server
                .http
                .request(Method::GET, endpoint.segments())
                .query(&parameters)
        } else {
            self.server
                .http
                .request(Method::POST, endpoint.segments())
                .form(&parameters)
        };
        self.sent.fetch_add(1, Ordering::Relaxed);
        self.server
            .http
            .send_within(deadline, Purpose::Ask, accept_json(request))
            .await
            .map_err(|fault| self.fault(fault))
    }

    fn fault(&self, fault: HttpError) -> Failure<PrometheusError> {
        let repeat = Repeat::when(fault.is_transient());
        let error = PrometheusError::from_fault(
            self.server.http.origin(),
            self.server.http.timeout(),
            fault,
        );
        Failure {
            error,
            repeat,
            retry_after: None,
        }
    }

    fn judge(
        &self,
        endpoint: Endpoint,
        response: &Response,
    ) -> Result<QueryBody, Failure<PrometheusError>> {
        let words = match (response.media_type().as_str(), response.status.is_success()) {
            ("application/json", true) => match QueryBody::read(&response.body) {
                Ok(body) if body.is_success() => return Ok(body),
                Ok(body) => Some(body.into_words()),
                Err(unusable) => {
                    return Err(Failure {
                        error: self.unusable(unusable),
                        repeat: Repeat::Never,
                        retry_after: None,
                    });
                }
            },
            ("application/json", false) => Some(Words::read(&response.body)),
            _ => None,
        };
        let refusal = QueryRefusal {
            origin: self.server.http.origin(),
            path: self
                .server
                .http
                .endpoint(endpoint.segments())
                .path()
                .to_owned(),
            remedy: self.server.remedy,
            response,
            words,
        };
        Err(refusal.classify(|text| self.server.http.quote_ends(text.as_bytes())))
    }

    fn unusable(&self, unusable: Unusable) -> PrometheusError {
        PrometheusError::from_unusable(self.server.http.origin(), unusable, |text| {
            self.server.http.quote(text.as_bytes())
        })
    }
}

impl Endpoint {
    fn segments(self) -> [&'static str; 3] {
        match self {
            Self::Query => ["api", "v1", "query"],
            Self::QueryRange => ["api", "v1", "query_range"],
        }
    }
}

/// Returns how many series an answer about so many services may have. The size of an answer is bounded beside it.
fn most_series(services: usize) -> usize {
    /// How many each service adds: the buckets of its latency, twice over.
    const EACH: usize = 64;
    MAX_SERIES.max(services.saturating_mul(EACH))
}

/// Says whether a question may have an answer in the time left. One that the server gave up after most of the time will
/// not end in the rest of it, and our own timeout would hide what the server said.
fn is_worth_repeating(error: &PrometheusError, left: Duration, limit: Duration) -> bool {
    !matches!(error, PrometheusError::TooSlow { .. }) || left > limit / 2
}

/// Says whether a status may mean that only reading by GET is allowed.
fn refuses_post(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::FORBIDDEN | StatusCode::METHOD_NOT_ALLOWED | StatusCode::UNSUPPORTED_MEDIA_TYPE
    )
}

fn range_of(
    query: &str,
    start: DateTime<Utc>,
    end: DateTime<Utc>,
    step: Duration,
) -> Parameters<'static> {
    vec![
        ("query", query.to_owned()),
        ("start", seconds(start)),
        ("end", seconds(end)),
        ("step", format!("{:.3}", step.as_secs_f64())),
    ]
}

/// Says whether a range that was asked for has a point at this time.
fn is_on_grid(
    found: DateTime<Utc>,
    start: DateTime<Utc>,
    end: DateTime<Utc>,
    step: Duration,
) -> bool {
    let step = i64::try_from(step.as_millis()).unwrap_or(i64::MAX).max(1);
    let since = (found - start).num_milliseconds();
    let beside = since.rem_euclid(step);
    let rounding = ROUNDING.num_milliseconds();
    found >= start - ROUNDING && found <= end + ROUNDING && beside.min(step - beside) <= rounding
}

/// Takes the belief from an answer that speaks of another time than those asked for.
fn doubt(partial: &mut Option<String>, other: Option<DateTime<Utc>>, asked: DateTime<Utc>) {
    let Some(other) = other else { return };
    let shown = |time: DateTime<Utc>| time.to_rfc3339_opts(SecondsFormat::Millis, true);
    partial.get_or_insert_with(|| {
        format!(
            "it has a value at {}, which is none of the times asked for from {} on, as if a cache had moved them",
            shown(other),
            shown(asked)
        )
    });
}

/// Formats a time as unix seconds with milliseconds.
fn seconds(time: DateTime<Utc>) -> String {
    format!("{:.3}", time.timestamp_millis() as f64 / 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grid_has_its_own_times_and_no_others() {
        let at = |millis: i64| DateTime::UNIX_EPOCH + TimeDelta::milliseconds(millis);
        let is_on =
            |millis: i64| is_on_grid(at(millis), at(27_123), at(327_123), Duration::from_secs(30));
        for on in [27_123, 57_123, 327_123, 57_122, 57_124] {
            assert!(is_on(on), "{on}");
        }
        for moved in [0, 30_000, 57_000, 57_120, 327_200, 357_123, -2_877] {
            assert!(!is_on(moved), "{moved}");
        }
    }

    #[test]
    fn a_query_that_took_most_of_the_time_is_not_repeated() {
        let said = |slow| {
            let (origin, status, said) = ("http://localhost".to_owned(), 503, String::new());
            if slow {
                PrometheusError::TooSlow {
                    origin,
                    status,
                    said,
                }
            } else {
                PrometheusError::Unavailable {
                    origin,
                    status,
                    said,
                }
            }
        };
        let second = Duration::from_secs(1);
        for (slow, left, expected) in [
            (true, 9 * second, true),
            (true, 5 * second, false),
            (true, second, false),
            (false, second, true),
        ] {
            let found = is_worth_repeating(&said(slow), left, 10 * second);
            assert_eq!(found, expected, "slow {slow}, {left:?} left");
        }
    }
}
