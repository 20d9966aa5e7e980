//! What all instances of a program share: IR, bindings, the initial contents of memory.
//!
//! Symbols bind once, here, so a function's meaning never changes in an instance. Addresses are
//! assigned in one pass over the globals: constants first, on pages of their own that the platform
//! maps read-only, then what the module may write, then the heap. Thread-local variables get an
//! offset in a block that every task has for itself, on top of its stack; [`Tls`] is its beginning.

use super::link::{self, Input, Joined, LinkError, Unit, Variable};
use super::start;
use crate::abi;
use crate::helpers::Helper;
use crate::legal::{self, LegalError};
use crate::load::MAX_INIT_BYTES;
use crate::tier::{Bindings, CpuFeatures};
use ::abi::HostCall;
use alloc::vec;
use alloc::vec::Vec;
use ir::{FuncId, Global, GlobalId, Module, RelocTarget};

/// What a call of a function reaches.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Binding {
    /// Code of this program.
    Defined,
    /// The runtime.
    Host(HostCall),
    /// A helper blob.
    Helper(Helper),
    /// The function of this number, which is what all calls name.
    Elsewhere(u32),
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

/// The thread-local variables as a task finds them when it starts.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Tls {
    /// The first bytes of a block; the rest of `size` is 0.
    pub bytes: Vec<u8>,
    /// Bytes of a block.
    pub size: u32,
    /// log2 of its alignment.
    pub align_log2: u8,
}

impl Tls {
    /// Where the block of a task lies whose stack ends at `end`: the value of `gs:[TLS]`, and the end
    /// of the stack that is left. Always a multiple of 16.
    #[must_use]
    pub fn base(&self, end: u32) -> u32 {
        let align = 1u32 << self.align_log2.clamp(4, MAX_ALIGN_LOG2);
        (end - self.size) & !(align - 1)
    }
}

/// A program that is ready to run.
#[derive(Debug)]
pub struct Program {
    /// All its modules as one, each part verified.
    pub module: Module,
    /// The modules that it was made of.
    pub units: Vec<Unit>,
    /// Addresses and numbers of its symbols.
    pub bindings: Bindings,
    /// What each function is bound to, by number.
    pub imports: Vec<Binding>,
    /// Initial memory: constants, then globals.
    pub segments: [Segment; 2],
    /// Thread-local variables.
    pub tls: Tls,
    /// First address behind the globals; a multiple of 4096. The heap goes up to [`abi::STACKS`].
    pub heap: u32,
}

/// Most bytes of globals: the heap and the stacks lie behind.
const MAX_GLOBALS: u32 = abi::STACKS - abi::GLOBALS;
/// Most bytes of thread-local variables: they lie on the task's stack, which is four times as large.
const MAX_TLS: u32 = 256 * 1024;
/// Largest alignment of a variable.
const MAX_ALIGN_LOG2: u8 = 16;

impl Program {
    /// A program of one module, which the verifier has accepted.
    ///
    /// # Errors
    /// A symbol is unresolved or defined twice, or the program is too large.
    pub fn new(module: Module) -> Result<Self, LinkError> {
        Self::link(vec![Input::Module(module)], start::MAIN)
    }

    /// A program of these modules, which the verifier has accepted, and of what they need of these
    /// archives. `entry` is the function that it starts with, usually `main`.
    ///
    /// # Errors
    /// Symbols are unresolved or defined twice, an archive is damaged, or the program is too large.
    pub fn link(inputs: Vec<Input<'_>>, entry: &str) -> Result<Self, LinkError> {
        let mut joined = Joined::new(inputs, entry)?;
        let bound = link::bind(&mut joined)?;
        let Joined { module, units, .. } = joined;
        let place = Layout::new(&module, &bound.globals)?;
        let addresses = bound.funcs.iter();
        let addresses = addresses.map(|&number| func_address(&bound.imports, number));
        let bindings = Bindings {
            addresses: addresses.collect(),
            globals: place.resolve(&bound.globals, &bound.imports),
            funcs: bound.funcs,
            types: bound.types,
        };
        let image = Image {
            module: &module,
            globals: &bound.globals,
            bindings: &bindings,
        };
        let [constants_end, end] = place.ends;
        let segment = |address, end, writable| Segment {
            address,
            bytes: image.bytes(address, end, false),
            size: end - address,
            writable,
        };
        let segments = [
            segment(abi::GLOBALS, constants_end, false),
            segment(constants_end, end, true),
        ];
        let tls = Tls {
            bytes: image.bytes(0, place.tls, true),
            size: place.tls,
            align_log2: place.tls_align_log2,
        };
        Ok(Self {
            units,
            bindings,
            imports: bound.imports,
            segments,
            tls,
            heap: end,
            module,
        })
    }

    /// Rewrites the program into the machine dialect of `cpu`, which is the one that tiers compile. What
    /// functions mean, their numbers and their addresses stay; helper functions may come behind them.
    ///
    /// # Errors
    /// A function uses what no rule knows, or becomes too large; the program cannot be run then.
    pub fn legalise(&mut self, cpu: CpuFeatures) -> Result<legal::Report, LegalError> {
        let rules = legal::Rules::default();
        let report = legal::linked(&mut self.module, &mut self.bindings.types, cpu, rules)?;
        let from = self.imports.len();
        for at in from..self.module.funcs.len() {
            let number = at as u32;
            if number >= link::max_funcs() {
                let which = "functions of a program";
                return Err(LegalError::LimitExceeded(which, self.module.name.clone()));
            }
            self.bindings.funcs.push(number);
            self.bindings.types.push(self.module.funcs[at].ty);
            self.imports.push(Binding::Defined);
            self.bindings
                .addresses
                .push(func_address(&self.imports, number));
        }
        Ok(report)
    }

    /// The number of the function `name`, if the program defines it.
    #[must_use]
    pub fn entry(&self, name: &str) -> Option<u32> {
        // A name may occur several times: declarations, and internal functions of several modules.
        let funcs = (0..).zip(&self.module.funcs);
        let defined = funcs.filter(|(_, func)| func.name == name && func.body.is_some());
        let (index, _) = defined.min_by_key(|(_, func)| func.linkage == ir::Linkage::Internal)?;
        self.bindings.funcs.get(index as usize).copied()
    }

    /// The function to enter for the entry `name`: a C library's or the linker's `_start` in place of
    /// `main`, which is called with `argc`, `argv` and a null `envp`; otherwise [`Self::entry`].
    #[must_use]
    pub fn start(&self, name: &str) -> Option<u32> {
        let start = (name == start::MAIN).then(|| self.entry(start::START));
        start.flatten().or_else(|| self.entry(name))
    }

    /// The name of the module that function `func` came from.
    #[must_use]
    pub fn unit(&self, func: u32) -> &str {
        link::unit_name(&self.units, |unit| unit.func <= func)
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
        Some(&Binding::Elsewhere(other)) => abi::stub_address(other),
        Some(_) => abi::stub_address(func),
    }
}

/// Where the variables of the program are that have a place of their own.
struct Layout {
    /// By variable: its address, or its offset in a block of thread-local ones.
    at: Vec<u32>,
    /// The page-aligned ends of the constants and of everything.
    ends: [u32; 2],
    tls: u32,
    tls_align_log2: u8,
}

impl Layout {
    fn new(module: &Module, variables: &[Variable]) -> Result<Self, LinkError> {
        let mut layout = Self {
            at: vec![0; module.globals.len()],
            ends: [0; 2],
            tls: 0,
            tls_align_log2: 4,
        };
        let mut at = u64::from(abi::GLOBALS);
        let limit = u64::from(abi::GLOBALS + MAX_GLOBALS);
        let too_large =
            |end| LinkError::GlobalsTooLarge(end - u64::from(abi::GLOBALS), MAX_GLOBALS);
        for (end, constant) in [(0, true), (1, false)] {
            let start = at;
            // What is zero comes last: a segment's bytes end with the last variable that is not.
            for zero in [false, true] {
                let chosen = |global: &Global| {
                    !global.thread_local
                        && global.constant == constant
                        && global.init.is_empty() == zero
                };
                at = layout
                    .place(module, variables, chosen, at, limit)
                    .map_err(too_large)?;
                if !zero && at - start > MAX_INIT_BYTES as u64 {
                    return Err(LinkError::InitialValuesTooLarge(at - start, MAX_INIT_BYTES));
                }
            }
            at = at.next_multiple_of(4096);
            layout.ends[end] = at as u32;
        }
        let too_large = |end| LinkError::ThreadLocalsTooLarge(end, MAX_TLS);
        let local = |global: &Global| global.thread_local;
        let tls = layout.place(module, variables, local, 0, u64::from(MAX_TLS));
        layout.tls = tls.map_err(too_large)? as u32;
        let aligns = module.globals.iter().filter(|global| global.thread_local);
        let align = aligns
            .map(|global| global.align_log2.min(MAX_ALIGN_LOG2))
            .max();
        layout.tls_align_log2 = align.unwrap_or(0).max(4);
        Ok(layout)
    }

    /// Places the chosen variables from `at` on; gives the end, or as an error one beyond `limit`.
    fn place(
        &mut self,
        module: &Module,
        variables: &[Variable],
        chosen: impl Fn(&Global) -> bool,
        mut at: u64,
        limit: u64,
    ) -> Result<u64, u64> {
        for (index, (global, variable)) in module.globals.iter().zip(variables).enumerate() {
            if *variable != Variable::Own || !chosen(global) {
                continue;
            }
            at = at.next_multiple_of(1 << global.align_log2.min(MAX_ALIGN_LOG2));
            self.at[index] = at as u32;
            // An empty object still has an address of its own.
            at += u64::from(global.size.max(1));
            if at > limit {
                return Err(at);
            }
        }
        Ok(at)
    }

    /// The addresses, or offsets, of all variables.
    fn resolve(&self, variables: &[Variable], imports: &[Binding]) -> Vec<u32> {
        let own = |index: usize| self.at[index];
        let resolve = |(index, variable): (usize, &Variable)| match *variable {
            Variable::Own => own(index),
            Variable::In(id, offset) => own(id.index()).wrapping_add_signed(offset),
            Variable::Stub(func) => func_address(imports, func),
            Variable::Null => 0,
        };
        variables.iter().enumerate().map(resolve).collect()
    }
}

/// The initial contents of variables.
struct Image<'a> {
    module: &'a Module,
    globals: &'a [Variable],
    bindings: &'a Bindings,
}

impl Image<'_> {
    /// The bytes from `start` to `end` of memory or of a thread-local block, trailing zeros left out.
    fn bytes(&self, start: u32, end: u32, thread_local: bool) -> Vec<u8> {
        let mut bytes = Vec::new();
        let placed = self
            .module
            .globals
            .iter()
            .zip(self.globals)
            .zip(&self.bindings.globals);
        for ((global, variable), &address) in placed {
            let here = global.thread_local == thread_local && (start..end).contains(&address);
            if *variable == Variable::Own && here {
                self.write(global, (address - start) as usize, &mut bytes);
            }
        }
        bytes
    }

    fn write(&self, global: &Global, at: usize, bytes: &mut Vec<u8>) {
        let len = global.init.len().min(global.size as usize);
        if len == 0 {
            return;
        }
        if bytes.len() < at + len {
            bytes.resize(at + len, 0);
        }
        bytes[at..at + len].copy_from_slice(&global.init[..len]);
        for reloc in &global.relocs {
            let target = match reloc.target {
                RelocTarget::Func(id) => self.bindings.addresses[id.index()],
                RelocTarget::Global(id) => self.bindings.globals[id.index()],
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
}

/// The places that the reference interpreter runs a program at.
impl ir::interp::Addresses for Program {
    fn func(&self, id: FuncId) -> u32 {
        self.bindings.addresses[id.index()]
    }

    fn global(&self, id: GlobalId) -> u32 {
        self.bindings.globals[id.index()]
    }

    fn func_at(&self, address: u32) -> Option<FuncId> {
        abi::stub_func(address, self.module.funcs.len() as u32).map(FuncId)
    }

    fn definition(&self, id: FuncId) -> FuncId {
        FuncId(self.bindings.funcs[id.index()])
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use ir::{Function, Reloc};

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
    fn what_is_zero_takes_no_bytes_wherever_it_is_declared() {
        let globals = vec![
            global("zero", false, &[], 1 << 30),
            global("a", false, &[7], 4),
            global("more", true, &[], 1 << 20),
            global("b", true, &[8], 4),
        ];
        let program = Program::new(Module {
            globals,
            ..Module::default()
        })
        .unwrap();
        let [constants, globals] = &program.segments;
        assert_eq!(
            (&constants.bytes[..], &globals.bytes[..]),
            (&[8][..], &[7][..])
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
