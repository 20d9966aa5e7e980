//! What a program prints, on its way to the console: whole lines where that is possible, and harmless.
//!
//! A line is kept until it is complete, so that the lines of several tasks and programs do not get mixed; a line of
//! more than [`MAX_KEPT`] bytes goes out in pieces, none of which ends inside a character. Text is UTF-8 and stays as it
//! is. Only what could command a terminal is not sent: control characters but for tab and line feed, and bytes that are
//! no characters, become dots.

use alloc::string::String;
use alloc::vec::Vec;

/// Most bytes that are kept of a line that is not complete.
pub const MAX_KEPT: usize = 512;

/// The line that a program is writing.
#[derive(Debug, Default)]
pub struct Line {
    bytes: Vec<u8>,
    /// A piece of this line is out already.
    begun: bool,
}

impl Line {
    /// Adds what the program has written; gives what is to be printed now.
    pub fn add(&mut self, bytes: &[u8]) -> String {
        self.bytes.extend_from_slice(bytes);
        let lines = self.bytes.iter().rposition(|&byte| byte == b'\n');
        let mut ready = lines.map_or(0, |at| at + 1);
        if self.bytes.len() - ready > MAX_KEPT {
            ready = self.bytes.len() - begun_character(&self.bytes);
        }
        self.take(ready)
    }

    /// What is there of a line that is not complete: somebody is asked for input, and must see the question.
    pub fn flush(&mut self) -> String {
        self.take(self.bytes.len())
    }

    /// As [`Self::flush`], and ends the line if something stands on it: others print next.
    pub fn end(&mut self) -> String {
        let mut text = self.flush();
        if core::mem::take(&mut self.begun) {
            text.push('\n');
        }
        text
    }

    fn take(&mut self, count: usize) -> String {
        let text = harmless(&self.bytes[..count]);
        self.bytes.drain(..count);
        if let Some(last) = text.chars().next_back() {
            self.begun = last != '\n';
        }
        text
    }
}

/// Bytes at the end that may be the beginning of a character.
fn begun_character(bytes: &[u8]) -> usize {
    let Some(last) = bytes.utf8_chunks().last() else {
        return 0;
    };
    let invalid = last.invalid();
    match core::str::from_utf8(invalid) {
        // Without a length, the error is that the end came too early.
        Err(error) if error.error_len().is_none() => invalid.len(),
        _ => 0,
    }
}

fn harmless(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        let shown = |c: char| {
            let plain = !c.is_control() || matches!(c, '\n' | '\t');
            if plain { c } else { '.' }
        };
        text.extend(chunk.valid().chars().map(shown));
        if !chunk.invalid().is_empty() {
            text.push('.');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_go_out_when_they_are_complete() {
        let mut line = Line::default();
        assert_eq!(line.add(b"one\ntw"), "one\n");
        assert_eq!(line.add(b"o"), "");
        assert_eq!(line.add(b"\n\nthree"), "two\n\n");
        assert_eq!(line.end(), "three\n");
        assert_eq!(line.end(), "");
    }

    #[test]
    fn a_question_is_seen_and_its_line_is_ended_later() {
        let mut line = Line::default();
        line.add(b"name? ");
        assert_eq!(line.flush(), "name? ");
        assert_eq!((line.flush().as_str(), line.end().as_str()), ("", "\n"));
        line.add(b"name? ");
        line.flush();
        assert_eq!(line.add(b"\n"), "\n");
        assert_eq!(line.end(), "");
    }

    #[test]
    fn a_long_line_loses_nothing_and_is_cut_between_characters() {
        let text = "aäß€😀".repeat(500);
        let (mut line, mut out) = (Line::default(), String::new());
        for piece in text.as_bytes().chunks(7) {
            let printed = line.add(piece);
            assert!(line.bytes.len() <= MAX_KEPT);
            out.push_str(&printed);
        }
        out.push_str(&line.end());
        assert_eq!(out, text + "\n");
    }

    #[test]
    fn what_could_command_a_terminal_becomes_dots() {
        let mut line = Line::default();
        let shown = line.add("\u{1b}[2J\u{7}\r\u{7f}\u{9b}tab\t€\n".as_bytes());
        assert_eq!(shown, ".[2J....tab\t€\n");
        assert_eq!(line.add(b"\xff\xc3(\xe2\x82\n"), "..(.\n");
    }
}
