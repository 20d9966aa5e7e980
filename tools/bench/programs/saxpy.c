/* y = a x + y and a dot product over 4096 floats, 40 times. */
#include <stdint.h>

#define N 4096

static float x[N], y[N];

static void axpy(float a)
{
    for (int i = 0; i < N; i++)
        y[i] += a * x[i];
}

static float dot(void)
{
    float lanes[8] = {0};
    for (int i = 0; i < N; i += 8)
        for (int k = 0; k < 8; k++)
            lanes[k] += x[i + k] * y[i + k];
    return lanes[0] + lanes[1] + lanes[2] + lanes[3] + lanes[4] + lanes[5] + lanes[6] + lanes[7];
}

uint32_t bench(uint32_t n)
{
    float total = 0;
    for (int i = 0; i < N; i++)
        x[i] = (float)(i % 17), y[i] = (float)((i + (int)n) % 3);
    for (int round = 0; round < 40; round++) {
        axpy(0.125f);
        total += dot() * 0.0009765625f;
    }
    return (uint32_t)(int32_t)total;
}
