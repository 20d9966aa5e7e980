/* Longest Collatz chain below 3000: 64-bit arithmetic and an unpredictable branch. */
#include <stdint.h>

uint32_t bench(uint32_t n)
{
    uint32_t best = 0, at = 0;
    for (uint32_t start = 1 + n % 2; start < 3000; start++) {
        uint32_t steps = 0;
        for (uint64_t v = start; v != 1; steps++)
            v = v & 1 ? 3 * v + 1 : v >> 1;
        if (steps > best)
            best = steps, at = start;
    }
    return best * 65536 + at;
}
