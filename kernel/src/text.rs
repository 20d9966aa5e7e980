//! Text of bounded length without a heap: console lines, panic messages.

use core::fmt;

/// Up to `MAX` bytes of UTF-8; what does not fit is cut off at a character and remembered as cut.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct BoundedText<const MAX: usize> {
    bytes: [u8; MAX],
    len: usize,
    cut: bool,
}

impl<const MAX: usize> BoundedText<MAX> {
    /// An empty text.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            bytes: [0; MAX],
            len: 0,
            cut: false,
        }
    }

    /// The text so far.
    #[must_use]
    pub fn as_str(&self) -> &str {
        str::from_utf8(&self.bytes[..self.len]).unwrap_or_default()
    }

    /// Whether something did not fit.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.cut
    }

    /// Makes the text empty.
    pub fn clear(&mut self) {
        *self = Self::new();
    }
}

impl<const MAX: usize> Default for BoundedText<MAX> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const MAX: usize> fmt::Write for BoundedText<MAX> {
    /// Never fails: formatting goes on and the rest is dropped.
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            let mut encoded = [0; 4];
            let encoded = character.encode_utf8(&mut encoded).as_bytes();
            let end = self.len + encoded.len();
            if self.cut || end > MAX {
                self.cut = true;
                break;
            }
            self.bytes[self.len..end].copy_from_slice(encoded);
            self.len = end;
        }
        Ok(())
    }
}

impl<const MAX: usize> fmt::Debug for BoundedText<MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl<const MAX: usize> fmt::Display for BoundedText<MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())?;
        if self.cut { f.write_str("…") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use core::fmt::Write;

    #[test]
    fn text_that_fits_is_kept() {
        let mut text = BoundedText::<16>::new();
        write!(text, "{}-{}", 12, "ab").unwrap();
        assert_eq!((text.as_str(), text.is_cut()), ("12-ab", false));
    }

    #[test]
    fn text_is_cut_at_a_character() {
        let mut text = BoundedText::<5>::new();
        text.write_str("aüüü").unwrap();
        text.write_str("b").unwrap();
        assert_eq!((text.as_str(), text.is_cut()), ("aüü", true));
        assert_eq!(text.to_string(), "aüü…");
    }
}
