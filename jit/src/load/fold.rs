//! What a constant is: a number, an address, or something that takes an instruction to compute.
//!
//! Constant expressions form a graph with sharing, and a damaged file can make it cyclic. So it is
//! walked with an explicit stack of bounded depth, each node's result is remembered ([`Memo`]), and
//! a cycle shows as a stack that is too deep. Time is linear in the number of operands.
//!
//! Addresses are `symbol - symbol + number` in 32 bits, which is what a relocation can express.

use alloc::vec::Vec;

use bitcode::{BinOp, CastOp, ConstantKind, Constants, Type, TypeId, ValueId};
use ir::RelocTarget;

use super::error::{LoadError, Result};
use super::gep::TypeWalk;
use super::module::{Loader, Symbol};

/// Deepest nesting of constant expressions.
const MAX_DEPTH: usize = 64;

/// A scalar constant, evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Folded {
    /// Integer of at most 64 bits, zero-extended.
    Int(u64),
    /// Address, or an integer made from one.
    Address {
        /// Symbol whose address is added.
        plus: Option<RelocTarget>,
        /// Symbol whose address is subtracted.
        minus: Option<RelocTarget>,
        /// Bytes added, wrapping.
        add: u32,
    },
    /// Anything else: data, aggregates, floats, and expressions that need instructions.
    Opaque,
}

impl Folded {
    const NULL: Self = Self::number(0);

    /// An absolute address.
    const fn number(add: u32) -> Self {
        Self::Address {
            plus: None,
            minus: None,
            add,
        }
    }
}

/// Results by value id: those of the module for good, those of a function until the next one.
#[derive(Debug, Default)]
pub(super) struct Memo {
    known: Vec<Option<Folded>>,
}

impl Memo {
    /// What is known of a value.
    fn get(&self, id: ValueId) -> Option<Folded> {
        self.known.get(id.0 as usize).copied().flatten()
    }

    /// Remembers what a value is.
    fn set(&mut self, id: ValueId, folded: Folded) {
        let index = id.0 as usize;
        if self.known.len() <= index {
            self.known.resize(index.saturating_add(1), None);
        }
        if let Some(slot) = self.known.get_mut(index) {
            *slot = Some(folded);
        }
    }

    /// Forgets what is local to a function.
    pub(super) fn truncate(&mut self, first_local: u32) {
        self.known.truncate(first_local as usize);
    }
}

/// Outcome of one look at a constant.
enum Step {
    Done(Folded),
    Needs(ValueId),
}

/// Looks at an operand, and leaves to evaluate it first if that was not done yet.
macro_rules! operand {
    ($loader:expr, $id:expr) => {
        match $loader.memo.get($id) {
            Some(folded) => folded,
            None => return Ok(Step::Needs($id)),
        }
    };
}

impl<'m> Loader<'m, '_> {
    /// The constant with this value id: the module's, or one of `local`.
    pub(super) fn constant<'c>(
        &self,
        id: ValueId,
        local: Option<&'c Constants>,
    ) -> Option<&'c bitcode::Constant>
    where
        'm: 'c,
    {
        let source: &'m bitcode::Module<'_> = self.source;
        source.constants().get(id).or_else(|| local?.get(id))
    }

    /// The pools that the lists of that constant lie in.
    pub(super) fn pools<'c>(&self, id: ValueId, local: Option<&'c Constants>) -> &'c Constants
    where
        'm: 'c,
    {
        let own: &'m Constants = self.source.constants();
        local.filter(|_| own.get(id).is_none()).unwrap_or(own)
    }

    /// Evaluates a constant or a symbol.
    pub(super) fn fold(&mut self, root: ValueId, local: Option<&Constants>) -> Result<Folded> {
        if let Some(folded) = self.memo.get(root) {
            return Ok(folded);
        }
        // Nearly all are numbers and symbols, and need no stack.
        if let Step::Done(folded) = self.step(root, local)? {
            self.memo.set(root, folded);
            return Ok(folded);
        }
        let mut stack = alloc::vec![root];
        let mut result = Folded::Opaque;
        while let Some(&id) = stack.last() {
            match self.step(id, local)? {
                Step::Done(folded) => {
                    self.memo.set(id, folded);
                    result = folded;
                    stack.pop();
                }
                Step::Needs(_) if stack.len() >= MAX_DEPTH => {
                    return Err(LoadError::limit("depth of a constant expression"));
                }
                Step::Needs(operand) => stack.push(operand),
            }
        }
        Ok(result)
    }

    /// Evaluates a constant whose operands are known, or names one that is not.
    ///
    /// Operands are looked at again after each that had to be evaluated. That stays linear: a constant
    /// has at most three, and a getelementptr is refused when it is deeper than types nest.
    fn step(&self, id: ValueId, local: Option<&Constants>) -> Result<Step> {
        if let Some(&symbol) = self.symbols.get(id.0 as usize) {
            return Ok(match symbol {
                Symbol::Alias(target) => Step::Done(operand!(self, target)),
                _ => Step::Done(Folded::Address {
                    plus: Self::symbol_target(symbol),
                    minus: None,
                    add: 0,
                }),
            });
        }
        let Some(constant) = self.constant(id, local) else {
            return Err(LoadError::malformed("constant made of what is not one"));
        };
        let ty = self.source.types().get(constant.ty);
        let pools = self.pools(id, local);
        Ok(Step::Done(match constant.kind {
            ConstantKind::Null | ConstantKind::Undef | ConstantKind::Poison => match ty {
                Type::Integer(bits) if *bits <= 64 => Folded::Int(0),
                Type::Pointer { .. } => Folded::NULL,
                _ => Folded::Opaque,
            },
            ConstantKind::Int(value) => match ty {
                Type::Integer(bits) if *bits <= 64 => {
                    Folded::Int(zero_extend(value.cast_unsigned(), *bits))
                }
                _ => Folded::Opaque,
            },
            ConstantKind::Cast { op, from, value } => {
                cast(op, operand!(self, value), self.source.types().get(from), ty)
            }
            ConstantKind::Binary { op, lhs, rhs } => {
                let (lhs, rhs) = (operand!(self, lhs), operand!(self, rhs));
                binary(op, lhs, rhs, ty)
            }
            ConstantKind::Select(span) => {
                let mut ids = pools.ids(span);
                let (cond, if_true, if_false) = (ids.next(), ids.next(), ids.next());
                let Some(((cond, if_true), if_false)) = cond.zip(if_true).zip(if_false) else {
                    return Err(LoadError::malformed("select constant without operands"));
                };
                match operand!(self, cond) {
                    Folded::Int(0) => operand!(self, if_false),
                    Folded::Int(_) => operand!(self, if_true),
                    _ => Folded::Opaque,
                }
            }
            ConstantKind::Gep {
                element, operands, ..
            } => {
                let element = match element {
                    Some(element) => element,
                    None => self.pointee_of_base(pools.pairs(operands).next())?,
                };
                return self.gep(element, pools.pairs(operands));
            }
            // See `control`: such an address is a number.
            ConstantKind::BlockAddress { block, .. } => Folded::number(block),
            _ => Folded::Opaque,
        }))
    }

    /// What the base of a getelementptr points to, where the file leaves that to typed pointers.
    pub(super) fn pointee_of_base(&self, base: Option<(TypeId, ValueId)>) -> Result<TypeId> {
        match base.map(|(ty, _)| self.source.types().get(ty)) {
            Some(Type::Pointer {
                pointee: Some(pointee),
                ..
            }) => Ok(*pointee),
            _ => Err(LoadError::malformed(
                "getelementptr constant without a type",
            )),
        }
    }

    /// An address plus constant indices.
    fn gep(
        &self,
        element: TypeId,
        operands: impl Iterator<Item = (TypeId, ValueId)>,
    ) -> Result<Step> {
        let mut operands = operands;
        let Some((_, base)) = operands.next() else {
            return Err(LoadError::malformed(
                "getelementptr constant without a base",
            ));
        };
        let Folded::Address {
            plus,
            minus,
            mut add,
        } = operand!(self, base)
        else {
            return Ok(Step::Done(Folded::Opaque));
        };
        let mut walk = TypeWalk::new(element);
        for (ty, index) in operands {
            let Folded::Int(value) = operand!(self, index) else {
                return Ok(Step::Done(Folded::Opaque));
            };
            let Type::Integer(bits) = self.source.types().get(ty) else {
                return Ok(Step::Done(Folded::Opaque));
            };
            let step = walk.step(self, Some(sign_extend(value, *bits)))?;
            add = add.wrapping_add(step.bytes);
        }
        Ok(Step::Done(Folded::Address { plus, minus, add }))
    }
}

/// The low `bits` bits.
pub(super) fn zero_extend(value: u64, bits: u32) -> u64 {
    match bits {
        0..=63 => value & !(u64::MAX << bits),
        _ => value,
    }
}

/// The low `bits` bits as a signed number.
pub(super) fn sign_extend(value: u64, bits: u32) -> i64 {
    let unused = 64u32.saturating_sub(bits).min(63);
    (value << unused).cast_signed() >> unused
}

/// Conversions keep an address an address as long as all its 32 bits are kept.
fn cast(op: CastOp, value: Folded, from: &Type, to: &Type) -> Folded {
    let bits = |ty: &Type| match ty {
        Type::Integer(bits) => Some(*bits),
        _ => None,
    };
    match (op, value, bits(from), bits(to)) {
        (CastOp::BitCast, Folded::Address { .. }, None, None) => value,
        (CastOp::IntToPtr, Folded::Int(number), ..) => {
            Folded::number((number & 0xFFFF_FFFF) as u32)
        }
        (CastOp::IntToPtr, Folded::Address { .. }, Some(32..), _) => value,
        (
            CastOp::PtrToInt | CastOp::PtrToAddr,
            Folded::Address {
                plus: None,
                minus: None,
                add,
            },
            _,
            Some(to),
        ) => {
            if to <= 64 {
                Folded::Int(zero_extend(u64::from(add), to))
            } else {
                Folded::Opaque
            }
        }
        (CastOp::PtrToInt | CastOp::PtrToAddr, Folded::Address { .. }, _, Some(32 | 64)) => value,
        (CastOp::Trunc | CastOp::ZExt, Folded::Address { .. }, Some(32 | 64), Some(32 | 64)) => {
            value
        }
        (CastOp::Trunc | CastOp::ZExt, Folded::Int(number), _, Some(to)) if to <= 64 => {
            Folded::Int(zero_extend(number, to))
        }
        (CastOp::SExt, Folded::Int(number), Some(from), Some(to)) if to <= 64 => {
            Folded::Int(zero_extend(sign_extend(number, from).cast_unsigned(), to))
        }
        _ => Folded::Opaque,
    }
}

/// Sums and differences of addresses stay addresses; everything else needs two numbers.
fn binary(op: BinOp, lhs: Folded, rhs: Folded, ty: &Type) -> Folded {
    let Type::Integer(bits @ 1..=64) = *ty else {
        return Folded::Opaque;
    };
    let low = |number: u64| (number & 0xFFFF_FFFF) as u32;
    match (op, lhs, rhs) {
        (_, Folded::Int(a), Folded::Int(b)) => integer(op, a, b, bits),
        (BinOp::Add, Folded::Address { plus, minus, add }, Folded::Int(number))
        | (BinOp::Add, Folded::Int(number), Folded::Address { plus, minus, add })
            if bits >= 32 =>
        {
            Folded::Address {
                plus,
                minus,
                add: add.wrapping_add(low(number)),
            }
        }
        (BinOp::Sub, Folded::Address { plus, minus, add }, Folded::Int(number)) if bits >= 32 => {
            Folded::Address {
                plus,
                minus,
                add: add.wrapping_sub(low(number)),
            }
        }
        (
            BinOp::Sub,
            Folded::Address {
                plus: a,
                minus: None,
                add,
            },
            Folded::Address {
                plus: b,
                minus: None,
                add: less,
            },
        ) if bits >= 32 => {
            let add = add.wrapping_sub(less);
            if a == b {
                // Both ends lie in one object, so the distance is a signed 32-bit number.
                let distance = i64::from(add.cast_signed()).cast_unsigned();
                return Folded::Int(zero_extend(distance, bits));
            }
            Folded::Address {
                plus: a,
                minus: b,
                add,
            }
        }
        _ => Folded::Opaque,
    }
}

/// Arithmetic on integers of at most 64 bits, as the instructions do it.
fn integer(op: BinOp, a: u64, b: u64, bits: u32) -> Folded {
    // Amounts are taken modulo the width, as everywhere; a width is never 0 here.
    let amount = (b & 0xFF) as u32 % bits.max(1);
    let result = match op {
        BinOp::Add => a.wrapping_add(b),
        BinOp::Sub => a.wrapping_sub(b),
        BinOp::Mul => a.wrapping_mul(b),
        BinOp::And => a & b,
        BinOp::Or => a | b,
        BinOp::Xor => a ^ b,
        BinOp::Shl => a << amount,
        BinOp::LShr => a >> amount,
        BinOp::AShr => (sign_extend(a, bits) >> amount).cast_unsigned(),
        // Divisions may fault: that is for the instruction to do.
        BinOp::UDiv | BinOp::SDiv | BinOp::URem | BinOp::SRem => return Folded::Opaque,
    };
    Folded::Int(zero_extend(result, bits))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ir::{FuncId, GlobalId};

    const I8: Type = Type::Integer(8);
    const I32: Type = Type::Integer(32);
    const I64: Type = Type::Integer(64);
    const PTR: Type = Type::Pointer {
        space: 0,
        pointee: None,
    };

    fn address(global: u32, add: u32) -> Folded {
        Folded::Address {
            plus: Some(RelocTarget::Global(GlobalId(global))),
            minus: None,
            add,
        }
    }

    #[test]
    fn integers_wrap_in_their_width() {
        for (op, a, b, expected) in [
            (BinOp::Add, 200, 100, 44),
            (BinOp::Sub, 1, 2, 255),
            (BinOp::Mul, 16, 17, 16),
            (BinOp::Shl, 0x81, 1, 2),
            (BinOp::LShr, 0x81, 1, 0x40),
            (BinOp::AShr, 0x81, 1, 0xC0),
            (BinOp::Shl, 1, 9, 2),
        ] {
            assert_eq!(
                binary(op, Folded::Int(a), Folded::Int(b), &I8),
                Folded::Int(expected),
                "{op:?}"
            );
        }
        assert_eq!(
            binary(BinOp::UDiv, Folded::Int(1), Folded::Int(0), &I8),
            Folded::Opaque,
            "faults at run time"
        );
    }

    #[test]
    fn addresses_move_and_subtract() {
        assert_eq!(
            binary(BinOp::Add, address(1, 4), Folded::Int(0xFFFF_FFFF), &I32),
            address(1, 3)
        );
        assert_eq!(
            binary(BinOp::Add, Folded::Int(8), address(1, 4), &I32),
            address(1, 12)
        );
        assert_eq!(
            binary(BinOp::Sub, address(1, 4), address(1, 12), &I32),
            Folded::Int(0xFFFF_FFF8)
        );
        assert_eq!(
            binary(BinOp::Sub, address(1, 4), address(1, 12), &I64),
            Folded::Int(8u64.wrapping_neg())
        );
        let (plus, minus) = (
            Some(RelocTarget::Global(GlobalId(1))),
            Some(RelocTarget::Global(GlobalId(2))),
        );
        let difference = Folded::Address {
            plus,
            minus,
            add: 3,
        };
        assert_eq!(
            binary(BinOp::Sub, address(1, 4), address(2, 1), &I32),
            difference
        );
        assert_eq!(
            binary(BinOp::Sub, difference, address(2, 1), &I32),
            Folded::Opaque,
            "one subtraction at most"
        );
        assert_eq!(
            binary(BinOp::Mul, address(1, 0), Folded::Int(2), &I32),
            Folded::Opaque
        );
        assert_eq!(
            binary(BinOp::Add, address(1, 0), Folded::Int(2), &I8),
            Folded::Opaque
        );
    }

    #[test]
    fn conversions_keep_an_address_while_all_its_bits_are_kept() {
        let function = Folded::Address {
            plus: Some(RelocTarget::Func(FuncId(3))),
            minus: None,
            add: 0,
        };
        assert_eq!(cast(CastOp::PtrToInt, function, &PTR, &I64), function);
        assert_eq!(cast(CastOp::Trunc, function, &I64, &I32), function);
        assert_eq!(cast(CastOp::IntToPtr, function, &I32, &PTR), function);
        assert_eq!(cast(CastOp::PtrToInt, function, &PTR, &I8), Folded::Opaque);
        assert_eq!(cast(CastOp::Trunc, function, &I32, &I8), Folded::Opaque);
        assert_eq!(
            cast(CastOp::PtrToInt, Folded::number(0x1234), &PTR, &I8),
            Folded::Int(0x34)
        );
        assert_eq!(
            cast(CastOp::SExt, Folded::Int(0x80), &I8, &I32),
            Folded::Int(0xFFFF_FF80)
        );
        assert_eq!(
            cast(CastOp::ZExt, Folded::Int(0x80), &I8, &I32),
            Folded::Int(0x80)
        );
        assert_eq!(
            cast(CastOp::IntToPtr, Folded::Int(u64::MAX), &I64, &PTR),
            Folded::number(u32::MAX)
        );
    }
}
