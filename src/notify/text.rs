//! The decision record and the status, as a person reads them.

use std::fmt::Write;

use chrono::{DateTime, Utc};

use super::advice::next_step;
use super::commit::one_line;
use super::numbers::{count, percent, rate, seconds, span};
use super::sentence::standing;
use super::story::offence;
use crate::journal::short_id;
use crate::policy::{Blame, GateState, Reason, Undone, short};
use crate::record::{
    AttributionPart, BudgetPart, BurnRatesPart, DecisionPart, GateAnswer, GateAnswerPart, Record,
    RollbackOutcome, RollbackPart, SignalPart, ViolationPart, level_word,
};
use crate::report::{
    ApprovalReport, ExplainReport, ExplainedQuery, HistoryReport, Pending, StatusReport,
};
use crate::slo::{SignalName, SignalState, Slo, ViolationState, told_once};

/// Longest detail of a gate that is written although the decision says the same (bytes).
const SHORT: usize = 60;

/// Writes a record as a table: the decision first, then the numbers behind it.
pub fn record(record: &Record) -> String {
    let mut text = String::new();
    if let Some(gate) = &record.gate {
        write_answer(&mut text, gate);
    }
    if let Some(rollback) = &record.rollback {
        line(&mut text, "summary", &standing(&record.service, rollback));
    }
    line(
        &mut text,
        "service",
        &format!(
            "{}/{}  ({}{}, {})",
            record.namespace,
            record.service,
            record.command,
            if record.dry_run { ", dry run" } else { "" },
            record.evaluated_at.format("%Y-%m-%d %H:%M:%S UTC")
        ),
    );
    line(&mut text, "verdict", record.verdict.as_str());
    // Beside the answer of the gate, the decision says what a run would do, and the answer says what ends it.
    let decision = match record.gate {
        Some(_) => "a run would",
        None => "decision",
    };
    line(
        &mut text,
        decision,
        &format!(
            "{} ({}): {}",
            record.decision.action, record.decision.reason, record.decision.detail
        ),
    );
    if let Some(asked) = &record.asked {
        line(&mut text, "asked for", asked);
        let next = "run `doctor`: it says what is there instead, and which settings would fit";
        line(&mut text, "next", next);
    } else if let (None, Some(next)) = (&record.gate, next_step(record.decision.reason)) {
        line(&mut text, "next", next);
    }
    if is_over(record) {
        let when = "when the run began; the proof of the recovery stands below";
        line(&mut text, "measured", when);
    }
    numbers(
        &mut text,
        &record.budget,
        &record.burn_rates,
        &record.violations,
    );
    if let Some(deployment) = &record.deployment {
        line(
            &mut text,
            "deployed",
            &format!(
                "{} at {} ({})",
                short(&deployment.revision),
                deployment.deployed_at.format("%Y-%m-%d %H:%M:%S UTC"),
                deployment.source
            ),
        );
    }
    if let Some(attribution) = &record.attribution {
        write_suspect(&mut text, attribution);
    }
    for signal in record
        .signals
        .iter()
        .filter(|signal| signal.state == SignalState::Raised)
    {
        line(&mut text, "signal", &raised(signal));
    }
    for one in &record.offenders {
        let value = one_line(&one.value);
        let said = offence(&one.label, &value, one.bad, one.total);
        line(&mut text, "fails most", &said);
    }
    write_gates(&mut text, &record.decision);
    write_undone(&mut text, &record.undone);
    if let Some(rollback) = &record.rollback {
        write_rollback(&mut text, rollback);
    }
    write_unknowns(&mut text, record);
    text
}

/// Tells whether the numbers of a record look back at a burn that its rollback ended.
fn is_over(record: &Record) -> bool {
    let outcome = record.rollback.as_ref().map(|rollback| rollback.outcome);
    outcome == Some(RollbackOutcome::Recovered)
}

/// Writes the answer of the gate: its first line alone says whether a deploy may go ahead.
fn write_answer(text: &mut String, gate: &GateAnswerPart) {
    let answer = match gate.answer {
        GateAnswer::MayDeploy => "may deploy",
        GateAnswer::Blocked => "blocked",
    };
    let _ = writeln!(text, "{answer}: {}", gate.why);
    if let Some(until) = &gate.until {
        line(text, "until", until);
    }
}

/// Writes a record as one line, for a pass that is followed by another one.
pub fn brief(record: &Record) -> String {
    format!(
        "{}  {}/{}  {}, {} ({}), {} consumed, burn rate 1h {}\n",
        record.evaluated_at.format("%Y-%m-%d %H:%M:%S UTC"),
        record.namespace,
        record.service,
        record.verdict,
        record.decision.action,
        record.decision.reason,
        percent(record.budget.consumed),
        rate(record.burn_rates.h1)
    )
}

fn write_suspect(text: &mut String, attribution: &AttributionPart) {
    let began = match (attribution.onset, attribution.lag_seconds) {
        (Some(onset), Some(lag)) => format!(
            "; the burn began at {}, {} {}",
            onset.format("%Y-%m-%d %H:%M:%S UTC"),
            span(lag.abs() as f64),
            if lag < 0 { "before it" } else { "after it" }
        ),
        (Some(_) | None, _) => String::new(),
    };
    let verdict = match attribution.verdict {
        Blame::Deployment => "to blame",
        Blame::NotDeployment => "not to blame",
        Blame::Unknown => "not known to be to blame",
    };
    line(
        text,
        "suspect",
        &format!("{} is {verdict}{began}", short(&attribution.suspect)),
    );
    let side = |bad: Option<f64>, total: Option<f64>| {
        let ratio = bad.zip(total).map(|(bad, total)| bad / total);
        format!("{} of {} ({})", count(bad), count(total), percent(ratio))
    };
    if attribution.total_before.is_some() || attribution.total_after.is_some() {
        line(
            text,
            "bad events",
            &format!(
                "{} in the hour before it, {} since",
                side(attribution.bad_before, attribution.total_before),
                side(attribution.bad_after, attribution.total_after)
            ),
        );
    }
}

fn raised(signal: &SignalPart) -> String {
    let value = signal.value;
    match signal.name {
        SignalName::PodsNotReady => format!("{} of the pods are not ready", percent(value)),
        SignalName::Restarts => format!(
            "{} container restarts in 10 min",
            count(value.map(f64::round))
        ),
        SignalName::Memory => format!(
            "memory has been at {} of its limit for 5 min",
            percent(value)
        ),
        SignalName::Cpu => format!("CPU has been at {} of its limit for 10 min", percent(value)),
        name @ (SignalName::LatencyDoubled | SignalName::LatencyTripled) => format!(
            "{name}: {} times what it was in the hour before the suspect",
            rate(value)
        ),
    }
}

/// Writes the gates, with a mark at the one that decided. Where nothing burns nothing is held back: the gates that ask
/// about a burn are not reached.
fn write_gates(text: &mut String, decision: &DecisionPart) {
    if decision.gates.is_empty() {
        return;
    }
    text.push('\n');
    let stops = |state: GateState| decision.gates.iter().position(|gate| gate.state == state);
    let first = stops(GateState::Fail).or_else(|| stops(GateState::NotChecked));
    let calm_at = first.filter(|_| is_calm(decision));
    for (index, gate) in decision.gates.iter().enumerate() {
        let state = match gate.state {
            GateState::Fail | GateState::NotChecked if calm_at == Some(index) => "no",
            GateState::Fail | GateState::NotChecked if calm_at.is_some() => "not reached",
            GateState::NotChecked => "not checked",
            GateState::Pass | GateState::Fail => gate.state.as_str(),
        };
        let is_marked = first == Some(index) && calm_at.is_none();
        let mark = if is_marked { '>' } else { ' ' };
        let detail = match gate.detail == decision.detail && gate.detail.len() > SHORT {
            true => "as the decision says",
            false => &gate.detail,
        };
        let _ = writeln!(text, "{mark} {state:<11}  {:<12}  {detail}", gate.gate);
    }
}

/// Tells whether nothing is done because nothing burns.
fn is_calm(decision: &DecisionPart) -> bool {
    matches!(decision.reason, Reason::Healthy | Reason::NotBurning)
}

/// Writes the revisions that could be gone back to, and the rollbacks.
pub fn history(history: &HistoryReport) -> String {
    let mut text = String::new();
    let at = history.at.format("%Y-%m-%d %H:%M:%S UTC");
    let service = format!("{}/{}  (history, {at})", history.namespace, history.service);
    line(&mut text, "service", &service);
    line(&mut text, "known from", &history.source);
    if !history.revisions.is_empty() {
        text.push('\n');
    }
    for revision in &history.revisions {
        let age = (history.at - revision.deployed_at).num_seconds().max(0);
        let by = match revision.author.as_str() {
            "" => String::new(),
            author => format!(" by {}", one_line(author)),
        };
        let ratio = revision.bad_events.zip(revision.total_events);
        let health = match ratio.filter(|(_, total)| *total > 0.0) {
            Some((bad, total)) => format!(
                "{} of {} events failed while it was live",
                percent(Some(bad / total)),
                count(Some(total))
            ),
            None => "its health is not known".to_owned(),
        };
        let standing = match (&revision.passed_over, revision.is_at_tip) {
            (_, true) => "; at the tip".to_owned(),
            (Some(why), false) => format!("; passed over: it {why}"),
            (None, false) => String::new(),
        };
        let said = format!(
            "{}{by}, deployed {} ago; {health}{standing}",
            one_line(&revision.title),
            span(age as f64)
        );
        line(&mut text, short(&revision.revision), &said);
    }
    if !history.rollbacks.is_empty() {
        text.push('\n');
    }
    for past in &history.rollbacks {
        let said = format!(
            "{} {}: {} → {}, {}",
            past.begun_at.format("%Y-%m-%d %H:%M UTC"),
            past.id,
            short(&past.from),
            short(&past.to),
            past.outcome
        );
        line(&mut text, "rollback", &said);
    }
    text
}

/// Writes what a pass asks, each query ready to be pasted.
pub fn explained(explained: &ExplainReport) -> String {
    let mut text = String::new();
    line(
        &mut text,
        "service",
        &format!(
            "{}/{}  (explain, {})",
            explained.namespace,
            explained.service,
            explained.at.format("%Y-%m-%d %H:%M:%S UTC")
        ),
    );
    line(&mut text, "server", &explained.server);
    let mut request = 0;
    for query in &explained.queries {
        if query.request != request {
            request = query.request;
            let _ = write!(text, "\n# request {request}, {}\n", times(query));
        }
        if !query.name.is_empty() {
            let _ = writeln!(text, "# {}{}", query.name, meaning(&query.name));
        }
        let _ = writeln!(text, "{}", query.query);
    }
    if let Some(trouble) = &explained.trouble {
        let _ = write!(text, "\n# a pass ends here: {trouble}\n");
    }
    text
}

/// Says what a part of a question is for, after its name.
fn meaning(name: &str) -> &'static str {
    let begins = |beginnings: &[&str]| beginnings.iter().any(|it| name.starts_with(it));
    match name {
        "there" => ": whether the server answers, and its clock",
        "bad" => ": events that failed",
        "total" => ": all events",
        "slots" => ": for how much of SLO_WINDOW there is data",
        "kinds" => ": whether the series are of one place",
        "copies" | "copies_before" | "scrapes" => ": whether an event is counted twice",
        "age" => ": how old the newest sample is (seconds)",
        "series" => ": how many series there are",
        "flagger" => ": whether Flagger changes the names of its pods",
        _ if begins(&["samples_"]) => ": how often it is scraped, in each form of the names",
        _ if begins(&["label_"]) => ": which labels there are for outcome and path",
        _ if name.ends_with("_strange") || name.ends_with("_strangest") => {
            ": events whose outcome has no known form"
        }
        _ if name.ends_with("_bad") => ": events that failed in that window",
        _ if name.ends_with("_total") => ": all events in that window",
        _ => "",
    }
}

/// Says which times a query is about.
fn times(query: &ExplainedQuery) -> String {
    let at = |time: DateTime<Utc>| time.format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string();
    match (query.start, query.end, query.step_seconds) {
        (Some(start), Some(end), Some(step)) => {
            format!("from {} to {}, every {step} s", at(start), at(end))
        }
        (Some(start), _, _) => format!("at {}", at(start)),
        (None, _, _) => "at the server's own present".to_owned(),
    }
}

/// Writes the status of a service.
pub fn status(status: &StatusReport) -> String {
    let mut text = String::new();
    line(
        &mut text,
        "service",
        &format!(
            "{}/{}  (status, {})",
            status.namespace,
            status.service,
            status.at.format("%Y-%m-%d %H:%M:%S UTC")
        ),
    );
    line(&mut text, "verdict", status.verdict.as_str());
    numbers(
        &mut text,
        &status.budget,
        &status.burn_rates,
        &status.violations,
    );
    line(
        &mut text,
        "limits",
        &format!(
            "{} of {} in the last hour, {} of {} in the last 24 hours{}",
            status.limits.hour_used,
            status.limits.hour_max,
            status.limits.day_used,
            status.limits.day_max,
            if status.limits.open {
                String::new()
            } else {
                format!("; {}", status.limits.detail)
            }
        ),
    );
    match &status.in_flight {
        Some(rollback) => write_rollback(&mut text, rollback),
        None => line(&mut text, "in flight", "nothing"),
    }
    match &status.pending {
        Some(pending) => write_pending(&mut text, pending),
        None => line(&mut text, "pending", "nothing"),
    }
    if status.holds.is_empty() {
        line(&mut text, "on hold", "nothing");
    }
    for hold in &status.holds {
        line(
            &mut text,
            "on hold",
            &format!("{} (rollback {})", short(&hold.revision), hold.rollback),
        );
    }
    for rollback in &status.rollbacks {
        line(
            &mut text,
            "rollback",
            &format!(
                "{} {}: {} → {}, {}",
                rollback.begun_at.format("%Y-%m-%d %H:%M:%S UTC"),
                rollback.id,
                short(&rollback.from),
                short(&rollback.to),
                rollback.outcome
            ),
        );
    }
    line(&mut text, "memory", &status.source);
    for unknown in &status.unknowns {
        line(
            &mut text,
            "unknown",
            &format!("{}: {}", unknown.source, unknown.why),
        );
    }
    text
}

fn write_pending(text: &mut String, pending: &Pending) {
    let id = &pending.rollback.id;
    let until = pending.expires_at.format("%Y-%m-%d %H:%M UTC");
    let how = match (&pending.approved_by, &pending.pull_request) {
        (Some(by), _) => format!("{by} agreed; the next run takes the evidence again"),
        (None, Some(url)) => format!("merge or close {url} until {until}"),
        (None, None) => {
            let short_id = short_id(id);
            format!("`approve {short_id}` or `reject {short_id}` until {until}")
        }
    };
    let (from, to) = (short(&pending.rollback.from), short(&pending.rollback.to));
    line(text, "pending", &format!("{id}: {from} → {to}; {how}"));
    if let Some(diff) = &pending.rollback.diff {
        let _ = write!(text, "\n{}\n", printable(diff));
    }
}

/// Writes what a person's word did.
pub fn said(said: &ApprovalReport) -> String {
    let mut text = String::new();
    let service = format!("{}/{}  ({})", said.namespace, said.service, said.command);
    line(&mut text, "service", &service);
    let (from, to) = (short(&said.from), short(&said.to));
    line(
        &mut text,
        "rollback",
        &format!("{}: {from} → {to}", said.id),
    );
    let at = said.at.format("%Y-%m-%d %H:%M:%S UTC");
    let by = one_line(&said.by);
    let dry = if said.dry_run {
        ", not written down (dry run)"
    } else {
        ""
    };
    line(&mut text, said.command, &format!("by {by} at {at}{dry}"));
    line(&mut text, "next", &said.effect);
    text
}

fn numbers(
    text: &mut String,
    budget: &BudgetPart,
    rates: &BurnRatesPart,
    violations: &[ViolationPart],
) {
    line(
        text,
        "budget",
        &format!(
            "{} consumed of {} over {}, {} bad of {} events, coverage {}: {}{}",
            percent(budget.consumed),
            percent(Some(budget.error_budget)),
            span(budget.window_seconds as f64),
            count(budget.bad_events),
            count(budget.total_events),
            percent(budget.coverage),
            level_word(budget.level),
            budget
                .seconds_to_exhaustion
                .filter(|seconds| *seconds > 0.0)
                .map(|seconds| format!(", gone in {}", span(seconds)))
                .unwrap_or_default()
        ),
    );
    line(
        text,
        "burn rate",
        &format!(
            "5m {}  30m {}  1h {}  6h {}",
            rate(rates.m5),
            rate(rates.m30),
            rate(rates.h1),
            rate(rates.h6)
        ),
    );
    for violation in violations {
        if let Some(detail) = &violation.detail {
            line(
                text,
                violation.name.as_str(),
                &format!("{}: {detail}", violation.state),
            );
            continue;
        }
        let (value, threshold) = if matches!(violation.name, Slo::LatencyP95 | Slo::LatencyP99) {
            (seconds(violation.value), seconds(Some(violation.threshold)))
        } else {
            (percent(violation.value), percent(Some(violation.threshold)))
        };
        line(
            text,
            violation.name.as_str(),
            &format!(
                "{} ({value}, threshold {threshold}, {} of {} slices{})",
                how_it_stands(violation),
                violation.points,
                violation.points_expected,
                if violation.for_seconds > 0 {
                    format!(", over it for {} s", violation.for_seconds)
                } else {
                    String::new()
                }
            ),
        );
    }
}

/// Says how an SLO stands. It is broken only where every slice of the violation window is over the threshold, so that
/// the window as a whole may be beyond it while the SLO is kept.
fn how_it_stands(violation: &ViolationPart) -> &'static str {
    let is_beyond = violation.value.is_some_and(|value| match violation.name {
        Slo::Availability => value < violation.threshold,
        Slo::ErrorRate | Slo::LatencyP95 | Slo::LatencyP99 => value > violation.threshold,
    });
    match violation.state {
        ViolationState::Ok if is_beyond && violation.for_seconds > 0 => {
            "not violated for long enough"
        }
        ViolationState::Ok if is_beyond => "kept in the newest slice, not in the whole window",
        ViolationState::Ok
        | ViolationState::Violated
        | ViolationState::Uncertain
        | ViolationState::Unknown => violation.state.as_str(),
    }
}

fn write_rollback(text: &mut String, rollback: &RollbackPart) {
    text.push('\n');
    line(
        text,
        "rollback",
        &format!(
            "{}: {} → {}, {}",
            rollback.id,
            short(&rollback.from),
            short(&rollback.to),
            rollback.outcome
        ),
    );
    if let Some(commit) = &rollback.commit {
        line(text, "commit", commit);
    }
    for step in &rollback.steps {
        let _ = writeln!(
            text,
            "  {:<11}  {:<13}  {}",
            step.state, step.step, step.detail
        );
    }
    if let Some(diff) = &rollback.diff {
        let _ = write!(text, "\n{}", printable(diff));
    }
}

/// Names the commits that go back, with their files.
fn write_undone(text: &mut String, undone: &[Undone]) {
    if undone.is_empty() {
        return;
    }
    text.push('\n');
    for commit in undone {
        let by = match commit.author.as_str() {
            "" => String::new(),
            author => format!(" by {}", one_line(author)),
        };
        let files = match &commit.files[..] {
            [] => String::new(),
            files => format!(": {}", one_line(&files.join(", "))),
        };
        line(
            text,
            "goes back",
            &format!(
                "{} ({}){by}{files}",
                short(&commit.revision),
                one_line(&commit.title)
            ),
        );
    }
}

fn write_unknowns(text: &mut String, record: &Record) {
    if record.unknowns.is_empty() {
        return;
    }
    // What is said of several readings, and what the decision says, is said once.
    let unknowns = record.unknowns.iter();
    let told = told_once(unknowns.map(|it| (it.source.as_str(), it.why.as_str())));
    let lines = told
        .into_iter()
        .map(|(why, sources)| format!("{}: {why}", sources.join(", ")))
        .filter(|said| *said != record.decision.detail);
    let before = text.len();
    for said in lines {
        line(text, "unknown", &said);
    }
    if text.len() > before {
        text.insert(before, '\n');
    }
}

fn line(text: &mut String, name: &str, value: &str) {
    let _ = writeln!(text, "{name:<13}  {value}");
}

/// Replaces what could move the cursor or hide text of a terminal; manifests are untrusted.
pub(crate) fn printable(text: &str) -> String {
    text.chars()
        .map(|c| {
            if c.is_control() && c != '\n' && c != '\t' {
                '\u{fffd}'
            } else {
                c
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Heading;
    use crate::slo::fixture::world;

    #[test]
    fn numbers_from_before_a_recovery_say_so() {
        let heading = Heading {
            run_id: "run".to_owned(),
            command: "run",
            service: "checkout".to_owned(),
            namespace: "shop".to_owned(),
            dry_run: false,
        };
        let mut burning = Record::unknown(&heading, &world().objective, DateTime::UNIX_EPOCH);
        let rollback = |outcome| RollbackPart {
            id: "first".to_owned(),
            from: "b".repeat(40),
            to: "a".repeat(40),
            steps: Vec::new(),
            outcome,
            worse: false,
            commit: None,
            diff: None,
            why: String::new(),
            words: None,
        };
        for (outcome, looks_back) in [
            (RollbackOutcome::Recovered, true),
            (RollbackOutcome::Verifying, false),
            (RollbackOutcome::Ineffective, false),
        ] {
            burning.rollback = Some(rollback(outcome));
            let text = record(&burning);
            let says = text.contains("\nmeasured       when the run began");
            assert_eq!(says, looks_back, "{text}");
        }
    }
}
