//! Proxies named in the environment. The environment belongs to a whole process, so each case runs in its own.

use std::process::Command;

use testkit::stub::{Reply, Stub};

use super::{VECTOR_OF_ONE, client, noon, patient};

/// Variable that tells the other process whom to ask.
const BASE: &str = "PROXY_TEST_BASE";

#[tokio::test]
#[ignore = "runs in a process with its own environment, started by the tests below"]
async fn asks_in_this_environment() {
    let base = std::env::var(BASE).expect("started by a test of this module");
    client(&base, &patient())
        .instant("up", noon())
        .await
        .expect("an answer");
}

fn ask_with_proxy(proxy: &Stub, base: &str) {
    let name = concat!(module_path!(), "::asks_in_this_environment");
    let (_, name) = name.split_once("::").expect("a path inside the crate");
    let output = Command::new(std::env::current_exe().expect("a running test"))
        .args(["--exact", name, "--ignored"])
        .env(BASE, base)
        .env("HTTP_PROXY", proxy.url())
        .env("ALL_PROXY", proxy.url())
        .env_remove("NO_PROXY")
        .env_remove("no_proxy")
        .output()
        .expect("the test binary can be started again");
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && told.contains("1 passed"),
        "{told}"
    );
}

#[test]
fn another_host_is_asked_through_the_proxy() {
    let proxy = Stub::sequence([Reply::json(200, VECTOR_OF_ONE)]);
    ask_with_proxy(&proxy, "http://prometheus.example:9090/base");
    let target = &proxy.requests()[0].target;
    assert_eq!(target, "http://prometheus.example:9090/base/api/v1/query");
}

#[test]
fn loopback_is_never_asked_through_a_proxy() {
    let proxy = Stub::http(|_| None);
    let direct = Stub::http(|_| Some(Reply::json(200, VECTOR_OF_ONE)));
    ask_with_proxy(&proxy, &direct.url());
    ask_with_proxy(&proxy, &direct.url().replace("127.0.0.1", "localhost"));
    assert_eq!(direct.requests().len(), 2);
    assert!(proxy.requests().is_empty());
}
