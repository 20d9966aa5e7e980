//! The PVH start information (Xen's `hvm_start_info`, docs/misc/pvh.pandoc of Xen).
//!
//! Version 1 or later is required: version 0 has no memory map.

use super::{
    BootInfo, BootInfoError, MAX_LOADER_RANGES, MAX_REGIONS, PhysicalMemory, read_exact, u32_at,
    u64_at,
};

const MAGIC: u32 = 0x336e_c578;
const INFO_BYTES: u64 = 56;
const REGION_BYTES: u64 = 24;
const MODULE_BYTES: u64 = 32;

pub(super) fn read(
    info: &mut BootInfo,
    address: u64,
    memory: &impl PhysicalMemory,
) -> Result<(), BootInfoError> {
    let start = read_exact::<{ INFO_BYTES as usize }>(memory, address)?;
    if u32_at(&start, 0) != MAGIC {
        return Err(BootInfoError::BadMagic(u32_at(&start, 0)));
    }
    if u32_at(&start, 4) < 1 {
        return Err(BootInfoError::BadSize(u64::from(u32_at(&start, 4))));
    }
    info.add_loader_range(address, INFO_BYTES);
    read_modules(info, u64_at(&start, 16), u32_at(&start, 12), memory)?;
    let command_line = u64_at(&start, 24);
    if command_line != 0 {
        info.read_command_line(command_line, u64::MAX, memory);
    }
    info.rsdp = Some(u64_at(&start, 32)).filter(|&rsdp| rsdp != 0);
    read_map(info, u64_at(&start, 40), u32_at(&start, 48), memory)
}

/// Modules are not used, but their memory must not be handed out.
fn read_modules(
    info: &mut BootInfo,
    list: u64,
    count: u32,
    memory: &impl PhysicalMemory,
) -> Result<(), BootInfoError> {
    if count as usize > MAX_LOADER_RANGES / 2 {
        return Err(BootInfoError::BadSize(u64::from(count)));
    }
    for at in 0..u64::from(count) {
        let entry = read_exact::<{ MODULE_BYTES as usize }>(
            memory,
            list.saturating_add(at * MODULE_BYTES),
        )?;
        info.add_loader_range(u64_at(&entry, 0), u64_at(&entry, 8));
    }
    Ok(())
}

fn read_map(
    info: &mut BootInfo,
    map: u64,
    count: u32,
    memory: &impl PhysicalMemory,
) -> Result<(), BootInfoError> {
    if count as usize > MAX_REGIONS {
        return Err(BootInfoError::BadSize(u64::from(count)));
    }
    for at in 0..u64::from(count) {
        let entry =
            read_exact::<{ REGION_BYTES as usize }>(memory, map.saturating_add(at * REGION_BYTES))?;
        info.add_region(u64_at(&entry, 0), u64_at(&entry, 8), u32_at(&entry, 16));
    }
    Ok(())
}
