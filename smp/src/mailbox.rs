//! A core's mailbox: what other cores want from it, and how far it has got.
//!
//! All requests but one are the same however often they are made: serialise, wake up, pass a
//! quiescent state, stop. For those a counter is enough, and a counter is never full. Only a flush
//! carries data. It goes into one of a few cells; if none is free, the sender asks for a flush of
//! everything, which is always correct. So a mailbox takes any number of requests from any number
//! of cores, in bounded memory and bounded time, and nobody waits for room.
//!
//! ```text
//!   sender                                     owner
//!   cell: Empty → Writing → payload → Full
//!   (or overflow = 1)
//!   ticket = ++requested[kind]
//!   pending |= kind
//!   interrupt ─────────────────────────────►   pending = 0
//!                                              r = requested[kind]
//!                                              all Full cells → Empty, flush; overflow: flush all
//!   served[kind] ≥ ticket?  ◄───────────────   served[kind] = r
//! ```
//!
//! Order between requests is not kept and not needed: flushes commute with each other and with the
//! rest. `Stop` comes last, after everything else was acknowledged.
//!
//! # Invariants
//! M1. A request is counted only after its payload is in place (or the overflow flag is set).
//! M2. `served = r` is stored only after the work of all requests up to `r` is done.
//! M3. Only the owner writes `served`, takes cells from `Full`, and clears `pending` and
//!     `overflow`; [`Mailbox::serve`] runs with interrupts off, so it does not interrupt itself.
//!
//! # Why an acknowledged flush has happened
//! The sender's `Full` store (or overflow store) comes before its increment of `requested` (M1),
//! and the owner reads `requested` with acquire before it looks at the cells. Increments are
//! read-modify-write operations, so reading `r` synchronises with every sender up to `r`. Each of
//! their cells is therefore seen as `Full` and flushed now, or was taken by an earlier `serve`,
//! which flushed it then. A cell seen as `Writing` belongs to a sender not yet counted, and is not
//! owed. The sender's change of the page table comes before all of this, so the flush comes after
//! it.

use crate::sync::{AtomicU32, AtomicU64, Ordering};
#[cfg(test)]
use crate::weaken::Weakness;
use crate::weaken::weak;

/// Flushes that fit before the fallback to flushing everything. Few under loom, whose cost is
/// exponential in steps.
const CELLS: usize = if cfg!(loom) { 1 } else { 8 };
/// Number of [`Kind`]s.
const KINDS: usize = 5;

/// Names an address space for flushes. Never used again for another one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SpaceId(pub u64);

/// Translations to be dropped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Flush {
    /// Some pages of one address space.
    Pages {
        /// The space.
        space: SpaceId,
        /// Number of the first page (linear address / 4096).
        first: u64,
        /// How many 4 KiB pages; at least 1.
        count: u64,
    },
    /// All of one address space.
    Space(SpaceId),
    /// All there are.
    Everything,
}

/// Something that a core can be asked to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Request {
    /// Drop translations.
    Shootdown(Flush),
    /// Execute a serialising instruction.
    CoreSync,
    /// Nothing but leaving `hlt`: there is work to look for.
    Wake,
    /// Pass a quiescent state soon.
    Quiesce,
    /// Halt for ever.
    Stop,
}

impl Request {
    /// The request without its payload.
    pub(crate) fn kind(self) -> Kind {
        match self {
            Request::Shootdown(_) => Kind::Shootdown,
            Request::CoreSync => Kind::CoreSync,
            Request::Wake => Kind::Wake,
            Request::Quiesce => Kind::Quiesce,
            Request::Stop => Kind::Stop,
        }
    }
}

/// A request without its payload: what is counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum Kind {
    Shootdown,
    CoreSync,
    Wake,
    Quiesce,
    Stop,
}

impl Kind {
    /// In the order in which they are served; `Stop` is the last.
    const ALL: [Kind; KINDS] = [
        Kind::Shootdown,
        Kind::CoreSync,
        Kind::Wake,
        Kind::Quiesce,
        Kind::Stop,
    ];

    fn bit(self) -> u32 {
        1 << self as u32
    }
}

/// The calling core's translation cache.
pub trait Tlb {
    /// Drops these translations of the calling core (INVLPG, a load of CR3, or INVPCID).
    fn flush(&mut self, flush: Flush);
}

/// What the calling core can do for others. All functions are called with interrupts off.
pub trait Responder: Tlb {
    /// Executes a serialising instruction (SDM vol. 3, 9.3).
    fn serialise(&mut self);

    /// Sees to it that the core passes a quiescent state before long. It may pass one here only if
    /// the core is known to hold no reference: a waiter serves its mailbox too, in the middle of
    /// whatever it waits for.
    fn quiesce(&mut self);

    /// Halts the core for ever. The request has been acknowledged. (The simulator returns.)
    fn stop(&mut self);
}

/// A cell's state: who may touch the payload.
const EMPTY: u32 = 0;
const WRITING: u32 = 1;
const FULL: u32 = 2;

/// Room for one flush.
#[derive(Debug)]
struct Cell {
    state: AtomicU32,
    space: AtomicU64,
    first: AtomicU64,
    /// 0: the whole space.
    count: AtomicU64,
}

/// The requests to one core.
#[derive(Debug)]
pub(crate) struct Mailbox {
    pending: AtomicU32,
    overflow: AtomicU32,
    requested: [AtomicU64; KINDS],
    served: [AtomicU64; KINDS],
    cells: [Cell; CELLS],
    #[cfg(test)]
    weakness: Weakness,
}

impl Mailbox {
    /// An empty mailbox.
    pub(crate) fn new() -> Mailbox {
        Mailbox {
            pending: AtomicU32::new(0),
            overflow: AtomicU32::new(0),
            requested: core::array::from_fn(|_| AtomicU64::new(0)),
            served: core::array::from_fn(|_| AtomicU64::new(0)),
            cells: core::array::from_fn(|_| Cell {
                state: AtomicU32::new(EMPTY),
                space: AtomicU64::new(0),
                first: AtomicU64::new(0),
                count: AtomicU64::new(0),
            }),
            #[cfg(test)]
            weakness: Weakness::None,
        }
    }

    /// The same with a step left out.
    #[cfg(test)]
    pub(crate) fn weakened(weakness: Weakness) -> Mailbox {
        Mailbox {
            weakness,
            ..Mailbox::new()
        }
    }

    /// Any core: leaves a request and returns its ticket. The caller then interrupts the owner.
    pub(crate) fn post(&self, request: Request) -> u64 {
        let kind = request.kind();
        if weak!(self, CountBeforePayload) {
            let ticket = self.count(kind);
            self.put(request);
            return ticket;
        }
        self.put(request);
        self.count(kind)
    }

    /// Any core: whether the owner has done all up to `ticket`.
    pub(crate) fn is_served(&self, kind: Kind, ticket: u64) -> bool {
        // ORDERING: Acquire pairs with the Release store in `serve`: the work is done, and seen.
        self.served[kind as usize].load(Ordering::Acquire) >= ticket
    }

    /// Owner: does all that is asked for. `true` means that it was asked to stop, and has
    /// acknowledged.
    #[must_use]
    pub(crate) fn serve(&self, responder: &mut impl Responder) -> bool {
        // ORDERING: Relaxed: a hint that spares the swap; the interrupt, or the next poll, follows.
        if self.pending.load(Ordering::Relaxed) == 0 {
            return false;
        }
        // ORDERING: AcqRel pairs with the Release in `count`: whose bit is seen, its count is seen.
        let pending = self.pending.swap(0, Ordering::AcqRel);
        for kind in Kind::ALL
            .into_iter()
            .filter(|kind| pending & kind.bit() != 0)
        {
            let at = kind as usize;
            // ORDERING: Acquire pairs with the Release increment in `count`: payloads up to here
            // are seen.
            let requested = self.requested[at].load(Ordering::Acquire);
            if weak!(self, AcknowledgeFirst) {
                // ORDERING: Release as below; the fault under test is the place.
                self.served[at].store(requested, Ordering::Release);
            }
            match kind {
                Kind::Shootdown => self.flush_all_cells(responder),
                Kind::CoreSync => responder.serialise(),
                Kind::Quiesce => responder.quiesce(),
                Kind::Wake | Kind::Stop => {}
            }
            // ORDERING: Release pairs with the Acquire in `is_served`: the work comes before it
            // (M2).
            self.served[at].store(requested, Ordering::Release);
        }
        pending & Kind::Stop.bit() != 0
    }

    /// Puts the payload in place, if there is one.
    fn put(&self, request: Request) {
        let (space, first, count) = match request {
            Request::Shootdown(Flush::Pages {
                space,
                first,
                count,
            }) => (space, first, count.max(1)),
            Request::Shootdown(Flush::Space(space)) => (space, 0, 0),
            Request::Shootdown(Flush::Everything) => return self.overflow(),
            Request::CoreSync | Request::Wake | Request::Quiesce | Request::Stop => return,
        };
        for cell in &self.cells {
            // ORDERING: Acquire pairs with the owner's Release of `EMPTY`: it has read the old
            // payload. Relaxed on failure: nothing is read then.
            let taken =
                cell.state
                    .compare_exchange(EMPTY, WRITING, Ordering::Acquire, Ordering::Relaxed);
            if taken.is_ok() {
                // ORDERING: Relaxed, three times: carried by the Release store of `FULL` below.
                cell.space.store(space.0, Ordering::Relaxed);
                cell.first.store(first, Ordering::Relaxed);
                cell.count.store(count, Ordering::Relaxed);
                // ORDERING: Release pairs with the owner's Acquire load in `flush_all_cells`.
                cell.state.store(FULL, Ordering::Release);
                return;
            }
        }
        if !weak!(self, DropOnOverflow) {
            self.overflow();
        }
    }

    fn overflow(&self) {
        // ORDERING: Release pairs with the Acquire swap in `flush_all_cells`.
        self.overflow.store(1, Ordering::Release);
    }

    fn count(&self, kind: Kind) -> u64 {
        // ORDERING: Release pairs with the Acquire load of `requested` in `serve` (M1).
        let ticket = self.requested[kind as usize].fetch_add(1, Ordering::Release) + 1;
        // ORDERING: Release pairs with the swap in `serve`.
        self.pending.fetch_or(kind.bit(), Ordering::Release);
        ticket
    }

    /// Empties all full cells. After an overflow one flush of everything stands for all of them.
    fn flush_all_cells(&self, responder: &mut impl Responder) {
        // ORDERING: AcqRel pairs with the Release store in `overflow`.
        let everything = self.overflow.swap(0, Ordering::AcqRel) != 0;
        for cell in &self.cells {
            // ORDERING: Acquire pairs with the sender's Release store of `FULL`.
            if cell.state.load(Ordering::Acquire) != FULL {
                continue;
            }
            // ORDERING: Relaxed, three times: carried by the Acquire load above.
            let space = SpaceId(cell.space.load(Ordering::Relaxed));
            let first = cell.first.load(Ordering::Relaxed);
            let count = cell.count.load(Ordering::Relaxed);
            // ORDERING: Release pairs with the Acquire in `put`: the next sender writes after we
            // have read.
            cell.state.store(EMPTY, Ordering::Release);
            if !everything {
                responder.flush(match count {
                    0 => Flush::Space(space),
                    _ => Flush::Pages {
                        space,
                        first,
                        count,
                    },
                });
            }
        }
        if everything {
            responder.flush(Flush::Everything);
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;
    use alloc::vec::Vec;

    use super::*;

    /// Writes down what it is asked to do.
    #[derive(Default)]
    struct Log(Vec<Option<Flush>>, u32, u32, u32);

    impl Tlb for Log {
        fn flush(&mut self, flush: Flush) {
            self.0.push(Some(flush));
        }
    }

    impl Responder for Log {
        fn serialise(&mut self) {
            self.1 += 1;
        }
        fn quiesce(&mut self) {
            self.2 += 1;
        }
        fn stop(&mut self) {
            self.3 += 1;
        }
    }

    fn pages(first: u64) -> Flush {
        Flush::Pages {
            space: SpaceId(7),
            first,
            count: 2,
        }
    }

    #[test]
    fn every_flush_arrives_once() {
        let (mailbox, mut log) = (Mailbox::new(), Log::default());
        let first = mailbox.post(Request::Shootdown(pages(3)));
        let second = mailbox.post(Request::Shootdown(Flush::Space(SpaceId(9))));
        assert!(!mailbox.is_served(Kind::Shootdown, first));
        assert!(!mailbox.serve(&mut log));
        assert!(mailbox.is_served(Kind::Shootdown, second));
        assert_eq!(log.0, [Some(pages(3)), Some(Flush::Space(SpaceId(9)))]);
        assert!(!mailbox.serve(&mut log));
        assert_eq!(log.0.len(), 2, "an empty mailbox asks for nothing");
    }

    #[test]
    fn full_mailbox_flushes_everything_instead() {
        let (mailbox, mut log) = (Mailbox::new(), Log::default());
        let tickets: Vec<u64> = (0..20)
            .map(|page| mailbox.post(Request::Shootdown(pages(page))))
            .collect();
        assert!(!mailbox.serve(&mut log));
        assert!(
            tickets
                .iter()
                .all(|ticket| mailbox.is_served(Kind::Shootdown, *ticket))
        );
        assert_eq!(log.0, [Some(Flush::Everything)]);
        mailbox.post(Request::Shootdown(pages(1)));
        assert!(!mailbox.serve(&mut log));
        assert_eq!(log.0[1..], [Some(pages(1))], "back to normal afterwards");
    }

    #[test]
    fn flush_is_lost_in_a_full_mailbox_without_the_fallback() {
        let mailbox = Mailbox::weakened(Weakness::DropOnOverflow);
        let mut log = Log::default();
        let posts = (0..=CELLS as u64).map(|page| mailbox.post(Request::Shootdown(pages(page))));
        let last = posts.last().unwrap();
        assert!(!mailbox.serve(&mut log));
        assert!(mailbox.is_served(Kind::Shootdown, last));
        assert!(
            !log.0.contains(&Some(pages(CELLS as u64))),
            "acknowledged and never done"
        );
        assert!(!log.0.contains(&Some(Flush::Everything)));
    }

    #[test]
    fn requests_without_payload_are_joined() {
        let (mailbox, mut log) = (Mailbox::new(), Log::default());
        let tickets: Vec<u64> = (0..1000).map(|_| mailbox.post(Request::CoreSync)).collect();
        mailbox.post(Request::Quiesce);
        mailbox.post(Request::Wake);
        assert!(!mailbox.serve(&mut log));
        assert_eq!((log.1, log.2), (1, 1));
        assert!(mailbox.is_served(Kind::CoreSync, tickets[999]));
        assert_eq!(log.0, vec![]);
    }

    #[test]
    fn stop_is_acknowledged_after_everything_else() {
        let (mailbox, mut log) = (Mailbox::new(), Log::default());
        let stop = mailbox.post(Request::Stop);
        let flush = mailbox.post(Request::Shootdown(pages(1)));
        assert!(mailbox.serve(&mut log));
        assert!(mailbox.is_served(Kind::Stop, stop) && mailbox.is_served(Kind::Shootdown, flush));
        assert_eq!(log.3, 0, "halting is left to the caller");
    }
}
