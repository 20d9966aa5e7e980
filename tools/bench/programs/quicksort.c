/* Quicksort of 6,000 integers, median of three, insertion sort for short runs. */
#include <stdint.h>

#define N 6000

static int32_t v[N];

static void insertion(int low, int high)
{
    for (int i = low + 1; i <= high; i++) {
        int32_t x = v[i];
        int j = i - 1;
        for (; j >= low && v[j] > x; j--)
            v[j + 1] = v[j];
        v[j + 1] = x;
    }
}

static int32_t middle(int32_t a, int32_t b, int32_t c)
{
    if (a > b) { int32_t t = a; a = b; b = t; }
    return c < a ? a : c > b ? b : c;
}

static void sort(int low, int high)
{
    while (high - low > 12) {
        int32_t pivot = middle(v[low], v[low + (high - low) / 2], v[high]);
        int i = low, j = high;
        while (i <= j) {
            while (v[i] < pivot) i++;
            while (v[j] > pivot) j--;
            if (i <= j) { int32_t t = v[i]; v[i++] = v[j]; v[j--] = t; }
        }
        if (j - low < high - i) { sort(low, j); low = i; }
        else { sort(i, high); high = j; }
    }
    insertion(low, high);
}

uint32_t bench(uint32_t n)
{
    uint32_t seed = n, digest = 0;
    for (int i = 0; i < N; i++) {
        seed = seed * 1664525 + 1013904223;
        v[i] = (int32_t)seed;
    }
    sort(0, N - 1);
    for (int i = 0; i < N; i++)
        digest = digest * 31 + (uint32_t)v[i];
    return digest;
}
