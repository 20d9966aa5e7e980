//! `bareflow bisect`: which change of which pass makes a program wrong.
//!
//! Every pass asks for fuel before each change, and any prefix of the changes gives a correct program (`jit`, `fuel`).
//! So the program is run with ever other amounts of fuel for all its functions together, in a process each
//! ([`trial`]), until the first change is known with which it prints or returns something else than without any.
//! What the passes make is run by baseline: its mistakes, if it has any, are the same on both sides, and those of
//! the optimising back end are told apart by running the tier as it is.

#[cfg(debug_assertions)]
mod planted;
mod trial;

use crate::fail::{self, Failure, Outcome};
use crate::{call, run};
use ir::{FuncId, InstId};
use jit::tier::Tier;
use jit::tier::opt::fuel::{self, Culprit, Fuel};
use jit::tier::opt::graph::Optimised;
use jit::tier::opt::pipeline::{self, Options};
use lexopt::{Arg, ValueExt as _};
use std::ffi::OsString;
use std::path::PathBuf;
use trial::{Last, Ran};

/// Lines around what changed.
const CONTEXT: usize = 3;

/// What is looked into.
#[derive(Debug)]
struct Request {
    file: PathBuf,
    /// The function to call; `main` if it is none.
    func: Option<String>,
    /// Its arguments.
    ints: Vec<u64>,
    /// Those of `main`.
    words: Vec<String>,
    tier: Tier,
    /// With a wrong pass among the others: a test of this command.
    planted: bool,
    /// Run once, with so much fuel, and write to the file how it was used.
    trial: Option<(u64, PathBuf)>,
    /// As the user typed them, for trials.
    raw: Vec<OsString>,
}

pub(crate) fn main(args: lexopt::Parser) -> Outcome {
    let request = parse(args)?;
    if let Some((fuel, report)) = &request.trial {
        return trial::child(&request, *fuel, report);
    }
    let expected = trial::spawn(&request, 0)?;
    let mut lasts = Vec::new();
    let mut failed = None;
    let culprit = fuel::bisect(|fuel| match trial::spawn(&request, fuel.left()) {
        Ok(Ran { outcome, last }) => {
            let spent = Fuel::spent(last.used, last.pass);
            lasts.push(last);
            (outcome == expected.outcome, spent)
        }
        Err(why) => {
            failed = Some(why);
            (true, Fuel::default())
        }
    });
    if let Some(why) = failed {
        return Err(why);
    }
    let Some(Culprit { pass, change }) = culprit else {
        return no_culprit(&request, &expected);
    };
    let last = lasts.into_iter().find(|last| last.used == change);
    let last = last.ok_or_else(|| Failure::new(fail::SYSTEM, "two runs of the passes differ"))?;
    print!("{}", describe(&request, pass, change, &last)?);
    Ok(1)
}

/// The passes are right; is the tier?
fn no_culprit(request: &Request, expected: &Ran) -> Outcome {
    let tier = request.tier;
    if trial::whole_tier(request)? == expected.outcome {
        println!("nothing is wrong: baseline and {tier} agree");
        return Ok(0);
    }
    println!(
        "{tier} is wrong, but what its passes make is right when baseline compiles it: \
         look at the back end"
    );
    Ok(1)
}

/// The change, for a person: where it is and what it did.
fn describe(request: &Request, pass: &str, change: u64, last: &Last) -> Result<String, Failure> {
    let loaded = trial::load(request)?;
    let module = &loaded.program.module;
    let func = FuncId(last.func);
    let all = trial::passes(request);
    let until = all.iter().position(|entry| entry.0 == pass);
    let passes = &all[..=until.unwrap_or(all.len() - 1)];
    let number = change - last.before;
    let with = |changes: u64| -> Result<Optimised, Failure> {
        let options = Options {
            passes,
            bindings: Some(&loaded.program.bindings),
            fuel: Fuel::limited(changes),
            // The change may be one that the verifier refuses.
            verify: false,
        };
        let outcome = pipeline::run(module, func, options, &mut || 0);
        Ok(outcome
            .map_err(|why| Failure::new(fail::REJECTED, why.to_string()))?
            .optimised)
    };
    let (before, after) = (with(number - 1)?, with(number)?);
    let text = |optimised: &Optimised| {
        ir::text::func_text(module, func, Some(&optimised.body)).to_string()
    };
    let (old, new) = (text(&before), text(&after));
    let line = first_change(&before, &after)
        .and_then(|at| after.body.line_of(at))
        .map_or_else(String::new, |line| format!(", line {}", line.line));
    Ok(format!(
        "change {change} makes it wrong: number {number} in {}{line}, by the pass {pass}\n{}",
        module.func(func).name,
        difference(&old, &new)
    ))
}

/// The first instruction that is another one.
fn first_change(before: &Optimised, after: &Optimised) -> Option<InstId> {
    let pairs = before.body.insts.iter().zip(&after.body.insts);
    let same = pairs.take_while(|(old, new)| old == new).count();
    (same < after.body.insts.len()).then_some(InstId(same as u32))
}

/// The lines that differ, with a few around them, as `diff` marks them.
fn difference(old: &str, new: &str) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let same = |pairs: &mut dyn Iterator<Item = (&&str, &&str)>| {
        pairs.take_while(|(old, new)| old == new).count()
    };
    let start = same(&mut old.iter().zip(&new));
    let most = old.len().min(new.len()) - start;
    let end = same(&mut old.iter().rev().zip(new.iter().rev())).min(most);
    let mut text = String::new();
    let mut put = |mark: char, lines: &[&str]| {
        for line in lines {
            text.push(mark);
            text.push_str(line);
            text.push('\n');
        }
    };
    put(' ', &old[start.saturating_sub(CONTEXT)..start]);
    put('-', &old[start..old.len() - end]);
    put('+', &new[start..new.len() - end]);
    let behind = new.len() - end;
    put(' ', &new[behind..(behind + CONTEXT).min(new.len())]);
    text
}

fn parse(mut args: lexopt::Parser) -> Result<Request, Failure> {
    let raw: Vec<OsString> = args.raw_args()?.collect();
    let split = raw.iter().position(|word| word == "--");
    let (before, behind) = raw.split_at(split.unwrap_or(raw.len()));
    let mut args = lexopt::Parser::from_args(before);
    let (mut file, mut func, mut ints, mut tier) = (None, None, Vec::new(), Tier::O3);
    let (mut planted, mut fuel, mut report) = (false, None, None);
    let words = behind.iter().skip(1).map(|word| word.clone().string());
    let words = words.collect::<Result<_, _>>()?;
    loop {
        // Negative numbers look like options: once the function is known, take them as they are.
        if func.is_some()
            && let Some(mut rest) = args.try_raw_args()
            && let Some(number) = rest.peek().and_then(|word| call::integer(word.to_str()?))
        {
            rest.next();
            ints.push(number);
            continue;
        }
        let Some(arg) = args.next()? else { break };
        match arg {
            Arg::Value(path) if file.is_none() => file = Some(path.into()),
            Arg::Value(name) if func.is_none() => func = Some(name.string()?),
            Arg::Long("tier") => tier = optimising(&args.value()?.string()?)?,
            Arg::Long("planted") if cfg!(debug_assertions) => planted = true,
            Arg::Long("trial") => fuel = Some(args.value()?.parse::<u64>()?),
            Arg::Long("report") => report = Some(args.value()?.into()),
            other => return Err(other.unexpected().into()),
        }
    }
    let Some(file) = file else {
        return Err(Failure::usage("bisect: wants a file"));
    };
    if ints.len() > 6 {
        return Err(Failure::usage("bisect: at most six arguments"));
    }
    Ok(Request {
        file,
        func,
        ints,
        words,
        tier,
        planted,
        trial: fuel.zip(report),
        raw,
    })
}

fn optimising(name: &str) -> Result<Tier, Failure> {
    run::tier(name)?
        .filter(|&tier| tier != Tier::Baseline)
        .ok_or_else(|| Failure::usage("bisect: --tier o1, o2 or o3"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lines_that_differ_are_marked() {
        let (old, new) = ("a\nb\nc\nd\ne\nf\n", "a\nb\nc\nD\ne\nf\n");
        assert_eq!(difference(old, new), " a\n b\n c\n-d\n+D\n e\n f\n");
        assert_eq!(difference("a\nb\n", "a\nb\nb\n"), " a\n b\n+b\n");
    }
}
