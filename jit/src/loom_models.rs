//! Exhaustive models of the state word, the slot and the queue's request bits.
//!
//! loom runs every interleaving that the memory model allows. Each model has a twin in which the
//! mechanism is switched off, and loom must find the failure there: a model that cannot fail proves
//! nothing. Run with `RUSTFLAGS="--cfg loom" cargo test -p jit --release loom_models`.

use crate::code::cache::Range;
use crate::code::publish::{self, Outcome};
use crate::code::state::{FuncState, Requested};
use crate::code::version::{CodeVersion, VersionState};
use crate::queue::{CompileQueue, Entry, InstanceId};
use crate::sync::{AtomicU64, Ordering};
use crate::tier::Tier;
use alloc::sync::Arc;
use alloc::vec::Vec;
use loom::thread;

/// One function: its state word, its slot, and the bytes of its versions, which are 0 until sealed.
struct Function {
    state: FuncState,
    slot: AtomicU64,
    bytes: [AtomicU64; 3],
}

const VERSIONS: [(Tier, u32); 3] = [(Tier::Baseline, 1), (Tier::O1, 2), (Tier::O2, 3)];

impl Function {
    fn new() -> Arc<Self> {
        let bytes = core::array::from_fn(|_| AtomicU64::new(0));
        Arc::new(Self {
            state: FuncState::new(),
            slot: AtomicU64::new(0),
            bytes,
        })
    }

    fn sealed(&self, at: usize) -> CodeVersion {
        let (tier, serial) = VERSIONS[at];
        let range = Range {
            code: at as u64 * 64,
            code_len: 64,
            ..Range::default()
        };
        let version = CodeVersion::new(0, tier, serial, range);
        // ORDERING: Relaxed: the bytes are plain stores; `publish`'s Release carries them.
        self.bytes[at].store(1, Ordering::Relaxed);
        version.advance(VersionState::Sealed);
        version
    }

    /// What a call sees: 0 the gate, else the version's place plus 1; its bytes must be there.
    fn call(&self) -> u64 {
        // ORDERING: Acquire, as every load of an x86 core; pairs with the Release in `publish`.
        let entry = self.slot.load(Ordering::Acquire);
        if entry == 0 {
            return 0;
        }
        let at = (entry - crate::abi::CODE) / 64;
        // ORDERING: Relaxed: instruction fetch after the load of the slot.
        assert_eq!(
            self.bytes[at as usize].load(Ordering::Relaxed),
            1,
            "P1: entered unsealed code"
        );
        at + 1
    }
}

fn publish_from_two_threads(publish: fn(&Function, usize) -> Outcome) {
    loom::model(move || {
        let function = Function::new();
        let publishers: Vec<_> = [1, 2]
            .map(|at| {
                let function = function.clone();
                thread::spawn(move || publish(&function, at))
            })
            .into_iter()
            .collect();
        let (first, second) = (function.call(), function.call());
        assert!(first <= second, "P3: {second} after {first}");
        let outcomes: Vec<_> = publishers
            .into_iter()
            .map(|publisher| publisher.join().expect("no publisher panics"))
            .collect();
        let published = function.state.load().published();
        let entered = function.call();
        if outcomes[1] == Outcome::Published {
            assert_eq!(published, Some(Tier::O2), "S2");
            assert_eq!(entered, 3, "P3: the last version is the best one");
        }
    });
}

#[test]
fn p3_publications_are_seen_in_order() {
    publish_from_two_threads(|function, at| {
        let version = function.sealed(at);
        publish::publish(&function.state, &function.slot, &version, || {})
    });
}

#[test]
#[should_panic(expected = "P3")]
fn p3_fails_without_the_claim() {
    publish_from_two_threads(|function, at| {
        let version = function.sealed(at);
        // ORDERING: Release, as in `publish`; what is missing is the claim before it.
        function.slot.store(version.entry(), Ordering::Release);
        Outcome::Busy
    });
}

#[test]
#[should_panic(expected = "P1")]
fn p1_fails_without_the_release_store() {
    publish_from_two_threads(|function, at| {
        let version = function.sealed(at);
        if function.state.claim(version.tier, version.serial).is_ok() {
            // ORDERING: Relaxed on purpose: this is the broken twin.
            function.slot.store(version.entry(), Ordering::Relaxed);
        }
        Outcome::Busy
    });
}

const ENTRY: Entry = Entry {
    instance: InstanceId {
        index: 0,
        generation: 1,
    },
    func: 0,
};

/// Two cores ask for tiers while a worker takes; afterwards the rest is taken. Every request must
/// have been answered by a compilation of its tier or a higher one (S3).
fn request_while_taking(request: fn(&CompileQueue, &FuncState, Tier)) {
    loom::model(move || {
        let shared = Arc::new((CompileQueue::new(4), FuncState::new()));
        let ask = |tier| {
            let shared = shared.clone();
            thread::spawn(move || request(&shared.0, &shared.1, tier))
        };
        let cores = [ask(Tier::O1), ask(Tier::O2)];
        let mut served = Vec::new();
        let mut take = || {
            if shared.0.pop().is_some()
                && let Some(tier) = shared.1.take()
            {
                served.push(tier);
            }
        };
        take();
        cores
            .into_iter()
            .for_each(|core| core.join().expect("no core panics"));
        assert!(shared.0.len() <= 1, "S3: one entry a function");
        take();
        take();
        assert_eq!(
            served.iter().max(),
            Some(&Tier::O2),
            "S3: a request was lost"
        );
    });
}

#[test]
fn s3_no_request_is_lost_or_doubled() {
    request_while_taking(|queue, state, tier| {
        queue.request(ENTRY, state, tier);
    });
}

#[test]
#[should_panic(expected = "S3: one entry")]
fn s3_fails_without_the_request_bit() {
    request_while_taking(|queue, _, tier| {
        // A fresh word each time: nobody remembers that the function is queued.
        queue.request(ENTRY, &FuncState::new(), tier);
    });
}

#[test]
#[should_panic(expected = "S3")]
fn s3_fails_when_the_bit_is_tested_and_set_in_two_steps() {
    request_while_taking(|queue, state, tier| {
        // Whether to push is decided on an old look at the word.
        let queued = state.load().requested().is_some();
        if state.request(tier) == Requested::New || !queued {
            queue.push_entry(ENTRY, tier);
        }
    });
}
