//! The README's tables are those of the program.

use std::fmt::Write;
use std::path::Path;

use error_budget_monitor::config::VARIABLES;

fn readme() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    std::fs::read_to_string(path).expect("the README is there")
}

/// Writes the variables as the README shows them.
fn table() -> String {
    let mut text = String::new();
    let mut group = "";
    for variable in VARIABLES {
        if variable.group != group {
            group = variable.group;
            let _ = write!(
                text,
                "\n**{group}**\n\n| variable | default | meaning |\n|---|---|---|\n"
            );
        }
        let file = if variable.secret {
            format!(", `{}_FILE`", variable.name)
        } else {
            String::new()
        };
        let default = variable
            .default
            .map_or_else(String::new, |default| format!("`{default}`"));
        let _ = writeln!(
            text,
            "| `{}`{file} | {default} | {} |",
            variable.name,
            variable.help.replace('|', "\\|")
        );
    }
    text
}

#[test]
fn the_readme_lists_every_variable_with_its_default_and_meaning() {
    let (_, rest) = readme()
        .split_once("<!-- variables -->\n")
        .map(|(before, rest)| (before.to_owned(), rest.to_owned()))
        .expect("the README marks where the table begins");
    let (shown, _) = rest
        .split_once("\n<!-- end of variables -->")
        .expect("the README marks where the table ends");
    assert_eq!(
        shown.trim(),
        table().trim(),
        "put the right side into the README"
    );
}

#[test]
fn the_readme_lists_every_exit_code() {
    use error_budget_monitor::exit::Exit;
    let text = readme();
    for exit in [
        Exit::Complete,
        Exit::PersonNeeded,
        Exit::BlockedCritical,
        Exit::BlockedEmergency,
        Exit::BlockedUnknown,
        Exit::BlockedHold,
        Exit::Usage,
        Exit::Unavailable,
        Exit::TryAgain,
        Exit::Configuration,
    ] {
        assert!(
            text.contains(&format!("\n| {} |", exit.code())),
            "exit code {}",
            exit.code()
        );
    }
}
