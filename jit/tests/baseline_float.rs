//! Floating point at the baseline tier, natively against the interpreter.

mod exec;

use exec::{check_text, cpu, old_cpu};

const DOUBLES: [f64; 22] = [
    0.0,
    -0.0,
    1.0,
    -1.5,
    0.5,
    0.499_999_999_999_999_94,
    2.5,
    3.7,
    -2.5,
    1e300,
    -1e300,
    1e-310,
    2_147_483_647.5,
    2_147_483_648.0,
    -2_147_483_649.0,
    4_294_967_295.9,
    9_223_372_036_854_775_808.0,
    1.8e19,
    1.9e19,
    f64::INFINITY,
    f64::NEG_INFINITY,
    f64::NAN,
];

fn doubles() -> Vec<u64> {
    DOUBLES.iter().map(|x| x.to_bits()).collect()
}

fn floats() -> Vec<u64> {
    let bits = |x: &f64| u64::from((*x as f32).to_bits());
    DOUBLES.iter().map(bits).collect()
}

fn formats() -> [(&'static str, Vec<u64>); 2] {
    [("double", doubles()), ("float", floats())]
}

#[test]
fn arithmetic_agrees() {
    for (ty, values) in formats() {
        for op in ["fadd", "fsub", "fmul", "fdiv", "frem"] {
            let text = format!(
                "define {ty} @f({ty} %a, {ty} %b) {{\nbb0:\n  %0 = {op} {ty} %a, %b\n  %1 = {op} {ty} 3.5, %0\n  %2 = fneg {ty} %1\n  ret {ty} %2\n}}\n"
            );
            for &a in &values {
                for &b in &values {
                    check_text(&text, &[a, b]);
                }
            }
        }
    }
}

#[test]
fn comparisons_agree() {
    let preds = [
        "false", "oeq", "ogt", "oge", "olt", "ole", "one", "ord", "uno", "ueq", "ugt", "uge",
        "ult", "ule", "une", "true",
    ];
    for (ty, values) in formats() {
        for pred in preds {
            let text = format!(
                "define {ty} @f({ty} %a, {ty} %b) {{
bb0:
  %0 = fcmp {pred} {ty} %a, %b
  %1 = zext i1 %0 to i32
  %2 = fcmp {pred} {ty} %b, %a
  %3 = select i1 %2, {ty} %a, 2.0
  %4 = fcmp {pred} {ty} %a, %b
  %5 = select i1 %4, i32 7, %1
  %6 = uitofp i32 %5 to {ty}
  %7 = fadd {ty} %6, %3
  %8 = fcmp {pred} {ty} %a, 0.5
  condbr %8, bb1, bb2
bb1:
  %10 = fadd {ty} %7, 100.0
  br bb2
bb2:
  %12 = phi {ty} [%7, bb0], [%10, bb1]
  ret {ty} %12
}}
"
            );
            for &a in &values {
                for &b in values.iter().step_by(3) {
                    check_text(&text, &[a, b]);
                }
            }
        }
    }
}

#[test]
fn conversions_agree() {
    for (ty, values) in formats() {
        for bits in [8, 16, 31, 32, 33, 63, 64] {
            for op in [
                "fptosi",
                "fptoui",
                "intrinsic fptosi.sat",
                "intrinsic fptoui.sat",
            ] {
                let convert = if op.starts_with("int") {
                    format!("{op} i{bits} ({ty} %a)")
                } else {
                    format!("{op} {ty} %a to i{bits}")
                };
                let text = format!(
                    "define i{bits} @f({ty} %a) {{\nbb0:\n  %0 = {convert}\n  ret i{bits} %0\n}}\n"
                );
                for &a in &values {
                    check_text(&text, &[a]);
                }
            }
            for op in ["sitofp", "uitofp"] {
                let text = format!(
                    "define {ty} @f(i{bits} %a) {{\nbb0:\n  %0 = {op} i{bits} %a to {ty}\n  ret {ty} %0\n}}\n"
                );
                for a in [
                    0,
                    1,
                    u64::MAX,
                    1 << 63,
                    (1 << 63) + 1025,
                    u64::MAX - 1025,
                    0x8000_0000,
                ] {
                    check_text(&text, &[a & (u64::MAX >> (64 - bits))]);
                }
            }
        }
    }
    let text = "define double @f(double %a) {
bb0:
  %0 = fptrunc double %a to float
  %1 = bitcast float %0 to i32
  %2 = bitcast double %a to i64
  %3 = trunc i64 %2 to i32
  %4 = xor i32 %1, %3
  %5 = xor i32 %4, %3
  %6 = bitcast i32 %5 to float
  %7 = fpext float %6 to double
  ret double %7
}
";
    for a in doubles() {
        check_text(text, &[a]);
    }
}

#[test]
fn intrinsics_agree() {
    for (ty, values) in formats() {
        for op in ["fabs", "sqrt"] {
            let text = format!(
                "define {ty} @f({ty} %a) {{\nbb0:\n  %0 = intrinsic {op} {ty} ({ty} %a)\n  ret {ty} %0\n}}\n"
            );
            for &a in &values {
                check_text(&text, &[a]);
            }
        }
        for op in ["copysign", "minnum", "maxnum"] {
            let text = format!(
                "define {ty} @f({ty} %a, {ty} %b) {{\nbb0:\n  %0 = intrinsic {op} {ty} ({ty} %a, {ty} %b)\n  ret {ty} %0\n}}\n"
            );
            for &a in &values {
                for &b in &values {
                    check_text(&text, &[a, b]);
                }
            }
        }
        let text = format!(
            "define {ty} @f({ty} %a, {ty} %b) {{\nbb0:\n  %0 = intrinsic fmuladd {ty} ({ty} %a, {ty} %b, {ty} %a)\n  ret {ty} %0\n}}\n"
        );
        for &a in &values {
            for &b in &values {
                check_text(&text, &[a, b]);
            }
        }
    }
}

#[test]
fn rounding_agrees_with_and_without_instructions() {
    for (ty, values) in formats() {
        for op in ["floor", "ceil", "trunc", "rint", "round"] {
            let text = format!(
                "define {ty} @f({ty} %a) {{\nbb0:\n  %0 = intrinsic {op} {ty} ({ty} %a)\n  ret {ty} %0\n}}\n"
            );
            for &a in &values {
                check_text(&text, &[a]);
            }
        }
    }
}

#[test]
fn fused_multiply_add_rounds_once() {
    for (ty, values) in formats() {
        let text = format!(
            "define {ty} @f({ty} %a, {ty} %b, {ty} %c) fma {{\nbb0:\n  %0 = intrinsic fmuladd {ty} ({ty} %a, {ty} %b, {ty} %c)\n  %1 = intrinsic fma {ty} ({ty} %0, {ty} %b, {ty} %c)\n  ret {ty} %1\n}}\n"
        );
        for &a in &values {
            for &b in values.iter().step_by(2) {
                exec::check_text_on(&text, &[a, b, values[3]], &[cpu(), old_cpu()]);
            }
        }
    }
}

/// Factors and summands whose sum nearly or exactly cancels, is far below either, or just between two
/// results.
#[test]
fn fused_multiply_add_rounds_once_by_steps() {
    let mut random = ir::random::Random::new(7);
    for (ty, mantissa, bias) in [("double", 52, 1023u64), ("float", 23, 127)] {
        let text = format!(
            "define {ty} @f({ty} %a, {ty} %b, {ty} %c) fma {{\nbb0:\n  %0 = intrinsic fma {ty} ({ty} %a, {ty} %b, {ty} %c)\n  ret {ty} %0\n}}\n"
        );
        let number = |random: &mut ir::random::Random, exponent: u64| {
            let bits = random.bits();
            let kept = random.pick(&[u64::MAX, 0, 3, u64::MAX << 20, 1 << (mantissa - 1)]);
            let fraction = bits & kept & ((1 << mantissa) - 1);
            let sign = (bits >> 63) << (if mantissa == 52 { 63 } else { 31 });
            sign | exponent << mantissa | fraction
        };
        for _ in 0..400 {
            let near = |random: &mut ir::random::Random, at: u64| at + u64::from(random.below(4));
            let at = random.pick(&[bias, bias / 2, bias / 2 + 20, 0, bias + bias / 2]);
            let far = u64::from(random.below(120));
            let a = near(&mut random, at);
            let b = near(&mut random, bias);
            let c = (at + 60).saturating_sub(far).min(2 * bias);
            let args = [a, b, c].map(|e| number(&mut random, e.min(2 * bias)));
            exec::check_text_on(&text, &args, &[cpu(), old_cpu()]);
        }
    }
}
