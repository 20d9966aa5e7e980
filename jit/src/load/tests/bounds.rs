//! Each bound of the loader: a file that is at it is taken, one that is just above is refused by that bound's name.
//! (The reader's are in `bitcode/src/tests/bounds.rs`, the linker's in `jit/tests/link_bounds.rs`.)

use alloc::string::String;

use super::clang::assemble;
use crate::load;

/// Whether a module is taken; the refusal if not. `None` without an assembler.
fn outcome(source: &str) -> Option<Result<(), String>> {
    let loaded = load::module(&assemble(source)?);
    Some(loaded.map(drop).map_err(|why| std::format!("{why}")))
}

/// `module(at)` is taken, `module(at + 1)` is refused in these words.
fn bound(at: u64, words: &str, module: impl Fn(u64) -> String) {
    let Some(taken) = outcome(&module(at)) else {
        return;
    };
    assert_eq!(taken, Ok(()), "{words}: at the bound");
    let refused = outcome(&module(at + 1)).expect("the assembler was there");
    let why = refused.expect_err(words);
    assert!(why.contains(words), "{words}: {why}");
}

/// So many differences, one inside the other, around an address.
fn nested(depth: u64) -> String {
    let mut text = String::from("ptrtoint (ptr @g to i32)");
    for _ in 0..depth {
        text = std::format!("sub (i32 ptrtoint (ptr @g to i32), i32 {text})");
    }
    text
}

#[test]
fn depth_of_constant_expressions() {
    for user in ["define i32 @f() {\n  ret", "@v = global"] {
        let end = if user.starts_with('@') { "" } else { "\n}" };
        bound(64, "depth of a constant expression", |depth| {
            std::format!("@g = global i32 0\n{user} i32 {}{end}", nested(depth))
        });
    }
}

#[test]
fn sizes_of_types_variables_and_frames() {
    let gib = 1 << 30;
    bound(gib, "size of a type", |bytes| {
        std::format!("@g = global [{bytes} x i8] zeroinitializer")
    });
    bound(gib / 2, "size of a type", |bytes| {
        std::format!(
            "define i32 @f() {{\n  ret i32 ptrtoint (ptr getelementptr ({{ [{} x i8], [{bytes} x i8] }}, ptr null, i32 1) to i32)\n}}",
            gib / 2
        )
    });
    let frame = |bytes| {
        std::format!(
            "define void @f(ptr %p) {{\n  %a = alloca i8, i32 {bytes}, align 1\n  %b = alloca i8, i32 6, align 1\n  store ptr %a, ptr %p\n  store ptr %b, ptr %p\n  ret void\n}}"
        )
    };
    // Each alloca may need its alignment once more.
    bound(gib - 8, "allocas are larger than 1 GiB", frame);
    bound(gib, "size of an alloca", |bytes| match bytes > gib {
        true => frame(bytes),
        false => frame(1),
    });
}

#[test]
fn alignments() {
    bound(16, "alignment", |log2| {
        std::format!("@g = global i32 0, align {}", 1 << log2)
    });
    bound(16, "alignment", |log2| {
        std::format!(
            "define i32 @f(ptr %p) {{\n  %v = load i32, ptr %p, align {}\n  ret i32 %v\n}}",
            1 << log2
        )
    });
}

#[test]
fn parts_of_a_value_and_their_nesting() {
    let loaded = |ty: String| {
        std::format!(
            "define void @f(ptr %p, ptr %q) {{\n  %v = load {ty}, ptr %p\n  store {ty} %v, ptr %q\n  ret void\n}}"
        )
    };
    // The array itself counts as one.
    let most = u64::from(ir::verify::MAX_VALUE_SCALARS) - 1;
    bound(most, "is not a type of values", |parts| {
        loaded(std::format!("[{parts} x i8]"))
    });
    bound(
        u64::from(ir::verify::MAX_VALUE_DEPTH),
        "is not a type of values",
        |depth| {
            let mut ty = String::from("i8");
            for _ in 0..depth {
                ty = std::format!("{{ {ty} }}");
            }
            loaded(ty)
        },
    );
}

#[test]
fn widths_of_integers_and_vectors() {
    bound(256, "width of an integer type", |bits| {
        std::format!("define i{bits} @f(i{bits} %v) {{\n  ret i{bits} %v\n}}")
    });
    bound(256, "elements of a vector type", |lanes| {
        std::format!("define <{lanes} x i8> @f(<{lanes} x i8> %v) {{\n  ret <{lanes} x i8> %v\n}}")
    });
}

/// A location in `f` that was inlined so many times: a chain, which is followed so far and not refused.
fn inlined(times: u32) -> String {
    let mut text = String::from(
        "define void @f(ptr %p) !dbg !2 {\n  store i32 0, ptr %p, !dbg !100\n  ret void\n}\n\
         !llvm.dbg.cu = !{!0}\n!llvm.module.flags = !{!9}\n!9 = !{i32 2, !\"Debug Info Version\", i32 3}\n\
         !0 = distinct !DICompileUnit(language: DW_LANG_C99, file: !1, emissionKind: LineTablesOnly)\n\
         !1 = !DIFile(filename: \"a.c\", directory: \"/\")\n!3 = !DISubroutineType(types: !4)\n!4 = !{null}\n\
         !2 = distinct !DISubprogram(name: \"f\", file: !1, line: 1, type: !3, unit: !0, spFlags: DISPFlagDefinition)\n",
    );
    for level in 0..=times {
        let (number, next) = (100 + level, 101 + level);
        let at = if level < times {
            std::format!(", inlinedAt: !{next}")
        } else {
            String::new()
        };
        // The outermost function is `f`; the others are one function that calls itself.
        let scope = if level < times { 5 } else { 2 };
        text += &std::format!(
            "!{number} = distinct !DILocation(line: {number}, scope: !{scope}{at})\n"
        );
    }
    text + "!5 = distinct !DISubprogram(name: \"again\", file: !1, line: 1, type: !3, unit: !0, spFlags: DISPFlagDefinition)\n"
}

#[test]
fn a_chain_of_inlined_calls_is_kept_so_far_and_no_farther() {
    // So many places of a chain are kept, the location itself among them.
    for (times, kept) in [(1, 2), (31, 32), (32, 32), (100, 32)] {
        let Some(file) = assemble(&inlined(times)) else {
            return;
        };
        let module = load::module(&file).unwrap();
        let body = module.funcs[0].body.as_ref().unwrap();
        let line = (0..body.insts.len() as u32)
            .find_map(|inst| body.line_of(ir::InstId(inst)))
            .unwrap();
        let mut places = 1;
        let mut scope = line.scope;
        while let Some(call) = module
            .scopes
            .get(scope as usize)
            .and_then(|scope| scope.call)
        {
            places += 1;
            scope = call.scope;
        }
        assert_eq!(places, kept, "inlined {times} times");
    }
}

#[test]
fn results_of_inline_assembly() {
    bound(30, "outputs of inline assembly", |count| {
        let fields = alloc::vec!["i8"; count as usize].join(", ");
        let outputs = alloc::vec!["=r"; count as usize].join(",");
        std::format!(
            "define void @f() {{\n  %v = call {{ {fields} }} asm \"\", \"{outputs}\"()\n  ret void\n}}"
        )
    });
}
