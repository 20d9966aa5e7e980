//! Copies between the module's memory and the runtime's.
//!
//! The system does them (`process_vm_readv`, `process_vm_writev`): it answers an address that is not
//! mapped, or not with these rights, with an error instead of a signal. What was copied is what is
//! judged; the module's memory is never read twice and never referred to.

use abi::Errno;
use std::ptr;

/// Most bytes that one host call copies: longer requests are served in part.
pub(crate) const MOST: u32 = 1 << 20;

/// `length` bytes from `address` on.
///
/// # Errors
/// A byte is outside of what the module may read.
pub(crate) fn read(address: u32, length: u32) -> Result<Vec<u8>, Errno> {
    let mut bytes = vec![0u8; length as usize];
    let local = bytes.as_mut_ptr();
    copy(address, local, bytes.len(), libc::process_vm_readv)?;
    Ok(bytes)
}

/// Puts `bytes` to `address`.
///
/// # Errors
/// A byte is outside of what the module may write; some may have been written.
pub(crate) fn write(address: u32, bytes: &[u8]) -> Result<(), Errno> {
    let local = bytes.as_ptr().cast_mut();
    copy(address, local, bytes.len(), libc::process_vm_writev)
}

type Transfer = unsafe extern "C" fn(
    libc::pid_t,
    *const libc::iovec,
    libc::c_ulong,
    *const libc::iovec,
    libc::c_ulong,
    libc::c_ulong,
) -> isize;

fn copy(address: u32, local: *mut u8, length: usize, transfer: Transfer) -> Result<(), Errno> {
    if u64::from(address) + length as u64 > u64::from(jit::abi::MEMORY_END) {
        return Err(Errno::BadPointer);
    }
    let local = libc::iovec {
        iov_base: local.cast(),
        iov_len: length,
    };
    let remote = libc::iovec {
        iov_base: ptr::without_provenance_mut(address as usize),
        iov_len: length,
    };
    // SAFETY: no arguments.
    let own = unsafe { libc::getpid() };
    // SAFETY: the local range is the caller's; `process_vm_writev` only reads it. The system checks
    // the remote one, and below `MEMORY_END` there is nothing but the module's memory.
    let copied = unsafe { transfer(own, &raw const local, 1, &raw const remote, 1, 0) };
    if usize::try_from(copied) == Ok(length) {
        Ok(())
    } else {
        Err(Errno::BadPointer)
    }
}
