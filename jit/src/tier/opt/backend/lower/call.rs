//! Calls: `docs/abi.md`, "Calls".
//!
//! Everything that is passed in memory lies at the bottom of the frame, above `rsp`:
//! ```text
//!   result area          of a result that needs more registers than there are
//!   variadic image
//!   byval copies
//!   stack arguments      at rsp
//! ```

use super::convention::{self, Spot};
use super::{Lower, Lowered};
use crate::abi::{self, Part, Parts};
use crate::tier::opt::backend::regalloc::CALLER_SAVED;
use crate::tier::opt::backend::vcode::{Base, CallInfo, MInst, Mem, Operand, Target, Vreg, gprs};
use alloc::vec::Vec;
use asm::{Gpr, Size, VecUn};
use ir::{FuncAttrs, FuncId, Inst, InstId, Op, Type, TypeId, Value};

/// Registers that a call loses.
const LOST: u32 = gprs(CALLER_SAVED) | 0xffff_0000;
/// Larger outgoing areas are declined.
const MAX_OUTGOING: u32 = 1 << 20;

/// A call being lowered.
#[derive(Debug)]
struct Site<'a> {
    args: Vec<Value>,
    /// By argument: bytes of its object if it is `byval`.
    byval: Vec<u32>,
    /// Result and parameters as the callee sees them.
    ret: TypeId,
    params: &'a [TypeId],
    /// Whether the argument list is laid out in memory.
    image: bool,
    /// Bytes of the outgoing area handed out.
    outgoing: u32,
}

/// A part of an argument.
#[derive(Clone, Copy, Debug)]
enum Given {
    /// Part of a value.
    Part(Value, u32, Part),
    /// Address of a `byval` copy at this offset of the outgoing area.
    Copy(u32),
}

impl Site<'_> {
    /// Room for `bytes`; its offset.
    fn room(&mut self, bytes: u32) -> u32 {
        let offset = self.outgoing.next_multiple_of(16);
        self.outgoing = offset.saturating_add(bytes);
        offset
    }
}

impl<'a> Lower<'a> {
    /// Whether a result of type `ty` goes through a hidden pointer.
    pub(super) fn has_hidden_pointer(&self, ty: TypeId) -> Lowered<bool> {
        if ty == TypeId::VOID {
            return Ok(false);
        }
        Ok(convention::results(&self.parts(ty)?).is_none())
    }

    /// `Call` and `CallIndirect`.
    pub(super) fn call(&mut self, id: InstId, inst: &Inst) -> Lowered {
        let [callee, pool, n] = inst.args;
        let direct = (inst.op == Op::Call).then_some(FuncId(callee));
        let mut site = self.site(direct, pool, n)?;
        let hidden = self.has_hidden_pointer(site.ret)?;
        let mut lists: Vec<Parts> = Vec::new();
        if hidden {
            lists.push(convention::pointer());
        }
        for &ty in site.params {
            lists.push(self.parts(ty)?);
        }
        let (spots, stack) = convention::assign(&lists);
        site.outgoing = stack;
        let copies = self.byval_copies(&mut site)?;
        let image = if site.image {
            Some(self.variadic_image(&mut site)?)
        } else {
            None
        };
        let result_area = hidden.then(|| site.room(8 * 4));
        let mut values = Vec::new();
        if let Some(area) = result_area {
            values.push((self.outgoing_address(area), Part::Int(32)));
        }
        let mut given = self.given(&site, &copies)?;
        for &want in lists[usize::from(hidden)..].iter().flatten() {
            let vreg = self.argument(&mut given, want)?;
            values.push((vreg, want));
        }
        if site.outgoing > MAX_OUTGOING {
            return Err(crate::tier::Declined::LimitExceeded("bytes of arguments"));
        }
        self.code.outgoing = self.code.outgoing.max(site.outgoing);
        let inputs = self.pass(&spots, &values, image);
        self.make_call(id, inst, direct, &site, result_area, inputs)
    }

    /// What is called with what.
    fn site(&self, direct: Option<FuncId>, pool: u32, n: u32) -> Lowered<Site<'a>> {
        let words = self.body.words(pool, n + 2);
        let types = &self.job.module.types;
        let signature = |ty| types.signature(ty);
        let Some(mut seen) = signature(TypeId(words[0] as u16)) else {
            return self.unsupported("a call without a signature");
        };
        let set = self.job.module.attr_set(words[1]);
        let mut variadic = seen.2;
        let mut attrs = set.map_or(FuncAttrs::default(), |set| set.func);
        if let Some(func) = direct {
            attrs.0 |= self.job.module.func(func).attrs.0;
            if let Some(defined) = self.definition(func).and_then(signature) {
                seen = defined;
                variadic |= defined.2;
            }
        }
        if attrs.has(FuncAttrs::RETURNS_TWICE) {
            return self.unsupported("a call that returns twice");
        }
        let byval = |at: usize| {
            set.and_then(|set| set.params.get(at))
                .map_or(0, |p| p.byval)
        };
        Ok(Site {
            args: words[2..].iter().map(|&word| Value(word)).collect(),
            byval: (0..n as usize).map(byval).collect(),
            ret: seen.0,
            params: seen.1,
            image: variadic,
            outgoing: 0,
        })
    }

    /// The type of the code that a direct call of `func` runs; `None` if that is the runtime's.
    fn definition(&self, func: FuncId) -> Option<TypeId> {
        let bindings = self.job.bindings;
        bindings.definition(self.job.module, func)?;
        bindings.types.get(func.index()).copied()
    }

    /// Copies `byval` objects; gives the offset of each copy.
    fn byval_copies(&mut self, site: &mut Site<'_>) -> Lowered<Vec<Option<u32>>> {
        let mut copies = Vec::new();
        for at in 0..site.args.len() {
            let bytes = site.byval[at];
            if bytes == 0 {
                copies.push(None);
                continue;
            }
            let offset = site.room(bytes);
            self.copy_object(site.args[at], bytes, offset)?;
            copies.push(Some(offset));
        }
        Ok(copies)
    }

    /// Copies the object of `bytes` at `from` to `offset` of the outgoing area.
    fn copy_object(&mut self, from: Value, bytes: u32, offset: u32) -> Lowered {
        let source = self.address(from)?;
        let target = Mem::at(Base::Outgoing, offset as i32);
        self.copy_bytes((target, super::operand::Operands::new()), source, bytes);
        Ok(())
    }

    fn outgoing_address(&mut self, offset: u32) -> Vreg {
        let dst = self.temp();
        let mem = Mem::at(Base::Outgoing, offset as i32);
        self.push(
            MInst::Lea {
                size: Size::B32,
                mem,
            },
            &[Operand::def(dst)],
        );
        dst
    }

    /// Bytes of an argument of type `ty` in a variadic image.
    pub(super) fn image_bytes(&self, ty: TypeId, byval: u32) -> u32 {
        match byval {
            0 => self.types.layout(ty).store.next_multiple_of(4),
            bytes => bytes.next_multiple_of(4),
        }
    }

    /// Lays out the whole argument list as i386 has it; gives its address.
    fn variadic_image(&mut self, site: &mut Site<'_>) -> Lowered<Vreg> {
        let mut size = 0;
        for (&arg, &byval) in site.args.iter().zip(&site.byval) {
            size += self.image_bytes(self.body.type_of(arg), byval);
        }
        let start = site.room(size);
        let mut at = start;
        for number in 0..site.args.len() {
            let (arg, byval) = (site.args[number], site.byval[number]);
            let ty = self.body.type_of(arg);
            if byval != 0 {
                self.copy_object(arg, byval, at)?;
            } else {
                self.image_word(arg, ty, Mem::at(Base::Outgoing, at as i32))?;
            }
            at += self.image_bytes(ty, byval);
        }
        Ok(self.outgoing_address(start))
    }

    fn image_word(&mut self, arg: Value, ty: TypeId, mem: Mem) -> Lowered {
        match self.part(ty)? {
            Part::Int(bits) => {
                let bits = u32::from(bits);
                let vreg = self.zero_extended(arg, bits)?;
                self.store_bytes(vreg, if bits <= 32 { 4 } else { 8 }, mem, &[]);
            }
            part => {
                let vreg = self.reg(arg)?;
                self.store_part(vreg, part, mem, &[]);
            }
        }
        Ok(())
    }

    /// The parts of all arguments, last first: those in general registers, and the others. A callee of another
    /// type than the call's takes each kind in its order.
    fn given(&self, site: &Site<'_>, copies: &[Option<u32>]) -> Lowered<[Vec<Given>; 2]> {
        let (mut ints, mut vectors) = (Vec::new(), Vec::new());
        for (&arg, &copy) in site.args.iter().zip(copies) {
            if let Some(offset) = copy {
                ints.push(Given::Copy(offset));
                continue;
            }
            for (number, &part) in (0u32..).zip(&self.parts(self.body.type_of(arg))?) {
                let list = if part.is_int() {
                    &mut ints
                } else {
                    &mut vectors
                };
                list.push(Given::Part(arg, number, part));
            }
        }
        ints.reverse();
        vectors.reverse();
        Ok([ints, vectors])
    }

    /// The next part of the kind of `want`; 0 if there is none.
    fn argument(&mut self, [ints, vectors]: &mut [Vec<Given>; 2], want: Part) -> Lowered<Vreg> {
        let list = if want.is_int() { ints } else { vectors };
        match list.pop() {
            None => Ok(self.zero(want)),
            Some(Given::Copy(offset)) => Ok(self.outgoing_address(offset)),
            Some(Given::Part(arg, number, part)) => {
                let vreg = self.use_part(arg, number)?;
                let vreg = self.detached(arg, vreg);
                Ok(self.converted(vreg, part, want))
            }
        }
    }

    /// A part that one side has as `from` and the other takes as `to`, of the same kind: what is missing
    /// above is 0.
    fn converted(&mut self, vreg: Vreg, from: Part, to: Part) -> Vreg {
        match (from, to) {
            (Part::Int(from), Part::Int(to)) if from != to && to >= 32 && from < 64 => {
                self.extend_zero(vreg, u32::from(from))
            }
            (Part::Int(64), Part::Int(32)) => self.extend_zero(vreg, 32),
            (Part::F32, Part::F64 | Part::V128 | Part::V256) => {
                let word = self.lane_word(vreg);
                self.vector_of(Size::B32, word)
            }
            (Part::F64, Part::V128 | Part::V256) => self.un(VecUn::MOVQ, false, vreg),
            (Part::V128, Part::V256) => {
                let zeros = self.zeros(true);
                self.with_upper(vreg, zeros)
            }
            _ => vreg,
        }
    }

    fn zero(&mut self, part: Part) -> Vreg {
        if part.is_int() {
            return self.imm(0);
        }
        let dst = self.float_temp();
        self.push(MInst::FZero, &[Operand::def(dst)]);
        dst
    }

    /// Stores what goes to the stack; gives the inputs in registers.
    fn pass(
        &mut self,
        spots: &[Spot],
        values: &[(Vreg, Part)],
        image: Option<Vreg>,
    ) -> Vec<Operand> {
        let mut inputs = Vec::new();
        for (&spot, &(vreg, part)) in spots.iter().zip(values) {
            match spot {
                Spot::Stack(offset) => {
                    self.store_part(vreg, part, Mem::at(Base::Outgoing, offset as i32), &[]);
                }
                _ => inputs.push(spot.input(vreg)),
            }
        }
        inputs.extend(image.map(|image| Operand::in_gpr(image, Gpr::R10)));
        inputs
    }

    fn make_call(
        &mut self,
        id: InstId,
        inst: &Inst,
        direct: Option<FuncId>,
        site: &Site<'_>,
        result_area: Option<u32>,
        inputs: Vec<Operand>,
    ) -> Lowered {
        let mut operands = Vec::new();
        let mut fixes = Vec::new();
        let wanted = if self.is_wanted(id) {
            self.parts(inst.ty)?
        } else {
            Parts::new()
        };
        let given = if site.ret == TypeId::VOID {
            Parts::new()
        } else {
            self.parts(site.ret)?
        };
        let registers = convention::results(&given);
        for (part, &want) in (0u32..).zip(&wanted) {
            let dst = self.result_part(id, part)?;
            let give = given.get(part as usize).copied();
            let give = give.filter(|give| give.is_int() == want.is_int());
            match (give, &registers) {
                (Some(give), Some(registers)) if give == want && !self.lives_on(id) => {
                    operands.extend(registers[part as usize].result(dst));
                }
                (Some(give), Some(registers)) => {
                    let raw = self.fresh(!give.is_int());
                    operands.extend(registers[part as usize].result(raw));
                    fixes.push((dst, Some((raw, give)), part, want));
                }
                _ => fixes.push((dst, None, part, want)),
            }
        }
        let results = operands
            .iter()
            .fold(0u32, |mask, operand| mask | register_bit(*operand));
        operands.extend(inputs);
        let target = match direct {
            Some(func) => Target::Slot(abi::slot_address(abi::func_slot(self.instance_func(func)))),
            None => {
                let callee = self.reg(Value(inst.args[0]))?;
                operands.push(Operand::any(callee));
                Target::Reg
            }
        };
        let call = self.code.calls.len() as u32;
        self.code.calls.push(CallInfo {
            target,
            clobbers: LOST & !results,
            foreign: direct.is_some_and(|func| self.definition(func).is_none()),
        });
        self.push(MInst::Call(call), &operands);
        for (dst, raw, part, want) in fixes {
            self.fix_result(dst, raw, want, result_area.map(|area| area + 8 * part));
        }
        Ok(())
    }

    /// A result that does not come as it is wanted: from memory, of another width, or not at all.
    fn fix_result(&mut self, dst: Vreg, raw: Option<(Vreg, Part)>, want: Part, area: Option<u32>) {
        if let Some(offset) = area {
            return self.load_part(dst, want, Mem::at(Base::Outgoing, offset as i32), &[]);
        }
        let vreg = match raw {
            Some((raw, give)) => self.converted(raw, give, want),
            None => self.zero(want),
        };
        self.copy(dst, vreg);
    }

    /// Bytes of the fixed parameters of this function in its variadic image.
    pub(super) fn fixed_image_bytes(&self) -> u32 {
        let function = self.job.function();
        let set = self.job.module.attr_set(function.attr_set);
        let fixed = match self.types.get(function.ty) {
            Type::Func { params, .. } => params.as_slice(),
            _ => &[],
        };
        let bytes = |(at, &ty): (usize, &TypeId)| {
            let byval = set
                .and_then(|set| set.params.get(at))
                .map_or(0, |p| p.byval);
            self.image_bytes(ty, byval)
        };
        fixed.iter().enumerate().map(bytes).sum()
    }
}

/// The bit of a fixed result's register in a set.
fn register_bit(operand: Operand) -> u32 {
    match operand.place {
        crate::tier::opt::backend::vcode::Place::Fixed(number) => {
            1 << (u32::from(number) + if operand.vreg.is_vector() { 16 } else { 0 })
        }
        _ => 0,
    }
}
