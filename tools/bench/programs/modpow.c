/* Miller-Rabin on 64-bit numbers: multiplication modulo by doubling, no 128-bit type. */
#include <stdint.h>

static uint64_t mul(uint64_t a, uint64_t b, uint64_t m)
{
    uint64_t r = 0;
    for (; b; b >>= 1) {
        if (b & 1)
            r = r >= m - a ? r - (m - a) : r + a;
        a = a >= m - a ? a - (m - a) : a + a;
    }
    return r;
}

static uint64_t power(uint64_t a, uint64_t e, uint64_t m)
{
    uint64_t r = 1;
    for (; e; e >>= 1, a = mul(a, a, m))
        if (e & 1)
            r = mul(r, a, m);
    return r;
}

static int probably_prime(uint64_t v)
{
    uint64_t d = v - 1;
    int s = 0;
    while (!(d & 1))
        d >>= 1, s++;
    uint64_t x = power(2, d, v);
    if (x == 1 || x == v - 1)
        return 1;
    while (--s > 0) {
        x = mul(x, x, v);
        if (x == v - 1)
            return 1;
    }
    return 0;
}

uint32_t bench(uint32_t n)
{
    uint32_t count = 0;
    for (uint64_t v = 1000000000039u + 2 * (n % 4); v < 1000000000139u; v += 2)
        count += (uint32_t)probably_prime(v);
    return count;
}
