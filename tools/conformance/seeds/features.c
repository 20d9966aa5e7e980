// What the legaliser is for: integers, vectors and floats that machines do not have, and atomics.
typedef float f4 __attribute__((vector_size(16)));
typedef int i4 __attribute__((vector_size(16)));
typedef int i8 __attribute__((vector_size(32)));
typedef short s16 __attribute__((vector_size(32)));
typedef signed char c3 __attribute__((ext_vector_type(3)));
#if __clang_major__ < 16
typedef _ExtInt(67) odd;
typedef unsigned _ExtInt(120) wide;
typedef float half;
#else
typedef _BitInt(67) odd;
typedef unsigned _BitInt(200) wide;
typedef _Float16 half;
#endif
struct packed { char a; long long b; } __attribute__((packed));

f4 blend(f4 a, f4 b) {
    i4 mask = a < b;
    return (f4)((i4)(a * b) & mask | (i4)((f4){1, 2, 3, 4} - a) & ~mask);
}
i8 shuffled(i8 a, i8 b) { return __builtin_shufflevector(a, b, 15, 3, 0, 0, 8, 1, 7, 12) / (b | 1); }
s16 narrowed(s16 a, int n) { a[n & 15] = n; return a >> (s16){1, 2, 3} ^ a << n; }
c3 three(c3 a) { return a.zyx * a; }
odd arithmetic(odd a, odd b) { return a * b / (b | 1) + (a >> 9) - (a % 77); }
wide shifted(wide a, int n) { return a << n | a >> 3; }
long double extended(long double a, int n) { return a * n + 0.5L / a - (long double)(float)n; }
half halves(half a, float b) { return a * (half)b + 1; }
int lanes(int *data, int count) {
    int sum = 0;
    for (int i = 0; i < count; i++) sum += data[i] * data[i ^ 1] + (data[i] > 7);
    return sum;
}
int exchanged(int *p, long long *q, int n) {
    __atomic_fetch_nand(p, n, __ATOMIC_SEQ_CST);
    long long old = 1;
    __atomic_compare_exchange_n(q, &old, n, 1, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
    return __sync_lock_test_and_set(p, 1) + (int)old;
}
long long unaligned(struct packed *p) { return p->b += p->a; }
unsigned bits(unsigned x, unsigned long long y) {
    return __builtin_popcount(x) + __builtin_clzll(y | 1) + __builtin_bswap32(x) + (x << 7 | x >> 25);
}
_Bool carried(int a, int b, int *out) { return __builtin_mul_overflow(a, b, out); }
