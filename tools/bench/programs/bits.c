/* Bit counting, reversing and interleaving without the CPU's instructions for it. */
#include <stdint.h>

static uint32_t ones(uint32_t v)
{
    v -= v >> 1 & 0x55555555;
    v = (v & 0x33333333) + (v >> 2 & 0x33333333);
    return ((v + (v >> 4)) & 0x0f0f0f0f) * 0x01010101 >> 24;
}

static uint32_t reverse(uint32_t v)
{
    v = (v >> 1 & 0x55555555) | (v & 0x55555555) << 1;
    v = (v >> 2 & 0x33333333) | (v & 0x33333333) << 2;
    v = (v >> 4 & 0x0f0f0f0f) | (v & 0x0f0f0f0f) << 4;
    v = (v >> 8 & 0x00ff00ff) | (v & 0x00ff00ff) << 8;
    return v >> 16 | v << 16;
}

static uint32_t spread(uint32_t v)
{
    v = (v | v << 8) & 0x00ff00ff;
    v = (v | v << 4) & 0x0f0f0f0f;
    v = (v | v << 2) & 0x33333333;
    return (v | v << 1) & 0x55555555;
}

uint32_t bench(uint32_t n)
{
    uint32_t digest = 0, v = n * 2654435761u + 1;
    for (int i = 0; i < 50000; i++) {
        v = v * 1664525 + 1013904223;
        digest += ones(v) + (reverse(v) ^ (spread(v & 0xffff) | spread(v >> 16) << 1));
    }
    return digest;
}
