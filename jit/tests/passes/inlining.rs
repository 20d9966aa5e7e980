//! Inlining: what bindings mean, bounds, and how copies are accounted for.

use crate::support::{optimised, passes_named};
use ir::{Body, FuncId, InstId, Module, Op, text, verify};
use jit::tier::opt::fuel::Fuel;
use jit::tier::opt::graph::{Graph, Optimised};
use jit::tier::opt::passes::inline::{self, Effort};
use jit::tier::opt::pipeline::{self, Options, Pass};
use jit::tier::{self, Bindings, CpuFeatures, Inlined, Job, Origin, Tier};

fn parse(source: &str) -> Module {
    let module = text::parse(source).expect("the text is right");
    verify::module(&module).expect("the module is valid");
    module
}

fn run(module: &Module, name: &str, passes: &[Pass], bindings: Option<&Bindings>) -> Optimised {
    let func = module.func_by_name(name).expect("the function is there");
    let options = Options {
        passes,
        bindings,
        fuel: Fuel::default(),
        verify: true,
    };
    let outcome = pipeline::run(module, func, options, &mut || 0);
    outcome.expect("the tier takes it").optimised
}

fn count(body: &Body, op: Op) -> usize {
    body.insts.iter().filter(|inst| inst.op == op).count()
}

const TWO: &str = "declare i32 @f(i32)
    define weak i32 @f_weak(i32 %x) {\na:\n  %y = add i32 %x, 1\n  ret i32 %y\n}
    define i32 @f_strong(i32 %x) {\na:\n  %y = mul i32 %x, 7\n  ret i32 %y\n}
    define i32 @by_declaration(i32 %x) {\na:\n  %r = call i32 @f(i32 %x)\n  ret i32 %r\n}
    define i32 @by_weak(i32 %x) {\na:\n  %r = call i32 @f_weak(i32 %x)\n  ret i32 %r\n}";

#[test]
fn the_body_is_the_one_that_the_name_is_bound_to() {
    let module = parse(TWO);
    let mut bindings = Bindings::alone(&module, Vec::new());
    // As the linker binds them if all three are one symbol.
    (bindings.funcs[0], bindings.funcs[1]) = (2, 2);
    let pass: &[Pass] = &[(inline::NAME, inline::run_o2)];
    for caller in ["by_declaration", "by_weak"] {
        let bound = run(&module, caller, pass, Some(&bindings));
        assert_eq!(count(&bound.body, Op::Mul), 1, "{caller}");
        assert_eq!(count(&bound.body, Op::Call), 0, "{caller}");
    }
    // Without bindings a declaration is the runtime's and a definition is itself.
    let alone = run(&module, "by_declaration", pass, None);
    assert_eq!(count(&alone.body, Op::Call), 1);
    let weak = run(&module, "by_weak", pass, None);
    assert_eq!(count(&weak.body, Op::Add), 1);
}

const CHAIN: &str = "global @g = size 4 align 4
    define i32 @inner(ptr %p) {\na:\n  %v = load i32, %p, align 4\n  ret i32 %v\n}
    define i32 @middle(ptr %p) {
    a:
      store i32 1, @g, align 4
      %v = call i32 @inner(ptr %p)
      ret i32 %v
    }
    define i32 @outer(ptr %p) {
    a:
      %x = call i32 @middle(ptr %p)
      store i32 %x, @g, align 4
      %y = call i32 @inner(ptr @g)
      %s = add i32 %x, %y
      ret i32 %s
    }";

#[test]
fn every_instruction_knows_the_calls_it_came_through() {
    let module = parse(CHAIN);
    let result = run(&module, "outer", &[(inline::NAME, inline::run_o2)], None);
    let copy = |func, call, caller| Inlined {
        func: FuncId(func),
        call: InstId(call),
        caller,
    };
    let expected = [copy(1, 0, 0), copy(0, 1, 1), copy(0, 2, 0)];
    assert_eq!(result.inlined, expected);
    let at = |copy, inst| Origin {
        copy,
        inst: InstId(inst),
    };
    let origins = [at(1, 0), at(2, 0), at(0, 1), at(3, 0), at(0, 3), at(0, 4)];
    assert_eq!(result.origin, origins);
}

#[test]
fn side_tables_name_the_chain_of_calls() {
    let module = parse(CHAIN);
    let bindings = Bindings::alone(&module, vec![jit::abi::GLOBALS]);
    let outer = module.func_by_name("outer").unwrap();
    let job = Job {
        module: &module,
        func: outer,
        bindings: &bindings,
        cpu: CpuFeatures::default(),
        counting: false,
    };
    let chains = |tier| {
        let compiled = tier::compile(&job, tier).expect("compiles");
        let marks = compiled.tables.insts.clone();
        let chains: Vec<_> = marks
            .iter()
            .map(|mark| compiled.tables.chain(outer, mark.0))
            .collect();
        chains
    };
    let deepest = vec![
        (FuncId(0), InstId(0)),
        (FuncId(1), InstId(1)),
        (outer, InstId(0)),
    ];
    let o2 = chains(Tier::O2);
    assert!(o2.contains(&deepest), "{o2:?}");
    // The guard against a table that says nothing: without inlining no chain has a second link.
    let o1 = chains(Tier::O1);
    assert!(o1.iter().all(|chain| chain.len() == 1), "{o1:?}");
}

#[test]
fn each_call_costs_fuel_and_none_is_inlined_without() {
    let module = parse(CHAIN);
    let pass: &[Pass] = &[(inline::NAME, inline::run_o2)];
    for limit in 0..5 {
        let options = Options {
            passes: pass,
            fuel: Fuel::limited(limit),
            ..Options::default()
        };
        let outcome = pipeline::run(&module, FuncId(2), options, &mut || 0).unwrap();
        let copies = outcome.optimised.inlined.len() as u64;
        assert_eq!((copies, outcome.fuel.used()), (limit.min(3), limit.min(3)));
    }
}

/// A caller of `n` calls of a function that costs about 14, and has `frame` bytes of frame.
fn many_calls(n: u32, frame: u32) -> Module {
    let mut text = format!(
        "declare void @use(ptr)\ndefine i32 @callee(i32 %x) {{\na:\n  %p = alloca i32, size {frame}, align 4\n  \
         call void @use(ptr %p)\n  %v0 = load i32, %p, align 4\n"
    );
    (0..8).for_each(|at| text += &format!("  %v{} = mul i32 %v{at}, %x\n", at + 1));
    text += "  ret i32 %v8\n}\ndefine i32 @caller(i32 %x0) {\na:\n";
    (0..n).for_each(|at| text += &format!("  %x{} = call i32 @callee(i32 %x{at})\n", at + 1));
    parse(&(text + &format!("  ret i32 %x{n}\n}}\n")))
}

#[test]
fn a_function_grows_by_no_more_than_its_size_and_a_constant() {
    for n in [10, 1000, 10_000] {
        let module = many_calls(n, 4);
        let pass: &[Pass] = &[(inline::NAME, inline::run_o2)];
        let result = run(&module, "caller", pass, None);
        let limit = (inline::O2.growth + n * (100 + inline::O2.growth_percent) / 100) * 3 / 2;
        let size = result.body.insts.len();
        assert!(size <= limit as usize, "{n} calls became {size}");
        assert!(!result.inlined.is_empty());
    }
}

#[test]
fn a_frame_grows_by_no_more_than_its_limit() {
    let module = many_calls(50, 512);
    let result = run(&module, "caller", &[(inline::NAME, inline::run_o2)], None);
    assert_eq!(result.inlined.len() as u32, inline::O2.frame / 512);
}

#[test]
fn copies_nest_no_deeper_than_their_limit() {
    let mut text = String::from("define i32 @f0(i32 %x) {\na:\n  ret i32 %x\n}\n");
    for at in 1..30 {
        let below = at - 1;
        text += &format!(
            "define i32 @f{at}(i32 %x) {{\na:\n  %y = call i32 @f{below}(i32 %x)\n  ret i32 %y\n}}\n"
        );
    }
    let module = parse(&text);
    let result = run(&module, "f29", &[(inline::NAME, inline::run_o2)], None);
    assert_eq!(result.inlined.len() as u32, inline::O2.depth);
    let calls = result.body.insts.iter().filter(|inst| inst.op == Op::Call);
    let callees: Vec<u32> = calls.map(|call| call.args[0]).collect();
    assert_eq!(callees, [28 - inline::O2.depth]);
}

/// Inlines what nothing else would.
const TINY: Effort = Effort {
    size: 0,
    in_loop: 0,
    cold: 0,
    depth: 1,
    growth: 0,
    growth_percent: 0,
    frame: 0,
};

fn inline_nothing(graph: &mut Graph<'_>) {
    inline::run(graph, &TINY);
}

#[test]
fn alwaysinline_needs_no_effort_and_has_its_own_limit() {
    let always = |n: u32| {
        let mut module = many_calls(n, 4);
        module.funcs[1].attrs.0 |= ir::FuncAttrs::ALWAYS_INLINE;
        let result = run(&module, "caller", &[(inline::NAME, inline_nothing)], None);
        result.inlined.len() as u32
    };
    assert_eq!(always(100), 100);
    assert!((1000..4000).contains(&always(4000)));
}

#[test]
fn a_callee_that_the_back_end_declines_does_not_spread() {
    // Without FMA on the CPU the back end declines it.
    let module = parse(
        "define float @callee(float %x) fma {
        a:
          %y = intrinsic fma float (float %x, float %x, float %x)
          ret float %y
        }
        define float @caller(float %x) fma {
        a:
          %y = call float @callee(float %x)
          ret float %y
        }",
    );
    let bindings = Bindings::alone(&module, Vec::new());
    let job = |func| Job {
        module: &module,
        func: FuncId(func),
        bindings: &bindings,
        cpu: CpuFeatures::default(),
        counting: false,
    };
    assert!(tier::compile(&job(0), Tier::O2).is_err());
    let compiled = tier::compile(&job(1), Tier::O2).expect("the call stays");
    assert!(compiled.tables.inlined.is_empty());
    // It is the second attempt that saves it.
    let first = tier::opt::middle(&job(1), Tier::O2).unwrap();
    assert!(tier::opt::backend::compile(&job(1), &first.body, Tier::O2).is_err());
}

#[test]
fn what_a_function_becomes_does_not_depend_on_others_being_compiled() {
    let module = many_calls(20, 4);
    let (all, _) = optimised(&module, &passes_named("o2"), Fuel::default());
    let one = run(&module, "caller", &passes_named("o2"), None);
    let body = all.func(FuncId(2)).body.as_ref().unwrap();
    assert_eq!(body.insts, one.body.insts);
}
