//! First-class structs: their parts come and go one by one.

use super::emit::Emitter;
use super::regs::class;
use super::value::Reg;
use crate::tier::Declined;
use ir::{Inst, InstId, Type, TypeId, Value};
use smallvec::SmallVec;

/// Registers of the parts of a value.
type Regs = SmallVec<[Reg; 4]>;

impl Emitter<'_> {
    /// Number of the first part of the field that `path` leads to in a value of type `ty`.
    fn first_part(&self, ty: TypeId, path: &[u32]) -> Result<u32, Declined> {
        let types = &self.job.module.types;
        let mut ty = ty;
        let mut part = 0;
        for &field in path {
            let Type::Struct { fields, .. } = types.get(ty) else {
                return self.unsupported("field of an array");
            };
            for &before in &fields[..field as usize] {
                part += self.part_count(before)?;
            }
            ty = fields[field as usize];
        }
        Ok(part)
    }

    fn part_count(&self, ty: TypeId) -> Result<u32, Declined> {
        let (first, later) = super::analysis::parts_of(self.job, ty, self.at)?;
        let empty = first == crate::abi::Part::Int(0);
        Ok(if empty { 0 } else { 1 + later.len() as u32 })
    }

    /// A part of `value` in a register that may become a result's.
    fn owned_part(&mut self, value: Value, part: u32) -> Reg {
        let from = self.get_part(value, part);
        let owned = match self.index(value) {
            Some(ix) => {
                let ix = self.part_ix(ix, part);
                self.regs.owner[usize::from(from.0)] == ix && self.dies(value)
            }
            None => true,
        };
        if owned {
            return from;
        }
        let kind = self.parts(value)[part as usize];
        let reg = self.alloc(class(kind));
        self.copy(reg, from, kind);
        reg
    }

    /// The parts of the result of `id` are in `regs`.
    pub(super) fn set_parts(&mut self, id: InstId, regs: &[Reg]) {
        let ix = self.result(id);
        for (part, &reg) in (0u32..).zip(regs) {
            let part = self.part_ix(ix, part);
            self.set(part, reg, 0);
        }
    }

    pub(super) fn extract_value(&mut self, id: InstId, inst: &Inst) -> Result<(), Declined> {
        let value = Value(inst.args[0]);
        let path = self.body.words(inst.args[1], inst.args[2]);
        let first = self.first_part(self.body.type_of(value), path)?;
        let more = u32::from(self.vals[self.result(id) as usize].more);
        let regs: Regs = (first..=first + more)
            .map(|part| self.owned_part(value, part))
            .collect();
        self.release(value);
        self.set_parts(id, &regs);
        Ok(())
    }

    pub(super) fn insert_value(&mut self, id: InstId, inst: &Inst) -> Result<(), Declined> {
        let (whole, field) = (Value(inst.args[0]), Value(inst.args[1]));
        let at = inst.args[2];
        let count = self.body.pool[at as usize];
        let path = self.body.words(at + 1, count);
        let first = self.first_part(inst.ty, path)?;
        let inserted = self.parts(field).len() as u32;
        let total = 1 + u32::from(self.vals[self.result(id) as usize].more);
        let regs: Regs = (0..total)
            .map(|part| match part.checked_sub(first) {
                Some(inner) if inner < inserted => self.owned_part(field, inner),
                _ => self.owned_part(whole, part),
            })
            .collect();
        self.release(whole);
        self.release(field);
        self.set_parts(id, &regs);
        Ok(())
    }

    /// `Freeze`, `Select` and loads of values with several parts go through here: part by part.
    pub(super) fn forward_parts(&mut self, id: InstId, value: Value) {
        let total = 1 + u32::from(self.vals[self.result(id) as usize].more);
        let regs: Regs = (0..total)
            .map(|part| self.owned_part(value, part))
            .collect();
        self.release(value);
        self.set_parts(id, &regs);
    }
}
