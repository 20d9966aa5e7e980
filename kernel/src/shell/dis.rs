//! `dis`: machine code of a function, compiled for the occasion.

use crate::catalog::File;
use crate::console;
use crate::instance::guest;
use crate::metal::cpu;
use ir::FuncId;
use jit::tier::{self, Job, Tier};

/// Most lines that are printed.
const MAX_LINES: usize = 400;

/// `NAME FUNCTION [TIER]`.
pub(super) fn disassemble(files: &[File], words: &[&str]) {
    let (name, func, tier) = match *words {
        [name, func] => (name, func, Tier::Baseline),
        [name, func, tier] => match Tier::from_name(tier) {
            Some(tier) => (name, func, tier),
            None => {
                console::say!("dis: no tier `{tier}`: baseline, o1, o2 or o3");
                return;
            }
        },
        _ => {
            console::say!("dis: wants NAME FUNCTION [TIER]");
            return;
        }
    };
    let Some(file) = files
        .iter()
        .find(|file| file.name.eq_ignore_ascii_case(name))
    else {
        console::say!("{name}: no such module");
        return;
    };
    let program = match guest::read(name, &file.bytes) {
        Ok((program, _)) => program,
        Err(why) => {
            console::say!("{name}: rejected: {why}");
            return;
        }
    };
    let Some(number) = program.entry(func) else {
        console::say!("{name}: no function `{func}`");
        return;
    };
    let job = Job {
        module: &program.module,
        func: FuncId(number),
        bindings: &program.bindings,
        cpu: cpu::code_features(),
        counting: tier.next().is_some(),
    };
    match tier::compile(&job, tier) {
        Ok(compiled) => {
            let text =
                jit::listing::code(&program.module, FuncId(number), &compiled, &mut |_, _| None);
            console::say!("{func}: {tier}, {} bytes of code", compiled.code.len());
            text.lines()
                .take(MAX_LINES)
                .for_each(|line| console::say!("{line}"));
        }
        Err(why) => console::say!("{func}: not compiled at {tier}: {why}"),
    }
}
