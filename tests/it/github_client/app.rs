//! Signing in as a GitHub App. The stand-in checks each claim against the App's public key.

use error_budget_monitor::clients::forge::ForgeFault;
use error_budget_monitor::clients::github::Landing;
use secrecy::ExposeSecret;
use testkit::github::APP_KEY_PKCS8;
use testkit::stub::Reply;

use super::*;

fn minted(world: &World) -> usize {
    let log = world.github.requests();
    log.iter()
        .filter(|logged| logged.path.ends_with("/access_tokens"))
        .count()
}

async fn token(client: &Github) -> String {
    let token = client.installation_token().await.expect("a token");
    token.expect("not anonymous").expose_secret().to_owned()
}

#[tokio::test]
async fn lands_a_commit_that_github_signs_with_one_token() {
    let world = world();
    let client = world.app();
    let written = world.written(&client).await;
    assert!(written.is_verified);
    let landing = client.land("main", &written).await.expect("an outcome");
    let commit = world.one_commit_restores(&world.bad);
    assert_eq!(
        landing,
        Landing::Landed {
            commit: commit.clone()
        }
    );
    assert!(world.github.is_signed(&commit));
    assert_eq!(minted(&world), 1);
    let log = world.github.requests();
    assert_eq!(log[0].path, "/app/installations/70/access_tokens");
    assert_eq!(log[0].body, br#"{"repositories":["deploy"]}"#);
    let claim = log[0].authorization.as_deref().expect("signed");
    assert_eq!(claim.matches('.').count(), 2, "a JSON web token");
    assert!(
        log[1..]
            .iter()
            .all(|logged| { logged.authorization.as_deref() == Some("Bearer canary-app-token-1") })
    );
}

#[tokio::test]
async fn either_form_of_the_key_will_do_and_nothing_else() {
    let world = world();
    let client = Github::new(settings(&world.github, app_auth(APP_KEY_PKCS8))).expect("usable");
    assert_eq!(token(&client).await, "canary-app-token-1");
    for bad in [
        "",
        "no key",
        "-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----\n",
    ] {
        let error = Github::new(settings(&world.github, app_auth(bad))).expect_err("unusable");
        assert!(matches!(error.fault, ForgeFault::Key), "{error}");
        assert_eq!(
            error.to_string(),
            "prepare the API of acme/deploy: GITHUB_APP_PRIVATE_KEY is not an RSA key in PEM; download it again from \
             the App's settings"
        );
    }
}

#[tokio::test]
async fn the_token_is_kept_while_it_lives_and_made_anew_before_it_expires() {
    let world = world();
    let client = world.app();
    assert_eq!(token(&client).await, "canary-app-token-1");
    assert_eq!(token(&client.clone()).await, "canary-app-token-1");
    assert_eq!(minted(&world), 1);

    world.github.set_token_life(TimeDelta::minutes(4));
    let client = world.app();
    assert_eq!(token(&client).await, "canary-app-token-2");
    assert_eq!(
        token(&client).await,
        "canary-app-token-3",
        "four minutes may be too short for a push"
    );
}

#[tokio::test]
async fn many_callers_at_once_share_one_token() {
    let world = world();
    let client = world.app();
    let tips = [client.tip("main"), client.tip("main"), client.tip("main")];
    let [a, b, c] = tips;
    let (a, b, c) = tokio::join!(a, b, c);
    for tip in [a, b, c] {
        assert_eq!(tip.expect("an answer"), Some(world.bad.clone()));
    }
    assert_eq!(minted(&world), 1);
}

#[tokio::test]
async fn a_token_that_was_taken_back_is_replaced_for_a_question() {
    let world = world();
    let client = world.app();
    client.tip("main").await.expect("an answer");
    world.github.revoke_app_tokens();
    assert_eq!(
        client.tip("main").await.expect("an answer"),
        Some(world.bad.clone())
    );
    assert_eq!(minted(&world), 2);
}

#[tokio::test]
async fn a_token_that_was_taken_back_stops_a_write_and_the_next_gets_another() {
    let world = world();
    let client = world.app();
    let written = world.written(&client).await;
    world.github.revoke_app_tokens();
    let error = client.land("main", &written).await.expect_err("refused");
    assert!(
        matches!(error.fault, ForgeFault::Unauthorized { .. }),
        "{error}"
    );
    assert_eq!(world.repo().tip(), world.bad);
    assert_eq!(
        client.tip("main").await.expect("an answer"),
        Some(world.bad.clone())
    );
    assert_eq!(minted(&world), 2);
}

#[tokio::test]
async fn an_app_that_github_does_not_know_is_an_error_that_stays() {
    let world = world();
    let auth = GithubAuth::App {
        app_id: 8,
        installation_id: INSTALLATION_ID,
        private_key: APP_KEY.into(),
    };
    let client = Github::new(settings(&world.github, auth)).expect("usable settings");
    let error = client.tip("main").await.expect_err("refused");
    assert!(
        error
            .to_string()
            .contains("HTTP 401: Integration not found"),
        "{error}"
    );
    assert!(!error.is_transient());
}

#[tokio::test]
async fn an_answer_without_a_token_is_no_token_and_is_not_repeated() {
    let world = world();
    let reply = Reply::json(201, r#"{"token":"canary-half","expires_at":"soon"}"#);
    world.github.instead("POST", "/access_tokens", reply);
    let error = world
        .app()
        .installation_token()
        .await
        .expect_err("no token");
    assert_eq!(
        error.to_string(),
        "get a token of acme/deploy: the answer cannot be used: it holds no token of the installation; check \
         GITOPS_API_URL"
    );
}

#[tokio::test]
async fn the_token_opens_git_over_https_too() {
    let world = world();
    let token = token(&world.app()).await;
    let mut url = Url::parse(&format!("{}/acme/deploy.git", world.github.url())).expect("a URL");
    let read = |url: &Url| {
        std::process::Command::new("git")
            .args(["ls-remote", url.as_str(), "refs/heads/main"])
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .output()
            .expect("git is installed")
    };
    assert!(!read(&url).status.success());
    url.set_username("x-access-token").expect("a user");
    url.set_password(Some(&token)).expect("a password");
    let listed = String::from_utf8(read(&url).stdout).expect("text");
    assert!(listed.starts_with(&world.bad), "{listed}");
}
