//! One instance: slots, versions, counters, and what each gate does.
//!
//! Every method may be called from any core at any time. Nothing here takes a lock; what two cores
//! can do to one function at once is decided by its state word.
//!
//! A compilation runs inside [`CoreContext::contained`]: the platform serves its memory from an
//! arena and survives its panic. Only what `keep` copies outlives it: the bytes of the code, put
//! into code memory, and the version's record.

use super::program::{Binding, Program};
use super::report::{Caller, Location};
use crate::abi;
use crate::code::cache::CodeCache;
use crate::code::memory::{CodeMemory, CodeMemoryError, Region};
use crate::code::publish::{self, Outcome};
use crate::code::state::{FuncState, Snapshot};
use crate::code::version::{CodeVersion, VersionId, VersionState, VersionTable};
use crate::gates::{self, Crossing};
use crate::helpers::{self, Helper};
use crate::policy::{Event, Profile, Thresholds};
use crate::queue::{CompileQueue, Entry, InstanceId, Pushed};
use crate::sync::{AtomicU32, AtomicU64, Ordering};
use crate::tier::opt::pipeline::stays_at_baseline;
use crate::tier::{self, Compiled, CpuFeatures, Declined, Job, Reloc, Tier};
use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use ir::{FuncId, InstId};

/// What the platform offers to the core that runs the runtime.
pub trait CoreContext {
    /// The core's number among the instance's cores.
    fn core(&self) -> u32;

    /// Time since boot in microseconds, monotonic on this core.
    fn now_us(&self) -> u64;

    /// Runs `work` so that its panic, stack overflow or endless loop is survived, with memory from
    /// an arena that is dropped afterwards; then, while the result lives, `keep` outside of it.
    ///
    /// # Errors
    /// `work` was abandoned; nothing of it remains.
    fn contained<R, K>(
        &self,
        what: &CompileLabel<'_>,
        work: impl FnOnce() -> R,
        keep: impl FnOnce(&R) -> K,
    ) -> Result<K, Abandoned>;
}

/// What is being compiled, for the platform's log.
#[derive(Clone, Copy, Debug)]
pub struct CompileLabel<'a> {
    /// Function name.
    pub function: &'a str,
    /// Tier.
    pub tier: Tier,
}

/// A compilation panicked, overflowed its stack or took too long.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Abandoned;

/// Why a function has no new version.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum NotCompiled {
    /// There is no such function, or it has no body.
    NoBody,
    /// The tier declined.
    Declined(Declined),
    /// The compiler failed and was contained.
    Abandoned,
    /// The code cache is full.
    CacheFull,
    /// The platform has no memory for code.
    Memory(CodeMemoryError),
}

impl fmt::Display for NotCompiled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoBody => f.write_str("no body"),
            Self::Declined(why) => why.fmt(f),
            Self::Abandoned => f.write_str("the compiler failed"),
            Self::CacheFull => f.write_str("the code cache is full"),
            Self::Memory(why) => why.fmt(f),
        }
    }
}

/// How an instance is run.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// When to ask for the next tier.
    pub thresholds: Thresholds,
    /// The CPU.
    pub cpu: CpuFeatures,
    /// How gates reach the runtime.
    pub crossing: Crossing,
    /// Most bytes of code.
    pub code_limit: u64,
    /// Count and tier up; off when a tier is forced.
    pub tier_up: bool,
}

/// A function as figures.
#[derive(Clone, Debug)]
pub struct FuncStats {
    /// Its name.
    pub name: alloc::string::String,
    /// Its state word.
    pub state: Snapshot,
    /// Calls counted so far (not at the highest tier).
    pub calls: u64,
    /// Loop back-edges counted so far.
    pub loops: u64,
}

/// Totals over the versions of an instance.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct VersionStats {
    /// Versions made.
    pub made: u64,
    /// Versions that callers enter.
    pub published: u64,
    /// Versions that callers no longer enter and whose memory is not free yet.
    pub retired: u64,
    /// Bytes of code of those.
    pub retired_bytes: u64,
    /// Bytes of code handed out.
    pub code_bytes: u64,
}

/// One instance.
#[derive(Debug)]
pub struct Instance<M> {
    id: InstanceId,
    program: Arc<Program>,
    config: Config,
    memory: M,
    helpers: helpers::Map,
    cache: CodeCache,
    states: Box<[FuncState]>,
    /// Number of each function's published version; `u32::MAX` before the first.
    current: Box<[AtomicU32]>,
    versions: VersionTable,
    profile: Profile,
    serial: AtomicU32,
    contained: AtomicU64,
}

impl<M: CodeMemory> Instance<M> {
    /// Makes an instance of `program` in `memory`: gates, stubs, slots and counters. Globals are the
    /// platform's to map, from [`Program::segments`].
    ///
    /// # Errors
    /// The platform has no memory for the gates.
    pub fn new(
        id: InstanceId,
        program: Arc<Program>,
        config: Config,
        memory: M,
    ) -> Result<Self, CodeMemoryError> {
        let funcs = program.imports.len();
        let gates = gates::build(&program.imports, config.crossing, config.cpu.avx);
        memory.commit(Region::Code, 0, &gates.code)?;
        memory.commit(Region::Stubs, 0, &gates::stubs(funcs as u32))?;
        for (slot, &offset) in gates.slots.iter().enumerate() {
            publish::set_gate(&memory, slot as u32, abi::CODE + u64::from(offset));
        }
        let profile = Profile::new(config.thresholds, funcs, memory.cores());
        for core in 0..memory.first_cores() {
            profile.arm_all(core, memory.counters(core));
        }
        Ok(Self {
            id,
            config,
            helpers: gates.helpers,
            cache: CodeCache::new(config.code_limit, gates.code.len() as u64),
            states: (0..funcs).map(|_| FuncState::new()).collect(),
            current: (0..funcs).map(|_| AtomicU32::new(u32::MAX)).collect(),
            versions: VersionTable::new(),
            profile,
            serial: AtomicU32::new(1),
            contained: AtomicU64::new(0),
            program,
            memory,
        })
    }

    /// Sets the counters of a core that was not in use from the start.
    pub fn arm(&self, core: usize) {
        if core < self.memory.cores() {
            self.profile.arm_all(core, self.memory.counters(core));
        }
    }

    /// Its number.
    #[must_use]
    pub fn id(&self) -> InstanceId {
        self.id
    }

    /// What it runs.
    #[must_use]
    pub fn program(&self) -> &Arc<Program> {
        &self.program
    }

    /// Its memory.
    #[must_use]
    pub fn memory(&self) -> &M {
        &self.memory
    }

    /// How it is run.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// All versions, oldest first.
    pub fn versions(&self) -> impl Iterator<Item = &CodeVersion> {
        self.versions.iter()
    }

    /// The address at which a call of `func` enters now.
    #[must_use]
    pub fn entry_of(&self, func: u32) -> Option<u64> {
        if func as usize >= self.states.len() {
            return None;
        }
        // ORDERING: Acquire pairs with the Release store in `publish`.
        self.memory
            .with_slot(abi::func_slot(func), |slot| slot.load(Ordering::Acquire))
    }

    /// The first-call gate: makes sure that `func` can be entered and gives the address to enter.
    /// If another core is just publishing, the caller enters the copy that it has made itself.
    ///
    /// # Errors
    /// There is no code for the function: the instance ends.
    pub fn first_call(&self, func: u32, cx: &impl CoreContext) -> Result<u64, NotCompiled> {
        let state = self.states.get(func as usize).ok_or(NotCompiled::NoBody)?;
        if state.load().published().is_some() {
            return self.entry_of(func).ok_or(NotCompiled::NoBody);
        }
        let (entry, outcome) = self.compile(func, Tier::Baseline, cx)?;
        match outcome {
            Outcome::Lost => self.entry_of(func).ok_or(NotCompiled::NoBody),
            Outcome::Published | Outcome::Busy => Ok(entry),
        }
    }

    /// The count gate: books the trip and asks for the tier that the function's heat justifies.
    pub fn count(&self, func: u32, event: Event, core: usize, queue: &CompileQueue) -> Pushed {
        let Some(state) = self
            .states
            .get(func as usize)
            .filter(|_| core < self.memory.cores())
        else {
            return Pushed::Already;
        };
        let counters = |core: usize| self.memory.counters(core);
        let Some(tier) = self.profile.trip(core, func as usize, event, counters) else {
            return Pushed::Already;
        };
        queue.request(
            Entry {
                instance: self.id,
                func,
            },
            state,
            tier,
        )
    }

    /// Serves the queue's entry for `func`: compiles it at the highest tier asked for and publishes.
    /// `None` if nothing is asked for any more.
    pub fn serve(
        &self,
        func: u32,
        cx: &impl CoreContext,
    ) -> Option<(Tier, Result<Outcome, NotCompiled>)> {
        let tier = self.take_request(func)?;
        let result = self.compile(func, tier, cx).map(|(_, outcome)| outcome);
        self.end_request(func, tier, &result);
        Some((tier, result))
    }

    /// Takes what the queue's entry for `func` asks for; [`Self::end_request`] must follow.
    pub fn take_request(&self, func: u32) -> Option<Tier> {
        self.states.get(func as usize)?.take()
    }

    /// The compilation that [`Self::take_request`] began has ended.
    pub fn end_request(&self, func: u32, tier: Tier, result: &Result<Outcome, NotCompiled>) {
        let for_good = matches!(
            result,
            Err(NotCompiled::Declined(_) | NotCompiled::Abandoned)
        );
        if let Some(state) = self.states.get(func as usize) {
            state.finish(tier, for_good);
        }
    }

    /// Compiles `func` at `tier` and publishes the result; gives its entry.
    ///
    /// A platform whose compilations are interrupted and go on later does the steps itself:
    /// [`Self::job`], [`tier::compile`], then [`Self::deliver`] or [`Self::abandoned`].
    ///
    /// # Errors
    /// There is no new version; the function stays as it is.
    pub fn compile(
        &self,
        func: u32,
        tier: Tier,
        cx: &impl CoreContext,
    ) -> Result<(u64, Outcome), NotCompiled> {
        let job = self.job(func, tier).ok_or(NotCompiled::NoBody)?;
        let label = CompileLabel {
            function: &job.function().name,
            tier,
        };
        let start = cx.now_us();
        let keep = |result: &Result<Compiled, Declined>| {
            let spent = cx.now_us().saturating_sub(start);
            self.deliver(func, tier, result, cx.core(), spent)
        };
        let result = cx.contained(&label, || tier::compile(&job, tier), keep);
        result.unwrap_or_else(|Abandoned| Err(self.abandoned()))
    }

    /// What compiling `func` at `tier` is given; `None` if it has no body.
    #[must_use]
    pub fn job(&self, func: u32, tier: Tier) -> Option<Job<'_>> {
        let module = &self.program.module;
        module.funcs.get(func as usize)?.body.as_ref()?;
        Some(Job {
            module,
            func: FuncId(func),
            bindings: &self.program.bindings,
            cpu: self.config.cpu,
            counting: self.config.tier_up && tier.next().is_some(),
        })
    }

    /// Publishes what compiling `func` at `tier` gave, outside of the compilation's arena.
    ///
    /// # Errors
    /// There is no new version; the function stays as it is.
    pub fn deliver(
        &self,
        func: u32,
        tier: Tier,
        result: &Result<Compiled, Declined>,
        core: u32,
        spent_us: u64,
    ) -> Result<(u64, Outcome), NotCompiled> {
        match result {
            Err(why) => Err(NotCompiled::Declined(why.clone())),
            Ok(compiled) => self.install(func, tier, compiled, core, spent_us),
        }
    }

    /// Books a compilation that failed and was contained.
    pub fn abandoned(&self) -> NotCompiled {
        // ORDERING: Relaxed, a figure for people; pairs with nothing.
        self.contained.fetch_add(1, Ordering::Relaxed);
        NotCompiled::Abandoned
    }

    /// Puts finished code into code memory and publishes it; gives its entry.
    ///
    /// # Errors
    /// There is no room, or the table of versions is full.
    pub fn install(
        &self,
        func: u32,
        tier: Tier,
        compiled: &Compiled,
        core: u32,
        compile_us: u64,
    ) -> Result<(u64, Outcome), NotCompiled> {
        let range = self
            .cache
            .reserve(compiled.code.len(), compiled.rodata.len())
            .map_err(|_| NotCompiled::CacheFull)?;
        // ORDERING: Relaxed: only uniqueness and order per function matter; the claim's AcqRel on
        // the state word orders the publication.
        let serial = self.serial.fetch_add(1, Ordering::Relaxed);
        let mut version = CodeVersion::new(func, tier, serial, range);
        version.core = core;
        version.compile_us = compile_us;
        version.code_bytes = compiled.code.len() as u32;
        version.tables = compiled.tables.clone();
        let placed = place(compiled, &version);
        let write = |region, offset, bytes: &[u8]| self.memory.commit(region, offset, bytes);
        write(Region::Rodata, range.rodata, &placed.rodata).map_err(NotCompiled::Memory)?;
        write(Region::Code, range.code, &placed.code).map_err(NotCompiled::Memory)?;
        version.advance(VersionState::Sealed);
        let id = self.versions.push(version).ok_or(NotCompiled::CacheFull)?;
        let version = self.versions.get(id).ok_or(NotCompiled::CacheFull)?;
        Ok((version.entry(), self.publish(func, id, version)))
    }

    fn publish(&self, func: u32, id: VersionId, version: &CodeVersion) -> Outcome {
        let Some(state) = self.states.get(func as usize) else {
            return Outcome::Lost;
        };
        let replace = || {
            // ORDERING: AcqRel pairs with itself: the next claimant sees the id and its record.
            let old = self.current[func as usize].swap(id.0, Ordering::AcqRel);
            if let Some(old) = self.versions.get(VersionId(old)) {
                old.advance(VersionState::Retired);
            }
        };
        let slot = abi::func_slot(func);
        let publish = |slot: &AtomicU64| publish::publish(state, slot, version, replace);
        self.memory
            .with_slot(slot, publish)
            .unwrap_or(Outcome::Lost)
    }

    /// Compiles every function that has a body at `tier`; one that calls `setjmp` at baseline.
    ///
    /// # Errors
    /// The first function that could not be compiled, by number.
    pub fn compile_all(&self, tier: Tier, cx: &impl CoreContext) -> Result<(), (u32, NotCompiled)> {
        for (func, binding) in self.program.imports.iter().enumerate() {
            if *binding == Binding::Defined {
                let stays = stays_at_baseline(&self.program.module, FuncId(func as u32));
                let tier = if stays { Tier::Baseline } else { tier };
                self.compile(func as u32, tier, cx)
                    .map_err(|why| (func as u32, why))?;
            }
        }
        Ok(())
    }

    /// Where in the program `address` is.
    #[must_use]
    pub fn locate(&self, address: u64) -> Option<Location> {
        let version = self.versions.find(address)?;
        let offset = (address - version.entry()) as u32;
        let chain = version.tables.chain(FuncId(version.func), offset);
        let mut callers = chain.iter().map(|&(func, inst)| self.caller(func, inst));
        let at = callers.next();
        let func = chain.first().map_or(version.func, |first| first.0.0);
        Some(Location {
            unit: self.program.unit(func).into(),
            function: self.program.module.funcs[func as usize].name.clone(),
            tier: version.tier,
            inst: at.as_ref().map(|at| at.inst),
            line: at.and_then(|at| at.line),
            inlined: callers.collect(),
        })
    }

    /// Function and line of an instruction of a stored body.
    fn caller(&self, func: FuncId, inst: InstId) -> Caller {
        let function = self.program.module.func(func);
        let line = function.body.as_ref().and_then(|body| body.line_of(inst));
        Caller {
            function: function.name.clone(),
            inst: inst.0,
            line: line.map(|line| line.line),
        }
    }

    /// The helper that the instruction at `address` belongs to.
    #[must_use]
    pub fn helper_at(&self, address: u64) -> Option<Helper> {
        let offset = u32::try_from(address.checked_sub(abi::CODE)?).ok()?;
        self.helpers.at(offset)
    }

    /// The version of `func` that callers enter.
    #[must_use]
    pub fn published(&self, func: u32) -> Option<&CodeVersion> {
        // ORDERING: Acquire pairs with the AcqRel swap in `publish`.
        let id = self.current.get(func as usize)?.load(Ordering::Acquire);
        self.versions.get(VersionId(id))
    }

    /// A function as figures.
    #[must_use]
    pub fn func_stats(&self, func: u32) -> Option<FuncStats> {
        let state = self.states.get(func as usize)?.load();
        let name = self.program.module.funcs[func as usize].name.clone();
        let (calls, loops) = self
            .profile
            .counts(func as usize, |core| self.memory.counters(core));
        Some(FuncStats {
            name,
            state,
            calls,
            loops,
        })
    }

    /// The state word of a function.
    #[must_use]
    pub fn state(&self, func: u32) -> Option<&FuncState> {
        self.states.get(func as usize)
    }

    /// Totals over the versions.
    #[must_use]
    pub fn version_stats(&self) -> VersionStats {
        let mut stats = VersionStats {
            code_bytes: self.cache.used(),
            ..VersionStats::default()
        };
        for version in self.versions.iter() {
            stats.made += 1;
            match version.state() {
                VersionState::Published => stats.published += 1,
                VersionState::Retired => {
                    stats.retired += 1;
                    stats.retired_bytes += version.range.code_len;
                }
                _ => {}
            }
        }
        stats
    }

    /// Compilations that failed and were contained.
    #[must_use]
    pub fn contained(&self) -> u64 {
        // ORDERING: Relaxed, a figure for people; pairs with nothing.
        self.contained.load(Ordering::Relaxed)
    }
}

/// Code and rodata with their relocations applied, padded with `int3` and 0 to their ranges.
struct Placed {
    code: Vec<u8>,
    rodata: Vec<u8>,
}

const INT3: u8 = 0xcc;

fn place(compiled: &Compiled, version: &CodeVersion) -> Placed {
    let range = version.range;
    let mut code = compiled.code.to_owned();
    let mut rodata = compiled.rodata.to_owned();
    code.resize(range.code_len as usize, INT3);
    rodata.resize(range.rodata_len as usize, 0);
    let rodata_address = abi::RODATA + range.rodata;
    for reloc in &compiled.relocs {
        match *reloc {
            Reloc::CodeToRodata { at, end, to } => {
                let from = version.entry() + u64::from(end);
                let distance = (rodata_address + u64::from(to)).wrapping_sub(from) as u32;
                code[at as usize..][..4].copy_from_slice(&distance.to_le_bytes());
            }
            Reloc::TableToCode { at, table, to } => {
                let target = version.entry() + u64::from(to);
                let distance = target.wrapping_sub(rodata_address + u64::from(table)) as u32;
                rodata[at as usize..][..4].copy_from_slice(&distance.to_le_bytes());
            }
        }
    }
    Placed { code, rodata }
}
