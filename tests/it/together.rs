//! Services that are asked about together are known as each would be alone, digit by digit.

use std::time::Duration;

use chrono::Utc;
use error_budget_monitor::clients::http::HttpSettings;
use error_budget_monitor::clients::prometheus::Prometheus;
use error_budget_monitor::config::{Buckets, MetricsFamily, SliSource};
use error_budget_monitor::journal::{KeptPeriods, SeriesSeen};
use error_budget_monitor::observe::{
    Asking, Keeping, Metrics, Observation, Queries, Remembered, Workload, keep_periods,
    observe_together,
};
use error_budget_monitor::slo::{Objective, Reading};
use testkit::back_end::{BackEnd, Running};
use testkit::fleet::{Fleet, Ill, labels};

use crate::families::objective;

/// What is remembered of a service.
#[derive(Debug, Clone, Default)]
struct Memory {
    series: Option<SeriesSeen>,
    periods: Option<KeptPeriods>,
}

impl Memory {
    fn remembered(&self) -> Remembered<'_> {
        Remembered {
            series: self.series.as_ref(),
            periods: self.periods.as_ref(),
        }
    }
}

/// Services on one server.
pub(crate) struct Crowd {
    server: Prometheus,
    queries: Vec<Queries>,
    memories: Vec<Memory>,
    objective: Objective,
}

impl Crowd {
    /// Prepares services by namespace and name.
    pub(crate) fn of(
        server: &Running,
        services: impl IntoIterator<Item = (String, String)>,
    ) -> Self {
        let url = server.url().parse().expect("a URL");
        let settings = HttpSettings {
            timeout: Duration::from_secs(60),
            ..HttpSettings::default()
        };
        let family = SliSource::Family {
            family: MetricsFamily::Http,
            selector: None,
            buckets: Buckets::All,
        };
        let queries: Vec<Queries> = services
            .into_iter()
            .map(|(namespace, service)| Queries::new(Workload::new(&namespace, &service), &family))
            .collect();
        Self {
            server: Prometheus::new(url, &settings).expect("a client"),
            memories: vec![Memory::default(); queries.len()],
            queries,
            objective: Objective {
                window: Duration::from_secs(30 * 86_400),
                ..objective()
            },
        }
    }

    fn metrics(&self, place: usize) -> Metrics<'_> {
        Metrics {
            prometheus: &self.server,
            queries: &self.queries[place],
        }
    }

    /// Asks about all of them together, and about each alone for the same moment, and compares what is known.
    ///
    /// # Panics
    /// If a service was not asked about together, or is known otherwise.
    pub(crate) async fn is_known_alike(&mut self) -> Vec<Observation> {
        let asking: Vec<Asking<'_>> = (0..self.queries.len())
            .map(|place| Asking {
                metrics: self.metrics(place),
                objective: &self.objective,
                remembered: self.memories[place].remembered(),
            })
            .collect();
        let together = observe_together(&asking).await;
        let mut known = Vec::new();
        for (place, together) in together.into_iter().enumerate() {
            let mut together = together
                .unwrap_or_else(|| panic!("{place} was left out"))
                .unwrap_or_else(|error| panic!("{place}: {error}"));
            let remembered = self.memories[place].remembered();
            let metrics = self.metrics(place);
            let alone = metrics.observe_again(&self.objective, remembered, &together);
            let mut alone = alone.await.expect("an answer");
            // The clocks were looked at at two moments.
            together.measurement.clock_skew = Duration::ZERO;
            alone.measurement.clock_skew = Duration::ZERO;
            assert_eq!(together, alone, "{:?}", self.queries[place]);
            known.push(together);
        }
        for (memory, observation) in self.memories.iter_mut().zip(&known) {
            memory.series = observation.sighting.clone();
        }
        known
    }

    /// Keeps the periods that are over, as later passes would.
    pub(crate) async fn keeps_periods(&mut self, known: &[Observation]) {
        for _ in 0..5 {
            let counted: Vec<(usize, Keeping<'_>)> = (0..self.queries.len())
                .filter_map(|place| {
                    Some((
                        place,
                        Keeping {
                            metrics: self.metrics(place),
                            counted: known[place].counted_form()?,
                            window: self.objective.window,
                            periods: self.memories[place].periods.as_ref(),
                        },
                    ))
                })
                .collect();
            let keeping: Vec<Keeping<'_>> = counted.iter().map(|(_, keeping)| *keeping).collect();
            let kept = keep_periods(&keeping, Utc::now()).await;
            let places: Vec<usize> = counted.iter().map(|(place, _)| *place).collect();
            for (place, periods) in places.into_iter().zip(kept) {
                if periods.is_some() {
                    self.memories[place].periods = periods;
                }
            }
        }
    }

    /// Returns how many periods are kept of each.
    pub(crate) fn kept(&self) -> Vec<usize> {
        let periods = self.memories.iter().map(|memory| memory.periods.as_ref());
        periods
            .map(|periods| periods.map_or(0, |periods| periods.periods.len()))
            .collect()
    }
}

fn sick() -> Fleet {
    let ills = [
        Ill::Burning,
        Ill::NotANumber,
        Ill::CountedTwice,
        Ill::InTwoPlaces,
        Ill::Unseen,
        Ill::Stale,
        Ill::Idle,
        Ill::NeverFailed,
        Ill::Young,
    ];
    let fleet = Fleet::of(60);
    ills.into_iter()
        .zip([3, 5, 7, 11, 13, 17, 19, 51, 53])
        .fold(fleet, |fleet, (ill, service)| fleet.ill(service, ill))
}

async fn knows_each_as_it_is(back_end: BackEnd) {
    let fleet = sick();
    let Some(server) = fleet.start(back_end) else {
        return;
    };
    let names = (0..fleet.len()).map(|service| {
        let labels = labels(service);
        (labels.namespace, labels.service)
    });
    let mut crowd = Crowd::of(&server, names);
    let known = crowd.is_known_alike().await;
    for (service, ill) in fleet.ill_ones() {
        let measured = &known[*service].measurement;
        let is_told = match ill {
            Ill::Burning => measured
                .m5
                .value()
                .is_some_and(|events| events.error_ratio() > 0.1),
            // VictoriaMetrics holds no such samples.
            Ill::NotANumber => {
                back_end == BackEnd::VictoriaMetrics
                    || matches!(measured.m5, Reading::Invalid { .. })
            }
            Ill::CountedTwice | Ill::InTwoPlaces => {
                matches!(measured.h1, Reading::Invalid { .. })
            }
            Ill::Unseen => measured.m5 == Reading::NoSeries,
            Ill::Stale => measured.freshness.value().is_none(),
            Ill::Idle => measured.m5 == Reading::NoTraffic,
            Ill::NeverFailed | Ill::Young => measured.m5.value().is_some(),
        };
        assert!(is_told, "{service} {ill:?}: {measured:?}");
    }
    let ill: Vec<usize> = fleet
        .ill_ones()
        .iter()
        .map(|(service, _)| *service)
        .collect();
    for (service, known) in known.iter().enumerate() {
        if !ill.contains(&service) {
            let events = known.measurement.m5.value().expect("counted");
            assert!(events.error_ratio() < 0.01, "{service}: {events:?}");
        }
    }
    // With what a pass remembers too.
    crowd.is_known_alike().await;
}

#[tokio::test]
async fn sixty_services_of_which_nine_are_ill_on_prometheus() {
    knows_each_as_it_is(BackEnd::DebianPrometheus).await;
}

#[tokio::test]
async fn sixty_services_of_which_nine_are_ill_on_prometheus_3() {
    knows_each_as_it_is(BackEnd::Prometheus3).await;
}

#[tokio::test]
async fn sixty_services_of_which_nine_are_ill_on_victoria_metrics() {
    knows_each_as_it_is(BackEnd::VictoriaMetrics).await;
}
