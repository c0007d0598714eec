//! The manual page of each command, and completions for shells, from the program's own arguments, variables and exit
//! codes.

use std::io;

use clap::CommandFactory;
use clap_complete::Shell;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use crate::cli::Cli;
use crate::config::VARIABLES;

/// Every exit code that all commands share, and what it means.
pub const EXIT_CODES: [(&str, &str); 11] = [
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
    ("74", "The result could not be written to standard output."),
    ("75", "Another run holds the lock."),
    ("78", "The configuration or the state cannot be used."),
];

/// Returns the manual page of the program or of one of its commands, for `man -l -`. Nothing where there is no such
/// command.
///
/// # Errors
/// Never, as memory takes it.
pub fn page(command: Option<&str>) -> io::Result<Option<Vec<u8>>> {
    let mut all = Cli::command().disable_help_subcommand(true);
    all.build();
    let mut page = Vec::new();
    match command {
        None => write_main_page(&all, &mut page)?,
        Some(name) => {
            let Some(found) = all.find_subcommand(name) else {
                return Ok(None);
            };
            let title = format!("{}-{name}", all.get_name());
            Man::new(found.clone().name(title)).render(&mut page)?;
        }
    }
    Ok(Some(page))
}

/// Returns the completions for a shell.
pub fn completions(shell: Shell) -> Vec<u8> {
    let mut command = Cli::command();
    let name = command.get_name().to_owned();
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut command, name, &mut text);
    text
}

/// Writes the page of the program, with what arguments alone do not tell.
fn write_main_page(command: &clap::Command, page: &mut Vec<u8>) -> io::Result<()> {
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
