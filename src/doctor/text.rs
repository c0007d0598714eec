//! What the doctor found, as a person reads it.

use std::fmt::Write;

use super::finding::{Diagnosis, Finding, FindingState};
use crate::config::{Setting, SettingOrigin};
use crate::notify::printable;

/// Writes the configuration as it was read, one line for each finding, and the sum at the end.
pub fn diagnosis(diagnosis: &Diagnosis) -> String {
    let mut text = format!(
        "service  {}/{}  (doctor, {})\n\n",
        diagnosis.namespace,
        diagnosis.service,
        diagnosis.at.format("%Y-%m-%d %H:%M:%S UTC")
    );
    write_settings(&mut text, &diagnosis.configuration);
    text.push('\n');
    let widest = diagnosis
        .findings
        .iter()
        .map(|finding| finding.subject.len());
    let width = widest.max().unwrap_or_default();
    for finding in &diagnosis.findings {
        write_finding(&mut text, finding, width);
    }
    let _ = writeln!(text, "\n{}", sum(diagnosis));
    text
}

fn write_settings(text: &mut String, settings: &[Setting]) {
    let is_there = |setting: &&Setting| setting.origin != SettingOrigin::Unset;
    let names = settings
        .iter()
        .filter(is_there)
        .map(|setting| setting.name.len());
    let width = names.max().unwrap_or_default();
    for setting in settings.iter().filter(is_there) {
        let value = setting
            .value
            .as_deref()
            .map_or("set (secret)".to_owned(), one_line);
        let origin = match setting.origin {
            SettingOrigin::Set | SettingOrigin::Unset => "",
            SettingOrigin::File => "  from a file",
            SettingOrigin::Default => "  by default",
        };
        let _ = writeln!(text, "{:<width$}  {value}{origin}", setting.name);
    }
    let unset: Vec<&str> = settings
        .iter()
        .filter(|setting| setting.origin == SettingOrigin::Unset)
        .map(|setting| setting.name)
        .collect();
    if !unset.is_empty() {
        let _ = writeln!(text, "unset: {}", unset.join(", "));
    }
}

fn write_finding(text: &mut String, finding: &Finding, width: usize) {
    let state = finding.state.as_str();
    let (tried, found) = (one_line(&finding.tried), one_line(&finding.found));
    let _ = writeln!(
        text,
        "{state:<7}  {:<width$}  {tried}: {found}",
        finding.subject
    );
    if let Some(remedy) = &finding.remedy {
        let _ = writeln!(text, "{:<7}  {:<width$}  → {}", "", "", one_line(remedy));
    }
}

fn sum(diagnosis: &Diagnosis) -> String {
    let warnings = counted(diagnosis.count(FindingState::Warning), "warning");
    let problems = counted(diagnosis.count(FindingState::Problem), "problem");
    match diagnosis.worst {
        FindingState::Ok => "nothing stands in the way of a rollback".to_owned(),
        FindingState::Warning => format!("{warnings}, no problem"),
        FindingState::Problem => format!("{problems}, {warnings}: a rollback would fail today"),
    }
}

fn counted(count: usize, what: &str) -> String {
    match count {
        0 => format!("no {what}"),
        1 => format!("1 {what}"),
        _ => format!("{count} {what}s"),
    }
}

/// Takes out what would break the line or move the cursor.
fn one_line(text: &str) -> String {
    printable(&text.replace(['\n', '\t'], " "))
}
