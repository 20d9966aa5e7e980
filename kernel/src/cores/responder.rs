//! What this core does when another one asks.

use crate::metal::cpu;
use kernel::layout::PAGE_SIZE;
use smp::call::{Flush, Responder, Tlb};

/// The calling core. Without PCID its TLB holds one address space at a time, so the space's name does not matter.
#[derive(Debug)]
pub(crate) struct Local;

/// From this many pages on, dropping everything is cheaper.
const MAX_SINGLE_PAGES: u64 = 32;

impl Tlb for Local {
    fn flush(&mut self, flush: Flush) {
        match flush {
            Flush::Pages { first, count, .. } if count <= MAX_SINGLE_PAGES => {
                (first..first + count).for_each(|page| cpu::flush_page(page * PAGE_SIZE));
            }
            Flush::Pages { .. } | Flush::Space(_) | Flush::Everything => cpu::flush_all(),
        }
    }
}

impl Responder for Local {
    fn serialise(&mut self) {
        cpu::serialize();
    }

    fn quiesce(&mut self) {
        // Mailboxes are served between steps of the core's loop, where it holds no reference to code.
        super::machine().quiesce.pass(super::me());
        cpu::serialize();
    }

    fn stop(&mut self) {
        cpu::stop()
    }
}
