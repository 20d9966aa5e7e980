/* 96 x 96 pixels from RGB to grey and a box blur: bytes, widening, clamping. */
#include <stdint.h>

#define N 96

static uint8_t rgb[N * N * 3], grey[N][N], soft[N][N];

uint32_t bench(uint32_t n)
{
    uint32_t digest = 0;
    for (int i = 0; i < N * N * 3; i++)
        rgb[i] = (uint8_t)(i * 13 + (int)n);
    for (int i = 0; i < N * N; i++)
        grey[0][i] = (uint8_t)((rgb[3 * i] * 77 + rgb[3 * i + 1] * 150 + rgb[3 * i + 2] * 29) >> 8);
    for (int round = 0; round < 4; round++) {
        for (int i = 1; i < N - 1; i++)
            for (int j = 1; j < N - 1; j++) {
                int sum = 8 * grey[i][j] + grey[i - 1][j] + grey[i + 1][j] + grey[i][j - 1] + grey[i][j + 1];
                sum = sum / 12 + 3;
                soft[i][j] = (uint8_t)(sum > 255 ? 255 : sum);
            }
        for (int i = 0; i < N; i++)
            for (int j = 0; j < N; j++)
                grey[i][j] = soft[i][j];
    }
    for (int i = 0; i < N; i++)
        digest = digest * 31 + grey[i][(i * 5) % N];
    return digest;
}
