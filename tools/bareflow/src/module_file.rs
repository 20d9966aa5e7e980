//! Module files: read, unwrapped, loaded, linked.
//!
//! A program is a file and the libraries that it is given: modules or archives. The C library comes by
//! itself when the file leaves symbols undefined that are neither host calls nor helpers of the runtime;
//! a freestanding module therefore never makes anybody build it.

use crate::fail::{self, Failure};
use abi::{Container, HostCall};
use jit::helpers::Helper;
use jit::instance::{Archive, Input, Program, archive};
use std::collections::HashSet;
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

    /// The program of this module alone, and of the C library if it needs that.
    pub(crate) fn load(&self) -> Result<Loaded, Failure> {
        link(std::slice::from_ref(self), true)
    }

    /// The file as a part of a program: an archive, or a module.
    fn input(&self) -> Result<Input<'_>, Failure> {
        if !archive::is_archive(&self.bytes) {
            return Ok(Input::Module(self.module()?));
        }
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        let archive = Archive::parse(&name, &self.bytes).map_err(|why| self.rejected(why))?;
        Ok(Input::Archive(archive))
    }
}

/// The program of these modules and of what it needs of these archives, and of the C library if it
/// may have that. The first file is a module and says where the program starts.
pub(crate) fn link(files: &[ModuleFile], with_libc: bool) -> Result<Loaded, Failure> {
    let Some(first) = files.first() else {
        return Err(Failure::usage("a program has a file"));
    };
    if archive::is_archive(&first.bytes) {
        return Err(first.rejected("an archive; a program's first file is a module"));
    }
    let entry = first.container()?.entry.to_owned();
    let parts: Result<Vec<_>, _> = files.iter().map(ModuleFile::input).collect();
    let parts = parts?;
    let wanted = with_libc && wants_library(&parts);
    let library = wanted.then(c_library).transpose()?;
    let mut inputs = parts;
    if let Some(library) = &library {
        inputs.push(library.input()?);
    }
    let program = Program::link(inputs, &entry).map_err(|why| first.rejected(why))?;
    Ok(Loaded { program, entry })
}

/// Whether the modules use what neither they, nor an archive among them, nor the runtime defines.
fn wants_library(inputs: &[Input<'_>]) -> bool {
    let modules = || {
        inputs.iter().filter_map(|input| match input {
            Input::Module(module) => Some(module),
            Input::Archive(_) => None,
        })
    };
    // What members of an archive need is not looked at: they were made to be linked with something.
    if inputs
        .iter()
        .any(|input| matches!(input, Input::Archive(_)))
    {
        return true;
    }
    let mut defined: HashSet<&str> = HashSet::new();
    for module in modules() {
        let funcs = module.funcs.iter().filter(|func| func.body.is_some());
        let globals = module.globals.iter().filter(|global| global.defined);
        defined.extend(funcs.map(|func| func.name.as_str()));
        defined.extend(globals.map(|global| global.name.as_str()));
        defined.extend(module.aliases.iter().map(|alias| alias.name.as_str()));
    }
    let known = |name: &str| {
        let provided = HostCall::from_symbol(name).is_some() || Helper::from_symbol(name).is_some();
        provided || name.starts_with("llvm.") || defined.contains(name)
    };
    modules().any(|module| {
        let mut funcs = module.funcs.iter().filter(|func| func.body.is_none());
        let mut globals = module.globals.iter().filter(|global| !global.defined);
        funcs.any(|func| !known(&func.name)) || globals.any(|global| !known(&global.name))
    })
}

/// The C library's archive, built if it is not there.
fn c_library() -> Result<ModuleFile, Failure> {
    let library = clib::ensure().map_err(|why| Failure::new(fail::NO_TOOL, why.to_string()))?;
    ModuleFile::read(&library.archive)
}

impl Loaded {
    /// The number of the function to enter: the C library's start for the default entry.
    pub(crate) fn start(&self) -> Result<u32, Failure> {
        self.program
            .start(&self.entry)
            .map_or_else(|| self.func(&self.entry), Ok)
    }

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
