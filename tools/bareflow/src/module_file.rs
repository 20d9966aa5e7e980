//! Module files: read, unwrapped, loaded, bound.

use crate::fail::{self, Failure};
use abi::Container;
use jit::instance::Program;
use std::fs;
use std::path::{Path, PathBuf};

/// Largest file that is read, in bytes.
const MAX_FILE: u64 = 64 << 20;

/// A module file in memory.
#[derive(Debug)]
pub(crate) struct ModuleFile {
    /// Where it came from.
    pub(crate) path: PathBuf,
    /// All of it.
    pub(crate) bytes: Vec<u8>,
}

/// A loaded module with what its header says.
#[derive(Debug)]
pub(crate) struct Loaded {
    /// Ready to run.
    pub(crate) program: Program,
    /// The function to start with.
    pub(crate) entry: String,
}

impl ModuleFile {
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        let failed = |why| Failure::new(fail::NO_FILE, format!("{}: {why}", path.display()));
        let size = fs::metadata(path)
            .map_err(|error| failed(error.to_string()))?
            .len();
        if size > MAX_FILE {
            return Err(failed(format!("{size} bytes, the limit is {MAX_FILE}")));
        }
        let bytes = fs::read(path).map_err(|error| failed(error.to_string()))?;
        Ok(Self {
            path: path.to_owned(),
            bytes,
        })
    }

    /// A failure of this file with status 65.
    pub(crate) fn rejected(&self, why: impl std::fmt::Display) -> Failure {
        Failure::new(
            fail::REJECTED,
            format!("{}: rejected: {why}", self.path.display()),
        )
    }

    /// The parts of the file.
    pub(crate) fn container(&self) -> Result<abi::LoadedFile<'_>, Failure> {
        Container::parse(&self.bytes).map_err(|why| self.rejected(why))
    }

    /// The module, verified.
    pub(crate) fn module(&self) -> Result<ir::Module, Failure> {
        let container = self.container()?;
        let mut module = jit::load::module(container.bitcode).map_err(|why| self.rejected(why))?;
        let stem = self
            .path
            .file_stem()
            .map(|stem| stem.to_string_lossy().into_owned());
        if !container.name.is_empty() {
            container.name.clone_into(&mut module.name);
        } else if let Some(stem) = stem {
            module.name = stem;
        }
        Ok(module)
    }

    /// The module, bound.
    pub(crate) fn load(&self) -> Result<Loaded, Failure> {
        let entry = self.container()?.entry.to_owned();
        let program = Program::new(self.module()?).map_err(|why| self.rejected(why))?;
        Ok(Loaded { program, entry })
    }
}

impl Loaded {
    /// The number of function `name`.
    pub(crate) fn func(&self, name: &str) -> Result<u32, Failure> {
        self.program.entry(name).ok_or_else(|| {
            let module = &self.program.module.name;
            Failure::new(
                fail::REJECTED,
                format!("{module}: no function `{name}` is defined"),
            )
        })
    }
}
