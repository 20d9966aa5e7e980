//! Names of functions and globals as text, each unlike all others of the module.

use crate::module::Module;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write;
use hashbrown::HashMap;

/// How the symbols of a module are written, by id.
#[derive(Debug)]
pub(super) struct Names {
    pub(super) funcs: Vec<String>,
    pub(super) globals: Vec<String>,
}

impl Names {
    /// Names all symbols: plainly where that is unambiguous, else with kind and index.
    pub(super) fn new(module: &Module) -> Self {
        let funcs = module.funcs.iter().map(|func| func.name.as_str());
        let globals = module.globals.iter().map(|global| global.name.as_str());
        let mut uses: HashMap<&str, u32> = HashMap::new();
        for name in funcs.clone().chain(globals.clone()) {
            *uses.entry(name).or_default() += 1;
        }
        let write = |kind: char, at: usize, name: &str| {
            let written = symbol(name);
            if uses.get(name) == Some(&1) {
                written
            } else {
                format!("{written}!{kind}{at}")
            }
        };
        Self {
            funcs: funcs.enumerate().map(|(at, n)| write('f', at, n)).collect(),
            globals: globals
                .enumerate()
                .map(|(at, n)| write('g', at, n))
                .collect(),
        }
    }
}

/// `@name`, in quotes if it holds anything but letters, digits, `_`, `.` and `$`.
pub(super) fn symbol(name: &str) -> String {
    let plain = !name.is_empty() && name.bytes().all(is_word_byte);
    if plain {
        format!("@{name}")
    } else {
        format!("@{}", quoted(name.as_bytes()))
    }
}

/// Bytes as a string literal: printable ASCII as it is, others as `\xx`.
pub(super) fn quoted(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() + 2);
    text.push('"');
    for &byte in bytes {
        if matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\' {
            text.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(text, "\\{byte:02x}");
        }
    }
    text.push('"');
    text
}

/// Whether the byte may stand in a name without quotes.
pub(super) fn is_word_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'$')
}
