/* start.c: what lies under runtime.h in a native 32-bit program without a C library.
 *
 * Linked statically and without start files: such a program starts and ends in a fraction of the
 * time that a dynamically linked one needs.
 */
#include <stddef.h>

int main(int, char **);

static int system_call(int number, int a, const void *b, unsigned c) {
    int result;
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(number), "b"(a), "c"(b), "d"(c) : "memory");
    return result;
}

int bf_write(unsigned fd, const void *data, unsigned length) {
    return system_call(4, (int)fd, data, length);
}

_Noreturn void bf_exit(unsigned status) {
    for (;;) system_call(1, (int)(status & 255), 0, 0);
}

static char name[] = "program";
static char *words[] = {name, 0};

__attribute__((used)) static void start(void) __asm__("start_aligned");
static void start(void) { bf_exit((unsigned)main(1, words)); }

__asm__(".globl _start\n_start: xorl %ebp, %ebp\n andl $-16, %esp\n call start_aligned\n");

/* setjmp and longjmp as i386 has them: ebx, esi, edi, ebp, esp, eip. */
__asm__(".globl setjmp, longjmp\n"
        "setjmp: movl 4(%esp), %eax\n"
        " movl %ebx, (%eax)\n movl %esi, 4(%eax)\n movl %edi, 8(%eax)\n movl %ebp, 12(%eax)\n"
        " leal 4(%esp), %ecx\n movl %ecx, 16(%eax)\n movl (%esp), %ecx\n movl %ecx, 20(%eax)\n"
        " xorl %eax, %eax\n ret\n"
        "longjmp: movl 4(%esp), %edx\n movl 8(%esp), %eax\n testl %eax, %eax\n jnz 1f\n incl %eax\n"
        "1: movl (%edx), %ebx\n movl 4(%edx), %esi\n movl 8(%edx), %edi\n movl 12(%edx), %ebp\n"
        " movl 16(%edx), %esp\n jmp *20(%edx)\n");
