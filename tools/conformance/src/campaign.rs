//! Many cases on several threads: `run`.
//!
//! Each worker owns a directory and takes the next seed from a counter. Every finished case is a line of
//! the log; with `--resume`, cases that the log knows are not run again. A case with a failure is kept: its
//! source, and how to see the failure again.

use crate::case::{Case, Source};
use crate::compile::Workshop;
use crate::judge::{self, Finding, Judged, Plan, Verdict};
use std::collections::{BTreeMap, HashSet};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// What to run.
#[derive(Clone, Debug)]
pub(crate) struct Campaign {
    /// Who writes the programs.
    pub(crate) sources: Vec<Source>,
    /// The first seed.
    pub(crate) seed: u64,
    /// Number of seeds of each source.
    pub(crate) count: u64,
    /// Worker threads.
    pub(crate) jobs: usize,
    /// What each case goes through.
    pub(crate) plan: Plan,
    /// Where logs and failures are kept.
    pub(crate) out: PathBuf,
    /// Leave out cases of the log.
    pub(crate) resume: bool,
}

/// Counts by row, then by verdict.
#[derive(Debug, Default)]
pub(crate) struct Summary {
    /// By configuration and engine: agreed, declined or refused, not judged, differing.
    rows: BTreeMap<String, [u64; 4]>,
    /// By reason: how often a tier declined or the loader refused.
    reasons: BTreeMap<String, u64>,
    /// By reason: programs that could not be judged.
    skipped: BTreeMap<String, u64>,
    /// Programs judged.
    judged: u64,
    /// Cases with a failure.
    failures: Vec<String>,
}

impl Campaign {
    /// Runs all cases; whether there was no failure.
    ///
    /// # Errors
    /// The system fails.
    pub(crate) fn run(&self) -> io::Result<bool> {
        fs::create_dir_all(&self.out)?;
        let log_path = self.out.join("cases.log");
        let known = if self.resume {
            known(&log_path)?
        } else {
            HashSet::new()
        };
        let mut options = OpenOptions::new();
        options
            .create(true)
            .write(true)
            .append(self.resume)
            .truncate(!self.resume);
        let log = Mutex::new(options.open(&log_path)?);
        let summary = Mutex::new(Summary::default());
        let (next, start) = (AtomicU64::new(0), Instant::now());
        let results: Vec<io::Result<()>> = std::thread::scope(|scope| {
            let work = |number| {
                let (known, summary, log, next) = (&known, &summary, &log, &next);
                scope.spawn(move || self.work(number, known, next, summary, log))
            };
            let workers: Vec<_> = (0..self.jobs).map(work).collect();
            let join = |worker: std::thread::ScopedJoinHandle<'_, io::Result<()>>| {
                worker
                    .join()
                    .unwrap_or_else(|_| Err(io::Error::other("a worker panicked")))
            };
            workers.into_iter().map(join).collect()
        });
        results.into_iter().collect::<io::Result<()>>()?;
        let summary = summary.into_inner().unwrap_or_else(PoisonError::into_inner);
        summary.print(&self.out, start.elapsed().as_secs());
        Ok(summary.failures.is_empty())
    }

    fn work(
        &self,
        number: usize,
        known: &HashSet<String>,
        next: &AtomicU64,
        summary: &Mutex<Summary>,
        log: &Mutex<File>,
    ) -> io::Result<()> {
        let dir = self.out.join(format!("worker-{number}"));
        let shop = Workshop::new(&dir)?;
        loop {
            // ORDERING: Relaxed: only a number of one's own is wanted.
            let at = next.fetch_add(1, Ordering::Relaxed);
            if at >= self.count * self.sources.len() as u64 {
                return Ok(());
            }
            let source = self.sources[(at % self.sources.len() as u64) as usize];
            let case = Case {
                source,
                seed: self.seed + at / self.sources.len() as u64,
            };
            if known.contains(&case.to_string()) {
                continue;
            }
            let judged = judge::judge(case, &self.plan, &shop)?;
            if failures(&judged).next().is_some() {
                self.keep(case, &judged, &shop)?;
            }
            let line = log_line(case, &judged);
            writeln!(log.lock().unwrap_or_else(PoisonError::into_inner), "{line}")?;
            summary
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .add(case, &judged);
        }
    }

    /// Keeps a failing case, and says so at once.
    fn keep(&self, case: Case, judged: &Judged, shop: &Workshop) -> io::Result<()> {
        let dir = self.out.join("failures").join(case.to_string());
        fs::create_dir_all(&dir)?;
        fs::copy(shop.file("program.c"), dir.join("program.c"))?;
        let mut text = String::new();
        for finding in failures(judged) {
            let (config, engine) = (finding.config, finding.engine_name());
            println!("{case}: {config} {engine} {}", finding.verdict);
            text += &format!("{config} {engine} {}\n", finding.verdict);
        }
        fs::write(dir.join("findings.txt"), text)
    }
}

/// The cases that a log names.
fn known(log: &Path) -> io::Result<HashSet<String>> {
    let text = match fs::read_to_string(log) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        text => text?,
    };
    let first = |line: &str| line.split(' ').next().map(str::to_owned);
    Ok(text.lines().filter_map(first).collect())
}

fn failures(judged: &Judged) -> impl Iterator<Item = &Finding> {
    let findings = match judged {
        Judged::Skipped(_) => &[][..],
        Judged::Findings(findings) => findings,
    };
    findings
        .iter()
        .filter(|finding| finding.verdict.is_failure())
}

fn log_line(case: Case, judged: &Judged) -> String {
    match judged {
        Judged::Skipped(why) => format!("{case} skipped: {why}"),
        Judged::Findings(findings) => {
            let failed = failures(judged).count();
            format!("{case} {} runs, {failed} failures", findings.len())
        }
    }
}

/// A reason without the names and numbers that make each one unique.
fn reason(text: &str) -> String {
    let text = text.split(" in ").next().unwrap_or(text);
    let text = text.split(" at ").next().unwrap_or(text);
    let text = text.split(" (bit").next().unwrap_or(text);
    text.chars().take(70).collect()
}

impl Summary {
    fn add(&mut self, case: Case, judged: &Judged) {
        let findings = match judged {
            Judged::Skipped(why) => {
                *self.skipped.entry(reason(why)).or_default() += 1;
                return;
            }
            Judged::Findings(findings) => findings,
        };
        self.judged += 1;
        if self.judged.is_multiple_of(100) {
            println!("{} programs judged, at {case}", self.judged);
        }
        if failures(judged).next().is_some() {
            self.failures.push(case.to_string());
        }
        for finding in findings {
            let row = format!(
                "{:<16} {:<8}",
                finding.config.to_string(),
                finding.engine_name()
            );
            let (column, why) = match &finding.verdict {
                Verdict::Agrees => (0, None),
                Verdict::Declined(why) | Verdict::Refused(why) => (1, Some(why)),
                Verdict::Endless | Verdict::JudgesDiffer | Verdict::Uncompiled(_) => (2, None),
                Verdict::Differs(_) => (3, None),
            };
            self.rows.entry(row).or_default()[column] += 1;
            if let Some(why) = why {
                let key = format!("{:<8} {}", finding.engine_name(), reason(why));
                *self.reasons.entry(key).or_default() += 1;
            }
        }
    }

    fn print(&self, out: &Path, seconds: u64) {
        println!("\nconfiguration    engine     agree declined  skipped  differ");
        let mut sum = [0; 4];
        for (row, counts) in &self.rows {
            let [agree, declined, skipped, differ] = counts;
            println!("{row} {agree:>7} {declined:>8} {skipped:>8} {differ:>7}");
            sum.iter_mut()
                .zip(counts)
                .for_each(|(sum, count)| *sum += count);
        }
        let [agree, declined, skipped, differ] = sum;
        println!(
            "{:<25} {agree:>7} {declined:>8} {skipped:>8} {differ:>7}",
            "all"
        );
        list("declined or refused, by reason", &self.reasons);
        list("programs that were not judged", &self.skipped);
        let (judged, failed) = (self.judged, self.failures.len());
        println!("\n{judged} programs judged in {seconds} s, {failed} with a mismatch");
        if failed > 0 {
            println!(
                "kept in {}: {}",
                out.join("failures").display(),
                self.failures.join(" ")
            );
        }
    }
}

fn list(title: &str, counts: &BTreeMap<String, u64>) {
    if counts.is_empty() {
        return;
    }
    println!("\n{title}:");
    let mut counts: Vec<_> = counts.iter().collect();
    counts.sort_by(|a, b| b.1.cmp(a.1));
    for (what, count) in counts {
        println!("{count:>7}  {what}");
    }
}
