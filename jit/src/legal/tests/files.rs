//! Modules in text form, before and after; and with rules left out.

use super::super::{Rules, linked, own_types};
use super::*;
use ir::{Op, TypeId};

fn parse(text: &str) -> Module {
    let module = match ir::text::parse(text) {
        Ok(module) => module,
        Err(error) => panic!("{error}"),
    };
    if let Err(error) = verify::module(&module) {
        panic!("{error}");
    }
    module
}

#[test]
fn calls_of_what_the_machine_has_not_mean_the_same() {
    let module = parse(include_str!("calls.bfir"));
    for cpu in cpus() {
        let legal = legalised(&module, cpu);
        for name in ["t1", "t2", "t3", "t4"] {
            let func = module.func_by_name(name).unwrap();
            let expected = run(&module, func, &[]);
            assert!(expected.0.is_ok(), "{name}: {:?}", expected.0);
            let outcome = run(&legal, func, &[]);
            assert!(
                outcome.0 == expected.0,
                "{name} {cpu:?}: {:?} {:?}",
                outcome.0,
                expected.0
            );
            assert!(
                outcome.1[..64] == expected.1[..64],
                "{name} {cpu:?}: memory"
            );
        }
    }
}

/// The interpreter stops at 128 bits; these numbers were computed elsewhere.
#[test]
fn arithmetic_of_256_bits_is_right() {
    let module = parse(include_str!("i256.bfir"));
    let legal = legalised(&module, CpuFeatures::default());
    for (name, expected) in I256 {
        let func = legal.func_by_name(name).unwrap();
        let outcome = run(&legal, func, &[]);
        assert_eq!(outcome.0, Ok(Val::from(expected)), "{name}");
    }
}

const I256: [(&str, u64); 6] = [
    ("mul", 0x0114c2b3018306c4),
    ("udiv", 0x00012468835af301),
    ("urem", 0x673d3dec43ee193e),
    ("sub", 0x5c0acb80d8bd65fd),
    ("sdiv", 0x00012468835af300),
    ("srem", 0x673d3dec43ee1935),
];

/// Sources that need one rule each.
const RULES: [(u8, &str); 7] = [
    (
        Rules::WIDE,
        "define i64 @f(i64 %a) {\nentry:\n  %w = zext i64 %a to i128\n  %m = mul i128 %w, %w\n  %t = trunc i128 %m to i64\n  ret i64 %t\n}",
    ),
    (
        Rules::HALF,
        "define i16 @f(i16 %a) {\nentry:\n  %h = bitcast i16 %a to half\n  %s = fadd half %h, %h\n  %t = bitcast half %s to i16\n  ret i16 %t\n}",
    ),
    (
        Rules::EXTENDED,
        "define double @f(double %a) {\nentry:\n  %x = fpext double %a to x86_fp80\n  %s = fmul x86_fp80 %x, %x\n  %t = fptrunc x86_fp80 %s to double\n  ret double %t\n}",
    ),
    (
        Rules::MASKS,
        "define void @f(ptr %p) {\nentry:\n  %m = load <8 x i1>, %p, align 1\n  store <8 x i1> %m, %p, align 1\n  ret\n}",
    ),
    (
        Rules::AGGREGATES,
        "define void @f(ptr %p) {\nentry:\n  %m = load {i32, i64}, %p, align 4\n  store {i32, i64} %m, %p, align 4\n  ret\n}",
    ),
    (
        Rules::LENGTHS,
        "define void @f(ptr %p) {\nentry:\n  %m = load <3 x float>, %p, align 4\n  store <3 x float> %m, %p, align 4\n  ret\n}",
    ),
    (
        Rules::OPERATIONS,
        "define void @f(ptr %p) {\nentry:\n  %m = load <4 x i32>, %p, align 4\n  %d = udiv <4 x i32> %m, <3, 5, 7, 9>\n  store <4 x i32> %d, %p, align 4\n  ret\n}",
    ),
];

#[test]
fn without_a_rule_something_outside_of_the_dialect_is_left() {
    let cpu = cpus()[3];
    for (rule, source) in RULES {
        let module = parse(source);
        let _ = legalised(&module, cpu);
        let mut left = module.clone();
        let mut types = own_types(&left);
        linked(&mut left, &mut types, cpu, Rules(rule)).unwrap();
        assert!(dialect::check(&left, cpu).is_err(), "rule {rule}");
    }
}

#[test]
fn a_module_in_the_dialect_stays_in_it() {
    let module = parse(include_str!("calls.bfir"));
    for cpu in cpus() {
        let once = legalised(&module, cpu);
        let twice = legalised(&once, cpu);
        let func = module.func_by_name("t2").unwrap();
        assert_eq!(run(&once, func, &[]).0, run(&twice, func, &[]).0);
    }
}

#[test]
fn scalar_products_and_sums_rounded_once_become_calls_where_the_cpu_has_no_such_operation() {
    let module = parse(
        "define double @f(double %a, double %b) {\nentry:\n  %s = intrinsic fma double (double %a, double %b, double %a)\n  ret double %s\n}",
    );
    for cpu in cpus() {
        let legal = legalised(&module, cpu);
        assert_eq!(legal.funcs.len() > 1, !cpu.fma, "{cpu:?}");
    }
}

#[test]
fn a_function_in_the_dialect_is_left_and_one_with_a_mask_for_two_is_not() {
    let source = |uses: &str| {
        parse(&alloc::format!(
            "define void @f(ptr %p) {{\nentry:\n  %v = load <4 x i32>, %p, align 4\n  %m = icmp slt <4 x i32> %v, <1, 2, 3, 4>\n  %a = sext <4 x i1> %m to <4 x i32>\n{uses}  ret\n}}"
        ))
    };
    let rewritten = |mut module: Module| super::super::module(&mut module, cpus()[3]).unwrap();
    let one = source("  store <4 x i32> %a, %p, align 4\n");
    assert_eq!(rewritten(one).functions, 0);
    let second = "  %b = sext <4 x i1> %m to <4 x i32>\n";
    let two = source(second);
    assert_eq!(rewritten(two.clone()).functions, 1);
    legalised(&two, cpus()[3]);
    let elsewhere = source("  br next\nnext:\n  br last\nlast:\n");
    assert_eq!(rewritten(elsewhere).functions, 0);
    let apart = parse(
        "define void @f(ptr %p) {\nentry:\n  %v = load <4 x i32>, %p, align 4\n  %m = icmp slt <4 x i32> %v, <1, 2, 3, 4>\n  br next\nnext:\n  %a = sext <4 x i1> %m to <4 x i32>\n  store <4 x i32> %a, %p, align 4\n  ret\n}",
    );
    assert_eq!(rewritten(apart.clone()).functions, 1);
    legalised(&apart, cpus()[3]);
}

#[test]
fn what_stays_names_what_became_of_other_values() {
    // `%high` is a constant afterwards, and a phi that stays has an entry from a block that no path reaches.
    let module = parse(
        "define i32 @f(i32 %a, i1 %c) {\nentry:\n  %w = zext i32 %a to i128\n  %h = lshr i128 %w, 64\n  %high = trunc i128 %h to i32\n  condbr %c, left, join\nleft:\n  %two = add i32 %a, %a\n  br join\ndead:\n  br join\njoin:\n  %p = phi i32 [%high, entry], [%two, left], [%a, dead]\n  %q = phi i32 [%a, entry], [%high, left], [%a, dead]\n  %s = sub i32 %p, %q\n  ret i32 %s\n}",
    );
    let func = module.func_by_name("f").unwrap();
    for cpu in cpus() {
        let legal = legalised(&module, cpu);
        for (taken, wanted) in [(0, (-21i32) as u32), (1, 42)] {
            let args = [Val::Bits(21), Val::Bits(taken)];
            for module in [&module, &legal] {
                let result = run(module, func, &args).0;
                assert_eq!(result, Ok(Val::Bits(u128::from(wanted))));
            }
        }
    }
}

#[test]
fn a_call_with_a_vector_that_hides_a_variadic_function_is_rewritten() {
    let module = parse(
        "define internal i32 @third(i32 %n, ...) {\nentry:\n  %list = alloca ptr, size 4, align 4\n  intrinsic va_start void (ptr %list)\n  %at = load ptr, %list, align 4\n  %v = load <4 x i32>, %at, align 4\n  %lane = extractelement <4 x i32> %v, i32 2\n  %r = add i32 %lane, %n\n  ret i32 %r\n}\n\ndefine i32 @f(i32 %n) {\nentry:\n  %r = call i32 (i32, <4 x i32>) @third(i32 %n, <4 x i32> <1, 20, 300, 4000>)\n  ret i32 %r\n}",
    );
    let func = module.func_by_name("f").unwrap();
    for cpu in cpus() {
        let legal = legalised(&module, cpu);
        let body = legal.func(func).body.as_ref().unwrap();
        let call = body.insts.iter().find(|inst| inst.op == Op::Call).unwrap();
        let ty = TypeId(body.pool[call.args[1] as usize] as u16);
        let (_, params, variadic) = legal.types.signature(ty).unwrap();
        assert!(variadic && params.len() == 8, "{params:?}");
    }
}

#[test]
fn positions_and_facts_stay_with_their_instructions() {
    // What is wide becomes several instructions, which have no facts. What the facts say does not matter.
    let module = parse(
        "define i32 @f(ptr %p, i32 %a) {\nentry:\n  loc 1 1\n  note 8 10\n  %x = load i32, %p, align 4\n  loc 2 1\n  %w = zext i32 %x to i128\n  %d = mul i128 %w, %w\n  loc 3 1\n  note 8 11\n  %v = load i128, %p, align 4\n  %s = add i128 %v, %d\n  %t = trunc i128 %s to i32\n  br next\nnext:\n  loc 4 1\n  note 8 12\n  %y = load i32, %p, align 4\n  note 8 13\n  store i32 %y, %p, align 4\n  loc 5 1\n  %z = add i32 %y, %t\n  ret i32 %z\n}",
    );
    let func = module.func_by_name("f").unwrap();
    for cpu in cpus() {
        let legal = legalised(&module, cpu);
        let body = legal.func(func).body.as_ref().unwrap();
        let line = |id| body.line_of(id).map(|line| line.line);
        let notes: Vec<_> = body
            .side
            .iter()
            .map(|&(id, _, note)| (body.inst(id).op, note, line(id)))
            .collect();
        let wanted = [
            (Op::Load, 10, Some(1)),
            (Op::Load, 12, Some(4)),
            (Op::Store, 13, Some(4)),
        ];
        assert_eq!(notes, wanted);
        let ids = || (0..body.insts.len() as u32).map(ir::InstId);
        let of = |wanted| ids().filter(|&id| line(id) == Some(wanted)).count();
        assert!(of(2) > 2 && of(3) > 2, "{} {}", of(2), of(3));
        assert_eq!((of(1), of(4), of(5)), (1, 2, 2));
        assert!(
            body.lines
                .windows(2)
                .all(|pair| pair[0].from < pair[1].from)
        );
    }
}
