/* Takeuchi's function: recursion with three arguments. */
#include <stdint.h>

static int tak(int x, int y, int z)
{
    return y < x ? tak(tak(x - 1, y, z), tak(y - 1, z, x), tak(z - 1, x, y)) : z;
}

uint32_t bench(uint32_t n) { return (uint32_t)tak(14, 8, 3 + (int)(n % 2)); }
