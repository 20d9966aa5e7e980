//! The machine code of `programs.s`, by name.

use core::arch::global_asm;

global_asm!(include_str!("programs.s"), options(att_syntax));

/// Declares each program as a function that returns its bytes.
macro_rules! programs {
    ($($name:ident: $start:ident, $end:ident;)*) => {
        unsafe extern "C" { $(static $start: u8; static $end: u8;)* }
        $(pub(super) fn $name() -> &'static [u8] {
            let size = &raw const $end as usize - &raw const $start as usize;
            // SAFETY: the two symbols enclose the program's bytes in read-only data.
            unsafe { core::slice::from_raw_parts(&raw const $start, size) }
        })*
    };
}

programs! {
    exit: program_exit, program_exit_end;
    count: program_count, program_count_end;
    spin: program_spin, program_spin_end;
    registers: program_registers, program_registers_end;
    sleep: program_sleep, program_sleep_end;
    cleared: program_cleared, program_cleared_end;
    peek: program_peek, program_peek_end;
    watch: program_watch, program_watch_end;
    load_null: program_load_null, program_load_null_end;
    jump_to_data: program_jump_to_data, program_jump_to_data_end;
    store_to_code: program_store_to_code, program_store_to_code_end;
    divide: program_divide, program_divide_end;
    undefined: program_undefined, program_undefined_end;
    breakpoint: program_breakpoint, program_breakpoint_end;
    privileged: program_privileged, program_privileged_end;
    port: program_port, program_port_end;
    read_kernel: program_read_kernel, program_read_kernel_end;
    not_canonical: program_not_canonical, program_not_canonical_end;
    overflow_stack: program_overflow_stack, program_overflow_stack_end;
    single_step: program_single_step, program_single_step_end;
    bad_stack_syscall: program_bad_stack_syscall, program_bad_stack_syscall_end;
    never_returns: program_never_returns, program_never_returns_end;
}
