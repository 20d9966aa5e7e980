//! 16550 serial ports by polling: COM1 for people, COM2 for machines.
//!
//! Every wait is bounded: a port that does not exist (reads 0xff) or never drains loses bytes instead of holding the
//! core. Only one core at a time may use a port: the BSP, or the core that panics after it stopped the others.

use x86::io::{inb, outb};

/// I/O base of the first serial port.
pub(crate) const COM1: Uart = Uart { base: 0x3f8 };
/// I/O base of the second serial port.
pub(crate) const COM2: Uart = Uart { base: 0x2f8 };

/// Polls of the line status before a byte is given up; about a millisecond on real hardware.
const MAX_POLLS: u32 = 10_000;
const LINE_STATUS: u16 = 5;
const TRANSMIT_EMPTY: u8 = 1 << 5;
const RECEIVED: u8 = 1 << 0;

/// One serial port.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Uart {
    base: u16,
}

impl Uart {
    /// Sets 115200 baud, 8 data bits, no parity, FIFOs on, interrupts off.
    pub(crate) fn initialise(self) {
        for (register, value) in [
            (1, 0x00),
            (3, 0x80),
            (0, 0x01),
            (1, 0x00),
            (3, 0x03),
            (2, 0xc7),
            (4, 0x0b),
        ] {
            self.write_register(register, value);
        }
    }

    /// Sends all bytes, with carriage returns before line feeds.
    pub(crate) fn write(self, bytes: &[u8]) {
        for &byte in bytes {
            if byte == b'\n' {
                self.send(b'\r');
            }
            self.send(byte);
        }
    }

    /// The next received byte, if there is one.
    pub(crate) fn receive(self) -> Option<u8> {
        let status = self.read_register(LINE_STATUS);
        (status != 0xff && status & RECEIVED != 0).then(|| self.read_register(0))
    }

    fn send(self, byte: u8) {
        let ready = (0..MAX_POLLS).any(|_| self.read_register(LINE_STATUS) & TRANSMIT_EMPTY != 0);
        if ready {
            self.write_register(0, byte);
        }
    }

    fn read_register(self, register: u16) -> u8 {
        // SAFETY: the ports of a UART; reading them touches no memory.
        unsafe { inb(self.base + register) }
    }

    fn write_register(self, register: u16, value: u8) {
        // SAFETY: the ports of a UART; writing them touches no memory.
        unsafe { outb(self.base + register, value) }
    }
}
