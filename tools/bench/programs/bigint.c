/* 300! in 32-bit limbs, then its decimal digits' sum: carries and division of 64 by 32 bits. */
#include <stdint.h>

#define LIMBS 80

static uint32_t limb[LIMBS];

static int scale(int used, uint32_t factor)
{
    uint64_t carry = 0;
    for (int i = 0; i < used; i++) {
        carry += (uint64_t)limb[i] * factor;
        limb[i] = (uint32_t)carry;
        carry >>= 32;
    }
    if (carry && used < LIMBS)
        limb[used++] = (uint32_t)carry;
    return used;
}

static uint32_t shrink(int used)
{
    uint64_t rest = 0;
    for (int i = used - 1; i >= 0; i--) {
        rest = rest << 32 | limb[i];
        limb[i] = (uint32_t)(rest / 1000000000);
        rest %= 1000000000;
    }
    return (uint32_t)rest;
}

uint32_t bench(uint32_t n)
{
    int used = 1;
    uint32_t sum = 0;
    limb[0] = 1;
    for (uint32_t f = 2; f <= 300 - n % 2; f++)
        used = scale(used, f);
    while (used) {
        for (uint32_t nine = shrink(used); nine; nine /= 10)
            sum += nine % 10;
        while (used && !limb[used - 1])
            used--;
    }
    return sum;
}
