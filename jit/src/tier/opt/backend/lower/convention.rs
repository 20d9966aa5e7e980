//! Where arguments and results go: `docs/abi.md`, "Calls".

use crate::abi::{Part, Parts};
use alloc::vec::Vec;
use asm::Gpr;

/// Registers of integer arguments, in order.
const ARGUMENTS: [Gpr; 6] = [Gpr::Rdi, Gpr::Rsi, Gpr::Rdx, Gpr::Rcx, Gpr::R8, Gpr::R9];
/// Number of vector registers for arguments.
const VECTORS: usize = 8;
/// Registers of integer results.
const RESULTS: [Gpr; 2] = [Gpr::Rax, Gpr::Rdx];

/// Where one part of a value is passed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Spot {
    /// In a general register.
    Gpr(Gpr),
    /// In the vector register of this number.
    Xmm(u8),
    /// So many bytes above `rsp` at the call.
    Stack(u32),
}

/// The parts of a pointer.
pub(super) fn pointer() -> Parts {
    [Part::Int(32)].into_iter().collect()
}

/// Places for the parts of all values in `lists`, in order, and the bytes of stack they take.
pub(super) fn assign(lists: &[Parts]) -> (Vec<Spot>, u32) {
    let mut spots = Vec::new();
    let (mut ints, mut vectors, mut stack) = (0, 0, 0u32);
    for part in lists.iter().flatten() {
        if part.is_int() && ints < ARGUMENTS.len() {
            spots.push(Spot::Gpr(ARGUMENTS[ints]));
            ints += 1;
        } else if !part.is_int() && vectors < VECTORS {
            spots.push(Spot::Xmm(vectors as u8));
            vectors += 1;
        } else {
            let size = part.home_size();
            stack = stack.next_multiple_of(size);
            spots.push(Spot::Stack(stack));
            stack += size;
        }
    }
    (spots, stack)
}

/// Registers of a result of these parts; `None` if it goes through memory.
pub(super) fn results(parts: &[Part]) -> Option<Vec<Spot>> {
    let mut spots = Vec::with_capacity(parts.len());
    let (mut ints, mut vectors) = (0, 0);
    for part in parts {
        if part.is_int() {
            spots.push(Spot::Gpr(*RESULTS.get(ints)?));
            ints += 1;
        } else if vectors < 2 {
            spots.push(Spot::Xmm(vectors));
            vectors += 1;
        } else {
            return None;
        }
    }
    Some(spots)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_takes_the_next_place_of_its_kind() {
        let int = || [Part::Int(32)].into_iter().collect::<Parts>();
        let pair: Parts = [Part::Int(64), Part::Int(1)].into_iter().collect();
        let wide: Parts = [Part::V256].into_iter().collect();
        let lists = [int(), int(), int(), int(), int(), pair, wide, int()];
        let (spots, stack) = assign(&lists);
        assert_eq!(
            spots[5..],
            [
                Spot::Gpr(Gpr::R9),
                Spot::Stack(0),
                Spot::Xmm(0),
                Spot::Stack(8)
            ]
        );
        assert_eq!(stack, 16);
    }

    #[test]
    fn a_third_part_of_a_kind_returns_through_memory() {
        assert!(results(&[Part::Int(64), Part::F64, Part::Int(64)]).is_some());
        assert_eq!(results(&[Part::Int(64); 3]), None);
        assert_eq!(results(&[Part::F32; 3]), None);
    }
}
