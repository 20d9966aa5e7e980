//! The processor itself: features, control registers, halting.
//!
//! Every core runs [`enable_features`] first. Protections are switched on where CPUID has them (SMEP, SMAP, UMIP, NX,
//! WP); vector state is x87, SSE, and AVX when XSAVE can manage it. AVX-512 stays off: no code here uses it and its
//! state would quadruple every save area. FSGSBASE stays off (DESIGN section 4): ring 3 must not move its GS base.

use core::arch::asm;
use core::sync::atomic::{AtomicBool, Ordering};
use raw_cpuid::CpuId;
use x86::controlregs::{self, Cr0, Cr4, Xcr0};
use x86::msr;

/// Whether XSAVE manages the vector state; else FXSAVE does. Read by `stubs.s`.
#[unsafe(no_mangle)]
static HAS_XSAVE: AtomicBool = AtomicBool::new(false);
/// Whether AVX is on. Read by `stubs.s`.
#[unsafe(no_mangle)]
static HAS_AVX: AtomicBool = AtomicBool::new(false);
/// Whether SMAP is on, so that `stac` and `clac` exist. Read by the stubs.
#[unsafe(no_mangle)]
static HAS_SMAP: AtomicBool = AtomicBool::new(false);

/// The MXCSR and x87 control word that the kernel's own code runs with: all exceptions masked, round to nearest.
pub(crate) const CLEAN_MXCSR: u32 = 0x1f80;
/// See [`CLEAN_MXCSR`]; extended precision, as after FNINIT.
pub(crate) const CLEAN_X87_CONTROL: u16 = 0x037f;

/// Switches on what this core has. Runs on every core, before ring 3 and before any interrupt.
pub(crate) fn enable_features() {
    let cpuid = CpuId::new();
    let extended = cpuid.get_extended_feature_info();
    let has = |test: fn(&raw_cpuid::ExtendedFeatures) -> bool| extended.as_ref().is_some_and(test);
    let xsave = cpuid
        .get_feature_info()
        .is_some_and(|features| features.has_xsave());
    let avx = xsave
        && cpuid
            .get_feature_info()
            .is_some_and(|features| features.has_avx());
    let smap = has(raw_cpuid::ExtendedFeatures::has_smap);

    let mut bits = read_cr4() | Cr4::CR4_ENABLE_GLOBAL_PAGES;
    bits.set(
        Cr4::CR4_ENABLE_SMEP,
        has(raw_cpuid::ExtendedFeatures::has_smep),
    );
    bits.set(Cr4::CR4_ENABLE_SMAP, smap);
    bits.set(
        Cr4::CR4_ENABLE_UMIP,
        has(raw_cpuid::ExtendedFeatures::has_umip),
    );
    bits.set(Cr4::CR4_ENABLE_OS_XSAVE, xsave);
    bits.remove(Cr4::CR4_ENABLE_FSGSBASE | Cr4::CR4_ENABLE_MACHINE_CHECK);
    // SAFETY: the bits set are all reported by CPUID; none changes how the current code is fetched or executed.
    unsafe { controlregs::cr4_write(bits) };
    if xsave {
        let mut state = Xcr0::XCR0_FPU_MMX_STATE | Xcr0::XCR0_SSE_STATE;
        state.set(Xcr0::XCR0_AVX_STATE, avx);
        // SAFETY: OSXSAVE was set above, and the combination is valid (SDM volume 1, 13.3).
        unsafe { controlregs::xcr0_write(state) };
    }
    // ORDERING: Relaxed: every core stores the same values before its first trap; the cores are of one kind.
    HAS_XSAVE.store(xsave, Ordering::Relaxed);
    // ORDERING: Relaxed: as above.
    HAS_AVX.store(avx, Ordering::Relaxed);
    // ORDERING: Relaxed: as above.
    HAS_SMAP.store(smap, Ordering::Relaxed);
}

/// What generated code may use, as CPUID says and the kernel has switched on.
pub(crate) fn code_features() -> jit::tier::CpuFeatures {
    let cpuid = CpuId::new();
    let basic = cpuid.get_feature_info();
    let extended = cpuid.get_extended_feature_info();
    let more = cpuid.get_extended_processor_and_feature_identifiers();
    let has = |test: fn(&raw_cpuid::FeatureInfo) -> bool| basic.as_ref().is_some_and(test);
    let has_extended =
        |test: fn(&raw_cpuid::ExtendedFeatures) -> bool| extended.as_ref().is_some_and(test);
    // ORDERING: Relaxed: see `enable_features`.
    let avx = HAS_AVX.load(Ordering::Relaxed);
    jit::tier::CpuFeatures {
        sse41: has(raw_cpuid::FeatureInfo::has_sse41),
        popcnt: has(raw_cpuid::FeatureInfo::has_popcnt),
        avx,
        avx2: avx && has_extended(raw_cpuid::ExtendedFeatures::has_avx2),
        fma: avx && has(raw_cpuid::FeatureInfo::has_fma),
        bmi1: has_extended(raw_cpuid::ExtendedFeatures::has_bmi1),
        bmi2: has_extended(raw_cpuid::ExtendedFeatures::has_bmi2),
        lzcnt: more.is_some_and(|features| features.has_lzcnt()),
        f16c: avx && has(raw_cpuid::FeatureInfo::has_f16c),
    }
}

fn read_cr4() -> Cr4 {
    // SAFETY: reading CR4 in ring 0 has no side effect.
    unsafe { controlregs::cr4() }
}

/// Whether the protections that do not depend on CPUID are on: WP and NX.
pub(crate) fn write_protect_and_no_execute_are_on() -> bool {
    // SAFETY: reading CR0 in ring 0 has no side effect.
    let write_protect = unsafe { controlregs::cr0() }.contains(Cr0::CR0_WRITE_PROTECT);
    write_protect && read_msr(msr::IA32_EFER) & (1 << 11) != 0
}

/// An optional protection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Protection {
    /// Its name in the SDM.
    pub(crate) name: &'static str,
    /// Whether this processor has it.
    pub(crate) available: bool,
    /// Whether it is on.
    pub(crate) on: bool,
}

/// The optional protections.
pub(crate) fn protections() -> [Protection; 3] {
    let cr4 = read_cr4();
    let extended = CpuId::new().get_extended_feature_info();
    let protection = |name, test: fn(&raw_cpuid::ExtendedFeatures) -> bool, bit| Protection {
        name,
        available: extended.as_ref().is_some_and(test),
        on: cr4.contains(bit),
    };
    [
        protection(
            "SMEP",
            raw_cpuid::ExtendedFeatures::has_smep,
            Cr4::CR4_ENABLE_SMEP,
        ),
        protection(
            "SMAP",
            raw_cpuid::ExtendedFeatures::has_smap,
            Cr4::CR4_ENABLE_SMAP,
        ),
        protection(
            "UMIP",
            raw_cpuid::ExtendedFeatures::has_umip,
            Cr4::CR4_ENABLE_UMIP,
        ),
    ]
}

/// Reads a model-specific register that is known to exist.
pub(crate) fn read_msr(register: u32) -> u64 {
    // SAFETY: reading an existing register has no effect on memory; a wrong number would only end in a #GP panic.
    unsafe { msr::rdmsr(register) }
}

/// Writes a model-specific register.
///
/// # Safety
/// The value must not change address translation, traps or system calls behind the kernel's back.
pub(crate) unsafe fn write_msr(register: u32, value: u64) {
    // SAFETY: forwarded to the caller.
    unsafe { msr::wrmsr(register, value) }
}

/// Physical address of the page tables in use.
pub(crate) fn read_root() -> u64 {
    // SAFETY: reading CR3 in ring 0 has no side effect.
    unsafe { controlregs::cr3() & !0xfff }
}

/// Switches to the page tables at `root`, which also drops every TLB entry that is not global.
///
/// # Safety
/// The tables must map the kernel's half like all others, and stay alive while they are in use.
pub(crate) unsafe fn write_root(root: u64) {
    // SAFETY: forwarded to the caller.
    unsafe { controlregs::cr3_write(root) }
}

/// The address whose access raised the last page fault on this core.
pub(crate) fn read_fault_address() -> u64 {
    // SAFETY: reading CR2 in ring 0 has no side effect.
    unsafe { controlregs::cr2() as u64 }
}

/// Drops this core's TLB entries for the page that contains `address`.
pub(crate) fn flush_page(address: u64) {
    // SAFETY: dropping TLB entries only costs time.
    unsafe { x86::tlb::flush(address as usize) }
}

/// Drops all of this core's TLB entries that are not global, by reloading CR3.
pub(crate) fn flush_all() {
    // SAFETY: reading CR3 in ring 0 has no side effect.
    let root = unsafe { controlregs::cr3() };
    // SAFETY: the same tables stay in use.
    unsafe { controlregs::cr3_write(root) }
}

/// Executes a serialising instruction: from here on, this core fetches what other cores stored before (SDM volume 3, 9.1.3).
pub(crate) fn serialize() {
    let _leaf = raw_cpuid::cpuid!(0);
}

/// One turn of a wait loop.
pub(crate) fn relax() {
    core::hint::spin_loop();
}

/// Stops this core for ever; only an NMI runs, and finds the core stopped again.
pub(crate) fn stop() -> ! {
    loop {
        // SAFETY: a halted core with interrupts off does nothing.
        unsafe { asm!("cli", "hlt", options(nomem, nostack)) };
    }
}

/// The value of RBP and RSP, for a backtrace.
pub(crate) fn stack_pointer() -> u64 {
    let rsp: u64;
    // SAFETY: copies a register.
    unsafe { asm!("mov {}, rsp", out(reg) rsp, options(nomem, nostack, preserves_flags)) };
    rsp
}

/// What [`continue_on_stack`] calls.
#[derive(Debug)]
pub(crate) struct Continuation<T: 'static> {
    /// The function.
    pub(crate) next: fn(&'static T) -> !,
    /// Its argument.
    pub(crate) argument: T,
}

/// Goes on with `continuation` on the stack that ends at `top`; the present stack is left for ever.
///
/// # Safety
/// `top` must be the 16-byte aligned end of a mapped stack that nothing else uses.
pub(crate) unsafe fn continue_on_stack<T>(top: u64, continuation: &'static Continuation<T>) -> ! {
    extern "C" fn start<T: 'static>(continuation: &'static Continuation<T>) -> ! {
        (continuation.next)(&continuation.argument)
    }
    let start: extern "C" fn(&'static Continuation<T>) -> ! = start::<T>;
    // SAFETY: the stack is the caller's promise; `start` never returns.
    unsafe {
        asm!(
            "mov rsp, {top}", "xor ebp, ebp", "call {start}", "ud2",
            top = in(reg) top, start = in(reg) start, in("rdi") continuation,
            options(noreturn),
        )
    }
}
