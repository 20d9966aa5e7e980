//! What to do with an interrupt that ended a context's turn, and waiting for one.

use super::context::{Context, Trap};
use crate::cores;
use crate::metal::apic::{self, CALL_VECTOR, SPURIOUS_VECTOR};
use crate::panic;
use alloc::boxed::Box;
use core::ptr;

/// First vector that the local APIC delivers; those below are spurious ones of the silenced 8259s.
const FIRST_APIC_VECTOR: u8 = 0x30;
const NMI_VECTOR: u8 = 2;

/// Acknowledges an interrupt and does what other cores ask for. The caller then looks at its timers and its work.
pub(crate) fn handle(vector: u8) {
    match vector {
        NMI_VECTOR => {
            panic::stop_if_asked();
            if let Some(machine) = cores::known_machine() {
                machine.check_lost();
            }
        }
        SPURIOUS_VECTOR | 0..FIRST_APIC_VECTOR => {}
        vector => {
            apic::end_interrupt();
            if vector == CALL_VECTOR {
                cores::machine().serve();
            }
        }
    }
}

/// The idle loop of one core.
#[derive(Debug)]
pub(crate) struct Idle(Box<Context>);

impl Idle {
    /// An idle loop. Its context lies where no stack can, so its own address serves as its mark.
    pub(crate) fn new() -> Self {
        let mut context = Box::new(Context::idle(0));
        let mark = ptr::from_ref(context.as_ref()) as u64;
        *context = Context::idle(mark);
        Self(context)
    }

    /// Halts until an interrupt, and handles it. One that is pending already is handled at once.
    pub(crate) fn wait(&mut self) {
        match self.0.run() {
            Trap::Interrupt(vector) => handle(vector),
            Trap::Nmi => handle(NMI_VECTOR),
            other => panic!("the idle loop ended with {other:?}"),
        }
    }
}
