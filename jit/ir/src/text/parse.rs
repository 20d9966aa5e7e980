//! Text to module: the items at the top level, and what all parsing shares.
//!
//! Symbols may be used before their definition, so a first pass gives ids to the names of all
//! `global`, `define` and `declare` lines. Then one pass parses item by item.
//!
//! ```text
//! module "name"
//! file "name"
//! type %name = T
//! attrs words [byval N align N words, …]
//! global @name = words size N align N [init "bytes"] [reloc N +|- @name] …
//! alias @name = [linkage] @name[+N]
//! declare [linkage] T @name(T, …) words [attrs N]
//! define  [linkage] T @name(T %name, …) words [attrs N] {
//! ```
//!
//! An item ends with its line; a body ends with `}` on a line of its own. Every function here
//! either takes tokens and succeeds or fails at the token it could not take: that token's place is
//! the error's. No token is looked at more than a bounded number of times, so time is linear.

use super::lex::{Tok, Token, lex, unescape};
use super::words::{FUNC_ATTRS, LINKAGES, PARAM_ATTRS};
use crate::module::{
    Alias, AttrSet, FuncAttrs, FuncId, Function, Global, GlobalId, Linkage, Module, ParamAttrs,
    Reloc, RelocTarget,
};
use crate::types::{Type, TypeId};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use hashbrown::HashMap;

/// Why text was not understood, and where.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ParseError {
    /// Line, from 1.
    pub line: u32,
    /// Column in bytes, from 1.
    pub column: u32,
    /// What is wrong.
    pub what: String,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.line, self.column, self.what)
    }
}

impl core::error::Error for ParseError {}

pub(super) type Parse<T = ()> = Result<T, ParseError>;

/// Parses a module. The result need not be valid; see [`verify`](crate::verify).
///
/// # Errors
/// The first place that is not understood.
pub fn parse(source: &str) -> Result<Module, ParseError> {
    let tokens = lex(source)?;
    let mut parser = Parser {
        tokens: &tokens,
        at: 0,
        module: Module::default(),
        symbols: HashMap::new(),
        types: HashMap::new(),
    };
    parser.find_symbols()?;
    while parser.peek() != Tok::End {
        parser.item()?;
    }
    Ok(parser.module)
}

/// The parser: a cursor over tokens, and the module so far.
pub(super) struct Parser<'a> {
    tokens: &'a [Token<'a>],
    at: usize,
    pub(super) module: Module,
    /// Functions and globals by name and what follows the name's `!`.
    symbols: HashMap<(Vec<u8>, &'a str), RelocTarget>,
    /// Types by name.
    pub(super) types: HashMap<&'a str, TypeId>,
}

impl<'a> Parser<'a> {
    /// The next token with its place.
    pub(super) fn token(&self) -> Token<'a> {
        self.tokens[self.at]
    }

    /// The next token.
    pub(super) fn peek(&self) -> Tok<'a> {
        self.token().tok
    }

    /// Takes a token; the `End` behind the last is never passed.
    pub(super) fn next(&mut self) -> Tok<'a> {
        let tok = self.peek();
        self.at += usize::from(tok != Tok::End);
        tok
    }

    /// Position, to come back to.
    pub(super) fn mark(&self) -> usize {
        self.at
    }

    /// Back to a position that `mark` gave.
    pub(super) fn reset(&mut self, mark: usize) {
        self.at = mark;
    }

    /// Whether the next token is the first of its line.
    pub(super) fn at_line_start(&self) -> bool {
        self.peek() == Tok::End
            || self.at == 0
            || self.tokens[self.at - 1].line != self.tokens[self.at].line
    }

    /// An error at the next token.
    pub(super) fn fail<T>(&self, what: impl Into<String>) -> Parse<T> {
        let Token { line, column, .. } = self.token();
        Err(ParseError {
            line,
            column,
            what: what.into(),
        })
    }

    /// Takes the mark if it is next.
    pub(super) fn accept(&mut self, mark: u8) -> bool {
        let found = self.peek() == Tok::Mark(mark);
        self.at += usize::from(found);
        found
    }

    /// Takes the mark, which must be next.
    pub(super) fn expect(&mut self, mark: u8) -> Parse {
        if self.accept(mark) {
            return Ok(());
        }
        self.fail(format!("expected '{}'", char::from(mark)))
    }

    /// Takes the word if it is next.
    pub(super) fn accept_word(&mut self, word: &str) -> bool {
        let found = self.peek() == Tok::Word(word);
        self.at += usize::from(found);
        found
    }

    /// Takes the word, which must be next.
    pub(super) fn expect_word(&mut self, word: &str) -> Parse {
        if self.accept_word(word) {
            return Ok(());
        }
        self.fail(format!("expected '{word}'"))
    }

    /// A decimal or `0x` number up to `max`, without sign.
    pub(super) fn number(&mut self, max: u64) -> Parse<u64> {
        let value = match self.peek() {
            Tok::Number(text) => match text.strip_prefix("0x") {
                Some(hex) => u64::from_str_radix(hex, 16).ok(),
                None => text.parse().ok(),
            },
            _ => None,
        };
        match value {
            Some(value) if value <= max => {
                self.next();
                Ok(value)
            }
            _ => self.fail(format!("expected a number of at most {max}")),
        }
    }

    /// A number of 32 bits.
    pub(super) fn number_u32(&mut self) -> Parse<u32> {
        self.number(u64::from(u32::MAX)).map(|value| value as u32)
    }

    /// A number of bytes that is a power of two, as its logarithm.
    pub(super) fn alignment(&mut self) -> Parse<u8> {
        let here = self.mark();
        let bytes = self.number(u64::MAX)?;
        if bytes.is_power_of_two() {
            return Ok(bytes.trailing_zeros() as u8);
        }
        self.reset(here);
        self.fail("expected a power of two")
    }

    /// A string as bytes.
    fn text(&mut self) -> Parse<Vec<u8>> {
        let Tok::Text(raw) = self.peek() else {
            return self.fail("expected a string");
        };
        match unescape(raw) {
            Ok(bytes) => {
                self.next();
                Ok(bytes)
            }
            Err(what) => self.fail(what),
        }
    }

    /// A string; bytes that are no UTF-8 are replaced.
    fn text_string(&mut self) -> Parse<String> {
        Ok(String::from_utf8_lossy(&self.text()?).into_owned())
    }

    /// Gives ids to the names that items define.
    fn find_symbols(&mut self) -> Parse {
        let (mut funcs, mut globals) = (0, 0);
        while self.peek() != Tok::End {
            let func = matches!(self.peek(), Tok::Word("define" | "declare"));
            let global = self.peek() == Tok::Word("global");
            if !self.at_line_start() || !(func || global) {
                self.next();
                continue;
            }
            self.next();
            while !self.at_line_start() && !matches!(self.peek(), Tok::Symbol(..)) {
                self.next();
            }
            let target = if func {
                funcs += 1;
                RelocTarget::Func(FuncId(funcs - 1))
            } else {
                globals += 1;
                RelocTarget::Global(GlobalId(globals - 1))
            };
            let key = self.symbol_key()?;
            if self.symbols.insert(key, target).is_some() {
                return self.fail("this name is taken");
            }
            self.next();
        }
        self.at = 0;
        Ok(())
    }

    /// What the next token, a symbol, is found by.
    fn symbol_key(&self) -> Parse<(Vec<u8>, &'a str)> {
        let Tok::Symbol(name, suffix) = self.peek() else {
            return self.fail("expected a name that begins with @");
        };
        match unescape(name) {
            Ok(name) => Ok((name, suffix)),
            Err(what) => self.fail(what),
        }
    }

    /// The name of a symbol as the module keeps it.
    fn symbol_name(&mut self) -> Parse<String> {
        let (name, _) = self.symbol_key()?;
        self.next();
        Ok(String::from_utf8_lossy(&name).into_owned())
    }

    /// A use of a function or global.
    pub(super) fn symbol(&mut self) -> Parse<RelocTarget> {
        let key = self.symbol_key()?;
        match self.symbols.get(&key) {
            Some(&target) => {
                self.next();
                Ok(target)
            }
            None => self.fail("nothing has this name"),
        }
    }

    /// One item of the top level, which ends with its line.
    fn item(&mut self) -> Parse {
        let Tok::Word(word) = self.peek() else {
            return self.fail("expected an item");
        };
        if !self.at_line_start() {
            return self.fail("expected the end of the line");
        }
        let here = self.mark();
        self.next();
        match word {
            "module" => self.module.name = self.text_string()?,
            "file" => {
                let name = self.text_string()?;
                self.module.files.push(name);
            }
            "type" => self.type_item()?,
            "attrs" => {
                let set = self.attr_set()?;
                self.module.attr_sets.push(set);
            }
            "global" => {
                let global = self.global()?;
                self.module.globals.push(global);
            }
            "alias" => {
                let alias = self.alias()?;
                self.module.aliases.push(alias);
            }
            "declare" | "define" => {
                let func = self.function(word == "define")?;
                self.module.funcs.push(func);
            }
            _ => {
                self.reset(here);
                return self.fail(format!("'{word}' begins no item"));
            }
        }
        if self.at_line_start() {
            Ok(())
        } else {
            self.fail("expected the end of the line")
        }
    }

    /// `type %name = type`. The type is interned at once, so types of the text get their ids in its
    /// order.
    fn type_item(&mut self) -> Parse {
        let Tok::Local(name) = self.next() else {
            return self.fail("expected a name that begins with %");
        };
        self.expect(b'=')?;
        let ty = self.ty()?;
        self.types.insert(name, ty);
        Ok(())
    }

    /// `attrs words [byval N align N words, …]`
    fn attr_set(&mut self) -> Parse<AttrSet> {
        let func = self.func_attrs()?;
        let mut params = Vec::new();
        self.expect(b'[')?;
        while !self.accept(b']') {
            if !params.is_empty() {
                self.expect(b',')?;
            }
            self.expect_word("byval")?;
            let byval = self.number_u32()?;
            self.expect_word("align")?;
            let align_log2 = self.alignment()?;
            let bits = self.bits(PARAM_ATTRS)? as u16;
            params.push(ParamAttrs {
                byval,
                align_log2,
                bits,
                ..ParamAttrs::default()
            });
        }
        Ok(AttrSet {
            func,
            params,
            ..AttrSet::default()
        })
    }

    /// The words of [`FuncAttrs`].
    pub(super) fn func_attrs(&mut self) -> Parse<FuncAttrs> {
        self.bits(FUNC_ATTRS).map(FuncAttrs)
    }

    /// Words that stand for bits, and `bits N`.
    pub(super) fn bits(&mut self, names: &[(u32, &str)]) -> Parse<u32> {
        let mut bits = 0;
        while let Tok::Word(word) = self.peek() {
            if word == "bits" {
                self.next();
                bits |= self.number_u32()?;
            } else if let Some(&(bit, _)) = names.iter().find(|entry| entry.1 == word) {
                self.next();
                bits |= bit;
            } else {
                break;
            }
        }
        Ok(bits)
    }

    /// A linkage, if one is written. The empty name of `External` never matches a word.
    fn linkage(&mut self) -> Linkage {
        for (linkage, name) in LINKAGES {
            if self.accept_word(name) {
                return linkage;
            }
        }
        Linkage::External
    }

    /// `global @name = linkage declared constant thread_local size N align N init "…" reloc N +
    /// @name …`
    fn global(&mut self) -> Parse<Global> {
        let name = self.symbol_name()?;
        self.expect(b'=')?;
        let linkage = self.linkage();
        let defined = !self.accept_word("declared");
        let constant = self.accept_word("constant");
        let thread_local = self.accept_word("thread_local");
        self.expect_word("size")?;
        let size = self.number_u32()?;
        self.expect_word("align")?;
        let align_log2 = self.alignment()?;
        let init = if self.accept_word("init") {
            self.text()?
        } else {
            Vec::new()
        };
        let mut relocs = Vec::new();
        while self.accept_word("reloc") {
            let offset = self.number_u32()?;
            let negative = self.accept(b'-');
            if !negative {
                self.expect(b'+')?;
            }
            let target = self.symbol()?;
            relocs.push(Reloc {
                offset,
                target,
                negative,
            });
        }
        Ok(Global {
            name,
            linkage,
            defined,
            constant,
            thread_local,
            size,
            align_log2,
            init,
            relocs,
        })
    }

    /// `alias @name = linkage @target+N`
    fn alias(&mut self) -> Parse<Alias> {
        let name = self.symbol_name()?;
        self.expect(b'=')?;
        let linkage = self.linkage();
        let target = self.symbol()?;
        let offset = self.offset()?;
        Ok(Alias {
            name,
            linkage,
            target,
            offset,
        })
    }

    /// `+N`, `-N` or nothing.
    pub(super) fn offset(&mut self) -> Parse<i32> {
        let plus = self.accept(b'+');
        let value = match self.peek() {
            Tok::Number(text) if plus != text.starts_with('-') => text.parse::<i32>().ok(),
            _ if plus => None,
            _ => return Ok(0),
        };
        match value {
            Some(value) => {
                self.next();
                Ok(value)
            }
            None => self.fail("expected an offset of 32 bits"),
        }
    }

    /// `define linkage type @name(type %name, …) words attrs N {`, or `declare` without names and
    /// body.
    fn function(&mut self, define: bool) -> Parse<Function> {
        let linkage = self.linkage();
        let ret = self.result_type()?;
        let name = self.symbol_name()?;
        self.expect(b'(')?;
        let mut params = Vec::new();
        let mut names = Vec::new();
        let variadic = self.list_until(b')', |parser| {
            params.push(parser.ty()?);
            if let (true, Tok::Local(name)) = (define, parser.peek()) {
                parser.next();
                names.push(name);
            }
            Ok(())
        })?;
        if define && names.len() != params.len() {
            return self.fail("every parameter needs a name");
        }
        let ty = self.intern(Type::Func {
            ret,
            params: params.clone(),
            variadic,
        })?;
        let attrs = self.func_attrs()?;
        let attr_set = if self.accept_word("attrs") {
            self.number_u32()?
        } else {
            0
        };
        let body = if define {
            Some(self.body(params, &names)?)
        } else {
            None
        };
        Ok(Function {
            name,
            ty,
            linkage,
            attrs,
            attr_set,
            body,
        })
    }

    /// Items with commas between, up to and with `close`; `...` may be the last, and the result says
    /// whether it was there.
    pub(super) fn list_until(
        &mut self,
        close: u8,
        mut item: impl FnMut(&mut Self) -> Parse,
    ) -> Parse<bool> {
        let mut first = true;
        while !self.accept(close) {
            if !first {
                self.expect(b',')?;
            }
            first = false;
            // The lexer makes words of dots.
            if self.accept_word("...") {
                self.expect(close)?;
                return Ok(true);
            }
            item(self)?;
        }
        Ok(false)
    }
}
