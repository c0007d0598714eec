//! Who asks, and in which form.

use testkit::stub::Authority;

use super::*;

/// As an account that may read and no more.
pub(in super::super) fn reader() -> Situation {
    by_hand().speaking_as("reader", &["get"])
}

/// As an account that may do nothing.
pub(in super::super) fn outsider() -> Situation {
    by_hand().speaking_as("outsider", &[])
}

/// Without a token.
pub(in super::super) fn nobody() -> Situation {
    by_hand().speaking_as_nobody()
}

/// With a token of another server.
pub(in super::super) fn bad_signature() -> Situation {
    by_hand().with_token("a.b.c")
}

/// With a token that is none.
pub(in super::super) fn malformed() -> Situation {
    by_hand().with_token("nothing")
}

/// With an API token whose time is over.
pub(in super::super) fn expired() -> Situation {
    by_hand().expired()
}

/// With a session whose time is over.
pub(in super::super) fn session_expired() -> Situation {
    let this = by_hand().with_password("person", "REDACTED", true);
    let body = json!({ "username": "person", "password": "REDACTED" });
    let answer = this.argo.ask("", "POST", "/api/v1/session", &body);
    let token = answer.expect("an answer").json()["token"].clone();
    let this = this.with_token(token.as_str().expect("a token"));
    this.argo.pass(seconds(24 * 3600));
    this
}

/// With an API token that was taken back.
pub(in super::super) fn revoked() -> Situation {
    let this = by_hand();
    this.argo.change(|world| world.auth.revoke_tokens(US));
    this
}

/// With the token of a role of the project.
pub(in super::super) fn project_role() -> Situation {
    let this = by_hand();
    let role = "proj:shop:error-budget-monitor";
    let token = this.argo.change(|world| {
        let now = world.now();
        world.auth.issue_token(role, None, now)
    });
    this.with_token(&token)
}

/// With an account that has the recorded password.
pub(in super::super) fn password() -> Situation {
    by_hand().with_password("person", "REDACTED", true)
}

/// With an account that has another password.
pub(in super::super) fn another_password() -> Situation {
    by_hand().with_password("person", "correct horse", true)
}

/// With an account that has API tokens only.
pub(in super::super) fn no_login() -> Situation {
    by_hand().with_password(US, "REDACTED", false)
}

/// Sending JSON that says more than that.
pub(in super::super) fn charset() -> Situation {
    by_hand().sending(Some("application/json; charset=utf-8"))
}

/// Sending nothing that says what it is.
pub(in super::super) fn untyped() -> Situation {
    busy().sending(None)
}

/// Asked in plain HTTP where it speaks TLS.
pub(in super::super) fn tls() -> Situation {
    let source = Source::git(REPO_URL, FOLDER, "main");
    let app = Application::new("checkout", Spec::of("default", source));
    Situation::begin(Setup::driven().with_tls(Authority::new().server()), app)
}
