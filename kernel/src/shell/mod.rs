//! The shell: commands from the console, on the BSP, while the other cores go on.
//!
//! A line is at most 79 characters and is edited with backspace only; everything a command does is bounded. What ran
//! before stays visible: `top` lists the functions of the demonstration and of every `run`.

mod dis;
mod show;

use crate::catalog::{self, File};
use crate::console;
use crate::demo::{self, Row};
use crate::tasks::executive::Executive;
use alloc::string::String;
use alloc::vec::Vec;
use kernel::cmdline::Options;

const MAX_LINE: usize = 79;
const PROMPT: &str = "bareflow> ";
/// How long the core may halt before the keyboard is looked at again, µs.
const LOOK_US: u64 = 10_000;

/// What the commands work on.
#[derive(Debug)]
pub(crate) struct Shell<'a> {
    executive: &'a mut Executive,
    options: &'a Options,
    files: Vec<File>,
    /// Functions that have run, with their module's name.
    history: Vec<(String, Row)>,
}

/// A command: name, arguments, what it does, and the code.
type Command = (
    &'static str,
    &'static str,
    &'static str,
    fn(&mut Shell<'_>, &[&str]),
);

const COMMANDS: &[Command] = &[
    ("help", "", "this list", |_, _| help()),
    ("ls", "", "module files", |shell, _| {
        show::files(&shell.files);
    }),
    (
        "run",
        "NAME [ARG...]",
        "run a module's main",
        |shell, words| shell.run(words),
    ),
    ("top", "", "hottest functions so far", |shell, _| {
        show::top(&shell.history);
    }),
    (
        "tiers",
        "",
        "tiers, thresholds, compile queue",
        |shell, _| {
            show::tiers(shell.options, &shell.history);
        },
    ),
    (
        "dis",
        "NAME FUNCTION [TIER]",
        "machine code of a function",
        |shell, words| {
            dis::disassemble(&shell.files, words);
        },
    ),
    ("stat", "", "memory, console, events", |_, _| {
        show::statistics();
    }),
    ("cores", "", "roles and work of the cores", |_, _| {
        show::cores();
    }),
    ("poweroff", "", "end the machine", |_, _| {}),
];

/// Reads and executes commands until `poweroff`.
pub(crate) fn run(
    executive: &mut Executive,
    options: &Options,
    files: Vec<File>,
    history: Vec<(String, Row)>,
) {
    let mut shell = Shell {
        executive,
        options,
        files,
        history,
    };
    console::say!("");
    console::say!("`help` lists the commands.");
    loop {
        let line = shell.read_line();
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let Some((&name, arguments)) = words.split_first() else {
            continue;
        };
        if name == "poweroff" {
            return;
        }
        match COMMANDS.iter().find(|command| command.0 == name) {
            Some(command) => (command.3)(&mut shell, arguments),
            None => console::say!("{name}: no such command; `help` lists them"),
        }
    }
}

fn help() {
    for (name, arguments, what, _) in COMMANDS {
        console::say!("  {name:<9} {arguments:<22} {what}");
    }
}

impl Shell<'_> {
    /// A line from the console; the cores work meanwhile.
    fn read_line(&mut self) -> String {
        let mut line = String::new();
        console::prompt(PROMPT);
        loop {
            let Some(byte) = console::typed() else {
                self.executive.turn(Some(LOOK_US));
                continue;
            };
            match byte {
                b'\r' | b'\n' => {
                    console::prompt("\r\n");
                    return line;
                }
                0x08 | 0x7f if line.pop().is_some() => console::prompt("\x08 \x08"),
                b' '..0x7f if line.len() < MAX_LINE => {
                    let typed = char::from(byte);
                    line.push(typed);
                    console::prompt(typed.encode_utf8(&mut [0; 4]));
                }
                _ => {}
            }
        }
    }

    fn run(&mut self, words: &[&str]) {
        let Some(name) = words.first() else {
            console::say!("run: which module? `ls` lists them");
            return;
        };
        let Some(file) = catalog::find(&self.files, name) else {
            console::say!("{name}: no such module");
            return;
        };
        let ran = demo::run_main(self.executive, &self.files, file, words, self.options);
        self.history
            .extend(ran.rows.into_iter().map(|row| (file.name.clone(), row)));
    }
}
