//! Processor time that a task or an instance may use.
//!
//! A budget only counts down. Charging is exact; ending the task is not: the core notices at its
//! next timer interrupt, and `next` arms that no later than the end of the budget, so a task
//! overdraws by at most the latency of one interrupt.
//!
//! Several tasks of one instance can share a budget kept by the kernel: `charge` is one atomic
//! subtraction, and every task's charges go through to the same number.

use crate::sync::{AtomicU64, Ordering};
use crate::types::Ticks;

/// What is left after a charge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "an exhausted budget ends the task or the call"]
pub enum BudgetState {
    /// More than nothing, or no limit.
    Ok,
    /// Nothing.
    Exhausted,
}

/// Ticks left; [`Ticks::NEVER`] is no limit.
#[derive(Debug)]
pub struct Budget {
    left: AtomicU64,
}

impl Budget {
    /// A budget of `limit`, or without limit.
    #[must_use]
    pub fn new(limit: Option<Ticks>) -> Self {
        Self {
            left: AtomicU64::new(Self::encode(limit)),
        }
    }

    /// Starts anew with `limit`: a new call begins.
    pub fn set(&self, limit: Option<Ticks>) {
        // ORDERING: Relaxed: a number by itself, it publishes nothing else.
        self.left.store(Self::encode(limit), Ordering::Relaxed);
    }

    /// What is left, `None` without limit.
    #[must_use]
    pub fn left(&self) -> Option<Ticks> {
        // ORDERING: Relaxed: a number by itself, as in `set`.
        let left = Ticks(self.left.load(Ordering::Relaxed));
        (left != Ticks::NEVER).then_some(left)
    }

    /// Takes `used` off.
    pub fn charge(&self, used: Ticks) -> BudgetState {
        // ORDERING: Relaxed: only the number counts; no charge is lost, as each is one RMW.
        let mut left = self.left.load(Ordering::Relaxed);
        loop {
            if Ticks(left) == Ticks::NEVER {
                return BudgetState::Ok;
            }
            let rest = left.saturating_sub(used.0);
            // ORDERING: Relaxed on both ends, for the same reason.
            let (won, lost) = (Ordering::Relaxed, Ordering::Relaxed);
            match self.left.compare_exchange(left, rest, won, lost) {
                Ok(_) if rest == 0 => return BudgetState::Exhausted,
                Ok(_) => return BudgetState::Ok,
                Err(now) => left = now,
            }
        }
    }

    /// A limit of `NEVER` and no limit are the same thing.
    fn encode(limit: Option<Ticks>) -> u64 {
        limit.unwrap_or(Ticks::NEVER).0
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::{Budget, BudgetState};
    use crate::types::Ticks;

    #[test]
    fn a_budget_is_exhausted_exactly_when_nothing_is_left() {
        let budget = Budget::new(Some(Ticks(10)));
        assert_eq!(budget.charge(Ticks(9)), BudgetState::Ok);
        assert_eq!(budget.charge(Ticks::ZERO), BudgetState::Ok);
        assert_eq!(budget.charge(Ticks(1)), BudgetState::Exhausted);
        assert_eq!(
            budget.charge(Ticks(5)),
            BudgetState::Exhausted,
            "it does not wrap"
        );
        budget.set(Some(Ticks(3)));
        assert_eq!(budget.left(), Some(Ticks(3)));
    }

    #[test]
    fn no_limit_is_never_exhausted() {
        let budget = Budget::new(None);
        assert_eq!(budget.charge(Ticks(u64::MAX - 1)), BudgetState::Ok);
        assert_eq!(budget.left(), None);
    }
}
