/* LU decomposition of a 64 x 64 matrix of doubles with partial pivoting. */
#include <stdint.h>

#define N 64

static double a[N][N];

static int pivot(int k)
{
    int best = k;
    for (int i = k + 1; i < N; i++)
        if (__builtin_fabs(a[i][k]) > __builtin_fabs(a[best][k]))
            best = i;
    for (int j = 0; best != k && j < N; j++) {
        double t = a[k][j];
        a[k][j] = a[best][j], a[best][j] = t;
    }
    return best;
}

uint32_t bench(uint32_t n)
{
    uint32_t digest = 0, seed = n | 1;
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) {
            seed = seed * 1664525 + 1013904223;
            a[i][j] = (seed >> 8) / 16777216.0 + (i == j);
        }
    for (int k = 0; k < N; k++) {
        digest = digest * 31 + (uint32_t)pivot(k);
        for (int i = k + 1; i < N; i++) {
            double factor = a[i][k] / a[k][k];
            a[i][k] = factor;
            for (int j = k + 1; j < N; j++)
                a[i][j] -= factor * a[k][j];
        }
    }
    return digest;
}
