//! Finding and starting the cores.

use super::kit::{self, Kit};
use super::{MACHINE, Machine, machine};
use crate::boot::trampoline;
use crate::console::{log, say};
use crate::memory::firmware::Firmware;
use crate::memory::paging;
use crate::metal::apic::{self, Bus, TscClock};
use crate::metal::devices;
use crate::metal::percore::MAX_CORES;
use crate::metal::{cpu, time};
use crate::tasks;
use alloc::string::ToString;
use alloc::vec::Vec;
use kernel::bootinfo::BootInfo;
use kernel::cmdline::Options;
use kernel::layout::PhysAddr;
use smp::bringup::{Bringup, Event, Outcome, Timing};
use smp::bus::StartupPage;
use smp::call::Calls;
use smp::quiesce::Quiesce;
use smp::report::{self, Report};
use smp::roles::Roles;
use smp::slot::{Claim, CoreSlot};
use smp::tables::TablesError;
use smp::topology::{Core, Limits, Topology};
use smp::{ApicId, CoreId, PerCpu};
use spin::Once;

const APIC_PAGE: u64 = 4096;

/// Finds all cores, starts them, gives them roles and reports.
pub(crate) fn start(info: &BootInfo, options: &Options) {
    let topology = find(info, options);
    devices::silence_legacy_interrupts();
    let registers = paging::map_device(PhysAddr(topology.lapic_address()), APIC_PAGE)
        .expect("there is memory to map the local APIC");
    apic::choose(registers);
    kit::go_live();
    if !apic::calibrate() {
        log!(Warning, "the PIT did not answer: the clock is a guess");
    }
    let count = topology.cores().len();
    let machine = MACHINE.call_once(|| Machine {
        calls: Calls::new(topology.cores()),
        quiesce: Quiesce::new(count),
        slots: PerCpu::new(count, |_| CoreSlot::new()),
        kits: PerCpu::new(count, |_| Once::new()),
        roles: Once::new(),
        topology,
    });
    machine.slots[CoreId::BSP].occupy(time::now_us());
    machine.quiesce.resume(CoreId::BSP);
    let outcomes = start_others(machine, info, options.lose);
    let roles = Roles::assign(count, report::online(&outcomes), options.jit_workers);
    let report = Report::new(&machine.topology, &outcomes, &roles).to_string();
    report.lines().for_each(|line| say!("{line}"));
    tasks::initialise(&roles);
    machine.roles.call_once(|| roles);
    machine.wake(machine.online());
}

fn find(info: &BootInfo, options: &Options) -> Topology {
    let firmware = Firmware::new(info);
    let bsp = apic::initial_id();
    let highest_apic = if apic::has_x2apic() {
        ApicId::X2APIC_MAX
    } else {
        ApicId::XAPIC_MAX
    };
    let limits = Limits {
        cores: options.max_cores.min(MAX_CORES),
        highest_apic,
    };
    let rsdp = info
        .rsdp
        .or_else(|| firmware.find_rsdp())
        .ok_or(TablesError::RsdpInvalid);
    rsdp.and_then(|rsdp| Topology::discover(&firmware, rsdp, bsp, limits))
        .unwrap_or_else(|why| Topology::bsp_alone(bsp, why))
}

fn start_others(machine: &'static Machine, info: &BootInfo, lose: Option<usize>) -> Vec<Outcome> {
    let aps = machine.topology.aps();
    if aps.is_empty() {
        return Vec::new();
    }
    let Ok(Some(trampoline)) = trampoline::install(info) else {
        log!(
            Warning,
            "no page below 1 MiB for the other cores to start on"
        );
        return Vec::new();
    };
    let page = StartupPage::at(trampoline.page().0)
        .expect("the trampoline lies on a page that a SIPI can name");
    let bringup = Bringup {
        bus: &Bus,
        clock: &TscClock,
        slots: &machine.slots,
        page,
        timing: Timing::MODERN,
    };
    let outcomes = bringup.run(aps, |event| {
        if let Event::Preparing(core) = event
            && Some(core.id.index()) != lose
        {
            prepare(machine, core);
        }
    });
    if report::online(&outcomes).len() == machine.topology.cores().len() {
        trampoline.remove();
    }
    outcomes
}

/// Makes a core's equipment and tells the core where it is. Without memory for it the core is not announced, so it
/// parks and is reported lost.
fn prepare(machine: &'static Machine, core: Core) {
    let Ok(kit) = Kit::new(core.id.index() as u32) else {
        return;
    };
    let kit = machine.kits[core.id].call_once(|| kit);
    trampoline::announce(
        core.apic.0,
        &machine.slots[core.id],
        kit.stack().high,
        kit.core(),
    );
}

/// Where `ap_entry` goes: on the core's own stack and the kernel's page tables, with its slot claimed.
pub(crate) fn ap_main() -> ! {
    let machine = machine();
    let me = super::me();
    let kit = machine.kits[me]
        .get()
        .expect("a core is announced with its kit");
    kit::equip(kit.core(), kit.interrupt_stacks());
    kit::go_live();
    if machine.slots[me].go_online(time::now_us()) == Claim::Park {
        cpu::stop();
    }
    machine.quiesce.resume(me);
    tasks::wait_for_roles();
    tasks::run_core()
}
