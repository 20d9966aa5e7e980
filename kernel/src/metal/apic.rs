//! The local APIC: interrupts between cores, and the one-shot timer.
//!
//! Base path: xAPIC registers in memory and the APIC's own timer (all that TCG has). Where CPUID says so, x2APIC mode
//! is used (ids above 254, no shared ICR state) and the timer counts to a TSC deadline. One mode for all cores.

use super::cpu;
use super::devices::Registers;
use super::time;
use core::sync::atomic::{AtomicU64, Ordering};
use raw_cpuid::CpuId;
use smp::ApicId;
use smp::bus::{ApicBus, BusBusy, Clock, InitLevel, StartupPage};
use spin::Once;
use x86::msr;

/// Vector of the timer.
pub(crate) const TIMER_VECTOR: u8 = 0xe0;
/// Vector of a call from another core: look into the mailbox, reschedule, or just wake up.
pub(crate) const CALL_VECTOR: u8 = 0xe1;
/// Vector of the APIC's own error interrupt.
const ERROR_VECTOR: u8 = 0xfe;
/// Vector of interrupts that vanished; needs no acknowledgement.
pub(crate) const SPURIOUS_VECTOR: u8 = 0xff;

const ID: u64 = 0x20;
const TASK_PRIORITY: u64 = 0x80;
const END_OF_INTERRUPT: u64 = 0xb0;
const SPURIOUS: u64 = 0xf0;
const COMMAND_LOW: u64 = 0x300;
const COMMAND_HIGH: u64 = 0x310;
const TIMER: u64 = 0x320;
const LINT0: u64 = 0x350;
const LINT1: u64 = 0x360;
const ERROR: u64 = 0x370;
const INITIAL_COUNT: u64 = 0x380;
const CURRENT_COUNT: u64 = 0x390;
const DIVIDE: u64 = 0x3e0;

const MASKED: u32 = 1 << 16;
const TSC_DEADLINE: u32 = 2 << 17;
const ENABLED: u32 = 1 << 8;
const DIVIDE_BY_16: u32 = 3;
const BUSY: u32 = 1 << 12;
const MODE_FIXED: u32 = 0;
const MODE_NMI: u32 = 4 << 8;
const MODE_INIT: u32 = 5 << 8;
const MODE_STARTUP: u32 = 6 << 8;
const LEVEL_ASSERT: u32 = 1 << 14;
const TRIGGER_LEVEL: u32 = 1 << 15;
const ALL_OTHERS: u32 = 3 << 18;
const X2APIC_BASE: u32 = 0x800;
const X2APIC_COMMAND: u32 = 0x830;
const BASE_X2APIC: u64 = 1 << 10;
const BASE_ENABLED: u64 = 1 << 11;
const MAX_POLLS: u32 = 100_000;

#[derive(Clone, Copy, Debug)]
enum Access {
    Memory(Registers),
    Msr,
}

#[derive(Clone, Copy, Debug)]
struct Apic {
    access: Access,
    tsc_deadline: bool,
}

static APIC: Once<Apic> = Once::new();
/// APIC timer ticks per second, after division by 16.
static TIMER_HZ: AtomicU64 = AtomicU64::new(0);

/// Whether this processor has x2APIC mode.
pub(crate) fn has_x2apic() -> bool {
    CpuId::new()
        .get_feature_info()
        .is_some_and(|features| features.has_x2apic())
}

/// The APIC id of this core before its APIC is set up, from CPUID.
pub(crate) fn initial_id() -> ApicId {
    let cpuid = CpuId::new();
    let wide = cpuid
        .get_extended_topology_info()
        .and_then(|mut levels| levels.next())
        .map(|level| level.x2apic_id());
    let narrow = cpuid
        .get_feature_info()
        .map_or(0, |features| u32::from(features.initial_local_apic_id()));
    ApicId(wide.unwrap_or(narrow))
}

/// Chooses the way of access, for all cores. `registers` are the APIC's registers in memory.
pub(crate) fn choose(registers: Registers) {
    let tsc_deadline = CpuId::new()
        .get_feature_info()
        .is_some_and(|features| features.has_tsc_deadline());
    let access = if has_x2apic() {
        Access::Msr
    } else {
        Access::Memory(registers)
    };
    APIC.call_once(|| Apic {
        access,
        tsc_deadline,
    });
}

/// Switches this core's APIC on: timer and error vectors set, everything else masked, all priorities accepted.
pub(crate) fn enable() {
    let apic = apic();
    let mode = if matches!(apic.access, Access::Msr) {
        BASE_X2APIC
    } else {
        0
    };
    let base = cpu::read_msr(msr::IA32_APIC_BASE) | BASE_ENABLED | mode;
    // SAFETY: switches the APIC on, or to x2APIC mode; its address stays where it is mapped.
    unsafe { cpu::write_msr(msr::IA32_APIC_BASE, base) };
    apic.write(LINT0, MASKED);
    apic.write(LINT1, MASKED);
    apic.write(ERROR, u32::from(ERROR_VECTOR));
    apic.write(TASK_PRIORITY, 0);
    apic.write(SPURIOUS, ENABLED | u32::from(SPURIOUS_VECTOR));
    apic.write(DIVIDE, DIVIDE_BY_16);
    apic.write(INITIAL_COUNT, 0);
    let deadline = if apic.tsc_deadline { TSC_DEADLINE } else { 0 };
    apic.write(TIMER, deadline | u32::from(TIMER_VECTOR));
}

/// Measures the clocks; returns whether the reference timer answered. On the BSP, once, with its APIC enabled.
pub(crate) fn calibrate() -> bool {
    let apic = apic();
    apic.write(TIMER, MASKED);
    apic.write(INITIAL_COUNT, u32::MAX);
    let (hz, answered) = time::calibrate(|| u64::from(u32::MAX - apic.read(CURRENT_COUNT)));
    apic.write(INITIAL_COUNT, 0);
    // ORDERING: Relaxed: the BSP stores it once, before any other core runs.
    TIMER_HZ.store(hz, Ordering::Relaxed);
    enable();
    answered
}

/// Acknowledges the interrupt that is in service.
pub(crate) fn end_interrupt() {
    apic().write(END_OF_INTERRUPT, 0);
}

/// Lets the timer interrupt this core once, about `us` microseconds from now (at least one tick).
pub(crate) fn arm_timer(us: u64) {
    let apic = apic();
    if apic.tsc_deadline {
        let deadline = time::ticks() + us.max(1) * time::ticks_per_us();
        // SAFETY: only makes the timer fire.
        unsafe { cpu::write_msr(msr::IA32_TSC_DEADLINE, deadline) };
        return;
    }
    // ORDERING: Relaxed: a constant once set.
    let count = us.saturating_mul(TIMER_HZ.load(Ordering::Relaxed)) / 1_000_000;
    apic.write(INITIAL_COUNT, count.clamp(1, u64::from(u32::MAX)) as u32);
}

/// Stops the timer.
pub(crate) fn stop_timer() {
    let apic = apic();
    if apic.tsc_deadline {
        // SAFETY: 0 disarms the timer.
        unsafe { cpu::write_msr(msr::IA32_TSC_DEADLINE, 0) };
    } else {
        apic.write(INITIAL_COUNT, 0);
    }
}

/// Sends an NMI to every other core, present or not. For a panic only. Does nothing before [`choose`].
pub(crate) fn stop_others() {
    if APIC.get().is_some() {
        let _outcome = apic().command(ApicId(0), MODE_NMI | LEVEL_ASSERT | ALL_OTHERS);
    }
}

fn apic() -> Apic {
    *APIC
        .get()
        .expect("the way of access is chosen before the APIC is used")
}

impl Apic {
    fn read(self, register: u64) -> u32 {
        match self.access {
            Access::Memory(registers) => registers.read(register),
            Access::Msr => cpu::read_msr(X2APIC_BASE + (register >> 4) as u32) as u32,
        }
    }

    fn write(self, register: u64, value: u32) {
        match self.access {
            Access::Memory(registers) => registers.write(register, value),
            Access::Msr => {
                let register = X2APIC_BASE + (register >> 4) as u32;
                // SAFETY: the registers written here set interrupts up, whose vectors all have gates.
                unsafe { cpu::write_msr(register, u64::from(value)) }
            }
        }
    }

    /// Sends an interrupt command, after a bounded wait for the previous one.
    fn command(self, to: ApicId, low: u32) -> Result<(), BusBusy> {
        match self.access {
            Access::Msr => {
                // The write is not serialising: what the other core is to see must be stored first (SDM 3A, 11.12.3).
                x86::fence::mfence();
                // SAFETY: an interrupt command; vectors all have gates.
                unsafe { cpu::write_msr(X2APIC_COMMAND, u64::from(to.0) << 32 | u64::from(low)) };
            }
            Access::Memory(registers) => {
                if !(0..MAX_POLLS).any(|_| registers.read(COMMAND_LOW) & BUSY == 0) {
                    return Err(BusBusy);
                }
                registers.write(COMMAND_HIGH, to.0 << 24);
                registers.write(COMMAND_LOW, low);
            }
        }
        Ok(())
    }
}

/// The calling core's APIC, for `smp`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bus;

impl ApicBus for Bus {
    fn own_id(&self) -> ApicId {
        match apic().access {
            Access::Memory(registers) => ApicId(registers.read(ID) >> 24),
            Access::Msr => ApicId(apic().read(ID)),
        }
    }

    fn send_init(&self, to: ApicId, level: InitLevel) -> Result<(), BusBusy> {
        match (level, apic().access) {
            (InitLevel::Assert, _) => apic().command(to, MODE_INIT | LEVEL_ASSERT),
            (InitLevel::Deassert, Access::Memory(_)) => {
                apic().command(to, MODE_INIT | TRIGGER_LEVEL)
            }
            (InitLevel::Deassert, Access::Msr) => Ok(()),
        }
    }

    fn send_sipi(&self, to: ApicId, page: StartupPage) -> Result<(), BusBusy> {
        apic().command(to, MODE_STARTUP | LEVEL_ASSERT | u32::from(page.vector()))
    }

    fn send_ipi(&self, to: ApicId) -> Result<(), BusBusy> {
        apic().command(to, MODE_FIXED | LEVEL_ASSERT | u32::from(CALL_VECTOR))
    }

    fn send_nmi(&self, to: ApicId) -> Result<(), BusBusy> {
        apic().command(to, MODE_NMI | LEVEL_ASSERT)
    }
}

/// The time stamp counter, for `smp`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TscClock;

impl Clock for TscClock {
    fn now_us(&self) -> u64 {
        time::now_us()
    }

    fn relax(&self, _until_us: u64) {
        for _ in 0..64 {
            cpu::relax();
        }
    }
}
