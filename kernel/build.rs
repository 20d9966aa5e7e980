//! Link arguments of the kernel image: plain `cargo build` on stable Rust makes the ELF.
//!
//! The arguments come after rustc's own, so `-no-pie` wins over its `-pie`. They apply to the binary only: the library
//! half of this crate (`src/lib.rs`) is an ordinary host-testable library.

fn main() {
    let here = std::env::var("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR");
    let script = format!("-Wl,-T,{here}/link.ld");
    let arguments = [
        "-nostdlib",
        "-nostartfiles",
        "-static",
        "-no-pie",
        &script,
        "-Wl,--build-id=none",
        "-Wl,-z,max-page-size=4096",
        "-Wl,-z,noexecstack",
        "-Wl,--gc-sections",
        "-Wl,--no-eh-frame-hdr",
    ];
    for argument in arguments {
        println!("cargo::rustc-link-arg-bins={argument}");
    }
    println!("cargo::rerun-if-changed=link.ld");
}
