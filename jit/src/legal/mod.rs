//! Legalisation: what machines do not have, in terms of what they have.

pub mod machine;
