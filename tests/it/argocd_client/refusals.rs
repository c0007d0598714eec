//! Every refusal by its own name, with a sentence that says what to do.

use error_budget_monitor::clients::argocd::{ArgoFault, Prune};

use super::*;

/// Returns a name for a fault and what it shows of the server's words.
fn class(fault: &ArgoFault) -> &'static str {
    match fault {
        ArgoFault::AutoSyncOn => "auto-sync on",
        ArgoFault::OperationInProgress => "operation in progress",
        ArgoFault::Deleting => "deleting",
        ArgoFault::ForeignRevision { .. } => "foreign revision",
        ArgoFault::HistoryTooOld => "history too old",
        ArgoFault::NoSuchHistoryId { .. } => "no such id",
        ArgoFault::NothingToTerminate => "nothing to terminate",
        ArgoFault::SpecInvalid { .. } => "spec invalid",
        ArgoFault::ProjectRefuses { .. } => "project refuses",
        ArgoFault::SyncWindow => "sync window",
        ArgoFault::Forbidden { .. } => "forbidden",
        ArgoFault::NotFound { .. } => "not found",
        ArgoFault::Unauthorized { .. } => "unauthorized",
        ArgoFault::Throttled { .. } => "throttled",
        ArgoFault::Server { .. } => "server",
        ArgoFault::Refused { .. } => "refused",
        ArgoFault::NotArgo { .. } => "not Argo CD",
        ArgoFault::ContentType { .. } => "content type",
        other @ (ArgoFault::Settings(_)
        | ArgoFault::Transport(_)
        | ArgoFault::Deadline { .. }
        | ArgoFault::Unprepared(_)
        | ArgoFault::WantsHttps
        | ArgoFault::Redirect { .. }
        | ArgoFault::TooLarge { .. }
        | ArgoFault::Answer { .. }
        | ArgoFault::LoginRefused { .. }
        | ArgoFault::LoginFailed { .. }) => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn names_every_refusal() {
    for (status, code, message, expected) in [
        (
            400,
            9,
            "rollback cannot be initiated when auto-sync is enabled",
            "auto-sync on",
        ),
        (
            400,
            9,
            "another operation is already in progress",
            "operation in progress",
        ),
        (400, 9, "application is deleting", "deleting"),
        (
            400,
            9,
            "Cannot sync to aaa: auto-sync currently set to main",
            "foreign revision",
        ),
        (
            400,
            9,
            "cannot rollback to revision deployed with Argo CD v0.11 or lower. sync to revision instead.",
            "history too old",
        ),
        (
            400,
            3,
            "application argocd/checkout does not have deployment with id 12",
            "no such id",
        ),
        (
            400,
            3,
            "Unable to terminate operation. No operation is in progress",
            "nothing to terminate",
        ),
        (
            400,
            3,
            "application spec for checkout is invalid: InvalidSpecError: Unable to generate manifests",
            "spec invalid",
        ),
        (
            400,
            3,
            "app is not allowed in project \"p\", or the project does not exist",
            "project refuses",
        ),
        (403, 7, "cannot sync: blocked by sync window", "sync window"),
        (403, 7, "permission denied", "forbidden"),
        (
            404,
            5,
            "applications.argoproj.io \"checkout\" not found",
            "not found",
        ),
        (401, 16, "no session information", "unauthorized"),
        (429, 8, "slow down", "throttled"),
        (500, 13, "internal", "server"),
        (501, 12, "not implemented", "refused"),
        (400, 9, "something that nobody knows", "refused"),
        (409, 10, "the object has been modified", "refused"),
        // The words count only with their code.
        (400, 3, "auto-sync is enabled", "refused"),
        (400, 9, "No operation is in progress", "refused"),
        (500, 2, "another operation is already in progress", "server"),
    ] {
        let stub = Stub::sequence([refusal(status, code, message)]);
        let error = client(&stub)
            .roll_back(12, Prune::No)
            .await
            .expect_err("refused");
        assert_eq!(class(&error.fault), expected, "{message}");
    }
}

#[tokio::test]
async fn a_refusal_without_a_code_goes_by_its_status() {
    let told = json!({"error": "permission denied"}).to_string();
    let stub = Stub::sequence([Reply::json(403, told)]);
    let error = client(&stub).roll_back(12, Prune::No).await;
    let error = error.expect_err("refused");
    assert_eq!(class(&error.fault), "forbidden");
}

#[tokio::test]
async fn answers_that_are_no_json_have_their_own_names() {
    for (reply, expected) in [
        (Reply::text(415, "Invalid content type\n"), "content type"),
        (Reply::text(404, "404 page not found"), "not Argo CD"),
        (Reply::text(405, "Method Not Allowed"), "not Argo CD"),
        (
            Reply::html(200, "<!doctype html><title>Argo CD</title>"),
            "not Argo CD",
        ),
        (Reply::html(403, "<html>proxy</html>"), "not Argo CD"),
        (Reply::untyped(200, "{}"), "not Argo CD"),
        (
            Reply::json(400, "<html>no JSON after all</html>"),
            "not Argo CD",
        ),
        (Reply::text(401, "no"), "not Argo CD"),
    ] {
        let (error, asked) = fails([reply.clone()]).await;
        assert_eq!(class(&error.fault), expected, "{reply:?}");
        assert!(!error.is_transient());
        assert_eq!(asked, 1);
    }
}

#[tokio::test]
async fn says_what_was_tried_on_what_and_what_to_do() {
    let said = async |reply: Reply| {
        let stub = Stub::sequence([reply]);
        let error = client(&stub).roll_back(12, Prune::No).await;
        let error = error.expect_err("refused").to_string();
        error.replace(&stub.url(), "SERVER")
    };
    let tried = "roll application \"checkout\" back to history entry 12 at SERVER: ";
    for (reply, expected) in [
        (
            refusal(
                400,
                9,
                "rollback cannot be initiated when auto-sync is enabled",
            ),
            "refused because auto-sync is on; revert in git, or switch auto-sync off first",
        ),
        (
            refusal(
                400,
                3,
                "application argocd/checkout does not have deployment with id 12",
            ),
            "the history has no such entry any more; read it again and choose again (application argocd/checkout does \
             not have deployment with id 12)",
        ),
        (
            refusal(401, 16, "invalid session: token is expired"),
            "ARGOCD_TOKEN does not count: it expired, was revoked, is older than the account's password or is cut; set \
             a new one (HTTP 401: invalid session: token is expired)",
        ),
        (
            refusal(400, 9, "news"),
            "refused for a reason that is not known (HTTP 400: news); a person has to look",
        ),
        (
            Reply::html(200, "<title>Argo CD</title>"),
            "text/html came instead of JSON (HTTP 200: <title>Argo CD</title>); check that ARGOCD_SERVER with its root \
             path leads to Argo CD and not to a login page",
        ),
    ] {
        assert_eq!(said(reply).await, format!("{tried}{expected}"));
    }
}

#[tokio::test]
async fn words_of_the_server_are_short_clean_and_on_one_line() {
    let long = format!("first\n\u{1b}[31msecond {}", "x".repeat(100_000));
    let (error, _) = fails([refusal(400, 9, &long)]).await;
    let told = error.to_string();
    assert!(told.contains("first [31msecond xxx"), "{told}");
    assert!(!told.contains(char::is_control), "{told}");
    assert!(told.chars().count() < 500, "{}", told.chars().count());
}

#[tokio::test]
async fn a_class_is_found_in_words_that_are_too_long_to_be_shown() {
    let message = format!(
        "{}: another operation is already in progress",
        "x".repeat(1_000)
    );
    let (error, _) = fails([refusal(400, 9, &message)]).await;
    assert_eq!(class(&error.fault), "operation in progress");
}
