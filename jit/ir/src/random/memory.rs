//! Memory: windows, which any access may reach, and places, which are what variables are to a compiler.
//!
//! A *window* is 64 bytes that several pointers reach, with accesses of any type at any offset: what
//! a compiler knows little of. A *place* is a variable of one type at one address: a local one, a
//! field of an own or a global object. Accesses to places repeat, so that there is something to
//! forward, to merge and to remove; some places lie in windows, so that most of that is only right
//! where nothing came between.
//!
//! Pointers themselves are stored in cells. A function's own cell may hold any of its windows; the
//! global one holds addresses of globals only, as it outlives every call.

use super::code::Ty;
use super::source::Program;
use alloc::format;
use alloc::string::{String, ToString};

/// Bytes of the global object whose fields are places.
pub(super) const FIELDS: u32 = 64;
/// Bytes of the globals that nothing writes.
const FIXED: u32 = 32;

/// A variable of the program.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// The address: an operand that is valid in the whole function.
    pub(super) pointer: String,
    pub(super) ty: Ty,
    /// Bytes.
    align: u32,
}

impl Program {
    /// Globals beside the shared memory: fields, two tables nobody writes (one says so), a cell.
    pub(super) fn memory_globals(&mut self) {
        let fields = self.random_bytes(FIELDS);
        self.put(&format!(
            "global @fields = size {FIELDS} align 8 init \"{fields}\""
        ));
        for kind in ["@fixed = constant", "@unwritten ="] {
            let bytes = self.random_bytes(FIXED);
            self.put(&format!(
                "global {kind} size {FIXED} align 8 init \"{bytes}\""
            ));
        }
        self.put("global @cell = size 4 align 4 init \"\\00\\00\\00\\00\" reloc 0 + @shared");
        for at in 0..FIELDS / 8 {
            let ty = self.place_type();
            self.global_places.push(Place {
                pointer: field("@fields", at),
                ty,
                align: 8,
            });
        }
    }

    /// So many bytes, as text of an initial value.
    pub(super) fn random_bytes(&mut self, count: u32) -> String {
        (0..count)
            .map(|_| format!("\\{:02x}", self.random.below(256)))
            .collect()
    }

    /// The types that variables have.
    fn place_type(&mut self) -> Ty {
        let floats = if self.config.floats { 2 } else { 0 };
        let kinds = [
            Ty::Int(32),
            Ty::Int(32),
            Ty::Int(64),
            Ty::Int(8),
            Ty::Int(16),
            Ty::Float,
            Ty::Double,
        ];
        kinds[self.random.below(5 + floats) as usize]
    }

    /// At the start of a function, whose first window is its parameter: what it has of its own.
    /// `at` is its number.
    pub(super) fn own_memory(&mut self, at: u32) {
        let own = self.define("alloca [64 x i8], size 64, align 16");
        self.put(&format!(
            "  intrinsic memset void (ptr {own}, i8 {at}, i32 64)"
        ));
        self.windows.insert(1, own.clone());
        self.places.clear();
        for _ in 0..1 + self.random.below(3) {
            let ty = self.place_type();
            let bytes = ty.bits() / 8;
            let pointer = self.define(&format!("alloca {ty}, size {bytes}, align {bytes}"));
            let value = self.observable(ty);
            self.put(&format!("  store {ty} {value}, {pointer}, align {bytes}"));
            self.places.push(Place {
                pointer,
                ty,
                align: bytes,
            });
        }
        // Fields of the own window, and of the parameter's.
        for at in 0..4 {
            let base = [&own, &self.windows[0]][at as usize % 2].clone();
            let pointer = self.define(&format!("ptradd inbounds {base}, {}", 8 * at));
            let ty = self.place_type();
            self.places.push(Place {
                pointer,
                ty,
                align: 1,
            });
        }
        if self.globals_allowed {
            self.places.extend(self.global_places.iter().cloned());
        }
        let cell = self.define("alloca ptr, size 4, align 4");
        self.put(&format!("  store ptr {own}, {cell}, align 4"));
        self.cell = cell;
        self.counter = self.define("alloca i32, size 4, align 4");
    }

    /// Something with variables, or with pointers.
    pub(super) fn place_statement(&mut self) {
        if self.places.is_empty() {
            return self.int_binary();
        }
        match self.random.below(12) {
            0..3 => {
                self.read_place();
            }
            3 | 4 => self.write_place(),
            5 | 6 => self.update_place(),
            7 => self.write_twice(),
            8 => self.split_or_join(),
            9 => self.read_table(),
            10 => self.copy_apart(),
            _ => self.move_pointer(),
        }
    }

    /// Any variable.
    fn place(&mut self) -> Place {
        let at = self.random.below(self.places.len() as u32) as usize;
        let place = self.places[at].clone();
        self.touches_globals |= place.pointer.starts_with('@');
        place
    }

    /// Its value now.
    pub(super) fn read_place(&mut self) -> String {
        let Place { pointer, ty, align } = self.place();
        self.define_in_scope(ty, &format!("load {ty}, {pointer}, align {align}"))
    }

    /// A new value.
    pub(super) fn write_place(&mut self) {
        let place = self.place();
        self.assign(&place);
    }

    fn assign(&mut self, Place { pointer, ty, align }: &Place) {
        let value = self.observable(*ty);
        self.put(&format!("  store {ty} {value}, {pointer}, align {align}"));
    }

    /// Reads, computes, writes back, as sums in loops do.
    pub(super) fn update_place(&mut self) {
        let Place { pointer, ty, align } = self.place();
        let old = self.define_in_scope(ty, &format!("load {ty}, {pointer}, align {align}"));
        let operation = self.accumulate(ty, &old);
        let new = self.define(&operation);
        let new = self.without_nan(ty, &new);
        self.put(&format!("  store {ty} {new}, {pointer}, align {align}"));
    }

    /// Two values for one variable, between them perhaps something that sees the first.
    fn write_twice(&mut self) {
        let place = self.place();
        self.assign(&place);
        match self.random.below(4) {
            0 => {
                self.read_place();
            }
            1 => self.store(),
            2 => self.some_call(),
            _ => {}
        }
        self.assign(&place);
    }

    /// The bytes of an integer one after the other, written or read, in either order; sometimes not
    /// quite.
    fn split_or_join(&mut self) {
        let bytes = self.random.pick(&[2, 4, 8]);
        let ty = Ty::Int(8 * bytes);
        let address = self.address();
        let reversed = self.random.once_in(2);
        let slip = if self.random.once_in(4) { 1 } else { 0 };
        let join = self.random.once_in(2);
        let whole = self.value(ty);
        let mut joined = String::new();
        for at in 0..bytes {
            let shift = 8 * if reversed { bytes - 1 - at } else { at };
            let place = at + if at + 1 == bytes { slip } else { 0 };
            let place = self.define(&format!("ptradd inbounds {address}, {place}"));
            if !join {
                let part = self.define(&format!("lshr {ty} {whole}, {shift}"));
                let part = self.define(&format!("trunc {ty} {part} to i8"));
                self.put(&format!("  store i8 {part}, {place}, align 1"));
                continue;
            }
            let part = self.define(&format!("load i8, {place}, align 1"));
            let part = self.define(&format!("zext i8 {part} to {ty}"));
            let part = self.define(&format!("shl {ty} {part}, {shift}"));
            joined = match at {
                0 => part,
                _ => self.define(&format!("or {ty} {joined}, {part}")),
            };
        }
        if join {
            self.scope.push((joined, ty));
        }
    }

    /// An element of memory that nothing writes.
    fn read_table(&mut self) {
        let ty = self.place_type();
        let bytes = ty.bits() / 8;
        let table = self.random.pick(&["@fixed", "@unwritten"]);
        let most = FIXED / bytes - 1;
        let pointer = if self.random.once_in(2) {
            let at = bytes * self.random.below(most + 1);
            self.define(&format!("ptradd inbounds {table}, {at}"))
        } else {
            let index = self.value(Ty::Int(32));
            let index = self.define(&format!("and i32 {index}, {most}"));
            self.define(&format!("ptradd inbounds {table}, {index} * {bytes}, 0"))
        };
        self.define_in_scope(ty, &format!("load {ty}, {pointer}, align {bytes}"));
    }

    /// A copy from one object into another.
    fn copy_apart(&mut self) {
        let (to, from) = match self.random.below(2) {
            0 => (0, 1),
            _ => (1, 0),
        };
        let (to, from) = (self.windows[to].clone(), self.windows[from].clone());
        let len = self.random.pick(&[1, 3, 4, 8, 12, 16, 24, 33, 64]);
        self.put(&format!(
            "  intrinsic memcpy void (ptr {to}, ptr {from}, i32 {len})"
        ));
    }

    /// A window through a cell, or one of two.
    fn move_pointer(&mut self) {
        let window = self.window();
        let global = self.globals_allowed && self.random.once_in(3);
        let loaded = match self.random.below(4) {
            0 if global => {
                self.touches_globals = true;
                let at = 64 * self.random.below(4);
                let address = self.define(&format!("ptradd inbounds @shared, {at}"));
                self.put(&format!("  store ptr {address}, @cell, align 4"));
                return;
            }
            0 => {
                self.put(&format!("  store ptr {window}, {}, align 4", self.cell));
                return;
            }
            1 if global => {
                self.touches_globals = true;
                self.define("load ptr, @cell, align 4")
            }
            1 => self.define(&format!("load ptr, {}, align 4", self.cell)),
            _ => {
                let (cond, other) = (self.value(Ty::Int(1)), self.window());
                self.define(&format!("select i1 {cond}, ptr {window}, {other}"))
            }
        };
        self.windows.push(loaded);
    }

    /// Any window.
    pub(super) fn window(&mut self) -> String {
        let at = self.random.below(self.windows.len() as u32) as usize;
        self.windows[at].clone()
    }

    /// The address of up to 16 bytes within a window, and with 32 bytes left behind it.
    fn address(&mut self) -> String {
        let window = self.window();
        let disp = self.random.below(17);
        if self.random.once_in(2) {
            return self.define(&format!("ptradd inbounds {window}, {disp}"));
        }
        let index = self.value(Ty::Int(32));
        let index = self.define(&format!("and i32 {index}, 3"));
        let scale = self.random.pick(&[1, 2, 3, 4]);
        self.define(&format!("ptradd {window}, {index} * {scale}, {disp}"))
    }

    /// A type without unused bits in its bytes.
    pub(super) fn memory_type(&mut self) -> Ty {
        loop {
            let ty = self.any_type();
            if ty.has_whole_bytes() && ty.total_bits() <= 256 {
                return ty;
            }
        }
    }

    /// Stores a value whose bits may be seen.
    pub(super) fn store(&mut self) {
        let ty = self.memory_type();
        let value = self.observable(ty);
        let address = self.address();
        self.put(&format!("  store {ty} {value}, {address}, align 1"));
    }

    /// A load, a store, a block operation within two windows, or a new window.
    pub(super) fn memory(&mut self) {
        match self.random.below(7) {
            0..3 => self.store(),
            3 => {
                let (to, from) = (self.address(), self.address());
                let len = self.random.below(33);
                self.put(&format!(
                    "  intrinsic memmove void (ptr {to}, ptr {from}, i32 {len})"
                ));
            }
            4 => {
                let (to, byte) = (self.address(), self.value(Ty::Int(8)));
                let len = self.random.below(33);
                self.put(&format!(
                    "  intrinsic memset void (ptr {to}, i8 {byte}, i32 {len})"
                ));
            }
            5 if self.config.dynamic && self.loop_depth == 0 => self.dynamic(),
            _ => {
                let ty = self.memory_type();
                let address = self.address();
                self.define_in_scope(ty, &format!("load {ty}, {address}, align 1"));
            }
        }
    }

    /// Another window.
    fn dynamic(&mut self) {
        let count = self.value(Ty::Int(32));
        let count = self.define(&format!("and i32 {count}, 7"));
        let count = self.define(&format!("add i32 {count}, 8"));
        let window = self.define(&format!("dynalloca i32 {count}, size 8, align 16"));
        self.put(&format!(
            "  intrinsic memset void (ptr {window}, i8 0, i32 64)"
        ));
        self.windows.push(window);
    }

    /// An atomic operation at a place that is aligned in every window.
    pub(super) fn atomic(&mut self) {
        let ty = Ty::Int(self.random.pick(&[8, 16, 32, 64]));
        let window = self.window();
        let disp = 8 * self.random.below(8);
        let address = self.define(&format!("ptradd inbounds {window}, {disp}"));
        let (a, b) = (self.value(ty), self.value(ty));
        if self.random.once_in(4) {
            let pair = format!("{{{ty}, i1}}");
            let both = self.define(&format!(
                "cmpxchg {ty} {a}, {b}, {address}, align 8 seq_cst"
            ));
            self.define_in_scope(ty, &format!("extractvalue {pair} {both}, 0"));
            self.define_in_scope(Ty::Int(1), &format!("extractvalue {pair} {both}, 1"));
            return;
        }
        let op = self.random.pick(&[
            "xchg", "add", "sub", "and", "nand", "or", "xor", "max", "min", "umax", "umin",
        ]);
        let operation = format!("atomicrmw {op} {ty} {a}, {address}, align 8 seq_cst");
        self.define_in_scope(ty, &operation);
    }

    /// Folds the global fields into a hash.
    pub(super) fn hash_places(&mut self, mut hash: String) -> String {
        for Place { pointer, ty, align } in self.global_places.clone() {
            let value = self.define(&format!("load {ty}, {pointer}, align {align}"));
            let bits = self.hashable(ty, &value);
            let mixed = self.define(&format!("mul i64 {hash}, 1099511628211"));
            hash = self.define(&format!("xor i64 {mixed}, {bits}"));
        }
        hash
    }
}

/// A field as an operand: the object, 8 bytes each.
fn field(object: &str, at: u32) -> String {
    match at {
        0 => object.to_string(),
        _ => format!("{object}+{}", 8 * at),
    }
}
