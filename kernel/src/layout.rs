//! Where everything lies in the kernel's half of an address space, and the names for addresses.
//!
//! The upper half (from -128 TiB) is the same in every address space: its top-level entries are filled once, before the
//! second address space is made. The lower half belongs to the instance that is running.
//!
//! | range | what |
//! | --- | --- |
//! | `DIRECT_MAP` | all usable memory, except the code-cache frames; kernel text and rodata read-only; never executable |
//! | `DEVICES` | device registers, uncached, mapped on request and never unmapped |
//! | `STACKS` | kernel stacks, each below an unmapped guard |
//! | `HEAP` | the kernel heap and the compile arenas |
//! | `WINDOW` | writable window on code memory: only in the page tables of a core that is writing code |
//! | `IMAGE` | the kernel itself, at -2 GiB |

/// Bytes of the smallest page.
pub const PAGE_SIZE: u64 = 4096;
/// Bytes of a page mapped by a directory entry.
pub const LARGE_PAGE_SIZE: u64 = 2 << 20;
/// First address of the kernel's half.
pub const KERNEL_HALF: u64 = 0xffff_8000_0000_0000;
/// First address of the direct map of physical memory.
pub const DIRECT_MAP: u64 = 0xffff_8000_0000_0000;
/// Bytes that the direct map can hold.
pub const DIRECT_MAP_SIZE: u64 = 64 << 40;
/// First address of the device register window.
pub const DEVICES: u64 = 0xffff_c000_0000_0000;
/// First address of the kernel stacks.
pub const STACKS: u64 = 0xffff_d000_0000_0000;
/// First address of the kernel heap.
pub const HEAP: u64 = 0xffff_d800_0000_0000;
/// First address of the compile arenas.
pub const ARENAS: u64 = 0xffff_e000_0000_0000;
/// First address of the writable window on code memory.
pub const WINDOW: u64 = 0xffff_f000_0000_0000;
/// First address of the kernel image.
pub const IMAGE: u64 = 0xffff_ffff_8000_0000;
/// End of the addresses that a ring-3 program may ever name: the last page of the lower half stays unmapped, because a
/// `syscall` instruction that ends there would make `sysret` fault in ring 0 (SDM volume 2, SYSRET).
pub const USER_END: u64 = 0x0000_7fff_ffff_f000;
/// Bytes set aside for code; these frames are absent from the direct map.
pub const CODE_FRAMES_SIZE: u64 = 64 << 20;

/// A physical address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct PhysAddr(pub u64);

/// A virtual address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct VirtAddr(pub u64);

impl PhysAddr {
    /// Where the direct map shows this address.
    #[must_use]
    pub const fn direct(self) -> VirtAddr {
        VirtAddr(DIRECT_MAP + self.0)
    }

    /// The address `bytes` further on.
    #[must_use]
    pub const fn add(self, bytes: u64) -> Self {
        Self(self.0 + bytes)
    }
}

impl VirtAddr {
    /// The address `bytes` further on.
    #[must_use]
    pub const fn add(self, bytes: u64) -> Self {
        Self(self.0 + bytes)
    }

    /// Index into the page table of `level` (4 = top, 1 = last).
    #[must_use]
    pub const fn index(self, level: u32) -> usize {
        ((self.0 >> (12 + 9 * (level - 1))) & 511) as usize
    }

    /// Whether bits 63..47 are all equal, as 4-level paging demands (SDM volume 1, 3.3.7.1).
    #[must_use]
    pub const fn is_canonical(self) -> bool {
        let top = self.0.cast_signed() >> 47;
        top == 0 || top == -1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indices_select_nine_bits_each() {
        let address = VirtAddr(0xffff_ffff_8020_3000);
        assert_eq!(
            [4, 3, 2, 1].map(|level| address.index(level)),
            [511, 510, 1, 3]
        );
    }

    #[test]
    fn canonical_addresses_have_equal_top_bits() {
        assert!(VirtAddr(USER_END).is_canonical());
        assert!(VirtAddr(KERNEL_HALF).is_canonical());
        assert!(!VirtAddr(0x0000_8000_0000_0000).is_canonical());
        assert!(!VirtAddr(0xffff_0000_0000_0000).is_canonical());
    }
}
