/* Product of two 96 x 96 float matrices, rows outermost: the inner loop vectorises. */
#include <stdint.h>

#define N 96

static float a[N][N], b[N][N], c[N][N];

uint32_t bench(uint32_t n)
{
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) {
            a[i][j] = (float)((i * 7 + j + (int)(n % 3)) % 13);
            b[i][j] = (float)((i + j * 5) % 11);
            c[i][j] = 0;
        }
    for (int i = 0; i < N; i++)
        for (int k = 0; k < N; k++)
            for (int j = 0; j < N; j++)
                c[i][j] += a[i][k] * b[k][j];
    uint32_t digest = 0;
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++)
            digest = digest * 31 + (uint32_t)(int32_t)c[i][j];
    return digest;
}
