/* Escape times of 64 x 64 points: a loop of doubles that nothing vectorises. */
#include <stdint.h>

uint32_t bench(uint32_t n)
{
    uint32_t digest = n;
    for (int row = 0; row < 64; row++)
        for (int column = 0; column < 64; column++) {
            double x = 0, y = 0, cx = column / 24.0 - 2, cy = row / 32.0 - 1;
            uint32_t steps = 0;
            while (steps < 100 && x * x + y * y < 4) {
                double next = x * x - y * y + cx;
                y = 2 * x * y + cy;
                x = next;
                steps++;
            }
            digest = digest * 31 + steps;
        }
    return digest;
}
