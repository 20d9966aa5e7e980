/* Sixteen small functions for the stress test, each a little different and all pure.
 *
 * A driver calls them with a skewed distribution, f0 most and f15 least, while each is recompiled
 * again and again. f(k, x) is what fk(x) must be; `pick` draws k the way a driver would.
 *
 * check: f0 5
 * check: f1 5
 * check: f2 5
 * check: f3 5
 * check: f4 5
 * check: f5 5
 * check: f6 5
 * check: f7 5
 * check: f8 5
 * check: f9 5
 * check: f10 5
 * check: f11 5
 * check: f12 5
 * check: f13 5
 * check: f14 5
 * check: f15 5
 * check: pick 1
 * check: bench 50
 */

/* Rounds of a multiplicative hash; the constants make the functions tell apart. */
#define FUNCTION(k, rounds)                                                \
    int f##k(int x)                                                        \
    {                                                                      \
        unsigned h = (unsigned)x + k * 0x9E3779B9u;                        \
        for (int i = 0; i < rounds; i++)                                   \
            h = (h ^ (h >> (5 + k))) * (0x85EBCA6Bu + 2 * k) + (unsigned)i; \
        return (int)h;                                                     \
    }

FUNCTION(0, 2)
FUNCTION(1, 3)
FUNCTION(2, 4)
FUNCTION(3, 5)
FUNCTION(4, 6)
FUNCTION(5, 7)
FUNCTION(6, 8)
FUNCTION(7, 9)
FUNCTION(8, 10)
FUNCTION(9, 12)
FUNCTION(10, 14)
FUNCTION(11, 16)
FUNCTION(12, 20)
FUNCTION(13, 24)
FUNCTION(14, 32)
FUNCTION(15, 64)

static int (*const functions[16])(int) = {f0, f1, f2,  f3,  f4,  f5,  f6,  f7,
                                          f8, f9, f10, f11, f12, f13, f14, f15};

/* Number of trailing zeros of a random number: each k half as likely as the one before. */
int pick(int seed)
{
    unsigned random = (unsigned)seed * 747796405u + 2891336453u;
    random = ((random >> ((random >> 28) + 4)) ^ random) * 277803737u;
    int k = 0;
    while (k < 15 && !(random & 1)) {
        random >>= 1;
        k++;
    }
    return k;
}

int bench(int n)
{
    unsigned sum = 0;
    for (int i = 0; i < n; i++)
        sum = sum * 31 + (unsigned)functions[pick(i)](i);
    return (int)sum;
}

int main(void) { return bench(100000); }
