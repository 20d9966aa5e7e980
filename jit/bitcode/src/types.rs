//! The type table.
//!
//! Pointers are one type whatever they point to: clang up to 14 writes a pointee, which is kept
//! only for the few records that leave a type out. Equality of type ids therefore says nothing
//! about pointers or what contains them; compare [`Type`]s.
//!
//! Entries may refer forward (typed pointers inside named structs), so ids are checked when the
//! table is complete. Then by-value containment is walked once, without recursion: it must be
//! acyclic and at most [`limits::TYPE_DEPTH`] deep. The walk leaves the order *children first* in
//! [`Types::by_value_order`], so that sizes can be computed in one pass.

use alloc::vec::Vec;
use core::ops::Range;

use crate::error::{Error, Result};
use crate::limits;
use crate::operands::Operands;
use crate::stream::{BlockHead, Entry, Stream};

/// Index into the type table of a module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TypeId(pub u32);

/// A type. Lists are read with [`Types::list`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Type {
    /// No value.
    Void,
    /// IEEE binary16.
    Half,
    /// bfloat16.
    BFloat,
    /// IEEE binary32.
    Float,
    /// IEEE binary64.
    Double,
    /// x87 80-bit extended.
    X86Fp80,
    /// IEEE binary128.
    Fp128,
    /// PowerPC double-double.
    PpcFp128,
    /// A basic block.
    Label,
    /// Metadata as a call argument.
    Metadata,
    /// MMX register of LLVM before 20.
    X86Mmx,
    /// AMX tile.
    X86Amx,
    /// Token of exception handling and coroutines.
    Token,
    /// A struct without a body.
    Opaque,
    /// Target extension type.
    Target,
    /// Integer of so many bits, 1 to [`limits::INTEGER_BITS`].
    Integer(u32),
    /// Pointer into an address space.
    Pointer {
        /// 0 is ordinary memory.
        space: u32,
        /// What it points to, in files of clang up to 14.
        pointee: Option<TypeId>,
    },
    /// So many elements in a row.
    Array {
        /// Number of elements.
        len: u64,
        /// Their type.
        element: TypeId,
    },
    /// Vector.
    Vector {
        /// Number of elements, at most [`limits::VECTOR_LANES`].
        lanes: u32,
        /// Their type.
        element: TypeId,
        /// Whether `lanes` is only a multiple of a number that the target chooses.
        scalable: bool,
    },
    /// Struct.
    Struct {
        /// Without padding between fields.
        packed: bool,
        /// Field types.
        fields: TypeList,
    },
    /// Function.
    Function {
        /// Takes more arguments than `params` names.
        variadic: bool,
        /// Type of the result.
        result: TypeId,
        /// Types of the parameters.
        params: TypeList,
    },
}

/// A list of types; see [`Types::list`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypeList(Range<u32>);

/// The type table of a module.
#[derive(Clone, Debug, Default)]
pub struct Types {
    types: Vec<Type>,
    lists: Vec<TypeId>,
    order: Vec<TypeId>,
    /// The type of 32-bit integers, if there is one.
    int32: Option<TypeId>,
}

impl Types {
    /// Number of types.
    pub fn len(&self) -> usize {
        self.types.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.types.is_empty()
    }

    /// The type with this id. Ids from a module are in range in that module.
    #[inline]
    pub fn get(&self, id: TypeId) -> &Type {
        self.types.get(id.0 as usize).unwrap_or(&Type::Void)
    }

    /// The types of a list.
    #[inline]
    pub fn list(&self, list: &TypeList) -> &[TypeId] {
        self.lists
            .get(list.0.start as usize..list.0.end as usize)
            .unwrap_or(&[])
    }

    /// All types with their ids.
    pub fn iter(&self) -> impl Iterator<Item = (TypeId, &Type)> {
        (0..).map(TypeId).zip(&self.types)
    }

    /// All ids in an order in which a type comes after the types it contains by value.
    pub fn by_value_order(&self) -> &[TypeId] {
        &self.order
    }

    /// The types that a value of this type contains by value.
    pub fn parts<'t>(&'t self, ty: &'t Type) -> &'t [TypeId] {
        match ty {
            Type::Array { element, .. } | Type::Vector { element, .. } => {
                core::slice::from_ref(element)
            }
            Type::Struct { fields, .. } => self.list(fields),
            _ => &[],
        }
    }

    /// The type of 32-bit integers, if there is one.
    pub(crate) fn int32(&self) -> Option<TypeId> {
        self.int32
    }

    /// Whether values of this type do not exist.
    #[inline]
    pub(crate) fn is_void(&self, id: TypeId) -> bool {
        matches!(self.get(id), Type::Void)
    }

    /// Reads the TYPE_BLOCK_NEW that was just found.
    pub(crate) fn read(stream: &mut Stream<'_>, head: &BlockHead) -> Result<Self> {
        let mut table = Self::default();
        stream.enter(head)?;
        loop {
            match stream.next()? {
                Entry::End => break,
                Entry::Block(inner) => stream.skip(&inner),
                Entry::Record(code) => {
                    let ops = Operands::new(stream.ops(), stream.bit());
                    table.record(code, ops, stream.remaining())?;
                }
            }
        }
        table.check(stream.bit())?;
        Ok(table)
    }

    /// Reads one record; `left` is what remains of the block, in bits, to judge the count in NUMENTRY.
    fn record(&mut self, code: u32, mut ops: Operands<'_>, left: usize) -> Result<()> {
        let ty = match code {
            1 => {
                let count = ops.next_u32()? as usize;
                if count > limits::TYPES {
                    return Err(Error::limit(ops.bit(), "number of types"));
                }
                if count > left {
                    return Err(ops.malformed("number of types"));
                }
                self.types.reserve(count);
                return Ok(());
            }
            // A struct's name, for the record after it: the engine has no use for it.
            19 => return Ok(()),
            2 => Type::Void,
            3 => Type::Float,
            4 => Type::Double,
            5 => Type::Label,
            6 => Type::Opaque,
            7 => Self::integer(&mut ops)?,
            10 => Type::Half,
            13 => Type::X86Fp80,
            14 => Type::Fp128,
            15 => Type::PpcFp128,
            16 => Type::Metadata,
            17 => Type::X86Mmx,
            22 => Type::Token,
            23 => Type::BFloat,
            24 => Type::X86Amx,
            26 => Type::Target,
            8 | 11 | 12 | 18 | 20 | 21 | 25 => self.compound(code, &mut ops)?,
            _ => return Err(ops.unsupported(&alloc::format!("type record {code}"))),
        };
        if self.types.len() >= limits::TYPES {
            return Err(Error::limit(ops.bit(), "number of types"));
        }
        if ty == Type::Integer(32) {
            let id = u32::try_from(self.types.len()).ok().map(TypeId);
            self.int32 = self.int32.or(id);
        }
        self.types.push(ty);
        Ok(())
    }

    /// [width]
    fn integer(ops: &mut Operands<'_>) -> Result<Type> {
        match ops.next_u32()? {
            0 => Err(ops.malformed("integer type of no bits")),
            bits if bits <= limits::INTEGER_BITS => Ok(Type::Integer(bits)),
            _ => Err(Error::limit(ops.bit(), "width of an integer type")),
        }
    }

    /// POINTER [pointee, address space], OPAQUE_POINTER [address space], ARRAY [length, element],
    /// VECTOR [lanes, element, scalable?], FUNCTION [variadic, result, parameters…], STRUCT [packed, fields…]
    fn compound(&mut self, code: u32, ops: &mut Operands<'_>) -> Result<Type> {
        Ok(match code {
            8 => {
                let pointee = Some(TypeId(ops.next_u32()?));
                let space = if ops.is_empty() { 0 } else { ops.next_u32()? };
                Type::Pointer { space, pointee }
            }
            25 => Type::Pointer {
                space: ops.next_u32()?,
                pointee: None,
            },
            11 => Type::Array {
                len: ops.next()?,
                element: TypeId(ops.next_u32()?),
            },
            12 => match ops.next_u32()? {
                0 => return Err(ops.malformed("vector type of no elements")),
                lanes if lanes > limits::VECTOR_LANES => {
                    return Err(Error::limit(ops.bit(), "elements of a vector type"));
                }
                lanes => {
                    let element = TypeId(ops.next_u32()?);
                    Type::Vector {
                        lanes,
                        element,
                        scalable: ops.next_or_zero() != 0,
                    }
                }
            },
            21 => {
                let variadic = ops.next_bool()?;
                let result = TypeId(ops.next_u32()?);
                Type::Function {
                    variadic,
                    result,
                    params: self.read_list(ops)?,
                }
            }
            _ => {
                let packed = ops.next_bool()?;
                Type::Struct {
                    packed,
                    fields: self.read_list(ops)?,
                }
            }
        })
    }

    /// Type ids to the end of the record. Their range is checked when the table is complete.
    fn read_list(&mut self, ops: &mut Operands<'_>) -> Result<TypeList> {
        if ops.len() > limits::FIELDS {
            return Err(Error::limit(ops.bit(), "fields of a type"));
        }
        let start = self.lists.len();
        while !ops.is_empty() {
            self.lists.push(TypeId(ops.next_u32()?));
        }
        let too_many = |_| Error::limit(ops.bit(), "fields of all types");
        let end = u32::try_from(self.lists.len()).map_err(too_many)?;
        Ok(TypeList(u32::try_from(start).map_err(too_many)?..end))
    }

    /// Checks every reference and the kinds of the types referred to, then orders the table.
    fn check(&mut self, bit: u64) -> Result<()> {
        let in_range = |id: &TypeId| (id.0 as usize) < self.types.len();
        for ty in &self.types {
            let ok = match ty {
                Type::Pointer {
                    pointee: Some(pointee),
                    ..
                } => in_range(pointee),
                Type::Function { result, params, .. } => {
                    in_range(result)
                        && self
                            .list(params)
                            .iter()
                            .all(|id| in_range(id) && !self.is_void(*id))
                }
                Type::Vector { element, .. } => {
                    in_range(element) && self.is_vector_element(*element)
                }
                _ => self
                    .parts(ty)
                    .iter()
                    .all(|id| in_range(id) && self.is_part(*id)),
            };
            if !ok {
                return Err(Error::malformed(
                    bit,
                    "type made of a type that cannot be part of it",
                ));
            }
        }
        self.order_by_value(bit)
    }

    /// Whether the type may be an array's element or a struct's field.
    fn is_part(&self, id: TypeId) -> bool {
        use Type::{Function, Label, Metadata, Token, Void, X86Amx};
        !matches!(
            self.get(id),
            Void | Label | Metadata | Function { .. } | Token | X86Amx
        )
    }

    /// Whether the type may be an element of a vector: a scalar that lies in a register.
    fn is_vector_element(&self, id: TypeId) -> bool {
        use Type::{BFloat, Double, Float, Fp128, Half, Integer, Pointer, PpcFp128, X86Fp80};
        matches!(
            self.get(id),
            Integer(_)
                | Pointer { .. }
                | Half
                | BFloat
                | Float
                | Double
                | X86Fp80
                | Fp128
                | PpcFp128
        )
    }

    /// Depth-first walk with its own stack: children before parents, cycles and depth refused.
    fn order_by_value(&mut self, bit: u64) -> Result<()> {
        const OPEN: u32 = u32::MAX;
        // 0: not seen; OPEN: on the stack; otherwise 1 + the depth of what is inside.
        let mut depth = alloc::vec![0u32; self.types.len()];
        let mut order = Vec::with_capacity(self.types.len());
        let mut stack: Vec<(TypeId, usize, u32)> = Vec::new();
        for (root, _) in self.iter() {
            if depth.get(root.0 as usize) == Some(&0) {
                stack.push((root, 0, 0));
            }
            while let Some((id, next, inside)) = stack.pop() {
                let Some(slot) = depth.get_mut(id.0 as usize) else {
                    continue;
                };
                let Some(part) = self.parts(self.get(id)).get(next) else {
                    *slot = inside.wrapping_add(1);
                    order.push(id);
                    if *slot > limits::TYPE_DEPTH {
                        return Err(Error::limit(bit, "depth of a type"));
                    }
                    if let Some((_, _, outer)) = stack.last_mut() {
                        *outer = (*outer).max(*slot);
                    }
                    continue;
                };
                *slot = OPEN;
                let seen = depth.get(part.0 as usize).copied().unwrap_or(0);
                if seen == OPEN {
                    return Err(Error::malformed(bit, "type that contains itself"));
                }
                let known = if seen == 0 { inside } else { inside.max(seen) };
                stack.push((id, next.wrapping_add(1), known));
                if seen == 0 {
                    stack.push((*part, 0, 0));
                }
            }
        }
        self.order = order;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Records<'t> = &'t [(u32, &'t [u64])];

    fn table(records: Records<'_>) -> Result<Types> {
        let mut types = Types::default();
        for (code, ops) in records {
            types.record(*code, Operands::new(ops, 0), 1 << 20)?;
        }
        types.check(0)?;
        Ok(types)
    }

    #[test]
    fn order_puts_parts_before_wholes_across_forward_references() {
        // 0 = { 2 }, 1 = pointer to 0, 2 = [4 x i32], 3 = i32: as clang 14 may write it.
        let types = table(&[(20, &[0, 2]), (8, &[0, 0]), (11, &[4, 3]), (7, &[32])]).unwrap();
        let at = |id| {
            types
                .by_value_order()
                .iter()
                .position(|ty| *ty == TypeId(id))
                .unwrap()
        };
        assert!(at(3) < at(2) && at(2) < at(0));
        assert_eq!(types.by_value_order().len(), 4);
    }

    #[test]
    fn struct_that_contains_itself_is_refused() {
        assert!(table(&[(20, &[0, 0])]).is_err());
        assert!(table(&[(20, &[0, 1]), (11, &[3, 0])]).is_err());
        assert!(
            table(&[(20, &[0, 1]), (8, &[0, 0])]).is_ok(),
            "through a pointer it is fine"
        );
    }

    #[test]
    fn depth_is_bounded_without_recursion() {
        let nest = |depth: u64| {
            let mut types = Types::default();
            types.record(7, Operands::new(&[8], 0), 1 << 20).unwrap();
            for inner in 0..depth {
                types
                    .record(11, Operands::new(&[2, inner], 0), 1 << 20)
                    .unwrap();
            }
            types.check(0)
        };
        assert!(nest(63).is_ok());
        assert!(nest(64).is_err());
        assert!(nest(60_000).is_err());
    }

    #[test]
    fn impossible_types_are_refused() {
        let cases: &[(&str, Records<'_>)] = &[
            ("integer of no bits", &[(7, &[0])]),
            ("integer too wide", &[(7, &[1 << 23])]),
            ("vector of nothing", &[(7, &[8]), (12, &[0, 0])]),
            ("vector of void", &[(2, &[]), (12, &[4, 0])]),
            ("vector too long", &[(7, &[8]), (12, &[1 << 30, 0])]),
            ("array of void", &[(2, &[]), (11, &[1, 0])]),
            ("void parameter", &[(2, &[]), (21, &[0, 0, 0])]),
            ("element out of range", &[(11, &[1, 77])]),
            ("pointee out of range", &[(8, &[77, 0])]),
            ("count larger than the file", &[(1, &[1 << 40])]),
            ("unknown record", &[(99, &[])]),
            ("missing operand", &[(11, &[1])]),
        ];
        for (name, records) in cases {
            assert!(table(records).is_err(), "{name}");
        }
    }
}
