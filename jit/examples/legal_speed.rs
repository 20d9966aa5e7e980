//! What legalisation costs: nanoseconds an IR instruction, for the question whether a function needs it and for the
//! rewriting. `cargo run --release -p jit --example legal_speed`

use core::hint::black_box;
use ir::Module;
use ir::random::{self, Config};
use jit::legal::{self, Kinds};
use jit::tier::CpuFeatures;
use std::time::Instant;

fn insts(modules: &[Module]) -> usize {
    let funcs = modules.iter().flat_map(|module| &module.funcs);
    let bodies = funcs.filter_map(|func| func.body.as_ref());
    bodies.map(|body| body.insts.len()).sum()
}

fn generated(config: &Config) -> Vec<Module> {
    (0..300).map(|seed| random::module(seed, config)).collect()
}

fn main() {
    let cpu = CpuFeatures {
        sse41: true,
        avx: true,
        avx2: true,
        fma: true,
        f16c: true,
        ..CpuFeatures::default()
    };
    let plain = generated(&Config {
        vectors: false,
        ..Config::default()
    });
    let total = insts(&plain);
    let rounds = 50;
    let kinds: Vec<Kinds> = plain
        .iter()
        .map(|module| Kinds::new(&module.types, cpu))
        .collect();
    let start = Instant::now();
    for _ in 0..rounds {
        for (module, kinds) in plain.iter().zip(&kinds) {
            for func in &module.funcs {
                black_box(legal::needed(kinds, func));
            }
        }
    }
    let each = start.elapsed().as_nanos() as f64 / (total * rounds) as f64;
    println!("needed: {each:.2} ns an instruction ({total})");
    for (name, config) in [
        ("vectors", Config::default()),
        (
            "everything",
            Config {
                wide: true,
                exotic: true,
                ..Config::default()
            },
        ),
    ] {
        let modules = generated(&config);
        let mut legal = modules.clone();
        let start = Instant::now();
        let (mut before, mut after) = (0, 0);
        for module in &mut legal {
            if let Ok(report) = legal::module(module, cpu) {
                before += report.insts[0];
                after += report.insts[1];
            }
        }
        let each = start.elapsed().as_nanos() as f64 / before as f64;
        println!("{name}: {each:.0} ns an instruction, {before} became {after}");
    }
}
