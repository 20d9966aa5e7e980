//! What the boot loader said, as one structure whichever loader it was.
//!
//! Everything here comes from outside and is copied out of physical memory field by field through [`PhysicalMemory`],
//! with a bound on every list. There is no heap yet, so all lists have fixed sizes; what does not fit is counted. A
//! memory map entry that wraps around or is empty is dropped. Later entries that are not usable win over usable ones:
//! the frame allocator adds all usable regions first and removes the others afterwards.

mod multiboot2;
mod pvh;

/// Most entries of a memory map that are kept.
pub const MAX_REGIONS: usize = 128;
/// Most bytes of the command line that are kept.
pub const MAX_COMMAND_LINE: usize = 2048;
/// Most ranges that hold the loader's own data.
pub const MAX_LOADER_RANGES: usize = 8;

/// Read access to physical memory.
pub trait PhysicalMemory {
    /// Copies from `address` into `out`; false when the range cannot be read, and then `out` is unspecified.
    fn read(&self, address: u64, out: &mut [u8]) -> bool;
}

/// What a range of physical addresses may be used for (ACPI 6.5, table 15.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum RegionKind {
    /// Free memory.
    Usable,
    /// Memory that holds ACPI tables.
    AcpiTables,
    /// Memory that the firmware needs.
    AcpiNvs,
    /// Not memory, or not ours.
    #[default]
    Reserved,
}

impl RegionKind {
    /// The meaning of an address range type of the BIOS memory map; both loaders use these numbers.
    fn from_code(code: u32) -> Self {
        match code {
            1 => Self::Usable,
            3 => Self::AcpiTables,
            4 => Self::AcpiNvs,
            _ => Self::Reserved,
        }
    }
}

/// A range `[start, end)` of physical addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Region {
    /// First byte.
    pub start: u64,
    /// One past the last byte.
    pub end: u64,
    /// What it is.
    pub kind: RegionKind,
}

/// A list that never outgrows its array.
#[derive(Clone, Copy, Debug)]
pub struct Bounded<T, const MAX: usize> {
    items: [T; MAX],
    len: usize,
    /// How many items did not fit.
    pub dropped: usize,
}

impl<T: Copy + Default, const MAX: usize> Bounded<T, MAX> {
    const fn new(fill: T) -> Self {
        Self {
            items: [fill; MAX],
            len: 0,
            dropped: 0,
        }
    }

    fn push(&mut self, item: T) {
        if let Some(place) = self.items.get_mut(self.len) {
            *place = item;
            self.len += 1;
        } else {
            self.dropped += 1;
        }
    }

    /// The items in the order of arrival.
    #[must_use]
    pub fn as_slice(&self) -> &[T] {
        &self.items[..self.len]
    }
}

/// Which loader started the kernel; the numbers are those of `boot.s`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loader {
    /// `qemu -kernel` or another PVH loader.
    Pvh,
    /// GRUB or another Multiboot2 loader.
    Multiboot2,
}

impl Loader {
    /// The loader for the number that `boot.s` passes.
    #[must_use]
    pub fn from_code(code: u32) -> Self {
        if code == 0 {
            Self::Pvh
        } else {
            Self::Multiboot2
        }
    }
}

/// What the boot loader said.
#[derive(Clone, Copy, Debug)]
pub struct BootInfo {
    /// The memory map.
    pub regions: Bounded<Region, MAX_REGIONS>,
    /// Where the loader's own structures and modules lie; not to be handed out as free memory.
    pub loader_ranges: Bounded<Region, MAX_LOADER_RANGES>,
    /// Physical address of the ACPI root pointer, if the loader gave one.
    pub rsdp: Option<u64>,
    command_line: Bounded<u8, MAX_COMMAND_LINE>,
}

/// Why the loader's information cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BootInfoError {
    /// A structure lies where no memory can be read.
    Unreadable(u64),
    /// The structure does not begin with its magic number.
    BadMagic(u32),
    /// A size or count in it is impossible.
    BadSize(u64),
    /// There is no usable memory in it.
    NoMemory,
}

impl BootInfo {
    /// Reads the structure at `address` that `loader` passed.
    ///
    /// # Errors
    /// When it is not what that loader's specification says, or names no usable memory.
    pub fn read(
        loader: Loader,
        address: u64,
        memory: &impl PhysicalMemory,
    ) -> Result<Self, BootInfoError> {
        let mut info = Self {
            regions: Bounded::new(Region {
                start: 0,
                end: 0,
                kind: RegionKind::Reserved,
            }),
            loader_ranges: Bounded::new(Region {
                start: 0,
                end: 0,
                kind: RegionKind::Reserved,
            }),
            rsdp: None,
            command_line: Bounded::new(0),
        };
        match loader {
            Loader::Pvh => pvh::read(&mut info, address, memory)?,
            Loader::Multiboot2 => multiboot2::read(&mut info, address, memory)?,
        }
        if info.usable().next().is_none() {
            return Err(BootInfoError::NoMemory);
        }
        Ok(info)
    }

    /// The command line as far as it is UTF-8.
    #[must_use]
    pub fn command_line(&self) -> &str {
        let bytes = self.command_line.as_slice();
        match str::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default(),
        }
    }

    /// The regions of free memory.
    pub fn usable(&self) -> impl Iterator<Item = &Region> {
        self.regions
            .as_slice()
            .iter()
            .filter(|region| region.kind == RegionKind::Usable)
    }

    /// One past the highest byte that is memory of any kind.
    #[must_use]
    pub fn memory_end(&self) -> u64 {
        let memory = self
            .regions
            .as_slice()
            .iter()
            .filter(|region| region.kind != RegionKind::Reserved);
        memory.map(|region| region.end).max().unwrap_or(0)
    }

    fn add_region(&mut self, start: u64, size: u64, code: u32) {
        let Some(end) = start.checked_add(size) else {
            return;
        };
        if size != 0 {
            self.regions.push(Region {
                start,
                end,
                kind: RegionKind::from_code(code),
            });
        }
    }

    fn add_loader_range(&mut self, start: u64, size: u64) {
        let end = start.saturating_add(size);
        self.loader_ranges.push(Region {
            start,
            end,
            kind: RegionKind::Reserved,
        });
    }

    /// Copies a NUL-terminated text of at most `limit` bytes.
    fn read_command_line(&mut self, address: u64, limit: u64, memory: &impl PhysicalMemory) {
        for at in 0..limit.min(MAX_COMMAND_LINE as u64) {
            let mut byte = [0];
            if !memory.read(address.saturating_add(at), &mut byte) || byte[0] == 0 {
                return;
            }
            self.command_line.push(byte[0]);
        }
    }
}

/// Little-endian number of type u32 at `at` in `bytes`; the caller has read at least that much.
fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes[at..at + 4]
        .iter()
        .rev()
        .fold(0, |value, &byte| value << 8 | u32::from(byte))
}

/// Little-endian number of type u64 at `at` in `bytes`.
fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}

/// Reads `N` bytes or says where that failed.
fn read_exact<const N: usize>(
    memory: &impl PhysicalMemory,
    address: u64,
) -> Result<[u8; N], BootInfoError> {
    let mut bytes = [0; N];
    if memory.read(address, &mut bytes) {
        Ok(bytes)
    } else {
        Err(BootInfoError::Unreadable(address))
    }
}

#[cfg(test)]
mod tests;
