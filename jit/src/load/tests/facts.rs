//! The side index and the inline chains of a module of clang, entry by entry.

use alloc::vec::Vec;

use ir::facts::{LoopHints, TbaaTag, kind};
use ir::{Body, InstId, Module, Op, TypeId};

use super::clang::bitcode;
use crate::load;

const SOURCE: &str = include_str!("facts.c");

fn module() -> Option<Module> {
    let file = bitcode(SOURCE, &["-O2", "-g", "-msse2"])?;
    Some(load::module(&file).unwrap())
}

fn body<'m>(module: &'m Module, name: &str) -> &'m Body {
    let id = module.func_by_name(name).unwrap();
    module.func(id).body.as_ref().unwrap()
}

/// The one instruction of this kind and type.
fn only(body: &Body, op: Op, ty: TypeId) -> InstId {
    let found: Vec<InstId> = (0u32..)
        .map(InstId)
        .zip(&body.insts)
        .filter(|(_, inst)| inst.op == op && inst.ty == ty)
        .map(|(id, _)| id)
        .collect();
    assert_eq!(found.len(), 1, "{op:?}");
    found[0]
}

/// Payloads of the facts of this kind about an instruction, or about any.
fn payloads(body: &Body, at: Option<InstId>, kind: u32) -> Vec<u32> {
    let of = |fact: &&(InstId, u32, u32)| fact.1 == kind && at.is_none_or(|at| at == fact.0);
    body.side.iter().filter(of).map(|fact| fact.2).collect()
}

/// The one payload.
fn payload(body: &Body, at: InstId, kind: u32) -> usize {
    let all = payloads(body, Some(at), kind);
    assert_eq!(all.len(), 1, "kind {kind}");
    all[0] as usize
}

/// Line, from 1, of the first one in the source that holds `text`, counted from a line marker.
fn line_of(text: &str) -> u32 {
    let mut number = 1;
    for line in SOURCE.lines() {
        if line.contains(text) {
            return number;
        }
        let marker = line
            .strip_prefix("# ")
            .and_then(|rest| rest.split_once(' '));
        number = marker.map_or(number + 1, |(next, _)| next.parse().unwrap());
    }
    panic!("{text}");
}

#[test]
fn accesses_name_members_of_their_objects() {
    let Some(module) = module() else { return };
    let body = body(&module, "member");
    let tag = |op, ty| module.facts.tbaa[payload(body, only(body, op, ty), kind::TBAA)];
    let (number, weight) = (tag(Op::Store, TypeId::I32), tag(Op::Load, TypeId::F32));
    assert_eq!(number.base, weight.base, "one struct");
    assert_ne!(number.access, weight.access);
    assert_eq!((number.offset, weight.offset), (0, 4));
    assert!(!number.constant && !weight.constant);
    let members = |ty: u32| module.facts.tbaa_types[ty as usize].members.as_slice();
    assert_eq!(
        members(number.base),
        [(0, number.access), (4, weight.access)]
    );
    // int and float → char → the root of C.
    let [(0, char_type)] = *members(number.access) else {
        panic!("{:?}", members(number.access));
    };
    assert_eq!(members(weight.access), [(0, char_type)]);
    let [(0, root)] = *members(char_type) else {
        panic!("{:?}", members(char_type));
    };
    assert_eq!(members(root), []);
    // The int that `leaf` reads is the same type, of no struct.
    let outer = self::body(&module, "outer");
    let read = payload(outer, only(outer, Op::Load, TypeId::I32), kind::TBAA);
    let expected = TbaaTag {
        base: number.access,
        access: number.access,
        offset: 0,
        constant: false,
    };
    assert_eq!(module.facts.tbaa[read], expected);
}

#[test]
fn truth_values_have_a_range() {
    let Some(module) = module() else { return };
    let body = body(&module, "truth");
    let load = only(body, Op::Load, TypeId::I8);
    let range = payload(body, load, kind::RANGE);
    assert_eq!(module.facts.ranges[range], [(0, 2)]);
    assert_eq!(payloads(body, Some(load), kind::NOUNDEF), [0]);
    assert_eq!(
        payloads(body, None, kind::RANGE).len(),
        1,
        "and nothing else"
    );
}

#[test]
fn restrict_pointers_are_apart_by_scopes_of_one_domain() {
    let Some(module) = module() else { return };
    let body = body(&module, "copies");
    let (load, store) = (
        only(body, Op::Load, TypeId::I32),
        only(body, Op::Store, TypeId::I32),
    );
    let list = |at, kind| module.facts.scope_lists[payload(body, at, kind)].clone();
    let (from, to) = (
        list(load, kind::ALIAS_SCOPE),
        list(store, kind::ALIAS_SCOPE),
    );
    assert_eq!((from.len(), to.len()), (1, 1));
    assert_ne!(from, to);
    assert_eq!(list(load, kind::NOALIAS), to);
    assert_eq!(list(store, kind::NOALIAS), from);
    let domain = |scope: u32| module.facts.scope_domains[scope as usize];
    assert_eq!(domain(from[0]), domain(to[0]));
    assert!(domain(to[0]) < module.facts.domains);
}

#[test]
fn loops_and_branches_carry_their_hints() {
    let Some(module) = module() else { return };
    let hints = |name| {
        let body = body(&module, name);
        let loops = payloads(body, None, kind::LOOP);
        let hints = loops.iter().map(|at| module.facts.loops[*at as usize]);
        hints.collect::<Vec<_>>()
    };
    let hinted = hints("hinted");
    let expected = LoopHints {
        bits: LoopHints::MUST_PROGRESS | LoopHints::UNROLL_DISABLE,
        ..LoopHints::default()
    };
    assert_eq!(hinted, [expected]);
    let doubled = hints("doubled");
    assert_eq!(doubled.len(), 2, "the vectors and the rest");
    assert!(
        doubled
            .iter()
            .all(|hints| hints.bits & LoopHints::IS_VECTORIZED != 0)
    );
    let body = body(&module, "hinted");
    let branch = body
        .side
        .iter()
        .find(|fact| fact.1 == kind::WEIGHTS)
        .unwrap();
    assert_eq!(body.insts[branch.0.index()].op, Op::CondBr);
    assert_eq!(module.facts.weights[branch.2 as usize], [1, 2000]);
}

#[test]
fn an_inlined_position_names_file_function_and_every_call() {
    let Some(module) = module() else { return };
    let body = body(&module, "outer");
    let load = only(body, Op::Load, TypeId::I32);
    let here = body.line_of(load).unwrap();
    let file = |at: u32| module.files[at as usize].as_str();
    assert_eq!(here.line, line_of("return *p * 3"));
    assert!(file(here.file).ends_with("leaf.h"), "{}", file(here.file));
    let mut chain = Vec::new();
    let mut at = here.scope;
    loop {
        let scope = module.scopes[at as usize];
        let name = module.source_functions[scope.function as usize].as_str();
        let call = scope.call;
        if let Some(call) = call {
            assert!(file(call.file).ends_with("facts.c"), "{}", file(call.file));
        }
        chain.push((name, scope.line, call.map(|call| (call.line, call.column))));
        let Some(call) = call else { break };
        at = call.scope;
    }
    let column = |text: &str, part: &str| {
        let line = SOURCE.lines().find(|line| line.contains(text)).unwrap();
        line.find(part).unwrap() as u32 + 1
    };
    let call = |text: &str, part: &str| Some((line_of(text), column(text, part)));
    let expected = [
        ("leaf", line_of("int leaf("), call("return leaf", "leaf")),
        (
            "middle",
            line_of("int middle("),
            call("return middle", "middle"),
        ),
        ("outer", line_of("int outer("), None),
    ];
    assert_eq!(chain, expected);
}
