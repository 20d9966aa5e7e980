/* A register machine's interpreter: a switch in a loop, running a prime counter. */
#include <stdint.h>

enum { SET, ADD, MUL, REM, LESS, JUMP, JUMP_IF, JUMP_NOT, HALT };

struct op { uint8_t code, a, b, c; };

/* r0 primes found, r1 candidate, r2 divisor, r3 scratch, r4 one, r5 limit */
static const struct op program[] = {
    {SET, 0, 0, 0},       {SET, 1, 2, 0},      {SET, 4, 1, 0},
    /* 3: while candidate < limit */
    {LESS, 3, 1, 5},      {JUMP_NOT, 3, 16, 0}, {SET, 2, 2, 0},
    /* 6: a divisor above the root: prime; one that divides: not */
    {MUL, 3, 2, 2},       {LESS, 3, 1, 3},     {JUMP_IF, 3, 13, 0}, {REM, 3, 1, 2},
    {JUMP_NOT, 3, 14, 0}, {ADD, 2, 2, 4},      {JUMP, 0, 6, 0},
    /* 13: found; 14: next */
    {ADD, 0, 0, 4},       {ADD, 1, 1, 4},      {JUMP, 0, 3, 0},     {HALT, 0, 0, 0}};

static uint32_t run(const struct op *ops, uint32_t limit)
{
    uint32_t r[8] = {0}, at = 0;
    r[5] = limit;
    for (;;) {
        struct op op = ops[at++];
        switch (op.code) {
        case SET: r[op.a & 7] = op.b; break;
        case ADD: r[op.a & 7] = r[op.b & 7] + r[op.c & 7]; break;
        case MUL: r[op.a & 7] = r[op.b & 7] * r[op.c & 7]; break;
        case REM: r[op.a & 7] = r[op.b & 7] % r[op.c & 7]; break;
        case LESS: r[op.a & 7] = r[op.b & 7] < r[op.c & 7]; break;
        case JUMP: at = op.b; break;
        case JUMP_IF: at = r[op.a & 7] ? op.b : at; break;
        case JUMP_NOT: at = r[op.a & 7] ? at : op.b; break;
        case HALT: return r[0];
        }
    }
}

uint32_t bench(uint32_t n) { return run(program, 2000 + n % 7); }
