//! What several tests of passes need.

use ir::interp::{self, FaultKind, Val};
use ir::{FuncId, Module};
use jit::tier::Tier;
use jit::tier::opt::fuel::Fuel;
use jit::tier::opt::pipeline::{self, Options, Pass};

/// The passes of that name in any level's list; `o1`, `o2`, `o3` are whole lists.
pub(crate) fn passes_named(name: &str) -> Vec<Pass> {
    if let Some(tier) = Tier::from_name(name) {
        return pipeline::passes(tier).to_vec();
    }
    let lists = Tier::ALL.into_iter().map(pipeline::passes);
    let found = lists.flatten().find(|pass| pass.0 == name);
    vec![*found.unwrap_or_else(|| panic!("there is no pass {name}"))]
}

/// The module with `passes` run on every function; those that are declined stay as they are. Also
/// gives the fuel that is left.
pub(crate) fn optimised(module: &Module, passes: &[Pass], fuel: Fuel) -> (Module, Fuel) {
    let mut result = module.clone();
    let mut fuel = fuel;
    for at in 0..module.funcs.len() {
        let options = Options {
            passes,
            fuel: fuel.clone(),
            bindings: None,
            verify: true,
        };
        if module.funcs[at].body.is_none() {
            continue;
        }
        if let Ok(outcome) = pipeline::run(module, FuncId(at as u32), options, &mut || 0) {
            result.funcs[at].body = Some(outcome.optimised.body);
            fuel = outcome.fuel;
        }
    }
    (result, fuel)
}

/// Calls a function with integers; `None` if it used up its steps.
pub(crate) fn call(module: &Module, name: &str, args: &[Val]) -> Option<Result<Val, FaultKind>> {
    let func = module.func_by_name(name).expect("the function is there");
    match interp::run(module, func, args, 1_000_000) {
        Err(FaultKind::StepLimit) => None,
        result => Some(result),
    }
}
