/* SipHash-2-4 of 2,000 short keys: 64-bit additions, rotations, xors. */
#include <stdint.h>

static uint64_t turn(uint64_t v, int by) { return v << by | v >> (64 - by); }

static void rounds(uint64_t v[4], int count)
{
    while (count--) {
        v[0] += v[1], v[1] = turn(v[1], 13) ^ v[0], v[0] = turn(v[0], 32);
        v[2] += v[3], v[3] = turn(v[3], 16) ^ v[2];
        v[0] += v[3], v[3] = turn(v[3], 21) ^ v[0];
        v[2] += v[1], v[1] = turn(v[1], 17) ^ v[2], v[2] = turn(v[2], 32);
    }
}

static uint64_t hash(const uint64_t *key, int words)
{
    uint64_t v[4] = {0x736f6d6570736575, 0x646f72616e646f6d, 0x6c7967656e657261, 0x7465646279746573};
    for (int i = 0; i < words; i++) {
        v[3] ^= key[i];
        rounds(v, 2);
        v[0] ^= key[i];
    }
    v[2] ^= 0xff;
    rounds(v, 4);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

uint32_t bench(uint32_t n)
{
    uint64_t key[4] = {n, 1, 2, 3}, sum = 0;
    for (int i = 0; i < 2000; i++) {
        key[i & 3] += 0x9e3779b97f4a7c15u;
        sum += hash(key, 4);
    }
    return (uint32_t)(sum ^ sum >> 32);
}
