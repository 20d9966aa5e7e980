//! Functions of one shape each, of any length: what real programs have, in amounts they do not have.

use core::fmt::Write;

/// A name, and the text of a module whose last function has about so many instructions.
pub(crate) type Shape = (&'static str, fn(u32) -> String);

/// All shapes.
pub(crate) const ALL: &[Shape] = &[
    ("straight line", straight),
    ("diamonds", diamonds),
    ("a join of many ways", join),
    ("nested loops", nest),
    ("loops in a row", loops),
    ("nested branches", branches),
    ("calls", calls),
    ("one switch", switch),
    ("allocas", allocas),
    ("a ring of phis", ring),
    ("stores and loads", memory),
    ("addresses", addresses),
    ("one alloca, many blocks", variable),
    ("constants", constants),
    ("long live ranges", live),
];

/// Writes a line; that cannot fail.
macro_rules! line {
    ($text:ident, $($words:tt)*) => { writeln!($text, $($words)*).unwrap() };
}

fn open(name: &str) -> String {
    format!("define i32 @{name}(ptr %p, i32 %x, i32 %y) {{\nstart:\n")
}

/// Each instruction needs the one before.
fn straight(n: u32) -> String {
    let mut text = open("f");
    let mut last = String::from("%x");
    for at in 0..n {
        let op = ["add", "xor", "mul", "sub", "shl"][at as usize % 5];
        let other = ["%y", "%x", "3"][at as usize % 3];
        line!(text, "  %v{at} = {op} i32 {last}, {other}");
        last = format!("%v{at}");
    }
    text + &format!("  ret i32 {last}\n}}\n")
}

/// `if` and `else` that meet in a phi, one after the other.
fn diamonds(n: u32) -> String {
    let mut text = open("f");
    let mut last = String::from("%x");
    for at in 0..n / 8 {
        line!(text, "  %c{at} = icmp ult i32 {last}, %y");
        line!(text, "  condbr %c{at}, t{at}, e{at}");
        line!(
            text,
            "t{at}:\n  %a{at} = udiv i32 {last}, 7\n  store i32 %a{at}, %p, align 4\n  br j{at}"
        );
        line!(text, "e{at}:\n  %b{at} = add i32 {last}, {at}\n  br j{at}");
        line!(
            text,
            "j{at}:\n  %v{at} = phi i32 [%a{at}, t{at}], [%b{at}, e{at}]"
        );
        last = format!("%v{at}");
    }
    text + &format!("  ret i32 {last}\n}}\n")
}

/// Many blocks that lead to one, with phis there.
fn join(n: u32) -> String {
    let mut text = open("f");
    let count = n / 6;
    line!(text, "  br b0");
    for at in 0..count {
        let next = if at + 1 < count {
            format!("b{}", at + 1)
        } else {
            "last".into()
        };
        line!(
            text,
            "b{at}:\n  %q{at} = ptradd %p, {}\n  %l{at} = load i32, %q{at}, align 4",
            4 * at
        );
        line!(
            text,
            "  %s{at} = add i32 %l{at}, {at}\n  %c{at} = icmp ugt i32 %s{at}, %x"
        );
        line!(text, "  condbr %c{at}, e{at}, {next}\ne{at}:\n  br join");
    }
    let entries = |what: &str, last: &str| {
        let each = (0..count).map(|at| format!(", [%{what}{at}, e{at}]"));
        format!("[{last}, last]{}", each.collect::<String>())
    };
    line!(text, "last:\n  br join\njoin:");
    line!(
        text,
        "  %r = phi i32 {}\n  %t = phi i32 {}",
        entries("s", "%x"),
        entries("l", "%y")
    );
    text + "  %u = xor i32 %r, %t\n  ret i32 %u\n}\n"
}

/// Loops in loops, at most as deep as [`DEEPEST`], then the next nest.
fn nest(n: u32) -> String {
    /// Deeper than anybody writes.
    const DEEPEST: u32 = 40;
    let mut text = open("f");
    let mut before = String::from("start");
    for nest in 0..(n / (7 * DEEPEST)).max(1) {
        let name = |what: &str, depth: u32| format!("{what}{nest}x{depth}");
        for depth in 0..DEEPEST {
            let (head, i, next, latch) = (
                name("h", depth),
                name("i", depth),
                name("n", depth),
                name("l", depth),
            );
            line!(
                text,
                "  br {head}\n{head}:\n  %{i} = phi i32 [0, {before}], [%{next}, {latch}]"
            );
            line!(text, "  %{} = mul i32 %x, %y", name("m", depth));
            before = head;
        }
        let address = name("a", 0);
        line!(
            text,
            "  %{address} = ptradd %p, %{} * 4, 0",
            name("i", DEEPEST - 1)
        );
        line!(text, "  store i32 %{}, %{address}, align 4", name("m", 0));
        for depth in (0..DEEPEST).rev() {
            let (head, i, next, latch) = (
                name("h", depth),
                name("i", depth),
                name("n", depth),
                name("l", depth),
            );
            let (more, out) = (name("c", depth), name("o", depth));
            line!(text, "  br {latch}\n{latch}:\n  %{next} = add i32 %{i}, 1");
            line!(
                text,
                "  %{more} = icmp ult i32 %{next}, %x\n  condbr %{more}, {head}, {out}\n{out}:"
            );
            before = out;
        }
    }
    text + "  ret i32 %x\n}\n"
}

/// Loops over memory one after the other.
fn loops(n: u32) -> String {
    let mut text = open("f");
    let mut before = String::from("start");
    for at in 0..n / 10 {
        line!(
            text,
            "  br h{at}\nh{at}:\n  %i{at} = phi i32 [0, {before}], [%n{at}, h{at}]"
        );
        line!(
            text,
            "  %k{at} = mul i32 %x, {at}\n  %q{at} = ptradd %p, %i{at} * 4, 0"
        );
        line!(
            text,
            "  %l{at} = load i32, %q{at}, align 4\n  %s{at} = add i32 %l{at}, %k{at}"
        );
        line!(
            text,
            "  store i32 %s{at}, %q{at}, align 4\n  %n{at} = add i32 %i{at}, 1"
        );
        line!(
            text,
            "  %c{at} = icmp ult i32 %n{at}, %y\n  condbr %c{at}, h{at}, o{at}\no{at}:"
        );
        before = format!("o{at}");
    }
    text + "  ret i32 %x\n}\n"
}

/// A dominator tree as deep as the function is long.
fn branches(n: u32) -> String {
    let mut text = open("f");
    for at in 0..n / 5 {
        line!(
            text,
            "  %q{at} = ptradd %p, {}\n  %l{at} = load i32, %q{at}, align 4",
            at % 64
        );
        line!(text, "  store i32 %x, %q{at}, align 4");
        line!(
            text,
            "  %c{at} = icmp ult i32 %l{at}, %x\n  condbr %c{at}, b{at}, out\nb{at}:"
        );
    }
    text + "  br out\nout:\n  ret i32 %y\n}\n"
}

/// Calls of a small function and of one that is declared only.
fn calls(n: u32) -> String {
    let mut text = String::from("declare i32 @g(i32, i32)\n");
    text += "define i32 @h(i32 %a, i32 %b) {\nonly:\n  %m = mul i32 %a, %b\n  %s = add i32 %m, 3\n  ret i32 %s\n}\n";
    text += &open("f");
    let mut last = String::from("%x");
    for at in 0..n / 3 {
        line!(
            text,
            "  %a{at} = add i32 {last}, {at}\n  %b{at} = call i32 @h(i32 %a{at}, i32 %y)"
        );
        line!(text, "  %v{at} = call i32 @g(i32 %b{at}, i32 {at})");
        last = format!("%v{at}");
    }
    text + &format!("  ret i32 {last}\n}}\n")
}

/// One switch with a case for each block.
fn switch(n: u32) -> String {
    let mut text = open("f");
    let count = n / 4;
    text += "  switch i32 %x, other";
    for at in 0..count {
        // Dense parts and gaps.
        write!(text, ", {}: c{at}", at + at / 100 * 1000).unwrap();
    }
    text += "\n";
    for at in 0..count {
        line!(
            text,
            "c{at}:\n  %a{at} = mul i32 %y, {}\n  %b{at} = xor i32 %a{at}, {at}\n  br join",
            at + 3
        );
    }
    text += "other:\n  br join\njoin:\n  %r = phi i32 [%y, other]";
    (0..count).for_each(|at| write!(text, ", [%b{at}, c{at}]").unwrap());
    text + "\n  ret i32 %r\n}\n"
}

/// Variables, each written in several blocks, a fourth of them visible to others.
fn allocas(n: u32) -> String {
    let mut text = String::from("declare void @see(ptr)\n") + &open("f");
    let count = n / 8;
    (0..count).for_each(|at| line!(text, "  %v{at} = alloca i32, size 4, align 4"));
    (0..count).for_each(|at| line!(text, "  store i32 {at}, %v{at}, align 4"));
    for at in 0..count {
        if at % 4 == 0 {
            line!(text, "  call void @see(ptr %v{at})");
        }
        line!(
            text,
            "  %c{at} = icmp ult i32 %x, {at}\n  condbr %c{at}, t{at}, j{at}\nt{at}:"
        );
        line!(text, "  store i32 %y, %v{at}, align 4\n  br j{at}\nj{at}:");
        line!(
            text,
            "  %l{at} = load i32, %v{at}, align 4\n  store i32 %l{at}, %p, align 4"
        );
    }
    text + "  ret i32 %y\n}\n"
}

/// A loop in which each of many values takes the place of the next.
fn ring(n: u32) -> String {
    let mut text = open("f") + "  br h\nh:\n";
    let count = n / 2;
    for at in 0..count {
        let from = (at + 1) % count;
        line!(text, "  %v{at} = phi i32 [{at}, start], [%w{from}, h]");
    }
    (0..count).for_each(|at| line!(text, "  %w{at} = add i32 %v{at}, {at}"));
    text + "  %c = icmp ult i32 %w0, %x\n  condbr %c, h, o\no:\n  ret i32 %w1\n}\n"
}

/// Stores and loads at different and at equal addresses, in blocks that follow each other.
fn memory(n: u32) -> String {
    let mut text = String::from("global @g = size 4096 align 16\n") + &open("f");
    let mut last = String::from("%x");
    for at in 0..n / 5 {
        let disp = at * 12 % 4000;
        line!(
            text,
            "  %q{at} = ptradd inbounds @g, {disp}\n  store i32 {last}, %q{at}, align 4"
        );
        line!(
            text,
            "  %r{at} = ptradd %p, {disp}\n  %l{at} = load i32, %r{at}, align 4"
        );
        line!(text, "  %v{at} = add i32 %l{at}, {at}");
        last = format!("%v{at}");
        if at % 50 == 49 {
            line!(
                text,
                "  %c{at} = icmp eq i32 {last}, 0\n  condbr %c{at}, z{at}, j{at}"
            );
            line!(
                text,
                "z{at}:\n  store i32 1, %p, align 4\n  br j{at}\nj{at}:"
            );
        }
    }
    text + &format!("  ret i32 {last}\n}}\n")
}

/// Chains of sums that become addresses.
fn addresses(n: u32) -> String {
    let mut text = open("f");
    let mut last = String::from("%p");
    for at in 0..n / 4 {
        line!(
            text,
            "  %i{at} = add i32 %x, {at}\n  %q{at} = ptradd {last}, %i{at} * 4, {at}"
        );
        line!(
            text,
            "  %l{at} = load i32, %q{at}, align 4\n  store i32 %l{at}, %p, align 4"
        );
        if at % 8 != 7 {
            last = format!("%q{at}");
        } else {
            last = String::from("%p");
        }
    }
    text + "  ret i32 %y\n}\n"
}

/// A variable that many blocks read and write, as the value of an interpreter's loop.
fn variable(n: u32) -> String {
    let mut text =
        open("f") + "  %v = alloca i32, size 4, align 4\n  store i32 %x, %v, align 4\n  br h\nh:\n";
    let count = n / 5;
    text += "  %k = load i32, %v, align 4\n  switch i32 %k, out";
    (0..count).for_each(|at| write!(text, ", {at}: b{at}").unwrap());
    text += "\n";
    for at in 0..count {
        line!(
            text,
            "b{at}:\n  %l{at} = load i32, %v, align 4\n  %m{at} = mul i32 %l{at}, {}",
            at + 2
        );
        line!(
            text,
            "  %s{at} = add i32 %m{at}, %y\n  store i32 %s{at}, %v, align 4\n  br h"
        );
    }
    text + "out:\n  %r = load i32, %v, align 4\n  ret i32 %r\n}\n"
}

/// Everything can be computed.
fn constants(n: u32) -> String {
    let mut text = open("f");
    let mut last = String::from("1");
    for at in 0..n / 4 {
        line!(
            text,
            "  %a{at} = mul i32 {last}, 3\n  %c{at} = icmp ult i32 %a{at}, {at}"
        );
        line!(
            text,
            "  %d{at} = zext i1 %c{at} to i32\n  %v{at} = add i32 %a{at}, %d{at}"
        );
        last = format!("%v{at}");
    }
    text + &format!("  ret i32 {last}\n}}\n")
}

/// What is computed in the first half is used in the second in the same order.
fn live(n: u32) -> String {
    let mut text = open("f");
    let count = n / 4;
    for at in 0..count {
        line!(
            text,
            "  %q{at} = ptradd %p, {}\n  %a{at} = load i32, %q{at}, align 4",
            4 * at
        );
    }
    let mut last = String::from("%x");
    for at in 0..count {
        line!(
            text,
            "  %b{at} = xor i32 {last}, %a{at}\n  %v{at} = mul i32 %b{at}, %y"
        );
        last = format!("%v{at}");
    }
    text + &format!("  ret i32 {last}\n}}\n")
}
