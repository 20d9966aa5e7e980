//! What was measured, as a table in 80 columns and as JSON.

use crate::contender::Contender;
use crate::measure::{Outcome, Row};
use crate::stats::{geometric_mean, median};
use crate::{Error, Results, page};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

/// Geometric mean over the programs of a contender's time relative to the reference.
pub(crate) fn mean(rows: &[Row], contender: Contender) -> Option<f64> {
    geometric_mean(rows.iter().filter_map(|row| row.ratio(of(row, contender)?)))
}

/// A contender's outcome for one program.
pub(crate) fn of(row: &Row, contender: Contender) -> Option<&Outcome> {
    row.outcomes
        .iter()
        .find(|outcome| outcome.contender == contender)
}

/// All tables for a person.
pub(crate) fn text(results: &Results) -> String {
    let mut text = String::new();
    if !results.programs.is_empty() {
        text += &table(&results.programs);
    }
    if !results.workloads.is_empty() {
        text += &workloads(&results.workloads);
    }
    text
}

/// The workloads side by side: there are few of them, and each is of interest.
fn workloads(rows: &[Row]) -> String {
    let mut text = String::new();
    let _ = writeln!(
        text,
        "{} real programs; time relative to clang -O3 for x86-64",
        rows.len()
    );
    let names: String = rows
        .iter()
        .map(|row| format!(" {:>8}", row.program))
        .collect();
    let _ = writeln!(text, "{:<16}{names} {:>8}", "", "mean");
    let number = |value: Option<f64>| value.map_or("-".to_owned(), |v| format!("{v:.2}"));
    for &contender in Contender::ALL {
        let Some(mean) = mean(rows, contender) else {
            continue;
        };
        let ratios = rows.iter().map(|row| row.ratio(of(row, contender)?));
        let ratios: String = ratios
            .map(|ratio| format!(" {:>8}", number(ratio)))
            .collect();
        let _ = writeln!(text, "{:<16}{ratios} {mean:>8.2}", contender.name());
    }
    text + &failures(rows)
}

/// Medians and sums over the programs; failures at the end.
fn table(rows: &[Row]) -> String {
    let mut text = String::new();
    let _ = writeln!(
        text,
        "{} programs; time relative to clang -O3 for x86-64 (geometric mean)",
        rows.len()
    );
    let _ = writeln!(
        text,
        "{:<20} {:>8} {:>8} {:>8} {:>10} {:>10} {:>8}",
        "", "time", "best", "worst", "compile us", "code bytes", "peak KiB"
    );
    for &contender in Contender::ALL {
        let ratios: Vec<f64> = rows
            .iter()
            .filter_map(|row| row.ratio(of(row, contender)?))
            .collect();
        let number = |value: Option<f64>| value.map_or("-".to_owned(), |v| format!("{v:.2}"));
        let _ = writeln!(
            text,
            "{:<20} {:>8} {:>8} {:>8} {:>10} {:>10} {:>8}",
            contender.name(),
            number(mean(rows, contender)),
            number(ratios.iter().copied().reduce(f64::min)),
            number(ratios.iter().copied().reduce(f64::max)),
            detail(rows, contender, "compile_us"),
            detail(rows, contender, "code_bytes"),
            detail(rows, contender, "peak_kib"),
        );
    }
    let overtakes: Vec<f64> = rows
        .iter()
        .filter_map(|row| Some(row.overtakes()? as f64))
        .collect();
    let _ = writeln!(
        text,
        "tiering overtakes clang -O0 after {} calls (median; on {} of {} programs)",
        median(&overtakes).map_or("-".to_owned(), |calls| format!("{calls:.0}")),
        overtakes.len(),
        rows.len()
    );
    text + &failures(rows)
}

fn failures(rows: &[Row]) -> String {
    let mut text = String::new();
    for row in rows {
        for outcome in &row.outcomes {
            if let Some(why) = &outcome.failure {
                let who = outcome.contender.name();
                let _ = writeln!(text, "failed: {} at {who}: {why}", row.program);
            }
        }
    }
    text
}

/// Median over the programs of a number that only the engine knows.
fn detail(rows: &[Row], contender: Contender, key: &str) -> String {
    let values: Vec<f64> = rows
        .iter()
        .filter_map(|row| of(row, contender)?.details[key].as_f64())
        .collect();
    median(&values).map_or("-".to_owned(), |value| format!("{value:.0}"))
}

/// Everything: two lists, one object a program.
fn json(results: &Results) -> Value {
    json!({ "programs": list(&results.programs), "workloads": list(&results.workloads) })
}

fn list(rows: &[Row]) -> Value {
    let program = |row: &Row| {
        let outcomes: Vec<Value> = row
            .outcomes
            .iter()
            .map(|outcome| {
                json!({
                    "contender": outcome.contender.name(), "ns": outcome.ns,
                    "ratio": row.ratio(outcome), "failure": outcome.failure,
                    "details": outcome.details,
                })
            })
            .collect();
        json!({ "program": row.program, "overtakes_at": row.overtakes(), "outcomes": outcomes })
    };
    Value::from(rows.iter().map(program).collect::<Vec<_>>())
}

/// Writes `bench.json` and `bench.html` to `out` and says so.
///
/// # Errors
/// The files cannot be written.
pub(crate) fn write(results: &Results, out: &Path) -> Result<String, Error> {
    let (data, html) = (out.join("bench.json"), out.join("bench.html"));
    fs::write(&data, json(results).to_string())?;
    fs::write(&html, page::html(results))?;
    Ok(format!("{}, {}", data.display(), html.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(program: &str, times: &[Option<f64>]) -> Row {
        let outcome = |(&contender, &ns): (&Contender, &Option<f64>)| Outcome {
            contender,
            ns,
            failure: ns.is_none().then(|| "ended early".to_owned()),
            details: Value::Null,
            path: Vec::new(),
        };
        let outcomes = Contender::ALL.iter().zip(times).map(outcome).collect();
        Row {
            program: program.to_owned(),
            outcomes,
        }
    }

    #[test]
    fn workloads_stand_side_by_side_and_failures_below() {
        let rows = [
            row("lua", &[Some(4.0), Some(3.0), Some(2.0)]),
            row("zlib", &[None, Some(3.0), Some(2.0)]),
        ];
        let text = workloads(&rows);
        let line = |name: &str| text.lines().find(|line| line.starts_with(name)).unwrap();
        let words = |name: &str| line(name).split_whitespace().skip(2).collect::<Vec<_>>();
        assert_eq!(words("clang -O0"), ["2.00", "-", "2.00"]);
        assert_eq!(words("clang -O2"), ["1.50", "1.50", "1.50"]);
        assert_eq!(line("failed:"), "failed: zlib at clang -O0: ended early");
        assert!(!text.contains("baseline"), "who took no part has no line");
    }
}
