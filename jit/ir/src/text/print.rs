//! Module to text. Instructions are in `print_inst`.
//!
//! The order is fixed: name, files, types, attribute sets, globals, aliases, functions. It is also
//! the order in which the parser gives ids, so ids of files, sets, globals and functions survive the
//! round trip; those of types and constants need not, and are never written.
//!
//! Nothing is looked up while printing: names of symbols and numbers of types are made once, in
//! [`Printer::new`], in time linear in the module.

use super::names::{Names, quoted, symbol};
use super::types::{TypeText, is_named, ranks};
use super::words::{FUNC_ATTRS, LINKAGES, PARAM_ATTRS};
use crate::body::{BlockId, Body, Const, ConstId, ConstKind, Line, Value, ValueKind};
use crate::inst::InstId;
use crate::module::{FuncAttrs, FuncId, Function, Global, Linkage, Module, RelocTarget};
use crate::types::{Type, TypeId};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// A module, ready to be formatted.
#[derive(Debug)]
pub struct ModuleText<'a> {
    printer: Printer<'a>,
}

/// A function of a module, ready to be formatted.
#[derive(Debug)]
pub struct FuncText<'a> {
    printer: Printer<'a>,
    id: FuncId,
    body: Option<&'a Body>,
}

/// The text of a module.
#[must_use]
pub fn module_text(module: &Module) -> ModuleText<'_> {
    ModuleText {
        printer: Printer::new(module),
    }
}

/// The text of function `id`; with `body` instead of its own if one is given, so that working
/// copies of passes can be shown.
#[must_use]
pub fn func_text<'a>(module: &'a Module, id: FuncId, body: Option<&'a Body>) -> FuncText<'a> {
    FuncText {
        printer: Printer::new(module),
        id,
        body: body.or(module.func(id).body.as_ref()),
    }
}

/// Prints single instructions of a module's bodies.
#[derive(Debug)]
pub struct InstPrinter<'a> {
    printer: Printer<'a>,
}

impl<'a> InstPrinter<'a> {
    /// Prepares the names of the module.
    #[must_use]
    pub fn new(module: &'a Module) -> Self {
        Self {
            printer: Printer::new(module),
        }
    }

    /// The line of an instruction, without its indentation.
    #[must_use]
    pub fn line(&self, body: &Body, id: InstId) -> String {
        let line = fmt::from_fn(|f| self.printer.write_inst(f, body, id));
        String::from(format!("{line}").trim())
    }
}

impl fmt::Display for ModuleText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let printer = &self.printer;
        let module = printer.module;
        if !module.name.is_empty() {
            writeln!(f, "module {}", quoted(module.name.as_bytes()))?;
        }
        for file in &module.files {
            writeln!(f, "file {}", quoted(file.as_bytes()))?;
        }
        printer.write_types(f)?;
        for set in &module.attr_sets {
            printer.write_attr_set(f, set)?;
        }
        for (name, global) in printer.names.globals.iter().zip(&module.globals) {
            printer.write_global(f, name, global)?;
        }
        for alias in &module.aliases {
            write!(f, "alias {} =", symbol(&alias.name))?;
            write_linkage(f, alias.linkage)?;
            write!(f, " {}", printer.target(alias.target))?;
            write_offset(f, alias.offset)?;
            writeln!(f)?;
        }
        for (at, func) in (0u32..).zip(&module.funcs) {
            printer.write_func(f, FuncId(at), func, func.body.as_ref())?;
        }
        Ok(())
    }
}

impl fmt::Display for FuncText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let func = self.printer.module.func(self.id);
        self.printer.write_func(f, self.id, func, self.body)
    }
}

/// What all printing needs.
#[derive(Debug)]
pub(super) struct Printer<'a> {
    pub(super) module: &'a Module,
    pub(super) names: Names,
    ranks: Vec<u32>,
}

impl<'a> Printer<'a> {
    /// Prepares the names of symbols and types, which all lines need.
    fn new(module: &'a Module) -> Self {
        Self {
            module,
            names: Names::new(module),
            ranks: ranks(&module.types),
        }
    }

    /// A type, ready to be formatted.
    pub(super) fn type_text(&self, id: TypeId) -> TypeText<'_> {
        TypeText::with_ranks(&self.module.types, &self.ranks, id)
    }

    /// The name of what a relocation or alias refers to.
    fn target(&self, target: RelocTarget) -> &str {
        match target {
            RelocTarget::Func(id) => &self.names.funcs[id.index()],
            RelocTarget::Global(id) => &self.names.globals[id.index()],
        }
    }

    /// Definitions of all types that are written by number, in the order of the table.
    fn write_types(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let types = &self.module.types;
        for id in (0..=u16::MAX).take(types.len()).map(TypeId) {
            if is_named(types, id) {
                write!(f, "type {} = ", self.type_text(id))?;
                self.type_text(id).write_definition(f)?;
                writeln!(f)?;
            }
        }
        Ok(())
    }

    /// An attribute set; its number is its place among them, from 1.
    fn write_attr_set(
        &self,
        f: &mut fmt::Formatter<'_>,
        set: &crate::module::AttrSet,
    ) -> fmt::Result {
        f.write_str("attrs")?;
        write_func_attrs(f, set.func)?;
        f.write_str(" [")?;
        for (at, param) in set.params.iter().enumerate() {
            f.write_str(if at == 0 { "" } else { ", " })?;
            let align = 1u64.checked_shl(u32::from(param.align_log2)).unwrap_or(0);
            write!(f, "byval {} align {align}", param.byval)?;
            write_bits(f, PARAM_ATTRS, u32::from(param.bits))?;
        }
        writeln!(f, "]")
    }

    /// A global with everything that is not the default.
    fn write_global(&self, f: &mut fmt::Formatter<'_>, name: &str, global: &Global) -> fmt::Result {
        write!(f, "global {name} =")?;
        write_linkage(f, global.linkage)?;
        for (on, word) in [
            (!global.defined, " declared"),
            (global.constant, " constant"),
            (global.thread_local, " thread_local"),
        ] {
            f.write_str(if on { word } else { "" })?;
        }
        let align = 1u64.checked_shl(u32::from(global.align_log2)).unwrap_or(0);
        write!(f, " size {} align {align}", global.size)?;
        if !global.init.is_empty() {
            write!(f, " init {}", quoted(&global.init))?;
        }
        for reloc in &global.relocs {
            let sign = if reloc.negative { '-' } else { '+' };
            let target = self.target(reloc.target);
            write!(f, " reloc {} {sign} {target}", reloc.offset)?;
        }
        writeln!(f)
    }

    /// A head, and the body if there is one.
    fn write_func(
        &self,
        f: &mut fmt::Formatter<'_>,
        id: FuncId,
        func: &Function,
        body: Option<&Body>,
    ) -> fmt::Result {
        let types = &self.module.types;
        let (ret, params, variadic) =
            types
                .signature(func.ty)
                .unwrap_or((TypeId::VOID, &[], false));
        f.write_str(if body.is_some() {
            "\ndefine"
        } else {
            "declare"
        })?;
        write_linkage(f, func.linkage)?;
        write!(
            f,
            " {} {}(",
            self.type_text(ret),
            self.names.funcs[id.index()]
        )?;
        for (at, &ty) in params.iter().enumerate() {
            f.write_str(if at == 0 { "" } else { ", " })?;
            write!(f, "{}", self.type_text(ty))?;
            if body.is_some() {
                write!(f, " %a{at}")?;
            }
        }
        if variadic {
            f.write_str(if params.is_empty() { "..." } else { ", ..." })?;
        }
        f.write_str(")")?;
        write_func_attrs(f, func.attrs)?;
        if func.attr_set != 0 {
            write!(f, " attrs {}", func.attr_set)?;
        }
        match body {
            Some(body) => self.write_body(f, body),
            None => writeln!(f),
        }
    }

    /// Blocks, with positions and side entries before the instruction at which they begin.
    fn write_body(&self, f: &mut fmt::Formatter<'_>, body: &Body) -> fmt::Result {
        writeln!(f, " {{")?;
        let mut lines = body.lines.iter().peekable();
        let mut side = body.side.iter().peekable();
        for (at, block) in body.blocks.iter().enumerate() {
            writeln!(f, "bb{at}:")?;
            for id in block.insts() {
                while let Some(line) = lines.next_if(|line| line.from <= id) {
                    write_line(f, line)?;
                }
                while let Some((_, kind, payload)) = side.next_if(|entry| entry.0 <= id) {
                    writeln!(f, "  note {kind} {payload}")?;
                }
                self.write_inst(f, body, id)?;
            }
        }
        writeln!(f, "}}")
    }

    /// One line: result, operation, operands.
    fn write_inst(&self, f: &mut fmt::Formatter<'_>, body: &Body, id: InstId) -> fmt::Result {
        let inst = body.inst(id);
        f.write_str("  ")?;
        if inst.has_result() {
            write!(f, "%{} = ", id.0)?;
        }
        super::print_inst::write_operation(self, f, body, inst)?;
        writeln!(f)
    }

    /// An operand without its type.
    pub(super) fn write_value(
        &self,
        f: &mut fmt::Formatter<'_>,
        body: &Body,
        value: Value,
    ) -> fmt::Result {
        match value.kind() {
            ValueKind::Inst(id) => write!(f, "%{}", id.0),
            ValueKind::Arg(n) => write!(f, "%a{n}"),
            ValueKind::Const(id) => self.write_const(f, body, body.constant(id), 0),
            ValueKind::None => f.write_str("none"),
        }
    }

    /// A constant without its type. Depth is bounded by the verifier; unverified bodies are cut
    /// off.
    fn write_const(
        &self,
        f: &mut fmt::Formatter<'_>,
        body: &Body,
        constant: Const,
        depth: u32,
    ) -> fmt::Result {
        let types = &self.module.types;
        let Const { ty, kind } = constant;
        match kind {
            ConstKind::Int(bits) => write_int(f, ty, types.int_bits(ty).unwrap_or(64), bits),
            ConstKind::Wide { start } => {
                f.write_str("0x")?;
                let bits = types.int_bits(ty).unwrap_or(80);
                let words = body.words(start, bits.div_ceil(64) * 2);
                words
                    .iter()
                    .rev()
                    .try_for_each(|word| write!(f, "{word:08x}"))
            }
            ConstKind::F32(bits) => match types.get(ty) {
                Type::Float if f32::from_bits(bits).is_finite() => {
                    write!(f, "{:?}", f32::from_bits(bits))
                }
                _ => write!(f, "{bits:#x}"),
            },
            ConstKind::F64(bits) if f64::from_bits(bits).is_finite() => {
                write!(f, "{:?}", f64::from_bits(bits))
            }
            ConstKind::F64(bits) => write!(f, "{bits:#x}"),
            ConstKind::Zero => f.write_str("zero"),
            ConstKind::Func(id) => f.write_str(&self.names.funcs[id.index()]),
            ConstKind::Global { id, offset } => {
                f.write_str(&self.names.globals[id.index()])?;
                write_offset(f, offset)
            }
            ConstKind::Block(BlockId(id)) => write!(f, "block bb{id}"),
            ConstKind::Elements { .. } if depth == super::MAX_NESTING => f.write_str("..."),
            ConstKind::Elements { start, len } => {
                let (open, close) = match types.get(ty) {
                    Type::Vector { .. } => ("<", ">"),
                    Type::Array { .. } => ("[", "]"),
                    _ => ("{", "}"),
                };
                f.write_str(open)?;
                for (at, &word) in body.words(start, len).iter().enumerate() {
                    f.write_str(if at == 0 { "" } else { ", " })?;
                    let element = body.constant(ConstId(word));
                    self.write_const(f, body, element, depth + 1)?;
                }
                f.write_str(close)
            }
        }
    }
}

/// As people read it: `null`, truth values by name, others signed.
fn write_int(f: &mut fmt::Formatter<'_>, ty: TypeId, width: u32, bits: u64) -> fmt::Result {
    match (ty, bits) {
        (TypeId::PTR, 0) => f.write_str("null"),
        (TypeId::PTR, _) => write!(f, "{bits}"),
        (TypeId::I1, _) => f.write_str(if bits == 0 { "false" } else { "true" }),
        _ => {
            let unused = 64 - width.clamp(1, 64);
            write!(f, "{}", (bits << unused).cast_signed() >> unused)
        }
    }
}

/// Nothing, or the offset with its sign.
fn write_offset(f: &mut fmt::Formatter<'_>, offset: i32) -> fmt::Result {
    match offset {
        0 => Ok(()),
        1.. => write!(f, "+{offset}"),
        _ => write!(f, "{offset}"),
    }
}

/// A source position.
fn write_line(f: &mut fmt::Formatter<'_>, line: &Line) -> fmt::Result {
    write!(f, "  loc {} {}", line.line, line.column)?;
    if line.file != u32::MAX {
        write!(f, " file {}", line.file)?;
    }
    writeln!(f)
}

/// A space and the linkage, or nothing for the usual one.
fn write_linkage(f: &mut fmt::Formatter<'_>, linkage: Linkage) -> fmt::Result {
    match LINKAGES.iter().find(|entry| entry.0 == linkage) {
        Some((_, name)) if !name.is_empty() => write!(f, " {name}"),
        _ => Ok(()),
    }
}

/// A space and a name for each attribute.
fn write_func_attrs(f: &mut fmt::Formatter<'_>, attrs: FuncAttrs) -> fmt::Result {
    write_bits(f, FUNC_ATTRS, attrs.0)
}

/// The names of the set bits, and a number for those without one.
pub(super) fn write_bits(
    f: &mut fmt::Formatter<'_>,
    names: &[(u32, &str)],
    mut bits: u32,
) -> fmt::Result {
    for (bit, name) in names {
        if bits & bit != 0 {
            write!(f, " {name}")?;
            bits &= !bit;
        }
    }
    if bits != 0 {
        write!(f, " bits {bits}")?;
    }
    Ok(())
}
