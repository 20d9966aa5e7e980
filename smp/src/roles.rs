//! Who does what: a role for each core that came up.
//!
//! | cores online | BSP | others |
//! | --- | --- | --- |
//! | 1 | console, shell, guests, and compiles at the lowest priority | – |
//! | 2 | console, shell, guests | core 1: JIT worker |
//! | 3 and more | console and shell | the last `jit_workers`: JIT workers; the rest run guests |
//!
//! The BSP runs guests only where nobody else would: the console has to be drained and the shell
//! has to answer while guests are busy, and figures of worker cores must not contain the console's
//! work. The JIT workers are the last cores because the BSP's neighbours share its caches more
//! often than the last ones do, and at least one worker always remains.

use alloc::vec::Vec;
use core::fmt;

use crate::coreset::CoreMask;
use crate::ids::CoreId;

/// What a core is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CoreRole {
    /// Drains the console, runs the shell; on small machines also guests and compiles.
    Bsp,
    /// Runs guests' tasks.
    Worker,
    /// Compiles in the background.
    JitWorker,
    /// Did not come up, or stopped answering. It is left out for good.
    Lost,
}

impl fmt::Display for CoreRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            CoreRole::Bsp => "bsp",
            CoreRole::Worker => "worker",
            CoreRole::JitWorker => "jit worker",
            CoreRole::Lost => "lost",
        })
    }
}

/// The role of every core of the topology.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Roles {
    role: Vec<CoreRole>,
    guests: CoreMask,
    compilers: CoreMask,
}

impl Roles {
    /// Assigns roles to the `cores` first cores, of which those in `online` came up (the BSP is
    /// counted in, listed or not). `jit_workers` is a wish: it is clamped so that at least one
    /// other core runs guests, and 0 means 1.
    pub fn assign(cores: usize, online: CoreMask, jit_workers: usize) -> Roles {
        let cores = CoreMask::first(cores.max(1));
        let online = online.with(CoreId::BSP).and(cores);
        let compilers: CoreMask = match online.len() {
            1 => online,
            count => {
                // On two cores the BSP is the one that remains for guests, from three on it is a
                // worker.
                let spare = if count == 2 { 1 } else { count - 2 };
                let wanted = jit_workers.clamp(1, spare);
                online.iter().skip(count - wanted).collect()
            }
        };
        let guests = match online.len() {
            1 | 2 => CoreMask::only(CoreId::BSP),
            _ => online.minus(compilers).without(CoreId::BSP),
        };
        let role_of = |core| match core {
            CoreId::BSP => CoreRole::Bsp,
            core if compilers.contains(core) => CoreRole::JitWorker,
            core if online.contains(core) => CoreRole::Worker,
            _ => CoreRole::Lost,
        };
        Roles {
            role: cores.iter().map(role_of).collect(),
            guests,
            compilers,
        }
    }

    /// The role of `core`; a core that the topology does not have is `Lost`.
    pub fn of(&self, core: CoreId) -> CoreRole {
        self.role
            .get(core.index())
            .copied()
            .unwrap_or(CoreRole::Lost)
    }

    /// The cores that run guests' tasks. Never empty.
    pub fn guests(&self) -> CoreMask {
        self.guests
    }

    /// The cores that compile in the background. Never empty; on one core it is the BSP.
    pub fn compilers(&self) -> CoreMask {
        self.compilers
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::String;

    use super::*;

    fn names(cores: usize, online: &[usize], jit_workers: usize) -> String {
        let online = online.iter().map(|i| CoreId::new(*i).unwrap()).collect();
        let roles = Roles::assign(cores, online, jit_workers);
        let letter = |core| match roles.of(core) {
            CoreRole::Bsp if roles.guests().contains(core) => 'B',
            CoreRole::Bsp => 'b',
            CoreRole::Worker => 'w',
            CoreRole::JitWorker => 'j',
            CoreRole::Lost => '-',
        };
        CoreMask::first(cores).iter().map(letter).collect()
    }

    #[test]
    fn roles_follow_the_table() {
        assert_eq!(names(1, &[0], 1), "B");
        assert_eq!(names(2, &[0, 1], 1), "Bj");
        assert_eq!(names(2, &[0, 1], 9), "Bj");
        assert_eq!(names(3, &[0, 1, 2], 1), "bwj");
        assert_eq!(names(4, &[0, 1, 2, 3], 1), "bwwj");
        assert_eq!(names(4, &[0, 1, 2, 3], 2), "bwjj");
        assert_eq!(names(4, &[0, 1, 2, 3], 99), "bwjj");
        assert_eq!(names(4, &[0, 1, 2, 3], 0), "bwwj");
    }

    #[test]
    fn lost_cores_get_no_work() {
        assert_eq!(names(4, &[0, 1, 2], 1), "bwj-");
        assert_eq!(names(4, &[0, 2], 1), "B-j-");
        assert_eq!(names(4, &[], 1), "B---");
        assert_eq!(names(5, &[0, 1, 3, 4], 1), "bw-wj");
    }

    #[test]
    fn every_machine_has_a_core_for_guests_and_one_to_compile() {
        for seed in 0_u64..2000 {
            let bits = crate::sim::Rng::new(seed).next();
            let cores = 1 + (seed as usize % 64);
            let online = CoreMask::first(64)
                .iter()
                .filter(|c| bits >> c.index() & 1 == 1)
                .collect();
            let roles = Roles::assign(cores, online, (seed % 7) as usize);
            let allowed = online.with(CoreId::BSP).and(CoreMask::first(cores));
            assert!(
                !roles.guests().is_empty() && !roles.compilers().is_empty(),
                "seed {seed}"
            );
            assert!(
                roles
                    .guests()
                    .or(roles.compilers())
                    .minus(allowed)
                    .is_empty(),
                "seed {seed}"
            );
            if allowed.len() > 1 {
                assert!(
                    roles.guests().and(roles.compilers()).is_empty(),
                    "seed {seed}"
                );
            }
        }
    }
}
