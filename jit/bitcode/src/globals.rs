//! Records of the module that define names: variables, functions, aliases.
//!
//! In module version 2 each begins with the offset and size of its name in the string table, which
//! stands after the module in the file; [`crate::container`] has found it before. Fields that newer
//! writers added stand at the end and are read only if the record is long enough.
//!
//! Layouts (LLVM: `BitcodeReader::parseGlobalVarRecord`, `parseFunctionRecord`), all after the name:
//!
//! * GLOBALVAR [type, flags, initial value + 1, linkage, alignment, section + 1, visibility, thread
//!   local, unnamed address, externally initialised, …]; flags: 0 constant, 1 the type is the
//!   variable's own and not a pointer to it, then the address space
//! * FUNCTION [type, convention, is declaration, linkage, attributes + 1, alignment, section + 1,
//!   visibility, collector, unnamed address, prologue, storage class, comdat, prefix, personality + 1,
//!   dso-local, address space, …]
//! * ALIAS and IFUNC [type, address space, target, linkage, …]

use crate::error::Result;
use crate::inst::ValueId;
use crate::operands::Operands;
use crate::stream::BlockHead;
use crate::types::{Type, TypeId, Types};

/// A name: a range of the string table, checked to lie inside and to hold no NUL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Name {
    start: u32,
    end: u32,
}

impl Name {
    /// The bytes of the name; not necessarily UTF-8.
    #[inline]
    pub fn bytes(self, strtab: &[u8]) -> &[u8] {
        strtab
            .get(self.start as usize..self.end as usize)
            .unwrap_or(&[])
    }

    fn read(ops: &mut Operands<'_>, strtab: &[u8]) -> Result<Self> {
        let (start, len) = (ops.next_u32()?, ops.next_u32()?);
        let end = start.checked_add(len);
        let Some(name) = end.and_then(|end| strtab.get(start as usize..end as usize)) else {
            return Err(ops.malformed("name outside the string table"));
        };
        if name.contains(&0) {
            return Err(ops.malformed("name with a NUL"));
        }
        Ok(Self {
            start,
            end: end.unwrap_or(start),
        })
    }
}

/// Which of the module's definitions a global value id means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GlobalId {
    /// Index into [`crate::Module::globals`].
    Variable(u32),
    /// Index into [`crate::Module::functions`].
    Function(u32),
    /// Index into [`crate::Module::aliases`].
    Alias(u32),
}

/// How a definition combines with others of the same name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "the names are LLVM's own, explained in its language reference"
)]
pub enum Linkage {
    External,
    Appending,
    Internal,
    ExternalWeak,
    Common,
    Private,
    AvailableExternally,
    WeakAny,
    WeakOdr,
    LinkOnceAny,
    LinkOnceOdr,
}

impl Linkage {
    /// Decodes the number, with the values that older writers used (LLVM: `getDecodedLinkage`).
    fn from_code(code: u64) -> Self {
        match code {
            1 | 16 => Self::WeakAny,
            2 => Self::Appending,
            3 => Self::Internal,
            4 | 18 => Self::LinkOnceAny,
            7 => Self::ExternalWeak,
            8 => Self::Common,
            9 | 13 | 14 => Self::Private,
            10 | 17 => Self::WeakOdr,
            11 | 19 => Self::LinkOnceOdr,
            12 => Self::AvailableExternally,
            // 0, the obsolete dllimport and dllexport, and what LLVM itself maps here.
            _ => Self::External,
        }
    }

    /// Whether no other module can see the definition.
    pub fn is_local(self) -> bool {
        matches!(self, Self::Internal | Self::Private)
    }
}

/// Visibility to other modules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "the names are LLVM's own, explained in its language reference"
)]
pub enum Visibility {
    Default,
    Hidden,
    Protected,
}

impl Visibility {
    fn from_code(code: u64) -> Self {
        match code {
            1 => Self::Hidden,
            2 => Self::Protected,
            _ => Self::Default,
        }
    }
}

/// How a thread-local variable is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "the names are LLVM's own, explained in its language reference"
)]
pub enum ThreadLocal {
    GeneralDynamic,
    LocalDynamic,
    InitialExec,
    LocalExec,
}

impl ThreadLocal {
    fn from_code(code: u64) -> Option<Self> {
        Some(match code {
            0 => return None,
            2 => Self::LocalDynamic,
            3 => Self::InitialExec,
            4 => Self::LocalExec,
            _ => Self::GeneralDynamic,
        })
    }
}

/// A global variable.
#[derive(Clone, Debug)]
pub struct GlobalVar {
    /// Its name.
    pub name: Name,
    /// Type of the variable itself.
    pub ty: TypeId,
    /// Address space.
    pub space: u32,
    /// Never written.
    pub constant: bool,
    /// Value id of the initial value; none for a declaration.
    pub init: Option<ValueId>,
    /// Linkage.
    pub linkage: Linkage,
    /// Alignment in bytes; 0: what the type needs.
    pub align: u32,
    /// Index into [`crate::Module::sections`].
    pub section: Option<u32>,
    /// Visibility.
    pub visibility: Visibility,
    /// One per thread.
    pub thread_local: Option<ThreadLocal>,
    /// Its address is not significant: equal constants may be merged.
    pub unnamed_addr: bool,
    /// Initialised by somebody else.
    pub externally_initialized: bool,
}

impl GlobalVar {
    pub(crate) fn read(mut ops: Operands<'_>, strtab: &[u8], types: &Types) -> Result<Self> {
        let name = Name::read(&mut ops, strtab)?;
        let ty = ops.next_type(types.len())?;
        let flags = ops.next_u32()?;
        let init = ops.next_index()?.map(ValueId);
        let linkage = Linkage::from_code(ops.next()?);
        let align = ops.next_align()?;
        let section = ops.next_index()?;
        let visibility = Visibility::from_code(ops.next_or_zero());
        let thread_local = ThreadLocal::from_code(ops.next_or_zero());
        let unnamed_addr = ops.next_or_zero() != 0;
        let externally_initialized = ops.next_or_zero() != 0;
        let (ty, space) = match (flags & 2 != 0, types.get(ty)) {
            (true, _) => (ty, flags >> 2),
            (
                false,
                Type::Pointer {
                    space,
                    pointee: Some(pointee),
                },
            ) => (*pointee, *space),
            (false, _) => return Err(ops.malformed("variable without a type")),
        };
        Ok(Self {
            name,
            ty,
            space,
            constant: flags & 1 != 0,
            init,
            linkage,
            align,
            section,
            visibility,
            thread_local,
            unnamed_addr,
            externally_initialized,
        })
    }
}

/// A function: declaration, and where its body is.
#[derive(Clone, Debug)]
pub struct Function {
    /// Its name.
    pub name: Name,
    /// Its function type.
    pub ty: TypeId,
    /// Calling convention (`llvm::CallingConv`): 0 is C, 8 fastcc, 9 cold.
    pub calling_conv: u32,
    /// Linkage.
    pub linkage: Linkage,
    /// Attribute list, for [`crate::Module::attributes`].
    pub attributes: Option<u32>,
    /// Alignment in bytes; 0: not given.
    pub align: u32,
    /// Index into [`crate::Module::sections`].
    pub section: Option<u32>,
    /// Visibility.
    pub visibility: Visibility,
    /// Has a garbage collector.
    pub has_gc: bool,
    /// Its address is not significant.
    pub unnamed_addr: bool,
    /// Has data before or at its entry (prefix or prologue data).
    pub has_prefix_data: bool,
    /// Value id of the exception handling personality.
    pub personality: Option<ValueId>,
    /// Address space.
    pub space: u32,
    /// Whether this is only a declaration.
    pub is_declaration: bool,
    pub(crate) body: Option<BlockHead>,
}

impl Function {
    /// Size of the body in the file, in bytes; 0 for a declaration.
    pub fn body_bytes(&self) -> usize {
        self.body.map_or(0, |body| body.bits() >> 3)
    }

    pub(crate) fn read(mut ops: Operands<'_>, strtab: &[u8], types: &Types) -> Result<Self> {
        let name = Name::read(&mut ops, strtab)?;
        let ty = ops.next_type(types.len())?;
        let calling_conv = ops.next_u32()?;
        let is_declaration = ops.next_bool()?;
        let linkage = Linkage::from_code(ops.next()?);
        let attributes = ops.next_index()?;
        let align = ops.next_align()?;
        let section = ops.next_index()?;
        let visibility = Visibility::from_code(ops.next_or_zero());
        let has_gc = ops.next_or_zero() != 0;
        let unnamed_addr = ops.next_or_zero() != 0;
        let prologue = ops.next_or_zero();
        let (_dll_storage, _comdat) = (ops.next_or_zero(), ops.next_or_zero());
        let prefix = ops.next_or_zero();
        let personality = if ops.is_empty() {
            None
        } else {
            ops.next_index()?.map(ValueId)
        };
        let _dso_local = ops.next_or_zero();
        let space = if ops.is_empty() { 0 } else { ops.next_u32()? };
        let ty = match types.get(ty) {
            Type::Function { .. } => ty,
            Type::Pointer {
                pointee: Some(pointee),
                ..
            } => *pointee,
            _ => return Err(ops.malformed("function without a function type")),
        };
        if !matches!(types.get(ty), Type::Function { .. }) {
            return Err(ops.malformed("function without a function type"));
        }
        Ok(Self {
            name,
            ty,
            calling_conv,
            linkage,
            attributes,
            align,
            section,
            visibility,
            has_gc,
            unnamed_addr,
            has_prefix_data: prologue != 0 || prefix != 0,
            personality,
            space,
            is_declaration,
            body: None,
        })
    }
}

/// Another name for a constant address, or a function chosen at load (an ifunc).
#[derive(Clone, Debug)]
pub struct Alias {
    /// Its name.
    pub name: Name,
    /// Type of what it names.
    pub ty: TypeId,
    /// Address space.
    pub space: u32,
    /// Value id of the constant that it names, or of the ifunc's resolver.
    pub target: ValueId,
    /// Linkage.
    pub linkage: Linkage,
    /// Whether `target` is a function that returns the address.
    pub is_ifunc: bool,
}

impl Alias {
    pub(crate) fn read(
        mut ops: Operands<'_>,
        is_ifunc: bool,
        strtab: &[u8],
        types: &Types,
    ) -> Result<Self> {
        Ok(Self {
            name: Name::read(&mut ops, strtab)?,
            ty: ops.next_type(types.len())?,
            space: ops.next_u32()?,
            target: ValueId(ops.next_u32()?),
            linkage: Linkage::from_code(ops.next()?),
            is_ifunc,
        })
    }
}
