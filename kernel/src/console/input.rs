//! What is typed, for programs that read from the console: lines, edited on the BSP, taken by tasks on any core.
//!
//! The BSP looks at the port while a program waits for input (the shell looks at it itself). A task finds bytes or
//! registers as a reader under one lock, which is held for a copy of at most [`MAX_KEPT`] bytes; the BSP adds bytes
//! under the same lock and unblocks all readers, so no line arrives unseen. Without `input=on` there is no input: a
//! reader gets the end of file at once, and a machine that nobody sits at does not wait for ever.

use super::{prompt, typed};
use crate::tasks;
use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, Ordering};
use sched::TaskId;
use spin::Mutex;

/// Most bytes that wait to be read; what is typed beyond is dropped.
const MAX_KEPT: usize = 4096;
/// Longest line that is edited.
const MAX_LINE: usize = 1024;
/// Ctrl-D: the end of the input, or of the line if something stands on it.
const END: u8 = 4;

static CONNECTED: AtomicBool = AtomicBool::new(false);
static INPUT: Mutex<Input> = Mutex::new(Input {
    bytes: VecDeque::new(),
    ended: false,
    line: Vec::new(),
    readers: Vec::new(),
});

struct Input {
    bytes: VecDeque<u8>,
    /// The next read that finds nothing gives the end of file.
    ended: bool,
    line: Vec<u8>,
    readers: Vec<TaskId>,
}

/// Says whether somebody types at the console.
pub(crate) fn connect(on: bool) {
    // ORDERING: Relaxed: a setting, made before any program runs.
    CONNECTED.store(on, Ordering::Relaxed);
}

/// Up to `most` bytes, none at the end of the input; `None` if `reader` has to wait: it is unblocked when there is more.
pub(crate) fn take(most: usize, reader: TaskId) -> Option<Vec<u8>> {
    let mut input = INPUT.lock();
    // ORDERING: Relaxed: as in `connect`.
    if input.bytes.is_empty() && CONNECTED.load(Ordering::Relaxed) && !input.ended {
        if !input.readers.contains(&reader) {
            input.readers.push(reader);
        }
        return None;
    }
    input.readers.retain(|&other| other != reader);
    let count = most.min(input.bytes.len());
    if count == 0 && most > 0 {
        input.ended = false;
    }
    Some(input.bytes.drain(..count).collect())
}

/// Looks at the port if a program waits for input. On the BSP only.
pub(crate) fn feed() {
    while !INPUT.lock().readers.is_empty() {
        let Some(byte) = typed() else { return };
        add(byte, true);
    }
}

/// Types `byte`. Tests type without an echo.
pub(crate) fn add(byte: u8, echo: bool) {
    let (shown, readers) = INPUT.lock().edit(byte);
    if echo {
        prompt(&shown);
    }
    readers.into_iter().for_each(tasks::unblock);
}

impl Input {
    /// Edits the line; gives what the terminal shows, and whom to unblock.
    fn edit(&mut self, byte: u8) -> (String, Vec<TaskId>) {
        let mut shown = String::new();
        match byte {
            b'\r' | b'\n' => {
                shown.push_str("\r\n");
                self.line.push(b'\n');
                return (shown, self.deliver());
            }
            END if self.line.is_empty() => {
                self.ended = true;
                return (shown, core::mem::take(&mut self.readers));
            }
            END => return (shown, self.deliver()),
            0x08 | 0x7f if self.line.pop().is_some() => shown.push_str("\x08 \x08"),
            0x08 | 0x7f => {}
            byte if self.line.len() < MAX_LINE => {
                self.line.push(byte);
                if (b' '..0x7f).contains(&byte) {
                    shown.push(char::from(byte));
                }
            }
            _ => {}
        }
        (shown, Vec::new())
    }

    fn deliver(&mut self) -> Vec<TaskId> {
        let room = MAX_KEPT - self.bytes.len().min(MAX_KEPT);
        let line = core::mem::take(&mut self.line);
        self.bytes.extend(line.into_iter().take(room));
        core::mem::take(&mut self.readers)
    }
}
