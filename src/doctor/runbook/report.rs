//! What was found of a runbook, and its text.

use std::fmt::Write;

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::config::RunbookConfig;
use crate::doctor::finding::{Finding, FindingState};
use crate::notify::printable;
use crate::record::{Heading, rfc3339};
use crate::redact::Scanner;
use crate::runbook::StepList;

/// The subject of what only the doing of a step shows.
pub(super) const NOT_ASKED: &str = "not asked";

/// Version of the layout.
const SCHEMA: u32 = 1;

/// Everything that was looked at of a runbook, and the worst of it.
#[derive(Debug, Clone, Serialize)]
pub struct RunbookDiagnosis {
    /// Version of the layout.
    pub schema: u32,
    /// The service.
    pub service: String,
    /// Its namespace.
    pub namespace: String,
    /// When it was looked at.
    #[serde(serialize_with = "rfc3339")]
    pub at: DateTime<Utc>,
    /// The file.
    pub file: String,
    /// The name of the runbook.
    pub runbook: String,
    /// What was found, by step.
    pub findings: Vec<StepFinding>,
    /// The worst state of all findings.
    pub worst: FindingState,
}

/// One thing that was found, and the step that it is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StepFinding {
    /// The list of the step; nothing where it is about the file.
    pub list: Option<StepList>,
    /// The place of the step in its list, from 1.
    pub step: Option<usize>,
    /// The name of the step.
    pub name: Option<String>,
    /// What was found.
    #[serde(flatten)]
    pub finding: Finding,
}

impl StepFinding {
    /// Says what is no step's.
    pub(super) fn of_the_file(finding: Finding) -> Self {
        Self {
            list: None,
            step: None,
            name: None,
            finding,
        }
    }

    /// Names the step.
    pub(super) fn place(&self) -> String {
        match (self.list, self.step, &self.name) {
            (Some(list), Some(step), Some(name)) => format!("{list} {step} ({name})"),
            _ => "the runbook".to_owned(),
        }
    }
}

impl RunbookDiagnosis {
    /// Sums up what was found, in the order of the steps.
    pub(super) fn new(
        config: &RunbookConfig,
        heading: &Heading,
        mut findings: Vec<StepFinding>,
        secrets: &Scanner,
    ) -> Self {
        findings.sort_by_key(|found| (found.list.map(|list| list == StepList::Return), found.step));
        let worst = findings.iter().map(|found| found.finding.state).max();
        Self {
            schema: SCHEMA,
            service: heading.service.clone(),
            namespace: heading.namespace.clone(),
            at: Utc::now(),
            file: config.file.display().to_string(),
            runbook: secrets.redact(config.runbook.name.as_str()),
            findings,
            worst: worst.unwrap_or(FindingState::Ok),
        }
    }
}

/// Writes what was found, step by step, and the sum at the end.
pub fn runbook_diagnosis(diagnosis: &RunbookDiagnosis) -> String {
    let mut text = format!(
        "runbook  {}  ({}, for {}/{}, {})\n",
        diagnosis.runbook,
        diagnosis.file,
        diagnosis.namespace,
        diagnosis.service,
        diagnosis.at.format("%Y-%m-%d %H:%M:%S UTC")
    );
    let mut place = String::new();
    for found in &diagnosis.findings {
        if found.place() != place {
            place = found.place();
            let _ = writeln!(text, "\n{}", one_line(&place));
        }
        let finding = &found.finding;
        let state = finding.state.as_str();
        let (tried, what) = (one_line(&finding.tried), one_line(&finding.found));
        let _ = writeln!(text, "{state:<7}  {:<9}  {tried}: {what}", finding.subject);
        if let Some(remedy) = &finding.remedy {
            let _ = writeln!(text, "{:<7}  {:<9}  → {}", "", "", one_line(remedy));
        }
    }
    let left = diagnosis.findings.iter();
    let left = left
        .filter(|found| found.finding.subject == NOT_ASKED)
        .count();
    let sum = match diagnosis.worst {
        FindingState::Ok if left > 0 => {
            "nothing that was looked at stands in the way of the runbook; what was not shows when it is done"
        }
        FindingState::Ok => "nothing stands in the way of the runbook",
        FindingState::Warning => "look at the warnings before the runbook is needed",
        FindingState::Problem => "the runbook would fail today, or do something else than it says",
    };
    let _ = writeln!(text, "\n{sum}");
    text
}

/// Takes out what would break the line or move the cursor.
fn one_line(text: &str) -> String {
    printable(&text.replace(['\n', '\t'], " "))
}
