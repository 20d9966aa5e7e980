//! Streams assembled by hand: the smallest module, and one file for each way to be wrong.
//!
//! The check-list is that of `llvm/test/Bitcode/invalid.test`, whose inputs once crashed LLVM.

use alloc::string::String;
use alloc::vec::Vec;

use super::read_all;
use crate::testing::Writer;
use crate::{BodyReader, Constants, Error, Event, Inst, Module, limits};

const MODULE: u64 = 8;
const CONSTANTS: u64 = 11;
const FUNCTION: u64 = 12;
const ATTACHMENTS: u64 = 16;
const TYPES: u64 = 17;
const STRTAB: u64 = 23;
const SYNC_SCOPES: u64 = 26;

/// Type ids of [`module`].
const VOID: u64 = 0;
const I32: u64 = 1;
const PTR: u64 = 2;
const FN_I32: u64 = 3;
const FN_VOID: u64 = 4;

/// A function record's operands: `name` is a range of "fgh".
fn function(name: u64, ty: u64, declaration: bool) -> Vec<u64> {
    vec![name, 1, ty, 0, u64::from(declaration), 0, 0, 0, 0, 0]
}

fn types(w: &mut Writer) {
    w.enter(TYPES, 4);
    w.record(1, &[5]);
    w.record(2, &[]);
    w.record(7, &[32]);
    w.record(25, &[0]);
    w.record(21, &[0, I32, I32]);
    w.record(21, &[0, VOID]);
    w.end();
}

/// A file whose module holds the types, two functions `f` and `g`, and what `rest` writes.
fn module(rest: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut w = Writer::file();
    w.enter(MODULE, 3);
    w.record(1, &[2]);
    types(&mut w);
    rest(&mut w);
    w.end();
    w.enter(STRTAB, 3);
    w.blob_record(1, b"fgh\0");
    w.end();
    w.finish()
}

/// A file with `i32 @f(i32)` defined by the records that `body` writes, and `void @g()` declared.
/// Values: 0 f, 1 g, 2 the constant 7, 3 the parameter, results from 4 on.
fn defined(body: impl FnOnce(&mut Writer)) -> Vec<u8> {
    module(|w| {
        w.record(8, &function(0, FN_I32, false));
        w.record(8, &function(1, FN_VOID, true));
        w.enter(CONSTANTS, 4);
        w.record(1, &[I32]);
        w.record(4, &[14]);
        w.end();
        w.enter(FUNCTION, 4);
        body(w);
        w.end();
    })
}

/// Codes and operands of records.
type Records<'t> = &'t [(u64, &'t [u64])];

fn write_all(w: &mut Writer, records: Records<'_>) {
    records.iter().for_each(|(code, ops)| w.record(*code, ops));
}

fn read(file: &[u8]) -> Result<Vec<String>, Error> {
    let mut insts = Vec::new();
    read_all(file, |_, event| insts.push(format!("{event:?}")))?;
    Ok(insts)
}

fn refusal(file: &[u8]) -> String {
    match read(file) {
        Ok(insts) => panic!("accepted: {insts:?}"),
        Err(error) => format!("{error}"),
    }
}

#[test]
fn smallest_function_decodes() {
    let file = defined(|w| {
        w.record(1, &[1]);
        w.record(2, &[1, 2, 0]);
        w.record(10, &[1]);
    });
    let module = Module::parse(&file).unwrap();
    assert_eq!(module.value_count(), 3);
    let mut reader = BodyReader::new(&module);
    let head = reader.open(0, &mut Constants::default()).unwrap().unwrap();
    assert_eq!(
        (head.blocks, head.first_param.0, head.first_result.0),
        (1, 3, 4)
    );
    let Some(Event::Inst(Inst::Binary { lhs, rhs, .. }, Some(result))) =
        reader.next_event().unwrap()
    else {
        panic!("an addition was written");
    };
    assert_eq!((lhs.id.0, rhs.0, result.0), (3, 2, 4));
    assert!(matches!(
        reader.next_event(),
        Ok(Some(Event::Inst(Inst::Ret(Some(_)), None)))
    ));
    assert!(matches!(reader.next_event(), Ok(None)));
    assert!(
        matches!(reader.open(1, &mut Constants::default()), Ok(None)),
        "a declaration has no body"
    );
    assert!(matches!(
        reader.open(9, &mut Constants::default()),
        Ok(None)
    ));
}

#[test]
fn phi_refers_forward_and_backward_by_signed_distance() {
    let file = defined(|w| {
        w.record(1, &[2]);
        w.record(11, &[1]);
        // phi i32 [parameter, block 0], [the sum below, block 1]
        w.record(16, &[I32, 2, 0, 3, 1]);
        w.record(2, &[1, 3, 0]);
        w.record(11, &[1]);
    });
    let insts = read(&file).unwrap();
    assert!(
        insts[1].contains("incoming: [(ValueId(3), 0), (ValueId(5), 1)]"),
        "{}",
        insts[1]
    );
}

#[test]
fn forward_reference_carries_its_type() {
    let file = defined(|w| {
        w.record(1, &[3]);
        w.record(11, &[2]);
        // Block 1 uses what block 2, which runs before it, defines as value 5.
        w.record(2, &[u64::from(1u32.wrapping_neg()), I32, 2, 0]);
        w.record(10, &[1]);
        w.record(2, &[3, 3, 0]);
        w.record(11, &[1]);
    });
    let insts = read(&file).unwrap();
    assert!(
        insts[1].contains("lhs: Value { id: ValueId(5), ty: 1 }"),
        "{}",
        insts[1]
    );
}

#[test]
fn records_that_say_nothing_about_execution_are_skipped() {
    let file = defined(|w| {
        w.record(1, &[1]);
        w.record(60, &[1]);
        w.record(64, &[1, 2, 3, 4]);
        w.enter(14, 4);
        w.record(1, &[0, 65]);
        w.end();
        w.record(10, &[1]);
        w.record(35, &[12, 3, 0, 0, 0, 1, 2]);
    });
    // A debug record before the first instruction is not an instruction either.
    assert_eq!(read(&file).unwrap().len(), 2);
}

#[test]
fn wrong_bodies_are_refused_with_reason_function_and_offset() {
    let far = u64::from(u32::MAX);
    let cases: &[(&str, Records<'_>)] = &[
        ("without instructions", &[]),
        ("without instructions", &[(1, &[1])]),
        ("without blocks", &[(10, &[])]),
        ("declared twice", &[(1, &[1]), (1, &[1]), (10, &[1])]),
        ("more blocks than", &[(1, &[1 << 19]), (10, &[1])]),
        ("number of blocks", &[(1, &[1 << 30]), (10, &[1])]),
        ("fewer blocks than", &[(1, &[2]), (10, &[1])]),
        ("after the last block", &[(1, &[1]), (10, &[1]), (10, &[1])]),
        (
            "after the last block",
            &[(1, &[1]), (10, &[1]), (2, &[1, 1, 0])],
        ),
        ("value out of range", &[(1, &[1]), (10, &[1 << 20, 1])]),
        ("never defined", &[(1, &[1]), (10, &[far, I32])]),
        ("type id out of range", &[(1, &[1]), (10, &[far, 99])]),
        ("jump target", &[(1, &[1]), (11, &[0])]),
        ("jump target", &[(1, &[1]), (11, &[1])]),
        ("jump target", &[(1, &[2]), (11, &[1]), (12, &[I32, 1, 2])]),
        (
            "not a constant",
            &[(1, &[2]), (12, &[I32, 1, 1, 99, 1]), (15, &[])],
        ),
        ("block out of range", &[(1, &[1]), (16, &[I32, 2, 5])]),
        ("binary operator", &[(1, &[1]), (2, &[1, 2, 13])]),
        ("cast operator", &[(1, &[1]), (3, &[1, I32, 14])]),
        ("predicate", &[(1, &[1]), (28, &[1, 2, 20])]),
        ("alignment", &[(1, &[1]), (20, &[4, I32, 40, 0])]),
        (
            "limit exceeded: alignment",
            &[(1, &[1]), (20, &[4, I32, 20, 0])],
        ),
        ("load without a type", &[(1, &[1]), (20, &[4, 1, 0])]),
        ("too few operands", &[(1, &[1]), (2, &[1])]),
        ("too many operands", &[(1, &[1]), (15, &[1])]),
        ("without an index", &[(1, &[1]), (26, &[1])]),
        (
            "call without a function type",
            &[(1, &[1]), (34, &[0, 0, 4])],
        ),
        (
            "no function type",
            &[(1, &[1]), (34, &[0, 1 << 15, I32, 4])],
        ),
        (
            "too few operands",
            &[(1, &[1]), (34, &[0, 1 << 15, FN_I32, 4])],
        ),
        (
            "too many operands",
            &[(1, &[1]), (34, &[0, 1 << 15, FN_VOID, 4, 1])],
        ),
        ("atomic ordering", &[(1, &[1]), (36, &[9, 1])]),
        ("synchronisation scope", &[(1, &[1]), (36, &[4, 9])]),
        ("function record 99", &[(1, &[1]), (99, &[])]),
        ("does not fit 32 bits", &[(1, &[1]), (10, &[1 << 40])]),
    ];
    for (reason, records) in cases {
        let message = refusal(&defined(|w| write_all(w, records)));
        assert!(message.contains(reason), "{records:?}: {message}");
        assert!(message.contains("in function f (bit "), "{message}");
    }
}

#[test]
fn unsupported_instructions_decode_with_their_result() {
    let file = defined(|w| {
        w.record(1, &[3]);
        w.record(13, &[0, 1 << 13, 1, 2, FN_I32, 4, 1]);
        w.record(47, &[I32, 1, 0]);
        w.record(39, &[1, 1]);
        w.record(10, &[2]);
    });
    let insts = read(&file).unwrap();
    assert!(insts[0].contains("invoke instruction") && insts[0].contains("Some(ValueId(4))"));
    assert!(insts[1].contains("landingpad instruction") && insts[1].contains("Some(ValueId(5))"));
    assert!(insts[2].contains("resume instruction") && insts[2].contains("None"));
}

#[test]
fn wrong_modules_are_refused() {
    let with = |code: u64, ops: &[u64]| module(|w| w.record(code, ops));
    let name_outside = function(3, FN_VOID, true)
        .iter()
        .map(|op| op * 2)
        .collect::<Vec<_>>();
    let cases: &[(&str, Vec<u8>)] = &[
        ("outside the string table", with(8, &name_outside)),
        (
            "name with a NUL",
            with(8, &[0, 4, FN_VOID, 0, 1, 0, 0, 0, 0]),
        ),
        (
            "outside the string table",
            with(8, &[u64::from(u32::MAX), 9, FN_VOID, 0, 1, 0, 0, 0, 0]),
        ),
        ("without a function type", with(8, &function(0, PTR, true))),
        (
            "function definition without a body",
            with(8, &function(0, FN_VOID, false)),
        ),
        (
            "variable without a type",
            with(7, &[0, 1, PTR, 0, 0, 0, 0, 0]),
        ),
        ("module-level inline assembly", with(4, &[65])),
        ("second type table", module(types)),
        (
            "body without a definition",
            module(|w| {
                w.enter(FUNCTION, 4);
                w.end();
            }),
        ),
        (
            "two definitions of one name",
            module(|w| {
                w.record(8, &function(0, FN_VOID, true));
                w.record(8, &function(0, FN_VOID, true));
            }),
        ),
        (
            "names that share bytes",
            module(|w| {
                for (start, len) in [(0, 3), (0, 2), (0, 1), (1, 2), (1, 1), (2, 1)] {
                    w.record(8, &[start, len, FN_VOID, 0, 1, 0, 0, 0, 0]);
                }
            }),
        ),
        (
            "definition after constants",
            module(|w| {
                w.enter(CONSTANTS, 4);
                w.record(2, &[]);
                w.end();
                w.record(8, &function(0, FN_VOID, true));
            }),
        ),
    ];
    for (reason, file) in cases {
        let message = refusal(file);
        assert!(message.contains(reason), "expected {reason}: {message}");
    }
}

#[test]
fn wrong_constants_are_refused() {
    let cases: &[(&str, Records<'_>)] = &[
        ("without values", &[(1, &[VOID])]),
        ("type id out of range", &[(1, &[50])]),
        ("of another type", &[(1, &[PTR]), (4, &[2])]),
        ("of another type", &[(1, &[PTR]), (5, &[2])]),
        ("of another type", &[(1, &[I32]), (6, &[2])]),
        ("of another type", &[(1, &[I32]), (9, &[65])]),
        ("of another type", &[(1, &[I32]), (5, &[1, 2])]),
        ("constant record 77", &[(77, &[])]),
        ("without an index", &[(1, &[PTR]), (32, &[I32, 1])]),
        ("too few operands", &[(1, &[PTR]), (30, &[0, 0, 1 << 60])]),
        (
            "too few operands",
            &[(1, &[PTR]), (31, &[I32, 0, 65, u64::MAX])],
        ),
    ];
    for (reason, records) in cases {
        let message = refusal(&module(|w| {
            w.enter(CONSTANTS, 4);
            write_all(w, records);
            w.end();
        }));
        assert!(message.contains(reason), "{records:?}: {message}");
    }
}

#[test]
fn wrong_containers_are_refused() {
    let good = defined(|w| {
        w.record(1, &[1]);
        w.record(15, &[]);
    });
    assert!(read(&good).is_ok());
    let mut magic = good.clone();
    magic[0] = b'X';
    let mut odd = good.clone();
    odd.pop();
    let mut tail = good.clone();
    tail.extend([0; 4]);
    let twice = [&good[..], &good[4..]].concat();
    let old = {
        let mut w = Writer::file();
        w.enter(MODULE, 3);
        w.record(1, &[1]);
        w.end();
        w.finish()
    };
    let epoch = {
        let mut w = Writer::file();
        w.enter(13, 5);
        w.record(2, &[1]);
        w.end();
        w.finish()
    };
    let record = {
        let mut w = Writer::file();
        w.record(1, &[]);
        w.finish()
    };
    let cases: &[(&str, &[u8])] = &[
        ("magic", &magic),
        ("multiple of 4", &odd),
        ("not open", &tail),
        ("several modules", &twice),
        ("version other than 2", &old),
        ("epoch", &epoch),
        ("outside all blocks", &record),
        ("magic", &[]),
        ("no module", &good[..4]),
        (
            "wrapper around",
            &[
                0xDE, 0xC0, 0x17, 0x0B, 0, 0, 0, 0, 20, 0, 0, 0, 255, 255, 255, 255,
            ],
        ),
    ];
    for (reason, file) in cases {
        let message = refusal(file);
        assert!(message.contains(reason), "expected {reason}: {message}");
    }
}

/// Writes a wrong part of a module.
type Write<'t> = &'t dyn Fn(&mut Writer);

fn check_refusals(cases: &[(&str, Write<'_>)]) {
    for (reason, write) in cases {
        let message = refusal(&module(write));
        assert!(message.contains(reason), "expected {reason}: {message}");
    }
}

#[test]
fn wrong_abbreviations_are_refused() {
    let define = |w: &mut Writer, ops: u64| {
        w.abbrev(2);
        w.vbr(ops, 5);
    };
    let field = |w: &mut Writer, encoding: u64, width: u64| {
        w.fixed(0, 1);
        w.fixed(encoding, 3);
        w.vbr(width, 5);
    };
    check_refusals(&[
        ("not defined", &|w| w.abbrev(7)),
        ("without operands", &|w| define(w, 0)),
        ("operands of an abbreviation", &|w| define(w, 1 << 20)),
        ("width of an abbreviation field", &|w| {
            define(w, 1);
            field(w, 1, 65);
        }),
        ("width of an abbreviation field", &|w| {
            define(w, 1);
            field(w, 2, 1);
        }),
        ("encoding of an abbreviation field", &|w| {
            define(w, 1);
            field(w, 7, 0);
        }),
        ("record code is a list", &|w| {
            define(w, 2);
            w.fixed(3 << 1, 4);
            field(w, 1, 8);
        }),
        ("before the last operand", &|w| {
            define(w, 4);
            field(w, 1, 8);
            w.fixed(3 << 1, 4);
            field(w, 1, 8);
            field(w, 1, 8);
        }),
        ("array of a list", &|w| {
            define(w, 3);
            field(w, 1, 8);
            w.fixed(3 << 1, 4);
            w.fixed(5 << 1, 4);
        }),
    ]);
}

#[test]
fn wrong_blocks_and_records_are_refused() {
    check_refusals(&[
        ("longer than its block", &|w| {
            w.abbrev(3);
            w.vbr(1, 6);
            w.vbr(1 << 30, 6);
        }),
        ("does not end", &|w| {
            w.abbrev(3);
            w.vbr(1, 6);
            w.vbr(1, 6);
            w.fixed(u64::MAX, 64);
            w.fixed(u64::MAX, 64);
        }),
        ("runs past its parent", &|w| {
            w.abbrev(1);
            w.vbr(99, 8);
            w.vbr(4, 4);
            w.align();
            w.fixed(0xFFFF_FFFF, 32);
        }),
        ("width of abbreviation ids", &|w| {
            w.abbrev(1);
            w.vbr(99, 8);
            w.vbr(0, 4);
            w.align();
            w.fixed(0, 32);
        }),
        ("before SETBID", &|w| {
            w.enter(0, 3);
            w.abbrev(2);
            w.end();
        }),
        ("abbreviated record in BLOCKINFO", &|w| {
            w.enter(0, 3);
            w.abbrev(5);
            w.end();
        }),
    ]);
}

#[test]
fn block_must_end_where_its_head_says() {
    let mut file = defined(|w| {
        w.record(1, &[1]);
        w.record(15, &[]);
    });
    // The word count of the module block stands after its 32-bit aligned head.
    let words = u32::from_le_bytes(file[8..12].try_into().unwrap());
    for wrong in [words - 1, words + 1] {
        file[8..12].copy_from_slice(&wrong.to_le_bytes());
        assert!(read(&file).is_err(), "{wrong} words instead of {words}");
    }
}

#[test]
fn wrong_block_length_goes_unnoticed_without_the_check() {
    let file = module(|w| {
        w.enter(SYNC_SCOPES, 4);
        w.end_before(0xDEAD_BEEF);
    });
    let outcome = |ignore| {
        crate::testing::IGNORE_BLOCK_ENDS.set(ignore);
        let outcome = read(&file);
        crate::testing::IGNORE_BLOCK_ENDS.set(false);
        outcome
    };
    assert!(outcome(false).is_err());
    assert!(outcome(true).is_ok(), "{:?}", outcome(true));
}

#[test]
fn zero_width_fields_are_literal_zeros_and_cannot_inflate_a_record() {
    let array_of_nothing = |count: u64| {
        module(move |w| {
            w.abbrev(2);
            w.vbr(3, 5);
            w.fixed(1, 1);
            w.vbr(5, 8);
            w.fixed(3 << 1, 4);
            w.fixed(1 << 1, 4);
            w.vbr(0, 5);
            w.abbrev(4);
            w.vbr(count, 6);
            w.record(99, &[0; 100]);
        })
    };
    let file = array_of_nothing(3);
    assert_eq!(Module::parse(&file).unwrap().sections(), &[vec![0, 0, 0]]);
    let most = limits::ABBREV_OPS as u64;
    assert!(Module::parse(&array_of_nothing(most)).is_ok());
    assert!(refusal(&array_of_nothing(most + 1)).contains("take no bits"));
    assert!(refusal(&array_of_nothing(1 << 22)).contains("longer than its block"));
}

#[test]
fn attachments_that_take_no_bits_are_bounded() {
    let attached = |records: usize| {
        defined(move |w| {
            write_all(w, &[(1, &[1]), (10, &[1])]);
            w.enter(ATTACHMENTS, 4);
            w.abbrev(2);
            w.vbr(3, 5);
            w.fixed(1, 1);
            w.vbr(11, 8);
            w.fixed(3 << 1, 4);
            w.fixed(1 << 1, 4);
            w.vbr(0, 5);
            for _ in 0..records {
                w.abbrev(4);
                w.vbr(31, 6);
            }
            (0..8).for_each(|_| w.record(11, &[0, 0, 0]));
            w.end();
        })
    };
    assert!(read(&attached(1)).is_ok());
    assert!(refusal(&attached(100)).contains("limit exceeded: number of attachments"));
}

#[test]
fn attachments_mean_the_same_in_every_form() {
    const LARGE: u64 = 0xFFFF_FFF0;
    let body = |attached: &dyn Fn(&mut Writer)| {
        defined(|w| {
            write_all(w, &[(1, &[1]), (10, &[1])]);
            w.enter(ATTACHMENTS, 4);
            attached(w);
            w.end();
        })
    };
    let two = [[0, 1, 40], [7, 2, LARGE]];
    let short = body(&|w| two.iter().for_each(|ops| w.record(11, ops)));
    let abbreviated = body(&|w| {
        w.abbrev(2);
        w.vbr(4, 5);
        w.fixed(1, 1);
        w.vbr(11, 8);
        for _ in 0..3 {
            w.fixed(1 << 1, 4);
            w.vbr(32, 5);
        }
        for ops in two {
            w.abbrev(4);
            ops.iter().for_each(|op| w.fixed(*op, 32));
        }
    });
    let expected = format!(
        "Attached([{}, {}])",
        "Attachment { inst: Some(0), kind: 1, node: 40 }",
        "Attachment { inst: Some(7), kind: 2, node: 4294967280 }"
    );
    assert!(read(&short).unwrap().contains(&expected));
    assert!(read(&abbreviated).unwrap().contains(&expected));
    // Of the function; several of one instruction.
    let others = body(&|w| write_all(w, &[(11, &[1, 40]), (11, &[0, 1, 40, 2, 41])]));
    let facts = read(&others).unwrap().concat();
    assert!(facts.contains("{ inst: None, kind: 1, node: 40 }"));
    assert!(facts.contains("{ inst: Some(0), kind: 2, node: 41 }"));
    let wide = body(&|w| w.record(11, &[0, 1, 1 << 32]));
    assert!(refusal(&wide).contains("does not fit 32 bits"));
}

#[test]
fn nesting_is_bounded() {
    let file = module(|w| {
        for _ in 0..limits::NESTING + 4 {
            w.enter(FUNCTION, 4);
        }
        for _ in 0..limits::NESTING + 4 {
            w.end();
        }
    });
    assert!(read(&file).is_err(), "and the stack is not used for it");
}

#[test]
fn abbreviations_of_blockinfo_come_before_local_ones() {
    let file = module(|w| {
        w.enter(0, 3);
        w.record(1, &[FUNCTION]);
        // ret with a 6-bit operand
        w.abbrev(2);
        w.vbr(2, 5);
        w.fixed(1, 1);
        w.vbr(10, 8);
        w.fixed(2 << 1, 4);
        w.vbr(6, 5);
        w.end();
        w.record(8, &function(0, FN_I32, false));
        w.enter(FUNCTION, 4);
        w.record(1, &[1]);
        // A local abbreviation: unreachable.
        w.abbrev(2);
        w.vbr(1, 5);
        w.fixed(1, 1);
        w.vbr(15, 8);
        w.abbrev(4);
        w.vbr(1, 6);
        w.end();
    });
    assert!(read(&file).unwrap()[0].contains("Ret"));
}
