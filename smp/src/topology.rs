//! Which cores this machine has, according to its firmware.
//!
//! From the MADT's entries to a dense list of usable cores. The rules, each with its reason:
//!
//! - An entry counts if its Enabled bit is set. "Online capable" alone means an empty socket or a
//!   core that may be plugged in later (ACPI 6.5, 5.2.12.2.1): not started, as is a disabled one.
//! - LAPIC and x2APIC entries name cores of one id space. Firmware that lists a core in both forms
//!   is common; the first enabled entry of an id counts.
//! - The broadcast id of either form is refused: an INIT sent there would hit every core.
//! - An id that the APIC mode in use cannot address is left out.
//! - The core that runs this code exists, whatever the table says. It is core 0.
//!
//! # Invariants
//! P1. Core ids are dense, core 0 is the BSP, and no APIC id occurs twice.
//! P2. There are between 1 and `limits.cores` cores.
//! P3. Whatever is left out is in the findings (or, past their bound, in their count).

use alloc::vec::Vec;

use crate::finding::{Finding, Findings};
use crate::ids::{ApicId, CoreId, MAX_CORES};
use crate::tables::{self, Entry, MadtView, PhysMem, TablesError};

/// Where local APICs are unless something says otherwise (SDM vol. 3, 11.4.1).
pub const DEFAULT_LAPIC_ADDRESS: u64 = 0xfee0_0000;

/// What the rest of the system can cope with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// The most cores to use; values outside 1 to [`MAX_CORES`] are clamped.
    pub cores: usize,
    /// The highest id that the APIC mode in use addresses: [`ApicId::XAPIC_MAX`] or
    /// [`ApicId::X2APIC_MAX`].
    pub highest_apic: ApicId,
}

impl Limits {
    /// xAPIC mode, and as many cores as BareFlow can have.
    pub const XAPIC: Limits = Limits {
        cores: MAX_CORES,
        highest_apic: ApicId::XAPIC_MAX,
    };
    /// x2APIC mode, and as many cores as BareFlow can have.
    pub const X2APIC: Limits = Limits {
        cores: MAX_CORES,
        highest_apic: ApicId::X2APIC_MAX,
    };
}

/// One usable core.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Core {
    /// Its dense index.
    pub id: CoreId,
    /// How to address it.
    pub apic: ApicId,
}

/// The machine's cores.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Topology {
    cores: Vec<Core>,
    lapic_address: u64,
    has_8259: bool,
    findings: Findings,
}

impl Topology {
    /// Reads the tables that hang on the RSDP at physical address `rsdp`. `bsp` is the id of the
    /// core that runs this.
    ///
    /// # Errors
    /// [`TablesError`] if no valid MADT can be reached; [`Topology::bsp_alone`] is the way on.
    pub fn discover(
        memory: &impl PhysMem,
        rsdp: u64,
        bsp: ApicId,
        limits: Limits,
    ) -> Result<Topology, TablesError> {
        let mut findings = Findings::default();
        let madt = tables::read_madt(memory, rsdp, &mut findings)?;
        let cores = choose_cores(&madt, bsp, limits, &mut findings);
        let lapic_address = lapic_address(&madt, &mut findings);
        Ok(Topology {
            cores,
            lapic_address,
            has_8259: madt.flags & 1 != 0,
            findings,
        })
    }

    /// The topology of a machine whose tables are of no use: the core that is running.
    pub fn bsp_alone(bsp: ApicId, why: TablesError) -> Topology {
        let mut findings = Findings::default();
        findings.push(Finding::NoTables(why));
        Topology {
            cores: alloc::vec![Core {
                id: CoreId::BSP,
                apic: bsp
            }],
            lapic_address: DEFAULT_LAPIC_ADDRESS,
            has_8259: true,
            findings,
        }
    }

    /// The usable cores in the order of their ids; the first is the BSP.
    pub fn cores(&self) -> &[Core] {
        &self.cores
    }

    /// The cores to be started: all but the BSP.
    pub fn aps(&self) -> &[Core] {
        &self.cores[1..]
    }

    /// The core with this APIC id.
    pub fn by_apic(&self, apic: ApicId) -> Option<CoreId> {
        self.cores
            .iter()
            .find(|core| core.apic == apic)
            .map(|core| core.id)
    }

    /// The APIC id of `core`.
    pub fn apic_of(&self, core: CoreId) -> Option<ApicId> {
        self.cores.get(core.index()).map(|core| core.apic)
    }

    /// Physical address of the local APIC's registers, page aligned.
    pub fn lapic_address(&self) -> u64 {
        self.lapic_address
    }

    /// Whether there are two 8259 interrupt controllers, which must be masked before APICs are
    /// used.
    pub fn has_8259(&self) -> bool {
        self.has_8259
    }

    /// What was odd.
    pub fn findings(&self) -> &Findings {
        &self.findings
    }
}

/// Applies the rules at the head of this file.
fn choose_cores(
    madt: &MadtView,
    bsp: ApicId,
    limits: Limits,
    findings: &mut Findings,
) -> Vec<Core> {
    let limit = limits.cores.clamp(1, MAX_CORES);
    let mut apics = alloc::vec![bsp];
    let mut bsp_listed = false;
    let mut left_out = 0;
    for entry in &madt.entries {
        let Entry::Core {
            apic,
            flags,
            x2apic,
        } = *entry
        else {
            continue;
        };
        let Some(apic) = usable(apic, flags, x2apic, limits, findings) else {
            continue;
        };
        if apic == bsp && !bsp_listed {
            bsp_listed = true;
        } else if apics.contains(&apic) {
            findings.push(Finding::Duplicate(apic));
        } else if apics.len() == limit {
            left_out += 1;
        } else {
            apics.push(apic);
        }
    }
    if !bsp_listed {
        findings.push(Finding::BspNotListed(bsp));
    }
    if left_out > 0 {
        findings.push(Finding::TooManyCores { left_out });
    }
    let ids = (0..).map_while(CoreId::new);
    ids.zip(apics).map(|(id, apic)| Core { id, apic }).collect()
}

/// The id of an entry that may be started, else `None` and a finding.
fn usable(
    apic: u32,
    flags: u32,
    x2apic: bool,
    limits: Limits,
    findings: &mut Findings,
) -> Option<ApicId> {
    const ENABLED: u32 = 1;
    const ONLINE_CAPABLE: u32 = 2;
    let id = ApicId(apic);
    let refused = if flags & ENABLED == 0 {
        // Firmware pads the table with disabled entries, often all with the same id.
        if flags & ONLINE_CAPABLE != 0 {
            Finding::OnlineCapable(id)
        } else {
            Finding::Disabled(id)
        }
    } else if apic == if x2apic { u32::MAX } else { 0xff } {
        Finding::BroadcastId
    } else if id > limits.highest_apic {
        Finding::NotAddressable(id)
    } else {
        return Some(id);
    };
    findings.push(refused);
    None
}

/// The override entry's address if there is one, else the fixed field's; the default if it cannot
/// be true.
fn lapic_address(madt: &MadtView, findings: &mut Findings) -> u64 {
    let overriding = madt.entries.iter().find_map(|entry| match entry {
        Entry::LapicAddress(address) => Some(*address),
        Entry::Core { .. } => None,
    });
    let address = overriding.unwrap_or(u64::from(madt.lapic_address));
    // Physical addresses have at most 52 bits (SDM vol. 3, 4.1.4).
    if address == 0 || address & 0xfff != 0 || address >> 52 != 0 {
        findings.push(Finding::BadLapicAddress { address });
        return DEFAULT_LAPIC_ADDRESS;
    }
    address
}

#[cfg(test)]
#[path = "topology_tests.rs"]
mod tests;
