//! Every outside call goes wrong in every way: what was begun is finished all the same, once.

use testkit::argocd::ArgoServer;
use testkit::github::GithubServer;
use testkit::prometheus::shared_month;

use crate::crowd;
use crate::deeds::Allowed;
use crate::relay::{Call, Fault, Relay};
use crate::scenarios::argocd::scene::{ACCOUNT, Scene};
use crate::scenarios::program::Program;
use crate::scenarios::world::REPOSITORY;
use crate::stage::Stage;
use crate::stories::{by_app, by_merge_request, by_pull_request, pushing, with_argocd};
use crate::table;

/// How many cases there have to be.
const CASES: usize = 90;

/// Stands for both variables with the address of a GitLab, which serves its API and git.
const GITLAB: &str = "GITLAB";

/// The password of the account, where one is used.
const PASSWORD: &str = "a password of the tests";

/// A kind of request, and the stage on which it is sent.
struct Sent {
    call: Call,
    stage: fn() -> Stage,
    /// The variable with the address that the relay takes the place of.
    address: &'static str,
    allowed: Allowed,
}

const CALLS: &[Sent] = &[
    prometheus("POST", "/api/v1/query"),
    prometheus("POST", "/api/v1/query_range"),
    git("GET", "service=git-upload-pack"),
    git("POST", "/git-upload-pack"),
    git("GET", "service=git-receive-pack"),
    git("POST", "/git-receive-pack"),
    app("POST", "/access_tokens"),
    app("POST", "/git/trees"),
    app("POST", "/git/commits"),
    app("PATCH", "/git/refs/"),
    pull("POST", "/git/refs"),
    pull("GET", "/pulls"),
    pull("POST", "/pulls"),
    pull("POST", "/labels"),
    merge("GET", "/merge_requests"),
    merge("POST", "/merge_requests"),
    merge("PUT", "/merge_requests/"),
    merge("POST", "/git-receive-pack"),
    argocd("POST", "/api/v1/session", signed_in_by_password),
    argocd("GET", "/api/v1/session/userinfo", rolled_back),
    argocd("GET", "/api/v1/applications/", rolled_back),
    argocd("POST", "/rollback", rolled_back),
    argocd("GET", "refresh=", synced),
    argocd("POST", "/sync", synced),
];

const fn prometheus(method: &'static str, fragment: &'static str) -> Sent {
    Sent {
        call: Call { method, fragment },
        stage: pushing,
        address: "PROMETHEUS_URL",
        allowed: Allowed::ONE_COMMIT,
    }
}

const fn git(method: &'static str, fragment: &'static str) -> Sent {
    Sent {
        call: Call { method, fragment },
        stage: pushing,
        address: "GITOPS_REPO",
        allowed: Allowed::ONE_COMMIT,
    }
}

const fn app(method: &'static str, fragment: &'static str) -> Sent {
    Sent {
        call: Call { method, fragment },
        stage: by_app,
        address: "GITOPS_API_URL",
        allowed: Allowed::ONE_COMMIT,
    }
}

const fn pull(method: &'static str, fragment: &'static str) -> Sent {
    Sent {
        call: Call { method, fragment },
        stage: by_pull_request,
        address: "GITOPS_API_URL",
        allowed: Allowed::ONE_PULL,
    }
}

const fn merge(method: &'static str, fragment: &'static str) -> Sent {
    Sent {
        call: Call { method, fragment },
        stage: by_merge_request,
        address: GITLAB,
        allowed: Allowed::ONE_PULL,
    }
}

const fn argocd(method: &'static str, fragment: &'static str, stage: fn() -> Stage) -> Sent {
    Sent {
        call: Call { method, fragment },
        stage,
        address: "ARGOCD_SERVER",
        allowed: Allowed::ONE_COMMIT.with_operations(1, 1),
    }
}

fn rolled_back() -> Stage {
    with_argocd(Scene::by_hand())
}

fn synced() -> Stage {
    with_argocd(Scene::reverting())
}

fn signed_in_by_password() -> Stage {
    let stage = rolled_back();
    let argo = stage.argo.as_ref().expect("an Argo CD");
    argo.change(|known| known.auth.add_account(ACCOUNT, PASSWORD));
    let program = stage.program.clone();
    Stage {
        program: program
            .without("ARGOCD_TOKEN")
            .env("ARGOCD_USERNAME", ACCOUNT)
            .env("ARGOCD_PASSWORD", PASSWORD),
        ..stage
    }
}

#[test]
fn whatever_a_server_answers_a_rollback_is_done_once() {
    let cases: Vec<(&Sent, Fault)> = CALLS
        .iter()
        .flat_map(|sent| Fault::ALL.map(|fault| (sent, fault)))
        .collect();
    let name = |(sent, fault): &(&Sent, Fault)| format!("{:?}, {fault:?}", sent.call);
    let met = crowd::each(crowd::PATIENT, &cases, name, |(sent, fault)| {
        lied_to(sent, *fault)
    });
    for ((sent, fault), _) in cases.iter().zip(&met).filter(|(_, met)| **met == 0) {
        table::says(&format!("not sent: {:?}, {fault:?}", sent.call));
    }
    // On a machine that is busy a run may give up before it sends the request; such a case does not count.
    table::reached(
        "HTTP faults on every outside call",
        CASES,
        "cases",
        met.iter().filter(|met| **met > 0).count(),
        &format!(
            ", {} calls and {} faults, {} answers spoilt",
            CALLS.len(),
            Fault::ALL.len(),
            met.iter().sum::<usize>()
        ),
    );
}

/// Plays a story in whose first run one kind of request goes wrong. Returns how often it did.
fn lied_to(sent: &Sent, fault: Fault) -> usize {
    let stage = (sent.stage)();
    let server = address(&stage, sent.address);
    let (base, path) = split(&server);
    let relay = Relay::lying_about(base, sent.call, fault);
    let url = relay.url();
    let program = stage.program.clone();
    let program = match sent.address {
        GITLAB => program
            .env("GITOPS_API_URL", &format!("{url}/api/v4"))
            .env("GITOPS_REPO", &format!("{url}/{REPOSITORY}.git")),
        variable => program.env(variable, &format!("{url}{path}")),
    };
    let stage = Stage {
        first: Some(impatient(&program, sent.address)),
        program,
        relay: Some(relay),
        ..stage
    };
    let played = stage.play(&[]);
    // What a server refuses for good is handed to a person, or becomes a pull request.
    let is_proposed = stage.pulls() > 0;
    let allowed = match is_proposed {
        true => Allowed::ONE_PULL,
        false => sent.allowed,
    };
    if played.is_told {
        allowed.is_not_exceeded(&stage);
    } else {
        allowed.holds(&stage);
    }
    let relay = stage.relay.as_ref().expect("it is there");
    relay.ends_its_lies()
}

/// Returns what a variable is set to on a stage.
fn address(stage: &Stage, variable: &str) -> String {
    let github = stage.github.as_ref().map(GithubServer::api_url);
    let argo = stage.argo.as_ref().map(ArgoServer::url);
    match variable {
        "PROMETHEUS_URL" => shared_month().prometheus.url(),
        "GITOPS_REPO" => stage.world.server.url(REPOSITORY),
        "GITOPS_API_URL" => github.expect("a GitHub"),
        GITLAB => stage.gitlab.as_ref().expect("a GitLab").url(),
        _ => argo.expect("an Argo CD"),
    }
}

/// Splits a URL behind its authority.
fn split(url: &str) -> (&str, &str) {
    let scheme = "http://".len();
    let end = url[scheme..].find('/').map_or(url.len(), |at| scheme + at);
    url.split_at(end)
}

/// Lets the program give up soon on the server that lies.
fn impatient(program: &Program, address: &str) -> Program {
    let timeout = match address {
        "PROMETHEUS_URL" => "PROMETHEUS_TIMEOUT",
        "GITOPS_REPO" | "GITOPS_API_URL" | GITLAB => "GITOPS_TIMEOUT",
        // Its time-outs are constants of the program.
        _ => return program.clone(),
    };
    program.clone().env(timeout, "6s")
}
