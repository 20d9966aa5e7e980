//! What is odd about a machine's tables, without being fatal.
//!
//! Firmware lies in small ways on most boards. None of it may stop the boot, and none may pass in
//! silence: each oddity becomes a [`Finding`], kept in a bounded list that the boot report prints.

use alloc::vec::Vec;
use core::fmt;

use crate::ids::ApicId;

/// The findings that are kept; the rest are only counted. A hostile table could otherwise fill the
/// heap.
pub const MAX_FINDINGS: usize = 64;

/// One oddity of the firmware's tables, and by its text what was done about it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Finding {
    /// The XSDT, or the part of the RSDP that names it, was not usable, the RSDT was.
    XsdtUnusable,
    /// A root table's size is not a whole number of pointers; the rest was dropped.
    RaggedRootTable {
        /// Bytes after the last whole pointer.
        bytes: usize,
    },
    /// A pointer of the root table leads to memory that cannot be read, or the table there has a
    /// bad length or checksum.
    BadTable {
        /// The pointer, a physical address.
        address: u64,
    },
    /// There is more than one valid MADT; the first counts.
    SecondMadt {
        /// Physical address of the ignored one.
        address: u64,
    },
    /// A MADT entry is shorter than its two-byte header, so nothing after it can be read.
    EntryWithoutLength {
        /// Offset in the MADT, bytes.
        offset: usize,
    },
    /// A MADT entry reaches past the end of the table; it and all after it are dropped.
    EntryOverrun {
        /// Offset in the MADT, bytes.
        offset: usize,
    },
    /// A MADT entry is shorter than its type demands; it is skipped.
    ShortEntry {
        /// Offset in the MADT, bytes.
        offset: usize,
        /// The type field (ACPI 6.5, table 5.21).
        kind: u8,
    },
    /// A core that firmware has switched off; it is not started.
    Disabled(ApicId),
    /// A core that may be plugged in later (ACPI 6.5, "online capable"); it is not started.
    OnlineCapable(ApicId),
    /// The same id was listed twice, as LAPIC and x2APIC or in one form; the first counts.
    Duplicate(ApicId),
    /// An enabled entry carries the broadcast id, which would start every core; it is skipped.
    BroadcastId,
    /// The core's id cannot be addressed in the APIC mode in use; it is not started.
    NotAddressable(ApicId),
    /// The BSP is not among the enabled entries; it is used all the same, since it is running.
    BspNotListed(ApicId),
    /// There are more cores than BareFlow or the command line allows.
    TooManyCores {
        /// How many were left out.
        left_out: usize,
    },
    /// The LAPIC address is 0 or not page aligned; the architectural default is used.
    BadLapicAddress {
        /// What the table says.
        address: u64,
    },
    /// No usable tables at all, so only the BSP is known.
    NoTables(crate::tables::TablesError),
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Finding::XsdtUnusable => f.write_str("XSDT not usable, RSDT used"),
            Finding::RaggedRootTable { bytes } => {
                write!(f, "root table has {bytes} stray bytes at its end")
            }
            Finding::BadTable { address } => write!(f, "table at {address:#x} is damaged, skipped"),
            Finding::SecondMadt { address } => write!(f, "second MADT at {address:#x} ignored"),
            Finding::EntryWithoutLength { offset } => {
                write!(
                    f,
                    "MADT entry at offset {offset} has no length, rest of the table dropped"
                )
            }
            Finding::EntryOverrun { offset } => {
                write!(
                    f,
                    "MADT entry at offset {offset} runs past the end, dropped"
                )
            }
            Finding::ShortEntry { offset, kind } => {
                write!(
                    f,
                    "MADT entry at offset {offset} is too short for type {kind}, skipped"
                )
            }
            Finding::Disabled(apic) => write!(f, "apic {apic} is disabled, not started"),
            Finding::OnlineCapable(apic) => write!(f, "apic {apic} is not plugged in, not started"),
            Finding::Duplicate(apic) => write!(f, "apic {apic} is listed twice, first entry used"),
            Finding::BroadcastId => f.write_str("MADT entry with the broadcast id skipped"),
            Finding::NotAddressable(apic) => {
                write!(f, "apic {apic} needs x2APIC mode, not started")
            }
            Finding::BspNotListed(apic) => {
                write!(f, "apic {apic} is the BSP but not listed, used anyway")
            }
            Finding::TooManyCores { left_out } => {
                write!(f, "{left_out} cores above the limit, not started")
            }
            Finding::BadLapicAddress { address } => write!(f, "LAPIC address {address:#x} ignored"),
            Finding::NoTables(error) => write!(f, "no usable ACPI tables ({error}), BSP only"),
        }
    }
}

/// At most [`MAX_FINDINGS`] findings, and how many more there were.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Findings {
    kept: Vec<Finding>,
    dropped: usize,
}

impl Findings {
    /// Adds `finding`, or counts it if the list is full.
    pub fn push(&mut self, finding: Finding) {
        if self.kept.len() < MAX_FINDINGS {
            self.kept.push(finding);
        } else {
            self.dropped += 1;
        }
    }

    /// The findings in the order of discovery.
    pub fn as_slice(&self) -> &[Finding] {
        &self.kept
    }

    /// How many did not fit.
    pub fn dropped(&self) -> usize {
        self.dropped
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;
    use crate::tables::TablesError;

    #[test]
    fn every_finding_fits_on_a_line_of_the_report() {
        let (address, apic) = (u64::MAX, ApicId(u32::MAX));
        let all = [
            Finding::XsdtUnusable,
            Finding::RaggedRootTable { bytes: 7 },
            Finding::BadTable { address },
            Finding::SecondMadt { address },
            Finding::EntryWithoutLength { offset: 99_999 },
            Finding::EntryOverrun { offset: 99_999 },
            Finding::ShortEntry {
                offset: 99_999,
                kind: 9,
            },
            Finding::Disabled(apic),
            Finding::OnlineCapable(apic),
            Finding::Duplicate(apic),
            Finding::BroadcastId,
            Finding::NotAddressable(apic),
            Finding::BspNotListed(apic),
            Finding::TooManyCores { left_out: 9999 },
            Finding::BadLapicAddress { address },
            Finding::NoTables(TablesError::RsdpInvalid),
        ];
        for finding in all {
            let length = "acpi: ".len() + finding.to_string().len();
            assert!(length <= 80, "{length}: {finding}");
        }
    }

    #[test]
    fn a_flood_of_findings_is_counted_and_not_kept() {
        let mut findings = Findings::default();
        for id in 0..100 {
            findings.push(Finding::Disabled(ApicId(id)));
        }
        assert_eq!(findings.as_slice().len(), MAX_FINDINGS);
        assert_eq!(findings.dropped(), 100 - MAX_FINDINGS);
    }
}
