//! The functions that a module may import from the runtime: names, numbers, signatures.
//!
//! A module declares `int bf_write(int, const void *, unsigned)` and calls it like any function.
//! At load the name is looked up here ([`HostCall::from_symbol`]); the import's dispatch slot then
//! points to a gate that enters the runtime with the call's number. One enum is the whole table:
//! kernel and host match on it, so a call that one of them forgot does not compile.
//!
//! # Rules
//! * Numbers are part of the binary interface: they are never reused, new calls get the next one.
//! * At most [`MAX_ARGS`] arguments, each in a general-purpose register: i32 and pointers
//!   zero-extended, as generated code keeps them (`jit/docs/abi.md`).
//! * A pointer argument is an offset into the instance's low 4 GiB. The runtime copies what it
//!   points to exactly once, checks the copy, and answers [`Errno::BadPointer`] where it cannot.
//! * An `I32` result is zero-extended; below zero, read as signed, it is a negated [`Errno`].
//!
//! [`Errno`]: crate::Errno
//! [`Errno::BadPointer`]: crate::Errno::BadPointer

/// The most arguments that a host call takes.
pub const MAX_ARGS: usize = 3;

/// The type of one argument or result of a host call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Type {
    /// 32-bit integer.
    I32,
    /// 64-bit integer; as an argument it would still be one register.
    I64,
    /// 32-bit pointer into the instance.
    Ptr,
}

/// Arguments and result of a host call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signature {
    /// Argument types, in order; at most [`MAX_ARGS`].
    pub args: &'static [Type],
    /// Result type; `None` for a call that returns nothing.
    pub result: Option<Type>,
}

/// A function of the runtime that modules can import.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum HostCall {
    /// `void bf_exit(int status)`: ends the program with this status; does not return.
    Exit = 0,
    /// `int bf_write(int fd, const void *data, unsigned length)`: writes bytes to the console
    /// (fd 1 or 2) and returns how many were taken, at most `length`, or a negated error.
    Write = 1,
    /// `int bf_log(const char *text, unsigned length)`: one line for the event log; control
    /// characters are replaced. Returns 0 or a negated error.
    Log = 2,
    /// `int bf_core(void)`: number of the core that runs the caller at this moment.
    Core = 3,
    /// `int bf_core_count(void)`: number of cores that can run tasks.
    CoreCount = 4,
    /// `long long bf_ticks_us(void)`: microseconds since the runtime started; never falls.
    TicksUs = 5,
    /// `void bf_yield(void)`: lets another ready task of this core run.
    Yield = 6,
    /// `void bf_sleep_us(unsigned duration_us)`: waits at least that many microseconds.
    SleepUs = 7,
}

impl HostCall {
    /// Every call; the index of a call is its number.
    pub const ALL: [Self; 8] = [
        Self::Exit,
        Self::Write,
        Self::Log,
        Self::Core,
        Self::CoreCount,
        Self::TicksUs,
        Self::Yield,
        Self::SleepUs,
    ];

    /// The number with which the gate enters the runtime.
    #[must_use]
    pub const fn number(self) -> u32 {
        self as u32
    }

    /// The call with this number; `None` for a number that was never given out.
    #[must_use]
    pub fn from_number(number: u32) -> Option<Self> {
        Self::ALL.get(usize::try_from(number).ok()?).copied()
    }

    /// The call that modules import under this name.
    #[must_use]
    pub fn from_symbol(symbol: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|call| call.symbol() == symbol)
    }

    /// The name under which modules import it.
    #[must_use]
    pub const fn symbol(self) -> &'static str {
        match self {
            Self::Exit => "bf_exit",
            Self::Write => "bf_write",
            Self::Log => "bf_log",
            Self::Core => "bf_core",
            Self::CoreCount => "bf_core_count",
            Self::TicksUs => "bf_ticks_us",
            Self::Yield => "bf_yield",
            Self::SleepUs => "bf_sleep_us",
        }
    }

    /// Its arguments and result. A module that declares it otherwise is marshalled by this.
    #[must_use]
    pub const fn signature(self) -> Signature {
        use Type::{I32, I64, Ptr};
        let (args, result): (&'static [Type], _) = match self {
            Self::Exit | Self::SleepUs => (&[I32], None),
            Self::Write => (&[I32, Ptr, I32], Some(I32)),
            Self::Log => (&[Ptr, I32], Some(I32)),
            Self::Core | Self::CoreCount => (&[], Some(I32)),
            Self::TicksUs => (&[], Some(I64)),
            Self::Yield => (&[], None),
        };
        Signature { args, result }
    }

    /// Whether the caller goes on after it.
    #[must_use]
    pub const fn returns(self) -> bool {
        !matches!(self, Self::Exit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_leads_back_to_its_call() {
        for (index, call) in HostCall::ALL.into_iter().enumerate() {
            assert_eq!(call.number() as usize, index);
            assert_eq!(HostCall::from_number(call.number()), Some(call));
        }
        let past_the_end = u32::try_from(HostCall::ALL.len()).unwrap();
        assert_eq!(HostCall::from_number(past_the_end), None);
        assert_eq!(HostCall::from_number(u32::MAX), None);
    }

    #[test]
    fn a_symbol_leads_back_to_its_call_and_only_whole_names_do() {
        for call in HostCall::ALL {
            assert_eq!(HostCall::from_symbol(call.symbol()), Some(call));
        }
        assert_eq!(HostCall::from_symbol("bf_"), None);
        assert_eq!(HostCall::from_symbol("bf_write2"), None);
        assert_eq!(HostCall::from_symbol(""), None);
    }

    #[test]
    fn no_signature_needs_more_registers_than_promised() {
        for call in HostCall::ALL {
            assert!(call.signature().args.len() <= MAX_ARGS, "{call:?}");
        }
    }
}
