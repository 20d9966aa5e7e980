/* Edit distance of two strings of 300 letters: dynamic programming with minimum of three. */
#include <stdint.h>

#define N 300

static uint32_t row[N + 1];
static uint8_t a[N], b[N];

static uint32_t least(uint32_t x, uint32_t y, uint32_t z)
{
    uint32_t m = x < y ? x : y;
    return m < z ? m : z;
}

uint32_t bench(uint32_t n)
{
    uint32_t seed = n;
    for (int i = 0; i < N; i++) {
        seed = seed * 1664525 + 1013904223;
        a[i] = seed >> 28 & 7, b[i] = seed >> 24 & 7;
    }
    for (uint32_t j = 0; j <= N; j++)
        row[j] = j;
    for (uint32_t i = 1; i <= N; i++) {
        uint32_t corner = row[0];
        row[0] = i;
        for (uint32_t j = 1; j <= N; j++) {
            uint32_t above = row[j];
            row[j] = least(above + 1, row[j - 1] + 1, corner + (a[i - 1] != b[j - 1]));
            corner = above;
        }
    }
    return row[N];
}
