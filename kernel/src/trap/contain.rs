//! Contained calls: run code that may panic, overflow its stack, or never end, and survive all of it.
//!
//! The JIT compiler is large; its failure must cost one compile and not the machine (DESIGN 3.8). So a compile runs as
//! a kernel context: on a stack of its own, allocating from an arena of its own, with interrupts on. When it panics,
//! faults, or is stopped, the context is simply not run again; the stack and the arena are used for the next call.
//!
//! The owner drives it: [`Enclosure::run`] to its end, [`Chamber::step`] from interrupt to interrupt. The owner decides
//! whether to go on at once, later (the JIT worker as a preemptible task), or never (deadline, watchdog).
//!
//! # Why nothing is left behind
//! K1. While the context runs, `percore.arena` points to its arena, so every allocation lies in it (`memory::heap`).
//! K2. It takes no lock that another core or the owner takes. The heap's is not taken (K1); that it has no others is
//!     the compiler's contract.
//! K3. Its result is turned into a value of the owner's by `keep`, which runs after it has finished, outside of the
//!     arena, and gets a reference that it cannot let escape. Only then is the arena reset.

use super::context::{Context, Fault, Trap, finish};
use crate::memory::OutOfMemory;
use crate::memory::arena::{Arena, Note};
use crate::memory::stacks::Stack;
use crate::metal::percore;
use alloc::boxed::Box;
use core::fmt::{self, Write};
use core::panic::PanicInfo;
use core::ptr;

/// A place where one contained call at a time can run.
#[derive(Debug)]
pub(crate) struct Enclosure {
    stack: Stack,
    arena: Box<Arena>,
    context: Option<Box<Context>>,
}

/// A call to contain.
pub(crate) type Call<T> = Box<dyn FnMut() -> T + Send>;

/// An enclosure and the call that runs in it step by step.
pub(crate) struct Chamber<T> {
    enclosure: Enclosure,
    shared: Option<Box<Shared<Call<T>, T>>>,
}

/// What the owner and the contained call both see; never at the same time.
struct Shared<F, T> {
    call: Option<F>,
    output: Option<T>,
}

/// How far a step went.
#[derive(Debug)]
pub(crate) enum Step {
    /// An interrupt with this vector arrived (2 is the NMI); the call can go on.
    Interrupted(u8),
    /// The call has returned.
    Finished,
    /// The call failed and is gone.
    Failed(Failure),
}

/// Why a contained call did not finish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// It panicked with this message.
    Panic(Box<Note>),
    /// It ran into the guard of its stack.
    StackOverflow,
    /// Its arena was used up.
    ArenaFull,
    /// The processor refused an instruction.
    Fault(Fault),
    /// Its owner ended it.
    Stopped,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Panic(note) => write!(f, "panic: {note}"),
            Self::StackOverflow => f.write_str("stack overflow"),
            Self::ArenaFull => f.write_str("arena full"),
            Self::Fault(fault) => fault.fmt(f),
            Self::Stopped => f.write_str("took too long"),
        }
    }
}

impl Enclosure {
    /// Maps a stack of this size; the arena may grow to `arena_limit` bytes.
    pub(crate) fn new(stack_size: u64, arena_limit: u64) -> Result<Self, OutOfMemory> {
        Ok(Self {
            stack: Stack::new(stack_size)?,
            arena: Box::new(Arena::new(arena_limit)),
            context: None,
        })
    }

    /// Runs `work` to its end, and then `keep` on its result, outside of the arena. `interrupt` handles what comes
    /// meanwhile and says whether to go on.
    pub(crate) fn run<R, K>(
        &mut self,
        work: impl FnOnce() -> R,
        keep: impl FnOnce(&R) -> K,
        mut interrupt: impl FnMut(u8) -> bool,
    ) -> Result<K, Failure> {
        let mut shared = Shared {
            call: Some(work),
            output: None,
        };
        let entry = entry_for(&shared);
        // SAFETY: `shared` outlives the context, which is dropped before this function returns.
        unsafe { self.begin(entry, ptr::from_mut(&mut shared) as u64) };
        let outcome = loop {
            match self.step() {
                Step::Interrupted(vector) if interrupt(vector) => {}
                Step::Interrupted(_) => break Err(Failure::Stopped),
                Step::Finished => break Ok(()),
                Step::Failed(failure) => break Err(failure),
            }
        };
        let kept = outcome.and_then(|()| shared.output.as_ref().map(keep).ok_or(Failure::Stopped));
        drop(shared);
        self.abandon();
        kept
    }

    /// Prepares `entry(argument)` to run.
    ///
    /// # Safety
    /// `argument` must stay valid for `entry` until the call is abandoned, and unused by others while it runs.
    unsafe fn begin(&mut self, entry: extern "C" fn(u64) -> !, argument: u64) {
        self.abandon();
        // SAFETY: the stack belongs to this enclosure; the argument is the caller's promise.
        let context =
            unsafe { Context::kernel(entry, argument, self.stack.guard(), self.stack.high) };
        self.context = Some(Box::new(context));
    }

    /// Lets the call run on this core until it is interrupted, returns, or fails.
    fn step(&mut self) -> Step {
        let failure = loop {
            let context = self
                .context
                .as_mut()
                .expect("a call is begun before it is stepped");
            let core = percore::current();
            core.arena.set(&raw const *self.arena);
            let trap = context.run();
            core.arena.set(ptr::null());
            break match trap {
                Trap::Interrupt(vector) => return Step::Interrupted(vector),
                Trap::Nmi => return Step::Interrupted(2),
                Trap::Finished => return Step::Finished,
                // The arena is mapped as it is used: by its owner, here, because that takes locks.
                Trap::Fault(fault) if fault.vector == 14 && self.arena.map_more(fault.address) => {
                    continue;
                }
                Trap::Panicked if self.arena.is_exhausted() => Failure::ArenaFull,
                Trap::Panicked => Failure::Panic(Box::new(self.arena.take_note())),
                Trap::Fault(fault) if context.is_stack_overflow(fault, self.stack.low) => {
                    Failure::StackOverflow
                }
                Trap::Fault(fault) => Failure::Fault(fault),
                // A `syscall` instruction in ring 0 would come here; the compiler has none.
                Trap::Syscall => Failure::Stopped,
            };
        };
        self.context = None;
        Step::Failed(failure)
    }

    /// Forgets the call, wherever it is, and all it allocated. What it shared must be dropped already.
    fn abandon(&mut self) {
        self.context = None;
        // SAFETY: the context is gone, its output was dropped, and `keep` could not let a reference escape (K3).
        unsafe { self.arena.reset() };
    }
}

impl<T: 'static> Chamber<T> {
    /// A chamber around an enclosure.
    pub(crate) fn new(enclosure: Enclosure) -> Self {
        Self {
            enclosure,
            shared: None,
        }
    }

    /// Whether a call was started and has not ended.
    pub(crate) fn is_busy(&self) -> bool {
        self.shared.is_some()
    }

    /// Prepares a call; nothing runs before [`Chamber::step`]. A call that is under way is abandoned.
    pub(crate) fn start(&mut self, call: Call<T>) {
        self.abandon();
        let shared = self.shared.insert(Box::new(Shared {
            call: Some(call),
            output: None,
        }));
        let argument = ptr::from_mut(shared.as_mut()) as u64;
        // SAFETY: the box stays where it is until `abandon`, and is not touched while the context runs.
        unsafe { self.enclosure.begin(enter_boxed::<T>, argument) };
    }

    /// Lets the call run on this core until it is interrupted, returns, or fails.
    pub(crate) fn step(&mut self) -> Step {
        let step = self.enclosure.step();
        if matches!(step, Step::Failed(_)) {
            self.abandon();
        }
        step
    }

    /// Takes the result of a call that has finished. `keep` must turn it into something that holds no part of it.
    pub(crate) fn finish<R>(&mut self, keep: impl FnOnce(&T) -> R) -> Option<R> {
        let kept = self
            .shared
            .as_ref()
            .and_then(|shared| shared.output.as_ref())
            .map(keep);
        self.abandon();
        kept
    }

    /// Forgets the call, wherever it is, and all it allocated.
    pub(crate) fn abandon(&mut self) {
        self.shared = None;
        self.enclosure.abandon();
    }
}

impl<T> fmt::Debug for Chamber<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chamber")
            .field("enclosure", &self.enclosure)
            .finish_non_exhaustive()
    }
}

/// Keeps the message of a panic for the owner of the contained call that runs here, if one does.
pub(crate) fn note_panic(info: &PanicInfo<'_>) {
    // SAFETY: `step` sets the pointer only while the arena is borrowed, and clears it before it goes on.
    if let Some(arena) = unsafe { percore::current().arena.get().as_ref() } {
        let mut note = Note::new();
        let _ = write!(note, "{}", info.message());
        if let Some(place) = info.location() {
            let _ = write!(note, " ({}:{})", place.file(), place.line());
        }
        arena.put_note(note);
    }
}

/// [`enter_once`] for this kind of call, whose type has no name.
fn entry_for<F: FnOnce() -> T, T>(_shared: &Shared<F, T>) -> extern "C" fn(u64) -> ! {
    enter_once::<F, T>
}

/// The first function of a call that is made once.
extern "C" fn enter_once<F: FnOnce() -> T, T>(shared: u64) -> ! {
    let shared = shared as *mut Shared<F, T>;
    // SAFETY: the address that `Enclosure::run` passed; it does not touch the value while the context runs.
    let shared = unsafe { &mut *shared };
    shared.output = shared.call.take().map(|call| call());
    finish()
}

/// The first function of a boxed call. The box stays with its owner, who frees it outside of the arena.
extern "C" fn enter_boxed<T>(shared: u64) -> ! {
    let shared = shared as *mut Shared<Call<T>, T>;
    // SAFETY: the address that `Chamber::start` passed; it does not touch the value while the context runs.
    let shared = unsafe { &mut *shared };
    shared.output = shared.call.as_mut().map(|call| call());
    finish()
}
