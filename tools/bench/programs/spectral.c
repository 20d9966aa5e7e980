/* Spectral norm of an infinite matrix (first 100 rows): integer to double, division, dot products. */
#include <stdint.h>

#define N 100

static double element(int i, int j) { return 1.0 / ((i + j) * (i + j + 1) / 2 + i + 1); }

static void times(const double *x, double *y, int transposed)
{
    for (int i = 0; i < N; i++) {
        double sum = 0;
        for (int j = 0; j < N; j++)
            sum += (transposed ? element(j, i) : element(i, j)) * x[j];
        y[i] = sum;
    }
}

uint32_t bench(uint32_t n)
{
    double u[N], v[N], t[N], uv = 0, vv = 0;
    for (int i = 0; i < N; i++)
        u[i] = 1 + n % 2;
    for (int round = 0; round < 4; round++) {
        times(u, t, 0), times(t, v, 1);
        times(v, t, 0), times(t, u, 1);
    }
    for (int i = 0; i < N; i++)
        uv += u[i] * v[i], vv += v[i] * v[i];
    return (uint32_t)(int32_t)(uv / vv * 1e8);
}
