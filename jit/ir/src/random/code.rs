//! Statements and values.
//!
//! A statement takes operands of the types it needs from the values in scope, prefers late ones (so
//! that chains of dependent operations grow), and adds its result. Constants come in wherever no
//! value fits. Types are chosen by weight: integers of machine width most often, since most code and
//! most special cases of compilers are about them.
//!
//! What may be seen and what may not: a NaN has no defined bits, so a float passes
//! `Program::without_nan` before it is stored, reinterpreted, returned to the hash, or gives its
//! sign away.

use super::source::Program;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

/// A type of values.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Ty {
    Int(u32),
    Float,
    Double,
    /// Lanes and bits of an integer vector.
    Ints(u32, u32),
    /// Lanes of a vector of floats or doubles.
    Floats(u32),
    Doubles(u32),
    Half,
    Halfs(u32),
    /// `x86_fp80`.
    Long,
}

impl fmt::Display for Ty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(bits) => write!(f, "i{bits}"),
            Self::Float => f.write_str("float"),
            Self::Double => f.write_str("double"),
            Self::Ints(lanes, bits) => write!(f, "<{lanes} x i{bits}>"),
            Self::Floats(lanes) => write!(f, "<{lanes} x float>"),
            Self::Doubles(lanes) => write!(f, "<{lanes} x double>"),
            Self::Half => f.write_str("half"),
            Self::Halfs(lanes) => write!(f, "<{lanes} x half>"),
            Self::Long => f.write_str("x86_fp80"),
        }
    }
}

impl Ty {
    /// Whether its scalars are integers.
    pub(super) fn is_int(self) -> bool {
        matches!(self, Self::Int(_) | Self::Ints(..))
    }

    /// The type of a vector's lanes, with their number; `None` for scalars.
    pub(super) fn lanes(self) -> Option<(Self, u32)> {
        match self {
            Self::Ints(lanes, bits) => Some((Self::Int(bits), lanes)),
            Self::Floats(lanes) => Some((Self::Float, lanes)),
            Self::Doubles(lanes) => Some((Self::Double, lanes)),
            Self::Halfs(lanes) => Some((Self::Half, lanes)),
            _ => None,
        }
    }

    /// The type itself, or of a vector's lanes.
    fn scalar(self) -> Self {
        self.lanes().map_or(self, |(scalar, _)| scalar)
    }

    /// Bits of a scalar or of a lane.
    pub(super) fn bits(self) -> u32 {
        match self.scalar() {
            Self::Int(bits) => bits,
            Self::Float => 32,
            Self::Half => 16,
            Self::Long => 80,
            _ => 64,
        }
    }

    /// Bits of all lanes.
    pub(super) fn total_bits(self) -> u32 {
        self.bits() * self.lanes().map_or(1, |(_, lanes)| lanes)
    }

    /// The type of a comparison of such values.
    pub(super) fn truth(self) -> Self {
        self.lanes()
            .map_or(Self::Int(1), |(_, lanes)| Self::Ints(lanes, 1))
    }

    /// Whether its values lie in memory as whole bytes.
    pub(super) fn has_whole_bytes(self) -> bool {
        self.bits().is_multiple_of(8)
    }
}

impl Program {
    /// A type for a value: mostly an integer.
    pub(super) fn any_type(&mut self) -> Ty {
        if self.config.exotic && self.random.once_in(3) {
            return self.exotic_type();
        }
        let roll = self.random.below(10);
        match roll {
            0 if self.config.floats => Ty::Float,
            1 if self.config.floats => Ty::Double,
            2 if self.config.vectors => self.vector_type(),
            _ => self.int_type(),
        }
    }

    /// An integer type: mostly i32 and i64, which compilers treat most specially.
    fn int_type(&mut self) -> Ty {
        if self.config.odd_widths && self.random.once_in(8) {
            return Ty::Int(self.random.pick(&[3, 7, 17, 24, 31, 33, 48, 63]));
        }
        if self.config.exotic && self.random.once_in(8) {
            return Ty::Int(self.random.pick(&[65, 72, 80, 96, 100, 127, 128]));
        }
        if self.config.wide && self.random.once_in(8) {
            return Ty::Int(128);
        }
        Ty::Int(self.random.pick(&[32, 32, 32, 64, 64, 8, 16, 1]))
    }

    /// A vector that fills a register of 8, 16 or 32 bytes.
    fn vector_type(&mut self) -> Ty {
        if self.config.exotic && self.random.once_in(2) {
            return self.exotic_vector();
        }
        let ints = [
            Ty::Ints(4, 32),
            Ty::Ints(2, 64),
            Ty::Ints(16, 8),
            Ty::Ints(8, 16),
            Ty::Ints(2, 32),
            Ty::Ints(8, 32),
        ];
        let floats = [Ty::Floats(4), Ty::Doubles(2), Ty::Doubles(4)];
        if self.config.floats && self.random.once_in(3) {
            self.random.pick(&floats)
        } else {
            self.random.pick(&ints)
        }
    }

    /// A float type, or a vector of it.
    fn float_type(&mut self) -> Ty {
        let vectors = self.config.vectors && self.random.once_in(4);
        if self.config.exotic && self.random.once_in(3) {
            return self.exotic_float();
        }
        match (vectors, self.random.below(2)) {
            (true, 0) => Ty::Floats(4),
            (true, _) => Ty::Doubles(2),
            (false, 0) => Ty::Float,
            _ => Ty::Double,
        }
    }

    /// An integer type, or a vector of it.
    fn int_or_ints(&mut self) -> Ty {
        if self.config.vectors && self.random.once_in(6) {
            let ty = self.vector_type();
            if ty.is_int() {
                return ty;
            }
        }
        self.int_type()
    }

    /// An operand of that type: mostly one in scope, the later the likelier, else a constant.
    pub(super) fn value(&mut self, ty: Ty) -> String {
        let fitting: Vec<usize> = (0..self.scope.len())
            .filter(|&at| self.scope[at].1 == ty)
            .collect();
        if fitting.is_empty() || self.random.once_in(6) {
            return self.constant(ty);
        }
        let last = fitting.len() as u32;
        let at = self.random.below(last).max(self.random.below(last));
        self.scope[fitting[at as usize]].0.clone()
    }

    /// A constant: half of the integers are near 0, others are random or at the end of the range,
    /// because that is where compilers err.
    fn constant(&mut self, ty: Ty) -> String {
        if let Some((scalar, lanes)) = ty.lanes() {
            if self.random.once_in(4) {
                return String::from("zero");
            }
            let list: Vec<String> = (0..lanes).map(|_| self.constant(scalar)).collect();
            return format!("<{}>", list.join(", "));
        }
        match ty {
            Ty::Half => self.half_constant(),
            Ty::Long => self.long_constant(),
            Ty::Int(1) => self.random.pick(&["true", "false"]).to_string(),
            Ty::Int(bits) => {
                let unused = 64 - bits.min(64);
                let random = self.random.bits().cast_signed() << unused >> unused;
                let small = i64::from(self.random.below(9)) - 4;
                let extremes = [i64::MIN >> unused, i64::MAX >> unused];
                let extreme = self.random.pick(&extremes);
                let small = small.clamp(extremes[0], extremes[1]);
                self.random
                    .pick(&[random, small, small, extreme])
                    .to_string()
            }
            _ => self
                .random
                .pick(&[
                    "0.0",
                    "-0.0",
                    "1.0",
                    "-1.5",
                    "0.1",
                    "3e9",
                    "-1e19",
                    "1e-30",
                    "16777217.0",
                ])
                .to_string(),
        }
    }

    /// A value of that type whose bits may be seen: no NaN.
    pub(super) fn observable(&mut self, ty: Ty) -> String {
        let value = self.value(ty);
        self.without_nan(ty, &value)
    }

    /// The value, or 0 for NaN.
    pub(super) fn without_nan(&mut self, ty: Ty, value: &str) -> String {
        if ty.is_int() {
            return String::from(value);
        }
        let truth = ty.truth();
        let is_nan = self.define(&format!("fcmp uno {ty} {value}, {value}"));
        self.define(&format!("select {truth} {is_nan}, {ty} zero, {value}"))
    }

    /// One statement.
    pub(super) fn statement(&mut self) {
        if self.config.exotic && self.random.once_in(4) {
            return self.exotic_statement();
        }
        let roll = self.random.below(32);
        match roll {
            0..6 => self.int_binary(),
            6 | 7 => self.compare(),
            8 | 9 => self.int_cast(),
            10 => self.select(),
            11 | 12 => self.int_intrinsic(),
            13 => self.overflow(),
            14 | 15 if self.config.floats => self.float_statement(),
            16 if self.config.vectors => self.lanes(),
            17..=19 if self.config.memory => self.memory(),
            20 if self.config.atomics => self.atomic(),
            21 | 22 if self.config.calls => self.some_call(),
            23 if self.config.varargs => self.variadic_call(),
            24..=27 if self.config.memory => self.place_statement(),
            28 => self.promise(),
            _ => self.division(),
        }
    }

    /// Arithmetic, logic, or a shift by any amount. No promises (`nsw` and the like), which might
    /// not hold; [`Self::promise`] has those.
    pub(super) fn int_binary(&mut self) {
        let ty = self.int_or_ints();
        let op = self.random.pick(&[
            "add", "sub", "mul", "and", "or", "xor", "shl", "lshr", "ashr",
        ]);
        let (a, b) = (self.value(ty), self.value(ty));
        self.define_in_scope(ty, &format!("{op} {ty} {a}, {b}"));
    }

    /// An operation with a promise that holds, as its operands are small or have no bit in common.
    fn promise(&mut self) {
        let ty = Ty::Int(self.random.pick(&[8, 16, 32, 64]));
        let (a, b) = (self.value(ty), self.value(ty));
        let (a_mask, b_mask, operation) = self.random.pick(&[
            (7, 7, "add nuw nsw"),
            (7, 7, "mul nuw nsw"),
            (7, 7, "sub nsw"),
            (15, 3, "shl nuw nsw"),
            (12, 3, "or disjoint"),
            (56, 2, "lshr exact"),
            (48, 4, "ashr exact"),
            (48, 16, "udiv exact"),
        ]);
        let a = self.define(&format!("and {ty} {a}, {a_mask}"));
        // What must be exact goes by a constant.
        let b = match operation {
            _ if operation.ends_with("exact") => b_mask.to_string(),
            _ => self.define(&format!("and {ty} {b}, {b_mask}")),
        };
        self.define_in_scope(ty, &format!("{operation} {ty} {a}, {b}"));
    }

    /// A division. Its divisor is from 1 to the largest signed number, which neither faults nor
    /// overflows, unless faults are wanted.
    fn division(&mut self) {
        let Ty::Int(bits) = self.int_type() else {
            return;
        };
        let ty = Ty::Int(bits);
        let op = self.random.pick(&["udiv", "sdiv", "urem", "srem"]);
        let (a, mut b) = (self.value(ty), self.value(ty));
        if !(self.config.faults && self.random.once_in(4)) {
            // Between 1 and the largest signed number; i1 has none but 1, which is -1.
            if bits > 1 {
                b = self.define(&format!("lshr {ty} {b}, 1"));
            }
            b = self.define(&format!(
                "or {ty} {b}, {}",
                if bits == 1 { "true" } else { "1" }
            ));
        }
        self.define_in_scope(ty, &format!("{op} {ty} {a}, {b}"));
    }

    /// A comparison of integers or floats.
    fn compare(&mut self) {
        if self.config.floats && self.random.once_in(3) {
            let ty = self.float_type();
            let pred = self.random.pick(&crate::FloatPred::NAMES);
            let (a, b) = (self.value(ty), self.value(ty));
            self.define_in_scope(ty.truth(), &format!("fcmp {pred} {ty} {a}, {b}"));
            return;
        }
        let ty = self.int_or_ints();
        let pred = self.random.pick(&[
            "eq", "ne", "ugt", "uge", "ult", "ule", "sgt", "sge", "slt", "sle",
        ]);
        let (a, b) = (self.value(ty), self.value(ty));
        self.define_in_scope(ty.truth(), &format!("icmp {pred} {ty} {a}, {b}"));
    }

    /// From one width to another, or `freeze` where they are equal.
    fn int_cast(&mut self) {
        let (from, to) = (self.int_type(), self.int_type());
        let value = self.value(from);
        let op = match from.bits().cmp(&to.bits()) {
            core::cmp::Ordering::Less => self.random.pick(&["zext", "sext"]),
            core::cmp::Ordering::Equal => {
                self.define_in_scope(from, &format!("freeze {from} {value}"));
                return;
            }
            core::cmp::Ordering::Greater => "trunc",
        };
        self.define_in_scope(to, &format!("{op} {from} {value} to {to}"));
    }

    /// By one condition for all lanes or by one a lane.
    fn select(&mut self) {
        let ty = self.any_type();
        let truth = if self.random.once_in(2) {
            Ty::Int(1)
        } else {
            ty.truth()
        };
        let (cond, a, b) = (self.value(truth), self.value(ty), self.value(ty));
        self.define_in_scope(ty, &format!("select {truth} {cond}, {ty} {a}, {b}"));
    }

    /// One of the intrinsics that compute on integers.
    fn int_intrinsic(&mut self) {
        let ty = self.int_or_ints();
        let (a, b, c) = (self.value(ty), self.value(ty), self.value(ty));
        let one = ["abs", "ctpop", "ctlz", "cttz", "bitreverse"];
        let two = [
            "smax", "smin", "umax", "umin", "sadd.sat", "uadd.sat", "ssub.sat", "usub.sat",
        ];
        let operation = match self.random.below(5) {
            0 | 1 => {
                let swap = ty.bits().is_multiple_of(16) && self.random.once_in(4);
                let name = if swap {
                    "bswap"
                } else {
                    self.random.pick(&one)
                };
                format!("intrinsic {name} {ty} ({ty} {a})")
            }
            2 | 3 => {
                let name = self.random.pick(&two);
                format!("intrinsic {name} {ty} ({ty} {a}, {ty} {b})")
            }
            _ => {
                let name = self.random.pick(&["fshl", "fshr"]);
                format!("intrinsic {name} {ty} ({ty} {a}, {ty} {b}, {ty} {c})")
            }
        };
        self.define_in_scope(ty, &operation);
    }

    /// Both fields of an operation with overflow.
    fn overflow(&mut self) {
        let ty = self.int_type();
        let kind = self
            .random
            .pick(&["sadd", "uadd", "ssub", "usub", "smul", "umul"]);
        let (a, b) = (self.value(ty), self.value(ty));
        let pair = format!("{{{ty}, i1}}");
        let both = self.define(&format!(
            "intrinsic {kind}.with.overflow {pair} ({ty} {a}, {ty} {b})"
        ));
        self.define_in_scope(ty, &format!("extractvalue {pair} {both}, 0"));
        self.define_in_scope(Ty::Int(1), &format!("extractvalue {pair} {both}, 1"));
    }

    /// Arithmetic, a float intrinsic, or a cast.
    fn float_statement(&mut self) {
        let ty = self.float_type();
        let (a, b, c) = (self.value(ty), self.value(ty), self.value(ty));
        match self.random.below(8) {
            0..3 => {
                let op = self.random.pick(&["fadd", "fsub", "fmul", "fdiv"]);
                self.define_in_scope(ty, &format!("{op} {ty} {a}, {b}"));
            }
            3 => {
                self.define_in_scope(ty, &format!("fneg {ty} {a}"));
            }
            4 => {
                let name = self
                    .random
                    .pick(&["fabs", "sqrt", "floor", "ceil", "trunc", "rint"]);
                self.define_in_scope(ty, &format!("intrinsic {name} {ty} ({ty} {a})"));
            }
            5 => {
                let name = self.random.pick(&["copysign", "minnum", "maxnum"]);
                // The sign of a NaN is open, and copysign would show it.
                let b = self.without_nan(ty, &b);
                self.define_in_scope(ty, &format!("intrinsic {name} {ty} ({ty} {a}, {ty} {b})"));
            }
            6 => {
                let args = format!("{ty} {a}, {ty} {b}, {ty} {c}");
                self.define_in_scope(ty, &format!("intrinsic fmuladd {ty} ({args})"));
            }
            _ => self.float_cast(),
        }
    }

    /// Between floats and integers, between float and double, or to the bits.
    fn float_cast(&mut self) {
        let bits = self.random.pick(&[8, 16, 32, 64]);
        let float = self.random.pick(&[Ty::Float, Ty::Double]);
        match self.random.below(4) {
            0 => {
                let value = self.value(float);
                let op = self.random.pick(&["fptosi", "fptoui"]);
                let to = Ty::Int(bits);
                self.define_in_scope(to, &format!("{op} {float} {value} to {to}"));
            }
            1 => {
                let value = self.value(Ty::Int(bits));
                let op = self.random.pick(&["sitofp", "uitofp"]);
                self.define_in_scope(float, &format!("{op} i{bits} {value} to {float}"));
            }
            2 => {
                let value = self.observable(float);
                let to = Ty::Int(float.bits());
                self.define_in_scope(to, &format!("bitcast {float} {value} to {to}"));
            }
            _ if float == Ty::Float => {
                let value = self.value(float);
                self.define_in_scope(Ty::Double, &format!("fpext float {value} to double"));
            }
            _ => {
                let value = self.value(float);
                self.define_in_scope(Ty::Float, &format!("fptrunc double {value} to float"));
            }
        }
    }

    /// Something on a vector's lanes, the lane number constant or not.
    fn lanes(&mut self) {
        let ty = self.vector_type();
        let Some((scalar, lanes)) = ty.lanes() else {
            return;
        };
        let vector = self.value(ty);
        let at = if self.random.once_in(3) {
            self.value(Ty::Int(32))
        } else {
            self.random.below(lanes).to_string()
        };
        match self.random.below(4) {
            0 => {
                self.define_in_scope(scalar, &format!("extractelement {ty} {vector}, i32 {at}"));
            }
            1 => {
                let value = self.value(scalar);
                self.define_in_scope(
                    ty,
                    &format!("insertelement {ty} {vector}, {value}, i32 {at}"),
                );
            }
            2 if ty.is_int() => {
                let name = self.random.pick(&[
                    "add", "mul", "and", "or", "xor", "smax", "smin", "umax", "umin",
                ]);
                let operation = format!("intrinsic vector.reduce.{name} {scalar} ({ty} {vector})");
                self.define_in_scope(scalar, &operation);
            }
            _ => {
                let other = self.value(ty);
                let mask: Vec<String> = (0..lanes)
                    .map(|_| match self.random.below(2 * lanes + 1) {
                        0 => String::from("any"),
                        at => (at - 1).to_string(),
                    })
                    .collect();
                let mask = mask.join(", ");
                self.define_in_scope(ty, &format!("shuffle {ty} {vector}, {other}, [{mask}]"));
            }
        }
    }

    /// The next value of a loop's accumulator.
    pub(super) fn accumulate(&mut self, ty: Ty, sum: &str) -> String {
        let value = self.value(ty);
        let op = match ty.is_int() {
            true => self.random.pick(&["add", "xor", "sub", "mul"]),
            false => self.random.pick(&["fadd", "fsub", "fmul"]),
        };
        format!("{op} {ty} {sum}, {value}")
    }

    /// The bits of a value, folded to an i64.
    pub(super) fn hashable(&mut self, ty: Ty, value: &str) -> String {
        let value = self.without_nan(ty, value);
        let lanes = ty.lanes().map_or(1, |(_, lanes)| lanes);
        let total = ty.bits() * lanes;
        if lanes > 1 && total > 64 && total.is_multiple_of(64) {
            let words = Ty::Ints(total / 64, 64);
            let words_of = self.define(&format!("bitcast {ty} {value} to {words}"));
            return self.define(&format!(
                "intrinsic vector.reduce.xor i64 ({words} {words_of})"
            ));
        }
        let mut bits = value;
        if ty != Ty::Int(total) {
            bits = self.define(&format!("bitcast {ty} {bits} to i{total}"));
        }
        match total {
            ..64 => self.define(&format!("zext i{total} {bits} to i64")),
            64 => bits,
            _ => {
                let high = self.define(&format!("lshr i{total} {bits}, {}", total / 2));
                let both = self.define(&format!("xor i{total} {bits}, {high}"));
                self.define(&format!("trunc i{total} {both} to i64"))
            }
        }
    }
}
