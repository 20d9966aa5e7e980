//! The hardware that this crate needs: a way to address other cores' APICs, and a clock.
//!
//! The kernel implements both on metal, `sim` twice on the host: friendly and hostile. No function
//! here can address more than one core: a broadcast INIT-SIPI-SIPI would also start the cores that
//! the MADT lists as disabled, so the trait does not offer it.

use core::fmt;

use crate::ids::ApicId;

/// Level of an INIT interrupt (SDM vol. 3, 11.6.1, ICR bit 14).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum InitLevel {
    /// Resets the core; it then waits for a SIPI.
    Assert,
    /// Ends the reset on processors with a discrete APIC; newer ones ignore it.
    Deassert,
}

/// Where a SIPI makes a core begin, in real mode: the number of a physical 4 KiB page below 1 MiB
/// (SDM vol. 3, 9.4.4.1; the pages 0xa0 to 0xbf are reserved by the protocol).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StartupPage(u8);

impl StartupPage {
    /// The page at physical `address`, or `None` if a SIPI cannot express it.
    pub const fn at(address: u64) -> Option<StartupPage> {
        let page = address >> 12;
        if address & 0xfff != 0 || page == 0 || page > 0xff || (page >= 0xa0 && page <= 0xbf) {
            return None;
        }
        // The comparison above makes the cast exact.
        Some(StartupPage(page as u8))
    }

    /// The SIPI's vector field.
    pub const fn vector(self) -> u8 {
        self.0
    }
}

/// The local APIC did not accept the command in its bounded time (ICR delivery status stayed
/// pending).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BusBusy;

impl fmt::Display for BusBusy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("local APIC did not accept the command")
    }
}

impl core::error::Error for BusBusy {}

/// The interrupt command register of the calling core.
///
/// Accepted does not mean delivered: hardware reports no receipt, and the simulator loses commands.
/// Every use is therefore a request with a bounded wait behind it. Implementations bound their own
/// wait for the previous command and then answer [`BusBusy`].
pub trait ApicBus {
    /// The calling core's own id.
    fn own_id(&self) -> ApicId;

    /// Sends INIT to one core.
    ///
    /// # Errors
    /// [`BusBusy`] if the APIC did not take the command.
    fn send_init(&self, to: ApicId, level: InitLevel) -> Result<(), BusBusy>;

    /// Sends a start-up interrupt to one core.
    ///
    /// # Errors
    /// [`BusBusy`] if the APIC did not take the command.
    fn send_sipi(&self, to: ApicId, page: StartupPage) -> Result<(), BusBusy>;

    /// Sends a fixed interrupt to one core: "look into your mailbox".
    ///
    /// What the caller stored before is visible to the core when the interrupt arrives. An xAPIC's
    /// register write orders that by itself; a WRMSR in x2APIC mode does not, and needs MFENCE and
    /// LFENCE before it (SDM vol. 3, 11.12.3).
    ///
    /// # Errors
    /// [`BusBusy`] if the APIC did not take the command.
    fn send_ipi(&self, to: ApicId) -> Result<(), BusBusy>;

    /// Sends a non-maskable interrupt to one core; the last means to stop a core that does not
    /// answer.
    ///
    /// # Errors
    /// [`BusBusy`] if the APIC did not take the command.
    fn send_nmi(&self, to: ApicId) -> Result<(), BusBusy>;
}

/// Time, in microseconds since some fixed moment.
///
/// The logic of this crate trusts it little: it may jump, and it may stand still. Waits subtract
/// with saturation and count their polls, so that no clock can make one endless.
pub trait Clock {
    /// The time now, in µs.
    fn now_us(&self) -> u64;

    /// Lets time pass, at most until `until_us`: a few `pause` instructions, or `hlt` where a timer
    /// is armed. Returning early is always allowed.
    fn relax(&self, until_us: u64);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn startup_page_must_be_expressible_in_a_sipi() {
        assert_eq!(StartupPage::at(0x8000).map(StartupPage::vector), Some(8));
        assert_eq!(
            StartupPage::at(0xff000).map(StartupPage::vector),
            Some(0xff)
        );
        for bad in [0, 0x8001, 0x10_0000, 0xa_0000, 0xb_f000, u64::MAX] {
            assert_eq!(StartupPage::at(bad), None, "{bad:#x}");
        }
    }
}
