//! Text to tokens, each with its place.
//!
//! Tokens borrow from the text: nothing is copied, escapes are replaced by whoever uses a string.
//! A word is a run of letters, digits, `_`, `.` and `$`, which makes labels, types, keywords and
//! `...` words alike; what a word means depends on where it stands. The line of a token matters (one
//! statement a line), so each token knows it.

use super::names::is_word_byte;
use super::parse::ParseError;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// What a token is. Slices are of the source and without the leading `%` or the quotes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Tok<'a> {
    /// A word: keyword, label, type.
    Word(&'a str),
    /// `%name`.
    Local(&'a str),
    /// `@name` or `@"name"`: the name as written between the quotes, and what follows `!`.
    Symbol(&'a str, &'a str),
    /// Begins with a digit, or with `-` and a digit.
    Number(&'a str),
    /// `"…"`, escapes not yet replaced.
    Text(&'a str),
    /// Any other single byte.
    Mark(u8),
    /// After the last token.
    End,
}

/// A token and where it begins, both numbers from 1.
#[derive(Clone, Copy, Debug)]
pub(super) struct Token<'a> {
    pub(super) tok: Tok<'a>,
    pub(super) line: u32,
    pub(super) column: u32,
}

/// All tokens of `source`, with one `End` behind.
pub(super) fn lex(source: &str) -> Result<Vec<Token<'_>>, ParseError> {
    let mut lexer = Lexer {
        source,
        at: 0,
        line: 1,
        line_start: 0,
    };
    let mut tokens = Vec::new();
    loop {
        lexer.skip_blank();
        let (line, column) = (lexer.line, lexer.column());
        let tok = lexer.next()?;
        tokens.push(Token { tok, line, column });
        if tok == Tok::End {
            return Ok(tokens);
        }
    }
}

struct Lexer<'a> {
    source: &'a str,
    at: usize,
    line: u32,
    line_start: usize,
}

impl<'a> Lexer<'a> {
    /// Where the next byte stands in its line, from 1.
    fn column(&self) -> u32 {
        u32::try_from(self.at - self.line_start + 1).unwrap_or(u32::MAX)
    }

    /// A byte further on, if there is one.
    fn peek(&self, ahead: usize) -> Option<u8> {
        self.source.as_bytes().get(self.at + ahead).copied()
    }

    /// Goes to the next token, over blanks, line ends and comments.
    fn skip_blank(&mut self) {
        while let Some(byte) = self.peek(0) {
            match byte {
                b'\n' => {
                    self.line = self.line.saturating_add(1);
                    self.line_start = self.at + 1;
                }
                b' ' | b'\t' | b'\r' => {}
                b';' => {
                    let rest = &self.source.as_bytes()[self.at..];
                    self.at += rest.iter().position(|&b| b == b'\n').unwrap_or(rest.len());
                    continue;
                }
                _ => return,
            }
            self.at += 1;
        }
    }

    /// The token that begins here. Numbers come first: they may begin with a minus sign.
    fn next(&mut self) -> Result<Tok<'a>, ParseError> {
        let Some(first) = self.peek(0) else {
            return Ok(Tok::End);
        };
        let signed = first == b'-' && self.peek(1).is_some_and(|b| b.is_ascii_digit());
        if signed || first.is_ascii_digit() {
            return Ok(self.number());
        }
        match first {
            b'%' => {
                self.at += 1;
                Ok(Tok::Local(self.word()))
            }
            b'@' => self.symbol(),
            b'"' => Ok(Tok::Text(self.text()?)),
            _ if is_word_byte(first) => Ok(Tok::Word(self.word())),
            b'!'..=b'~' => {
                self.at += 1;
                Ok(Tok::Mark(first))
            }
            _ => Err(self.error("a character that is not ASCII")),
        }
    }

    /// The bytes from here that may stand in a word; only ASCII, so slicing is safe.
    fn word(&mut self) -> &'a str {
        let rest = &self.source.as_bytes()[self.at..];
        let len = rest
            .iter()
            .position(|&byte| !is_word_byte(byte))
            .unwrap_or(rest.len());
        let word = &self.source[self.at..self.at + len];
        self.at += len;
        word
    }

    /// As `word`, but with a sign in front and behind the `e` of a decimal.
    fn number(&mut self) -> Tok<'a> {
        let start = self.at;
        self.at += usize::from(self.peek(0) == Some(b'-'));
        let hex = self.peek(0) == Some(b'0') && self.peek(1) == Some(b'x');
        self.word();
        let ends_in_e = matches!(self.source.as_bytes().get(self.at - 1), Some(b'e' | b'E'));
        let sign = matches!(self.peek(0), Some(b'-' | b'+'));
        if !hex && ends_in_e && sign {
            self.at += 1;
            self.word();
        }
        Tok::Number(&self.source[start..self.at])
    }

    /// `@name`, `@"name"`, either with `!` and a suffix behind it.
    fn symbol(&mut self) -> Result<Tok<'a>, ParseError> {
        self.at += 1;
        let name = if self.peek(0) == Some(b'"') {
            self.text()?
        } else {
            self.word()
        };
        if self.peek(0) != Some(b'!') {
            return Ok(Tok::Symbol(name, ""));
        }
        self.at += 1;
        Ok(Tok::Symbol(name, self.word()))
    }

    /// What stands between this quote and the next; a quote inside is written `\22`.
    fn text(&mut self) -> Result<&'a str, ParseError> {
        let rest = &self.source.as_bytes()[self.at + 1..];
        let end = rest.iter().position(|&b| matches!(b, b'"' | b'\n'));
        match end {
            Some(len) if rest[len] == b'"' => {
                let text = &self.source[self.at + 1..self.at + 1 + len];
                self.at += len + 2;
                Ok(text)
            }
            _ => Err(self.error("a string without end")),
        }
    }

    /// An error at this place.
    fn error(&self, what: &str) -> ParseError {
        ParseError {
            line: self.line,
            column: self.column(),
            what: String::from(what),
        }
    }
}

/// Replaces the `\xx` of a literal.
pub(super) fn unescape(text: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        let digits = rest.get(..2).map(core::str::from_utf8);
        let Some(Ok(Ok(value))) = digits.map(|d| d.map(|d| u8::from_str_radix(d, 16))) else {
            return Err(format!("two hexadecimal digits must follow \\ in {text:?}"));
        };
        bytes.push(value);
        rest = &rest[2..];
    }
    Ok(bytes)
}
