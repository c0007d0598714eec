//! The token travels in one header and nowhere else.

use testkit::stub::{Reply, Stub};

use super::*;

#[test]
fn the_token_is_in_no_error_no_debug_text_and_no_url() {
    let world = seeded();
    let good = world.repo.tip();
    world.release("v2", 1);
    let git = world.git();
    let snapshot = read(&git);
    roll_back(&snapshot, &good);
    for request in world.server.requests() {
        assert!(!request.to_string().contains(TOKEN), "{request}");
    }
    let missing = refused_read(&super::git(GitSettings {
        branch: "nothing".to_owned(),
        ..world.settings()
    }));
    for text in [
        format!("{git:?} {snapshot:?} {:?}", world.settings()),
        format!("{missing} {missing:?}"),
    ] {
        assert!(!text.contains(TOKEN), "{text}");
    }
}

#[test]
fn the_token_is_sent_at_once_as_the_user_s_password() {
    let stub = Stub::sequence([Reply::text(401, format!("{TOKEN} is wrong"))]);
    let error = refused_read(&git(settings(&stub.url())));
    let requests = stub.requests();
    assert_eq!(requests.len(), 1);
    assert!(
        requests[0]
            .header("authorization")
            .is_some_and(|value| value.starts_with("Basic "))
    );
    assert!(!requests[0].target.contains(TOKEN));
    let text = format!("{error} {error:?}");
    assert!(!text.contains(TOKEN), "{text}");
}

#[test]
fn without_a_token_no_credentials_are_sent() {
    let stub = Stub::sequence([Reply::text(401, "who are you?")]);
    refused_read(&git(GitSettings {
        token: None,
        ..settings(&stub.url())
    }));
    assert_eq!(stub.requests()[0].header("authorization"), None);
}
