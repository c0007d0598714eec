//! A person on a terminal: they see what a rollback would do, and are asked. The terminal is a real one, of `script`.

use std::io::{Read, Write};
use std::process::{Command, Stdio};

use chrono::{TimeDelta, Utc};

use super::program::Program;
use super::world::World;

/// What a terminal showed, and the exit code of the program on it.
struct Shown {
    code: Option<i32>,
    screen: String,
}

/// What the program asks with.
const QUESTION: &str = "Roll back shop/healthy as shown? [y/N] ";

/// Runs the program on a terminal of its own. Where it asks, `meanwhile` happens before `keys` are typed.
fn on_a_terminal(program: &Program, keys: &str, meanwhile: impl FnOnce()) -> Shown {
    let words: Vec<String> = std::iter::once(env!("CARGO_BIN_EXE_error-budget-monitor"))
        .chain(program.words().iter().map(String::as_str))
        .map(|word| format!("'{word}'"))
        .collect();
    let mut child = Command::new("script")
        .args(["--quiet", "--return", "--command"])
        // In the place of the shell, which Ctrl-C would end too.
        .args([&format!("exec {}", words.join(" ")), "/dev/null"])
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .envs(program.environment())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .expect("`script` is there (package bsdutils, of util-linux)");
    // The end of the input would be the end of the answers too, so it stays open until the program is over.
    let mut keyboard = child.stdin.take().expect("its input is a pipe");
    let mut screen = child.stdout.take().expect("its output is a pipe");
    let mut seen = Vec::new();
    let mut byte = [0];
    while !seen.ends_with(QUESTION.as_bytes()) && screen.read(&mut byte).expect("a screen") == 1 {
        seen.push(byte[0]);
    }
    if seen.ends_with(QUESTION.as_bytes()) {
        meanwhile();
        keyboard.write_all(keys.as_bytes()).expect("a keyboard");
    }
    screen.read_to_end(&mut seen).expect("a screen");
    let ended = child.wait().expect("our own child");
    Shown {
        code: ended.code(),
        screen: String::from_utf8(seen).expect("the program writes text"),
    }
}

fn two_versions() -> (World, String) {
    let world = World::of("healthy");
    let v2 = world.release("v2", Utc::now() - TimeDelta::days(1));
    (world, v2)
}

#[test]
fn a_person_sees_plan_and_diff_and_says_yes_or_no() {
    for (keys, code, pushes) in [
        ("y\n", 0, 1),
        ("YES\n", 0, 1),
        ("n\n", 1, 0),
        ("\n", 1, 0),
        ("yes please\n", 1, 0),
        // The end of the input, and Ctrl-C.
        ("\u{4}", 1, 0),
        ("\u{3}", 1, 0),
    ] {
        let (world, v2) = two_versions();
        let program = world.program().asks().arguments(&["rollback"]);
        let before = world.traces();
        let Shown {
            code: ended,
            screen,
        } = on_a_terminal(&program, keys, || {});
        assert_eq!(ended, Some(code), "{keys:?}\n{screen}");
        assert_eq!(world.server.push_attempts(), pushes, "{keys:?}\n{screen}");
        let (shown, rest) = screen
            .split_once(QUESTION)
            .unwrap_or_else(|| panic!("nobody was asked: {screen}"));
        for part in [
            &v2[..10],
            &world.v1[..10],
            "-          image: registry.example/healthy:v2",
        ] {
            assert!(shown.contains(part), "{part} is not shown: {shown}");
        }
        assert_eq!(
            rest.contains("nothing was rolled back"),
            code == 1,
            "{screen}"
        );
        if code == 1 {
            assert_eq!(world.traces(), before, "{screen}");
        }
    }
}

#[test]
fn what_cannot_be_done_asks_nobody() {
    let (world, _) = two_versions();
    let held = world
        .program()
        .asks()
        .env("BLACKOUT_WINDOWS", "* 00:00-24:00 UTC")
        .arguments(&["rollback"]);
    let Shown { code, screen } = on_a_terminal(&held, "y\n", || {});
    assert_eq!(code, Some(1), "{screen}");
    assert!(screen.contains("hold (blackout)"), "{screen}");
    assert!(!screen.contains("[y/N]"), "{screen}");
    let dry = world.program().asks().arguments(&["rollback", "--dry-run"]);
    let Shown { code, screen } = on_a_terminal(&dry, "y\n", || {});
    assert_eq!(code, Some(0), "{screen}");
    assert!(!screen.contains("[y/N]"), "{screen}");
    assert_eq!(world.server.push_attempts(), 0);
}

#[test]
fn what_changed_since_it_was_shown_is_not_done() {
    let (world, _) = two_versions();
    let program = world.program().asks().arguments(&["rollback"]);
    let Shown { code, screen } = on_a_terminal(&program, "y\n", || {
        world.release("v3", Utc::now());
    });
    assert_eq!(code, Some(1), "{screen}");
    assert!(screen.contains("meanwhile it is another plan"), "{screen}");
    assert_eq!(world.server.push_attempts(), 0);
}

#[test]
fn without_a_terminal_a_yes_has_to_be_given() {
    let (world, _) = two_versions();
    let v1 = world.v1.clone();
    for arguments in [
        &["rollback"][..],
        &["rollback", "gitops", "--to", &v1],
        &["rollback", "--reason", "it is slow"],
        &["rollback", "argocd"],
    ] {
        let program = world.program().asks().arguments(arguments);
        let ran = world.nothing_changed_by(&program).exits(64);
        ran.complains_of(&["--yes", "--dry-run", "no terminal"]);
    }
    let program = world.program().asks().env("DRY_RUN", "true");
    let dry = world.nothing_changed_by(&program.arguments(&["rollback"]));
    dry.exits(0).has_outcome("would_roll_back");

    // A script that says what it wants has said yes.
    let reason = ("ROLLBACK_REASON", "it is slow".to_owned());
    for (world, (variable, value)) in [(world, ("TARGET_COMMIT", v1)), (two_versions().0, reason)] {
        let program = world.program().asks().env(variable, &value);
        let ran = program.arguments(&["rollback"]).run().exits(0);
        ran.has_outcome("verifying");
    }
}
