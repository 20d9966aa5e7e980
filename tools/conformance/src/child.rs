//! One program in our engine, in a process of its own: the command `child`.
//!
//! A process holds one instance, and a program that goes wrong may take its process along; so the
//! parent starts this program again for every run. What the guest prints goes to standard output; the
//! exit status says how it ended, and standard error says why.

use crate::interpreted;
use hosted::{Left, Options, Process, StartError};
use ir::Module;
use jit::instance::{NotCompiled, Program};
use jit::tier::Tier;
use std::fmt;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

/// The file is no module that we take.
pub(crate) const REFUSED: i32 = 101;
/// A tier declined a function.
pub(crate) const DECLINED: i32 = 102;
/// The program was ended by a fault.
pub(crate) const FAULTED: i32 = 103;
/// The program used up its time or steps.
pub(crate) const ENDLESS: i32 = 104;
/// Something of ours failed.
pub(crate) const BROKEN: i32 = 105;

/// CPU time of a program; its native twin took a fraction of a second.
const BUDGET: Duration = Duration::from_secs(10);

/// What runs a program.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Engine {
    /// The reference interpreter.
    Interpreter,
    /// Machine code, all functions of this tier.
    Forced(Tier),
    /// Machine code, every second function of baseline and the others of O2: what tiers must agree on is how they
    /// call each other.
    Mixed,
}

impl Engine {
    /// All of them.
    pub(crate) const ALL: [Self; 6] = [
        Self::Interpreter,
        Self::Forced(Tier::Baseline),
        Self::Forced(Tier::O1),
        Self::Forced(Tier::O2),
        Self::Forced(Tier::O3),
        Self::Mixed,
    ];
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Interpreter => f.pad("interp"),
            Self::Forced(tier) => f.pad(tier.name()),
            Self::Mixed => f.pad("mixed"),
        }
    }
}

impl FromStr for Engine {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Self::ALL
            .into_iter()
            .find(|engine| engine.to_string() == name);
        found.ok_or_else(|| format!("no tier `{name}`: interp, baseline, o1, o2, o3 or mixed"))
    }
}

/// Runs the bitcode (or text IR: `.bfir`) in `path`; the exit status of this process.
pub(crate) fn run(path: &Path, engine: Engine) -> i32 {
    let module = match load(path) {
        Ok(module) => module,
        Err(why) => return complain(REFUSED, &why),
    };
    match engine {
        Engine::Interpreter => interpreted::run(module),
        Engine::Forced(tier) => compiled(module, Some(tier)),
        Engine::Mixed => compiled(module, None),
    }
}

/// The module in a file of bitcode or of text.
pub(crate) fn load(path: &Path) -> Result<Module, String> {
    let bytes = std::fs::read(path).map_err(|error| error.to_string())?;
    if path.extension().is_some_and(|kind| kind == "bfir") {
        let text = String::from_utf8(bytes).map_err(|error| error.to_string())?;
        let module = ir::text::parse(&text).map_err(|error| error.to_string())?;
        ir::verify::module(&module).map_err(|error| error.to_string())?;
        return Ok(module);
    }
    jit::load::module(&bytes).map_err(|error| error.to_string())
}

/// The text form of a module, without the notes on facts: their tables have no text form.
pub(crate) fn text(module: &Module) -> String {
    let text = ir::text::module_text(module).to_string();
    let kept = text
        .split_inclusive('\n')
        .filter(|line| !line.trim_start().starts_with("note "));
    kept.collect()
}

pub(crate) fn complain(status: i32, why: &str) -> i32 {
    eprintln!("{why}");
    status
}

/// Compiles every second function at O2. Without workers the others stay at baseline, and so does a function that
/// O2 declines.
fn raise_every_second(process: &Process) -> Result<(), NotCompiled> {
    let instance = process.instance();
    let cx = process.context(0);
    for func in (1..instance.program().imports.len() as u32).step_by(2) {
        match instance.compile(func, Tier::O2, &cx) {
            Ok(_) | Err(NotCompiled::NoBody | NotCompiled::Declined(_)) => {}
            Err(why) => return Err(why),
        }
    }
    Ok(())
}

/// Runs machine code of `forced`, or of two tiers.
fn compiled(module: Module, forced: Option<Tier>) -> i32 {
    let program = match Program::new(module) {
        Ok(program) => program,
        Err(why) => return complain(REFUSED, &why.to_string()),
    };
    let Some(main) = program.start("main") else {
        return complain(REFUSED, "there is no main");
    };
    let options = Options {
        workers: 0,
        forced,
        budget: Some(BUDGET),
        ..Options::default()
    };
    let process = match Process::start(program, options) {
        Ok(process) => process,
        Err(StartError::Compile(func, why)) => {
            return complain(DECLINED, &format!("{why} in {func}"));
        }
        Err(why) => return complain(BROKEN, &why.to_string()),
    };
    if forced.is_none()
        && let Err(why) = raise_every_second(process)
    {
        return complain(BROKEN, &why.to_string());
    }
    let core = match process.attach(0) {
        Ok(core) => core,
        Err(why) => return complain(BROKEN, &why.to_string()),
    };
    match process.call_main(&core, main, &["program"]) {
        Ok(Left::Returned(status, _)) => (status & 255) as i32,
        Ok(Left::Exited(status)) => status & 255,
        Ok(Left::Faulted(jit::instance::Fault::TimeUsedUp, ..)) => {
            complain(ENDLESS, "time used up")
        }
        Ok(Left::Faulted(fault, pc, caller)) => {
            complain(FAULTED, &process.report(fault, pc, caller).to_string())
        }
        Err(_) => complain(BROKEN, "the arguments do not fit"),
    }
}
