//! The frame of a program: globals, signatures, structured control flow.
//!
//! Control flow grows from the inside of a function: a region is some statements, or a structure
//! whose arms are regions again. Each structure opens its blocks in the order in which it fills them,
//! remembers in which block an arm ended (that is the predecessor a phi must name), and closes the
//! arm's scope before it goes on. What leaves an arm leaves it through a phi.
//!
//! A budget of statements bounds the size, nesting bounds the depth, and counted loops without calls
//! bound the time: a statement runs at most 6 * 6 times in a call, and a function makes at most
//! `MAX_CALLS` calls of earlier ones.

use super::code::Ty;
use super::memory::Place;
use super::{Config, MAX_CALLS, Random};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write;

/// Bytes of the memory that all functions share: four windows.
const SHARED: u32 = 256;

/// A function that later ones may call.
#[derive(Clone, Debug)]
pub(super) struct Signature {
    pub(super) ret: Ty,
    /// Parameters that are pointers to windows, which come first: 1 or 2.
    pub(super) pointers: u32,
    /// They are `noalias`: no other pointer leads to what the function reaches through them.
    pub(super) apart: bool,
    /// The others.
    pub(super) params: Vec<Ty>,
    /// It calls nothing.
    pub(super) leaf: bool,
    /// It, or what it calls, touches a global that is written.
    pub(super) touches_globals: bool,
}

/// A program while it is written.
pub(super) struct Program {
    pub(super) config: Config,
    pub(super) random: Random,
    text: String,
    pub(super) signatures: Vec<Signature>,
    /// Values in scope.
    pub(super) scope: Vec<(String, Ty)>,
    /// Pointers to windows in scope.
    pub(super) windows: Vec<String>,
    /// Variables of this function, those that are fields of a global among them.
    pub(super) places: Vec<Place>,
    pub(super) global_places: Vec<Place>,
    /// Where this function keeps a pointer, and loops their counter.
    pub(super) cell: String,
    pub(super) counter: String,
    /// Whether this function may touch globals that are written, and whether it does.
    pub(super) globals_allowed: bool,
    pub(super) touches_globals: bool,
    next_name: u32,
    /// Label of the current block.
    pub(super) block: String,
    pub(super) calls_left: u32,
    pub(super) loop_depth: u32,
    /// Statements that may still be written in this function.
    pub(super) budget: u32,
    /// Its result.
    ret: Ty,
}

impl Program {
    /// A program with nothing written yet.
    pub(super) fn new(seed: u64, config: Config) -> Self {
        Self {
            config,
            random: Random::new(seed),
            text: String::new(),
            signatures: Vec::new(),
            scope: Vec::new(),
            windows: Vec::new(),
            places: Vec::new(),
            global_places: Vec::new(),
            cell: String::new(),
            counter: String::new(),
            globals_allowed: true,
            touches_globals: false,
            next_name: 0,
            block: String::new(),
            calls_left: 0,
            loop_depth: 0,
            budget: 0,
            ret: Ty::Int(64),
        }
    }

    /// Globals, functions in the order in which they may call each other, and the entry.
    pub(super) fn write(mut self) -> String {
        if self.config.calls && self.config.memory {
            self.put("attrs [byval 0 align 1 noalias, byval 0 align 1 noalias]");
        }
        let init = self.random_bytes(SHARED);
        self.put(&format!(
            "global @shared = size {SHARED} align 16 init \"{init}\""
        ));
        let funcs = self.config.funcs;
        let zeros = "\\00\\00\\00\\00".repeat(funcs as usize);
        let relocs: String = (0..funcs)
            .map(|at| format!(" reloc {} + @f{at}", 4 * at))
            .collect();
        let size = 4 * funcs.max(1);
        self.put(&format!(
            "global @table = constant size {size} align 4 init \"{zeros}\"{relocs}"
        ));
        if self.config.memory {
            self.memory_globals();
            self.recursive_functions();
        }
        if self.config.varargs {
            self.put(VARIADIC);
        }
        for at in 0..funcs {
            self.function(at);
        }
        self.entry();
        self.text
    }

    /// A line.
    pub(super) fn put(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    /// A name that no other thing has.
    pub(super) fn name(&mut self, prefix: char) -> String {
        self.next_name += 1;
        format!("{prefix}{}", self.next_name)
    }

    /// Writes `%name = operation` and gives the operand.
    pub(super) fn define(&mut self, operation: &str) -> String {
        let name = format!("%{}", self.name('v'));
        self.put(&format!("  {name} = {operation}"));
        name
    }

    /// As `define`; the result may be used from here on.
    pub(super) fn define_in_scope(&mut self, ty: Ty, operation: &str) -> String {
        let name = self.define(operation);
        self.scope.push((name.clone(), ty));
        name
    }

    /// Begins a block.
    pub(super) fn label(&mut self, label: &str) {
        self.put(&format!("{label}:"));
        self.block = String::from(label);
    }

    /// A function of random type. Half of the memory it sees is its own, half comes from its
    /// caller.
    fn function(&mut self, at: u32) {
        let ret = self.any_type();
        self.ret = ret;
        let mut params = Vec::new();
        // Sometimes more than registers hold.
        let most = if self.random.once_in(4) { 12 } else { 4 };
        for _ in 0..self.random.below(most) {
            params.push(self.any_type());
        }
        let two = self.config.memory && self.random.once_in(2);
        let apart = two && self.config.calls && self.random.once_in(2);
        self.open_function(at, two, apart, &params);
        self.calls_left = MAX_CALLS;
        self.budget = self.config.statements;
        while self.budget > 0 {
            self.region(0);
        }
        let result = self.observable(ret);
        self.put(&format!("  ret {ret} {result}\n}}\n"));
        self.signatures.push(Signature {
            ret,
            pointers: 1 + u32::from(two),
            apart,
            params,
            leaf: self.calls_left == MAX_CALLS,
            touches_globals: self.touches_globals,
        });
        self.globals_allowed = true;
    }

    /// The head of a function with one or `two` pointers, and what memory it has.
    fn open_function(&mut self, at: u32, two: bool, apart: bool, params: &[Ty]) {
        let ret = self.ret;
        let mut head = format!("define {ret} @f{at}(ptr %window");
        self.windows = Vec::from([String::from("%window")]);
        if two {
            head += ", ptr %other";
            self.windows.push(String::from("%other"));
        }
        self.scope.clear();
        for (n, &ty) in params.iter().enumerate() {
            let _ = write!(head, ", {ty} %p{n}");
            self.scope.push((format!("%p{n}"), ty));
        }
        head += ")";
        if self.config.floats && self.random.once_in(4) {
            head += " fma";
        }
        if apart {
            head += " attrs 1";
        }
        self.put(&(head + " {"));
        self.label("entry");
        self.touches_globals = false;
        self.globals_allowed = !apart;
        if self.config.memory {
            self.own_memory(at);
        }
    }

    /// Some statements, or a control structure.
    fn region(&mut self, depth: u32) {
        if self.budget == 0 {
            return;
        }
        match self.random.below(14) {
            0 | 1 if depth < 4 => self.branch(depth),
            2 if depth < 4 => self.switch(depth),
            3 | 4 if self.config.loops && self.loop_depth < 2 && depth < 4 => self.count(depth),
            5 if self.config.loops && self.loop_depth < 2 => self.irreducible(),
            6 if depth == 0 => self.leave_early(),
            7 | 8 if self.config.loops && self.config.memory && self.loop_depth < 2 => self.walk(),
            _ => {
                for _ in 0..=self.random.below(4) {
                    self.statement();
                    self.budget = self.budget.saturating_sub(1);
                }
            }
        }
    }

    /// Regions whose values are not seen outside; gives one of them.
    fn arm(&mut self, depth: u32, ty: Ty) -> String {
        let outside = (self.scope.len(), self.windows.len());
        for _ in 0..self.random.below(3) {
            self.region(depth + 1);
        }
        let value = self.value(ty);
        self.scope.truncate(outside.0);
        self.windows.truncate(outside.1);
        value
    }

    /// Two arms that meet in a phi.
    fn branch(&mut self, depth: u32) {
        let cond = self.value(Ty::Int(1));
        let ty = self.any_type();
        let [then, other, join] = [(); 3].map(|()| self.name('b'));
        self.put(&format!("  condbr {cond}, {then}, {other}"));
        self.label(&then);
        let first = self.arm(depth, ty);
        let from_first = self.block.clone();
        self.put(&format!("  br {join}"));
        self.label(&other);
        let second = self.arm(depth, ty);
        let from_second = self.block.clone();
        self.put(&format!("  br {join}"));
        self.label(&join);
        self.define_in_scope(
            ty,
            &format!("phi {ty} [{first}, {from_first}], [{second}, {from_second}]"),
        );
    }

    /// Up to five arms that meet in a phi; the operand is masked so that all of them are likely.
    fn switch(&mut self, depth: u32) {
        let width = self.random.pick(&[8, 32, 64]);
        let ty = self.any_type();
        let value = self.value(Ty::Int(width));
        // Few numbers with gaps, or many without, so that several lead to one arm.
        let many = self.random.once_in(3);
        let mask = if many { 15 } else { 7 };
        let value = self.define(&format!("and i{width} {value}, {mask}"));
        let arms = 1 + self.random.below(4);
        let labels: Vec<String> = (0..=arms).map(|_| self.name('b')).collect();
        let join = self.name('b');
        let mut line = format!("  switch i{width} {value}, {}", labels[0]);
        for (at, label) in labels.iter().enumerate().skip(1) {
            let _ = write!(line, ", {}: {label}", at * 2);
        }
        if many {
            for number in (2 * arms + 1)..15 {
                let label = self.random.below(arms + 1) as usize;
                let _ = write!(line, ", {number}: {}", labels[label]);
            }
        }
        self.put(&line);
        let mut entries = Vec::new();
        for label in &labels {
            self.label(label);
            let value = self.arm(depth, ty);
            entries.push(format!("[{value}, {}]", self.block));
            self.put(&format!("  br {join}"));
        }
        self.label(&join);
        self.define_in_scope(ty, &format!("phi {ty} {}", entries.join(", ")));
    }

    /// A loop with a counter and an accumulator.
    fn count(&mut self, depth: u32) {
        let ty = self.any_type();
        let start = self.value(ty);
        let trips = 1 + self.random.below(6);
        let [head, latch, done] = [(); 3].map(|()| self.name('b'));
        let [i, next, sum, total] = [(); 4].map(|()| format!("%{}", self.name('v')));
        let before = self.block.clone();
        self.put(&format!("  br {head}"));
        self.label(&head);
        self.put(&format!("  {i} = phi i32 [0, {before}], [{next}, {latch}]"));
        self.put(&format!(
            "  {sum} = phi {ty} [{start}, {before}], [{total}, {latch}]"
        ));
        let outside = (self.scope.len(), self.windows.len());
        self.scope.push((i.clone(), Ty::Int(32)));
        self.scope.push((sum.clone(), ty));
        self.loop_depth += 1;
        for _ in 0..=self.random.below(3) {
            self.region(depth + 1);
        }
        self.loop_depth -= 1;
        self.put(&format!("  br {latch}"));
        self.label(&latch);
        let operation = self.accumulate(ty, &sum);
        self.put(&format!("  {total} = {operation}"));
        self.put(&format!("  {next} = add nuw i32 {i}, 1"));
        let more = self.define(&format!("icmp ult i32 {next}, {trips}"));
        self.put(&format!("  condbr {more}, {head}, {done}"));
        self.label(&done);
        self.scope.truncate(outside.0);
        self.windows.truncate(outside.1);
        self.scope.push((total, ty));
    }

    /// A cycle of two blocks that is entered at either.
    fn irreducible(&mut self) {
        let cond = self.value(Ty::Int(1));
        let trips = 2 + self.random.below(5);
        let [left, right, done] = [(); 3].map(|()| self.name('b'));
        let [a, b, a_next, b_next] = [(); 4].map(|()| format!("%{}", self.name('v')));
        let before = self.block.clone();
        self.put(&format!("  condbr {cond}, {left}, {right}"));
        for (label, other, value, next, from) in [
            (&left, &right, &a, &a_next, &b_next),
            (&right, &left, &b, &b_next, &a_next),
        ] {
            self.label(label);
            self.put(&format!(
                "  {value} = phi i32 [0, {before}], [{from}, {other}]"
            ));
            self.put(&format!("  {next} = add i32 {value}, 1"));
            let more = self.define(&format!("icmp ult i32 {next}, {trips}"));
            self.put(&format!("  condbr {more}, {other}, {done}"));
        }
        self.label(&done);
        let merged = format!("phi i32 [{a_next}, {left}], [{b_next}, {right}]");
        self.define_in_scope(Ty::Int(32), &merged);
        self.budget = self.budget.saturating_sub(3);
    }

    /// A branch that returns, or stores something and goes on.
    fn leave_early(&mut self) {
        let cond = self.value(Ty::Int(1));
        let [then, join] = [(); 2].map(|()| self.name('b'));
        self.put(&format!("  condbr {cond}, {then}, {join}"));
        self.label(&then);
        let outside = self.scope.len();
        if self.config.memory && self.random.once_in(2) {
            self.store();
            self.put(&format!("  br {join}"));
        } else {
            let ret = self.ret;
            let result = self.observable(ret);
            self.put(&format!("  ret {ret} {result}"));
        }
        self.scope.truncate(outside);
        self.label(&join);
        self.budget = self.budget.saturating_sub(1);
    }

    /// Calls everything, hashes the results and the shared memory.
    fn entry(&mut self) {
        self.put("define i64 @entry(i32 %a, i64 %b) {");
        self.label("entry");
        self.scope = Vec::from([
            (String::from("%a"), Ty::Int(32)),
            (String::from("%b"), Ty::Int(64)),
        ]);
        self.windows = (0..4)
            .map(|at| self.define(&format!("ptradd inbounds @shared, {}", 64 * at)))
            .collect();
        let mut hash = String::from("%b");
        for at in 0..self.signatures.len() {
            let signature = self.signatures[at].clone();
            let result = self.call(at, &signature);
            let bits = self.hashable(signature.ret, &result);
            let mixed = self.define(&format!("mul i64 {hash}, 1099511628211"));
            hash = self.define(&format!("xor i64 {mixed}, {bits}"));
        }
        hash = self.hash_places(hash);
        self.put(&HASH.replace("HASH", &hash));
    }
}

/// Sums its variadic arguments, which are `i32`.
const VARIADIC: &str = "
define i32 @variadic(i32 %n, ...) {
entry:
  %list = alloca ptr, size 4, align 4
  intrinsic va_start void (ptr %list)
  %any = icmp ugt i32 %n, 0
  condbr %any, loop, done
loop:
  %i = phi i32 [0, entry], [%next, loop]
  %s = phi i32 [0, entry], [%t, loop]
  %p = load ptr, %list, align 4
  %q = ptradd %p, 4
  store ptr %q, %list, align 4
  %v = load i32, %p, align 4
  %m = mul i32 %s, 3
  %t = add i32 %m, %v
  %next = add i32 %i, 1
  %more = icmp ult i32 %next, %n
  condbr %more, loop, done
done:
  %r = phi i32 [0, entry], [%t, loop]
  ret i32 %r
}
";

/// The end of `@entry`.
const HASH: &str = "  br hash
hash:
  %i = phi i32 [0, entry], [%next, hash]
  %h = phi i64 [HASH, entry], [%mixed, hash]
  %p = ptradd inbounds @shared, %i * 4, 0
  %word = load i32, %p, align 4
  %wide = zext i32 %word to i64
  %times = mul i64 %h, 1099511628211
  %mixed = xor i64 %times, %wide
  %next = add i32 %i, 1
  %more = icmp ult i32 %next, 64
  condbr %more, hash, done
done:
  ret i64 %mixed
}";
