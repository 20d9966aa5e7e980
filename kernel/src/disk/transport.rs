//! The way to the virtio disk on the PCI bus.
//!
//! `virtio-drivers` believes what a device says: it would follow a capability list in circles. So the list is walked
//! here first, with a bound, and everything that it points to is checked and mapped. What remains for the crate is to
//! read the same list again.

use super::memory::{KernelMemory, map_registers};
use crate::metal::pci::{self, Function};
use alloc::format;
use alloc::string::{String, ToString};
use virtio_drivers::transport::pci::bus::{Command, ConfigurationAccess, DeviceFunction, PciRoot};
use virtio_drivers::transport::pci::{PciTransport, VIRTIO_VENDOR_ID};

/// PCI device numbers of a virtio block device (virtio 1.1, section 4.1.2): transitional and modern.
const BLOCK_DEVICES: [u16; 2] = [0x1001, 0x1042];
/// Capabilities of 4 bytes that fit into the 192 bytes behind the header: no honest list is longer.
const MAX_CAPABILITIES: usize = 48;
const VENDOR_CAPABILITY: u8 = 0x09;
/// The structures that the driver uses (virtio 1.1, section 4.1.4): common, notify, ISR, device.
const STRUCTURES: core::ops::RangeInclusive<u8> = 1..=4;

/// The disk answers at its registers; its interrupt line stays quiet, because requests are polled for.
const COMMAND: Command = Command::MEMORY_SPACE.union(Command::INTERRUPT_DISABLE);

/// Configuration space as the driver wants to reach it.
#[derive(Debug)]
struct Configuration;

fn address(function: Function) -> DeviceFunction {
    DeviceFunction {
        bus: function.bus,
        device: function.device,
        function: function.number,
    }
}

fn function(address: DeviceFunction) -> Function {
    Function {
        bus: address.bus,
        device: address.device,
        number: address.function,
    }
}

impl ConfigurationAccess for Configuration {
    fn read_word(&self, address: DeviceFunction, offset: u8) -> u32 {
        function(address).read(offset)
    }

    fn write_word(&mut self, address: DeviceFunction, offset: u8, value: u32) {
        // SAFETY: written are the command register and base address registers of the disk: the latter to measure them,
        // with decoding off, and then back to what the firmware chose.
        unsafe { function(address).write(offset, value) };
    }

    unsafe fn unsafe_clone(&self) -> Self {
        Self
    }
}

/// Finds the machine's virtio disk, if it has one.
pub(super) fn find() -> Option<Function> {
    pci::find(|vendor, device| vendor == VIRTIO_VENDOR_ID && BLOCK_DEVICES.contains(&device))
}

/// Lets the disk reach memory and makes its transport. An error says why it is unusable.
pub(super) fn open(disk: Function) -> Result<PciTransport, String> {
    let (mut root, address) = (PciRoot::new(Configuration), address(disk));
    root.set_command(address, COMMAND | Command::BUS_MASTER);
    map_structures(&mut root, address)?;
    PciTransport::new::<KernelMemory, _>(&mut root, address).map_err(|error| error.to_string())
}

/// Takes the disk's access to memory away, so that it answers nothing any more.
pub(super) fn cut_off(disk: Function) {
    PciRoot::new(Configuration).set_command(address(disk), COMMAND);
}

/// Walks the capability list, checks where the virtio structures lie, and maps their registers.
fn map_structures(
    root: &mut PciRoot<Configuration>,
    address: DeviceFunction,
) -> Result<(), String> {
    let mut count = 0;
    for capability in capabilities(function(address)) {
        count += 1;
        if count > MAX_CAPABILITIES {
            return Err("its capability list has no end".to_string());
        }
        let [id, _, _, structure] = function(address).read(capability).to_le_bytes();
        if id != VENDOR_CAPABILITY || !STRUCTURES.contains(&structure) {
            continue;
        }
        if capability > 0xf0 {
            return Err("a capability runs out of configuration space".to_string());
        }
        let [bar, ..] = function(address).read(capability + 4).to_le_bytes();
        let offset = u64::from(function(address).read(capability + 8));
        let length = u64::from(function(address).read(capability + 12));
        map_structure(root, address, bar, offset + length)
            .ok_or_else(|| format!("structure {structure} lies in no usable registers"))?;
    }
    Ok(())
}

/// Maps base address register `bar`, of which a structure takes the bytes up to `end`.
fn map_structure(
    root: &mut PciRoot<Configuration>,
    address: DeviceFunction,
    bar: u8,
    end: u64,
) -> Option<()> {
    if bar > 5 {
        return None;
    }
    let info = root.bar_info(address, bar).ok()??;
    let (start, size) = info.memory_address_size()?;
    let placed = start != 0 && start.checked_add(size).is_some();
    (placed && end <= size && map_registers(start, size)).then_some(())
}

/// The offsets of a function's capabilities. The list may be cyclic.
fn capabilities(function: Function) -> impl Iterator<Item = u8> {
    let has_list = function.read(4) >> 16 & 1 << 4 != 0;
    let first = if has_list {
        function.read(0x34) as u8
    } else {
        0
    };
    let valid = |offset: u8| Some(offset & !3).filter(|&offset| offset >= 0x40);
    core::iter::successors(valid(first), move |&offset| {
        valid((function.read(offset) >> 8) as u8)
    })
}
