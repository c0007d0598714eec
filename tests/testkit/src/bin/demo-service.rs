//! The demo's service: runs whatever version git says, and counts its requests for Prometheus.
#![expect(
    clippy::print_stdout,
    reason = "the demo script shows what this program prints"
)]

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use testkit::demo::{Arguments, publish};
use testkit::git::Release;
use testkit::prometheus::{ServiceLabels, Traffic};
use testkit::service::LiveService;

/// Time between two looks at git: a deployment takes effect this soon, as Argo CD would make it.
const DEPLOY_EVERY: Duration = Duration::from_millis(500);

fn main() {
    let arguments = Arguments::from_env(&[
        "git-dir",
        "branch",
        "manifest",
        "namespace",
        "service",
        "requests-per-second",
        "address-file",
    ]);
    let requests_per_second = arguments.number("requests-per-second", 40.0);
    let labels = ServiceLabels::new(
        arguments.required("namespace"),
        arguments.required("service"),
    );
    let source = format!(
        "{}:{}",
        arguments.optional("branch").unwrap_or("main"),
        arguments.required("manifest")
    );
    let git_dir = arguments.required("git-dir");

    let service = LiveService::start(labels, Traffic::idle());
    publish(
        Path::new(arguments.required("address-file")),
        &service.address().to_string(),
    );
    let mut running = None;
    loop {
        let wanted = read_release(git_dir, &source);
        if let Some(Release {
            version,
            fail_ratio,
        }) = &wanted
            && wanted != running
        {
            let healthy = Traffic::healthy(requests_per_second);
            service.set_traffic(healthy.errors(healthy.error_ratio.max(*fail_ratio)));
            println!(
                "now running {version}, which fails {:.0} % of its requests",
                fail_ratio * 100.0
            );
            running = wanted;
        }
        std::thread::sleep(DEPLOY_EVERY);
    }
}

/// Returns what git says should run; nothing while git cannot be read, and the old version stays.
fn read_release(git_dir: &str, source: &str) -> Option<Release> {
    let output = Command::new("git")
        .args(["--git-dir", git_dir, "show", source])
        .output()
        .ok()?;
    Release::read(&String::from_utf8(output.stdout).ok()?)
}
