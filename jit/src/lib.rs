//! Code: bitcode to IR to tiers to published machine code.
#![cfg_attr(not(any(test, feature = "host")), no_std)]
