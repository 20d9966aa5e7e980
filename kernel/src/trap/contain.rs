//! Contained calls: run code that may panic, overflow its stack, or never end, and survive all of it.
//!
//! The JIT compiler is large; its failure must cost one compile and not the machine (DESIGN 3.8). So a compile runs as
//! a kernel context: on a stack of its own, allocating from an arena of its own, with interrupts on. When it panics,
//! faults, or is stopped, the context is simply not run again; the stack and the arena are used for the next call.
//!
//! The owner drives it in steps: [`Enclosure::step`] returns at every interrupt, and the owner decides whether to
//! go on at once, later (the JIT worker as a preemptible task), or never (deadline, watchdog).
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

/// A call to contain.
pub(crate) type Call<T> = Box<dyn FnMut() -> T + Send>;

/// A place where one contained call at a time can run.
pub(crate) struct Enclosure<T> {
    stack: Stack,
    arena: Box<Arena>,
    running: Option<Running<T>>,
}

/// A call that was started and is neither finished nor abandoned.
struct Running<T> {
    context: Box<Context>,
    shared: Box<Shared<T>>,
}

/// What the owner and the contained call both see; never at the same time.
struct Shared<T> {
    call: Call<T>,
    output: Option<T>,
}

/// How far a step went.
#[derive(Debug)]
pub(crate) enum Step {
    /// An interrupt with this vector arrived (2 is the NMI); the call can go on.
    Interrupted(u8),
    /// The call has returned; [`Enclosure::finish`] gets its result.
    Finished,
    /// The call failed and is gone.
    Failed(Failure),
}

/// Why a contained call did not finish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// It panicked with this message.
    Panic(Note),
    /// It ran into the guard of its stack.
    StackOverflow,
    /// Its arena was used up.
    ArenaFull,
    /// The processor refused an instruction.
    Fault(Fault),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Panic(note) => write!(f, "panic: {note}"),
            Self::StackOverflow => f.write_str("stack overflow"),
            Self::ArenaFull => f.write_str("arena full"),
            Self::Fault(fault) => fault.fmt(f),
        }
    }
}

impl<T: 'static> Enclosure<T> {
    /// Maps a stack and an arena of these sizes, in bytes.
    pub(crate) fn new(stack_size: u64, arena_size: u64) -> Result<Self, OutOfMemory> {
        Ok(Self {
            stack: Stack::new(stack_size)?,
            arena: Box::new(Arena::new(arena_size)?),
            running: None,
        })
    }

    /// The arena, for its figures and to grow it between calls.
    pub(crate) fn arena(&self) -> &Arena {
        &self.arena
    }

    /// Whether a call was started and has not ended.
    pub(crate) fn is_busy(&self) -> bool {
        self.running.is_some()
    }

    /// Prepares a call; nothing runs before [`Enclosure::step`]. A call that is under way is abandoned.
    pub(crate) fn start(&mut self, call: Call<T>) {
        self.abandon();
        let mut shared = Box::new(Shared { call, output: None });
        let argument = ptr::from_mut(shared.as_mut()) as u64;
        // SAFETY: stack and `shared` belong to this enclosure and stay until the context is dropped with them.
        let context =
            unsafe { Context::kernel(enter::<T>, argument, self.stack.guard(), self.stack.high) };
        self.running = Some(Running {
            context: Box::new(context),
            shared,
        });
    }

    /// Lets the call run on this core until it is interrupted, returns, or fails.
    pub(crate) fn step(&mut self) -> Step {
        let running = self
            .running
            .as_mut()
            .expect("a call is started before it is stepped");
        let core = percore::current();
        core.arena.set(&raw const *self.arena);
        let trap = running.context.run();
        core.arena.set(ptr::null());
        let failure = match trap {
            Trap::Interrupt(vector) => return Step::Interrupted(vector),
            Trap::Nmi => return Step::Interrupted(2),
            Trap::Finished => return Step::Finished,
            Trap::Panicked if self.arena.is_exhausted() => Failure::ArenaFull,
            Trap::Panicked => Failure::Panic(self.arena.take_note()),
            Trap::Fault(fault) if running.context.is_stack_overflow(fault, self.stack.low) => {
                Failure::StackOverflow
            }
            Trap::Fault(fault) => Failure::Fault(fault),
            // A `syscall` instruction in ring 0 would come here; the compiler has none.
            Trap::Syscall => Failure::Panic(Note::new()),
        };
        self.abandon();
        Step::Failed(failure)
    }

    /// Takes the result of a call that has finished. `keep` must turn it into something that holds no part of it.
    pub(crate) fn finish<R>(&mut self, keep: impl FnOnce(&T) -> R) -> Option<R> {
        let kept = self
            .running
            .as_ref()
            .and_then(|running| running.shared.output.as_ref())
            .map(keep);
        self.abandon();
        kept
    }

    /// Forgets the call, wherever it is, and all it allocated.
    pub(crate) fn abandon(&mut self) {
        self.running = None;
        // SAFETY: the context is gone, its output was dropped, and `keep` could not let a reference escape (K3).
        unsafe { self.arena.reset() };
    }
}

impl<T> fmt::Debug for Enclosure<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Enclosure")
            .field("stack", &self.stack)
            .field("arena", &self.arena)
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

/// The first function of a contained context.
extern "C" fn enter<T>(shared: u64) -> ! {
    let shared = shared as *mut Shared<T>;
    // SAFETY: `start` passed a pointer into its box, which the owner does not touch while the context runs.
    let shared = unsafe { &mut *shared };
    shared.output = Some((shared.call)());
    finish()
}
