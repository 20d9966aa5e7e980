//! Asking other cores to do something, and knowing that they did.
//!
//! [`Calls::post`] leaves a request in the mailboxes of some cores and interrupts them;
//! [`Calls::wait`] waits, bounded, for their acknowledgements. Requests whose answer nobody needs
//! (`Wake`) are only posted.
//!
//! # Why two cores that wait for each other do not wait for ever
//! Waits happen with interrupts off, so the interrupt of the other core does not get through. But a
//! waiter serves its own mailbox at every poll, and serving never waits (a [`Responder`] has no
//! means to). So of any circle of waiters each acknowledges the others' requests within one poll.
//! With `DeafWaiter` a test shows the circle stuck.
//!
//! # Cores that do not answer
//! A missed deadline makes a core *lost*: nobody waits for it again. It may still be running, with
//! old translations, so it gets an NMI, and whoever finds itself lost ([`Calls::is_lost`], in the
//! NMI handler, or [`Verdict::Park`] from [`Calls::serve`]) halts after [`Calls::halted`]. Until it
//! has said so, it stays in the way of everything that needs its agreement: `wait` reports it as
//! silent without waiting, and the caller must not reuse what that core could still reach.
//!
//! # Invariants
//! C1. `wait` returns `Ok` only if every target has acknowledged, or has halted for good.
//! C2. A core in `lost` never leaves it. A core in `halted` executes nothing any more.
//! C3. A core is declared lost only by a waiter whose own request it left unanswered for the limit.

use alloc::vec::Vec;
use core::fmt;

use crate::bus::{ApicBus, Clock};
use crate::coreset::{CoreMask, CoreSet};
use crate::ids::{ApicId, CoreId, MAX_CORES};
use crate::mailbox::{Kind, Mailbox};
use crate::percpu::PerCpu;
use crate::topology::Core;
use crate::wait::Timer;
#[cfg(test)]
use crate::weaken::Weakness;
use crate::weaken::weak;

pub use crate::mailbox::{Flush, Request, Responder, SpaceId, Tlb};
pub use crate::wait::Limit;

/// The mailboxes of all cores.
#[derive(Debug)]
pub struct Calls {
    boxes: PerCpu<Mailbox>,
    apics: Vec<ApicId>,
    lost: CoreSet,
    halted: CoreSet,
    #[cfg(test)]
    weakness: Weakness,
}

/// What a core has to do after it looked into its mailbox.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use = "a core that is told to park must not go on"]
pub enum Verdict {
    /// Carry on.
    Continue,
    /// The core was declared lost or asked to stop: halt for ever, interrupts off.
    Park,
}

/// Cores that did not acknowledge in time, or were lost before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Silent {
    /// All of them: none may be assumed to have done what was asked.
    pub cores: CoreMask,
    /// Those that this wait declared lost, to be reported.
    pub newly_lost: CoreMask,
}

impl fmt::Display for Silent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no answer from cores {}", self.cores)
    }
}

impl core::error::Error for Silent {}

/// What to wait for: one ticket per core that was asked.
#[derive(Debug)]
pub struct Receipt {
    kind: Kind,
    targets: CoreMask,
    /// Targets that were lost before and have not halted.
    silent: CoreMask,
    /// Targets whose interrupt the local APIC did not take yet.
    unrung: CoreMask,
    tickets: [u64; MAX_CORES],
}

impl Calls {
    /// Empty mailboxes for these cores.
    pub fn new(cores: &[Core]) -> Calls {
        Calls {
            boxes: PerCpu::new(cores.len(), |_| Mailbox::new()),
            apics: cores.iter().map(|core| core.apic).collect(),
            lost: CoreSet::new(),
            halted: CoreSet::new(),
            #[cfg(test)]
            weakness: Weakness::None,
        }
    }

    /// The same with a step left out.
    #[cfg(test)]
    pub(crate) fn weakened(cores: &[Core], weakness: Weakness) -> Calls {
        let boxes = PerCpu::new(cores.len(), |_| Mailbox::weakened(weakness));
        Calls {
            boxes,
            weakness,
            ..Calls::new(cores)
        }
    }

    /// Asks the cores of `to` (`me`, the caller, excepted) and interrupts them.
    pub fn post(&self, me: CoreId, to: CoreMask, request: Request, bus: &impl ApicBus) -> Receipt {
        // A core that halted agrees with everything (C2).
        let to = to.without(me).minus(self.halted.snapshot());
        let silent = to.and(self.lost.snapshot());
        let targets = to.minus(silent);
        let mut receipt = Receipt {
            kind: request.kind(),
            targets,
            silent,
            unrung: CoreMask::EMPTY,
            tickets: [0; MAX_CORES],
        };
        for core in &targets {
            receipt.tickets[core.index()] = self.boxes[core].post(request);
            if !self.ring(core, bus) {
                receipt.unrung = receipt.unrung.with(core);
            }
        }
        receipt
    }

    /// Waits until all targets have acknowledged; serves the caller's own mailbox meanwhile.
    ///
    /// # Errors
    /// [`Silent`] if some did not within `limit`; those are declared lost and get an NMI.
    pub fn wait<B: ApicBus, C: Clock>(
        &self,
        me: CoreId,
        mut receipt: Receipt,
        limit: Limit,
        (bus, clock): (&B, &C),
        responder: &mut impl Responder,
    ) -> Result<(), Silent> {
        let mut timer = Timer::new(clock);
        let mut left = receipt.targets;
        loop {
            left = left
                .iter()
                .filter(|core| !self.has_answered(*core, &receipt))
                .collect();
            if left.is_empty() || timer.is_over(limit) {
                break;
            }
            for core in &receipt.unrung.and(left) {
                if self.ring(core, bus) {
                    receipt.unrung = receipt.unrung.without(core);
                }
            }
            if !weak!(self, DeafWaiter) && self.serve(me, responder) == Verdict::Park {
                // Whoever is lost itself judges nobody (C3). It meets the verdict again and parks.
                return Err(Silent {
                    cores: left.or(receipt.silent),
                    newly_lost: CoreMask::EMPTY,
                });
            }
            timer.pass_until(limit.us);
        }
        self.judge(left, receipt.silent, bus)
    }

    /// Does all that others have asked the calling core for. Called by the interrupt handler, by
    /// waiters, and before the core goes to sleep; interrupts are off.
    pub fn serve(&self, me: CoreId, responder: &mut impl Responder) -> Verdict {
        if self.lost.contains(me) {
            return Verdict::Park;
        }
        if self.boxes[me].serve(responder) {
            self.halted(me);
            responder.stop();
            return Verdict::Park;
        }
        Verdict::Continue
    }

    /// Stops all `others`: first by request, then by NMI. For panics and power-off. Returns the
    /// cores that did not confirm even then.
    pub fn stop<B: ApicBus, C: Clock>(
        &self,
        me: CoreId,
        others: CoreMask,
        limit: Limit,
        (bus, clock): (&B, &C),
        responder: &mut impl Responder,
    ) -> CoreMask {
        let receipt = self.post(me, others, Request::Stop, bus);
        if self
            .wait(me, receipt, limit, (bus, clock), responder)
            .is_ok()
        {
            return CoreMask::EMPTY;
        }
        let running = || others.without(me).minus(self.halted.snapshot());
        let mut timer = Timer::new(clock);
        while !running().is_empty() && !timer.is_over(limit) {
            timer.pass_until(limit.us);
        }
        running()
    }

    /// Whether `core` was declared lost. A core that finds this of itself calls [`Calls::halted`]
    /// and halts.
    pub fn is_lost(&self, core: CoreId) -> bool {
        self.lost.contains(core)
    }

    /// The last words of a core: it uses no memory, no translation and no code from here on.
    pub fn halted(&self, me: CoreId) {
        self.halted.insert(me);
    }

    /// The cores that were declared lost.
    pub fn lost(&self) -> CoreMask {
        self.lost.snapshot()
    }

    /// Whether `core` needs no more waiting for.
    fn has_answered(&self, core: CoreId, receipt: &Receipt) -> bool {
        let ticket = receipt.tickets[core.index()];
        self.boxes[core].is_served(receipt.kind, ticket) || self.halted.contains(core)
    }

    /// Declares the cores in `left` lost, those in `silent` were it before.
    fn judge(&self, left: CoreMask, silent: CoreMask, bus: &impl ApicBus) -> Result<(), Silent> {
        if left.or(silent).is_empty() {
            return Ok(());
        }
        let mut newly_lost = CoreMask::EMPTY;
        for core in &left {
            if self.lost.insert(core) {
                newly_lost = newly_lost.with(core);
            }
            // Refused or not: the core also finds out when it next serves its mailbox.
            let _ = bus.send_nmi(self.apics[core.index()]);
        }
        Err(Silent {
            cores: left.or(silent),
            newly_lost,
        })
    }

    /// Interrupts `core`; `false` if the local APIC was busy.
    fn ring(&self, core: CoreId, bus: &impl ApicBus) -> bool {
        bus.send_ipi(self.apics[core.index()]).is_ok()
    }
}

#[cfg(test)]
#[path = "call_tests.rs"]
mod tests;
