//! The machine's cores: joins `smp` (which knows the protocols) with `metal` (which knows the registers).
//!
//! [`start`] finds the cores in the ACPI tables, brings them up, and gives them roles. From then on [`machine`] is what
//! all cores share. A core is named by `smp::CoreId`, dense from 0; the BSP is core 0.

pub(crate) mod kit;
mod responder;
mod start;

use crate::metal::apic::{Bus, TscClock};
use crate::metal::cpu::{self, Continuation};
use crate::metal::percore;
use alloc::boxed::Box;
use kernel::bootinfo::BootInfo;
use kit::Kit;
use smp::call::{Calls, Limit, Request, Verdict};
use smp::quiesce::Quiesce;
use smp::roles::Roles;
use smp::shootdown::{Flush, FrameFate, Frees, Shootdown, Space};
use smp::slot::CoreSlot;
use smp::topology::Topology;
use smp::{CoreId, CoreMask, PerCpu};
use spin::Once;

pub(crate) use responder::Local;
pub(crate) use start::{ap_main, start};

/// What all cores share.
#[derive(Debug)]
pub(crate) struct Machine {
    /// Which cores there are.
    pub(crate) topology: Topology,
    /// Mailboxes.
    pub(crate) calls: Calls,
    /// Quiescent states.
    pub(crate) quiesce: Quiesce,
    slots: PerCpu<CoreSlot>,
    kits: PerCpu<Once<Kit>>,
    roles: Once<Roles>,
}

static MACHINE: Once<Machine> = Once::new();

/// The machine. Only after [`start`] has found it.
pub(crate) fn machine() -> &'static Machine {
    MACHINE
        .get()
        .expect("cores are found before anyone asks for the machine")
}

/// The machine, or `None` while it is not known yet (for a panic at boot).
pub(crate) fn known_machine() -> Option<&'static Machine> {
    MACHINE.get()
}

/// The core that runs.
pub(crate) fn me() -> CoreId {
    CoreId::new(percore::core_index()).expect("core numbers are below the maximum")
}

/// Moves the BSP from the boot stack to a guarded one, with all its equipment, and goes on with `next`.
pub(crate) fn enter_kernel_stack(info: BootInfo, next: fn(&'static BootInfo) -> !) -> ! {
    let kit = Kit::new(0).expect("there is memory for the first core");
    kit::equip(kit.core(), kit.interrupt_stacks());
    kit.stack().enter(Box::leak(Box::new(Continuation {
        next,
        argument: info,
    })))
}

impl Machine {
    /// What each core is for.
    pub(crate) fn roles(&self) -> &Roles {
        self.roles
            .get()
            .expect("roles are given before any core looks for work")
    }

    /// The roles, if they have been given already.
    pub(crate) fn known_roles(&self) -> Option<&Roles> {
        self.roles.get()
    }

    /// The cores that are up and not lost.
    pub(crate) fn online(&self) -> CoreMask {
        let up = |core: &&smp::topology::Core| {
            self.slots[core.id].state() == smp::slot::SlotState::Online
        };
        let up: CoreMask = self
            .topology
            .cores()
            .iter()
            .filter(up)
            .map(|core| core.id)
            .collect();
        up.minus(self.calls.lost())
    }

    /// Serves the calling core's mailbox. A core that is told to park does not return.
    pub(crate) fn serve(&self) {
        if self.calls.serve(me(), &mut Local) == Verdict::Park {
            self.park();
        }
    }

    /// Wakes cores so that they look for work.
    pub(crate) fn wake(&self, cores: CoreMask) {
        if !cores.is_empty() {
            let _receipt = self.calls.post(me(), cores, Request::Wake, &Bus);
        }
    }

    /// Asks cores for something and waits, bounded, until all have done it. False if some did not answer.
    pub(crate) fn ask(&self, cores: CoreMask, request: Request) -> bool {
        let receipt = self.calls.post(me(), cores, request, &Bus);
        self.calls
            .wait(me(), receipt, Limit::ANSWER, (&Bus, &TscClock), &mut Local)
            .is_ok()
    }

    /// Makes every core drop translations of `space` that were unmapped before.
    pub(crate) fn shoot_down(&self, space: &Space, flush: Flush, frees: Frees) -> FrameFate {
        let shootdown = Shootdown {
            calls: &self.calls,
            bus: &Bus,
            clock: &TscClock,
            limit: Limit::ANSWER,
        };
        shootdown.unmap(me(), space, flush, frees, &mut Local)
    }

    /// What an NMI means for this core: it was declared lost, or nothing.
    pub(crate) fn check_lost(&self) {
        if self.calls.lost().contains(me()) {
            self.park();
        }
    }

    fn park(&self) -> ! {
        self.calls.halted(me());
        self.quiesce.forget(me());
        cpu::stop()
    }
}
