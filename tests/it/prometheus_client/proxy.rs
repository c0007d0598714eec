//! Proxies named in the environment. The environment belongs to a whole process, so the program itself is asked.

use std::process::Command;

use testkit::stub::{Reply, Stub};

use super::VECTOR_OF_ONE;

/// Runs the program once with a proxy in its environment. It does not get far: what counts is whom it asks.
fn run_with_proxy(proxy: &Stub, base: &str) {
    let output = Command::new(env!("CARGO_BIN_EXE_error-budget-monitor"))
        .env_clear()
        .env("SERVICE_NAME", "checkout")
        .env("NAMESPACE", "shop")
        .env("DRY_RUN", "true")
        .env("PROMETHEUS_URL", base)
        .env("HTTP_PROXY", proxy.url())
        .env("ALL_PROXY", proxy.url())
        .output()
        .expect("the program starts");
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(69), "{told}");
}

#[test]
fn another_host_is_asked_through_the_proxy() {
    let proxy = Stub::http(|_| Some(Reply::json(200, VECTOR_OF_ONE)));
    run_with_proxy(&proxy, "http://prometheus.example:9090/base");
    let requests = proxy.requests();
    let target = &requests.first().expect("the proxy was asked").target;
    assert_eq!(target, "http://prometheus.example:9090/base/api/v1/query");
}

#[test]
fn loopback_is_never_asked_through_a_proxy() {
    let proxy = Stub::http(|_| None);
    let direct = Stub::http(|_| Some(Reply::json(200, VECTOR_OF_ONE)));
    run_with_proxy(&proxy, &direct.url());
    let by_address = direct.requests().len();
    run_with_proxy(&proxy, &direct.url().replace("127.0.0.1", "localhost"));
    assert!(by_address > 0);
    assert!(direct.requests().len() > by_address);
    assert!(proxy.requests().is_empty());
}
