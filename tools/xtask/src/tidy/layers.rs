//! Which crate may use which: the arrows of the architecture, read from the `Cargo.toml` files.
//!
//! Crates stand in layers, and a dependency must go to a lower layer. That alone says most of what
//! matters: `jit` and `smp` stand in the same layer, so neither can name the other. A package from
//! outside that touches hardware or a file format belongs to the one crate that hides it.

use super::Complaint;

/// The layers, lowest first; arrows go from a later row to an earlier one.
const LAYERS: [&[&str]; 7] = [
    &["abi", "asm", "ir"],
    &["bitcode"],
    &["jit", "smp"],
    &["clib", "modules", "sched"],
    &["hosted", "kernel"],
    &["bareflow", "bench", "conformance", "xtask"],
    &["fuzz"],
];

/// Packages from outside, and the only crate that may name them.
const OWNED: [(&str, &str); 9] = [
    ("acpi", "smp"),
    ("fatfs", "xtask"),
    ("hadris-fat", "kernel, xtask"),
    ("linked_list_allocator", "kernel"),
    ("raw-cpuid", "kernel"),
    ("regalloc2", "jit"),
    ("spin", "kernel"),
    ("virtio-drivers", "kernel"),
    ("x86", "kernel"),
];

/// Complaints about the dependencies in a `Cargo.toml`. Tests may use anything, so
/// `[dev-dependencies]` are not looked at; the workspace's own list is not a crate's.
pub(super) fn check(text: &str) -> Vec<Complaint> {
    let mut found = Vec::new();
    let (mut package, mut section) = (String::new(), String::new());
    for (index, line) in text.lines().map(str::trim).enumerate() {
        if line.starts_with('[') {
            line.trim_matches(['[', ']']).clone_into(&mut section);
            continue;
        }
        let Some((key, value)) = line.split_once('=') else {
            continue;
        };
        let name = key.trim().split('.').next().unwrap_or_default();
        if section == "package" && name == "name" {
            value.trim().trim_matches('"').clone_into(&mut package);
        }
        if is_dependency_section(&section) {
            let complaint = judge(&package, name);
            found.extend(complaint.map(|message| Complaint::new(index + 1, message)));
        }
    }
    found
}

fn is_dependency_section(section: &str) -> bool {
    let counted = section.ends_with("dependencies") && !section.ends_with("dev-dependencies");
    counted && !section.starts_with("workspace")
}

/// What is wrong with `package` depending on `dependency`.
fn judge(package: &str, dependency: &str) -> Option<String> {
    if let Some((_, owners)) = OWNED.iter().find(|(name, _)| *name == dependency)
        && owners.split(", ").all(|owner| owner != package)
    {
        return Some(format!("only {owners} may use the package {dependency}"));
    }
    let to = layer(dependency)?;
    match layer(package) {
        Some(from) if to < from => None,
        Some(_) => Some(format!(
            "{package} may not depend on {dependency}: arrows point downward"
        )),
        None => Some(format!("{package} has no layer; give it one in this check")),
    }
}

fn layer(name: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaints(text: &str) -> Vec<usize> {
        let found = check(text);
        found.iter().map(|complaint| complaint.line).collect()
    }

    #[test]
    fn arrows_that_point_downward_pass() {
        let text = "[package]\nname = \"kernel\"\n[dependencies]\njit.workspace = true\n\
                    smp = { path = \"../smp\" }\nspin.workspace = true\nserde = \"1\"\n";
        assert!(complaints(text).is_empty());
    }

    #[test]
    fn arrows_that_point_up_or_sideways_do_not() {
        let text = "[package]\nname = \"smp\"\n[dependencies]\njit.workspace = true\n\
                    ir.workspace = true\nkernel.workspace = true\n";
        assert_eq!(complaints(text), [4, 6]);
    }

    #[test]
    fn dependencies_of_a_target_or_a_build_script_count_and_those_of_tests_do_not() {
        let target = "[package]\nname = \"jit\"\n[target.'cfg(loom)'.dependencies]\nsmp = \"1\"\n";
        let build = "[package]\nname = \"jit\"\n[build-dependencies]\nsmp.workspace = true\n";
        let tests = "[package]\nname = \"jit\"\n[dev-dependencies]\nsmp.workspace = true\n";
        assert_eq!(complaints(target), [4]);
        assert_eq!(complaints(build), [4]);
        assert!(complaints(tests).is_empty());
    }

    #[test]
    fn a_package_stays_with_its_owner() {
        let text = "[package]\nname = \"jit\"\n[dependencies]\nacpi = \"5\"\nregalloc2 = \"0\"\n";
        assert_eq!(complaints(text), [4]);
    }

    #[test]
    fn the_list_of_the_workspace_is_nobodys_dependency() {
        assert!(complaints("[workspace.dependencies]\nacpi = \"5\"\nkernel = \"1\"\n").is_empty());
    }
}
