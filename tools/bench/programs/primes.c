/* Primes below 100,000 by a sieve of odd numbers in a bit set. */
#include <stdint.h>

#define LIMIT 100000

static uint32_t composite[LIMIT / 64 + 1];

uint32_t bench(uint32_t n)
{
    uint32_t count = 1, last = n;
    for (uint32_t i = 0; i <= LIMIT / 64; i++)
        composite[i] = 0;
    for (uint32_t p = 3; p < LIMIT; p += 2) {
        if (composite[p >> 6] >> (p >> 1 & 31) & 1)
            continue;
        count++, last = p;
        if (p < 317)
            for (uint32_t m = p * p; m < LIMIT; m += 2 * p)
                composite[m >> 6] |= 1u << (m >> 1 & 31);
    }
    return count * 31 + last;
}
