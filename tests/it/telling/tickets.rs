//! Incident tickets on GitHub.

use error_budget_monitor::clients::github::{Github, GithubAuth, GithubSettings};
use error_budget_monitor::notify::Tickets;
use testkit::github::{APP_ID, APP_KEY, GithubServer, INSTALLATION_ID};
use testkit::stub::Reply;
use url::Url;

use super::*;

fn with(server: &GithubServer, auth: GithubAuth, is_closed_on_recovery: bool) -> Tellers {
    let api = Url::parse(&server.api_url()).expect("a URL");
    let settings = GithubSettings {
        pause: Duration::from_millis(1),
        ..GithubSettings::new(api, "acme", "deploy", auth)
    };
    let github = Github::new(settings).expect("usable settings");
    Tellers {
        tickets: Some(Tickets::new(github, is_closed_on_recovery)),
        ..Tellers::default()
    }
}

fn tellers(server: &GithubServer) -> Tellers {
    with(server, GithubAuth::Token(GithubServer::TOKEN.into()), true)
}

async fn told(tellers: &Tellers, kind: NewsKind, ticket: Option<u64>) -> Told {
    let handles = Handles {
        ticket,
        ..Handles::default()
    };
    tellers
        .tell(Channel::Ticket, &news(kind), &handles, LIMIT)
        .await
}

/// Opens the ticket and returns its number.
async fn opened(tellers: &Tellers) -> u64 {
    match delivered(told(tellers, NewsKind::Started, None).await) {
        Some(Handle::Ticket(number)) => number,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn one_ticket_is_opened_commented_brought_up_to_date_and_closed() {
    let server = GithubServer::start();
    let tellers = tellers(&server);
    let number = opened(&tellers).await;
    let (title, draft) = server.issue(number);
    assert!(title.contains(ID), "{title}");
    assert!(
        draft.contains("Rollback started") && draft.contains("## Lessons"),
        "{draft}"
    );
    delivered(told(&tellers, NewsKind::Recovered, Some(number)).await);
    assert_eq!(server.issue_count(), 1);
    let comments = server.comments(number);
    assert_eq!(comments.len(), 1);
    assert!(
        comments[0].starts_with("**Rollback recovered"),
        "{comments:?}"
    );
    let (_, draft) = server.issue(number);
    assert!(draft.contains("Rollback recovered"), "{draft}");
    assert!(!server.is_open(number));
}

#[tokio::test]
async fn an_app_keeps_tickets_too() {
    let server = GithubServer::start();
    let auth = GithubAuth::App {
        app_id: APP_ID,
        installation_id: INSTALLATION_ID,
        private_key: APP_KEY.into(),
    };
    opened(&with(&server, auth, true)).await;
    assert_eq!(server.issue_count(), 1);
}

#[tokio::test]
async fn a_ticket_stays_open_where_that_is_wanted_and_where_it_is_not_over() {
    let server = GithubServer::start();
    let stays = with(
        &server,
        GithubAuth::Token(GithubServer::TOKEN.into()),
        false,
    );
    let number = opened(&stays).await;
    delivered(told(&stays, NewsKind::Recovered, Some(number)).await);
    assert!(server.is_open(number));
    for kind in [
        NewsKind::Failed,
        NewsKind::Ineffective,
        NewsKind::Superseded,
    ] {
        delivered(told(&tellers(&server), kind, Some(number)).await);
    }
    assert!(server.is_open(number));
    assert_eq!(server.comments(number).len(), 4);
}

#[tokio::test]
async fn a_number_that_was_lost_is_found_by_the_hidden_line() {
    let server = GithubServer::start();
    server.open_issues(60, "error-budget");
    let tellers = tellers(&server);
    let number = opened(&tellers).await;
    server.open_issues(60, "error-budget");
    for kind in [NewsKind::Started, NewsKind::Recovered] {
        let handle = delivered(told(&tellers, kind, None).await);
        assert_eq!(handle, Some(Handle::Ticket(number)));
    }
    assert_eq!(server.issue_count(), 121);
}

#[tokio::test]
async fn every_repeat_finds_what_is_there() {
    let server = GithubServer::start();
    let tellers = tellers(&server);
    let number = opened(&tellers).await;
    for kind in [
        NewsKind::Started,
        NewsKind::Recovered,
        NewsKind::Recovered,
        NewsKind::Started,
    ] {
        delivered(told(&tellers, kind, Some(number)).await);
    }
    assert_eq!(
        (server.issue_count(), server.comments(number).len()),
        (1, 1)
    );
    let (_, draft) = server.issue(number);
    assert!(
        draft.contains("Rollback recovered"),
        "a late beginning takes nothing back: {draft}"
    );
}

#[tokio::test]
async fn what_a_person_wrote_is_never_replaced() {
    let server = GithubServer::start();
    let tellers = tellers(&server);
    let number = opened(&tellers).await;
    server.edit_issue(number, |body| {
        body.replacen("_To be written by a person._", "A missing index.", 1)
    });
    delivered(told(&tellers, NewsKind::Recovered, Some(number)).await);
    let (_, draft) = server.issue(number);
    assert!(
        draft.contains("A missing index.") && draft.contains("Rollback started"),
        "{draft}"
    );
    assert_eq!(server.comments(number).len(), 1);
}

#[tokio::test]
async fn a_creation_whose_answer_was_lost_is_looked_up_by_the_next_run() {
    for loss in [
        Reply::hangup(),
        Reply::json(502, "{}"),
        Reply::html(200, "<html>"),
    ] {
        let server = GithubServer::start();
        let tellers = tellers(&server);
        server.after("POST", "/issues", loss);
        later(told(&tellers, NewsKind::Started, None).await);
        assert_eq!(server.issue_count(), 1);
        opened(&tellers).await;
        assert_eq!(server.issue_count(), 1);
        let creations = server
            .story()
            .into_iter()
            .filter(|line| line.starts_with("POST /issues"));
        assert_eq!(creations.count(), 1);
    }
}

#[tokio::test]
async fn a_comment_whose_answer_was_lost_is_written_once() {
    let server = GithubServer::start();
    let tellers = tellers(&server);
    let number = opened(&tellers).await;
    server.after("POST", "/comments", Reply::hangup());
    delivered(told(&tellers, NewsKind::Failed, Some(number)).await);
    assert_eq!(server.comments(number).len(), 1);
}

#[tokio::test]
async fn the_end_opens_the_ticket_where_the_beginning_was_never_told() {
    let server = GithubServer::start();
    let number = match delivered(told(&tellers(&server), NewsKind::Recovered, None).await) {
        Some(Handle::Ticket(number)) => number,
        other => panic!("{other:?}"),
    };
    assert!(server.comments(number).is_empty());
    assert!(!server.is_open(number));
}

#[tokio::test]
async fn a_plan_that_was_overtaken_gets_no_ticket() {
    let server = GithubServer::start();
    assert_eq!(
        delivered(told(&tellers(&server), NewsKind::Superseded, None).await),
        None
    );
    assert_eq!(server.issue_count(), 0);
}

#[tokio::test]
async fn a_ticket_that_was_deleted_is_opened_anew() {
    let server = GithubServer::start();
    let tellers = tellers(&server);
    let number = opened(&tellers).await;
    server.delete_issue(number);
    let handle = delivered(told(&tellers, NewsKind::Failed, Some(number)).await);
    assert_eq!(handle, Some(Handle::Ticket(number + 1)));
}

#[tokio::test]
async fn refusals_wait_for_a_person_and_a_refused_text_does_not() {
    let server = GithubServer::start();
    let tellers = tellers(&server);
    for (status, reply) in [
        (403, "Resource not accessible"),
        (404, "Not Found"),
        (410, "Issues are disabled"),
    ] {
        server.instead(
            "POST",
            "/issues",
            Reply::json(status, format!(r#"{{"message":"{reply}"}}"#)),
        );
        let (why, _) = later(told(&tellers, NewsKind::Started, None).await);
        assert!(
            why.starts_with("open an issue of acme/deploy: ") && why.ends_with("(INCIDENT_REPO)"),
            "{why}"
        );
    }
    server.instead(
        "POST",
        "/issues",
        Reply::json(422, r#"{"message":"Validation Failed"}"#),
    );
    never(told(&tellers, NewsKind::Started, None).await);
    server.instead(
        "GET",
        "/issues",
        Reply::json(403, "{}").with_header("Retry-After", "3600"),
    );
    let (_, retry_after) = later(told(&tellers, NewsKind::Started, None).await);
    assert!(retry_after.is_some_and(|wait| wait > Duration::from_secs(3_000)));
}

#[tokio::test]
async fn a_github_that_hangs_is_given_up_in_time() {
    let server = GithubServer::start();
    let tellers = tellers(&server);
    let number = opened(&tellers).await;
    server.instead("PATCH", "/issues/", Reply::silence());
    let handles = Handles::default();
    let told = tellers
        .tell(
            Channel::Ticket,
            &news(NewsKind::Recovered),
            &handles,
            Duration::from_secs(6),
        )
        .await;
    let Told::Later { why, handle, .. } = told else {
        panic!("{told:?}");
    };
    assert!(why.contains("within the time for telling"), "{why}");
    assert_eq!(handle, Some(Handle::Ticket(number)));
}

#[tokio::test]
async fn hostile_text_calls_nobody_and_hides_nothing() {
    let server = GithubServer::start();
    let tellers = tellers(&server);
    for kind in [NewsKind::Started, NewsKind::Recovered] {
        delivered(tell(&tellers, Channel::Ticket, &hostile(kind)).await);
    }
    assert_eq!(server.issue_count(), 1);
}
