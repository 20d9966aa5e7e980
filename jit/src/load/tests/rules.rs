//! Rules that C programs do not reach, or not reliably, in LLVM assembly.

use alloc::string::String;
use alloc::vec::Vec;

use ir::interp::{Val, run};

use super::clang::assemble;
use super::refusal;
use crate::load;

/// Runs `@test(i32)` for each argument.
fn results(source: &str, args: &[u32]) -> Option<Vec<u32>> {
    let file = assemble(source)?;
    let module = load::module(&file).unwrap_or_else(|error| panic!("{error}: {source}"));
    let test = module.func_by_name("test").unwrap();
    let call = |arg: &u32| {
        run(&module, test, &[Val::Bits(u128::from(*arg))], 100_000).map(|value| value.addr())
    };
    Some(
        args.iter()
            .map(|arg| call(arg).unwrap_or_else(|fault| panic!("{fault}: {source}")))
            .collect(),
    )
}

pub(super) fn check(source: &str, args: &[u32], expected: &[u32]) {
    if let Some(results) = results(source, args) {
        assert_eq!(results, expected, "{source}");
    }
}

#[test]
fn value_used_before_its_block_in_the_file() {
    // Block order differs from dominance: %late comes after its user in the file.
    check(
        "define i32 @test(i32 %n) {\n\
         entry:\n  br label %def\n\
         use:\n  %r = sub i32 %late, %later\n  %c = icmp eq i32 %late, 9\n  br i1 %c, label %out, label %out\n\
         out:\n  ret i32 %r\n\
         def:\n  %late = mul i32 %n, 3\n  %later = add i32 %late, 1\n  br label %use\n}",
        &[3, 5],
        &[u32::MAX, u32::MAX],
    );
}

#[test]
fn wide_constants_are_filled_up_with_zeros() {
    // 2^63 + 1 is stored as one word, -1 as two.
    check(
        "@g = global i128 9223372036854775809\n@m = global i128 -1\n\
         define i32 @test(i32 %n) {\n\
           %v = load i128, ptr @g\n  %m = load i128, ptr @m\n  %w = zext i32 %n to i128\n\
           %x = add i128 %w, 9223372036854775809\n  %y = xor i128 %v, %x\n\
           %z = xor i128 %y, %m\n  %a = xor i128 %z, -1\n  %h = lshr i128 %x, 64\n  %s = or i128 %a, %h\n\
           %lo = trunc i128 %s to i32\n  %up = lshr i128 %s, 64\n  %hi = trunc i128 %up to i32\n\
           %r = or i32 %lo, %hi\n  ret i32 %r\n}",
        &[0, 4],
        &[0, 4],
    );
}

#[test]
fn address_as_a_number_is_computed_at_the_entry() {
    check(
        "@a = global [4 x i32] [i32 1, i32 2, i32 3, i32 4]\n\
         define i32 @test(i32 %n) {\n\
         entry:\n  %c = icmp eq i32 %n, 0\n  br i1 %c, label %yes, label %no\n\
         yes:\n  br label %join\n\
         no:\n  br label %join\n\
         join:\n  %p = phi i32 [ ptrtoint (ptr getelementptr (i8, ptr @a, i32 8) to i32), %yes ], \
                          [ ptrtoint (ptr @a to i32), %no ]\n\
           %q = inttoptr i32 %p to ptr\n  %v = load i32, ptr %q\n  ret i32 %v\n}",
        &[0, 1],
        &[3, 1],
    );
}

#[test]
fn constant_expressions_are_folded_or_computed() {
    check(
        "@a = global [4 x i32] zeroinitializer\n@b = global i32 0\n\
         define i32 @test(i32 %n) {\n\
           %d = add i32 %n, sub (i32 ptrtoint (ptr getelementptr ([4 x i32], ptr @a, i32 0, i32 3) to i32), \
                                 i32 ptrtoint (ptr @a to i32))\n\
           %m = mul i32 sub (i32 ptrtoint (ptr @a to i32), i32 ptrtoint (ptr @b to i32)), 0\n\
           %x = xor i32 xor (i32 ptrtoint (ptr @b to i32), i32 5), ptrtoint (ptr @b to i32)\n\
           %e = add i32 %d, %m\n  %r = add i32 %e, %x\n  ret i32 %r\n}",
        &[100],
        &[117],
    );
}

#[test]
fn getelementptr_takes_indices_of_any_width_and_wraps() {
    check(
        "%t = type { i8, [3 x { i16, i32 }], i64 }\n@a = global [2 x %t] zeroinitializer\n\
         define i32 @test(i32 %n) {\n\
           %w = sext i32 %n to i64\n  %b = trunc i32 %n to i8\n\
           %p = getelementptr [2 x %t], ptr @a, i64 0, i64 %w, i32 1, i8 %b, i32 1\n\
           %q = getelementptr i8, ptr %p, i64 -4294967294\n\
           %x = ptrtoint ptr %q to i32\n  %y = sub i32 %x, ptrtoint (ptr @a to i32)\n  ret i32 %y\n}",
        // %t is 36 bytes: 4 + 3 * 8 + 8; the field is at 4 + 8n + 4, and 2 more.
        &[0, 1, u32::MAX],
        &[10, 10 + 36 + 8, 10u32.wrapping_sub(36 + 8)],
    );
}

#[test]
fn computed_jump_reaches_its_block_or_faults() {
    let source = "@t = private constant [2 x ptr] [ptr blockaddress(@test, %one), ptr blockaddress(@test, %two)]\n\
         define i32 @test(i32 %n) {\n\
           %p = getelementptr [2 x ptr], ptr @t, i32 0, i32 %n\n  %l = load ptr, ptr %p\n\
           indirectbr ptr %l, [label %one, label %two]\n\
         one:\n  ret i32 11\n\
         two:\n  ret i32 22\n}";
    check(source, &[0, 1], &[11, 22]);
    let wild = source.replace("load ptr, ptr %p", "inttoptr i32 %n to ptr");
    let Some(file) = assemble(&wild) else { return };
    let module = load::module(&file).unwrap();
    let fault = run(
        &module,
        module.func_by_name("test").unwrap(),
        &[Val::Bits(77)],
        1000,
    );
    assert_eq!(fault, Err(ir::interp::FaultKind::Unreachable));
}

#[test]
fn masked_accesses_touch_only_the_chosen_lanes() {
    check(
        "declare <4 x i32> @llvm.masked.load.v4i32.p0(ptr, i32, <4 x i1>, <4 x i32>)\n\
         declare void @llvm.masked.store.v4i32.p0(<4 x i32>, ptr, i32, <4 x i1>)\n\
         declare <4 x i32> @llvm.masked.gather.v4i32.v4p0(<4 x ptr>, i32, <4 x i1>, <4 x i32>)\n\
         declare i32 @llvm.vector.reduce.add.v4i32(<4 x i32>)\n\
         @a = global [4 x i32] [i32 1, i32 10, i32 100, i32 1000]\n\
         define i32 @test(i32 %n) {\n\
           %m0 = insertelement <4 x i32> poison, i32 %n, i32 0\n\
           %m1 = shufflevector <4 x i32> %m0, <4 x i32> poison, <4 x i32> zeroinitializer\n\
           %m2 = and <4 x i32> %m1, <i32 1, i32 2, i32 4, i32 8>\n\
           %m = icmp ne <4 x i32> %m2, zeroinitializer\n\
           %v = call <4 x i32> @llvm.masked.load.v4i32.p0(ptr @a, i32 4, <4 x i1> %m, <4 x i32> splat (i32 5))\n\
           call void @llvm.masked.store.v4i32.p0(<4 x i32> splat (i32 7), ptr @a, i32 4, <4 x i1> %m)\n\
           %p = getelementptr i32, ptr @a, <4 x i32> <i32 3, i32 2, i32 1, i32 0>\n\
           %g = call <4 x i32> @llvm.masked.gather.v4i32.v4p0(<4 x ptr> %p, i32 4, <4 x i1> splat (i1 true), <4 x i32> poison)\n\
           %s = call i32 @llvm.vector.reduce.add.v4i32(<4 x i32> %v)\n\
           %t = call i32 @llvm.vector.reduce.add.v4i32(<4 x i32> %g)\n\
           %u = mul i32 %t, 10000\n  %r = add i32 %s, %u\n  ret i32 %r\n}",
        &[5],
        &[101 + 10 + (7 + 10 + 7 + 1000) * 10000],
    );
}

#[test]
fn empty_assembly_passes_its_inputs_through() {
    check(
        "define i32 @test(i32 %n) {\n\
           %s = call { i32, i32 } asm sideeffect \"\", \"=r,=r,1,0,~{memory}\"(i32 %n, i32 5)\n\
           %a = extractvalue { i32, i32 } %s, 0\n  %b = extractvalue { i32, i32 } %s, 1\n\
           %c = mul i32 %a, 100\n  %d = add i32 %c, %b\n  ret i32 %d\n}",
        &[7],
        &[507],
    );
}

#[test]
fn call_is_of_its_own_type_also_through_an_alias() {
    check(
        "@g = alias i32 (i32), ptr @f\n\
         define internal i32 @f(i32 %x) {\n  %y = add i32 %x, 1\n  ret i32 %y\n}\n\
         define i32 @test(i32 %n) {\n  %a = call i32 @g(i32 %n)\n  %p = inttoptr i32 ptrtoint (ptr @f to i32) to ptr\n\
           %b = call i32 %p(i32 %a)\n  ret i32 %b\n}",
        &[5],
        &[7],
    );
}

#[test]
fn what_is_not_supported_is_named_with_its_place() {
    let cases = [
        (
            "declare void @x()\ndefine void @f() personality ptr @x {\n invoke void @x() to label %a unwind label %b\na:\n ret void\nb:\n %l = landingpad i32 cleanup\n ret void\n}",
            "invoke instruction in function f",
        ),
        (
            "define void @f() {\n call void asm sideeffect \"cpuid\", \"\"()\n ret void\n}",
            "inline assembly \"cpuid\" in function f",
        ),
        (
            "define fp128 @f(fp128 %x) {\n ret fp128 %x\n}",
            "type function of what is not supported in function f",
        ),
        (
            "define void @f(ptr %p) {\n %x = load bfloat, ptr %p\n ret void\n}",
            "type bfloat in function f",
        ),
        (
            "define void @f(ptr %p) {\n %q = addrspacecast ptr %p to ptr addrspace(1)\n ret void\n}",
            "address space 1 in function f",
        ),
        (
            "declare i64 @llvm.x86.rdtsc()\ndefine void @f() {\n %x = call i64 @llvm.x86.rdtsc()\n ret void\n}",
            "intrinsic llvm.x86.rdtsc in function f",
        ),
        (
            "@g = external addrspace(3) global i32",
            "address space other than 0: variable g",
        ),
        ("module asm \"nop\"", "module-level inline assembly"),
        (
            "@r = ifunc void (), ptr @x\ndefine ptr @x() {\n ret ptr null\n}",
            "ifunc r",
        ),
        (
            "declare void @x()\ndefine void @f() {\n call void @x() [ \"deopt\"(i32 1) ]\n ret void\n}",
            "operand bundle deopt in function f",
        ),
        (
            "define void @f(ptr %p) {\n %x = atomicrmw fadd ptr %p, float 1.0 seq_cst\n ret void\n}",
            "atomicrmw FAdd in function f",
        ),
        (
            "define void @f(ptr inalloca(i32) %p) {\n ret void\n}",
            "inalloca parameter in function f",
        ),
    ];
    for (source, reason) in cases {
        let Some(message) = refusal(source) else {
            return;
        };
        assert!(
            message.starts_with("unsupported: ") && message.contains(reason),
            "{message}"
        );
    }
}

#[test]
fn refusal_names_the_source_line() {
    let source = "void f(void) {\n  int a = 1;\n\n  __asm__ volatile(\"cpuid\");\n}\n";
    let Some(file) = super::clang::bitcode(source, &["-g"]) else {
        return;
    };
    let error = load::module(&file).unwrap_err();
    assert_eq!(
        (error.function.as_deref(), error.line),
        (Some("f"), Some(4))
    );
    assert!(error.bit.is_some());
}

#[test]
fn refusal_of_a_whole_function_names_its_line() {
    let source = "int a;\n\n__attribute__((naked)) void f(void) { __asm__(\"ret\"); }\n";
    let Some(file) = super::clang::bitcode(source, &["-g"]) else {
        return;
    };
    let error = load::module(&file).unwrap_err();
    assert_eq!(
        (error.function.as_deref(), error.line),
        (Some("f"), Some(3)),
        "{error}"
    );
}

#[test]
fn initial_values_that_share_parts_are_bounded() {
    // Each level holds the one below twice: the file has one constant a level, the image 2^14 bytes.
    let (mut ty, mut value) = (String::from("[1 x i8]"), String::from("[1 x i8] c\"x\""));
    for _ in 0..14 {
        value = std::format!("[2 x {ty}] [{value}, {value}]");
        ty = std::format!("[2 x {ty}]");
    }
    let Some(file) = assemble(&std::format!("@b = constant {value}\n")) else {
        return;
    };
    assert!(
        file.len() < 8192,
        "parts are shared in the file: {}",
        file.len()
    );
    let source = bitcode::Module::parse(&file).unwrap();
    let load = |limit| {
        let mut loader = load::module::Loader::new(&source).unwrap();
        loader.init_limit = limit;
        loader.load()
    };
    assert_eq!(
        load(1 << 14).unwrap().globals[0].init.len(),
        1 << 14,
        "without the limit it grows"
    );
    let error = load((1 << 14) - 1).unwrap_err();
    assert_eq!(error.kind, load::LoadErrorKind::LimitExceeded, "{error}");
}

#[test]
fn size_of_what_is_made_is_bounded() {
    let source = "define void @f(ptr %p, <8 x i32> %i) {\n  %q = getelementptr i32, ptr %p, <8 x i32> %i\n  ret void\n}";
    let Some(file) = assemble(source) else { return };
    let source = bitcode::Module::parse(&file).unwrap();
    let load = |words| {
        let mut loader = load::module::Loader::new(&source).unwrap();
        loader.words_left = words;
        loader.load()
    };
    assert!(load(1000).is_ok());
    assert_eq!(
        load(20).unwrap_err().kind,
        load::LoadErrorKind::LimitExceeded
    );
}

#[test]
fn lanes_are_reduced_in_order() {
    check(
        "declare float @llvm.vector.reduce.fadd.v4f32(float, <4 x float>)\n\
         declare float @llvm.vector.reduce.fmax.v4f32(<4 x float>)\n\
         define i32 @test(i32 %n) {\n\
           %f = uitofp i32 %n to float\n\
           %v = insertelement <4 x float> <float 1.0, float 2.0, float 4.0, float 8.0>, float %f, i32 1\n\
           %s = call float @llvm.vector.reduce.fadd.v4f32(float 0.5, <4 x float> %v)\n\
           %m = call float @llvm.vector.reduce.fmax.v4f32(<4 x float> %v)\n\
           %x = fmul float %s, 2.0\n  %y = fmul float %m, 100.0\n  %z = fadd float %x, %y\n\
           %r = fptoui float %z to i32\n  ret i32 %r\n}",
        &[3, 20],
        &[33 + 800, 67 + 2000],
    );
}

#[test]
fn other_targets_are_refused() {
    let source = "int f(int a) { return a; }";
    let scratch = super::clang::Scratch::new();
    let (input, output) = (scratch.write("in.c", source), scratch.path("out.bc"));
    let args = ["--target=x86_64-unknown-none-elf", "-emit-llvm", "-c"];
    if super::clang::clang(&args, &input, &output).is_none() {
        return;
    }
    let error = load::module(&std::fs::read(&output).unwrap()).unwrap_err();
    assert!(
        std::format!("{error}").contains("modules are compiled for i386"),
        "{error}"
    );
}
