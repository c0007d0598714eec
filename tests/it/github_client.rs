//! What is asked of GitHub, against a scripted server.

use error_budget_monitor::clients::github::Github;
use secrecy::SecretString;
use testkit::stub::{Reply, Stub};
use url::Url;

const RULES: &str = "/api/v3/repos/shop/gitops/rules/branches/main";

async fn ask(stub: &Stub) -> Result<Vec<String>, String> {
    let api = Url::parse(&format!("{}/api/v3/", stub.url())).expect("a URL");
    let token = SecretString::from("canary-token");
    let github = Github::new(&api, "shop", "gitops", Some(&token)).expect("usable settings");
    github
        .rules("main")
        .await
        .map_err(|error| error.to_string())
}

#[tokio::test]
async fn names_each_rule_of_the_branch_once() {
    let stub = Stub::http(|request| {
        (request.path() == RULES).then(|| {
            Reply::json(
                200,
                r#"[{"type":"required_signatures"},{"type":"pull_request","parameters":{}},{"type":"pull_request"}]"#,
            )
        })
    });
    let rules = ask(&stub).await.expect("an answer");
    assert_eq!(rules, ["pull_request", "required_signatures"]);
    let requests = stub.requests();
    assert_eq!(requests.len(), 1);
    assert_eq!(
        requests[0].header("authorization"),
        Some("Bearer canary-token")
    );
}

#[tokio::test]
async fn a_refusal_is_asked_once_and_says_what_github_said() {
    let stub = Stub::sequence([Reply::json(
        403,
        r#"{"message":"Resource not accessible","documentation_url":"x"}"#,
    )]);
    let error = ask(&stub).await.expect_err("refused");
    assert_eq!(
        error,
        "ask GitHub for the rules of branch \"main\": HTTP 403: Resource not accessible"
    );
}

#[tokio::test]
async fn a_redirect_is_not_followed_with_the_token() {
    let elsewhere = Stub::http(|_| None);
    let stub = Stub::sequence([Reply::redirect(302, &format!("{}/", elsewhere.url()))]);
    let error = ask(&stub).await.expect_err("not an answer");
    assert!(!error.contains("canary-token"), "{error}");
    assert_eq!(elsewhere.requests().len(), 0);
}
