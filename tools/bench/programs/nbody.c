/* Five bodies under gravity, symplectic Euler: double arithmetic with a square root and a division. */
#include <stdint.h>

struct body { double p[3], v[3], mass; };

static double root(double x) { return __builtin_sqrt(x); }

static void advance(struct body *b, int count, double dt)
{
    for (int i = 0; i < count; i++)
        for (int j = i + 1; j < count; j++) {
            double d[3], square = 0.01;
            for (int k = 0; k < 3; k++) {
                d[k] = b[i].p[k] - b[j].p[k];
                square += d[k] * d[k];
            }
            double pull = dt / (square * root(square));
            for (int k = 0; k < 3; k++) {
                b[i].v[k] -= d[k] * b[j].mass * pull;
                b[j].v[k] += d[k] * b[i].mass * pull;
            }
        }
    for (int i = 0; i < count; i++)
        for (int k = 0; k < 3; k++)
            b[i].p[k] += dt * b[i].v[k];
}

uint32_t bench(uint32_t n)
{
    struct body b[5];
    for (int i = 0; i < 5; i++) {
        for (int k = 0; k < 3; k++) {
            b[i].p[k] = (i + 1) * (k + 2) % 7;
            b[i].v[k] = (i * 3 + k) % 5 * 0.1;
        }
        b[i].mass = 1.0 + i;
    }
    for (int step = 0; step < 2000; step++)
        advance(b, 5, 0.001);
    return (uint32_t)(int32_t)(b[n % 5].p[0] * 1e6);
}
