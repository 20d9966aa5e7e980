//! Inline assembly without instructions: a barrier for the compiler, and inputs passed through.
//!
//! `asm volatile("" : "+r"(x) : : "memory")` is common; text is refused and quoted. An output is
//! the input that its constraint is tied to, and unspecified (here 0) without one. (LLVM: language
//! reference, "Inline Asm Constraint String".)

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use ir::{Type, TypeId, Value};

use super::body::BodyLoader;
use super::error::{LoadError, Result};

/// GCC and clang accept at most 30 operands.
const MAX_OUTPUTS: usize = 30;

impl BodyLoader<'_, '_, '_> {
    /// A call of inline assembly; `source` is text, NUL, constraints.
    pub(super) fn inline_asm(
        &mut self,
        source: &[u8],
        result: TypeId,
        args: &[Value],
    ) -> Result<Value> {
        let mut parts = source.splitn(2, |byte| *byte == 0);
        let (text, constraints) = (parts.next().unwrap_or(&[]), parts.next().unwrap_or(&[]));
        if !text.iter().all(u8::is_ascii_whitespace) {
            let text = String::from_utf8_lossy(text).into_owned();
            return Err(LoadError::unsupported(format!(
                "inline assembly \"{}\"",
                text.escape_default()
            )));
        }
        let tied = tied_inputs(constraints);
        let value = |body: &mut Self, output: usize, ty: TypeId| {
            let input = tied
                .get(output)
                .copied()
                .flatten()
                .and_then(|input| args.get(input));
            let same = input.copied().filter(|input| body.type_of(*input) == ty);
            same.unwrap_or_else(|| body.zero(ty))
        };
        let fields = match self.loader.module.types.get(result) {
            _ if result == TypeId::VOID => return Ok(Value::NONE),
            Type::Struct { fields, .. } if fields.len() <= MAX_OUTPUTS => fields.clone(),
            Type::Struct { .. } => return Err(LoadError::limit("outputs of inline assembly")),
            _ => return Ok(value(self, 0, result)),
        };
        let mut whole = self.zero(result);
        for (field, ty) in fields.into_iter().enumerate() {
            let part = value(self, field, ty);
            whole = self.insert_value(whole, part, &[field as u32]);
        }
        Ok(whole)
    }
}

/// For each output that is a result: the argument that its constraint is tied to.
fn tied_inputs(constraints: &[u8]) -> Vec<Option<usize>> {
    // By output number, which counts indirect outputs too: its number among the results.
    let mut outputs: Vec<Option<usize>> = Vec::new();
    let mut tied: Vec<Option<usize>> = Vec::new();
    let mut argument = 0usize;
    for constraint in constraints.split(|byte| *byte == b',') {
        if constraint.starts_with(b"~") {
            continue;
        }
        if let Some(kind) = constraint.strip_prefix(b"=") {
            // An indirect output is an address, and so an argument.
            let indirect = kind.contains(&b'*');
            outputs.push(if indirect { None } else { Some(tied.len()) });
            if indirect {
                argument = argument.saturating_add(1);
            } else {
                tied.push(None);
            }
            continue;
        }
        let number = core::str::from_utf8(constraint)
            .ok()
            .and_then(|text| text.parse::<usize>().ok());
        let output = number.and_then(|number| outputs.get(number).copied().flatten());
        if let Some(slot) = output.and_then(|output| tied.get_mut(output)) {
            *slot = Some(argument);
        }
        argument = argument.saturating_add(1);
    }
    tied
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_are_tied_to_the_arguments_their_constraints_name() {
        assert_eq!(tied_inputs(b"=r,0,~{memory}"), [Some(0)]);
        assert_eq!(tied_inputs(b"=r,=r,r,1,0"), [Some(2), Some(1)]);
        assert_eq!(tied_inputs(b"=*m,=r,1"), [Some(1)]);
        assert_eq!(tied_inputs(b"=r,~{dirflag}"), [None]);
        assert_eq!(tied_inputs(b"~{memory}"), []);
    }
}
