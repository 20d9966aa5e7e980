//! Starting the other cores: INIT, SIPI, SIPI, each wait with an end.
//!
//! The sequence is the SDM's (vol. 3, 9.4.4.1): INIT resets a core into "wait for SIPI", a first
//! SIPI makes it run from the start-up page, a second one follows in case the first was lost
//! (QEMU's emulation needed it once in a few hundred boots; a core that already runs ignores it).
//! If the core is still silent, the whole sequence is repeated, `rounds` times in all; that helps
//! when the INIT was what got lost.
//!
//! ```text
//!   Reset ──init_us──► FirstSipi ──sipi_us──► LastSipi ──online_us──► next round, or Lost
//!                          └──────── slot claimed ───────┘
//!                                         ▼
//!                                       Setup ──setup_us──► Lost       slot online, at any time: Started
//! ```
//!
//! Several cores go through it at once (`batch`), each with its own deadlines; the batch's bound
//! keeps started cores from taking the host's time from each other under emulation. Only ids of the
//! topology are addressed, one by one: a broadcast also starts what firmware disabled.
//!
//! # Invariants
//! B1. Every core ends as `Started` or `Lost`, and its slot agrees (`slot` settles the race).
//! B2. A round is repeated only while the slot is unclaimed, so no INIT is sent to a core known to
//!     be ours.
//! B3. The whole takes at most the sum of the waits, whatever the clock does (`wait`).

use alloc::vec::Vec;
use core::fmt;

use crate::bus::{ApicBus, BusBusy, Clock, InitLevel, StartupPage};
use crate::percpu::PerCpu;
use crate::slot::{CoreSlot, SlotState};
use crate::topology::Core;
use crate::wait::Timer;

/// The lengths of the waits and the number of attempts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Timing {
    /// From INIT to the first SIPI, µs.
    pub init_us: u64,
    /// From the first SIPI to the second, µs.
    pub sipi_us: u64,
    /// From the last SIPI until the core has to have claimed its slot, µs.
    pub online_us: u64,
    /// From the claim until the core has to be online, µs.
    pub setup_us: u64,
    /// SIPIs in a round, 1 or 2.
    pub sipis: u8,
    /// How often the sequence is tried in all; at least 1.
    pub rounds: u8,
    /// How many cores are started at the same time; at least 1.
    pub batch: usize,
    /// How many polls a clock may stand still.
    pub max_polls: u32,
}

impl Timing {
    /// For processors since about 2000, and for emulators: short pauses, generous waits for the
    /// answer.
    pub const MODERN: Timing = Timing {
        init_us: 200,
        sipi_us: 10_000,
        online_us: 500_000,
        setup_us: 2_000_000,
        sipis: 2,
        rounds: 2,
        batch: 8,
        max_polls: 50_000_000,
    };

    /// For discrete APICs: the SDM's 10 ms after INIT and 200 µs between the SIPIs.
    pub const LEGACY: Timing = Timing {
        init_us: 10_000,
        sipi_us: 200,
        ..Timing::MODERN
    };
}

/// Why a core was given up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LostReason {
    /// It never ran our code.
    NoAnswer,
    /// It claimed its slot and then never got ready.
    StuckInSetup,
    /// The clock stood still, so no wait could be measured.
    ClockStopped,
}

impl fmt::Display for LostReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            LostReason::NoAnswer => "no answer",
            LostReason::StuckInSetup => "stuck in setup",
            LostReason::ClockStopped => "clock stopped",
        })
    }
}

/// How a start ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ending {
    /// The core is online, so many µs after its first INIT.
    Started {
        /// Duration as the BSP saw it, µs.
        after_us: u64,
    },
    /// The core was given up.
    Lost(LostReason),
}

/// How the start of one core went.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Outcome {
    /// The core.
    pub core: Core,
    /// Online or lost.
    pub ending: Ending,
    /// SIPIs sent in all rounds.
    pub sipis: u8,
    /// Commands that the local APIC did not accept.
    pub refused: u8,
}

/// What an observer of the start-up is told, as it happens.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    /// This core is the next to be started. When the observer returns, all that belongs to the
    /// core's slot has to be ready.
    Preparing(Core),
    /// The start of a core ended.
    Finished(Outcome),
}

/// All that is needed to start cores.
#[derive(Debug)]
pub struct Bringup<'a, B, C> {
    /// The BSP's interrupt command register.
    pub bus: &'a B,
    /// The BSP's clock.
    pub clock: &'a C,
    /// One slot per core of the topology.
    pub slots: &'a PerCpu<CoreSlot>,
    /// Where cores begin.
    pub page: StartupPage,
    /// How long to wait for what.
    pub timing: Timing,
}

impl<B: ApicBus, C: Clock> Bringup<'_, B, C> {
    /// Starts `aps` and returns one outcome for each, in the same order. The slot of every one of
    /// them exists.
    pub fn run(&self, aps: &[Core], mut observe: impl FnMut(Event)) -> Vec<Outcome> {
        let mut timer = Timer::new(self.clock);
        let mut outcomes = Vec::with_capacity(aps.len());
        for batch in aps.chunks(self.timing.batch.max(1)) {
            let mut starts: Vec<Start> = Vec::with_capacity(batch.len());
            for core in batch {
                observe(Event::Preparing(*core));
                self.slots[core.id].open();
                starts.push(self.begin(*core, timer.elapsed_us()));
            }
            self.drive(&mut starts, &mut timer, &mut observe);
            outcomes.extend(starts.iter().map(Start::outcome));
        }
        outcomes
    }

    /// Steps all cores of a batch until each has ended.
    fn drive(
        &self,
        starts: &mut [Start],
        timer: &mut Timer<'_, C>,
        observe: &mut impl FnMut(Event),
    ) {
        loop {
            let stopped = timer.stands_still_for(self.timing.max_polls);
            let mut next_deadline = None;
            for start in starts.iter_mut().filter(|start| start.ending.is_none()) {
                if stopped {
                    self.give_up(start, timer.elapsed_us(), LostReason::ClockStopped);
                } else {
                    self.step(start, timer.elapsed_us());
                }
                match start.ending {
                    Some(_) => observe(Event::Finished(start.outcome())),
                    None => {
                        let deadline = start.since_us + self.limit_us(start.phase);
                        next_deadline =
                            Some(next_deadline.map_or(deadline, |d: u64| d.min(deadline)));
                    }
                }
            }
            match next_deadline {
                Some(deadline_us) => timer.pass_until(deadline_us),
                None => return,
            }
        }
    }

    /// The first command for a core.
    fn begin(&self, core: Core, now_us: u64) -> Start {
        let mut start = Start {
            core,
            phase: Phase::Reset,
            began_us: now_us,
            since_us: now_us,
            rounds: 1,
            sipis: 0,
            refused: 0,
            ending: None,
        };
        start.note(self.bus.send_init(core.apic, InitLevel::Assert));
        start
    }

    /// Looks at the slot, and moves on if the present phase's time is over.
    fn step(&self, start: &mut Start, now_us: u64) {
        match self.slots[start.core.id].state() {
            SlotState::Online => return start.end(started(start, now_us)),
            SlotState::Claimed if start.phase != Phase::Setup => start.enter(Phase::Setup, now_us),
            _ => {}
        }
        if now_us.saturating_sub(start.since_us) < self.limit_us(start.phase) {
            return;
        }
        let apic = start.core.apic;
        match start.phase {
            Phase::Reset => {
                start.note(self.bus.send_init(apic, InitLevel::Deassert));
                self.sipi(start);
                let last = self.timing.sipis < 2;
                start.enter(
                    if last {
                        Phase::LastSipi
                    } else {
                        Phase::FirstSipi
                    },
                    now_us,
                );
            }
            Phase::FirstSipi => {
                self.sipi(start);
                start.enter(Phase::LastSipi, now_us);
            }
            Phase::LastSipi if start.rounds < self.timing.rounds => {
                start.rounds += 1;
                start.note(self.bus.send_init(apic, InitLevel::Assert));
                start.enter(Phase::Reset, now_us);
            }
            Phase::LastSipi => self.give_up(start, now_us, LostReason::NoAnswer),
            Phase::Setup => self.give_up(start, now_us, LostReason::StuckInSetup),
        }
    }

    fn sipi(&self, start: &mut Start) {
        start.sipis += 1;
        start.note(self.bus.send_sipi(start.core.apic, self.page));
    }

    /// Races the core for its slot. If the core wins by going on a step, it gets the time of that
    /// step.
    fn give_up(&self, start: &mut Start, now_us: u64, reason: LostReason) {
        let slot = &self.slots[start.core.id];
        // Three tries cover every way the core can be ahead: unclaimed, claimed, online.
        for _ in 0..3 {
            match slot.state() {
                SlotState::Online => return start.end(started(start, now_us)),
                SlotState::Claimed if reason == LostReason::NoAnswer => {
                    return start.enter(Phase::Setup, now_us);
                }
                state if slot.declare_lost(state) => break,
                _ => {}
            }
        }
        start.end(Ending::Lost(reason));
    }

    /// How long a phase may last, µs.
    fn limit_us(&self, phase: Phase) -> u64 {
        match phase {
            Phase::Reset => self.timing.init_us,
            Phase::FirstSipi => self.timing.sipi_us,
            Phase::LastSipi => self.timing.online_us,
            Phase::Setup => self.timing.setup_us,
        }
    }
}

/// Where in the sequence a core is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    Reset,
    FirstSipi,
    LastSipi,
    Setup,
}

/// One core's way through the sequence. Times are the timer's, µs.
struct Start {
    core: Core,
    phase: Phase,
    began_us: u64,
    since_us: u64,
    rounds: u8,
    sipis: u8,
    refused: u8,
    ending: Option<Ending>,
}

impl Start {
    fn enter(&mut self, phase: Phase, now_us: u64) {
        self.phase = phase;
        self.since_us = now_us;
    }

    fn end(&mut self, ending: Ending) {
        self.ending = Some(ending);
    }

    /// A refused command is a lost one: the retry that follows covers both.
    fn note(&mut self, sent: Result<(), BusBusy>) {
        self.refused = self.refused.saturating_add(u8::from(sent.is_err()));
    }

    fn outcome(&self) -> Outcome {
        Outcome {
            core: self.core,
            // `drive` returns only when every start has ended.
            ending: self.ending.unwrap_or(Ending::Lost(LostReason::NoAnswer)),
            sipis: self.sipis,
            refused: self.refused,
        }
    }
}

fn started(start: &Start, now_us: u64) -> Ending {
    Ending::Started {
        after_us: now_us.saturating_sub(start.began_us),
    }
}

#[cfg(test)]
#[path = "bringup_tests.rs"]
mod tests;
