/* A 64-bit generator and a histogram of what it gives. */
#include <stdint.h>

uint32_t bench(uint32_t n)
{
    static uint32_t bucket[256];
    uint64_t state = 0x9e3779b97f4a7c15u + n;
    for (int i = 0; i < 256; i++)
        bucket[i] = 0;
    for (int i = 0; i < 60000; i++) {
        state ^= state >> 12, state ^= state << 25, state ^= state >> 27;
        bucket[(state * 2685821657736338717u) >> 56]++;
    }
    uint32_t digest = 0;
    for (int i = 0; i < 256; i++)
        digest = digest * 31 + bucket[i];
    return digest;
}
