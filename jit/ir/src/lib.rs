//! Typed SSA: data, builder, text form, verifier, interpreter.
#![cfg_attr(not(any(test, feature = "host")), no_std)]
