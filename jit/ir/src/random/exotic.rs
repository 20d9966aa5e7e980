//! What no machine has: odd vectors, halves, `x86_fp80`, wide integers of odd widths, and the operations that
//! lead from one of these to another. For those who turn such programs into what machines have.

use super::code::Ty;
use super::source::Program;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

impl Program {
    /// Any of those types.
    pub(super) fn exotic_type(&mut self) -> Ty {
        match self.random.below(4) {
            0 => Ty::Half,
            1 => Ty::Long,
            2 => Ty::Int(self.random.pick(&[65, 80, 96, 127, 128])),
            _ => self.exotic_vector(),
        }
    }

    /// A vector of a length or of lanes that machines do not have.
    pub(super) fn exotic_vector(&mut self) -> Ty {
        self.random.pick(&[
            Ty::Ints(3, 32),
            Ty::Ints(2, 8),
            Ty::Ints(4, 8),
            Ty::Ints(7, 8),
            Ty::Ints(32, 8),
            Ty::Ints(5, 16),
            Ty::Ints(4, 16),
            Ty::Ints(16, 16),
            Ty::Ints(16, 32),
            Ty::Ints(3, 64),
            Ty::Ints(4, 64),
            Ty::Ints(4, 24),
            Ty::Ints(2, 128),
            Ty::Floats(2),
            Ty::Floats(3),
            Ty::Floats(8),
            Ty::Doubles(3),
            Ty::Doubles(8),
            Ty::Halfs(4),
            Ty::Halfs(3),
        ])
    }

    /// A float, or a vector of floats.
    pub(super) fn exotic_float(&mut self) -> Ty {
        self.random.pick(&[
            Ty::Half,
            Ty::Long,
            Ty::Floats(3),
            Ty::Floats(8),
            Ty::Doubles(3),
            Ty::Halfs(4),
        ])
    }

    /// By bits: small ones, extremes, the smallest of all.
    pub(super) fn half_constant(&mut self) -> String {
        let bits = [
            "0x0", "0x8000", "0x3c00", "0xbe00", "0x2e66", "0x7bff", "0x0001", "0x0400",
        ];
        self.random.pick(&bits).to_string()
    }

    /// Made from a double, a little off it.
    pub(super) fn long_constant(&mut self) -> String {
        let number = self.random.pick(&[
            "0.0", "-0.0", "1.0", "-1.5", "0.1", "3e9", "-1e19", "1e300", "2.5",
        ]);
        let first = self.define(&format!("fpext double {number} to x86_fp80"));
        let second = self.define("fpext double 3.0 to x86_fp80");
        self.define(&format!("fdiv x86_fp80 {first}, {second}"))
    }

    /// Something that needs such types.
    pub(super) fn exotic_statement(&mut self) {
        match self.random.below(6) {
            0 | 1 => self.convert_lanes(),
            2 => self.reinterpret(),
            3 => self.reshape(),
            4 => self.convert_scalar(),
            _ => self.collect(),
        }
    }

    /// All lanes of a vector to another type.
    fn convert_lanes(&mut self) {
        let lanes = self.random.pick(&[2, 3, 4, 8, 16]);
        let kinds = [
            Ty::Ints(lanes, 8),
            Ty::Ints(lanes, 16),
            Ty::Ints(lanes, 32),
            Ty::Ints(lanes, 64),
            Ty::Ints(lanes, 1),
            Ty::Ints(lanes, 24),
            Ty::Floats(lanes),
            Ty::Doubles(lanes),
            Ty::Halfs(lanes),
        ];
        let (from, to) = (self.random.pick(&kinds), self.random.pick(&kinds));
        let value = self.value(from);
        self.convert(from, to, &value);
    }

    /// A scalar to another type.
    fn convert_scalar(&mut self) {
        let kinds = [
            Ty::Half,
            Ty::Long,
            Ty::Float,
            Ty::Double,
            Ty::Int(8),
            Ty::Int(32),
            Ty::Int(64),
            Ty::Int(96),
            Ty::Int(128),
        ];
        let (from, to) = (self.random.pick(&kinds), self.random.pick(&kinds));
        let value = self.value(from);
        self.convert(from, to, &value);
    }

    /// By whatever operation leads from one type to the other.
    fn convert(&mut self, from: Ty, to: Ty, value: &str) {
        use core::cmp::Ordering;
        let order = from.bits().cmp(&to.bits());
        let op = match (from.is_int(), to.is_int(), order) {
            (true, true, Ordering::Less) => self.random.pick(&["zext", "sext"]),
            (true, true, Ordering::Greater) => "trunc",
            (true, false, _) => self.random.pick(&["sitofp", "uitofp"]),
            (false, true, _) => self.random.pick(&["fptosi", "fptoui"]),
            (false, false, Ordering::Less) => "fpext",
            (false, false, Ordering::Greater) => "fptrunc",
            _ => return,
        };
        self.define_in_scope(to, &format!("{op} {from} {value} to {to}"));
    }

    /// The same bits as another type.
    fn reinterpret(&mut self) {
        let (from, to) = self.random.pick(&[
            (Ty::Ints(8, 1), Ty::Int(8)),
            (Ty::Ints(16, 1), Ty::Int(16)),
            (Ty::Ints(3, 1), Ty::Int(3)),
            (Ty::Int(8), Ty::Ints(8, 1)),
            (Ty::Ints(4, 32), Ty::Int(128)),
            (Ty::Int(128), Ty::Ints(16, 8)),
            (Ty::Ints(3, 32), Ty::Int(96)),
            (Ty::Ints(8, 8), Ty::Int(64)),
            (Ty::Ints(16, 32), Ty::Ints(8, 64)),
            (Ty::Ints(4, 24), Ty::Ints(3, 32)),
            (Ty::Ints(3, 64), Ty::Ints(6, 32)),
            (Ty::Int(16), Ty::Ints(2, 8)),
        ]);
        let value = self.value(from);
        self.define_in_scope(to, &format!("bitcast {from} {value} to {to}"));
    }

    /// A shuffle to another length, or a lane of a vector of truth values.
    fn reshape(&mut self) {
        let from = self.exotic_vector();
        let Some((scalar, lanes)) = from.lanes() else {
            return;
        };
        let (a, b) = (self.value(from), self.value(from));
        let len = self.random.pick(&[2, 3, 4, 8]);
        let mask: Vec<String> = (0..len)
            .map(|_| match self.random.below(2 * lanes + 1) {
                0 => String::from("any"),
                at => (at - 1).to_string(),
            })
            .collect();
        let mask = mask.join(", ");
        let to = match scalar {
            Ty::Int(bits) => Ty::Ints(len, bits),
            Ty::Float => Ty::Floats(len),
            Ty::Half => Ty::Halfs(len),
            _ => Ty::Doubles(len),
        };
        self.define_in_scope(to, &format!("shuffle {from} {a}, {b}, [{mask}]"));
    }

    /// A struct of three values, chosen by a condition and taken apart.
    fn collect(&mut self) {
        let types = [self.exotic_type(), Ty::Int(32), self.exotic_type()];
        let whole = format!("{{{}, {{{}, {}}}}}", types[0], types[1], types[2]);
        let mut structs = Vec::new();
        for _ in 0..2 {
            let mut value = String::from("zero");
            for (ty, path) in types.into_iter().zip(["0", "1, 0", "1, 1"]) {
                let part = self.value(ty);
                value = self.define(&format!("insertvalue {whole} {value}, {ty} {part}, {path}"));
            }
            structs.push(value);
        }
        let cond = self.value(Ty::Int(1));
        let (a, b) = (&structs[0], &structs[1]);
        let one = self.define(&format!("select i1 {cond}, {whole} {a}, {b}"));
        for (ty, path) in types.into_iter().zip(["0", "1, 0", "1, 1"]) {
            self.define_in_scope(ty, &format!("extractvalue {whole} {one}, {path}"));
        }
    }
}
