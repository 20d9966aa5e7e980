//! Calls at the baseline tier: signatures of every shape, natively against the interpreter.

#![expect(clippy::unwrap_used, reason = "test code outside of test functions")]

mod exec;

use core::fmt::Write;
use exec::{check_text, check_with, cpu, parse};
use ir::random::Random;
use jit::tier::{Compiled, Declined, Job, Tier, baseline};

const TYPES: [&str; 8] = ["i1", "i8", "i16", "i32", "i64", "i40", "float", "double"];

/// Statements that fold `name` of type `ty` into the hash `before`, which gives `after`.
fn fold(out: &mut String, ty: &str, name: &str, before: &str, after: &str) {
    let bits = match ty {
        "float" => {
            writeln!(out, "  {after}b = bitcast float {name} to i32").unwrap();
            writeln!(out, "  {after}w = zext i32 {after}b to i64").unwrap();
            format!("{after}w")
        }
        "double" => {
            writeln!(out, "  {after}w = bitcast double {name} to i64").unwrap();
            format!("{after}w")
        }
        "i64" => name.to_owned(),
        _ => {
            writeln!(out, "  {after}w = zext {ty} {name} to i64").unwrap();
            format!("{after}w")
        }
    };
    writeln!(out, "  {after}m = mul i64 {before}, 1000003").unwrap();
    writeln!(out, "  {after} = xor i64 {after}m, {bits}").unwrap();
}

/// A value of type `ty` made from `%n`.
fn make(out: &mut String, ty: &str, name: &str, by: u32) {
    writeln!(
        out,
        "  {name}s = mul i64 %n, {}",
        u64::from(by) * 2_654_435_761
    )
    .unwrap();
    match ty {
        "i64" => writeln!(out, "  {name} = add i64 {name}s, 1").unwrap(),
        "float" | "double" => {
            writeln!(out, "  {name}t = trunc i64 {name}s to i16").unwrap();
            writeln!(out, "  {name} = sitofp i16 {name}t to {ty}").unwrap();
        }
        _ => writeln!(out, "  {name} = trunc i64 {name}s to {ty}").unwrap(),
    }
}

/// `@f` calls `@g` with random arguments, directly and through a pointer; `@g` hashes them around a
/// call of its own, so that they must survive it.
fn program(seed: u64, variadic: bool) -> String {
    let mut random = Random::new(seed);
    let count = random.below(15);
    let types: Vec<&str> = (0..count).map(|_| random.pick(&TYPES)).collect();
    let params: Vec<String> = (0..types.len())
        .map(|at| format!("{} %p{at}", types[at]))
        .collect();
    let dots = match (variadic, params.is_empty()) {
        (true, false) => ", ...",
        (true, true) => "...",
        _ => "",
    };
    let mut out =
        String::from("define i64 @leaf(i64 %x) {\nb:\n  %y = xor i64 %x, 77\n  ret i64 %y\n}\n");
    writeln!(out, "define i64 @g({}{dots}) {{\nb:", params.join(", ")).unwrap();
    out += "  %h = call i64 @leaf(i64 5)\n";
    let mut hash = String::from("%h");
    for (at, ty) in types.iter().enumerate() {
        let next = format!("%h{at}x");
        fold(&mut out, ty, &format!("%p{at}"), &hash, &next);
        hash = next;
        if at == types.len() / 2 {
            writeln!(out, "  %mid = call i64 @leaf(i64 {hash})").unwrap();
            hash = "%mid".into();
        }
    }
    writeln!(out, "  ret i64 {hash}\n}}\ndefine i64 @f(i64 %n) {{\nb:").unwrap();
    let mut args = Vec::new();
    for (at, ty) in types.iter().enumerate() {
        let name = format!("%a{at}");
        make(&mut out, ty, &name, at as u32 + 1);
        args.push(format!("{ty} {name}"));
    }
    if variadic {
        args.push("double 2.5".into());
    }
    let signature = if variadic {
        format!(" ({}{dots})", types.join(", "))
    } else {
        String::new()
    };
    let args = args.join(", ");
    writeln!(out, "  %r = call i64{signature} @g({args})").unwrap();
    writeln!(out, "  %s = calli i64{signature} @g({args})").unwrap();
    out += "  %t = mul i64 %r, 3\n  %u = add i64 %t, %s\n  ret i64 %u\n}\n";
    out
}

#[test]
fn random_signatures_agree() {
    for seed in 0..200 {
        check_text(
            &program(seed, false),
            &[seed.wrapping_mul(0x9e37_79b9_7f4a_7c15)],
        );
    }
}

/// Every other function at baseline, the others optimised; `@g` and its callers are of different tiers.
fn baseline_first(job: &Job<'_>) -> Result<Compiled, Declined> {
    if job.func.0.is_multiple_of(2) {
        baseline::compile(job)
    } else {
        jit::tier::compile(job, Tier::O1)
    }
}

/// The other way round.
fn baseline_second(job: &Job<'_>) -> Result<Compiled, Declined> {
    if job.func.0.is_multiple_of(2) {
        jit::tier::compile(job, Tier::O1)
    } else {
        baseline::compile(job)
    }
}

/// A tier that climbs meets callers and callees of other tiers: what one leaves open about an argument
/// must not be what another relies on, as the upper half of a pointer on the stack once was.
#[test]
fn random_signatures_agree_between_tiers() {
    for seed in 0..200 {
        let module = parse(&program(seed, seed % 4 == 3));
        let func = module.func_by_name("f").unwrap();
        let args = [seed.wrapping_mul(0x9e37_79b9_7f4a_7c15)];
        for mixture in [baseline_first, baseline_second] {
            check_with(mixture, &module, func, &args, &[cpu()]);
        }
    }
}

#[test]
fn random_variadic_signatures_agree() {
    for seed in 0..100 {
        check_text(
            &program(seed, true),
            &[seed.wrapping_mul(0x9e37_79b9_7f4a_7c15)],
        );
    }
}

/// A call that is the very first instruction lies inside the parameters' lives, so a parameter that
/// leaves its block cannot stay in a register that callees change.
#[test]
fn parameters_survive_a_call_before_anything_else() {
    let text = "define i64 @busy(i64 %x) {
b:
  %z = icmp eq i64 %x, 0
  condbr %z, none, some
some:
  %y = mul i64 %x, 3
  ret i64 %y
none:
  ret i64 7
}
define i64 @f(i64 %n) {
b:
  %a = call i64 @busy(i64 5)
  %z = icmp eq i64 %n, 0
  condbr %z, none, some
some:
  %s = add i64 %n, %a
  ret i64 %s
none:
  ret i64 %a
}
";
    check_text(text, &[1000]);
    check_text(text, &[0]);
}
