//! What the baseline tier tells the runtime: side tables, counters, the frame, the shape of code.

mod exec;

use exec::{Machine, Outcome, Place, Signal, compile_all, cpu, disassemble, parse};
use ir::interp::Addresses;
use ir::{FuncId, InstId, Module, Value};
use jit::abi::{self, Part};
use jit::tier::{Compiled, Declined, Job, baseline};

fn compile(module: &Module, counting: bool) -> Vec<Option<Compiled>> {
    compile_all(module, &Place::new(module), cpu(), counting).expect("supported")
}

/// The instruction that the tables name for a code offset.
fn inst_at(compiled: &Compiled, offset: u32) -> InstId {
    let insts = &compiled.tables.insts;
    insts[insts.partition_point(|entry| entry.0 <= offset) - 1].1
}

#[test]
fn a_fault_is_traced_to_its_instruction() {
    let module = parse(
        "define i32 @f(i32 %a, i32 %b) {
bb0:
  %0 = inttoptr i32 %a to ptr
  %1 = ptradd %0, 8
  %2 = load i32, %1, align 4
  %3 = sdiv i32 %2, %b
  store i32 %3, %1, align 4
  ret i32 %3
}
",
    );
    let place = Place::new(&module);
    let compiled = compile(&module, false);
    let mut machine = Machine::get();
    machine.load(&module, &place, &compiled);
    let code = compiled[0].as_ref().unwrap();
    let readable = u64::from(abi::STACKS + abi::STACK_STRIDE - 4096);
    for (args, signal, inst) in [
        ([0x5000_0000, 1], Signal::Access, 2),
        ([readable, 0], Signal::Division, 3),
    ] {
        let outcome = machine.call(&module, FuncId(0), &args);
        assert_eq!(outcome, Outcome::Faulted(signal));
        let offset = machine.fault_offset() as u32;
        assert_eq!(inst_at(code, offset), InstId(inst), "{args:x?}");
    }
}

#[test]
fn every_call_has_its_return_offset_and_instruction() {
    let module = parse(
        "declare i32 @g(i32)
define i32 @f(i32 %a, ptr %p) {
bb0:
  %0 = call i32 @g(i32 %a)
  %1 = calli i32 %p(i32 %0)
  ret i32 %1
}
",
    );
    let compiled = compile(&module, false);
    let code = compiled[1].as_ref().unwrap();
    let returns = &code.tables.returns;
    assert_eq!(returns.len(), 2);
    // call [disp32] is FF 14 25 and four bytes; call rax is FF D0.
    assert_eq!(
        code.code[returns[0] as usize - 7..][..3],
        [0xff, 0x14, 0x25]
    );
    assert_eq!(code.code[returns[1] as usize - 2..][..2], [0xff, 0xd0]);
    assert_eq!(inst_at(code, returns[0] - 1), InstId(0));
    assert_eq!(inst_at(code, returns[1] - 1), InstId(1));
}

const LOOPS: &str = "
define i32 @f(i32 %n, i64 %k) {
bb0:
  br bb1
bb1:
  %i = phi i32 [0, bb0], [%i2, bb3]
  %s = phi i64 [%k, bb0], [%s3, bb3]
  br bb2
bb2:
  %j = phi i32 [0, bb1], [%j2, bb2]
  %s2 = phi i64 [%s, bb1], [%s3, bb2]
  %w = zext i32 %j to i64
  %s3 = add i64 %s2, %w
  %j2 = add i32 %j, 1
  %c = icmp ult i32 %j2, %n
  condbr %c, bb2, bb3
bb3:
  %i2 = add i32 %i, 1
  %d = icmp ult i32 %i2, %n
  condbr %d, bb1, bb4
bb4:
  %r = trunc i64 %s3 to i32
  ret i32 %r
}
";

#[test]
fn loop_headers_list_what_lives_there() {
    let module = parse(LOOPS);
    let compiled = compile(&module, true);
    let tables = &compiled[0].as_ref().unwrap().tables;
    let loops = &tables.loops;
    assert_eq!(loops.len(), 2);
    let live = |at: usize| {
        let mut values: Vec<(Value, Part)> = Vec::new();
        values.extend(tables.homes_at(&loops[at]).map(|h| (h.value, h.kind)));
        values.sort_by_key(|value| value.0);
        values
    };
    let (n, i, s) = (
        Value::arg(0),
        Value::inst(InstId(1)),
        Value::inst(InstId(2)),
    );
    let (j, s2) = (Value::inst(InstId(4)), Value::inst(InstId(5)));
    assert_eq!((loops[0].header.0, loops[1].header.0), (1, 2));
    assert_eq!(
        live(0),
        [(i, Part::Int(32)), (s, Part::Int(64)), (n, Part::Int(32))]
    );
    let inner = [
        (i, Part::Int(32)),
        (j, Part::Int(32)),
        (s2, Part::Int(64)),
        (n, Part::Int(32)),
    ];
    assert_eq!(live(1), inner);
    for point in loops {
        let mut homes: Vec<i32> = tables.homes_at(point).map(|home| home.offset).collect();
        let count = homes.len();
        homes.sort_unstable();
        homes.dedup();
        assert_eq!(homes.len(), count, "two values share a home");
    }
}

#[test]
fn calls_and_back_edges_are_counted() {
    let module = parse(LOOPS);
    let place = Place::new(&module);
    let mut machine = Machine::get();
    // Counters trip at the third decrement and at each after it: one call, 9 inner and 3 + ... edges.
    machine.load(&module, &place, &compile(&module, true));
    let outcome = machine.call(&module, FuncId(0), &[4, 0]);
    assert!(matches!(outcome, Outcome::Returned(_)));
    // Inner: 4 rounds of 3 edges; outer: 3 edges; two of the 15 go uncounted.
    assert_eq!(machine.counted(), 15 - 2);
    machine.load(&module, &place, &compile(&module, false));
    machine.call(&module, FuncId(0), &[4, 0]);
    assert_eq!(machine.counted(), 0);
}

#[test]
fn frames_say_how_large_they_are() {
    let module = parse(
        "define void @f(ptr %p) {
bb0:
  %0 = alloca [1000 x i8], size 1000, align 16
  intrinsic memcpy void (ptr %p, ptr %0, i32 1000)
  ret
}
",
    );
    let compiled = compile(&module, false);
    let tables = &compiled[0].as_ref().unwrap().tables;
    assert!(tables.has_frame_pointer);
    assert_eq!(tables.frame_size % 16, 0);
    assert!(
        (1016..1200).contains(&tables.frame_size),
        "{}",
        tables.frame_size
    );
}

#[test]
fn only_large_frames_touch_the_stack_on_the_way_down() {
    let probes = |bytes: u32| {
        let module = parse(&format!(
            "define void @f(ptr %p) {{
bb0:
  %0 = alloca [{bytes} x i8], size {bytes}, align 16
  store ptr %0, %p, align 4
  ret
}}
"
        ));
        let compiled = compile(&module, false);
        disassemble(compiled[0].as_ref().unwrap()).contains("or dword ptr [rsp],0")
    };
    assert!(!probes(60_000));
    assert!(probes(70_000));
}

#[test]
fn address_arithmetic_wraps_by_the_prefix_only_where_it_could() {
    let module = parse(
        "define i32 @f(ptr %p, i32 %i) {
bb0:
  %0 = load i32, %p, align 4
  %1 = ptradd %p, 64
  %2 = load i32, %1, align 4
  %3 = ptradd %p, -4
  %4 = load i32, %3, align 4
  %5 = ptradd %p, %i * 4, 8
  %6 = load i32, %5, align 4
  %7 = add i32 %0, %2
  %8 = add i32 %4, %6
  %9 = add i32 %7, %8
  ret i32 %9
}
",
    );
    let text = disassemble(compile(&module, false)[0].as_ref().unwrap());
    // The disassembler names 32-bit registers in addresses under the prefix.
    assert!(
        text.contains("[rdi]") && text.contains("[rdi+40h]"),
        "{text}"
    );
    assert!(
        text.contains("[edi-4]") && text.contains("[edi+esi*4+8]"),
        "{text}"
    );
}

#[test]
fn a_negative_offset_reaches_below_a_wrapped_base() {
    // The base lies just below 4 GiB after wrapping; base + offset must wrap again.
    let text = "global @cell = size 64 align 16 init \"abcdefgh\"
define i32 @f(i32 %far) {
bb0:
  %0 = ptrtoint ptr @cell to i32
  %1 = sub i32 %0, %far
  %2 = inttoptr i32 %1 to ptr
  %3 = ptradd %2, 2147483647
  %4 = ptradd %3, 1
  %5 = load i32, %4, align 4
  %6 = ptradd %2, %far * 1, 0
  %7 = load i32, %6, align 4
  %8 = add i32 %5, %7
  ret i32 %8
}
";
    exec::check_text(text, &[0x8000_0000]);
}

#[test]
fn what_is_not_supported_is_named() {
    let declined = |text: &str| {
        let module = parse(text);
        let place = Place::new(&module);
        let job = Job {
            module: &module,
            func: FuncId(0),
            bindings: &place.bindings,
            cpu: cpu(),
            counting: false,
        };
        baseline::compile(&job).unwrap_err()
    };
    let vector = "define <3 x i32> @f(<3 x i32> %a) {\nbb0:\n  ret <3 x i32> %a\n}\n";
    let what = "vector that no register holds";
    assert_eq!(declined(vector), Declined::Unsupported(what, InstId(0)));
    let wide = "define void @f(i128 %a) {\nbb0:\n  ret\n}\n";
    let what = "integer above 64 bits";
    assert_eq!(declined(wide), Declined::Unsupported(what, InstId(0)));
}

#[test]
fn deep_recursion_ends_in_the_guard() {
    // What each call keeps is volatile: else recursion becomes a loop, and that would not end.
    let text = "define i32 @f(i32 %n) {
bb0:
  %0 = alloca [5000 x i8], size 5000, align 16
  store i32 %n, %0, align 4 volatile
  %2 = call i32 @f(i32 %n)
  %3 = load i32, %0, align 4 volatile
  %4 = add i32 %2, %3
  ret i32 %4
}
";
    assert_eq!(
        exec::check_text(text, &[1]),
        Outcome::Faulted(Signal::Access)
    );
}

#[test]
fn function_pointers_are_stubs() {
    let module = parse("define ptr @f() {\nbb0:\n  ret ptr @f\n}\n");
    let place = Place::new(&module);
    let mut machine = Machine::get();
    machine.load(&module, &place, &compile(&module, false));
    let expected = Outcome::Returned(u64::from(place.func(FuncId(0))));
    assert_eq!(machine.call(&module, FuncId(0), &[]), expected);
}

/// Nested loops, each with a value that lives through all that follow: everything is there at once
/// that a careless compiler is quadratic in.
#[test]
fn deep_nests_with_long_lives_are_compiled() {
    let depth = 3000;
    let mut text = String::from("define i32 @f(i32 %n) {\nb0:\n  br h0\n");
    for at in 0..depth {
        let from = if at == 0 {
            "b0".into()
        } else {
            format!("h{}", at - 1)
        };
        text += &format!(
            "h{at}:\n  %i{at} = phi i32 [0, {from}], [%j{at}, l{at}]\n  %v{at} = add i32 %i{at}, %n\n  br {}\n",
            if at + 1 == depth {
                format!("l{at}")
            } else {
                format!("h{}", at + 1)
            }
        );
    }
    for at in (0..depth).rev() {
        let out = if at == 0 {
            "end".into()
        } else {
            format!("l{}", at - 1)
        };
        text += &format!(
            "l{at}:\n  %j{at} = add i32 %i{at}, %v{at}\n  %c{at} = icmp ult i32 %j{at}, %n\n  condbr %c{at}, h{at}, {out}\n"
        );
    }
    text += "end:\n  ret i32 %j0\n}\n";
    let module = parse(&text);
    let compiled = compile(&module, true);
    let tables = &compiled[0].as_ref().unwrap().tables;
    assert_eq!(tables.loops.len(), depth);
    // At each header its phi, those of all loops around it and what is added to them, and `%n`; but each is
    // listed once.
    for (at, point) in tables.loops.iter().enumerate() {
        assert_eq!(tables.homes_at(point).count(), 2 * at + 2);
    }
    assert_eq!(tables.homes.len(), 2 * depth);
}
