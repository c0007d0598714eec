//! The scripts that people start: their help costs nothing, and they hand the program what they were given.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Writes down that it was started.
const TELLS: &str = "#!/bin/sh\nprintf '%s %s\\n' \"${0##*/}\" \"$*\" >>\"$STARTED\"\n";

fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts")
}

/// A folder of programs that only write down that they were started.
struct Programs(tempfile::TempDir);

impl Programs {
    fn new(names: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for name in names {
            let path = folder.path().join(name);
            fs::write(&path, TELLS).expect("our own folder");
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("our own file");
        }
        Self(folder)
    }

    /// Runs a program where these come first, and returns what came of it and what was started.
    fn run<S: AsRef<OsStr>>(
        &self,
        program: impl AsRef<OsStr>,
        arguments: &[S],
        settings: &[(&str, &str)],
    ) -> (Output, String) {
        let folder = self.0.path();
        let started = folder.join("started");
        let output = Command::new(program)
            .args(arguments)
            .env_clear()
            .env("PATH", format!("{}:/usr/bin:/bin", folder.display()))
            .env("CARGO_TARGET_DIR", folder.join("target"))
            .env("STARTED", &started)
            .envs(settings.iter().copied())
            .output()
            .expect("it starts");
        (output, fs::read_to_string(started).unwrap_or_default())
    }
}

#[test]
fn help_of_every_script_builds_installs_and_starts_nothing() {
    let programs = Programs::new(&["cargo", "apt-get", "sudo", "kubectl", "docker", "go"]);
    let scripts = fs::read_dir(scripts()).expect("the scripts");
    let scripts = scripts.map(|entry| entry.expect("an entry").path());
    let scripts: Vec<PathBuf> = scripts
        .filter(|path| path.extension() == Some(OsStr::new("sh")))
        .collect();
    assert!(scripts.len() > 10, "{scripts:?}");
    for script in scripts {
        let (output, started) = programs.run(&script, &["--help"], &[]);
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{script:?}: {output:?}");
        assert_eq!(started, "", "{script:?}");
        assert!(said.lines().count() >= 3, "{script:?}: {said}");
    }
}

#[test]
fn the_scripts_of_commands_hand_on_what_they_were_given() {
    for (script, command) in [
        ("auto-rollback-on-error-budget.sh", "run"),
        ("check-error-budget.sh", "check"),
        ("doctor.sh", "doctor"),
        ("rollback-gitops-manifest.sh", "rollback gitops"),
        ("rollback-argocd-app.sh", "rollback argocd"),
    ] {
        let programs = Programs::new(&["error-budget-monitor"]);
        let (output, started) = programs.run(scripts().join(script), &["--dry-run"], &[]);
        assert!(output.status.success(), "{script}: {output:?}");
        assert_eq!(
            started,
            format!("error-budget-monitor {command} --dry-run\n")
        );
        assert_eq!(output.stderr, b"", "{script}");
    }
}

/// Arguments, settings, what the program is started with, and whether the script says that it is one pass.
type Watched<'a> = (&'a [&'a str], &'a [(&'a str, &'a str)], &'a str, bool);

#[test]
fn a_watch_is_asked_for_by_a_variable_or_an_argument_and_else_is_said_to_be_none() {
    let script = scripts().join("auto-rollback-on-error-budget.sh");
    let script = script.to_str().expect("a plain name");
    let watch = [("WATCH", "10m")];
    let table: [Watched<'_>; 5] = [
        (&[], &watch, "run --watch 10m", false),
        (&["--dry-run"], &watch, "run --watch 10m --dry-run", false),
        (&["--watch", "5m"], &watch, "run --watch 5m", false),
        (&["--watch=5m"], &[], "run --watch=5m", false),
        (&[], &[], "run", true),
    ];
    for (arguments, settings, expected, is_told) in table {
        let programs = Programs::new(&["error-budget-monitor"]);
        let all = [&["600", script], arguments].concat();
        let (output, started) = programs.run("timeout", &all, settings);
        assert!(output.status.success(), "{output:?}");
        assert_eq!(started, format!("error-budget-monitor {expected}\n"));
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(told.contains("set WATCH=10m"), is_told, "{told}");
    }
}
