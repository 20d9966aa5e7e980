/* Five-point stencil on a 100 x 100 grid of doubles, 20 sweeps. */
#include <stdint.h>

#define N 100

static double grid[2][N][N];

uint32_t bench(uint32_t n)
{
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++)
            grid[0][i][j] = grid[1][i][j] = (i == 0) * (j + (int)(n % 4));
    for (int sweep = 0; sweep < 20; sweep++) {
        double (*from)[N] = grid[sweep & 1], (*to)[N] = grid[~sweep & 1];
        for (int i = 1; i < N - 1; i++)
            for (int j = 1; j < N - 1; j++)
                to[i][j] = 0.25 * (from[i - 1][j] + from[i + 1][j] + from[i][j - 1] + from[i][j + 1]);
    }
    double sum = 0;
    for (int i = 0; i < N; i++)
        sum += grid[0][i][i] + grid[0][i][N / 2];
    return (uint32_t)(int32_t)(sum * 1000);
}
