/* Stable merge sort of 4,000 records of 16 bytes by a key, through a comparison function. */
#include <stdint.h>

#define N 4000

struct record { uint32_t key, serial; uint64_t load; };

static struct record a[N], b[N];

static int by_key(const struct record *x, const struct record *y)
{
    return x->key < y->key ? -1 : x->key > y->key;
}

static void merge(int low, int middle, int high, int (*order)(const struct record *, const struct record *))
{
    int i = low, j = middle;
    for (int k = low; k < high; k++)
        b[k] = i < middle && (j >= high || order(&a[i], &a[j]) <= 0) ? a[i++] : a[j++];
    for (int k = low; k < high; k++)
        a[k] = b[k];
}

uint32_t bench(uint32_t n)
{
    uint32_t seed = n, digest = 0;
    for (uint32_t i = 0; i < N; i++) {
        seed = seed * 1664525 + 1013904223;
        a[i] = (struct record){seed >> 22, i, seed};
    }
    for (int width = 1; width < N; width *= 2)
        for (int low = 0; low + width < N; low += 2 * width)
            merge(low, low + width, low + 2 * width < N ? low + 2 * width : N, by_key);
    for (int i = 0; i < N; i++)
        digest = digest * 31 + a[i].serial + (uint32_t)a[i].load;
    return digest;
}
