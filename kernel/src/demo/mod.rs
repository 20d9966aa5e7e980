//! What `make run` shows: every demo program at every level climbs the tiers while all cores work.
//!
//! * [`climb`]: one program: a reference run with the compiler off, then a run that tiers up.
//! * [`pause`]: the longest time that worker cores make no progress while the JIT worker compiles.
//! * [`table`]: what is printed.
//!
//! The BSP only watches: it starts tasks, collects results, prints. What runs, and when, is up to the scheduler;
//! what is compiled, and when, is up to the counters.

mod climb;
pub(crate) mod pause;
mod table;

use crate::catalog::{self, File};
use crate::console;
use crate::cores::machine;
use crate::disk::service::{self, Op, Reply};
use crate::instance::files::Files;
use crate::instance::guest::{self, Loaded, Named, Setup};
use crate::instance::registry::registry;
use crate::metal::exit::Status;
use crate::shell;
use crate::tasks::executive::Executive;
use crate::tasks::process::Ending;
use abi::file::Kind;
use alloc::collections::VecDeque;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use climb::Climb;
pub(crate) use climb::Row;
use kernel::cmdline::Options;
use kernel::waits::Waits;
use sched::TaskSpec;
pub(crate) use table::{path, print_memory, print_queue};

/// The archive in which functions are looked for that a program's modules do not have.
const LIBRARY: &str = "lib/libc.a";

/// Runs the programs that `options` names, or the whole demonstration, and the shell if it is asked for; the status
/// says whether all was right.
pub(crate) fn run(executive: &mut Executive, options: &Options) -> Status {
    let files = catalog::files();
    let (right, history) = if options.modules.is_empty() {
        demonstrate(executive, &files, options)
    } else {
        run_named(executive, &files, options)
    };
    if options.shell {
        shell::run(executive, options, files, history);
    }
    if right {
        Status::Success
    } else {
        Status::Failure
    }
}

/// Functions that have run, with their module's name.
type History = Vec<(String, Row)>;

fn demonstrate(executive: &mut Executive, files: &[File], options: &Options) -> (bool, History) {
    let (demos, others): (Vec<&File>, Vec<&File>) = files
        .iter()
        .partition(|file| climb::guest(&file.name).is_some());
    let mut right = true;
    for file in others
        .iter()
        .filter(|file| modules::all().all(|guest| stem(guest) != file.name))
    {
        right &= run_main(executive, files, file, &[&file.name], options).right;
    }
    let finished = climb_all(executive, demos, options);
    table::print_summary(&finished);
    pause::show(executive);
    table::print_machine();
    right &= finished.iter().all(Climb::is_right);
    let named = |climb: Climb| {
        let name = climb.file.name.clone();
        climb.rows.into_iter().map(move |row| (name.clone(), row))
    };
    (right, finished.into_iter().flat_map(named).collect())
}

/// Lets all programs climb, as many at a time as there are worker cores.
fn climb_all(executive: &mut Executive, files: Vec<&File>, options: &Options) -> Vec<Climb> {
    let mut waiting: VecDeque<&File> = files.into();
    let at_once = machine().roles().guests().len().max(1);
    let mut active: Vec<Climb> = Vec::new();
    let mut finished = Vec::new();
    while !(waiting.is_empty() && active.is_empty()) {
        while active.len() < at_once
            && let Some(file) = waiting.pop_front()
        {
            active.push(Climb::start(file.clone(), setup(options)));
        }
        executive.run_until(50_000, || active.iter().any(Climb::has_news));
        for mut climb in core::mem::take(&mut active) {
            if climb.go_on() {
                active.push(climb);
            } else {
                table::print_climb(&climb);
                finished.push(climb);
            }
        }
    }
    finished
}

/// Runs each program that the command line names, one after the other.
fn run_named(executive: &mut Executive, files: &[File], options: &Options) -> (bool, History) {
    let (mut right, mut history) = (true, History::new());
    for name in &options.modules {
        let Some(file) = catalog::find(files, name) else {
            console::say!("{name}: no such module");
            right = false;
            continue;
        };
        let words: Vec<&str> = core::iter::once(file.name.as_str())
            .chain(options.arguments.iter().map(String::as_str))
            .collect();
        let ran = run_main(executive, files, file, &words, options);
        right &= ran.right;
        history.extend(ran.rows.into_iter().map(|row| (file.name.clone(), row)));
    }
    (right, history)
}

/// What became of a program.
#[derive(Debug, Default)]
pub(crate) struct Ran {
    /// It came to its end by itself.
    pub(crate) right: bool,
    /// Its functions.
    pub(crate) rows: Vec<Row>,
}

/// Runs the entry function of a file to its end.
pub(crate) fn run_main(
    executive: &mut Executive,
    files: &[File],
    file: &File,
    words: &[&str],
    options: &Options,
) -> Ran {
    let name = &file.name;
    match start_main(executive, files, file, words, options) {
        Ok(loaded) => {
            let over = || loaded.process.ending().is_some() || loaded.has_finished();
            executive.run_until(u64::from(options.limit_s) * 1_000_000, over);
            let right = report_main(name, &loaded);
            let rows = climb::rows(&loaded);
            loaded.unload();
            service::settle(executive);
            Ran { right, rows }
        }
        Err(why) => {
            console::say!("{name}: rejected: {why}");
            console::json!("{{\"event\":\"rejected\",\"module\":\"{name}\"}}");
            Ran::default()
        }
    }
}

fn start_main(
    executive: &mut Executive,
    files: &[File],
    file: &File,
    words: &[&str],
    options: &Options,
) -> Result<Loaded, String> {
    let mut parts: Vec<Named<'_>> = alloc::vec![(file.name.as_str(), &file.bytes[..])];
    for name in &options.linked {
        let file = catalog::find(files, name).ok_or_else(|| format!("{name}: no such module"))?;
        parts.push((&file.name, &file.bytes));
    }
    let parsed = guest::parse(&parts)?;
    let library = if parsed.needs_library() {
        service::read_file(executive, LIBRARY).ok()
    } else {
        None
    };
    let archives: Vec<Named<'_>> = library.iter().map(|bytes| (LIBRARY, &bytes[..])).collect();
    let (program, entry) = guest::link(parsed, &archives)?;
    for folder in &options.folders {
        let path = folder.split(':').next().unwrap_or_default();
        check_folder(executive, path)?;
    }
    let func = program
        .start(&entry)
        .ok_or("its entry function is not defined")?;
    let waits = Waits::default();
    let loaded = guest::load_with(
        program,
        setup(options),
        waits,
        Files::new(&options.folders)?,
    )?;
    match loaded.start_main(0, func, words, TaskSpec::default()) {
        Ok(()) => Ok(loaded),
        Err(why) => {
            loaded.unload();
            Err(why)
        }
    }
}

/// An error unless the volume has this folder.
fn check_folder(executive: &mut Executive, path: &str) -> Result<(), String> {
    let what = match service::ask(executive, Op::Stat(path.into())) {
        Ok(Reply {
            stat: Some(stat), ..
        }) if stat.kind == Kind::Directory => return Ok(()),
        Ok(_) => String::from("not a folder"),
        Err(why) => why.to_string(),
    };
    Err(format!("{path}, which it is to be given: {what}"))
}

/// Says how a program ended; true if by itself.
fn report_main(name: &str, loaded: &Loaded) -> bool {
    loaded.flush_output();
    // What the program printed lies in other cores' rings and comes first.
    console::drain();
    let returned = loaded
        .take_finished()
        .first()
        .map(|finished| finished.result as i32);
    let status = match (loaded.process.ending(), returned) {
        (_, Some(status)) => status,
        (Some(Ending::Exited(status)), None) => status as i32,
        (Some(Ending::Failed(why)), None) => {
            console::say!("{name} was ended: {why}");
            console::json!("{{\"event\":\"fault\",\"module\":\"{name}\"}}");
            return false;
        }
        (None, None) => {
            console::say!("{name} did not end in time");
            return false;
        }
    };
    console::say!("{name} returned {status}");
    console::json!("{{\"event\":\"main\",\"module\":\"{name}\",\"status\":{status}}}");
    true
}

/// The setup that the command line asks for.
pub(crate) fn setup(options: &Options) -> Setup {
    let calls = options.thresholds;
    let thresholds = jit::policy::Thresholds {
        calls,
        ..jit::policy::Thresholds::default()
    };
    Setup {
        thresholds,
        tier_up: options.jit_workers > 0 && !registry().is_without_worker(),
    }
}

fn stem(guest: &modules::Module) -> &str {
    guest.file_name.trim_end_matches(".llbc")
}
