//! What a test file expects of its own module.
//!
//! A `.bfir` file says in comments how its functions behave:
//!
//! ```text
//! ; run: @f(1, -2) = 3
//! ; run: @g(0x7ff8000000000000) = nan
//! ; run: @h(0) faults: division by zero
//! ```
//!
//! [`runs`] reads these lines, [`outcome_text`] writes what really happened in the same words. The
//! tests of every tier read the same files, so that each judges all the others.

use crate::interp::{FaultKind, Val};
use crate::module::{FuncId, Module};
use crate::types::{Type, TypeId, Types};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// One expectation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Run {
    /// Line in the file, from 1.
    pub line: u32,
    /// Up to and with the closing parenthesis: `@f(1, -2)`.
    pub call: String,
    /// Function to call.
    pub func: FuncId,
    /// Its arguments.
    pub args: Vec<Val>,
    /// What is expected: `= 3` or `faults: …`.
    pub expected: String,
}

/// The expectations of a file.
///
/// # Errors
/// The line that is not understood, and why.
pub fn runs(source: &str, module: &Module) -> Result<Vec<Run>, String> {
    let mut runs = Vec::new();
    for (line, text) in (1u32..).zip(source.lines()) {
        if let Some(rest) = text.trim().strip_prefix("; run:") {
            let run = run(rest.trim(), line, module);
            runs.push(run.map_err(|what| format!("line {line}: {what}"))?);
        }
    }
    Ok(runs)
}

/// One line behind `; run:`.
fn run(text: &str, line: u32, module: &Module) -> Result<Run, String> {
    let open = text.find('(').ok_or("expected @name(…)")?;
    let close = text.rfind(')').ok_or("expected @name(…)")?;
    let name = text[..open].strip_prefix('@').ok_or("expected @name(…)")?;
    let func = module
        .func_by_name(name)
        .ok_or_else(|| format!("there is no function {name}"))?;
    let (_, params, _) = module
        .types
        .signature(module.func(func).ty)
        .ok_or("it has no signature")?;
    let mut reader = Reader {
        types: &module.types,
        rest: &text[open + 1..close],
    };
    let mut args = Vec::new();
    for &ty in params {
        if !args.is_empty() {
            reader.expect(',')?;
        }
        args.push(reader.value(ty)?);
    }
    if !reader.rest.trim().is_empty() {
        return Err(format!("what is {:?}", reader.rest));
    }
    Ok(Run {
        line,
        call: String::from(&text[..=close]),
        func,
        args,
        expected: String::from(text[close + 1..].trim()),
    })
}

/// What came out, in the words of an expectation. NaNs are all alike.
#[must_use]
pub fn outcome_text(types: &Types, ret: TypeId, outcome: &Result<Val, FaultKind>) -> String {
    match outcome {
        Ok(_) if ret == TypeId::VOID => String::from("= void"),
        Ok(value) => format!("= {}", value_text(types, ret, value)),
        Err(kind) => format!("faults: {kind}"),
    }
}

/// A value in the words of an expectation.
#[must_use]
pub fn value_text(types: &Types, ty: TypeId, value: &Val) -> String {
    let bits = value.bits();
    let list =
        |open: &str, texts: Vec<String>, close: &str| format!("{open}{}{close}", texts.join(", "));
    let elements = |elem| value.list().iter().map(move |v| value_text(types, elem, v));
    match types.get(ty) {
        Type::Int(1) => String::from(if bits == 0 { "false" } else { "true" }),
        Type::Int(width) => {
            let unused = 128 - u32::from(*width).clamp(1, 128);
            ((bits << unused).cast_signed() >> unused).to_string()
        }
        Type::Float if f32::from_bits(bits as u32).is_nan() => String::from("nan"),
        Type::Float => format!("{:?}", f32::from_bits(bits as u32)),
        Type::Double if f64::from_bits(bits as u64).is_nan() => String::from("nan"),
        Type::Double => format!("{:?}", f64::from_bits(bits as u64)),
        Type::Vector { elem, .. } => list("<", elements(*elem).collect(), ">"),
        Type::Array { elem, .. } => list("[", elements(*elem).collect(), "]"),
        Type::Struct { fields, .. } => {
            let pairs = fields.iter().zip(value.list());
            let texts = pairs.map(|(&ty, v)| value_text(types, ty, v));
            list("{", texts.collect(), "}")
        }
        _ => format!("{bits:#x}"),
    }
}

/// Reads values from text.
struct Reader<'a> {
    types: &'a Types,
    rest: &'a str,
}

impl<'a> Reader<'a> {
    /// Takes a mark and the blanks before it.
    fn expect(&mut self, mark: char) -> Result<(), String> {
        match self.rest.trim_start().strip_prefix(mark) {
            Some(rest) => {
                self.rest = rest;
                Ok(())
            }
            None => Err(format!("expected '{mark}' before {:?}", self.rest)),
        }
    }

    /// Everything up to a mark.
    fn word(&mut self) -> &'a str {
        let text = self.rest.trim_start();
        let end = text.find([',', ')', '>', ']', '}', ' ']);
        let (word, rest) = text.split_at(end.unwrap_or(text.len()));
        self.rest = rest;
        word
    }

    /// The types of files nest as deep as their author wrote them.
    fn value(&mut self, ty: TypeId) -> Result<Val, String> {
        let (elements, open, close) = match self.types.get(ty) {
            Type::Vector { elem, len } => (alloc::vec![*elem; *len as usize], '<', '>'),
            Type::Array { elem, len } => (alloc::vec![*elem; *len as usize], '[', ']'),
            Type::Struct { fields, .. } => (fields.clone(), '{', '}'),
            scalar => {
                let word = self.word();
                let bits = scalar_bits(scalar, word);
                return bits
                    .map(Val::Bits)
                    .ok_or_else(|| format!("{word:?} is not a value of its type"));
            }
        };
        self.expect(open)?;
        let mut list = Vec::new();
        for ty in elements {
            if !list.is_empty() {
                self.expect(',')?;
            }
            list.push(self.value(ty)?);
        }
        self.expect(close)?;
        Ok(Val::List(list.into_boxed_slice()))
    }
}

/// The bits of a number as files write it; hexadecimal gives them directly, whatever the type.
fn scalar_bits(ty: &Type, word: &str) -> Option<u128> {
    if let Some(hex) = word.strip_prefix("0x") {
        return u128::from_str_radix(hex, 16).ok();
    }
    match (ty, word) {
        (Type::Int(1), "true") => Some(1),
        (Type::Int(1), "false") => Some(0),
        (Type::Float, _) => word.parse().ok().map(|x: f32| u128::from(x.to_bits())),
        (Type::Double, _) => word.parse().ok().map(|x: f64| u128::from(x.to_bits())),
        (Type::Int(width), _) => {
            let unused = 128 - u32::from(*width).clamp(1, 128);
            let number = word.parse::<i128>().ok()?;
            Some(number.cast_unsigned() << unused >> unused)
        }
        _ => word.parse().ok(),
    }
}
