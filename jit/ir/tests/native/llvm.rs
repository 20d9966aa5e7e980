//! IR as LLVM's text, so that clang can run it.
//!
//! Only what `ir::random` generates is covered. Where our semantics say more than LLVM's (shift
//! amounts, conversions, lane numbers, `minnum`), the defined result is spelled out in plain LLVM
//! operations or calls one of the helpers in `helpers.c`, which use the processor's instruction.

use core::fmt::Write;
use ir::text::type_text;
use ir::{
    Body, Const, ConstId, ConstKind, FloatPred, Function, Inst, InstId, Intrinsic, Module, Op,
    Type, TypeId, Value, ValueKind, module::RelocTarget,
};

/// The module as LLVM text for i386.
pub(crate) fn module(module: &Module) -> String {
    let mut out = String::from("target triple = \"i386-pc-linux-gnu\"\n");
    for global in &module.globals {
        writeln!(out, "{}", global_text(module, global)).expect("strings take all");
    }
    out += include_str!("declarations.ll");
    for func in &module.funcs {
        if let Some(body) = &func.body {
            Writer {
                module,
                func,
                body,
                out: &mut out,
                extra: 0,
            }
            .function();
        }
    }
    out
}

fn global_text(module: &Module, global: &ir::Global) -> String {
    let kind = if global.constant {
        "constant"
    } else {
        "global"
    };
    let name = &global.name;
    if global.relocs.is_empty() {
        let bytes: String = global.init.iter().map(|b| format!("\\{b:02X}")).collect();
        let (size, align) = (global.size, 1u32 << global.align_log2);
        return format!("@{name} = {kind} [{size} x i8] c\"{bytes}\", align {align}");
    }
    let pointer = |reloc: &ir::Reloc| match reloc.target {
        RelocTarget::Func(id) => format!("ptr @{}", module.func(id).name),
        RelocTarget::Global(id) => format!("ptr @{}", module.globals[id.index()].name),
    };
    let list: Vec<String> = global.relocs.iter().map(pointer).collect();
    let len = list.len();
    format!("@{name} = {kind} [{len} x ptr] [{}]", list.join(", "))
}

struct Writer<'a> {
    module: &'a Module,
    func: &'a Function,
    body: &'a Body,
    out: &'a mut String,
    /// Names made for intermediate results.
    extra: u32,
}

impl Writer<'_> {
    fn ty(&self, id: TypeId) -> String {
        type_text(&self.module.types, id).to_string()
    }

    fn put(&mut self, line: &str) {
        writeln!(self.out, "  {line}").expect("strings take all");
    }

    fn name(&mut self) -> String {
        self.extra += 1;
        format!("%t{}", self.extra)
    }

    /// `%tN = operation`
    fn make(&mut self, operation: &str) -> String {
        let name = self.name();
        self.put(&format!("{name} = {operation}"));
        name
    }

    fn function(&mut self) {
        let (ret, params, variadic) = self
            .module
            .types
            .signature(self.func.ty)
            .expect("functions have signatures");
        let mut list: Vec<String> = params
            .iter()
            .enumerate()
            .map(|(at, &ty)| format!("{} %a{at}", self.ty(ty)))
            .collect();
        if variadic {
            list.push("...".into());
        }
        let head = format!(
            "define {} @{}({}) {{\n",
            self.ty(ret),
            self.func.name,
            list.join(", ")
        );
        self.out.push_str(&head);
        for (at, block) in self.body.blocks.iter().enumerate() {
            writeln!(self.out, "bb{at}:").expect("strings take all");
            for id in block.insts() {
                self.inst(id, self.body.inst(id));
            }
        }
        self.out.push_str("}\n");
    }

    fn constant(&self, constant: Const) -> String {
        let Const { ty, kind } = constant;
        match kind {
            ConstKind::Int(bits) if ty == TypeId::PTR => format!("inttoptr (i32 {bits} to ptr)"),
            ConstKind::Int(bits) => {
                // LLVM reads numbers modulo the width when they are given in hexadecimal.
                let width = self.module.types.int_bits(ty).unwrap_or(64);
                let unused = 64 - width.min(64);
                ((bits << unused).cast_signed() >> unused).to_string()
            }
            ConstKind::F32(bits) => {
                format!("0x{:016X}", f64::from(f32::from_bits(bits)).to_bits())
            }
            ConstKind::F64(bits) => format!("0x{bits:016X}"),
            ConstKind::Func(id) => format!("@{}", self.module.func(id).name),
            ConstKind::Global { id, offset } => {
                let name = &self.module.globals[id.index()].name;
                format!("getelementptr (i8, ptr @{name}, i32 {offset})")
            }
            ConstKind::Elements { start, len } => {
                let words = self.body.words(start, len).iter();
                let part = |&word: &u32| {
                    let part = self.body.constant(ConstId(word));
                    format!("{} {}", self.ty(part.ty), self.constant(part))
                };
                format!("<{}>", words.map(part).collect::<Vec<_>>().join(", "))
            }
            _ => "zeroinitializer".into(),
        }
    }

    fn value(&self, raw: u32) -> String {
        match Value(raw).kind() {
            ValueKind::Inst(InstId(id)) => format!("%v{id}"),
            ValueKind::Arg(n) => format!("%a{n}"),
            ValueKind::Const(id) => self.constant(self.body.constant(id)),
            ValueKind::None => "none".into(),
        }
    }

    fn operand_type(&self, raw: u32) -> TypeId {
        self.body.type_of(Value(raw))
    }

    fn typed(&self, raw: u32) -> String {
        format!("{} {}", self.ty(self.operand_type(raw)), self.value(raw))
    }

    /// A number in each lane of `ty`.
    fn splat(&self, ty: TypeId, number: u32) -> String {
        match self.module.types.vector(ty) {
            Some((elem, len)) => {
                let lane = format!("{} {number}", self.ty(elem));
                format!("<{}>", vec![lane; len as usize].join(", "))
            }
            None => number.to_string(),
        }
    }

    fn inst(&mut self, id: InstId, inst: &Inst) {
        let name = format!("%v{}", id.0);
        let operation = match inst.op {
            op if op.is_terminator() => self.terminator(inst),
            Op::Call | Op::CallIndirect => self.call(inst),
            Op::Intrinsic => self.intrinsic(inst),
            op if op.is_cast() => self.cast(inst),
            Op::Load | Op::Store | Op::Alloca | Op::DynAlloca | Op::PtrAdd => self.memory(inst),
            Op::AtomicRmw | Op::CmpXchg => self.atomic(inst),
            Op::ExtractElement | Op::InsertElement | Op::Shuffle => self.lanes(inst),
            _ => self.plain(inst),
        };
        if inst.has_result() {
            self.put(&format!("{name} = {operation}"));
        } else if !operation.is_empty() {
            self.put(&operation);
        }
    }

    fn plain(&mut self, inst: &Inst) -> String {
        let [a, b, c] = inst.args;
        let ty = self.ty(inst.ty);
        let text = format!("{:?}", inst.op).to_lowercase();
        match inst.op {
            Op::Shl | Op::LShr | Op::AShr => {
                let bits = self.module.types.scalar(inst.ty);
                let width = self.module.types.int_bits(bits).unwrap_or(32);
                // i1 holds no 1 to divide by that is not -1, and no width but 1: never shifts.
                if width == 1 {
                    return format!("or {ty} {}, zeroinitializer", self.value(a));
                }
                // The width may not fit its own type, as in i3: extend.
                let wide = self.extended(inst.ty);
                let x = self.make(&format!("zext {ty} {} to {wide}", self.value(b)));
                let width = self.splat(inst.ty, width).replace(&self.ty(bits), "i128");
                let x = self.make(&format!("urem {wide} {x}, {width}"));
                let x = self.make(&format!("trunc {wide} {x} to {ty}"));
                format!("{text} {ty} {}, {x}", self.value(a))
            }
            Op::ICmp => {
                let pred = format!("{:?}", inst.int_pred().expect("verified")).to_lowercase();
                format!("icmp {pred} {}, {}", self.typed(a), self.value(b))
            }
            Op::FCmp => {
                let pred = FloatPred::NAMES[usize::from(inst.float_pred().0)];
                format!("fcmp {pred} {}, {}", self.typed(a), self.value(b))
            }
            Op::FNeg | Op::Freeze => format!("{text} {}", self.typed(a)),
            Op::Select => {
                let (x, y, z) = (self.typed(a), self.typed(b), self.typed(c));
                format!("select {x}, {y}, {z}")
            }
            Op::Phi => {
                let pairs = self.body.words(a, b * 2).chunks_exact(2);
                let entry = |pair: &[u32]| format!("[{}, %bb{}]", self.value(pair[1]), pair[0]);
                let entries: Vec<String> = pairs.map(entry).collect();
                format!("phi {ty} {}", entries.join(", "))
            }
            Op::ExtractValue => {
                let path = self.body.words(b, c);
                format!("extractvalue {}, {}", self.typed(a), path[0])
            }
            _ => format!("{text} {ty} {}, {}", self.value(a), self.value(b)),
        }
    }

    /// The type with i128 in place of its integers.
    fn extended(&self, ty: TypeId) -> String {
        match self.module.types.vector(ty) {
            Some((_, len)) => format!("<{len} x i128>"),
            None => "i128".into(),
        }
    }

    fn cast(&mut self, inst: &Inst) -> String {
        let a = inst.args[0];
        let (from, to) = (self.operand_type(a), self.ty(inst.ty));
        let text = format!("{:?}", inst.op).to_lowercase();
        let value = self.value(a);
        let unsigned = match inst.op {
            Op::FpToSi => false,
            Op::FpToUi => true,
            _ => return format!("{text} {} {value} to {to}", self.ty(from)),
        };
        let wide = if from == TypeId::F32 {
            self.make(&format!("fpext float {value} to double"))
        } else {
            value
        };
        let width = self.module.types.int_bits(inst.ty).unwrap_or(64);
        let (helper, bits) = match (width, unsigned) {
            (..=32, false) | (..=31, true) => ("to_i32", 32),
            (33..=64, false) | (32..=63, true) => ("to_i64", 64),
            _ => ("to_u64", 64),
        };
        let x = self.make(&format!("call i{bits} @{helper}(double {wide})"));
        if bits == width {
            format!("or i{bits} {x}, 0")
        } else {
            format!("trunc i{bits} {x} to {to}")
        }
    }

    fn memory(&mut self, inst: &Inst) -> String {
        let [a, b, c] = inst.args;
        let ty = self.ty(inst.ty);
        match inst.op {
            Op::Load => format!("load {ty}, ptr {}, align 1", self.value(a)),
            Op::Store => {
                let (value, to) = (self.typed(b), self.value(a));
                format!("store {value}, ptr {to}, align 1")
            }
            Op::Alloca => format!("alloca [{a} x i8], align {}", 1u32 << b),
            Op::DynAlloca => {
                let x = self.make(&format!("mul {}, {c}", self.typed(a)));
                format!("alloca i8, i32 {x}, align {}", 1u32 << b)
            }
            _ if Value(b) == Value::NONE => {
                format!(
                    "getelementptr i8, {}, i32 {}",
                    self.typed(a),
                    c.cast_signed()
                )
            }
            _ => {
                let words = self.body.words(c, 2);
                let [scale, disp] = [words[0].cast_signed(), words[1].cast_signed()];
                let x = self.make(&format!("mul i32 {}, {scale}", self.value(b)));
                let x = self.make(&format!("add i32 {x}, {disp}"));
                format!("getelementptr i8, {}, i32 {x}", self.typed(a))
            }
        }
    }

    fn atomic(&mut self, inst: &Inst) -> String {
        let [a, b, _] = inst.args;
        if inst.op == Op::CmpXchg {
            let words = self.body.words(b, 2);
            let (old, new) = (self.typed(words[0]), self.typed(words[1]));
            let to = self.value(a);
            return format!("cmpxchg ptr {to}, {old}, {new} seq_cst seq_cst");
        }
        const NAMES: [&str; 11] = [
            "xchg", "add", "sub", "and", "nand", "or", "xor", "max", "min", "umax", "umin",
        ];
        let op = NAMES[usize::from(inst.flags.0)];
        format!(
            "atomicrmw {op} ptr {}, {} seq_cst",
            self.value(a),
            self.typed(b)
        )
    }

    fn lanes(&mut self, inst: &Inst) -> String {
        let [a, b, c] = inst.args;
        let vector = self.typed(a);
        let (_, len) = self
            .module
            .types
            .vector(self.operand_type(a))
            .expect("verified");
        match inst.op {
            // The generator's vectors have a power of two lanes.
            Op::ExtractElement => {
                let x = self.make(&format!("and {}, {}", self.typed(b), len - 1));
                format!("extractelement {vector}, i32 {x}")
            }
            Op::InsertElement => {
                let x = self.make(&format!("and {}, {}", self.typed(c), len - 1));
                format!("insertelement {vector}, {}, i32 {x}", self.typed(b))
            }
            _ => {
                let mask = self.body.words(c, len);
                // Any lane is 0: taken from elsewhere, then overwritten.
                let list: Vec<String> = mask
                    .iter()
                    .map(|&m| format!("i32 {}", if m == u32::MAX { 0 } else { m }))
                    .collect();
                let ty = self.ty(inst.ty);
                let (elem, _) = self.module.types.vector(inst.ty).expect("verified");
                let zero = format!("{} zeroinitializer", self.ty(elem));
                let mut x = self.make(&format!(
                    "shufflevector {vector}, {}, <{len} x i32> <{}>",
                    self.typed(b),
                    list.join(", ")
                ));
                for (at, _) in mask.iter().enumerate().filter(|(_, m)| **m == u32::MAX) {
                    x = self.make(&format!("insertelement {ty} {x}, {zero}, i32 {at}"));
                }
                format!("shufflevector {ty} {x}, {ty} {x}, <{len} x i32> <{}>", {
                    let same: Vec<String> = (0..len).map(|at| format!("i32 {at}")).collect();
                    same.join(", ")
                })
            }
        }
    }

    fn args(&self, words: &[u32]) -> String {
        let list: Vec<String> = words.iter().map(|&raw| self.typed(raw)).collect();
        list.join(", ")
    }

    fn call(&mut self, inst: &Inst) -> String {
        let [callee, start, n] = inst.args;
        let ty = TypeId(self.body.words(start, 1)[0] as u16);
        let target = match inst.op {
            Op::Call => format!("@{}", self.module.funcs[callee as usize].name),
            _ => self.value(callee),
        };
        let args = self.args(self.body.words(start + 2, n));
        format!("call {} {target}({args})", self.ty(ty))
    }

    fn intrinsic(&mut self, inst: &Inst) -> String {
        use Intrinsic as I;
        let words = self.body.words(inst.args[1], inst.args[2]);
        let which = inst.intrinsic().expect("verified");
        let ret = self.ty(inst.ty);
        let args = self.args(words);
        let name = which.name();
        let flag = match which {
            I::Abs | I::CtLz | I::CtTz | I::Memset | I::Memcpy | I::Memmove => ", i1 false",
            _ => "",
        };
        match which {
            I::VaStart => return format!("call void @llvm.va_start(ptr {})", self.value(words[0])),
            I::Memset => return format!("call void @llvm.memset.p0.i32({args}{flag})"),
            I::Memmove => return format!("call void @llvm.memmove.p0.p0.i32({args}{flag})"),
            I::Memcpy => return format!("call void @llvm.memcpy.p0.p0.i32({args}{flag})"),
            I::MinNum | I::MaxNum => return self.min_max(which, words),
            I::FMulAdd if !self.func.attrs.has(ir::FuncAttrs::FMA) => {
                let (x, y) = (self.typed(words[0]), self.value(words[1]));
                let product = self.make(&format!("fmul {x}, {y}"));
                return format!("fadd {ret} {product}, {}", self.value(words[2]));
            }
            _ => {}
        }
        let name = if which == I::FMulAdd { "fma" } else { name };
        let overload = self.overload(self.operand_type(words[0]));
        format!("call {ret} @llvm.{name}.{overload}({args}{flag})")
    }

    /// The suffix of an overloaded intrinsic.
    fn overload(&self, ty: TypeId) -> String {
        match self.module.types.get(ty) {
            Type::Float => "f32".into(),
            Type::Double => "f64".into(),
            Type::Vector { elem, len } => format!("v{len}{}", self.overload(*elem)),
            _ => self.ty(ty),
        }
    }

    fn min_max(&mut self, which: Intrinsic, words: &[u32]) -> String {
        let (x, y) = (words[0], words[1]);
        let pred = if which == Intrinsic::MinNum {
            "olt"
        } else {
            "ogt"
        };
        let ty = self.ty(self.operand_type(x));
        let truth = match self.module.types.vector(self.operand_type(x)) {
            Some((_, len)) => format!("<{len} x i1>"),
            None => "i1".into(),
        };
        let (x, y) = (self.value(x), self.value(y));
        let nan = self.make(&format!("fcmp uno {ty} {x}, {x}"));
        let less = self.make(&format!("fcmp {pred} {ty} {y}, {x}"));
        let second = self.make(&format!("or {truth} {nan}, {less}"));
        format!("select {truth} {second}, {ty} {y}, {ty} {x}")
    }

    fn terminator(&mut self, inst: &Inst) -> String {
        let [a, b, c] = inst.args;
        match inst.op {
            Op::Br => format!("br label %bb{a}"),
            Op::CondBr => format!("br i1 {}, label %bb{b}, label %bb{c}", self.value(a)),
            Op::Switch => {
                let ty = self.ty(inst.ty);
                let default = self.body.words(b, 1)[0];
                let cases = self.body.words(b + 1, c * 3).chunks_exact(3);
                let case = |case: &[u32]| format!("{ty} {}, label %bb{}", case[0], case[2]);
                let list: Vec<String> = cases.map(case).collect();
                let list = list.join(" ");
                format!("switch {}, label %bb{default} [{list}]", self.typed(a))
            }
            Op::Ret => format!("ret {}", self.typed(a)),
            _ => "unreachable".into(),
        }
    }
}
