//! Pinning: which of this process's CPUs a thread may run on.
//!
//! To a module cores are numbered from 0; core *n* is the *n*-th CPU that the process was allowed to
//! use when it started. Where the system refuses, a thread runs where it likes: pinning is for speed.

use std::cell::Cell;
use std::mem;
use std::thread;

thread_local! {
    /// The core that this thread was pinned to.
    static PINNED: Cell<Option<usize>> = const { Cell::new(None) };
}

/// The CPUs that the process may use, by number.
#[derive(Debug)]
pub(crate) struct Affinity(Vec<usize>);

impl Affinity {
    /// As the calling thread is allowed to run now.
    pub(crate) fn of_this_process() -> Self {
        // SAFETY: a set is a mask of bits; all may be 0.
        let mut set: libc::cpu_set_t = unsafe { mem::zeroed() };
        // SAFETY: the set is as large as is said.
        let result = unsafe { libc::sched_getaffinity(0, size_of_val(&set), &raw mut set) };
        let most = 8 * size_of_val(&set);
        // SAFETY: numbers below the number of bits.
        let allowed = (0..most).filter(|&cpu| unsafe { libc::CPU_ISSET(cpu, &set) });
        let mut cpus: Vec<usize> = allowed.collect();
        if result != 0 || cpus.is_empty() {
            cpus = (0..thread::available_parallelism().map_or(1, usize::from)).collect();
        }
        Self(cpus)
    }

    /// Number of cores.
    pub(crate) fn cores(&self) -> usize {
        self.0.len()
    }

    /// The calling thread runs on `core` only, or anywhere. False if there is no such core.
    pub(crate) fn pin(&self, core: Option<usize>) -> bool {
        // SAFETY: as above.
        let mut set: libc::cpu_set_t = unsafe { mem::zeroed() };
        let chosen = match core {
            None => &self.0[..],
            Some(core) => match self.0.get(core) {
                Some(cpu) => std::slice::from_ref(cpu),
                None => return false,
            },
        };
        for &cpu in chosen {
            // SAFETY: a number that `CPU_ISSET` has accepted, or one of the first few.
            unsafe { libc::CPU_SET(cpu, &mut set) };
        }
        // SAFETY: the set is as large as is said.
        unsafe { libc::sched_setaffinity(0, size_of_val(&set), &raw const set) };
        PINNED.set(core);
        true
    }

    /// The core that runs the calling thread at this moment.
    pub(crate) fn present(&self) -> usize {
        // SAFETY: no arguments.
        let cpu = usize::try_from(unsafe { libc::sched_getcpu() }).unwrap_or(0);
        let found = self.0.iter().position(|&other| other == cpu);
        PINNED.get().or(found).unwrap_or(0)
    }
}
