//! What was looked at, what was found, and what to do about it.

use chrono::{DateTime, Utc};
use serde::Serialize;
use strum::{Display, IntoStaticStr};

use crate::clients::argocd::ArgoError;
use crate::config::Setting;
use crate::record::rfc3339;

/// Version of the layout.
const SCHEMA: u32 = 1;

/// Where an error of Argo CD does not say what to do.
const LOOK_AT_ARGOCD: &str = "look at argocd-server and what is before it";

/// Everything that was looked at, and the worst of it.
#[derive(Debug, Clone, Serialize)]
pub struct Diagnosis {
    /// Version of the layout.
    pub schema: u32,
    /// The service.
    pub service: String,
    /// Its namespace.
    pub namespace: String,
    /// When it was looked at.
    #[serde(serialize_with = "rfc3339")]
    pub at: DateTime<Utc>,
    /// Every variable of the contract as it was read; of a secret only whether it is set.
    pub configuration: Vec<Setting>,
    /// What was found, by subject.
    pub findings: Vec<Finding>,
    /// The worst state of all findings.
    pub worst: FindingState,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at, such as `argocd history`.
    pub subject: &'static str,
    /// How it stands.
    pub state: FindingState,
    /// What was tried.
    pub tried: String,
    /// What was found.
    pub found: String,
    /// What to do; nothing where there is nothing to do.
    pub remedy: Option<String>,
}

/// How a thing stands, from good to bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, IntoStaticStr, Display)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum FindingState {
    /// A rollback can rely on it.
    Ok,
    /// It may stand in the way, holds rollbacks back for a while or on purpose, or could not be looked at.
    Warning,
    /// A rollback today would fail on it, or would never be tried.
    Problem,
}

impl Diagnosis {
    /// Sums up what was found.
    pub(super) fn new(
        service: String,
        namespace: String,
        configuration: Vec<Setting>,
        findings: Vec<Finding>,
    ) -> Self {
        let states = findings.iter().map(|finding| finding.state);
        Self {
            schema: SCHEMA,
            service,
            namespace,
            at: Utc::now(),
            configuration,
            worst: states.max().unwrap_or(FindingState::Ok),
            findings,
        }
    }

    /// Counts the findings in a state.
    pub fn count(&self, state: FindingState) -> usize {
        let is_meant = |finding: &&Finding| finding.state == state;
        self.findings.iter().filter(is_meant).count()
    }
}

impl FindingState {
    /// Returns its name.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

impl Finding {
    pub(super) fn ok(
        subject: &'static str,
        tried: impl Into<String>,
        found: impl Into<String>,
    ) -> Self {
        Self {
            subject,
            state: FindingState::Ok,
            tried: tried.into(),
            found: found.into(),
            remedy: None,
        }
    }

    pub(super) fn warning(
        subject: &'static str,
        tried: impl Into<String>,
        found: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            state: FindingState::Warning,
            remedy: Some(remedy.into()),
            ..Self::ok(subject, tried, found)
        }
    }

    pub(super) fn problem(
        subject: &'static str,
        tried: impl Into<String>,
        found: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            state: FindingState::Problem,
            ..Self::warning(subject, tried, found, remedy)
        }
    }

    /// Says that Argo CD did not answer a question.
    pub(super) fn argocd_failed(subject: &'static str, error: &ArgoError) -> Self {
        let tried = format!("{} at {}", error.tried, error.server);
        Self::failed(subject, tried, &error.fault.to_string(), LOOK_AT_ARGOCD)
    }

    /// Tells of an error in its own words: what happened, a semicolon, what to do. `remedy` is for one that does not
    /// say it.
    pub(super) fn failed(
        subject: &'static str,
        tried: impl Into<String>,
        error: &str,
        remedy: &str,
    ) -> Self {
        let (found, remedy) = split_remedy(error).unwrap_or((error, remedy));
        Self::problem(subject, tried, found, remedy)
    }

    /// Says that something could not be looked at, because of what `first` names.
    pub(super) fn unchecked(subject: &'static str, tried: impl Into<String>, first: &str) -> Self {
        Self::warning(
            subject,
            tried,
            "not checked",
            format!("fix {first} first, then look again"),
        )
    }
}

/// Splits an error into what happened and what to do: at its first semicolon that stands neither in quotation marks nor
/// in parentheses, because in those are the words of somebody else.
pub(super) fn split_remedy(error: &str) -> Option<(&str, &str)> {
    let (mut is_quoted, mut is_escaped, mut depth) = (false, false, 0_usize);
    for (at, c) in error.char_indices() {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' if is_quoted => is_escaped = true,
            '"' => is_quoted = !is_quoted,
            '(' if !is_quoted => depth += 1,
            ')' if !is_quoted => depth = depth.saturating_sub(1),
            ';' if !is_quoted && depth == 0 && error[at..].starts_with("; ") => {
                return Some((&error[..at], &error[at + "; ".len()..]));
            }
            _ => {}
        }
    }
    // What somebody else says may open what it does not close; ours comes last.
    error.rsplit_once("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_split_where_its_remedy_begins_and_not_in_the_words_of_others() {
        let remedy = "do that; or that";
        for found in [
            "it broke",
            "it broke (one; two)",
            "the server said \"a; b \\\"c; d\\\"\"",
            "it (was (a; b); c) so",
        ] {
            let error = format!("{found}; {remedy}");
            assert_eq!(split_remedy(&error), Some((found, remedy)));
        }
        let open = "it broke (one; \"two); do that";
        let at = "it broke (one; \"two)".len();
        assert_eq!(split_remedy(open), Some((&open[..at], "do that")));
        assert_eq!(split_remedy("it broke (one two)"), None);
    }

    #[test]
    fn the_worst_finding_counts() {
        let ok = Finding::ok("a", "look", "well");
        let warning = Finding::warning("b", "look", "so so", "care");
        let problem = Finding::problem("c", "look", "bad", "fix");
        for (findings, worst) in [
            (vec![], FindingState::Ok),
            (vec![ok.clone()], FindingState::Ok),
            (
                vec![ok.clone(), warning.clone(), ok.clone()],
                FindingState::Warning,
            ),
            (vec![problem, warning, ok], FindingState::Problem),
        ] {
            let (service, namespace) = ("checkout".to_owned(), "shop".to_owned());
            let diagnosis = Diagnosis::new(service, namespace, Vec::new(), findings);
            assert_eq!(diagnosis.worst, worst);
        }
    }

    #[test]
    fn an_error_is_split_into_what_happened_and_what_to_do() {
        let told = Finding::failed("a", "look", "refused; check A; then B", "unused");
        assert_eq!(told.found, "refused");
        assert_eq!(told.remedy.as_deref(), Some("check A; then B"));
        let silent = Finding::failed("a", "look", "refused", "look there");
        assert_eq!(silent.remedy.as_deref(), Some("look there"));
    }
}
