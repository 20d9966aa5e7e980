//! Machine vectors: random programs over the whole table of `legal::machine`, run natively on every set of
//! CPU features against the interpreter.
//!
//! A program loads vectors from a buffer, computes, and stores every result; it is a straight line but for
//! branches, loops and calls that vectors go through. What is stored is compared byte by byte. Floats are made from small integers and are freed from NaN
//! before they are stored or reinterpreted, as NaN payloads are not specified.
//! A failing seed prints its program; `BACKEND_SEEDS=from..to` runs others than the everyday ones.

#![expect(clippy::unwrap_used, reason = "test code outside of test functions")]

mod exec;
#[path = "backend_vectors/flow.rs"]
mod flow;

use core::fmt::Write;
use exec::{Outcome, check_with, cpu, old_cpu};
use ir::random::Random;
use ir::{FloatPred, IntPred, Intrinsic, Op};
use jit::legal::machine::{self, Lane, Vector};
use jit::tier::opt::backend;
use jit::tier::{Compiled, CpuFeatures, Declined, Job, Tier};

const LANES: [Lane; 6] = [
    Lane::I8,
    Lane::I16,
    Lane::I32,
    Lane::I64,
    Lane::F32,
    Lane::F64,
];

/// Bytes of the buffer, of which the first half is read and the second written.
const BUFFER: u32 = 4096;

/// CPUs with vectors that this machine can play, oldest first.
fn cpus() -> Vec<CpuFeatures> {
    let own = cpu();
    let sse41 = CpuFeatures {
        sse41: true,
        ..old_cpu()
    };
    let avx = CpuFeatures { avx: true, ..sse41 };
    let avx2 = CpuFeatures { avx2: true, ..avx };
    let mut list = Vec::new();
    for (cpu, there) in [
        (sse41, own.sse41),
        (avx, own.avx),
        (avx2, own.avx2),
        (own, own.avx2 && own.fma),
    ] {
        if there {
            list.push(cpu);
        }
    }
    list
}

/// The back end alone.
fn alone(job: &Job<'_>) -> Result<Compiled, Declined> {
    let body = job.function().body.as_ref().expect("a definition");
    backend::compile(job, body, Tier::O1)
}

/// The back end with registers allocated in a single pass.
fn fast(job: &Job<'_>) -> Result<Compiled, Declined> {
    let body = job.function().body.as_ref().expect("a definition");
    backend::compile(job, body, Tier::Baseline)
}

/// Passes and back end.
fn whole(job: &Job<'_>) -> Result<Compiled, Declined> {
    jit::tier::compile(job, Tier::O2)
}

fn name(lane: Lane) -> &'static str {
    match lane {
        Lane::I8 => "i8",
        Lane::I16 => "i16",
        Lane::I32 => "i32",
        Lane::I64 => "i64",
        Lane::F32 => "float",
        Lane::F64 => "double",
    }
}

fn text(v: Vector) -> String {
    format!("<{} x {}>", v.lanes, name(v.lane))
}

/// A program being written.
struct Program {
    random: Random,
    cpu: CpuFeatures,
    out: String,
    /// Values that exist: their types.
    values: Vec<Vector>,
    count: u32,
    stored: u32,
    /// The block being written.
    block: String,
    /// The functions that are called.
    callees: String,
}

impl Program {
    fn new(seed: u64, cpu: CpuFeatures) -> Self {
        Self {
            random: Random::new(seed),
            cpu,
            out: String::new(),
            values: Vec::new(),
            count: 0,
            stored: 0,
            block: "body".into(),
            callees: String::new(),
        }
    }

    fn write(mut self, statements: u32) -> String {
        for _ in 0..3 {
            let v = self.vector();
            self.load(v);
        }
        for _ in 0..statements {
            self.statement();
        }
        for at in 0..self.values.len() {
            let v = self.values[at];
            self.store(v, &format!("%v{at}"));
        }
        let (body, callees) = (&self.out, &self.callees);
        format!(
            "global @buffer = internal size {BUFFER} align 16\n{callees}\
             define i32 @f(i32 %a, i32 %b) {{\nentry:\n  br fill\nfill:\n  \
             %i = phi i32 [0, entry], [%next, fill]\n  \
             %seed = phi i32 [%a, entry], [%mixed, fill]\n  \
             %s = mul i32 %seed, 1664525\n  %mixed = add i32 %s, %b\n  \
             %at = ptradd inbounds @buffer, %i * 4, 0\n  store i32 %mixed, %at, align 4\n  \
             %next = add i32 %i, 1\n  %go = icmp ult i32 %next, 512\n  condbr %go, fill, body\nbody:\n\
             {body}  ret i32 0\n}}\n"
        )
    }

    fn line(&mut self, text: &str) {
        let _ = writeln!(self.out, "  {text}");
    }

    fn fresh(&mut self) -> String {
        self.count += 1;
        format!("%t{}", self.count)
    }

    /// A new value that later statements may use.
    fn define(&mut self, v: Vector, text: &str) -> String {
        let at = self.values.len();
        self.line(&format!("%v{at} = {text}"));
        self.values.push(v);
        format!("%v{at}")
    }

    fn temp(&mut self, text: &str) -> String {
        let temp = self.fresh();
        self.line(&format!("{temp} = {text}"));
        temp
    }

    fn vector(&mut self) -> Vector {
        let lane = self.random.pick(&LANES);
        self.vector_of(lane)
    }

    fn vector_of(&mut self, lane: Lane) -> Vector {
        let most = machine::max_bits(self.cpu) / lane.bits();
        loop {
            let lanes = 2 << self.random.below(5);
            if lanes <= most {
                return Vector { lane, lanes };
            }
        }
    }

    /// An address in the half of the buffer that is read.
    fn source(&mut self) -> String {
        let at = self.random.below(2048 - 32);
        self.temp(&format!("ptradd inbounds @buffer, {at}"))
    }

    /// A new vector from memory; floats from integers.
    fn load(&mut self, v: Vector) -> String {
        let source = self.source();
        if !v.lane.is_float() {
            return self.define(v, &format!("load {}, {source}, align 1", text(v)));
        }
        let ints = Vector {
            lane: Lane::I32,
            lanes: v.lanes,
        };
        if !ints.exists(self.cpu) {
            return self.constant(v);
        }
        let raw = self.temp(&format!("load {}, {source}, align 1", text(ints)));
        let cut = self.temp(&format!(
            "ashr {} {raw}, {}",
            text(ints),
            self.splat(ints, "20")
        ));
        self.define(v, &format!("sitofp {} {cut} to {}", text(ints), text(v)))
    }

    fn splat(&self, v: Vector, number: &str) -> String {
        let lanes: Vec<&str> = (0..v.lanes).map(|_| number).collect();
        format!("<{}>", lanes.join(", "))
    }

    fn constant(&mut self, v: Vector) -> String {
        let literal = self.literal(v);
        self.define(v, &format!("freeze {} {literal}", text(v)))
    }

    fn literal(&mut self, v: Vector) -> String {
        if self.random.once_in(6) {
            return "zero".into();
        }
        let same = self.random.once_in(3);
        let mut lane = String::new();
        let lanes: Vec<String> = (0..v.lanes)
            .map(|at| {
                if at == 0 || !same {
                    lane = self.number(v.lane);
                }
                lane.clone()
            })
            .collect();
        format!("<{}>", lanes.join(", "))
    }

    fn number(&mut self, lane: Lane) -> String {
        let raw = self.random.bits();
        match lane {
            Lane::F32 | Lane::F64 => format!("{:.2}", f64::from(raw as i16) / 8.0),
            int => {
                let unused = 64 - int.bits();
                format!("{}", raw.cast_signed() << unused >> unused)
            }
        }
    }

    /// A value of that type.
    fn value(&mut self, v: Vector) -> String {
        let fitting: Vec<usize> = (0..self.values.len())
            .filter(|&at| self.values[at] == v)
            .collect();
        match self.random.below(8) {
            0 => self.literal(v),
            1 => self.load(v),
            _ if fitting.is_empty() => self.load(v),
            _ => format!("%v{}", self.random.pick(&fitting)),
        }
    }

    /// The same value without NaN.
    fn number_only(&mut self, v: Vector, value: &str) -> String {
        if !v.lane.is_float() {
            return value.into();
        }
        let mask = self.mask(v, &format!("fcmp ord {} {value}, {value}", text(v)));
        let (mask_type, ty) = (text(mask_of(v)), text(v));
        self.temp(&format!(
            "intrinsic blend {ty} ({mask_type} {mask}, {ty} {value}, {ty} zero)"
        ))
    }

    fn mask(&mut self, v: Vector, comparison: &str) -> String {
        let mask = self.temp(comparison);
        let to = text(mask_of(v));
        self.temp(&format!("sext <{} x i1> {mask} to {to}", v.lanes))
    }

    fn store(&mut self, v: Vector, value: &str) {
        let value = self.number_only(v, value);
        let at = 2048 + self.stored * 32 % 2048;
        self.stored += 1;
        let place = self.temp(&format!("ptradd inbounds @buffer, {at}"));
        self.line(&format!("store {} {value}, {place}, align 1", text(v)));
    }

    fn statement(&mut self) {
        match self.random.below(19) {
            0 | 1 => self.binary(),
            2 => self.shift(),
            3 => self.compare(),
            4 | 5 => self.cast(),
            6..=9 => self.shuffle(),
            10 => self.insert(),
            11 => self.extract(),
            12 | 13 => self.intrinsic(),
            14 => self.scalars(),
            15 => self.select(),
            16 => self.branch(),
            17 => self.turns(),
            _ => self.call(),
        }
    }

    fn binary(&mut self) {
        let v = self.vector();
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
            (Op::FDiv, "fdiv"),
        ];
        let (op, name) = self.random.pick(&ops);
        if machine::supports(op, v, self.cpu) {
            let (a, b) = (self.value(v), self.value(v));
            self.define(v, &format!("{name} {} {a}, {b}", text(v)));
        }
    }

    fn shift(&mut self) {
        let v = self.vector();
        let ops = [(Op::Shl, "shl"), (Op::LShr, "lshr"), (Op::AShr, "ashr")];
        let (op, name) = self.random.pick(&ops);
        let constant = self.random.once_in(2);
        if !machine::supports_shift(op, v, constant, self.cpu) {
            return;
        }
        let a = self.value(v);
        let amount = if constant {
            let amount = self.random.below(v.lane.bits());
            self.splat(v, &amount.to_string())
        } else {
            self.value(v)
        };
        self.define(v, &format!("{name} {} {a}, {amount}", text(v)));
    }

    fn compare(&mut self) {
        let v = self.vector();
        let comparison = if v.lane.is_float() {
            let pred = FloatPred(1 + self.random.below(14) as u8);
            if !machine::supports_fcmp(pred, v, self.cpu) {
                return;
            }
            format!("fcmp {}", FloatPred::NAMES[usize::from(pred.0)])
        } else {
            let at = self.random.below(10) as usize;
            if !machine::supports_icmp(IntPred::ALL[at], v, self.cpu) {
                return;
            }
            let names = [
                "eq", "ne", "ugt", "uge", "ult", "ule", "sgt", "sge", "slt", "sle",
            ];
            format!("icmp {}", names[at])
        };
        let (a, b) = (self.value(v), self.value(v));
        let mask = self.mask(v, &format!("{comparison} {} {a}, {b}", text(v)));
        let (mask_type, ty) = (text(mask_of(v)), text(v));
        let (c, d) = (self.value(v), self.value(v));
        self.define(
            v,
            &format!("intrinsic blend {ty} ({mask_type} {mask}, {ty} {c}, {ty} {d})"),
        );
        let bits = self.temp(&format!("intrinsic movemask i32 ({mask_type} {mask})"));
        self.put_scalar(&bits);
    }

    /// Stores a scalar integer of 32 bits.
    fn put_scalar(&mut self, value: &str) {
        let at = 2048 + self.stored * 32 % 2048;
        self.stored += 1;
        let place = self.temp(&format!("ptradd inbounds @buffer, {at}"));
        self.line(&format!("store i32 {value}, {place}, align 4"));
    }

    fn cast(&mut self) {
        let (from, to) = (self.vector(), self.vector());
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
        let at = self.random.below(8) as usize;
        for turn in 0..8 {
            let (op, name) = ops[(at + turn) % 8];
            let from = match op {
                Op::Bitcast => from,
                _ => Vector {
                    lanes: to.lanes,
                    ..from
                },
            };
            if !machine::supports_cast(op, from, to, self.cpu) {
                continue;
            }
            let value = self.value(from);
            let value = self.number_only(from, &value);
            let mut result = self.temp(&format!("{name} {} {value} to {}", text(from), text(to)));
            if op == Op::Bitcast && to.lane.is_float() && !from.lane.is_float() {
                result = self.number_only(to, &result);
            }
            self.define(to, &format!("freeze {} {result}", text(to)));
            return;
        }
    }

    fn shuffle(&mut self) {
        let from = self.vector();
        let to = if self.random.once_in(2) {
            from
        } else {
            self.vector_of(from.lane)
        };
        let lanes = from.lanes;
        let (base, step) = (
            self.random.below(2 * lanes),
            self.random.pick(&[0, 1, 1, 2, 3]),
        );
        let kind = self.random.below(7);
        let one = self.random.once_in(2);
        let mask: Vec<String> = (0..to.lanes)
            .map(|at| {
                let half = lanes / 2;
                let lane = match kind {
                    // Runs, as extracts and rotations are.
                    0 | 1 => base + at * step,
                    // Interleaving, low and high.
                    2 => at / 2 + at % 2 * lanes + self.count % 2 * half,
                    // Blends.
                    3 => at % lanes + self.random.below(2) * lanes,
                    // The same in each part of eight or so.
                    4 => at / 4 * 4 + (base + at * 3) % 4,
                    _ => self.random.below(2 * lanes),
                };
                let lane = lane % (if one { lanes } else { 2 * lanes });
                if self.random.once_in(12) {
                    "any".into()
                } else {
                    lane.to_string()
                }
            })
            .collect();
        let (a, b) = (self.value(from), self.value(from));
        let text = format!("shuffle {} {a}, {b}, [{}]", text(from), mask.join(", "));
        self.define(to, &text);
    }

    /// One lane of some vector.
    fn scalar(&mut self, lane: Lane) -> String {
        let v = self.vector_of(lane);
        let value = self.value(v);
        let at = self.random.below(v.lanes);
        self.temp(&format!("extractelement {} {value}, i32 {at}", text(v)))
    }

    fn insert(&mut self) {
        let v = self.vector();
        let mut value = self.value(v);
        let (all, same) = (self.random.once_in(3), self.random.once_in(3));
        let first = self.scalar(v.lane);
        for at in 0..v.lanes {
            if all || self.random.once_in(3) {
                let scalar = if same {
                    first.clone()
                } else {
                    self.scalar(v.lane)
                };
                let ty = text(v);
                value = self.temp(&format!("insertelement {ty} {value}, {scalar}, i32 {at}"));
            }
        }
        self.define(v, &format!("freeze {} {value}", text(v)));
    }

    fn extract(&mut self) {
        let lane = self.random.pick(&[Lane::I8, Lane::I16, Lane::I32]);
        let scalar = self.scalar(lane);
        let wide = match lane {
            Lane::I32 => scalar,
            lane => self.temp(&format!("zext {} {scalar} to i32", name(lane))),
        };
        self.put_scalar(&wide);
    }

    /// A splat, and vectors as numbers.
    fn scalars(&mut self) {
        let v = self.vector();
        let scalar = self.scalar(v.lane);
        let ty = text(v);
        let low = self.temp(&format!("insertelement {ty} zero, {scalar}, i32 0"));
        let zeros: Vec<&str> = (0..v.lanes).map(|_| "0").collect();
        self.define(
            v,
            &format!("shuffle {ty} {low}, zero, [{}]", zeros.join(", ")),
        );
        let number = match v.bits() {
            16 => "i16",
            32 => "i32",
            64 => "i64",
            _ => return,
        };
        let value = self.value(v);
        let value = self.number_only(v, &value);
        let bits = self.temp(&format!("bitcast {ty} {value} to {number}"));
        let back = self.temp(&format!("bitcast {number} {bits} to {ty}"));
        self.define(v, &format!("freeze {ty} {back}"));
    }

    fn intrinsic(&mut self) {
        use Intrinsic as I;
        let v = self.vector();
        let all = [
            (I::Sqrt, 1),
            (I::FAbs, 1),
            (I::CopySign, 2),
            (I::Floor, 1),
            (I::Ceil, 1),
            (I::FTrunc, 1),
            (I::Rint, 1),
            (I::Fma, 3),
            (I::FMulAdd, 3),
            (I::SMin, 2),
            (I::SMax, 2),
            (I::UMin, 2),
            (I::UMax, 2),
            (I::Abs, 1),
            (I::SAddSat, 2),
            (I::UAddSat, 2),
            (I::SSubSat, 2),
            (I::USubSat, 2),
        ];
        let start = self.random.below(all.len() as u32) as usize;
        for turn in 0..all.len() {
            let (which, count) = all[(start + turn) % all.len()];
            if !machine::supports_intrinsic(which, v, self.cpu) {
                continue;
            }
            let ty = text(v);
            let args: Vec<String> = (0..count)
                .map(|_| {
                    let value = self.value(v);
                    format!("{ty} {}", self.number_only(v, &value))
                })
                .collect();
            let call = format!("intrinsic {} {ty} ({})", which.name(), args.join(", "));
            self.define(v, &call);
            return;
        }
    }

    fn select(&mut self) {
        let v = self.vector();
        let (a, b) = (self.value(v), self.value(v));
        let number = self.random.bits() as i32;
        let test = self.temp(&format!("icmp slt i32 %mixed, {number}"));
        self.define(v, &format!("select i1 {test}, {} {a}, {b}", text(v)));
    }
}

fn mask_of(v: Vector) -> Vector {
    Vector {
        lane: v.lane.mask(),
        ..v
    }
}

fn run(tier: exec::Tier, statements: u32, everyday: u64) {
    let range = match std::env::var("BACKEND_SEEDS") {
        Ok(range) => {
            let (from, to) = range.split_once("..").expect("from..to");
            from.parse().unwrap()..to.parse().unwrap()
        }
        Err(_) => 0..everyday,
    };
    let cpus = cpus();
    for seed in range {
        let Some(&cpu) = cpus.get(seed as usize % cpus.len().max(1)) else {
            return;
        };
        let source = Program::new(seed, cpu).write(statements);
        let module = exec::parse(&source);
        let func = module.func_by_name("f").unwrap();
        let mut random = Random::new(seed);
        let args = [random.bits() & 0xffff_ffff, random.bits() & 0xffff_ffff];
        let result = std::panic::catch_unwind(|| {
            let outcome = check_with(tier, &module, func, &args, &[cpu]);
            assert!(matches!(outcome, Outcome::Returned(_)));
        });
        assert!(result.is_ok(), "seed {seed} {cpu:?}\n{source}");
    }
}

#[test]
fn vector_programs_agree() {
    run(alone, 12, 600);
}

#[test]
fn long_vector_programs_spill_and_agree() {
    run(alone, 80, 60);
}

#[test]
fn vector_programs_with_registers_of_a_single_pass_agree() {
    run(fast, 25, 120);
}

#[test]
fn optimised_vector_programs_agree() {
    run(whole, 20, 300);
}
