/* Least significant digit first sort of 20,000 integers, a byte at a time. */
#include <stdint.h>

#define N 20000

static uint32_t a[N], b[N];

static void pass(const uint32_t *from, uint32_t *to, int shift)
{
    uint32_t start[256] = {0}, sum = 0;
    for (int i = 0; i < N; i++)
        start[from[i] >> shift & 255]++;
    for (int i = 0; i < 256; i++) {
        uint32_t count = start[i];
        start[i] = sum;
        sum += count;
    }
    for (int i = 0; i < N; i++)
        to[start[from[i] >> shift & 255]++] = from[i];
}

uint32_t bench(uint32_t n)
{
    uint32_t seed = n, digest = 0;
    for (int i = 0; i < N; i++) {
        seed = seed * 1664525 + 1013904223;
        a[i] = seed;
    }
    pass(a, b, 0), pass(b, a, 8), pass(a, b, 16), pass(b, a, 24);
    for (int i = 0; i < N; i += 7)
        digest = digest * 31 + a[i];
    return digest;
}
