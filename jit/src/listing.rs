//! Machine code as text, for people.
//!
//! Each instruction with its offset and bytes, under a line that shows the IR instruction (and names the source
//! line, where known) whenever that changes; of inlined code also its function and the calls it was inlined through.
//! Where the source is at hand, its lines stand above. The decoder is `iced-x86`, which knows nothing of our encoder.

use crate::abi;
use crate::tier::Compiled;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write as _;
use iced_x86::{Decoder, DecoderOptions, Formatter, Instruction, IntelFormatter};
use ir::text::InstPrinter;
use ir::{Body, FuncId, InstId, Line, Module};

/// The listing of `compiled`, which is function `func` of `module`; addresses are as if it lay at the
/// start of the code region. `line_text` gives the text of a line of a source file, if it has that.
#[must_use]
pub fn code(
    module: &Module,
    func: FuncId,
    compiled: &Compiled,
    line_text: &mut dyn FnMut(&str, u32) -> Option<String>,
) -> String {
    let mut text = String::new();
    let mut formatter = IntelFormatter::new();
    let mut marks = compiled.tables.insts.iter().peekable();
    let mut decoder = Decoder::with_ip(64, &compiled.code, abi::CODE, DecoderOptions::NONE);
    let mut inst = Instruction::default();
    let printer = InstPrinter::new(module);
    let mut last = None;
    while decoder.can_decode() {
        let at = decoder.position();
        decoder.decode_out(&mut inst);
        while let Some(&(offset, _)) = marks.next_if(|&&(offset, _)| offset as usize <= at) {
            let chain = compiled.tables.chain(func, offset);
            let Some(&first) = chain.first() else {
                continue;
            };
            let line = line_of(module, first);
            if let Some(line) = line.filter(|line| Some((line.file, line.line)) != last) {
                last = Some((line.file, line.line));
                let file = module.files.get(line.file as usize);
                if let Some(source) = file.and_then(|file| line_text(file, line.line)) {
                    // Writing to a string does not fail.
                    let _ = writeln!(text, "  ; {:4}| {}", line.line, source.trim_end());
                }
            }
            let places = chain.iter().map(|&place| source(module, func, place));
            let places = places.collect::<Vec<_>>().join(" in ");
            let what = body_of(module, first).map(|body| printer.line(body, first.1));
            let what = what.map_or_else(String::new, |what| format!(":  {what}"));
            let _ = writeln!(text, "  ; {places}{what}");
        }
        let _ = write!(text, "{at:6x}  ");
        let bytes = &compiled.code[at..at + inst.len()];
        bytes.iter().for_each(|byte| text += &format!("{byte:02x}"));
        text.extend(core::iter::repeat_n(
            ' ',
            (24 - 2 * bytes.len().min(11)).max(2),
        ));
        formatter.format(&inst, &mut text);
        text.push('\n');
    }
    text
}

/// The body that holds an instruction.
fn body_of(module: &Module, (func, inst): (FuncId, InstId)) -> Option<&Body> {
    let body = module.func(func).body.as_ref();
    body.filter(|body| inst.index() < body.insts.len())
}

/// Where in the source an instruction of a stored body comes from.
fn line_of(module: &Module, place: (FuncId, InstId)) -> Option<Line> {
    body_of(module, place)?.line_of(place.1)
}

/// An instruction of a stored body, with its line, and with its function if that is not `this`.
fn source(module: &Module, this: FuncId, place: (FuncId, InstId)) -> String {
    let line = line_of(module, place);
    let line = line.map_or_else(String::new, |line| format!(", line {}", line.line));
    let (func, inst) = place;
    match func == this {
        true => format!("%{}{line}", inst.0),
        false => format!("@{} %{}{line}", module.func(func).name, inst.0),
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::tier::SideTables;
    use ir::Function;

    #[test]
    fn instructions_stand_under_the_ir_they_come_from() {
        let module = Module {
            funcs: alloc::vec![Function::default()],
            ..Module::default()
        };
        let compiled = Compiled {
            code: alloc::vec![0x55, 0x33, 0xc0, 0xc3],
            tables: SideTables {
                insts: alloc::vec![(1, InstId(7))],
                ..SideTables::default()
            },
            ..Compiled::default()
        };
        let text = code(&module, FuncId(0), &compiled, &mut |_, _| None);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 4);
        assert!(lines[0].ends_with("push rbp") && lines[0].contains("55"));
        assert_eq!(lines[1].trim(), "; %7");
        assert!(lines[2].ends_with("xor eax,eax") && lines[3].ends_with("ret"));
    }
}
