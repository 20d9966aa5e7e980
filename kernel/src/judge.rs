//! The judge of page tables: rules that every mapping of every address space must obey, checked from the outside.
//!
//! It is written against the hardware format (SDM volume 3, 4.5), not against the code that fills the tables, so the
//! two can only agree by both being right. The walk itself is given as a function that reads a table; the kernel passes
//! the direct map, the tests pass a made-up memory.
//!
//! # Rules
//! R1. Nothing is both writable and executable.
//! R2. The lower half is for ring 3 and the upper half for ring 0; no mapping crosses.
//! R3. Code-cache frames are not in the direct map, and mapped executable only in the lower half.
//! R4. No instance maps a code-cache frame writable; only a code window in the upper half may.
//! R5. No second mapping of the kernel's text or rodata is writable.
//! R6. The lowest 64 KiB, and the last page of the lower half, are never mapped.

use crate::layout;
use alloc::vec::Vec;
use core::fmt;

const PRESENT: u64 = 1 << 0;
const WRITABLE: u64 = 1 << 1;
const USER: u64 = 1 << 2;
const LARGE: u64 = 1 << 7;
const NO_EXECUTE: u64 = 1 << 63;
const ADDRESS: u64 = 0x000f_ffff_ffff_f000;

/// One mapping as the processor sees it: rights are those of all levels together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// First virtual address.
    pub virt: u64,
    /// First physical address.
    pub phys: u64,
    /// Bytes.
    pub size: u64,
    /// Writable at every level.
    pub writable: bool,
    /// Open to ring 3 at every level.
    pub user: bool,
    /// Executable at every level.
    pub executable: bool,
}

/// The facts that the rules refer to: physical ranges `[start, end)`.
#[derive(Clone, Copy, Debug)]
pub struct Facts {
    /// Frames set aside for code.
    pub code_frames: (u64, u64),
    /// The kernel's text and rodata.
    pub kernel_read_only: (u64, u64),
}

/// A rule that a mapping breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Number of the rule.
    pub rule: u8,
    /// The mapping.
    pub mapping: Mapping,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Mapping {
            virt,
            phys,
            size,
            writable,
            user,
            executable,
        } = self.mapping;
        let right = |on: bool, letter: char| if on { letter } else { '-' };
        write!(
            f,
            "rule R{}: {virt:#x} -> {phys:#x}, {size:#x} bytes, {}{}{}",
            self.rule,
            right(user, 'u'),
            right(writable, 'w'),
            right(executable, 'x')
        )
    }
}

/// Calls `visit` for each mapping under `root`; `read(table, index)` returns an entry of the table at that address.
pub fn walk(root: u64, read: &impl Fn(u64, usize) -> u64, visit: &mut impl FnMut(Mapping)) {
    let whole = Mapping {
        virt: 0,
        phys: root,
        size: 1 << 48,
        writable: true,
        user: true,
        executable: true,
    };
    walk_table(whole, 4, read, visit);
}

/// Visits the table that `parent.phys` names; its rights are the product of the levels above. Depth is at most 4.
fn walk_table(
    parent: Mapping,
    level: u32,
    read: &impl Fn(u64, usize) -> u64,
    visit: &mut impl FnMut(Mapping),
) {
    let size = layout::PAGE_SIZE << (9 * (level - 1));
    for index in 0..512 {
        let entry = read(parent.phys, index);
        if entry & PRESENT == 0 {
            continue;
        }
        let mut virt = parent.virt + size * index as u64;
        if level == 4 && index >= 256 {
            virt |= 0xffff_0000_0000_0000;
        }
        let mapping = Mapping {
            virt,
            phys: entry & ADDRESS,
            size,
            writable: parent.writable && entry & WRITABLE != 0,
            user: parent.user && entry & USER != 0,
            executable: parent.executable && entry & NO_EXECUTE == 0,
        };
        if level == 1 || (level < 4 && entry & LARGE != 0) {
            // Bit 12 of a large entry is an attribute (PAT), not address.
            visit(Mapping {
                phys: mapping.phys & !(size - 1),
                ..mapping
            });
        } else {
            walk_table(mapping, level - 1, read, visit);
        }
    }
}

/// The rules that the address space at `root` breaks, at most `limit` of them.
pub fn judge(
    root: u64,
    facts: &Facts,
    limit: usize,
    read: &impl Fn(u64, usize) -> u64,
) -> Vec<Violation> {
    let mut found = Vec::new();
    walk(root, read, &mut |mapping| {
        if found.len() < limit {
            found.extend(broken_rule(&mapping, facts).map(|rule| Violation { rule, mapping }));
        }
    });
    found
}

/// The number of the first rule that `mapping` breaks.
fn broken_rule(mapping: &Mapping, facts: &Facts) -> Option<u8> {
    let lower = mapping.virt < layout::KERNEL_HALF;
    let touches =
        |(start, end): (u64, u64)| mapping.phys < end && start < mapping.phys + mapping.size;
    let within = |start: u64, size: u64| mapping.virt >= start && mapping.virt - start < size;
    let code = touches(facts.code_frames);
    let last_page = mapping.virt + (mapping.size - 1) >= layout::USER_END;
    if mapping.writable && mapping.executable {
        Some(1)
    } else if mapping.user != lower {
        Some(2)
    } else if code
        && !lower
        && (within(layout::DIRECT_MAP, layout::DIRECT_MAP_SIZE) || mapping.executable)
    {
        Some(3)
    } else if code && mapping.writable && (lower || !within(layout::WINDOW, 1 << 39)) {
        Some(4)
    } else if touches(facts.kernel_read_only) && mapping.writable {
        Some(5)
    } else if lower && (mapping.virt < 0x1_0000 || last_page) {
        Some(6)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    const FACTS: Facts = Facts {
        code_frames: (0x400_0000, 0x800_0000),
        kernel_read_only: (0x10_0000, 0x20_0000),
    };

    /// Page tables in a hash map: (table, index) -> entry. One chain per mapping.
    fn tables(virt: u64, phys: u64, bits: u64, large: bool) -> HashMap<(u64, usize), u64> {
        let address = layout::VirtAddr(virt);
        let open = PRESENT | WRITABLE | USER;
        let mut entries = HashMap::from([
            ((0x1000, address.index(4)), 0x2000 | open),
            ((0x2000, address.index(3)), 0x3000 | open),
        ]);
        if large {
            entries.insert((0x3000, address.index(2)), phys | bits | PRESENT | LARGE);
        } else {
            entries.insert((0x3000, address.index(2)), 0x4000 | open);
            entries.insert((0x4000, address.index(1)), phys | bits | PRESENT);
        }
        entries
    }

    fn rules(virt: u64, phys: u64, bits: u64) -> Vec<u8> {
        let entries = tables(virt, phys, bits, false);
        let read = |table, index| entries.get(&(table, index)).copied().unwrap_or(0);
        judge(0x1000, &FACTS, 10, &read)
            .iter()
            .map(|violation| violation.rule)
            .collect()
    }

    const RX: u64 = 0;
    const RW: u64 = WRITABLE | NO_EXECUTE;
    const RO: u64 = NO_EXECUTE;

    #[test]
    fn honest_mappings_pass() {
        assert_eq!(rules(0x10_0000, 0x100_0000, USER | RW), []);
        assert_eq!(rules(48 << 30, 0x400_0000, USER | RX), []);
        assert_eq!(rules(layout::DIRECT_MAP + 0x10_0000, 0x10_0000, RO), []);
        assert_eq!(rules(layout::IMAGE + 0x10_0000, 0x10_0000, RX), []);
        assert_eq!(rules(layout::WINDOW, 0x400_0000, RW), []);
    }

    #[test]
    fn each_rule_is_seen_to_be_broken() {
        assert_eq!(rules(0x10_0000, 0x100_0000, USER | WRITABLE), [1]);
        assert_eq!(
            rules(0x10_0000, 0x100_0000, RW),
            [2],
            "a kernel page in the lower half"
        );
        assert_eq!(
            rules(layout::HEAP, 0x100_0000, USER | RW),
            [2],
            "a user page in the upper half"
        );
        assert_eq!(rules(layout::DIRECT_MAP + 0x400_0000, 0x400_0000, RO), [3]);
        assert_eq!(rules(0x10_0000, 0x400_0000, USER | RW), [4]);
        assert_eq!(rules(layout::HEAP, 0x400_0000, RW), [4]);
        assert_eq!(rules(layout::DIRECT_MAP + 0x10_0000, 0x10_0000, RW), [5]);
        assert_eq!(rules(0xf000, 0x100_0000, USER | RO), [6]);
        assert_eq!(rules(layout::USER_END, 0x100_0000, USER | RO), [6]);
    }

    #[test]
    fn a_large_page_is_judged_by_all_it_covers() {
        let entries = tables(layout::DIRECT_MAP + 0x3e0_0000, 0x3e0_0000, RW, true);
        let read = |table, index| entries.get(&(table, index)).copied().unwrap_or(0);
        assert_eq!(judge(0x1000, &FACTS, 10, &read), []);
        let wide = Facts {
            code_frames: (0x3ff_f000, 0x800_0000),
            ..FACTS
        };
        assert_eq!(judge(0x1000, &wide, 10, &read)[0].rule, 3);
    }
}
