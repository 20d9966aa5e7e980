//! Fuel: how many changes the passes may still make, so that a wrong one can be found by halving.
//!
//! Every pass asks [`Fuel::spend`] before each change it makes and leaves things as they are when
//! told no. Any prefix of the changes gives a correct function, so if a function is compiled wrong,
//! there is a first change with which it becomes wrong: [`bisect`] finds it in as many runs as the
//! number of changes has bits, and names the pass that made it.
//!
//! Without a limit, the price is one decrement a change.

/// How many changes may still be made, and who made the last.
#[derive(Clone, Debug)]
pub struct Fuel {
    left: u64,
    used: u64,
    pass: &'static str,
    last: &'static str,
}

impl Default for Fuel {
    fn default() -> Self {
        Self::limited(u64::MAX)
    }
}

impl Fuel {
    /// Enough for `changes` changes.
    #[must_use]
    pub fn limited(changes: u64) -> Self {
        Self {
            left: changes,
            used: 0,
            pass: "",
            last: "",
        }
    }

    /// Fuel of which `used` changes were made, the last by `pass`: what is left after passes that ran
    /// elsewhere.
    #[must_use]
    pub fn spent(used: u64, pass: &'static str) -> Self {
        Self {
            left: 0,
            used,
            pass,
            last: pass,
        }
    }

    /// Changes that may still be made.
    #[must_use]
    pub fn left(&self) -> u64 {
        self.left
    }

    /// Asks for a change: whether it may be made.
    #[inline]
    pub fn spend(&mut self) -> bool {
        if self.left == 0 {
            return false;
        }
        self.left -= 1;
        self.used += 1;
        self.last = self.pass;
        true
    }

    /// Changes made so far.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.used
    }

    /// The pass that made the last change.
    #[must_use]
    pub fn last_pass(&self) -> &'static str {
        self.last
    }

    /// From now on, changes are `pass`'s.
    pub(super) fn enter(&mut self, pass: &'static str) {
        self.pass = pass;
    }
}

/// The first change that makes things wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Culprit {
    /// The pass that makes it.
    pub pass: &'static str,
    /// Its number, from 1.
    pub change: u64,
}

/// Finds the first wrong change. `run` compiles with the fuel it is given, tries the result, and
/// returns whether it is right, with the fuel as it was left. `None` if nothing is wrong even
/// without a limit, or if it is wrong without any change.
pub fn bisect(mut run: impl FnMut(Fuel) -> (bool, Fuel)) -> Option<Culprit> {
    let (right, spent) = run(Fuel::default());
    if right || !run(Fuel::limited(0)).0 {
        return None;
    }
    // Right with `good` changes, wrong with `bad`.
    let (mut good, mut bad) = (0, spent.used());
    let mut pass = spent.last_pass();
    while bad - good > 1 {
        let middle = good + (bad - good) / 2;
        let (right, spent) = run(Fuel::limited(middle));
        if right {
            good = middle;
        } else {
            bad = middle;
            pass = spent.last_pass();
        }
    }
    Some(Culprit { pass, change: bad })
}
