//! Scalarisation: pairs of 64-bit integers that clang put into vectors become two registers again.
//!
//! Modules are compiled for a machine of 32 bits. There, a 64-bit number takes two registers and a carry, so
//! clang likes to keep two of them in one vector, even if it has to take them out and put them in again for
//! whatever vectors cannot do; hash functions are full of that. Here a register holds such a number, and
//! moving one between the two kinds of registers takes longer than adding it.
//!
//! *Before*: any graph, legal for the machine. *During*: values of type `<2 x i64>` that are made from one
//! another form a *web*. A web is priced both ways, by what its instructions cost in vectors and apart,
//! inner loops counting more. *After*: webs that are cheaper apart are gone: each value is two, taking
//! out and putting in are nothing, and loads and stores are two. Dead vectors are left to `dce`.
//!
//! It is exact because every member works lane by lane ([`Role`]); a web with a value that comes from
//! anything else, or that anything else takes, stays as it is. One walk finds the webs, one rewrites.

use super::nest::Nest;
use crate::tier::opt::graph::Graph;
use alloc::vec;
use alloc::vec::Vec;
use ir::{ConstKind, Inst, InstId, MemFlags, Op, TypeId, Value, ValueKind};

/// A loop's instructions count this much more, as a power of two, up to [`MAX_DEPTH`] loops deep.
const LOOP_WEIGHT: u32 = 2;
const MAX_DEPTH: u32 = 8;

/// Takes webs apart that are cheaper so.
pub fn run(graph: &mut Graph<'_>) {
    let has_pairs = |graph: &Graph<'_>, block| {
        let mut insts = graph.insts(block).iter();
        insts.any(|&id| is_pair(graph, graph.inst(id).ty))
    };
    if !graph.blocks().any(|block| has_pairs(graph, block)) {
        return;
    }
    let nest = Nest::new(graph);
    let order = nest.cfg.rpo().to_vec();
    let mut webs = Webs::new(graph.num_insts());
    for &block in &order {
        let depth = nest.innermost(block).map_or(0, |id| nest.depth(id));
        let weight = 1 << (LOOP_WEIGHT * depth.min(MAX_DEPTH));
        for &id in graph.insts(block) {
            webs.note(graph, id, weight);
        }
    }
    let chosen = webs.choose(graph);
    if !chosen.contains(&true) {
        return;
    }
    let mut splitter = Splitter {
        graph,
        chosen,
        lanes: vec![[Value::NONE; 2]; webs.parent.len()],
        list: Vec::new(),
    };
    for &block in &order {
        splitter.phis(block);
    }
    for &block in &order {
        let old = splitter.graph.take_insts(block);
        for id in old {
            splitter.split(id);
            splitter.list.push(id);
        }
        *splitter.graph.insts_mut(block) = core::mem::take(&mut splitter.list);
    }
    for &block in &order {
        splitter.finish_phis(block);
    }
}

fn is_pair(graph: &Graph<'_>, ty: TypeId) -> bool {
    graph.types().vector(ty) == Some((TypeId::I64, 2))
}

/// What an instruction is to a web.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Role {
    /// Nothing.
    None,
    /// One of its values, made lane by lane: its price in vectors and apart.
    Member(u64, u64),
    /// It takes values of the web and makes none: its prices.
    User(u64, u64),
    /// It makes or takes values of the web in a way that has no lanes.
    Foreign,
}

fn role(graph: &Graph<'_>, inst: &Inst) -> Role {
    let pair = is_pair(graph, inst.ty);
    let lane = |value: u32| graph.const_int(Value(value)).filter(|&lane| lane < 2);
    let plain = |flags: u32| {
        let flags = MemFlags(flags);
        !flags.is_volatile() && flags.ordering() == 0
    };
    match inst.op {
        Op::Phi | Op::Freeze if pair => Role::Member(0, 0),
        Op::Add | Op::Sub | Op::And | Op::Or | Op::Xor | Op::Shl | Op::LShr if pair => {
            Role::Member(1, 2)
        }
        Op::Select if pair && graph.type_of(Value(inst.args[0])) == TypeId::I1 => {
            Role::Member(2, 2)
        }
        Op::InsertElement if pair && lane(inst.args[2]).is_some() => Role::Member(2, 0),
        Op::Shuffle if pair && is_pair(graph, graph.type_of(Value(inst.args[0]))) => {
            Role::Member(1, 0)
        }
        Op::Load if pair && plain(inst.args[1]) => Role::Member(1, 2),
        Op::Store if pair && plain(inst.args[2]) => Role::User(1, 2),
        Op::ExtractElement if is_pair(graph, graph.type_of(Value(inst.args[0]))) => {
            match lane(inst.args[1]) {
                Some(0) => Role::User(1, 0),
                Some(_) => Role::User(2, 0),
                None => Role::Foreign,
            }
        }
        Op::Store => Role::None,
        _ => Role::Foreign,
    }
}

/// Which values belong together: disjoint sets of instructions.
struct Webs {
    parent: Vec<u32>,
    /// By set: its prices in vectors and apart, and whether something foreign touches it.
    price: Vec<(u64, u64)>,
    foreign: Vec<bool>,
}

impl Webs {
    fn new(count: usize) -> Self {
        Self {
            parent: (0..count as u32).collect(),
            price: vec![(0, 0); count],
            foreign: vec![false; count],
        }
    }

    fn find(&mut self, mut at: u32) -> u32 {
        while self.parent[at as usize] != at {
            let next = self.parent[at as usize];
            self.parent[at as usize] = self.parent[next as usize];
            at = next;
        }
        at
    }

    fn join(&mut self, a: u32, b: u32) {
        let (a, b) = (self.find(a), self.find(b));
        if a == b {
            return;
        }
        self.parent[b as usize] = a;
        let (vector, apart) = self.price[b as usize];
        self.pay(a, vector, apart);
        self.foreign[a as usize] |= self.foreign[b as usize];
    }

    fn pay(&mut self, web: u32, vector: u64, apart: u64) {
        let price = &mut self.price[web as usize];
        *price = (
            price.0.saturating_add(vector),
            price.1.saturating_add(apart),
        );
    }

    fn note(&mut self, graph: &Graph<'_>, id: InstId, weight: u64) {
        let inst = graph.inst(id);
        let role = role(graph, inst);
        let own = is_pair(graph, inst.ty) && inst.has_result();
        let mut web = own.then_some(id.0);
        graph.code().for_each_operand(inst, |value| {
            let Some(used) = value.as_inst() else {
                // A parameter comes as a vector.
                if let (ValueKind::Arg(_), Some(web)) = (value.kind(), web) {
                    let ty = graph.type_of(value);
                    let web = self.find(web);
                    self.foreign[web as usize] |= is_pair(graph, ty);
                }
                return;
            };
            if is_pair(graph, graph.inst(used).ty) {
                match web {
                    Some(web) => self.join(web, used.0),
                    None => web = Some(used.0),
                }
            }
        });
        let Some(web) = web.map(|web| self.find(web)) else {
            return;
        };
        match role {
            Role::Member(vector, apart) | Role::User(vector, apart) => {
                self.pay(web, vector * weight, apart * weight);
            }
            Role::Foreign | Role::None => self.foreign[web as usize] = true,
        }
    }

    /// By instruction: whether it is of a web that is taken apart.
    fn choose(&mut self, graph: &mut Graph<'_>) -> Vec<bool> {
        let count = self.parent.len() as u32;
        let mut taken = vec![false; count as usize];
        for web in 0..count {
            let (vector, apart) = self.price[web as usize];
            let is_web = self.parent[web as usize] == web && !self.foreign[web as usize];
            taken[web as usize] = is_web && apart < vector && graph.fuel.spend();
        }
        (0..count).map(|id| taken[self.find(id) as usize]).collect()
    }
}

/// Rewrites the chosen webs.
struct Splitter<'g, 'a> {
    graph: &'g mut Graph<'a>,
    chosen: Vec<bool>,
    /// By instruction of a chosen web: its lanes.
    lanes: Vec<[Value; 2]>,
    /// The block so far.
    list: Vec<InstId>,
}

impl Splitter<'_, '_> {
    fn is_chosen(&self, value: Value) -> bool {
        let chosen = |id: InstId| self.chosen.get(id.index()) == Some(&true);
        value.as_inst().is_some_and(chosen)
    }

    /// The lanes of a value of the web: a member whose turn has been, or a constant. What comes from code
    /// that cannot run is 0.
    fn of(&mut self, value: Value) -> [Value; 2] {
        let made = value.as_inst().map(|id| self.lanes[id.index()]);
        if let Some(lanes) = made.filter(|lanes| lanes[0] != Value::NONE) {
            return lanes;
        }
        let kind = value
            .as_const()
            .map(|id| self.graph.code().constant(id).kind);
        match kind {
            Some(ConstKind::Elements { start, len: 2 }) => {
                let words = self.graph.code().words(start, 2);
                [words[0], words[1]].map(|id| Value::constant(ir::ConstId(id)))
            }
            _ => [self.graph.int(TypeId::I64, 0); 2],
        }
    }

    fn emit(&mut self, op: Op, ty: TypeId, args: [u32; 3], like: InstId) -> Value {
        let id = self.graph.op(op, ty, args, like);
        self.list.push(id);
        Value::inst(id)
    }

    /// Two empty phis before each phi of a web.
    fn phis(&mut self, block: ir::BlockId) {
        let mut list = Vec::new();
        for id in self.graph.take_insts(block) {
            if self.graph.inst(id).op == Op::Phi && self.is_chosen(Value::inst(id)) {
                let pair = [(); 2].map(|()| self.graph.make_phi(TypeId::I64, id));
                list.extend(pair);
                self.lanes[id.index()] = pair.map(Value::inst);
            }
            list.push(id);
        }
        *self.graph.insts_mut(block) = list;
    }

    /// Gives the new phis of a block their entries, now that all lanes are there.
    fn finish_phis(&mut self, block: ir::BlockId) {
        for id in self.graph.insts(block).to_vec() {
            if self.graph.inst(id).op != Op::Phi || !self.is_chosen(Value::inst(id)) {
                continue;
            }
            let entries = self.graph.phi(id);
            let lanes = self.lanes[id.index()];
            for (lane, phi) in lanes.into_iter().filter_map(Value::as_inst).enumerate() {
                let each: Vec<_> = entries
                    .iter()
                    .map(|&(from, value)| (from, self.of(value)[lane]))
                    .collect();
                self.graph.set_phi(phi, &each);
            }
        }
    }

    /// Makes the lanes of a member, or what a user does from them, before the instruction itself; stores are
    /// replaced by stores.
    fn split(&mut self, id: InstId) {
        let inst = *self.graph.inst(id);
        let [a, b, c] = inst.args;
        match inst.op {
            Op::ExtractElement if self.is_chosen(Value(a)) => {
                let lane = self.graph.const_int(Value(b)).unwrap_or(0) & 1;
                let value = self.of(Value(a))[lane as usize];
                self.graph.replace(id, value);
            }
            Op::Store if self.is_chosen(Value(b)) => self.split_store(id, &inst),
            _ if !self.is_chosen(Value::inst(id)) || inst.op == Op::Phi => {}
            Op::Freeze => self.lanes[id.index()] = self.of(Value(a)),
            Op::InsertElement => {
                let mut lanes = self.of(Value(a));
                let lane = self.graph.const_int(Value(c)).unwrap_or(0) & 1;
                lanes[lane as usize] = Value(b);
                self.lanes[id.index()] = lanes;
            }
            Op::Shuffle => self.lanes[id.index()] = self.shuffled(&inst),
            Op::Load => self.lanes[id.index()] = self.split_load(id, &inst),
            Op::Select => {
                let (then, other) = (self.of(Value(b)), self.of(Value(c)));
                let lane = |at: usize| [a, then[at].0, other[at].0];
                self.lanes[id.index()] =
                    [lane(0), lane(1)].map(|args| self.emit(Op::Select, TypeId::I64, args, id));
            }
            op => {
                let (a, b) = (self.of(Value(a)), self.of(Value(b)));
                let lane = |at: usize| [a[at].0, b[at].0, 0];
                self.lanes[id.index()] =
                    [lane(0), lane(1)].map(|args| self.emit(op, TypeId::I64, args, id));
            }
        }
    }

    /// Lanes that the mask leaves open are 0.
    fn shuffled(&mut self, inst: &Inst) -> [Value; 2] {
        let [a, b, pool] = inst.args;
        let all = [self.of(Value(a)), self.of(Value(b))].concat();
        let zero = self.graph.int(TypeId::I64, 0);
        let words = self.graph.code().words(pool, 2);
        [words[0], words[1]].map(|lane| all.get(lane as usize).copied().unwrap_or(zero))
    }

    /// The address and flags of the second lane of an access.
    fn second(&mut self, address: u32, flags: u32, id: InstId) -> (u32, u32) {
        let args = [address, Value::NONE.0, 8];
        let next = self.emit(Op::PtrAdd, TypeId::PTR, args, id);
        (next.0, MemFlags(flags).behind(8).0)
    }

    fn split_load(&mut self, id: InstId, inst: &Inst) -> [Value; 2] {
        let [address, flags, _] = inst.args;
        let (next, second) = self.second(address, flags, id);
        let args = [[address, flags, 0], [next, second, 0]];
        args.map(|args| self.emit(Op::Load, TypeId::I64, args, id))
    }

    /// The stored instruction becomes the store of the second lane.
    fn split_store(&mut self, id: InstId, inst: &Inst) {
        let [address, value, flags] = inst.args;
        let [first, last] = self.of(Value(value));
        let (next, second) = self.second(address, flags, id);
        self.emit(Op::Store, TypeId::I64, [address, first.0, flags], id);
        let args = [next, last.0, second];
        let ty = TypeId::I64;
        self.graph.set(id, Inst { ty, args, ..*inst });
    }
}
