//! Several services as a table: a line each, the worst first.

use std::fmt::Write;

use super::numbers::{percent, rate};
use crate::record::{BudgetPart, BurnRatesPart, GateAnswer, Record};
use crate::report::StatusReport;
use crate::slo::Verdict;

/// One service of several.
#[derive(Debug, Clone)]
pub struct Row {
    /// How bad it ended, from an exit code's rank; the higher the worse.
    rank: u8,
    verdict: Verdict,
    consumed: f64,
    cells: [String; 6],
}

/// What stands above the columns.
const HEADS: [&str; 6] = [
    "verdict", "service", "consumed", "burn 5m", "burn 1h", "decision",
];

/// What stands above the last column of a status.
const STATUS: &str = "rollbacks";

impl Row {
    /// The row of a pass or of the gate.
    pub fn of_record(record: &Record, rank: u8) -> Self {
        let decision = match &record.gate {
            Some(gate) => match gate.answer {
                GateAnswer::MayDeploy => format!("may deploy: {}", gate.why),
                GateAnswer::Blocked => format!("blocked: {}", gate.why),
            },
            None => {
                let decision = &record.decision;
                let outcome = record
                    .rollback
                    .as_ref()
                    .map_or_else(String::new, |it| format!(", {} {}", it.outcome, it.id));
                format!("{} ({}){outcome}", decision.action, decision.reason)
            }
        };
        let service = format!("{}/{}", record.namespace, record.service);
        Self::new(
            rank,
            record.verdict,
            service,
            &record.budget,
            &record.burn_rates,
            decision,
        )
    }

    /// The row of a status.
    pub fn of_status(status: &StatusReport, rank: u8) -> Self {
        let service = format!("{}/{}", status.namespace, status.service);
        let standing = match (&status.in_flight, &status.pending) {
            (_, Some(pending)) => format!("waits for approval: {}", pending.rollback.id),
            (Some(in_flight), None) => format!("{}: {}", in_flight.outcome, in_flight.id),
            (None, None) => match status.rollbacks.first() {
                Some(last) => format!("last: {} {}", last.outcome, last.id),
                None => "none".to_owned(),
            },
        };
        Self::new(
            rank,
            status.verdict,
            service,
            &status.budget,
            &status.burn_rates,
            standing,
        )
    }

    fn new(
        rank: u8,
        verdict: Verdict,
        service: String,
        budget: &BudgetPart,
        burn: &BurnRatesPart,
        last: String,
    ) -> Self {
        Self {
            rank,
            verdict,
            consumed: budget.consumed.unwrap_or_default(),
            cells: [
                verdict.as_str().to_owned(),
                service,
                percent(budget.consumed),
                rate(burn.m5),
                rate(burn.h1),
                last,
            ],
        }
    }
}

/// Writes a table of passes.
pub fn passes(rows: Vec<Row>) -> String {
    table(rows, HEADS)
}

/// Writes a table of how services stand.
pub fn standings(rows: Vec<Row>) -> String {
    let [head @ .., _] = HEADS;
    let [a, b, c, d, e] = head;
    table(rows, [a, b, c, d, e, STATUS])
}

/// Writes one line for each service, the worst first: what burns, then what is not known, then by what is consumed.
fn table(mut rows: Vec<Row>, heads: [&str; 6]) -> String {
    rows.sort_by(|one, other| {
        let key = |row: &Row| (badness(row.verdict), row.rank);
        key(other)
            .cmp(&key(one))
            .then(other.consumed.total_cmp(&one.consumed))
            .then_with(|| one.cells[1].cmp(&other.cells[1]))
    });
    let mut widths = heads.map(|head| head.chars().count());
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(&row.cells) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    let mut write = |cells: [&str; 6]| {
        for (place, (cell, width)) in cells.into_iter().zip(widths).enumerate() {
            let _ = match place {
                5 => writeln!(text, "{cell}"),
                2..=4 => write!(text, "{cell:>width$}  "),
                _ => write!(text, "{cell:<width$}  "),
            };
        }
    };
    write(heads);
    for row in &rows {
        write(row.cells.each_ref().map(String::as_str));
    }
    let _ = writeln!(
        text,
        "\n{} services; one of them whole: --service NAME",
        rows.len()
    );
    text
}

fn badness(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Burning => 3,
        Verdict::Unknown => 2,
        Verdict::Exhausted => 1,
        Verdict::Healthy => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(verdict: Verdict, service: &str, consumed: Option<f64>, rank: u8) -> Row {
        let budget = BudgetPart {
            window_seconds: 1,
            error_budget: 0.001,
            bad_events: None,
            total_events: None,
            consumed,
            remaining: None,
            coverage: None,
            seconds_to_exhaustion: None,
            level: None,
        };
        let burn = BurnRatesPart {
            m5: consumed.map(|consumed| consumed * 10.0),
            ..BurnRatesPart::default()
        };
        Row::new(
            rank,
            verdict,
            service.to_owned(),
            &budget,
            &burn,
            "hold (healthy)".to_owned(),
        )
    }

    #[test]
    fn the_worst_stands_first() {
        let rows = vec![
            row(Verdict::Healthy, "shop/a", Some(0.1), 0),
            row(Verdict::Healthy, "shop/b", Some(0.4), 0),
            row(Verdict::Unknown, "shop/long-name", None, 69),
            row(Verdict::Burning, "shop/c", Some(1.5), 0),
            row(Verdict::Exhausted, "shop/d", Some(1.2), 0),
        ];
        insta::assert_snapshot!(passes(rows), @r"
verdict    service         consumed  burn 5m  burn 1h  decision
burning    shop/c          150.00 %    15.00  unknown  hold (healthy)
unknown    shop/long-name   unknown  unknown  unknown  hold (healthy)
exhausted  shop/d          120.00 %    12.00  unknown  hold (healthy)
healthy    shop/b           40.00 %     4.00  unknown  hold (healthy)
healthy    shop/a           10.00 %     1.00  unknown  hold (healthy)

5 services; one of them whole: --service NAME
");
    }
}
