//! The kernel command line: `key=value` words, parsed once, bounded, and never fatal.
//!
//! A word that is not understood becomes a warning and the default stays: a typing error on the boot line must not keep
//! the machine from coming up. The boot loader may put the image's name first (QEMU does not, GRUB may); a first word
//! that starts with `/` is skipped.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

/// Longest command line looked at, in bytes; the rest is dropped with a warning.
pub const MAX_BYTES: usize = 2048;
/// Most words looked at.
pub const MAX_WORDS: usize = 64;

/// How much the console shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// Only failures.
    Error,
    /// Also what is odd but harmless.
    Warning,
    /// Also the phases and the results.
    Info,
    /// Everything.
    Debug,
}

/// What the command line asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// `test=NAME[,NAME]`: run these tests and exit.
    pub tests: Vec<String>,
    /// `run=NAME[,NAME]`: the modules to run; all of the disk when empty.
    pub modules: Vec<String>,
    /// `link=NAME[,NAME]`: modules that are part of every program that `run` names.
    pub linked: Vec<String>,
    /// `limit=SECONDS`: how long each of these programs may take.
    pub limit_s: u32,
    /// `args=A[,B]`: arguments of the module's `main`; `%XX` is the byte with that hexadecimal number.
    pub arguments: Vec<String>,
    /// `cores=N`: use at most N cores.
    pub max_cores: usize,
    /// `lose=N`: do not prepare core N, so that it parks when it comes and is declared lost. For a test of that.
    pub lose: Option<usize>,
    /// `jit.workers=N`: cores (or tasks) that compile in the background; 0 turns the background compiler off.
    pub jit_workers: usize,
    /// `t1=N t2=N t3=N`: calls before a function is asked for at O1, O2, O3.
    pub thresholds: [u32; 3],
    /// `loglevel=error|warning|info|debug`.
    pub log_level: LogLevel,
    /// `shell=on|off`: whether to read commands from the console when the demo is over.
    pub shell: bool,
    /// `dir=FOLDER[:NAME][,…]`: folders of the volume whose files the programs may use.
    pub folders: Vec<String>,
    /// `input=on|off`: whether somebody types, so that programs that read from the console wait for it.
    pub input: bool,
    /// `color=on|off`: whether the console may use colours.
    pub color: bool,
    /// `stress=N`: run the stress test for N rounds.
    pub stress: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            tests: Vec::new(),
            modules: Vec::new(),
            linked: Vec::new(),
            limit_s: 600,
            arguments: Vec::new(),
            max_cores: usize::MAX,
            lose: None,
            jit_workers: 1,
            thresholds: [100, 1000, 10_000],
            log_level: LogLevel::Info,
            shell: false,
            folders: Vec::new(),
            input: false,
            color: false,
            stress: 0,
        }
    }
}

/// Why a word was ignored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Warning {
    /// No such key.
    UnknownKey(String),
    /// The value does not fit the key.
    BadValue(String),
    /// The line has more words or bytes than are looked at.
    TooLong,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownKey(word) => write!(f, "unknown key in `{word}`"),
            Self::BadValue(word) => write!(f, "bad value in `{word}`"),
            Self::TooLong => write!(f, "the line is too long; its end is ignored"),
        }
    }
}

/// Reads a command line; what cannot be used is reported beside the result.
#[must_use]
pub fn parse(line: &str) -> (Options, Vec<Warning>) {
    let mut options = Options::default();
    let mut warnings = Vec::new();
    let end = line
        .char_indices()
        .map(|(at, _)| at)
        .find(|&at| at >= MAX_BYTES)
        .unwrap_or(line.len());
    let mut words = line[..end].split_ascii_whitespace().enumerate();
    for (at, word) in words.by_ref().take(MAX_WORDS) {
        if at == 0 && word.starts_with('/') {
            continue;
        }
        if let Err(warning) = apply(&mut options, word) {
            warnings.push(warning);
        }
    }
    if end < line.len() || words.next().is_some() {
        warnings.push(Warning::TooLong);
    }
    (options, warnings)
}

/// Applies one word to the options.
fn apply(options: &mut Options, word: &str) -> Result<(), Warning> {
    let unknown = || Warning::UnknownKey(word.to_string());
    let bad = || Warning::BadValue(word.to_string());
    let (key, value) = word.split_once('=').ok_or_else(unknown)?;
    match key {
        "test" => options.tests = list(value),
        "run" => options.modules = list(value),
        "link" => options.linked = list(value),
        "limit" => options.limit_s = number(value).ok_or_else(bad)?,
        "args" => options.arguments = decoded(value).ok_or_else(bad)?,
        "cores" => options.max_cores = number(value).filter(|&n| n >= 1).ok_or_else(bad)? as usize,
        "lose" => options.lose = Some(number(value).ok_or_else(bad)? as usize),
        "jit.workers" => options.jit_workers = number(value).ok_or_else(bad)? as usize,
        "t1" => options.thresholds[0] = number(value).ok_or_else(bad)?,
        "t2" => options.thresholds[1] = number(value).ok_or_else(bad)?,
        "t3" => options.thresholds[2] = number(value).ok_or_else(bad)?,
        "stress" => options.stress = number(value).ok_or_else(bad)?,
        "loglevel" => options.log_level = level(value).ok_or_else(bad)?,
        "shell" => options.shell = switch(value).ok_or_else(bad)?,
        "dir" => options.folders = list(value),
        "input" => options.input = switch(value).ok_or_else(bad)?,
        "color" => options.color = switch(value).ok_or_else(bad)?,
        _ => return Err(unknown()),
    }
    Ok(())
}

fn list(value: &str) -> Vec<String> {
    value
        .split(',')
        .filter(|part| !part.is_empty())
        .map(ToString::to_string)
        .collect()
}

/// A list whose parts may have `%XX` for bytes that would end a part or a word.
fn decoded(value: &str) -> Option<Vec<String>> {
    list(value).iter().map(|part| decode(part)).collect()
}

fn decode(part: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = part.as_bytes();
    while let [first, behind @ ..] = rest {
        rest = behind;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let digits = core::str::from_utf8(behind.get(..2)?).ok()?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        rest = &behind[2..];
    }
    String::from_utf8(bytes).ok()
}

fn number(value: &str) -> Option<u32> {
    value.parse().ok()
}

fn switch(value: &str) -> Option<bool> {
    match value {
        "on" => Some(true),
        "off" => Some(false),
        _ => None,
    }
}

fn level(value: &str) -> Option<LogLevel> {
    match value {
        "error" => Some(LogLevel::Error),
        "warning" => Some(LogLevel::Warning),
        "info" => Some(LogLevel::Info),
        "debug" => Some(LogLevel::Debug),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_keys_are_taken() {
        let (options, warnings) =
            parse("/kernel test=ipi,pages jit.workers=2 t1=5 t3=7 loglevel=debug shell=on cores=3");
        assert_eq!(warnings, []);
        assert_eq!(options.tests, ["ipi", "pages"]);
        assert_eq!((options.jit_workers, options.max_cores), (2, 3));
        assert_eq!(options.thresholds, [5, 1000, 7]);
        assert_eq!((options.log_level, options.shell), (LogLevel::Debug, true));
    }

    #[test]
    fn arguments_may_hold_any_character() {
        let (options, warnings) = parse("args=a%20b,c%2Cd%25,%c3%a9 dir=/data,x:y limit=7");
        assert_eq!(warnings, []);
        assert_eq!(options.arguments, ["a b", "c,d%", "é"]);
        assert_eq!(options.folders, ["/data", "x:y"]);
        assert_eq!(options.limit_s, 7);
        for wrong in ["args=a%2", "args=%zz", "args=%ff"] {
            assert_eq!(parse(wrong).1, [Warning::BadValue(wrong.into())]);
        }
    }

    #[test]
    fn bad_words_are_warned_about_and_change_nothing() {
        let (options, warnings) = parse("colour=on quiet t2=many cores=0 shell=1");
        assert_eq!(options, Options::default());
        assert_eq!(
            warnings,
            [
                Warning::UnknownKey("colour=on".into()),
                Warning::UnknownKey("quiet".into()),
                Warning::BadValue("t2=many".into()),
                Warning::BadValue("cores=0".into()),
                Warning::BadValue("shell=1".into()),
            ]
        );
    }

    #[test]
    fn the_end_of_a_long_line_is_ignored_with_a_warning() {
        let words = "t1=3 ".repeat(MAX_WORDS + 1);
        assert_eq!(parse(&words).1, [Warning::TooLong]);
        let bytes = alloc::format!("run={}", "é".repeat(MAX_BYTES));
        assert_eq!(parse(&bytes).1, [Warning::TooLong]);
    }
}
