//! The harness against real machines: kernels of a dozen instructions that succeed, fail, hang, die.
//!
//! What is tested is this program: that a verdict comes out of QEMU as it went in, and that a
//! machine which hangs or resets is not taken for one that is well. Where QEMU is not installed
//! the tests pass without looking; `make test` installs it.

use super::*;
use crate::setup::program;

/// A kernel that prints `ok tiny`, then runs `end`. PVH entry: 32 bit, no paging, no stack needed.
const SOURCE: &str = r#"
    .section .note.Xen, "a", @note
    .balign 4
    .long 4, 4, 18
    .asciz "Xen"
    .long start
    .text
    .globl start
start:
    mov $text, %esi
    mov $0x3f8, %dx
next:
    lodsb
    test %al, %al
    jz end
    out %al, %dx
    jmp next
end:
    END
hang:
    hlt
    jmp hang
text:
    .asciz "ok tiny\r\n"
"#;

/// Writes a byte to the exit device.
fn exit(byte: u8) -> String {
    format!("mov ${byte}, %al\n mov $0xf4, %dx\n out %al, %dx")
}

/// Boots the tiny kernel with this end; `None` where there is no QEMU.
fn boot(name: &str, end: &str, limit: Duration) -> Option<(Verdict, String)> {
    program("qemu-system-x86_64")?;
    let dir = std::env::temp_dir().join(format!("xtask-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let (source, kernel) = (dir.join("tiny.s"), dir.join("tiny.elf"));
    std::fs::write(&source, SOURCE.replace("END", end)).unwrap();
    let output = Command::new("clang-19")
        .args(["-m32", "-nostdlib", "-static", "-no-pie"])
        .args(["-Wl,-Ttext=0x100000", "-Wl,--build-id=none"])
        .arg(&source)
        .arg("-o")
        .arg(&kernel)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let machine = Machine {
        kernel,
        image: None,
        events: None,
        cores: 1,
        append: String::new(),
        accelerator: Accelerator::Tcg,
    };
    let result = machine
        .boot_logged(&dir.join("console.log"), limit)
        .unwrap();
    std::fs::remove_dir_all(dir).unwrap();
    Some(result)
}

const GENEROUS: Duration = Duration::from_secs(120);

#[test]
fn success_and_console_come_through() {
    let Some((verdict, text)) = boot("success", &exit(0x10), GENEROUS) else {
        return;
    };
    assert_eq!(verdict, Verdict::Success, "{text}");
    assert_eq!(text.trim(), "ok tiny");
}

#[test]
fn a_failure_keeps_its_code() {
    let Some((verdict, _)) = boot("failure", &exit(0x11), GENEROUS) else {
        return;
    };
    assert_eq!(verdict, Verdict::Failure(0x11));
}

#[test]
fn a_machine_that_resets_has_not_succeeded() {
    // An empty interrupt table makes any exception a triple fault.
    let triple_fault = "lidt text\n ud2";
    let Some((verdict, _)) = boot("reset", triple_fault, GENEROUS) else {
        return;
    };
    assert_eq!(verdict, Verdict::Silence(Some(0)));
}

#[test]
fn a_machine_that_hangs_is_ended() {
    let limit = Duration::from_secs(3);
    let Some((verdict, _)) = boot("hang", "cli", limit) else {
        return;
    };
    assert_eq!(verdict, Verdict::TimedOut(limit));
}
