//! Calls between cores that answer, are late, deaf, lost, or wait for each other.

use std::sync::{Barrier, Mutex};
use std::thread;

use super::*;
use crate::bus::{BusBusy, InitLevel, StartupPage};
use crate::sim::Rng;

fn cores(count: usize) -> Vec<Core> {
    let core = |i| Core {
        id: CoreId::new(i).unwrap(),
        apic: ApicId(i as u32),
    };
    (0..count).map(core).collect()
}

fn core(index: usize) -> CoreId {
    CoreId::new(index).unwrap()
}

/// A number that threads share.
#[derive(Default)]
struct Count(Mutex<usize>);

impl Count {
    fn get(&self) -> usize {
        *self.0.lock().unwrap()
    }
    fn set(&self, value: usize) {
        *self.0.lock().unwrap() = value;
    }
    fn add(&self) {
        *self.0.lock().unwrap() += 1;
    }
    /// Takes one away if there is one.
    fn take(&self) -> bool {
        let mut value = self.0.lock().unwrap();
        let some = *value > 0;
        *value -= usize::from(some);
        some
    }
}

/// A bus that delivers nothing by itself, and a clock that stands still: cores poll, waits end by
/// polls.
#[derive(Default)]
struct Quiet {
    refuse: Count,
    rung: Count,
    nmis: Count,
}

impl ApicBus for Quiet {
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
        if self.refuse.take() {
            return Err(BusBusy);
        }
        self.rung.add();
        Ok(())
    }
    fn send_nmi(&self, _: ApicId) -> Result<(), BusBusy> {
        self.nmis.add();
        Ok(())
    }
}

impl Clock for Quiet {
    fn now_us(&self) -> u64 {
        0
    }
    fn relax(&self, _: u64) {
        thread::yield_now();
    }
}

#[derive(Default)]
struct Counter {
    flushes: usize,
    syncs: usize,
    stops: usize,
}

impl Tlb for Counter {
    fn flush(&mut self, _: Flush) {
        self.flushes += 1;
    }
}

impl Responder for Counter {
    fn serialise(&mut self) {
        self.syncs += 1;
    }
    fn quiesce(&mut self) {}
    fn stop(&mut self) {
        self.stops += 1;
    }
}

/// Few polls: for waits that are meant to fail.
const SHORT: Limit = Limit { us: 1, polls: 50 };
/// Polls enough for any scheduling of the host's threads.
const LONG: Limit = Limit {
    us: 1,
    polls: u32::MAX,
};

fn wait(
    calls: &Calls,
    me: usize,
    receipt: Receipt,
    limit: Limit,
    bus: &Quiet,
) -> Result<(), Silent> {
    calls.wait(
        core(me),
        receipt,
        limit,
        (bus, bus),
        &mut Counter::default(),
    )
}

#[test]
fn caller_is_not_asked_and_nobody_is_no_wait() {
    let (calls, bus) = (Calls::new(&cores(2)), Quiet::default());
    let receipt = calls.post(core(0), CoreMask::only(core(0)), Request::CoreSync, &bus);
    assert_eq!(wait(&calls, 0, receipt, SHORT, &bus), Ok(()));
    assert_eq!(bus.rung.get(), 0);
}

#[test]
fn acknowledgement_ends_the_wait() {
    let (calls, bus) = (Calls::new(&cores(3)), Quiet::default());
    let receipt = calls.post(core(0), CoreMask::first(3), Request::CoreSync, &bus);
    let mut counter = Counter::default();
    for other in [1, 2] {
        assert_eq!(calls.serve(core(other), &mut counter), Verdict::Continue);
    }
    assert_eq!(wait(&calls, 0, receipt, SHORT, &bus), Ok(()));
    assert_eq!((counter.syncs, bus.rung.get()), (2, 2));
}

#[test]
fn silent_core_is_lost_and_has_to_park() {
    let (calls, bus) = (Calls::new(&cores(3)), Quiet::default());
    let receipt = calls.post(core(0), CoreMask::first(3), Request::CoreSync, &bus);
    assert_eq!(
        calls.serve(core(1), &mut Counter::default()),
        Verdict::Continue
    );
    let only_2 = CoreMask::only(core(2));
    let silent = Silent {
        cores: only_2,
        newly_lost: only_2,
    };
    assert_eq!(wait(&calls, 0, receipt, SHORT, &bus), Err(silent));
    assert_eq!((bus.nmis.get(), calls.lost()), (1, only_2));
    assert!(calls.is_lost(core(2)) && !calls.is_lost(core(1)));

    let mut counter = Counter::default();
    assert_eq!(
        calls.serve(core(2), &mut counter),
        Verdict::Park,
        "it comes back too late"
    );
    assert_eq!(counter.syncs, 0);
}

#[test]
fn lost_core_is_not_waited_for_and_still_in_the_way_until_it_halts() {
    let (calls, bus) = (Calls::new(&cores(2)), Quiet::default());
    let ask = || calls.post(core(0), CoreMask::first(2), Request::CoreSync, &bus);
    assert!(wait(&calls, 0, ask(), SHORT, &bus).is_err());
    let again = Silent {
        cores: CoreMask::only(core(1)),
        newly_lost: CoreMask::EMPTY,
    };
    assert_eq!(
        wait(&calls, 0, ask(), LONG, &bus),
        Err(again),
        "at once, though the limit is long"
    );
    calls.halted(core(1));
    assert_eq!(wait(&calls, 0, ask(), SHORT, &bus), Ok(()));
}

#[test]
fn lost_waiter_judges_nobody() {
    let (calls, bus) = (Calls::new(&cores(3)), Quiet::default());
    let by_1 = calls.post(core(1), CoreMask::first(3), Request::CoreSync, &bus);
    let by_0 = calls.post(core(0), CoreMask::only(core(1)), Request::CoreSync, &bus);
    assert!(wait(&calls, 0, by_0, SHORT, &bus).is_err());
    let silent = wait(&calls, 1, by_1, LONG, &bus).unwrap_err();
    assert!(silent.newly_lost.is_empty());
    assert_eq!(calls.lost(), CoreMask::only(core(1)));
}

#[test]
fn refused_interrupt_is_sent_again() {
    let (calls, bus) = (Calls::new(&cores(2)), Quiet::default());
    bus.refuse.set(3);
    let receipt = calls.post(core(0), CoreMask::first(2), Request::CoreSync, &bus);
    assert_eq!(bus.rung.get(), 0);
    assert!(wait(&calls, 0, receipt, SHORT, &bus).is_err());
    assert_eq!(bus.rung.get(), 1, "once it was taken, not again");
}

#[test]
fn stop_halts_those_who_listen_and_names_those_who_do_not() {
    let (calls, bus) = (Calls::new(&cores(3)), Quiet::default());
    let mut counter = Counter::default();
    calls.post(core(0), CoreMask::only(core(1)), Request::Stop, &bus);
    assert_eq!(calls.serve(core(1), &mut counter), Verdict::Park);
    assert_eq!(counter.stops, 1);
    let left = calls.stop(
        core(0),
        CoreMask::first(3),
        SHORT,
        (&bus, &bus),
        &mut counter,
    );
    assert_eq!(left, CoreMask::only(core(2)));
    assert_eq!(bus.nmis.get(), 1, "core 2 only");
}

/// Two cores ask each other at the same moment and wait, as with interrupts off.
fn circle(weakness: Weakness, limit: Limit) -> [Result<(), Silent>; 2] {
    let (calls, bus) = (Calls::weakened(&cores(2), weakness), Quiet::default());
    let (both_posted, answered) = (Barrier::new(2), Count::default());
    let run = |me: usize| {
        let receipt = calls.post(core(me), CoreMask::first(2), Request::CoreSync, &bus);
        both_posted.wait();
        let answer = wait(&calls, me, receipt, limit, &bus);
        answered.add();
        while answer.is_ok() && answered.get() < 2 {
            let _ = calls.serve(core(me), &mut Counter::default());
            thread::yield_now();
        }
        answer
    };
    thread::scope(|scope| {
        let other = scope.spawn(|| run(1));
        [run(0), other.join().unwrap()]
    })
}

#[test]
fn cores_that_wait_for_each_other_get_on() {
    for _ in 0..100 {
        assert_eq!(circle(Weakness::None, LONG), [Ok(()), Ok(())]);
    }
}

#[test]
fn cores_that_wait_for_each_other_are_stuck_if_waiters_are_deaf() {
    let stuck = circle(Weakness::DeafWaiter, Limit { us: 1, polls: 2000 });
    assert!(
        stuck.iter().all(Result::is_err),
        "the deadlock, ended only by its bound: {stuck:?}"
    );
}

#[test]
fn crowd_of_callers_is_always_served() {
    const CORES: usize = 4;
    let (calls, bus) = (Calls::new(&cores(CORES)), Quiet::default());
    let done = Count::default();
    let run = |me: usize| {
        let (mut rng, mut counter) = (Rng::new(me as u64), Counter::default());
        for round in 0..400 {
            let to = CoreMask::first(CORES)
                .iter()
                .filter(|_| rng.one_in(2))
                .collect();
            let flush = Flush::Pages {
                space: SpaceId(1),
                first: round,
                count: 1,
            };
            let request = [Request::CoreSync, Request::Shootdown(flush)][rng.below(2) as usize];
            let receipt = calls.post(core(me), to, request, &bus);
            calls
                .wait(core(me), receipt, LONG, (&bus, &bus), &mut counter)
                .unwrap();
        }
        done.add();
        while done.get() < CORES {
            assert_eq!(calls.serve(core(me), &mut counter), Verdict::Continue);
            thread::yield_now();
        }
        counter
    };
    let counters: Vec<Counter> = thread::scope(|scope| {
        let run = &run;
        let threads: Vec<_> = (0..CORES).map(|me| scope.spawn(move || run(me))).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    assert!(
        counters
            .iter()
            .all(|counter| counter.syncs > 0 && counter.flushes > 0)
    );
    assert!(calls.lost().is_empty());
}

/// Cores that remember decoded instructions until they serialise, as real ones may (SDM volume 3,
/// 10.1.3): a core sync makes each drop what it remembers before the waiter goes on.
struct Decoder {
    remembered: Option<u32>,
}

impl Decoder {
    fn execute(&mut self, memory: u32) -> u32 {
        *self.remembered.get_or_insert(memory)
    }
}

impl Tlb for Decoder {
    fn flush(&mut self, _: Flush) {}
}

impl Responder for Decoder {
    fn serialise(&mut self) {
        self.remembered = None;
    }

    fn quiesce(&mut self) {}

    fn stop(&mut self) {}
}

/// Core 1 executes a range, core 0 puts other code there; what core 1 executes then.
fn executed_after_reuse(sync: bool) -> u32 {
    let (calls, bus) = (Calls::new(&cores(2)), Quiet::default());
    let mut other = Decoder { remembered: None };
    assert_eq!(other.execute(1), 1, "the old code");
    if sync {
        let receipt = calls.post(core(0), CoreMask::first(2), Request::CoreSync, &bus);
        assert_eq!(calls.serve(core(1), &mut other), Verdict::Continue);
        assert_eq!(wait(&calls, 0, receipt, SHORT, &bus), Ok(()));
    }
    other.execute(2)
}

#[test]
fn after_a_core_sync_no_stale_instruction_is_executed() {
    assert_eq!(executed_after_reuse(true), 2);
}

#[test]
fn without_core_sync_a_stale_instruction_is_executed() {
    assert_eq!(executed_after_reuse(false), 1);
}
