//! Source positions: the file that a debug location's scope lies in.
//!
//! Metadata is only read when the first location is met; a module compiled without `-g` has none.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use bitcode::{DebugInfo, DebugLoc};
use hashbrown::HashMap;

use super::error::Result;

/// File number of a position whose file is not known.
const UNKNOWN: u32 = u32::MAX;

/// Files of the scopes met so far.
#[derive(Debug, Default)]
pub(super) struct Places<'a> {
    info: Option<DebugInfo<'a>>,
    /// Whether `info` holds what the current function alone uses.
    has_function: bool,
    files: HashMap<(&'a [u8], &'a [u8]), u32>,
    /// By scope of the current function.
    scopes: HashMap<u32, u32>,
    last: (Option<u32>, u32),
}

impl<'a> Places<'a> {
    /// Forgets the scopes of the function before.
    pub(super) fn begin_function(&mut self) {
        self.has_function = false;
        // Not cleared: that would take as long as the largest function so far.
        self.scopes = HashMap::new();
        self.last = (None, UNKNOWN);
    }

    /// Number of the file of a location, in `names`.
    pub(super) fn file(
        &mut self,
        source: &bitcode::Module<'a>,
        function: u32,
        loc: DebugLoc,
        names: &mut Vec<String>,
    ) -> Result<u32> {
        if self.last.0 == loc.scope {
            return Ok(self.last.1);
        }
        let Some(scope) = loc.scope else {
            return Ok(UNKNOWN);
        };
        let file = match self.scopes.get(&scope) {
            Some(file) => *file,
            None => {
                let file = self.look_up(source, function, loc, names)?;
                self.scopes.insert(scope, file);
                file
            }
        };
        self.last = (loc.scope, file);
        Ok(file)
    }

    /// Reads what metadata is needed and walks from the scope to its file.
    fn look_up(
        &mut self,
        source: &bitcode::Module<'a>,
        function: u32,
        loc: DebugLoc,
        names: &mut Vec<String>,
    ) -> Result<u32> {
        let info = match &mut self.info {
            Some(info) => info,
            none => none.insert(DebugInfo::read(source)?),
        };
        if !self.has_function {
            info.read_function(source, function)?;
            self.has_function = true;
        }
        let Some((directory, name)) = info.locate(loc).file else {
            return Ok(UNKNOWN);
        };
        Ok(*self.files.entry((directory, name)).or_insert_with(|| {
            names.push(path(directory, name));
            u32::try_from(names.len().saturating_sub(1)).unwrap_or(UNKNOWN)
        }))
    }
}

/// Directory and name as one path; an absolute name stands for itself.
fn path(directory: &[u8], name: &[u8]) -> String {
    let text = String::from_utf8_lossy;
    if directory.is_empty() || name.starts_with(b"/") {
        text(name).into_owned()
    } else {
        format!("{}/{}", text(directory), text(name))
    }
}
