# copy_user(rdi = to, rsi = from, rdx = bytes) -> rax = bytes that were not copied. One side is a program's memory.
#
# With SMAP, `stac` opens the program's memory for exactly this loop. A fault in the loop continues behind it (the pair
# in `.copy_fixups`), with the rest of the count still in rcx. The interrupt flag is off, as always in the kernel.

.section .text.copy_user, "ax"
.global copy_user
copy_user:
    movq %rdx, %rcx
    cmpb $0, HAS_SMAP(%rip)
    je 1f
    stac
1:
copy_user_loop:
    rep movsb
copy_user_after:
    cmpb $0, HAS_SMAP(%rip)
    je 3f
    clac
3:  movq %rcx, %rax
    ret

# load_user_word(rdi = from, rsi = to) -> rax = 0, or 1 if it cannot be read. One aligned word, read whole.
.section .text.load_user_word, "ax"
.global load_user_word
load_user_word:
    movl $1, %eax
    cmpb $0, HAS_SMAP(%rip)
    je 1f
    stac
1:
load_user_word_read:
    movl (%rdi), %edx
    xorl %eax, %eax
    movl %edx, (%rsi)
load_user_word_after:
    cmpb $0, HAS_SMAP(%rip)
    je 3f
    clac
3:  ret

.section .copy_fixups, "a"
    .quad copy_user_loop, copy_user_after
    .quad load_user_word_read, load_user_word_after
