//! The way to the MADT: RSDP → XSDT or RSDT → MADT, over memory that may hold anything.
//!
//! The `acpi` crate walks the tables, and it trusts them: it sums as many bytes as a length field
//! says, subtracts header sizes from unchecked lengths, and steps by the entry's own length, so a
//! zero length is an endless loop and a large one a read out of bounds. Firmware is not that good.
//! So the tables are first copied, byte by byte through [`PhysMem`], and put right; only the copy
//! is shown to the crate:
//!
//! ```text
//!   physical memory ──PhysMem::read──► copy ──check, trim, mend──► Snapshot ──AcpiHandler──► acpi
//! ```
//!
//! # Invariants
//! T1. The crate reads nothing but the snapshot's regions and one blank region of zeros.
//! T2. Every region's length field equals the region's length, its checksum is right, its text is
//!     ASCII.
//! T3. The MADT's region holds only entries of the kinds 0, 5 and 9, each with its exact length.
//!
//! # Why that is enough
//! By T2 every sum the crate makes stays in a region and no header subtraction underflows (36 bytes
//! are the least a region has; `Snapshot::add` refuses less). By T3 its entry iterator steps by
//! 8, 12 or 16 and ends exactly at the end. A pointer that leads elsewhere finds the blank region,
//! whose signature is wrong. Since it is a copy, memory that changes while it is looked at changes
//! nothing.

use alloc::vec::Vec;
use core::fmt;
use core::ptr::NonNull;

use acpi::madt::{Madt, MadtEntry};
use acpi::{AcpiHandler, AcpiTables, PhysicalMapping};

use crate::finding::{Finding, Findings};

/// The largest table that is copied. A MADT for 256 cores has some 6 KiB.
const MAX_TABLE: usize = 256 * 1024;
/// Size of the header that all tables share (ACPI 6.5, 5.2.6).
const HEADER: usize = 36;
/// Size of the MADT's fixed part.
const MADT_FIXED: usize = 44;
/// Size of the RSDP of ACPI 1.0, and of the one since 2.0 (ACPI 6.5, 5.2.5.3).
const RSDP_V1: usize = 20;
const RSDP_V2: usize = 36;
/// What a pointer to nowhere shows.
static BLANK: [u8; HEADER] = [0; HEADER];

/// Reads physical memory: the kernel through its direct map, tests from byte fixtures.
pub trait PhysMem {
    /// Copies `into.len()` bytes from physical `address`.
    ///
    /// # Errors
    /// [`Unreadable`] if any of them is not memory that may be read (a hole, a device, or past the
    /// end of the physical address space).
    fn read(&self, address: u64, into: &mut [u8]) -> Result<(), Unreadable>;
}

/// The range is not readable memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Unreadable;

/// Why there is no MADT to be had.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TablesError {
    /// The RSDP's address cannot be read.
    RsdpUnreadable,
    /// No RSDP is at its address: signature or checksum is wrong.
    RsdpInvalid,
    /// Neither XSDT nor RSDT is usable.
    NoRootTable,
    /// No valid MADT hangs on the root table.
    NoMadt,
    /// The `acpi` crate refused tables that passed our own checks.
    Refused,
}

impl fmt::Display for TablesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TablesError::RsdpUnreadable => "RSDP address not readable",
            TablesError::RsdpInvalid => "RSDP signature or checksum wrong",
            TablesError::NoRootTable => "neither XSDT nor RSDT usable",
            TablesError::NoMadt => "no valid MADT",
            TablesError::Refused => "tables refused by the acpi crate",
        })
    }
}

impl core::error::Error for TablesError {}

/// What the MADT says that matters for cores, entry by entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Entry {
    /// A local APIC or x2APIC: its id, and the flags word (bit 0 enabled, bit 1 online capable).
    Core { apic: u32, flags: u32, x2apic: bool },
    /// The 64-bit LAPIC address that overrides the fixed field.
    LapicAddress(u64),
}

/// The MADT, read.
#[derive(Debug)]
pub(crate) struct MadtView {
    /// The fixed field of the LAPIC's physical address.
    pub(crate) lapic_address: u32,
    /// Bit 0: the machine also has two 8259 PICs, to be masked.
    pub(crate) flags: u32,
    pub(crate) entries: Vec<Entry>,
}

/// Reads the MADT that hangs on the RSDP at physical address `rsdp`. Oddities go to `findings`.
pub(crate) fn read_madt(
    memory: &impl PhysMem,
    rsdp: u64,
    findings: &mut Findings,
) -> Result<MadtView, TablesError> {
    let mut snapshot = Snapshot::default();
    let root = copy_root(memory, rsdp, &mut snapshot, findings)?;
    let madt = find_madt(memory, &root, findings).ok_or(TablesError::NoMadt)?;
    snapshot.add(root.address, root.bytes)?;
    snapshot.add(madt.address, mend_madt(&madt.bytes, findings))?;
    snapshot.parse(rsdp)
}

/// A table's bytes and where they came from.
struct Copied {
    address: u64,
    bytes: Vec<u8>,
}

/// Copies RSDP and root table. Since the RSDP decides which root table the crate reads, falling
/// back to the RSDT means to show it an RSDP of revision 0.
fn copy_root(
    memory: &impl PhysMem,
    address: u64,
    snapshot: &mut Snapshot,
    findings: &mut Findings,
) -> Result<Copied, TablesError> {
    let mut rsdp = [0; RSDP_V2];
    memory
        .read(address, &mut rsdp[..RSDP_V1])
        .map_err(|Unreadable| TablesError::RsdpUnreadable)?;
    if !rsdp.starts_with(b"RSD PTR ") || sum(&rsdp[..RSDP_V1]) != 0 {
        return Err(TablesError::RsdpInvalid);
    }
    let mut root = None;
    if rsdp[15] > 0 {
        root = copy_rsdp_extension(memory, address, &mut rsdp)
            .and_then(|xsdt| copy_table(memory, xsdt, *b"XSDT"));
        if root.is_none() {
            findings.push(Finding::XsdtUnusable);
        }
    }
    if root.is_none() {
        rsdp[15] = 0;
        root = copy_table(memory, u64::from(le32(&rsdp, 16)), *b"RSDT");
    }
    let mut root = root.ok_or(TablesError::NoRootTable)?;
    let stray = (root.bytes.len() - HEADER) % pointer_size(&root.bytes);
    if stray != 0 {
        findings.push(Finding::RaggedRootTable { bytes: stray });
        root.bytes.truncate(root.bytes.len() - stray);
        set_length(&mut root.bytes);
    }
    mend_text(&mut rsdp[9..15]);
    mend_rsdp_sums(&mut rsdp);
    snapshot.add(address, rsdp.to_vec())?;
    Ok(root)
}

/// Reads the RSDP's second part and returns the XSDT's address if the whole RSDP's checksum is
/// right. In the copy the length field is set to the size of the fields, which is all that the
/// crate looks at.
fn copy_rsdp_extension(
    memory: &impl PhysMem,
    address: u64,
    rsdp: &mut [u8; RSDP_V2],
) -> Option<u64> {
    memory.read(address, rsdp).ok()?;
    let length = le32(rsdp, 20) as usize;
    if !(RSDP_V2..=MAX_TABLE).contains(&length) {
        return None;
    }
    let mut whole = alloc::vec![0; length];
    memory.read(address, &mut whole).ok()?;
    if sum(&whole) != 0 {
        return None;
    }
    rsdp[20..24].copy_from_slice(&(RSDP_V2 as u32).to_le_bytes());
    Some(le64(rsdp, 24))
}

/// Copies the table at `address` if it has this signature, a sane length and a right checksum. The
/// copy's texts are mended, because the crate refuses tables whose vendor strings are not UTF-8.
fn copy_table(memory: &impl PhysMem, address: u64, signature: [u8; 4]) -> Option<Copied> {
    let mut header = [0; HEADER];
    memory.read(address, &mut header).ok()?;
    let length = le32(&header, 4) as usize;
    if !header.starts_with(&signature) || !(HEADER..=MAX_TABLE).contains(&length) {
        return None;
    }
    let mut bytes = alloc::vec![0; length];
    memory.read(address, &mut bytes).ok()?;
    // The second read may see other bytes than the first; what counts is the copy that was checked.
    if !bytes.starts_with(&signature) || sum(&bytes) != 0 {
        return None;
    }
    mend_text(&mut bytes[10..24]);
    set_length(&mut bytes);
    Some(Copied { address, bytes })
}

/// Finds the first valid MADT among the root table's pointers and reports damaged and superfluous
/// ones.
fn find_madt(memory: &impl PhysMem, root: &Copied, findings: &mut Findings) -> Option<Copied> {
    let mut found: Option<Copied> = None;
    for pointer in root.bytes[HEADER..].chunks_exact(pointer_size(&root.bytes)) {
        let mut address = [0; 8];
        address[..pointer.len()].copy_from_slice(pointer);
        let address = u64::from_le_bytes(address);
        let mut signature = [0; 4];
        if memory.read(address, &mut signature).is_err() {
            findings.push(Finding::BadTable { address });
            continue;
        }
        if signature != *b"APIC" {
            continue;
        }
        match copy_table(memory, address, signature).filter(|t| t.bytes.len() >= MADT_FIXED) {
            None => findings.push(Finding::BadTable { address }),
            Some(_) if found.is_some() => findings.push(Finding::SecondMadt { address }),
            Some(table) => found = Some(table),
        }
    }
    found
}

/// A MADT with only the well-formed entries that matter here, cut to the length of their type (T3).
fn mend_madt(madt: &[u8], findings: &mut Findings) -> Vec<u8> {
    let mut mended = madt[..MADT_FIXED].to_vec();
    let mut offset = MADT_FIXED;
    while let Some(&[kind, length]) = madt.get(offset..offset + 2) {
        let length = usize::from(length);
        if length < 2 {
            findings.push(Finding::EntryWithoutLength { offset });
            break;
        }
        let Some(entry) = madt.get(offset..offset + length) else {
            findings.push(Finding::EntryOverrun { offset });
            break;
        };
        // ACPI 6.5, 5.2.12.2 (local APIC), 5.2.12.8 (LAPIC address override), 5.2.12.12 (x2APIC).
        let exact = match kind {
            0 => Some(8),
            5 => Some(12),
            9 => Some(16),
            _ => None,
        };
        match exact {
            Some(exact) if length < exact => findings.push(Finding::ShortEntry { offset, kind }),
            Some(exact) => {
                // `exact` is at most 16, so the cast is exact.
                mended.extend_from_slice(&[kind, exact as u8]);
                mended.extend_from_slice(&entry[2..exact]);
            }
            None => {}
        }
        offset += length;
    }
    if offset + 1 == madt.len() {
        findings.push(Finding::EntryOverrun { offset });
    }
    set_length(&mut mended);
    mended
}

/// The checked copies, and the only memory that the `acpi` crate gets to see.
#[derive(Default)]
struct Snapshot {
    regions: Vec<(usize, Vec<u8>)>,
}

impl Snapshot {
    /// Adds a region that satisfies T2.
    fn add(&mut self, address: u64, bytes: Vec<u8>) -> Result<(), TablesError> {
        let address = usize::try_from(address).map_err(|_| TablesError::Refused)?;
        if bytes.len() < HEADER {
            return Err(TablesError::Refused);
        }
        self.regions.push((address, bytes));
        Ok(())
    }

    /// The bytes that begin at `address`, or the blank region.
    fn at(&self, address: usize) -> &[u8] {
        let region = self.regions.iter().find(|(start, _)| *start == address);
        region.map_or(&BLANK, |(_, bytes)| bytes)
    }

    /// Lets the crate walk from the RSDP to the MADT.
    #[expect(
        unsafe_code,
        reason = "the acpi crate's entry point is unsafe: it trusts what it reads"
    )]
    fn parse(&self, rsdp: u64) -> Result<MadtView, TablesError> {
        let rsdp = usize::try_from(rsdp).map_err(|_| TablesError::Refused)?;
        // SAFETY: a region that was checked to be an RSDP begins at `rsdp`, or, if another region
        // has the same address, 36 other readable bytes (T1); everything that is reached from there
        // satisfies T2 and T3.
        let tables = unsafe { AcpiTables::from_rsdp(Handler(self), rsdp) };
        let tables = tables.map_err(|_| TablesError::Refused)?;
        let madt = tables
            .find_table::<Madt>()
            .map_err(|_| TablesError::NoMadt)?;
        let entries = madt.get().entries().filter_map(|entry| match entry {
            MadtEntry::LocalApic(core) => Some(Entry::Core {
                apic: u32::from(core.apic_id),
                flags: core.flags,
                x2apic: false,
            }),
            MadtEntry::LocalX2Apic(core) => Some(Entry::Core {
                apic: core.x2apic_id,
                flags: core.flags,
                x2apic: true,
            }),
            MadtEntry::LocalApicAddressOverride(over) => {
                Some(Entry::LapicAddress(over.local_apic_address))
            }
            _ => None,
        });
        let entries = entries.collect();
        Ok(MadtView {
            lapic_address: madt.get().local_apic_address,
            flags: madt.get().flags,
            entries,
        })
    }
}

/// Shows the snapshot to the crate as if it were physical memory.
#[derive(Clone, Copy)]
struct Handler<'a>(&'a Snapshot);

#[expect(unsafe_code, reason = "the acpi crate's memory interface is unsafe")]
impl AcpiHandler for Handler<'_> {
    unsafe fn map_physical_region<T>(
        &self,
        address: usize,
        size: usize,
    ) -> PhysicalMapping<Self, T> {
        let bytes = self.0.at(address);
        let needed = size.max(size_of::<T>());
        // Holds by T2: the crate first asks for a header, and for more only if the header says so.
        assert!(
            bytes.len() >= needed,
            "the acpi crate asked for more than a table's own length"
        );
        // SAFETY: the range is `bytes.len()` readable, initialised bytes that outlive the handler,
        // and `needed` of them were just checked to be there. `T` is packed in every use the crate
        // makes of it here.
        unsafe {
            PhysicalMapping::new(
                address,
                NonNull::from(bytes).cast(),
                size,
                bytes.len(),
                *self,
            )
        }
    }

    fn unmap_physical_region<T>(_: &PhysicalMapping<Self, T>) {}
}

/// Sets a table's length field to its length and makes its checksum right.
fn set_length(table: &mut [u8]) {
    // Tables are at most MAX_TABLE bytes long.
    let length = table.len() as u32;
    table[4..8].copy_from_slice(&length.to_le_bytes());
    table[9] = 0;
    table[9] = sum(table).wrapping_neg();
}

/// Makes both checksums of a copied RSDP right.
fn mend_rsdp_sums(rsdp: &mut [u8; RSDP_V2]) {
    rsdp[8] = 0;
    rsdp[8] = sum(&rsdp[..RSDP_V1]).wrapping_neg();
    rsdp[32] = 0;
    rsdp[32] = sum(rsdp).wrapping_neg();
}

/// Replaces what is not printable ASCII.
fn mend_text(text: &mut [u8]) {
    for byte in text.iter_mut().filter(|byte| !byte.is_ascii()) {
        *byte = b'?';
    }
}

/// Size of a root table's pointers, bytes.
fn pointer_size(root: &[u8]) -> usize {
    if root.starts_with(b"XSDT") { 8 } else { 4 }
}

/// The sum that is 0 for a valid table (ACPI 6.5, 5.2.3).
fn sum(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |sum, byte| sum.wrapping_add(*byte))
}

fn le32(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(core::array::from_fn(|i| bytes[at + i]))
}

fn le64(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(core::array::from_fn(|i| bytes[at + i]))
}
