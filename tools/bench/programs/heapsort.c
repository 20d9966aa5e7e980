/* Heapsort of 5,000 doubles. */
#include <stdint.h>

#define N 5000

static double v[N];

static void sink(int at, int count)
{
    double x = v[at];
    for (;;) {
        int child = 2 * at + 1;
        if (child >= count)
            break;
        if (child + 1 < count && v[child + 1] > v[child])
            child++;
        if (v[child] <= x)
            break;
        v[at] = v[child];
        at = child;
    }
    v[at] = x;
}

uint32_t bench(uint32_t n)
{
    uint32_t seed = n, digest = 0;
    for (int i = 0; i < N; i++) {
        seed = seed * 1664525 + 1013904223;
        v[i] = (seed >> 4) * 0.5;
    }
    for (int i = N / 2; i-- > 0;)
        sink(i, N);
    for (int i = N; i-- > 1;) {
        double top = v[0];
        v[0] = v[i], v[i] = top;
        sink(0, i);
    }
    for (int i = 1; i < N; i++)
        digest = digest * 31 + (uint32_t)(int32_t)(v[i] * 0.25) + (v[i - 1] <= v[i]);
    return digest;
}
