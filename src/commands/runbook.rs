//! `runbook`: the steps of a runbook are looked at, or shown; nothing is carried out.

use super::finished::{CommandReport, Finished, exit_of};
use super::prepared::Prepared;
use crate::doctor::check_runbook;
use crate::exit::Exit;
use crate::{notify, runbook};

/// Looks for what of the runbook would fail, or would do something else than it says.
pub(super) fn check(Prepared { service, heading }: &Prepared<'_>) -> Finished {
    let Some(config) = &service.config.runbook else {
        return nothing();
    };
    let diagnosis = check_runbook(config, heading, &service.config.secrets);
    Finished {
        exit: exit_of(diagnosis.worst),
        complaint: diagnosis.complaint(),
        report: Some(CommandReport::RunbookChecked(Box::new(diagnosis))),
    }
}

/// Writes the steps in plain words.
pub(super) fn show(Prepared { service, heading }: &Prepared<'_>) -> Finished {
    let Some(config) = &service.config.runbook else {
        return nothing();
    };
    let file = config.file.display().to_string();
    let shown = runbook::shown(&config.runbook, &file, &heading.service, &heading.namespace)
        .told_by(|text| notify::printable(&service.config.secrets.redact(text)));
    Finished {
        exit: Exit::Complete,
        report: Some(CommandReport::Runbook(Box::new(shown))),
        complaint: None,
    }
}

/// Ends without a word: only services that have a runbook are chosen.
pub(super) fn nothing() -> Finished {
    Finished {
        exit: Exit::Complete,
        report: None,
        complaint: None,
    }
}
