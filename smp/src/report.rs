//! What there is to tell a person about the cores: one line each, then what was odd.
//!
//! ```text
//! core  0  apic   0  bsp         running
//! core  1  apic   1  worker      online in 412 us, 1 sipi
//! core  2  apic   2  lost        no answer, 4 sipi
//! acpi: apic 3 is disabled, not started
//! 3 cores, 2 online
//! ```

use alloc::vec::Vec;
use core::fmt;

use crate::bringup::{Ending, Outcome};
use crate::coreset::CoreMask;
use crate::finding::Findings;
use crate::ids::CoreId;
use crate::roles::{CoreRole, Roles};
use crate::topology::{Core, Topology};

/// One core's line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CoreLine {
    /// The core.
    pub core: Core,
    /// What it does.
    pub role: CoreRole,
    /// How its start went; `None` for the BSP.
    pub outcome: Option<Outcome>,
}

impl fmt::Display for CoreLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "core {:>2}  apic {:>3}  {:<10}  ",
            self.core.id, self.core.apic, self.role
        )?;
        let Some(outcome) = self.outcome else {
            return f.write_str("running");
        };
        match outcome.ending {
            Ending::Started { after_us } => write!(f, "online in {after_us} us")?,
            Ending::Lost(reason) => fmt::Display::fmt(&reason, f)?,
        }
        write!(f, ", {} sipi", outcome.sipis)?;
        if outcome.refused > 0 {
            write!(f, ", {} commands refused", outcome.refused)?;
        }
        Ok(())
    }
}

/// The whole picture after start-up.
#[derive(Clone, Debug)]
pub struct Report {
    lines: Vec<CoreLine>,
    findings: Findings,
}

impl Report {
    /// Joins what firmware said, how the starts went, and who does what.
    pub fn new(topology: &Topology, outcomes: &[Outcome], roles: &Roles) -> Report {
        let line = |core: &Core| CoreLine {
            core: *core,
            role: roles.of(core.id),
            outcome: outcomes
                .iter()
                .find(|outcome| outcome.core == *core)
                .copied(),
        };
        Report {
            lines: topology.cores().iter().map(line).collect(),
            findings: topology.findings().clone(),
        }
    }

    /// The cores' lines, ascending.
    pub fn lines(&self) -> &[CoreLine] {
        &self.lines
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.lines {
            writeln!(f, "{line}")?;
        }
        for finding in self.findings.as_slice() {
            writeln!(f, "acpi: {finding}")?;
        }
        if self.findings.dropped() > 0 {
            writeln!(f, "acpi: {} more findings", self.findings.dropped())?;
        }
        let online = self
            .lines
            .iter()
            .filter(|line| line.role != CoreRole::Lost)
            .count();
        writeln!(f, "{} cores, {online} online", self.lines.len())
    }
}

/// The cores that came up: those whose start succeeded, and the BSP.
pub fn online(outcomes: &[Outcome]) -> CoreMask {
    let started = |outcome: &&Outcome| matches!(outcome.ending, Ending::Started { .. });
    let mask: CoreMask = outcomes
        .iter()
        .filter(started)
        .map(|outcome| outcome.core.id)
        .collect();
    mask.with(CoreId::BSP)
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;
    use crate::bringup::LostReason;
    use crate::ids::ApicId;
    use crate::tables::TablesError;

    #[test]
    fn a_line_fits_and_says_everything() {
        let core = Core {
            id: CoreId::new(3).unwrap(),
            apic: ApicId(3),
        };
        let ending = Ending::Started { after_us: 412 };
        let outcome = Some(Outcome {
            core,
            ending,
            sipis: 1,
            refused: 0,
        });
        let line = CoreLine {
            core,
            role: CoreRole::Worker,
            outcome,
        };
        assert_eq!(
            line.to_string(),
            "core  3  apic   3  worker      online in 412 us, 1 sipi"
        );
        let lost = Ending::Lost(LostReason::StuckInSetup);
        let outcome = Some(Outcome {
            core,
            ending: lost,
            sipis: 4,
            refused: 2,
        });
        let line = CoreLine {
            core,
            role: CoreRole::Lost,
            outcome,
        };
        assert!(line.to_string().len() <= 80, "{line}");
        assert!(
            line.to_string()
                .ends_with("stuck in setup, 4 sipi, 2 commands refused")
        );
    }

    #[test]
    fn a_machine_without_tables_says_so() {
        let topology = Topology::bsp_alone(ApicId(7), TablesError::NoMadt);
        let report = Report::new(&topology, &[], &Roles::assign(1, online(&[]), 1));
        assert_eq!(
            report.to_string(),
            "core  0  apic   7  bsp         running\n\
             acpi: no usable ACPI tables (no valid MADT), BSP only\n\
             1 cores, 1 online\n"
        );
    }
}
