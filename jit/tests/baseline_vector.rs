//! Every operation that `legal::machine` says vectors have, on every shape and kind of CPU, at the
//! baseline tier against the interpreter.
//!
//! Vectors come from memory and go to memory, because that is what both sides compare bit by bit.
//! Arithmetic on floats gets numbers without NaN results; comparisons get NaNs too.

mod exec;

use exec::{check_text_on, cpu};
use ir::random::Random;
use ir::{FloatPred, IntPred, Intrinsic, Op};
use jit::legal::machine::{self, Lane, Vector};
use jit::tier::CpuFeatures;

/// Kinds of CPUs that have vectors, as far as this one can stand in for them.
fn cpus() -> Vec<CpuFeatures> {
    let all = cpu();
    let narrow = CpuFeatures {
        avx2: false,
        fma: false,
        f16c: false,
        ..all
    };
    let old = CpuFeatures {
        sse41: all.sse41,
        ..CpuFeatures::default()
    };
    let mut list = vec![all, narrow, old];
    list.retain(|cpu| cpu.sse41);
    list
}

const LANES: [Lane; 6] = [
    Lane::I8,
    Lane::I16,
    Lane::I32,
    Lane::I64,
    Lane::F32,
    Lane::F64,
];

fn vectors() -> impl Iterator<Item = Vector> {
    LANES.into_iter().flat_map(|lane| {
        [2, 4, 8, 16, 32]
            .into_iter()
            .map(move |lanes| Vector { lane, lanes })
            .filter(|v| (16..=256).contains(&v.bits()))
    })
}

fn lane_name(lane: Lane) -> &'static str {
    match lane {
        Lane::I8 => "i8",
        Lane::I16 => "i16",
        Lane::I32 => "i32",
        Lane::I64 => "i64",
        Lane::F32 => "float",
        Lane::F64 => "double",
    }
}

fn name(v: Vector) -> String {
    format!("<{} x {}>", v.lanes, lane_name(v.lane))
}

/// A mask's type.
fn mask(v: Vector) -> Vector {
    Vector {
        lane: v.lane.mask(),
        ..v
    }
}

/// Bits of one lane: edges more often than chance gives them.
fn lane_bits(random: &mut Random, lane: Lane, nan: bool) -> u64 {
    let bits = random.bits();
    match lane {
        Lane::F32 | Lane::F64 => {
            let mut values = vec![
                0.0, -0.0, 1.0, -1.5, 3.25, -1e9, 0.3, 2.5, -7.5, 1e-40, 123.0,
            ];
            if nan {
                values.extend([f64::NAN, f64::INFINITY, f64::NEG_INFINITY]);
            }
            let value = random.pick(&values);
            if lane == Lane::F32 {
                u64::from((value as f32).to_bits())
            } else {
                value.to_bits()
            }
        }
        _ => {
            let top = 1u64 << (lane.bits() - 1);
            random.pick(&[bits, bits, bits >> 60, 0, 1, top, top - 1, u64::MAX])
        }
    }
}

/// Three vectors of 32 bytes in memory.
fn image(random: &mut Random, lane: Lane, nan: bool) -> String {
    let width = lane.bits() as usize / 8;
    let mut bytes = Vec::new();
    while bytes.len() < 96 {
        let bits = lane_bits(random, lane, nan);
        bytes.extend_from_slice(&bits.to_le_bytes()[..width]);
    }
    bytes.iter().map(|byte| format!("\\{byte:02x}")).collect()
}

/// Runs `body`, in which `%0 %1 %2` are vectors `v` from memory and `%r`, of type `result`, is the
/// answer.
fn run(random: &mut Random, cpu: CpuFeatures, v: Vector, nan: bool, result: &str, body: &str) {
    let ty = name(v);
    let text = format!(
        "global @in = internal size 96 align 16 init \"{}\"
global @out = internal size 64 align 16 init \"{}\"
define void @f() {{
entry:
  %a = load {ty}, @in, align 1
  %p = ptradd @in, 32
  %b = load {ty}, %p, align 1
  %q = ptradd @in, 64
  %c = load {ty}, %q, align 1
{body}
  store {result} %r, @out, align 1
  ret
}}
",
        image(random, v.lane, nan),
        "\\55".repeat(64),
    );
    check_text_on(&text, &[], &[cpu]);
}

/// Calls `test` for every CPU and vector shape that it has, a few times.
fn each(rounds: u64, mut test: impl FnMut(&mut Random, CpuFeatures, Vector)) {
    for cpu in cpus() {
        for v in vectors().filter(|v| v.exists(cpu)) {
            for round in 0..rounds {
                test(&mut Random::new(round), cpu, v);
            }
        }
    }
}

#[test]
fn arithmetic_agrees() {
    let ops = [
        (Op::Add, "add"),
        (Op::Sub, "sub"),
        (Op::Mul, "mul"),
        (Op::And, "and"),
        (Op::Or, "or"),
        (Op::Xor, "xor"),
        (Op::FAdd, "fadd"),
        (Op::FSub, "fsub"),
        (Op::FMul, "fmul"),
    ];
    each(2, |random, cpu, v| {
        for (op, text) in ops {
            if machine::supports(op, v, cpu) {
                let ty = name(v);
                run(
                    random,
                    cpu,
                    v,
                    false,
                    &ty,
                    &format!("  %r = {text} {ty} %a, %b"),
                );
                // With a constant, and with an operand that lives on.
                let body = format!("  %s = {text} {ty} %a, %b\n  %r = {text} {ty} %s, %a");
                run(random, cpu, v, false, &ty, &body);
            }
        }
        if machine::supports(Op::FDiv, v, cpu) {
            let ty = name(v);
            let three: Vec<&str> = (0..v.lanes).map(|_| "3.0").collect();
            let body = format!("  %r = fdiv {ty} %a, <{}>", three.join(", "));
            run(random, cpu, v, false, &ty, &body);
            run(random, cpu, v, false, &ty, &format!("  %r = fneg {ty} %a"));
        }
    });
}

#[test]
fn shifts_agree() {
    each(1, |random, cpu, v| {
        let ty = name(v);
        for (op, text) in [(Op::Shl, "shl"), (Op::LShr, "lshr"), (Op::AShr, "ashr")] {
            if machine::supports_shift(op, v, true, cpu) {
                for by in [0, 1, 5, v.lane.bits() - 1] {
                    let all: Vec<String> = (0..v.lanes).map(|_| by.to_string()).collect();
                    let body = format!("  %r = {text} {ty} %a, <{}>", all.join(", "));
                    run(random, cpu, v, false, &ty, &body);
                }
            }
            if machine::supports_shift(op, v, false, cpu) {
                run(
                    random,
                    cpu,
                    v,
                    false,
                    &ty,
                    &format!("  %r = {text} {ty} %a, %b"),
                );
                let all: Vec<String> = (0..v.lanes).map(|at| (at * 5).to_string()).collect();
                let body = format!("  %r = {text} {ty} %a, <{}>", all.join(", "));
                run(random, cpu, v, false, &ty, &body);
            }
        }
    });
}

#[test]
fn comparisons_make_masks_that_choose() {
    each(2, |random, cpu, v| {
        let (ty, mask) = (name(v), name(mask(v)));
        let truth = format!("<{} x i1>", v.lanes);
        let mut test = |compare: String| {
            let body = format!("  %m = {compare} {ty} %a, %b\n  %r = sext {truth} %m to {mask}");
            run(random, cpu, v, true, &mask, &body);
            let body = format!(
                "  %m = {compare} {ty} %a, %b\n  %w = sext {truth} %m to {mask}
  %r = intrinsic blend {ty} ({mask} %w, {ty} %b, {ty} %c)"
            );
            run(random, cpu, v, true, &ty, &body);
        };
        for pred in IntPred::ALL {
            if machine::supports_icmp(pred, v, cpu) {
                test(format!("icmp {pred:?}").to_lowercase());
            }
        }
        for (number, name) in (0..).zip(FloatPred::NAMES) {
            if machine::supports_fcmp(FloatPred(number), v, cpu) {
                test(format!("fcmp {name}"));
            }
        }
        if machine::supports_intrinsic(Intrinsic::MoveMask, v, cpu) {
            let body = format!("  %r = intrinsic movemask i32 ({ty} %a)");
            run(random, cpu, v, false, "i32", &body);
        }
    });
}

#[test]
fn casts_agree() {
    let ops = [
        (Op::SExt, "sext"),
        (Op::ZExt, "zext"),
        (Op::Trunc, "trunc"),
        (Op::SiToFp, "sitofp"),
        (Op::FpToSi, "fptosi"),
        (Op::FpExt, "fpext"),
        (Op::FpTrunc, "fptrunc"),
        (Op::Bitcast, "bitcast"),
    ];
    each(1, |random, cpu, from| {
        for to in vectors() {
            for (op, text) in ops {
                if machine::supports_cast(op, from, to, cpu) && (op != Op::Bitcast || from != to) {
                    let nan = op == Op::FpToSi;
                    let body = format!("  %r = {text} {} %a to {}", name(from), name(to));
                    run(random, cpu, from, nan, &name(to), &body);
                }
            }
        }
        let scalars = match from.bits() {
            16 => &["i16"][..],
            32 => &["i32", "float"],
            64 => &["i64", "double"],
            _ => &[],
        };
        for scalar in scalars {
            let ty = name(from);
            let body = format!("  %r = bitcast {ty} %a to {scalar}");
            run(random, cpu, from, false, scalar, &body);
            let body =
                format!("  %s = load {scalar}, @in, align 1\n  %r = bitcast {scalar} %s to {ty}");
            run(random, cpu, from, false, &ty, &body);
        }
    });
}

#[test]
fn intrinsics_agree() {
    use Intrinsic as I;
    let all = [
        I::Sqrt,
        I::FAbs,
        I::CopySign,
        I::Floor,
        I::Ceil,
        I::FTrunc,
        I::Rint,
        I::Fma,
        I::FMulAdd,
        I::SMin,
        I::SMax,
        I::UMin,
        I::UMax,
        I::Abs,
        I::SAddSat,
        I::UAddSat,
        I::SSubSat,
        I::USubSat,
    ];
    each(2, |random, cpu, v| {
        let ty = name(v);
        for which in all {
            if !machine::supports_intrinsic(which, v, cpu) {
                continue;
            }
            let text = which.name();
            let body = match which {
                I::Sqrt => format!(
                    "  %p2 = intrinsic fabs {ty} ({ty} %a)\n  %r = intrinsic sqrt {ty} ({ty} %p2)"
                ),
                I::FAbs | I::Floor | I::Ceil | I::FTrunc | I::Rint | I::Abs => {
                    format!("  %r = intrinsic {text} {ty} ({ty} %a)")
                }
                I::Fma | I::FMulAdd => {
                    format!("  %r = intrinsic {text} {ty} ({ty} %a, {ty} %b, {ty} %c)")
                }
                _ => format!("  %r = intrinsic {text} {ty} ({ty} %a, {ty} %b)"),
            };
            run(random, cpu, v, false, &ty, &body);
        }
        if machine::supports_intrinsic(I::FloatToHalf, v, cpu) {
            let half = format!("<{} x i16>", v.lanes);
            let body = format!(
                "  %h = intrinsic float.to.half {half} ({ty} %a)
  %r = intrinsic half.to.float {ty} ({half} %h)"
            );
            run(random, cpu, v, false, &ty, &body);
        }
    });
}

#[test]
fn lanes_move_anywhere() {
    each(12, |random, cpu, v| {
        let ty = name(v);
        // To as many lanes, fewer or more.
        for lanes in [v.lanes / 2, v.lanes, v.lanes * 2] {
            let to = Vector { lanes, ..v };
            if lanes < 2 || !to.exists(cpu) || v.bits().min(to.bits()) < 16 {
                continue;
            }
            let style = random.below(6);
            let pick = |random: &mut Random, at: u32| match style {
                0 => random.below(v.lanes).to_string(),
                1 => random.below(2 * v.lanes).to_string(),
                2 => ((at + 1) % (2 * v.lanes)).to_string(),
                3 => (at / 2 + v.lanes * (at % 2)).to_string(),
                4 if random.once_in(3) => "any".to_string(),
                4 => (at % v.lanes).to_string(),
                _ => (v.lanes / 2).to_string(),
            };
            let mask: Vec<String> = (0..lanes).map(|at| pick(random, at)).collect();
            let second = random.pick(&["%b", "%b", "%a", "zero"]);
            let body = format!("  %r = shuffle {ty} %a, {second}, [{}]", mask.join(", "));
            run(random, cpu, v, true, &name(to), &body);
        }
        let (lane, at) = (lane_name(v.lane), random.below(v.lanes));
        let body = format!("  %r = extractelement {ty} %a, i32 {at}");
        run(random, cpu, v, true, lane, &body);
        let body = format!(
            "  %s = extractelement {ty} %b, i32 {}\n  %r = insertelement {ty} %a, {lane} %s, i32 {at}",
            random.below(v.lanes)
        );
        let body = body.replace(&format!("%a, {lane} %s"), "%a, %s");
        run(random, cpu, v, true, &ty, &body);
    });
}

/// Vectors through phis, calls, selections and the frame.
#[test]
fn vectors_survive_control_flow() {
    each(1, |_, cpu, v| {
        let ty = name(v);
        let op = if v.lane.is_float() { "fadd" } else { "add" };
        let text = format!(
            "global @in = internal size 96 align 16 init \"{}\"
global @out = internal size 96 align 16 init \"{}\"
define {ty} @g({ty} %a, i32 %n, {ty} %b, {ty} %c, {ty} %d, {ty} %e, {ty} %g, {ty} %h, {ty} %i, {ty} %j) {{
entry:
  %s = {op} {ty} %a, %i
  %t = {op} {ty} %j, %s
  %z = icmp eq i32 %n, 3
  %u = select i1 %z, {ty} %t, %b
  ret {ty} %u
}}
define i32 @f(i32 %n) {{
entry:
  %a = load {ty}, @in, align 1
  %p = ptradd @in, 32
  %b = load {ty}, %p, align 1
  br loop
loop:
  %i = phi i32 [0, entry], [%next, loop]
  %x = phi {ty} [%a, entry], [%y, loop]
  %y = phi {ty} [%b, entry], [%x, loop]
  %w = phi {ty} [zero, entry], [%v, loop]
  %v = call {ty} @g({ty} %x, i32 %i, {ty} %y, {ty} %a, {ty} %a, {ty} %a, {ty} %a, {ty} %a, {ty} %y, {ty} %w)
  %next = add i32 %i, 1
  %more = icmp ult i32 %next, %n
  condbr %more, loop, done
done:
  store {ty} %v, @out, align 1
  %q = ptradd @out, 32
  store {ty} %x, %q, align 1
  %k = ptradd @out, 64
  store {ty} %w, %k, align 1
  ret i32 %i
}}
",
            image(&mut Random::new(1), v.lane, false),
            "\\55".repeat(96),
        );
        check_text_on(&text, &[5], &[cpu]);
    });
}
