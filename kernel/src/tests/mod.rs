//! Tests that need the machine: chosen by `test=NAME[,NAME]` on the command line, or `test=all`.
//!
//! What the host can test is tested there; here is what only hardware (or QEMU) can answer. Each test prints `ok NAME`
//! or `not ok NAME: why`; the exit status says whether all passed. Names with `-off` are the counter-proofs: a guard is
//! switched off and the test passes only if the bad outcome is then really seen.

mod containment;
mod cores;
mod disk;
mod files;
mod guards;
mod guests;
mod pages;
#[expect(unsafe_code, reason = "symbols of the test programs' machine code")]
mod programs;
mod publication;
mod raw;
mod rings;
mod shootdown;
mod tasks;
mod teams;

use crate::console::say;
use crate::metal::exit::Status;
use crate::tasks::executive::Executive;
use alloc::string::{String, ToString};

/// A test: an error says what went wrong.
type Test = fn(&mut Executive) -> Result<(), String>;

const TESTS: &[(&str, Test)] = &[
    ("bringup", cores::bringup),
    ("timer", cores::timer),
    ("ipi", cores::ipi),
    ("pages", pages::every_mapping_obeys_the_rules),
    ("pages-off", pages::broken_rules_are_seen),
    ("faults", rings::faults_end_only_their_process),
    ("copy", rings::copies_survive_any_address),
    ("cleared", rings::system_calls_leave_nothing_behind),
    ("tasks", tasks::tasks_run_on_all_workers),
    ("preempt", tasks::endless_tasks_share_a_core),
    ("registers", tasks::registers_survive_preemption),
    ("sleep", tasks::sleepers_wake),
    ("budget", tasks::a_used_up_budget_ends_the_process),
    ("shootdown", shootdown::unmapped_memory_is_out_of_reach),
    (
        "shootdown-off",
        shootdown::without_shootdown_stale_memory_is_seen,
    ),
    ("contain", containment::failures_are_contained),
    ("guard", guards::an_overflow_ends_in_the_guard),
    ("guard-off", guards::without_guard_the_neighbour_is_hit),
    ("pointer", guards::pointers_into_the_kernel_are_refused),
    ("pointer-off", guards::without_check_the_kernel_is_read),
    ("publication", publication::versions_arrive_in_order),
    ("guests", guests::every_guest_ends_as_it_must),
    ("twice", guests::one_module_runs_twice),
    ("tierup", guests::results_stay_right_while_tiers_rise),
    ("compiler-panic", guests::a_compiler_panic_costs_one_compile),
    ("unload", guests::unloading_frees_everything),
    ("teams", teams::tasks_work_together),
    ("wake", teams::no_wake_up_is_lost),
    ("wake-off", teams::without_the_lock_wake_ups_are_lost),
    ("end-all", teams::one_fault_ends_all_tasks),
    ("typed", teams::a_reader_waits_for_a_line),
    ("files", files::files_are_written_and_read),
    ("grants-off", files::without_the_check_paths_lead_out),
    ("disk", disk::every_file_reads_back),
    ("disk-dead", disk::a_dead_disk_is_given_up),
];

/// Tests that end the machine or need one of their own; not part of `all`.
const FATAL: &[(&str, Test)] = &[
    ("no-disk", disk::no_disk),
    ("any-disk", disk::any_disk),
    ("files-again", files::files_survive_a_reboot),
    ("lost-core", cores::a_lost_core_is_left_out),
    ("panic", cores::panic_here),
    ("panic-elsewhere", cores::panic_elsewhere),
    ("panic-trap", cores::panic_by_trap),
];

/// Runs the named tests and returns the status to exit with.
pub(crate) fn run(executive: &mut Executive, names: &[String]) -> Status {
    let all = names.iter().any(|name| name == "all");
    let chosen = |name: &str| names.iter().any(|wanted| wanted == name);
    let (mut passed, mut failed) = (0, 0);
    let known = |name: &&String| {
        TESTS.iter().chain(FATAL).any(|(known, _)| known == name) || *name == "all"
    };
    for name in names.iter().filter(|name| !known(name)) {
        say!("not ok {name}: no such test");
        failed += 1;
    }
    let fatal = FATAL.iter().filter(|(name, _)| chosen(name));
    for (name, test) in TESTS
        .iter()
        .filter(|(name, _)| all || chosen(name))
        .chain(fatal)
    {
        match test(executive) {
            Ok(()) => {
                say!("ok {name}");
                passed += 1;
            }
            Err(why) => {
                say!("not ok {name}: {why}");
                failed += 1;
            }
        }
    }
    say!("{passed} passed, {failed} failed");
    if failed == 0 {
        Status::Success
    } else {
        Status::Failure
    }
}

/// An error unless `condition` holds.
fn ensure(condition: bool, why: &str) -> Result<(), String> {
    if condition {
        Ok(())
    } else {
        Err(why.to_string())
    }
}
