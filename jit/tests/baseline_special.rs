//! What needs help from outside at the baseline tier: thread-local variables, x87 numbers, 128-bit
//! division by helpers.

mod exec;

use exec::{Outcome, check_text, check_text_on, cpu, old_cpu};

#[test]
fn thread_local_variables_lie_in_the_tasks_block() {
    let text = "global @pad = internal size 12 align 4 init \"\\01\\00\\00\\00\\02\\00\\00\\00\\03\\00\\00\\00\"
global @t = internal thread_local size 16 align 16 init \"\\07\\00\\00\\00\\08\\00\\00\\00\\00\\00\\00\\00\\00\\00\\00\\00\"
define i32 @g(ptr %p, ptr %q, i32 %a, i32 %b, i32 %c, i32 %d, ptr %s) {
entry:
  %v = load i32, %s, align 4
  %w = load i32, %q, align 4
  %same = icmp eq ptr %p, %s
  %x = zext i1 %same to i32
  %y = add i32 %v, %w
  %z = add i32 %x, %y
  ret i32 %z
}
define i32 @f(i32 %n) {
entry:
  %p = ptradd @t, 4
  %a = load i32, @t, align 4
  %b = load i32, %p, align 4
  %c = load i32, @t+4, align 4
  store i32 %n, @t+8, align 4
  %i = ptradd @t, %n * 4, 0
  store i32 %b, %i, align 4
  store ptr @pad, @t+8, align 4
  %d = call i32 @g(ptr @t, ptr @t+4, i32 1, i32 2, i32 3, i32 4, ptr @t)
  %is = icmp eq ptr @t+4, %p
  condbr %is, yes, no
yes:
  br join
no:
  br join
join:
  %e = phi ptr [@t, yes], [@pad, no]
  %g = load i32, %e, align 4
  %h = mul i32 %d, 31
  %j = add i32 %h, %g
  %k = add i32 %j, %a
  %l = add i32 %k, %c
  ret i32 %l
}
";
    let answer = check_text(text, &[3]);
    assert_eq!(answer, Outcome::Returned(16 * 31 + 7 + 7 + 8));
}

/// Numbers as `double` bits, with their edges.
const NUMBERS: [f64; 10] = [
    0.0,
    -0.0,
    1.0,
    -2.5,
    0.1,
    1e18,
    -1e19,
    4_294_967_296.5,
    f64::INFINITY,
    1e-300,
];

#[test]
fn x87_arithmetic_agrees() {
    for op in ["add", "sub", "mul", "div", "rem"] {
        let text = format!(
            "global @out = internal size 16 align 16
define double @f(double %a, double %b) {{
entry:
  %x = alloca [16 x i8], size 16, align 16
  %y = alloca [16 x i8], size 16, align 16
  intrinsic x87.from void (ptr %x, double %a)
  intrinsic x87.from void (ptr %y, double %b)
  intrinsic x87.{op} void (ptr @out, ptr %x, ptr %y)
  intrinsic x87.copy void (ptr %x, ptr @out)
  %r = intrinsic x87.to double (ptr %x)
  ret double %r
}}
"
        );
        for a in NUMBERS {
            for b in NUMBERS {
                // What is not a number has different bits from machine to machine.
                let undefined = (a / b).is_nan() || (a * b).is_nan() || (a - b).is_nan();
                if !undefined
                    && !(op == "rem" && (b == 0.0 || a.is_infinite()))
                    && !(a + b).is_nan()
                {
                    check_text(&text, &[a.to_bits(), b.to_bits()]);
                }
            }
        }
    }
}

#[test]
fn x87_operations_on_one_number_agree() {
    for op in ["neg", "abs", "sqrt", "rint"] {
        let text = format!(
            "global @out = internal size 16 align 16
define float @f(double %a) {{
entry:
  intrinsic x87.from void (ptr @out, double %a)
  intrinsic x87.{op} void (ptr @out, ptr @out)
  %r = intrinsic x87.to float (ptr @out)
  ret float %r
}}
"
        );
        for a in NUMBERS {
            if op != "sqrt" || a >= 0.0 {
                check_text(&text, &[a.to_bits()]);
            }
        }
    }
}

#[test]
fn x87_comparisons_and_conversions_agree() {
    let compare = "define i32 @f(double %a, double %b) {
entry:
  %x = alloca [16 x i8], size 16, align 16
  %y = alloca [16 x i8], size 16, align 16
  intrinsic x87.from void (ptr %x, double %a)
  intrinsic x87.from void (ptr %y, double %b)
  %r = intrinsic x87.cmp i32 (ptr %x, ptr %y)
  ret i32 %r
}
";
    for a in NUMBERS.into_iter().chain([f64::NAN]) {
        for b in NUMBERS.into_iter().chain([f64::NAN]) {
            check_text(compare, &[a.to_bits(), b.to_bits()]);
        }
    }
    for ty in ["i32", "i64", "float", "double"] {
        let text = format!(
            "define {ty} @f(double %a, {ty} %b) {{
entry:
  %x = alloca [16 x i8], size 16, align 16
  %y = alloca [16 x i8], size 16, align 16
  intrinsic x87.from void (ptr %x, double %a)
  intrinsic x87.from void (ptr %y, {ty} %b)
  %r = intrinsic x87.to {ty} (ptr %x)
  ret {ty} %r
}}
"
        );
        for a in NUMBERS {
            for b in [0, 1, 0x8000_0000, 0xffff_ffff, 0x3fff_0000] {
                check_text_on(&text, &[a.to_bits(), b], &[cpu(), old_cpu()]);
            }
        }
    }
}

#[test]
fn high_products_agree() {
    let text = "define i64 @f(i64 %a, i64 %b) {
entry:
  %h = intrinsic umulh i64 (i64 %a, i64 %b)
  %l = mul i64 %a, %b
  %s = add i64 %h, %l
  ret i64 %s
}
";
    for a in [0, 1, 3, u64::MAX, 1 << 63, 0x1234_5678_9abc_def0] {
        for b in [0, 1, 7, u64::MAX, 1 << 32] {
            check_text(text, &[a, b]);
        }
    }
}

#[test]
fn wide_division_agrees() {
    for op in ["udiv128", "urem128", "sdiv128", "srem128"] {
        let text = format!(
            "define i64 @f(i64 %al, i64 %ah, i64 %bl, i64 %bh, i64 %kept) {{
entry:
  %p = intrinsic {op} {{i64, i64}} (i64 %al, i64 %ah, i64 %bl, i64 %bh)
  %l = extractvalue {{i64, i64}} %p, 0
  %h = extractvalue {{i64, i64}} %p, 1
  %m = mul i64 %h, 31
  %s = add i64 %l, %m
  %t = xor i64 %s, %kept
  ret i64 %t
}}
"
        );
        let words = [0, 1, 7, 1 << 63, u64::MAX, 0x1234_5678_9abc_def0];
        for (at, &low) in words.iter().enumerate() {
            for &high in &words {
                for &by in &words {
                    check_text(&text, &[low, high, by, words[(at + 2) % 6], high ^ 5]);
                }
            }
        }
    }
}

#[test]
fn blocks_of_any_length_are_copied_and_filled() {
    let text =
        "global @g = internal size 8192 align 16 init \"\\01\\02\\03\\04\\05\\06\\07\\08\\09\"
define i32 @f(i32 %n, i32 %to, i8 %byte) {
entry:
  %from = ptradd @g, 3
  %p = ptradd @g, %to * 1, 0
  %x = mul i32 %n, 3
  intrinsic memmove void (ptr %p, ptr %from, i32 %n)
  %q = ptradd @g, 4096
  intrinsic memset void (ptr %q, i8 %byte, i32 %n)
  intrinsic memcpy void (ptr %from, ptr %q, i32 %n)
  intrinsic memset void (ptr @g+6000, i8 7, i32 700)
  intrinsic memcpy void (ptr @g+3000, ptr @g, i32 1000)
  intrinsic memmove void (ptr @g+3001, ptr @g+3000, i32 600)
  %y = add i32 %x, %n
  ret i32 %y
}
";
    for n in [0, 1, 2, 5, 8, 15, 16, 33, 64, 100, 129, 1000] {
        for to in [0, 1, 3, 4, 40, 2000] {
            check_text(text, &[n, to, 0x7_89ab_cd5a]);
        }
    }
}

/// `f` calls `g` four times, which stores its place and returns from a jump of the deep recursion below it.
const RETURNS_TWICE: &str = "declare i32 @setjmp(ptr) returns_twice
declare void @longjmp(ptr, i32) noreturn
global @buffer = internal size 36 align 4
define i32 @deep(i32 %n) {
entry:
  %a = mul i32 %n, 3
  %b = add i32 %n, 77
  %z = icmp eq i32 %n, 0
  condbr %z, jump, more
jump:
  call void @longjmp(ptr @buffer, i32 5)
  unreachable
more:
  %m = sub i32 %n, 1
  %r = call i32 @deep(i32 %m)
  %s = add i32 %r, %a
  %t = mul i32 %s, %b
  ret i32 %t
}
define i32 @g(i32 %n, i32 %k) {
entry:
  %x = mul i32 %k, 7
  %y = add i32 %k, 1000
  %p = alloca i32, size 4, align 4
  store i32 1, %p, align 4 volatile
  %j = call i32 @setjmp(ptr @buffer)
  %z = icmp eq i32 %j, 0
  condbr %z, first, second
first:
  store i32 100, %p, align 4 volatile
  %d = call i32 @deep(i32 %n)
  ret i32 %d
second:
  %v = load i32, %p, align 4 volatile
  %q = add i32 %x, %y
  %r = add i32 %q, %v
  %s = add i32 %r, %j
  ret i32 %s
}
define i32 @f(i32 %n, i32 %k) {
entry:
  %a = mul i32 %n, 11
  %b = xor i32 %n, 12345
  br loop
loop:
  %i = phi i32 [0, entry], [%next, loop]
  %sum = phi i32 [0, entry], [%new, loop]
  %c = add i32 %i, %k
  %r = call i32 @g(i32 %n, i32 %c)
  %t = mul i32 %sum, %a
  %u = add i32 %t, %r
  %new = xor i32 %u, %b
  %next = add i32 %i, 1
  %more = icmp ult i32 %next, 4
  condbr %more, loop, done
done:
  ret i32 %new
}
";

/// Values of a function that calls `setjmp` are in its frame when the call returns again, and its
/// caller finds its registers as they were, whatever was in them when the jump was made.
#[test]
fn setjmp_returns_twice() {
    let module = exec::parse(RETURNS_TWICE);
    let place = exec::Place::new(&module);
    let func = module.func_by_name("f").expect("a function f");
    let expected = (0..4u32).fold(0u32, |sum, i| {
        let c = 9 + i;
        let r = c * 7 + c + 1000 + 100 + 5;
        sum.wrapping_mul(6 * 11).wrapping_add(r) ^ 6 ^ 12345
    });
    for cpu in [cpu(), old_cpu()] {
        for counting in [false, true] {
            let compiled = exec::compile_all(&module, &place, cpu, counting).expect("compiles");
            let mut machine = exec::Machine::get();
            machine.load(&module, &place, &compiled);
            let outcome = machine.call(&module, func, &[6, 9]);
            assert_eq!(outcome, Outcome::Returned(u64::from(expected)));
        }
    }
}
