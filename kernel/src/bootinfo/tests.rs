//! Boot information from byte fixtures, honest and hostile.

use super::*;
use std::vec;
use std::vec::Vec;

/// Memory that exists only at `[base, base + bytes.len())`.
struct Fixture {
    base: u64,
    bytes: Vec<u8>,
}

impl PhysicalMemory for Fixture {
    fn read(&self, address: u64, out: &mut [u8]) -> bool {
        let Some(at) = address
            .checked_sub(self.base)
            .and_then(|at| usize::try_from(at).ok())
        else {
            return false;
        };
        match at
            .checked_add(out.len())
            .and_then(|end| self.bytes.get(at..end))
        {
            Some(bytes) => {
                out.copy_from_slice(bytes);
                true
            }
            None => false,
        }
    }
}

fn put(bytes: &mut Vec<u8>, values: &[(u64, usize)]) {
    for &(value, size) in values {
        bytes.extend_from_slice(&value.to_le_bytes()[..size]);
    }
}

/// Start information at 0x1000, its command line at 0x1100, its map at 0x1200.
fn pvh(regions: &[(u64, u64, u64)]) -> Fixture {
    let mut bytes = Vec::new();
    put(
        &mut bytes,
        &[
            (0x336e_c578, 4),
            (1, 4),
            (0, 4),
            (0, 4),
            (0, 8),
            (0x1100, 8),
            (0xf5000, 8),
            (0x1200, 8),
        ],
    );
    put(&mut bytes, &[(regions.len() as u64, 4), (0, 4)]);
    bytes.resize(0x100, 0);
    bytes.extend_from_slice(b"test=ipi\0");
    bytes.resize(0x200, 0);
    for &(start, size, kind) in regions {
        put(&mut bytes, &[(start, 8), (size, 8), (kind, 4), (0, 4)]);
    }
    Fixture {
        base: 0x1000,
        bytes,
    }
}

fn multiboot2(tags: &[(u32, Vec<u8>)]) -> Fixture {
    let mut bytes = vec![0; 8];
    for (kind, contents) in tags {
        put(
            &mut bytes,
            &[(u64::from(*kind), 4), (contents.len() as u64 + 8, 4)],
        );
        bytes.extend_from_slice(contents);
        bytes.resize(bytes.len().next_multiple_of(8), 0);
    }
    put(&mut bytes, &[(0, 4), (8, 4)]);
    let total = bytes.len() as u32;
    bytes[..4].copy_from_slice(&total.to_le_bytes());
    Fixture {
        base: 0x9000,
        bytes,
    }
}

fn map_tag(entry_size: u64, regions: &[(u64, u64, u64)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    put(&mut bytes, &[(entry_size, 4), (0, 4)]);
    for &(start, size, kind) in regions {
        put(&mut bytes, &[(start, 8), (size, 8), (kind, 4), (0, 4)]);
    }
    bytes
}

#[test]
fn pvh_is_read_whole() {
    let memory = pvh(&[
        (0, 0x9fc00, 1),
        (0x10_0000, 0x100_0000, 1),
        (0x200_0000, 0x1000, 3),
        (0xb000_0000, 0x1000, 2),
    ]);
    let info = BootInfo::read(Loader::Pvh, 0x1000, &memory).unwrap();
    assert_eq!(info.command_line(), "test=ipi");
    assert_eq!(info.rsdp, Some(0xf5000));
    assert_eq!(info.usable().count(), 2);
    assert_eq!(
        info.memory_end(),
        0x200_1000,
        "the reserved region is not memory"
    );
}

#[test]
fn multiboot2_is_read_whole() {
    let memory = multiboot2(&[
        (1, b"loglevel=debug\0".to_vec()),
        (42, vec![1, 2, 3]),
        (6, map_tag(24, &[(0x10_0000, 0x1000, 1)])),
        (14, vec![0; 20]),
        (15, vec![0; 36]),
    ]);
    let info = BootInfo::read(Loader::Multiboot2, 0x9000, &memory).unwrap();
    assert_eq!(info.command_line(), "loglevel=debug");
    assert_eq!(
        info.usable()
            .next()
            .map(|region| (region.start, region.end)),
        Some((0x10_0000, 0x10_1000))
    );
    let new_tag = 0x9000 + memory.bytes.len() as u64 - 8 - 40;
    assert_eq!(
        info.rsdp,
        Some(new_tag),
        "the contents of tag 15 win over those of tag 14"
    );
}

#[test]
fn lying_structures_are_refused() {
    let read = |memory: &Fixture| BootInfo::read(Loader::Pvh, 0x1000, memory).map(|_| ());
    let mut memory = pvh(&[(0, 0x1000, 1)]);
    memory.bytes[48..52].copy_from_slice(&9999u32.to_le_bytes());
    assert_eq!(read(&memory), Err(BootInfoError::BadSize(9999)));
    let mut memory = pvh(&[(0, 0x1000, 1)]);
    memory.bytes[40..48].copy_from_slice(&u64::MAX.to_le_bytes());
    assert_eq!(read(&memory), Err(BootInfoError::Unreadable(u64::MAX)));
    let mut memory = pvh(&[(0, 0x1000, 1)]);
    memory.bytes[0] = 0;
    assert_eq!(read(&memory), Err(BootInfoError::BadMagic(0x336e_c500)));
    assert_eq!(
        read(&pvh(&[(0, 0x1000, 2), (u64::MAX, 2, 1), (0x5000, 0, 1)])),
        Err(BootInfoError::NoMemory)
    );
}

#[test]
fn every_damaged_byte_of_a_tag_list_is_survived() {
    let good = multiboot2(&[
        (1, b"a=b\0".to_vec()),
        (6, map_tag(24, &[(0x10_0000, 0x1000, 1)])),
        (3, vec![0; 9]),
    ]);
    for at in 0..good.bytes.len() {
        for value in [0, 1, 7, 0x7f, 0xff] {
            let mut memory = Fixture {
                base: good.base,
                bytes: good.bytes.clone(),
            };
            memory.bytes[at] = value;
            // Any answer is fine; only its absence (a panic, an endless loop) would be a failure.
            let _answer = BootInfo::read(Loader::Multiboot2, good.base, &memory);
        }
    }
}
