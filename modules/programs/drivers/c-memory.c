/* c-memory.c: malloc and its relatives under load, sorting and searching.
 *
 * Every block is filled with a pattern of its own that is checked before the block goes, so blocks that
 * overlap are noticed.
 */
#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCKS 500

static uint32_t seed = 7;

static uint32_t next_number(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 17;
    seed ^= seed << 5;
    return seed;
}

static struct {
    unsigned char *data, byte;
    size_t bytes;
} block[BLOCKS];

static int bad;

static void check(int i, size_t bytes)
{
    for (size_t k = 0; k < bytes; k++)
        if (block[i].data[k] != block[i].byte) {
            bad++;
            return;
        }
}

static void blocks(int steps)
{
    uint32_t total = 0;
    for (int step = 0; step < steps; step++) {
        int i = (int)(next_number() % BLOCKS);
        size_t bytes = next_number() % 16 ? next_number() % 300 : next_number() % 60000;
        size_t old = block[i].bytes;
        unsigned kind = next_number() % 6;
        check(i, old);
        if (kind == 0) {
            block[i].data = realloc(block[i].data, bytes + 1);
            check(i, old < bytes ? old : bytes);
        } else if (kind == 1) {
            free(block[i].data);
            block[i].data = calloc(bytes + 1, 1);
            for (size_t k = 0; k <= bytes; k++)
                bad += block[i].data[k] != 0;
        } else if (kind == 2) {
            size_t alignment = (size_t)16 << next_number() % 8;
            free(block[i].data);
            block[i].data = memalign(alignment, bytes + 1);
            bad += (uintptr_t)block[i].data % alignment != 0;
        } else {
            free(block[i].data);
            block[i].data = malloc(bytes + 1);
        }
        if (!block[i].data) {
            puts("no memory");
            exit(1);
        }
        bad += (uintptr_t)block[i].data % 8 != 0;
        block[i].byte = (unsigned char)step;
        block[i].bytes = bytes;
        memset(block[i].data, block[i].byte, bytes);
        total += (uint32_t)bytes;
    }
    for (int i = 0; i < BLOCKS; i++) {
        check(i, block[i].bytes);
        free(block[i].data);
    }
    printf("blocks: %u bytes, %d bad\n", (unsigned)total, bad);
}

static int compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void sorting(int count)
{
    uint32_t *numbers = malloc((size_t)count * sizeof *numbers);
    for (int i = 0; i < count; i++)
        numbers[i] = next_number() % 1000000;
    qsort(numbers, (size_t)count, sizeof *numbers, compare);
    uint32_t sum = 0, found = 0;
    for (int i = 0; i < count; i++)
        sum = sum * 31 + numbers[i];
    for (uint32_t key = 0; key < 1000000; key += 997)
        found += bsearch(&key, numbers, (size_t)count, sizeof *numbers, compare) != 0;
    printf("sorted %u %u\n", (unsigned)sum, (unsigned)found);
    free(numbers);
    char *words[200];
    for (int i = 0; i < 200; i++) {
        words[i] = malloc(12);
        snprintf(words[i], 12, "w%u", (unsigned)(next_number() % 1000));
    }
    qsort(words, 200, sizeof *words, compare_texts);
    printf("%s %s %s\n", words[0], words[100], words[199]);
    for (int i = 0; i < 200; i++)
        free(words[i]);
}

/* Blocks as large as a real program's, given back and taken again. */
static void large(int megabytes)
{
    for (int round = 0; round < 3; round++) {
        char *data = malloc((size_t)megabytes << 20);
        if (!data) {
            puts("no memory");
            exit(1);
        }
        for (int i = 0; i < megabytes; i++)
            memset(data + ((size_t)i << 20), i, 4096);
        data = realloc(data, ((size_t)megabytes << 20) + 12345);
        printf("large %d %d\n", data[0], data[(size_t)(megabytes - 1) << 20]);
        free(data);
    }
}

int main(int argc, char **argv)
{
    int size = argc > 1 ? atoi(argv[1]) : 100;
    blocks(size * 100);
    sorting(size * 100);
    large(16);
    volatile size_t most = (size_t)-1000; /* otherwise compilers take it for granted */
    char *volatile block = malloc(most);
    printf("%d\n", block == 0);
    return bad != 0;
}
