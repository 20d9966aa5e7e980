//! What each pass made of a function, and how long each step of compiling took.

use super::{declined, job};
use crate::fail::Failure;
use crate::module_file::Loaded;
use ir::FuncId;
use jit::tier::opt::fuel::Fuel;
use jit::tier::opt::pipeline::{self, Options, Outcome};
use jit::tier::opt::{self, Timing};
use jit::tier::{Declined, Tier};
use std::fmt::Write as _;
use std::time::Instant;

/// The function as it was loaded, then after each pass of `tier` that changed something.
pub(super) fn passes(loaded: &Loaded, func: FuncId, tier: Tier) -> Result<String, Failure> {
    let module = &loaded.program.module;
    let refused = |why: Declined| declined(module, func, tier, &why.to_string());
    let all = pipeline::passes(tier);
    let run = |count: usize| -> Result<Outcome, Failure> {
        let options = Options {
            passes: &all[..count],
            bindings: Some(&loaded.program.bindings),
            fuel: Fuel::default(),
            ..Options::default()
        };
        pipeline::run(module, func, options, &mut || 0).map_err(refused)
    };
    let mut text = format!("; as loaded\n{}", ir::text::func_text(module, func, None));
    for (at, ran) in run(all.len())?.runs.iter().enumerate() {
        if ran.changes == 0 {
            continue;
        }
        let body = run(at + 1)?.optimised.body;
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "\n; after {}: {} changes, {} instructions\n{}",
            ran.pass,
            ran.changes,
            ran.insts,
            ir::text::func_text(module, func, Some(&body))
        );
    }
    Ok(text)
}

/// A table of all steps for all of `funcs` together. Functions that the tier declines are counted.
pub(super) fn timing(loaded: &Loaded, funcs: &[FuncId], tier: Tier) -> String {
    let start = Instant::now();
    let mut now = || start.elapsed().as_nanos() as u64;
    let (mut timing, mut refused, mut insts) = (Timing::default(), 0, 0);
    for &func in funcs {
        let job = job(loaded, func, tier);
        insts += job
            .function()
            .body
            .as_ref()
            .map_or(0, |body| body.insts.len());
        let compiled = opt::compile_timed(&job, tier, &mut now, &mut timing);
        refused += usize::from(compiled.is_err());
    }
    let mut steps: Vec<(&str, u64, u64)> = Vec::new();
    for run in &timing.passes {
        match steps.iter_mut().find(|step| step.0 == run.pass) {
            Some(step) => *step = (step.0, step.1 + run.time, step.2 + run.changes),
            None => steps.push((run.pass, run.time, run.changes)),
        }
    }
    let back_end = timing.back_end;
    steps.push(("instruction selection", back_end.lower, 0));
    steps.push(("register allocation", back_end.regalloc, 0));
    steps.push(("emission", back_end.emit, 0));
    table(&steps, tier, funcs.len(), refused, insts)
}

fn table(
    steps: &[(&str, u64, u64)],
    tier: Tier,
    funcs: usize,
    refused: usize,
    insts: usize,
) -> String {
    let all: u64 = steps.iter().map(|step| step.1).sum();
    let mut text = format!(
        "{tier}: {funcs} functions ({refused} declined), {insts} instructions\n\
         {:<24} {:>10} {:>9} {:>7} {:>9}\n",
        "step", "us", "ns/inst", "share", "changes"
    );
    for &(name, time, changes) in steps.iter().chain([&("all", all, 0)]) {
        let changes = if changes == 0 {
            String::new()
        } else {
            changes.to_string()
        };
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "{name:<24} {:>10.1} {:>9.1} {:>6.1}% {changes:>9}",
            time as f64 / 1e3,
            time as f64 / insts.max(1) as f64,
            100.0 * time as f64 / all.max(1) as f64,
        );
    }
    text
}
