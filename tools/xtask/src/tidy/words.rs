//! Rules about words: the glossary, paths of a machine, references to files.

use super::Complaint;

/// Words that the glossary has another word for. Only those that cannot mean anything else here.
const SYNONYMS: [(&str, &str); 10] = [
    (concat!("sl", "ave"), "AP"),
    (concat!("boot ", "cpu"), "BSP"),
    (concat!("boot_", "cpu"), "bsp"),
    (concat!("secondary ", "cpu"), "AP"),
    (concat!("secondary ", "core"), "AP"),
    (concat!("jit ", "heap"), "code cache"),
    (concat!("jit_", "heap"), "code_cache"),
    (concat!("zom", "bie"), "retired version"),
    (concat!("plug", "in"), "module"),
    (concat!("tier ", "promotion"), "tier-up"),
];

/// Beginnings of paths that exist on one machine only.
const MACHINE_PATHS: [&str; 4] = [
    concat!("/ho", "me/"),
    concat!("/ro", "ot/"),
    concat!("/wo", "rk/"),
    concat!("/Us", "ers/"),
];

/// Folders whose files are referred to by their path from the root.
const FOLDERS: [&str; 6] = ["jit/", "kernel/", "modules/", "sched/", "smp/", "tools/"];
/// Endings of files that are referred to.
const ENDINGS: [&str; 6] = [".rs", ".md", ".c", ".h", ".s", ".ld"];

/// Complaints about words and machine paths.
pub(super) fn check(text: &str) -> Vec<Complaint> {
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let lower = line.to_ascii_lowercase();
        for (word, better) in SYNONYMS.iter().filter(|(word, _)| lower.contains(word)) {
            found.push(Complaint::new(
                index + 1,
                format!("`{word}`: the word here is {better}"),
            ));
        }
        if let Some(path) = MACHINE_PATHS.iter().find(|path| line.contains(*path)) {
            found.push(Complaint::new(
                index + 1,
                format!("`{path}` is a path of one machine"),
            ));
        }
    }
    found
}

/// Complaints about references such as `jit/docs/abi.md` to files that do not exist.
pub(super) fn check_references(text: &str, exists: &dyn Fn(&str) -> bool) -> Vec<Complaint> {
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let words = line.split(|c: char| !(c.is_alphanumeric() || "_-./".contains(c)));
        for word in words.map(|word| word.trim_end_matches('.')) {
            let names_a_file = FOLDERS.iter().any(|folder| word.starts_with(folder))
                && ENDINGS.iter().any(|ending| word.ends_with(ending));
            if names_a_file && !exists(word) {
                found.push(Complaint::new(
                    index + 1,
                    format!("there is no file {word}"),
                ));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_synonym_is_refused_in_any_case_and_inside_identifiers() {
        let text = concat!(
            "the AP wakes\nfn start_",
            "Sl",
            "aves()\nits JIT",
            " heap\n"
        );
        let lines: Vec<_> = check(text).iter().map(|c| c.line).collect();
        assert_eq!(lines, [2, 3]);
    }

    #[test]
    fn a_path_of_a_machine_is_refused() {
        let text = format!("see {}me/project/x.rs\n/usr/lib is everywhere\n", "/ho");
        assert_eq!(check(&text).len(), 1);
    }

    #[test]
    fn a_reference_to_a_missing_file_is_refused() {
        let exists = |path: &str| path == "jit/docs/abi.md";
        let good = "see `jit/docs/abi.md`, and (jit/docs/abi.md).\ncranelift's machinst/x.rs\n";
        assert_eq!(check_references(good, &exists), []);
        let gone = format!("see {}gone.rs.\n", "smp/src/");
        assert_eq!(check_references(&gone, &exists).len(), 1);
    }
}
