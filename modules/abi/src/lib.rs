//! What modules and runtime agree on: import names, error numbers, the LLBC header.
#![cfg_attr(not(any(test, feature = "host")), no_std)]
