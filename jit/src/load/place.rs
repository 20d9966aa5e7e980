//! Source positions: the file and function that a debug location lies in, and through which calls
//! it was inlined.
//!
//! A scope of the IR is a pair of a source function and the call that it was inlined through. Code
//! of one scope comes in runs, so the pair met last answers nearly every question; the others are
//! remembered for the function at hand. The chain of calls is followed from the inside until a
//! known one or the function itself is met, at most [`MAX_CHAIN`] calls, and numbered from the
//! outside, so that a scope's caller has a lower number.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use bitcode::DebugLoc;
use hashbrown::HashMap;
use ir::Scope;
use ir::module::CallSite;

use super::error::Result;
use super::module::Loader;

/// Number of a file or scope that is not known.
pub(super) const UNKNOWN: u32 = u32::MAX;
/// Calls inlined into each other that a position names.
const MAX_CHAIN: usize = 32;

/// Bytes of a name that are kept.
const MAX_NAME: usize = 1 << 10;

/// Scope and call of a location, as metadata ids.
type Key = (Option<u32>, Option<u32>);

/// Where code is: numbers of a file and a scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) file: u32,
    pub(super) scope: u32,
}

impl Place {
    /// Nowhere that is known.
    const UNKNOWN: Self = Self {
        file: UNKNOWN,
        scope: UNKNOWN,
    };
}

/// Files and scopes met so far.
#[derive(Debug)]
pub(super) struct Places<'a> {
    files: HashMap<(&'a [u8], &'a [u8]), u32>,
    functions: HashMap<&'a [u8], u32>,
    /// Of the current function.
    known: HashMap<Key, Place>,
    last: (Key, Place),
}

impl Default for Places<'_> {
    fn default() -> Self {
        Self {
            files: HashMap::new(),
            functions: HashMap::new(),
            known: HashMap::new(),
            last: ((None, None), Place::UNKNOWN),
        }
    }
}

impl<'a> Places<'a> {
    /// Forgets the scopes of the function before.
    pub(super) fn begin_function(&mut self) {
        if self.last.0 != (None, None) {
            // Not cleared: that would take as long as the largest function so far.
            self.known = HashMap::new();
            self.last = ((None, None), Place::UNKNOWN);
        }
    }

    /// Where a location lies.
    #[inline]
    pub(super) fn place(&mut self, loader: &mut Loader<'_, 'a>, loc: DebugLoc) -> Result<Place> {
        let key = (loc.scope, loc.inlined_at);
        if self.last.0 == key {
            return Ok(self.last.1);
        }
        let place = match self.known.get(&key) {
            Some(place) => *place,
            None => self.look_up(loader, loc)?,
        };
        self.last = (key, place);
        Ok(place)
    }

    /// Walks out through the calls, then numbers the scopes from the outside.
    fn look_up(&mut self, loader: &mut Loader<'_, 'a>, loc: DebugLoc) -> Result<Place> {
        let mut chain: Vec<DebugLoc> = Vec::new();
        let mut next = Some(loc);
        let mut outer = None;
        while let Some(loc) = next.take() {
            if let Some(known) = self.known.get(&(loc.scope, loc.inlined_at)) {
                outer = Some((loc, *known));
                break;
            }
            chain.push(loc);
            if let (true, Some(call)) = (chain.len() < MAX_CHAIN, loc.inlined_at) {
                next = loader.metadata(call)?.inlined_at(loc);
            }
        }
        let mut found = Place::UNKNOWN;
        while let Some(loc) = chain.pop() {
            found = self.number(loader, loc, outer)?;
            self.known.insert((loc.scope, loc.inlined_at), found);
            outer = Some((loc, found));
        }
        Ok(found)
    }

    /// A scope for a location, called from `outer` if that is not `None`.
    fn number(
        &mut self,
        loader: &mut Loader<'_, 'a>,
        loc: DebugLoc,
        outer: Option<(DebugLoc, Place)>,
    ) -> Result<Place> {
        let Some(scope) = loc.scope else {
            return Ok(Place::UNKNOWN);
        };
        let at = loader.metadata(scope)?.locate(loc);
        let file = match at.file {
            Some(name) => self.file(name, &mut loader.module.files),
            None => UNKNOWN,
        };
        let call = outer.map(|(call, place)| CallSite {
            scope: place.scope,
            line: call.line,
            column: call.column,
            file: place.file,
        });
        let scope = Scope {
            function: self.function(at.function.unwrap_or(b"?"), &mut loader.module),
            line: at.function_line,
            call: call.filter(|call| call.scope != UNKNOWN),
        };
        let scopes = &mut loader.module.scopes;
        // Blocks of one function differ as metadata and not as scopes.
        let same = scopes
            .iter()
            .rev()
            .take(8)
            .position(|known| *known == scope);
        let number = match same {
            Some(back) => scopes.len().saturating_sub(back).saturating_sub(1),
            None => {
                scopes.push(scope);
                scopes.len().saturating_sub(1)
            }
        };
        let scope = u32::try_from(number).unwrap_or(UNKNOWN);
        Ok(Place { file, scope })
    }

    /// Number of a source function's name.
    fn function(&mut self, name: &'a [u8], module: &mut ir::Module) -> u32 {
        let name = cut(name);
        let names = &mut module.source_functions;
        *self.functions.entry(name).or_insert_with(|| {
            names.push(String::from_utf8_lossy(name).into_owned());
            u32::try_from(names.len().saturating_sub(1)).unwrap_or(UNKNOWN)
        })
    }

    /// Number of a file.
    fn file(&mut self, name: (&'a [u8], &'a [u8]), names: &mut Vec<String>) -> u32 {
        let name = (cut(name.0), cut(name.1));
        *self.files.entry(name).or_insert_with(|| {
            names.push(path(name.0, name.1));
            u32::try_from(names.len().saturating_sub(1)).unwrap_or(UNKNOWN)
        })
    }
}

/// The part of a name that is kept: many places may share a long one.
fn cut(name: &[u8]) -> &[u8] {
    name.get(..MAX_NAME).unwrap_or(name)
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
