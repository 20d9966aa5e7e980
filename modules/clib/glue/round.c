/* round.c: mathematical functions that are one machine instruction.
 *
 * newlib computes square roots and roundings bit by bit, for machines without the instruction, and its
 * fma rounds twice. clang makes an intrinsic of each builtin below, which every tier emits as that
 * instruction. (The library is compiled with -fno-builtin, so none becomes a call of itself.)
 */
#include <math.h>

/* newlib's sqrt is a wrapper that sets errno around this. */
double __ieee754_sqrt(double x) { return __builtin_sqrt(x); }
float __ieee754_sqrtf(float x) { return __builtin_sqrtf(x); }

#define BOTH(name)                                                                                  \
    double name(double x) { return __builtin_##name(x); }                                           \
    float name##f(float x) { return __builtin_##name##f(x); }

BOTH(floor)
BOTH(ceil)
BOTH(trunc)
BOTH(rint)
BOTH(nearbyint)

double fma(double x, double y, double z) { return __builtin_fma(x, y, z); }
float fmaf(float x, float y, float z) { return __builtin_fmaf(x, y, z); }
