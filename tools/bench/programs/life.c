/* Conway's game on a 128 x 128 torus of bytes, 10 generations. */
#include <stdint.h>

#define N 128

static uint8_t world[2][N][N];

static int around(uint8_t (*w)[N], int i, int j)
{
    int up = (i + N - 1) % N, down = (i + 1) % N, left = (j + N - 1) % N, right = (j + 1) % N;
    return w[up][left] + w[up][j] + w[up][right] + w[i][left] + w[i][right] + w[down][left] +
           w[down][j] + w[down][right];
}

uint32_t bench(uint32_t n)
{
    uint32_t seed = n + 1, alive = 0;
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) {
            seed = seed * 1103515245 + 12345;
            world[0][i][j] = (uint8_t)(seed >> 30 == 0);
        }
    for (int t = 0; t < 10; t++)
        for (int i = 0; i < N; i++)
            for (int j = 0; j < N; j++) {
                int count = around(world[t & 1], i, j);
                world[~t & 1][i][j] = count == 3 || (count == 2 && world[t & 1][i][j]);
            }
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++)
            alive += world[0][i][j] * (uint32_t)(i + j);
    return alive;
}
