//! The guests' side: demo programs as bitcode, their expected results.
#![cfg_attr(not(any(test, feature = "host")), no_std)]
