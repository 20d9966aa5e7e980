//! What is supported and what is not, as a table that cannot go stale: `docs/bitcode.md`.
//!
//! Each row is a piece of LLVM assembly that is assembled and loaded here. The page is made from
//! the rows and what became of them; `BLESS=1 cargo test -p jit --lib load` writes it anew.

use alloc::string::String;
use core::fmt::Write;

use super::clang::assemble;
use crate::load;

/// Where the page lies.
const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/bitcode.md");
const BEGIN: &str = "<!-- table: begin -->\n";
const END: &str = "<!-- table: end -->\n";

/// A row: what it is called, and code that has it. Code without `define` is put into a function with
/// the parameters `i32 %n, i64 %w, i128 %x, ptr %p, float %s, double %d, <4 x i32> %v, <8 x float> %y`;
/// declarations of intrinsics that it calls are made from the calls.
type Row = (&'static str, &'static str);

const ARITHMETIC: &[Row] = &[
    (
        "integer arithmetic, any width to 256",
        "%a = mul i37 5, 7\n%b = add i200 1, 2\n%c = udiv i128 %x, 3",
    ),
    (
        "`nsw nuw exact disjoint nneg samesign inbounds nusw`",
        "%a = add nsw nuw i32 %n, 1\n%b = or disjoint i32 %n, 8\n%c = zext nneg i32 %n to i64\n%g = getelementptr inbounds i8, ptr %p, i32 4",
    ),
    (
        "float arithmetic with fast-math flags",
        "%a = fadd reassoc nnan double %d, %d\n%b = fneg fast float %s",
    ),
    ("`frem`", "%a = frem double %d, 2.0"),
    (
        "`half`",
        "%a = fptrunc double %d to half\n%b = fadd half %a, %a",
    ),
    (
        "`x86_fp80`",
        "%a = fpext double %d to x86_fp80\n%b = fmul x86_fp80 %a, %a",
    ),
    ("`fp128`", "%a = fpext double %d to fp128"),
    ("`bfloat`", "%a = fptrunc double %d to bfloat"),
    ("`ppc_fp128`", "%a = fpext double %d to ppc_fp128"),
    (
        "conversions between all of these",
        "%a = sitofp i128 %x to float\n%b = fptoui double %d to i64\n%c = trunc i64 %w to i17",
    ),
    (
        "`freeze`, `select`, `icmp`, `fcmp`",
        "%a = freeze i32 %n\n%c = icmp slt i32 %a, 3\n%b = select i1 %c, i32 %n, i32 7\n%e = fcmp ueq double %d, 0.0",
    ),
    ("integers above 256 bits", "%a = add i257 1, 2"),
];

const VECTORS: &[Row] = &[
    (
        "vectors of up to 256 lanes of any scalar",
        "%a = add <4 x i32> %v, %v\n%b = fmul <8 x float> %y, %y\n%c = load <96 x i16>, ptr %p",
    ),
    (
        "comparisons and `select` by lanes",
        "%c = icmp ult <4 x i32> %v, zeroinitializer\n%a = select <4 x i1> %c, <4 x i32> %v, <4 x i32> zeroinitializer",
    ),
    (
        "`extractelement`, `insertelement`, also by a variable",
        "%a = extractelement <4 x i32> %v, i32 %n\n%b = insertelement <4 x i32> %v, i32 7, i32 %n",
    ),
    (
        "`shufflevector` with any constant mask",
        "%a = shufflevector <4 x i32> %v, <4 x i32> poison, <6 x i32> <i32 0, i32 poison, i32 2, i32 2, i32 1, i32 7>",
    ),
    (
        "vectors of pointers, `getelementptr` with vectors",
        "%a = getelementptr i32, ptr %p, <4 x i32> %v\n%b = extractelement <4 x ptr> %a, i32 1",
    ),
    (
        "masks as numbers (`bitcast <8 x i1> to i8`)",
        "%c = fcmp olt <8 x float> %y, zeroinitializer\n%a = bitcast <8 x i1> %c to i8",
    ),
    ("more than 256 lanes", "%a = load <257 x i8>, ptr %p"),
    ("scalable vectors", "%a = load <vscale x 4 x i32>, ptr %p"),
];

const MEMORY: &[Row] = &[
    (
        "`load`, `store`, any alignment, `volatile`",
        "%a = load volatile i64, ptr %p, align 1\nstore <4 x i32> %v, ptr %p, align 4",
    ),
    (
        "`alloca`, static, dynamic and outside of the entry block",
        "%a = alloca i64, align 16\n%b = alloca i8, i32 %n",
    ),
    (
        "`getelementptr`, indices of any width",
        "%a = getelementptr { i32, [4 x i16] }, ptr %p, i64 %w, i32 1, i8 2",
    ),
    (
        "atomic `load`, `store`, `fence`, `syncscope(\"singlethread\")`",
        "%a = load atomic i32, ptr %p seq_cst, align 4\nstore atomic float %s, ptr %p release, align 4\nfence syncscope(\"singlethread\") acquire",
    ),
    (
        "`atomicrmw`: xchg add sub and nand or xor max min umax umin",
        "%a = atomicrmw nand ptr %p, i8 1 seq_cst\n%b = atomicrmw umax ptr %p, i64 %w monotonic",
    ),
    (
        "`cmpxchg`, weak and strong",
        "%a = cmpxchg weak ptr %p, i32 1, i32 2 acq_rel monotonic",
    ),
    (
        "`atomicrmw` of floats",
        "%a = atomicrmw fadd ptr %p, float 1.0 seq_cst",
    ),
    (
        "`atomicrmw` uinc_wrap, udec_wrap",
        "%a = atomicrmw uinc_wrap ptr %p, i32 4 seq_cst",
    ),
    (
        "atomic accesses above 64 bits",
        "%a = load atomic i128, ptr %p seq_cst, align 16",
    ),
    (
        "first-class aggregates",
        "%a = load { i32, ptr }, ptr %p\n%b = insertvalue { i32, ptr } %a, i32 3, 0\nstore { i32, ptr } %b, ptr %p",
    ),
    (
        "address spaces other than 0",
        "%a = load i32, ptr addrspace(1) null",
    ),
    (
        "`addrspacecast`",
        "%a = addrspacecast ptr %p to ptr addrspace(1)",
    ),
    ("`inalloca`", "%a = alloca inalloca i32"),
];

const CONTROL: &[Row] = &[
    (
        "`br`, `switch` over integers to 64 bits, `ret`, `unreachable`",
        "switch i64 %w, label %a [i64 5, label %b]\na:\nret void\nb:\nunreachable",
    ),
    (
        "`indirectbr`, addresses of own blocks, also in tables",
        "@t = constant [1 x ptr] [ptr blockaddress(@f, %a)]\ndefine void @f() {\n%l = load ptr, ptr @t\nindirectbr ptr %l, [label %a]\na:\nret void\n}",
    ),
    (
        "address of a block of another function",
        "define void @g() {\nbr label %a\na:\nret void\n}\ndefine ptr @f() {\nret ptr blockaddress(@g, %a)\n}",
    ),
    (
        "calls: direct, indirect, variadic, of another type than the definition",
        "declare i32 @k(...)\ndefine void @f(ptr %p) {\n%a = call i32 (...) @k(i32 1, double 2.0)\n%b = call i32 @k(i32 1)\ncall fastcc void %p()\nret void\n}",
    ),
    (
        "`byval`, `sret`, `zeroext`, `signext`",
        "declare void @k(ptr sret(i64), ptr byval({ i32, i32 }) align 4, i8 signext)\ndefine void @f(ptr %p) {\ncall void @k(ptr sret(i64) %p, ptr byval({ i32, i32 }) align 4 %p, i8 signext 1)\nret void\n}",
    ),
    (
        "`returns_twice` (setjmp)",
        "declare i32 @setjmp(ptr) returns_twice\ndefine void @f(ptr %p) {\n%a = call i32 @setjmp(ptr %p) returns_twice\nret void\n}",
    ),
    (
        "`musttail` (as an ordinary call)",
        "declare void @k()\ndefine void @f() {\nmusttail call void @k()\nret void\n}",
    ),
    ("`va_arg`", "%a = va_arg ptr %p, i64"),
    (
        "empty inline assembly",
        "%a = call i32 asm sideeffect \"\", \"=r,0,~{memory}\"(i32 %n)",
    ),
    (
        "inline assembly with instructions",
        "call void asm sideeffect \"cpuid\", \"\"()",
    ),
    (
        "`invoke`, `landingpad`, `resume`",
        "declare void @x()\ndefine void @f() personality ptr @x {\ninvoke void @x() to label %a unwind label %b\na:\nret void\nb:\n%l = landingpad i32 cleanup\nret void\n}",
    ),
    (
        "`cleanuppad`, `catchpad`",
        "declare void @x()\ndefine void @f() personality ptr @x {\ninvoke void @x() to label %a unwind label %b\na:\nret void\nb:\n%l = cleanuppad within none []\ncleanupret from %l unwind to caller\n}",
    ),
    (
        "`callbr`",
        "callbr void asm sideeffect \"\", \"!i\"() to label %a [label %a]\na:\nret void",
    ),
    (
        "operand bundles of `assume`",
        "call void @llvm.assume(i1 true) [ \"align\"(ptr %p, i32 8) ]",
    ),
    (
        "other operand bundles",
        "declare void @x()\ndefine void @f() {\ncall void @x() [ \"deopt\"(i32 1) ]\nret void\n}",
    ),
    (
        "`naked` functions",
        "define void @f() naked {\nunreachable\n}",
    ),
    (
        "`swiftself`, `swifterror`, `swiftasync`, `nest`, `preallocated` parameters",
        "define void @f(ptr swiftself %q) {\nret void\n}",
    ),
    (
        "garbage collection",
        "define void @f() gc \"statepoint-example\" {\nret void\n}",
    ),
    (
        "prefix and prologue data",
        "define void @f() prefix i32 5 {\nret void\n}",
    ),
];

const SYMBOLS: &[Row] = &[
    (
        "internal, weak, linkonce, common, extern_weak, available_externally",
        "@a = weak global i32 1\n@b = common global i32 0\n@c = extern_weak global i32\ndefine linkonce_odr void @f() {\nret void\n}\ndefine available_externally void @g() {\nret void\n}",
    ),
    (
        "aliases, also into the middle of a variable",
        "@a = global [4 x i8] zeroinitializer\n@b = alias i8, getelementptr (i8, ptr @a, i32 2)",
    ),
    (
        "thread-local variables",
        "@t = thread_local global i32 3\ndefine ptr @f() {\n%a = call ptr @llvm.threadlocal.address.p0(ptr @t)\nret ptr %a\n}\ndeclare ptr @llvm.threadlocal.address.p0(ptr)",
    ),
    (
        "`llvm.global_ctors`, `llvm.global_dtors`, `llvm.used`",
        "define void @c() {\nret void\n}\n@llvm.global_ctors = appending global [1 x { i32, ptr, ptr }] [{ i32, ptr, ptr } { i32 65535, ptr @c, ptr null }]\n@llvm.used = appending global [1 x ptr] [ptr @c]",
    ),
    (
        "sections (ignored), alignment to 65536, comdats",
        "$c = comdat any\n@a = global i32 1, section \"x\", comdat($c), align 65536",
    ),
    (
        "constant expressions of addresses",
        "@a = global [4 x i32] zeroinitializer\n@b = global i32 sub (i32 ptrtoint (ptr getelementptr (i32, ptr @a, i64 2) to i32), i32 ptrtoint (ptr @a to i32))\n@c = global i64 ptrtoint (ptr @a to i64)",
    ),
    (
        "`ifunc`",
        "@r = ifunc void (), ptr @x\ndefine ptr @x() {\nret ptr null\n}",
    ),
    ("module-level assembly", "module asm \"nop\""),
    (
        "`externally_initialized`",
        "@a = externally_initialized global i32 0",
    ),
    (
        "variables in other address spaces",
        "@a = addrspace(3) global i32 0",
    ),
    (
        "`dso_local_equivalent`, `no_cfi`",
        "declare void @x()\n@a = global ptr dso_local_equivalent @x",
    ),
    (
        "product of addresses in an initial value",
        "@a = global i32 0\n@b = global i32 mul (i32 ptrtoint (ptr @a to i32), i32 3)",
    ),
];

/// Intrinsics, each by a call with arguments of the right types.
const INTRINSICS: &[Row] = &[
    (
        "memcpy memmove memset, `.inline`",
        "call void @llvm.memcpy.p0.p0.i32(ptr %p, ptr %p, i32 %n, i1 false)\ncall void @llvm.memmove.p0.p0.i64(ptr %p, ptr %p, i64 %w, i1 true)\ncall void @llvm.memset.p0.i32(ptr %p, i8 0, i32 5, i1 false)\ncall void @llvm.memcpy.inline.p0.p0.i64(ptr %p, ptr %p, i64 8, i1 false)",
    ),
    (
        "smax smin umax umin abs ctpop ctlz cttz bswap bitreverse fshl fshr",
        "%a = call i32 @llvm.smax.i32(i32 %n, i32 3)\n%b = call i64 @llvm.ctlz.i64(i64 %w, i1 true)\n%c = call i16 @llvm.fshl.i16(i16 1, i16 2, i16 3)\n%e = call <4 x i32> @llvm.abs.v4i32(<4 x i32> %v, i1 false)",
    ),
    (
        "saturating and overflow arithmetic",
        "%a = call i32 @llvm.sadd.sat.i32(i32 %n, i32 3)\n%b = call { i64, i1 } @llvm.umul.with.overflow.i64(i64 %w, i64 3)",
    ),
    ("ucmp scmp", "%a = call i8 @llvm.ucmp.i8.i32(i32 %n, i32 3)"),
    (
        "fptosi.sat fptoui.sat",
        "%a = call i32 @llvm.fptosi.sat.i32.f64(double %d)",
    ),
    (
        "fma fmuladd sqrt fabs floor ceil trunc rint nearbyint round roundeven copysign",
        "%a = call double @llvm.fma.f64(double %d, double %d, double %d)\n%b = call <8 x float> @llvm.floor.v8f32(<8 x float> %y)\n%c = call float @llvm.roundeven.f32(float %s)",
    ),
    (
        "minnum maxnum minimum maximum minimumnum maximumnum",
        "%a = call float @llvm.minnum.f32(float %s, float 0.0)\n%b = call double @llvm.maximum.f64(double %d, double 0.0)",
    ),
    (
        "sin cos tan asin acos atan atan2 sinh cosh tanh exp exp2 exp10 log log2 log10 pow ldexp lrint lround (calls of C's library)",
        "%a = call double @llvm.pow.f64(double %d, double %d)\n%b = call <8 x float> @llvm.sin.v8f32(<8 x float> %y)",
    ),
    (
        "powi frexp",
        "%a = call double @llvm.powi.f64.i32(double %d, i32 3)\n%b = call { double, i32 } @llvm.frexp.f64.i32(double %d)",
    ),
    (
        "is.fpclass canonicalize convert.to.fp16 convert.from.fp16",
        "%a = call i1 @llvm.is.fpclass.f64(double %d, i32 3)\n%b = call i16 @llvm.convert.to.fp16.f32(float %s)",
    ),
    (
        "experimental.constrained.*, rounding to nearest or dynamic",
        "%a = call double @llvm.experimental.constrained.fadd.f64(double %d, double %d, metadata !\"round.dynamic\", metadata !\"fpexcept.strict\")",
    ),
    (
        "experimental.constrained.* with another rounding",
        "%a = call double @llvm.experimental.constrained.fadd.f64(double %d, double %d, metadata !\"round.upward\", metadata !\"fpexcept.strict\")",
    ),
    (
        "vector.reduce.*",
        "%a = call i32 @llvm.vector.reduce.add.v4i32(<4 x i32> %v)\n%b = call float @llvm.vector.reduce.fadd.v8f32(float %s, <8 x float> %y)\n%c = call float @llvm.vector.reduce.fmaximum.v8f32(<8 x float> %y)",
    ),
    (
        "masked.load store gather scatter",
        "%a = call <4 x i32> @llvm.masked.load.v4i32.p0(ptr %p, i32 4, <4 x i1> splat (i1 true), <4 x i32> %v)",
    ),
    (
        "va_start va_copy va_end",
        "define void @f(ptr %p, ...) {\ncall void @llvm.va_start.p0(ptr %p)\ncall void @llvm.va_copy.p0(ptr %p, ptr %p)\ncall void @llvm.va_end.p0(ptr %p)\nret void\n}\ndeclare void @llvm.va_start.p0(ptr)\ndeclare void @llvm.va_copy.p0(ptr, ptr)\ndeclare void @llvm.va_end.p0(ptr)",
    ),
    (
        "stacksave stackrestore ptrmask",
        "%a = call ptr @llvm.stacksave.p0()\ncall void @llvm.stackrestore.p0(ptr %a)\n%b = call ptr @llvm.ptrmask.p0.i32(ptr %p, i32 -16)",
    ),
    (
        "trap debugtrap ubsantrap",
        "call void @llvm.debugtrap()\ncall void @llvm.ubsantrap(i8 3)",
    ),
    (
        "hints: lifetime assume expect prefetch objectsize is.constant invariant noalias.scope.decl donothing dbg (no effect)",
        "call void @llvm.lifetime.start.p0(i64 4, ptr %p)\n%a = call i1 @llvm.expect.i1(i1 true, i1 true)\ncall void @llvm.prefetch.p0(ptr %p, i32 0, i32 3, i32 1)\n%b = call i32 @llvm.objectsize.i32.p0(ptr %p, i1 false, i1 true, i1 false)",
    ),
    (
        "frameaddress, readcyclecounter (0)",
        "%a = call ptr @llvm.frameaddress.p0(i32 0)\n%b = call i64 @llvm.readcyclecounter()",
    ),
    (
        "processor intrinsics whose result follows from their operands (see `load/lower/x86.rs`), approximations included",
        "call void @llvm.x86.sse2.pause()\n%a = call i32 @llvm.x86.sse42.crc32.32.8(i32 %n, i8 1)\n%b = call i32 @llvm.x86.avx.movmsk.ps.256(<8 x float> %y)",
    ),
    (
        "other processor intrinsics",
        "%a = call i64 @llvm.x86.rdtsc()",
    ),
    ("returnaddress", "%a = call ptr @llvm.returnaddress(i32 0)"),
    (
        "read_register",
        "%a = call i32 @llvm.read_register.i32(metadata !0)",
    ),
    ("eh.sjlj.*", "%a = call i32 @llvm.eh.sjlj.setjmp(ptr %p)"),
    (
        "coroutines",
        "%a = call ptr @llvm.coro.free(token none, ptr %p)",
    ),
    (
        "fixed-point and other shifts that saturate",
        "%a = call i32 @llvm.sshl.sat.i32(i32 %n, i32 3)",
    ),
    (
        "memory intrinsics that are atomic by element",
        "call void @llvm.memcpy.element.unordered.atomic.p0.p0.i32(ptr align 4 %p, ptr align 4 %p, i32 4, i32 4)",
    ),
];

const SECTIONS: &[(&str, &[Row])] = &[
    ("Computation", ARITHMETIC),
    ("Vectors", VECTORS),
    ("Memory", MEMORY),
    ("Control and calls", CONTROL),
    ("Symbols and constants", SYMBOLS),
    ("Intrinsics (`llvm.` left out)", INTRINSICS),
];

/// A row's code as a module.
fn module(code: &str) -> String {
    if code.starts_with(['@', '$'])
        || code.starts_with("declare")
        || code.contains("define")
        || code.starts_with("module")
    {
        return String::from(code);
    }
    let mut text = std::format!(
        "define void @f(i32 %n, i64 %w, i128 %x, ptr %p, float %s, double %d, <4 x i32> %v, <8 x float> %y) {{\n{code}\n"
    );
    let ends = code.lines().last().is_some_and(|line| {
        ["ret", "unreachable"]
            .iter()
            .any(|word| line.starts_with(word))
    });
    text.push_str(if ends { "}\n" } else { "ret void\n}\n" });
    if code.contains("metadata !0") {
        text.push_str("!0 = !{!\"esp\"}\n");
    }
    text
}

/// What became of a row.
fn outcome(code: &str) -> Option<String> {
    let file = assemble(&module(code))?;
    Some(match load::module(&file) {
        Ok(_) => String::from("yes"),
        Err(error) => {
            let kind = match error.kind {
                load::LoadErrorKind::Unsupported => "no",
                load::LoadErrorKind::LimitExceeded => "no, limit",
                load::LoadErrorKind::Malformed => panic!("{error}: {code}"),
            };
            std::format!("{kind}: {}", error.what)
        }
    })
}

#[test]
fn the_page_says_what_is_supported() {
    let mut table = String::new();
    for (title, rows) in SECTIONS {
        let _ = write!(
            table,
            "\n## {title}\n\n| construct | loads |\n| --- | --- |\n"
        );
        for (name, code) in *rows {
            let Some(outcome) = outcome(code) else { return };
            let _ = writeln!(
                table,
                "| {} | {} |",
                name.replace('|', "\\|"),
                outcome.replace('|', "\\|")
            );
        }
    }
    let page = std::fs::read_to_string(PAGE).unwrap();
    let (head, rest) = page
        .split_once(BEGIN)
        .expect("the page marks where the table begins");
    let (old, tail) = rest
        .split_once(END)
        .expect("the page marks where the table ends");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(PAGE, std::format!("{head}{BEGIN}{table}{END}{tail}")).unwrap();
        return;
    }
    for (now, before) in table.lines().zip(old.lines()) {
        assert_eq!(now, before, "docs/bitcode.md is stale: BLESS=1 writes it");
    }
    assert_eq!(table.len(), old.len());
}
