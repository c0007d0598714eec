//! Writes the man pages and the completions for shells into a folder, from the program's own arguments, variables and
//! exit codes. Not part of the program that is shipped: `cargo run --example man -- FOLDER`, or `scripts/man.sh`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Command, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};
use error_budget_monitor::cli::Cli;
use error_budget_monitor::config::VARIABLES;

/// Every exit code that all commands share, and what it means.
const EXIT_CODES: [(&str, &str); 10] = [
    ("0", "The pass is complete, or a deploy may go ahead."),
    (
        "1",
        "A rollback failed, did not help or was refused to a person; check: blocked at warning level; doctor: warnings.",
    ),
    (
        "2",
        "check: blocked at critical level, or an SLO is violated; doctor: problems.",
    ),
    ("3", "check: blocked at emergency level."),
    ("4", "check: the budget cannot be measured."),
    (
        "5",
        "check: the commit is on hold, or a rollback is in flight.",
    ),
    ("64", "The arguments are wrong."),
    (
        "69",
        "Prometheus, git or Argo CD could not be reached or refused; nothing was done.",
    ),
    ("75", "Another run holds the lock."),
    ("78", "The configuration or the state cannot be used."),
];

fn main() -> ExitCode {
    let Some(folder) = std::env::args_os().nth(1).map(PathBuf::from) else {
        return ExitCode::from(64);
    };
    match write_all(&folder) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = io::Write::write_fmt(
                &mut io::stderr(),
                format_args!("write man pages to {}: {error}\n", folder.display()),
            );
            ExitCode::FAILURE
        }
    }
}

/// Writes `man1/` and `completions/` below a folder.
///
/// # Errors
///
/// What the file system says.
pub(crate) fn write_all(folder: &Path) -> io::Result<()> {
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    let pages = folder.join("man1");
    fs::create_dir_all(&pages)?;
    clap_mangen::generate_to(command.clone(), &pages)?;
    let mut page = Vec::new();
    write_main_page(&command, &mut page)?;
    fs::write(pages.join(format!("{}.1", command.get_name())), page)?;

    let completions = folder.join("completions");
    fs::create_dir_all(&completions)?;
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        let mut command = Cli::command();
        let name = command.get_name().to_owned();
        clap_complete::generate_to(shell, &mut command, name, &completions)?;
    }
    Ok(())
}

/// Writes the page of the program, with what arguments alone do not tell.
fn write_main_page(command: &Command, page: &mut Vec<u8>) -> io::Result<()> {
    let man = Man::new(command.clone());
    man.render_title(page)?;
    man.render_name_section(page)?;
    man.render_synopsis_section(page)?;
    man.render_description_section(page)?;
    man.render_options_section(page)?;
    man.render_subcommands_section(page)?;
    let mut rest = Roff::new();
    rest.control("SH", ["EXIT STATUS"]);
    for (code, meaning) in EXIT_CODES {
        rest.control("TP", []);
        rest.text([bold(code)]);
        rest.text([roman(meaning)]);
    }
    rest.control("SH", ["ENVIRONMENT"]);
    rest.text([roman(
        "Secrets can come from a file instead: the name with _FILE at its end.",
    )]);
    for variable in VARIABLES {
        rest.control("TP", []);
        rest.text([bold(variable.name)]);
        let default = variable
            .default
            .map_or_else(String::new, |value| format!(" Default: {value}."));
        rest.text([roman(format!("{}{default}", variable.help))]);
    }
    rest.to_writer(page)?;
    man.render_version_section(page)
}
