//! The graph against the stored form: operands, round trips, replacements.

use super::{Graph, Optimised, operands};
use crate::tier::Declined;
use crate::tier::opt::fuel::Fuel;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use ir::{Body, FuncId, Inst, InstId, Module, Op, TypeId, Value, text, verify};

/// One of every operation, from the tests of the text form.
const EVERYTHING: &str = include_str!("../../../../ir/src/text/everything.bfir");

fn everything() -> Module {
    text::parse(EVERYTHING).unwrap()
}

fn graph(module: &Module, at: u32) -> Option<Graph<'_>> {
    let id = FuncId(at);
    let body = module.func(id).body.as_ref()?;
    Some(Graph::new(module, id, body, Fuel::default()).unwrap())
}

#[test]
fn operands_for_writing_are_those_for_reading() {
    let module = everything();
    let mut seen = 0;
    for body in module.funcs.iter().filter_map(|func| func.body.as_ref()) {
        for inst in &body.insts {
            let (mut copy, mut pool) = (*inst, body.pool.clone());
            let (mut read, mut written) = (Vec::new(), Vec::new());
            body.for_each_operand(inst, |value| read.push(value.0));
            copy.for_each_operand_mut(&mut pool, |word| written.push(*word));
            body.for_each_successor(inst, |to| read.push(to.0));
            operands::for_each_successor_mut(&mut copy, &mut pool, |word| written.push(*word));
            assert_eq!(read, written, "{inst:?}");
            seen += 1;
        }
    }
    assert!(seen > 100, "only {seen} instructions");
}

/// Where instructions came from, in a body without copies.
fn insts(optimised: &Optimised) -> Vec<InstId> {
    assert!(optimised.origin.iter().all(|origin| origin.copy == 0));
    optimised.origin.iter().map(|origin| origin.inst).collect()
}

fn printed(module: &Module, at: u32, body: &Body) -> String {
    text::func_text(module, FuncId(at), Some(body)).to_string()
}

#[test]
fn going_there_and_back_changes_ids_of_constants_only() {
    let module = everything();
    for at in 0..module.funcs.len() as u32 {
        let Some(graph) = graph(&module, at) else {
            continue;
        };
        let once = graph.to_body();
        verify::body(&module, FuncId(at), &once.body).unwrap();
        let stored = module.func(FuncId(at)).body.as_ref().unwrap();
        // Null and undef integers are 0; nothing else is written differently.
        let original = printed(&module, at, stored).replace("-2, zero", "-2, 0");
        let original = original.replace("%1, zero", "%1, 0");
        assert_eq!(printed(&module, at, &once.body), original);
        let ids: Vec<_> = (0..stored.insts.len() as u32).map(InstId).collect();
        assert_eq!(insts(&once), ids);
        assert_eq!(once.body.side, stored.side);
    }
}

#[test]
fn replacements_are_followed_to_their_end() {
    let source = "define i32 @f(i32 %x) {
        a:
          %p = add i32 %x, 1
          %q = add i32 %p, 2
          %r = add i32 %q, 3
          ret i32 %r
        }";
    let module = text::parse(source).unwrap();
    let mut graph = graph(&module, 0).unwrap();
    let [p, q, r] = [0, 1, 2].map(InstId);
    graph.replace(r, Value::inst(q));
    graph.replace(q, Value::inst(p));
    assert_eq!(graph.resolve(Value::inst(r)), Value::inst(p));
    graph.settle();
    let after = graph.to_body();
    assert_eq!(after.body.insts.len(), 2);
    assert_eq!(after.body.insts[1].args[0], Value::inst(p).0);
    assert_eq!(insts(&after), [InstId(0), InstId(3)]);
}

#[test]
fn a_value_that_is_only_itself_becomes_0() {
    let source = "define i32 @f(i32 %x) {\na:\n  %p = add i32 %x, 1\n  ret i32 %p\n}";
    let module = text::parse(source).unwrap();
    let mut graph = graph(&module, 0).unwrap();
    graph.replace(InstId(0), Value::inst(InstId(0)));
    let zero = graph.int(TypeId::I32, 0);
    assert_eq!(graph.resolve(Value::inst(InstId(0))), zero);
}

#[test]
fn new_instructions_stand_for_old_ones() {
    let source = "file \"a.c\"
        define i32 @f(i32 %x) {
        a:
          loc 7 1 file 0
          %p = mul i32 %x, 4
          loc 8 1
          ret i32 %p
        }";
    let module = text::parse(source).unwrap();
    let mut graph = graph(&module, 0).unwrap();
    let args = [Value::arg(0).0, graph.int(TypeId::I32, 2).0, 0];
    let shift = graph.op(Op::Shl, TypeId::I32, args, InstId(0));
    graph.insts_mut(ir::BlockId(0)).insert(1, shift);
    graph.replace(InstId(0), Value::inst(shift));
    graph.settle();
    let after = graph.to_body();
    assert_eq!(insts(&after), [InstId(0), InstId(1)]);
    assert_eq!(after.body.line_of(InstId(0)).map(|line| line.line), Some(7));
    assert_eq!(after.body.line_of(InstId(1)).map(|line| line.line), Some(8));
}

#[test]
fn a_body_that_is_too_large_is_declined() {
    let source = "define void @f() {\na:\n  ret\n}";
    let module = text::parse(source).unwrap();
    let stored = module.func(FuncId(0)).body.clone().unwrap();
    let mut large = stored.clone();
    let inst: Inst = stored.insts[0];
    large.insts = alloc::vec![inst; super::MAX_INSTS + 1];
    let declined = Graph::new(&module, FuncId(0), &large, Fuel::default()).unwrap_err();
    assert_eq!(
        declined,
        Declined::LimitExceeded("instructions in a function")
    );
}
