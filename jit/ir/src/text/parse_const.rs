//! Constants: what an operand that is not `%name` can be, given its type.
//!
//! The type decides what a number means, so `1` is an integer, an address or an error, and
//! `0x3c00` the bits of a half. Numbers must fit their type: `i8 255` and `i8 -1` are the same
//! constant, `i8 256` is refused rather than cut. That a list has as many elements as its type is
//! left to the verifier, which has a test for it.

use super::lex::Tok;
use super::parse::Parse;
use super::parse_body::BodyParser;
use crate::body::{ConstKind, Value};
use crate::module::RelocTarget;
use crate::types::{Type, TypeId};
use alloc::vec::Vec;

impl BodyParser<'_, '_> {
    /// A constant of type `ty`.
    pub(super) fn constant(&mut self, ty: TypeId, depth: u32) -> Parse<Value> {
        if depth > super::MAX_NESTING {
            return self.parser.fail("constants nest too deep");
        }
        let kind = match self.parser.peek() {
            Tok::Word("zero") => self.word(ConstKind::Zero),
            Tok::Word("null" | "false") => self.word(ConstKind::Int(0)),
            Tok::Word("true") => self.word(ConstKind::Int(1)),
            Tok::Word("block") => {
                self.parser.next();
                ConstKind::Block(self.block()?)
            }
            Tok::Symbol(..) => match self.parser.symbol()? {
                RelocTarget::Func(id) => ConstKind::Func(id),
                RelocTarget::Global(id) => ConstKind::Global {
                    id,
                    offset: self.parser.offset()?,
                },
            },
            Tok::Number(text) => {
                let Some(kind) = self.number(ty, text) else {
                    return self.parser.fail("this number is not a value of its type");
                };
                self.word(kind)
            }
            Tok::Mark(open @ (b'<' | b'[' | b'{')) => self.elements(ty, open, depth)?,
            _ => return self.parser.fail("expected a value"),
        };
        Ok(self.builder.constant(ty, kind))
    }

    /// Takes the token that says `kind`.
    fn word(&mut self, kind: ConstKind) -> ConstKind {
        self.parser.next();
        kind
    }

    /// A number as a constant of type `ty`. Hexadecimal floats are bits, as their decimal form has
    /// no NaN.
    fn number(&mut self, ty: TypeId, text: &str) -> Option<ConstKind> {
        match *self.parser.module.types.get(ty) {
            Type::Float if !text.starts_with("0x") => {
                text.parse().ok().map(f32::to_bits).map(ConstKind::F32)
            }
            Type::Double if !text.starts_with("0x") => {
                text.parse().ok().map(f64::to_bits).map(ConstKind::F64)
            }
            Type::Half | Type::Float => u32::try_from(hex(text)?).ok().map(ConstKind::F32),
            Type::Double => hex(text).map(ConstKind::F64),
            Type::X86Fp80 => self.wide(80, text),
            Type::Int(bits @ 65..=256) => self.wide(bits, text),
            Type::Int(bits @ 1..=64) => small_int(u32::from(bits), text).map(ConstKind::Int),
            Type::Ptr => small_int(32, text).map(ConstKind::Int),
            _ => None,
        }
    }

    /// Words of a constant above 64 bits, hexadecimal or a signed decimal of 64 bits.
    fn wide(&mut self, bits: u16, text: &str) -> Option<ConstKind> {
        let count = usize::from(bits.div_ceil(64)) * 2;
        let mut words: Vec<u32> = if let Some(digits) = text.strip_prefix("0x") {
            let chunks = digits.as_bytes().rchunks(8);
            let word = |chunk| u32::from_str_radix(core::str::from_utf8(chunk).ok()?, 16).ok();
            chunks.map(word).collect::<Option<_>>()?
        } else {
            let value = text.parse::<i128>().ok()?;
            (0..4).map(|at| (value >> (at * 32)) as u32).collect()
        };
        let negative = text.starts_with('-');
        words.resize(count, if negative { u32::MAX } else { 0 });
        // Bits above the width are 0.
        for (word, start) in words.iter_mut().zip((0u32..).step_by(32)) {
            let used = u32::from(bits).saturating_sub(start).min(32);
            *word &= ((1u64 << used) - 1) as u32;
        }
        let start = self.builder.pool(words);
        Some(ConstKind::Wide { start })
    }

    /// A list in the brackets of its type; fewer or more elements than the type has are the
    /// verifier's business as far as they have a type at all.
    fn elements(&mut self, ty: TypeId, open: u8, depth: u32) -> Parse<ConstKind> {
        let (close, expected) = match open {
            b'<' => (b'>', "a vector"),
            b'[' => (b']', "an array"),
            _ => (b'}', "a struct"),
        };
        let fields: Vec<TypeId> = match (open, self.parser.module.types.get(ty)) {
            (b'<', Type::Vector { elem, .. }) | (b'[', Type::Array { elem, .. }) => {
                Vec::from([*elem])
            }
            (b'{', Type::Struct { fields, .. }) => fields.clone(),
            _ => {
                return self
                    .parser
                    .fail(alloc::format!("the type is not {expected}"));
            }
        };
        self.parser.next();
        let mut ids = Vec::new();
        while !self.parser.accept(close) {
            if !ids.is_empty() {
                self.parser.expect(b',')?;
            }
            let Some(&elem) = fields.get(ids.len()).or(fields.last()) else {
                return self.parser.fail("more elements than the type has");
            };
            let element = self.constant(elem, depth + 1)?;
            ids.extend(element.as_const().map(|id| id.0));
        }
        let len = ids.len() as u32;
        let start = self.shared_pool(ids);
        Ok(ConstKind::Elements { start, len })
    }
}

/// The value of a number that begins with `0x`.
fn hex(text: &str) -> Option<u64> {
    u64::from_str_radix(text.strip_prefix("0x")?, 16).ok()
}

/// A number of at most 64 bits, signed or unsigned, cut to `bits` if it fits.
fn small_int(bits: u32, text: &str) -> Option<u64> {
    let mask = u64::MAX >> (64 - bits);
    if text.starts_with('-') {
        let value = text.parse::<i64>().ok()?;
        let fits = value >= i64::MIN >> (64 - bits);
        return fits.then_some(value.cast_unsigned() & mask);
    }
    let value = match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok()?,
        None => text.parse().ok()?,
    };
    (value & !mask == 0).then_some(value)
}
