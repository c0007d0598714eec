//! The man pages name every command, variable and exit code.

use std::fs;

use clap::CommandFactory;
use error_budget_monitor::cli::Cli;
use error_budget_monitor::config::VARIABLES;

#[expect(dead_code, reason = "its main is that of the example")]
#[path = "../../../examples/man.rs"]
mod example;

#[test]
fn the_pages_and_the_completions_name_everything() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    example::write_all(folder.path()).expect("the folder can be written");
    let read = |path: &str| {
        fs::read_to_string(folder.path().join(path))
            .unwrap_or_else(|error| panic!("{path}: {error}"))
    };
    let main = read("man1/error-budget-monitor.1").replace("\\-", "-");
    for variable in VARIABLES {
        assert!(main.contains(variable.name), "{}", variable.name);
    }
    for code in super::tables::EXITS {
        let code = code.code();
        assert!(main.contains(&format!("\\fB{code}\\fR")), "{code}");
    }
    for shell in [
        "error-budget-monitor.bash",
        "_error-budget-monitor",
        "error-budget-monitor.fish",
    ] {
        let completion = read(&format!("completions/{shell}"));
        for command in Cli::command().get_subcommands() {
            let name = command.get_name();
            assert!(completion.contains(name), "{name} in {shell}");
            let page = read(&format!("man1/error-budget-monitor-{name}.1"));
            assert!(page.contains(".SH SYNOPSIS"), "{page}");
        }
    }
}
