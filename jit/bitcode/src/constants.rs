//! Constants: those of the module and those of one function.
//!
//! A constant is a 24-byte entry; lists and bytes lie in pools. Operands are absolute value ids and
//! may refer forward, also to themselves: who evaluates constants walks them with a bound, and the
//! reader follows none. Data of arrays and vectors is stored as the bytes that memory will hold.
//!
//! A block of constants is a list of records under a current type, which SETTYPE changes; each other
//! record is the next value. What a record's operands mean depends on that type, so it is checked
//! here that they go together: everything after may rely on a number being of a numeric type.

use alloc::vec::Vec;
use core::ops::Range;

use crate::error::{Error, Result};
use crate::inst::ValueId;
use crate::limits;
use crate::opcode::{BinOp, CastOp, Predicate};
use crate::operands::{Operands, unrotate};
use crate::stream::{BlockHead, Entry, Stream};
use crate::types::{Type, TypeId, Types};

/// A constant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Constant {
    /// Its type.
    pub ty: TypeId,
    /// Its value.
    pub kind: ConstantKind,
}

/// A range of one of the pools of [`Constants`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    start: u32,
    end: u32,
}

impl Span {
    #[inline]
    fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// The value of a constant. Fields named after what LLVM calls them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "operands are named as in LLVM's language reference"
)]
pub enum ConstantKind {
    /// All zero bits.
    Null,
    Undef,
    Poison,
    /// Integer of at most 64 bits, sign-extended.
    Int(i64),
    /// Wider integer: words, least significant first ([`Constants::words`]).
    WideInt(Span),
    /// Bits of a half, float or double.
    Float(u64),
    /// Bits of a wider number: words, least significant first ([`Constants::words`]).
    WideFloat(Span),
    /// Elements or fields: value ids ([`Constants::ids`]).
    Aggregate(Span),
    /// Elements of an array or vector as they lie in memory ([`Constants::bytes`]).
    Data(Span),
    Binary {
        op: BinOp,
        lhs: ValueId,
        rhs: ValueId,
    },
    Neg(ValueId),
    Cast {
        op: CastOp,
        from: TypeId,
        value: ValueId,
    },
    /// Base and indices: pairs of type id and value id ([`Constants::pairs`]).
    Gep {
        element: Option<TypeId>,
        inbounds: bool,
        operands: Span,
    },
    /// Condition, value if set, value if not ([`Constants::ids`]).
    Select(Span),
    ExtractElement {
        vector: ValueId,
        index: ValueId,
    },
    /// Vector, element, index ([`Constants::ids`]).
    InsertElement(Span),
    /// Two vectors and the mask ([`Constants::ids`]).
    Shuffle(Span),
    Compare {
        pred: Predicate,
        operand_type: TypeId,
        operands: Span,
    },
    BlockAddress {
        function: ValueId,
        block: u32,
    },
    /// Text and constraints: bytes separated by a NUL ([`Constants::bytes`]).
    InlineAsm(Span),
    /// Something that no C program contains: its name.
    Other(&'static str),
}

/// Constants with consecutive value ids.
#[derive(Clone, Debug, Default)]
pub struct Constants {
    first: u32,
    list: Vec<Constant>,
    ids: Vec<u32>,
    words: Vec<u64>,
    bytes: Vec<u8>,
}

impl Constants {
    /// Value id of the first constant.
    pub fn first(&self) -> ValueId {
        ValueId(self.first)
    }

    /// Number of constants.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// All constants, in the order of their value ids.
    pub fn iter(&self) -> impl Iterator<Item = &Constant> {
        self.list.iter()
    }

    /// The constant with this value id.
    #[inline]
    pub fn get(&self, id: ValueId) -> Option<&Constant> {
        self.list.get(id.0.checked_sub(self.first)? as usize)
    }

    /// Value ids of a span.
    pub fn ids(&self, span: Span) -> impl ExactSizeIterator<Item = ValueId> {
        self.ids
            .get(span.range())
            .unwrap_or(&[])
            .iter()
            .map(|id| ValueId(*id))
    }

    /// The value id at one place of a span.
    pub fn id_at(&self, span: Span, index: usize) -> Option<ValueId> {
        self.ids
            .get(span.range())?
            .get(index)
            .map(|id| ValueId(*id))
    }

    /// Typed value ids of a span.
    pub fn pairs(&self, span: Span) -> impl ExactSizeIterator<Item = (TypeId, ValueId)> {
        let (pairs, _) = self.ids.get(span.range()).unwrap_or(&[]).as_chunks::<2>();
        pairs.iter().map(|[ty, id]| (TypeId(*ty), ValueId(*id)))
    }

    /// Words of a span.
    pub fn words(&self, span: Span) -> &[u64] {
        self.words.get(span.range()).unwrap_or(&[])
    }

    /// Bytes of a span.
    pub fn bytes(&self, span: Span) -> &[u8] {
        self.bytes.get(span.range()).unwrap_or(&[])
    }

    /// Forgets everything; the next constant gets value id `first`.
    pub(crate) fn reset(&mut self, first: u32) {
        self.first = first;
        self.list.clear();
        self.ids.clear();
        self.words.clear();
        self.bytes.clear();
    }

    /// Reads a CONSTANTS block that was just found.
    pub(crate) fn read(
        &mut self,
        stream: &mut Stream<'_>,
        head: &BlockHead,
        types: &Types,
    ) -> Result<()> {
        stream.enter(head)?;
        // Before the first SETTYPE the type is i32; every writer sets one, so a table without an
        // i32 gives a type that no constant record accepts.
        let mut ty = types.int32().unwrap_or(TypeId(u32::MAX));
        loop {
            match stream.next_inlined()? {
                Entry::End => return Ok(()),
                Entry::Block(inner) => stream.skip(&inner),
                Entry::Record(1) => {
                    ty = Operands::new(stream.ops(), stream.bit()).next_type(types.len())?;
                    if matches!(
                        types.get(ty),
                        Type::Void | Type::Function { .. } | Type::Label
                    ) {
                        return Err(Error::malformed(
                            stream.bit(),
                            "constant of a type without values",
                        ));
                    }
                }
                Entry::Record(_) if self.list.len() >= limits::CONSTANTS => {
                    return Err(Error::limit(stream.bit(), "number of constants"));
                }
                Entry::Record(code) => {
                    let mut ops = Operands::new(stream.ops(), stream.bit());
                    let kind = self.kind(code, &mut ops, ty, types)?;
                    self.list.push(Constant { ty, kind });
                }
            }
        }
    }

    /// Reads one record of type `ty` (`bitc::ConstantsCodes`). An unknown code is refused: LLVM makes it
    /// `undef`, which would compile a newer compiler's constant to a wrong number without a word.
    fn kind(
        &mut self,
        code: u32,
        ops: &mut Operands<'_>,
        ty: TypeId,
        types: &Types,
    ) -> Result<ConstantKind> {
        Ok(match code {
            2 => ConstantKind::Null,
            3 => ConstantKind::Undef,
            26 => ConstantKind::Poison,
            4 => self.int(ops.next()?, ops, types.get(ty))?,
            5 => self.wide_int(ops, types.get(ty))?,
            6 => self.float(ops, types.get(ty))?,
            7 => ConstantKind::Aggregate(self.push_ids(ops, ops.len())?),
            8 | 9 | 22 => self.data(code, ops, types.get(ty), types)?,
            18 | 23 | 28 | 30 => self.inline_asm(code, ops)?,
            21 => {
                let _function_type = ops.next_type(types.len())?;
                ConstantKind::BlockAddress {
                    function: ValueId(ops.next_u32()?),
                    block: ops.next_u32()?,
                }
            }
            27 => ConstantKind::Other("dso_local_equivalent constant"),
            29 => ConstantKind::Other("no_cfi constant"),
            33 | 34 => ConstantKind::Other("ptrauth constant"),
            _ => self.expression(code, ops, types)?,
        })
    }

    /// [number], sign-rotated. Wider types use it too, when the number fits.
    fn int(&self, stored: u64, ops: &Operands<'_>, ty: &Type) -> Result<ConstantKind> {
        match ty {
            Type::Integer(_) => Ok(ConstantKind::Int(unrotate(stored))),
            _ => Err(ops.malformed("integer constant of another type")),
        }
    }

    /// [word…], each sign-rotated on its own, least significant first.
    fn wide_int(&mut self, ops: &mut Operands<'_>, ty: &Type) -> Result<ConstantKind> {
        match ty {
            Type::Integer(bits) if ops.len() <= bits.div_ceil(64) as usize => {
                let start = self.words.len();
                self.words.extend(
                    ops.rest()
                        .iter()
                        .map(|word| unrotate(*word).cast_unsigned()),
                );
                Ok(ConstantKind::WideInt(span(start, self.words.len(), ops)?))
            }
            _ => Err(ops.malformed("wide integer constant of another type")),
        }
    }

    /// [bits], or two words for the formats above 64 bits.
    fn float(&mut self, ops: &mut Operands<'_>, ty: &Type) -> Result<ConstantKind> {
        let first = ops.next()?;
        let words = match ty {
            Type::Half | Type::BFloat | Type::Float | Type::Double => {
                return Ok(ConstantKind::Float(first));
            }
            Type::Fp128 | Type::PpcFp128 => [first, ops.next()?],
            // Stored as the high 64 bits and the low 16; wanted as an 80-bit number.
            Type::X86Fp80 => [first << 16 | ops.next()? & 0xFFFF, first >> 48],
            _ => return Err(ops.malformed("floating-point constant of another type")),
        };
        let start = self.words.len();
        self.words.extend(words);
        Ok(ConstantKind::WideFloat(span(start, self.words.len(), ops)?))
    }

    /// STRING, CSTRING and DATA: elements as they lie in memory.
    fn data(
        &mut self,
        code: u32,
        ops: &mut Operands<'_>,
        ty: &Type,
        types: &Types,
    ) -> Result<ConstantKind> {
        let (element, declared) = match ty {
            Type::Array { element, len } => (types.get(*element), *len),
            Type::Vector { element, lanes, .. } => (types.get(*element), u64::from(*lanes)),
            _ => return Err(ops.malformed("data constant of another type")),
        };
        let stored = (ops.len() as u64).saturating_add(u64::from(code == 9));
        if stored != declared {
            return Err(ops.malformed("data constant of another length than its type"));
        }
        let start = self.bytes.len();
        let elements = ops.rest().iter();
        match element {
            Type::Integer(8) => self.bytes.extend(elements.map(|e| e.to_le_bytes()[0])),
            _ if code != 22 => return Err(ops.malformed("string constant of another type")),
            Type::Integer(16) | Type::Half | Type::BFloat => self.extend::<2>(elements),
            Type::Integer(32) | Type::Float => self.extend::<4>(elements),
            Type::Integer(64) | Type::Double => self.extend::<8>(elements),
            _ => return Err(ops.malformed("data constant of another type")),
        }
        if code == 9 {
            self.bytes.push(0);
        }
        Ok(ConstantKind::Data(span(start, self.bytes.len(), ops)?))
    }

    /// Appends the low `BYTES` bytes of each element.
    fn extend<const BYTES: usize>(&mut self, elements: core::slice::Iter<'_, u64>) {
        for element in elements {
            let bytes = element.to_le_bytes();
            self.bytes.extend_from_slice(
                bytes
                    .first_chunk::<BYTES>()
                    .map_or(&[], |low| low.as_slice()),
            );
        }
    }

    /// [function type in the newest form, flags, length, text…, length, constraints…]
    fn inline_asm(&mut self, code: u32, ops: &mut Operands<'_>) -> Result<ConstantKind> {
        if code == 30 {
            ops.next()?;
        }
        let _flags = ops.next()?;
        let start = self.bytes.len();
        for separator in [Some(0), None] {
            for _ in 0..ops.next()? {
                let byte = u8::try_from(ops.next()?);
                self.bytes
                    .push(byte.map_err(|_| ops.malformed("character of inline assembly"))?);
            }
            self.bytes.extend(separator);
        }
        Ok(ConstantKind::InlineAsm(span(start, self.bytes.len(), ops)?))
    }

    /// Constant expressions: an operator, then value ids, types where the operator does not imply them.
    fn expression(
        &mut self,
        code: u32,
        ops: &mut Operands<'_>,
        types: &Types,
    ) -> Result<ConstantKind> {
        let count = types.len();
        Ok(match code {
            10 => ConstantKind::Binary {
                op: BinOp::from_code(ops.next()?)
                    .ok_or_else(|| ops.malformed("binary operator"))?,
                lhs: ValueId(ops.next_u32()?),
                rhs: ValueId(ops.next_u32()?),
            },
            11 => ConstantKind::Cast {
                op: CastOp::from_code(ops.next()?).ok_or_else(|| ops.malformed("cast operator"))?,
                from: ops.next_type(count)?,
                value: ValueId(ops.next_u32()?),
            },
            12 | 20 | 24 | 31 | 32 => self.gep(code, ops, count)?,
            13 => ConstantKind::Select(self.push_ids(ops, 3)?),
            14 => {
                let _vector_type = ops.next_type(count)?;
                let vector = ValueId(ops.next_u32()?);
                ConstantKind::ExtractElement {
                    vector,
                    index: last_id(ops)?,
                }
            }
            15 => {
                let start = self.ids.len();
                self.push_ids(ops, 2)?;
                let index = last_id(ops)?;
                self.ids.push(index.0);
                ConstantKind::InsertElement(span(start, self.ids.len(), ops)?)
            }
            16 => ConstantKind::Shuffle(self.push_ids(ops, 3)?),
            19 => {
                let _vector_type = ops.next_type(count)?;
                ConstantKind::Shuffle(self.push_ids(ops, 3)?)
            }
            17 => {
                let operand_type = ops.next_type(count)?;
                let operands = self.push_ids(ops, 2)?;
                let pred = Predicate::from_code(ops.next()?);
                let pred = pred.ok_or_else(|| ops.malformed("predicate"))?;
                ConstantKind::Compare {
                    pred,
                    operand_type,
                    operands,
                }
            }
            25 => {
                let _op = ops.next()?;
                ConstantKind::Neg(ValueId(ops.next_u32()?))
            }
            _ => return Err(ops.unsupported(&alloc::format!("constant record {code}"))),
        })
    }

    /// The five ways in which releases have written a constant getelementptr.
    fn gep(&mut self, code: u32, ops: &mut Operands<'_>, types: usize) -> Result<ConstantKind> {
        let typed = matches!(code, 24 | 31 | 32) || ops.len() & 1 == 1;
        let element = if typed {
            Some(ops.next_type(types)?)
        } else {
            None
        };
        let inbounds = match code {
            12 => false,
            20 => true,
            _ => ops.next()? & 1 != 0,
        };
        if code == 31 {
            skip_range(ops)?;
        }
        if ops.is_empty() || ops.len() & 1 == 1 {
            return Err(ops.malformed("getelementptr constant without an index"));
        }
        let start = self.ids.len();
        while !ops.is_empty() {
            self.ids.push(ops.next_type(types)?.0);
            self.ids.push(ops.next_u32()?);
        }
        Ok(ConstantKind::Gep {
            element,
            inbounds,
            operands: span(start, self.ids.len(), ops)?,
        })
    }

    /// The next `count` operands as value ids.
    fn push_ids(&mut self, ops: &mut Operands<'_>, count: usize) -> Result<Span> {
        let start = self.ids.len();
        for _ in 0..count {
            self.ids.push(ops.next_u32()?);
        }
        span(start, self.ids.len(), ops)
    }
}

/// An index operand: a value id, after its type in newer files.
fn last_id(ops: &mut Operands<'_>) -> Result<ValueId> {
    if ops.len() > 1 {
        ops.next()?;
    }
    Ok(ValueId(ops.next_u32()?))
}

/// Passes over the `inrange` bounds of a getelementptr: width, then two numbers.
fn skip_range(ops: &mut Operands<'_>) -> Result<()> {
    let width = ops.next()?;
    let words = if width <= 64 {
        2
    } else {
        let counts = ops.next()?;
        (counts & 0xFFFF_FFFF).saturating_add(counts >> 32)
    };
    for _ in 0..words {
        ops.next()?;
    }
    Ok(())
}

/// A range of a pool. The bound is out of reach of any file that is not refused for its size.
fn span(start: usize, end: usize, ops: &Operands<'_>) -> Result<Span> {
    match (u32::try_from(start), u32::try_from(end)) {
        (Ok(start), Ok(end)) => Ok(Span { start, end }),
        _ => Err(Error::limit(ops.bit(), "size of all constants")),
    }
}
