//! The module as a whole: names, variables, and the order in which things are translated.
//!
//! Intrinsics are declared like functions in the file and are none in the IR; neither are the
//! lists through which a compiler tells a linker what to keep. So the file's symbols are mapped
//! first ([`Symbol`]), and everything after goes through the map.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use hashbrown::HashMap;
use ir::module::Alias;
use ir::{FuncAttrs, FuncId, Function, Global, GlobalId, Linkage, RelocTarget};

use super::error::{LoadError, Result};
use super::facts::FactMemo;
use super::fold::{Folded, Memo};
use super::init::MAX_INIT_BYTES;
use super::intrinsic::{self, Action};
use super::layout::OwnLayouts;
use super::meta::Meta;
use super::types::TypeMap;

/// Instructions, constants and pool words that a module may have beyond two for each byte of the
/// file. Ordinary code needs a third of one for a byte; a few records become many instructions
/// (masked accesses), and a file of nothing else would take hundreds of times its size.
pub(super) const MIN_WORDS: usize = 1 << 20;

/// What a global value id means.
#[derive(Clone, Copy, Debug)]
pub(super) enum Symbol {
    Func(FuncId),
    Global(GlobalId),
    /// Stands for what its target is.
    Alias(bitcode::ValueId),
    Intrinsic(Action),
    /// A list for the linker.
    Dropped,
}

/// A module being translated.
#[derive(Debug)]
pub(super) struct Loader<'m, 'a> {
    pub(super) source: &'m bitcode::Module<'a>,
    pub(super) module: ir::Module,
    pub(super) types: TypeMap,
    /// By global value id.
    pub(super) symbols: Vec<Symbol>,
    /// Attribute sets by attribute list, as far as they were needed.
    pub(super) attr_sets: Vec<Option<u32>>,
    /// What constants were found to be, by value id; of the function being translated beyond the
    /// module's own.
    pub(super) memo: Memo,
    /// Metadata, as far as it was needed.
    pub(super) meta: Meta<'a>,
    /// What metadata nodes say as facts.
    pub(super) facts: FactMemo,
    /// Bytes of initialisers so far.
    pub(super) init_bytes: usize,
    /// Functions that intrinsics became calls of.
    imports: HashMap<String, FuncId>,
    /// Words of bodies that may still be made (see [`MIN_WORDS`]).
    pub(super) words_left: usize,
    /// How many there may be: [`MAX_INIT_BYTES`], other values are for tests.
    pub(super) init_limit: usize,
}

impl<'m, 'a> Loader<'m, 'a> {
    /// Maps types and symbols.
    pub(super) fn new(source: &'m bitcode::Module<'a>) -> Result<Self> {
        check_layout(source.data_layout())?;
        let mut module = ir::Module {
            name: String::from(source.source_file()),
            // Both are long, and would be copied as they grow.
            funcs: Vec::with_capacity(source.functions().len()),
            globals: Vec::with_capacity(source.globals().len()),
            ..ir::Module::default()
        };
        let layouts = OwnLayouts::new(source.data_layout());
        let types = TypeMap::new(source.types(), &mut module.types, layouts);
        let mut loader = Self {
            source,
            module,
            types,
            symbols: Vec::with_capacity(source.constants().first().0 as usize),
            attr_sets: alloc::vec![None; source.attributes().len()],
            memo: Memo::default(),
            meta: Meta::default(),
            facts: FactMemo::default(),
            imports: HashMap::new(),
            init_bytes: 0,
            init_limit: MAX_INIT_BYTES,
            words_left: source.bytes().saturating_mul(2).saturating_add(MIN_WORDS),
        };
        loader.declare()?;
        Ok(loader)
    }

    /// Translates what the symbols hold.
    pub(super) fn load(mut self) -> Result<ir::Module> {
        self.initialise()?;
        self.aliases()?;
        self.bodies()?;
        Ok(self.module)
    }

    /// Name of a symbol, without the mark that keeps LLVM from decorating it.
    pub(super) fn name(&self, name: bitcode::Name) -> String {
        let bytes = self.source.name(name);
        let bytes = bytes.strip_prefix(b"\x01").unwrap_or(bytes);
        String::from_utf8_lossy(bytes).into_owned()
    }

    /// Walks the global value ids in order.
    fn declare(&mut self) -> Result<()> {
        let source = self.source;
        let first_constant = source.constants().first().0;
        for id in (0..first_constant).map(bitcode::ValueId) {
            let symbol = match source.global(id) {
                Some(bitcode::GlobalId::Variable(at)) => match source.globals().get(at as usize) {
                    Some(global) => self.declare_global(global)?,
                    None => Symbol::Dropped,
                },
                Some(bitcode::GlobalId::Function(at)) => {
                    match source.functions().get(at as usize) {
                        Some(function) => {
                            let symbol = self.declare_function(function);
                            symbol.map_err(|error| self.with_line(error, at))?
                        }
                        None => Symbol::Dropped,
                    }
                }
                Some(bitcode::GlobalId::Alias(at)) => match source.aliases().get(at as usize) {
                    Some(alias) if alias.is_ifunc => {
                        let name = self.name(alias.name);
                        return Err(LoadError::unsupported(format!("ifunc {name}")));
                    }
                    Some(alias) => Symbol::Alias(alias.target),
                    None => Symbol::Dropped,
                },
                None => Symbol::Dropped,
            };
            self.symbols.push(symbol);
        }
        Ok(())
    }

    /// A variable without its initial value.
    fn declare_global(&mut self, global: &bitcode::GlobalVar) -> Result<Symbol> {
        let name = self.name(global.name);
        if matches!(name.as_str(), "llvm.used" | "llvm.compiler.used") {
            return Ok(Symbol::Dropped);
        }
        let refuse = |what: &str| LoadError::unsupported(format!("{what}: variable {name}"));
        if global.space != 0 {
            return Err(refuse("address space other than 0"));
        }
        if global.externally_initialized {
            return Err(refuse("externally initialised"));
        }
        let defined =
            global.init.is_some() && global.linkage != bitcode::Linkage::AvailableExternally;
        // A declaration may have a type whose size is nobody's business here.
        let layout = match self.types.find(global.ty) {
            Some(ty) if self.module.types.is_sized(ty) => self.layout(ty),
            _ if defined => {
                let limit = self.types.limit(global.ty);
                let limit =
                    limit.map(|which| LoadError::limit(format!("{which}: variable {name}")));
                return Err(limit.unwrap_or_else(|| refuse("type without a size")));
            }
            _ => ir::types::Layout::default(),
        };
        let id = GlobalId(count(self.module.globals.len())?);
        self.module.globals.push(Global {
            name,
            linkage: linkage(global.linkage),
            defined,
            constant: global.constant,
            thread_local: global.thread_local.is_some(),
            size: layout.size,
            align_log2: align_log2(global.align).unwrap_or(layout.align_log2),
            init: Vec::new(),
            relocs: Vec::new(),
        });
        Ok(Symbol::Global(id))
    }

    /// A function without its body, or an intrinsic.
    ///
    /// What would change how code is entered or called is refused here, by name, before any body is read.
    /// A personality is not: it only matters to instructions that are refused themselves.
    fn declare_function(&mut self, function: &bitcode::Function) -> Result<Symbol> {
        let name = self.name(function.name);
        if let Some(base) = name.strip_prefix("llvm.") {
            return Ok(Symbol::Intrinsic(intrinsic::action(base)));
        }
        let located = |error: Box<LoadError>| error.in_function(&name);
        let has_body = !function.is_declaration;
        let refused = if function.space != 0 {
            Some("address space other than 0")
        } else if has_body && function.has_gc {
            Some("garbage collection")
        } else if has_body && function.has_prefix_data {
            Some("prefix or prologue data")
        } else {
            None
        };
        if let Some(what) = refused {
            return Err(located(LoadError::unsupported(what)));
        }
        let id = FuncId(count(self.module.funcs.len())?);
        let ty = self
            .types
            .get(self.source.types(), function.ty)
            .map_err(located)?;
        let attr_set = self.attribute_set(function.attributes).map_err(located)?;
        let facts = (attr_set as usize).checked_sub(1);
        let facts = facts.and_then(|at| self.module.attr_sets.get(at));
        let attrs = facts.map_or(FuncAttrs(0), |set| set.func);
        let linkage = linkage(function.linkage);
        self.module.funcs.push(Function {
            name,
            ty,
            linkage,
            attrs,
            attr_set,
            body: None,
        });
        Ok(Symbol::Func(id))
    }

    /// The function of this name, declared now if the file does not know it.
    pub(super) fn import(&mut self, name: &str, ty: ir::TypeId) -> Result<FuncId> {
        if let Some(id) = self.imports.get(name) {
            return Ok(*id);
        }
        let id = match self.module.func_by_name(name) {
            Some(id) => id,
            None => {
                let id = FuncId(count(self.module.funcs.len())?);
                let name = String::from(name);
                self.module.funcs.push(Function {
                    name,
                    ty,
                    ..Function::default()
                });
                id
            }
        };
        self.imports.insert(String::from(name), id);
        Ok(id)
    }

    /// Initial values of the variables.
    fn initialise(&mut self) -> Result<()> {
        let source = self.source;
        for (id, symbol) in (0..).map(bitcode::ValueId).zip(self.symbols.clone()) {
            let Symbol::Global(target) = symbol else {
                continue;
            };
            let Some(bitcode::GlobalId::Variable(at)) = source.global(id) else {
                continue;
            };
            let Some(global) = source.globals().get(at as usize) else {
                continue;
            };
            let defined = self
                .module
                .globals
                .get(target.index())
                .is_some_and(|global| global.defined);
            let Some(init) = global.init.filter(|_| defined) else {
                continue;
            };
            let image = self.image(init, global.ty);
            let (bytes, relocs) = image.map_err(|mut error| {
                let name = self.name(global.name);
                error.what = format!("{} in the initial value of {name}", error.what);
                error
            })?;
            if let Some(global) = self.module.globals.get_mut(target.index()) {
                global.init = bytes;
                global.relocs = relocs;
            }
        }
        Ok(())
    }

    /// Aliases that other modules may name; inside this one they are already what they stand for.
    fn aliases(&mut self) -> Result<()> {
        let source = self.source;
        for (id, symbol) in (0..).map(bitcode::ValueId).zip(self.symbols.clone()) {
            let Symbol::Alias(_) = symbol else { continue };
            let Some(bitcode::GlobalId::Alias(at)) = source.global(id) else {
                continue;
            };
            let Some(alias) = source.aliases().get(at as usize) else {
                continue;
            };
            let name = self.name(alias.name);
            let Folded::Address {
                plus: Some(target),
                minus: None,
                add,
            } = self.fold(id, None)?
            else {
                return Err(LoadError::unsupported(format!(
                    "alias {name} of no address"
                )));
            };
            let (linkage, offset) = (linkage(alias.linkage), add.cast_signed());
            self.module.aliases.push(Alias {
                name,
                linkage,
                target,
                offset,
            });
        }
        Ok(())
    }

    /// Where a symbol is; `None` for one that is nowhere.
    pub(super) fn symbol_target(symbol: Symbol) -> Option<RelocTarget> {
        match symbol {
            Symbol::Func(id) => Some(RelocTarget::Func(id)),
            Symbol::Global(id) => Some(RelocTarget::Global(id)),
            _ => None,
        }
    }
}

/// The IR's layout rules are those of i386: 32-bit pointers, 64-bit integers aligned to 4.
fn check_layout(layout: &str) -> Result<()> {
    let parts = || layout.split('-');
    let fits = parts().any(|part| part == "e")
        && parts().any(|part| part == "p:32:32")
        && parts().any(|part| part == "f64:32:64");
    if fits || !layout_is_checked() {
        return Ok(());
    }
    Err(LoadError::unsupported(format!(
        "data layout \"{layout}\": modules are compiled for i386"
    )))
}

/// Whether the data layout is looked at: always, but for tests that show what happens without, or
/// that read what a compiler for another target wrote.
fn layout_is_checked() -> bool {
    #[cfg(test)]
    {
        !super::tests::IGNORE_LAYOUT.get()
    }
    #[cfg(not(test))]
    {
        true
    }
}

/// log2 of an alignment in bytes; `None` for 0, which leaves it to the type.
pub(super) fn align_log2(bytes: u32) -> Option<u8> {
    (bytes != 0).then(|| bytes.trailing_zeros() as u8)
}

/// A number of symbols as an index.
fn count(len: usize) -> Result<u32> {
    u32::try_from(len).map_err(|_| LoadError::limit("number of symbols"))
}

/// Linkage as far as binding symbols needs it: odr promises equality, and that is not checked anyway.
fn linkage(linkage: bitcode::Linkage) -> Linkage {
    use bitcode::Linkage as Bc;
    match linkage {
        Bc::External | Bc::AvailableExternally => Linkage::External,
        Bc::Internal | Bc::Private => Linkage::Internal,
        Bc::WeakAny | Bc::WeakOdr | Bc::LinkOnceAny | Bc::LinkOnceOdr => Linkage::Weak,
        Bc::ExternalWeak => Linkage::ExternWeak,
        Bc::Common => Linkage::Common,
        Bc::Appending => Linkage::Appending,
    }
}
