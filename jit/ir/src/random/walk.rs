//! Loops that go over memory, in the forms that C gives them.
//!
//! ```text
//!   before ─► head ─► body ─► … ─► latch ─► head      the test in head or in latch
//!               └──────┴── perhaps ──┴────► done      counting up, down, by pointer, in memory
//! ```
//!
//! A loop reads an element, mixes it with what does not change in the loop, and writes an element or
//! a variable. Whether the two walks overlap is open: often they go over the same window.

use super::code::Ty;
use super::source::Program;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// How a loop counts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Count {
    /// From 0 to the bound, tested at the end.
    Do,
    /// From 0 to the bound, tested at the start.
    While,
    /// From the bound to 0, tested at the start.
    Down,
    /// As `While`, two elements at a time.
    Double,
    /// A pointer to the end.
    Pointer,
    /// As `While`, with the counter in a variable.
    Memory,
}

const COUNTS: [Count; 6] = [
    Count::Do,
    Count::While,
    Count::Down,
    Count::Double,
    Count::Pointer,
    Count::Memory,
];

/// A loop while it is written.
struct Walk {
    count: Count,
    /// Of its counter.
    bits: u32,
    element: Ty,
    /// Operands: how many elements; where the first lies.
    bound: String,
    base: String,
    head: String,
    body: String,
    latch: String,
    done: String,
    /// The counter, or the pointer, and its next value.
    now: String,
    next: String,
    /// The sum in `head`, and the next one.
    sum: String,
    total: String,
    /// What a phi in `done` gets, with the blocks that lead there.
    exits: Vec<String>,
}

impl Program {
    /// A loop over up to 8 elements of a window.
    pub(super) fn walk(&mut self) {
        let mut walk = self.plan();
        let start = self.observable(walk.element);
        let outside = (self.scope.len(), self.windows.len());
        self.loop_depth += 1;
        self.head(&mut walk, &start);
        self.body(&mut walk);
        self.latch(&mut walk);
        self.loop_depth -= 1;
        self.label(&walk.done.clone());
        self.scope.truncate(outside.0);
        self.windows.truncate(outside.1);
        let ty = walk.element;
        self.define_in_scope(ty, &format!("phi {ty} {}", walk.exits.join(", ")));
        self.budget = self.budget.saturating_sub(3);
    }

    /// Chooses the kind of loop and writes what comes before it.
    fn plan(&mut self) -> Walk {
        let count = self.random.pick(&COUNTS);
        let element = loop {
            let ty = self.memory_type();
            if ty.total_bits() <= 64 {
                break ty;
            }
        };
        let bits = match count {
            Count::Pointer | Count::Memory => 32,
            _ => self.random.pick(&[32, 32, 64, 64, 16, 8]),
        };
        let int = Ty::Int(bits);
        // Up to 7 times 8 bytes, behind up to 7.
        let mut bound = (1 + self.random.below(7)).to_string();
        if self.random.once_in(2) {
            let value = self.value(int);
            bound = self.define(&format!("and {int} {value}, 7"));
            if count == Count::Do {
                bound = self.define(&format!("or {int} {bound}, 1"));
            }
        }
        let (window, disp) = (self.window(), self.random.below(8));
        let base = self.define(&format!("ptradd inbounds {window}, {disp}"));
        let [head, body, latch, done] = [(); 4].map(|()| self.name('b'));
        let [now, next, sum, total] = [(); 4].map(|()| format!("%{}", self.name('v')));
        Walk {
            count,
            bits,
            element,
            bound,
            base,
            head,
            body,
            latch,
            done,
            now,
            next,
            sum,
            total,
            exits: Vec::new(),
        }
    }

    /// The phis, and the test if it is here.
    fn head(&mut self, walk: &mut Walk, start: &str) {
        let Walk {
            bits, head, latch, ..
        } = walk;
        let (now, next) = (walk.now.clone(), walk.next.clone());
        let mut end = String::new();
        match walk.count {
            Count::Pointer => {
                let (base, bound) = (&walk.base, &walk.bound);
                let bytes = walk.element.total_bits() / 8;
                end = self.define(&format!("ptradd inbounds {base}, {bound} * {bytes}, 0"));
            }
            Count::Memory => {
                let counter = self.counter.clone();
                self.put(&format!("  store i32 0, {counter}, align 4"));
            }
            _ => {}
        }
        let before = self.block.clone();
        self.put(&format!("  br {head}"));
        self.label(head);
        let ty = walk.element;
        match walk.count {
            Count::Pointer => {
                let base = &walk.base;
                self.put(&format!(
                    "  {now} = phi ptr [{base}, {before}], [{next}, {latch}]"
                ));
            }
            Count::Memory => {}
            count => {
                let first = if count == Count::Down {
                    &walk.bound
                } else {
                    "0"
                };
                self.put(&format!(
                    "  {now} = phi i{bits} [{first}, {before}], [{next}, {latch}]"
                ));
            }
        }
        let (sum, total) = (&walk.sum, &walk.total);
        self.put(&format!(
            "  {sum} = phi {ty} [{start}, {before}], [{total}, {latch}]"
        ));
        self.scope.push((sum.clone(), ty));
        if walk.count == Count::Memory {
            let counter = self.counter.clone();
            self.put(&format!("  {now} = load i32, {counter}, align 4"));
        }
        let (head, body, done, bound) = (&walk.head, &walk.body, &walk.done, &walk.bound);
        let more = match walk.count {
            Count::Do => {
                self.put(&format!("  br {body}"));
                self.label(body);
                return;
            }
            Count::Pointer => self.define(&format!("icmp ne ptr {now}, {end}")),
            Count::Down => {
                let pred = self.random.pick(&["ne", "ugt", "sgt"]);
                self.define(&format!("icmp {pred} i{bits} {now}, 0"))
            }
            Count::Double => self.define(&format!("icmp ult i{bits} {now}, {bound}")),
            _ => {
                let pred = self.random.pick(&["ne", "ult", "slt"]);
                self.define(&format!("icmp {pred} i{bits} {now}, {bound}"))
            }
        };
        self.put(&format!("  condbr {more}, {body}, {done}"));
        walk.exits.push(format!("[{sum}, {head}]"));
        self.label(body);
    }

    /// Reads, mixes, writes; perhaps leaves the loop.
    fn body(&mut self, walk: &mut Walk) {
        let ty = walk.element;
        let bytes = ty.total_bits() / 8;
        let (from, index) = self.element(walk);
        let element = self.define_in_scope(ty, &format!("load {ty}, {from}, align 1"));
        for _ in 0..self.random.below(3) {
            self.statement();
        }
        if self.random.once_in(3) {
            self.unchanging_branch();
        }
        let sum = walk.sum.clone();
        let operation = self.accumulate(ty, &sum);
        self.put(&format!("  {} = {operation}", walk.total));
        let mixed = self.accumulate(ty, &element);
        let mixed = self.define(&mixed);
        let mixed = self.without_nan(ty, &mixed);
        match self.random.below(4) {
            0 => {}
            1 => self.update_place(),
            2 => self.put(&format!("  store {ty} {mixed}, {from}, align 1")),
            _ => {
                let to = self.window();
                let to = match index {
                    Some(index) => self.define(&format!("ptradd {to}, {index} * {bytes}, 0")),
                    None => self.define(&format!("ptradd {to}, 8")),
                };
                self.put(&format!("  store {ty} {mixed}, {to}, align 1"));
            }
        }
        if self.random.once_in(4) && ty.is_int() && ty.lanes().is_none() {
            let limit = self.value(ty);
            let stop = self.define(&format!("icmp ult {ty} {element}, {limit}"));
            let on = self.name('b');
            self.put(&format!("  condbr {stop}, {}, {on}", walk.done));
            walk.exits.push(format!("[{}, {}]", walk.total, self.block));
            self.label(&on);
        }
    }

    /// The address of the element, and its number as an `i32` where there is one.
    fn element(&mut self, walk: &Walk) -> (String, Option<String>) {
        let Walk {
            count,
            bits,
            now,
            base,
            ..
        } = walk;
        if *count == Count::Pointer {
            return (now.clone(), None);
        }
        let bytes = walk.element.total_bits() / 8;
        let mut index = now.clone();
        if *count == Count::Down {
            index = self.define(&format!("sub i{bits} {index}, 1"));
        }
        self.scope.push((index.clone(), Ty::Int(*bits)));
        index = match bits {
            32 => index,
            64 => self.define(&format!("trunc i64 {index} to i32")),
            _ => self.define(&format!("zext i{bits} {index} to i32")),
        };
        let flags = self.random.pick(&["", "inbounds "]);
        let from = self.define(&format!("ptradd {flags}{base}, {index} * {bytes}, 0"));
        (from, Some(index))
    }

    /// A branch on what the loop does not change, most of the time: one arm writes a variable.
    fn unchanging_branch(&mut self) {
        let cond = self.value(Ty::Int(1));
        let [then, join] = [(); 2].map(|()| self.name('b'));
        self.put(&format!("  condbr {cond}, {then}, {join}"));
        self.label(&then);
        let outside = self.scope.len();
        self.write_place();
        self.put(&format!("  br {join}"));
        self.scope.truncate(outside);
        self.label(&join);
    }

    /// Counts on, and the test if it is here.
    fn latch(&mut self, walk: &mut Walk) {
        let Walk {
            count,
            bits,
            head,
            latch,
            done,
            now,
            next,
            bound,
            ..
        } = walk;
        self.put(&format!("  br {latch}"));
        self.label(latch);
        let bytes = walk.element.total_bits() / 8;
        let step = match count {
            Count::Pointer => format!("ptradd inbounds {now}, {bytes}"),
            Count::Down => format!("sub i{bits} {now}, 1"),
            Count::Double => format!("add nuw nsw i{bits} {now}, 2"),
            _ => {
                let flags = self.random.pick(&["", "nuw nsw ", "nsw "]);
                format!("add {flags}i{bits} {now}, 1")
            }
        };
        self.put(&format!("  {next} = {step}"));
        if *count == Count::Memory {
            let counter = self.counter.clone();
            self.put(&format!("  store i32 {next}, {counter}, align 4"));
        }
        if *count != Count::Do {
            self.put(&format!("  br {head}"));
            return;
        }
        let pred = self.random.pick(&["ne", "ult", "slt"]);
        let more = self.define(&format!("icmp {pred} i{bits} {next}, {bound}"));
        self.put(&format!("  condbr {more}, {head}, {done}"));
        walk.exits.push(format!("[{}, {latch}]", walk.total));
    }
}
