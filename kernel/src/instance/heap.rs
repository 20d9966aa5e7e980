//! `bf_grow`: the heap of an instance, one range that grows upwards behind its globals.
//!
//! A task takes the next part of the range under a lock, then maps it in pieces by itself, with turns for others in
//! between; the memory was promised before, so two tasks that grow the heap at once neither wait for each other nor
//! share a part.

use super::calls::Answer;
use super::guest::Guest;
use super::start::Pages;
use crate::memory::OutOfMemory;
use crate::tasks::body::{Poll, Wait};
use crate::tasks::process::Process;
use crate::trap::context::Context;
use alloc::string::String;
use alloc::sync::Arc;
use jit::abi;
use kernel::layout::PAGE_SIZE;

/// Most heap of one instance, in bytes.
const LIMIT: u64 = 768 << 20;

/// The heap's bounds.
#[derive(Debug)]
pub(super) struct Heap {
    next: u64,
    end: u64,
}

impl Heap {
    /// A heap that begins at `start`, a multiple of the page size.
    pub(super) fn new(start: u32) -> Self {
        let next = u64::from(start);
        Self {
            next,
            end: (next + LIMIT).min(u64::from(abi::STACKS)),
        }
    }

    /// Takes the next `bytes`, rounded up to pages.
    fn take(&mut self, bytes: u32) -> Option<(u64, Pages)> {
        let (start, size) = (self.next, u64::from(bytes).next_multiple_of(PAGE_SIZE));
        let end = start.checked_add(size).filter(|&end| end <= self.end)?;
        let pages = Pages::new(start, end).ok()?;
        self.next = end;
        Some((start, pages))
    }
}

/// A part of the heap that is being mapped.
#[derive(Debug)]
struct Grow {
    process: Arc<Process>,
    start: u64,
    pages: Pages,
}

impl Wait for Grow {
    fn poll(&mut self, _context: &mut Context) -> Poll {
        match self.pages.map_some(&self.process) {
            Ok(false) => Poll::More,
            Ok(true) => Poll::Done(self.start),
            Err(OutOfMemory) => Poll::Fail(String::from("the machine's memory is used up")),
        }
    }
}

impl Guest {
    /// `bf_grow`: null when nothing is left.
    pub(super) fn grow(&self, bytes: u32) -> Answer {
        let taken = self.heap.lock().take(bytes);
        match (taken, self.process()) {
            (Some((start, pages)), Some(process)) => Answer::wait(Grow {
                process,
                start,
                pages,
            }),
            _ => Answer::Value(0),
        }
    }
}
