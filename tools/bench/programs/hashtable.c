/* Open addressing with linear probing: 3,000 insertions, look-ups and deletions. */
#include <stdint.h>

#define SLOTS 8192

struct slot { uint32_t key, value; };

static struct slot table[SLOTS];

static uint32_t home(uint32_t key) { return key * 2654435761u >> 19; }

static struct slot *find(uint32_t key)
{
    uint32_t at = home(key);
    while (table[at].key && table[at].key != key)
        at = (at + 1) & (SLOTS - 1);
    return &table[at];
}

static void erase(uint32_t key)
{
    uint32_t hole = (uint32_t)(find(key) - table);
    for (uint32_t at = (hole + 1) & (SLOTS - 1); table[at].key; at = (at + 1) & (SLOTS - 1))
        if (((at - home(table[at].key)) & (SLOTS - 1)) >= ((at - hole) & (SLOTS - 1))) {
            table[hole] = table[at];
            hole = at;
        }
    table[hole].key = 0;
}

uint32_t bench(uint32_t n)
{
    uint32_t seed = n, sum = 0;
    for (int i = 0; i < SLOTS; i++)
        table[i].key = 0;
    for (uint32_t i = 0; i < 3000; i++) {
        seed = seed * 1664525 + 1013904223;
        struct slot *slot = find(seed >> 12 | 1);
        slot->key = seed >> 12 | 1;
        slot->value = i;
        if (i % 3 == 0)
            erase(seed >> 12 | 1);
    }
    for (uint32_t i = 0; i < SLOTS; i++)
        sum += find(table[i].key | 1)->value * (table[i].key != 0);
    return sum;
}
