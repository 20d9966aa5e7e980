//! One demo program climbs the tiers.
//!
//! First an instance whose counters are off runs the benchmark function at baseline: the reference. Then an instance
//! that tiers up runs `main`, every call whose result is known, and the benchmark until nothing is left to compile. All
//! results are compared with native code's.

use super::stem;
use crate::catalog::{File, Source};
use crate::instance::guest::{self, Finished, Loaded, Setup};
use crate::tasks::process::Ending;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use jit::instance::Program;
use jit::tier::Tier;
use modules::Check;
use sched::TaskSpec;

/// The function whose time is compared.
const BENCH: &str = "bench";
/// Runs of it at baseline.
const REFERENCE_RUNS: u64 = 4;
/// Runs of it after the climb; the best counts.
const SETTLED_RUNS: u64 = 8;
/// Most runs of it while compilations are pending: an emulated JIT worker may be slow.
const MAX_CLIMB_RUNS: u64 = 3000;

/// One program on its way.
#[derive(Debug)]
pub(crate) struct Climb {
    /// The file.
    pub(crate) file: File,
    /// What it did wrong, if anything.
    pub(crate) wrong: Vec<String>,
    /// Results compared.
    pub(crate) checked: u64,
    /// Best time of the benchmark at baseline and at the end, ns.
    pub(crate) best_ns: [u64; 2],
    /// The functions when it was over.
    pub(crate) rows: Vec<Row>,
    setup: Setup,
    guest: &'static modules::Module,
    program: Option<Arc<Program>>,
    loaded: Option<Loaded>,
    stage: Stage,
}

/// A function as the table shows it.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) calls: u64,
    pub(crate) loops: u64,
    /// The tiers it had versions of, in order.
    pub(crate) path: Vec<Tier>,
    /// All compilations together, µs.
    pub(crate) compile_us: u64,
    /// Code of the version that is published.
    pub(crate) bytes: u32,
    /// The core that compiled it.
    pub(crate) core: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Reference(u64),
    Main,
    Check(usize),
    Climb(u64),
    Settled(u64),
    Over,
}

/// The embedded program that a file is, by name.
pub(crate) fn guest(name: &str) -> Option<&'static modules::Module> {
    modules::DEMOS.iter().find(|guest| stem(guest) == name)
}

impl Climb {
    /// Starts the reference run.
    pub(crate) fn start(file: File, setup: Setup) -> Self {
        let guest = guest(&file.name).expect("only demo programs climb");
        let mut climb = Self {
            file,
            wrong: Vec::new(),
            checked: 0,
            best_ns: [u64::MAX; 2],
            rows: Vec::new(),
            setup,
            guest,
            program: None,
            loaded: None,
            stage: Stage::Reference(0),
        };
        let begun = climb.load_reference();
        climb.or_stop(begun);
        climb
    }

    /// Whether something has ended.
    pub(crate) fn has_news(&self) -> bool {
        self.stage == Stage::Over
            || self
                .loaded
                .as_ref()
                .is_some_and(|loaded| loaded.has_finished() || loaded.process.ending().is_some())
    }

    /// Whether every result was right.
    pub(crate) fn is_right(&self) -> bool {
        self.wrong.is_empty()
    }

    /// Takes what has ended and starts what comes next; false when all is over.
    pub(crate) fn go_on(&mut self) -> bool {
        let Some(loaded) = &self.loaded else {
            return false;
        };
        let finished = loaded.take_finished();
        if let Some(Ending::Failed(why)) = loaded.process.ending() {
            self.or_stop(Err(why));
        }
        for finished in finished {
            let next = self.take(finished);
            self.or_stop(next);
        }
        self.stage != Stage::Over
    }

    fn take(&mut self, finished: Finished) -> Result<(), String> {
        match self.stage {
            Stage::Reference(run) => {
                self.compare(finished, self.bench()?);
                self.best_ns[0] = self.best_ns[0].min(finished.took_ns);
                if run + 1 < REFERENCE_RUNS {
                    self.start_check(Stage::Reference(run + 1), self.bench()?)
                } else {
                    self.start_main()
                }
            }
            Stage::Main => {
                let expected = self.guest.main_result().unwrap_or(0);
                self.compare_result("main", finished.result, expected);
                self.start_next_check(0)
            }
            Stage::Check(at) => {
                self.compare(finished, self.guest.checks[at]);
                self.start_next_check(at + 1)
            }
            Stage::Climb(run) => {
                self.compare(finished, self.bench()?);
                if run + 1 < MAX_CLIMB_RUNS && (run < SETTLED_RUNS || self.is_climbing()) {
                    self.start_check(Stage::Climb(run + 1), self.bench()?)
                } else {
                    self.start_check(Stage::Settled(0), self.bench()?)
                }
            }
            Stage::Settled(run) => {
                self.compare(finished, self.bench()?);
                self.best_ns[1] = self.best_ns[1].min(finished.took_ns);
                if run + 1 < SETTLED_RUNS {
                    self.start_check(Stage::Settled(run + 1), self.bench()?)
                } else {
                    self.stop();
                    Ok(())
                }
            }
            Stage::Over => Ok(()),
        }
    }

    fn load_reference(&mut self) -> Result<(), String> {
        let (program, _) = guest::read(&self.file.name, &self.file.bytes)?;
        self.program = Some(program.clone());
        self.loaded = Some(guest::load(
            program,
            Setup {
                tier_up: false,
                ..self.setup
            },
        )?);
        self.start_check(Stage::Reference(0), self.bench()?)
    }

    fn start_main(&mut self) -> Result<(), String> {
        if let Some(reference) = self.loaded.take() {
            reference.unload();
        }
        let program = self.program.clone().ok_or("nothing is loaded")?;
        let main = program.entry("main").ok_or("it has no main")?;
        let loaded = guest::load(program, self.setup)?;
        let started = loaded.start(0, main, &[], TaskSpec::default());
        self.loaded = Some(loaded);
        self.stage = Stage::Main;
        started
    }

    fn start_next_check(&mut self, at: usize) -> Result<(), String> {
        match self.guest.checks.get(at) {
            Some(&check) => self.start_check(Stage::Check(at), check),
            None => self.start_check(Stage::Climb(0), self.bench()?),
        }
    }

    fn start_check(&mut self, stage: Stage, check: Check) -> Result<(), String> {
        let loaded = self.loaded.as_ref().ok_or("nothing is loaded")?;
        let func = loaded
            .instance
            .program()
            .entry(check.function)
            .ok_or_else(|| format!("it has no function {}", check.function))?;
        // As the ABI has it: 32-bit values are zero-extended.
        let arguments: Vec<u64> = check
            .args
            .iter()
            .map(|&arg| u64::from(arg as u32))
            .collect();
        self.stage = stage;
        loaded.start(0, func, &arguments, TaskSpec::default())
    }

    /// Whether a compilation of one of its functions is requested or under way.
    fn is_climbing(&self) -> bool {
        let Some(loaded) = &self.loaded else {
            return false;
        };
        let funcs = loaded.instance.program().imports.len() as u32;
        let pending = |func| {
            loaded
                .instance
                .state(func)
                .is_some_and(|s| s.load().is_pending())
        };
        (0..funcs).any(pending)
    }

    fn bench(&self) -> Result<Check, String> {
        let is_bench = |check: &&Check| check.function == BENCH;
        let bench = self.guest.checks.iter().find(is_bench).copied();
        bench.ok_or_else(|| String::from("it has no benchmark"))
    }

    fn compare(&mut self, finished: Finished, check: Check) {
        self.compare_result(check.function, finished.result, check.expected);
    }

    fn compare_result(&mut self, function: &str, result: u64, expected: i32) {
        self.checked += 1;
        if result as i32 != expected {
            let result = result as i32;
            self.wrong.push(format!(
                "{function} returned {result} instead of {expected}"
            ));
        }
    }

    fn or_stop(&mut self, outcome: Result<(), String>) {
        if let Err(why) = outcome {
            self.wrong.push(why);
            self.stop();
        }
    }

    fn stop(&mut self) {
        self.stage = Stage::Over;
        if let Some(loaded) = self.loaded.take() {
            self.rows = rows(&loaded);
            loaded.unload();
        }
    }

    /// Whether the file was read from the disk.
    pub(crate) fn is_from_disk(&self) -> bool {
        self.file.source == Source::Disk
    }

    /// Name and level of the program.
    pub(crate) fn guest(&self) -> &'static modules::Module {
        self.guest
    }
}

/// The functions of an instance that have run.
pub(super) fn rows(loaded: &Loaded) -> Vec<Row> {
    let instance = &loaded.instance;
    let row = |func: u32| {
        let stats = instance.func_stats(func)?;
        let version = instance.published(func)?;
        let versions = || instance.versions().filter(|version| version.func == func);
        Some(Row {
            name: stats.name,
            calls: stats.calls,
            loops: stats.loops,
            path: versions().map(|version| version.tier).collect(),
            compile_us: versions().map(|version| version.compile_us).sum(),
            bytes: version.code_bytes,
            core: version.core,
        })
    };
    (0..instance.program().imports.len() as u32)
        .filter_map(row)
        .collect()
}
