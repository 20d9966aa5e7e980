/* A stack machine with computed gotos: the sum of a polynomial over a range. */
#include <stdint.h>

enum { PUSH, LOAD, STORE, ADD, MUL, SUB, LOOP, END };

static const uint8_t program[] = {
    /* sum += i * i * 3 - i + 7; i -= 1; while (i) */
    LOAD, 0, LOAD, 0, MUL, PUSH, 3, MUL, LOAD, 0, SUB, PUSH, 7, ADD, LOAD, 1, ADD, STORE, 1,
    LOAD, 0, PUSH, 1, SUB, STORE, 0, LOAD, 0, LOOP, 0, END};

uint32_t bench(uint32_t n)
{
    static const void *const target[] = {&&push, &&load, &&store, &&add, &&mul, &&sub, &&loop, &&end};
    uint32_t stack[16], local[2] = {6000 + n % 5, 0}, *top = stack;
    const uint8_t *at = program;
#define NEXT goto *target[*at++]
    NEXT;
push: *top++ = *at++; NEXT;
load: *top++ = local[*at++]; NEXT;
store: local[*at++] = *--top; NEXT;
add: top--; top[-1] += *top; NEXT;
mul: top--; top[-1] *= *top; NEXT;
sub: top--; top[-1] -= *top; NEXT;
loop: at = *--top ? program + *at : at + 1; NEXT;
end: return local[1];
}
