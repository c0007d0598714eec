//! The manual pages name every command, variable and exit code, and the completions every command.

use clap::{CommandFactory, ValueEnum};
use clap_complete::Shell;
use error_budget_monitor::cli::Cli;
use error_budget_monitor::config::VARIABLES;
use error_budget_monitor::manual;

fn page(command: Option<&str>) -> String {
    let page = manual::page(command).expect("memory takes it");
    let page = page.unwrap_or_else(|| panic!("no page of {command:?}"));
    String::from_utf8(page).expect("text").replace("\\-", "-")
}

#[test]
fn the_pages_and_the_completions_name_everything() {
    let main = page(None);
    for variable in VARIABLES {
        assert!(main.contains(variable.name), "{}", variable.name);
    }
    for code in super::tables::EXITS {
        let code = code.code();
        assert!(main.contains(&format!("\\fB{code}\\fR")), "{code}");
    }
    for shell in Shell::value_variants() {
        let completion = manual::completions(*shell);
        let completion = String::from_utf8(completion).expect("text");
        for command in Cli::command().get_subcommands() {
            let name = command.get_name();
            assert!(completion.contains(name), "{name} in {shell}");
        }
    }
    for command in Cli::command().get_subcommands() {
        let name = command.get_name();
        let page = page(Some(name));
        let title = format!("error-budget-monitor-{name}");
        assert!(
            page.contains(".SH SYNOPSIS") && page.contains(&title),
            "{page}"
        );
    }
    assert!(
        manual::page(Some("nonsense"))
            .expect("memory takes it")
            .is_none()
    );
}
