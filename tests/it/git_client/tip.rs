//! The one small question that a healthy pass asks.

use testkit::git::{Fault, RequestRecord};
use testkit::stub::{Reply, Request, Stub};

use super::*;

const WITHIN: Duration = Duration::from_secs(60);

#[test]
fn the_tip_is_asked_for_by_one_request() {
    let world = seeded();
    // Names that begin alike are sent too.
    let id = world.repo.tip();
    world.repo.tag("main", &id);
    world.repo.prepare("side", at(1)).branch("main-2").create();
    let newest = world.noise("o2\n", 2);
    assert_eq!(world.git().tip(WITHIN).expect("a branch"), newest);
    let requests: Vec<String> = world
        .server
        .requests()
        .iter()
        .map(RequestRecord::to_string)
        .collect();
    assert_eq!(requests, ["POST /platform/gitops.git/git-upload-pack 200"]);
}

#[test]
fn a_server_that_knows_only_the_old_protocol_is_asked_in_it() {
    let world = seeded();
    let advertisement = world.advertisement();
    let refusals = [
        Reply::untyped(200, "0018ERR upload-pack: no")
            .with_header("content-type", "application/x-git-upload-pack-result"),
        Reply::untyped(500, ""),
        Reply::untyped(415, ""),
    ];
    for refusal in refusals {
        let advertisement = advertisement.clone();
        let stub = Stub::http(move |request: &Request| match request.method.as_str() {
            "GET" => Some(Reply::untyped(200, advertisement.clone()).with_header(
                "content-type",
                "application/x-git-upload-pack-advertisement",
            )),
            _ => Some(refusal.clone()),
        });
        let tip = git(settings(&stub.url())).tip(WITHIN).expect("a branch");
        assert_eq!(tip, world.repo.tip());
        assert_eq!(stub.requests().len(), 2);
    }
}

#[test]
fn a_branch_that_is_not_there_and_a_server_that_refuses_are_said() {
    let world = seeded();
    let elsewhere = GitSettings {
        branch: "trunk".to_owned(),
        ..world.settings()
    };
    let error = git(elsewhere).tip(WITHIN).expect_err("no such branch");
    assert!(matches!(error.fault, GitFault::NoBranch { .. }), "{error}");
    world.server.set_fault(Fault::Status(403));
    let error = world.git().tip(WITHIN).expect_err("no access");
    assert!(matches!(error.fault, GitFault::Status(403)), "{error}");
    assert!(
        error.to_string().contains("ask for the tip of the branch"),
        "{error}"
    );
}

#[test]
fn a_server_that_hangs_is_waited_for_no_longer_than_was_said() {
    let world = seeded();
    world
        .server
        .set_fault(Fault::Delay(Duration::from_secs(600)));
    let error = world
        .git()
        .tip(Duration::from_millis(50))
        .expect_err("no answer");
    assert!(matches!(error.fault, GitFault::Deadline), "{error}");
}
