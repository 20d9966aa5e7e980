//! Shootdowns on simulated cores whose translation caches really go stale.
//!
//! One thread plays all cores. Each has a cache that fills from the page table, also speculatively
//! and also asleep, and that nothing empties but a flush. A frame that was given away is poison:
//! any access that reaches it is the failure that shootdowns exist to prevent.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};

use super::*;
use crate::bus::{BusBusy, InitLevel, StartupPage};
use crate::call::Verdict;
use crate::ids::ApicId;
use crate::sim::Rng;
use crate::topology::Core;

const PAGES: u64 = 12;
const SPACE: SpaceId = SpaceId(5);
const LIMIT: Limit = Limit {
    us: 1000,
    polls: 1000,
};

fn core(index: usize) -> CoreId {
    CoreId::new(index).unwrap()
}

#[derive(Default)]
struct Cpu {
    tlb: BTreeMap<u64, u64>,
    asleep: bool,
    /// Runs on with interrupts off and answers nobody.
    hung: bool,
    parked: bool,
}

/// How the machine under test handles an unmapping.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Policy {
    Shootdown,
    /// The frame is given away at once.
    NoShootdown,
    /// The frame is given away whatever the answer was.
    NoQuarantine,
    /// A core that wakes does not look at the generation.
    NoCheckOnWaking,
}

struct World {
    policy: Policy,
    table: RefCell<BTreeMap<u64, u64>>,
    cpus: Vec<RefCell<Cpu>>,
    calls: Calls,
    space: Space,
    given_away: RefCell<BTreeSet<u64>>,
    next_frame: Cell<u64>,
    now_us: Cell<u64>,
    quarantined: Cell<usize>,
}

struct Answers<'a>(&'a RefCell<Cpu>);

impl Tlb for Answers<'_> {
    fn flush(&mut self, flush: Flush) {
        let tlb = &mut self.0.borrow_mut().tlb;
        match flush {
            Flush::Pages { first, count, .. } => {
                tlb.retain(|page, _| page.wrapping_sub(first) >= count);
            }
            Flush::Space(_) | Flush::Everything => tlb.clear(),
        }
    }
}

impl Responder for Answers<'_> {
    fn serialise(&mut self) {}
    fn quiesce(&mut self) {}
    fn stop(&mut self) {}
}

impl World {
    fn new(cores: usize, policy: Policy) -> World {
        let listed: Vec<Core> = (0..cores)
            .map(|i| Core {
                id: core(i),
                apic: ApicId(i as u32),
            })
            .collect();
        let world = World {
            policy,
            table: RefCell::default(),
            cpus: (0..cores).map(|_| RefCell::default()).collect(),
            calls: Calls::new(&listed),
            space: Space::new(SPACE, cores),
            given_away: RefCell::default(),
            next_frame: Cell::new(100),
            now_us: Cell::new(0),
            quarantined: Cell::new(0),
        };
        for me in 0..cores {
            assert_eq!(
                world.space.enter(core(me)),
                Freshness::Stale,
                "a new space demands a flush"
            );
        }
        world
    }

    fn runs(&self, me: usize) -> bool {
        let cpu = self.cpus[me].borrow();
        !cpu.asleep && !cpu.parked
    }

    fn map(&self, page: u64) {
        let frame = self.next_frame.replace(self.next_frame.get() + 1);
        self.table.borrow_mut().entry(page).or_insert(frame);
    }

    /// A translation as the processor makes it, caching what it finds.
    fn translate(&self, me: usize, page: u64) -> Option<u64> {
        let mut cpu = self.cpus[me].borrow_mut();
        if let Some(frame) = cpu.tlb.get(&page) {
            return Some(*frame);
        }
        let frame = *self.table.borrow().get(&page)?;
        cpu.tlb.insert(page, frame);
        Some(frame)
    }

    /// An access by a program; `true` if it reached a frame that belongs to someone else by now.
    fn access_is_stale(&self, me: usize, page: u64) -> bool {
        self.runs(me)
            && self
                .translate(me, page)
                .is_some_and(|frame| self.given_away.borrow().contains(&frame))
    }

    fn unmap(&self, me: usize, first: u64, count: u64) {
        let removed: Vec<u64> = {
            let mut table = self.table.borrow_mut();
            (first..first + count)
                .filter_map(|page| table.remove(&page))
                .collect()
        };
        let flush = Flush::Pages {
            space: SPACE,
            first,
            count,
        };
        let shootdown = Shootdown {
            calls: &self.calls,
            bus: self,
            clock: self,
            limit: LIMIT,
        };
        let mut answers = Answers(&self.cpus[me]);
        let fate = if self.policy == Policy::NoShootdown {
            answers.flush(flush);
            FrameFate::Reusable
        } else {
            shootdown.unmap(core(me), &self.space, flush, Frees::Pages, &mut answers)
        };
        if fate == FrameFate::Reusable || self.policy == Policy::NoQuarantine {
            self.given_away.borrow_mut().extend(removed);
        } else {
            self.quarantined.set(self.quarantined.get() + removed.len());
        }
    }

    fn sleep(&self, me: usize) {
        self.space.idle(core(me));
        self.cpus[me].borrow_mut().asleep = true;
    }

    fn wake(&self, me: usize) {
        let freshness = self.space.enter(core(me));
        if freshness == Freshness::Stale && self.policy != Policy::NoCheckOnWaking {
            Answers(&self.cpus[me]).flush(Flush::Space(SPACE));
        }
        self.cpus[me].borrow_mut().asleep = false;
    }

    /// An interrupt arrives, or would if the core had not hung.
    fn interrupt(&self, me: usize) {
        let ready = self.cpus[me]
            .try_borrow()
            .is_ok_and(|cpu| !cpu.hung && !cpu.parked);
        if ready && self.calls.serve(core(me), &mut Answers(&self.cpus[me])) == Verdict::Park {
            self.cpus[me].borrow_mut().parked = true;
            self.calls.halted(core(me));
        }
    }

    /// One random step of one random core.
    fn step(&self, rng: &mut Rng, may_hang: bool) -> bool {
        let me = rng.below(self.cpus.len() as u64) as usize;
        let page = rng.below(PAGES);
        match rng.below(16) {
            0..=2 => self.map(page),
            3 | 4 if self.runs(me) && !self.cpus[me].borrow().hung => {
                self.unmap(me, page, 1 + rng.below(3));
            }
            5 if self.runs(me) => self.sleep(me),
            6 | 7 if self.cpus[me].borrow().asleep => self.wake(me),
            8 => drop(self.translate(me, page)),
            9 if may_hang && rng.one_in(20) => self.cpus[me].borrow_mut().hung = true,
            10 if rng.one_in(4) => {
                self.cpus[me].borrow_mut().hung = false;
                self.interrupt(me);
            }
            _ => return self.access_is_stale(me, page),
        }
        false
    }
}

impl ApicBus for World {
    fn own_id(&self) -> ApicId {
        ApicId(0)
    }
    fn send_init(&self, _: ApicId, _: InitLevel) -> Result<(), BusBusy> {
        Err(BusBusy)
    }
    fn send_sipi(&self, _: ApicId, _: StartupPage) -> Result<(), BusBusy> {
        Err(BusBusy)
    }
    fn send_ipi(&self, _: ApicId) -> Result<(), BusBusy> {
        Ok(())
    }
    fn send_nmi(&self, _: ApicId) -> Result<(), BusBusy> {
        Ok(())
    }
}

impl Clock for World {
    fn now_us(&self) -> u64 {
        self.now_us.get()
    }

    /// While one core waits, the others run.
    fn relax(&self, _: u64) {
        self.now_us.set(self.now_us.get() + 100);
        (0..self.cpus.len()).for_each(|me| self.interrupt(me));
    }
}

/// Runs a random history and returns whether any access was stale, and how many frames were
/// quarantined.
fn history(seed: u64, cores: usize, policy: Policy, may_hang: bool) -> (bool, usize) {
    let (mut rng, world) = (Rng::new(seed), World::new(cores, policy));
    let mut stale = false;
    for _ in 0..600 {
        stale |= world.step(&mut rng, may_hang);
    }
    (stale, world.quarantined.get())
}

#[test]
fn no_access_reaches_a_frame_that_was_given_away() {
    for seed in 0..300 {
        let cores = [1, 2, 3, 4, 8, 16][seed as usize % 6];
        assert_eq!(
            history(seed, cores, Policy::Shootdown, false),
            (false, 0),
            "seed {seed}"
        );
    }
}

#[test]
fn silent_cores_cost_frames_and_not_correctness() {
    let mut quarantined = 0;
    for seed in 0..300 {
        let (stale, frames) = history(seed, 4, Policy::Shootdown, true);
        assert!(!stale, "seed {seed}");
        quarantined += frames;
    }
    assert!(quarantined > 0, "no history had a silent core");
}

#[test]
fn stale_accesses_are_seen_without_the_shootdown() {
    assert!((0..20).any(|seed| history(seed, 4, Policy::NoShootdown, false).0));
}

#[test]
fn stale_accesses_are_seen_without_the_quarantine() {
    assert!((0..300).any(|seed| history(seed, 4, Policy::NoQuarantine, true).0));
}

#[test]
fn stale_accesses_are_seen_without_the_check_on_waking() {
    assert!((0..20).any(|seed| history(seed, 4, Policy::NoCheckOnWaking, false).0));
}

#[test]
fn sleeping_core_is_not_asked_unless_tables_are_freed() {
    let space = Space::new(SPACE, 3);
    for me in 0..3 {
        assert_eq!(space.enter(core(me)), Freshness::Stale);
    }
    space.idle(core(1));
    space.depart(core(2));
    assert_eq!(space.begin_unmap(Frees::Pages), CoreMask::first(1));
    assert_eq!(space.begin_unmap(Frees::Tables), CoreMask::first(2));
    assert_eq!(space.loaded(), CoreMask::first(2));
}

#[test]
fn undisturbed_core_keeps_its_translations() {
    let space = Space::new(SPACE, 1);
    assert_eq!(space.enter(core(0)), Freshness::Stale);
    space.idle(core(0));
    assert_eq!(space.enter(core(0)), Freshness::Current);
    space.begin_unmap(Frees::Pages);
    assert_eq!(space.enter(core(0)), Freshness::Stale);
}
