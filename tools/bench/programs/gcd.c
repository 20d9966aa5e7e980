/* Euclid's algorithm on 90 x 90 pairs: division in a dependent chain. */
#include <stdint.h>

static uint32_t gcd(uint32_t a, uint32_t b)
{
    while (b) {
        uint32_t r = a % b;
        a = b, b = r;
    }
    return a;
}

uint32_t bench(uint32_t n)
{
    uint32_t sum = 0;
    for (uint32_t a = 1000; a < 1090; a++)
        for (uint32_t b = 2000; b < 2090; b++)
            sum += gcd(a * 17, b + n);
    return sum;
}
