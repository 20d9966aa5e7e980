//! A body: two passes over its lines.
//!
//! The first counts: each line that is not a label, `loc` or `note` is one instruction, so ids of
//! results and blocks are known before any operand is read and forward references need no fixing.
//! The second builds. Lines are the unit of both, which keeps them in step.
//!
//! ```text
//! label:
//!   loc N N [file N]        position of what follows: line, column
//!   note N N                entry of the side table for the next instruction
//!   %name = operation
//!   operation
//! }
//! ```
//!
//! The body goes through the [`Builder`], so what is parsed obeys B1 by construction; everything
//! else is left to the verifier, because tests need bodies that are wrong.

use super::lex::Tok;
use super::parse::{Parse, Parser};
use crate::body::{BlockId, Body, Value};
use crate::builder::Builder;
use crate::inst::InstId;
use crate::types::TypeId;
use alloc::vec::Vec;
use hashbrown::HashMap;

/// Parser of one body.
pub(super) struct BodyParser<'p, 'a> {
    pub(super) parser: &'p mut Parser<'a>,
    pub(super) builder: Builder,
    values: HashMap<&'a str, Value>,
    blocks: HashMap<&'a str, BlockId>,
    /// Element lists that are in the pool already, so that equal constants stay equal.
    lists: HashMap<Vec<u32>, u32>,
}

/// What a line of a body is.
enum Line<'a> {
    Label(&'a str),
    Loc,
    Note,
    Inst(Option<&'a str>),
}

impl<'a> Parser<'a> {
    /// `{`, lines, `}`.
    pub(super) fn body(&mut self, params: Vec<TypeId>, names: &[&'a str]) -> Parse<Body> {
        self.expect(b'{')?;
        let mut body = BodyParser {
            values: HashMap::new(),
            blocks: HashMap::new(),
            lists: HashMap::new(),
            builder: Builder::new(params),
            parser: self,
        };
        for (n, name) in (0u32..).zip(names) {
            if body.values.insert(name, Value::arg(n)).is_some() {
                return body.parser.fail("two parameters have one name");
            }
        }
        body.find_names()?;
        while !body.parser.accept(b'}') {
            body.line()?;
        }
        Ok(body.builder.finish())
    }
}

impl<'a> BodyParser<'_, 'a> {
    /// First pass: ids of results and blocks.
    fn find_names(&mut self) -> Parse {
        let start = self.parser.mark();
        let (mut insts, mut blocks) = (0, 0);
        while self.parser.peek() != Tok::Mark(b'}') {
            if self.parser.peek() == Tok::End {
                return self.parser.fail("the body has no end");
            }
            let here = self.parser.mark();
            let taken = match self.line_start()? {
                Line::Label(name) => {
                    blocks += 1;
                    self.blocks.insert(name, BlockId(blocks - 1)).is_some()
                }
                Line::Inst(result) => {
                    let value = Value::inst(InstId(insts));
                    insts += 1;
                    result.is_some_and(|name| self.values.insert(name, value).is_some())
                }
                Line::Loc | Line::Note => false,
            };
            if taken {
                self.parser.reset(here);
                return self.parser.fail("this name is taken");
            }
            // At least the first token: `line_start` leaves it where it is the operation.
            while self.parser.mark() == here || !self.parser.at_line_start() {
                self.parser.next();
            }
        }
        self.parser.reset(start);
        Ok(())
    }

    /// Takes the tokens that tell what the line is.
    fn line_start(&mut self) -> Parse<Line<'a>> {
        if !self.parser.at_line_start() {
            return self.parser.fail("expected the end of the line");
        }
        match self.parser.peek() {
            Tok::Word("loc") => {
                self.parser.next();
                Ok(Line::Loc)
            }
            Tok::Word("note") => {
                self.parser.next();
                Ok(Line::Note)
            }
            Tok::Local(name) => {
                self.parser.next();
                self.parser.expect(b'=')?;
                Ok(Line::Inst(Some(name)))
            }
            Tok::Word(name) => {
                let here = self.parser.mark();
                self.parser.next();
                if self.parser.accept(b':') {
                    return Ok(Line::Label(name));
                }
                self.parser.reset(here);
                Ok(Line::Inst(None))
            }
            _ => self.parser.fail("expected an instruction"),
        }
    }

    /// Second pass: one line.
    fn line(&mut self) -> Parse {
        let here = self.parser.mark();
        match self.line_start()? {
            Line::Label(_) => {
                self.builder.start_block();
            }
            Line::Loc => {
                let line = self.parser.number_u32()?;
                let column = self.parser.number_u32()?;
                let file = if self.parser.accept_word("file") {
                    self.parser.number_u32()?
                } else {
                    u32::MAX
                };
                self.builder.line(line, column, file);
            }
            Line::Note => {
                let kind = self.parser.number_u32()?;
                let payload = self.parser.number_u32()?;
                let id = self.builder.next_id();
                self.builder.side(id, kind, payload);
            }
            Line::Inst(result) => {
                if self.builder.body().blocks.is_empty() {
                    self.parser.reset(here);
                    return self.parser.fail("expected a label first");
                }
                let inst = self.instruction()?;
                if result.is_some() && !inst.has_result() {
                    self.parser.reset(here);
                    return self.parser.fail("this instruction has no result");
                }
                self.builder.push(inst);
            }
        }
        if self.parser.at_line_start() || self.parser.peek() == Tok::Mark(b'}') {
            return Ok(());
        }
        self.parser.fail("expected the end of the line")
    }

    /// A block by its label.
    pub(super) fn block(&mut self) -> Parse<BlockId> {
        let found = match self.parser.peek() {
            Tok::Word(name) => self.blocks.get(name).copied(),
            _ => None,
        };
        let Some(id) = found else {
            return self.parser.fail("expected the label of a block");
        };
        self.parser.next();
        Ok(id)
    }

    /// An operand of type `ty`.
    pub(super) fn value(&mut self, ty: TypeId) -> Parse<Value> {
        match self.parser.peek() {
            Tok::Local(name) => {
                let Some(&value) = self.values.get(name) else {
                    return self.parser.fail("nothing has this name");
                };
                self.parser.next();
                Ok(value)
            }
            Tok::Word("none") => {
                self.parser.next();
                Ok(Value::NONE)
            }
            _ => self.constant(ty, 0),
        }
    }

    /// Type and operand.
    pub(super) fn typed(&mut self) -> Parse<(TypeId, Value)> {
        let ty = self.parser.ty()?;
        Ok((ty, self.value(ty)?))
    }

    /// The list in the pool, added if it is new.
    pub(super) fn shared_pool(&mut self, words: Vec<u32>) -> u32 {
        if let Some(&start) = self.lists.get(&words) {
            return start;
        }
        let start = self.builder.pool(words.iter().copied());
        self.lists.insert(words, start);
        start
    }
}
