/* Product of two 80 x 80 integer matrices, columns innermost: strided loads. */
#include <stdint.h>

#define N 80

static int32_t a[N][N], b[N][N], c[N][N];

uint32_t bench(uint32_t n)
{
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++)
            a[i][j] = i * 3 + j + (int)n, b[i][j] = i - j * 2;
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) {
            int32_t sum = 0;
            for (int k = 0; k < N; k++)
                sum += (int32_t)((uint32_t)a[i][k] * (uint32_t)b[k][j] & 0xffff);
            c[i][j] = sum;
        }
    uint32_t digest = 0;
    for (int i = 0; i < N; i++)
        digest = digest * 31 + (uint32_t)c[i][(i * 7) % N];
    return digest;
}
