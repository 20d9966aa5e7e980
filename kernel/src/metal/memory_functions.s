# The C memory functions that rustc calls. The precompiled compiler_builtins of this target does not export them, and a
# loop in Rust would be compiled back into a call to itself. `rep movsq` with a byte tail is short, and
# fast enough both on real processors and under QEMU, which runs one iteration after another.

.section .text.memory_functions, "ax"
.global memcpy, memmove, memset, memcmp, bcmp, strlen
memcpy:
    movq %rdi, %rax
copy_forward:
    movq %rdx, %rcx
    shrq $3, %rcx
    rep movsq
    movl %edx, %ecx
    andl $7, %ecx
    rep movsb
    ret

memmove:
    movq %rdi, %rax
    movq %rdi, %r8
    subq %rsi, %r8
    cmpq %rdx, %r8                  # to - from >= size (unsigned): a forward copy is right
    jae copy_forward
    movq %rdx, %rcx
    leaq -1(%rdi,%rdx), %rdi
    leaq -1(%rsi,%rdx), %rsi
    std
    rep movsb
    cld
    ret

memset:
    movq %rdi, %r8
    movzbl %sil, %eax
    movabsq $0x0101010101010101, %rcx
    imulq %rcx, %rax
    movq %rdx, %rcx
    shrq $3, %rcx
    rep stosq
    movl %edx, %ecx
    andl $7, %ecx
    rep stosb
    movq %r8, %rax
    ret

bcmp:
memcmp:
    xorl %eax, %eax
    movq %rdx, %rcx
    testq %rcx, %rcx
    jz 1f
    repe cmpsb
    je 1f
    movzbl -1(%rdi), %eax
    movzbl -1(%rsi), %ecx
    subl %ecx, %eax
1:  ret

strlen:
    xorl %eax, %eax
1:  cmpb $0, (%rdi,%rax)
    je 2f
    incq %rax
    jmp 1b
2:  ret
