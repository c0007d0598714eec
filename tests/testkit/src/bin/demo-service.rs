//! The demo's service: runs the version that git says, or the one that was deployed, and counts its requests for
//! Prometheus.
#![expect(
    clippy::print_stdout,
    reason = "the demo script shows what this program prints"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use testkit::demo::{Arguments, publish};
use testkit::git::Release;
use testkit::prometheus::{ServiceLabels, Traffic};
use testkit::service::LiveService;

/// Time between two looks at the manifest: a change takes effect this soon.
const DEPLOY_EVERY: Duration = Duration::from_millis(500);

/// Where the manifest is that the service obeys.
enum Manifest {
    /// A file on a branch, `<branch>:<path>`: what is committed runs.
    Committed { git_dir: String, source: String },
    /// A file of its own: what was deployed runs.
    Deployed(PathBuf),
}

fn main() {
    let arguments = Arguments::from_env(&[
        "git-dir",
        "branch",
        "manifest",
        "deployed-manifest",
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
    let manifest = Manifest::from_arguments(&arguments);

    let service = LiveService::start(labels, Traffic::idle());
    publish(
        Path::new(arguments.required("address-file")),
        &service.address().to_string(),
    );
    let mut running = None;
    loop {
        let wanted = manifest.release();
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

impl Manifest {
    fn from_arguments(arguments: &Arguments) -> Self {
        if let Some(file) = arguments.optional("deployed-manifest") {
            return Self::Deployed(PathBuf::from(file));
        }
        let branch = arguments.optional("branch").unwrap_or("main");
        Self::Committed {
            git_dir: arguments.required("git-dir").to_owned(),
            source: format!("{branch}:{}", arguments.required("manifest")),
        }
    }

    /// Returns what should run; nothing while the manifest cannot be read, and the old version stays.
    fn release(&self) -> Option<Release> {
        match self {
            Self::Committed { git_dir, source } => {
                let output = Command::new("git")
                    .args(["--git-dir", git_dir, "show", source])
                    .output()
                    .ok()?;
                Release::read(&String::from_utf8(output.stdout).ok()?)
            }
            Self::Deployed(file) => Release::read(&fs::read_to_string(file).ok()?),
        }
    }
}
