//! The file's metadata, read when it is first asked for.
//!
//! A module compiled without `-g` at -O0 has none that matters, and is loaded without looking at it.
//! The module's own metadata is read once; what stands in a function's body, once for each function
//! that asks.

use alloc::vec::Vec;

use bitcode::Metadata;

use super::body::BodyLoader;
use super::error::Result;
use super::module::Loader;

/// Metadata as far as it was needed.
#[derive(Debug, Default)]
pub(super) struct Meta<'a> {
    info: Option<Metadata<'a>>,
    /// The function being translated: its index in the file.
    function: u32,
    /// Whether `info` holds what that function alone uses.
    has_function: bool,
}

impl<'a> Meta<'a> {
    /// From now on function-local ids are those of this function.
    pub(super) fn begin_function(&mut self, function: u32) {
        self.function = function;
        self.has_function = false;
        if let Some(info) = &mut self.info {
            info.forget_function();
        }
    }

    /// The metadata in which a node with this id can be looked up. Ids beyond the module's own need
    /// the function's.
    pub(super) fn at(&mut self, source: &bitcode::Module<'a>, id: u32) -> Result<&Metadata<'a>> {
        let info = match &mut self.info {
            Some(info) => info,
            none => none.insert(Metadata::read(source)?),
        };
        if id >= info.module_len() && !self.has_function {
            info.read_function(source, self.function)?;
            self.has_function = true;
        }
        Ok(info)
    }
}

impl<'a> Loader<'_, 'a> {
    /// Metadata that can tell of the node `id`.
    pub(super) fn metadata(&mut self, id: u32) -> Result<&Metadata<'a>> {
        self.meta.at(self.source, id)
    }

    /// The first operands of a tuple, at most `limit`: nodes may share a long one.
    pub(super) fn tuple(&mut self, id: u32, limit: usize) -> Result<Vec<Option<u32>>> {
        Ok(self.metadata(id)?.tuple(id).take(limit).collect())
    }

    /// Line at which the source of a function begins, for messages about it as a whole: what is
    /// attached to the function itself names its subprogram.
    pub(super) fn function_line(&mut self, function: u32) -> Option<u32> {
        let mut reader = bitcode::BodyReader::new(self.source);
        reader
            .open(function, &mut bitcode::Constants::default())
            .ok()??;
        let mut nodes: Vec<u32> = Vec::new();
        while let Ok(Some(event)) = reader.next_event() {
            if let bitcode::Event::Attached(facts) = event {
                let own = facts.iter().filter(|fact| fact.inst.is_none());
                nodes.extend(own.map(|fact| fact.node));
            }
        }
        self.meta.begin_function(function);
        let mut lines = nodes.into_iter().map(|node| {
            let info = self.metadata(node).ok()?;
            info.subprogram_line(node)
        });
        lines.find_map(|line| line)
    }

    /// The integer that a node wraps, zero-extended.
    pub(super) fn metadata_int(&mut self, id: Option<u32>) -> Result<Option<u64>> {
        let Some(id) = id else { return Ok(None) };
        let Some(value) = self.metadata(id)?.value(id) else {
            return Ok(None);
        };
        // A value that is no constant of the module is none that a fact can be made of.
        if self.constant(value, None).is_none() {
            return Ok(None);
        }
        Ok(match self.fold(value, None)? {
            super::fold::Folded::Int(number) => Some(number),
            _ => None,
        })
    }

    /// The characters of a node that is a string.
    pub(super) fn metadata_text(&mut self, id: Option<u32>) -> Result<Option<&'a [u8]>> {
        let Some(id) = id else { return Ok(None) };
        Ok(self.metadata(id)?.string(id))
    }
}

impl<'a> BodyLoader<'_, '_, 'a> {
    /// The string that an argument of a call is.
    pub(super) fn metadata_string(&mut self, id: u32) -> Result<Option<&'a [u8]>> {
        self.loader.metadata_text(Some(id))
    }
}
