//! Tokens and keys stay where they belong.

use testkit::github::APP_KEY;
use testkit::stub::Reply;

use super::*;

/// Lines of the private key, of which none may be seen.
fn lines_of_the_key() -> impl Iterator<Item = &'static str> {
    APP_KEY.lines().filter(|line| line.len() > 40)
}

#[tokio::test]
async fn nothing_that_is_printed_holds_a_token_or_a_key() {
    let world = world();
    for client in [world.client(), world.app()] {
        client.tip("main").await.expect("an answer");
        let mut printed = vec![format!("{client:?}")];
        let echo = r#"{"message":"who is canary-person-token and canary-app-token-1?","errors":["canary-app-token-1"]}"#;
        for status in [400, 403, 404, 409, 422, 500, 401] {
            world
                .github
                .instead("PATCH", "/git/refs/", Reply::json(status, echo));
            let written = WrittenCommit {
                commit: world.good.clone(),
                parent: world.bad.clone(),
                is_verified: false,
            };
            // A fault is met with a second try.
            if status == 500 {
                world
                    .github
                    .instead("PATCH", "/git/refs/", Reply::json(500, echo));
            }
            match client.land("main", &written).await {
                Ok(landing) => printed.push(format!("{landing:?}")),
                Err(error) => printed.push(format!("{error} {error:?}")),
            }
            client.tip("main").await.expect("an answer");
        }
        for text in printed {
            let own = if client.is_app() {
                "canary-app-token"
            } else {
                "canary-person-token"
            };
            assert!(!text.contains(own), "{text}");
            assert!(
                lines_of_the_key().all(|line| !text.contains(line)),
                "{text}"
            );
        }
    }
}

#[tokio::test]
async fn settings_print_without_their_secrets() {
    let world = world();
    for auth in [
        GithubAuth::Token(GithubServer::TOKEN.into()),
        app_auth(APP_KEY),
    ] {
        let printed = format!("{:?}", settings(&world.github, auth));
        assert!(!printed.contains("canary"), "{printed}");
        assert!(
            lines_of_the_key().all(|line| !printed.contains(line)),
            "{printed}"
        );
    }
}
