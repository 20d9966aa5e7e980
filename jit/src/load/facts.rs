//! Facts: attached metadata as entries of the body's side index.
//!
//! Attachments come after the instructions of a function and name them by number; a record may have
//! become several instructions, and the fact goes to the last of them, which for everything that
//! carries facts is the access, call or branch itself. What a node says is translated once and
//! remembered, by kind and metadata id. Nodes of a form that is not understood say nothing: a fact
//! is never needed, so nothing here refuses a file.

use alloc::vec::Vec;

use bitcode::Attachment;
use hashbrown::HashMap;
use ir::facts::{LoopHints, TbaaTag, TbaaType, kind};
use ir::{InstId, Op};

use super::body::BodyLoader;
use super::error::Result;
use super::module::Loader;

/// Most parts of one fact: ranges, weights, scopes, members.
const MAX_LIST: usize = 1 << 12;

/// What nodes were found to say.
#[derive(Debug, Default)]
pub(super) struct FactMemo {
    /// Kinds of facts by the file's numbers, made when first needed.
    kinds: Vec<Option<u32>>,
    /// By metadata id of the module: kind and payload, as the node was met last. Hardly any says
    /// something in two ways.
    last: Vec<(u32, Option<u32>)>,
    /// By kind and metadata id of the module.
    module: HashMap<(u32, u32), Option<u32>>,
    /// By kind and metadata id of the function.
    function: HashMap<(u32, u32), Option<u32>>,
    /// Types of accesses by metadata id of the module.
    types: HashMap<u32, u32>,
    /// Scopes and domains by metadata id.
    scopes: HashMap<u32, u32>,
    domains: HashMap<u32, u32>,
}

impl FactMemo {
    /// Forgets what is local to a function.
    pub(super) fn begin_function(&mut self) {
        if !self.function.is_empty() {
            // Not cleared: that would take as long as the largest function so far.
            self.function = HashMap::new();
        }
    }
}

/// The kinds that are kept, by LLVM's names.
const KINDS: &[(&[u8], u32)] = &[
    (b"tbaa", kind::TBAA),
    (b"range", kind::RANGE),
    (b"prof", kind::WEIGHTS),
    (b"llvm.loop", kind::LOOP),
    (b"alias.scope", kind::ALIAS_SCOPE),
    (b"noalias", kind::NOALIAS),
    (b"nonnull", kind::NONNULL),
    (b"dereferenceable", kind::DEREFERENCEABLE),
    (b"dereferenceable_or_null", kind::DEREFERENCEABLE_OR_NULL),
    (b"align", kind::ALIGN),
    (b"invariant.load", kind::INVARIANT_LOAD),
    (b"invariant.group", kind::INVARIANT_GROUP),
    (b"noundef", kind::NOUNDEF),
    (b"nontemporal", kind::NONTEMPORAL),
    (b"unpredictable", kind::UNPREDICTABLE),
    (b"llvm.access.group", kind::ACCESS_GROUP),
    (b"fpmath", kind::FPMATH),
];

impl BodyLoader<'_, '_, '_> {
    /// Adds the facts attached to instructions of the file.
    pub(super) fn attach(&mut self, facts: &[Attachment]) -> Result<()> {
        self.loader.find_fact_kinds();
        for fact in facts {
            // What is attached to the function itself is its debug information.
            let Some(at) = fact.inst.and_then(|inst| self.made_from(inst)) else {
                continue;
            };
            let made = self.builder.body().insts.get(at.index());
            if !made.is_some_and(|made| carries_facts(made.op)) {
                continue;
            }
            if let Some((kind, payload)) = self.loader.fact(fact.kind, fact.node)? {
                self.note(at, kind, payload);
            }
        }
        Ok(())
    }

    /// Adds a fact about an instruction.
    pub(super) fn note(&mut self, at: InstId, kind: u32, payload: u32) {
        self.builder.side(at, kind, payload);
    }

    /// Adds a fact about the instruction made last, if a record made it and not the prologue.
    pub(super) fn note_last(&mut self, kind: u32, payload: u32) {
        if let (false, Some(last)) = (self.in_prologue, self.builder.next_id().0.checked_sub(1)) {
            self.note(InstId(last), kind, payload);
        }
    }
}

impl Loader<'_, '_> {
    /// Looks up what the numbers of the file mean, if that was not done yet.
    fn find_fact_kinds(&mut self) {
        if self.facts.kinds.is_empty() {
            let known =
                |name: &Vec<u8>| KINDS.iter().find(|kept| kept.0 == name).map(|kept| kept.1);
            let names = self.source.metadata_kinds().iter();
            self.facts.kinds = names.map(known).collect();
        }
    }

    /// What the kind with this number in the file says by this node.
    #[inline(always)]
    fn fact(&mut self, number: u32, node: u32) -> Result<Option<(u32, u32)>> {
        let Some(kind) = self.facts.kinds.get(number as usize).copied().flatten() else {
            return Ok(None);
        };
        let payload = match self.facts.last.get(node as usize) {
            Some(&(last, payload)) if last == kind => payload,
            _ => self.remembered(kind, node)?,
        };
        Ok(payload.map(|payload| (kind, payload)))
    }

    /// What a node says, translated if that was not done yet. Out of line, so that the loop over facts
    /// keeps what it needs in registers.
    #[inline(never)]
    fn remembered(&mut self, kind: u32, node: u32) -> Result<Option<u32>> {
        let key = (kind, node);
        let of_module = node < self.metadata(0)?.module_len();
        let memo = if of_module {
            &self.facts.module
        } else {
            &self.facts.function
        };
        let payload = match memo.get(&key) {
            Some(known) => *known,
            None => self.payload(kind, node)?,
        };
        if !of_module {
            self.facts.function.insert(key, payload);
            return Ok(payload);
        }
        self.facts.module.insert(key, payload);
        let (last, index) = (&mut self.facts.last, node as usize);
        if last.len() <= index {
            last.resize(index.saturating_add(1), (0, None));
        }
        if let Some(slot) = last.get_mut(index) {
            *slot = (kind, payload);
        }
        Ok(payload)
    }

    /// Translates a node. `None` if it does not have the form that the kind demands.
    fn payload(&mut self, kind: u32, node: u32) -> Result<Option<u32>> {
        match kind {
            kind::TBAA => self.access_tag(node),
            kind::RANGE => self.ranges(node),
            kind::WEIGHTS => self.weights(node),
            kind::LOOP => self.loop_hints(node).map(Some),
            kind::ALIAS_SCOPE | kind::NOALIAS => self.scope_list(node),
            kind::ACCESS_GROUP => self.access_group(node).map(Some),
            kind::DEREFERENCEABLE | kind::DEREFERENCEABLE_OR_NULL => {
                let bytes = self.only_number(node)?;
                Ok(bytes.map(|bytes| u32::try_from(bytes).unwrap_or(u32::MAX)))
            }
            kind::ALIGN => {
                let bytes = self.only_number(node)?;
                Ok(bytes
                    .filter(|bytes| bytes.is_power_of_two())
                    .map(u64::trailing_zeros))
            }
            kind::FPMATH => Ok(self.float_of(node)?),
            _ => Ok(Some(0)),
        }
    }

    /// The one number of a tuple.
    fn only_number(&mut self, node: u32) -> Result<Option<u64>> {
        let tuple = self.tuple(node, 1)?;
        self.metadata_int(tuple.first().copied().flatten())
    }

    /// The bits of the one float of a tuple.
    fn float_of(&mut self, node: u32) -> Result<Option<u32>> {
        let tuple = self.tuple(node, 1)?;
        let Some(id) = tuple.first().copied().flatten() else {
            return Ok(None);
        };
        let value = self.metadata(id)?.value(id);
        let constant = value.and_then(|value| self.constant(value, None));
        Ok(match constant.map(|constant| &constant.kind) {
            Some(bitcode::ConstantKind::Float(bits)) => u32::try_from(*bits).ok(),
            _ => None,
        })
    }

    /// `!{base, access, offset, constant?}`.
    fn access_tag(&mut self, node: u32) -> Result<Option<u32>> {
        let tuple = self.tuple(node, 4)?;
        let [Some(base), Some(access), offset, ref rest @ ..] = *tuple.as_slice() else {
            return Ok(None);
        };
        let Some(offset) = self
            .metadata_int(offset)?
            .and_then(|at| u32::try_from(at).ok())
        else {
            return Ok(None);
        };
        let constant = self.metadata_int(rest.first().copied().flatten())? == Some(1);
        let (base, access) = (self.access_type(base)?, self.access_type(access)?);
        let table = &mut self.module.facts.tbaa;
        table.push(TbaaTag {
            base,
            access,
            offset,
            constant,
        });
        Ok(Some(last_of(table)))
    }

    /// `!{name, (type, offset)…}`: the type and all types that it names, each once, from a list of
    /// those still to be filled in.
    fn access_type(&mut self, node: u32) -> Result<u32> {
        if let Some(&known) = self.facts.types.get(&node) {
            return Ok(known);
        }
        let first = self.access_type_number(node);
        let mut open = alloc::vec![(node, first)];
        while let Some((node, at)) = open.pop() {
            let tuple = self.tuple(node, MAX_LIST)?;
            let mut members = Vec::new();
            for pair in tuple.get(1..).unwrap_or(&[]).chunks(2) {
                let &[Some(member), ref offset @ ..] = pair else {
                    continue;
                };
                let offset = self.metadata_int(offset.first().copied().flatten())?;
                let offset = offset.and_then(|offset| u32::try_from(offset).ok());
                let known = self.facts.types.get(&member).copied();
                let number = known.unwrap_or_else(|| {
                    let number = self.access_type_number(member);
                    open.push((member, number));
                    number
                });
                members.push((offset.unwrap_or(0), number));
            }
            if let Some(ty) = self.module.facts.tbaa_types.get_mut(at as usize) {
                ty.members = members;
            }
        }
        Ok(first)
    }

    /// A number for a type, to be filled in.
    fn access_type_number(&mut self, node: u32) -> u32 {
        let table = &mut self.module.facts.tbaa_types;
        table.push(TbaaType::default());
        let number = last_of(table);
        self.facts.types.insert(node, number);
        number
    }

    /// `!{low, high, …}`.
    fn ranges(&mut self, node: u32) -> Result<Option<u32>> {
        let tuple = self.tuple(node, MAX_LIST)?;
        let mut ranges = Vec::new();
        for pair in tuple.chunks_exact(2) {
            let &[low, high] = pair else { continue };
            let bounds = (self.metadata_int(low)?, self.metadata_int(high)?);
            let (Some(low), Some(high)) = bounds else {
                return Ok(None);
            };
            ranges.push((low, high));
        }
        if ranges.is_empty() {
            return Ok(None);
        }
        let table = &mut self.module.facts.ranges;
        table.push(ranges);
        Ok(Some(last_of(table)))
    }

    /// `!{"branch_weights", "expected"?, weight…}`.
    fn weights(&mut self, node: u32) -> Result<Option<u32>> {
        let tuple = self.tuple(node, MAX_LIST)?;
        if self.metadata_text(tuple.first().copied().flatten())? != Some(b"branch_weights") {
            return Ok(None);
        }
        let mut weights = Vec::new();
        for &operand in tuple.iter().skip(1) {
            let weight = self.metadata_int(operand)?;
            weights.extend(weight.map(|weight| u32::try_from(weight).unwrap_or(u32::MAX)));
        }
        let table = &mut self.module.facts.weights;
        table.push(weights);
        Ok(Some(last_of(table)))
    }

    /// `!{self, !{"llvm.loop.NAME", value?}…}`.
    fn loop_hints(&mut self, node: u32) -> Result<u32> {
        let mut hints = LoopHints::default();
        for hint in self.tuple(node, MAX_LIST)?.into_iter().skip(1).flatten() {
            let parts = self.tuple(hint, 2)?;
            let Some(name) = self.metadata_text(parts.first().copied().flatten())? else {
                continue;
            };
            let value = self.metadata_int(parts.get(1).copied().flatten())?;
            let small = value
                .and_then(|value| u32::try_from(value).ok())
                .unwrap_or(0);
            let on = value.is_none_or(|value| value != 0);
            match name.strip_prefix(b"llvm.loop.").unwrap_or(name) {
                b"mustprogress" => hints.bits |= LoopHints::MUST_PROGRESS,
                b"unroll.disable" => hints.bits |= LoopHints::UNROLL_DISABLE,
                b"unroll.enable" => hints.bits |= LoopHints::UNROLL_ENABLE,
                b"unroll.full" => hints.bits |= LoopHints::UNROLL_FULL,
                b"unroll.runtime.disable" => hints.bits |= LoopHints::UNROLL_RUNTIME_DISABLE,
                b"unroll.count" => hints.unroll_count = small,
                b"isvectorized" if on => hints.bits |= LoopHints::IS_VECTORIZED,
                b"vectorize.enable" if on => hints.bits |= LoopHints::VECTORIZE_ENABLE,
                b"vectorize.enable" => hints.bits |= LoopHints::VECTORIZE_DISABLE,
                b"vectorize.width" => hints.vector_width = small,
                b"interleave.count" => hints.interleave_count = small,
                _ => {}
            }
        }
        let table = &mut self.module.facts.loops;
        table.push(hints);
        Ok(last_of(table))
    }

    /// `!{scope…}`, each `!{self, domain, name?}`.
    fn scope_list(&mut self, node: u32) -> Result<Option<u32>> {
        let mut list = Vec::new();
        for scope in self.tuple(node, MAX_LIST)?.into_iter().flatten() {
            if let Some(&known) = self.facts.scopes.get(&scope) {
                list.push(known);
                continue;
            }
            let Some(&Some(domain)) = self.tuple(scope, 2)?.get(1) else {
                return Ok(None);
            };
            let domain = match self.facts.domains.get(&domain) {
                Some(known) => *known,
                None => self.new_domain(domain),
            };
            list.push(self.new_scope(scope, domain));
        }
        let table = &mut self.module.facts.scope_lists;
        table.push(list);
        Ok(Some(last_of(table)))
    }

    /// A group by itself (a distinct node without operands) or a list of them.
    fn access_group(&mut self, node: u32) -> Result<u32> {
        let tuple = self.tuple(node, MAX_LIST)?;
        let mut groups: Vec<u32> = tuple.into_iter().flatten().collect();
        if groups.is_empty() {
            groups.push(node);
        }
        let mut list = Vec::new();
        for group in groups {
            let known = self.facts.scopes.get(&group).copied();
            list.push(known.unwrap_or_else(|| self.new_scope(group, 0)));
        }
        let table = &mut self.module.facts.scope_lists;
        table.push(list);
        Ok(last_of(table))
    }

    fn new_domain(&mut self, node: u32) -> u32 {
        let number = self.module.facts.domains;
        self.module.facts.domains = number.saturating_add(1);
        self.facts.domains.insert(node, number);
        number
    }

    fn new_scope(&mut self, node: u32, domain: u32) -> u32 {
        let table = &mut self.module.facts.scope_domains;
        table.push(domain);
        let number = last_of(table);
        self.facts.scopes.insert(node, number);
        number
    }
}

/// Whether there are facts about instructions of this kind.
fn carries_facts(op: Op) -> bool {
    op.is_float_binary()
        || matches!(
            op,
            Op::Load
                | Op::Store
                | Op::Call
                | Op::CallIndirect
                | Op::Intrinsic
                | Op::Br
                | Op::CondBr
                | Op::Switch
                | Op::Select
                | Op::AtomicRmw
                | Op::CmpXchg
        )
}

/// Index of the element pushed last. Tables are bounded by the file.
fn last_of<T>(table: &[T]) -> u32 {
    table.len().saturating_sub(1) as u32
}
