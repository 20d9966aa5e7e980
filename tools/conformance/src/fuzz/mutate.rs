//! Changes to an input: to what the records of its modules say, to its archives and paths, and plain damage.

use super::fields::{self, Field};
use super::parcel::{self, Item, Kind};
use jit::instance::archive;

/// Bytes of a header in an archive, and where the size of what follows stands in it.
const HEADER: usize = 60;
const SIZE: core::ops::Range<usize> = 48..58;
/// What paths are made of.
const PIECES: [&[u8]; 12] = [
    b"..", b"/", b"../", b"/..", b".", b"//", b"\0", b"\xff", b"a", b"d", b":", b"\n",
];

/// Makes mutants of one input after the other; the same ones for the same seed.
#[derive(Clone, Debug)]
pub struct Mutator(u64);

impl Mutator {
    /// The mutants of `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// xorshift64*.
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }

    /// Changes `input` in a few places: one item of a parcel, or the file.
    pub fn mutate(&mut self, input: &mut Vec<u8>) {
        if !parcel::is_parcel(input) {
            return self.file(input);
        }
        let items = parcel::open(input);
        let mut items: Vec<(Kind, Vec<u8>)> = items
            .iter()
            .map(|item| (item.kind, item.bytes.to_vec()))
            .collect();
        if items.is_empty() {
            return;
        }
        let chosen = self.below(items.len());
        match self.below(16) {
            0 => items.swap(0, chosen),
            1 => drop(items.remove(chosen)),
            2 => items.push(items[chosen].clone()),
            _ => match &mut items[chosen] {
                (Kind::File, bytes) => self.file(bytes),
                (_, bytes) => self.text(bytes),
            },
        }
        *input = parcel::close(
            items
                .iter()
                .map(|(kind, bytes)| Item { kind: *kind, bytes }),
        );
    }

    /// Joins the items of two inputs: files that are linked with one another.
    pub fn cross(&mut self, first: &[u8], second: &[u8]) -> Vec<u8> {
        let mut items = parcel::open(first);
        let others = parcel::open(second);
        if self.below(2) == 0 {
            items.extend(others);
        } else {
            // The two may be versions of one program, in which names occur once.
            for (at, other) in others.into_iter().enumerate() {
                match items.get_mut(at) {
                    Some(item) if self.below(2) == 0 => *item = other,
                    Some(_) => {}
                    None => items.push(other),
                }
            }
        }
        parcel::close(items)
    }

    /// Changes a file.
    fn file(&mut self, file: &mut Vec<u8>) {
        if file.len() < 8 {
            return;
        }
        if self.below(4) == 0 {
            return self.damage(file);
        }
        let module = if archive::is_archive(file) {
            self.member(file)
        } else {
            Some(0..file.len())
        };
        let Some(module) = module else {
            return self.damage(file);
        };
        let module = &mut file[module];
        // A header in front is damaged like any other bytes; the fields are those of the bitcode.
        let start = match abi::Container::parse(module) {
            Ok(container) => module.len() - container.bitcode.len().min(module.len()),
            Err(_) => 0,
        };
        let found = fields::find(&module[start..]);
        if found.is_empty() {
            return self.damage(file);
        }
        for _ in 0..1 + self.below(4) {
            self.say_otherwise(&mut module[start..], &found);
        }
    }

    /// Changes a header or a table of an archive, or gives the place of a member to change.
    fn member(&mut self, file: &mut [u8]) -> Option<core::ops::Range<usize>> {
        let mut members = Vec::new();
        let mut at = 8;
        while let Some(header) = file.get(at..at + HEADER) {
            let size = str::from_utf8(&header[SIZE]).ok()?.trim_end();
            let start = at + HEADER;
            let end = start.checked_add(size.parse().ok()?)?;
            members.push(start..end.min(file.len()).max(start));
            at = end.next_multiple_of(2);
        }
        let chosen = self.below(members.len());
        let member = members.get(chosen)?.clone();
        if self.below(4) == 0 {
            let byte = member.start - HEADER + self.below(HEADER);
            file[byte] = b"0123456789 /`"[self.below(13)];
        }
        // The first members are tables.
        let is_table = file[member.start - HEADER] == b'/' && chosen < 2;
        if is_table && !member.is_empty() {
            let byte = member.start + self.below(member.len());
            file[byte] = self.next() as u8;
        }
        Some(member)
    }

    /// Changes a path or a list of grants.
    fn text(&mut self, text: &mut Vec<u8>) {
        for _ in 0..1 + self.below(4) {
            let at = self.below(text.len() + 1);
            let piece = PIECES[self.below(PIECES.len())];
            match self.below(6) {
                0 => text.truncate(at),
                1 => drop(text.splice(at..(at + self.below(4)).min(text.len()), [])),
                2 => {
                    let times = [2, 16, 64, 255, 256][self.below(5)];
                    text.splice(at..at, piece.repeat(times));
                }
                3 if at < text.len() => text[at] ^= 1 << self.below(8),
                _ => drop(text.splice(at..at, piece.iter().copied())),
            }
        }
    }

    /// Gives a field another value.
    fn say_otherwise(&mut self, file: &mut [u8], found: &[Field]) {
        let field = found[self.below(found.len())];
        let old = fields::get(file, field);
        let value = match self.below(9) {
            0 => 0,
            1 => old.wrapping_add(1),
            2 => old.wrapping_sub(1),
            3 => old ^ 1 << self.below(8),
            4 => u64::MAX,
            5 => self.below(64) as u64,
            6 => self.next(),
            // What another field says: a type where a value was, the operand of a neighbour.
            7 => fields::get(file, found[self.below(found.len())]),
            _ => {
                let near = (field.bit / 64).min(found.len() - 1);
                fields::get(file, found[near])
            }
        };
        fields::set(file, field, value);
    }

    /// Flips bits, cuts, moves pieces, plants words.
    fn damage(&mut self, file: &mut Vec<u8>) {
        match self.below(6) {
            0 => {
                let end = self.below(file.len()) & !3;
                file.truncate(end);
            }
            1 => {
                let (from, to) = (self.below(file.len()), self.below(file.len()));
                let len = self.below(64).min(file.len() - from.max(to));
                file.copy_within(from..from + len, to);
            }
            2 => {
                let at = self.below(file.len() / 4) * 4;
                let word = [0u32, 1, u32::MAX, 1 << 31][self.below(4)];
                file[at..at + 4].copy_from_slice(&word.to_le_bytes());
            }
            _ => {
                for _ in 0..1 + self.below(3) {
                    let bit = self.below(file.len() * 8);
                    file[bit / 8] ^= 1 << (bit % 8);
                }
            }
        }
    }
}
