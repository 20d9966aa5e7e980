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
pub const MAX_ARGS: usize = 4;

/// The type of one argument or result of a host call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Type {
    /// 32-bit integer.
    I32,
    /// 64-bit integer; as an argument one register too.
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
    /// `void bf_exit(int status)`: ends the program, all its tasks, with this status; does not return.
    Exit = 0,
    /// `int bf_write(int fd, const void *data, unsigned length)`: writes bytes to the console (fd 1
    /// or 2) or an open file and returns how many were taken, at most `length`, or a negated error.
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
    /// `void *bf_grow(unsigned bytes)`: more heap, zeroed, rounded up to pages, right behind what
    /// was given before; 0 bytes tell where the next would begin. Null when none is left.
    Grow = 8,
    /// `int bf_spawn(void *(*entry)(void *), void *argument, int core)`: a new task with a stack and
    /// thread-local variables of its own; `core` −1 is any. Returns its number, above 0.
    Spawn = 9,
    /// `int bf_join(int task, void **result)`: waits until the task has ended, and takes its result
    /// (`result` may be null). A task is joined once.
    Join = 10,
    /// `int bf_self(void)`: number of the calling task; that of `main` is 1.
    SelfTask = 11,
    /// `int bf_wait(const int *address, int expected, long long timeout_us)`: waits while the word
    /// at `address` is `expected`, until woken; a timeout below 0 is none. Returns 0, −`EAGAIN` if the
    /// word was another, or −`ETIMEDOUT`. May return 0 without a reason.
    Wait = 12,
    /// `int bf_wake(const int *address, int count)`: wakes at most `count` tasks that wait there;
    /// returns how many.
    Wake = 13,
    /// `long long bf_clock_us(void)`: microseconds since 1970 UTC; 0 where nobody knows.
    ClockUs = 14,
    /// `int bf_open(const char *path, unsigned length, int flags)`: a descriptor for a file or
    /// directory of a granted one; the bits of `flags` are [`open`](crate::file::open).
    Open = 15,
    /// `int bf_close(int fd)`.
    Close = 16,
    /// `int bf_read(int fd, void *data, unsigned length)`: bytes from a file, or from the console's
    /// input as they come; 0 at the end.
    Read = 17,
    /// `long long bf_seek(int fd, long long offset, int whence)`: moves and returns the position;
    /// `whence` 0 start, 1 present position, 2 end.
    Seek = 18,
    /// `int bf_stat(const char *path, unsigned length, struct bf_stat *out)`.
    Stat = 19,
    /// `int bf_fstat(int fd, struct bf_stat *out)`.
    FStat = 20,
    /// `int bf_truncate(int fd, long long size)`: makes the file that long; what is added is 0.
    Truncate = 21,
    /// `int bf_sync(int fd)`: returns when the file's contents survive a loss of power.
    Sync = 22,
    /// `int bf_remove(const char *path, unsigned length)`: a file or an empty directory.
    Remove = 23,
    /// `int bf_rename(const char *from, unsigned from_length, const char *to, unsigned to_length)`:
    /// within one grant; replaces a file of that name.
    Rename = 24,
    /// `int bf_mkdir(const char *path, unsigned length)`.
    MakeDirectory = 25,
    /// `int bf_list(int fd, char *name, unsigned capacity)`: length of the next entry's name of an
    /// open directory, which is stored without a NUL; 0 at the end.
    List = 26,
    /// `int bf_pin(int core)`: the calling task runs on this core only; −1 on any.
    Pin = 27,
    /// `int bf_random(void *data, unsigned length)`: unpredictable bytes; returns `length`.
    Random = 28,
    /// `void bf_task_exit(void *result)`: ends the calling task; of the main task it is `bf_exit(0)`
    /// when the other tasks have ended.
    TaskExit = 29,
}

impl HostCall {
    /// Every call; the index of a call is its number.
    pub const ALL: [Self; 30] = [
        Self::Exit,
        Self::Write,
        Self::Log,
        Self::Core,
        Self::CoreCount,
        Self::TicksUs,
        Self::Yield,
        Self::SleepUs,
        Self::Grow,
        Self::Spawn,
        Self::Join,
        Self::SelfTask,
        Self::Wait,
        Self::Wake,
        Self::ClockUs,
        Self::Open,
        Self::Close,
        Self::Read,
        Self::Seek,
        Self::Stat,
        Self::FStat,
        Self::Truncate,
        Self::Sync,
        Self::Remove,
        Self::Rename,
        Self::MakeDirectory,
        Self::List,
        Self::Pin,
        Self::Random,
        Self::TaskExit,
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
            Self::Grow => "bf_grow",
            Self::Spawn => "bf_spawn",
            Self::Join => "bf_join",
            Self::SelfTask => "bf_self",
            Self::Wait => "bf_wait",
            Self::Wake => "bf_wake",
            Self::ClockUs => "bf_clock_us",
            Self::Open => "bf_open",
            Self::Close => "bf_close",
            Self::Read => "bf_read",
            Self::Seek => "bf_seek",
            Self::Stat => "bf_stat",
            Self::FStat => "bf_fstat",
            Self::Truncate => "bf_truncate",
            Self::Sync => "bf_sync",
            Self::Remove => "bf_remove",
            Self::Rename => "bf_rename",
            Self::MakeDirectory => "bf_mkdir",
            Self::List => "bf_list",
            Self::Pin => "bf_pin",
            Self::Random => "bf_random",
            Self::TaskExit => "bf_task_exit",
        }
    }

    /// Its arguments and result. A module that declares it otherwise is marshalled by this.
    #[must_use]
    pub const fn signature(self) -> Signature {
        use Type::{I32, I64, Ptr};
        let (args, result): (&'static [Type], _) = match self {
            Self::Exit | Self::SleepUs => (&[I32], None),
            Self::Write | Self::Read | Self::List => (&[I32, Ptr, I32], Some(I32)),
            Self::Log | Self::Wake | Self::Remove | Self::MakeDirectory | Self::Random => {
                (&[Ptr, I32], Some(I32))
            }
            Self::Core | Self::CoreCount | Self::SelfTask => (&[], Some(I32)),
            Self::TicksUs | Self::ClockUs => (&[], Some(I64)),
            Self::Yield => (&[], None),
            Self::Grow => (&[I32], Some(Ptr)),
            Self::Spawn => (&[Ptr, Ptr, I32], Some(I32)),
            Self::Join | Self::FStat => (&[I32, Ptr], Some(I32)),
            Self::Wait => (&[Ptr, I32, I64], Some(I32)),
            Self::Open => (&[Ptr, I32, I32], Some(I32)),
            Self::Close | Self::Sync | Self::Pin => (&[I32], Some(I32)),
            Self::Seek => (&[I32, I64, I32], Some(I64)),
            Self::Stat => (&[Ptr, I32, Ptr], Some(I32)),
            Self::Truncate => (&[I32, I64], Some(I32)),
            Self::Rename => (&[Ptr, I32, Ptr, I32], Some(I32)),
            Self::TaskExit => (&[Ptr], None),
        };
        Signature { args, result }
    }

    /// Whether the caller goes on after it.
    #[must_use]
    pub const fn returns(self) -> bool {
        !matches!(self, Self::Exit | Self::TaskExit)
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
