//! `bareflow dis`: IR or machine code of a module.
//!
//! Machine code is compiled as `run` would, for this machine's CPU, and shown with the offset and
//! bytes of each instruction and the IR instruction wherever that changes, below the line of the source if
//! the file is where the compiler found it. What passes do, and how long all steps take, is shown by [`steps`]. What no machine has is
//! rewritten first, as it is for tiers; only IR as loaded is shown without that.

mod steps;

use crate::fail::{self, Failure, Outcome};
use crate::module_file::{Loaded, ModuleFile};
use crate::run;
use ir::{FuncId, Module};
use jit::listing;
use jit::tier::{self, Job, Tier};
use lexopt::{Arg, ValueExt as _};
use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;

#[derive(Debug, Default)]
struct Request {
    file: Option<PathBuf>,
    ir: bool,
    tier: Option<Tier>,
    func: Option<String>,
    stop_after: Option<String>,
    passes: bool,
    timing: bool,
}

pub(crate) fn main(args: lexopt::Parser) -> Outcome {
    let request = parse(args)?;
    let Some(path) = &request.file else {
        return Err(Failure::usage("dis: wants a file"));
    };
    let mut loaded = ModuleFile::read(path)?.load()?;
    let compiles = !request.ir
        || request.passes
        || request.timing
        || request.tier.is_some()
        || request.stop_after.is_some();
    if compiles {
        let cpu = hosted::process::cpu_features();
        let legalised = loaded.program.legalise(cpu);
        legalised.map_err(|why| Failure::new(fail::REJECTED, why.to_string()))?;
    }
    let chosen = chosen(&loaded, request.func.as_deref())?;
    if request.timing {
        print!("{}", steps::timing(&loaded, &chosen, optimising(&request)));
        return Ok(0);
    }
    let mut sources = Sources::default();
    for func in chosen {
        if request.passes {
            print!("{}", steps::passes(&loaded, func, optimising(&request))?);
        } else if request.ir {
            print!("{}", show_ir(&loaded, func, &request)?);
        } else {
            let tier = request.tier.unwrap_or(Tier::Baseline);
            print!("{}", show_code(&loaded, func, tier, &mut sources)?);
        }
    }
    Ok(0)
}

/// The tier whose passes are asked for.
fn optimising(request: &Request) -> Tier {
    request.tier.unwrap_or(Tier::O3)
}

/// Source files that were looked for, by path: their lines, none if there is no such file.
#[derive(Debug, Default)]
struct Sources(HashMap<String, Vec<String>>);

impl Sources {
    /// The text of a line, counted from 1.
    fn line(&mut self, file: &str, line: u32) -> Option<String> {
        let read = |file: &String| {
            let text = fs::read_to_string(file).unwrap_or_default();
            text.lines().map(str::to_owned).collect()
        };
        let key = file.to_owned();
        let lines = self.0.entry(key).or_insert_with_key(read);
        lines.get((line as usize).checked_sub(1)?).cloned()
    }
}

/// The functions to show: one, or all that have a body.
fn chosen(loaded: &Loaded, name: Option<&str>) -> Result<Vec<FuncId>, Failure> {
    if let Some(name) = name {
        return loaded.func(name).map(|func| vec![FuncId(func)]);
    }
    let funcs = loaded.program.module.funcs.iter().enumerate();
    Ok(funcs
        .filter(|(_, func)| func.body.is_some())
        .map(|(number, _)| FuncId(number as u32))
        .collect())
}

/// IR as loaded, or after the passes of a tier up to and including `--stop-after`.
fn show_ir(loaded: &Loaded, func: FuncId, request: &Request) -> Result<String, Failure> {
    let module = &loaded.program.module;
    if request.tier.is_none() && request.stop_after.is_none() {
        return Ok(ir::text::func_text(module, func, None).to_string());
    }
    let tier = request.tier.unwrap_or(Tier::O1);
    let job = job(loaded, func, tier);
    let body = tier::opt::optimise(&job, tier, request.stop_after.as_deref())
        .map_err(|why| declined(module, func, tier, &why.to_string()))?;
    Ok(ir::text::func_text(module, func, Some(&body)).to_string())
}

fn show_code(
    loaded: &Loaded,
    func: FuncId,
    tier: Tier,
    sources: &mut Sources,
) -> Result<String, Failure> {
    let module = &loaded.program.module;
    let job = job(loaded, func, tier);
    let compiled = match tier {
        Tier::Baseline => tier::compile(&job, tier),
        _ => tier::opt::compile_listed(&job, tier),
    };
    let compiled = compiled.map_err(|why| declined(module, func, tier, &why.to_string()))?;
    let name = &module.func(func).name;
    let head = format!(
        "{name}: {tier}, {} bytes of code, {} of data, frame {} bytes\n",
        compiled.code.len(),
        compiled.rodata.len(),
        compiled.tables.frame_size
    );
    let mut line = |file: &str, line| sources.line(file, line);
    Ok(head + &listing::code(module, func, &compiled, &mut line) + "\n")
}

pub(super) fn job(loaded: &Loaded, func: FuncId, tier: Tier) -> Job<'_> {
    Job {
        module: &loaded.program.module,
        func,
        bindings: &loaded.program.bindings,
        cpu: hosted::process::cpu_features(),
        counting: tier.next().is_some(),
    }
}

pub(super) fn declined(module: &Module, func: FuncId, tier: Tier, why: &str) -> Failure {
    Failure::new(
        fail::REJECTED,
        format!("{}: not compiled at {tier}: {why}", module.func(func).name),
    )
}

fn parse(mut args: lexopt::Parser) -> Result<Request, Failure> {
    let mut request = Request::default();
    while let Some(arg) = args.next()? {
        match arg {
            Arg::Value(path) if request.file.is_none() => request.file = Some(path.into()),
            Arg::Long("ir") => request.ir = true,
            Arg::Long("asm") => request.ir = false,
            Arg::Long("passes") => request.passes = true,
            Arg::Long("timing") => request.timing = true,
            Arg::Long("tier") => request.tier = run::tier(&args.value()?.string()?)?,
            Arg::Long("function") => request.func = Some(args.value()?.string()?),
            Arg::Long("stop-after") => {
                request.stop_after = Some(args.value()?.string()?);
                request.ir = true;
            }
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(request)
}
