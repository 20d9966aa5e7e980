/* Virtual calls: areas of 500 shapes of four kinds through tables of functions. */
#include <stdint.h>

struct shape;
struct methods { int32_t (*area)(const struct shape *); int32_t (*grow)(struct shape *, int32_t); };
struct shape { const struct methods *methods; int32_t a, b; };

static int32_t square_area(const struct shape *s) { return s->a * s->a; }
static int32_t square_grow(struct shape *s, int32_t by) { return s->a = (s->a + by) & 63; }
static int32_t box_area(const struct shape *s) { return s->a * s->b; }
static int32_t box_grow(struct shape *s, int32_t by) { return s->b = (s->b + by) & 127; }
static int32_t triangle_area(const struct shape *s) { return s->a * s->b / 2; }
static int32_t circle_area(const struct shape *s) { return s->a * s->a * 355 / 113; }

static const struct methods kinds[] = {{square_area, square_grow},
                                       {box_area, box_grow},
                                       {triangle_area, box_grow},
                                       {circle_area, square_grow}};

uint32_t bench(uint32_t n)
{
    static struct shape list[500];
    uint32_t sum = 0, seed = n;
    for (int i = 0; i < 500; i++) {
        seed = seed * 1664525 + 1013904223;
        list[i] = (struct shape){&kinds[seed >> 30], i % 50, i % 31};
    }
    for (int round = 0; round < 40; round++)
        for (int i = 0; i < 500; i++) {
            sum += (uint32_t)list[i].methods->area(&list[i]);
            sum ^= (uint32_t)list[i].methods->grow(&list[i], round);
        }
    return sum;
}
