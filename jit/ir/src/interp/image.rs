//! A memory and a layout, with which a whole module runs by the interpreter alone.
//!
//! The layout is that of `docs/abi.md` in small: stubs at [`Image::STUBS`], globals from
//! [`Image::GLOBALS`], the stack high up, nothing at address 0. Addresses differ from those of a real
//! instance, so a program whose result depends on an address has no defined result here or there.

use super::{Addresses, Arg, BadAddress, FaultKind, Host, Interp, Limits, Memory, Val};
use crate::module::{FuncId, Function, GlobalId, Linkage, Module, RelocTarget};
use alloc::vec;
use alloc::vec::Vec;

/// A run of bytes at an address.
#[derive(Clone, Debug)]
pub struct Region {
    /// Address of the first byte.
    pub base: u32,
    /// The bytes.
    pub bytes: Vec<u8>,
    /// Whether stores are refused.
    pub read_only: bool,
}

/// Memory made of a few regions; everything between them is absent, address 0 included.
#[derive(Clone, Debug, Default)]
pub struct FlatMemory {
    regions: Vec<Region>,
}

impl FlatMemory {
    /// Memory without a byte.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a region of zeros. Where regions overlap, the one added first is seen.
    pub fn map(&mut self, base: u32, len: u32) {
        self.regions.push(Region {
            base,
            bytes: vec![0; len as usize],
            read_only: false,
        });
    }

    /// Refuses stores to the region that holds `addr` from now on.
    pub fn protect(&mut self, addr: u32) {
        if let Some((region, _)) = self.find(addr) {
            region.read_only = true;
        }
    }

    /// The regions, to compare what two runs left behind.
    #[must_use]
    pub fn regions(&self) -> &[Region] {
        &self.regions
    }

    /// The region that holds `addr`, and the index in it.
    fn find(&mut self, addr: u32) -> Option<(&mut Region, usize)> {
        self.regions.iter_mut().find_map(|region| {
            let at = addr.checked_sub(region.base)? as usize;
            (at < region.bytes.len()).then_some((region, at))
        })
    }
}

impl Memory for FlatMemory {
    fn load(&mut self, addr: u32, bytes: &mut [u8]) -> Result<(), BadAddress> {
        if bytes.is_empty() {
            return Ok(());
        }
        let (region, at) = self.find(addr).ok_or(BadAddress(addr))?;
        let end = region.base.wrapping_add(region.bytes.len() as u32);
        let found = region.bytes.get(at..at + bytes.len());
        bytes.copy_from_slice(found.ok_or(BadAddress(end))?);
        Ok(())
    }

    fn store(&mut self, addr: u32, bytes: &[u8]) -> Result<(), BadAddress> {
        if bytes.is_empty() {
            return Ok(());
        }
        let (region, at) = self.find(addr).ok_or(BadAddress(addr))?;
        if region.read_only {
            return Err(BadAddress(addr));
        }
        let end = region.base.wrapping_add(region.bytes.len() as u32);
        let found = region.bytes.get_mut(at..at + bytes.len());
        found.ok_or(BadAddress(end))?.copy_from_slice(bytes);
        Ok(())
    }
}

/// Where the functions and globals of one module are. The defaults are those of `docs/abi.md`.
#[derive(Clone, Debug)]
pub struct Image {
    stubs: u32,
    /// By function: 0 for one that may stay unresolved and did.
    funcs: Vec<u32>,
    globals: Vec<u32>,
    /// All globals.
    range: core::ops::Range<u32>,
}

impl Image {
    /// Where the first stub is; they are 8 bytes apart.
    pub const STUBS: u32 = 0x0011_0000;
    /// Where globals begin.
    pub const GLOBALS: u32 = 0x0040_0000;

    /// Places the globals of `module` one behind the other, each aligned. `None` if they do not fit
    /// below 1 GiB.
    #[must_use]
    pub fn new(module: &Module) -> Option<Self> {
        let mut end = u64::from(Self::GLOBALS);
        let mut globals = Vec::with_capacity(module.globals.len());
        for global in &module.globals {
            if !global.defined && global.linkage == Linkage::ExternWeak {
                globals.push(0);
                continue;
            }
            end = end.next_multiple_of(1u64.checked_shl(u32::from(global.align_log2))?);
            globals.push(u32::try_from(end).ok()?);
            end += u64::from(global.size.max(1));
            if end > 1 << 30 {
                return None;
            }
        }
        let unresolved =
            |func: &Function| func.body.is_none() && func.linkage == Linkage::ExternWeak;
        let stub = |(at, func): (usize, &Function)| {
            let addr = Self::STUBS.wrapping_add(8 * at as u32);
            if unresolved(func) { 0 } else { addr }
        };
        Some(Self {
            stubs: Self::STUBS,
            funcs: module.funcs.iter().enumerate().map(stub).collect(),
            globals,
            range: Self::GLOBALS..u32::try_from(end).ok()?,
        })
    }

    /// Writes initialisers and applies relocations. `memory` must have [`Image::range`].
    ///
    /// # Errors
    /// When it has not.
    pub fn load(&self, module: &Module, memory: &mut dyn Memory) -> Result<(), BadAddress> {
        for (global, &base) in module.globals.iter().zip(&self.globals) {
            if base == 0 {
                continue;
            }
            memory.store(base, &global.init)?;
            for reloc in &global.relocs {
                let addr = base.wrapping_add(reloc.offset);
                let target = match reloc.target {
                    RelocTarget::Func(id) => self.func(id),
                    RelocTarget::Global(id) => self.global(id),
                };
                let mut bytes = [0; 4];
                memory.load(addr, &mut bytes)?;
                let old = u32::from_le_bytes(bytes);
                let new = if reloc.negative {
                    old.wrapping_sub(target)
                } else {
                    old.wrapping_add(target)
                };
                memory.store(addr, &new.to_le_bytes())?;
            }
        }
        Ok(())
    }

    /// The addresses that the globals take.
    #[must_use]
    pub fn range(&self) -> core::ops::Range<u32> {
        self.range.clone()
    }
}

impl Addresses for Image {
    fn func(&self, id: FuncId) -> u32 {
        self.funcs[id.index()]
    }

    fn global(&self, id: GlobalId) -> u32 {
        self.globals[id.index()]
    }

    fn func_at(&self, addr: u32) -> Option<FuncId> {
        let offset = addr.checked_sub(self.stubs)?;
        let id = FuncId(offset / 8);
        let known = self.funcs.get(id.index()) == Some(&addr);
        known.then_some(id)
    }
}

/// A host that provides nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoHost;

impl Host for NoHost {
    /// Nobody provides the function.
    fn call(
        &mut self,
        _: &Module,
        func: FuncId,
        _: &[Arg],
        _: &mut dyn Memory,
    ) -> Result<Val, FaultKind> {
        Err(FaultKind::BadCall(Image::STUBS.wrapping_add(8 * func.0)))
    }
}

/// Runs one function of a verified module in a fresh memory with 1 MiB of stack, without a host.
///
/// # Errors
/// The fault that ended it.
pub fn run(module: &Module, func: FuncId, args: &[Val], steps: u64) -> Result<Val, FaultKind> {
    const STACK: core::ops::Range<u32> = 0x7000_0000..0x7010_0000;
    let image = Image::new(module).ok_or(FaultKind::Unsupported("1 GiB of globals"))?;
    let mut memory = FlatMemory::new();
    let range = image.range();
    memory.map(range.start, range.end - range.start);
    memory.map(STACK.start, STACK.end - STACK.start);
    image.load(module, &mut memory)?;
    let limits = Limits {
        steps,
        depth: 1000,
        stack: STACK,
    };
    let mut host = NoHost;
    let mut interp = Interp::new(module, &mut memory, &image, &mut host, limits);
    interp.call(func, args).map_err(|fault| fault.kind)
}
