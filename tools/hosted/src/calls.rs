//! Host calls: what each does on Linux.
//!
//! Arguments are numbers that a module chose. Addresses among them are used only through [`copy`],
//! which the system checks, and as the address of a futex, which it checks too.

use crate::copy;
use crate::cores::{self, Answer, Departure, Left};
use crate::process::Process;
use crate::tasks;
use abi::{Errno, HostCall, Type, file};
use jit::abi as layout;
use std::io;
use std::mem;
use std::ptr;
use std::sync::PoisonError;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

type Result<T> = core::result::Result<T, Errno>;

impl Process {
    /// Serves a host call of the calling thread, which runs as `core`.
    pub(crate) fn host_call(&'static self, core: usize, call: HostCall, args: &[u64; 6]) -> Answer {
        let a = args[0] as u32;
        match call {
            HostCall::Exit => {
                let left = Left::Exited(a.cast_signed());
                return Answer::Leave(Departure::Left(left));
            }
            HostCall::TaskExit => return Answer::Leave(Departure::TaskExited(a)),
            _ => {}
        }
        let value = self.serve(core, call, args).unwrap_or_else(|errno| {
            // The one call that gives an address has its own way to say no.
            if call == HostCall::Grow {
                0
            } else {
                i64::from(errno.to_result())
            }
        });
        // Results of 32 bits are zero-extended, as the ABI has it.
        let wide = call.signature().result == Some(Type::I64);
        Answer::Continue(if wide {
            value as u64
        } else {
            u64::from(value as u32)
        })
    }

    fn serve(&'static self, core: usize, call: HostCall, args: &[u64; 6]) -> Result<i64> {
        let [a, b, c, d] = [args[0], args[1], args[2], args[3]].map(|arg| arg as u32);
        let files = &self.files;
        match call {
            HostCall::Exit | HostCall::TaskExit => Err(Errno::NoSuchCall),
            HostCall::Write => files.write(a, b, c),
            HostCall::Log => files.write(2, a, b).map(|_| 0),
            HostCall::Core => Ok(self.present_core(core)),
            HostCall::CoreCount => Ok(self.core_count() as i64),
            HostCall::TicksUs => Ok(self.start.elapsed().as_micros() as i64),
            HostCall::Yield => {
                thread::yield_now();
                Ok(0)
            }
            HostCall::SleepUs => {
                sleep(Duration::from_micros(u64::from(a)));
                Ok(0)
            }
            HostCall::Grow => self.grow(a),
            HostCall::Spawn => self.spawn(a, b, self.core_argument(c)?).map(i64::from),
            HostCall::Join => self.join(a, b),
            HostCall::SelfTask => Ok(i64::from(tasks::own_number())),
            HostCall::Wait => wait(a, b, args[2] as i64),
            HostCall::Wake => wake(a, b.cast_signed().max(0)),
            HostCall::ClockUs => Ok(clock()),
            HostCall::Open => files.open(&path(a, b)?, c),
            HostCall::Close => files.close(a),
            HostCall::Read => files.read(a, b, c, cores::must_leave),
            HostCall::Seek => files.seek(a, args[1] as i64, c),
            HostCall::Stat => copy::write(c, &files.stat(&path(a, b)?)?.to_bytes()).map(|()| 0),
            HostCall::FStat => copy::write(b, &files.fstat(a)?.to_bytes()).map(|()| 0),
            HostCall::Truncate => files.truncate(a, args[1] as i64),
            HostCall::Sync => files.sync(a),
            HostCall::Remove => files.remove(&path(a, b)?),
            HostCall::Rename => files.rename(&path(a, b)?, &path(c, d)?),
            HostCall::MakeDirectory => files.make_directory(&path(a, b)?),
            HostCall::List => files.list(a, b, c),
            HostCall::Pin => {
                self.affinity.pin(self.core_argument(a)?);
                Ok(0)
            }
            HostCall::Random => random(a, b),
        }
    }

    /// Cores of the process where the program has tasks, else the number that the thread was given.
    fn present_core(&self, core: usize) -> i64 {
        if core < self.options.cores && self.options.cores > 1 {
            return core as i64;
        }
        (self.affinity.present() % self.core_count()) as i64
    }

    fn core_argument(&self, core: u32) -> Result<Option<usize>> {
        match core.cast_signed() {
            -1 => Ok(None),
            _ if (core as usize) < self.core_count() => Ok(Some(core as usize)),
            _ => Err(Errno::Invalid),
        }
    }

    /// `bf_grow`: the heap goes on behind the globals and ends below the stacks.
    fn grow(&self, bytes: u32) -> Result<i64> {
        let mut heap = self.heap.lock().unwrap_or_else(PoisonError::into_inner);
        let start = *heap;
        let size = bytes
            .checked_next_multiple_of(4096)
            .ok_or(Errno::NoMemory)?;
        let end = start.checked_add(size).filter(|&end| end <= layout::STACKS);
        let end = end.ok_or(Errno::NoMemory)?;
        if size > 0 {
            let grown = self.instance.memory().grow(start, size);
            grown.map_err(|_| Errno::NoMemory)?;
        }
        *heap = end;
        Ok(i64::from(start))
    }

    fn join(&self, task: u32, result: u32) -> Result<i64> {
        let value = self.tasks.join(task)?;
        if result != 0 {
            copy::write(result, &value.to_le_bytes())?;
        }
        Ok(0)
    }
}

/// A path in the module's memory.
fn path(address: u32, length: u32) -> Result<Vec<u8>> {
    if length as usize > file::MAX_PATH {
        return Err(Errno::NameTooLong);
    }
    copy::read(address, length)
}

fn clock() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |since| since.as_micros() as i64)
}

/// Sleeps at least so long, but wakes up when the thread must leave.
fn sleep(duration: Duration) {
    let end = std::time::Instant::now() + duration;
    while let Some(left) = end.checked_duration_since(std::time::Instant::now()) {
        if left.is_zero() || cores::must_leave() {
            return;
        }
        let left = timespec(left);
        // SAFETY: a time on this stack; what would be left is not asked for. A signal ends it early.
        unsafe { libc::nanosleep(&raw const left, ptr::null_mut()) };
    }
}

fn timespec(duration: Duration) -> libc::timespec {
    // SAFETY: all fields may be zero.
    let mut time: libc::timespec = unsafe { mem::zeroed() };
    time.tv_sec = duration.as_secs() as i64;
    time.tv_nsec = i64::from(duration.subsec_nanos());
    time
}

/// The word of a futex: aligned, and within the module's memory.
fn word(address: u32) -> Result<*mut u32> {
    let inside = (layout::LOWEST..layout::MEMORY_END - 3).contains(&address);
    if !inside || !address.is_multiple_of(4) {
        return Err(Errno::BadPointer);
    }
    Ok(ptr::without_provenance_mut(address as usize))
}

/// `bf_wait`: the system's futex, whose words may be the module's own.
fn wait(address: u32, expected: u32, timeout_us: i64) -> Result<i64> {
    let word = word(address)?;
    let time = u64::try_from(timeout_us)
        .ok()
        .map(Duration::from_micros)
        .map(timespec);
    let time = time.as_ref().map_or(ptr::null(), ptr::from_ref);
    let operation = libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG;
    // SAFETY: the system checks the address and only reads there; the time is on this stack.
    let result = unsafe { libc::syscall(libc::SYS_futex, word, operation, expected, time) };
    if result == 0 {
        return Ok(0);
    }
    match io::Error::last_os_error().raw_os_error() {
        // A signal: the caller looks again, or the gate does not go back.
        Some(libc::EINTR) => Ok(0),
        Some(libc::EAGAIN) => Err(Errno::Again),
        Some(libc::ETIMEDOUT) => Err(Errno::TimedOut),
        _ => Err(Errno::BadPointer),
    }
}

fn wake(address: u32, count: i32) -> Result<i64> {
    let word = word(address)?;
    if count == 0 {
        // The system would wake one.
        return Ok(0);
    }
    let operation = libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG;
    // SAFETY: the system uses the address as a name only.
    let woken = unsafe { libc::syscall(libc::SYS_futex, word, operation, count) };
    if woken < 0 {
        Err(Errno::BadPointer)
    } else {
        Ok(woken)
    }
}

fn random(address: u32, length: u32) -> Result<i64> {
    if length > copy::MOST {
        return Err(Errno::Invalid);
    }
    let mut bytes = vec![0u8; length as usize];
    let mut filled = 0;
    while filled < bytes.len() {
        let rest = &mut bytes[filled..];
        // SAFETY: the rest of the buffer, with its length.
        let got = unsafe { libc::getrandom(rest.as_mut_ptr().cast(), rest.len(), 0) };
        filled += usize::try_from(got).map_err(|_| Errno::Device)?;
    }
    copy::write(address, &bytes)?;
    Ok(i64::from(length))
}
