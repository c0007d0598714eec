//! A person on a terminal: they see what a rollback would do, and are asked. The terminal is a real one, of `script`.

use std::fs::File;
use std::io::{self, Read, Write};
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
    on_a_screen(program, 0, keys, meanwhile)
}

/// The same on one that is so many columns wide; 0 where it does not say it.
fn on_a_screen(program: &Program, columns: u16, keys: &str, meanwhile: impl FnOnce()) -> Shown {
    let rows = if columns == 0 { 0 } else { 40 };
    let words: Vec<String> = std::iter::once(env!("CARGO_BIN_EXE_error-budget-monitor"))
        .chain(program.words().iter().map(String::as_str))
        .map(|word| format!("'{word}'"))
        .collect();
    let mut child = Command::new("script")
        .args(["--quiet", "--return", "--command"])
        // In the place of the shell, which Ctrl-C would end too.
        .arg(format!(
            "stty cols {columns} rows {rows}; exec {}",
            words.join(" ")
        ))
        .arg("/dev/null")
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

/// Takes the colours out.
fn plain(screen: &str) -> String {
    let mut pieces = screen.split('\u{1b}');
    let first = pieces.next().unwrap_or_default().to_owned();
    pieces.fold(first, |all, piece| {
        let (_, text) = piece.split_once('m').expect("only colours");
        all + text
    })
}

#[test]
fn a_result_fits_the_terminal_and_is_in_colour() {
    let (world, _) = World::with_a_bad_release();
    for columns in [80, 120] {
        let program = world
            .program()
            .env("TERM", "xterm")
            .arguments(&["run", "--dry-run"]);
        let Shown { code, screen } = on_a_screen(&program, columns, "", || {});
        assert_eq!(code, Some(0), "{screen}");
        assert!(
            screen.contains("\u{1b}[1m\u{1b}[31mburning\u{1b}[0m"),
            "{screen}"
        );
        assert!(screen.contains("\u{1b}[32m+          image: "), "{screen}");
        let plain = plain(&screen);
        for line in plain.lines().take_while(|line| !line.starts_with("diff ")) {
            let words = line.split_whitespace().count();
            let width = line.chars().count();
            assert!(
                width <= usize::from(columns) || words < 3,
                "{width}: {line}"
            );
        }
        // What is not a terminal gets the same words, as they always were.
        let piped = program
            .arguments(&["run", "--dry-run", "--output", "text"])
            .run();
        let words = |text: &str| text.split_whitespace().count();
        assert_eq!(
            words(&plain),
            words(&piped.stdout),
            "{plain}\n{}",
            piped.stdout
        );
        assert!(!piped.stdout.contains('\u{1b}'), "{piped}");
    }
}

#[test]
fn colours_are_a_matter_of_taste() {
    let world = World::of("healthy");
    let program = || world.program().arguments(&["status"]).env("TERM", "xterm");
    let on_terminal = |program: Program| on_a_screen(&program, 80, "", || {}).screen;
    assert!(on_terminal(program()).contains("\u{1b}["));
    for plain in [
        program().env("NO_COLOR", "1"),
        program().env("TERM", "dumb"),
        program().arguments(&["status", "--color", "never"]),
    ] {
        let screen = on_terminal(plain);
        assert!(!screen.contains('\u{1b}'), "{screen}");
    }
    let text = ["status", "--output", "text"];
    let forced = program().arguments(&text).env("CLICOLOR_FORCE", "1").run();
    assert!(forced.stdout.contains("\u{1b}["), "{forced}");
    let always = [&text[..], &["--color", "always"]].concat();
    let always = program().arguments(&always).run();
    assert!(always.stdout.contains("\u{1b}["), "{always}");
}

#[test]
fn a_terminal_shows_the_result_and_no_log_unless_it_is_asked_for() {
    let world = World::of("healthy");
    let logged = |words: &[&str]| {
        let program = world.program().arguments(words);
        on_a_terminal(&program, "", || {})
            .screen
            .contains("evaluated")
    };
    assert!(!logged(&["run"]));
    assert!(logged(&["run", "-v"]));
    assert!(!logged(&["run", "-q"]));
    let asked = world.program().arguments(&["run"]).env("RUST_LOG", "info");
    assert!(
        on_a_terminal(&asked, "", || {})
            .screen
            .contains("evaluated")
    );
    // Elsewhere every stage is in the log, and less where that is wanted.
    let run = |words: &[&str]| world.program().arguments(words).run().log().len();
    assert!(run(&["run"]) > 1);
    assert_eq!(run(&["run", "-q"]), 0);
}

#[test]
fn a_result_that_cannot_be_written_is_no_success() {
    let world = World::of("healthy");
    let into = |program: &Program, out: Stdio| {
        let status = Command::new(env!("CARGO_BIN_EXE_error-budget-monitor"))
            .args(program.words())
            .env_clear()
            .envs(program.environment())
            .stdout(out)
            .stderr(Stdio::null())
            .status();
        status.expect("it starts").code()
    };
    for words in [
        &["run"][..],
        &["run", "--output", "text"],
        &["status"],
        &["man"],
        &["completions", "bash"],
    ] {
        let program = world.program().arguments(words);
        let full = File::options().write(true).open("/dev/full");
        let full = full.expect("the kernel has a full disk");
        assert_eq!(into(&program, full.into()), Some(74), "{words:?}");
        // A reader that has gone has read enough.
        let (reader, writer) = io::pipe().expect("a pipe");
        drop(reader);
        assert_eq!(into(&program, writer.into()), Some(0), "{words:?}");
    }
}
