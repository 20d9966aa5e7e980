//! Initial values of variables, as bytes and relocations.
//!
//! A constant is written part by part from an explicit stack of (constant, type, offset). Parts may
//! be shared, so a small file can describe a huge image: the bytes of all images together and the
//! number of parts of one have a budget. Zeros at the end are left out, which makes the image of an
//! uninitialised variable empty whatever its size.

use alloc::vec::Vec;

use bitcode::{ConstantKind, Type, TypeId, ValueId};
use ir::Reloc;

use super::error::{LoadError, Result};
use super::fold::Folded;
use super::module::Loader;

/// Bytes of all initial values of a module together.
pub const MAX_INIT_BYTES: usize = 64 << 20;

/// Bytes and relocations of an image.
type Parts = (Vec<u8>, Vec<Reloc>);

/// A part still to be written.
type Task = (ValueId, TypeId, u32);

impl Loader<'_, '_> {
    /// The image of constant `init`, whose type is `ty`.
    pub(super) fn image(&mut self, init: ValueId, ty: TypeId) -> Result<Parts> {
        let mut image = Image::default();
        let mut tasks: Vec<Task> = alloc::vec![(init, ty, 0)];
        let layout = self.types.get(self.source.types(), ty)?;
        // What is written takes at least a byte, and is nested a few deep.
        let mut budget = u64::from(self.layout(layout).size)
            .saturating_mul(4)
            .saturating_add(65_536);
        while let Some(task) = tasks.pop() {
            budget = budget
                .checked_sub(1)
                .ok_or_else(|| LoadError::limit("parts"))?;
            self.write(&mut image, &mut tasks, task)?;
            if self.init_bytes.saturating_add(image.bytes.len()) > self.init_limit {
                return Err(LoadError::limit("bytes of all initial values"));
            }
        }
        let parts = image.finish();
        self.init_bytes = self.init_bytes.saturating_add(parts.0.len());
        Ok(parts)
    }

    /// Writes a part, or schedules the parts that it is made of.
    fn write(
        &mut self,
        image: &mut Image,
        tasks: &mut Vec<Task>,
        (id, ty, at): Task,
    ) -> Result<()> {
        let source = self.source;
        let ir_type = self.types.get(source.types(), ty)?;
        let layout = self.layout(ir_type);
        let pools = source.constants();
        let Some(constant) = pools.get(id) else {
            return self.write_scalar(image, id, ty, at);
        };
        if self.types.find(constant.ty) != Some(ir_type) {
            return Err(LoadError::malformed(
                "constant of another type than its place",
            ));
        }
        match constant.kind {
            ConstantKind::Null | ConstantKind::Undef | ConstantKind::Poison => Ok(()),
            ConstantKind::Data(span) => image.put(at, pools.bytes(span)),
            // LLVM leaves out words of zeros at the top.
            ConstantKind::WideInt(span) | ConstantKind::WideFloat(span) => {
                image.put_words(at, pools.words(span), layout.store, 0)
            }
            ConstantKind::Float(bits) => image.put_words(at, &[bits], layout.store, 0),
            ConstantKind::Int(value) if layout.store > 8 => {
                image.put_words(at, &[value.cast_unsigned()], layout.store, 0)
            }
            ConstantKind::Aggregate(span) => self.push_parts(tasks, pools.ids(span), ty, at),
            _ => self.write_scalar(image, id, ty, at),
        }
    }

    /// Schedules the elements of an aggregate. Those without a size write nothing, and are not even
    /// looked at: their number has no bound.
    fn push_parts(
        &self,
        tasks: &mut Vec<Task>,
        ids: impl ExactSizeIterator<Item = ValueId>,
        ty: TypeId,
        at: u32,
    ) -> Result<()> {
        let types = self.source.types();
        let wrong = || LoadError::malformed("aggregate constant of another length than its type");
        let ir_type = self.types.get(types, ty)?;
        match types.get(ty) {
            Type::Struct { fields, .. } => {
                let fields = types.list(fields);
                if fields.len() != ids.len() {
                    return Err(wrong());
                }
                for (field, (id, &inner)) in ids.zip(fields).enumerate() {
                    let offset = self.field_offset(ir_type, field).ok_or_else(wrong)?;
                    if self.layout(self.types.get(types, inner)?).size != 0 {
                        tasks.push((id, inner, at.wrapping_add(offset)));
                    }
                }
            }
            Type::Array { element, .. } | Type::Vector { element, .. } => {
                let inner = self.types.get(types, *element)?;
                let layout = self.layout(inner);
                let is_vector = matches!(types.get(ty), Type::Vector { .. });
                if is_vector
                    && self
                        .module
                        .types
                        .int_bits(inner)
                        .is_some_and(|bits| bits % 8 != 0)
                {
                    return Err(LoadError::unsupported(
                        "vector of integers that are no whole bytes",
                    ));
                }
                let declared = match types.get(ty) {
                    Type::Array { len, .. } => *len,
                    Type::Vector { lanes, .. } => u64::from(*lanes),
                    _ => 0,
                };
                if declared != ids.len() as u64 {
                    return Err(wrong());
                }
                let stride = if is_vector { layout.store } else { layout.size };
                let places = (0u32..).map(|index| at.wrapping_add(index.wrapping_mul(stride)));
                if stride != 0 {
                    tasks.extend(ids.zip(places).map(|(id, place)| (id, *element, place)));
                }
            }
            _ => return Err(LoadError::malformed("aggregate constant of a scalar type")),
        }
        Ok(())
    }

    /// Writes a number, or an address as a relocation: the bytes hold what is added to the symbol.
    fn write_scalar(&mut self, image: &mut Image, id: ValueId, ty: TypeId, at: u32) -> Result<()> {
        let layout = self.layout(self.types.get(self.source.types(), ty)?);
        match self.fold(id, None)? {
            Folded::Int(value) => image.put_words(at, &[value], layout.store, 0),
            Folded::Address {
                plus: None,
                minus: None,
                add,
            } => image.put_words(at, &[u64::from(add)], layout.store, 0),
            Folded::Address { .. } if layout.store < 4 => {
                Err(LoadError::unsupported("part of an address"))
            }
            Folded::Address { plus, minus, add } => {
                // Sums wrap in 32 bits; a difference that is stored wider would need its sign.
                if minus.is_some() && layout.store > 4 {
                    return Err(LoadError::unsupported("64-bit difference of addresses"));
                }
                image.put(at, &add.to_le_bytes())?;
                image.put_relocs(at, plus, minus);
                Ok(())
            }
            Folded::Opaque => Err(LoadError::unsupported(self.describe_constant(id))),
        }
    }

    /// Names a constant that has no value before run time.
    fn describe_constant(&self, id: ValueId) -> &'static str {
        match self
            .source
            .constants()
            .get(id)
            .map(|constant| &constant.kind)
        {
            Some(ConstantKind::Other(name)) => name,
            Some(ConstantKind::InlineAsm(_)) => "inline assembly",
            _ => "constant expression that is no address",
        }
    }
}

/// An image being written, in no particular order.
#[derive(Debug, Default)]
struct Image {
    bytes: Vec<u8>,
    relocs: Vec<Reloc>,
}

impl Image {
    /// Writes bytes. Zeros beyond the end are there already.
    fn put(&mut self, at: u32, bytes: &[u8]) -> Result<()> {
        let start = at as usize;
        let end = start.saturating_add(bytes.len());
        if end > MAX_INIT_BYTES && bytes.iter().any(|byte| *byte != 0) {
            return Err(LoadError::limit("bytes of all initial values"));
        }
        if end > self.bytes.len() {
            if bytes.iter().all(|byte| *byte == 0) {
                return Ok(());
            }
            self.bytes.resize(end, 0);
        }
        if let Some(place) = self.bytes.get_mut(start..end) {
            place.copy_from_slice(bytes);
        }
        Ok(())
    }

    /// Writes the low `len` bytes of a number, `fill` beyond its words.
    fn put_words(&mut self, at: u32, words: &[u64], len: u32, fill: u8) -> Result<()> {
        let bytes = words
            .iter()
            .flat_map(|word| word.to_le_bytes())
            .chain(core::iter::repeat(fill));
        let bytes: Vec<u8> = bytes.take(len as usize).collect();
        self.put(at, &bytes)
    }

    /// Notes that symbols are added to or subtracted from the four bytes at `at`.
    fn put_relocs(
        &mut self,
        at: u32,
        plus: Option<ir::RelocTarget>,
        minus: Option<ir::RelocTarget>,
    ) {
        let signed = [(plus, false), (minus, true)];
        for (target, negative) in signed
            .into_iter()
            .filter_map(|(target, sign)| Some((target?, sign)))
        {
            self.relocs.push(Reloc {
                offset: at,
                target,
                negative,
            });
        }
    }

    /// Sorts relocations, and cuts the zeros at the end but for those that are relocated.
    fn finish(mut self) -> Parts {
        self.relocs.sort_by_key(|reloc| reloc.offset);
        let needed = self
            .relocs
            .last()
            .map_or(0, |reloc| (reloc.offset as usize).saturating_add(4));
        let used = self
            .bytes
            .iter()
            .rposition(|byte| *byte != 0)
            .map_or(0, |last| last.saturating_add(1));
        self.bytes.resize(needed.max(used), 0);
        self.bytes.shrink_to_fit();
        (self.bytes, self.relocs)
    }
}
