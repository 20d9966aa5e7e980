# From the boot loader to Rust: PVH (`qemu -kernel`) and Multiboot2 (GRUB on BIOS and UEFI) share one path.
#
# Both loaders enter in 32-bit protected mode without paging and hand a pointer in ebx. This code builds page tables
# that map the first 4 GiB three times (identity, direct map, and the first GiB at -2 GiB), enters long mode, and calls
# `kernel_start(kind, info)` in the higher half. `memory::paging` replaces these tables by strict ones soon after.

.set KERNEL_BASE, 0xffffffff80000000
.set KIND_PVH, 0
.set KIND_MULTIBOOT2, 1

.section .multiboot2, "a"
.balign 8
multiboot2_header:
    .long 0xe85250d6, 0, multiboot2_end - multiboot2_header
    .long -(0xe85250d6 + (multiboot2_end - multiboot2_header))
    .word 3, 0                      # tag: entry address
    .long 12, multiboot2_entry
    .balign 8
    .word 0, 0                      # tag: end
    .long 8
multiboot2_end:

.section .note.Xen, "a", @note
.balign 4
    .long 4, 8, 18                  # name size, descriptor size, XEN_ELFNOTE_PHYS32_ENTRY
    .asciz "Xen"
    .quad pvh_entry

.section .boot.text, "ax"
.code32
.global pvh_entry
pvh_entry:
    movl $KIND_PVH, %edi
    jmp enter

multiboot2_entry:
    cmpl $0x36d76289, %eax
    jne stop
    movl $KIND_MULTIBOOT2, %edi

# edi = kind, ebx = information; both are kept in edi and esi until Rust takes them.
enter:
    cli
    cld
    movl %ebx, %esi
    movl $(boot_stack_top - KERNEL_BASE), %esp

    movl $0x80000000, %eax          # Long mode and no-execute pages are required.
    cpuid
    cmpl $0x80000001, %eax
    jb stop
    movl $0x80000001, %eax
    cpuid
    andl $0x20100000, %edx
    cmpl $0x20100000, %edx
    jne stop

    movl $(boot_directories - KERNEL_BASE), %edx
    movl $0x83, %eax                # present, writable, 2 MiB
    movl $2048, %ecx
1:  movl %eax, (%edx)
    movl $0, 4(%edx)
    addl $0x200000, %eax
    addl $8, %edx
    loop 1b

    movl $(boot_pointers - KERNEL_BASE), %edx
    movl $(boot_directories - KERNEL_BASE + 3), %eax
    movl %eax, (%edx)
    addl $4096, %eax
    movl %eax, 8(%edx)
    addl $4096, %eax
    movl %eax, 16(%edx)
    addl $4096, %eax
    movl %eax, 24(%edx)
    movl $(boot_directories - KERNEL_BASE + 3), %eax
    movl %eax, boot_pointers_high - KERNEL_BASE + 510 * 8
    movl $(boot_pointers - KERNEL_BASE + 3), %eax
    movl %eax, boot_root - KERNEL_BASE
    movl %eax, boot_root - KERNEL_BASE + 256 * 8
    movl $(boot_pointers_high - KERNEL_BASE + 3), %eax
    movl %eax, boot_root - KERNEL_BASE + 511 * 8

    movl $0x620, %eax               # CR4: PAE, OSFXSR, OSXMMEXCPT
    movl %eax, %cr4
    movl $(boot_root - KERNEL_BASE), %eax
    movl %eax, %cr3
    movl $0xc0000080, %ecx          # EFER: LME, NXE
    rdmsr
    orl $0x900, %eax
    wrmsr
    movl $0x80010033, %eax          # CR0: PG, WP, NE, ET, MP, PE
    movl %eax, %cr0
    lgdt boot_gdt_pointer
    ljmp $8, $enter_long

stop:
    hlt
    jmp stop

.balign 8
boot_gdt:
    .quad 0
    .quad 0x00af9b000000ffff        # 64-bit code
    .quad 0x00cf93000000ffff        # data
boot_gdt_pointer:
    .word boot_gdt_pointer - boot_gdt - 1
    .long boot_gdt

.code64
enter_long:
    movl $16, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    xorl %eax, %eax
    movl %eax, %fs
    movl %eax, %gs
    movl %esi, %esi                 # zero the upper halves
    movl %edi, %edi
    movabsq $enter_high, %rax
    jmp *%rax

.section .text.boot, "ax"
enter_high:
    leaq boot_stack_top(%rip), %rsp
    xorl %ebp, %ebp
    call kernel_start
    ud2

.section .bss.boot, "aw", @nobits
.balign 4096
boot_root: .skip 4096
boot_pointers: .skip 4096
boot_pointers_high: .skip 4096
boot_directories: .skip 4 * 4096
boot_stack: .skip 65536
boot_stack_top:
