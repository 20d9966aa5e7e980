//! Tasks: per-core run queues, stealing, timers, time budgets.
#![cfg_attr(not(any(test, feature = "host")), no_std)]
