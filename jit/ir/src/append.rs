//! Joining two modules: what one file defines and needs is put behind what others do.
//!
//! A program is made of several files and is one [`Module`] for whoever compiles it. Each file is
//! read and verified by itself; joining moves its functions, variables and aliases behind those that
//! are there and renumbers what their bodies name. Names are not looked at: that two symbols are one
//! is the linker's knowledge, which it keeps beside the module.
//!
//! # Why the result is valid if both parts were
//!
//! Every id of the moved part is mapped by a total function: types by interning (equal structure,
//! equal id, so B4 is kept), functions, variables, files, scopes, facts and attribute sets by adding the number of
//! those that were there. Ids that live in a body (values, blocks, constants) do not change, so B1–B3
//! are untouched. The types are mapped first, because only there something can fail; then nothing
//! has been moved.
//!
//! Cost: linear in the moved part. Joining to an empty module is a move.

use crate::body::{Body, ConstKind};
use crate::facts;
use crate::inst::Op;
use crate::module::{AttrSet, FuncId, GlobalId, Module, RelocTarget, Scope};
use crate::types::{Type, TypeError, TypeId, Types};
use alloc::vec::Vec;

/// Where the parts of an appended module begin.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Appended {
    /// Its first function.
    pub func: FuncId,
    /// Its first variable.
    pub global: GlobalId,
    /// Its first alias.
    pub alias: usize,
}

/// How the ids of an appended module change.
struct Shift {
    types: Vec<TypeId>,
    funcs: u32,
    globals: u32,
    attr_sets: u32,
    files: u32,
    source_functions: u32,
    scopes: u32,
    facts: facts::Shift,
}

impl Module {
    /// Moves everything of `other` but its name behind what is here.
    ///
    /// # Errors
    /// The types of both do not fit one table; then nothing was moved.
    pub fn append(&mut self, other: Self) -> Result<Appended, TypeError> {
        let at = Appended {
            func: FuncId(self.funcs.len() as u32),
            global: GlobalId(self.globals.len() as u32),
            alias: self.aliases.len(),
        };
        let symbols = self.funcs.len() + self.globals.len() + self.aliases.len();
        let debug = self.files.len() + self.source_functions.len() + self.scopes.len();
        let nothing = symbols + debug + self.attr_sets.len() == 0;
        if nothing && self.facts == facts::Facts::default() {
            let name = core::mem::take(&mut self.name);
            *self = other;
            self.name = name;
            return Ok(at);
        }
        let shift = Shift {
            types: map_types(&mut self.types, &other.types)?,
            funcs: at.func.0,
            globals: at.global.0,
            attr_sets: self.attr_sets.len() as u32,
            files: self.files.len() as u32,
            source_functions: self.source_functions.len() as u32,
            scopes: self.scopes.len() as u32,
            facts: facts::Shift::default(),
        };
        self.take(other, shift);
        Ok(at)
    }

    /// Moves and renumbers. The pattern names every field, so that a new one is not forgotten here.
    fn take(&mut self, other: Self, mut shift: Shift) {
        let Self {
            name: _,
            types: _,
            mut funcs,
            mut globals,
            mut aliases,
            mut attr_sets,
            files,
            source_functions,
            mut scopes,
            facts,
        } = other;
        shift.facts = self.facts.append(facts, shift.globals);
        for func in &mut funcs {
            func.ty = shift.ty(func.ty);
            func.attr_set = shift.attr_set(func.attr_set);
            if let Some(body) = &mut func.body {
                shift.body(body);
            }
        }
        for reloc in globals.iter_mut().flat_map(|global| &mut global.relocs) {
            reloc.target = shift.target(reloc.target);
        }
        for alias in &mut aliases {
            alias.target = shift.target(alias.target);
        }
        attr_sets.iter_mut().for_each(|set| shift.attributes(set));
        scopes.iter_mut().for_each(|scope| shift.scope(scope));
        self.funcs.append(&mut funcs);
        self.globals.append(&mut globals);
        self.aliases.append(&mut aliases);
        self.attr_sets.extend(attr_sets);
        self.files.extend(files);
        self.source_functions.extend(source_functions);
        self.scopes.extend(scopes);
    }
}

/// The ids in `to` of all types of `from`; components have lower ids, so one pass is enough.
fn map_types(to: &mut Types, from: &Types) -> Result<Vec<TypeId>, TypeError> {
    let mut map: Vec<TypeId> = Vec::with_capacity(from.len());
    for index in 0..from.len() {
        let id = TypeId(index as u16);
        let mut ty = from.get(id).clone();
        let renumber = |component: &mut TypeId| *component = map[component.index()];
        match &mut ty {
            Type::Vector { elem, .. } | Type::Array { elem, .. } => renumber(elem),
            Type::Struct { fields, .. } => fields.iter_mut().for_each(renumber),
            Type::Func { ret, params, .. } => {
                params.iter_mut().for_each(renumber);
                *ret = map[ret.index()];
            }
            _ => {}
        }
        map.push(to.intern(ty)?);
    }
    Ok(map)
}

impl Shift {
    fn ty(&self, ty: TypeId) -> TypeId {
        self.types[ty.index()]
    }

    /// Attribute sets are named by index plus 1; 0 is none.
    fn attr_set(&self, set: u32) -> u32 {
        if set == 0 { 0 } else { set + self.attr_sets }
    }

    fn target(&self, target: RelocTarget) -> RelocTarget {
        match target {
            RelocTarget::Func(id) => RelocTarget::Func(FuncId(id.0 + self.funcs)),
            RelocTarget::Global(id) => RelocTarget::Global(GlobalId(id.0 + self.globals)),
        }
    }

    fn body(&self, body: &mut Body) {
        let Body {
            params,
            insts,
            blocks: _,
            pool,
            consts,
            lines,
            side,
        } = body;
        params.iter_mut().for_each(|ty| *ty = self.ty(*ty));
        for inst in insts {
            inst.ty = self.ty(inst.ty);
            match inst.op {
                Op::Alloca => inst.args[2] = self.word_type(inst.args[2]),
                Op::Call => {
                    inst.args[0] += self.funcs;
                    self.call(pool, inst.args[1]);
                }
                Op::CallIndirect => self.call(pool, inst.args[1]),
                _ => {}
            }
        }
        for constant in consts {
            constant.ty = self.ty(constant.ty);
            match &mut constant.kind {
                ConstKind::Func(id) => id.0 += self.funcs,
                ConstKind::Global { id, .. } => id.0 += self.globals,
                _ => {}
            }
        }
        for line in lines {
            line.file = shift_known(line.file, self.files);
            line.scope = shift_known(line.scope, self.scopes);
        }
        for (_, kind, payload) in side {
            *payload = self.facts.payload(*kind, *payload);
        }
    }

    fn attributes(&self, set: &mut AttrSet) {
        let AttrSet {
            func: _,
            params,
            ret,
        } = set;
        for attrs in params.iter_mut().chain([ret]) {
            if let Some(range) = attrs.range.checked_sub(1) {
                attrs.range = self.facts.payload(facts::kind::RANGE, range) + 1;
            }
        }
    }

    fn scope(&self, scope: &mut Scope) {
        scope.function += self.source_functions;
        if let Some(call) = &mut scope.call {
            call.scope += self.scopes;
            call.file = shift_known(call.file, self.files);
        }
    }

    /// The words of a call begin with its function type and its attribute set. Each call has words
    /// of its own: the builder appends them when it makes the call.
    fn call(&self, pool: &mut [u32], start: u32) {
        let start = start as usize;
        pool[start] = self.word_type(pool[start]);
        pool[start + 1] = self.attr_set(pool[start + 1]);
    }

    fn word_type(&self, word: u32) -> u32 {
        u32::from(self.ty(TypeId(word as u16)).0)
    }
}

/// An index of which `u32::MAX` says that it is unknown.
fn shift_known(index: u32, by: u32) -> u32 {
    if index == u32::MAX { index } else { index + by }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text;
    use alloc::string::{String, ToString};

    const FIRST: &str = r#"file "first.c"
attrs [byval 8 align 4]
global @a = size 8 align 4 init "abcd"
declare i64 @g(ptr) attrs 1
define [3 x i16] @unused() {
bb0:
  ret [3 x i16] zero
}
"#;

    const SECOND: &str = r#"file "second.c"
attrs noreturn []
attrs [byval 4 align 4]
global @b = constant size 8 align 4 init "\00\00\00\00\00\00\00\00" reloc 0 + @f reloc 4 + @b
alias @c = @b+4
declare void @h(ptr) attrs 2
define i32 @f([2 x i16] %p, ptr %q) attrs 1 {
bb0:
  %m = alloca {i16, i64}, size 12, align 4
  call void @h(ptr %m) attrs 2
  call void @h(ptr @b+4)
  %r = calli i32 %q(ptr @f) attrs 2
  ret i32 %r
}
"#;

    const JOINED: &str = r#"file "first.c"
file "second.c"
attrs [byval 8 align 4]
attrs noreturn []
attrs [byval 4 align 4]
global @a = size 8 align 4 init "abcd"
global @b = constant size 8 align 4 init "\00\00\00\00\00\00\00\00" reloc 0 + @f reloc 4 + @b
alias @c = @b+4
declare i64 @g(ptr) attrs 1
define [3 x i16] @unused() {
bb0:
  ret [3 x i16] zero
}
declare void @h(ptr) attrs 3
define i32 @f([2 x i16] %p, ptr %q) attrs 2 {
bb0:
  %m = alloca {i16, i64}, size 12, align 4
  call void @h(ptr %m) attrs 3
  call void @h(ptr @b+4)
  %r = calli i32 %q(ptr @f) attrs 3
  ret i32 %r
}
"#;

    fn parsed(text: &str) -> Module {
        text::parse(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
    }

    fn printed(module: &Module) -> String {
        text::module_text(module).to_string()
    }

    #[test]
    fn a_joined_module_says_what_both_said() {
        let mut module = parsed(FIRST);
        let at = module.append(parsed(SECOND)).unwrap();
        assert_eq!((at.func.0, at.global.0, at.alias), (2, 1, 0));
        assert_eq!(printed(&module), printed(&parsed(JOINED)));
        assert_eq!(crate::verify::module(&module), Ok(()));
    }

    #[test]
    fn every_construct_survives_being_moved() {
        let everything = parsed(include_str!("text/everything.bfir"));
        let mut module = parsed("declare [7 x i16] @first(ptr)\n");
        module.append(everything.clone()).unwrap();
        assert_eq!(
            crate::verify::module(&module),
            crate::verify::module(&everything)
        );
        let (all, moved) = (printed(&everything), printed(&module));
        let bodies = |text: &str| text.matches("\nbb0:").count();
        assert_eq!(bodies(&moved), bodies(&all));
        assert_eq!(module.func(FuncId(1)).name, everything.func(FuncId(0)).name);
    }

    #[test]
    fn joining_to_an_empty_module_is_a_move() {
        let mut module = Module {
            name: "program".into(),
            ..Module::default()
        };
        module.append(parsed(FIRST)).unwrap();
        let mut expected = parsed(FIRST);
        expected.name = "program".into();
        assert_eq!(printed(&module), printed(&expected));
    }

    #[test]
    fn too_many_types_are_refused_and_nothing_moves() {
        let mut module = parsed(FIRST);
        for len in 0.. {
            let elem = TypeId::I8;
            if module.types.intern(Type::Array { elem, len }).is_err() {
                break;
            }
        }
        let before = printed(&module);
        assert_eq!(module.append(parsed(SECOND)), Err(TypeError::TooMany));
        assert_eq!(printed(&module), before);
    }
}
