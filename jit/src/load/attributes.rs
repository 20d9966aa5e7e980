//! Attributes as the tiers see them.
//!
//! Those that change what a call does must be understood or refused (`byval` copies, `inalloca`
//! does something else again); those that only promise something are kept where the IR has a place
//! for them and dropped otherwise.

use alloc::format;
use alloc::vec::Vec;

use bitcode::{AttributeIndex, AttributeKind as Kind, AttributeValue};
use ir::FuncAttrs;
use ir::module::{AttrSet, ParamAttrs};

use super::error::{LoadError, Result};
use super::module::Loader;

/// `captures(none)`, the successor of `nocapture`.
const CAPTURES: Kind = Kind(102);
/// `nocapture`.
const NOCAPTURE: Kind = Kind(11);
/// `dereferenceable_or_null(n)`.
const DEREFERENCEABLE_OR_NULL: Kind = Kind(42);
/// `writeonly`.
const WRITEONLY: Kind = Kind(52);
/// `swiftasync`.
const SWIFTASYNC: Kind = Kind(75);
/// `noundef`.
const NOUNDEF: Kind = Kind(68);

/// Bits of [`ParamAttrs::bits`].
mod bits {
    pub(super) const SRET: u16 = 1;
    pub(super) const NOALIAS: u16 = 2;
    pub(super) const NOCAPTURE: u16 = 4;
    pub(super) const READONLY: u16 = 8;
    pub(super) const NONNULL: u16 = 16;
    pub(super) const ZEROEXT: u16 = 32;
    pub(super) const SIGNEXT: u16 = 64;
    pub(super) const OR_NULL: u16 = 128;
    pub(super) const WRITEONLY: u16 = 256;
    pub(super) const RETURNED: u16 = 512;
    pub(super) const NOUNDEF: u16 = 1024;
    pub(super) const READNONE: u16 = 2048;
}

impl Loader<'_, '_> {
    /// Facts about a function or call from its attribute list.
    pub(super) fn function_attributes(&self, list: Option<u32>) -> Result<FuncAttrs> {
        let mut facts = 0;
        for (index, attribute) in self.source.attributes().of(list) {
            if index != AttributeIndex::Function {
                continue;
            }
            facts |= match (attribute.kind, &attribute.value) {
                (Kind::NOINLINE, _) => FuncAttrs::NOINLINE,
                (Kind::OPTNONE, _) => FuncAttrs::OPTNONE,
                (Kind::ALWAYS_INLINE, _) => FuncAttrs::ALWAYS_INLINE,
                (Kind::NORETURN, _) => FuncAttrs::NORETURN,
                (Kind::RETURNS_TWICE, _) => FuncAttrs::RETURNS_TWICE,
                (Kind::READONLY, _) => FuncAttrs::READ_ONLY,
                (Kind::READNONE, _) => FuncAttrs::READ_NONE,
                (Kind::COLD, _) => FuncAttrs::COLD,
                (Kind::STRICTFP, _) => FuncAttrs::STRICT_FP,
                (Kind::WILLRETURN, _) => FuncAttrs::WILL_RETURN,
                (WRITEONLY, _) => FuncAttrs::WRITE_ONLY,
                (kind, AttributeValue::Flag) if more_facts(kind) != 0 => more_facts(kind),
                (Kind::NAKED, _) => return Err(LoadError::unsupported("naked function")),
                (Kind::MEMORY, AttributeValue::Int(effects)) => memory_effects(*effects),
                (_, AttributeValue::Text(name, value))
                    if name == b"target-features" && has_feature(value, b"+fma") =>
                {
                    FuncAttrs::FMA
                }
                _ => 0,
            };
        }
        Ok(FuncAttrs(facts))
    }

    /// Index plus one of the attribute set for a list, made when first asked for; 0 for none.
    pub(super) fn attribute_set(&mut self, list: Option<u32>) -> Result<u32> {
        let Some(known) = list.and_then(|list| self.attr_sets.get(list as usize)) else {
            return Ok(0);
        };
        if let Some(set) = known {
            return Ok(*set);
        }
        let set = AttrSet {
            func: self.function_attributes(list)?,
            params: self.param_attributes(list)?,
            ret: self.result_attributes(list)?,
        };
        self.module.attr_sets.push(set);
        let number = u32::try_from(self.module.attr_sets.len()).unwrap_or(u32::MAX);
        if let Some(slot) = list.and_then(|list| self.attr_sets.get_mut(list as usize)) {
            *slot = Some(number);
        }
        Ok(number)
    }

    /// Facts about the result.
    fn result_attributes(&mut self, list: Option<u32>) -> Result<ParamAttrs> {
        let mut facts = ParamAttrs::default();
        let source = self.source;
        for (index, attribute) in source.attributes().of(list) {
            if index == AttributeIndex::Result {
                self.param_attribute(&mut facts, attribute)?;
            }
        }
        Ok(facts)
    }

    /// Facts about parameters, as many as the last parameter with any needs.
    fn param_attributes(&mut self, list: Option<u32>) -> Result<Vec<ParamAttrs>> {
        let mut params = Vec::new();
        let source = self.source;
        for (index, attribute) in source.attributes().of(list) {
            let AttributeIndex::Param(param) = index else {
                continue;
            };
            let param = param as usize;
            if param >= bitcode::limits::FIELDS {
                return Err(LoadError::malformed(
                    "attribute of a parameter that cannot exist",
                ));
            }
            if params.len() <= param {
                params.resize(param.saturating_add(1), ParamAttrs::default());
            }
            if let Some(facts) = params.get_mut(param) {
                self.param_attribute(facts, attribute)?;
            }
        }
        Ok(params)
    }

    /// Adds one attribute to what is known of a parameter or of the result.
    fn param_attribute(
        &mut self,
        facts: &mut ParamAttrs,
        attribute: &bitcode::Attribute,
    ) -> Result<()> {
        match (attribute.kind, &attribute.value) {
            (Kind::BYVAL, AttributeValue::Type(Some(ty))) => {
                let ty = self.types.get(self.source.types(), *ty)?;
                // No bytes are still a copy: the set's 0 means that there is none.
                facts.byval = self.layout(ty).size.max(1);
            }
            (Kind::BYVAL, _) => return Err(LoadError::unsupported("byval without a type")),
            (Kind::ALIGN, AttributeValue::Int(bytes)) if bytes.is_power_of_two() => {
                facts.align_log2 = bytes.trailing_zeros().min(29) as u8;
            }
            (CAPTURES, AttributeValue::Int(0)) | (NOCAPTURE, _) => facts.bits |= bits::NOCAPTURE,
            (Kind::SRET, _) => facts.bits |= bits::SRET,
            (Kind::NOALIAS, _) => facts.bits |= bits::NOALIAS,
            (Kind::READONLY, _) => facts.bits |= bits::READONLY,
            (Kind::READNONE, _) => facts.bits |= bits::READONLY | bits::READNONE,
            (WRITEONLY, _) => facts.bits |= bits::WRITEONLY,
            (NOUNDEF, _) => facts.bits |= bits::NOUNDEF,
            (Kind::RETURNED, _) => facts.bits |= bits::RETURNED,
            (Kind::DEREFERENCEABLE, AttributeValue::Int(bytes)) => {
                facts.dereferenceable = u32::try_from(*bytes).unwrap_or(u32::MAX);
            }
            (DEREFERENCEABLE_OR_NULL, AttributeValue::Int(bytes)) => {
                facts.dereferenceable = u32::try_from(*bytes).unwrap_or(u32::MAX);
                facts.bits |= bits::OR_NULL;
            }
            (Kind::RANGE, AttributeValue::Range { start, end }) => {
                let range = (start.cast_unsigned(), end.cast_unsigned());
                let table = &mut self.module.facts.ranges;
                table.push(alloc::vec![range]);
                facts.range = u32::try_from(table.len()).unwrap_or(0);
            }
            (Kind::NONNULL, _) => facts.bits |= bits::NONNULL,
            (Kind::ZEROEXT, _) => facts.bits |= bits::ZEROEXT,
            (Kind::SIGNEXT, _) => facts.bits |= bits::SIGNEXT,
            (kind, _) => {
                let name = match kind {
                    Kind::INALLOCA => "inalloca",
                    Kind::PREALLOCATED => "preallocated",
                    Kind::NEST => "nest",
                    Kind::SWIFTSELF => "swiftself",
                    Kind::SWIFTERROR => "swifterror",
                    SWIFTASYNC => "swiftasync",
                    _ => return Ok(()),
                };
                return Err(LoadError::unsupported(format!("{name} parameter")));
            }
        }
        Ok(())
    }
}

/// Facts that only optimising passes could use, by the numbers of their attributes.
fn more_facts(kind: Kind) -> u32 {
    match kind.0 {
        10 | 19 => FuncAttrs::SMALL,
        45 => FuncAttrs::ARG_MEM_ONLY,
        48 => FuncAttrs::NO_RECURSE,
        53 => FuncAttrs::SPECULATABLE,
        62 => FuncAttrs::NO_FREE,
        63 => FuncAttrs::NO_SYNC,
        67 => FuncAttrs::NULL_IS_VALID,
        70 => FuncAttrs::MUST_PROGRESS,
        72 => FuncAttrs::HOT,
        _ => 0,
    }
}

/// Whether a comma-separated list of target features holds this one.
fn has_feature(list: &[u8], feature: &[u8]) -> bool {
    list.split(|byte| *byte == b',').any(|one| one == feature)
}

/// `memory(…)`: two bits for each kind of memory, 1 reads and 2 writes.
fn memory_effects(effects: u64) -> u32 {
    const WRITES: u64 = 0xAAAA_AAAA_AAAA_AAAA;
    // The lowest pair is memory that arguments point to.
    let own = if effects & !3 == 0 {
        FuncAttrs::ARG_MEM_ONLY
    } else {
        0
    };
    own | match effects {
        0 => FuncAttrs::READ_NONE,
        effects if effects & WRITES == 0 => FuncAttrs::READ_ONLY,
        effects if effects & !WRITES == 0 => FuncAttrs::WRITE_ONLY,
        _ => 0,
    }
}
