//! Runs compiled functions natively in the test's own process.
//!
//! The fixed address space of `docs/abi.md` is mapped once. A run compiles every function of a
//! module, places code, constants, slots and globals, switches to a stack in low memory and calls.
//! A hardware fault in generated code ends the run: the signal handler lets the thread continue in
//! the exit part of the entry blob. Runs take turns by a lock.
//!
//! Everything that a program can observe has the same address for the interpreter ([`Place`]
//! implements its `Addresses`), so results and memory can be compared bit by bit.
#![expect(dead_code, reason = "each test binary uses a part of this")]
#![expect(clippy::unwrap_used, reason = "test code outside of test functions")]

pub(crate) mod demote;
mod native;

use ir::interp::{Addresses, FaultKind, FlatMemory, Interp, Limits, Memory, NoHost, Val};
use ir::{FuncId, GlobalId, Module, RelocTarget, Type, TypeId};
use jit::abi;
use jit::tier::{Bindings, Compiled, CpuFeatures, Declined, Job, Reloc};
use jit::tier::{baseline, opt};

pub(crate) use native::{Machine, Outcome, Signal};

/// What the CPU that runs the tests can do.
pub(crate) fn cpu() -> CpuFeatures {
    CpuFeatures {
        sse41: is_x86_feature_detected!("sse4.1"),
        popcnt: is_x86_feature_detected!("popcnt"),
        avx: is_x86_feature_detected!("avx"),
        avx2: is_x86_feature_detected!("avx2"),
        fma: is_x86_feature_detected!("fma"),
        bmi1: is_x86_feature_detected!("bmi1"),
        bmi2: is_x86_feature_detected!("bmi2"),
        lzcnt: is_x86_feature_detected!("lzcnt"),
        f16c: is_x86_feature_detected!("f16c"),
    }
}

/// Only what every x86-64 CPU can do.
pub(crate) fn old_cpu() -> CpuFeatures {
    CpuFeatures::default()
}

/// Where functions and globals of a module are.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) bindings: Bindings,
    /// Address of each global. Thread-local ones lie among the others: the TLS block of the only
    /// task is [`abi::GLOBALS`].
    addresses: Vec<u32>,
    end: u32,
}

impl Place {
    pub(crate) fn new(module: &Module) -> Self {
        let mut end = abi::GLOBALS;
        let mut globals = Vec::new();
        for global in &module.globals {
            end = end.next_multiple_of(1 << global.align_log2.max(4));
            globals.push(end);
            end += global.size.max(1);
        }
        let offset = |(global, &base): (&ir::Global, &u32)| {
            if global.thread_local {
                base - abi::GLOBALS
            } else {
                base
            }
        };
        let bound = module.globals.iter().zip(&globals).map(offset).collect();
        Self {
            addresses: globals,
            bindings: Bindings::alone(module, bound),
            end,
        }
    }

    /// The initial bytes of all globals, from [`abi::GLOBALS`] on.
    pub(crate) fn image(&self, module: &Module) -> Vec<u8> {
        let mut memory = FlatMemory::new();
        let size = (self.end - abi::GLOBALS).next_multiple_of(4096);
        memory.map(abi::GLOBALS, size);
        for (global, &base) in module.globals.iter().zip(&self.addresses) {
            memory.store(base, &global.init).unwrap();
            for reloc in &global.relocs {
                let target = match reloc.target {
                    RelocTarget::Func(id) => self.func(id),
                    RelocTarget::Global(id) => self.global(id),
                };
                let mut old = [0; 4];
                memory.load(base + reloc.offset, &mut old).unwrap();
                let old = u32::from_le_bytes(old);
                let new = if reloc.negative {
                    old.wrapping_sub(target)
                } else {
                    old.wrapping_add(target)
                };
                memory
                    .store(base + reloc.offset, &new.to_le_bytes())
                    .unwrap();
            }
        }
        memory.regions()[0].bytes.clone()
    }
}

impl Addresses for Place {
    fn func(&self, id: FuncId) -> u32 {
        abi::stub_address(self.bindings.funcs[id.index()])
    }

    fn global(&self, id: GlobalId) -> u32 {
        self.addresses[id.index()]
    }

    fn func_at(&self, addr: u32) -> Option<FuncId> {
        abi::stub_func(addr, self.bindings.funcs.len() as u32).map(FuncId)
    }
}

/// A tier, or a part of one.
pub(crate) type Tier = fn(&Job<'_>) -> Result<Compiled, Declined>;

/// Compiles every function of `module` with the baseline tier.
pub(crate) fn compile_all(
    module: &Module,
    place: &Place,
    cpu: CpuFeatures,
    counting: bool,
) -> Result<Vec<Option<Compiled>>, Declined> {
    compile_with(baseline::compile, module, place, cpu, counting)
}

/// Compiles every function of `module` with `tier`.
pub(crate) fn compile_with(
    tier: Tier,
    module: &Module,
    place: &Place,
    cpu: CpuFeatures,
    counting: bool,
) -> Result<Vec<Option<Compiled>>, Declined> {
    let ids = (0..module.funcs.len() as u32).map(FuncId);
    ids.map(|func| {
        if module.func(func).body.is_none() {
            return Ok(None);
        }
        let job = Job {
            module,
            func,
            bindings: &place.bindings,
            cpu,
            counting,
        };
        tier(&job).map(Some)
    })
    .collect()
}

/// The code with its references to `rodata` filled in.
pub(crate) fn link(compiled: &Compiled, code: u64, rodata: u64) -> (Vec<u8>, Vec<u8>) {
    let mut text = compiled.code.clone();
    let mut data = compiled.rodata.clone();
    for reloc in &compiled.relocs {
        match *reloc {
            Reloc::CodeToRodata { at, end, to } => {
                let value = (rodata + u64::from(to)).wrapping_sub(code + u64::from(end));
                let value = i32::try_from(value as i64).unwrap();
                text[at as usize..][..4].copy_from_slice(&value.to_le_bytes());
            }
            Reloc::TableToCode { at, table, to } => {
                let value = (code + u64::from(to)).wrapping_sub(rodata + u64::from(table));
                let value = i32::try_from(value as i64).unwrap();
                data[at as usize..][..4].copy_from_slice(&value.to_le_bytes());
            }
        }
    }
    (text, data)
}

/// Result bits of a function's type; bits above its width are 0.
pub(crate) fn result_bits(module: &Module, ty: TypeId, int: u64, float: u64) -> u64 {
    match module.types.get(ty) {
        Type::Int(64) => int,
        Type::Int(bits) => int & ((1 << *bits) - 1),
        Type::Ptr => int & 0xffff_ffff,
        Type::Float => float & 0xffff_ffff,
        Type::Double => float,
        _ => 0,
    }
}

/// NaNs of a float type are all taken for the same.
pub(crate) fn canonical(module: &Module, ty: TypeId, bits: u64) -> u64 {
    match module.types.get(ty) {
        Type::Float if f32::from_bits(bits as u32).is_nan() => u64::from(f32::NAN.to_bits()),
        Type::Double if f64::from_bits(bits).is_nan() => f64::NAN.to_bits(),
        _ => bits,
    }
}

/// What the interpreter makes of the call, and the globals it leaves; `None` if it took too long or
/// does not know something.
pub(crate) fn interpret(
    module: &Module,
    place: &Place,
    func: FuncId,
    args: &[u64],
) -> Option<(Outcome, Vec<u8>)> {
    let stack = abi::STACKS + abi::STACK_SIZE..abi::STACKS + abi::STACK_STRIDE;
    let mut memory = FlatMemory::new();
    let image = place.image(module);
    memory.map(abi::GLOBALS, image.len() as u32);
    memory.store(abi::GLOBALS, &image).unwrap();
    memory.map(stack.start, stack.end - stack.start);
    let limits = Limits {
        steps: 2_000_000,
        depth: 20_000,
        stack,
    };
    let mut host = NoHost;
    let mut interp = Interp::new(module, &mut memory, place, &mut host, limits);
    let args: Vec<Val> = args.iter().map(|&arg| Val::from(arg)).collect();
    let outcome = match interp.call(func, &args) {
        Ok(value) => Outcome::Returned(value.bits() as u64),
        Err(fault) => Outcome::Faulted(match fault.kind {
            FaultKind::DivideByZero | FaultKind::Overflow => Signal::Division,
            FaultKind::BadAddress(_) | FaultKind::BadCall(_) => Signal::Access,
            FaultKind::StackOverflow => Signal::Access,
            FaultKind::Unreachable | FaultKind::Trap => Signal::Illegal,
            FaultKind::StepLimit | FaultKind::Unsupported(_) | FaultKind::Exit(_) => return None,
        }),
    };
    Some((outcome, memory.regions()[0].bytes.clone()))
}

/// Runs `func` natively at every tier, baseline with and without counters, on `cpus`, and demands what
/// the interpreter says. Gives what all agree on.
#[track_caller]
pub(crate) fn check_on(
    module: &Module,
    func: FuncId,
    args: &[u64],
    cpus: &[CpuFeatures],
) -> Outcome {
    compare(back_end, module, func, args, cpus, &[true]);
    compare(optimising, module, func, args, cpus, &[false]);
    check_with(baseline::compile, module, func, args, cpus)
}

/// The optimising tiers' back end alone.
fn back_end(job: &Job<'_>) -> Result<Compiled, Declined> {
    opt::backend::compile(
        job,
        job.function().body.as_ref().unwrap(),
        jit::tier::Tier::O1,
    )
}

/// Passes and back end.
fn optimising(job: &Job<'_>) -> Result<Compiled, Declined> {
    jit::tier::compile(job, jit::tier::Tier::O2)
}

/// As before, with `tier`.
#[track_caller]
pub(crate) fn check_with(
    tier: Tier,
    module: &Module,
    func: FuncId,
    args: &[u64],
    cpus: &[CpuFeatures],
) -> Outcome {
    compare(tier, module, func, args, cpus, &[false, true])
}

#[track_caller]
fn compare(
    tier: Tier,
    module: &Module,
    func: FuncId,
    args: &[u64],
    cpus: &[CpuFeatures],
    counting: &[bool],
) -> Outcome {
    let place = Place::new(module);
    let ret = module.types.signature(module.func(func).ty).unwrap().0;
    let canonical = |outcome| match outcome {
        Outcome::Returned(bits) => Outcome::Returned(canonical(module, ret, bits)),
        fault => fault,
    };
    let (expected, memory) = interpret(module, &place, func, args).expect("interpretable");
    let expected = canonical(expected);
    let pairs = |cpu| counting.iter().map(move |&counting| (cpu, counting));
    for (&cpu, counting) in cpus.iter().flat_map(pairs) {
        let compiled = match compile_with(tier, module, &place, cpu, counting) {
            // Nothing to compare there.
            Err(Declined::Unsupported(what, _)) if what.ends_with("on this CPU") => continue,
            Err(Declined::Unsupported(what, _)) if what.ends_with("without FMA") => continue,
            Err(Declined::Unsupported("a call that returns twice", _)) => continue,
            compiled => compiled.expect("compiles"),
        };
        let mut machine = Machine::get();
        machine.load(module, &place, &compiled);
        let outcome = canonical(machine.call(module, func, args));
        assert_eq!(
            outcome, expected,
            "args {args:x?} counting {counting} {cpu:?}"
        );
        if matches!(outcome, Outcome::Returned(_)) {
            assert!(
                machine.globals(memory.len()) == memory.as_slice(),
                "globals differ"
            );
        }
    }
    expected
}

/// [`check_on`] this CPU and an old one.
#[track_caller]
pub(crate) fn check(module: &Module, func: FuncId, args: &[u64]) -> Outcome {
    check_on(module, func, args, &[cpu(), old_cpu()])
}

/// Parses and verifies a module.
#[track_caller]
pub(crate) fn parse(text: &str) -> Module {
    let module = ir::text::parse(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    if let Err(error) = ir::verify::module(&module) {
        panic!("{error}\n{text}");
    }
    module
}

/// [`check`] of the function `f` of a module in text form.
#[track_caller]
pub(crate) fn check_text(text: &str, args: &[u64]) -> Outcome {
    let module = parse(text);
    let func = module.func_by_name("f").expect("a function f");
    check(&module, func, args)
}

/// [`check_on`] for text.
#[track_caller]
pub(crate) fn check_text_on(text: &str, args: &[u64], cpus: &[CpuFeatures]) -> Outcome {
    let module = parse(text);
    let func = module.func_by_name("f").expect("a function f");
    check_on(&module, func, args, cpus)
}

/// The disassembly of a compiled function, one instruction a line.
pub(crate) fn disassemble(compiled: &Compiled) -> String {
    use iced_x86::{Decoder, DecoderOptions, Formatter, IntelFormatter};
    let (text, _) = link(compiled, abi::CODE, abi::RODATA);
    let mut decoder = Decoder::with_ip(64, &text, abi::CODE, DecoderOptions::NONE);
    let mut formatter = IntelFormatter::new();
    let mut out = String::new();
    while decoder.can_decode() {
        let inst = decoder.decode();
        out.push_str(&format!("{:4x}  ", inst.ip() - abi::CODE));
        formatter.format(&inst, &mut out);
        out.push('\n');
    }
    out
}
