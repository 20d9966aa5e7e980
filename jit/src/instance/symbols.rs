//! The symbol table of a link: which definition each name means.
//!
//! Modules are added one after the other. Of several definitions of a name the strongest wins, and
//! among equally strong ones the first: an ordinary definition beats a common one (a C tentative
//! definition), which beats a weak one. Two ordinary ones are an error. Of common ones the largest
//! wins. Names of internal symbols mean nothing outside of their module and are not seen here.
//!
//! A name that is needed and not defined is *wanted*; wanted names take members out of archives. A
//! weak reference wants nothing.

use super::link::Duplicate;
use alloc::string::String;
use alloc::vec::Vec;
use hashbrown::HashMap;
use ir::append::Appended;
use ir::{FuncId, GlobalId, Linkage, Module, RelocTarget};

/// Where a definition is: a function, or so many bytes into a variable.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Place {
    Func(FuncId),
    Global(GlobalId, i32),
}

/// How strong a definition is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Rank {
    Weak,
    Common,
    Strong,
}

#[derive(Clone, Copy, Debug)]
struct Definition {
    place: Place,
    rank: Rank,
    /// Of a common definition: its bytes.
    size: u32,
}

/// All names that modules show each other.
#[derive(Debug, Default)]
pub(super) struct Symbols {
    /// `None`: only referred to.
    names: HashMap<String, Option<Definition>>,
    /// Names in the order in which they were first wanted; some may be defined by now.
    wanted: Vec<String>,
    duplicates: Vec<(String, Place, Place)>,
}

impl Symbols {
    /// Adds what `module` shows from `from` on.
    pub(super) fn add(&mut self, module: &Module, from: Appended) {
        for index in from.func.index()..module.funcs.len() {
            let func = &module.funcs[index];
            let place = Place::Func(FuncId(index as u32));
            let defined = func.body.is_some();
            self.symbol(module, &func.name, func.linkage, defined.then_some(place));
        }
        for index in from.global.index()..module.globals.len() {
            let global = &module.globals[index];
            let place = Place::Global(GlobalId(index as u32), 0);
            let defined = global.defined.then_some(place);
            self.symbol(module, &global.name, global.linkage, defined);
        }
        for alias in &module.aliases[from.alias..] {
            let place = match alias.target {
                RelocTarget::Func(id) => Place::Func(id),
                RelocTarget::Global(id) => Place::Global(id, alias.offset),
            };
            self.symbol(module, &alias.name, alias.linkage, Some(place));
        }
    }

    fn symbol(&mut self, module: &Module, name: &str, linkage: Linkage, place: Option<Place>) {
        let rank = match linkage {
            Linkage::Internal | Linkage::Appending => return,
            Linkage::External => Rank::Strong,
            Linkage::Common => Rank::Common,
            Linkage::Weak | Linkage::ExternWeak => Rank::Weak,
        };
        // Intrinsics are instructions; what is left of them are declarations that nobody calls.
        if name.is_empty() || name.starts_with("llvm.") {
            return;
        }
        match place {
            Some(place) => self.define(module, name, place, rank),
            None if linkage == Linkage::ExternWeak => {}
            None => self.want(name),
        }
    }

    /// `name` is needed.
    pub(super) fn want(&mut self, name: &str) {
        if !self.names.contains_key(name) {
            self.names.insert(name.into(), None);
            self.wanted.push(name.into());
        }
    }

    fn define(&mut self, module: &Module, name: &str, place: Place, rank: Rank) {
        let size = match place {
            Place::Global(id, 0) if rank == Rank::Common => module.globals[id.index()].size,
            _ => 0,
        };
        let new = Definition { place, rank, size };
        let Some(entry) = self.names.get_mut(name) else {
            self.names.insert(name.into(), Some(new));
            return;
        };
        match entry {
            Some(old) if old.rank == Rank::Strong && rank == Rank::Strong => {
                self.duplicates.push((name.into(), old.place, place));
            }
            Some(old) if (old.rank, old.size) >= (rank, size) => {}
            _ => *entry = Some(new),
        }
    }

    /// The definition of `name`.
    pub(super) fn find(&self, name: &str) -> Option<Place> {
        Some(self.names.get(name)?.as_ref()?.place)
    }

    /// Takes the names that are wanted and not defined, oldest first.
    pub(super) fn take_wanted(&mut self) -> Vec<String> {
        let mut wanted = core::mem::take(&mut self.wanted);
        wanted.retain(|name| matches!(self.names.get(name), Some(None)));
        wanted
    }

    /// Definitions that exclude each other; `unit` names a place's module.
    pub(super) fn duplicates(&self, unit: impl Fn(Place) -> String) -> Vec<Duplicate> {
        let duplicate = |(name, first, second): &(String, Place, Place)| Duplicate {
            name: name.clone(),
            first: unit(*first),
            second: unit(*second),
        };
        self.duplicates.iter().map(duplicate).collect()
    }
}
