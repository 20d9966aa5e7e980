//! The report as one self-contained HTML page with plots (SVG, no scripts).

use crate::Results;
use crate::contender::Contender;
use crate::measure::Row;
use crate::report::{mean, of};
use std::fmt::Write as _;

const STYLE: &str = "\
body{font:15px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;color:#1b1f24}
h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2.2rem}p{max-width:46rem}
table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:13px}
td,th{padding:2px 7px;text-align:right;border-bottom:1px solid #e4e7eb;white-space:nowrap}
th{font-weight:600;vertical-align:bottom}td:first-child,th:first-child{text-align:left}
.wide{overflow-x:auto}text{font:12px system-ui,sans-serif;fill:#1b1f24}.grid{stroke:#e4e7eb}
.ours{fill:#2463c7}.theirs{fill:#9aa4b2}.line{fill:none;stroke:#2463c7;stroke-width:1.5}
.dots{fill:#2463c7;fill-opacity:.75}";

/// The page.
pub(crate) fn html(results: &Results) -> String {
    let rows = &results.programs;
    let mut page = String::new();
    let _ = write!(
        page,
        "<!doctype html><html lang=en><meta charset=utf-8><title>BareFlow: speed</title>\
         <style>{STYLE}</style><h1>Speed of generated code</h1>\
         <p>{} programs, each contender in a process of its own, taking turns; medians of the rounds, \
         CPU time. 1.0 is <code>clang -O3</code> for x86-64; lower is better. Blue is the engine, \
         with the optimisation level of its bitcode in brackets.</p>",
        rows.len()
    );
    page.push_str("<h2>Geometric mean over all programs</h2>");
    bars(&mut page, rows);
    page.push_str("<h2>Calls until tiering overtakes <code>clang -O0</code></h2>");
    page.push_str(
        "<p>Wall time from the bitcode in memory, loading and compiling included, against calls of code \
         that was compiled beforehand. Programs that never get ahead on the measured path are left out.</p>",
    );
    overtaking(&mut page, rows);
    page.push_str("<h2>Every program</h2>");
    details(&mut page, rows);
    if !results.workloads.is_empty() {
        page.push_str(
            "<h2>Real programs</h2><p>Whole runs of Lua, SQLite, zlib, zstd, bzip2 and QuickJS with the C library; CPU \
             time of the thread that runs <code>main</code>. Geometric mean, then each.</p>",
        );
        bars(&mut page, &results.workloads);
        details(&mut page, &results.workloads);
    }
    page.push_str("</html>\n");
    page
}

/// One bar a contender.
fn bars(page: &mut String, rows: &[Row]) {
    const SCALE: f64 = 130.0;
    let height = 24 * Contender::ALL.len() + 10;
    let _ = write!(page, "<svg width=900 height={height} role=img>");
    for tick in 0..=5 {
        let x = 160.0 + f64::from(tick) * SCALE;
        let _ = write!(page, "<line class=grid x1={x} x2={x} y1=0 y2={height} />");
    }
    for (index, &contender) in Contender::ALL.iter().enumerate() {
        let Some(mean) = mean(rows, contender) else {
            continue;
        };
        let y = 24 * index + 4;
        let class = match contender {
            Contender::Engine(..) => "ours",
            _ => "theirs",
        };
        let width = mean.min(5.3) * SCALE;
        let _ = write!(
            page,
            "<text x=150 y={} text-anchor=end>{}</text><rect class={class} x=160 y={y} width={width:.1} height=16 />\
             <text x={:.1} y={}>{mean:.2}</text>",
            y + 13,
            contender.name(),
            166.0 + width,
            y + 13
        );
    }
    page.push_str("</svg>");
}

/// The programs in the order of the call count at which they overtake, on a logarithmic axis.
fn overtaking(page: &mut String, rows: &[Row]) {
    let mut counts: Vec<(u64, &str)> = rows
        .iter()
        .filter_map(|row| Some((row.overtakes()?, row.program.as_str())))
        .collect();
    counts.sort_unstable();
    let height = 18 * counts.len() + 30;
    let x = |calls: u64| 160.0 + (calls.max(1) as f64).log10() * 125.0;
    let _ = write!(page, "<svg width=900 height={height} role=img>");
    for power in 0..=5 {
        let at = x(10u64.pow(power));
        let _ = write!(
            page,
            "<line class=grid x1={at} x2={at} y1=0 y2={} /><text x={at} y={} text-anchor=middle>{}</text>",
            height - 20,
            height - 4,
            10u64.pow(power)
        );
    }
    for (index, (calls, name)) in counts.iter().enumerate() {
        let y = 18 * index + 12;
        let _ = write!(
            page,
            "<text x=150 y={} text-anchor=end>{name}</text><circle class=dots cx={:.1} cy={y} r=5 />\
             <text x={:.1} y={}>{calls}</text>",
            y + 4,
            x(*calls),
            x(*calls) + 10.0,
            y + 4
        );
    }
    page.push_str("</svg>");
}

/// All ratios.
fn details(page: &mut String, rows: &[Row]) {
    page.push_str("<div class=wide><table><tr><th>program<th>clang -O3, us");
    for contender in Contender::ALL {
        let _ = write!(page, "<th>{}", contender.name().replace(" (", "<br>("));
    }
    page.push_str("<th>overtakes<br>at call");
    for row in rows {
        let reference = row.ns("clang -O3").unwrap_or(f64::NAN) / 1000.0;
        let _ = write!(page, "<tr><td>{}<td>{reference:.1}", row.program);
        for &contender in Contender::ALL {
            let ratio = of(row, contender).and_then(|outcome| row.ratio(outcome));
            let _ = match ratio {
                Some(ratio) => write!(page, "<td>{ratio:.2}"),
                None => write!(page, "<td>–"),
            };
        }
        let _ = match row.overtakes() {
            Some(calls) => write!(page, "<td>{calls}"),
            None => write!(page, "<td>–"),
        };
    }
    page.push_str("</table></div>");
}
