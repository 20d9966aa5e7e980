//! Test support: a bitstream writer, and modules made by the installed clang.

use alloc::string::String;
use alloc::vec::Vec;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

std::thread_local! {
    /// Turns the check off that a block ends where its head says (S1 of `stream`).
    pub(crate) static IGNORE_BLOCK_ENDS: core::cell::Cell<bool> = const { core::cell::Cell::new(false) };
}

/// Writes a bitstream; the mirror image of the reader, and as simple as can be.
#[derive(Default)]
pub(crate) struct Writer {
    bits: Vec<bool>,
    widths: Vec<u32>,
    starts: Vec<usize>,
}

impl Writer {
    /// An empty stream without a magic number.
    pub(crate) fn new() -> Self {
        Self {
            widths: vec![2],
            ..Self::default()
        }
    }

    /// A stream that begins with the magic number.
    pub(crate) fn file() -> Self {
        let mut writer = Self::new();
        writer.fixed(0xDEC0_4342, 32);
        writer
    }

    pub(crate) fn fixed(&mut self, value: u64, width: u32) {
        self.bits
            .extend((0..width).map(|bit| value >> bit & 1 == 1));
    }

    pub(crate) fn vbr(&mut self, mut value: u64, width: u32) {
        let payload = width - 1;
        while value >> payload != 0 {
            self.fixed(value & ((1 << payload) - 1) | 1 << payload, width);
            value >>= payload;
        }
        self.fixed(value, width);
    }

    pub(crate) fn align(&mut self) {
        while !self.bits.len().is_multiple_of(32) {
            self.bits.push(false);
        }
    }

    fn id(&mut self, id: u64) {
        let width = *self.widths.last().unwrap();
        self.fixed(id, width);
    }

    pub(crate) fn enter(&mut self, block: u64, width: u32) {
        self.id(1);
        self.vbr(block, 8);
        self.vbr(u64::from(width), 4);
        self.align();
        self.starts.push(self.bits.len());
        self.fixed(0, 32);
        self.widths.push(width);
    }

    pub(crate) fn end(&mut self) {
        self.id(0);
        self.align();
        self.close();
    }

    /// Ends the block although a word of it is still to come.
    pub(crate) fn end_before(&mut self, word: u64) {
        self.id(0);
        self.align();
        self.fixed(word, 32);
        self.close();
    }

    /// Writes the block's length into its head.
    fn close(&mut self) {
        self.widths.pop();
        let at = self.starts.pop().unwrap();
        let words = (self.bits.len() - at - 32) / 32;
        for bit in 0..32 {
            self.bits[at + bit] = words >> bit & 1 == 1;
        }
    }

    /// A record in the general form.
    pub(crate) fn record(&mut self, code: u64, ops: &[u64]) {
        self.id(3);
        self.vbr(code, 6);
        self.vbr(ops.len() as u64, 6);
        ops.iter().for_each(|op| self.vbr(*op, 6));
    }

    /// The id of an abbreviation or of DEFINE_ABBREV, after which fields are written by hand.
    pub(crate) fn abbrev(&mut self, id: u64) {
        self.id(id);
    }

    /// A record that is one blob, through an abbreviation defined on the spot.
    pub(crate) fn blob_record(&mut self, code: u64, bytes: &[u8]) {
        self.id(2);
        self.vbr(2, 5);
        self.fixed(1, 1);
        self.vbr(code, 8);
        self.fixed(0, 1);
        self.fixed(5, 3);
        self.id(4);
        self.vbr(bytes.len() as u64, 6);
        self.align();
        bytes
            .iter()
            .for_each(|byte| self.fixed(u64::from(*byte), 8));
        self.align();
    }

    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.align();
        self.bits
            .chunks(8)
            .map(|bits| {
                bits.iter()
                    .rev()
                    .fold(0, |byte, bit| byte << 1 | u8::from(*bit))
            })
            .collect()
    }
}

/// A C source with about everything that ordinary C code makes clang write.
pub(crate) const C_SOURCE: &str = include_str!("../tests/everything.c");

/// The C source compiled in several ways; empty, with a note, where clang is missing.
pub(crate) fn corpus() -> &'static [(String, Vec<u8>)] {
    static CORPUS: OnceLock<Vec<(String, Vec<u8>)>> = OnceLock::new();
    CORPUS.get_or_init(|| {
        let sets: &[&[&str]] = &[
            &["-O0"],
            &["-O1"],
            &["-O2"],
            &["-O3"],
            &["-Os", "-g"],
            &["-O0", "-g"],
            &["-O2", "-gline-tables-only"],
            &["-O3", "-march=x86-64-v3", "-mfpmath=sse"],
            &["-O2", "-ffast-math", "-msse2"],
        ];
        sets.iter()
            .filter_map(|flags| Some((flags.join(" "), compile(C_SOURCE, flags)?)))
            .collect()
    })
}

/// Compiles C to bitcode with the flags that modules are compiled with.
pub(crate) fn compile(source: &str, flags: &[&str]) -> Option<Vec<u8>> {
    use core::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    // ORDERING: Relaxed; only uniqueness of the number matters.
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let dir = std::env::temp_dir().join(format!("bitcode-test-{}-{number}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let bitcode = clang(source, flags, &dir);
    std::fs::remove_dir_all(&dir).unwrap();
    bitcode
}

fn clang(source: &str, flags: &[&str], dir: &Path) -> Option<Vec<u8>> {
    let (input, output) = (dir.join("in.c"), dir.join("out.bc"));
    std::fs::write(&input, source).unwrap();
    let target = [
        "--target=i386-unknown-none-elf",
        "-m32",
        "-ffreestanding",
        "-nostdlib",
        "-fno-stack-protector",
    ];
    let run = Command::new("clang-19")
        .args(target)
        .args(["-mlong-double-64", "-w", "-emit-llvm", "-c", "-o"])
        .arg(&output)
        .args(flags)
        .arg(&input)
        .output();
    let Ok(run) = run else {
        eprintln!("clang-19 is not installed: tests on real modules are skipped");
        return None;
    };
    assert!(
        run.status.success(),
        "clang-19 {flags:?}: {}",
        String::from_utf8_lossy(&run.stderr)
    );
    Some(std::fs::read(&output).unwrap())
}
