//! Each bound of [`limits`]: a file that is just above it is refused by that bound's name, one that
//! is at it is not.

use alloc::string::String;
use alloc::vec::Vec;

use crate::testing::Writer;
use crate::{BodyReader, Constants, Metadata, Module, limits};

const MODULE: u64 = 8;
const ATTRIBUTE_GROUPS: u64 = 10;
const CONSTANTS: u64 = 11;
const FUNCTION: u64 = 12;
const METADATA: u64 = 15;
const TYPES: u64 = 17;
const KINDS: u64 = 22;

/// A file with a module that `rest` writes.
fn file(rest: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut w = Writer::file();
    w.enter(MODULE, 4);
    w.record(1, &[2]);
    rest(&mut w);
    w.end();
    w.finish()
}

/// A type table: void, i32, and what `rest` writes from number 2 on.
fn types(w: &mut Writer, rest: impl FnOnce(&mut Writer)) {
    w.enter(TYPES, 4);
    w.record(2, &[]);
    w.record(7, &[32]);
    rest(w);
    w.end();
}

/// Reads everything that is read once for a module.
fn outcome(file: &[u8]) -> Result<(), String> {
    let all = || -> crate::Result<()> {
        let module = Module::parse(file)?;
        Metadata::read(&module)?;
        let mut reader = BodyReader::new(&module);
        for function in 0..module.functions().len() as u32 {
            reader.open(function, &mut Constants::default())?;
        }
        Ok(())
    };
    all().map_err(|error| format!("{error}"))
}

fn exceeds(bound: &str, file: &[u8]) {
    let message = outcome(file).expect_err(bound);
    assert!(
        message.contains(&format!("limit exceeded: {bound}")),
        "{bound}: {message}"
    );
}

/// So many records that take an abbreviation's id and nothing else, in a block of this kind.
fn many(w: &mut Writer, block: u64, code: u64, count: usize, first: &[u64]) {
    w.enter(block, 3);
    w.abbrev(2);
    w.vbr(1, 5);
    w.fixed(1, 1);
    w.vbr(code, 8);
    if !first.is_empty() {
        w.record(1, first);
    }
    for _ in 0..count {
        w.abbrev(4);
    }
    w.end();
}

#[test]
fn size_of_the_file() {
    exceeds("size of the file", &vec![0; limits::FILE_BYTES + 1]);
    let message = outcome(&vec![0; limits::FILE_BYTES]).unwrap_err();
    assert!(message.contains("magic"), "{message}");
}

#[test]
fn nesting_of_blocks() {
    let mut stream = crate::stream::Stream::new(&[0; 64], crate::abbrev::BlockInfo::default());
    let head = crate::stream::BlockHead::for_tests(64);
    for _ in 0..limits::NESTING {
        stream.enter(&head).unwrap();
    }
    let error = stream.enter(&head).unwrap_err();
    assert!(format!("{error}").contains("limit exceeded: nesting of blocks"));
}

#[test]
fn abbreviations_and_their_operands() {
    let abbreviations = |count: usize| {
        file(|w| {
            for _ in 0..count {
                w.abbrev(2);
                w.vbr(1, 5);
                w.fixed(1, 1);
                w.vbr(9, 8);
            }
        })
    };
    exceeds("abbreviations", &abbreviations(limits::ABBREVS + 1));
    assert_eq!(outcome(&abbreviations(limits::ABBREVS)), Ok(()));
    let operands = |count: usize| {
        file(|w| {
            w.abbrev(2);
            w.vbr(count as u64, 5);
            for _ in 0..count {
                w.fixed(1, 1);
                w.vbr(9, 8);
            }
        })
    };
    exceeds(
        "operands of an abbreviation",
        &operands(limits::ABBREV_OPS + 1),
    );
    assert_eq!(outcome(&operands(limits::ABBREV_OPS)), Ok(()));
}

#[test]
fn operands_of_a_record() {
    // Both forms: each operand with a number in front, and an array of an abbreviation, of one bit an element.
    let plain = |count: usize| file(|w| w.record(999, &vec![0; count]));
    let array = |count: usize| {
        file(|w| {
            w.abbrev(2);
            w.vbr(3, 5);
            w.fixed(1, 1);
            w.vbr(999, 8);
            w.fixed(0, 1);
            w.fixed(3, 3);
            w.fixed(0, 1);
            w.fixed(1, 3);
            w.vbr(1, 5);
            w.abbrev(4);
            w.vbr(count as u64, 6);
            (0..count).for_each(|_| w.fixed(1, 1));
        })
    };
    for of in [&plain as &dyn Fn(usize) -> Vec<u8>, &array] {
        exceeds("operands of a record", &of(limits::RECORD_OPS + 1));
        assert_eq!(outcome(&of(limits::RECORD_OPS)), Ok(()));
    }
    // More than the file has bits for is refused before anything is made of it.
    let claimed = file(|w| {
        w.abbrev(3);
        w.vbr(999, 6);
        w.vbr(1 << 20, 6);
    });
    assert!(outcome(&claimed).is_err());
}

#[test]
fn types_fields_widths_lanes() {
    let numbered = |count: usize| file(|w| types(w, |w| w.record(1, &[count as u64])));
    exceeds("number of types", &numbered(limits::TYPES + 1));
    assert!(!outcome(&numbered(limits::TYPES)).is_err_and(|why| why.contains("limit")));
    let fields = |count: usize| {
        let mut ops = vec![0u64];
        ops.resize(count + 1, 1);
        file(|w| types(w, |w| w.record(18, &ops)))
    };
    exceeds("fields of a type", &fields(limits::FIELDS + 1));
    assert_eq!(outcome(&fields(limits::FIELDS)), Ok(()));
    let one = |code: u64, ops: &[u64]| file(|w| types(w, |w| w.record(code, ops)));
    let bits = u64::from(limits::INTEGER_BITS);
    exceeds("width of an integer type", &one(7, &[bits + 1]));
    assert_eq!(outcome(&one(7, &[bits])), Ok(()));
    let lanes = u64::from(limits::VECTOR_LANES);
    exceeds("elements of a vector type", &one(12, &[lanes + 1, 1]));
    assert_eq!(outcome(&one(12, &[lanes, 1])), Ok(()));
    let deep =
        |depth: u64| file(|w| types(w, |w| (0..depth).for_each(|at| w.record(11, &[1, at + 1]))));
    assert_eq!(outcome(&deep(u64::from(limits::TYPE_DEPTH) - 1)), Ok(()));
    exceeds("depth of a type", &deep(u64::from(limits::TYPE_DEPTH) + 1));
}

#[test]
fn attributes_of_all_groups() {
    let group = |count: usize| {
        let mut ops = vec![1u64, 0xFFFF_FFFF];
        ops.extend((0..count).flat_map(|_| [0, 14]));
        file(|w| {
            w.enter(ATTRIBUTE_GROUPS, 3);
            w.record(3, &ops);
            w.end();
        })
    };
    exceeds("number of attributes", &group(limits::ATTRIBUTES + 1));
    assert_eq!(outcome(&group(limits::ATTRIBUTES)), Ok(()));
}

#[test]
fn parameters_of_all_functions() {
    let mut params = vec![0u64, 0];
    params.resize(limits::FIELDS + 2, 1);
    let functions = |count: usize| {
        file(|w| {
            types(w, |w| w.record(21, &params));
            for _ in 0..count {
                w.record(8, &[0, 0, 2, 0, 1, 0, 0, 0, 0, 0]);
            }
        })
    };
    let most = limits::PARAMS / limits::FIELDS;
    exceeds("parameters of all functions", &functions(most + 1));
    assert_eq!(outcome(&functions(most)), Ok(()));
}

#[test]
fn constants_blocks_and_metadata() {
    let constants = |count| {
        file(|w| {
            types(w, |_| {});
            many(w, CONSTANTS, 2, count, &[1]);
        })
    };
    exceeds("number of constants", &constants(limits::CONSTANTS + 1));
    assert_eq!(outcome(&constants(limits::CONSTANTS)), Ok(()));
    let metadata = |count| file(|w| many(w, METADATA, 3, count, &[]));
    exceeds("number of metadata nodes", &metadata(limits::METADATA + 1));
    assert_eq!(outcome(&metadata(limits::METADATA)), Ok(()));
    let blocks = |count: u64| {
        file(|w| {
            types(w, |w| w.record(21, &[0, 0]));
            w.record(8, &[0, 0, 2, 0, 0, 0, 0, 0, 0, 0]);
            w.enter(FUNCTION, 4);
            w.record(1, &[count]);
            w.record(15, &[]);
            w.end();
        })
    };
    exceeds("number of blocks", &blocks(u64::from(limits::BLOCKS) + 1));
    assert!(outcome(&blocks(1000)).unwrap_err().contains("more blocks"));
    let kind = |number: usize| {
        file(|w| {
            w.enter(KINDS, 3);
            w.record(6, &[number as u64, 97]);
            w.end();
        })
    };
    exceeds("kinds of metadata", &kind(limits::METADATA_KINDS));
    assert_eq!(outcome(&kind(limits::METADATA_KINDS - 1)), Ok(()));
}

#[test]
fn a_chain_of_scopes_is_followed_so_far_and_no_farther() {
    // Node 0 is a subprogram, node n a block inside node n - 1.
    let chain = file(|w| {
        w.enter(METADATA, 4);
        w.record(21, &[0, 0, 0, 0, 0, 7]);
        for outer in 0..20u64 {
            w.record(22, &[0, outer + 1, 0, 0, 0]);
        }
        w.end();
    });
    let module = Module::parse(&chain).unwrap();
    let info = Metadata::read(&module).unwrap();
    let line = |scope: u32| {
        let loc = crate::DebugLoc {
            line: 1,
            column: 0,
            scope: Some(scope),
            inlined_at: None,
        };
        info.locate(loc).function_line
    };
    assert_eq!(line(limits::SCOPE_CHAIN - 1), 7);
    assert_eq!(line(limits::SCOPE_CHAIN), 0);
}
