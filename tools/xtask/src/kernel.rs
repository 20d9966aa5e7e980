//! `kernel`: build the kernel's ELF with plain cargo on stable Rust.
//!
//! Where cargo put it is asked from cargo, not guessed: the target directory depends on the
//! environment and the configuration.

use crate::{Failure, no_arguments, root};
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};

pub(crate) fn main(parser: lexopt::Parser) -> Result<ExitCode, Failure> {
    no_arguments(parser)?;
    println!("{}", build()?.display());
    Ok(ExitCode::SUCCESS)
}

/// The cargo command that builds the image; messages for a person go to stderr.
pub(crate) fn build_command() -> Command {
    let mut cargo = Command::new("cargo");
    cargo.args([
        "build",
        "--package",
        "kernel",
        "--bin",
        "kernel",
        "--profile",
        "kernel",
    ]);
    cargo.current_dir(root());
    cargo
}

/// Builds the kernel; returns the path of its ELF.
pub(crate) fn build() -> Result<PathBuf, Failure> {
    let output = build_command()
        .arg("--message-format=json-render-diagnostics")
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()?;
    if !output.status.success() {
        return Err("the kernel does not build".into());
    }
    let messages = String::from_utf8_lossy(&output.stdout);
    executable(&messages).ok_or_else(|| "cargo named no executable for the kernel".into())
}

/// The kernel's executable among cargo's messages, one JSON value per line.
fn executable(messages: &str) -> Option<PathBuf> {
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter(|message| message["target"]["name"] == "kernel")
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_executable_is_picked_out_of_the_messages() {
        let messages = concat!(
            "{\"reason\":\"compiler-artifact\",\"target\":{\"name\":\"kernel\"},\"executable\":null}\n",
            "not json\n",
            "{\"target\":{\"name\":\"other\"},\"executable\":\"/t/other\"}\n",
            "{\"target\":{\"name\":\"kernel\"},\"executable\":\"/t/kernel\"}\n",
        );
        assert_eq!(executable(messages), Some(PathBuf::from("/t/kernel")));
        assert_eq!(executable("{}"), None);
    }
}
