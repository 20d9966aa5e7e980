//! Instructions, one by one: the dispatch, and arithmetic.
//!
//! Each method gives the value that the record defines, [`Value::NONE`] if it defines none. Types
//! are taken from operands and left for the verifier to judge: what it finds wrong is then the
//! file's fault, since a translation of well-typed code is well typed.
//!
//! Most records become one instruction, some none (a bitcast between typed pointers is its operand),
//! a few many. The numbers of flags, predicates and orderings are LLVM's on both sides where the IR
//! has the same set; where it has not, the mapping is written out.

use bitcode::{BinOp, CastOp, Inst, Predicate, flags};
use ir::facts::kind;
use ir::{Flags, Op, Type, TypeId, Value};

use super::body::BodyLoader;
use super::error::{LoadError, Result};

impl BodyLoader<'_, '_, '_> {
    /// Translates an instruction.
    ///
    /// This and what it calls for common instructions is compiled into their decoders (see
    /// [`bitcode::BodyReader::step`]), where only one of the arms remains.
    #[inline(always)]
    pub(super) fn inst(&mut self, inst: &Inst<'_>) -> Result<Value> {
        match *inst {
            Inst::Binary { .. }
            | Inst::Neg { .. }
            | Inst::Cast { .. }
            | Inst::Compare { .. }
            | Inst::Select { .. }
            | Inst::Freeze(_) => self.arithmetic(inst),
            Inst::Call {
                callee,
                ty,
                args,
                attributes,
                flags,
            } => self.call(callee, ty, args, attributes, flags),
            Inst::Other { name, .. } => Err(LoadError::unsupported(name)),
            Inst::VaArg { list, ty, .. } => {
                let (list, ty) = (self.operand_like(list, TypeId::PTR)?, self.ty(ty)?);
                self.va_arg(list, ty)
            }
            Inst::ExtractElement { .. }
            | Inst::InsertElement { .. }
            | Inst::Shuffle { .. }
            | Inst::ExtractValue { .. }
            | Inst::InsertValue { .. } => self.parts(inst),
            Inst::Ret(_)
            | Inst::Br(_)
            | Inst::CondBr { .. }
            | Inst::Switch { .. }
            | Inst::IndirectBr { .. }
            | Inst::Unreachable
            | Inst::Phi { .. } => self.control(inst),
            _ => self.memory(inst),
        }
    }

    /// What computes and neither touches memory nor control.
    #[inline(always)]
    fn arithmetic(&mut self, inst: &Inst<'_>) -> Result<Value> {
        match *inst {
            Inst::Binary {
                op,
                lhs,
                rhs,
                flags,
            } => {
                let lhs = self.operand(lhs)?;
                let rhs = self.operand_like(rhs, self.type_of(lhs))?;
                self.binary(op, lhs, rhs, flags)
            }
            Inst::Neg { value, flags } => {
                let value = self.operand(value)?;
                Ok(self.emit(
                    Op::FNeg,
                    fast_math(flags),
                    self.type_of(value),
                    [value.0, 0, 0],
                ))
            }
            Inst::Cast {
                op,
                value,
                ty,
                flags,
            } => {
                let (value, ty) = (self.operand(value)?, self.ty(ty)?);
                self.cast(op, value, ty, flags)
            }
            Inst::Compare {
                pred,
                lhs,
                rhs,
                flags,
            } => {
                let lhs = self.operand(lhs)?;
                let rhs = self.operand_like(rhs, self.type_of(lhs))?;
                self.compare(pred, lhs, rhs, flags)
            }
            Inst::Select {
                cond,
                if_true,
                if_false,
                flags,
            } => {
                let (cond, then) = (self.operand(cond)?, self.operand(if_true)?);
                let ty = self.type_of(then);
                let other = self.operand_like(if_false, ty)?;
                Ok(self.emit(
                    Op::Select,
                    self.float_flags(ty, flags),
                    ty,
                    [cond.0, then.0, other.0],
                ))
            }
            Inst::Freeze(value) => {
                let value = self.operand(value)?;
                Ok(self.emit(Op::Freeze, 0, self.type_of(value), [value.0, 0, 0]))
            }
            _ => Err(LoadError::unsupported("instruction")),
        }
    }

    /// A binary operator; the operand's type decides between integers and floats, and with it what
    /// the flag bits mean.
    pub(super) fn binary(
        &mut self,
        op: BinOp,
        lhs: Value,
        rhs: Value,
        flags: u32,
    ) -> Result<Value> {
        let ty = self.type_of(lhs);
        let types = &self.loader.module.types;
        let is_float = types.is_float(types.scalar(ty));
        let wrap = (flags & 3) as u8;
        let exact = if flags & flags::EXACT != 0 {
            Flags::EXACT
        } else {
            0
        };
        let disjoint = if flags & flags::DISJOINT != 0 {
            Flags::DISJOINT
        } else {
            0
        };
        let (op, flags) = match op {
            BinOp::Add if is_float => (Op::FAdd, fast_math(flags)),
            BinOp::Sub if is_float => (Op::FSub, fast_math(flags)),
            BinOp::Mul if is_float => (Op::FMul, fast_math(flags)),
            BinOp::SDiv if is_float => (Op::FDiv, fast_math(flags)),
            BinOp::SRem if is_float => (Op::FRem, fast_math(flags)),
            BinOp::Add => (Op::Add, wrap),
            BinOp::Sub => (Op::Sub, wrap),
            BinOp::Mul => (Op::Mul, wrap),
            BinOp::Shl => (Op::Shl, wrap),
            BinOp::UDiv => (Op::UDiv, exact),
            BinOp::SDiv => (Op::SDiv, exact),
            BinOp::LShr => (Op::LShr, exact),
            BinOp::AShr => (Op::AShr, exact),
            BinOp::URem => (Op::URem, 0),
            BinOp::SRem => (Op::SRem, 0),
            BinOp::And => (Op::And, 0),
            BinOp::Or => (Op::Or, disjoint),
            BinOp::Xor => (Op::Xor, 0),
        };
        Ok(self.emit(op, flags, ty, [lhs.0, rhs.0, 0]))
    }

    /// A conversion.
    pub(super) fn cast(
        &mut self,
        op: CastOp,
        value: Value,
        ty: TypeId,
        flags: u32,
    ) -> Result<Value> {
        // Between typed pointers, and what else is the same type here.
        if op == CastOp::BitCast && self.type_of(value) == ty {
            return Ok(value);
        }
        let nneg = if flags & flags::NNEG != 0 {
            Flags::NNEG
        } else {
            0
        };
        let (op, flags) = match op {
            CastOp::Trunc => (Op::Trunc, (flags & 3) as u8),
            CastOp::ZExt => (Op::ZExt, nneg),
            CastOp::SExt => (Op::SExt, 0),
            CastOp::FpToUi => (Op::FpToUi, 0),
            CastOp::FpToSi => (Op::FpToSi, 0),
            CastOp::UiToFp => (Op::UiToFp, nneg),
            CastOp::SiToFp => (Op::SiToFp, 0),
            CastOp::FpTrunc => (Op::FpTrunc, fast_math(flags)),
            CastOp::FpExt => (Op::FpExt, fast_math(flags)),
            CastOp::PtrToInt | CastOp::PtrToAddr => (Op::PtrToInt, 0),
            CastOp::IntToPtr => (Op::IntToPtr, 0),
            CastOp::BitCast => (Op::Bitcast, 0),
            CastOp::AddrSpaceCast => {
                return Err(LoadError::unsupported("addrspacecast instruction"));
            }
        };
        Ok(self.emit(op, flags, ty, [value.0, 0, 0]))
    }

    /// A comparison of numbers or addresses, lane by lane for vectors.
    pub(super) fn compare(
        &mut self,
        pred: Predicate,
        lhs: Value,
        rhs: Value,
        flags: u32,
    ) -> Result<Value> {
        let vector = self.loader.module.types.vector(self.type_of(lhs));
        let ty = match vector {
            Some((_, len)) => self.intern(Type::Vector {
                elem: TypeId::I1,
                len,
            })?,
            None => TypeId::I1,
        };
        // Both enumerations are numbered like the IR's predicates.
        let number = pred as u8;
        Ok(if pred.is_int() {
            let number = number.wrapping_sub(Predicate::IcmpEq as u8);
            let value = self.emit(Op::ICmp, number, ty, [lhs.0, rhs.0, 0]);
            if flags & flags::SAMESIGN != 0 {
                self.note_last(kind::SAMESIGN, 0);
            }
            value
        } else {
            self.emit(
                Op::FCmp,
                number,
                ty,
                [lhs.0, rhs.0, u32::from(fast_math(flags))],
            )
        })
    }

    /// Fast-math bits where the type has a use for them.
    pub(super) fn float_flags(&self, ty: TypeId, flags: u32) -> u8 {
        let types = &self.loader.module.types;
        if types.is_float(types.scalar(ty)) {
            fast_math(flags)
        } else {
            0
        }
    }
}

/// Fast-math bits of the file as bits of [`Flags`]; they differ in where `reassoc` is.
pub(super) fn fast_math(bits: u32) -> u8 {
    if bits & flags::FAST != 0 {
        return 0x7F;
    }
    let reassoc = if bits & flags::REASSOC != 0 {
        Flags::REASSOC
    } else {
        0
    };
    (bits & 0x7E) as u8 | reassoc
}
