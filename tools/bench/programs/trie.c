/* A trie over four letters: 2,000 words in, 4,000 look-ups. */
#include <stdint.h>

#define NODES 12000

static uint16_t next[NODES][4];
static uint8_t last[NODES];

static uint32_t letters(uint32_t *seed)
{
    *seed = *seed * 1664525 + 1013904223;
    return *seed >> 12;
}

uint32_t bench(uint32_t n)
{
    uint32_t seed = n, used = 1, found = 0;
    for (int i = 0; i < NODES; i++)
        next[i][0] = next[i][1] = next[i][2] = next[i][3] = 0, last[i] = 0;
    for (int word = 0; word < 2000; word++) {
        uint32_t at = 0, rest = letters(&seed), length = 3 + rest % 5;
        for (rest >>= 3; length--; rest >>= 2) {
            uint16_t *to = &next[at][rest & 3];
            if (!*to && used < NODES)
                *to = (uint16_t)used++;
            at = *to;
        }
        last[at] = 1;
    }
    for (int word = 0; word < 4000; word++) {
        uint32_t at = 0, rest = letters(&seed), length = 3 + rest % 5;
        for (rest >>= 3; length-- && (at = next[at][rest & 3]); rest >>= 2)
            ;
        found += at && last[at];
    }
    return used * 4096 + found;
}
