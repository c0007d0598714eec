//! The table that is printed.

use std::io::{self, Write};
use std::process::ExitCode;

use crate::Failure;

/// What a number counts.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Unit {
    /// Things.
    Count,
    /// Milliseconds.
    Millis,
    /// Microseconds.
    Micros,
    /// Mebibytes.
    MiB,
    /// Megabytes.
    MB,
}

/// Measured quantities with their limits.
#[derive(Debug, Default)]
pub(crate) struct Table {
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    quantity: String,
    unit: Unit,
    /// Sorted; never empty.
    measured: Vec<f64>,
    limit: Option<f64>,
}

impl Table {
    /// Adds one quantity that was measured several times.
    ///
    /// # Panics
    /// If it was never measured.
    pub(crate) fn row(&mut self, quantity: &str, unit: Unit, measured: &[f64], limit: Option<f64>) {
        assert!(!measured.is_empty(), "{quantity} was never measured");
        let mut measured = measured.to_vec();
        measured.sort_by(f64::total_cmp);
        self.rows.push(Row {
            quantity: quantity.to_owned(),
            unit,
            measured,
            limit,
        });
    }

    /// Adds one quantity that does not vary and has no limit.
    pub(crate) fn value(&mut self, quantity: &str, unit: Unit, value: f64) {
        self.row(quantity, unit, &[value], None);
    }

    /// Prints the table and tells by the exit code whether every median is at its limit or below.
    pub(crate) fn judge(&self) -> Result<ExitCode, Failure> {
        self.print()?;
        Ok(if self.is_within_limits() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }

    /// Tells whether every median is at its limit or below.
    fn is_within_limits(&self) -> bool {
        !self.rows.iter().any(Row::is_over)
    }

    /// Prints the table to standard output.
    pub(crate) fn print(&self) -> io::Result<()> {
        let mut out = io::stdout().lock();
        writeln!(
            out,
            "{:<46} {:>9} {:>9} {:>9} {:>9}",
            "quantity", "median", "min", "max", "limit"
        )?;
        for row in &self.rows {
            let (min, max) = (row.measured[0], row.measured[row.measured.len() - 1]);
            let (limit, verdict) = match row.limit {
                None => (String::new(), ""),
                Some(limit) if row.is_over() => (row.unit.write(limit), "OVER"),
                Some(limit) => (row.unit.write(limit), "ok"),
            };
            let line = format!(
                "{:<46} {:>9} {:>9} {:>9} {limit:>9}  {} {verdict}",
                row.quantity,
                row.unit.write(row.median()),
                row.unit.write(min),
                row.unit.write(max),
                row.unit.name(),
            );
            writeln!(out, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

impl Row {
    fn median(&self) -> f64 {
        self.measured[self.measured.len() / 2]
    }

    fn is_over(&self) -> bool {
        self.limit.is_some_and(|limit| self.median() > limit)
    }
}

impl Unit {
    fn write(self, value: f64) -> String {
        match self {
            Self::Count => format!("{value:.0}"),
            Self::Millis | Self::Micros | Self::MiB | Self::MB => format!("{value:.2}"),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Count => "",
            Self::Millis => "ms",
            Self::Micros => "µs",
            Self::MiB => "MiB",
            Self::MB => "MB",
        }
    }
}
