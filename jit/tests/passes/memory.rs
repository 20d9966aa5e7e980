//! What the memory model believes of types and attributes: facts that the text form has no words for.

use crate::support::{optimised, passes_named};
use ir::facts::{TbaaTag, TbaaType};
use ir::module::AttrSet;
use ir::{FuncAttrs, Module, Op, ParamAttrs, text};
use jit::tier::opt::fuel::Fuel;

/// How many instructions of a kind the first function with a body has after `pass`.
fn left(module: &Module, pass: &str, op: Op) -> usize {
    ir::verify::module(module).expect("the module is valid");
    let (after, _) = optimised(module, &passes_named(pass), Fuel::default());
    let body = after.funcs.iter().find_map(|func| func.body.as_ref());
    let insts = &body.expect("there is a function").insts;
    insts.iter().filter(|inst| inst.op == op).count()
}

fn parse(source: &str) -> Module {
    text::parse(source).expect("the text is right")
}

/// A load, a store through another pointer with tag `store`, the same load again; loads have tag `load`.
fn store_between(load: u32, store: u32) -> Module {
    let mut module = parse(&format!(
        "define i32 @f(ptr %p, ptr %q) {{\nb:\n  note 1 {load}\n  %x = load i32, %p, align 4\n  \
         note 1 {store}\n  store i32 1, %q, align 4\n  note 1 {load}\n  \
         %y = load i32, %p, align 4\n  %s = add i32 %x, %y\n  ret i32 %s\n}}\n"
    ));
    // 0 root, 1 char, 2 int, 3 float, 4 struct { int, float, int }, 5 another root, 6 its type.
    let scalar = |parent| TbaaType {
        members: vec![(0, parent)],
    };
    module.facts.tbaa_types = vec![
        TbaaType::default(),
        scalar(0),
        scalar(1),
        scalar(1),
        TbaaType {
            members: vec![(0, 2), (4, 3), (8, 2)],
        },
        TbaaType::default(),
        scalar(5),
    ];
    let tag = |base, access, offset| TbaaTag {
        base,
        access,
        offset,
        constant: false,
    };
    module.facts.tbaa = vec![
        tag(1, 1, 0),
        tag(2, 2, 0),
        tag(3, 3, 0),
        tag(4, 2, 0),
        tag(4, 3, 4),
        tag(4, 2, 8),
        tag(6, 6, 0),
    ];
    module
}

const CHAR: u32 = 0;
const INT: u32 = 1;
const FLOAT: u32 = 2;
const FIRST: u32 = 3;
const SECOND: u32 = 4;
const THIRD: u32 = 5;
const FOREIGN: u32 = 6;

#[test]
fn types_tell_accesses_apart() {
    let apart = [
        (INT, FLOAT),
        (INT, SECOND),
        (FIRST, SECOND),
        (FIRST, THIRD),
        (SECOND, INT),
    ];
    for (load, store) in apart {
        let module = store_between(load, store);
        assert_eq!(left(&module, "gvn", Op::Load), 1, "{load} {store}");
    }
    let together = [
        (INT, INT),
        (INT, CHAR),
        (CHAR, FLOAT),
        (INT, FIRST),
        (THIRD, INT),
        (SECOND, CHAR),
        (INT, FOREIGN),
    ];
    for (load, store) in together {
        let module = store_between(load, store);
        assert_eq!(left(&module, "gvn", Op::Load), 2, "{load} {store}");
    }
}

#[test]
fn a_tag_protects_what_is_known_only_for_accesses_of_that_tag() {
    let mut module = store_between(INT, FLOAT);
    let body = module.funcs[0].body.as_mut().unwrap();
    let last = body.side.last_mut().unwrap();
    // The second load is of any type: it must see what was stored as a float.
    last.2 = CHAR;
    assert_eq!(left(&module, "gvn", Op::Load), 2);
}

#[test]
fn types_in_circles_end() {
    let mut module = store_between(INT, FLOAT);
    for ty in &mut module.facts.tbaa_types {
        ty.members = vec![(0, 2)];
    }
    assert_eq!(left(&module, "gvn", Op::Load), 2);
}

/// `@f` stores to `%p` and to an alloca, calls `@g` of these attributes with the alloca's address, and
/// loads both.
fn call_between(func: u32, arg: u16) -> Module {
    let mut module = parse(
        "declare void @g(ptr)\ndefine i32 @f(ptr %p) {\nb:\n  \
         %o = alloca i32, size 4, align 4\n  store i32 1, %p, align 4\n  store i32 2, %o, align 4\n  \
         call void @g(ptr %o)\n  %x = load i32, %p, align 4\n  %y = load i32, %o, align 4\n  \
         %s = add i32 %x, %y\n  ret i32 %s\n}\n",
    );
    module.attr_sets.push(AttrSet {
        func: FuncAttrs(func),
        params: vec![ParamAttrs {
            bits: arg,
            ..ParamAttrs::default()
        }],
        ret: ParamAttrs::default(),
    });
    module.funcs[0].attr_set = 1;
    module
}

#[test]
fn attributes_say_what_a_call_changes() {
    const NOCAPTURE: u16 = 4;
    let loads = |func, arg| left(&call_between(func, arg), "gvn", Op::Load);
    assert_eq!(loads(0, 0), 2);
    assert_eq!(loads(0, NOCAPTURE), 2);
    assert_eq!(loads(FuncAttrs::READ_ONLY, 0), 0);
    assert_eq!(loads(FuncAttrs::READ_NONE, 0), 0);
    // The alloca is what the argument points to; the parameter is another object.
    assert_eq!(loads(FuncAttrs::ARG_MEM_ONLY, NOCAPTURE), 1);
}

/// The address of a parameter that a `noalias` one is not, written in between.
#[test]
fn restricted_parameters_are_objects() {
    const NOALIAS: u16 = 2;
    let source = "define i32 @f(ptr %p, ptr %q) {\nb:\n  store i32 1, %p, align 4\n  \
                  store i32 2, %q, align 4\n  %x = load i32, %p, align 4\n  ret i32 %x\n}\n";
    let mut module = parse(source);
    assert_eq!(left(&module, "gvn", Op::Load), 1);
    module.attr_sets.push(AttrSet {
        params: vec![ParamAttrs {
            bits: NOALIAS,
            ..ParamAttrs::default()
        }],
        ..AttrSet::default()
    });
    module.funcs[0].attr_set = 1;
    assert_eq!(left(&module, "gvn", Op::Load), 0);
}

/// Memory that an allocator gave is apart from what was there before, until somebody else knows it.
#[test]
fn fresh_memory_is_an_object() {
    const NOALIAS: u16 = 2;
    let source = "declare ptr @new(i32)\ndefine i32 @f(ptr %p, ptr %q) {\nb:\n  \
                  %n = call ptr @new(i32 8)\n  store i32 1, %n, align 4\n  \
                  %u = load ptr, %p, align 4\n  store i32 2, %u, align 4\n  \
                  %x = load i32, %n, align 4\n  store ptr %n, %p, align 4\n  \
                  ret i32 %x\n}\n";
    let mut module = parse(source);
    module.attr_sets.push(AttrSet {
        ret: ParamAttrs {
            bits: NOALIAS,
            ..ParamAttrs::default()
        },
        ..AttrSet::default()
    });
    assert_eq!(left(&module, "gvn", Op::Load), 2);
    module.funcs[0].attr_set = 1;
    // Its address is stored at the end, so unknown addresses may lead there.
    assert_eq!(left(&module, "gvn", Op::Load), 2);
    let source = source.replace("store ptr %n, %p", "store ptr %q, %p");
    let mut module = parse(&source);
    module.attr_sets = vec![AttrSet {
        ret: ParamAttrs {
            bits: NOALIAS,
            ..ParamAttrs::default()
        },
        ..AttrSet::default()
    }];
    module.funcs[0].attr_set = 1;
    assert_eq!(left(&module, "gvn", Op::Load), 1);
}
