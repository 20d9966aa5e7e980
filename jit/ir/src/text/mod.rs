//! The readable form of modules: print and parse.
//!
//! ```text
//! type %t12 = {i32, i32, i32, i32, i32, i32, i32, i32}
//! global @table = internal constant size 8 align 4 init "\00\00\00\00abcd" reloc 0 + @f
//! declare i32 @puts(ptr)
//!
//! define i32 @f(i32 %a0, ptr %a1) noinline {
//! bb0:
//!   %0 = ptradd inbounds %a1, %a0 * 4, 8
//!   %1 = load i32, %0, align 4
//!   %2 = icmp slt i32 %1, -1
//!   condbr %2, bb1, bb2
//! bb1:
//!   %4 = call i32 @puts(ptr @table)
//!   ret i32 %4
//! bb2:
//!   ret i32 0
//! }
//! ```
//!
//! One statement a line; `;` begins a comment. Where the operation fixes an operand's type it is
//! not written, elsewhere it comes before the operand. Constants are written in place: integers as
//! signed numbers (or `0x…`), floats as the shortest decimal that reads back the same (or `0x…`,
//! their bits), `null`, `zero` (which also stands for undef and poison), `@name`, `@name+4`,
//! `block bb1`, and lists `<…>`, `[…]`, `{…}`.
//!
//! # Round trip
//!
//! The printed name of an instruction is its id (`%4`), of a parameter `%a` and its number, of a
//! block `bb` and its number. Written by hand they may have any names. So for text that was printed,
//! printing what was parsed gives the same text; and parsing what was printed from a *verified*
//! module gives that module up to the ids of types and constants and places in the pool. Both are
//! tested. A name that occurs twice in a module gets its index behind it (`@f!f3`).
//!
//! # Bounds
//!
//! The parser reads any text without a panic and in linear time and space; types nest at most
//! [`MAX_NESTING`] deep in text, as constants do. Printing needs ids in range, which verified
//! modules have.

mod lex;
mod names;
mod parse;
mod parse_body;
mod parse_const;
mod parse_inst;
mod parse_type;
mod print;
mod print_inst;
mod types;
mod words;

pub use parse::{ParseError, parse};
pub use print::{FuncText, InstPrinter, ModuleText, func_text, module_text};
pub use types::{TypeText, type_text};

/// How deep types and constants may nest in text.
pub const MAX_NESTING: u32 = 32;

#[cfg(test)]
mod tests;
