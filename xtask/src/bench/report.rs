//! What a bench prints: tables for people, figures for programs, and for each figure with a limit whether it is met.
//! Markdown, so that it can be put into `docs/benchmarks.md` as it is.

use std::fmt::Write as _;

use super::process::{load_average, machine};

/// A bench's whole result.
#[derive(Debug)]
pub(super) struct Report {
    bench: &'static str,
    quick: bool,
    load_before: String,
    tables: Vec<Table>,
    figures: Vec<Figure>,
}

/// Rows under a caption.
#[derive(Debug)]
pub(crate) struct Table {
    caption: String,
    header: Vec<String>,
    rows: Vec<Vec<String>>,
}

#[derive(Debug)]
struct Figure {
    name: String,
    value: f64,
    unit: &'static str,
    limit: Option<Limit>,
}

/// What a figure is held against.
#[derive(Clone, Copy, Debug)]
pub(super) enum Limit {
    AtMost(f64),
    AtLeast(f64),
}

impl Report {
    /// An empty report; notes how busy the machine is.
    pub(super) fn new(bench: &'static str, quick: bool) -> Self {
        Self { bench, quick, load_before: load_average(), tables: Vec::new(), figures: Vec::new() }
    }

    /// Adds a table.
    pub(super) fn table(&mut self, table: Table) {
        self.tables.push(table);
    }

    /// Adds a figure that nothing is asked of.
    pub(super) fn figure(&mut self, name: impl Into<String>, value: f64, unit: &'static str) {
        self.figures.push(Figure { name: name.into(), value, unit, limit: None });
    }

    /// Adds a figure with a limit.
    pub(super) fn limited(&mut self, name: impl Into<String>, value: f64, unit: &'static str, limit: Limit) {
        self.figures.push(Figure { name: name.into(), value, unit, limit: Some(limit) });
    }

    /// Prints all of it.
    #[expect(clippy::print_stdout, reason = "the result of a developer's tool")]
    pub(super) fn print(&self, json: bool) {
        if json {
            println!("{:#}", self.to_json());
        } else {
            print!("{}", self.to_markdown());
        }
    }

    fn to_json(&self) -> serde_json::Value {
        let figures: Vec<_> = self
            .figures
            .iter()
            .map(|figure| {
                let mut value = serde_json::json!({ "name": figure.name, "value": figure.value, "unit": figure.unit });
                if let Some(limit) = figure.limit {
                    value["limit"] = limit.to_string().into();
                    value["met"] = limit.is_met(figure.value).into();
                }
                value
            })
            .collect();
        serde_json::json!({
            "bench": self.bench,
            "quick": self.quick,
            "machine": machine(),
            "load_before": self.load_before,
            "load_after": load_average(),
            "figures": figures,
        })
    }

    fn to_markdown(&self) -> String {
        let mut out = String::new();
        for table in &self.tables {
            table.write(&mut out);
        }
        let mut verdicts = Table::new("Limits", ["figure", "measured", "limit", "verdict"]);
        for figure in &self.figures {
            if let Some(limit) = figure.limit {
                let verdict = if limit.is_met(figure.value) { "met" } else { "**missed**" };
                verdicts.row([
                    figure.name.clone(),
                    format!("{} {}", number(figure.value), figure.unit),
                    format!("{limit} {}", figure.unit),
                    verdict.to_owned(),
                ]);
            }
        }
        verdicts.write(&mut out);
        let _ = writeln!(
            out,
            "Machine: {}; load average {} before, {} after{}.",
            machine(),
            self.load_before,
            load_average(),
            if self.quick { "; a quick run, not a result" } else { "" }
        );
        out
    }
}

impl Table {
    /// A table without rows.
    pub(crate) fn new<const N: usize>(caption: impl Into<String>, header: [&str; N]) -> Self {
        Self { caption: caption.into(), header: header.map(str::to_owned).to_vec(), rows: Vec::new() }
    }

    /// Adds a row.
    pub(crate) fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(cells.to_vec());
    }

    /// The table in Markdown; nothing without rows.
    pub(crate) fn to_markdown(&self) -> String {
        let mut out = String::new();
        self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) {
        if self.rows.is_empty() {
            return;
        }
        let width = |column: usize| {
            let cells = self.rows.iter().chain([&self.header]).filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.header.len()).map(width).collect();
        if !self.caption.is_empty() {
            let _ = writeln!(out, "{}\n", self.caption);
        }
        let mut line = |cells: &[String]| {
            for (cell, width) in cells.iter().zip(&widths) {
                let _ = write!(out, "| {cell:width$} ");
            }
            out.push_str("|\n");
        };
        line(&self.header);
        line(&widths.iter().map(|&width| "-".repeat(width)).collect::<Vec<_>>());
        self.rows.iter().for_each(|row| line(row));
        out.push('\n');
    }
}

impl Limit {
    fn is_met(self, value: f64) -> bool {
        match self {
            Self::AtMost(limit) => value <= limit,
            Self::AtLeast(limit) => value >= limit,
        }
    }
}

impl std::fmt::Display for Limit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::AtMost(limit) => write!(f, "≤ {}", number(*limit)),
            Self::AtLeast(limit) => write!(f, "≥ {}", number(*limit)),
        }
    }
}

/// A number with as many digits as mean something, thousands apart.
pub(super) fn number(value: f64) -> String {
    let digits = match value.abs() {
        large if large >= 100.0 => 0,
        middle if middle >= 10.0 => 1,
        _ => 2,
    };
    let text = format!("{value:.digits$}");
    let (whole, fraction) = text.split_at(text.find('.').unwrap_or(text.len()));
    let (sign, whole) = whole.strip_prefix('-').map_or(("", whole), |whole| ("-", whole));
    let mut grouped = String::from(sign);
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            grouped.push(' ');
        }
        grouped.push(digit);
    }
    grouped + if fraction.trim_matches(['.', '0']).is_empty() { "" } else { fraction }
}

/// A ratio in per cent.
pub(super) fn percent(ratio: f64) -> String {
    format!("{:.0} %", ratio * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_meaningful_digits_and_grouped_thousands() {
        assert_eq!(number(1_234_567.8), "1 234 568");
        assert_eq!(number(999.96), "1 000");
        assert_eq!(number(12.34), "12.3");
        assert_eq!(number(-0.514), "-0.51");
        assert_eq!(number(30.0), "30");
        assert_eq!(number(0.0), "0");
    }

    #[test]
    fn a_missed_limit_is_shown_as_missed_and_reported_as_not_met() {
        let mut report = Report::new("proxy", false);
        report.limited("added p50", 51.0, "µs", Limit::AtMost(50.0));
        report.limited("throughput", 71.0, "%", Limit::AtLeast(70.0));
        let text = report.to_markdown();
        assert!(text.contains("| added p50  | 51 µs    | ≤ 50 µs | **missed** |"), "{text}");
        let json = report.to_json();
        assert_eq!(json["figures"][0]["met"], false);
        assert_eq!(json["figures"][1]["met"], true);
    }
}
