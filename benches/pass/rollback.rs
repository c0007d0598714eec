//! A bad release: what a pass that would roll back costs, and how long it takes from the start to the push, or from the
//! decision to the operation that Argo CD accepts.

use std::net::SocketAddr;

use chrono::{TimeDelta, Utc};
use testkit::argocd::{Application, ArgoServer, Pace, Setup, Source, Spec};
use testkit::git::{GitServer, MonoRepo};
use testkit::prometheus::shared_month;

use crate::proxy::{Exchange, Proxy};
use crate::table::{Table, Unit};
use crate::{Failure, Run, Start, Wanted, World, millis, repeat};

const SERVICE: &str = "bad-release";

/// Longest time from the start of the program to the answer to its push (ms).
const MAX_TO_PUSH: f64 = 250.0;

/// Longest time from the last answer that the decision needs to the operation that Argo CD accepts (ms).
const MAX_TO_OPERATION: f64 = 150.0;

/// Most requests to Argo CD until then, the one for the operation included.
const MAX_ARGO_REQUESTS: f64 = 6.0;

/// How the application is called.
const APP: &str = "bench";

pub(crate) fn report(
    wanted: &Wanted,
    prometheus: &Proxy,
    table: &mut Table,
) -> Result<(), Failure> {
    let server = GitServer::with_token("bench");
    let address: SocketAddr = server.base_url().trim_start_matches("http://").parse()?;
    let git = Proxy::start(address)?;
    let mut made = 0;
    let mut start = |arguments: Vec<&'static str>, expected| {
        // A push changes the repository, so every run gets its own.
        let path = format!("platform/gitops-{made}");
        made += 1;
        seed(&server, &path);
        let mut world = World::new(prometheus, SERVICE)?;
        world.set(
            "GITOPS_REPO",
            &format!("http://{}/{path}.git", git.address()),
        );
        world.set("GITOPS_TOKEN", "bench");
        world.set("GITOPS_PATH", &MonoRepo::path(SERVICE));
        world.set("ROLLBACK_ENABLED", "true");
        world.set("VERIFY_TIMEOUT", "0s");
        Ok(Start {
            passes_before: 0,
            world,
            arguments,
            expected,
        })
    };
    let proxies = [prometheus, &git];
    let dry = repeat(wanted, &proxies, || {
        start(vec!["run", "--dry-run"], r#""outcome":"would_roll_back""#)
    })?;
    for (program, runs) in &dry {
        let kind = format!("dry run, would roll back{program}");
        crate::report(table, &kind, runs, false);
    }
    let real = repeat(wanted, &proxies, || {
        start(vec!["run"], r#""outcome":"verifying""#)
    })?;
    for (program, runs) in &real {
        let kind = format!("rollback{program}");
        crate::report(table, &kind, runs, false);
        let measured = runs.iter().map(to_push).collect::<Result<Vec<f64>, _>>()?;
        let limit = program.is_empty().then_some(MAX_TO_PUSH);
        table.row(
            &format!("{kind}: start to push"),
            Unit::Millis,
            &measured,
            limit,
        );
    }
    Ok(())
}

/// The same where Argo CD deploys by hand: it goes back first, and the branch follows.
pub(crate) fn report_with_argo_cd(
    wanted: &Wanted,
    prometheus: &Proxy,
    table: &mut Table,
) -> Result<(), Failure> {
    let server = GitServer::with_token("bench");
    // A server and its proxy for each run, which end with the benchmark.
    let mut proxies = Vec::new();
    let mut runs = Vec::new();
    for turn in 0..crate::WARM_UP + wanted.runs {
        let path = format!("platform/argo-{turn}");
        seed(&server, &path);
        let url = server.url(&path);
        let argo = application(&server, &path);
        let address = argo.url().trim_start_matches("http://").parse()?;
        let proxy = Proxy::start(address)?;
        let mut world = World::new(prometheus, SERVICE)?;
        for (name, value) in [
            ("GITOPS_REPO", url.as_str()),
            ("GITOPS_TOKEN", "bench"),
            ("GITOPS_PATH", &MonoRepo::path(SERVICE)),
            ("ROLLBACK_ENABLED", "true"),
            ("VERIFY_TIMEOUT", "0s"),
            ("ARGOCD_SERVER", &format!("http://{}", proxy.address())),
            ("ARGOCD_APP_NAME", APP),
            ("ARGOCD_PROJECT", "bench"),
            (
                "ARGOCD_TOKEN",
                &argo.token_for("bench", &["get", "sync"], &format!("bench/{APP}")),
            ),
        ] {
            world.set(name, value);
        }
        prometheus.take();
        let start = Start {
            passes_before: 0,
            world,
            arguments: vec!["run"],
            expected: r#""outcome":"verifying""#,
        };
        let run = crate::run_once(&wanted.program, &[prometheus, &proxy], &start)?;
        if turn >= crate::WARM_UP {
            runs.push(run);
        }
        proxies.push((proxy, argo));
    }
    let measured = runs
        .iter()
        .map(to_operation)
        .collect::<Result<Vec<_>, _>>()?;
    let (times, requests): (Vec<f64>, Vec<f64>) = measured.into_iter().unzip();
    table.row(
        "rollback with Argo CD: decision to accepted operation",
        Unit::Millis,
        &times,
        Some(MAX_TO_OPERATION),
    );
    table.row(
        "rollback with Argo CD: requests to it until then",
        Unit::Count,
        &requests,
        Some(MAX_ARGO_REQUESTS),
    );
    Ok(())
}

/// Starts an Argo CD that deployed both releases of the service by hand.
fn application(server: &GitServer, path: &str) -> ArgoServer {
    let (repo, url) = (server.repo(path), server.url(path));
    let watched = MonoRepo::path(SERVICE);
    let releases = repo.path_history(&watched);
    let argo = Setup::live(Pace::QUICK).over(repo, &url).start();
    let spec = Spec::of("bench", Source::git(&url, &watched, "main"));
    argo.change(|known| known.add(Application::new(APP, spec)));
    for revision in releases.iter().rev() {
        argo.deploy(APP, revision);
    }
    let deployed_at = shared_month().deployed_at();
    argo.change(|known| {
        let history = &mut known.app_mut(APP).status.history;
        let ages = [deployed_at - TimeDelta::days(20), deployed_at];
        for (entry, at) in history.iter_mut().zip(ages) {
            entry.deployed_at = at;
            entry.deploy_started_at = Some(at - TimeDelta::seconds(1));
        }
    });
    argo.forget();
    argo
}

/// Returns the time from the last answer of Prometheus before an operation to the answer to it (ms), and how many
/// requests Argo CD had got by then.
fn to_operation(run: &Run) -> Result<(f64, f64), Failure> {
    let text = |exchange: &Exchange| String::from_utf8_lossy(&exchange.request).into_owned();
    let is_argo = |exchange: &Exchange| text(exchange).contains(" /api/v1/applications");
    let operation = run
        .exchanges
        .iter()
        .find(|exchange| {
            let request = text(exchange);
            request.starts_with("POST /api/v1/applications/") && request.contains("/rollback")
        })
        .ok_or("no operation was seen")?;
    let is_earlier = |exchange: &&Exchange| exchange.asked_at < operation.asked_at;
    let decided = run
        .exchanges
        .iter()
        .filter(is_earlier)
        .filter(|exchange| !is_argo(exchange))
        .map(|exchange| exchange.asked_at + exchange.took)
        .max()
        .ok_or("nothing was measured before it")?;
    let before = run.exchanges.iter().filter(is_earlier);
    let requests = before.filter(|exchange| is_argo(exchange)).count() + 1;
    let accepted = operation.asked_at + operation.took;
    Ok((millis(accepted - decided), requests as f64))
}

/// Makes a repository in which the service has a bad release and a neighbour a good one after it.
fn seed(server: &GitServer, path: &str) {
    let repo = MonoRepo::seed(
        server.create(path),
        &[SERVICE, "payments", "search"],
        Utc::now() - TimeDelta::days(20),
    );
    let deployed_at = shared_month().deployed_at();
    repo.release(SERVICE, "v2", 0.2, deployed_at);
    repo.release("payments", "v7", 0.0, deployed_at + TimeDelta::minutes(5));
}

/// Returns the time from the start of the program to the whole answer to its push (ms).
fn to_push(run: &Run) -> Result<f64, Failure> {
    let is_push = |exchange: &&Exchange| {
        let request = String::from_utf8_lossy(&exchange.request);
        request.starts_with("POST") && request.contains("/git-receive-pack")
    };
    let push = run
        .exchanges
        .iter()
        .find(is_push)
        .ok_or("no push was seen")?;
    Ok(millis(push.asked_at + push.took - run.started_at))
}
