//! `argc` and `argv`: how the words of a command line are laid out for `main`.
//!
//! The block lies at the top of the first task's stack, above its first frame:
//!
//! ```text
//! end      … word 0 NUL word 1 NUL …
//!          null
//!          address of the last word
//!          …
//! start    address of word 0                (16-byte aligned; the first frame lies below)
//! ```

use alloc::vec::Vec;

/// Most bytes of a block.
pub const MAX_BYTES: usize = 64 * 1024;

/// The bytes of an argument block and where they go.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ArgumentBlock {
    /// Address of the first byte: the value of `argv`, and the end of the stack that is left.
    pub start: u32,
    /// The block.
    pub bytes: Vec<u8>,
    /// Number of words: the value of `argc`.
    pub count: u32,
}

/// The words do not fit into [`MAX_BYTES`], or one contains a NUL.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BadArguments;

/// Lays `words` out below `end`, the end of a stack.
///
/// # Errors
/// There are too many bytes, or a word contains a NUL.
pub fn block(words: &[&str], end: u32) -> Result<ArgumentBlock, BadArguments> {
    let text: usize = words.iter().map(|word| word.len() + 1).sum();
    let table = 4 * (words.len() + 1);
    let size = (table + text).next_multiple_of(16);
    let fits = size <= MAX_BYTES && !words.iter().any(|word| word.contains('\0'));
    let start = end
        .checked_sub(size as u32)
        .filter(|_| fits)
        .ok_or(BadArguments)?;
    let mut bytes = Vec::with_capacity(size);
    let mut address = start + table as u32;
    for word in words {
        bytes.extend(address.to_le_bytes());
        address += word.len() as u32 + 1;
    }
    bytes.extend([0; 4]);
    for word in words {
        bytes.extend(word.as_bytes());
        bytes.push(0);
    }
    bytes.resize(size, 0);
    Ok(ArgumentBlock {
        start,
        bytes,
        count: words.len() as u32,
    })
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn words_follow_their_table() {
        let block = block(&["a", "bcd"], 0x1000).unwrap();
        assert_eq!(block.start % 16, 0);
        assert_eq!(block.start as usize + block.bytes.len(), 0x1000);
        let word = |at: usize| u32::from_le_bytes(block.bytes[at..at + 4].try_into().unwrap());
        assert_eq!((block.count, word(8)), (2, 0));
        let second = (word(4) - block.start) as usize;
        assert_eq!(&block.bytes[second..second + 4], b"bcd\0");
    }

    #[test]
    fn too_many_bytes_are_refused() {
        let long = alloc::string::String::from_utf8(alloc::vec![b'x'; MAX_BYTES]).unwrap();
        assert_eq!(block(&[&long], 1 << 20), Err(BadArguments));
        assert_eq!(block(&["a\0b"], 1 << 20), Err(BadArguments));
        assert_eq!(block(&["a"], 8), Err(BadArguments));
    }
}
