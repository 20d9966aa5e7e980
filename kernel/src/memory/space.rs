//! The address space of one ring-3 process: the lower half of a set of page tables.
//!
//! Owned frames (globals, heap, stacks) are freed with the space; borrowed ones (code, slots) belong to someone else.
//! A space is freed only when no core runs in it or keeps its tables loaded; `cores` tracks that.

use super::paging::{self, MapError, Rights};
use super::{OutOfMemory, allocate_frame, release_frame};
use crate::metal::cpu;
use kernel::frames::Frame;
use kernel::layout::{PAGE_SIZE, PhysAddr, USER_END, VirtAddr};

/// The lower half of an address space.
#[derive(Debug)]
pub(crate) struct Space {
    root: PhysAddr,
}

impl Space {
    /// An empty space.
    pub(crate) fn new() -> Result<Self, OutOfMemory> {
        Ok(Self {
            root: paging::new_root()?,
        })
    }

    /// Physical address of the tables.
    pub(crate) fn root(&self) -> PhysAddr {
        self.root
    }

    /// Maps fresh zeroed frames over `[start, start + size)`; both are multiples of the page size.
    pub(crate) fn map_fresh(
        &mut self,
        start: u64,
        size: u64,
        rights: Rights,
    ) -> Result<(), MapError> {
        for at in pages(start, size) {
            let frame = allocate_frame()?;
            // SAFETY: a fresh frame, in the lower half (`pages` checks), where no Rust object lives.
            let outcome =
                unsafe { paging::map(self.root, at, PhysAddr(frame.address()), rights.owned()) };
            if let Err(error) = outcome {
                release_frame(frame);
                return Err(error);
            }
        }
        Ok(())
    }

    /// Maps frames that belong to someone else.
    ///
    /// # Safety
    /// The frames must stay what they are until they are unmapped again, and must not hold kernel data that the rights
    /// would open to the program.
    pub(crate) unsafe fn map_borrowed(
        &mut self,
        start: u64,
        phys: PhysAddr,
        size: u64,
        rights: Rights,
    ) -> Result<(), MapError> {
        for at in pages(start, size) {
            // SAFETY: forwarded to the caller; in the lower half.
            unsafe { paging::map(self.root, at, phys.add(at.0 - start), rights)? };
        }
        Ok(())
    }

    /// Maps one code frame with any rights: the judge's counter-proof. No task may run in the space.
    pub(crate) fn map_code_for_test(&mut self, at: u64, phys: PhysAddr, rights: Rights) {
        // SAFETY: no task runs in the space, so nobody uses the mapping.
        let _outcome = unsafe { self.map_borrowed(at, phys, PAGE_SIZE, rights) };
    }

    /// Removes the mappings in a range and returns the owned frames; the caller shoots the TLBs down, then frees them.
    pub(crate) fn unmap(&mut self, start: u64, size: u64, mut freed: impl FnMut(Frame)) {
        for at in pages(start, size) {
            if let Some((phys, true)) = paging::unmap(self.root, at) {
                freed(Frame::containing(phys.0));
            }
        }
    }

    /// The physical address behind `virt`, if it is mapped.
    pub(crate) fn translate(&self, virt: u64) -> Option<PhysAddr> {
        paging::translate(self.root, VirtAddr(virt))
    }

    /// Copies `bytes` to `start` in pages that this space owns, whatever their rights. For loading, before any task runs.
    pub(crate) fn write(&mut self, start: u64, bytes: &[u8]) -> Result<(), MapError> {
        let mut done = 0;
        while done < bytes.len() {
            let at = start + done as u64;
            let room = (PAGE_SIZE - at % PAGE_SIZE) as usize;
            let part = &bytes[done..bytes.len().min(done + room)];
            let phys = self.translate(at).ok_or(MapError::Occupied(VirtAddr(at)))?;
            // SAFETY: the frame belongs to this space and no task of it runs, so nobody else uses the bytes.
            let frame = unsafe { super::frame_bytes(Frame::containing(phys.0), 1) };
            let offset = (phys.0 % PAGE_SIZE) as usize;
            frame[offset..offset + part.len()].copy_from_slice(part);
            done += part.len();
        }
        Ok(())
    }

    /// Makes this core use the space; returns whether its tables were loaded, which drops old translations.
    pub(crate) fn activate(&self) -> bool {
        let other = cpu::read_root() != self.root.0;
        if other {
            // SAFETY: made by `new_root`, so the kernel's half is there; freed only when no core uses it (file head).
            unsafe { cpu::write_root(self.root.0) };
        }
        other
    }
}

impl Drop for Space {
    fn drop(&mut self) {
        assert_ne!(
            cpu::read_root(),
            self.root.0,
            "a space is not freed while this core uses it"
        );
        // SAFETY: no core uses the tables (file head); the assertion checks this one.
        unsafe { paging::free_root(self.root, 0..256) };
    }
}

/// Makes this core use the kernel's half alone.
pub(crate) fn activate_kernel() {
    let root = paging::kernel_root().0;
    if cpu::read_root() != root {
        // SAFETY: these tables live for ever.
        unsafe { cpu::write_root(root) };
    }
}

/// The pages of a range, which must lie in the lower half.
fn pages(start: u64, size: u64) -> impl Iterator<Item = VirtAddr> {
    assert!(
        start.is_multiple_of(PAGE_SIZE) && size.is_multiple_of(PAGE_SIZE),
        "ranges are whole pages"
    );
    assert!(
        start.checked_add(size).is_some_and(|end| end <= USER_END),
        "ranges lie in the lower half"
    );
    (start..start + size)
        .step_by(PAGE_SIZE as usize)
        .map(VirtAddr)
}
