//! Calls: of earlier functions, of one with a variable number of arguments, of ones that call themselves.
//!
//! Functions without calls of their own may be called in loops, too: that keeps time bounded.

use super::code::Ty;
use super::source::{Program, Signature};
use alloc::format;
use alloc::string::String;

impl Program {
    /// A call of an earlier function; in loops, of one that calls nothing.
    pub(super) fn some_call(&mut self) {
        if self.config.memory && self.loop_depth == 0 && self.random.once_in(4) {
            return self.recursive_call();
        }
        let at = self.random.below(self.signatures.len().max(1) as u32) as usize;
        let Some(signature) = self.signatures.get(at).cloned() else {
            return self.int_binary();
        };
        let allowed = (signature.leaf || self.loop_depth == 0)
            && (self.globals_allowed || !signature.touches_globals);
        if self.calls_left == 0 || !allowed {
            return self.int_binary();
        }
        self.calls_left -= 1;
        self.touches_globals |= signature.touches_globals;
        let result = self.call(at, &signature);
        self.scope.push((result, signature.ret));
    }

    /// Calls function `at` by name or through the table of pointers.
    pub(super) fn call(&mut self, at: usize, signature: &Signature) -> String {
        let mut args = match signature.pointers {
            // The first two windows are different objects.
            2 if signature.apart => {
                let swap = usize::from(self.random.once_in(2));
                let (a, b) = (&self.windows[swap], &self.windows[1 - swap]);
                format!("ptr {a}, ptr {b}")
            }
            2 => format!("ptr {}, ptr {}", self.window(), self.window()),
            _ => format!("ptr {}", self.window()),
        };
        for &ty in &signature.params {
            let value = self.value(ty);
            args += &format!(", {ty} {value}");
        }
        let ret = signature.ret;
        if self.random.once_in(3) {
            let slot = self.define(&format!("ptradd inbounds @table, {}", 4 * at));
            let pointer = self.define(&format!("load ptr, {slot}, align 4"));
            return self.define(&format!("calli {ret} {pointer}({args})"));
        }
        self.define(&format!("call {ret} @f{at}({args})"))
    }

    /// Functions that call themselves up to 7 times: as the last thing they do, or before more.
    pub(super) fn recursive_functions(&mut self) {
        for (name, last) in [("last", true), ("inner", false)] {
            let op = self.random.pick(&["add", "xor", "mul", "sub"]);
            let mark = if last && self.random.once_in(2) {
                "tail "
            } else {
                ""
            };
            let mut text = RECURSIVE
                .replace("NAME", name)
                .replace("OP", op)
                .replace("MARK", mark);
            if last {
                text = text
                    .replace("  %u = add i64 %t, %v\n", "")
                    .replace("%u", "%t");
            }
            self.put(&text);
        }
    }

    /// A call of one of those.
    fn recursive_call(&mut self) {
        let (n, start) = (self.value(Ty::Int(32)), self.value(Ty::Int(64)));
        let n = self.define(&format!("and i32 {n}, 7"));
        let name = self.random.pick(&["last", "inner"]);
        let window = self.window();
        let args = format!("ptr {window}, i32 {n}, i64 {start}");
        self.define_in_scope(Ty::Int(64), &format!("call i64 @{name}({args})"));
    }

    /// A call of the variadic function with up to five further arguments.
    pub(super) fn variadic_call(&mut self) {
        let n = self.random.below(6);
        let mut args = format!("i32 {n}");
        for _ in 0..n {
            let value = self.value(Ty::Int(32));
            args += &format!(", i32 {value}");
        }
        let operation = format!("call i32 (i32, ...) @variadic({args})");
        self.define_in_scope(Ty::Int(32), &operation);
    }
}

/// Mixes `n` numbers of a window into `s`, and changes what it has read.
const RECURSIVE: &str = "
define i64 @NAME(ptr %window, i32 %n, i64 %s) {
entry:
  %done = icmp eq i32 %n, 0
  condbr %done, stop, more
more:
  %p = ptradd inbounds %window, %n * 4, 0
  %w = load i32, %p, align 1
  %v = zext i32 %w to i64
  %r = OP i64 %s, %v
  %x = add i32 %w, %n
  store i32 %x, %p, align 1
  %m = sub i32 %n, 1
  %t = call MARKi64 @NAME(ptr %window, i32 %m, i64 %r)
  %u = add i64 %t, %v
  ret i64 %u
stop:
  ret i64 %s
}
";
