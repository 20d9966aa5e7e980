//! The gate holds: nothing that is handed to it makes it panic, and what passes can be walked.

use super::*;
use crate::body::{Block, BlockId, Body, ConstKind, Value};
use crate::builder::Builder;
use crate::cfg::{Cfg, Dominators, Loops};
use crate::inst::{Flags, IntPred, Intrinsic, MemFlags, Op};
use crate::interp::{self, Val};
use crate::types::{Type, TypeId};
use alloc::string::ToString;
use alloc::vec;

/// Numbers that look random (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) as usize % bound.max(1)
    }
}

/// A module with one function that uses most shapes of instruction.
fn sample() -> Module {
    let mut module = Module::default();
    let types = &mut module.types;
    let sig = types
        .intern(Type::Func {
            ret: TypeId::I32,
            params: vec![TypeId::I32, TypeId::PTR],
            variadic: false,
        })
        .unwrap();
    let v4 = types
        .intern(Type::Vector {
            elem: TypeId::I32,
            len: 4,
        })
        .unwrap();
    let pair = types
        .intern(Type::Struct {
            fields: vec![TypeId::I32, TypeId::I1],
            packed: false,
        })
        .unwrap();
    module.funcs.push(Function {
        name: String::from("f"),
        ty: sig,
        body: Some(sample_body(sig, v4, pair)),
        ..Function::default()
    });
    module
}

fn sample_body(sig: TypeId, v4: TypeId, pair: TypeId) -> Body {
    let i32_ = TypeId::I32;
    let mut b = Builder::new(vec![i32_, TypeId::PTR]);
    let (x, p) = (Value::arg(0), Value::arg(1));
    let aligned = MemFlags::aligned(2).0;
    b.start_block();
    let zero = b.int(i32_, 0);
    let one = b.int(i32_, 1);
    let ids = [one, zero].map(|v| v.as_const().unwrap().0);
    let at = b.pool([ids[0], ids[1], ids[0], ids[1]]);
    let lanes = b.constant(v4, ConstKind::Elements { start: at, len: 4 });
    b.op(Op::Br, 0, TypeId::VOID, [1, 0, 0]);
    b.start_block();
    let next = Value::inst(InstId(b.next_id().0 + 3));
    let at = b.pool([0, zero.0, 2, next.0]);
    let i = b.op(Op::Phi, 0, i32_, [at, 2, 0]);
    let scale = b.pool([4, 0]);
    let q = b.op(Op::PtrAdd, Flags::INBOUNDS, TypeId::PTR, [p.0, i.0, scale]);
    let old = b.op(Op::Load, 0, i32_, [q.0, aligned, 0]);
    let sum = b.op(Op::Add, Flags::NSW, i32_, [i.0, one.0, 0]);
    assert_eq!(sum, next);
    let less = b.op(Op::ICmp, IntPred::Slt as u8, TypeId::I1, [sum.0, x.0, 0]);
    b.op(Op::CondBr, 0, TypeId::VOID, [less.0, 2, 3]);
    b.start_block();
    b.op(Op::Store, 0, i32_, [q.0, sum.0, aligned]);
    let at = b.pool([old.0, sum.0]);
    let sums = b.op(
        Op::Intrinsic,
        0,
        pair,
        [Intrinsic::SAddOverflow as u32, at, 2],
    );
    let at = b.pool([1]);
    let over = b.op(Op::ExtractValue, 0, TypeId::I1, [sums.0, at, 1]);
    let v = b.op(Op::InsertElement, 0, v4, [lanes.0, old.0, zero.0]);
    let mask = b.pool([3, 1, 4, u32::MAX]);
    let v = b.op(Op::Shuffle, 0, v4, [v.0, lanes.0, mask]);
    b.op(Op::ExtractElement, 0, i32_, [v.0, one.0, 0]);
    b.op(Op::CondBr, 0, TypeId::VOID, [over.0, 1, 3]);
    b.start_block();
    let at = b.pool([u32::from(sig.0), 0, one.0, p.0]);
    let called = b.op(Op::Call, 0, i32_, [0, at, 2]);
    let at = b.pool([4, 1, 0, 4, 7, 0, 4]);
    b.op(Op::Switch, 0, i32_, [called.0, at, 2]);
    b.start_block();
    let wide = b.op(Op::ZExt, 0, TypeId::I64, [called.0, 0, 0]);
    let back = b.op(Op::Trunc, 0, i32_, [wide.0, 0, 0]);
    b.op(Op::Ret, 0, TypeId::VOID, [back.0, 0, 0]);
    b.finish()
}

#[test]
fn a_right_module_passes() {
    assert_eq!(module(&sample()), Ok(()));
}

/// One of the numbers that are wrong in the most ways.
fn bad_word(random: &mut Random) -> u32 {
    const TAGS: [u32; 4] = [0, 1 << 30, 2 << 30, 3 << 30];
    match random.below(6) {
        0 => u32::MAX,
        1 => random.below(1 << 31) as u32 * 2 + 1,
        2 => TAGS[random.below(4)] | random.below(24) as u32,
        3 => 1 << random.below(32),
        _ => random.below(24) as u32,
    }
}

fn damage(body: &mut Body, random: &mut Random) {
    let at = random.below(body.insts.len());
    let word = bad_word(random);
    match random.below(10) {
        0..4 => body.insts[at].args[random.below(3)] = word,
        4 => body.insts[at].ty = TypeId(word as u16),
        5 => {
            let other = body.insts[random.below(body.insts.len())];
            body.insts[at].op = other.op;
        }
        6 => {
            let at = random.below(body.pool.len());
            body.pool[at] = word;
        }
        7 => {
            let at = random.below(body.consts.len());
            body.consts[at].ty = TypeId(word as u16);
        }
        8 => {
            let at = random.below(body.blocks.len());
            let Block { start, end } = &mut body.blocks[at];
            *(if random.below(2) == 0 { start } else { end }) = word;
        }
        _ => {
            body.insts.remove(at);
        }
    }
}

#[test]
fn no_damage_makes_it_panic_and_what_passes_can_be_walked() {
    let mut random = Random(0x1234_5678_9ABC_DEF1);
    let mut passed = 0;
    for _ in 0..30_000 {
        let mut module = sample();
        let body = module.funcs[0].body.as_mut().unwrap();
        for _ in 0..=random.below(3) {
            if !body.insts.is_empty() {
                damage(body, &mut random);
            }
        }
        if super::module(&module).is_ok() {
            passed += 1;
            walk(&module);
        }
    }
    // Some damage is harmless (another constant, another flag); most is not.
    assert!((50..15_000).contains(&passed), "{passed}");
}

/// Random programs, one of whose functions is damaged.
fn damaged_program(seed: u64, random: &mut Random) -> Module {
    let config = crate::random::Config {
        funcs: 2,
        statements: 8,
        wide: true,
        ..crate::random::Config::default()
    };
    let mut module = crate::random::module(seed, &config);
    let at = random.below(module.funcs.len());
    if let Some(body) = module.funcs[at].body.as_mut() {
        for _ in 0..=random.below(2) {
            damage(body, random);
        }
    }
    module
}

/// Interprets what the gate lets pass: whatever it means, it must not make anything panic.
fn interpret(module: &Module) {
    if let Some(entry) = module.func_by_name("entry") {
        let args = [Val::from(1u32), Val::from(2u64)];
        // A fault is as good as a result.
        let _ = interp::run(module, entry, &args, 20_000);
    }
}

#[test]
fn what_passes_can_be_interpreted_and_printed() {
    let mut random = Random(0xBADC_0FFE_E0DD_F00D);
    let mut passed = 0;
    for seed in 0..600 {
        let module = damaged_program(seed % 40, &mut random);
        if super::module(&module).is_ok() {
            passed += 1;
            walk(&module);
            interpret(&module);
            let text = crate::text::module_text(&module).to_string();
            let again = crate::text::parse(&text).unwrap();
            assert_eq!(crate::text::module_text(&again).to_string(), text);
        }
    }
    assert!((25..550).contains(&passed), "{passed}");
}

#[test]
fn without_the_verifier_damage_makes_panics() {
    let mut random = Random(0xBADC_0FFE_E0DD_F00D);
    let mut panicked = 0;
    for seed in 0..60 {
        let module = damaged_program(seed % 40, &mut random);
        let followed = std::panic::catch_unwind(|| {
            walk(&module);
            interpret(&module);
        });
        if followed.is_err() {
            panicked += 1;
            assert!(super::module(&module).is_err(), "{seed}");
        }
    }
    assert!(panicked > 5, "{panicked}");
}

/// Follows every id as a tier would.
fn walk(module: &Module) {
    for func in &module.funcs {
        let Some(body) = &func.body else { continue };
        let cfg = Cfg::new(body);
        let dominators = Dominators::new(&cfg);
        let _ = Loops::new(&cfg, &dominators);
        for inst in &body.insts {
            assert!(module.types.contains(inst.ty));
            body.for_each_operand(inst, |value| {
                assert!(module.types.is_sized(body.type_of(value)));
            });
        }
    }
}

/// `n` blocks that end in switches over the same `n` cases in the pool.
fn shared_switches(n: u32) -> Body {
    let mut b = Builder::new(vec![TypeId::I32, TypeId::PTR]);
    let cases = (0..n).flat_map(|case| [case, 0, 1]);
    let at = b.pool(core::iter::once(1).chain(cases));
    for _ in 0..n {
        b.start_block();
        b.op(Op::Switch, 0, TypeId::I32, [Value::arg(0).0, at, n]);
    }
    b.finish()
}

#[test]
fn lists_that_share_the_pool_do_not_make_it_slow() {
    // Would be 4 * 10^8 edges.
    let mut module = sample();
    module.funcs[0].body = Some(shared_switches(20_000));
    let error = super::module(&module).unwrap_err();
    assert!(error.what.contains("overlap"), "{error}");
}

#[test]
fn without_the_budget_a_small_body_has_very_many_edges() {
    let body = shared_switches(1000);
    assert_eq!(body.pool.len(), 3001);
    let cfg = Cfg::new(&body);
    assert_eq!(cfg.preds(BlockId(1)).len(), 1_001_000);
}

#[test]
fn an_error_names_its_place() {
    let mut module = sample();
    let body = module.funcs[0].body.as_mut().unwrap();
    body.insts[4].args[1] = Value::NONE.0;
    let error = super::module(&module).unwrap_err();
    assert_eq!(error.func, Some(FuncId(0)));
    assert_eq!(error.inst, Some(InstId(4)));
    assert_eq!(
        alloc::format!("{error}"),
        "function 0: %4: its operand none is not a value"
    );
}

#[test]
fn a_back_edge_to_the_entry_is_refused() {
    let mut module = sample();
    let body = module.funcs[0].body.as_mut().unwrap();
    let last = body.blocks[2].terminator();
    body.insts[last.index()].args[1] = BlockId(0).0;
    let error = super::module(&module).unwrap_err();
    assert!(error.what.contains("entry block"), "{error}");
}

/// What is said of a phi in block 2 with these entries (block and number). Block 1 leads to block 2 by one edge;
/// block 0 to both, to block 2 by one edge or, with a switch, by two.
fn phi_with(switch: bool, entries: &[(u32, u64)]) -> String {
    let mut b = Builder::new(vec![TypeId::I32, TypeId::PTR]);
    b.start_block();
    if switch {
        let at = b.pool([2, 0, 0, 1, 1, 0, 2]);
        b.op(Op::Switch, 0, TypeId::I32, [Value::arg(0).0, at, 2]);
    } else {
        let cond = b.int(TypeId::I1, 1);
        b.op(Op::CondBr, 0, TypeId::VOID, [cond.0, 1, 2]);
    }
    b.start_block();
    b.op(Op::Br, 0, TypeId::VOID, [2, 0, 0]);
    b.start_block();
    let mut words = vec![];
    for &(from, number) in entries {
        words.extend([from, b.int(TypeId::I32, number).0]);
    }
    let at = b.pool(words);
    let phi = b.op(Op::Phi, 0, TypeId::I32, [at, entries.len() as u32, 0]);
    b.op(Op::Ret, 0, TypeId::VOID, [phi.0, 0, 0]);
    let mut sample = sample();
    sample.funcs[0].body = Some(b.finish());
    module(&sample).map_or_else(|error| error.what, |()| String::from("right"))
}

#[test]
fn a_phi_names_every_predecessor_and_nothing_else() {
    for switch in [false, true] {
        assert_eq!(phi_with(switch, &[(0, 5), (1, 6)]), "right");
        assert_eq!(phi_with(switch, &[(1, 6), (0, 5)]), "right");
        let missing = |entries| phi_with(switch, entries);
        assert!(missing(&[(0, 5)]).contains("no entry for block 1"));
        assert!(missing(&[(1, 6)]).contains("no entry for block 0"));
        assert!(missing(&[(0, 5), (2, 6)]).contains("no predecessor"));
        assert!(missing(&[(0, 5), (9, 6)]).contains("which is none"));
        assert!(missing(&[(0, 5), (0, 6)]).contains("two values"));
    }
    // An entry for each edge.
    assert_eq!(phi_with(true, &[(0, 5), (1, 6), (0, 5)]), "right");
    assert!(phi_with(false, &[(0, 5), (1, 6), (0, 5)]).contains("more than there are edges"));
}
