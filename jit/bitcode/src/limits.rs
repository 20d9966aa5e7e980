//! The bounds of the reader, each far above what compilers write and low enough to be harmless.
//!
//! The figure in brackets is the largest seen in some 4 700 modules of clang 14 to 19 and rustc.

/// Size of a bitcode file in bytes [983 KB].
pub const FILE_BYTES: usize = 64 << 20;
/// Blocks inside blocks [3].
pub const NESTING: usize = 8;
/// Abbreviations known at one moment, those of the BLOCKINFO block included [about 40].
pub const ABBREVS: usize = 4096;
/// Operands of one abbreviation.
pub const ABBREV_OPS: usize = 256;
/// Operands of one record [10 000]; a 4 MiB byte array in a C source still fits.
pub const RECORD_OPS: usize = 4 << 20;
/// Entries of the type table.
pub const TYPES: usize = 1 << 16;
/// Fields of one struct, parameters of one function type [145].
pub const FIELDS: usize = 1 << 16;
/// Width of an integer type in bits [168].
pub const INTEGER_BITS: u32 = 256;
/// Elements of a vector type [96: sixteen interleaved groups of six].
pub const VECTOR_LANES: u32 = 256;
/// Types by value inside types by value.
pub const TYPE_DEPTH: u32 = 64;
/// Base-2 logarithm of an alignment [12].
pub const ALIGN_LOG2: u64 = 16;
/// Basic blocks of one function.
pub const BLOCKS: u32 = 1 << 20;
/// Attributes of all groups of a module, and of all lists with repetitions [60 000].
pub const ATTRIBUTES: usize = 1 << 20;
/// Parameters of all functions of a module together [some 10 000].
pub const PARAMS: usize = 1 << 22;
/// Constants of a module or of a function [some 10 000]; a null takes four bits of a file.
pub const CONSTANTS: usize = 1 << 22;
/// Metadata nodes of a module with those of one function [some 100 000].
pub const METADATA: usize = 1 << 22;
/// Bits that each fact of a block of attachments takes at least [12: two VBR6 numbers].
pub const BITS_A_FACT: usize = 8;
/// Number of a kind of metadata [43].
pub const METADATA_KINDS: usize = 1 << 12;
/// Scopes followed from a debug location towards its subprogram.
pub const SCOPE_CHAIN: u32 = 16;
