//! A machine whose cores start as told, or late, twice, half, or not at all.
//!
//! Each [`CoreModel`] says how one physical core behaves; several may have the same APIC id.
//! Commands and deadlines are the only events, time moves only in [`Clock::relax`], and everything
//! is logged. A core's side of the handshake is the production code of `slot`; with
//! [`Machine::without_handshake`] cores ignore its answers, as a kernel would that trusts its
//! time-outs.

use alloc::vec::Vec;
use core::cell::RefCell;

use crate::bus::{ApicBus, BusBusy, Clock, InitLevel, StartupPage};
use crate::ids::{ApicId, CoreId};
use crate::percpu::PerCpu;
use crate::slot::{Claim, CoreSlot};
use crate::topology::Core;

/// How a core behaves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CoreModel {
    /// The id it listens to.
    pub apic: ApicId,
    /// From SIPI to its first instruction that matters, µs; `u64::MAX`: never.
    pub boot_us: u64,
    /// From its claim to online, µs; `u64::MAX`: it hangs.
    pub setup_us: u64,
    /// This many INITs get lost on the way to it.
    pub lose_inits: u32,
    /// This many SIPIs get lost on the way to it.
    pub lose_sipis: u32,
    /// After it is up it starts over once, as after a spurious reset.
    pub answers_twice: bool,
}

impl CoreModel {
    /// A core that does as it is told, at once.
    pub fn healthy(apic: u32) -> CoreModel {
        CoreModel {
            apic: ApicId(apic),
            boot_us: 100,
            setup_us: 50,
            lose_inits: 0,
            lose_sipis: 0,
            answers_twice: false,
        }
    }
}

/// How the clock behaves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TimeModel {
    /// As clocks should.
    Steady,
    /// It shows the same moment for ever.
    Frozen,
    /// At every tenth reading it is an hour ahead, at the next it is back.
    Jumping,
}

/// A command that the BSP gave.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Command {
    /// INIT with a level.
    Init(ApicId, InitLevel),
    /// Start-up.
    Sipi(ApicId, StartupPage),
    /// Fixed interrupt.
    Ipi(ApicId),
    /// Non-maskable interrupt.
    Nmi(ApicId),
}

/// What a core is doing. Times are the machine's, µs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Doing {
    /// Whatever firmware left it in; it does not listen to SIPIs.
    Firmware,
    /// INIT was received.
    WaitForSipi,
    /// A SIPI was received; at this time it asks for its slot.
    Boot(u64),
    /// It owns its slot; at this time it goes online.
    Setup(u64),
    Up,
    Parked,
}

struct SimCore {
    model: CoreModel,
    doing: Doing,
}

struct State {
    now_us: u64,
    readings: u64,
    busy: u32,
    cores: Vec<SimCore>,
    commands: Vec<Command>,
    joined: Vec<CoreId>,
}

/// Bus, clock and cores in one.
pub struct Machine<'a> {
    slots: &'a PerCpu<CoreSlot>,
    listed: Vec<Core>,
    time: TimeModel,
    handshake: bool,
    state: RefCell<State>,
}

impl core::fmt::Debug for Machine<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Machine")
            .field("listed", &self.listed)
            .finish_non_exhaustive()
    }
}

impl<'a> Machine<'a> {
    /// A machine with these physical APs. `listed` is what the kernel knows of them, BSP first; an
    /// arriving core looks itself up there by its APIC id, as the start-up code does.
    pub fn new(listed: &[Core], slots: &'a PerCpu<CoreSlot>, aps: &[CoreModel]) -> Machine<'a> {
        let cores = aps
            .iter()
            .map(|model| SimCore {
                model: *model,
                doing: Doing::Firmware,
            })
            .collect();
        let state = State {
            now_us: 0,
            readings: 0,
            busy: 0,
            cores,
            commands: Vec::new(),
            joined: Vec::new(),
        };
        Machine {
            slots,
            listed: listed.to_vec(),
            time: TimeModel::Steady,
            handshake: true,
            state: RefCell::new(state),
        }
    }

    /// The same machine with another clock.
    #[must_use]
    pub fn with_time(self, time: TimeModel) -> Machine<'a> {
        Machine { time, ..self }
    }

    /// The same machine whose cores join without asking. Shows what the handshake is for.
    #[must_use]
    pub fn without_handshake(self) -> Machine<'a> {
        Machine {
            handshake: false,
            ..self
        }
    }

    /// Makes the local APIC refuse the next `count` commands.
    pub fn refuse_commands(&self, count: u32) {
        self.state.borrow_mut().busy = count;
    }

    /// Every accepted command, in order.
    pub fn commands(&self) -> Vec<Command> {
        self.state.borrow().commands.clone()
    }

    /// The cores that went online, in order; twice if one did it twice.
    pub fn joined(&self) -> Vec<CoreId> {
        self.state.borrow().joined.clone()
    }

    /// How many physical cores are parked.
    pub fn parked(&self) -> usize {
        self.state
            .borrow()
            .cores
            .iter()
            .filter(|core| core.doing == Doing::Parked)
            .count()
    }

    /// The true time, µs.
    pub fn true_us(&self) -> u64 {
        self.state.borrow().now_us
    }

    /// Lets `us` pass, so that late cores come.
    pub fn run_for(&self, us: u64) {
        let end_us = self.true_us() + us;
        while self.true_us() < end_us {
            self.advance(end_us);
        }
    }

    fn command(&self, command: Command) -> Result<(), BusBusy> {
        let state = &mut *self.state.borrow_mut();
        if state.busy > 0 {
            state.busy -= 1;
            return Err(BusBusy);
        }
        state.commands.push(command);
        let now_us = state.now_us;
        match command {
            Command::Init(to, InitLevel::Assert) => {
                for core in state.cores.iter_mut().filter(|core| core.model.apic == to) {
                    if core.model.lose_inits > 0 {
                        core.model.lose_inits -= 1;
                    } else {
                        core.doing = Doing::WaitForSipi;
                    }
                }
            }
            Command::Sipi(to, _) => {
                for core in state.cores.iter_mut().filter(|core| core.model.apic == to) {
                    if core.model.lose_sipis > 0 {
                        core.model.lose_sipis -= 1;
                    } else if core.doing == Doing::WaitForSipi {
                        core.doing = Doing::Boot(now_us.saturating_add(core.model.boot_us));
                    }
                }
            }
            Command::Init(_, InitLevel::Deassert) | Command::Ipi(_) | Command::Nmi(_) => {}
        }
        Ok(())
    }

    /// Moves time to the next event, at most to `until_us`, and lets the cores act that are due.
    fn advance(&self, until_us: u64) {
        let state = &mut *self.state.borrow_mut();
        let due = state.cores.iter().filter_map(|core| match core.doing {
            Doing::Boot(at) | Doing::Setup(at) => Some(at),
            _ => None,
        });
        let next_us = due.min().unwrap_or(u64::MAX).min(until_us);
        state.now_us = next_us.max(state.now_us + 1);
        for index in 0..state.cores.len() {
            self.act(state, index);
        }
    }

    /// One core's next step, if its time has come.
    fn act(&self, state: &mut State, index: usize) {
        let now_us = state.now_us;
        let core = &mut state.cores[index];
        let listed = self
            .listed
            .iter()
            .find(|listed| listed.apic == core.model.apic);
        let granted = |claim| claim == Claim::Granted || !self.handshake;
        core.doing = match (core.doing, listed) {
            (Doing::Boot(at), Some(listed)) if at <= now_us => {
                if granted(self.slots[listed.id].claim()) {
                    Doing::Setup(now_us.saturating_add(core.model.setup_us))
                } else {
                    Doing::Parked
                }
            }
            (Doing::Setup(at), Some(listed)) if at <= now_us => {
                if !granted(self.slots[listed.id].go_online(now_us)) {
                    Doing::Parked
                } else {
                    state.joined.push(listed.id);
                    if core::mem::take(&mut core.model.answers_twice) {
                        Doing::Boot(now_us.saturating_add(core.model.boot_us))
                    } else {
                        Doing::Up
                    }
                }
            }
            (Doing::Boot(at), None) if at <= now_us => Doing::Parked,
            (doing, _) => doing,
        };
    }
}

impl ApicBus for Machine<'_> {
    fn own_id(&self) -> ApicId {
        self.listed[0].apic
    }

    fn send_init(&self, to: ApicId, level: InitLevel) -> Result<(), BusBusy> {
        self.command(Command::Init(to, level))
    }

    fn send_sipi(&self, to: ApicId, page: StartupPage) -> Result<(), BusBusy> {
        self.command(Command::Sipi(to, page))
    }

    fn send_ipi(&self, to: ApicId) -> Result<(), BusBusy> {
        self.command(Command::Ipi(to))
    }

    fn send_nmi(&self, to: ApicId) -> Result<(), BusBusy> {
        self.command(Command::Nmi(to))
    }
}

impl Clock for Machine<'_> {
    fn now_us(&self) -> u64 {
        let state = &mut *self.state.borrow_mut();
        state.readings += 1;
        match self.time {
            TimeModel::Steady => state.now_us,
            TimeModel::Frozen => 5,
            TimeModel::Jumping if state.readings.is_multiple_of(10) => state.now_us + 3_600_000_000,
            TimeModel::Jumping => state.now_us,
        }
    }

    fn relax(&self, until_us: u64) {
        let now_us = self.true_us();
        // A clock that lies about the time also makes a mess of deadlines: never sleep past 1 ms
        // for those.
        let until_us = if self.time == TimeModel::Steady {
            until_us
        } else {
            now_us + 1000
        };
        self.advance(until_us.max(now_us + 1));
    }
}
