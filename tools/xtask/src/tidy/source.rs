//! Rules about Rust source: the head of a file, its length, comments beside atomic orderings.

use super::Complaint;

/// Most lines of a Rust file.
const FILE_LINES: usize = 700;
/// Most lines of the Makefile: its logic belongs into this program.
pub(super) const MAKEFILE_LINES: usize = 80;
/// How many statements, its own included, may end between an ordering and its comment.
const ORDERING_STATEMENTS: usize = 3;

/// The names of atomic orderings, as identifiers.
const ORDERINGS: [&str; 5] = ["Relaxed", "Acquire", "Release", "AcqRel", "SeqCst"];

/// All complaints about a Rust file.
pub(super) fn check(text: &str) -> Vec<Complaint> {
    let mut found = check_length(text, FILE_LINES);
    if !text.starts_with("//!") {
        found.push(Complaint::new(
            1,
            "a file opens with `//!`: what it is and why it is right",
        ));
    }
    found.extend(check_orderings(text));
    found
}

/// Complains about a file that is too long.
pub(super) fn check_length(text: &str, limit: usize) -> Vec<Complaint> {
    let length = text.lines().count();
    if length <= limit {
        return Vec::new();
    }
    vec![Complaint::new(
        limit + 1,
        format!("{length} lines; the limit is {limit}"),
    )]
}

/// Complains about each use of an ordering with no `// ORDERING:` on its line or shortly above.
/// Comments in between do not count, nor do lines inside a statement: an argument may be as long
/// as it needs to be, and rustfmt may split a call.
fn check_orderings(text: &str) -> Vec<Complaint> {
    // `ir` has an enum `Ordering` as well, of the guest's operations; files that only know that one
    // have nothing to explain.
    if !text.contains("sync::") {
        return Vec::new();
    }
    let lines: Vec<&str> = text.lines().collect();
    let bare = imports_bare_names(text);
    let uses = (0..lines.len()).filter(|&index| uses_ordering(lines[index], bare));
    uses.filter(|&index| !is_explained(&lines[..=index]))
        .map(|index| {
            let message = "no `// ORDERING:` comment says what this ordering pairs with";
            Complaint::new(index + 1, message)
        })
        .collect()
}

/// Whether the file imports the orderings themselves, so that they appear without `Ordering::`.
fn imports_bare_names(text: &str) -> bool {
    let mut imports = text
        .lines()
        .filter(|line| line.trim_start().starts_with("use "));
    imports.any(|line| line.contains("Ordering::"))
}

/// Whether a line of code (not an import, not a comment, not a text) names an ordering.
fn uses_ordering(line: &str, bare: bool) -> bool {
    let code = line.split("//").next().unwrap_or_default().trim();
    if code.starts_with("use ") || code.starts_with("pub use ") {
        return false;
    }
    for word in code.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')) {
        let (path, name) = word.rsplit_once("::").unwrap_or(("", word));
        let qualified = path == "Ordering" || path.ends_with("::Ordering");
        if ORDERINGS.contains(&name) && (qualified || (bare && path.is_empty())) {
            return true;
        }
    }
    false
}

/// Whether the last of these lines, or one shortly above it, has the comment.
fn is_explained(lines: &[&str]) -> bool {
    let mut passed = 0;
    for line in lines.iter().rev() {
        if line.contains("// ORDERING:") {
            return true;
        }
        let code = line.split("//").next().unwrap_or_default().trim_end();
        passed += usize::from(code.ends_with([';', '{', '}']));
        if passed > ORDERING_STATEMENTS {
            return false;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(found: &[Complaint]) -> Vec<usize> {
        found.iter().map(|complaint| complaint.line).collect()
    }

    #[test]
    fn a_file_without_a_head_or_too_long_is_refused() {
        assert!(lines(&check("//! Head.\n")).is_empty());
        assert_eq!(lines(&check("use x;\n")), [1]);
        let long = format!("//! Head.\n{}", "\n".repeat(FILE_LINES));
        assert_eq!(lines(&check(&long)), [FILE_LINES + 1]);
    }

    /// Lines of source, with `@` for `Ordering`: this file is checked too.
    fn complaints(source: &[&str]) -> Vec<usize> {
        let text = source.join("\n").replace('@', "Ordering");
        lines(&check_orderings(&text))
    }

    #[test]
    fn an_ordering_without_its_partner_is_refused() {
        let found = complaints(&[
            "use core::sync::atomic::@::{self, Release};",
            "a.store(1, Release);",
            "a.load(@::Acquire); // ORDERING: pairs with x.",
            "a.load(@::Acquire);",
            "b();",
            "c();",
            "a.load(atomic::@::SeqCst);",
        ]);
        assert_eq!(found, [2, 7]);
    }

    #[test]
    fn the_comment_may_be_long_and_the_call_may_be_split() {
        let found = complaints(&[
            "use loom::sync::atomic::@;",
            "// ORDERING: AcqRel pairs",
            "// with itself,",
            "// at length.",
            "a.swap(",
            "    old,",
            "    new,",
            "    @::AcqRel,",
            "    @::Relaxed,",
            ");",
        ]);
        assert!(found.is_empty());
    }

    #[test]
    fn a_comment_far_above_explains_nothing() {
        let found = complaints(&[
            "use loom::sync::x;",
            "// ORDERING: pairs with x.",
            "a();",
            "b();",
            "c();",
            "d.load(@::Acquire);",
        ]);
        assert_eq!(found, [6]);
    }

    #[test]
    fn other_things_of_the_same_name_are_no_uses() {
        let found = complaints(&[
            "use core::sync::atomic::@;",
            "// a Release store",
            "Event::Release => 1,",
            "let y = ReleasePlan;",
            "Release,",
        ]);
        assert!(found.is_empty());
        assert!(complaints(&["@::Acquire => ir::@::Acquire,"]).is_empty());
    }
}
