//! The LLBC header: what is accepted, what is refused, and that refusals name the field.
//!
//! The mutation test at the end changes every single byte of a good file to every other value: the
//! reader must either refuse it for the field that the byte belongs to, or read back exactly the
//! change. No byte of the header may be ignored.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use abi::header::{HEADER_SIZE, TextError};
use abi::{Container, Header, HeaderError, LoadedFile};

const RAW: &[u8] = b"BC\xC0\xDE\x35\x14\x00\x00";
const WRAPPED: &[u8] = b"\xDE\xC0\x17\x0B\x00\x00\x00\x00";

fn good() -> Vec<u8> {
    let header = Header {
        name: "sieve",
        entry: "run",
        level: 2,
    };
    header.wrap(RAW).unwrap()
}

/// A good file with some bytes replaced.
fn with(at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut file = good();
    file[at..at + bytes.len()].copy_from_slice(bytes);
    file
}

#[test]
fn a_wrapped_file_reads_back() {
    let file = good();
    assert_eq!(file.len(), HEADER_SIZE + RAW.len());
    assert_eq!(&file[..4], [0x43, 0x42, 0x4C, 0x4C]);
    let expected = LoadedFile {
        name: "sieve",
        entry: "run",
        level: Some(2),
        bitcode: RAW,
    };
    assert_eq!(Container::parse(&file), Ok(expected));
}

#[test]
fn plain_bitcode_is_accepted_raw_and_wrapped() {
    for bitcode in [RAW, WRAPPED] {
        let expected = LoadedFile {
            name: "",
            entry: "main",
            level: None,
            bitcode,
        };
        assert_eq!(Container::parse(bitcode), Ok(expected));
    }
}

#[test]
fn an_empty_entry_means_main() {
    let file = Header {
        name: "",
        entry: "",
        level: 0,
    }
    .wrap(WRAPPED)
    .unwrap();
    let loaded = Container::parse(&file).unwrap();
    assert_eq!((loaded.name, loaded.entry), ("", "main"));
}

#[test]
fn texts_may_fill_their_fields() {
    let (name, entry) = ("n".repeat(32), "e".repeat(64));
    let file = Header {
        name: &name,
        entry: &entry,
        level: 3,
    }
    .wrap(RAW)
    .unwrap();
    let loaded = Container::parse(&file).unwrap();
    assert_eq!((loaded.name, loaded.entry), (name.as_str(), entry.as_str()));
}

#[test]
fn zero_bytes_may_follow_and_others_may_not() {
    let mut file = good();
    file.extend([0; 377]);
    assert_eq!(Container::parse(&file).unwrap().bitcode, RAW);
    file[HEADER_SIZE + RAW.len() + 9] = 1;
    let at = HEADER_SIZE + RAW.len() + 9;
    assert_eq!(Container::parse(&file), Err(HeaderError::TrailingData(at)));
}

#[test]
fn a_missing_checksum_is_not_checked() {
    let mut file = with(112, &[0; 4]);
    file[HEADER_SIZE + 5] ^= 0xFF;
    assert!(Container::parse(&file).is_ok());
}

#[test]
fn each_rule_refuses_with_its_own_error() {
    use HeaderError as E;
    let crc = crc32fast::hash(RAW);
    let cases = [
        (with(0, b"ELF\x7f"), E::Magic(*b"ELF\x7f")),
        (vec![], E::Magic([0; 4])),
        (b"BC".to_vec(), E::Magic(*b"BC\0\0")),
        (good()[..127].to_vec(), E::Truncated(127)),
        (
            with(4, b"\n"),
            E::Name(TextError::NotPrintable { at: 0, byte: 10 }),
        ),
        (with(35, b"x"), E::Name(TextError::AfterNul(31))),
        (
            with(37, b"\xC3"),
            E::Entry(TextError::NotPrintable { at: 1, byte: 0xC3 }),
        ),
        (with(99, b"x"), E::Entry(TextError::AfterNul(63))),
        (with(100, &[0; 4]), E::SizeNotWords(0)),
        (with(100, &6_u32.to_le_bytes()), E::SizeNotWords(6)),
        (
            with(100, &12_u32.to_le_bytes()),
            E::SizePastEnd {
                stated: 12,
                available: 8,
            },
        ),
        (with(104, &2_u32.to_le_bytes()), E::Version(2)),
        (with(108, &4_u32.to_le_bytes()), E::Level(4)),
        (with(108, &0x102_u32.to_le_bytes()), E::Level(0x102)),
        (
            with(112, &(crc ^ 1).to_le_bytes()),
            E::Crc {
                stated: crc ^ 1,
                computed: crc,
            },
        ),
        (with(127, b"\x01"), E::Reserved(127)),
    ];
    for (file, expected) in cases {
        assert_eq!(Container::parse(&file), Err(expected));
        assert!(
            expected.to_string().starts_with(expected.field()),
            "{expected}"
        );
    }
}

#[test]
fn a_body_that_is_not_bitcode_is_refused() {
    let mut file = with(112, &[0; 4]);
    file[HEADER_SIZE] = b'X';
    assert_eq!(
        Container::parse(&file),
        Err(HeaderError::Bitcode(*b"XC\xC0\xDE"))
    );
}

#[test]
fn building_refuses_what_reading_would() {
    let header = Header {
        name: "m",
        entry: "",
        level: 0,
    };
    assert_eq!(header.wrap(&[]), Err(HeaderError::SizeNotWords(0)));
    assert_eq!(header.wrap(&RAW[..7]), Err(HeaderError::SizeNotWords(7)));
    assert_eq!(
        header.wrap(b"\x7fELF"),
        Err(HeaderError::Bitcode(*b"\x7fELF"))
    );
    let level = Header { level: 4, ..header };
    assert_eq!(level.wrap(RAW), Err(HeaderError::Level(4)));
    let long = "n".repeat(33);
    let name = Header {
        name: &long,
        ..header
    };
    assert_eq!(
        name.wrap(RAW),
        Err(HeaderError::Name(TextError::TooLong(32)))
    );
    let entry = Header {
        entry: "a\0b",
        ..header
    };
    let nul = TextError::NotPrintable { at: 1, byte: 0 };
    assert_eq!(entry.wrap(RAW), Err(HeaderError::Entry(nul)));
}

/// The field that a byte of the file belongs to, as errors name it.
fn field_of(at: usize) -> &'static str {
    match at {
        0..4 => "magic",
        4..36 => "module name",
        36..100 => "entry function",
        100..104 => "bitcode size",
        104..108 => "version",
        108..112 => "optimisation level",
        112..116 => "CRC-32",
        116..128 => "reserved",
        _ => "bitcode",
    }
}

#[test]
fn no_changed_byte_goes_unnoticed() {
    let original = good();
    let before = Container::parse(&original).unwrap();
    for (at, &byte) in original.iter().enumerate() {
        for value in (0..=u8::MAX).filter(|&value| value != byte) {
            let file = with(at, &[value]);
            match Container::parse(&file) {
                Ok(after) => {
                    let field = field_of(at);
                    assert!(matches!(
                        field,
                        "module name" | "entry function" | "optimisation level"
                    ));
                    assert_ne!(after, before, "byte {at} = {value:#x} was ignored");
                }
                // The bitcode is guarded by its checksum; a size that shrinks leaves a tail behind.
                Err(error) if at >= HEADER_SIZE => assert_eq!(error.field(), "CRC-32"),
                Err(error) => assert_eq!(error.field(), field_of(at), "byte {at} = {value:#x}"),
            }
        }
    }
}

#[test]
fn every_shorter_file_is_refused() {
    let file = good();
    for length in 0..file.len() {
        assert!(Container::parse(&file[..length]).is_err(), "{length} bytes");
    }
}
