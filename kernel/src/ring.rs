//! A byte ring from one writer to one reader, without locks: how a core's lines reach the console.
//!
//! The writer is the core that owns the ring (or whoever holds the lock that stands for it), the reader is the BSP. A record goes in whole or not at all; when it does
//! not fit it is dropped and counted, so a slow console never holds a core up.
//!
//! # Invariants
//! I1. `tail` is written by the writer only, `head` by the reader only; `tail - head <= SIZE` (wrapping).
//! I2. Bytes in `[head, tail)` are not written; bytes outside are not read.
//!
//! The bytes are atomics accessed with Relaxed: that is a plain byte move on x86-64 and keeps this file free of unsafe
//! code; the order comes from `tail` and `head`.

use core::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};

/// A ring of `SIZE` bytes (a power of two).
#[derive(Debug)]
pub struct Ring<const SIZE: usize> {
    bytes: [AtomicU8; SIZE],
    head: AtomicUsize,
    tail: AtomicUsize,
    dropped: AtomicU64,
}

impl<const SIZE: usize> Ring<SIZE> {
    /// An empty ring.
    #[must_use]
    pub const fn new() -> Self {
        assert!(SIZE.is_power_of_two());
        Self {
            bytes: [const { AtomicU8::new(0) }; SIZE],
            head: AtomicUsize::new(0),
            tail: AtomicUsize::new(0),
            dropped: AtomicU64::new(0),
        }
    }

    /// Puts `record` in, whole; returns false, and counts it, when it does not fit. Only the owner may call this.
    pub fn push(&self, record: &[u8]) -> bool {
        // ORDERING: Relaxed: only this side writes `tail` (I1).
        let tail = self.tail.load(Ordering::Relaxed);
        if record.len() > self.room() {
            // ORDERING: Relaxed: a statistic, it orders nothing.
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return false;
        }
        for (at, &byte) in record.iter().enumerate() {
            // ORDERING: Relaxed: published by the Release of `tail` below.
            self.bytes[tail.wrapping_add(at) % SIZE].store(byte, Ordering::Relaxed);
        }
        // ORDERING: Release pairs with the Acquire of `tail` in `pop`; it carries the bytes.
        self.tail
            .store(tail.wrapping_add(record.len()), Ordering::Release);
        true
    }

    /// Bytes of the longest record that fits now. Only the owner may call this; what it says can only grow until it pushes.
    pub fn room(&self) -> usize {
        // ORDERING: Relaxed: only this side writes `tail` (I1).
        let tail = self.tail.load(Ordering::Relaxed);
        // ORDERING: Acquire pairs with the Release in `pop`: the reader is done with the bytes it gave back.
        let head = self.head.load(Ordering::Acquire);
        SIZE - tail.wrapping_sub(head)
    }

    /// Takes up to `out.len()` bytes; returns how many. Only the reader may call this.
    pub fn pop(&self, out: &mut [u8]) -> usize {
        // ORDERING: Relaxed: only this side writes `head` (I1).
        let head = self.head.load(Ordering::Relaxed);
        // ORDERING: Acquire pairs with the Release in `push`; it makes the bytes visible.
        let tail = self.tail.load(Ordering::Acquire);
        let count = tail.wrapping_sub(head).min(out.len());
        for (at, byte) in out[..count].iter_mut().enumerate() {
            // ORDERING: Relaxed: ordered by the Acquire of `tail` above.
            *byte = self.bytes[head.wrapping_add(at) % SIZE].load(Ordering::Relaxed);
        }
        // ORDERING: Release pairs with the Acquire of `head` in `push`: the bytes may be overwritten from here on.
        self.head.store(head.wrapping_add(count), Ordering::Release);
        count
    }

    /// Records that did not fit, since the start.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        // ORDERING: Relaxed: a statistic, it orders nothing.
        self.dropped.load(Ordering::Relaxed)
    }
}

impl<const SIZE: usize> Default for Ring<SIZE> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_out_in_order_across_the_wrap() {
        let ring = Ring::<8>::new();
        let mut out = [0; 8];
        for round in 0..10u8 {
            assert!(ring.push(&[round, round + 1, round + 2]));
            assert_eq!(ring.pop(&mut out), 3);
            assert_eq!(out[..3], [round, round + 1, round + 2]);
        }
    }

    #[test]
    fn a_record_that_does_not_fit_is_dropped_whole_and_counted() {
        let ring = Ring::<8>::new();
        assert!(ring.push(b"hello"));
        assert_eq!(ring.room(), 3);
        assert!(!ring.push(b"four"));
        assert!(ring.push(b"abc"));
        let mut out = [0; 16];
        let count = ring.pop(&mut out);
        assert_eq!((&out[..count], ring.dropped()), (&b"helloabc"[..], 1));
    }

    #[test]
    fn two_threads_lose_and_invent_nothing() {
        let ring = Ring::<64>::new();
        let total = std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut sent = 0u32;
                while sent < 20_000 {
                    if ring.push(&sent.to_le_bytes()) {
                        sent += 1;
                    } else {
                        std::thread::yield_now();
                    }
                }
            });
            let mut expected = 0u32;
            let mut out = [0; 4];
            while expected < 20_000 {
                match ring.pop(&mut out) {
                    4 => {
                        assert_eq!(u32::from_le_bytes(out), expected);
                        expected += 1;
                    }
                    0 => std::thread::yield_now(),
                    odd => panic!("a record was torn into {odd} bytes"),
                }
            }
            expected
        });
        assert_eq!(total, 20_000);
    }
}
