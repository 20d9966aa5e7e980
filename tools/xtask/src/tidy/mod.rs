//! `tidy`: rules about the source that no compiler checks.
//!
//! | rule | where |
//! | --- | --- |
//! | dependencies between crates point downward; some packages belong to one crate | [`layers`] |
//! | each file opens with `//!`; length; `// ORDERING:` beside each atomic ordering | [`source`] |
//! | one word per idea; no paths of a machine; no reference to a file that is not there | [`words`] |
//!
//! It runs as a test of this crate, so `cargo test` refuses what it refuses. Each rule is a pure
//! function from text to complaints and has tests with a text that breaks it.

mod layers;
mod source;
mod words;

use crate::{Failure, no_arguments, root};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// A rule that a file breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Complaint {
    /// Line, from 1.
    line: usize,
    /// What is wrong.
    message: String,
}

impl Complaint {
    fn new(line: usize, message: impl Into<String>) -> Self {
        Self {
            line,
            message: message.into(),
        }
    }
}

pub(crate) fn main(parser: lexopt::Parser) -> Result<ExitCode, Failure> {
    no_arguments(parser)?;
    let complaints = check(&root())?;
    for complaint in &complaints {
        println!("{complaint}");
    }
    println!("tidy: {} complaints", complaints.len());
    Ok(if complaints.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// All complaints about the repository at `root`, as `file:line: message`.
fn check(root: &Path) -> Result<Vec<String>, Failure> {
    let mut files = Vec::new();
    list_files(root, Path::new(""), &mut files)?;
    files.sort();
    let mut complaints = Vec::new();
    for file in &files {
        // A file that is not text has no lines to complain about.
        let Ok(text) = std::fs::read_to_string(root.join(file)) else {
            continue;
        };
        let found = check_file(root, file, &text);
        let place = file.display();
        complaints.extend(
            found
                .iter()
                .map(|c| format!("{place}:{}: {}", c.line, c.message)),
        );
    }
    Ok(complaints)
}

/// The rules that apply to a file of this name.
fn check_file(root: &Path, file: &Path, text: &str) -> Vec<Complaint> {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let ending = file.extension().unwrap_or_default().to_string_lossy();
    let mut found = Vec::new();
    if name == "Cargo.toml" {
        found.extend(layers::check(text));
    }
    if name == "Makefile" {
        found.extend(source::check_length(text, source::MAKEFILE_LINES));
    }
    if ending == "rs" {
        found.extend(source::check(text));
    }
    if matches!(&*ending, "rs" | "md" | "c" | "h" | "s" | "ld" | "toml") || name == "Makefile" {
        found.extend(words::check(text));
        found.extend(words::check_references(text, &|path| {
            root.join(path).exists()
        }));
    }
    found
}

/// Files below `root`, relative to it; without hidden folders and build products.
fn list_files(root: &Path, folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), Failure> {
    for entry in std::fs::read_dir(root.join(folder))? {
        let entry = entry?;
        let (name, path) = (entry.file_name(), folder.join(entry.file_name()));
        if name.to_string_lossy().starts_with('.') || name == "target" {
            continue;
        }
        if entry.file_type()?.is_dir() {
            list_files(root, &path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_repository_is_tidy() {
        let complaints = check(&root()).unwrap();
        assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
    }
}
