//! The readable form of modules.

mod types;

pub use types::{TypeText, type_text};
