//! `bareflow inspect`: what a module file says about itself.

use crate::fail::{Failure, Outcome};
use crate::module_file::ModuleFile;
use ir::{Function, Module};
use jit::instance::Binding;
use jit::instance::Program;
use lexopt::Arg;
use std::path::PathBuf;

pub(crate) fn main(mut args: lexopt::Parser) -> Outcome {
    let mut input = None::<PathBuf>;
    while let Some(arg) = args.next()? {
        match arg {
            Arg::Value(path) if input.is_none() => input = Some(path.into()),
            other => return Err(other.unexpected().into()),
        }
    }
    let input = input.ok_or_else(|| Failure::usage("inspect: wants a file"))?;
    let file = ModuleFile::read(&input)?;
    show_container(&file)?;
    let module = file.module()?;
    show_functions(&module);
    show_globals(&module);
    match Program::new(module) {
        Ok(program) => show_binding(&program),
        Err(why) => println!("binding    fails: {why}"),
    }
    Ok(0)
}

fn show_container(file: &ModuleFile) -> Result<(), Failure> {
    let container = file.container()?;
    println!("file       {}", file.path.display());
    println!(
        "bytes      {} ({} of bitcode)",
        file.bytes.len(),
        container.bitcode.len()
    );
    match container.level {
        Some(level) => {
            println!("container  LLBC version {}", abi::header::VERSION);
            println!("name       {}", container.name);
            println!("entry      {}", container.entry);
            println!("level      -O{level}");
        }
        None => println!("container  plain bitcode, entry {}", container.entry),
    }
    Ok(())
}

fn show_functions(module: &Module) {
    let defined: Vec<&Function> = module
        .funcs
        .iter()
        .filter(|func| func.body.is_some())
        .collect();
    let insts = |func: &Function| func.body.as_ref().map_or(0, |body| body.insts.len());
    let total: usize = defined.iter().map(|func| insts(func)).sum();
    println!(
        "functions  {} defined, {total} IR instructions",
        defined.len()
    );
    for func in defined {
        let blocks = func.body.as_ref().map_or(0, |body| body.blocks.len());
        println!(
            "  {:<32} {:>6} instructions {:>5} blocks",
            func.name,
            insts(func),
            blocks
        );
    }
}

fn show_globals(module: &Module) {
    let bytes: u64 = module
        .globals
        .iter()
        .map(|global| u64::from(global.size))
        .sum();
    println!("globals    {}, {bytes} bytes", module.globals.len());
    for global in module
        .globals
        .iter()
        .filter(|global| !global.name.starts_with('.'))
    {
        let kind = if global.constant {
            "constant"
        } else {
            "variable"
        };
        println!("  {:<32} {:>6} bytes {kind}", global.name, global.size);
    }
}

fn show_binding(program: &Program) {
    let imports: Vec<&str> = program
        .imports
        .iter()
        .zip(&program.module.funcs)
        .filter(|(binding, _)| matches!(binding, Binding::Host(_)))
        .map(|(_, func)| func.name.as_str())
        .collect();
    let list = if imports.is_empty() {
        "none".to_owned()
    } else {
        imports.join(", ")
    };
    println!("imports    {list}");
    println!("memory     globals up to {:#x}", program.heap);
}
