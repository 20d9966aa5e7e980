/* In-place radix-2 transform of 1024 complex doubles with a table of roots built by recurrence. */
#include <stdint.h>

#define N 1024

static double re[N], im[N], cosine[N / 2], sine[N / 2];

static void roots(void)
{
    /* cos and sin of one step of 2 pi / N, then rotation. */
    const double c = 0.99998117528260110909, s = 0.00613588464915447527;
    cosine[0] = 1, sine[0] = 0;
    for (int i = 1; i < N / 2; i++) {
        cosine[i] = cosine[i - 1] * c - sine[i - 1] * s;
        sine[i] = sine[i - 1] * c + cosine[i - 1] * s;
    }
}

static void swap(double *a, double *b)
{
    double t = *a;
    *a = *b, *b = t;
}

static void transform(void)
{
    for (uint32_t i = 1, j = 0; i < N; i++) {
        uint32_t bit = N >> 1;
        for (; j & bit; bit >>= 1)
            j ^= bit;
        j ^= bit;
        if (i < j)
            swap(&re[i], &re[j]), swap(&im[i], &im[j]);
    }
    for (int half = 1; half < N; half *= 2)
        for (int start = 0; start < N; start += 2 * half)
            for (int k = 0; k < half; k++) {
                int a = start + k, b = a + half, r = k * (N / 2 / half);
                double x = re[b] * cosine[r] + im[b] * sine[r];
                double y = im[b] * cosine[r] - re[b] * sine[r];
                re[b] = re[a] - x, im[b] = im[a] - y;
                re[a] += x, im[a] += y;
            }
}

uint32_t bench(uint32_t n)
{
    roots();
    for (int i = 0; i < N; i++)
        re[i] = (i * 37 + (int)(n % 8)) % 101, im[i] = 0;
    for (int round = 0; round < 3; round++)
        transform();
    return (uint32_t)(int32_t)(re[1] * 16) ^ (uint32_t)(int32_t)(im[N - 1] * 16);
}
