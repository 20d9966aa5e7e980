//! Types from text, nested at most [`MAX_NESTING`] deep.

use super::MAX_NESTING;
use super::lex::Tok;
use super::parse::{Parse, Parser};
use crate::types::{Type, TypeError, TypeId};
use alloc::vec::Vec;

impl Parser<'_> {
    /// The type's id, or why there can be none.
    pub(super) fn intern(&mut self, ty: Type) -> Parse<TypeId> {
        match self.module.types.intern(ty) {
            Ok(id) => Ok(id),
            Err(TypeError::TooMany) => self.fail("too many types"),
            Err(TypeError::TooLarge) => self.fail("the type is too large"),
            Err(TypeError::Unsized | TypeError::Unknown) => {
                self.fail("an element of the type has no size")
            }
        }
    }

    /// A type.
    pub(super) fn ty(&mut self) -> Parse<TypeId> {
        self.ty_at(0)
    }

    /// A type that a list in parentheses may follow which does not belong to it.
    pub(super) fn result_type(&mut self) -> Parse<TypeId> {
        self.ty_without_params(0)
    }

    /// A type at some depth; parentheses behind it make it the result of a function type.
    fn ty_at(&mut self, depth: u32) -> Parse<TypeId> {
        let ret = self.ty_without_params(depth)?;
        if !self.accept(b'(') {
            return Ok(ret);
        }
        let mut params = Vec::new();
        let variadic = self.list_until(b')', |parser| {
            params.push(parser.ty_at(depth + 1)?);
            Ok(())
        })?;
        self.intern(Type::Func {
            ret,
            params,
            variadic,
        })
    }

    /// A type other than a function type written out.
    fn ty_without_params(&mut self, depth: u32) -> Parse<TypeId> {
        if depth > MAX_NESTING {
            return self.fail("types nest too deep");
        }
        match self.peek() {
            Tok::Word(word) => self.named_type(word),
            Tok::Local(name) => match self.types.get(name) {
                Some(&ty) => {
                    self.next();
                    Ok(ty)
                }
                None => self.fail("no type has this name"),
            },
            Tok::Mark(b'[') => self.sequence_type(depth, b']'),
            Tok::Mark(b'{') => self.struct_type(depth, false),
            Tok::Mark(b'<') => {
                let here = self.mark();
                self.next();
                if self.peek() == Tok::Mark(b'{') {
                    let ty = self.struct_type(depth, true)?;
                    self.expect(b'>')?;
                    return Ok(ty);
                }
                self.reset(here);
                self.sequence_type(depth, b'>')
            }
            _ => self.fail("expected a type"),
        }
    }

    /// A type that is one word.
    fn named_type(&mut self, word: &str) -> Parse<TypeId> {
        let ty = match word {
            "void" => Type::Void,
            "half" => Type::Half,
            "float" => Type::Float,
            "double" => Type::Double,
            "x86_fp80" => Type::X86Fp80,
            "ptr" => Type::Ptr,
            "label" => Type::Label,
            "metadata" => Type::Metadata,
            "opaque" => Type::Opaque,
            _ => match word.strip_prefix('i').map(str::parse) {
                Some(Ok(bits)) => Type::Int(bits),
                _ => return self.fail("expected a type"),
            },
        };
        self.next();
        self.intern(ty)
    }

    /// `[n x type]` or `<n x type>`.
    fn sequence_type(&mut self, depth: u32, close: u8) -> Parse<TypeId> {
        self.next();
        let len = self.number_u32()?;
        self.expect_word("x")?;
        let elem = self.ty_at(depth + 1)?;
        self.expect(close)?;
        self.intern(if close == b']' {
            Type::Array { elem, len }
        } else {
            Type::Vector { elem, len }
        })
    }

    /// `{type, …}`, after the `<` of a packed one.
    fn struct_type(&mut self, depth: u32, packed: bool) -> Parse<TypeId> {
        self.expect(b'{')?;
        let mut fields = Vec::new();
        let more = self.list_until(b'}', |parser| {
            fields.push(parser.ty_at(depth + 1)?);
            Ok(())
        })?;
        if more {
            return self.fail("a struct has no '...'");
        }
        self.intern(Type::Struct { fields, packed })
    }
}
