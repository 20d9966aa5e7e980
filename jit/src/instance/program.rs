//! What all instances of a module share: IR, bindings, the initial contents of memory.
//!
//! Symbols bind once, here, so a function's meaning never changes in an instance. Addresses are
//! assigned in one pass over the globals: constants first, on pages of their own that the platform
//! maps read-only, then what the module may write, then the heap.

use crate::abi;
use crate::tier::Bindings;
use ::abi::HostCall;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;
use ir::{Global, Linkage, Module, RelocTarget};

/// What a call of a function reaches.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Binding {
    /// Code of this program.
    Defined,
    /// The runtime.
    Host(HostCall),
    /// Nothing: a weak reference that nobody defines. Its address is null and a call is a fault.
    Null,
}

/// A piece of the initial memory.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Segment {
    /// First address; a multiple of 4096.
    pub address: u32,
    /// Bytes that follow one another from there; the rest of `size` is 0.
    pub bytes: Vec<u8>,
    /// Bytes in all; a multiple of 4096.
    pub size: u32,
    /// Whether the module may write it.
    pub writable: bool,
}

/// Why a module cannot be an instance.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LinkError {
    /// Nobody defines these symbols.
    Unresolved(Vec<String>),
    /// Two definitions of one symbol.
    Duplicate(String),
    /// Its globals do not fit: so many bytes of so many.
    GlobalsTooLarge(u64, u32),
    /// More functions than slots.
    TooManyFunctions(usize),
}

impl fmt::Display for LinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unresolved(names) => write!(f, "unresolved symbols: {}", names.join(", ")),
            Self::Duplicate(name) => write!(f, "symbol `{name}` is defined twice"),
            Self::GlobalsTooLarge(bytes, limit) => {
                write!(f, "globals need {bytes} bytes, the limit is {limit}")
            }
            Self::TooManyFunctions(count) => {
                write!(f, "{count} functions, the limit is {}", max_funcs())
            }
        }
    }
}

/// A module that is ready to run.
#[derive(Debug)]
pub struct Program {
    /// The module, verified.
    pub module: Module,
    /// Addresses and numbers of its symbols.
    pub bindings: Bindings,
    /// What each function is bound to, by number.
    pub imports: Vec<Binding>,
    /// Initial memory: constants, then globals.
    pub segments: [Segment; 2],
    /// First address behind the globals; a multiple of 4096.
    pub heap: u32,
}

/// Most bytes of globals: the heap and the stacks lie behind.
const MAX_GLOBALS: u32 = abi::STACKS - abi::GLOBALS;

const fn max_funcs() -> u32 {
    abi::MAX_SLOTS - abi::RESERVED_SLOTS
}

impl Program {
    /// Binds the symbols of `module`, which the verifier has accepted.
    ///
    /// # Errors
    /// A symbol is unresolved or defined twice, or the program is too large.
    pub fn new(module: Module) -> Result<Self, LinkError> {
        if module.funcs.len() > max_funcs() as usize {
            return Err(LinkError::TooManyFunctions(module.funcs.len()));
        }
        check_duplicates(&module)?;
        let imports = bind_functions(&module)?;
        let (globals, [constants_end, end]) = assign_addresses(&module)?;
        let funcs = (0..module.funcs.len() as u32).collect();
        let bindings = Bindings { globals, funcs };
        let segment = |address, end, writable| Segment {
            address,
            bytes: contents(&module, &bindings, &imports, address, end),
            size: end - address,
            writable,
        };
        let segments = [
            segment(abi::GLOBALS, constants_end, false),
            segment(constants_end, end, true),
        ];
        Ok(Self {
            module,
            bindings,
            imports,
            segments,
            heap: end,
        })
    }

    /// The number of the function `name`, if the program defines it.
    #[must_use]
    pub fn entry(&self, name: &str) -> Option<u32> {
        let id = self.module.func_by_name(name)?;
        self.module.func(id).body.is_some().then_some(id.0)
    }

    /// The value of a pointer to function `func`: null for an unresolved weak one.
    #[must_use]
    pub fn func_address(&self, func: u32) -> u32 {
        func_address(&self.imports, func)
    }
}

fn func_address(imports: &[Binding], func: u32) -> u32 {
    match imports.get(func as usize) {
        None | Some(Binding::Null) => 0,
        Some(_) => abi::stub_address(func),
    }
}

fn check_duplicates(module: &Module) -> Result<(), LinkError> {
    let funcs = module
        .funcs
        .iter()
        .map(|func| (&func.name, func.linkage, func.body.is_some()));
    let globals = module
        .globals
        .iter()
        .map(|global| (&global.name, global.linkage, global.defined));
    let mut seen = hashbrown::HashSet::new();
    for (name, linkage, defined) in funcs.chain(globals) {
        let visible = defined && linkage == Linkage::External && !name.is_empty();
        if visible && !seen.insert(name) {
            return Err(LinkError::Duplicate(name.clone()));
        }
    }
    Ok(())
}

fn bind_functions(module: &Module) -> Result<Vec<Binding>, LinkError> {
    let mut unresolved = Vec::new();
    let mut bind = |func: &ir::Function| {
        if func.body.is_some() {
            return Binding::Defined;
        }
        if let Some(call) = HostCall::from_symbol(&func.name) {
            return Binding::Host(call);
        }
        // Intrinsics are instructions; their declarations are left over and never called.
        if func.linkage != Linkage::ExternWeak && !func.name.starts_with("llvm.") {
            unresolved.push(func.name.clone());
        }
        Binding::Null
    };
    let bindings = module.funcs.iter().map(&mut bind).collect();
    let undefined = |global: &&Global| !global.defined && global.linkage != Linkage::ExternWeak;
    unresolved.extend(
        module
            .globals
            .iter()
            .filter(undefined)
            .map(|global| global.name.clone()),
    );
    if unresolved.is_empty() {
        Ok(bindings)
    } else {
        Err(LinkError::Unresolved(unresolved))
    }
}

/// Addresses by global, and the page-aligned ends of the constants and of everything.
fn assign_addresses(module: &Module) -> Result<(Vec<u32>, [u32; 2]), LinkError> {
    let mut addresses = vec![0; module.globals.len()];
    let mut at = u64::from(abi::GLOBALS);
    let mut place = |constant: bool| -> Result<u32, LinkError> {
        let chosen =
            |&(_, global): &(usize, &Global)| global.defined && global.constant == constant;
        for (index, global) in module.globals.iter().enumerate().filter(chosen) {
            at = at.next_multiple_of(1 << global.align_log2.min(16));
            addresses[index] = at as u32;
            // An empty object still has an address of its own.
            at += u64::from(global.size.max(1));
            let used = at - u64::from(abi::GLOBALS);
            if used > u64::from(MAX_GLOBALS) {
                return Err(LinkError::GlobalsTooLarge(used, MAX_GLOBALS));
            }
        }
        at = at.next_multiple_of(4096);
        Ok(at as u32)
    };
    let ends = [place(true)?, place(false)?];
    Ok((addresses, ends))
}

/// The bytes of the segment from `start` to `end`, trailing zeros left out.
fn contents(
    module: &Module,
    bindings: &Bindings,
    imports: &[Binding],
    start: u32,
    end: u32,
) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (global, &address) in module.globals.iter().zip(&bindings.globals) {
        if !global.defined || !(start..end).contains(&address) {
            continue;
        }
        let at = (address - start) as usize;
        let len = global.init.len().min(global.size as usize);
        if len == 0 {
            continue;
        }
        if bytes.len() < at + len {
            bytes.resize(at + len, 0);
        }
        bytes[at..at + len].copy_from_slice(&global.init[..len]);
        for reloc in &global.relocs {
            let target = match reloc.target {
                RelocTarget::Func(id) => func_address(imports, id.0),
                RelocTarget::Global(id) => bindings.globals[id.index()],
            };
            let field = at + reloc.offset as usize;
            if let Some(word) = bytes.get_mut(field..field + 4) {
                let old = u32::from_le_bytes([word[0], word[1], word[2], word[3]]);
                let add = if reloc.negative {
                    target.wrapping_neg()
                } else {
                    target
                };
                word.copy_from_slice(&old.wrapping_add(add).to_le_bytes());
            }
        }
    }
    bytes
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use ir::{FuncId, Function, GlobalId, Reloc};

    fn global(name: &str, constant: bool, init: &[u8], size: u32) -> Global {
        Global {
            name: name.into(),
            defined: true,
            constant,
            size,
            align_log2: 2,
            init: init.to_vec(),
            ..Global::default()
        }
    }

    #[test]
    fn pointers_in_initialisers_get_the_addresses_of_their_targets() {
        let mut table = global("table", true, &[0; 8], 8);
        let reloc = |offset, target| Reloc {
            offset,
            target,
            negative: false,
        };
        table.relocs = vec![
            reloc(0, RelocTarget::Global(GlobalId(1))),
            reloc(4, RelocTarget::Func(FuncId(0))),
        ];
        let host = Function {
            name: "bf_exit".into(),
            ..Function::default()
        };
        let module = Module {
            funcs: vec![host],
            globals: vec![table, global("counter", false, &[1], 100)],
            ..Module::default()
        };
        let program = Program::new(module).unwrap();
        let [constants, globals] = &program.segments;
        assert_eq!(constants.address, abi::GLOBALS);
        assert_eq!(globals.address, abi::GLOBALS + 4096);
        assert_eq!(constants.bytes[..4], globals.address.to_le_bytes());
        assert_eq!(constants.bytes[4..8], abi::stub_address(0).to_le_bytes());
        assert_eq!((globals.bytes.as_slice(), globals.size), (&[1][..], 4096));
        assert_eq!(program.heap, globals.address + 4096);
    }

    #[test]
    fn a_global_without_initialiser_may_lie_behind_others() {
        let globals = vec![
            global("a", false, &[7], 4),
            global("zero", false, &[], 4096),
        ];
        let program = Program::new(Module {
            globals,
            ..Module::default()
        })
        .unwrap();
        assert_eq!(program.segments[1].bytes, [7]);
        assert_eq!(program.segments[1].size, 8192);
    }

    #[test]
    fn unresolved_symbols_are_all_named() {
        let func = |name: &str| Function {
            name: name.into(),
            ..Function::default()
        };
        let module = Module {
            funcs: vec![
                func("puts"),
                func("bf_exit"),
                func("llvm.memcpy.p0.p0.i32"),
                func("exit"),
            ],
            ..Module::default()
        };
        let error = Program::new(module).unwrap_err();
        assert_eq!(
            error,
            LinkError::Unresolved(vec!["puts".into(), "exit".into()])
        );
    }

    #[test]
    fn globals_beyond_the_region_are_refused() {
        let big = |name: &str| global(name, false, &[], 1 << 30);
        let module = Module {
            globals: vec![big("a"), big("b")],
            ..Module::default()
        };
        assert!(matches!(
            Program::new(module),
            Err(LinkError::GlobalsTooLarge(..))
        ));
    }
}
