//! One instruction as text; the grammar is at the head of `parse_inst`.
//!
//! The printer writes everything an instruction holds, bits without a name included (`bits N`), and
//! nothing twice: a type that follows from another operand is left out. Both are what makes the
//! round trip exact. It trusts ids (a verified body), but never the numbers that choose a word: an
//! unknown predicate or ordering prints as `?`, so that a body which a pass has broken can be shown.

use super::print::{Printer, write_bits};
use super::words::{ATOMICS, INT_PREDS, ORDERINGS, flag_names, op_name};
use crate::body::{Body, Value};
use crate::inst::{FloatPred, Inst, MemFlags, Op};
use crate::types::TypeId;
use core::fmt;

/// Writes the operation without its result.
pub(super) fn write_operation(
    printer: &Printer<'_>,
    f: &mut fmt::Formatter<'_>,
    body: &Body,
    inst: &Inst,
) -> fmt::Result {
    let [a, b, c] = inst.args;
    let mut w = Writer {
        printer,
        f,
        body,
        inst,
    };
    w.f.write_str(op_name(inst.op))?;
    match inst.op {
        op if op.is_int_binary() || op.is_float_binary() => w.write_same_typed(&[a, b]),
        op if op.is_cast() => {
            w.write_flags()?;
            w.write_typed(a)?;
            w.write_text(" to ")?;
            w.write_type(inst.ty)
        }
        Op::FNeg | Op::Freeze => w.write_same_typed(&[a]),
        Op::ICmp | Op::FCmp => w.write_compare(),
        Op::Select => {
            w.write_flags()?;
            w.write_typed(a)?;
            w.write_text(", ")?;
            w.write_type(inst.ty)?;
            w.write_text(" ")?;
            w.write_values(&[b, c])
        }
        Op::Load | Op::Store | Op::Fence | Op::AtomicRmw | Op::CmpXchg => w.write_memory(),
        Op::Alloca => {
            w.write_type_after_space(TypeId(a_type(c)))?;
            write!(w.f, ", size {a}, align {}", align(b))
        }
        Op::DynAlloca => {
            w.write_text(" ")?;
            w.write_typed(a)?;
            write!(w.f, ", size {c}, align {}", align(b))
        }
        Op::PtrAdd => w.write_ptr_add(),
        Op::Phi => w.write_phi(),
        Op::Call | Op::CallIndirect => w.write_call(),
        Op::Intrinsic => w.write_intrinsic(),
        Op::ExtractElement | Op::InsertElement | Op::Shuffle => w.write_lanes(),
        Op::ExtractValue | Op::InsertValue => w.write_fields(),
        _ => w.write_terminator(),
    }
}

/// A type id in an argument. One that is too large prints as a bad type.
fn a_type(word: u32) -> u16 {
    u16::try_from(word).unwrap_or(u16::MAX)
}

/// Bytes of an alignment given by its logarithm.
fn align(log2: u32) -> u64 {
    1u64.checked_shl(log2).unwrap_or(0)
}

struct Writer<'a, 'f, 'b> {
    printer: &'a Printer<'a>,
    f: &'a mut fmt::Formatter<'f>,
    body: &'b Body,
    inst: &'b Inst,
}

impl Writer<'_, '_, '_> {
    /// Writes it as it is.
    fn write_text(&mut self, text: &str) -> fmt::Result {
        self.f.write_str(text)
    }

    /// A type.
    fn write_type(&mut self, ty: TypeId) -> fmt::Result {
        write!(self.f, "{}", self.printer.type_text(ty))
    }

    /// A type and the space before it.
    fn write_type_after_space(&mut self, ty: TypeId) -> fmt::Result {
        self.write_text(" ")?;
        self.write_type(ty)
    }

    /// An operand.
    fn write_value(&mut self, raw: u32) -> fmt::Result {
        self.printer.write_value(self.f, self.body, Value(raw))
    }

    /// Type and value.
    fn write_typed(&mut self, raw: u32) -> fmt::Result {
        self.write_type(self.body.type_of(Value(raw)))?;
        self.write_text(" ")?;
        self.write_value(raw)
    }

    /// Values with commas between.
    fn write_values(&mut self, values: &[u32]) -> fmt::Result {
        for (at, &raw) in values.iter().enumerate() {
            self.write_text(if at == 0 { "" } else { ", " })?;
            self.write_value(raw)?;
        }
        Ok(())
    }

    /// The flags, and the space before what follows.
    fn write_flags(&mut self) -> fmt::Result {
        let names = flag_names(self.inst.op);
        write_bits(self.f, names, u32::from(self.inst.flags.0))?;
        self.write_text(" ")
    }

    /// Operands whose type is the result's.
    fn write_same_typed(&mut self, values: &[u32]) -> fmt::Result {
        self.write_flags()?;
        self.write_type(self.inst.ty)?;
        self.write_text(" ")?;
        self.write_values(values)
    }

    /// `pred type value, value`; the fast-math flags of `fcmp` are in its third argument.
    fn write_compare(&mut self) -> fmt::Result {
        let [a, b, fast_math] = self.inst.args;
        let inst = self.inst;
        if inst.op == Op::FCmp {
            write_bits(self.f, flag_names(Op::FCmp), fast_math)?;
            let name = FloatPred::NAMES[usize::from(inst.float_pred().0)];
            write!(self.f, " {name} ")?;
        } else {
            write_bits(self.f, &[], u32::from(inst.flags.0 & !15))?;
            let at = usize::from(inst.flags.0 & 15);
            let name = INT_PREDS.get(at).map_or("?", |entry| entry.1);
            write!(self.f, " {name} ")?;
        }
        self.write_typed(a)?;
        self.write_text(", ")?;
        self.write_value(b)
    }

    /// Loads, stores, atomics and fences: the value before the address, as LLVM has it.
    fn write_memory(&mut self) -> fmt::Result {
        let [a, b, c] = self.inst.args;
        let ty = self.inst.ty;
        match self.inst.op {
            Op::Load => {
                self.write_type_after_space(ty)?;
                self.write_text(", ")?;
                self.write_value(a)?;
                self.write_mem_flags(b)
            }
            Op::Store => {
                self.write_type_after_space(ty)?;
                self.write_text(" ")?;
                self.write_values(&[b, a])?;
                self.write_mem_flags(c)
            }
            Op::AtomicRmw => {
                let at = usize::from(self.inst.flags.0);
                let name = ATOMICS.get(at).map_or("?", |entry| entry.1);
                write!(self.f, " {name}")?;
                self.write_type_after_space(ty)?;
                self.write_text(" ")?;
                self.write_values(&[b, a])?;
                self.write_mem_flags(c)
            }
            Op::CmpXchg => {
                let body = self.body;
                let words = body.words(b, 2);
                self.write_text(" ")?;
                self.write_typed(words[0])?;
                self.write_text(", ")?;
                self.write_values(&[words[1], a])?;
                self.write_mem_flags(c)
            }
            _ => self.write_ordering(MemFlags(a)),
        }
    }

    /// Alignment, volatility, ordering.
    fn write_mem_flags(&mut self, raw: u32) -> fmt::Result {
        let flags = MemFlags(raw);
        write!(self.f, ", align {}", align(u32::from(flags.align_log2())))?;
        self.write_text(if flags.is_volatile() { " volatile" } else { "" })?;
        self.write_ordering(flags)
    }

    /// The ordering, if there is one.
    fn write_ordering(&mut self, flags: MemFlags) -> fmt::Result {
        if flags.ordering() != 0 {
            let name = ORDERINGS.get(usize::from(flags.ordering()));
            write!(self.f, " {}", name.unwrap_or(&"?"))?;
        }
        Ok(())
    }

    /// `base, disp` or `base, index * scale, disp`.
    fn write_ptr_add(&mut self) -> fmt::Result {
        let [base, index, c] = self.inst.args;
        self.write_flags()?;
        self.write_value(base)?;
        if Value(index) == Value::NONE {
            return write!(self.f, ", {}", c.cast_signed());
        }
        let words = self.body.words(c, 2);
        self.write_text(", ")?;
        self.write_value(index)?;
        let [scale, disp] = [words[0].cast_signed(), words[1].cast_signed()];
        write!(self.f, " * {scale}, {disp}")
    }

    /// `type [value, block], …`
    fn write_phi(&mut self) -> fmt::Result {
        let [start, n, _] = self.inst.args;
        self.write_flags()?;
        self.write_type(self.inst.ty)?;
        let body = self.body;
        for (at, pair) in body.words(start, n * 2).chunks_exact(2).enumerate() {
            self.write_text(if at == 0 { " [" } else { ", [" })?;
            self.write_value(pair[1])?;
            write!(self.f, ", bb{}]", pair[0])?;
        }
        Ok(())
    }

    /// The call's whole type if it is variadic, else only the result's.
    fn write_call(&mut self) -> fmt::Result {
        let [callee, start, n] = self.inst.args;
        let body = self.body;
        let head = body.words(start, 2);
        let ty = TypeId(a_type(head[0]));
        let types = &self.printer.module.types;
        self.write_flags()?;
        match types.signature(ty) {
            Some((ret, _, false)) => self.write_type(ret)?,
            _ => self.write_type(ty)?,
        }
        self.write_text(" ")?;
        if self.inst.op == Op::Call {
            let name = &self.printer.names.funcs[callee as usize];
            self.write_text(name)?;
        } else {
            self.write_value(callee)?;
        }
        self.write_args(body.words(start + 2, n))?;
        if head[1] != 0 {
            write!(self.f, " attrs {}", head[1])?;
        }
        Ok(())
    }

    /// `(type value, …)`
    fn write_args(&mut self, args: &[u32]) -> fmt::Result {
        self.write_text("(")?;
        for (at, &arg) in args.iter().enumerate() {
            self.write_text(if at == 0 { "" } else { ", " })?;
            self.write_typed(arg)?;
        }
        self.write_text(")")
    }

    /// `name type (type value, …)`
    fn write_intrinsic(&mut self) -> fmt::Result {
        let [_, start, n] = self.inst.args;
        let name = self.inst.intrinsic().map_or("?", |which| which.name());
        self.write_flags()?;
        write!(self.f, "{name}")?;
        self.write_type_after_space(self.inst.ty)?;
        self.write_text(" ")?;
        let body = self.body;
        self.write_args(body.words(start, n))
    }

    /// Operations on lanes. The result's type is not written: it follows from the operands.
    fn write_lanes(&mut self) -> fmt::Result {
        let [a, b, c] = self.inst.args;
        self.write_text(" ")?;
        self.write_typed(a)?;
        self.write_text(", ")?;
        match self.inst.op {
            Op::ExtractElement => self.write_typed(b),
            Op::InsertElement => {
                self.write_value(b)?;
                self.write_text(", ")?;
                self.write_typed(c)
            }
            _ => {
                self.write_value(b)?;
                self.write_text(", [")?;
                let types = &self.printer.module.types;
                let lanes = types.vector(self.inst.ty).map_or(0, |(_, len)| len);
                for (at, &lane) in self.body.words(c, lanes).iter().enumerate() {
                    self.f.write_str(if at == 0 { "" } else { ", " })?;
                    match lane {
                        u32::MAX => self.f.write_str("any")?,
                        _ => write!(self.f, "{lane}")?,
                    }
                }
                self.write_text("]")
            }
        }
    }

    /// Operations on aggregates: `type aggregate, …, field, field`.
    fn write_fields(&mut self) -> fmt::Result {
        let [a, b, c] = self.inst.args;
        self.write_text(" ")?;
        self.write_typed(a)?;
        let path = if self.inst.op == Op::ExtractValue {
            self.body.words(b, c)
        } else {
            self.write_text(", ")?;
            self.write_typed(b)?;
            self.body.words(c + 1, self.body.words(c, 1)[0])
        };
        path.iter()
            .try_for_each(|field| write!(self.f, ", {field}"))
    }

    /// Terminators. `ret` alone returns nothing.
    fn write_terminator(&mut self) -> fmt::Result {
        let [a, b, c] = self.inst.args;
        match self.inst.op {
            Op::Br => write!(self.f, " bb{a}"),
            Op::CondBr => {
                self.write_text(" ")?;
                self.write_value(a)?;
                write!(self.f, ", bb{b}, bb{c}")
            }
            Op::Switch => self.write_switch(),
            Op::IndirectBr => {
                self.write_text(" ")?;
                self.write_value(a)?;
                for to in self.body.words(b, c) {
                    write!(self.f, ", bb{to}")?;
                }
                Ok(())
            }
            Op::Ret if Value(a) != Value::NONE => {
                self.write_text(" ")?;
                self.write_typed(a)
            }
            _ => Ok(()),
        }
    }

    /// `type value, default, case: block, …`
    fn write_switch(&mut self) -> fmt::Result {
        let [a, start, n] = self.inst.args;
        let body = self.body;
        self.write_type_after_space(self.inst.ty)?;
        self.write_text(" ")?;
        self.write_value(a)?;
        write!(self.f, ", bb{}", body.words(start, 1)[0])?;
        for case in body.words(start + 1, n * 3).chunks_exact(3) {
            let value = u64::from(case[1]) << 32 | u64::from(case[0]);
            write!(self.f, ", {value}: bb{}", case[2])?;
        }
        Ok(())
    }
}
