//! A module: everything outside function bodies.
//!
//! One pass over the module block. Types must come before what uses them and names before
//! constants, as in every file that LLVM writes; function bodies, metadata, value names and
//! summaries are skipped by their length, bodies and metadata with a note of where they are.

use alloc::string::String;
use alloc::vec::Vec;

use crate::abbrev::BlockInfo;
use crate::attributes::Attributes;
use crate::constants::Constants;
use crate::container::{self, block, bytes};
use crate::error::{Error, Result};
use crate::globals::{Alias, Function, GlobalId, GlobalVar, Name};
use crate::inst::ValueId;
use crate::limits;
use crate::operands::Operands;
use crate::stream::{BlockHead, Entry, Stream};
use crate::types::{Type, Types};

/// Among whom an atomic operation orders memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncScope {
    /// Between a thread and its own signal handlers.
    SingleThread,
    /// Between all threads.
    System,
    /// A scope that only a GPU has.
    Other,
}

/// A parsed module. It never changes, so any number of threads may read bodies from it.
#[derive(Debug)]
pub struct Module<'a> {
    data: &'a [u8],
    base_bit: u64,
    strtab: &'a [u8],
    info: BlockInfo,
    producer: String,
    triple: String,
    data_layout: String,
    source_file: String,
    types: Types,
    attributes: Attributes,
    sections: Vec<Vec<u8>>,
    globals: Vec<GlobalVar>,
    functions: Vec<Function>,
    aliases: Vec<Alias>,
    values: Vec<GlobalId>,
    constants: Constants,
    sync_scopes: Vec<SyncScope>,
    bundle_tags: Vec<Vec<u8>>,
    metadata: Option<BlockHead>,
    /// Names of kinds of attachments, by number.
    metadata_kinds: Vec<Vec<u8>>,
    /// Parameters of all functions.
    params: usize,
}

impl<'a> Module<'a> {
    /// Reads the module of a bitcode file.
    pub fn parse(file: &'a [u8]) -> Result<Self> {
        let container = container::open(file)?;
        let mut module = Self {
            data: container.data,
            base_bit: container.base_bit,
            strtab: container.strtab,
            info: BlockInfo::default(),
            producer: text(&container.producer),
            triple: String::new(),
            data_layout: String::new(),
            source_file: String::new(),
            types: Types::default(),
            attributes: Attributes::default(),
            sections: Vec::new(),
            globals: Vec::new(),
            functions: Vec::new(),
            aliases: Vec::new(),
            values: Vec::new(),
            constants: Constants::default(),
            // What every LLVM since 5 writes; the block only confirms it.
            sync_scopes: alloc::vec![SyncScope::SingleThread, SyncScope::System],
            bundle_tags: Vec::new(),
            metadata: None,
            metadata_kinds: Vec::new(),
            params: 0,
        };
        module
            .read(&container.module)
            .map_err(|error| error.moved_by(container.base_bit))?;
        Ok(module)
    }

    /// Size of the bitcode in bytes.
    pub fn bytes(&self) -> usize {
        self.data.len()
    }

    /// Who wrote the file, e.g. `LLVM19.1.7`.
    pub fn producer(&self) -> &str {
        &self.producer
    }

    /// Target triple.
    pub fn triple(&self) -> &str {
        &self.triple
    }

    /// Data layout string.
    pub fn data_layout(&self) -> &str {
        &self.data_layout
    }

    /// Name of the source file that the compiler was given.
    pub fn source_file(&self) -> &str {
        &self.source_file
    }

    /// The type table.
    #[inline]
    pub fn types(&self) -> &Types {
        &self.types
    }

    /// Attribute lists.
    pub fn attributes(&self) -> &Attributes {
        &self.attributes
    }

    /// Section names.
    pub fn sections(&self) -> &[Vec<u8>] {
        &self.sections
    }

    /// Global variables.
    pub fn globals(&self) -> &[GlobalVar] {
        &self.globals
    }

    /// Functions, declared and defined.
    #[inline]
    pub fn functions(&self) -> &[Function] {
        &self.functions
    }

    /// Aliases and ifuncs.
    pub fn aliases(&self) -> &[Alias] {
        &self.aliases
    }

    /// Constants that globals and all functions share.
    pub fn constants(&self) -> &Constants {
        &self.constants
    }

    /// Names of operand bundles, by [`crate::Event::Bundle`]'s index.
    pub fn bundle_tags(&self) -> &[Vec<u8>] {
        &self.bundle_tags
    }

    /// Names of kinds of metadata attachments, by the number in [`crate::Attachment::kind`].
    pub fn metadata_kinds(&self) -> &[Vec<u8>] {
        &self.metadata_kinds
    }

    /// The bytes of a name; not necessarily UTF-8.
    #[inline]
    pub fn name(&self, name: Name) -> &'a [u8] {
        name.bytes(self.strtab)
    }

    /// Which definition a value id below the first constant's means.
    #[inline]
    pub fn global(&self, id: ValueId) -> Option<GlobalId> {
        self.values.get(id.0 as usize).copied()
    }

    /// Number of values that are not local to a function: definitions, then constants.
    #[inline]
    pub fn value_count(&self) -> u32 {
        let constants = u32::try_from(self.constants.len()).unwrap_or(u32::MAX);
        self.constants.first().0.saturating_add(constants)
    }

    #[inline]
    pub(crate) fn sync_scopes(&self) -> &[SyncScope] {
        &self.sync_scopes
    }

    pub(crate) fn base_bit(&self) -> u64 {
        self.base_bit
    }

    /// A stream over the file that knows the module's abbreviations.
    pub(crate) fn stream(&self) -> Stream<'a> {
        Stream::new(self.data, self.info.clone())
    }

    /// Where the module's metadata is.
    pub(crate) fn metadata(&self) -> Option<&BlockHead> {
        self.metadata.as_ref()
    }

    fn read(&mut self, head: &BlockHead) -> Result<()> {
        let mut stream = Stream::new(self.data, BlockInfo::default());
        stream.rewind(head);
        stream.enter(head)?;
        let (mut current, mut bodies) = (false, 0);
        loop {
            match stream.next()? {
                Entry::Record(1) if stream.ops().first() == Some(&2) => current = true,
                _ if !current => {
                    let what = "module version other than 2";
                    return Err(Error::unsupported(stream.bit(), what));
                }
                Entry::End => break,
                Entry::Block(inner) if inner.id == block::FUNCTION => {
                    bodies = self.body(bodies, &inner, &stream)?;
                    stream.skip(&inner);
                }
                Entry::Block(inner) => self.block(&inner, &mut stream)?,
                Entry::Record(code) => self.record(code, &stream)?,
            }
        }
        if self.next_definition(bodies).is_some() {
            return Err(Error::malformed(
                stream.bit(),
                "function definition without a body",
            ));
        }
        self.constants_start()?;
        self.info = stream.info().clone();
        self.check_names(stream.bit())
    }

    /// Reads one of the module's blocks, or skips it.
    fn block(&mut self, head: &BlockHead, stream: &mut Stream<'_>) -> Result<()> {
        match head.id {
            block::BLOCK_INFO => stream.read_block_info(head)?,
            block::TYPES if self.types.is_empty() => self.types = Types::read(stream, head)?,
            block::TYPES => return Err(Error::malformed(stream.bit(), "second type table")),
            block::ATTRIBUTE_GROUPS if self.attributes.has_groups() => {
                return Err(Error::malformed(stream.bit(), "second table of attributes"));
            }
            block::ATTRIBUTE_GROUPS => self.attributes.read_groups(stream, head)?,
            block::ATTRIBUTES => self.attributes.read_lists(stream, head)?,
            block::CONSTANTS => {
                self.constants_start()?;
                self.constants.read(stream, head, &self.types)?;
            }
            block::BUNDLE_TAGS => self.bundle_tags = strings(stream, head)?,
            block::SYNC_SCOPES => {
                let names = strings(stream, head)?;
                self.sync_scopes = names.iter().map(|name| sync_scope(name)).collect();
            }
            block::METADATA_KINDS => self.read_kinds(stream, head)?,
            block::METADATA => {
                self.metadata.get_or_insert(*head);
                stream.skip(head);
            }
            _ => stream.skip(head),
        }
        Ok(())
    }

    /// Records [number, character…]: what a kind of attachment is called.
    fn read_kinds(&mut self, stream: &mut Stream<'_>, head: &BlockHead) -> Result<()> {
        stream.enter(head)?;
        loop {
            match stream.next()? {
                Entry::End => return Ok(()),
                Entry::Block(inner) => stream.skip(&inner),
                Entry::Record(6) => {
                    let mut ops = Operands::new(stream.ops(), stream.bit());
                    let number = ops.next_u32()? as usize;
                    if number >= limits::METADATA_KINDS {
                        return Err(Error::limit(ops.bit(), "kinds of metadata"));
                    }
                    let name: Vec<u8> = ops.rest().iter().map(|op| op.to_le_bytes()[0]).collect();
                    if self.metadata_kinds.len() <= number {
                        let len = number.saturating_add(1);
                        self.metadata_kinds.resize(len, Vec::new());
                    }
                    if let Some(slot) = self.metadata_kinds.get_mut(number) {
                        *slot = name;
                    }
                }
                Entry::Record(_) => {}
            }
        }
    }

    /// Fixes the number of the first constant: one after the last definition.
    fn constants_start(&mut self) -> Result<()> {
        if self.constants.is_empty() {
            let first = u32::try_from(self.values.len());
            self.constants
                .reset(first.map_err(|_| Error::limit(0, "number of definitions"))?);
        }
        Ok(())
    }

    /// Reads one of the module's records (`bitc::ModuleCodes`). Unknown ones say nothing about execution.
    fn record(&mut self, code: u32, stream: &Stream<'_>) -> Result<()> {
        let ops = Operands::new(stream.ops(), stream.bit());
        match code {
            2 => self.triple = text(&bytes(stream)?),
            3 => self.data_layout = text(&bytes(stream)?),
            4 if !ops.is_empty() => return Err(ops.unsupported("module-level inline assembly")),
            5 => self.sections.push(bytes(stream)?),
            16 => self.source_file = text(&bytes(stream)?),
            7 | 8 | 14 | 18 if !self.constants.is_empty() => {
                return Err(ops.malformed("definition after constants"));
            }
            7 => {
                self.values.push(GlobalId::Variable(index(&self.globals)?));
                self.globals
                    .push(GlobalVar::read(ops, self.strtab, &self.types)?);
            }
            8 => {
                self.values
                    .push(GlobalId::Function(index(&self.functions)?));
                let function = Function::read(ops, self.strtab, &self.types)?;
                self.count_params(&function, ops.bit())?;
                self.functions.push(function);
            }
            14 | 18 => {
                self.values.push(GlobalId::Alias(index(&self.aliases)?));
                self.aliases
                    .push(Alias::read(ops, code == 18, self.strtab, &self.types)?);
            }
            _ => {}
        }
        Ok(())
    }

    /// Every function may name the same long type; what is made of it has a bound nevertheless.
    fn count_params(&mut self, function: &Function, bit: u64) -> Result<()> {
        if let Type::Function { params, .. } = self.types.get(function.ty) {
            self.params = self.params.saturating_add(self.types.list(params).len());
        }
        if self.params > limits::PARAMS {
            return Err(Error::limit(bit, "parameters of all functions"));
        }
        Ok(())
    }

    /// Gives the body just found to the next definition from index `from` on; returns where to
    /// look for the definition after it. Bodies come in the order of the definitions.
    fn body(&mut self, from: usize, head: &BlockHead, stream: &Stream<'_>) -> Result<usize> {
        let found = self.next_definition(from);
        let index =
            found.ok_or_else(|| Error::malformed(stream.bit(), "body without a definition"))?;
        if let Some(function) = self.functions.get_mut(index) {
            function.body = Some(*head);
        }
        Ok(index.wrapping_add(1))
    }

    /// Index of the first function from `from` on that has a body.
    fn next_definition(&self, from: usize) -> Option<usize> {
        let rest = self.functions.get(from..)?;
        rest.iter()
            .position(|function| !function.is_declaration)?
            .checked_add(from)
    }

    /// Names are unique; only unnamed definitions may be many.
    fn check_names(&self, bit: u64) -> Result<()> {
        let variables = self.globals.iter().map(|global| global.name);
        let functions = self.functions.iter().map(|function| function.name);
        let aliases = self.aliases.iter().map(|alias| alias.name);
        let mut names: Vec<&[u8]> = variables
            .chain(functions)
            .chain(aliases)
            .map(|name| self.name(name))
            .collect();
        // Names do not share bytes in what LLVM writes. If they did, sorting them could take long.
        let bytes = names
            .iter()
            .fold(0usize, |sum, name| sum.saturating_add(name.len()));
        if bytes > self.strtab.len().saturating_mul(2) {
            return Err(Error::malformed(bit, "names that share bytes"));
        }
        names.sort_unstable();
        let twice = names
            .iter()
            .zip(names.iter().skip(1))
            .any(|(a, b)| a == b && !a.is_empty());
        if twice {
            Err(Error::malformed(bit, "two definitions of one name"))
        } else {
            Ok(())
        }
    }
}

/// Index of the element that is about to be pushed.
fn index<T>(list: &[T]) -> Result<u32> {
    u32::try_from(list.len()).map_err(|_| Error::limit(0, "number of definitions"))
}

/// Text for people: what is not UTF-8 is replaced.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A block of nothing but strings.
fn strings(stream: &mut Stream<'_>, head: &BlockHead) -> Result<Vec<Vec<u8>>> {
    let mut list = Vec::new();
    stream.enter(head)?;
    loop {
        match stream.next()? {
            Entry::End => return Ok(list),
            Entry::Block(inner) => stream.skip(&inner),
            Entry::Record(_) => list.push(bytes(stream)?),
        }
    }
}

fn sync_scope(name: &[u8]) -> SyncScope {
    match name {
        b"singlethread" => SyncScope::SingleThread,
        b"" => SyncScope::System,
        _ => SyncScope::Other,
    }
}
