//! LLVM bitcode reader: bits to records to a module, bounded and without unsafe code.
#![cfg_attr(not(any(test, feature = "host")), no_std)]
