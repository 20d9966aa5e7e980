//! loom explores every interleaving, and every value that weak memory allows, of the short races on
//! which the protocols of this crate rest. Each model runs as built, and again with one step left
//! out ([`Weakness`]), where loom has to find the failure.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p smp --release loom`

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;

use crate::call::{Flush, Request, Responder, SpaceId, Tlb};
use crate::ids::CoreId;
use crate::mailbox::{Kind, Mailbox};
use crate::quiesce::Quiesce;
use crate::shootdown::{Frees, Freshness, Space};
use crate::slot::{Claim, CoreSlot, SlotState};
use crate::sync::{AtomicU64, Ordering};
use crate::weaken::Weakness;

fn core(index: usize) -> CoreId {
    CoreId::new(index).expect("small")
}

/// Touches data whose only content is who may touch it when; loom reports unordered accesses.
fn read(cell: &UnsafeCell<()>) {
    cell.with(|_| ());
}

fn write(cell: &UnsafeCell<()>) {
    cell.with_mut(|_| ());
}

/// A late AP against the BSP's time-out. `prepared` stands for the stack and data of the slot.
fn claim_against_time_out(weakness: Weakness) {
    loom::model(move || {
        let slot = Arc::new(CoreSlot::weakened(weakness));
        let prepared = Arc::new(UnsafeCell::new(()));
        write(&prepared);
        slot.open();
        let ap = thread::spawn({
            let (slot, prepared) = (slot.clone(), prepared.clone());
            move || {
                let granted = slot.claim() == Claim::Granted;
                if granted {
                    read(&prepared);
                }
                granted
            }
        });
        let lost = slot.declare_lost(SlotState::Starting);
        assert_ne!(ap.join().expect("joins"), lost, "exactly one side wins");
    });
}

#[test]
fn loom_slot_has_one_winner() {
    claim_against_time_out(Weakness::None);
}

#[test]
#[should_panic(expected = "exactly one side wins")]
fn loom_slot_has_two_winners_without_compare_and_swap() {
    claim_against_time_out(Weakness::TransitionByStore);
}

/// Two cores with the same APIC id.
fn twins(weakness: Weakness) {
    loom::model(move || {
        let slot = Arc::new(CoreSlot::weakened(weakness));
        slot.open();
        let other = slot.clone();
        let twin = thread::spawn(move || other.claim() == Claim::Granted);
        let granted = slot.claim() == Claim::Granted;
        assert_ne!(
            twin.join().expect("joins"),
            granted,
            "exactly one is granted the slot"
        );
    });
}

#[test]
fn loom_twins_share_no_slot() {
    twins(Weakness::None);
}

#[test]
#[should_panic(expected = "exactly one is granted the slot")]
fn loom_twins_share_a_slot_without_compare_and_swap() {
    twins(Weakness::TransitionByStore);
}

/// A core whose translation cache is one word: 1 while it holds the translation.
struct OneTranslation(Arc<AtomicU64>);

impl Tlb for OneTranslation {
    fn flush(&mut self, _: Flush) {
        // ORDERING: Relaxed: carried by the acknowledgement under test.
        self.0.store(0, Ordering::Relaxed);
    }
}

impl Responder for OneTranslation {
    fn serialise(&mut self) {}
    fn quiesce(&mut self) {}
    fn stop(&mut self) {}
}

/// A flush from one or two senders to one core: acknowledged means done.
fn acknowledged_flush(weakness: Weakness, senders: usize) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(if senders > 1 { 2 } else { 4 });
    model.check(move || {
        let mailbox = Arc::new(Mailbox::weakened(weakness));
        let held = Arc::new(AtomicU64::new(1));
        let owner = thread::spawn({
            let (mailbox, held) = (mailbox.clone(), held.clone());
            move || {
                let stopped = mailbox.serve(&mut OneTranslation(held));
                assert!(!stopped);
            }
        });
        let send = move |mailbox: &Mailbox, held: &AtomicU64| {
            let ticket = mailbox.post(Request::Shootdown(Flush::Space(SpaceId(1))));
            if mailbox.is_served(Kind::Shootdown, ticket) {
                // ORDERING: Relaxed: what is tested is that `is_served` orders it.
                assert_eq!(
                    held.load(Ordering::Relaxed),
                    0,
                    "acknowledged and still held"
                );
            }
        };
        let second = (senders > 1).then(|| {
            let (mailbox, held) = (mailbox.clone(), held.clone());
            thread::spawn(move || send(&mailbox, &held))
        });
        send(&mailbox, &held);
        if let Some(second) = second {
            second.join().expect("joins");
        }
        owner.join().expect("joins");
    });
}

#[test]
fn loom_acknowledged_flush_has_happened() {
    acknowledged_flush(Weakness::None, 1);
}

#[test]
fn loom_acknowledged_flush_has_happened_in_a_full_mailbox() {
    acknowledged_flush(Weakness::None, 2);
}

#[test]
#[should_panic(expected = "acknowledged and still held")]
fn loom_early_acknowledgement_is_caught() {
    acknowledged_flush(Weakness::AcknowledgeFirst, 1);
}

#[test]
#[should_panic(expected = "acknowledged and still held")]
fn loom_count_before_payload_is_caught() {
    acknowledged_flush(Weakness::CountBeforePayload, 1);
}

#[test]
#[should_panic(expected = "acknowledged and still held")]
fn loom_dropped_flush_is_caught() {
    acknowledged_flush(Weakness::DropOnOverflow, 2);
}

/// An unmapping against a core that enters the space: after sleep, or leaving it first. The core
/// holds an old translation from before.
fn unmap_against_entry(weakness: Weakness, starts_active: bool) {
    loom::model(move || {
        let space = Arc::new(Space::weakened(SpaceId(1), 2, weakness));
        let entry = Arc::new(AtomicU64::new(1));
        assert_eq!(space.enter(core(1)), Freshness::Stale);
        if !starts_active {
            space.idle(core(1));
        }
        let sleeper = thread::spawn({
            let (space, entry) = (space.clone(), entry.clone());
            move || {
                if starts_active {
                    space.idle(core(1));
                }
                let freshness = space.enter(core(1));
                // ORDERING: Relaxed: a page walk; `enter` has to order it.
                (freshness, entry.load(Ordering::Relaxed))
            }
        });
        // ORDERING: Relaxed: `begin_unmap` has to order it.
        entry.store(0, Ordering::Relaxed);
        let asked = space.begin_unmap(Frees::Pages);
        let (freshness, walked) = sleeper.join().expect("joins");
        let safe = freshness == Freshness::Stale && walked == 0;
        assert!(asked.contains(core(1)) || safe, "neither asked nor aware");
    });
}

#[test]
fn loom_waking_core_is_asked_or_aware() {
    unmap_against_entry(Weakness::None, false);
}

#[test]
fn loom_napping_core_is_asked_or_aware() {
    unmap_against_entry(Weakness::None, true);
}

#[test]
#[should_panic(expected = "neither asked nor aware")]
fn loom_missing_fence_of_the_waking_core_is_caught() {
    unmap_against_entry(Weakness::NoEntryFence, false);
}

#[test]
#[should_panic(expected = "neither asked nor aware")]
fn loom_missing_fence_of_the_initiator_is_caught() {
    unmap_against_entry(Weakness::NoUnmapFence, false);
}

#[test]
#[should_panic(expected = "neither asked nor aware")]
fn loom_generation_taken_on_leaving_is_caught() {
    unmap_against_entry(Weakness::SeenOnLeave, true);
}

/// Versions 0 and 1 of something, and the slot that says which is current.
struct Versions {
    slot: AtomicU64,
    data: [UnsafeCell<()>; 2],
}

impl Versions {
    fn new() -> Arc<Versions> {
        let data = [UnsafeCell::new(()), UnsafeCell::new(())];
        Arc::new(Versions {
            slot: AtomicU64::new(0),
            data,
        })
    }

    /// What a running core does: enter the current version.
    fn enter(&self) {
        // ORDERING: Acquire pairs with the Release store in `replace`, as a call through a slot on
        // x86 does.
        let current = self.slot.load(Ordering::Acquire);
        read(&self.data[usize::from(current != 0)]);
    }

    /// What the retiring core does: replace version 0, and free it if its grace period is over.
    fn replace(&self, quiesce: &Quiesce) {
        // ORDERING: Release pairs with the Acquire load in `enter`.
        self.slot.store(1, Ordering::Release);
        let period = quiesce.begin();
        if quiesce.has_elapsed(period) {
            write(&self.data[0]);
        }
    }
}

/// A core that runs through `steps` while another retires and perhaps frees version 0.
fn retire_against(weakness: Weakness, awake: bool, steps: fn(&Versions, &Quiesce)) {
    loom::model(move || {
        let (versions, quiesce) = (Versions::new(), Arc::new(Quiesce::weakened(1, weakness)));
        if awake {
            quiesce.resume(core(0));
        }
        let reader = thread::spawn({
            let (versions, quiesce) = (versions.clone(), quiesce.clone());
            move || steps(&versions, &quiesce)
        });
        versions.replace(&quiesce);
        reader.join().expect("joins");
    });
}

fn use_pass_use(versions: &Versions, quiesce: &Quiesce) {
    versions.enter();
    quiesce.pass(core(0));
    versions.enter();
}

fn resume_use(versions: &Versions, quiesce: &Quiesce) {
    quiesce.resume(core(0));
    versions.enter();
}

fn use_idle_resume_use(versions: &Versions, quiesce: &Quiesce) {
    versions.enter();
    quiesce.idle(core(0));
    quiesce.resume(core(0));
    versions.enter();
}

#[test]
fn loom_nothing_is_freed_under_a_running_core() {
    retire_against(Weakness::None, true, use_pass_use);
}

#[test]
fn loom_nothing_is_freed_under_a_waking_core() {
    retire_against(Weakness::None, false, resume_use);
}

#[test]
fn loom_nothing_is_freed_under_a_napping_core() {
    retire_against(Weakness::None, true, use_idle_resume_use);
}

#[test]
#[should_panic(expected = "Causality violation")]
fn loom_pass_without_release_is_caught() {
    retire_against(Weakness::RelaxedPass, true, use_pass_use);
}

#[test]
#[should_panic(expected = "Causality violation")]
fn loom_resume_without_fence_is_caught() {
    retire_against(Weakness::NoResumeFence, false, resume_use);
}

#[test]
#[should_panic(expected = "Causality violation")]
fn loom_grace_period_without_a_new_epoch_is_caught() {
    retire_against(Weakness::NoNewEpoch, true, use_pass_use);
}
