//! Who uses what nobody defines: the second half of the error that a link ends in.
//!
//! Only looked for when something is missing. A declaration that nothing uses is no error: compilers
//! leave some behind.

use super::link::{Joined, Unresolved};
use super::symbols::Place;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use hashbrown::HashMap;
use ir::{Body, ConstKind, FuncId, GlobalId, Op, RelocTarget};

/// Users of a symbol that are named; the others are counted.
const NAMED: usize = 5;

/// The missing symbols that are used, each once, with their users.
pub(super) fn of(joined: &Joined, missing: &[Place]) -> Vec<Unresolved> {
    if missing.is_empty() {
        return Vec::new();
    }
    let mut found = Found::new(joined, missing);
    for (index, func) in (0..).zip(&joined.module.funcs) {
        if let Some(body) = &func.body {
            let user = Place::Func(FuncId(index));
            for_each_use(body, |target| found.used(target, user));
        }
    }
    for (index, global) in (0..).zip(&joined.module.globals) {
        let user = Place::Global(GlobalId(index), 0);
        for reloc in &global.relocs {
            found.used(reloc.target, user);
        }
    }
    found.symbols.retain(|symbol| !symbol.users.is_empty());
    found.symbols
}

/// The missing symbols, by function and by variable.
struct Found<'a> {
    joined: &'a Joined,
    symbols: Vec<Unresolved>,
    /// Index into `symbols` plus 1.
    funcs: Vec<u32>,
    globals: Vec<u32>,
    /// The last user of each symbol, which counts once.
    last: Vec<Option<Place>>,
}

impl<'a> Found<'a> {
    fn new(joined: &'a Joined, missing: &[Place]) -> Self {
        let module = &joined.module;
        let mut found = Self {
            joined,
            symbols: Vec::new(),
            funcs: vec![0; module.funcs.len()],
            globals: vec![0; module.globals.len()],
            last: Vec::new(),
        };
        let mut numbers = HashMap::new();
        for &place in missing {
            let name = name(joined, place);
            let number = *numbers.entry(name).or_insert_with(|| {
                found.symbols.push(Unresolved {
                    name: name.into(),
                    users: Vec::new(),
                    more: 0,
                });
                found.symbols.len() as u32
            });
            match place {
                Place::Func(id) => found.funcs[id.index()] = number,
                Place::Global(id, _) => found.globals[id.index()] = number,
            }
        }
        found.last = vec![None; found.symbols.len()];
        found
    }

    fn used(&mut self, target: RelocTarget, user: Place) {
        let number = match target {
            RelocTarget::Func(id) => self.funcs[id.index()],
            RelocTarget::Global(id) => self.globals[id.index()],
        };
        let Some(index) = (number as usize).checked_sub(1) else {
            return;
        };
        if self.last[index].replace(user) == Some(user) {
            return;
        }
        let symbol = &mut self.symbols[index];
        if symbol.users.len() < NAMED {
            let unit = self.joined.unit_of(user);
            symbol.users.push(describe(name(self.joined, user), &unit));
        } else {
            symbol.more += 1;
        }
    }
}

fn describe(name: &str, unit: &str) -> String {
    if unit.is_empty() {
        name.into()
    } else {
        format!("{name} ({unit})")
    }
}

fn name(joined: &Joined, place: Place) -> &str {
    match place {
        Place::Func(id) => &joined.module.func(id).name,
        Place::Global(id, _) => &joined.module.globals[id.index()].name,
    }
}

/// Every function and variable that a body names: in calls and as constants.
fn for_each_use(body: &Body, mut found: impl FnMut(RelocTarget)) {
    for inst in body.insts.iter().filter(|inst| inst.op == Op::Call) {
        found(RelocTarget::Func(FuncId(inst.args[0])));
    }
    for constant in &body.consts {
        match constant.kind {
            ConstKind::Func(id) => found(RelocTarget::Func(id)),
            ConstKind::Global { id, .. } => found(RelocTarget::Global(id)),
            _ => {}
        }
    }
}
