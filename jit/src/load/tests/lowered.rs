//! Intrinsics that are written out: each against a list of what LLVM says it gives.

use alloc::string::String;
use alloc::vec::Vec;

use super::rules::check;

#[test]
fn va_arg_takes_multiples_of_four_bytes_and_aligns_what_needs_it() {
    check(
        "@list = global [12 x i32] [i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7, i32 8, i32 9, i32 10, i32 11, i32 12], align 16\n\
         define i32 @test(i32 %n) {\n\
           %l = alloca ptr\n  store ptr @list, ptr %l\n\
           %a = va_arg ptr %l, i16\n  %b = va_arg ptr %l, i64\n  %c = va_arg ptr %l, <4 x i32>\n\
           %d = va_arg ptr %l, i32\n\
           %a4 = zext i16 %a to i32\n  %b4 = trunc i64 %b to i32\n  %c4 = extractelement <4 x i32> %c, i32 0\n\
           %x = mul i32 %a4, 1000000\n  %y = mul i32 %b4, 10000\n  %z = mul i32 %c4, 100\n\
           %s = add i32 %x, %y\n  %t = add i32 %s, %z\n  %r = add i32 %t, %d\n  ret i32 %r\n}",
        &[0],
        &[1_02_05_09],
    );
}

/// What `is.fpclass` says of float bits, each kind asked by itself and then pairs.
#[test]
fn kinds_of_floats_are_told_by_their_bits() {
    let kinds = [
        (0x7F80_0001_u32, 1), // signalling NaN
        (0x7FC0_0000, 2),     // quiet NaN
        (0xFF80_0000, 4),     // -infinity
        (0xBF80_0000, 8),     // -1
        (0x8000_0001, 16),    // negative subnormal
        (0x8000_0000, 32),    // -0
        (0, 64),              // +0
        (0x007F_FFFF, 128),   // subnormal
        (0x0080_0000, 256),   // smallest normal
        (0x7F7F_FFFF, 256),   // largest
        (0x7F80_0000, 512),   // infinity
    ];
    let ask = |body: &mut String, mask: u32| {
        body.push_str(&std::format!(
            "%c{mask} = call i1 @llvm.is.fpclass.f32(float %f, i32 {mask})\n%z{mask} = zext i1 %c{mask} to i32\n"
        ));
    };
    let mut body = String::from("%f = bitcast i32 %n to float\n");
    let mut sum = String::from("%s0 = add i32 0, 0\n");
    for bit in 0..10 {
        ask(&mut body, 1 << bit);
        let mask = 1 << bit;
        sum.push_str(&std::format!(
            "%m{bit} = shl i32 %z{mask}, {bit}\n%s{} = or i32 %s{bit}, %m{bit}\n",
            bit + 1
        ));
    }
    let source = std::format!(
        "declare i1 @llvm.is.fpclass.f32(float, i32)\ndefine i32 @test(i32 %n) {{\n{body}{sum}ret i32 %s10\n}}"
    );
    let (args, expected): (Vec<u32>, Vec<u32>) = kinds.into_iter().unzip();
    check(&source, &args, &expected);
    for mask in [3u32, 0x1F8, 0x204, 0x108, 0x3FF, 0, 0x60 | 1] {
        let mut body = String::from("%f = bitcast i32 %n to float\n");
        ask(&mut body, mask);
        let source = std::format!(
            "declare i1 @llvm.is.fpclass.f32(float, i32)\ndefine i32 @test(i32 %n) {{\n{body}ret i32 %z{mask}\n}}"
        );
        let expected: Vec<u32> = expected
            .iter()
            .map(|kind| u32::from(kind & mask != 0))
            .collect();
        check(&source, &args, &expected);
    }
}

#[test]
fn kinds_of_doubles_and_vectors_are_told_too() {
    check(
        "declare <2 x i1> @llvm.is.fpclass.v2f64(<2 x double>, i32)\n\
         define i32 @test(i32 %n) {\n\
           %x = sitofp i32 %n to double\n  %y = fdiv double %x, 0.0\n\
           %v = insertelement <2 x double> poison, double %x, i32 0\n\
           %w = insertelement <2 x double> %v, double %y, i32 1\n\
           %c = call <2 x i1> @llvm.is.fpclass.v2f64(<2 x double> %w, i32 516)\n\
           %b = bitcast <2 x i1> %c to i2\n  %r = zext i2 %b to i32\n  ret i32 %r\n}",
        &[1, 0, 7],
        &[2, 0, 2],
    );
}

#[test]
fn strict_operations_are_plain_ones_and_other_roundings_refused() {
    let source = "declare double @llvm.experimental.constrained.fadd.f64(double, double, metadata, metadata)\n\
         declare i1 @llvm.experimental.constrained.fcmp.f64(double, double, metadata, metadata)\n\
         declare double @llvm.experimental.constrained.sitofp.f64.i32(i32, metadata, metadata)\n\
         declare double @llvm.experimental.constrained.sqrt.f64(double, metadata, metadata)\n\
         declare i32 @llvm.experimental.constrained.fptosi.i32.f64(double, metadata)\n\
         define i32 @test(i32 %n) strictfp {\n\
           %x = call double @llvm.experimental.constrained.sitofp.f64.i32(i32 %n, metadata !\"round.dynamic\", metadata !\"fpexcept.strict\") strictfp\n\
           %q = call double @llvm.experimental.constrained.sqrt.f64(double %x, metadata !\"round.tonearest\", metadata !\"fpexcept.strict\") strictfp\n\
           %s = call double @llvm.experimental.constrained.fadd.f64(double %q, double 1.0, metadata !\"round.dynamic\", metadata !\"fpexcept.strict\") strictfp\n\
           %c = call i1 @llvm.experimental.constrained.fcmp.f64(double %s, double 5.0, metadata !\"oge\", metadata !\"fpexcept.strict\") strictfp\n\
           %i = call i32 @llvm.experimental.constrained.fptosi.i32.f64(double %s, metadata !\"fpexcept.strict\") strictfp\n\
           %z = zext i1 %c to i32\n  %m = mul i32 %z, 100\n  %r = add i32 %m, %i\n  ret i32 %r\n}";
    check(source, &[9, 16], &[4, 105]);
    let upward = source.replace("round.tonearest", "round.upward");
    if let Some(message) = super::refusal(&upward) {
        assert!(
            message.contains("rounding mode upward in function test"),
            "{message}"
        );
    }
}

#[test]
fn minima_order_zeros_and_pass_nans_on() {
    let source = |name: &str| {
        std::format!(
            "declare float @llvm.{name}.f32(float, float)\n\
             define i32 @test(i32 %n) {{\n\
               %a = bitcast i32 %n to float\n  %r = call float @llvm.{name}.f32(float %a, float 0.0)\n\
               %b = bitcast float %r to i32\n  ret i32 %b\n}}"
        )
    };
    const NAN: u32 = 0x7FC0_0000;
    const MINUS_ZERO: u32 = 0x8000_0000;
    const ONE: u32 = 0x3F80_0000;
    check(&source("maximum"), &[MINUS_ZERO, ONE, NAN], &[0, ONE, NAN]);
    check(
        &source("minimum"),
        &[MINUS_ZERO, ONE, NAN],
        &[MINUS_ZERO, 0, NAN],
    );
    check(&source("maximumnum"), &[MINUS_ZERO, ONE], &[0, ONE]);
    // `a` is NaN in the first operand: the other one wins.
    check(&source("minimumnum"), &[MINUS_ZERO, NAN], &[MINUS_ZERO, 0]);
}

#[test]
fn powers_by_a_constant_are_multiplied_out() {
    check(
        "declare double @llvm.powi.f64.i32(double, i32)\n\
         define i32 @test(i32 %n) {\n\
           %x = sitofp i32 %n to double\n\
           %a = call double @llvm.powi.f64.i32(double %x, i32 5)\n\
           %b = call double @llvm.powi.f64.i32(double %x, i32 -1)\n\
           %m = fmul double %b, 60.0\n  %s = fadd double %a, %m\n\
           %r = fptosi double %s to i32\n  ret i32 %r\n}",
        &[2, 3],
        &[62, 263],
    );
}

#[test]
fn blocks_of_other_functions_are_refused() {
    let source = "define void @g(ptr %p) {\n indirectbr ptr %p, [label %a]\na:\n ret void\n}\n\
        define ptr @f() {\n ret ptr blockaddress(@g, %a)\n}";
    if let Some(message) = super::refusal(source) {
        assert!(message.contains("block of another function"), "{message}");
    }
}
