# Every way into and out of the kernel after boot: traps, system calls, and the switch to a context.
#
# The kernel itself always runs with interrupts off. It gives a core away by `context_run`, which returns when the
# context (a ring-3 task, a compile, the idle loop) traps; so an interrupt that arrives while a context runs ends in
# ordinary Rust code on the core's own kernel stack, never on an interrupt stack. Only what hits the kernel itself is
# handled on an interrupt stack, by `trap_in_kernel`: the fix-up of a user copy, an NMI, or a bug.
#
# No stub trusts GS: the top word of each interrupt stack is the address of the core's record.
# The offsets are those of `Context` and `PerCore`; `context.rs` asserts them.

.set CORE_KERNEL_RSP, 8
.set CORE_CONTEXT, 16
.set CORE_USER_RSP, 24

.set CTX_RAX, 0
.set CTX_RCX, 8
.set CTX_RDX, 16
.set CTX_RBX, 24
.set CTX_RSP, 32
.set CTX_RBP, 40
.set CTX_RSI, 48
.set CTX_RDI, 56
.set CTX_R8, 64
.set CTX_R9, 72
.set CTX_R10, 80
.set CTX_R11, 88
.set CTX_R12, 96
.set CTX_R13, 104
.set CTX_R14, 112
.set CTX_R15, 120
.set CTX_RIP, 128
.set CTX_RFLAGS, 136
.set CTX_CS, 144
.set CTX_SS, 152
.set CTX_VECTOR, 160
.set CTX_ERROR, 168
.set CTX_CR2, 176
.set CTX_MXCSR, 184
.set CTX_FCW, 188
.set CTX_ENTRY, 190
.set CTX_STACK_LOW, 192
.set CTX_STACK_HIGH, 200
.set CTX_VECTOR_STATE, 256

.set ENTRY_FULL, 0
.set ENTRY_SYSCALL, 1
.set VECTOR_SYSCALL, 256
.set INTERRUPT_STACK_SIZE, 16384
.set MSR_GS_BASE, 0xc0000101

.section .rodata.clean_mxcsr, "a"
.balign 4
clean_mxcsr: .long 0x1f80

# One 16-byte stub per vector; the processor pushes an error code for 8, 10-14, 17, 21, 29 and 30 only.
.section .text.trap_stubs, "ax"
.balign 16
.global trap_stubs
trap_stubs:
.set vector, 0
.rept 256
    .balign 16
    .if (vector == 8) || ((vector >= 10) && (vector <= 14)) || (vector == 17) || (vector == 21) || (vector == 29) || (vector == 30)
    .else
    pushq $0
    .endif
    pushq $vector
    jmp trap_common
    .set vector, vector + 1
.endr

# On the interrupt stack: vector, error, rip, cs, rflags, rsp, ss.
.balign 16
trap_common:
    cld
    cmpb $0, HAS_SMAP(%rip)
    je 1f
    clac
1:  pushq %rax
    pushq %rbx
    pushq %rcx
    pushq %rdx
    movq %rsp, %rbx
    orq $(INTERRUPT_STACK_SIZE - 1), %rbx
    movq -7(%rbx), %rbx             # rbx = the core's record
    movq CORE_CONTEXT(%rbx), %rax   # rax = the context that runs, if any
    testb $3, 56(%rsp)
    jnz from_user
    testq %rax, %rax
    jz in_kernel
    movq 72(%rsp), %rcx             # A kernel context is interrupted only while RSP is on its own stack; else
    cmpq CTX_STACK_LOW(%rax), %rcx  # this hit the code that switches to it or from it.
    jb in_kernel
    cmpq CTX_STACK_HIGH(%rax), %rcx
    ja in_kernel
    jmp save_context
from_user:
    swapgs
save_context:
    popq CTX_RDX(%rax)
    popq CTX_RCX(%rax)
    popq CTX_RBX(%rax)
    popq CTX_RAX(%rax)
    popq CTX_VECTOR(%rax)
    popq CTX_ERROR(%rax)
    popq CTX_RIP(%rax)
    popq CTX_CS(%rax)
    popq CTX_RFLAGS(%rax)
    popq CTX_RSP(%rax)
    popq CTX_SS(%rax)
    movq %rbp, CTX_RBP(%rax)
    movq %rsi, CTX_RSI(%rax)
    movq %rdi, CTX_RDI(%rax)
    movq %r8, CTX_R8(%rax)
    movq %r9, CTX_R9(%rax)
    movq %r10, CTX_R10(%rax)
    movq %r11, CTX_R11(%rax)
    movq %r12, CTX_R12(%rax)
    movq %r13, CTX_R13(%rax)
    movq %r14, CTX_R14(%rax)
    movq %r15, CTX_R15(%rax)
    movq %cr2, %rcx
    movq %rcx, CTX_CR2(%rax)
    movb $ENTRY_FULL, CTX_ENTRY(%rax)
    movq %rax, %rdi
    leaq CTX_VECTOR_STATE(%rdi), %rsi
    call save_vectors
    ldmxcsr clean_mxcsr(%rip)
    fninit
leave_context:                      # rbx = the core's record
    movq $0, CORE_CONTEXT(%rbx)
    movq CORE_KERNEL_RSP(%rbx), %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbp
    popq %rbx
    ret

# The vector state to and from the 64-byte aligned area at rsi; changes rax and rdx.
save_vectors:
    cmpb $0, HAS_XSAVE(%rip)
    je 1f
    movl $-1, %eax
    movl %eax, %edx
    xsave64 (%rsi)
    ret
1:  fxsave64 (%rsi)
    ret

restore_vectors:
    cmpb $0, HAS_XSAVE(%rip)
    je 1f
    movl $-1, %eax
    movl %eax, %edx
    xrstor64 (%rsi)
    ret
1:  fxrstor64 (%rsi)
    ret

# The kernel itself was interrupted. Everything is saved on the interrupt stack, in the order of `KernelFrame`.
in_kernel:
    pushq %rbp
    pushq %rsi
    pushq %rdi
    pushq %r8
    pushq %r9
    pushq %r10
    pushq %r11
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movl $MSR_GS_BASE, %ecx         # An NMI may come between `swapgs` and the first use of GS.
    rdmsr
    shlq $32, %rdx
    orq %rdx, %rax
    pushq %rax
    movq %rbx, %rax
    movq %rbx, %rdx
    shrq $32, %rdx
    wrmsr
    movq %rsp, %rbp
    subq $1024, %rsp
    andq $-64, %rsp
    movq %rsp, %rdi
    movl $128, %ecx
    xorl %eax, %eax
    rep stosq                       # XRSTOR wants the rest of the header to be zero.
    movq %rsp, %rsi
    call save_vectors
    ldmxcsr clean_mxcsr(%rip)
    fninit
    movq %rbp, %rdi
    call trap_in_kernel
    movq %rsp, %rsi
    call restore_vectors
    movq %rbp, %rsp
    popq %rax
    movq %rax, %rdx
    shrq $32, %rdx
    movl $MSR_GS_BASE, %ecx
    wrmsr
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %r11
    popq %r10
    popq %r9
    popq %r8
    popq %rdi
    popq %rsi
    popq %rbp
    popq %rdx
    popq %rcx
    popq %rbx
    popq %rax
    addq $16, %rsp
    iretq

# context_run(rdi = context, rsi = the core's record): returns when the context traps.
.global context_run
context_run:
    pushq %rbx
    pushq %rbp
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, CORE_KERNEL_RSP(%rsi)
    movq %rdi, CORE_CONTEXT(%rsi)
    cmpb $ENTRY_SYSCALL, CTX_ENTRY(%rdi)
    je resume_after_syscall
    leaq CTX_VECTOR_STATE(%rdi), %rsi
    call restore_vectors
    pushq CTX_SS(%rdi)
    pushq CTX_RSP(%rdi)
    pushq CTX_RFLAGS(%rdi)
    pushq CTX_CS(%rdi)
    pushq CTX_RIP(%rdi)
    testb $3, CTX_CS(%rdi)
    jz 1f
    swapgs
1:  movq CTX_RAX(%rdi), %rax
    movq CTX_RCX(%rdi), %rcx
    movq CTX_RDX(%rdi), %rdx
    movq CTX_RBX(%rdi), %rbx
    movq CTX_RBP(%rdi), %rbp
    movq CTX_RSI(%rdi), %rsi
    movq CTX_R8(%rdi), %r8
    movq CTX_R9(%rdi), %r9
    movq CTX_R10(%rdi), %r10
    movq CTX_R11(%rdi), %r11
    movq CTX_R12(%rdi), %r12
    movq CTX_R13(%rdi), %r13
    movq CTX_R14(%rdi), %r14
    movq CTX_R15(%rdi), %r15
    movq CTX_RDI(%rdi), %rdi
    iretq

# Back behind a `syscall`: rax and rdx hold the result; every other register that a call may change is cleared, so no
# value of the kernel's shows.
resume_after_syscall:
    cmpb $0, HAS_AVX(%rip)
    je 1f
    vzeroall
    jmp 2f
1:  xorps %xmm0, %xmm0
    xorps %xmm1, %xmm1
    xorps %xmm2, %xmm2
    xorps %xmm3, %xmm3
    xorps %xmm4, %xmm4
    xorps %xmm5, %xmm5
    xorps %xmm6, %xmm6
    xorps %xmm7, %xmm7
    xorps %xmm8, %xmm8
    xorps %xmm9, %xmm9
    xorps %xmm10, %xmm10
    xorps %xmm11, %xmm11
    xorps %xmm12, %xmm12
    xorps %xmm13, %xmm13
    xorps %xmm14, %xmm14
    xorps %xmm15, %xmm15
2:  fninit
    fldcw CTX_FCW(%rdi)
    ldmxcsr CTX_MXCSR(%rdi)
    movq CTX_RAX(%rdi), %rax
    movq CTX_RDX(%rdi), %rdx
    movq CTX_RBX(%rdi), %rbx
    movq CTX_RBP(%rdi), %rbp
    movq CTX_R12(%rdi), %r12
    movq CTX_R13(%rdi), %r13
    movq CTX_R14(%rdi), %r14
    movq CTX_R15(%rdi), %r15
    movq CTX_RIP(%rdi), %rcx
    movq CTX_RFLAGS(%rdi), %r11
    xorl %esi, %esi
    xorl %r8d, %r8d
    xorl %r9d, %r9d
    xorl %r10d, %r10d
    movq CTX_RSP(%rdi), %rsp
    xorl %edi, %edi
    swapgs
    sysretq

# Where LSTAR points. rcx = return address, r11 = flags; FMASK has cleared IF, TF, DF, AC and NT.
.balign 16
.global syscall_entry
syscall_entry:
    swapgs
    movq %rsp, %gs:CORE_USER_RSP
    movq %gs:CORE_CONTEXT, %rsp
    movq %rax, CTX_RAX(%rsp)
    movq %rdx, CTX_RDX(%rsp)
    movq %rbx, CTX_RBX(%rsp)
    movq %rbp, CTX_RBP(%rsp)
    movq %rsi, CTX_RSI(%rsp)
    movq %rdi, CTX_RDI(%rsp)
    movq %r8, CTX_R8(%rsp)
    movq %r9, CTX_R9(%rsp)
    movq %r10, CTX_R10(%rsp)
    movq %r12, CTX_R12(%rsp)
    movq %r13, CTX_R13(%rsp)
    movq %r14, CTX_R14(%rsp)
    movq %r15, CTX_R15(%rsp)
    movq %rcx, CTX_RIP(%rsp)
    movq %r11, CTX_RFLAGS(%rsp)
    movq %gs:CORE_USER_RSP, %rax
    movq %rax, CTX_RSP(%rsp)
    stmxcsr CTX_MXCSR(%rsp)
    fnstcw CTX_FCW(%rsp)
    ldmxcsr clean_mxcsr(%rip)
    fninit
    movq $VECTOR_SYSCALL, CTX_VECTOR(%rsp)
    movb $ENTRY_SYSCALL, CTX_ENTRY(%rsp)
    movq %gs:0, %rbx
    jmp leave_context

# Where CSTAR points: a `syscall` from 32-bit code, which no descriptor allows.
.global syscall_entry_32
syscall_entry_32:
    ud2

# context_leave(rdi = the core's record, rsi = vector): gives up the kernel context that runs, from inside it.
.global context_leave
context_leave:
    cli
    movq CORE_CONTEXT(%rdi), %rax
    movq %rsi, CTX_VECTOR(%rax)
    movq %rdi, %rbx
    ldmxcsr clean_mxcsr(%rip)
    fninit
    jmp leave_context

# Where a contained call begins: r12 = the function, rdi = its argument.
.global contained_entry
contained_entry:
    xorl %ebp, %ebp
    call *%r12
    ud2

# What an idle core runs.
.balign 16
.global idle_loop
idle_loop:
    hlt
    jmp idle_loop
