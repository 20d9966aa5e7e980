//! What memory that is never written holds: loads from initialisers at constant offsets.

use super::{Memory, Place, Root};
use crate::tier::opt::graph::Graph;
use ir::{ConstKind, Global, Reloc, RelocTarget, TypeId, Value};

/// Relocations of one variable that are looked through for each load.
const MAX_RELOCS: usize = 1 << 12;
/// Bytes that a relocation fills in.
const RELOC_BYTES: u32 = 4;

impl Memory {
    /// The scalar of type `ty` that `place` always holds, if it lies in a constant with an initialiser
    /// that says so.
    #[must_use]
    pub fn constant(&self, graph: &mut Graph<'_>, place: &Place, ty: TypeId) -> Option<Value> {
        let (Root::Constant(id), Some(offset)) = (place.root(), place.constant_offset()) else {
            return None;
        };
        let global = &graph.module().globals[id.index()];
        let size = place.size().filter(|&size| size <= 8)?;
        if u64::from(offset) + u64::from(size) > u64::from(global.size) {
            return None;
        }
        let bits = bytes_at(global, offset, size);
        if global.relocs.len() > MAX_RELOCS {
            return None;
        }
        let overlaps = |reloc: &&Reloc| {
            reloc.offset < offset + size && offset < reloc.offset.saturating_add(RELOC_BYTES)
        };
        let mut relocs = global.relocs.iter().filter(overlaps);
        let kind = match (relocs.next(), ty) {
            (None, TypeId::F32) => ConstKind::F32(bits as u32),
            (None, TypeId::F64) => ConstKind::F64(bits),
            (None, _) if matches!(graph.types().int_bits(ty), Some(..=64)) => {
                return Some(graph.int(ty, bits));
            }
            (Some(reloc), TypeId::PTR) if reloc.offset == offset && relocs.next().is_none() => {
                address(reloc, bits as u32)?
            }
            _ => return None,
        };
        Some(graph.constant(ty, kind))
    }
}

/// The bytes of an initialiser, little endian; behind its end they are 0.
fn bytes_at(global: &Global, offset: u32, size: u32) -> u64 {
    let byte = |at: u32| global.init.get(at as usize).copied().unwrap_or(0);
    let bytes = (0..size).rev().map(|at| byte(offset + at));
    bytes.fold(0, |bits, byte| bits << 8 | u64::from(byte))
}

/// The address that a relocation makes of the bytes that are there.
fn address(reloc: &Reloc, addend: u32) -> Option<ConstKind> {
    match reloc.target {
        _ if reloc.negative => None,
        RelocTarget::Func(id) => (addend == 0).then_some(ConstKind::Func(id)),
        RelocTarget::Global(id) => Some(ConstKind::Global {
            id,
            offset: addend.cast_signed(),
        }),
    }
}
