//! What was measured, as a table in 80 columns and as JSON.

use crate::contender::Contender;
use crate::measure::{Outcome, Row};
use crate::stats::{geometric_mean, median};
use crate::{Error, page};
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

/// Medians and sums over the programs; failures at the end.
pub(crate) fn table(rows: &[Row]) -> String {
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

/// Everything, one object a program.
pub(crate) fn json(rows: &[Row]) -> Value {
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
pub(crate) fn write(rows: &[Row], out: &Path) -> Result<String, Error> {
    let (data, html) = (out.join("bench.json"), out.join("bench.html"));
    fs::write(&data, json(rows).to_string())?;
    fs::write(&html, page::html(rows))?;
    Ok(format!("{}, {}", data.display(), html.display()))
}
