//! One case: compiled in some configurations, run by every engine, compared with the judge.
//!
//! # Who is right
//!
//! The native program is, as long as it ends quickly and by itself; else the case is skipped. A program
//! of csmith or of ours has one defined output, so a compiler, an optimisation level or an engine that
//! prints another one is wrong. With an older clang that may be clang: therefore, when an engine
//! disagrees, the same bitcode is compiled for i386 and asked too, and only if that agrees with the
//! first judge the engine is to blame.

use crate::case::Case;
use crate::child::{self, Engine};
use crate::compile::{Config, Workshop};
use crate::process::{self, End, Output};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// CPU time within which the native program must end.
const NATIVE_LIMIT: Duration = Duration::from_millis(400);
/// Native time up to which the interpreter is asked too, which is a few hundred times slower.
const INTERPRETABLE: Duration = Duration::from_millis(8);
/// Wall-clock limit of a run by an engine; its own budget ends it before.
const ENGINE_LIMIT: Duration = Duration::from_secs(40);

/// How a run compares.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Verdict {
    /// Same output, same status.
    Agrees,
    /// A tier or the interpreter declines; says what.
    Declined(String),
    /// The module is refused; says why.
    Refused(String),
    /// This clang does not take the source; says why.
    Uncompiled(String),
    /// Too slow for this engine: not judged.
    Endless,
    /// Another output, a fault, or a crash; says how.
    Differs(String),
    /// The bitcode means something else to clang's own back end too: the front end's doing.
    JudgesDiffer,
}

impl Verdict {
    /// Whether this is a bug of ours.
    pub(crate) fn is_failure(&self) -> bool {
        matches!(self, Self::Differs(_))
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Agrees => f.write_str("agrees"),
            Self::Declined(what) => write!(f, "declined: {what}"),
            Self::Refused(why) => write!(f, "refused: {why}"),
            Self::Uncompiled(why) => write!(f, "not compiled: {why}"),
            Self::Endless => f.write_str("too slow"),
            Self::Differs(how) => write!(f, "differs: {how}"),
            Self::JudgesDiffer => f.write_str("judges differ"),
        }
    }
}

/// One run.
#[derive(Clone, Debug)]
pub(crate) struct Finding {
    /// How the bitcode was made.
    pub(crate) config: Config,
    /// What ran it; `None`: clang's own back end for i386.
    pub(crate) engine: Option<Engine>,
    /// The outcome.
    pub(crate) verdict: Verdict,
}

impl Finding {
    /// The engine's name.
    pub(crate) fn engine_name(&self) -> String {
        self.engine
            .map_or("llc".to_owned(), |engine| engine.to_string())
    }
}

/// What a case came to.
#[derive(Clone, Debug)]
pub(crate) enum Judged {
    /// The native program does not end soon or does not compile.
    Skipped(String),
    /// All runs.
    Findings(Vec<Finding>),
}

/// What to do with each case.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// The configurations to choose from.
    pub(crate) configs: Vec<Config>,
    /// How many of them a case is compiled in.
    pub(crate) per_case: usize,
    /// The engines.
    pub(crate) engines: Vec<Engine>,
    /// One case in so many is interpreted.
    pub(crate) interpret_every: u64,
    /// One case in so many is given to clang's own back end even if all agree.
    pub(crate) llc_every: u64,
}

/// What the right output is, and how long it took.
#[derive(Clone, Debug)]
pub(crate) struct Expected {
    output: Output,
    took: Duration,
}

/// Judges `case` in the files of `shop`.
///
/// # Errors
/// The system or a compiler fails in a way that says nothing about the case.
pub(crate) fn judge(case: Case, plan: &Plan, shop: &Workshop) -> io::Result<Judged> {
    let source = shop.file("program.c");
    if let Err(why) = case.write(&source) {
        return Ok(Judged::Skipped(why.to_string()));
    }
    let expected = match expect(&source, shop)? {
        Ok(expected) => expected,
        Err(why) => return Ok(Judged::Skipped(why)),
    };
    let mut findings = Vec::new();
    for nth in 0..plan.per_case {
        // A stride without common factor: every seed meets other configurations, all are met.
        let at = case
            .seed
            .wrapping_mul(plan.per_case as u64)
            .wrapping_add(nth as u64);
        let config = plan.configs[(at % plan.configs.len() as u64) as usize];
        let bitcode = match shop.bitcode(config, &source) {
            Ok(bitcode) => bitcode,
            Err(why) => {
                let verdict = Verdict::Uncompiled(why.to_string());
                findings.push(Finding {
                    config,
                    engine: None,
                    verdict,
                });
                continue;
            }
        };
        configuration(case, plan, shop, config, &bitcode, &expected, &mut findings)?;
    }
    Ok(Judged::Findings(findings))
}

/// All engines on one bitcode file.
fn configuration(
    case: Case,
    plan: &Plan,
    shop: &Workshop,
    config: Config,
    bitcode: &Path,
    expected: &Expected,
    findings: &mut Vec<Finding>,
) -> io::Result<()> {
    let first = findings.len();
    for &engine in &plan.engines {
        let asked = engine != Engine::Interpreter
            || (case.seed.is_multiple_of(plan.interpret_every) && expected.took < INTERPRETABLE);
        if asked {
            let verdict = run_engine(bitcode, engine, expected)?;
            findings.push(Finding {
                config,
                engine: Some(engine),
                verdict,
            });
        }
    }
    let new = &mut findings[first..];
    let failed = new.iter().any(|finding| finding.verdict.is_failure());
    if !failed && !case.seed.is_multiple_of(plan.llc_every) {
        return Ok(());
    }
    let verdict = match shop.native_of_bitcode(bitcode) {
        Ok(program) => compare(&run_native(&program)?, expected),
        Err(why) => Verdict::Refused(why.to_string()),
    };
    let agrees = !verdict.is_failure();
    if !agrees {
        for finding in new
            .iter_mut()
            .filter(|finding| finding.verdict.is_failure())
        {
            finding.verdict = Verdict::JudgesDiffer;
        }
    }
    let verdict = if agrees {
        verdict
    } else {
        Verdict::JudgesDiffer
    };
    findings.push(Finding {
        config,
        engine: None,
        verdict,
    });
    Ok(())
}

/// The native program's output, or why there is none to compare with.
pub(crate) fn expect(source: &Path, shop: &Workshop) -> io::Result<Result<Expected, String>> {
    let program = match shop.native(source, 1, &[]) {
        Ok(program) => program,
        Err(why) => return Ok(Err(format!("native: {why}"))),
    };
    let start = Instant::now();
    let output = run_native(&program)?;
    let took = start.elapsed();
    Ok(match output.end {
        End::Exit(_) => Ok(Expected { output, took }),
        End::Signal(signal) => Err(format!("native: signal {signal}")),
        End::TimedOut => Err("native: does not end soon".to_owned()),
    })
}

/// Runs a native program for as long as one may take.
pub(crate) fn run_native(program: &Path) -> io::Result<Output> {
    process::run(&mut Command::new(program), NATIVE_LIMIT)
}

/// Runs `bitcode` by `engine` in a process of its own.
pub(crate) fn run_engine(
    bitcode: &Path,
    engine: Engine,
    expected: &Expected,
) -> io::Result<Verdict> {
    let output = engine_output(bitcode, engine)?;
    let why = || output.stderr.lines().collect::<Vec<_>>().join(" ");
    Ok(match output.end {
        End::Exit(child::REFUSED) => Verdict::Refused(why()),
        End::Exit(child::DECLINED) => Verdict::Declined(why()),
        End::Exit(child::ENDLESS) if engine == Engine::Interpreter => Verdict::Endless,
        End::Exit(child::FAULTED | child::BROKEN | child::ENDLESS) => Verdict::Differs(why()),
        _ => compare(&output, expected),
    })
}

/// What `engine` makes of `bitcode`.
pub(crate) fn engine_output(bitcode: &Path, engine: Engine) -> io::Result<Output> {
    let own: PathBuf = std::env::current_exe()?;
    let mut child = Command::new(own);
    child
        .args(["child", "--tier", &engine.to_string()])
        .arg(bitcode);
    process::run(&mut child, ENGINE_LIMIT)
}

/// Whether `output` is what was expected.
pub(crate) fn compare(output: &Output, expected: &Expected) -> Verdict {
    let wanted = &expected.output;
    if output.end != wanted.end {
        let stderr = output.stderr.lines().next().unwrap_or_default();
        let (end, wanted) = (output.end, wanted.end);
        return Verdict::Differs(format!("ended with {end:?} instead of {wanted:?} {stderr}"));
    }
    if output.stdout == wanted.stdout {
        return Verdict::Agrees;
    }
    let pairs = output.stdout.lines().zip(wanted.stdout.lines());
    let line = pairs.into_iter().find(|(ours, theirs)| ours != theirs);
    let (ours, theirs) = line.unwrap_or((&output.stdout, &wanted.stdout));
    Verdict::Differs(format!("`{ours}` instead of `{theirs}`"))
}
