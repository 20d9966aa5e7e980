//! Labels, fixups, constants, jump tables, relocations, alignment, limits.

use asm::{
    AsmError, CodeBuffer, CodeOffset, Cond, Gpr, Mem, Reloc, RelocKind, Scale, Size, Symbol,
};
use iced_x86::{Decoder, DecoderOptions, Mnemonic};

use crate::judge::{IP, decode, mnemonic};

/// Emits one-byte NOPs.
fn fill(buf: &mut CodeBuffer, count: usize) {
    buf.raw(&vec![0x90; count]);
}

/// The target of the branch at `offset` of finished code, relative to its beginning.
fn target(text: &[u8], offset: usize) -> u64 {
    let mut decoder = Decoder::with_ip(64, text, IP, DecoderOptions::NONE);
    decoder
        .set_position(offset)
        .expect("an offset inside the text");
    decoder.set_ip(IP + offset as u64);
    decoder.decode().near_branch_target() - IP
}

#[test]
fn backward_branches_are_short_exactly_when_they_reach() {
    // From the end of a two-byte branch, -128 reaches back over 126 bytes.
    for (gap, len) in [(0, 2), (126, 2), (127, 5), (100_000, 5)] {
        let mut buf = CodeBuffer::new();
        let top = buf.here();
        fill(&mut buf, gap);
        buf.jmp(top);
        assert_eq!(buf.text().len(), gap + len);
        assert_eq!(target(buf.text(), gap), 0);

        buf.clear();
        let top = buf.here();
        fill(&mut buf, gap);
        buf.jcc(Cond::Le, top);
        assert_eq!(buf.text().len(), gap + if len == 2 { 2 } else { 6 });
        assert_eq!(target(buf.text(), gap), 0);
    }
}

#[test]
fn forward_branches_reach_their_label() {
    for gap in [0, 1, 127, 128, 1 << 20] {
        let mut buf = CodeBuffer::new();
        let end = buf.label();
        buf.jmp(end);
        let second = buf.text().len();
        buf.jcc(Cond::A, end);
        let third = buf.text().len();
        buf.call(end);
        fill(&mut buf, gap);
        buf.bind(end);
        let goal = buf.text().len() as u64;
        let text = buf.finalize(0).unwrap().text;
        for (at, name) in [(0, "jmp"), (second, "ja"), (third, "call")] {
            assert_eq!(mnemonic(&decode(&text[at..])), name);
            assert_eq!(target(text, at), goal);
        }
    }
}

#[test]
fn short_forward_branches_hold_up_to_127_bytes() {
    for (gap, fits) in [(0, true), (127, true), (128, false)] {
        for conditional in [false, true] {
            let mut buf = CodeBuffer::new();
            let end = buf.label();
            if conditional {
                buf.jcc_short(Cond::E, end);
            } else {
                buf.jmp_short(end);
            }
            fill(&mut buf, gap);
            buf.bind(end);
            match buf.finalize(0) {
                Ok(code) if fits => assert_eq!(target(code.text, 0), 2 + gap as u64),
                result => assert_eq!(result.err(), Some(AsmError::OutOfRange(CodeOffset(1)))),
            }
        }
    }
}

#[test]
fn unbound_label_is_reported() {
    let mut buf = CodeBuffer::new();
    let bound = buf.here();
    let never = buf.label();
    buf.jmp(bound);
    assert!(
        buf.finalize(0).is_ok(),
        "an unbound label that nobody uses is no error"
    );
    buf.jmp(never);
    assert_eq!(buf.finalize(0).err(), Some(AsmError::Unbound(never)));
}

#[test]
fn unbound_jump_table_entry_is_reported() {
    let mut buf = CodeBuffer::new();
    let never = buf.label();
    buf.jump_table(&[never]);
    assert_eq!(buf.finalize(0).err(), Some(AsmError::Unbound(never)));
}

#[test]
fn constants_are_reached_at_any_distance() {
    let mut buf = CodeBuffer::new();
    let small = buf.constant(&[1, 2, 3, 4], 4);
    let large = buf.constant(&[7; 16], 16);
    buf.mov(Size::B32, Gpr::Rax, Mem::label(small));
    let second = buf.text().len();
    // An immediate after the displacement must not shift the target.
    buf.alu_i(
        asm::Alu::Cmp,
        Size::B32,
        Mem::label(large).offset(4),
        0x1234_5678,
    );
    for distance in [buf.nearest_data(), 0x10_0000, -0x4000_0000] {
        let code = buf.finalize(distance).unwrap();
        let data = IP.wrapping_add_signed(distance);
        let first = decode(code.text);
        assert_eq!(first.ip_rel_memory_address(), data);
        let mut decoder = Decoder::with_ip(64, code.text, IP, DecoderOptions::NONE);
        decoder.set_position(second).unwrap();
        decoder.set_ip(IP + second as u64);
        assert_eq!(decoder.decode().ip_rel_memory_address(), data + 16 + 4);
        assert_eq!(code.data[..4], [1, 2, 3, 4]);
        assert_eq!(code.data[16..], [7; 16]);
        assert_eq!(code.text_align, 16);
    }
    assert_eq!(buf.finalize(0x1004).err(), Some(AsmError::Misaligned));
    let far = buf.finalize(1 << 32).err();
    assert_eq!(far, Some(AsmError::OutOfRange(CodeOffset(2))));
}

#[test]
fn distance_limit_is_exact() {
    let reaches = |distance| {
        let mut buf = CodeBuffer::new();
        let byte = buf.constant(&[0], 1);
        buf.mov(Size::B8, Gpr::Rax, Mem::label(byte));
        assert_eq!(buf.text().len(), 6);
        buf.finalize(distance).is_ok()
    };
    let farthest = i64::from(i32::MAX) + 6;
    assert!(reaches(farthest));
    assert!(!reaches(farthest + 1));
    let nearest = i64::from(i32::MIN) + 6;
    assert!(reaches(nearest));
    assert!(!reaches(nearest - 1));
}

#[test]
fn equal_constants_are_shared() {
    let mut buf = CodeBuffer::new();
    let one = buf.constant(&1.0_f64.to_le_bytes(), 8);
    assert_eq!(buf.constant(&1.0_f64.to_le_bytes(), 8), one);
    assert_ne!(buf.constant(&2.0_f64.to_le_bytes(), 8), one);
    assert_ne!(
        buf.constant(&[0], 1),
        buf.constant(&[0, 0], 1),
        "lengths differ"
    );
    assert_eq!(buf.data_len(), 8 + 8 + 1 + 2);
}

#[test]
fn jump_table_leads_to_its_targets() {
    let mut buf = CodeBuffer::new();
    let targets: Vec<_> = (0..5).map(|_| buf.label()).collect();
    buf.constant(&[9], 1);
    let table = buf.jump_table(&targets);
    buf.lea(Size::B64, Gpr::Rcx, Mem::label(table));
    let entry = Mem::base_index(Gpr::Rcx, Gpr::Rax, Scale::S4, 0);
    buf.movsx(Size::B64, Gpr::Rax, Size::B32, entry);
    for &label in &targets {
        fill(&mut buf, 13);
        buf.bind(label);
    }
    for distance in [buf.nearest_data(), -0x1000] {
        let offsets: Vec<_> = targets
            .iter()
            .map(|&t| buf.label_offset(t).unwrap().0)
            .collect();
        let code = buf.finalize(distance).unwrap();
        let table = decode(code.text).ip_rel_memory_address().wrapping_sub(IP);
        assert_eq!(table, 4_u64.wrapping_add_signed(distance));
        for (nth, offset) in offsets.into_iter().enumerate() {
            let entry = code.data[4 + 4 * nth..][..4].try_into().unwrap();
            let reached = table.wrapping_add_signed(i32::from_le_bytes(entry).into());
            assert_eq!(reached, u64::from(offset));
        }
    }
}

#[test]
fn image_puts_constants_after_traps_after_code() {
    let mut buf = CodeBuffer::new();
    buf.constant(&[5; 8], 8);
    buf.ret();
    let distance = buf.nearest_data();
    let image = buf.finalize(distance).unwrap().image();
    assert_eq!(image[..8], [0xC3, 0xCC, 0xCC, 0xCC, 0xCC, 0xCC, 0xCC, 0xCC]);
    assert_eq!(image[8..], [5; 8]);
}

#[test]
fn alignment_is_filled_with_few_long_nops() {
    for start in 0..64 {
        let mut buf = CodeBuffer::new();
        fill(&mut buf, start);
        buf.align(64);
        assert_eq!(buf.text_align(), 64);
        let text = buf.text();
        assert_eq!(text.len(), start.next_multiple_of(64));
        let padding = Decoder::with_ip(64, &text[start..], IP, DecoderOptions::NONE);
        let nops: Vec<_> = padding.into_iter().collect();
        assert!(nops.iter().all(|instr| instr.mnemonic() == Mnemonic::Nop));
        assert_eq!(nops.len(), (text.len() - start).div_ceil(9));
    }
    let mut buf = CodeBuffer::new();
    fill(&mut buf, 3);
    buf.align_trap(32);
    assert_eq!(buf.text()[3..], [0xCC; 29]);
}

#[test]
fn symbols_become_relocations_that_point_where_they_should() {
    let slot = Symbol(7);
    let mut buf = CodeBuffer::new();
    buf.call_rm(Mem::symbol(slot, 8));
    buf.call_symbol(slot);
    buf.mov_symbol(Gpr::R9, slot, -4);
    buf.mov_symbol64(Gpr::R10, slot, 0x10);
    buf.alu_i(asm::Alu::Add, Size::B32, Mem::symbol_rip(slot, 2), 0x1000);
    buf.mov(Size::B32, Gpr::Rax, Mem::symbol(slot, 0).addr32());
    let code = buf.finalize(0).unwrap();
    let address = 0x1_2340;
    let mut text = code.text.to_vec();
    for reloc in code.relocs {
        assert_eq!(reloc.symbol, slot);
        reloc.apply(&mut text, IP, address).unwrap();
    }
    let decoded: Vec<_> = Decoder::with_ip(64, &text, IP, DecoderOptions::NONE)
        .into_iter()
        .collect();
    assert_eq!(decoded[0].memory_displacement64(), address + 8);
    assert_eq!(decoded[1].near_branch_target(), address);
    assert_eq!(decoded[2].immediate(1), address - 4);
    assert_eq!(decoded[3].immediate(1), address + 0x10);
    assert_eq!(decoded[4].ip_rel_memory_address(), address + 2);
    assert_eq!(decoded[5].memory_displacement64(), address);
    assert_eq!(code.relocs[5].kind, RelocKind::Abs32);
}

#[test]
fn branches_to_symbols_are_relative_to_their_end() {
    let mut buf = CodeBuffer::new();
    buf.jmp_symbol(Symbol(1));
    buf.jcc_symbol(Cond::Np, Symbol(1));
    let code = buf.finalize(0).unwrap();
    let mut text = code.text.to_vec();
    for reloc in code.relocs {
        reloc.apply(&mut text, IP, IP + 0x777).unwrap();
    }
    assert_eq!((target(&text, 0), target(&text, 5)), (0x777, 0x777));
}

#[test]
fn relocation_limits_are_exact() {
    let fits = |kind, address: u64| {
        let reloc = Reloc {
            offset: CodeOffset(0),
            kind,
            symbol: Symbol(0),
            addend: 0,
        };
        reloc.apply(&mut [0; 8], 0x4000_0000_0000, address).is_ok()
    };
    assert!(fits(RelocKind::Abs32, u32::MAX.into()));
    assert!(!fits(RelocKind::Abs32, 1 << 32));
    assert!(fits(RelocKind::Abs32Signed, i32::MAX as u64));
    assert!(fits(RelocKind::Abs32Signed, i64::from(i32::MIN) as u64));
    assert!(!fits(RelocKind::Abs32Signed, 1 << 31));
    assert!(fits(RelocKind::Abs64, u64::MAX));
    assert!(fits(RelocKind::Rel32, 0x4000_7FFF_FFFF));
    assert!(!fits(RelocKind::Rel32, 0x4000_8000_0000));
    let reloc = Reloc {
        offset: CodeOffset(5),
        kind: RelocKind::Abs64,
        symbol: Symbol(0),
        addend: 0,
    };
    assert!(reloc.apply(&mut [0; 8], 0, 0).is_err(), "outside the text");
}

#[test]
fn limit_is_an_error_and_never_a_panic() {
    let mut buf = CodeBuffer::with_limit(10_000);
    let top = buf.here();
    for _ in 0..20_000 {
        buf.jmp(top);
        buf.mov(Size::B64, Gpr::R8, Mem::label(top));
    }
    assert!(buf.overflowed());
    assert_eq!(buf.finalize(0).err(), Some(AsmError::TooLarge));
    buf.clear();
    buf.ret();
    assert_eq!(buf.finalize(0).unwrap().text, [0xC3]);
}

#[test]
fn data_has_the_same_limit() {
    let mut buf = CodeBuffer::with_limit(10_000);
    buf.constant(&[1; 10_000], 1);
    assert!(buf.finalize(0).is_ok());
    buf.constant(&[2], 1);
    assert_eq!(buf.finalize(0).err(), Some(AsmError::TooLarge));
}

#[test]
fn code_within_the_limit_is_not_refused() {
    let mut buf = CodeBuffer::with_limit(10_000);
    fill(&mut buf, 10_000);
    assert!(!buf.overflowed());
    assert_eq!(buf.finalize(0).unwrap().text.len(), 10_000);
}

#[test]
fn growing_keeps_what_was_emitted() {
    let mut buf = CodeBuffer::new();
    for n in 0..100_000_u32 {
        buf.mov_i(Gpr::Rax, n.into());
    }
    let text = buf.text();
    assert_eq!(text.len(), 500_000);
    for (n, instr) in text.chunks(5).enumerate() {
        assert_eq!(instr[1..], (n as u32).to_le_bytes());
    }
}

#[test]
fn sections_apart_refer_to_each_other_as_when_together() {
    let mut buf = CodeBuffer::new();
    let target = buf.label();
    let table = buf.jump_table(&[target]);
    let large = buf.constant(&[7; 16], 16);
    buf.lea(Size::B64, Gpr::Rax, Mem::label(table));
    // An immediate after the displacement must not shift the target.
    let place = Mem::label(large).offset(4);
    buf.alu_i(asm::Alu::Cmp, Size::B32, place, 0x1234_5678);
    buf.jmp(target);
    buf.bind(target);
    let distance = 0x4000_0000;
    let together = buf.finalize(distance).unwrap();
    let (text, data) = (together.text.to_vec(), together.data.to_vec());

    let apart = buf.finalize_apart().unwrap();
    let (mut own_text, mut own_data) = (apart.text.to_vec(), apart.data.to_vec());
    assert_eq!((apart.references.len(), apart.entries.len()), (2, 1));
    for r in &apart.references {
        let value = (distance + i64::from(r.to) - i64::from(r.end.0)) as i32;
        own_text[r.at.0 as usize..][..4].copy_from_slice(&value.to_le_bytes());
    }
    for e in &apart.entries {
        let value = (i64::from(e.to.0) - distance - i64::from(e.table)) as i32;
        own_data[e.at as usize..][..4].copy_from_slice(&value.to_le_bytes());
    }
    assert_eq!((own_text, own_data), (text, data));
}

#[test]
fn unbound_labels_are_reported_apart_too() {
    let mut buf = CodeBuffer::new();
    let never = buf.label();
    buf.jump_table(&[never]);
    assert_eq!(buf.finalize_apart().err(), Some(AsmError::Unbound(never)));
    let mut buf = CodeBuffer::new();
    let never = buf.label();
    buf.jmp(never);
    assert_eq!(buf.finalize_apart().err(), Some(AsmError::Unbound(never)));
}
