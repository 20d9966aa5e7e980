//! What modules and runtime agree on: import names, error numbers, the LLBC header.
//!
//! Small tables, each the only place where its facts are written down on the Rust side:
//!
//! * [`header`]: the container that a module file is (DESIGN section 8), read and built here;
//! * [`host_call`]: the functions a module may import, with their numbers and signatures;
//! * [`errno`]: the error numbers that host calls return, negated;
//! * [`file`]: flags, records and bounds of the calls about files.
//!
//! The C side of the same agreement is `modules/guests/include/bareflow.h`; `tests/sdk_header.rs`
//! compiles that header and compares it with these tables, so the two cannot drift apart.
//!
//! Nothing here trusts its input: a file is judged byte by byte, every refusal names the field
//! that is wrong, and no function can panic whatever the bytes are.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod errno;
pub mod file;
pub mod header;
pub mod host_call;

pub use errno::Errno;
pub use header::{Container, Header, HeaderError, LoadedFile};
pub use host_call::{HostCall, Signature, Type};
