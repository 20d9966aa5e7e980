//! C programs: what the translated module computes is what the native program computes.

use alloc::string::String;
use alloc::vec::Vec;

use super::clang::{EVERYTHING, SEMANTICS, VERSIONS, bitcode, bitcode_of, native};
use super::{FUEL, computes};
use crate::load;

/// Number of `test(n)` in `semantics.c`.
const TESTS: u32 = 11;

const CONFIGURATIONS: &[&[&str]] = &[
    &["-O0"],
    &["-O1"],
    &["-O2"],
    &["-O3"],
    &["-Os", "-g"],
    &["-O2", "-msse2"],
    &["-O3", "-march=x86-64-v3", "-mfpmath=sse"],
    &["-O3", "-march=x86-64-v4", "-mprefer-vector-width=512"],
];

fn whole_source() -> String {
    String::from(EVERYTHING) + SEMANTICS
}

#[test]
fn modules_mean_what_the_native_program_computes() {
    let source = whole_source();
    let Some(expected) = native(&source, TESTS) else {
        return;
    };
    for flags in CONFIGURATIONS {
        let Some(file) = bitcode(&source, flags) else {
            return;
        };
        let what = std::format!("{flags:?}");
        computes(&what, &file, FUEL, (0..).zip(expected.iter().copied()));
    }
}

/// Older releases, with the encodings that they alone write: typed pointers (14), debug intrinsics,
/// attributes that were replaced since.
#[test]
fn modules_of_older_compilers_mean_the_same() {
    let source = whole_source();
    let Some(expected) = native(&source, TESTS) else {
        return;
    };
    for version in VERSIONS.into_iter().filter(|version| *version != 19) {
        for flags in [
            &["-O0", "-g"][..],
            &["-O2"],
            &["-O3", "-march=x86-64-v3", "-mfpmath=sse"],
        ] {
            let Some(file) = bitcode_of(version, &source, flags) else {
                continue;
            };
            let what = std::format!("{version} {flags:?}");
            computes(&what, &file, FUEL, (0..).zip(expected.iter().copied()));
        }
    }
}

#[test]
fn integers_above_128_bits_mean_what_the_native_program_computes() {
    let source = "typedef unsigned _BitInt(200) U; typedef signed _BitInt(231) S;\n\
        __attribute__((noinline)) static U mix(U a, U b) { return a * b + (a >> 77) - (b << 33); }\n\
        __attribute__((noinline)) static unsigned fold(U a) { return (unsigned)a ^ (unsigned)(a >> 61) ^ (unsigned)(a >> 150) ^ (unsigned)(a >> 190); }\n\
        unsigned test(int n) {\n\
          U a = (U)n + 1, b = ~(U)0 / (a + 5); U kept[2] = { a, b };\n\
          for (unsigned i = 0; i < 9; i++) { a = mix(a, b + i); kept[i & 1] ^= a; }\n\
          S s = (S)(int)((unsigned)n * 2654435761u) << 190; S t = s / 1234567 + s % 77;\n\
          unsigned r = fold(kept[0]) + 3 * fold(kept[1]) + fold((U)(t >> 20));\n\
          r += s < t ? 100 : 7; r += (unsigned)((double)a / 1e55); r ^= (unsigned)(long long)((double)t / 1e50);\n\
          return r + fold((U)1e33); }\n";
    let Some(expected) = native(source, 5) else {
        return;
    };
    for flags in [&["-O0"][..], &["-O2"]] {
        let Some(file) = bitcode(source, flags) else {
            return;
        };
        let what = std::format!("{flags:?}");
        computes(&what, &file, FUEL, (0..).zip(expected.iter().copied()));
    }
}

#[test]
#[ignore = "reads what BITCODE_FILES names: cargo test -p jit -- --ignored --nocapture named"]
fn named_files_load() {
    let names = std::env::var("BITCODE_FILES").unwrap_or_default();
    for name in names.split_whitespace() {
        let loaded = load::module(&std::fs::read(name).unwrap());
        match loaded {
            Ok(module) => std::println!("{name}: {} functions", module.funcs.len()),
            Err(error) => std::println!("{name}: REFUSED {error}"),
        }
    }
}

#[test]
fn typed_pointers_mean_the_same() {
    // `everything.c` and `semantics.c` as clang 14 compiled them at -O1, and what the native program
    // printed then.
    let file = include_bytes!("../../../bitcode/tests/clang14-O1.bc");
    let expected = [
        288_017_148,
        1_307_633_144,
        2_160_111_529,
        43_435_563,
        901_515_537,
        1_361_793_812,
        2_425_216_593,
        3_127_994_552,
        3_397_577_882,
        2_025_138_165,
        1_110_693_231,
    ];
    computes("clang 14", file, FUEL, (0..).zip(expected));
}

#[test]
fn lines_name_the_file_and_ascend() {
    let Some(file) = bitcode(EVERYTHING, &["-O2", "-g"]) else {
        return;
    };
    let module = load::module(&file).unwrap();
    assert!(
        module.files.iter().any(|file| file.ends_with("in.c")),
        "{:?}",
        module.files
    );
    let id = module.func_by_name("recursive").unwrap();
    let body = module.func(id).body.as_ref().unwrap();
    let place = EVERYTHING
        .lines()
        .position(|line| line.starts_with("int recursive"))
        .unwrap() as u32
        + 1;
    assert!(!body.lines.is_empty());
    assert!(
        body.lines
            .iter()
            .all(|line| line.line == place || line.line == 0),
        "{:?}",
        body.lines
    );
    let Some(plain) = bitcode(EVERYTHING, &["-O2"]) else {
        return;
    };
    let plain = load::module(&plain).unwrap();
    assert!(plain.files.is_empty());
}

#[test]
fn facts_about_functions_and_parameters_are_kept() {
    use ir::FuncAttrs;
    let source = "struct s { int a[5]; };\n\
        __attribute__((noinline)) int f(short x, struct s s, const int *restrict p) { return x + s.a[1] + *p; }\n\
        __attribute__((noreturn)) void stop(void); int g(int a) { if (a) stop(); return 0; }\n\
        int setjmp(int *) __attribute__((returns_twice)); int h(int *p) { return setjmp(p); }";
    let Some(file) = bitcode(source, &["-O1", "-march=x86-64-v3"]) else {
        return;
    };
    let module = load::module(&file).unwrap();
    let func = |name: &str| module.func(module.func_by_name(name).unwrap());
    assert!(
        func("f")
            .attrs
            .has(FuncAttrs::NOINLINE | FuncAttrs::FMA | FuncAttrs::READ_ONLY)
    );
    assert!(!func("f").attrs.has(FuncAttrs::OPTNONE));
    assert!(func("stop").attrs.has(FuncAttrs::NORETURN));
    assert!(func("setjmp").attrs.has(FuncAttrs::RETURNS_TWICE));
    let params = &module.attr_sets[func("f").attr_set as usize - 1].params;
    assert_eq!(params[0].bits & 64, 64, "signext");
    assert_eq!((params[1].byval, params[1].align_log2), (20, 2));
    assert_eq!(params[2].bits & 2, 2, "noalias");
}

#[test]
fn mathematical_intrinsics_become_imports() {
    let source = "double sin(double); float powf(float, float); double local(double);\n\
        double f(double x, float y) { return sin(x) + powf(y, 2.5f) + sin(x + 1) + local(x); }";
    let Some(file) = bitcode(source, &["-O1", "-fno-math-errno", "-fhosted", "-fbuiltin"]) else {
        return;
    };
    let module = load::module(&file).unwrap();
    let names: Vec<&str> = module.funcs.iter().map(|func| func.name.as_str()).collect();
    assert_eq!(
        names.iter().filter(|name| **name == "sin").count(),
        1,
        "{names:?}"
    );
    assert!(
        names.contains(&"powf") && !names.iter().any(|name| name.starts_with("llvm.")),
        "{names:?}"
    );
}

#[test]
fn symbols_keep_linkage_size_and_initial_value() {
    let source = "static int hidden = 3; __attribute__((weak)) int weak = 4; extern int elsewhere;\n\
        int *pointers[3] = {&hidden, 0, &elsewhere + 2}; char large[1 << 20] = {1}; const int fixed = 7;\n\
        int plain; _Alignas(64) int aligned = 1; int f(void) { return 1; }\n\
        extern int other(void) __attribute__((alias(\"f\"))); int (*taken)(void) = other;\n\
        int use(void) { return hidden++ + elsewhere; }";
    let Some(file) = bitcode(source, &["-O1"]) else {
        return;
    };
    let module = load::module(&file).unwrap();
    let global = |name: &str| {
        module
            .globals
            .iter()
            .find(|global| global.name == name)
            .unwrap()
    };
    assert_eq!(global("hidden").linkage, ir::Linkage::Internal);
    assert_eq!(global("weak").linkage, ir::Linkage::Weak);
    assert!(!global("elsewhere").defined && global("plain").defined);
    assert!(global("fixed").constant);
    assert_eq!(global("aligned").align_log2, 6);
    assert_eq!(
        (global("large").size, global("large").init.len()),
        (1 << 20, 1),
        "zeros are left out"
    );
    assert_eq!((global("plain").size, global("plain").init.len()), (4, 0));
    let pointers = global("pointers");
    assert_eq!(pointers.init, [0, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0]);
    let offsets: Vec<u32> = pointers.relocs.iter().map(|reloc| reloc.offset).collect();
    assert_eq!(offsets, [0, 8]);
    let f = module.func_by_name("f").unwrap();
    assert_eq!(module.aliases[0].target, ir::RelocTarget::Func(f));
    assert_eq!(
        global("taken").relocs[0].target,
        ir::RelocTarget::Func(f),
        "an alias is what it stands for"
    );
}

#[test]
fn summary_lists_what_is_there_and_what_is_missing() {
    let source = "extern int need(int); extern int data; static int own[4];\n\
        int f(int a) { __builtin_memset(own, a, 16); return need(a) + data; }";
    let Some(file) = bitcode(source, &["-O0"]) else {
        return;
    };
    let summary = load::summary(&file).unwrap();
    assert_eq!(summary.functions.len(), 1);
    assert_eq!(summary.functions[0].name, "f");
    assert!(summary.functions[0].bytes.unwrap() > 20);
    assert_eq!(summary.variables[0].bytes, Some(16));
    assert_eq!(summary.imports, ["need", "data"]);
    assert_eq!(summary.intrinsics, ["llvm.memset.p0.i32"]);
    let text = std::format!("{summary}");
    assert!(
        text.contains("imports    2\n              need\n"),
        "{text}"
    );
}

/// Seconds that this thread has had a processor: other work on the machine counts less.
fn on_cpu() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    let nanoseconds: f64 = text.split(' ').next().unwrap().parse().unwrap();
    nanoseconds / 1e9
}

#[test]
#[ignore = "prints a measurement: cargo test --release -p jit -- --ignored --nocapture load_speed"]
fn load_speed_of_a_large_module() {
    let path = std::env::var("BITCODE_FILE").ok();
    let file = path
        .map(|path| std::fs::read(path).unwrap())
        .or_else(|| bitcode(&whole_source(), &["-O2"]));
    let Some(file) = file else { return };
    let (mut read, mut verified, mut insts) = (f64::MAX, f64::MAX, 0);
    for _ in 0..20 {
        let start = on_cpu();
        let source = bitcode::Module::parse(&file).unwrap();
        let module = load::module::Loader::new(&source).unwrap().load().unwrap();
        read = read.min(on_cpu() - start);
        let start = on_cpu();
        ir::verify::module(&module).unwrap();
        verified = verified.min(on_cpu() - start);
        insts = module
            .funcs
            .iter()
            .filter_map(|f| f.body.as_ref())
            .map(|body| body.insts.len())
            .sum();
    }
    let each = |seconds: f64| seconds * 1e9 / insts as f64;
    std::println!(
        "{} bytes, {insts} instructions: read and translate {:.0} us ({:.1} ns each), verify {:.0} us ({:.1} ns each)",
        file.len(),
        read * 1e6,
        each(read),
        verified * 1e6,
        each(verified),
    );
}
