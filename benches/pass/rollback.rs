//! A bad release: what a pass that would roll back costs, and how long it takes from the start to the push.

use std::net::SocketAddr;

use chrono::{TimeDelta, Utc};
use testkit::git::{GitServer, MonoRepo};
use testkit::prometheus::shared_month;

use crate::proxy::{Exchange, Proxy};
use crate::table::{Table, Unit};
use crate::{Failure, Run, Start, Wanted, World, millis, repeat};

const SERVICE: &str = "bad-release";

/// Longest time from the start of the program to the answer to its push (ms).
const MAX_TO_PUSH: f64 = 250.0;

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
