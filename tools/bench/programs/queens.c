/* Eight queens and nine, by bit masks, recursively. */
#include <stdint.h>

static uint32_t place(uint32_t all, uint32_t columns, uint32_t left, uint32_t right)
{
    uint32_t count = 0;
    if (columns == all)
        return 1;
    for (uint32_t free = all & ~(columns | left | right); free; free &= free - 1) {
        uint32_t bit = free & -free;
        count += place(all, columns | bit, (left | bit) << 1, (right | bit) >> 1);
    }
    return count;
}

uint32_t bench(uint32_t n) { return place(255, 0, 0, 0) * 1000 + place(511, 0, 0, 0) + n; }
