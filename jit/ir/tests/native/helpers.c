/* Conversions as the processor does them, and the program's end. */
#include <emmintrin.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int32_t to_i32(double x) { return _mm_cvttsd_si32(_mm_set_sd(x)); }

/* i386 has no cvttsd2si of 64 bits: the same by cases. */
int64_t to_i64(double x)
{
    if (!(x >= -9223372036854775808.0 && x < 9223372036854775808.0))
        return INT64_MIN;
    return (int64_t)x;
}

int64_t to_u64(double x)
{
    int64_t low = to_i64(x);
    return low | (to_i64(x - 9223372036854775808.0) & (low >> 63));
}

int64_t entry(int32_t a, int64_t b);

int main(int argc, char **argv)
{
    (void)argc;
    uint64_t result = (uint64_t)entry((int32_t)strtoll(argv[1], 0, 10), strtoll(argv[2], 0, 10));
    printf("%llu\n", (unsigned long long)result);
    return 0;
}
