//! Segments and the task state segment of one core.
//!
//! The order of the descriptors is what SYSCALL and SYSRET demand (SDM volume 2): STAR names `KERNEL_CODE`, and for the
//! way back a base whose +8 is the user's data and +16 the user's code. The place of 32-bit user code stays empty: no
//! ring-3 program can leave 64-bit mode.

use core::cell::UnsafeCell;
use x86::Ring;
use x86::dtables::{self, DescriptorTablePointer};
use x86::segmentation::{self, SegmentSelector};

/// Selector of the kernel's code.
pub(crate) const KERNEL_CODE: u16 = 0x08;
/// Selector of the kernel's data.
pub(crate) const KERNEL_DATA: u16 = 0x10;
/// Selector of the user's data, with privilege level 3.
pub(crate) const USER_DATA: u16 = 0x20 | 3;
/// Selector of the user's code, with privilege level 3.
pub(crate) const USER_CODE: u16 = 0x28 | 3;
/// What STAR holds in bits 63..48: SYSRET adds 16 for code and 8 for data.
pub(crate) const SYSRET_BASE: u16 = 0x18;
const TASK_STATE: u16 = 0x30;

/// Number of interrupt stacks in use.
pub(crate) const INTERRUPT_STACKS: usize = 6;

/// The 64-bit task state segment (SDM volume 3, 8.7).
#[repr(C, packed(4))]
#[derive(Debug)]
pub(crate) struct TaskState {
    reserved_0: u32,
    ring_stacks: [u64; 3],
    reserved_1: u64,
    interrupt_stacks: [u64; 7],
    reserved_2: u64,
    reserved_3: u16,
    io_map: u16,
}

/// One core's descriptors.
#[repr(C, align(16))]
#[derive(Debug)]
pub(crate) struct Segments {
    descriptors: [u64; 8],
    task_state: TaskState,
}

impl Segments {
    /// Descriptors whose interrupt stacks end at `tops`, in IST order.
    pub(crate) fn new(tops: [u64; INTERRUPT_STACKS]) -> Self {
        let mut interrupt_stacks = [0; 7];
        interrupt_stacks[..INTERRUPT_STACKS].copy_from_slice(&tops);
        Self {
            descriptors: [
                0,
                0x00af_9b00_0000_ffff,
                0x00cf_9300_0000_ffff,
                0,
                0x00cf_f300_0000_ffff,
                0x00af_fb00_0000_ffff,
                0,
                0,
            ],
            task_state: TaskState {
                reserved_0: 0,
                ring_stacks: [0; 3],
                reserved_1: 0,
                interrupt_stacks,
                reserved_2: 0,
                reserved_3: 0,
                // Beyond the limit: no I/O permission map, so ring 3 has no ports.
                io_map: size_of::<TaskState>() as u16,
            },
        }
    }

    /// Loads all segment registers and the task register of this core.
    pub(crate) fn install(&'static mut self) {
        let base = &raw const self.task_state as u64;
        let limit = size_of::<TaskState>() as u64 - 1;
        let low = limit | (base & 0xff_ffff) << 16 | 0x89 << 40 | (base >> 24 & 0xff) << 56;
        self.descriptors[6] = low;
        self.descriptors[7] = base >> 32;
        let pointer = DescriptorTablePointer::new_from_slice(&self.descriptors);
        // SAFETY: the table lives for ever and its entries are those that the selectors below name.
        unsafe { dtables::lgdt(&pointer) };
        // SAFETY: index 1 is 64-bit ring-0 code.
        unsafe { segmentation::load_cs(SegmentSelector::new(1, Ring::Ring0)) };
        // SAFETY: index 2 is ring-0 data.
        unsafe { segmentation::load_ss(SegmentSelector::new(KERNEL_DATA >> 3, Ring::Ring0)) };
        // SAFETY: index 6 is the task state, not busy; it lives for ever.
        unsafe { x86::task::load_tr(SegmentSelector::new(TASK_STATE >> 3, Ring::Ring0)) };
    }
}

/// What serves all traps of the BSP until memory is set up: one stack, and the descriptors that name it.
#[repr(C, align(16384))]
struct Early {
    stack: [u8; EARLY_STACK_SIZE],
    segments: Segments,
}

const EARLY_STACK_SIZE: usize = 16384;

struct EarlyCell(UnsafeCell<Early>);

// SAFETY: used by `install_early` alone, which runs once, on the only core that runs then.
unsafe impl Sync for EarlyCell {}

static EARLY: EarlyCell = EarlyCell(UnsafeCell::new(Early {
    stack: [0; EARLY_STACK_SIZE],
    segments: Segments {
        descriptors: [0; 8],
        task_state: TaskState {
            reserved_0: 0,
            ring_stacks: [0; 3],
            reserved_1: 0,
            interrupt_stacks: [0; 7],
            reserved_2: 0,
            reserved_3: 0,
            io_map: 0,
        },
    },
}));

/// Gives the BSP descriptors and one interrupt stack before there is memory to allocate. `record` is the address of its
/// `PerCore`. Called once, first of all.
pub(crate) fn install_early(record: u64) {
    // SAFETY: called once, on the only core that runs, so there is no other reference.
    let early = unsafe { &mut *EARLY.0.get() };
    // The top word leads to the core's record, as on every interrupt stack (`stubs.s`).
    early.stack[EARLY_STACK_SIZE - 8..].copy_from_slice(&record.to_le_bytes());
    let top = early.stack.as_ptr() as u64 + EARLY_STACK_SIZE as u64 - 16;
    early.segments = Segments::new([top; INTERRUPT_STACKS]);
    early.segments.install();
}
