//! A process for each case: a process holds one instance, so a test starts its own binary again, with
//! the case's name, and looks at how that ends.

use std::process::Command;

/// Set in the child.
const CHILD: &str = "BAREFLOW_TEST_CHILD";

/// Runs `case` in a child process of its own, if this is the parent.
pub(crate) fn in_child(name: &str, case: impl FnOnce()) {
    if std::env::var_os(CHILD).is_some() {
        return case();
    }
    let exe = std::env::current_exe().unwrap();
    let output = Command::new(exe)
        .args(["--exact", name, "--nocapture"])
        .env(CHILD, "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {text}", output.status);
    assert!(text.contains("1 passed"), "{text}");
}
