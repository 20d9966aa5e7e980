# Where an application processor starts: real mode, at the page that the startup IPI names.
#
# The code between `ap_trampoline_start` and `ap_trampoline_end` is copied to a frame below 1 MiB; it addresses its own
# data relative to CS and knows nothing else. It goes from real mode to long mode in one step (PE and PG set together
# with EFER.LME) and jumps to `ap_entry`, which finds the core's start record by its local APIC id. A core that finds
# no record waiting for it (a late one, already declared lost, or one nobody asked for) halts for ever.

.section .rodata.ap_trampoline, "a"
.balign 16
.global ap_trampoline_start, ap_trampoline_end, ap_trampoline_parameters
ap_trampoline_start:
.code16
    cli
    cld
    movw %cs, %ax
    movw %ax, %ds
    lgdtl trampoline_gdt_pointer - ap_trampoline_start
    movl $0x620, %eax               # CR4: PAE, OSFXSR, OSXMMEXCPT
    movl %eax, %cr4
    movl ap_trampoline_parameters - ap_trampoline_start, %eax
    movl %eax, %cr3
    movl $0xc0000080, %ecx          # EFER: LME, NXE
    rdmsr
    orl $0x900, %eax
    wrmsr
    movl $0x80010033, %eax          # CR0: PG, WP, NE, ET, MP, PE
    movl %eax, %cr0
    ljmpl *(trampoline_far - ap_trampoline_start)
.code64
trampoline_long:
    movl $16, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    xorl %eax, %eax
    movl %eax, %fs
    movl %eax, %gs
    movq trampoline_entry(%rip), %rax
    jmp *%rax

.balign 8
trampoline_gdt:
    .quad 0
    .quad 0x00af9b000000ffff        # 64-bit code, accessed
    .quad 0x00cf93000000ffff        # data, accessed
trampoline_gdt_end:
# The parameters, in the order of `boot::trampoline::Parameters`.
ap_trampoline_parameters:
trampoline_root: .long 0            # physical address of the page tables, below 4 GiB
trampoline_far: .long 0             # linear address of `trampoline_long`
    .word 8
trampoline_gdt_pointer:
    .word trampoline_gdt_end - trampoline_gdt - 1
    .long 0                         # linear address of `trampoline_gdt`
trampoline_entry: .quad 0           # virtual address of `ap_entry`
ap_trampoline_end:
.global ap_trampoline_long_offset, ap_trampoline_gdt_offset
ap_trampoline_long_offset: .long trampoline_long - ap_trampoline_start
ap_trampoline_gdt_offset: .long trampoline_gdt - ap_trampoline_start

# ap_entry: in the higher half, no stack yet. Finds this core's `StartRecord` (apic_id u32, unused u32, slot u64,
# stack u64, core u64) by the local APIC id (leaf 0xB when it exists, as x2APIC ids have 32 bits; else leaf 1), and
# claims the slot before it uses the stack (`smp::slot`: 1 is "starting", 2 is "claimed").
.section .text.ap_entry, "ax"
.code64
.global ap_entry
ap_entry:
    xorl %eax, %eax
    cpuid
    cmpl $0xb, %eax
    jb 1f
    movl $0xb, %eax
    xorl %ecx, %ecx
    cpuid
    testl %ebx, %ebx
    jz 1f
    movl %edx, %esi
    jmp 2f
1:  movl $1, %eax
    cpuid
    shrl $24, %ebx
    movl %ebx, %esi
2:  leaq START_RECORDS(%rip), %rdi
    movl START_RECORD_COUNT(%rip), %ecx
3:  testl %ecx, %ecx
    jz 5f
    cmpl %esi, (%rdi)
    jne 4f
    movq 8(%rdi), %rbx
    movl $1, %eax
    movl $2, %edx
    lock cmpxchgl %edx, (%rbx)
    jne 5f
    movq 16(%rdi), %rsp
    movq 24(%rdi), %rdi
    movq START_ROOT(%rip), %rax
    movq %rax, %cr3
    xorl %ebp, %ebp
    call ap_start
    ud2
4:  addq $32, %rdi
    decl %ecx
    jmp 3b
5:  cli
    hlt
    jmp 5b
