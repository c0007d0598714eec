//! The commands that the documentation shows, run as they stand against a service with a bad release.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};

use super::world::{REPOSITORY, TOKEN, World};
use crate::documentation::at;
use crate::documentation::fences::{Fence, fences};

/// What makes a line of code end with another exit code than 0.
const ENDS_WITH: &str = "# ends with ";

/// Puts the test's addresses and names where the documentation has those of its example.
fn adapted(code: &str, world: &World) -> String {
    let program = world.program();
    let prometheus = &program.environment()["PROMETHEUS_URL"];
    code.replace("http://prometheus.monitoring:9090", prometheus)
        .replace(
            "https://git.example.com/acme/deploy.git",
            &world.server.url(REPOSITORY),
        )
        .replace("checkout", &world.service())
}

/// Turns what the documentation says of exit codes into a check of them.
fn script(code: &str) -> String {
    code.lines()
        .map(|line| match line.split_once(ENDS_WITH) {
            Some((command, expected)) => {
                let expected: u8 = expected.trim().parse().expect("an exit code");
                format!(
                    "code=0\n{command} || code=$?\n[ \"$code\" = {expected} ] || {{ echo \"ended with $code\" >&2; exit 99; }}\n"
                )
            }
            None => format!("{line}\n"),
        })
        .collect()
}

/// Runs one piece of code with nothing around it but the program, the scripts and a token. Code that sets its own
/// variables gets only those; other code gets those of the world.
fn run(fence: &Fence) {
    let (world, _) = World::with_a_bad_release();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let here = folder.path();
    let program = Path::new(env!("CARGO_BIN_EXE_error-budget-monitor"));
    std::fs::create_dir(here.join("bin")).expect("our own folder");
    symlink(program, here.join("bin/error-budget-monitor")).expect("our own folder");
    symlink(at("scripts"), here.join("scripts")).expect("our own folder");
    std::fs::write(here.join("token"), format!("{TOKEN}\n")).expect("our own folder");

    let mut command = Command::new("bash");
    command.env_clear();
    if fence.code.contains("export SERVICE_NAME=") {
        command.env("STATE_FILE", world.state_file());
        // Many programs ask one Prometheus at once here.
        command.env("PROMETHEUS_TIMEOUT", "60s");
    } else {
        command.envs(world.program().environment());
    }
    let output = command
        .env("PATH", format!("{}/bin:/usr/bin:/bin", here.display()))
        .current_dir(here)
        .args(["-euo", "pipefail", "-c"])
        .arg(script(&adapted(&fence.code, &world)))
        .stdin(Stdio::null())
        .output()
        .expect("bash is there");
    assert!(
        output.status.success(),
        "{} ended with {}:\n{}\n{}\n{}",
        fence.place,
        output.status,
        fence.code,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn every_command_that_needs_no_cluster_does_what_it_says() {
    let shown: Vec<Fence> = fences()
        .into_iter()
        .filter(|fence| fence.mark == "sh")
        .collect();
    assert!(shown.len() >= 5, "{shown:#?}");
    for fence in &shown {
        run(fence);
    }
}
