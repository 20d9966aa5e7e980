/* scaling.c: one computation on one core and on all of them.
 *
 *   bareflow cc modules/examples/scaling.c -O2 -o scaling.bc
 *   bareflow run scaling.bc --cores 4
 *
 * Rows of the Mandelbrot set take very different times, so a loop that gave each core an equal share
 * would wait for the slowest; bf_parallel_for hands out a few rows at a time. The program says how much
 * faster all cores were, checks that they computed the same, and ends with status 0 if so.
 */
#include <bf/task.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct picture {
    int size, limit;
    unsigned short *steps;
};

/* Rows [from, to). Tasks write to different rows, so they need no lock. */
static void rows(void *context, long from, long to)
{
    struct picture *picture = context;
    for (long row = from; row < to; row++)
        for (int column = 0; column < picture->size; column++) {
            double cr = 2.5 * column / picture->size - 2, ci = 2.5 * row / picture->size - 1.25;
            double r = 0, i = 0;
            int step = 0;
            for (; step < picture->limit && r * r + i * i <= 4; step++) {
                double next = r * r - i * i + cr;
                i = 2 * r * i + ci;
                r = next;
            }
            picture->steps[row * picture->size + column] = (unsigned short)step;
        }
}

int main(int argc, char **argv)
{
    int size = argc > 1 ? atoi(argv[1]) : 400;
    size_t bytes = (size_t)size * (size_t)size * sizeof(unsigned short);
    struct picture alone = {size, 1000, malloc(bytes)}, together = {size, 1000, malloc(bytes)};
    /* The first loop starts the helpers; do not count that. */
    bf_parallel_for(0, 1, 1, rows, &together);

    long long start = bf_ticks_us();
    rows(&alone, 0, size);
    long long middle = bf_ticks_us();
    bf_parallel_for(0, size, 4, rows, &together);
    long long end = bf_ticks_us();

    int same = memcmp(alone.steps, together.steps, bytes) == 0;
    printf("one core: %lld us; %d cores: %lld us; %.2f times as fast; %s\n", middle - start,
           bf_core_count(), end - middle, (double)(middle - start) / (double)(end - middle),
           same ? "the same picture" : "ANOTHER PICTURE");
    return !same;
}
