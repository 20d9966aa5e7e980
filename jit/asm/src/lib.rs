//! x86-64 encoder: instructions, labels, fixups.
#![cfg_attr(not(any(test, feature = "host")), no_std)]
