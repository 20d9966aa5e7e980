//! Modules that clang makes, compared with what LLVM's own disassembler says of them.

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use std::process::Command;

use super::read_all;
use crate::testing::{compile, corpus};
use crate::{
    AttributeIndex, AttributeKind, BodyReader, CastOp, ConstantKind, Constants, Event, Inst,
    Metadata, Module, Predicate, Type,
};

/// The mnemonic in LLVM's text form; integer and floating-point arithmetic are not told apart.
fn mnemonic(inst: &Inst<'_>) -> String {
    let debug = |value: &dyn core::fmt::Debug| format!("{value:?}").to_lowercase();
    match inst {
        Inst::Binary { op, .. } => debug(op),
        Inst::Cast {
            op: CastOp::FpToUi, ..
        } => "fptoui".into(),
        Inst::Cast {
            op: CastOp::FpToSi, ..
        } => "fptosi".into(),
        Inst::Cast { op, .. } => debug(op),
        Inst::Compare { pred, .. } => if pred.is_int() { "icmp" } else { "fcmp" }.into(),
        Inst::Gep { .. } => "getelementptr".into(),
        Inst::Neg { .. } => "fneg".into(),
        Inst::Br(_) | Inst::CondBr { .. } => "br".into(),
        Inst::Shuffle { .. } => "shufflevector".into(),
        other => {
            let text = debug(other);
            text.split(|c: char| !c.is_alphanumeric())
                .next()
                .unwrap()
                .to_string()
        }
    }
}

/// Counts mnemonics per function in LLVM's text form.
fn disassemble(bitcode: &[u8]) -> Option<BTreeMap<(String, String), u32>> {
    use std::io::Write as _;
    let mut child = Command::new("llvm-dis-19")
        .args(["-o", "-", "-"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .ok()?;
    let mut input = child.stdin.take().unwrap();
    let bytes = bitcode.to_vec();
    let feed = std::thread::spawn(move || input.write_all(&bytes).unwrap());
    let output = child.wait_with_output().unwrap();
    feed.join().unwrap();
    let mut counts = BTreeMap::new();
    let mut function = String::new();
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        if let Some(rest) = line.strip_prefix("define ") {
            let name = rest.split_once('@').unwrap().1;
            function = name.split('(').next().unwrap().to_string();
        }
        let Some(text) = line
            .strip_prefix("  ")
            .filter(|text| !text.starts_with([' ', ']', '#']))
        else {
            continue;
        };
        let text = text
            .split_once(" = ")
            .filter(|_| text.starts_with('%'))
            .map_or(text, |(_, right)| right);
        let mut words = text.split(' ');
        let word = words
            .find(|word| !["tail", "musttail", "notail"].contains(word))
            .unwrap();
        let word = match word.trim_end_matches(',') {
            "fadd" | "fsub" | "fmul" => &word[1..],
            "fdiv" => "sdiv",
            "frem" => "srem",
            word => word,
        };
        *counts
            .entry((function.clone(), word.to_string()))
            .or_insert(0) += 1;
    }
    Some(counts)
}

#[test]
fn every_instruction_is_the_one_that_llvm_sees() {
    for (flags, bitcode) in corpus() {
        let Some(expected) = disassemble(bitcode) else {
            return;
        };
        let module = Module::parse(bitcode).unwrap();
        let mut counts = BTreeMap::new();
        read_all(bitcode, |function, event| {
            if let Event::Inst(inst, _) = event {
                let name = module.name(module.functions()[function as usize].name);
                let name = String::from_utf8(name.to_vec()).unwrap();
                *counts.entry((name, mnemonic(inst))).or_insert(0) += 1;
            }
        })
        .unwrap_or_else(|error| panic!("{flags}: {error}"));
        assert_eq!(counts, expected, "{flags}");
        assert!(counts.len() > 100, "{flags}: the test looks at something");
    }
}

#[test]
fn reading_is_the_same_with_a_fresh_and_a_used_reader() {
    let Some((_, bitcode)) = corpus().first() else {
        return;
    };
    let module = Module::parse(bitcode).unwrap();
    let mut used = BodyReader::new(&module);
    let events = |reader: &mut BodyReader<'_, '_>, function| {
        let mut texts = Vec::new();
        if reader
            .open(function, &mut Constants::default())
            .unwrap()
            .is_some()
        {
            while let Some(event) = reader.next_event().unwrap() {
                texts.push(format!("{event:?}"));
            }
        }
        texts
    };
    let count = module.functions().len() as u32;
    for function in (0..count).rev() {
        assert_eq!(
            events(&mut used, function),
            events(&mut BodyReader::new(&module), function)
        );
    }
}

#[test]
fn globals_attributes_and_layout_are_read() {
    let source = "int __attribute__((noinline)) f(short s) { return s; }\n\
                  static const char text[] = \"hi\"; const char *p = text; extern int e; int *q = &e;\n\
                  _Thread_local int t = 5; int __attribute__((section(\".mine\"), aligned(64))) a;";
    let Some(bitcode) = compile(source, &["-O1"]) else {
        return;
    };
    let module = Module::parse(&bitcode).unwrap();
    assert!(module.triple().starts_with("i386"));
    assert!(module.data_layout().contains("p:32:32"));
    assert!(module.producer().starts_with("LLVM19"));
    assert!(module.source_file().ends_with("in.c"));

    let f = module
        .functions()
        .iter()
        .find(|f| module.name(f.name) == b"f")
        .unwrap();
    let attributes = module.attributes();
    assert!(attributes.has(
        f.attributes,
        AttributeIndex::Function,
        AttributeKind::NOINLINE
    ));
    assert!(attributes.has(
        f.attributes,
        AttributeIndex::Param(0),
        AttributeKind::SIGNEXT
    ));
    assert!(!attributes.has(
        f.attributes,
        AttributeIndex::Param(0),
        AttributeKind::ZEROEXT
    ));

    let global = |name: &[u8]| {
        module
            .globals()
            .iter()
            .find(|g| module.name(g.name) == name)
            .unwrap()
    };
    assert_eq!(global(b"a").align, 64);
    assert_eq!(
        module.sections()[global(b"a").section.unwrap() as usize],
        b".mine"
    );
    assert!(global(b"t").thread_local.is_some());
    assert!(global(b"e").init.is_none());
    let text = global(b"text");
    assert!(text.constant);
    let data = module.constants().get(text.init.unwrap()).unwrap();
    let ConstantKind::Data(span) = data.kind else {
        panic!("{data:?}")
    };
    assert_eq!(module.constants().bytes(span), b"hi\0");
    let pointed = module
        .globals()
        .iter()
        .position(|g| module.name(g.name) == b"text")
        .unwrap();
    assert_eq!(
        module.global(global(b"p").init.unwrap()),
        Some(crate::GlobalId::Variable(pointed as u32))
    );
}

#[test]
fn operands_are_absolute_and_typed_where_they_refer_forward() {
    let source = "int f(int n) { int s = 0; while (n != 7) { s += n; n = n * 3 + 1; } return s; }";
    let Some(bitcode) = compile(source, &["-O1", "-fno-unroll-loops"]) else {
        return;
    };
    let module = Module::parse(&bitcode).unwrap();
    let function = module
        .functions()
        .iter()
        .position(|f| module.name(f.name) == b"f")
        .unwrap() as u32;
    let mut reader = BodyReader::new(&module);
    let head = reader
        .open(function, &mut Constants::default())
        .unwrap()
        .unwrap();
    let (mut phis, mut compares, mut terminators) = (0, 0, 0);
    let mut next = head.first_result.0;
    while let Some(event) = reader.next_event().unwrap() {
        let Event::Inst(inst, result) = event else {
            continue;
        };
        terminators += u32::from(inst.is_terminator());
        match inst {
            Inst::Phi { ty, incoming, .. } => {
                phis += 1;
                assert_eq!(*module.types().get(ty), Type::Integer(32));
                assert_eq!(incoming.len(), 2);
                assert!(
                    incoming
                        .iter()
                        .any(|(value, _)| *value == head.first_param || value.0 != 0)
                );
            }
            Inst::Compare { pred, .. } => {
                assert_eq!(pred, Predicate::IcmpEq);
                compares += 1;
            }
            _ => {}
        }
        if let Some(result) = result {
            assert_eq!(result.0, next, "results are numbered without gaps");
            next += 1;
        }
    }
    assert!(
        phis >= 2 && compares == 2 && terminators == head.blocks,
        "{phis} {compares} {terminators}"
    );
}

#[test]
fn line_information_follows_inlining() {
    let source =
        "static inline int g(int a) {\n  return a / 3;\n}\nint f(int a) {\n  return g(a) + 1;\n}\n";
    let Some(bitcode) = compile(source, &["-O2", "-g"]) else {
        return;
    };
    let module = Module::parse(&bitcode).unwrap();
    let function = module
        .functions()
        .iter()
        .position(|f| module.name(f.name) == b"f")
        .unwrap() as u32;
    let mut info = Metadata::read(&module).unwrap();
    info.read_function(&module, function).unwrap();
    let mut reader = BodyReader::new(&module);
    reader
        .open(function, &mut Constants::default())
        .unwrap()
        .unwrap();
    let mut seen = Vec::new();
    while let Some(event) = reader.next_event().unwrap() {
        if let Event::Loc(loc) = event {
            let place = info.locate(loc);
            let name = String::from_utf8(place.function.unwrap().to_vec()).unwrap();
            let call = info.inlined_at(loc).map(|call| info.locate(call).line);
            assert!(place.file.unwrap().1.ends_with(b"in.c"));
            seen.push((name, place.line, call));
        }
    }
    assert!(seen.contains(&("g".into(), 2, Some(5))), "{seen:?}");
    assert!(seen.contains(&("f".into(), 5, None)), "{seen:?}");
}

#[test]
fn typed_pointers_of_clang_14_are_read() {
    let file = include_bytes!("../../tests/clang14-O1.bc");
    let module = Module::parse(file).unwrap();
    assert!(module.producer().starts_with("LLVM14"));
    let pointers = module
        .types()
        .iter()
        .filter(|(_, ty)| matches!(ty, Type::Pointer { .. }));
    assert!(pointers.count() > 10, "one type for each pointee");
    let mut instructions = 0;
    read_all(file, |_, _| instructions += 1).unwrap();
    assert!(instructions > 1000);
}

#[test]
fn modules_of_rustc_are_read() {
    // As new as the compiler that runs the test: LLVM 22 for Rust 1.95.
    let source = "#![no_std]\npub fn f(v: &mut [u64], x: f64) -> Option<i128> {\n v.sort_unstable();\n \
                  v.iter().map(|a| *a as i128).reduce(|a, b| a.wrapping_mul(b)).map(|a| a + x as i128)\n}\n";
    let dir = std::env::temp_dir().join(format!("bitcode-rustc-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    std::fs::write(dir.join("in.rs"), source).unwrap();
    for level in ["opt-level=0", "opt-level=3"] {
        let run = Command::new("rustc")
            .args([
                "--edition=2021",
                "--crate-type=lib",
                "--emit=llvm-bc",
                "-g",
                "-C",
                level,
                "-o",
                "out.bc",
                "in.rs",
            ])
            .current_dir(&dir)
            .output();
        let Ok(run) = run else { break };
        assert!(
            run.status.success(),
            "{}",
            String::from_utf8_lossy(&run.stderr)
        );
        let file = std::fs::read(dir.join("out.bc")).unwrap();
        let mut instructions = 0;
        read_all(&file, |_, _| instructions += 1).unwrap_or_else(|error| panic!("{error}"));
        assert!(instructions > 100);
        Metadata::read(&Module::parse(&file).unwrap()).unwrap();
    }
    std::fs::remove_dir_all(&dir).unwrap();
}

#[test]
fn wrapper_is_taken_off_and_counted_in_offsets() {
    let Some((_, bitcode)) = corpus().first() else {
        return;
    };
    let wrap = |content: &[u8], offset: u32| {
        let mut file: Vec<u8> = [0x0B17_C0DE_u32, 0, offset, content.len() as u32, 7]
            .iter()
            .flat_map(|word| word.to_le_bytes())
            .collect();
        file.resize(offset as usize, 0);
        file.extend_from_slice(content);
        file.extend([0; 12]);
        file
    };
    read_all(&wrap(bitcode, 20), |_, _| {}).unwrap();
    read_all(&wrap(bitcode, 64), |_, _| {}).unwrap();
    assert!(
        read_all(&wrap(bitcode, 22), |_, _| {}).is_err(),
        "unaligned content"
    );
    let cut = &bitcode[..(bitcode.len() / 2) & !3];
    let bare = Module::parse(cut).unwrap_err();
    let wrapped = wrap(cut, 64);
    let inside = Module::parse(&wrapped).unwrap_err();
    assert_eq!(inside.bit(), bare.bit() + 64 * 8);
}

#[test]
#[ignore = "prints a measurement: cargo test --release -p bitcode -- --ignored --nocapture speed"]
fn speed_of_reading_function_bodies() {
    let path = std::env::var("BITCODE_FILE").ok();
    let bitcode = path
        .map(|path| std::fs::read(path).unwrap())
        .or_else(|| Some(corpus().first()?.1.clone()));
    let Some(bitcode) = bitcode else { return };
    let (mut best, mut instructions) = (f64::MAX, 0u64);
    let mut parse = f64::MAX;
    for _ in 0..30 {
        let start = std::time::Instant::now();
        let module = Module::parse(&bitcode).unwrap();
        parse = parse.min(start.elapsed().as_secs_f64());
        let start = std::time::Instant::now();
        instructions = 0;
        let mut reader = BodyReader::new(&module);
        for function in 0..module.functions().len() as u32 {
            reader.open(function, &mut Constants::default()).unwrap();
            while let Some(event) = reader.next_event().unwrap() {
                instructions += u64::from(matches!(event, Event::Inst(..)));
            }
        }
        best = best.min(start.elapsed().as_secs_f64());
    }
    println!(
        "{} bytes, {instructions} instructions: module {:.0} us, bodies {:.0} us, {:.1} ns per instruction",
        bitcode.len(),
        parse * 1e6,
        best * 1e6,
        best * 1e9 / instructions as f64,
    );
}
