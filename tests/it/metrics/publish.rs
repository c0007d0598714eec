//! All ways on which numbers leave the program, at once.

use std::fs;
use std::time::Duration;

use error_budget_monitor::metrics::{Numbers, Unpublished, exposition, publish};
use testkit::pushgateway::Pushgateway;
use testkit::stub::{ClosedPort, Reply, Stub};
use url::Url;

use super::numbers;

const PATIENCE: Duration = Duration::from_secs(20);

fn url(text: &str) -> Url {
    Url::parse(text).expect("a URL")
}

fn channels(failures: &[Unpublished]) -> Vec<&str> {
    failures.iter().map(Unpublished::channel).collect()
}

fn services(names: &[&str]) -> Vec<Numbers> {
    let names = names.iter();
    names
        .map(|name| Numbers {
            service: (*name).to_owned(),
            ..numbers()
        })
        .collect()
}

#[tokio::test]
async fn the_file_holds_all_services_and_each_has_a_group() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("budget.prom");
    let gateway = Pushgateway::start();
    let services = services(&["checkout", "cart"]);
    let to = url(&gateway.url());
    let failures = publish(&services, Some(&to), Some(&path), PATIENCE).await;
    assert!(failures.is_empty(), "{failures:?}");
    let text = fs::read_to_string(path).expect("the file");
    assert_eq!(text, exposition(&services));
    assert_eq!(gateway.groups().len(), 2);
}

#[tokio::test]
async fn where_nobody_wants_numbers_nothing_happens() {
    let failures = publish(&services(&["checkout"]), None, None, PATIENCE).await;
    assert!(failures.is_empty(), "{failures:?}");
}

#[tokio::test]
async fn one_way_that_fails_does_not_stop_the_other() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let nobody = ClosedPort::reserve();
    let gateway = Pushgateway::start();
    let missing = folder.path().join("missing/budget.prom");
    let path = folder.path().join("budget.prom");

    let services = services(&["checkout"]);
    let to = url(&nobody.url());
    let failures = publish(&services, Some(&to), Some(&path), PATIENCE).await;
    assert_eq!(channels(&failures), ["pushgateway"]);
    assert!(path.exists());

    let to = url(&gateway.url());
    let failures = publish(&services, Some(&to), Some(&missing), PATIENCE).await;
    assert_eq!(channels(&failures), ["metrics_textfile"]);
    assert_eq!(gateway.groups().len(), 1);
}

#[tokio::test]
async fn a_gateway_that_is_away_is_asked_once_for_all_services() {
    let stub = Stub::sequence([Reply::text(503, "away")]);
    let services = services(&["checkout", "cart", "search"]);
    let failures = publish(&services, Some(&url(&stub.url())), None, PATIENCE).await;
    assert_eq!(failures.len(), 1, "{failures:?}");
    assert_eq!(stub.requests().len(), 1);
}

#[tokio::test]
async fn numbers_that_are_refused_stop_no_other_service() {
    let replies = [400, 200, 400].map(|status| Reply::text(status, "no"));
    let stub = Stub::sequence(replies);
    let services = services(&["checkout", "cart", "search"]);
    let failures = publish(&services, Some(&url(&stub.url())), None, PATIENCE).await;
    assert_eq!(failures.len(), 2, "{failures:?}");
    assert_eq!(stub.requests().len(), 3);
}
