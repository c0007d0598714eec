//! What the gate says to a pipeline: outputs of a step, a summary for its page, annotations, and a dotenv file.
//!
//! Outputs and the dotenv file hold codes and numbers, apart from `why`, `until` and `record`. What others wrote is
//! escaped wherever it could be read as a command or as markup. Where there are several services, the one that blocks
//! hardest speaks.

use std::fmt::Write;

use super::numbers::{percent, rate};
use super::piece::{clipped, escaped};
use crate::exit::Exit;
use crate::record::{Record, level_word};
use crate::slo::{Level, Verdict};

/// Longest record among the outputs (bytes). GitHub takes 1 MB for all outputs of a job; a longer record is left out.
const MAX_RECORD: usize = 256 * 1024;

/// Longest summary (bytes), far below the 1 MiB that GitHub takes for a step. Source: GitHub's documentation, "Workflow
/// commands", adding a job summary.
const MAX_SUMMARY: usize = 128 * 1024;

/// How many annotations of a kind GitHub shows for a step. Source: facts, section 9.
const MAX_ANNOTATIONS: usize = 10;

/// Longest reason among the outputs (characters): a list of the problems of a configuration fits in.
const MAX_WHY: usize = 8_000;

/// Longest text of an annotation, a reason or a cell (characters).
const MAX_TEXT: usize = 500;

/// What the gate says.
#[derive(Debug, Clone)]
pub struct CiGate<'a> {
    /// The exit code of the program.
    pub exit: Exit,
    /// What it says of each service; empty where none was looked at.
    pub services: Vec<GateOf<'a>>,
    /// Why no service was looked at.
    pub complaint: Option<String>,
}

/// What the gate says of one service.
#[derive(Debug, Clone)]
pub struct GateOf<'a> {
    /// `namespace/service`.
    pub service: &'a str,
    /// The exit code for this service alone.
    pub exit: Exit,
    /// The record; nothing where there is none.
    pub record: Option<&'a Record>,
    /// What is wrong, in a sentence.
    pub complaint: Option<&'a str>,
}

impl<'a> CiGate<'a> {
    /// Returns the service that decided the exit code.
    fn speaker(&self) -> Option<&GateOf<'a>> {
        let mut services = self.services.iter();
        let deciding = services.find(|service| service.exit.code() == self.exit.code());
        deciding.or(self.services.first())
    }

    fn may_deploy(&self) -> bool {
        self.exit == Exit::Complete
    }

    /// Says why the deploy has to wait; nothing where it need not.
    fn why(&self) -> &str {
        let complaint = self.speaker().and_then(|service| service.complaint);
        complaint.or(self.complaint.as_deref()).unwrap_or_default()
    }

    /// Says what ends it; nothing where the deploy need not wait.
    fn until(&self) -> Option<&str> {
        let record = self.speaker().and_then(|service| service.record)?;
        record.gate.as_ref()?.until.as_deref()
    }

    /// Returns what the outputs and the dotenv file have in common: words of ours and numbers, each on one line. What
    /// is not known is empty.
    fn values(&self) -> Vec<(&'static str, String)> {
        let number = |value: Option<f64>| value.map_or_else(String::new, |value| value.to_string());
        let code = |value: Option<&str>| value.unwrap_or_default().to_owned();
        let record = self.speaker().and_then(|service| service.record);
        let blocked = self
            .services
            .iter()
            .filter(|service| service.exit != Exit::Complete);
        let blocked: Vec<&str> = blocked.map(|service| service.service).collect();
        vec![
            ("may_deploy", self.may_deploy().to_string()),
            ("exit_code", self.exit.code().to_string()),
            ("blocked_services", blocked.join(",")),
            ("service", code(record.map(|it| it.service.as_str()))),
            ("namespace", code(record.map(|it| it.namespace.as_str()))),
            ("verdict", code(record.map(|it| it.verdict.as_str()))),
            ("level", code(record.map(|it| level_word(it.budget.level)))),
            ("reason", code(record.map(|it| it.decision.reason.as_str()))),
            (
                "budget_consumed",
                number(record.and_then(|it| it.budget.consumed)),
            ),
            (
                "budget_remaining",
                number(record.and_then(|it| it.budget.remaining)),
            ),
            (
                "burn_rate_1h",
                number(record.and_then(|it| it.burn_rates.h1)),
            ),
        ]
    }
}

/// Writes the outputs of a step. `delimiter` ends the values that may have several lines, so nobody may guess it.
pub fn outputs(gate: &CiGate<'_>, delimiter: &str) -> String {
    let mut text = String::new();
    for (name, value) in gate.values() {
        let _ = writeln!(text, "{name}={value}");
    }
    let record = gate.speaker().and_then(|service| service.record);
    let record = record.and_then(|record| serde_json::to_string(record).ok());
    let record = record.filter(|record| record.len() <= MAX_RECORD);
    let short = |text: &str| text.chars().take(MAX_WHY).collect();
    for (name, value) in [
        ("why", short(gate.why())),
        ("until", short(gate.until().unwrap_or_default())),
        ("record", record.unwrap_or_default()),
    ] {
        let _ = writeln!(text, "{name}<<{delimiter}\n{value}\n{delimiter}");
    }
    text
}

/// Writes the dotenv file: one `GATE_…=value` a line, values without blanks and quotes, as GitLab wants them.
pub fn dotenv(gate: &CiGate<'_>) -> String {
    let mut text = String::new();
    for (name, value) in gate.values() {
        let _ = writeln!(text, "GATE_{}={value}", name.to_ascii_uppercase());
    }
    text
}

/// Writes the annotations: an error for each service that blocks, a warning for each that does not and is not well.
pub fn annotations(gate: &CiGate<'_>) -> String {
    let mut errors = Vec::new();
    let mut warnings = Vec::new();
    errors.extend(
        gate.complaint
            .as_deref()
            .map(|why| annotation("error", "The gate could not look", why)),
    );
    for service in &gate.services {
        if service.exit != Exit::Complete {
            let why = service.complaint.unwrap_or("the gate blocks");
            let title = format!("{} must not be deployed now", service.service);
            errors.push(annotation("error", &title, why));
        } else if let Some(worry) = service.record.and_then(worry) {
            let title = format!("{} may be deployed with care", service.service);
            warnings.push(annotation("warning", &title, worry));
        }
    }
    errors.truncate(MAX_ANNOTATIONS);
    warnings.truncate(MAX_ANNOTATIONS);
    errors.into_iter().chain(warnings).collect()
}

/// Says what is not well about a service that may be deployed.
fn worry(record: &Record) -> Option<&str> {
    let is_well = record.budget.level == Some(Level::Ok) && record.verdict == Verdict::Healthy;
    let gate = record.gate.as_ref().filter(|_| !is_well)?;
    Some(&gate.why)
}

/// Source of what is escaped: facts, section 8.1.
fn annotation(kind: &str, title: &str, text: &str) -> String {
    let escape = |c| match c {
        '%' => Some("%25"),
        '\r' => Some("%0D"),
        '\n' => Some("%0A"),
        _ => None,
    };
    let property = |c| match c {
        ':' => Some("%3A"),
        ',' => Some("%2C"),
        other => escape(other),
    };
    format!(
        "::{kind} title={}::{}\n",
        escaped(title, MAX_TEXT, property),
        escaped(text, MAX_TEXT, escape)
    )
}

/// Writes the summary as markdown.
pub fn summary(gate: &CiGate<'_>) -> String {
    let verdict = if gate.may_deploy() {
        "the deploy may go ahead"
    } else {
        "the deploy is blocked"
    };
    let mut text = format!("### Error budget: {verdict}\n\n");
    if let Some(complaint) = &gate.complaint {
        for line in complaint.lines() {
            let _ = writeln!(text, "{}  ", markdown(line));
        }
        text.push('\n');
    }
    if !gate.services.is_empty() {
        text.push_str("| service | exit | verdict | level | consumed | burn rate 1h | why |\n");
        text.push_str("|---|---|---|---|---|---|---|\n");
    }
    for (shown, service) in gate.services.iter().enumerate() {
        let row = row(service);
        if text.len() + row.len() > MAX_SUMMARY {
            let left = gate.services.len() - shown;
            let _ = writeln!(text, "\n{left} more services are not shown.");
            return text;
        }
        text.push_str(&row);
    }
    text.push('\n');
    text
}

fn row(service: &GateOf<'_>) -> String {
    let record = service.record;
    let worry = record.and_then(worry);
    let why = service.complaint.or(worry).unwrap_or_default();
    format!(
        "| {} | {} | {} | {} | {} | {} | {} |\n",
        markdown(service.service),
        service.exit.code(),
        record.map_or("unknown", |it| it.verdict.as_str()),
        level_word(record.and_then(|it| it.budget.level)),
        percent(record.and_then(|it| it.budget.consumed)),
        rate(record.and_then(|it| it.burn_rates.h1)),
        markdown(why)
    )
}

/// Takes from a text what markdown, HTML or a mention could be made of.
fn markdown(text: &str) -> String {
    escaped(&clipped(text, MAX_TEXT), 7 * MAX_TEXT, |c| {
        Some(match c {
            '&' => "&amp;",
            '<' => "&lt;",
            '>' => "&gt;",
            '@' => "&#64;",
            '#' => "&#35;",
            '|' => "&#124;",
            '`' => "&#96;",
            '*' => "&#42;",
            '_' => "&#95;",
            '[' => "&#91;",
            ']' => "&#93;",
            '!' => "&#33;",
            '~' => "&#126;",
            '\\' => "&#92;",
            _ => return None,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{GateAnswer, GateAnswerPart, Heading};
    use crate::slo::fixture::world;

    const HOSTILE: &str = "fix: 100% %0A\n::set-output name=x::y\r| <script> @team **x** [a](b)";

    fn record(service: &str) -> Record {
        let heading = Heading {
            run_id: "run".to_owned(),
            command: "check",
            service: service.to_owned(),
            namespace: "shop".to_owned(),
            dry_run: false,
        };
        let at = chrono::DateTime::from_timestamp(1_795_225_500, 0).expect("a time");
        let mut record = Record::unknown(&heading, &world().objective, at);
        record.verdict = Verdict::Burning;
        record.budget.level = Some(Level::Warning);
        record.budget.consumed = Some(0.525);
        record.budget.remaining = Some(0.475);
        record.answering(GateAnswerPart {
            answer: GateAnswer::MayDeploy,
            why: "52.5 % of the error budget consumed and no SLO violated, though it burns"
                .to_owned(),
            until: None,
        })
    }

    fn of<'a>(record: &'a Record, exit: Exit, complaint: Option<&'a str>) -> GateOf<'a> {
        GateOf {
            service: &record.service,
            exit,
            record: Some(record),
            complaint,
        }
    }

    fn gate<'a>(exit: Exit, services: Vec<GateOf<'a>>) -> CiGate<'a> {
        CiGate {
            exit,
            services,
            complaint: None,
        }
    }

    #[test]
    fn the_service_that_blocks_hardest_speaks() {
        let (cart, checkout) = (record("cart"), record("checkout"));
        let gate = gate(
            Exit::BlockedCritical,
            vec![
                of(&cart, Exit::Complete, None),
                of(&checkout, Exit::BlockedCritical, Some("blocked: it burns")),
            ],
        );
        insta::assert_snapshot!(dotenv(&gate), @r"
        GATE_MAY_DEPLOY=false
        GATE_EXIT_CODE=2
        GATE_BLOCKED_SERVICES=checkout
        GATE_SERVICE=checkout
        GATE_NAMESPACE=shop
        GATE_VERDICT=burning
        GATE_LEVEL=warning
        GATE_REASON=unknown_data
        GATE_BUDGET_CONSUMED=0.525
        GATE_BUDGET_REMAINING=0.475
        GATE_BURN_RATE_1H=
        ");
        insta::assert_snapshot!(annotations(&gate), @r"
        ::error title=checkout must not be deployed now::blocked: it burns
        ::warning title=cart may be deployed with care::52.5 %25 of the error budget consumed and no SLO violated, though it burns
        ");
        insta::assert_snapshot!(summary(&gate), @r"
        ### Error budget: the deploy is blocked

        | service | exit | verdict | level | consumed | burn rate 1h | why |
        |---|---|---|---|---|---|---|
        | cart | 0 | burning | warning | 52.50 % | unknown | 52.5 % of the error budget consumed and no SLO violated, though it burns |
        | checkout | 2 | burning | warning | 52.50 % | unknown | blocked: it burns |
        ");
    }

    #[test]
    fn what_others_wrote_stays_text() {
        let record = record("cart");
        let gate = gate(
            Exit::BlockedHold,
            vec![of(&record, Exit::BlockedHold, Some(HOSTILE))],
        );
        insta::assert_snapshot!(annotations(&gate), @"::error title=cart must not be deployed now::fix: 100%25 %250A ::set-output name=x::y | <script> @team **x** [a](b)");
        let summary = summary(&gate);
        for markup in ["<script>", "@team", "**", "[a]", "\n::"] {
            assert!(!summary.contains(markup), "{markup} in {summary}");
        }
        let outputs = outputs(&gate, "Xy7");
        let (_, why) = outputs.split_once("why<<Xy7\n").expect("a reason");
        assert!(why.starts_with(&format!("{HOSTILE}\nXy7\n")), "{outputs}");
    }

    #[test]
    fn what_is_written_is_bounded() {
        let long = "x|".repeat(100_000);
        let mut record = record("cart");
        record.decision.detail.clone_from(&long);
        let services = vec![of(&record, Exit::BlockedHold, Some(&long)); 200];
        let gate = gate(Exit::BlockedHold, services);
        assert!(summary(&gate).len() <= MAX_SUMMARY + 100);
        assert_eq!(annotations(&gate).lines().count(), MAX_ANNOTATIONS);
        let outputs = outputs(&gate, "Xy7");
        assert!(
            outputs.len() < MAX_RECORD + 16 * MAX_WHY,
            "{}",
            outputs.len()
        );
    }
}
