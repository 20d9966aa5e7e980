//! Cores: find, start, name, call, quiesce, shoot down.
#![cfg_attr(not(any(test, feature = "host")), no_std)]
