//! Metadata: where code comes from, and what the compiler knew about it.
//!
//! Line and column stand inline in a function body and need nothing from here. What they belong to
//! is a chain of scopes in the metadata. Other facts (aliasing, ranges, weights, hints) are tuples of
//! strings, constants and tuples, which are kept as they are. Of the other records only the kinds of
//! the scope chain are understood; the rest are counted, since metadata ids are the records'
//! positions. Metadata that one function alone uses stands in that function's body and is numbered
//! after the module's.
//!
//! Metadata may contain cycles: a chain is followed at most [`limits::SCOPE_CHAIN`] steps, and who
//! walks tuples bounds that by itself.

use alloc::vec::Vec;

use crate::container::block;
use crate::cursor::Cursor;
use crate::error::{Error, Result};
use crate::inst::{DebugLoc, ValueId};
use crate::limits;
use crate::module::Module;
use crate::operands::Operands;
use crate::stream::{BlockHead, Entry, Stream};

/// A metadata node, as far as scopes need it. Ids are absolute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Node<'a> {
    Other,
    String(&'a [u8]),
    File {
        name: Option<u32>,
        directory: Option<u32>,
    },
    Subprogram {
        name: Option<u32>,
        file: Option<u32>,
        line: u32,
    },
    Block {
        scope: Option<u32>,
        file: Option<u32>,
    },
    Location(DebugLoc),
    /// A range of `refs`.
    Tuple {
        start: u32,
        len: u32,
    },
    Value(ValueId),
}

/// Where a location lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Location<'a> {
    /// Directory and file name as the compiler was given them.
    pub file: Option<(&'a [u8], &'a [u8])>,
    /// Name of the source function, which differs from the IR's where code was inlined.
    pub function: Option<&'a [u8]>,
    /// Line at which that function begins.
    pub function_line: u32,
    /// Line, from 1; 0: compiler-made.
    pub line: u32,
    /// Column, from 1; 0: not known.
    pub column: u32,
}

/// The metadata of a module, and of the function last opened.
#[derive(Debug, Default)]
pub struct Metadata<'a> {
    nodes: Vec<Node<'a>>,
    module_nodes: usize,
    /// Operands of tuples: ids plus one, 0 for none.
    refs: Vec<u32>,
    module_refs: usize,
    /// Kept for its buffers.
    stream: Option<Stream<'a>>,
}

impl<'a> Metadata<'a> {
    /// Reads the module's metadata. A module without has none of its own.
    pub fn read(module: &Module<'a>) -> Result<Self> {
        let mut info = Self::default();
        let mut stream = module.stream();
        if let Some(head) = module.metadata() {
            stream.rewind(head);
            info.block(&mut stream, head)
                .map_err(|error| error.moved_by(module.base_bit()))?;
        }
        info.module_nodes = info.nodes.len();
        info.module_refs = info.refs.len();
        info.stream = Some(stream);
        Ok(info)
    }

    /// Reads the metadata in the body of the function with this index, instead of that of the
    /// function read before.
    pub fn read_function(&mut self, module: &Module<'a>, function: u32) -> Result<()> {
        self.forget_function();
        let Some(function) = module.functions().get(function as usize) else {
            return Ok(());
        };
        let Some(head) = function.body else {
            return Ok(());
        };
        let mut stream = self.stream.take().unwrap_or_else(|| module.stream());
        stream.rewind(&head);
        let located = |error: Error| {
            error
                .moved_by(module.base_bit())
                .in_function(module.name(function.name))
        };
        let outcome = self.body(&mut stream, &head).map_err(located);
        self.stream = Some(stream);
        outcome
    }

    /// Forgets what belongs to the function read last.
    pub fn forget_function(&mut self) {
        self.nodes.truncate(self.module_nodes);
        self.refs.truncate(self.module_refs);
    }

    /// Number of nodes of the module: ids from here on belong to a function.
    pub fn module_len(&self) -> u32 {
        u32::try_from(self.module_nodes).unwrap_or(u32::MAX)
    }

    /// The string with this id, if it is one.
    pub fn string(&self, id: u32) -> Option<&'a [u8]> {
        match self.node(Some(id)) {
            Node::String(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// The constant that the node with this id wraps, if it wraps one.
    pub fn value(&self, id: u32) -> Option<ValueId> {
        match self.node(Some(id)) {
            Node::Value(value) => Some(value),
            _ => None,
        }
    }

    /// The operands of the tuple with this id; empty if it is none.
    pub fn tuple(&self, id: u32) -> impl ExactSizeIterator<Item = Option<u32>> {
        let range = match self.node(Some(id)) {
            Node::Tuple { start, len } => start as usize..start.saturating_add(len) as usize,
            _ => 0..0,
        };
        let refs = self.refs.get(range).unwrap_or(&[]);
        refs.iter().map(|stored| stored.checked_sub(1))
    }

    /// Line at which a subprogram begins, if the node is one.
    pub fn subprogram_line(&self, id: u32) -> Option<u32> {
        match self.node(Some(id)) {
            Node::Subprogram { line, .. } => Some(line),
            _ => None,
        }
    }

    /// Where a location lies.
    pub fn locate(&self, loc: DebugLoc) -> Location<'a> {
        let mut found = Location {
            file: None,
            function: None,
            function_line: 0,
            line: loc.line,
            column: loc.column,
        };
        let mut scope = loc.scope;
        for _ in 0..limits::SCOPE_CHAIN {
            match self.node(scope) {
                Node::Block { scope: outer, file } => {
                    found.file = found.file.or_else(|| self.file(file));
                    scope = outer;
                }
                Node::Subprogram { name, file, line } => {
                    found.file = found.file.or_else(|| self.file(file));
                    found.function = name.and_then(|name| self.string(name));
                    found.function_line = line;
                    break;
                }
                _ => break,
            }
        }
        found
    }

    /// The location of the call through which the code at `loc` was inlined.
    pub fn inlined_at(&self, loc: DebugLoc) -> Option<DebugLoc> {
        match self.node(Some(loc.inlined_at?)) {
            Node::Location(call) => Some(call),
            _ => None,
        }
    }

    fn node(&self, id: Option<u32>) -> Node<'a> {
        id.and_then(|id| self.nodes.get(id as usize))
            .copied()
            .unwrap_or(Node::Other)
    }

    fn file(&self, id: Option<u32>) -> Option<(&'a [u8], &'a [u8])> {
        match self.node(id) {
            Node::File { name, directory } => {
                let directory = directory.and_then(|directory| self.string(directory));
                Some((directory.unwrap_or(&[]), self.string(name?)?))
            }
            _ => None,
        }
    }

    /// Reads the metadata blocks of a function body, and nothing else of it.
    fn body(&mut self, stream: &mut Stream<'a>, head: &BlockHead) -> Result<()> {
        stream.enter(head)?;
        loop {
            match stream.next()? {
                Entry::End => return Ok(()),
                Entry::Block(inner) if inner.id == block::METADATA => self.block(stream, &inner)?,
                Entry::Block(inner) => stream.skip(&inner),
                // Metadata stands before the instructions.
                Entry::Record(1) => {}
                Entry::Record(_) => return Ok(()),
            }
        }
    }

    fn block(&mut self, stream: &mut Stream<'a>, head: &BlockHead) -> Result<()> {
        stream.enter(head)?;
        loop {
            match stream.next()? {
                Entry::End => return Ok(()),
                Entry::Block(inner) => stream.skip(&inner),
                Entry::Record(35) => self.strings(stream)?,
                // Name, kind, named node, attachment of a global, index: records without an id.
                Entry::Record(4 | 6 | 10 | 11 | 36 | 38 | 39) => {}
                Entry::Record(code) => {
                    let ops = Operands::new(stream.ops(), stream.bit());
                    let node = match code {
                        3 | 5 => self.node_tuple(ops)?,
                        _ => node(code, ops)?,
                    };
                    self.push(node, stream.bit())?;
                }
            }
        }
    }

    /// [id + 1…]: a tuple, distinct or not.
    fn node_tuple(&mut self, mut ops: Operands<'_>) -> Result<Node<'a>> {
        let too_many = |_| Error::limit(ops.bit(), "operands of metadata");
        let start = u32::try_from(self.refs.len()).map_err(too_many)?;
        let len = u32::try_from(ops.len()).map_err(too_many)?;
        while !ops.is_empty() {
            self.refs.push(ops.next_u32()?);
        }
        Ok(Node::Tuple { start, len })
    }

    /// Gives the node the next metadata id.
    fn push(&mut self, node: Node<'a>, bit: u64) -> Result<()> {
        if self.nodes.len() >= limits::METADATA {
            return Err(Error::limit(bit, "number of metadata nodes"));
        }
        self.nodes.push(node);
        Ok(())
    }

    /// [count, offset of the characters] and a blob: VBR6 lengths, then the characters.
    fn strings(&mut self, stream: &Stream<'a>) -> Result<()> {
        let mut ops = Operands::new(stream.ops(), stream.bit());
        let (count, offset) = (ops.next()?, ops.next_u32()? as usize);
        let blob = stream.blob().unwrap_or(&[]);
        let (Some(lengths), Some(mut chars)) = (blob.get(..offset), blob.get(offset..)) else {
            return Err(ops.malformed("metadata strings outside their blob"));
        };
        let mut cursor = Cursor::new(lengths);
        if count > cursor.remaining() as u64 {
            return Err(ops.malformed("number of metadata strings"));
        }
        for _ in 0..count {
            let len = usize::try_from(cursor.vbr(6)).unwrap_or(usize::MAX);
            let Some((string, rest)) = chars.split_at_checked(len) else {
                return Err(ops.malformed("metadata string outside its blob"));
            };
            self.push(Node::String(string), ops.bit())?;
            chars = rest;
        }
        Ok(())
    }
}

/// Reads a node. References are stored plus one, except where LLVM knows that they are there.
fn node<'a>(code: u32, mut ops: Operands<'_>) -> Result<Node<'a>> {
    // [type, value]
    if code == 2 {
        let _type = ops.next()?;
        return Ok(Node::Value(ValueId(ops.next_u32()?)));
    }
    let _distinct = ops.next_or_zero();
    Ok(match code {
        16 => Node::File {
            name: ops.next_index()?,
            directory: ops.next_index()?,
        },
        21 => {
            let _scope = ops.next()?;
            let name = ops.next_index()?;
            let _linkage_name = ops.next()?;
            Node::Subprogram {
                name,
                file: ops.next_index()?,
                line: ops.next_u32()?,
            }
        }
        22 | 23 => Node::Block {
            scope: ops.next_index()?,
            file: ops.next_index()?,
        },
        7 => {
            let (line, column) = (ops.next_u32()?, ops.next_u32()?);
            let scope = Some(ops.next_u32()?);
            Node::Location(DebugLoc {
                line,
                column,
                scope,
                inlined_at: ops.next_index()?,
            })
        }
        _ => Node::Other,
    })
}
