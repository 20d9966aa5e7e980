/* Measures bench() of the object it is linked with, by the protocol of src/child.rs:
 * prints {"check": sum of bench(0..7), "ns": best time of a call, thread CPU time}. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

uint32_t bench(uint32_t n);

static volatile uint32_t sink;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static double batch(uint32_t calls)
{
    double start = now();
    for (uint32_t i = 0; i < calls; i++)
        sink = bench(i & 7);
    return now() - start;
}

int main(int argc, char **argv)
{
    double budget = (argc > 1 ? atof(argv[1]) : 20) * 1e6, best = 1e300;
    uint32_t check = 0, calls = 8;
    for (uint32_t i = 0; i < 8; i++)
        check = check * 31 + bench(i);
    while (batch(calls) < budget / 8 && calls < 1u << 30)
        calls *= 2;
    for (int round = 0; round < 6; round++) {
        double time = batch(calls) / calls;
        best = time < best ? time : best;
    }
    printf("{\"check\": %u, \"ns\": %.2f}\n", check, best);
    return 0;
}
