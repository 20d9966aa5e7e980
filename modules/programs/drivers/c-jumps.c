/* c-jumps.c: leaving functions by longjmp, signals, exit handlers; ends with status 7. */
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static jmp_buf place, outer;
static int depth;

__attribute__((noinline)) static void deep(int left, int value)
{
    char room[200];
    memset(room, left, sizeof room);
    depth++;
    if (left == 0)
        longjmp(place, value);
    deep(left - 1, value + room[0] - left);
}

static void values(void)
{
    int plain = 5;
    volatile int counted = 0;
    double held = 2.5;
    int result = setjmp(place);
    counted++;
    if (result < 4)
        deep(10 + result, result + 1);
    printf("%d %d %d %g %d\n", result, plain, counted, held, depth);
    switch (setjmp(place)) {
    case 0:
        longjmp(place, 0);
    case 1:
        puts("zero becomes one");
    }
}

/* A place inside a place: errors are handled by the innermost, which passes some on. */
static int attempt(int number)
{
    jmp_buf saved;
    memcpy(saved, place, sizeof place);
    int result = setjmp(place);
    if (result == 0) {
        if (number % 3 == 0)
            longjmp(place, 1);
        if (number % 5 == 0)
            longjmp(outer, number);
        result = number;
    } else {
        result = -number;
    }
    memcpy(place, saved, sizeof place);
    return result;
}

static void nested(void)
{
    volatile int sum = 0, number = 0;
    int from = setjmp(outer);
    if (from)
        sum += 1000 * from;
    while (++number <= 50)
        sum += attempt(number);
    printf("nested %d\n", sum);
}

/* Out of a comparison, through the C library's own frames. */
static int compare(const void *a, const void *b)
{
    if (*(const int *)a == 13)
        longjmp(place, 13);
    return *(const int *)a - *(const int *)b;
}

static void through_library(void)
{
    int numbers[] = {5, 9, 1, 13, 4, 8, 2};
    if (setjmp(place) == 0) {
        qsort(numbers, 7, sizeof *numbers, compare);
        puts("not reached");
    } else {
        puts("out of qsort");
    }
}

static volatile sig_atomic_t caught;

static void handler(int number) { caught += number; }

static void leave(int number)
{
    (void)number;
    longjmp(place, 6);
}

static void signals(void)
{
    signal(SIGUSR1, handler);
    raise(SIGUSR1);
    int first = caught != 0;
    signal(SIGINT, SIG_IGN);
    raise(SIGINT);
    signal(SIGABRT, leave);
    if (setjmp(place) == 0)
        abort();
    printf("signals %d %d\n", first, signal(SIGTERM, SIG_DFL) == SIG_DFL);
}

static void first(void) { puts("registered first, runs last"); }
static void second(void) { puts("registered second, runs first"); }

__attribute__((constructor)) static void before(void) { puts("before main"); }
__attribute__((destructor)) static void after(void) { puts("after the handlers"); }

int main(int argc, char **argv)
{
    printf("%d %d\n", argc, argv[argc] == 0);
    atexit(first);
    atexit(second);
    values();
    nested();
    through_library();
    signals();
    printf("no newline at the end");
    exit(7);
}
