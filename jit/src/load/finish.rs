//! The end of a function: phis get the values that were not known, late values become real ones.
//!
//! With a prologue of *n* instructions every instruction number grows by *n*, in one pass over the
//! operands of the whole body. Functions without late values skip that pass.
//!
//! Why not in place: a prologue instruction must stand before every use, and the entry block is long
//! done when it turns out to be needed (in a phi, the use is the end of another block). Why not
//! always: of newlib's 1145 functions at -O2 thirteen have a prologue or a forward reference outside
//! a phi (with -O3 and AVX2 it is 26 of 1105).

use alloc::vec::Vec;

use ir::{Body, Inst, InstId, Op, TypeId, Value, ValueKind};

use super::body::{BodyLoader, LATE, Late, LateTarget};
use super::error::{LoadError, Result};

impl BodyLoader<'_, '_, '_> {
    /// The finished body.
    pub(super) fn finish(mut self) -> Result<Body> {
        let undefined = || LoadError::malformed("value that is never defined");
        for (at, id) in core::mem::take(&mut self.phis) {
            let value = self.known(id).ok_or_else(undefined)?;
            if let Some(word) = self.builder.pool_mut(at) {
                *word = value.0;
            }
        }
        if self.needs_fault_block {
            self.builder.start_block();
            self.builder.op(Op::Unreachable, 0, TypeId::VOID, [0; 3]);
        }
        let final_values = self.resolve().ok_or_else(undefined)?;
        let body = self.builder.body_mut();
        if !self.late.is_empty() {
            replace_late(body, &mut self.prologue, &final_values);
        }
        // Positions of records that made no instruction, at the very end.
        let count = body.insts.len();
        while body
            .lines
            .pop_if(|line| line.from.index() >= count)
            .is_some()
        {}
        let body = self.builder.take();
        self.give_back();
        Ok(body)
    }

    /// What each late value is, in numbers of the finished body.
    fn resolve(&self) -> Option<Vec<Value>> {
        let shift = self.prologue.len() as u32;
        self.late
            .iter()
            .map(|late| self.resolve_one(*late, shift))
            .collect()
    }

    /// Follows a late value to what it is. A record that only passes an operand on can make it
    /// another late value; in code that nothing reaches, even in a circle.
    fn resolve_one(&self, late: Late, shift: u32) -> Option<Value> {
        let mut late = late;
        for _ in 0..=self.late.len() {
            match late.target {
                LateTarget::Prologue(index) => return Some(Value::inst(InstId(index))),
                LateTarget::Defined(id) => {
                    let value = self.known(id)?;
                    match self.as_late(value) {
                        Some(next) => late = next,
                        None => return Some(shifted(value, shift)),
                    }
                }
            }
        }
        None
    }
}

/// The same value when `shift` instructions come before all others.
fn shifted(value: Value, shift: u32) -> Value {
    match value.kind() {
        ValueKind::Inst(id) => Value::inst(InstId(id.0.saturating_add(shift))),
        _ => value,
    }
}

/// Puts the prologue in front and the final values in the place of late ones.
fn replace_late(body: &mut Body, prologue: &mut Vec<Inst>, final_values: &[Value]) {
    let shift = prologue.len() as u32;
    let late = |value: Value| match value.kind() {
        ValueKind::Arg(number) => final_values
            .get(number.checked_sub(LATE)? as usize)
            .copied(),
        _ => None,
    };
    for inst in prologue.iter_mut() {
        inst.for_each_operand_mut(&mut body.pool, |word| {
            *word = late(Value(*word)).map_or(*word, |value| value.0);
        });
    }
    for inst in &mut body.insts {
        inst.for_each_operand_mut(&mut body.pool, |word| {
            let value = Value(*word);
            *word = late(value).unwrap_or_else(|| shifted(value, shift)).0;
        });
    }
    prologue.append(&mut body.insts);
    core::mem::swap(&mut body.insts, prologue);
    for (index, block) in body.blocks.iter_mut().enumerate() {
        block.start = if index == 0 {
            0
        } else {
            block.start.saturating_add(shift)
        };
        block.end = block.end.saturating_add(shift);
    }
    for line in &mut body.lines {
        line.from = InstId(line.from.0.saturating_add(shift));
    }
    for (id, ..) in &mut body.side {
        *id = InstId(id.0.saturating_add(shift));
    }
}
