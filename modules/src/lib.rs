//! The guests' side: demo programs as bitcode, with the results they must have.
//!
//! `build.rs` compiles every C file of `guests/` with clang-19, as a user would, wraps the bitcode
//! into LLBC files and embeds them here. The kernel runs them when there is no disk, `xtask` puts
//! them on the disk image, and tests of every engine run them.
//!
//! **No expected result is written down by hand.** A comment in the C file says which calls to
//! check; the same file, compiled natively for i386, says what they return. An optimised build and
//! one with clang's undefined-behaviour checks must agree, and the second must not stop: so every
//! engine has exactly one right answer. The exceptions are the programs whose
//! point is what the runtime does ([`BAD`]); their comment states the outcome.
#![no_std]
#![forbid(unsafe_code)]

/// One guest at one optimisation level.
#[derive(Clone, Copy, Debug)]
pub struct Module {
    /// Name of the C file without its ending.
    pub name: &'static str,
    /// clang's optimisation level, 0 to 3.
    pub level: u8,
    /// Name of the file on the disk image: `<name>-O<level>.llbc`.
    pub file_name: &'static str,
    /// The LLBC file.
    pub file: &'static [u8],
    /// Calls with known results. The functions are pure: order and repetition do not matter.
    pub checks: &'static [Check],
    /// What running `main` must lead to.
    pub outcome: Outcome,
}

/// A call whose result is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Check {
    /// The function's name; it takes and returns `int`.
    pub function: &'static str,
    /// Its arguments.
    pub args: &'static [i32],
    /// What native code returned.
    pub expected: i32,
}

/// How a run of `main` ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It returns this value.
    Returns(i32),
    /// It is ended by the runtime.
    Faults(Fault),
}

/// Why the runtime ends a program, as far as tests tell the reasons apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A load or store outside mapped memory, or a store to memory that is not writable.
    BadAccess,
    /// An instruction fetch from memory that is not executable.
    BadJump,
    /// A division by zero, or with a quotient that does not fit.
    DivideError,
    /// The stack's guard was reached.
    StackOverflow,
    /// The time budget is used up.
    OutOfTime,
}

impl Module {
    /// The value that `main` returns; `None` if the program does not get that far.
    #[must_use]
    pub const fn main_result(&self) -> Option<i32> {
        match self.outcome {
            Outcome::Returns(value) => Some(value),
            Outcome::Faults(_) => None,
        }
    }
}

include!(concat!(env!("OUT_DIR"), "/modules.rs"));

/// Every module of every group, but for [`CALLS`], which not every engine can run.
pub fn all() -> impl Iterator<Item = &'static Module> {
    DEMOS
        .iter()
        .chain(&HELLO)
        .chain(&MIX)
        .chain(&PROBES)
        .chain(&BAD)
}

/// The module of this name and optimisation level.
#[must_use]
pub fn find(name: &str, level: u8) -> Option<&'static Module> {
    all()
        .chain(&CALLS)
        .find(|module| module.name == name && module.level == level)
}
