//! Compilations as contained calls: a stack and an arena of their own, survived whatever happens in them.
//!
//! A core that has to compile something itself (the first call of a function) borrows its own chamber and drives it to
//! the end, handling interrupts in between. The JIT worker drives one of its own step by step (`worker`).

use super::Instance;
use crate::console;
use crate::cores;
use crate::metal::{apic, time};
use crate::trap::contain::{Call, Chamber, Enclosure, Failure, Step};
use crate::trap::interrupts;
use alloc::boxed::Box;
use alloc::sync::Arc;
use core::sync::atomic::{AtomicU32, Ordering};
use jit::code::publish::Outcome;
use jit::instance::NotCompiled;
use jit::tier::{self, Compiled, Declined, Tier};
use smp::PerCpu;
use spin::{Mutex, Once};

/// What a compilation leaves for `keep`.
pub(crate) type Output = Result<Compiled, Declined>;

/// Stack of a compilation, and the most memory that its arena may take, in bytes.
const STACK: u64 = 256 << 10;
const ARENA: u64 = 256 << 20;
/// A compilation that takes longer is abandoned, µs: generous, for an emulator on a loaded machine.
pub(crate) const LIMIT_US: u64 = 20_000_000;

/// Serial number of the function whose compilation panics on purpose; `u32::MAX` is none. For tests.
static SABOTAGED: AtomicU32 = AtomicU32::new(u32::MAX);

type Places = PerCpu<Mutex<Option<Chamber<Output>>>>;

static CHAMBERS: Once<Places> = Once::new();

/// A chamber for compilations.
pub(crate) fn chamber() -> Option<Chamber<Output>> {
    Enclosure::new(STACK, ARENA).ok().map(Chamber::new)
}

/// Lets every compilation of the function with this number panic; `None` ends that. For tests.
pub(crate) fn sabotage(func: Option<u32>) {
    // ORDERING: Relaxed: a switch for tests; the function's next compilation is what it is for.
    SABOTAGED.store(func.unwrap_or(u32::MAX), Ordering::Relaxed);
}

/// The call that compiles `func` of `instance` at `tier`.
pub(crate) fn call(instance: Arc<Instance>, func: u32, tier: Tier) -> Call<Output> {
    Box::new(move || {
        // ORDERING: Relaxed: see `sabotage`.
        assert!(
            SABOTAGED.load(Ordering::Relaxed) != func,
            "the compiler fails on purpose"
        );
        match instance.job(func, tier) {
            Some(job) => tier::compile(&job, tier),
            None => Err(Declined::LimitExceeded("the function has no body")),
        }
    })
}

/// Compiles on this core, now, and publishes; gives the entry.
pub(crate) fn compile_here(
    instance: &Arc<Instance>,
    func: u32,
    tier: Tier,
) -> Result<(u64, Outcome), NotCompiled> {
    let me = cores::me();
    let places = CHAMBERS.call_once(|| {
        PerCpu::new(cores::machine().topology.cores().len(), |_| {
            Mutex::new(None)
        })
    });
    let mut place = places[me].lock();
    if place.is_none() {
        *place = chamber();
    }
    let Some(chamber) = place.as_mut() else {
        return Err(instance.abandoned());
    };
    let start = time::now_us();
    match drive(chamber, instance, func, tier, start) {
        Ok(()) => {
            let spent = time::now_us() - start;
            let core = me.index() as u32;
            let deliver = |output: &Output| instance.deliver(func, tier, output, core, spent);
            chamber
                .finish(deliver)
                .unwrap_or_else(|| Err(instance.abandoned()))
        }
        Err(failure) => {
            report(instance, func, tier, failure);
            Err(instance.abandoned())
        }
    }
}

/// Tells people and machines about a compilation that failed.
pub(crate) fn report(instance: &Instance, func: u32, tier: Tier, failure: Option<Failure>) {
    let module = &instance.program().module;
    let name = &module.funcs[func as usize].name;
    match failure {
        Some(why) => {
            console::log!(
                Warning,
                "compiling {name} of {} at {tier}: {why}",
                module.name
            );
        }
        None => {
            console::log!(
                Warning,
                "compiling {name} of {} at {tier}: too slow",
                module.name
            );
        }
    }
}

/// Runs the call to its end; `Err(None)` when it took too long.
fn drive(
    chamber: &mut Chamber<Output>,
    instance: &Arc<Instance>,
    func: u32,
    tier: Tier,
    start: u64,
) -> Result<(), Option<Failure>> {
    chamber.start(call(instance.clone(), func, tier));
    loop {
        match chamber.step() {
            Step::Finished => return Ok(()),
            Step::Failed(failure) => return Err(Some(failure)),
            Step::Interrupted(vector) => {
                interrupts::handle(vector);
                // The timer was the task's slice; it must come again when the task goes on.
                apic::arm_timer(1000);
                if time::now_us() - start > LIMIT_US {
                    chamber.abandon();
                    return Err(None);
                }
            }
        }
    }
}
