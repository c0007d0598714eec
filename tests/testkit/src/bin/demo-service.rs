//! The demo's service, or several: runs the version that git says, or the one that was deployed, and counts its requests
//! for Prometheus.
#![expect(
    clippy::print_stdout,
    reason = "the demo script shows what this program prints"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use testkit::demo::{Arguments, publish};
use testkit::git::{MonoRepo, Release};
use testkit::prometheus::{ServiceLabels, Traffic};
use testkit::service::LiveService;

/// Time between two looks at the manifest: a change takes effect this soon.
const DEPLOY_EVERY: Duration = Duration::from_millis(500);

/// Where the manifest is that the service obeys.
enum Manifest {
    /// A file on a branch: what is committed runs.
    Committed {
        git_dir: String,
        path: String,
        /// The branch's tip when the file was last read.
        read_at: Option<String>,
        release: Option<Release>,
    },
    /// A file of its own: what was deployed runs.
    Deployed(PathBuf),
}

/// One service and what it runs.
struct Runner {
    name: String,
    manifest: Manifest,
    service: LiveService,
    running: Option<Release>,
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
    let names: Vec<&str> = arguments.required("service").split(',').collect();
    let mut runners: Vec<Runner> = names
        .iter()
        .map(|name| {
            let labels = ServiceLabels::new(arguments.required("namespace"), name);
            Runner {
                name: (*name).to_owned(),
                manifest: Manifest::from_arguments(&arguments, name),
                service: LiveService::start(labels, Traffic::idle()),
                running: None,
            }
        })
        .collect();
    let addresses = runners.iter().map(|it| it.service.address().to_string());
    publish(
        Path::new(arguments.required("address-file")),
        &addresses.collect::<Vec<_>>().join("\n"),
    );
    loop {
        let tip = tip_of(&arguments);
        for runner in &mut runners {
            let who = if names.len() > 1 {
                runner.name.clone() + " is "
            } else {
                String::new()
            };
            runner.obey(tip.as_deref(), requests_per_second, &who);
        }
        std::thread::sleep(DEPLOY_EVERY);
    }
}

impl Runner {
    /// Runs what the manifest says now; the branch is at `tip`.
    fn obey(&mut self, tip: Option<&str>, requests_per_second: f64, who: &str) {
        let wanted = self.manifest.release(tip);
        if let Some(Release {
            version,
            fail_ratio,
        }) = &wanted
            && wanted != self.running
        {
            let healthy = Traffic::healthy(requests_per_second);
            self.service
                .set_traffic(healthy.errors(healthy.error_ratio.max(*fail_ratio)));
            println!(
                "{who}now running {version}, which fails {:.0} % of its requests",
                fail_ratio * 100.0
            );
            self.running = wanted;
        }
    }
}

impl Manifest {
    fn from_arguments(arguments: &Arguments, service: &str) -> Self {
        if let Some(file) = arguments.optional("deployed-manifest") {
            return Self::Deployed(PathBuf::from(file));
        }
        let path = arguments.optional("manifest").map(str::to_owned);
        Self::Committed {
            git_dir: arguments.required("git-dir").to_owned(),
            path: path.unwrap_or_else(|| MonoRepo::manifest_path(service)),
            read_at: None,
            release: None,
        }
    }

    /// Returns what should run; nothing while the manifest cannot be read, and the old version stays.
    fn release(&mut self, tip: Option<&str>) -> Option<Release> {
        match self {
            Self::Committed {
                git_dir,
                path,
                read_at,
                release,
            } => {
                let tip = tip?;
                if read_at.as_deref() != Some(tip) {
                    *release = Release::read(&git(git_dir, &["show", &format!("{tip}:{path}")])?);
                    *read_at = Some(tip.to_owned());
                }
                release.clone()
            }
            Self::Deployed(file) => Release::read(&fs::read_to_string(file).ok()?),
        }
    }
}

/// Returns where the branch is, where there is one.
fn tip_of(arguments: &Arguments) -> Option<String> {
    let branch = arguments.optional("branch").unwrap_or("main");
    let tip = git(arguments.optional("git-dir")?, &["rev-parse", branch])?;
    Some(tip.trim().to_owned())
}

/// Returns what git prints; nothing where it fails.
fn git(git_dir: &str, arguments: &[&str]) -> Option<String> {
    let mut command = Command::new("git");
    let output = command
        .args(["--git-dir", git_dir])
        .args(arguments)
        .output();
    let output = output.ok().filter(|output| output.status.success())?;
    String::from_utf8(output.stdout).ok()
}
