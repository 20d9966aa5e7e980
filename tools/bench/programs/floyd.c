/* All shortest paths in a graph of 64 nodes (Floyd and Warshall). */
#include <stdint.h>

#define N 64

static int32_t d[N][N];

uint32_t bench(uint32_t n)
{
    uint32_t seed = n, sum = 0;
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) {
            seed = seed * 1664525 + 1013904223;
            d[i][j] = i == j ? 0 : (int32_t)(seed >> 20) + 1;
        }
    for (int k = 0; k < N; k++)
        for (int i = 0; i < N; i++)
            for (int j = 0; j < N; j++)
                if (d[i][k] + d[k][j] < d[i][j])
                    d[i][j] = d[i][k] + d[k][j];
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++)
            sum += (uint32_t)d[i][j];
    return sum;
}
