//! Calls and parameters, as `docs/abi.md` says.
//!
//! A call goes: copy what is passed by value, lay out the variadic image, note where each argument is,
//! release the operands, store what lives on in registers that the callee may use, move all
//! arguments at once, call. Releasing before storing means that an argument used for the last time is
//! only moved; its register or home keeps its content until the moves have read it, because nothing
//! is allocated in between that could reuse it (homes freed by an instruction stay untouched until its end).

use super::analysis::{parts_of, scalar_part};
use super::emit::Emitter;
use super::moves::{Move, Source, Target};
use super::operand::bits_of;
use super::regs::{INTS, VECTORS, each};
use super::value::{Reg, Val};
use crate::abi::{self, Part};
use crate::tier::Declined;
use asm::{Alu, Gpr, Mem, Plain, Size, VecBin, Xmm};
use ir::{FuncId, Inst, InstId, Op, TypeId, Value};
use smallvec::SmallVec;

const INT_ARGS: [Gpr; 6] = [Gpr::Rdi, Gpr::Rsi, Gpr::Rdx, Gpr::Rcx, Gpr::R8, Gpr::R9];
const VECTOR_ARGS: usize = 8;
/// Address of the variadic image.
const IMAGE: Gpr = Gpr::R10;
/// Holds the callee of an indirect call; no argument goes there.
const CALLEE: Gpr = Gpr::Rax;

/// Hands out the places of arguments in order.
#[derive(Default)]
struct Places {
    ints: usize,
    vectors: usize,
    /// Bytes of stack arguments so far.
    stack: u32,
}

impl Places {
    /// The place of the next part.
    fn of(&mut self, part: Part) -> Target {
        if part.is_int() && self.ints < INT_ARGS.len() {
            self.ints += 1;
            return Target::Reg(Reg::of(INT_ARGS[self.ints - 1]));
        }
        if !part.is_int() && self.vectors < VECTOR_ARGS {
            self.vectors += 1;
            return Target::Reg(Reg::of_xmm(Xmm::new(self.vectors as u8 - 1)));
        }
        let size = part.home_size();
        let at = self.stack.next_multiple_of(size);
        self.stack = at + size;
        Target::Outgoing(at as i32)
    }
}

/// Parts of arguments and where they are.
type Given = SmallVec<[(Source, Part); 8]>;

/// What a call needs to know of its callee.
struct Callee<'a> {
    /// Types of the parameters that go to registers.
    params: &'a [TypeId],
    ret: TypeId,
    /// The callee or the call is variadic.
    variadic: bool,
}

impl<'a> Emitter<'a> {
    /// Takes the parameters from where the caller put them.
    pub(super) fn parameters(&mut self) -> Result<(), Declined> {
        let module = self.job.module;
        let variadic = module.types.signature(self.job.function().ty);
        if variadic.is_some_and(|(_, _, variadic)| variadic) {
            self.image_home = self.frame.home(8);
            let home = self.local(self.image_home);
            self.asm.mov_mr(Size::B64, home, IMAGE);
        }
        let mut places = Places::default();
        for ix in 0..self.params {
            for (number, part) in (0u32..).zip(self.parts(Value::arg(ix))) {
                self.parameter(ix, number, places.of(part));
            }
        }
        self.emit_moves();
        Ok(())
    }

    fn parameter(&mut self, main: u32, part: u32, place: Target) {
        let ix = self.part_ix(main, part);
        if self.vals[main as usize].uses == 0 {
            return;
        }
        let val = &mut self.vals[ix as usize];
        let (fixed, kind) = (val.fixed, val.part);
        let from = match place {
            Target::Reg(reg) => Source::Reg(reg),
            Target::Outgoing(at) | Target::Home(at) => {
                // Above the return address and the saved rbp.
                val.home = at + 16;
                val.flags |= Val::STORED | Val::KEEP_HOME;
                Source::Home(val.home)
            }
        };
        if fixed.is_some() {
            val.reg = fixed;
            self.moves.push(Move {
                from,
                to: Target::Reg(fixed),
                part: kind,
            });
        } else if let Source::Reg(reg) = from {
            if self.regs.reserved & reg.bit() == 0 {
                self.bind(reg, ix);
            } else {
                let home = self.home_of(ix);
                self.spill(home, reg, kind);
                self.vals[ix as usize].flags |= Val::STORED;
            }
        }
    }

    /// `Call` and `CallIndirect`.
    #[inline(never)]
    pub(super) fn call(&mut self, id: InstId, inst: &Inst) -> Result<(), Declined> {
        let [target, start, count] = inst.args;
        let body = self.body;
        let words = body.words(start, count + 2);
        let args = &words[2..];
        let callee = self.callee(inst, TypeId(words[0] as u16));
        let copies = self.copy_by_value(words[1], args)?;
        let image = if callee.variadic {
            Some(self.variadic_image(words[1], args)?)
        } else {
            None
        };
        let plain = match copies.is_empty() {
            true => self.plain_arguments(callee.params, args),
            false => None,
        };
        let stack = match plain {
            Some(stack) => stack,
            None => {
                self.moves.clear();
                let given = self.arguments(args, &copies);
                self.fixed_arguments(callee.params, given)?
            }
        };
        if let Some(image) = image {
            let to = Target::Reg(Reg::of(IMAGE));
            self.moves.push(Move {
                from: Source::Address(image),
                to,
                part: Part::Int(32),
            });
        }
        if inst.op == Op::CallIndirect {
            let from = self.source(Value(target), 0);
            let to = Target::Reg(Reg::of(CALLEE));
            self.moves.push(Move {
                from,
                to,
                part: Part::Int(32),
            });
        }
        self.frame.reserve_outgoing(stack);
        args.iter().for_each(|&arg| self.release(Value(arg)));
        if inst.op == Op::CallIndirect {
            self.release(Value(target));
        }
        self.store_volatile();
        let wide = self.moves.iter().any(|m| m.part == Part::V256);
        self.emit_moves();
        self.note(id);
        if self.dirties_upper_lanes && !wide && self.leaves_code(inst) {
            self.asm.plain(Plain::VZEROUPPER);
        }
        if inst.op == Op::Call {
            let slot = abi::func_slot(self.job.bindings.funcs[target as usize]);
            self.asm.call_rm(Mem::abs(abi::slot_address(slot) as i32));
        } else {
            self.asm.call_rm(CALLEE);
        }
        let after = self.asm.offset().0;
        self.tables.returns.push(after);
        self.call_result(id, inst, callee.ret)
    }

    /// Notes the moves of `args` to the places of `params` if each is one part, of the kind that the
    /// parameter has; the bytes on the stack.
    fn plain_arguments(&mut self, params: &[TypeId], args: &[u32]) -> Option<u32> {
        let mut places = Places::default();
        for (&ty, &arg) in params.iter().zip(args) {
            let value = Value(arg);
            let (part, given) = (scalar_part(ty)?, self.only_part(value)?);
            if part.is_int() != given.is_int() {
                return None;
            }
            let source = self.source(value, 0);
            self.argument(Some((source, given)), part, places.of(part));
        }
        (params.len() <= args.len()).then_some(places.stack)
    }

    /// Notes the moves of what is `given` to the places of `params`; the bytes on the stack.
    fn fixed_arguments(
        &mut self,
        params: &[TypeId],
        (ints, vectors): (Given, Given),
    ) -> Result<u32, Declined> {
        let mut places = Places::default();
        let (mut ints, mut vectors) = (ints.into_iter(), vectors.into_iter());
        let mut place = |this: &mut Self, part: Part| {
            let to = places.of(part);
            let source = if part.is_int() {
                ints.next()
            } else {
                vectors.next()
            };
            this.argument(source, part, to);
        };
        for &ty in params {
            if let Some(part) = scalar_part(ty) {
                place(self, part);
                continue;
            }
            let (first, later) = parts_of(self.job, ty, self.at)?;
            for part in core::iter::once(first).chain(later) {
                place(self, part);
            }
        }
        Ok(places.stack)
    }

    /// Whether the call reaches the runtime: a direct call of what no module defines.
    fn leaves_code(&self, inst: &Inst) -> bool {
        let definition = |func| self.job.bindings.definition(self.job.module, func);
        inst.op == Op::Call && definition(FuncId(inst.args[0])).is_none()
    }

    /// Whose definition decides: a direct callee's, else the call's type.
    fn callee(&self, inst: &Inst, called_as: TypeId) -> Callee<'a> {
        let types = &self.job.module.types;
        let signature = |ty| types.signature(ty).unwrap_or((TypeId::VOID, &[], false));
        let (ret, params, variadic) = signature(called_as);
        let mut callee = Callee {
            params,
            ret,
            variadic,
        };
        if inst.op == Op::Call {
            let defined_as = self.job.bindings.types[inst.args[0] as usize];
            if defined_as != called_as {
                let (ret, params, variadic) = signature(defined_as);
                callee.params = params;
                callee.ret = ret;
                callee.variadic |= variadic;
            }
        }
        callee
    }

    /// Copies the objects that are passed by value; for each argument, where its copy is.
    fn copy_by_value(
        &mut self,
        set: u32,
        args: &[u32],
    ) -> Result<SmallVec<[(usize, i32); 2]>, Declined> {
        let mut copies = SmallVec::new();
        let module = self.job.module;
        let Some(set) = module.attr_set(set) else {
            return Ok(copies);
        };
        for (at, attrs) in set.params.iter().enumerate() {
            if attrs.byval != 0
                && let Some(&arg) = args.get(at)
            {
                let copy = self.frame.area(u64::from(attrs.byval), 16);
                self.copy_to_frame(copy, Value(arg), attrs.byval);
                self.regs.locked = 0;
                copies.push((at, copy));
            }
        }
        Ok(copies)
    }

    /// Lays out all arguments as an i386 stack image; its offset in the frame.
    fn variadic_image(&mut self, set: u32, args: &[u32]) -> Result<i32, Declined> {
        let module = self.job.module;
        let set = module.attr_set(set);
        let attrs = |at: usize| set.and_then(|set| set.params.get(at)).copied();
        let mut places: SmallVec<[u32; 8]> = SmallVec::new();
        let mut size = 0u32;
        for (at, &arg) in args.iter().enumerate() {
            let byval = attrs(at).map_or(0, |a| a.byval);
            if byval != 0 {
                places.push(size);
                size += byval.next_multiple_of(4);
            } else {
                places.push(self.image_place(Value(arg), &mut size));
            }
        }
        // Vectors are stored whole, which may reach beyond a short last one.
        let image = self.frame.area(u64::from(size) + 16, 16);
        for (at, &arg) in args.iter().enumerate() {
            let to = image + places[at] as i32;
            let value = Value(arg);
            match attrs(at) {
                Some(a) if a.byval != 0 => self.copy_to_frame(to, value, a.byval),
                _ => self.image_argument(to, value),
            }
            self.regs.locked = 0;
        }
        Ok(image)
    }

    /// The offset of a value in a variadic image that has `size` bytes so far.
    fn image_place(&self, value: Value, size: &mut u32) -> u32 {
        let parts = self.parts(value);
        if let Some(&part @ (Part::V128 | Part::V256)) = parts.first() {
            let ty = self.body.type_of(value);
            let bytes = self.job.module.types.layout(ty).size;
            *size = size.next_multiple_of(bytes.clamp(4, 16));
            let place = *size;
            // A shorter vector is stored whole: what follows is stored later.
            *size += bytes.max(4).min(part.home_size());
            return place;
        }
        let place = *size;
        *size += parts.iter().map(image_size).sum::<u32>();
        place
    }

    /// Bytes that the fixed parameters of this function occupy in its variadic image.
    pub(super) fn fixed_image_size(&self) -> u32 {
        let set = self.job.module.attr_set(self.job.function().attr_set);
        let mut size = 0;
        for ix in 0..self.params {
            let attrs = set.and_then(|set| set.params.get(ix as usize));
            match attrs.map_or(0, |a| a.byval) {
                0 => {
                    self.image_place(Value::arg(ix), &mut size);
                }
                bytes => size += bytes.next_multiple_of(4),
            }
        }
        size
    }

    fn image_argument(&mut self, to: i32, value: Value) {
        let parts = self.parts(value);
        if let [Part::Int(bits @ 0..32)] = parts[..]
            && bits != 0
        {
            let reg = self.extended(value, false, Size::B32);
            return self.spill(to, Reg::of(reg), Part::Int(32));
        }
        let mut to = to;
        for (number, part) in (0u32..).zip(parts) {
            let reg = self.get_part(value, number);
            self.spill(to, reg, part);
            to += image_size(&part) as i32;
            self.regs.locked = 0;
        }
    }

    /// Where the parts of the arguments are: general ones, and those in vector registers. The parameters
    /// take them by kind and in order, so that nothing is reinterpreted if the types do not match.
    fn arguments(&self, args: &[u32], copies: &[(usize, i32)]) -> (Given, Given) {
        let (mut ints, mut vectors) = (Given::new(), Given::new());
        for (at, &arg) in args.iter().enumerate() {
            if let Some(copy) = copies.iter().find(|copy| copy.0 == at) {
                ints.push((Source::Address(copy.1), Part::Int(32)));
                continue;
            }
            let value = Value(arg);
            if let Some(part) = self.only_part(value) {
                let list = if part.is_int() {
                    &mut ints
                } else {
                    &mut vectors
                };
                list.push((self.source(value, 0), part));
                continue;
            }
            for (number, part) in (0u32..).zip(self.parts(value)) {
                let list = if part.is_int() {
                    &mut ints
                } else {
                    &mut vectors
                };
                list.push((self.source(value, number), part));
            }
        }
        (ints, vectors)
    }

    /// Notes the move of one part to its place; a missing one is 0.
    fn argument(&mut self, given: Option<(Source, Part)>, part: Part, to: Target) {
        let (from, part) = match given {
            // A narrower integer is zero-extended by what a move of its width does.
            Some((from, Part::Int(bits))) => (from, Part::Int(bits.min(bits_of(part)))),
            Some((from, given)) => (from, given),
            None => (Source::Bits(0), part),
        };
        self.moves.push(Move { from, to, part });
    }

    /// Stores what lives in registers that a callee may change, and forgets those registers.
    pub(super) fn store_volatile(&mut self) {
        for reg in each(self.regs.busy) {
            self.vacate(reg);
        }
        let mut at = 0;
        while let Some(&(reg, ix)) = self.regs.aliases.get(at) {
            if reg.bit() & (INTS | VECTORS) == 0 {
                at += 1;
                continue;
            }
            self.store_home(ix);
            self.vals[ix as usize].reg = Reg::NONE;
            self.regs.aliases.swap_remove(at);
        }
    }

    /// Takes the result of a call to a function that returns `returned`.
    fn call_result(&mut self, id: InstId, inst: &Inst, returned: TypeId) -> Result<(), Declined> {
        if !inst.has_result() {
            return Ok(());
        }
        let ix = self.result(id);
        self.regs.locked = 0;
        let same = returned == inst.ty;
        let given = match scalar_part(returned) {
            Some(part) => Some(part),
            None if same || returned == TypeId::VOID => None,
            None => parts_of(self.job, returned, self.at)
                .ok()
                .map(|(first, _)| first),
        };
        let mut ints = [Gpr::Rax, Gpr::Rdx].into_iter();
        let mut vectors = [Xmm::Xmm0, Xmm::Xmm1].into_iter();
        for part in 0..=u32::from(self.vals[ix as usize].more) {
            let part_ix = self.part_ix(ix, part);
            let kind = self.vals[part_ix as usize].part;
            let reg = if kind.is_int() {
                ints.next().map(Reg::of)
            } else {
                vectors.next().map(Reg::of_xmm)
            };
            let Some(reg) = reg else {
                return self.unsupported("result of more than two parts of a kind");
            };
            if !same {
                self.adapt_result(reg, kind, given);
            }
            self.lock(reg);
            self.set(part_ix, reg, 0);
        }
        Ok(())
    }

    /// Makes a result of another type one of `kind`: what does not fit is 0.
    fn adapt_result(&mut self, reg: Reg, kind: Part, given: Option<Part>) {
        match (kind, given) {
            (Part::Int(32), Some(Part::Int(_))) => self.asm.mov(Size::B32, reg.gpr(), reg.gpr()),
            (Part::Int(_), Some(Part::Int(_))) => {}
            (kind, Some(given)) if kind == given => {}
            (Part::Int(_), _) => self.asm.alu(Alu::Xor, Size::B32, reg.gpr(), reg.gpr()),
            _ => self
                .asm
                .vec_bin(self.enc, VecBin::XORPS, reg.xmm(), reg.xmm(), reg.xmm()),
        }
    }
}

/// Bytes of a part, other than a vector, in a variadic image.
fn image_size(part: &Part) -> u32 {
    match part {
        Part::Int(0..=32) | Part::F32 => 4,
        _ => 8,
    }
}
