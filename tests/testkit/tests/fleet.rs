//! A fleet holds the services that it names, and only those are ill that were made so.

use std::collections::BTreeMap;
use std::fs;

use chrono::{TimeDelta, Utc};
use testkit::back_end::BackEnd;
use testkit::fleet::month::{self, Burning};
use testkit::fleet::{Fleet, Ill, labels, requests_per_second};
use testkit::prometheus::Api;

#[test]
fn each_service_has_what_it_was_given() {
    let fleet = Fleet::of(60)
        .ill(0, Ill::Burning)
        .ill(1, Ill::NotANumber)
        .ill(2, Ill::CountedTwice)
        .ill(3, Ill::InTwoPlaces)
        .ill(4, Ill::Unseen)
        .ill(5, Ill::Stale)
        .ill(6, Ill::NeverFailed)
        .ill(7, Ill::Idle);
    let server = fleet
        .start(BackEnd::DebianPrometheus)
        .expect("Debian has it");
    let api = server.api();
    let all = by_service(&api, "sum by (service) (rate(http_requests_total[5m]))");
    let bad = by_service(
        &api,
        r#"sum by (service) (rate(http_requests_total{status="500"}[5m]))"#,
    );
    assert_eq!(all.len(), 58, "one is unseen, one is stale");
    for service in (0..60).filter(|service| ![1, 2, 3, 4, 5, 7].contains(service)) {
        let rate = requests_per_second(service);
        let found = all[&labels(service).service];
        assert!((found - rate).abs() < 0.2, "{service}: {found}");
    }
    assert!(all["service-0001"].is_nan());
    assert!((all["service-0002"] - 14.0).abs() < 0.2);
    assert_eq!(all["service-0007"], 0.0);
    assert!((bad["service-0000"] - 1.0).abs() < 0.1);
    assert!(!bad.contains_key("service-0006"));
    let in_time = by_service(
        &api,
        "sum by (service) (http_request_duration_seconds_bucket)",
    );
    assert_eq!(in_time.len(), 58);

    let folder = fleet.services_dir(|service| format!("ERROR_BUDGET=0.00{}", service + 1));
    assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 60);
    let text = fs::read_to_string(folder.path().join("team-01.service-0051.env"));
    assert_eq!(
        text.expect("its file"),
        "SERVICE_NAME=service-0051\nNAMESPACE=team-01\nERROR_BUDGET=0.0052\n"
    );
}

#[test]
fn a_thousand_services_are_ready_at_once() {
    let server = Fleet::of(1000).start(BackEnd::DebianPrometheus);
    let server = server.expect("Debian has it");
    let all = by_service(
        &server.api(),
        "sum by (service) (rate(http_requests_total[5m]))",
    );
    assert_eq!(all.len(), 1000);
}

/// The first run on a machine makes the month, which takes a minute or two.
#[test]
fn the_month_is_the_same_on_both_servers() {
    let burning = Burning {
        service: 3,
        ratio: 0.2,
        since: Utc::now() - TimeDelta::minutes(25),
    };
    let prometheus = month::prometheus(&[burning]).map(|server| (server.api(), Some(server), None));
    let victoria = month::victoria_metrics(&[burning]).map(|it| (it.api(), None, Some(it)));
    for (api, _prometheus, _victoria) in [prometheus, victoria].into_iter().flatten() {
        let all = by_service(&api, "sum by (service) (increase(http_requests_total[1d]))");
        assert_eq!(all.len(), month::SERVICES);
        for service in 0..month::SERVICES {
            let wanted = requests_per_second(service) * 86_400.0;
            let found = all[&labels(service).service];
            assert!((found / wanted - 1.0).abs() < 0.002, "{service}: {found}");
        }
        let some =
            r#"sum by (service) (increase(http_requests_total{service="service-0019"}[30d]))"#;
        let found = by_service(&api, some)["service-0019"];
        let wanted = requests_per_second(19) * 30.0 * 86_400.0;
        assert!((found / wanted - 1.0).abs() < 0.0002, "{found}");
        let bad = r#"sum by (service) (rate(http_requests_total{status="500"}[5m])) > 0.1"#;
        let bad = by_service(&api, bad);
        assert_eq!(bad.keys().collect::<Vec<_>>(), ["service-0003"]);
    }
}

/// Returns the value of each service.
fn by_service(api: &Api, query: &str) -> BTreeMap<String, f64> {
    let answer = api.query(query);
    let series = answer["result"].as_array().expect("a vector").iter();
    series
        .map(|series| {
            let name = series["metric"]["service"].as_str().expect("a service");
            let value = series["value"][1].as_str().expect("a value");
            (name.to_owned(), value.parse().expect("a number"))
        })
        .collect()
}
