//! Modules of a compiler for another target, as if they were for ours.
//!
//! Stable rustc has its `core` for the machine that it runs on, so what it writes is for x86-64 and is refused by its
//! data layout. The reader of the newest LLVM's records is worth fuzzing all the same: the layout's text is
//! replaced where it stands, in as many characters.

use super::fields::{self, Field};

/// The record's beginning, by which it is found.
const FOREIGN: &str =
    "e-m:e-p270:32:32-p271:32:32-p272:64:64-i64:64-i128:128-f80:128-n8:16:32:64-S128";
/// What is said instead: the layout of i386, and parts that concern address spaces which nobody uses.
const OURS: &str =
    "e-m:e-p:32:32-p270:32:32-p272:64:64-i128:128-f64:32:64-f80:32-n8:16:32-S128-a:0";

/// `module` with the data layout of i386, if it has that of x86-64.
#[must_use]
pub fn as_i386(module: &[u8]) -> Option<Vec<u8>> {
    assert_eq!(
        FOREIGN.len(),
        OURS.len(),
        "one takes the place of the other"
    );
    let found = fields::find(module);
    let says = |fields: &[Field]| {
        let mut pairs = fields.iter().zip(FOREIGN.bytes());
        pairs.all(|(&field, char)| fields::get(module, field) == u64::from(char))
    };
    let place = found.windows(FOREIGN.len()).find(|fields| says(fields))?;
    let mut file = module.to_vec();
    for (&field, char) in place.iter().zip(OURS.bytes()) {
        fields::set(&mut file, field, char.into());
    }
    Some(file)
}
