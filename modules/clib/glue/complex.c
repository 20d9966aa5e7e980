/* complex.c: what clang calls for complex products and quotients, and for powers by an integer.
 *
 * Annex G of C11: a product or quotient that comes out as NaN + i NaN although an operand is infinite
 * (or a divisor zero) is an infinity; the sections below follow G.5.1, examples 1 and 2. Without
 * such operands they are the schoolbook formulas, evaluated in this order in every tier.
 */
#include <complex.h>
#include <math.h>

#define COMPLEX(T, suffix, letter)                                                                  \
    /* 1 with the sign of x where x is infinite, else 0 with it. */                                 \
    static T box##suffix(T x) { return copysign##letter(isinf(x) ? 1 : 0, x); }                     \
    static T number##suffix(T x) { return isnan(x) ? copysign##letter(0, x) : x; }                  \
                                                                                                    \
    T _Complex __mul##suffix(T a, T b, T c, T d)                                                    \
    {                                                                                               \
        T ac = a * c, bd = b * d, ad = a * d, bc = b * c;                                           \
        T x = ac - bd, y = ad + bc;                                                                 \
        if (isnan(x) && isnan(y)) {                                                                 \
            int again = 0;                                                                          \
            if (isinf(a) || isinf(b)) {                                                             \
                a = box##suffix(a), b = box##suffix(b);                                             \
                c = number##suffix(c), d = number##suffix(d);                                       \
                again = 1;                                                                          \
            }                                                                                       \
            if (isinf(c) || isinf(d)) {                                                             \
                c = box##suffix(c), d = box##suffix(d);                                             \
                a = number##suffix(a), b = number##suffix(b);                                       \
                again = 1;                                                                          \
            }                                                                                       \
            if (!again && (isinf(ac) || isinf(bd) || isinf(ad) || isinf(bc))) {                     \
                a = number##suffix(a), b = number##suffix(b);                                       \
                c = number##suffix(c), d = number##suffix(d);                                       \
                again = 1;                                                                          \
            }                                                                                       \
            if (again) {                                                                            \
                x = INFINITY * (a * c - b * d);                                                     \
                y = INFINITY * (a * d + b * c);                                                     \
            }                                                                                       \
        }                                                                                           \
        return CMPLX##letter(x, y);                                                                 \
    }                                                                                               \
                                                                                                    \
    T _Complex __div##suffix(T a, T b, T c, T d)                                                    \
    {                                                                                               \
        int scale = 0;                                                                              \
        T size = logb##letter(fmax##letter(fabs##letter(c), fabs##letter(d)));                      \
        if (isfinite(size)) {                                                                       \
            scale = (int)size;                                                                      \
            c = scalbn##letter(c, -scale), d = scalbn##letter(d, -scale);                           \
        }                                                                                           \
        T square = c * c + d * d;                                                                   \
        T x = scalbn##letter((a * c + b * d) / square, -scale);                                     \
        T y = scalbn##letter((b * c - a * d) / square, -scale);                                     \
        if (isnan(x) && isnan(y)) {                                                                 \
            if (square == 0 && (!isnan(a) || !isnan(b))) {                                          \
                x = copysign##letter(INFINITY, c) * a;                                              \
                y = copysign##letter(INFINITY, c) * b;                                              \
            } else if ((isinf(a) || isinf(b)) && isfinite(c) && isfinite(d)) {                      \
                a = box##suffix(a), b = box##suffix(b);                                             \
                x = INFINITY * (a * c + b * d);                                                     \
                y = INFINITY * (b * c - a * d);                                                     \
            } else if (isinf(size) && size > 0 && isfinite(a) && isfinite(b)) {                     \
                c = box##suffix(c), d = box##suffix(d);                                             \
                x = 0 * (a * c + b * d);                                                            \
                y = 0 * (b * c - a * d);                                                            \
            }                                                                                       \
        }                                                                                           \
        return CMPLX##letter(x, y);                                                                 \
    }

#define CMPLX(x, y) __builtin_complex((double)(x), (double)(y))
#define CMPLXf(x, y) __builtin_complex((float)(x), (float)(y))

COMPLEX(double, dc3, )
COMPLEX(float, sc3, f)

/* By squaring; a negative power is the reciprocal of the positive one, as LLVM's runtime has it. */
#define POWER(T, name)                                                                              \
    T name(T base, int power)                                                                       \
    {                                                                                               \
        int reciprocal = power < 0;                                                                 \
        T result = 1;                                                                               \
        for (;; base *= base) {                                                                     \
            if (power & 1)                                                                          \
                result *= base;                                                                     \
            power /= 2;                                                                             \
            if (power == 0)                                                                         \
                return reciprocal ? 1 / result : result;                                            \
        }                                                                                           \
    }

POWER(double, __powidf2)
POWER(float, __powisf2)
