//! The Multiboot2 information (specification version 2.0, section 3.6): a list of tags.

use super::{BootInfo, BootInfoError, PhysicalMemory, read_exact, u32_at, u64_at};

/// More than this is no sane information structure.
const MAX_BYTES: u64 = 1 << 20;
const TAG_HEAD: u64 = 8;
const TAG_END: u32 = 0;
const TAG_COMMAND_LINE: u32 = 1;
const TAG_MODULE: u32 = 3;
const TAG_MEMORY_MAP: u32 = 6;
const TAG_ACPI_OLD: u32 = 14;
const TAG_ACPI_NEW: u32 = 15;

pub(super) fn read(
    info: &mut BootInfo,
    address: u64,
    memory: &impl PhysicalMemory,
) -> Result<(), BootInfoError> {
    let head = read_exact::<8>(memory, address)?;
    let total = u64::from(u32_at(&head, 0));
    if !(16..=MAX_BYTES).contains(&total) {
        return Err(BootInfoError::BadSize(total));
    }
    info.add_loader_range(address, total);
    let mut at = 8;
    while at + TAG_HEAD <= total {
        let tag = address.saturating_add(at);
        let head = read_exact::<{ TAG_HEAD as usize }>(memory, tag)?;
        let (kind, size) = (u32_at(&head, 0), u64::from(u32_at(&head, 4)));
        if kind == TAG_END {
            return Ok(());
        }
        if size < TAG_HEAD || size > total - at {
            return Err(BootInfoError::BadSize(size));
        }
        read_tag(info, kind, tag + TAG_HEAD, size - TAG_HEAD, memory)?;
        at += size.next_multiple_of(8);
    }
    Ok(())
}

/// Takes over one tag whose contents are `size` bytes at `address`; unknown ones are skipped.
fn read_tag(
    info: &mut BootInfo,
    kind: u32,
    address: u64,
    size: u64,
    memory: &impl PhysicalMemory,
) -> Result<(), BootInfoError> {
    match kind {
        TAG_COMMAND_LINE => info.read_command_line(address, size, memory),
        TAG_MODULE if size >= 8 => {
            let range = read_exact::<8>(memory, address)?;
            let (start, end) = (u64::from(u32_at(&range, 0)), u64::from(u32_at(&range, 4)));
            info.add_loader_range(start, end.saturating_sub(start));
        }
        TAG_MEMORY_MAP if size >= 8 => read_map(info, address, size, memory)?,
        // The tag holds a copy of the root pointer. The new one (ACPI 2.0 and later) wins.
        TAG_ACPI_OLD if info.rsdp.is_none() => info.rsdp = Some(address),
        TAG_ACPI_NEW => info.rsdp = Some(address),
        _ => {}
    }
    Ok(())
}

fn read_map(
    info: &mut BootInfo,
    address: u64,
    size: u64,
    memory: &impl PhysicalMemory,
) -> Result<(), BootInfoError> {
    let entry_size = u64::from(u32_at(&read_exact::<8>(memory, address)?, 0));
    if entry_size < 24 {
        return Err(BootInfoError::BadSize(entry_size));
    }
    let mut at = 8;
    while at + entry_size <= size {
        let entry = read_exact::<24>(memory, address + at)?;
        info.add_region(u64_at(&entry, 0), u64_at(&entry, 8), u32_at(&entry, 16));
        at += entry_size;
    }
    Ok(())
}
