//! PCI configuration space through the ports 0xCF8 and 0xCFC (PCI Local Bus Specification 3.0, section 3.2.2.3.2).
//!
//! Every PC has this way in, and it needs no table of the firmware. An access is two port accesses, so a lock keeps
//! another core from coming between them; it is held for just these two.

use spin::Mutex;
use x86::io;

const ADDRESS_PORT: u16 = 0xcf8;
const DATA_PORT: u16 = 0xcfc;
/// Bit of the address port that makes the data port reach configuration space.
const ENABLE: u32 = 1 << 31;
/// What a register of a function that is not there reads as.
const NOBODY: u32 = u32::MAX;
/// Bit of the register at 0x0c: the device has more than one function.
const MULTIFUNCTION: u32 = 1 << 23;

static PORTS: Mutex<()> = Mutex::new(());

/// A function of a device on a bus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Function {
    /// 0 to 255.
    pub(crate) bus: u8,
    /// 0 to 31.
    pub(crate) device: u8,
    /// 0 to 7.
    pub(crate) number: u8,
}

impl Function {
    /// Reads the 32-bit register at `offset` bytes, a multiple of 4.
    pub(crate) fn read(self, offset: u8) -> u32 {
        let _guard = PORTS.lock();
        self.select(offset);
        // SAFETY: reads the register just selected; configuration registers have no effect on memory when read.
        unsafe { io::inl(DATA_PORT) }
    }

    /// Writes the 32-bit register at `offset` bytes, a multiple of 4.
    ///
    /// # Safety
    /// The device must not be made to touch memory that is not set aside for it, nor be moved over memory.
    pub(crate) unsafe fn write(self, offset: u8, value: u32) {
        let _guard = PORTS.lock();
        self.select(offset);
        // SAFETY: forwarded to the caller.
        unsafe { io::outl(DATA_PORT, value) };
    }

    /// The function's device and vendor number in the upper and lower half, or `None` if it does not exist.
    fn identity(self) -> Option<(u16, u16)> {
        match self.read(0) {
            NOBODY => None,
            word => Some(((word >> 16) as u16, word as u16)),
        }
    }

    fn select(self, offset: u8) {
        let function = u32::from(self.device & 31) << 11 | u32::from(self.number & 7) << 8;
        let address = ENABLE | u32::from(self.bus) << 16 | function | u32::from(offset & !3);
        // SAFETY: selects what the data port shows; nothing else happens.
        unsafe { io::outl(ADDRESS_PORT, address) };
    }
}

/// Finds the first function for which `wanted(vendor, device)` holds. Looks at each of the 8192 places for a device
/// once, and at functions 1 to 7 only of devices that say they have them.
pub(crate) fn find(wanted: impl Fn(u16, u16) -> bool) -> Option<Function> {
    let places = (0..=255).flat_map(|bus| (0..32).map(move |device| (bus, device)));
    let functions = places.flat_map(|(bus, device)| {
        (0..function_count(bus, device)).map(move |number| Function {
            bus,
            device,
            number,
        })
    });
    functions.into_iter().find(|function| {
        function
            .identity()
            .is_some_and(|(device, vendor)| wanted(vendor, device))
    })
}

fn function_count(bus: u8, device: u8) -> u8 {
    let first = Function {
        bus,
        device,
        number: 0,
    };
    match first.identity() {
        None => 0,
        Some(_) if first.read(0x0c) & MULTIFUNCTION != 0 => 8,
        Some(_) => 1,
    }
}
