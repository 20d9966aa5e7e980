//! A module: what one bitcode file defines and needs.

use crate::body::Body;
use crate::facts::Facts;
use crate::types::{TypeId, Types};
use alloc::string::String;
use alloc::vec::Vec;

/// Index of a function in its module.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct FuncId(pub u32);

impl FuncId {
    /// As an index.
    #[must_use]
    #[inline]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// Index of a global variable in its module.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct GlobalId(pub u32);

impl GlobalId {
    /// As an index.
    #[must_use]
    #[inline]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// Who else sees a symbol.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Linkage {
    /// The one definition, visible to all modules.
    #[default]
    External,
    /// Visible in its module only (internal and private).
    Internal,
    /// A definition that another may replace (weak, linkonce).
    Weak,
    /// A reference that may stay unresolved and is then null.
    ExternWeak,
    /// A tentative definition; the largest wins.
    Common,
    /// Arrays that are concatenated (`llvm.global_ctors`).
    Appending,
}

/// Facts about a function, as bits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct FuncAttrs(pub u32);

impl FuncAttrs {
    /// `noinline` without `optnone`: obeyed.
    pub const NOINLINE: u32 = 1;
    /// `optnone`: with it `noinline` is ignored, as both are clang's -O0 habit.
    pub const OPTNONE: u32 = 2;
    /// `alwaysinline`.
    pub const ALWAYS_INLINE: u32 = 4;
    /// A call that returns is a fault.
    pub const NORETURN: u32 = 8;
    /// setjmp-like.
    pub const RETURNS_TWICE: u32 = 16;
    /// Does not write memory.
    pub const READ_ONLY: u32 = 32;
    /// Neither reads nor writes memory.
    pub const READ_NONE: u32 = 64;
    /// Rarely executed.
    pub const COLD: u32 = 128;
    /// Compiled for a target with fused multiply-add.
    pub const FMA: u32 = 256;
    /// Address is never taken (`local_unnamed_addr` does not count; set by analysis).
    pub const NOT_ADDRESS_TAKEN: u32 = 512;
    /// Often executed.
    pub const HOT: u32 = 1 << 10;
    /// Returns or ends the program in some other way that can be seen.
    pub const WILL_RETURN: u32 = 1 << 11;
    /// Touches memory through its arguments only.
    pub const ARG_MEM_ONLY: u32 = 1 << 12;
    /// Frees no memory.
    pub const NO_FREE: u32 = 1 << 13;
    /// Does not synchronise with other threads.
    pub const NO_SYNC: u32 = 1 << 14;
    /// Does not call itself, not even indirectly.
    pub const NO_RECURSE: u32 = 1 << 15;
    /// `optsize` or `minsize`.
    pub const SMALL: u32 = 1 << 16;
    /// Depends on the float environment (`strictfp`).
    pub const STRICT_FP: u32 = 1 << 17;
    /// Address 0 may be accessed.
    pub const NULL_IS_VALID: u32 = 1 << 18;
    /// May be executed where the source would not.
    pub const SPECULATABLE: u32 = 1 << 19;
    /// Writes memory at most.
    pub const WRITE_ONLY: u32 = 1 << 20;
    /// Every loop ends or does something that can be seen.
    pub const MUST_PROGRESS: u32 = 1 << 21;

    /// Whether all bits of `mask` are set.
    #[must_use]
    pub fn has(self, mask: u32) -> bool {
        self.0 & mask == mask
    }
}

/// A function, defined here or elsewhere.
#[derive(Clone, Debug, Default)]
pub struct Function {
    /// Symbol name, as bytes decoded leniently.
    pub name: String,
    /// A function type.
    pub ty: TypeId,
    /// Visibility.
    pub linkage: Linkage,
    /// Facts.
    pub attrs: FuncAttrs,
    /// Index into the module's attribute sets plus 1; 0 is none.
    pub attr_set: u32,
    /// The code; `None` for a declaration.
    pub body: Option<Body>,
}

impl Default for TypeId {
    fn default() -> Self {
        Self::VOID
    }
}

/// What a relocation adds to four bytes of an initialiser.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RelocTarget {
    /// Address of a function's stub.
    Func(FuncId),
    /// Address of a global.
    Global(GlobalId),
}

/// The four bytes at `offset` of a global's initialiser get the target's address added (wrapping).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reloc {
    /// Byte offset in the initialiser.
    pub offset: u32,
    /// What to add.
    pub target: RelocTarget,
    /// Subtract instead of add (for address differences).
    pub negative: bool,
}

/// A global variable.
#[derive(Clone, Debug, Default)]
pub struct Global {
    /// Symbol name.
    pub name: String,
    /// Visibility.
    pub linkage: Linkage,
    /// Defined here.
    pub defined: bool,
    /// Never written: mapped read-only.
    pub constant: bool,
    /// One instance a task.
    pub thread_local: bool,
    /// Bytes it occupies.
    pub size: u32,
    /// log2 of its alignment.
    pub align_log2: u8,
    /// Leading bytes of the initialiser; the rest of `size` is 0.
    pub init: Vec<u8>,
    /// Addresses within `init`.
    pub relocs: Vec<Reloc>,
}

/// Another name for a symbol.
#[derive(Clone, Debug)]
pub struct Alias {
    /// The other name.
    pub name: String,
    /// Visibility.
    pub linkage: Linkage,
    /// What it names.
    pub target: RelocTarget,
    /// Bytes added.
    pub offset: i32,
}

/// Attributes of one function or call, as far as tiers may use them: parallel to the parameters.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct AttrSet {
    /// Facts about the function or call.
    pub func: FuncAttrs,
    /// For each parameter: bits of [`ParamAttrs`].
    pub params: Vec<ParamAttrs>,
    /// Facts about the result.
    pub ret: ParamAttrs,
}

/// Facts about a parameter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ParamAttrs {
    /// `byval`: the callee owns a copy of so many bytes; 0 is none.
    pub byval: u32,
    /// log2 of the promised alignment.
    pub align_log2: u8,
    /// Bits: 1 sret, 2 noalias, 4 nocapture, 8 readonly, 16 nonnull, 32 zeroext, 64 signext,
    /// 128 `dereferenceable` holds unless null, 256 writeonly, 512 returned, 1024 noundef, 2048 readnone.
    pub bits: u16,
    /// A pointer to at least so many bytes that may be read; 0 is not known.
    pub dereferenceable: u32,
    /// Index plus 1 into [`Facts::ranges`]; 0 is not known.
    pub range: u32,
}

/// A function of the source, as code of it stands in a body: by itself or inlined somewhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// Its name in the source, an index into [`Module::source_functions`].
    pub function: u32,
    /// Line at which it begins; 0 is unknown.
    pub line: u32,
    /// The call that it was inlined through; `None` for the function that the body is of.
    pub call: Option<CallSite>,
}

/// A call in the source that inlining removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CallSite {
    /// Where the caller is, an index into [`Module::scopes`] below that of the scope itself.
    pub scope: u32,
    /// Line of the call.
    pub line: u32,
    /// Column of the call; 0 is unknown.
    pub column: u32,
    /// Index into [`Module::files`]; `u32::MAX` is unknown.
    pub file: u32,
}

/// One bitcode file, translated.
#[derive(Clone, Debug, Default)]
pub struct Module {
    /// Name from the wrapper, the source file name, or the path.
    pub name: String,
    /// Types.
    pub types: Types,
    /// Functions, definitions and declarations.
    pub funcs: Vec<Function>,
    /// Global variables.
    pub globals: Vec<Global>,
    /// Aliases.
    pub aliases: Vec<Alias>,
    /// Attribute sets of functions and calls.
    pub attr_sets: Vec<AttrSet>,
    /// Source files that lines name.
    pub files: Vec<String>,
    /// Names of functions in the source, as scopes name them.
    pub source_functions: Vec<String>,
    /// Source functions that lines name, with where they were inlined.
    pub scopes: Vec<Scope>,
    /// Tables of the side indices of bodies.
    pub facts: Facts,
}

impl Module {
    /// The function of that name.
    #[must_use]
    pub fn func_by_name(&self, name: &str) -> Option<FuncId> {
        let at = self.funcs.iter().position(|func| func.name == name)?;
        u32::try_from(at).ok().map(FuncId)
    }

    /// The function `id`.
    #[must_use]
    pub fn func(&self, id: FuncId) -> &Function {
        &self.funcs[id.index()]
    }

    /// The attribute set that functions and calls name by `number`, counted from 1; `None` for 0, which is none,
    /// and for a number that there is not.
    #[must_use]
    pub fn attr_set(&self, number: u32) -> Option<&AttrSet> {
        self.attr_sets.get((number as usize).checked_sub(1)?)
    }
}
