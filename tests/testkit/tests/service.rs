//! A live service counts what it is told to, and a scraping Prometheus sees it.

use std::time::{Duration, Instant};

use testkit::prometheus::{Prometheus, ServiceLabels, Traffic};
use testkit::service::LiveService;

#[test]
fn a_change_of_traffic_is_scraped() {
    let service = LiveService::start(
        ServiceLabels::new("shop", "checkout"),
        Traffic::healthy(1000.0),
    );
    let prometheus =
        Prometheus::start_scraping(&[service.address().to_string()], Duration::from_millis(200));
    let failing = "sum(rate(http_requests_total{namespace=\"shop\",service=\"checkout\",status=\"500\"}[2s]))";
    let wait_until = |what: &str, reached: &dyn Fn(f64) -> bool| {
        let deadline = Instant::now() + Duration::from_secs(30);
        while !prometheus.number(failing).is_some_and(reached) {
            assert!(Instant::now() < deadline, "{what} is never seen");
            std::thread::sleep(Duration::from_millis(50));
        }
    };
    wait_until("health", &|rate| rate < 10.0);
    service.set_traffic(service.traffic().errors(0.25));
    wait_until("failure", &|rate| (200.0..300.0).contains(&rate));
    service.set_traffic(service.traffic().errors(0.0));
    wait_until("recovery", &|rate| rate < 1.0);
}
