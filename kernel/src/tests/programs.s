# Ring-3 programs of the tests: position-independent, each between NAME and NAME_end.
# A task starts with rdi = its number and rsi = the address of the shared data page. System calls: eax = number, result
# in rax; see `raw.rs`.

.section .rodata.test_programs, "a"

.macro program name
.global program_\name, program_\name\()_end
program_\name:
.endm
.macro end_program name
program_\name\()_end:
.endm

# Returns its number + 1.
program exit
    leaq 1(%rdi), %rdi
    movl $0, %eax
    syscall
    ud2
end_program exit

# Adds 1000 to the shared counter, one by one, and yields now and then.
program count
    movl $1000, %ecx
1:  lock incq (%rsi)
    testl $127, %ecx
    jnz 2f
    pushq %rcx
    pushq %rsi
    movl $1, %eax
    syscall
    popq %rsi
    popq %rcx
2:  decl %ecx
    jnz 1b
    xorl %edi, %edi
    movl $0, %eax
    syscall
end_program count

# Counts in its own word for ever; ends when the word at rsi + 8 is set. Needs preemption if a core has two of them.
program spin
1:  incq 16(%rsi,%rdi,8)
    cmpq $0, 8(%rsi)
    je 1b
    xorl %edi, %edi
    movl $0, %eax
    syscall
end_program spin

# Fills all registers with values that depend on its number and checks for long that they stay. Result 0 if they did.
program registers
    movq %rdi, %rbx
    leaq 0x1111(%rdi), %rbp
    leaq 0x2222(%rdi), %r8
    leaq 0x3333(%rdi), %r12
    leaq 0x4444(%rdi), %r15
    movq %rdi, %xmm0
    movq %r8, %xmm7
    movq %r15, %xmm15
    vpbroadcastq %xmm0, %ymm3
    vpbroadcastq %xmm15, %ymm12
    fldpi
    movl $3000000, %ecx
1:  cmpq %rdi, %rbx
    jne 9f
    leaq 0x1111(%rdi), %rax
    cmpq %rax, %rbp
    jne 9f
    leaq 0x2222(%rdi), %rax
    cmpq %rax, %r8
    jne 9f
    leaq 0x3333(%rdi), %rax
    cmpq %rax, %r12
    jne 9f
    vextracti128 $1, %ymm12, %xmm1
    movq %xmm1, %rax
    leaq 0x4444(%rdi), %rdx
    cmpq %rax, %rdx
    jne 9f
    vextracti128 $1, %ymm3, %xmm1
    movq %xmm1, %rax
    cmpq %rax, %rdi
    jne 9f
    decl %ecx
    jnz 1b
    fldpi
    fcomip %st(1), %st
    jne 9f
    xorl %edi, %edi
    movl $0, %eax
    syscall
9:  movl $1, %edi
    movl $0, %eax
    syscall
end_program registers

# Sleeps rdi + 1 milliseconds, three times.
program sleep
    leaq 1(%rdi), %rbx
    imulq $1000, %rbx
    movl $3, %ebp
1:  movq %rbx, %rdi
    movl $2, %eax
    syscall
    decl %ebp
    jnz 1b
    xorl %edi, %edi
    movl $0, %eax
    syscall
end_program sleep

# Checks that a system call clears what it must: result 0 if rcx..xmm hold nothing of the kernel's.
program cleared
    movq $-1, %rax
    movq %rax, %xmm5
    movq %rax, %r9
    movl $0x3456789a, %ebx
    movl $1, %eax
    syscall
    movq %xmm5, %rdx
    orq %r9, %rdx
    orq %r8, %rdx
    orq %r10, %rdx
    orq %rsi, %rdx
    orq %rdi, %rdx
    jnz 9f
    cmpl $0x3456789a, %ebx
    jne 9f
    xorl %edi, %edi
    movl $0, %eax
    syscall
9:  movl $1, %edi
    movl $0, %eax
    syscall
end_program cleared

# Asks the kernel to read 8 bytes at the address in the data page's word 3; exits with what the kernel said.
program peek
    movq 24(%rsi), %rdi
    movl $3, %eax
    syscall
    movq %rax, %rdi
    movl $0, %eax
    syscall
end_program peek

# Reads the word at the address in word 3 for ever and leaves what it read in its own word; ends at word 1.
program watch
    movq 24(%rsi), %rbx
1:  movq (%rbx), %rax
    movq %rax, 128(%rsi,%rdi,8)
    incq 640(%rsi,%rdi,8)
    cmpq $0, 8(%rsi)
    je 1b
    xorl %edi, %edi
    movl $0, %eax
    syscall
end_program watch

# The wrong ones.
program load_null
    movq 0, %rax
    ud2
end_program load_null

program jump_to_data
    jmp *%rsi
end_program jump_to_data

program store_to_code
    leaq program_store_to_code(%rip), %rax
    movb $0, (%rax)
    ud2
end_program store_to_code

program divide
    xorl %ecx, %ecx
    xorl %edx, %edx
    movl $1, %eax
    divl %ecx
    ud2
end_program divide

program undefined
    ud2
end_program undefined

program breakpoint
    int3
end_program breakpoint

program privileged
    hlt
end_program privileged

program port
    inb $0x60, %al
    ud2
end_program port

program read_kernel
    movabsq $0xffffffff80200000, %rax
    movq (%rax), %rax
    ud2
end_program read_kernel

program not_canonical
    movabsq $0x1234567800000000, %rax
    movq (%rax), %rax
    ud2
end_program not_canonical

program overflow_stack
1:  pushq %rax
    jmp 1b
end_program overflow_stack

program single_step
    pushfq
    orq $0x100, (%rsp)
    popfq
    nop
    nop
    ud2
end_program single_step

program bad_stack_syscall
    movq $8, %rsp
    movl $1, %eax
    syscall
    pushq %rax
    ud2
end_program bad_stack_syscall

program never_returns
1:  jmp 1b
end_program never_returns
